"""What each operator of an ONNX graph does to bounds on rounding: one rule each (`RULES`); what has none is refused.

The lemma is in docs/exactness.md, "What floating point evaluates".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from polylc.bounds.analysed import Analysed, Ends
from polylc.bounds.floats import DOUBLE, FORMATS, LOST, MOST_PARTS, UP, Evaluated, Format, added, magnitude, plain, product, scaled, settled, taken
from polylc.bounds.hidden import kinked
from polylc.errors import RoundingError
from polylc.network.builder import Value
from polylc.network.form import Layer
from polylc.network.weights import Weight, at_points, entries
from polylc.readers.onnx.evaluate import compute
from polylc.readers.onnx.tape import Record


@dataclass(frozen=True)
class Reading:
    """A node, with what it reads.

    Attributes
    ----------
    form : Format
    analysed : Analysed
    record : Record
    one : Evaluated
        All that it reads as data, one after the other.
    values : sequence of Value
        The same in the network analysed.
    """

    form: Format
    analysed: Analysed
    record: Record
    one: Evaluated
    values: Sequence[Value]

    def error(self, what: str) -> RoundingError:
        """An error at the node."""
        return RoundingError(f"{self.record.node.name} {what}")

    def plain(self) -> Evaluated:
        """What it reads, as numbers of the format."""
        return settled(self.one, self.form, id(self.record), self.ends())

    def ends(self) -> Ends:
        """Ends of what it reads, in the network analysed."""
        ends = [self.analysed.ends(value) for value in self.values]
        return np.concatenate([e[0] for e in ends]), np.concatenate([e[1] for e in ends])

    def folding(self, matrix: Weight | None, bias: np.ndarray, means: bool = False) -> np.ndarray:
        """How far folding the node into those before it may have moved its value."""
        if not self.record.folded and not means:
            return np.zeros(len(bias))
        size = np.concatenate([self.analysed.majorant(value) for value in self.values])
        many = 1 if matrix is None else len(size)
        moved = (size if matrix is None else at_points(size, magnitude(matrix))) + bias
        found: np.ndarray = (8 * DOUBLE * (many + 8) * moved + LOST * self.analysed.summed * (many + 8)) * UP
        return found


Rule: TypeAlias = Callable[[Reading, int], Evaluated]
"""What of a node, and which of its results, makes bounds on that."""


def _map(at: Reading, place: int) -> tuple[Weight | None, np.ndarray]:
    """The affine map that a node is by itself."""
    builder, values = at.record.alone
    value = values[place]
    if builder.layers or len(value.terms) > 1 or (value.terms and value.terms[0][0] != 0):
        raise at.error("is not affine here, so that nothing bounds its rounding")
    if not value.terms:
        raise at.error("does not depend on its input")
    return value.terms[0][1], value.bias


def _one_constant(at: Reading) -> None:
    """What several constants add up to says nothing of the sums on the way."""
    if sum(isinstance(entry, np.ndarray) for entry in at.record.node.inputs) > 1:
        raise at.error("adds several constants, so that nothing bounds its rounding; add them up when exporting the model")


def _chosen(at: Reading, matrix: Weight | None, count: int) -> tuple[np.ndarray, np.ndarray]:
    """For each row of a matrix with at most one entry a row, the column, or -1, and the entry."""
    if matrix is None:
        return np.arange(count), np.ones(count)
    from scipy import sparse

    rows = sparse.csr_array(matrix)
    rows.eliminate_zeros()
    many = np.diff(rows.indptr)
    if (many > 1).any():
        raise at.error("adds up entries, where a rule takes it to move them")
    index, factor = np.full(len(many), -1), np.zeros(len(many))
    index[many == 1], factor[many == 1] = rows.indices, rows.data
    return index, factor


def _moves(at: Reading, place: int) -> Evaluated:
    """Entries are passed on."""
    target = at.record.node.attributes.get("to")
    if at.record.node.kind == "Cast" and target != {"float32": 1, "float64": 11}[at.form.name]:
        raise at.error("changes the element type, so that nothing bounds its rounding")
    matrix, bias = _map(at, place)
    index, factor = _chosen(at, matrix, len(bias))
    if (factor[index >= 0] != 1).any() or bias[index >= 0].any():
        raise at.error("changes entries, so that nothing bounds its rounding")
    return taken(at.one, index, bias, at.form)


def _adds(at: Reading, place: int) -> Evaluated:
    """Sums of entries, with signs, and constants."""
    _one_constant(at)
    matrix, bias = _map(at, place)
    if matrix is not None and not (np.isin(entries(matrix), (-1, 0, 1))).all():
        raise at.error("adds multiples, so that nothing bounds its rounding")
    found = added(at.one, matrix, bias, at.form)
    return _with_base(found, at.folding(matrix, np.abs(bias)))


def _scales(roundings: int, slack: float = 0.0) -> Rule:
    """Entries times constants."""

    def rule(at: Reading, place: int) -> Evaluated:
        matrix, bias = _map(at, place)
        index, factor = _chosen(at, matrix, len(bias))
        nothing = np.zeros(len(bias))
        about = np.where(np.abs(np.frexp(factor)[0]) == 0.5, 0.0, slack)  # reciprocals of powers of two are exact
        for entry in at.record.node.inputs:
            if slack and isinstance(entry, np.ndarray):
                size = np.abs(entry)
                if ((size < at.form.normal * 4) | (size > 1 / (at.form.normal * 4))).any():
                    raise at.error("divides by a number whose inverse may underflow or overflow")
        part = taken(at.one, np.where(index < 0, 0, index), nothing, at.form)
        found = scaled(part, factor, roundings, at.form, nothing, bias, about)
        return _with_base(found, at.folding(matrix, np.abs(bias), slack > 0))

    return rule


def _normalises(at: Reading, place: int) -> Evaluated:
    """(x - mean) / sqrt(variance + epsilon) * scale + bias, in any of the ways to evaluate it."""
    matrix, shift = _map(at, place)
    _, factor = _chosen(at, matrix, len(shift))
    constants = [np.asarray(a, dtype=np.float64) for a in at.record.node.inputs[1:5] if isinstance(a, np.ndarray)]
    if len(constants) != 4:
        raise at.error("lacks constants")
    scale, bias, mean, variance = (np.repeat(a, len(shift) // len(a)) for a in constants)
    total = variance + float(np.float32(at.record.node.attributes.get("epsilon", 1e-5)))
    if (total < 2.0**-60).any() or (total > 2.0**60).any() or (variance < 0).any():
        raise at.error("divides by the root of a variance that is too small or too large for its rule")
    steps = np.abs(scale) + np.abs(mean) + (at.one.total + np.abs(mean)) * 2.0**31 * (1 + np.abs(scale))
    if not (steps < at.form.largest / 4).all():
        raise at.error(f"may overflow {at.form.name}")
    found = scaled(at.one, factor, 12, at.form, mean, bias, 2.0**-46)
    more = at.form.normal * 2.0**32 * (1 + np.abs(scale)) * (2 + at.one.total + np.abs(mean))
    moved = np.abs(factor * mean) + np.abs(bias)
    found = _with_lost(found, more + 2.0**-46 * moved)
    return _with_base(found, at.folding(matrix, moved, True))


def _multiplies(roundings: int = 0, slack: float = 0.0) -> Rule:
    """Matrices times entries."""

    def rule(at: Reading, place: int) -> Evaluated:
        matrix, bias = _map(at, place)
        more, about = roundings, slack
        if at.record.node.kind == "Gemm":
            factors = [abs(float(at.record.node.attributes.get(name, 1.0))) for name in ("alpha", "beta")]
            if factors != [1.0, 1.0]:
                if not all(2.0**-10 <= f <= 2.0**10 for f in factors):
                    raise at.error("has an alpha or beta that is too small or too large for its rule")
                more, about = 4, 2.0**-48
        if at.record.node.kind == "Einsum":
            _sums_of_products(at)
        if at.record.node.kind == "Mean":
            _one_constant(at)
        some = np.abs(entries(matrix)) if matrix is not None else np.ones(1)
        some = some[some > 0]
        if roundings and len(some) and (some == some[0]).all() and np.frexp(some[0])[0] == 0.5:
            more, about = 0, 0.0  # means of 2, 4, ... entries: dividing by their number does not round
        found = product(at.plain(), matrix, bias, more, at.form, about)
        if more or roundings:  # sums before they are divided or multiplied
            gain = max(2.0**10, 1 / float(some.min(initial=1.0)))
            if not (found.total * gain * 1.01 < at.form.largest).all():
                raise at.error(f"may overflow {at.form.name}")
        return _with_base(found, at.folding(matrix, np.abs(bias), about > 0))

    return rule


def _sums_of_products(at: Reading) -> None:
    """Go on if an `Einsum` adds up products of one entry and one constant: its constants are not added up before."""
    inputs, equation = at.record.node.inputs, at.record.node.attributes["equation"]
    terms, arrow, result = "".join((equation.decode() if isinstance(equation, bytes) else equation).split()).partition("->")
    labels = terms.split(",")
    if len(inputs) != 2:
        raise at.error("has other than two operands, so that nothing bounds its rounding")
    if not arrow:
        result = "".join(c for c in terms if terms.count(c) == 1 or c == ".")
    own, other = labels if isinstance(inputs[0], Value) else labels[::-1]
    if not set(other) <= set(own) | set(result):
        raise at.error("adds up constants before it multiplies by them, so that nothing bounds its rounding")
    if not (at.one.reads.sum() * UP < at.form.largest):
        raise at.error(f"may overflow {at.form.name}")


def _units(at: Reading, place: int) -> Evaluated:
    """Slopes on either side of zero: Relu, LeakyRelu, PRelu, Abs."""
    builder, values = at.record.alone
    value = values[place]
    if len(builder.layers) != 1 or [(s, m is None) for s, m in value.terms] != [(1, True)]:
        raise at.error("has slopes for which there is no rule")
    below, above = builder.layers[0].negative, builder.layers[0].positive
    form = at.form
    before = at.plain()
    off = before.off(form)
    inside = at.ends()
    low, high = before.low, before.high
    true_low = np.maximum(inside[0], (low - off) - np.abs(low) * 4 * DOUBLE)
    true_high = np.minimum(inside[1], (high + off) + np.abs(high) * 4 * DOUBLE)
    positive, negative = (low >= 0) & (true_low >= 0), (high <= 0) & (true_high <= 0)
    least = np.where(positive, above, np.where(negative, below, np.minimum(below, above)))
    most = np.where(positive, above, np.where(negative, below, np.maximum(below, above)))
    middle, half = (least + most) / 2, (most - least) / 2
    sums = sum((np.abs(p).sum(axis=1) for p in before.parts.values()), np.zeros(1)) * UP
    base = (np.maximum(np.abs(least), np.abs(most)) * before.base + half * sums) * UP + (np.abs(middle) * sums) * 2.0**-36
    parts = {key: middle[:, None] * part for key, part in before.parts.items()}
    exact = np.isin(below, (-1, 0, 1))
    reach = np.maximum(-low, 0.0)
    lost = form.unit * np.abs(below) * reach * UP + form.normal * (2 + np.abs(below) + reach)
    rounded = np.where(exact | (low >= 0), 0.0, lost)
    small, large = kinked(low, high, below, above)
    wide = np.where(rounded > 0, rounded + np.maximum(np.abs(small), np.abs(large)) * 4 * DOUBLE, 0.0)
    base = (base + rounded) * UP
    if not below.any() and (above == 1).all():  # both are between zero and this
        cap = np.maximum(np.maximum(high, true_high), 0.0) * UP
        total = (base + sum((np.abs(p).sum(axis=1) for p in parts.values()), np.zeros(1))) * UP
        short = cap < total
        base = np.where(short, cap, base)
        parts = {key: np.where(short[:, None], 0.0, part) for key, part in parts.items()}
    if base.any() and len(base) <= MOST_PARTS:  # behind matrices what is kept by itself may cancel
        parts[-id(at.record)], base = np.diag(base), np.zeros(len(base))
    return plain(small - wide, large + wide, base, form, parts)


def _selects(at: Reading, place: int) -> Evaluated:
    """Maxima, minima and bounds: one of the entries or constants, increasing in all."""
    before = at.plain()
    builder, values = at.record.alone
    ends = []
    for end in (before.low, before.high):
        arrays: list[np.ndarray | None] = []
        first = 0
        for argument in at.record.node.arguments:
            if isinstance(argument, Value):
                arrays.append(end[first : first + argument.size].reshape(argument.shape))
                first += argument.size
            else:
                constant = argument if isinstance(argument, np.ndarray) else None
                arrays.append(constant.astype(np.float64) if constant is not None and constant.dtype.kind == "f" else constant)
        found = compute(at.record.node.proto, at.record.node.attributes, arrays, at.record.node.opset)
        ends.append(np.asarray(found[place], dtype=np.float64).ravel())
    off = before.off(at.form)
    if at.record.node.kind == "Clip" and not (np.maximum(np.abs(before.low), np.abs(before.high)) + off < FORMATS["float32"].largest).all():
        raise at.error("may pass the largest number of float32, from which on bounds are read as none")
    base = _largest_read(builder.layers, values[place], off)
    if at.record.folded:
        base = base + 8 * DOUBLE * (2 * len(base) + len(before.low) + 8) * at.analysed.summed * UP
    return plain(ends[0], ends[1], base, at.form)


def _largest_read(layers: list[Layer], value: Value, error: np.ndarray) -> np.ndarray:
    """Of each entry of a value the largest error among the entries of the input that it depends on."""
    from scipy import sparse

    reads = [sparse.eye_array(len(error), format="csr")]
    for terms, size in (*((layer.affine.terms, layer.width) for layer in layers), (value.terms, value.size)):
        rows = sparse.csr_array((size, len(error)))
        for source, matrix in terms:
            rows = rows + (reads[source] if matrix is None else abs(sparse.csr_array(matrix)) @ reads[source])
        rows.data[:] = rows.data != 0
        reads.append(sparse.csr_array(rows))
    found = reads[-1] @ sparse.diags_array(error)
    return np.asarray(sparse.csr_array(found).max(axis=1).todense()).ravel()


def _with_base(found: Evaluated, more: np.ndarray) -> Evaluated:
    return replace(found, base=(found.base + more) * UP) if more.any() else found


def _with_lost(found: Evaluated, more: np.ndarray) -> Evaluated:
    return replace(found, lost=(found.lost + more) * UP)


_MEANS = _multiplies(4, 2.0**-48)

RULES: dict[str, Rule] = {
    **dict.fromkeys(("Gemm", "MatMul", "Conv", "ConvTranspose", "Einsum", "ReduceSum", "CumSum"), _multiplies()),
    **dict.fromkeys(("AveragePool", "GlobalAveragePool", "ReduceMean", "Mean"), _MEANS),
    **dict.fromkeys(("Add", "Sub", "Sum", "Neg"), _adds),
    "Mul": _scales(2),
    "Div": _scales(4, 2.0**-50),
    "BatchNormalization": _normalises,
    **dict.fromkeys(("Relu", "LeakyRelu", "PRelu", "Abs"), _units),
    **dict.fromkeys(("Max", "Min", "Clip", "MaxPool", "GlobalMaxPool", "ReduceMax", "ReduceMin"), _selects),
    **dict.fromkeys(
        (
            *("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Identity", "Dropout", "Cast", "Concat", "Split", "Slice"),
            *("Gather", "GatherElements", "GatherND", "Expand", "Tile", "Where", "Pad", "DepthToSpace", "SpaceToDepth", "Resize", "Upsample"),
        ),
        _moves,
    ),
}
"""What each operator does to bounds; operators that are not here are refused."""
