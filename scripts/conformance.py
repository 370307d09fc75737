"""How near polylc's reading of every operator is to what torch and onnxruntime compute: docs/conformance.md.

    python scripts/conformance.py            write the page
    python scripts/conformance.py --show     print it

The cases are those of tests/readers/test_operators.py. torch runs them in double precision, onnxruntime in single.
"""

from __future__ import annotations

import argparse
import collections
import copy
import itertools
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper

from polylc.readers.load import load

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT / "tests" / "readers"), str(ROOT / "tests")]
import test_operators as cases  # noqa: E402

OPSETS = range(7, 24)
PAGE = ROOT / "docs" / "conformance.md"
HEAD = """\
# How near the readers are

Every operator that polylc reads, run beside torch {torch} in double and onnxruntime {onnxruntime} in single precision:
the largest difference over random inputs, relative to the largest output. Each ONNX case is tried in the operator
sets 7 to 23 and counted in those that onnxruntime takes it in. Made by `python scripts/conformance.py`; the
cases are those of `tests/readers/test_operators.py`.

| operator | torch: cases | largest difference | ONNX: cases | operator sets | largest difference |
|---|---|---|---|---|---|
"""


def difference(got: np.ndarray, wanted: np.ndarray, row: str) -> float:
    """Relative to the largest entry; of a softmax what is left when it is put back."""
    if "oftmax" in row:
        got = got - np.log(np.exp(got).sum(axis=1, keepdims=True))
        got = got if row == "LogSoftmax" else np.exp(got)
    return float(np.abs(got - wanted).max() / max(1.0, np.abs(wanted).max()))


def of_torch(case: cases.Torch) -> float:
    module = cases.Applied(case).double().eval()
    points = np.random.default_rng(0).standard_normal((100, *case.shape)) * 3
    with torch.no_grad():
        wanted = copy.deepcopy(module)(torch.from_numpy(points)).reshape(100, -1).numpy()
    return difference(load(module, input_shape=case.shape)(points.reshape(100, -1)), wanted, case.row)


def of_onnx(case: cases.Onnx, opset: int, folder: Path) -> float | None:
    """None where onnxruntime does not take the case in an operator set."""
    names = ["left", "x", *(n for n in case.constants if n != "left")] if "left" in case.constants else ["x", *case.constants]
    node = helper.make_node(case.kind, names, ["y"], **case.attributes)
    values = [helper.make_tensor_value_info("x", TensorProto.FLOAT, case.shape), helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
    weights = [numpy_helper.from_array(np.asarray(a), name) for name, a in case.constants.items() if name]
    model = helper.make_model(
        helper.make_graph([node], "graph", values[:1], values[1:], weights), opset_imports=[helper.make_opsetid("", opset)], ir_version=8
    )
    onnx.save(model, folder / "net.onnx")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    points = (np.random.default_rng(0).standard_normal((50, *case.shape)) * 3).astype(np.float32)
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        wanted = np.stack([session.run(None, {"x": point})[0].ravel() for point in points])
    except Exception:  # onnxruntime has several kinds
        return None
    return difference(load(folder / "net.onnx", input_shape=case.shape)(points.reshape(50, -1).astype(np.float64)), wanted, case.row)


def ranges(numbers: list[int]) -> str:
    """Sorted numbers, those that follow one another joined: 7-9, 11."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and parts[-1][-1] == number - 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    return ", ".join(str(p[0]) if len(p) == 1 else f"{p[0]}-{p[-1]}" for p in parts)


def page() -> str:
    """The whole page."""
    in_torch, in_onnx, opsets = (collections.defaultdict(list) for _ in range(3))
    torch.manual_seed(0)
    for case in cases.TORCH:
        in_torch[case.row].append(of_torch(case))
    with tempfile.TemporaryDirectory() as folder:
        for case, opset in itertools.product(cases.ONNX, OPSETS):
            found = of_onnx(case, opset, Path(folder))
            if found is not None:
                in_onnx[case.row].append(found)
                opsets[case.row].append(opset)
    lines = []
    for row in [row.name for row in cases.OPERATORS if row.name in in_torch or row.name in in_onnx]:
        one, two = in_torch[row], in_onnx[row]
        shown = [f"{len(one)} | {max(one):.0e}" if one else "- | -"]
        shown.append(f"{len(two)} | {ranges(sorted(set(opsets[row])))} | {max(two):.0e}" if two else "- | - | -")
        lines.append(f"| {row} | {' | '.join(shown)} |")
    return HEAD.format(torch=torch.__version__.partition("+")[0], onnxruntime=onnxruntime.__version__) + "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--show", action="store_true")
    if parser.parse_args().show:
        print(page())
    else:
        PAGE.write_text(page())


if __name__ == "__main__":
    main()
