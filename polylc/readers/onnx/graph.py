"""One operator of an ONNX graph at a time: looked up in the table, then computed, lowered or refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from polylc.network.builder import Value
from polylc.network.folded import said
from polylc.readers.files import first_line
from polylc.readers.onnx.evaluate import RANDOM, compute, rounding, rounds
from polylc.readers.onnx.node import Node
from polylc.readers.onnx.order import called
from polylc.readers.operators.call import Condition, Stripped
from polylc.readers.operators.row import Kind
from polylc.readers.supported import ONNX, softmax_inside, unsupported

if TYPE_CHECKING:
    import onnx

Result = Value | Stripped | Condition | np.ndarray


def refuse_hopeless(nodes: Sequence[onnx.NodeProto], entries: Sequence[str], wanted: Sequence[str], source: str) -> None:
    """Refuse the first operator that can never be read, before any that is merely missing is met.

    Parameters
    ----------
    nodes : sequence of NodeProto
        Each after all that it reads.
    entries, wanted : sequence of str
        Names of the graph's inputs, and of its outputs.
    source : str

    Raises
    ------
    UnsupportedLayerError
        If a smooth or discontinuous operator acts on what depends on the input.
    """
    depend = set(entries)
    for node in nodes:
        kind = str(node.op_type)
        if depend.isdisjoint(node.input) or kind in ("Shape", "Size"):
            continue
        never = ONNX[kind][0].kind if node.domain in ("", "ai.onnx") and kind in ONNX else None
        if never in (Kind.SMOOTH, Kind.DISCONTINUOUS) or (never is Kind.CONDITION and not _only_chooses(nodes, node.output[0], wanted)):
            raise unsupported(source, called(node), kind, "onnx")
        depend.update(filter(None, node.output))


def _only_chooses(nodes: Sequence[onnx.NodeProto], outcome: str, wanted: Sequence[str]) -> bool:
    """Whether a condition, or what is made of it, is nothing but that of choices."""
    if outcome in wanted:
        return False
    for node in nodes:
        if outcome in node.input:
            kind = str(node.op_type)
            passed = kind in ("Cast", "Not") and _only_chooses(nodes, node.output[0], wanted)
            if not passed and (kind != "Where" or outcome in node.input[1:]):
                return False
    return True


def lower_node(node: Node) -> Sequence[Result]:
    """The outputs of an operator: one value if any argument is one, else constants.

    Raises
    ------
    UnsupportedLayerError
        If the operator is not piecewise linear or not supported.
    """
    if any(a.HasField("g") or a.graphs for a in node.proto.attribute):
        raise node.error("has a graph of its own inside, which is not supported; export the model without branches and loops")
    if not node.depends_on_input:
        return _constants(node)
    source = node.builder.source
    row = ONNX[node.kind][0] if node.kind in ONNX else None
    if row is None or row.lower is None:
        raise unsupported(source, node.name, node.kind, "onnx")
    stripped = next((a for a in node.inputs if isinstance(a, Stripped)), None)
    if stripped and not row.after_softmax:
        raise softmax_inside(source, stripped.name)
    result: object
    if node.kind in _OF_ANY_NUMBER and len(node.inputs) != 2:  # two at a time
        result = node.arguments[0]
        for index in range(1, len(node.inputs)):
            assert isinstance(result, Result)
            result = lower_node(node.of_two(result, index))[0]
    else:
        result = row.lower(node)
    results = result if isinstance(result, tuple) else (result,)
    wrapped: list[Result] = []
    for one in results:
        assert isinstance(one, Result)
        wrapped.append(Stripped(one, stripped.kind, stripped.name) if stripped and isinstance(one, Value) else one)
    return wrapped


def _constants(node: Node) -> Sequence[np.ndarray]:
    """What an operator computes from constants."""
    import onnx

    if not onnx.defs.has(node.kind, node.opset):
        raise unsupported(node.builder.source, node.name, node.kind, "onnx")
    training = node.kind == "Dropout" and len(node.inputs) > 2 and np.any(np.asarray(node.inputs[2]))
    if node.kind in RANDOM or training:
        raise node.error("is random, so the model is no function of its input; leave it out, or export the model in evaluation mode")
    arrays = [a if isinstance(a, np.ndarray) else None for a in node.inputs]
    try:
        results = compute(node.proto, node.attributes, arrays, node.opset)
    except MemoryError:
        raise node.error("makes a constant too large for memory; polylc is made for small networks") from None
    except Exception as failure:  # the reference implementation of onnx checks little
        reason = f"{type(failure).__name__}: {first_line(failure, 80)}"
        raise node.error(f"cannot be computed from its constants ({reason}); fold constants when exporting the model") from failure
    if not all(a is None or isinstance(a, np.ndarray | np.generic) for a in results):
        raise node.error("makes something else than arrays of its constants; fold constants when exporting the model")
    if rounds(node.kind, arrays, results):
        change = rounding(node.kind, arrays, results)
        if change:
            node.builder.note(f"{node.name}: a constant computed in float64, {said(change)}; the network analysed has the result")
    return [np.asarray(a) for a in results]


_OF_ANY_NUMBER = frozenset(["Max", "Min", "Sum"])
