"""How far the nodes of an ONNX graph, evaluated in floating point, are from the network analysed, on a box.

One rule for each operator (`RULES`); what has none is refused. The lemma is in docs/exactness.md, "What floating point
evaluates".
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from polylc.bounds.backward import Cells
from polylc.bounds.floats import (
    DOUBLE,
    FORMATS,
    LOST,
    MOST_PARTS,
    UP,
    Evaluated,
    Format,
    added,
    joined,
    plain,
    product,
    scaled,
    settled,
    taken,
    within,
)
from polylc.bounds.hidden import intervals, refine
from polylc.bounds.relaxation import largest_outputs
from polylc.bounds.tables import magnitude, tables
from polylc.errors import RoundingError
from polylc.exact.checkpoint import checkpoint
from polylc.network.builder import Value
from polylc.network.form import Layer
from polylc.network.weights import Weight, at_points, entries
from polylc.readers.onnx.evaluate import compute
from polylc.readers.onnx.tape import Record, Tape

Ends = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Enclosure:
    """What floating point evaluates on a box.

    Attributes
    ----------
    low, high : ndarray, shape (outputs and hidden tensors,)
        Ends of the evaluated values.
    own : ndarray
        With `shared`, how far they are from the values of the network analysed, for the same input: at most that, plus
        what the columns of `shared` make of errors of size 1.
    shared : ndarray, shape (outputs and hidden tensors, errors)
    """

    low: np.ndarray
    high: np.ndarray
    own: np.ndarray
    shared: np.ndarray

    @property
    def error(self) -> np.ndarray:
        """How far each value is from that of the network analysed."""
        found: np.ndarray = (self.own + np.abs(self.shared).sum(axis=1) * UP) * UP
        return found

    def of(self, weights: np.ndarray) -> float:
        """How far a weighted sum of the values is from that of the network analysed."""
        each = float(np.abs(weights) @ self.own)
        return (each + float(np.abs(weights @ self.shared).sum()) + float(np.abs(weights) @ np.abs(self.shared).sum(axis=1)) * 2.0**-36) * UP + LOST


def evaluated(tape: Tape, element: str, low: np.ndarray, high: np.ndarray) -> Enclosure:
    """Bound what a model evaluates for inputs that are numbers of a format.

    Parameters
    ----------
    tape : Tape
    element : str
        "float32" or "float64".
    low, high : ndarray, shape (inputs,)
        A box, rounded outward.

    Raises
    ------
    RoundingError
        If an operator has no rule, or something may overflow.
    """
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        return _Walk(tape, FORMATS[element], low, high).run()


class _Walk:
    """The nodes one after the other.

    Attributes
    ----------
    known : dict of Evaluated
        By tensor.
    value : dict of Value
        The same in the network analysed.
    """

    def __init__(self, tape: Tape, form: Format, low: np.ndarray, high: np.ndarray) -> None:
        self.tape, self.form, self.low, self.high = tape, form, low, high
        if set(tape.elements) != {form.name}:
            raise RoundingError(f"the model computes in {', '.join(sorted(set(tape.elements)))}, not in {form.name}")
        if tape.doubtful:
            raise RoundingError(f"{tape.doubtful} computes a constant, which may round; fold constants when exporting the model")
        if max(np.abs(low).max(), np.abs(high).max()) > form.largest:
            raise RoundingError(f"an input may be larger than all numbers of {form.name}")
        self.known: dict[str, Evaluated] = {}
        self.value: dict[str, Value] = {}
        self._bound_layers()

    def run(self) -> Enclosure:
        """All nodes, then the tensors asked for."""
        form, first = self.form, 0
        assert self.tape.builder is not None
        for name, shape in self.tape.inputs:
            size = math.prod(shape)
            span = slice(first, first + size)
            first += size
            self.known[name] = plain(self.low[span], self.high[span], np.zeros(size), form)
            self.value[name] = _part(span, self.tape.builder.inputs)
        for record in self.tape.records:
            checkpoint()
            self._node(record)
        found, ends = [], []
        for name in self.tape.wanted:
            if name in self.tape.constants:
                constant = self.tape.constants[name].astype(np.float64).ravel()
                found.append(plain(constant, constant, np.zeros(len(constant)), form))
                ends.append((constant, constant))
                continue
            if name not in self.known:
                raise RoundingError(f"the tensor {name} is no plain value")
            one = self.known[name]
            found.append(one)
            ends.append(within(one, form, self.ends(self.value[name])))
        whole = joined(found)
        low, high = (np.concatenate(side) for side in zip(*ends, strict=True))
        shared = np.concatenate([np.zeros((len(low), 0)), *whole.parts.values()], axis=1)
        return Enclosure(low, high, (whole.base + whole.rounding(form)) * UP, shared)

    # ---- the network analysed ----------------------------------------------------------------------------------
    def _bound_layers(self) -> None:
        """Ends of what each layer of the network analysed gives."""
        network = self.tape.network
        table = tables(network)
        box = np.maximum(np.abs(self.low), np.abs(self.high))
        refined = None
        if (self.low < self.high).any():
            lows, highs = intervals(table, self.low, self.high)
            sizes = table.magnitudes(largest_outputs(table, lows, highs, box))
            lows, highs = lows[None].copy(), highs[None].copy()
            refine(table, lows, highs, Cells(self.low[None], self.high[None]), sizes)
            refined = lows[0], highs[0]
        self.largest, self.layers = [box], [(self.low, self.high)]
        self.summed = 1.0 + float(box.sum())  # of the sizes of all that the network analysed adds up
        for layer, span in zip(network.layers, table.span, strict=True):
            value = Value((layer.width,), layer.affine.terms, layer.affine.bias)
            a, b = self.ends(value)
            if refined is not None:
                a, b = np.maximum(a, refined[0][span]), np.minimum(b, refined[1][span])
            low, high = _kinked(a, b, layer.negative, layer.positive)
            self.summed += float(self.majorant(value).sum())
            self.layers.append((low - np.abs(low) * 4 * DOUBLE, high + np.abs(high) * 4 * DOUBLE))
            self.largest.append(np.maximum(np.abs(low), np.abs(high)) * UP)
        if not np.isfinite(self.summed):
            raise RoundingError("values of the network may overflow doubles")

    def ends(self, value: Value) -> Ends:
        """Ends of a value of the network analysed."""
        low, high, size = value.bias, value.bias, np.abs(value.bias)
        terms = 2
        for source, matrix in value.terms:
            a, b = self.layers[source]
            if matrix is None:
                low, high, size = low + a, high + b, size + self.largest[source]
                terms += 1
                continue
            sizes = magnitude(matrix)
            middle, half = (a + b) / 2, (b - a) / 2 * UP
            centre, reach = at_points(middle, matrix), at_points(half, sizes) * UP
            low, high, size = low + centre - reach, high + centre + reach, size + at_points(self.largest[source], sizes)
            terms += matrix.shape[1]
        wide = size * (terms + 4) * 4 * DOUBLE + LOST
        return low - wide, high + wide

    def majorant(self, value: Value) -> np.ndarray:
        """No less than the sum of the sizes of all that a value of the network analysed is the sum of."""
        size = np.abs(value.bias)
        for source, matrix in value.terms:
            size = size + (self.largest[source] if matrix is None else at_points(self.largest[source], magnitude(matrix)))
        found: np.ndarray = size * UP
        return found

    # ---- one node ----------------------------------------------------------------------------------------------
    def error(self, record: Record, what: str) -> RoundingError:
        """An error at a node."""
        return RoundingError(f"{record.node.name} {what}")

    def _node(self, record: Record) -> None:
        kind = record.node.kind
        if kind not in RULES:
            raise self.error(record, f"has no bound on its rounding in {self.form.name}; ask over the real numbers, --semantics real")
        for argument in record.node.inputs:
            if isinstance(argument, np.ndarray) and argument.dtype.kind == "f" and (argument.astype(self.form.dtype) != argument).any():
                raise self.error(record, f"has a constant that {self.form.name} cannot hold")
        missing = next((name for name in record.sources if name not in self.known), None)
        if missing is not None:
            raise self.error(record, f"reads {missing}, which is no plain value")
        one = joined([self.known[name] for name in record.sources])
        for place, (name, value) in enumerate(zip(record.results, record.values, strict=False)):
            found = RULES[kind](self, record, one, place)
            size = np.maximum(np.maximum(np.abs(found.low), np.abs(found.high)), found.total)
            if not (size * 1.01 + found.rounding(self.form) < self.form.largest).all():
                raise self.error(record, f"may overflow {self.form.name}")
            if name:
                self.known[name], self.value[name] = found, value

    def plain(self, record: Record, one: Evaluated) -> Evaluated:
        """What a node reads, as numbers of the format."""
        return settled(one, self.form, id(record), self.read(record))

    def read(self, record: Record) -> Ends:
        """Ends of what a node reads, in the network analysed."""
        values = [self.ends(self.value[name]) for name in record.sources]
        return np.concatenate([v[0] for v in values]), np.concatenate([v[1] for v in values])

    def folding(self, record: Record, matrix: Weight | None, bias: np.ndarray, means: bool = False) -> np.ndarray:
        """How far folding a node into those before it may have moved its value."""
        if not record.folded and not means:
            return np.zeros(len(bias))
        size = np.concatenate([self.majorant(self.value[name]) for name in record.sources])
        many = 1 if matrix is None else len(size)
        moved = (size if matrix is None else at_points(size, magnitude(matrix))) + bias
        found: np.ndarray = (8 * DOUBLE * (many + 8) * moved + LOST * self.summed * (many + 8)) * UP
        return found


def _part(span: slice, size: int) -> Value:
    """Some of the inputs of the network."""
    many = span.stop - span.start
    if many == size:
        return Value((size,), ((0, None),), np.zeros(size))
    from polylc.network.weights import identity

    return Value((many,), ((0, identity(size)[span]),), np.zeros(many))


# ---- rules -----------------------------------------------------------------------------------------------------------
def _map(walk: _Walk, record: Record, place: int) -> tuple[Weight | None, np.ndarray]:
    """The affine map that a node is by itself."""
    builder, values = record.alone
    value = values[place]
    if builder.layers or len(value.terms) > 1 or (value.terms and value.terms[0][0] != 0):
        raise walk.error(record, "is not affine here, so that nothing bounds its rounding")
    if not value.terms:
        raise walk.error(record, "does not depend on its input")
    return value.terms[0][1], value.bias


def _chosen(walk: _Walk, record: Record, matrix: Weight | None, count: int) -> tuple[np.ndarray, np.ndarray]:
    """For each row of a matrix with at most one entry a row, the column, or -1, and the entry."""
    if matrix is None:
        return np.arange(count), np.ones(count)
    from scipy import sparse

    rows = sparse.csr_array(matrix)
    rows.eliminate_zeros()
    many = np.diff(rows.indptr)
    if (many > 1).any():
        raise walk.error(record, "adds up entries, where a rule takes it to move them")
    index, factor = np.full(len(many), -1), np.zeros(len(many))
    index[many == 1], factor[many == 1] = rows.indices, rows.data
    return index, factor


def _moves(walk: _Walk, record: Record, one: Evaluated, place: int) -> Evaluated:
    """Entries are passed on."""
    target = record.node.attributes.get("to")
    if record.node.kind == "Cast" and target != {"float32": 1, "float64": 11}[walk.form.name]:
        raise walk.error(record, "changes the element type, so that nothing bounds its rounding")
    matrix, bias = _map(walk, record, place)
    index, factor = _chosen(walk, record, matrix, len(bias))
    if (factor[index >= 0] != 1).any() or bias[index >= 0].any():
        raise walk.error(record, "changes entries, so that nothing bounds its rounding")
    return taken(one, index, bias, walk.form)


def _adds(walk: _Walk, record: Record, one: Evaluated, place: int) -> Evaluated:
    """Sums of entries, with signs, and constants."""
    matrix, bias = _map(walk, record, place)
    if matrix is not None and not (np.isin(entries(matrix), (-1, 0, 1))).all():
        raise walk.error(record, "adds multiples, so that nothing bounds its rounding")
    found = added(one, matrix, bias, walk.form)
    return _with_base(found, walk.folding(record, matrix, np.abs(bias)))


def _scales(roundings: int, slack: float = 0.0) -> Callable[[_Walk, Record, Evaluated, int], Evaluated]:
    """Entries times constants."""

    def rule(walk: _Walk, record: Record, one: Evaluated, place: int) -> Evaluated:
        matrix, bias = _map(walk, record, place)
        index, factor = _chosen(walk, record, matrix, len(bias))
        nothing = np.zeros(len(bias))
        for entry in record.node.inputs:
            if slack and isinstance(entry, np.ndarray):
                size = np.abs(entry)
                if ((size < walk.form.normal * 4) | (size > 1 / (walk.form.normal * 4))).any():
                    raise walk.error(record, "divides by a number whose inverse may underflow or overflow")
        part = taken(one, np.where(index < 0, 0, index), nothing, walk.form)
        found = scaled(part, factor, roundings, walk.form, nothing, bias, slack)
        return _with_base(found, walk.folding(record, matrix, np.abs(bias), slack > 0))

    return rule


def _normalises(walk: _Walk, record: Record, one: Evaluated, place: int) -> Evaluated:
    """(x - mean) / sqrt(variance + epsilon) * scale + bias, in any of the ways to evaluate it."""
    matrix, shift = _map(walk, record, place)
    _, factor = _chosen(walk, record, matrix, len(shift))
    constants = [np.asarray(a, dtype=np.float64) for a in record.node.inputs[1:5] if isinstance(a, np.ndarray)]
    if len(constants) != 4:
        raise walk.error(record, "lacks constants")
    scale, bias, mean, variance = (np.repeat(a, len(shift) // len(a)) for a in constants)
    total = variance + float(np.float32(record.node.attributes.get("epsilon", 1e-5)))
    if (total < 2.0**-60).any() or (total > 2.0**60).any() or (variance < 0).any():
        raise walk.error(record, "divides by the root of a variance that is too small or too large for its rule")
    steps = np.abs(scale) + np.abs(mean) + (one.total + np.abs(mean)) * 2.0**31 * (1 + np.abs(scale))
    if not (steps < walk.form.largest / 4).all():
        raise walk.error(record, f"may overflow {walk.form.name}")
    found = scaled(one, factor, 12, walk.form, mean, bias, 2.0**-46)
    more = walk.form.normal * 2.0**32 * (1 + np.abs(scale)) * (2 + one.total + np.abs(mean))
    moved = np.abs(factor * mean) + np.abs(bias)
    found = _with_lost(found, more + 2.0**-46 * moved)
    return _with_base(found, walk.folding(record, matrix, moved, True))


def _multiplies(roundings: int = 0, slack: float = 0.0) -> Callable[[_Walk, Record, Evaluated, int], Evaluated]:
    """Matrices times entries."""

    def rule(walk: _Walk, record: Record, one: Evaluated, place: int) -> Evaluated:
        matrix, bias = _map(walk, record, place)
        more, about = roundings, slack
        if record.node.kind == "Gemm":
            factors = [abs(float(record.node.attributes.get(name, 1.0))) for name in ("alpha", "beta")]
            if factors != [1.0, 1.0]:
                if not all(2.0**-10 <= f <= 2.0**10 for f in factors):
                    raise walk.error(record, "has an alpha or beta that is too small or too large for its rule")
                more, about = 4, 2.0**-48
        if record.node.kind == "Einsum" and len(record.node.inputs) != 2:
            raise walk.error(record, "has other than two operands, so that nothing bounds its rounding")
        some = np.abs(entries(matrix)) if matrix is not None else np.ones(1)
        some = some[some > 0]
        if roundings and len(some) and (some == some[0]).all() and np.frexp(some[0])[0] == 0.5:
            more, about = 0, 0.0  # means of 2, 4, ... entries: dividing by their number does not round
        found = product(walk.plain(record, one), matrix, bias, more, walk.form, about)
        if more or roundings:  # sums before they are divided or multiplied
            gain = max(2.0**10, 1 / float(some.min(initial=1.0)))
            if not (found.total * gain * 1.01 < walk.form.largest).all():
                raise walk.error(record, f"may overflow {walk.form.name}")
        return _with_base(found, walk.folding(record, matrix, np.abs(bias), about > 0))

    return rule


def _units(walk: _Walk, record: Record, one: Evaluated, place: int) -> Evaluated:
    """Slopes on either side of zero: Relu, LeakyRelu, PRelu, Abs."""
    builder, values = record.alone
    value = values[place]
    if len(builder.layers) != 1 or [(s, m is None) for s, m in value.terms] != [(1, True)]:
        raise walk.error(record, "has slopes for which there is no rule")
    below, above = builder.layers[0].negative, builder.layers[0].positive
    form = walk.form
    before = walk.plain(record, one)
    off = before.off(form)
    inside = walk.read(record)
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
    lost = 2.0**-form.digits * np.abs(below) * reach * UP + form.normal * (2 + np.abs(below) + reach)
    rounded = np.where(exact | (low >= 0), 0.0, lost)
    small, large = _kinked(low, high, below, above)
    wide = np.where(rounded > 0, rounded + np.maximum(np.abs(small), np.abs(large)) * 4 * DOUBLE, 0.0)
    base = (base + rounded) * UP
    if not below.any() and (above == 1).all():  # both are between zero and this
        cap = np.maximum(np.maximum(high, true_high), 0.0) * UP
        total = (base + sum((np.abs(p).sum(axis=1) for p in parts.values()), np.zeros(1))) * UP
        short = cap < total
        base = np.where(short, cap, base)
        parts = {key: np.where(short[:, None], 0.0, part) for key, part in parts.items()}
    if base.any() and len(base) <= MOST_PARTS:  # behind matrices what is kept by itself may cancel
        parts[-id(record)], base = np.diag(base), np.zeros(len(base))
    return plain(small - wide, large + wide, base, form, parts)


def _selects(walk: _Walk, record: Record, one: Evaluated, place: int) -> Evaluated:
    """Maxima, minima and bounds: one of the entries or constants, increasing in all."""
    before = walk.plain(record, one)
    builder, values = record.alone
    ends = []
    for end in (before.low, before.high):
        arrays: list[np.ndarray | None] = []
        first = 0
        for argument in record.node.arguments:
            if isinstance(argument, Value):
                arrays.append(end[first : first + argument.size].reshape(argument.shape))
                first += argument.size
            else:
                constant = argument if isinstance(argument, np.ndarray) else None
                arrays.append(constant.astype(np.float64) if constant is not None and constant.dtype.kind == "f" else constant)
        found = compute(record.node.proto, record.node.attributes, arrays, record.node.opset)
        ends.append(np.asarray(found[place], dtype=np.float64).ravel())
    base = _largest_read(builder.layers, values[place], before.off(walk.form))
    if record.folded:
        base = base + 8 * DOUBLE * (2 * len(base) + len(before.low) + 8) * walk.summed * UP
    return plain(ends[0], ends[1], base, walk.form)


def _kinked(low: np.ndarray, high: np.ndarray, below: np.ndarray, above: np.ndarray) -> Ends:
    """Ends of below * min(z, 0) + above * max(z, 0) for z between ends."""
    ends = [below * np.minimum(z, 0) + above * np.maximum(z, 0) for z in (low, high)]
    ends.append(np.where((low < 0) & (high > 0), 0.0, ends[0]))
    return np.minimum.reduce(ends), np.maximum.reduce(ends)


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


Rule = Callable[[_Walk, Record, Evaluated, int], Evaluated]
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
