"""The table of what is supported: its names exist, its refusals say why and what to do, and docs/models.md shows it."""

from __future__ import annotations

import doctest
import pkgutil
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from torch import nn

from polylc.errors import UnsupportedLayerError
from polylc.readers.load import load
from polylc.readers.operators import row as row_module
from polylc.readers.operators.row import Kind, Operator, Spelling, is_layer
from polylc.readers.supported import ONNX, OPERATORS, is_read, renewed, unsupported
from polylc.readers.torch.names import require_supported

PAGE = Path(__file__).parents[2] / "docs" / "models.md"
REFUSED = [row for row in OPERATORS if not is_read(row)]
WORDING = {
    Kind.NOT_YET: "is not supported yet; polylc reads affine layers, convolutions, .* and ",
    Kind.SMOOTH: "is not piecewise linear; [a-z]",
    Kind.DISCONTINUOUS: "is discontinuous; [a-z]",
}


def named(row: Operator) -> str:
    return row.name


@pytest.mark.parametrize("row", OPERATORS, ids=named)
def test_rows_are_complete(row: Operator) -> None:
    assert (row.lower is None) == (row.kind in (*WORDING, Kind.CONSTANT) and row.name != "Size")
    assert bool(row.reads) == is_read(row)
    assert row.onnx or row.torch
    assert row.kind in (Kind.SHAPE, Kind.CONSTANT) or not row.after_softmax


def test_no_name_stands_in_two_rows() -> None:
    names = Counter([f"onnx {s.name}" for row in OPERATORS for s in row.spellings("onnx")])
    names += Counter([f"torch {s.name}" for row in OPERATORS for s in row.spellings("torch")])
    names += Counter([row.name for row in OPERATORS])
    assert names.most_common(1)[0][1] == 1


@pytest.mark.parametrize("row", OPERATORS, ids=named)
def test_torch_has_the_names(row: Operator) -> None:
    for spelling in row.spellings("torch"):
        found = pkgutil.resolve_name(spelling.name)
        assert callable(found)
        assert is_layer(spelling.name) == (isinstance(found, type) and issubclass(found, nn.Module))


@pytest.mark.parametrize("row", OPERATORS, ids=named)
def test_onnx_has_the_names(row: Operator) -> None:
    """Operator types exist, and arguments are the inputs in their order, then attributes, as the standard calls
    them.
    """
    for spelling in row.spellings("onnx"):
        versions = [schema for schema in onnx.defs.get_all_schemas_with_history() if (schema.domain, schema.name) == ("", spelling.name)]
        assert versions
        if spelling.bare:
            continue
        latest = max(versions, key=lambda schema: schema.since_version)
        inputs = [name for name in spelling.arguments if name not in spelling.defaults]
        assert inputs == [entry.name for entry in latest.inputs][: len(inputs)]
        attributes = {name: attribute for schema in versions for name, attribute in schema.attributes.items()}
        assert set(spelling.defaults) <= set(attributes)
        for name, default in spelling.defaults.items():
            stated = attributes[name].default_value
            if default is not None and stated.name:
                value = helper.get_attribute_value(stated)
                assert (value.decode() if isinstance(value, bytes) else value) == (np.float32(default) if isinstance(default, float) else default)


@pytest.mark.parametrize("row", [row for row in REFUSED if row.torch], ids=named)
def test_torch_layers_are_refused_by_name_place_and_kind(row: Operator) -> None:
    for spelling in row.spellings("torch"):
        if is_layer(spelling.name):
            layer = pkgutil.resolve_name(spelling.name)
            bare = layer.__new__(layer)  # its settings do not matter
            nn.Module.__init__(bare)
            with pytest.raises(UnsupportedLayerError, match=rf"layer 1 \({layer.__name__}\) {WORDING[row.kind]}"):
                require_supported("net.pt", bare, "layer 1")
        else:
            kind = spelling.name.rpartition(".")[2]
            for written in (kind, f"{kind}_"):  # functions in place have the name and a stroke
                assert re.search(WORDING[row.kind], str(unsupported("m", f"step a ({written})", written, "torch")))


@pytest.mark.parametrize("row", [row for row in REFUSED if row.onnx], ids=named)
def test_onnx_operators_are_refused_by_name_place_and_kind(row: Operator, tmp_path: Path) -> None:
    for spelling in row.spellings("onnx"):
        values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, 4)) for name in "xy"]
        graph = helper.make_graph([helper.make_node(spelling.name, ["x"], ["y"], name="the_node")], "graph", values[:1], values[1:])
        path = tmp_path / "net.onnx"
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)
        with pytest.raises(UnsupportedLayerError, match=rf"net\.onnx: node the_node \({spelling.name}\) {WORDING[row.kind]}"):
            load(path)


def test_other_uses_of_what_is_read() -> None:
    with pytest.raises(UnsupportedLayerError, match=r"step leakyrelu \(leakyrelu\) is not read in this form; polylc reads nn\.LeakyReLU"):
        raise unsupported("m", "step leakyrelu (leakyrelu)", "leakyrelu", "torch")
    with pytest.raises(UnsupportedLayerError, match=r"\(Range\) is read only where it is computed from constants"):
        raise unsupported("m", "node a (Range)", "Range", "onnx")
    for kind, written in (("Size", "onnx"), ("constant_of_shape", "torch")):
        assert "is not known to polylc; it reads affine layers" in str(unsupported("m", "here", kind, written))


def test_spellings() -> None:
    assert Spelling.parse("torch.nn.ReLU") == Spelling("torch.nn.ReLU")
    clip = Spelling.parse("torch.clamp(input, min=None, max=-1.5)")
    assert clip == Spelling("torch.clamp", ("input", "min", "max"), {"min": None, "max": -1.5}, bare=False)
    assert ONNX["Relu"][0].name == "ReLU"
    assert doctest.testmod(row_module).failed == 0


def test_the_page_shows_the_table() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == renewed(page), "docs/models.md is not up to date; renew it with: python scripts/models_table.py"


def test_reading_the_table_imports_neither_torch_nor_onnx() -> None:
    code = "import sys, polylc.readers.supported; sys.exit(any(m in sys.modules for m in ('torch', 'onnx', 'numba', 'scipy')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_layers_of_the_table_may_be_unpickled(tmp_path: Path) -> None:
    torch.save(nn.Sequential(nn.Linear(4, 4), nn.MultiheadAttention(4, 2)), tmp_path / "net.pt")
    with pytest.raises(UnsupportedLayerError, match=r"net\.pt: layer 1 \(MultiheadAttention\) is not piecewise linear; analyse"):
        load(tmp_path / "net.pt")


def test_the_page_of_differences_has_every_operator_and_only_small_ones() -> None:
    """docs/conformance.md, made by scripts/conformance.py."""
    rows = [
        line.split("|")[1:-1]
        for line in (Path(__file__).parent.parent.parent / "docs" / "conformance.md").read_text().splitlines()
        if line.startswith("| ")
    ][1:]
    names = {cells[0].strip() for cells in rows}
    assert {row.name for row in OPERATORS if row.lower is not None and row.kind not in (Kind.CONSTANT, Kind.CONDITION)} <= names
    differences = [float(cell) for cells in rows for cell in (cells[2], cells[5]) if cell.strip() != "-"]
    assert max(differences) < 1e-6
