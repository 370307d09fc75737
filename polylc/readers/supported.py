"""The one table of what is supported: readers look operators up here, refusals are worded from it, docs/models.md is
made of it.

The rows stand in `polylc.readers.operators`, by subject. Reading the table imports neither torch nor onnx.
"""

from __future__ import annotations

from polylc.errors import UnsupportedLayerError
from polylc.readers.operators import affine, branches, ends, images, maxima, picks, reductions, resizing, shapes, smooth, units
from polylc.readers.operators.row import Format, Kind, Operator, Spelling

_FILES = (affine, images, units, maxima, reductions, shapes, picks, branches, resizing, ends, smooth)
OPERATORS: tuple[Operator, ...] = tuple(row for file in _FILES for row in file.ROWS)

ONNX: dict[str, tuple[Operator, Spelling]] = {s.name: (row, s) for row in OPERATORS for s in row.spellings("onnx")}
"""Row and spelling of every ONNX operator type."""


# ---- refusals ------------------------------------------------------------------------------------------------------
_WHY = {
    Kind.SMOOTH: "is not piecewise linear",
    Kind.DISCONTINUOUS: "is discontinuous",
    Kind.CONDITION: "is discontinuous",
    Kind.NOT_YET: "is not supported yet",
}
_INSTEAD = "replace it by ReLU or LeakyReLU units, or leave it out if it comes last"


def read_families() -> str:
    """All that is read, in a few words."""
    families = [row.family for row in OPERATORS if row.family]
    return f"{', '.join(families[:-1])} and {families[-1]}"


def way_out(row: Operator) -> str:
    """What to do about an operator that is refused."""
    return row.instead or (f"polylc reads {read_families()}" if row.kind is Kind.NOT_YET else _INSTEAD)


def unsupported(source: str, name: str, kind: str, written: Format) -> UnsupportedLayerError:
    """The error that names an operator, says whether it can ever be read, and what to do.

    Parameters
    ----------
    source : str
        The model.
    name : str
        Place and kind, such as ``layer 3 (Sigmoid)`` or ``node relu_1 (Relu)``.
    kind : str
        Class, function, method or operator type, such as ``Sigmoid``.
    written : {"onnx", "torch"}
        The format of the model.
    """
    row = _row_called(kind, written)
    if row is None:
        what = f"is not known to polylc; it reads {read_families()}"
    elif row.kind in _WHY:
        what = f"{_WHY[row.kind]}; {way_out(row)}"
    elif row.kind is Kind.CONSTANT:
        what = "is read only where it is computed from constants; export the model with fixed shapes"
    else:
        forms = ", ".join(short_name(s.name) for s in row.spellings(written))
        what = f"is not read in this form; polylc reads {forms}"
    return UnsupportedLayerError(f"{source}: {name} {what}")


def softmax_inside(source: str, name: str) -> UnsupportedLayerError:
    """The error for a softmax that is not the end of the model."""
    return UnsupportedLayerError(f"{source}: {name} is not the last layer; only a final softmax over the outputs can be stripped")


def _row_called(kind: str, written: Format) -> Operator | None:
    """The row of a class, function, method or operator type; what one format refuses, the other does too."""
    other: Format = "torch" if written == "onnx" else "onnx"
    row = _BY_PLAIN_NAME[written].get(_plain(kind)) or _BY_PLAIN_NAME[other].get(_plain(kind))
    return row if row is None or row.kind in _WHY or any(_plain(s.name) == _plain(kind) for s in row.spellings(written)) else None


def _plain(name: str) -> str:
    """Torch layers, functions and methods and ONNX operators share their names but for capitals and underscores."""
    return name.rpartition(".")[2].lower().replace("_", "")


def _by_plain_name(written: Format) -> dict[str, Operator]:
    found: dict[str, Operator] = {}
    for row in OPERATORS:
        for spelling in row.spellings(written):
            found.setdefault(_plain(spelling.name), row)
    return found


_BY_PLAIN_NAME: dict[Format, dict[str, Operator]] = {"onnx": _by_plain_name("onnx"), "torch": _by_plain_name("torch")}


# ---- docs ----------------------------------------------------------------------------------------------------------
MARKERS = ("<!-- operators: made of the table, do not edit -->", "<!-- end of operators -->")


def is_read(row: Operator) -> bool:
    """Whether models may have the operator."""
    return row.lower is not None or row.kind is Kind.CONSTANT


def operators_markdown() -> str:
    """The tables of docs/models.md: what is read, and what is refused."""
    lines = ["| operator | kind | ONNX | torch | what is read |", "|---|---|---|---|---|"]
    lines += [f"| {row.name} | {row.kind} | {_names(row, 'onnx')} | {_names(row, 'torch')} | {row.reads} |" for row in OPERATORS if is_read(row)]
    lines += ["", _ON_CONSTANTS]
    for kind, title in _REFUSED_TITLES.items():
        rows = [row for row in OPERATORS if row.kind is kind]
        lines += ["", f"### {title}", ""]
        if kind is Kind.NOT_YET:  # what is read is what to use instead
            lines += ["| operator | ONNX | torch |", "|---|---|---|"]
            lines += [f"| {row.name} | {_names(row, 'onnx')} | {_names(row, 'torch')} |" for row in rows]
        else:
            lines += ["| operator | ONNX | torch | instead |", "|---|---|---|---|"]
            lines += [f"| {row.name} | {_names(row, 'onnx')} | {_names(row, 'torch')} | {way_out(row)} |" for row in rows]
    return "\n".join(lines)


def renewed(page: str) -> str:
    """A page with the tables between its markers made anew."""
    before, _, rest = page.partition(MARKERS[0])
    after = rest.partition(MARKERS[1])[2]
    return f"{before}{MARKERS[0]}\n\n{operators_markdown()}\n\n{MARKERS[1]}{after}"


_ON_CONSTANTS = """\
On constants alone, ONNX models may use any standard operator but random ones and those with graphs inside (`If`,
`Loop`, `Scan`). Single precision is widened to doubles first; results that may have rounded are logged, with the
largest relative change where it is known."""

_REFUSED_TITLES = {
    Kind.NOT_YET: "Piecewise linear, but not supported yet",
    Kind.SMOOTH: "Not piecewise linear",
    Kind.DISCONTINUOUS: "Discontinuous",
}


def _names(row: Operator, written: Format) -> str:
    return ", ".join(f"`{short_name(s.name)}`" for s in row.spellings(written))


def short_name(name: str) -> str:
    """A qualified name as people write it."""
    for long, short in (("torch.nn.functional.", "F."), ("torch.nn.", "nn."), ("torch.Tensor.", "Tensor."), ("torch.ops.", ""), ("builtins.", "")):
        if name.startswith(long):
            return short + name.removeprefix(long)
    return name
