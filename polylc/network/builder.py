"""Lowering: what readers call to turn a model's operations into the one internal form.

A value inside the model is an affine expression of earlier hidden layers' outputs. Linear operations act on the
expression, a piecewise linear unit turns it into a new hidden layer. All rewriting, and the log of it, happens here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from polylc.errors import ModelError
from polylc.network.folded import UNIT, largest_change, matrix_error, product_error, reciprocal, reciprocal_root, said, sum_error
from polylc.network.form import Affine, Layer, Network, Step
from polylc.network.weights import Weight, dense, identity, settled, with_entries

_MOST_ENTRIES = 2**25  # of one unrolled matrix that are not zero: half a GB


@dataclass(frozen=True)
class Value:
    """An affine expression: per source layer a matrix (None stands for the identity), and a bias; with its array
    shape. One that was made of another by `scale_shift` says so: value, scale, shift, and what the scale is divided by,
    before anything was rounded.
    """

    shape: tuple[int, ...]
    terms: tuple[tuple[int, Weight | None], ...]
    bias: np.ndarray
    of: tuple[Value, np.ndarray, np.ndarray, np.ndarray] | None = field(default=None, repr=False, compare=False)

    @property
    def size(self) -> int:
        """Number of entries."""
        return len(self.bias)


class Builder:
    """Collects hidden layers while a reader walks through a model.

    Parameters
    ----------
    source : str
        The model's name, for messages.
    input_shape : sequence of int
        Shape of one input, without a batch dimension.
    """

    def __init__(self, source: str, input_shape: Sequence[int]) -> None:
        self.source = source
        self.layers: list[Layer] = []
        self._passed: set[int] = set()  # sources whose units somebody has put after a maximum
        self.log: list[str] = []
        self.steps: list[Step] = []
        self.rounded = False  # whether some folding has rounded
        self._how: list[str] = []
        size = math.prod(input_shape)
        self.inputs = size
        self.input = Value(tuple(input_shape), ((0, None),), np.zeros(size))

    def note(self, text: str) -> None:
        """Add a line to the log of rewrites (once)."""
        if text not in self.log:
            self.log.append(text)

    def note_folding(self, text: str, change: float) -> None:
        """Log that something was folded, with the largest relative change of a weight by rounding."""
        self.rounded = self.rounded or bool(change)
        self.note(f"{text} in float64, {said(change)}; the network analysed is the folded one" if change else f"{text}, exactly")

    # ---- what is read ------------------------------------------------------------------------------------------
    def explain(self, how: str) -> None:
        """Say how the operator that is being read becomes neurons."""
        self._how.append(how)

    def step(self, name: str, operator: str, shape: Sequence[int], begin: int) -> None:
        """Put an operator on the list of those that were read; the layers from `begin` on are its."""
        made = tuple(range(begin + 1, len(self.layers) + 1))
        if self.steps and self.steps[-1].name == name:  # one of several values, two at a time
            made, self._how = self.steps[-1].layers + made, [self.steps.pop().how, *self._how]
        self.steps.append(Step(name, operator, tuple(shape), made, "; ".join(filter(None, self._how))))
        self._how = []

    # ---- linear operations -------------------------------------------------------------------------------------
    def linear(self, value: Value, weight: np.ndarray, bias: np.ndarray | None, name: str) -> Value:
        """weight @ value + bias on a flat value."""
        weight = np.asarray(weight, dtype=np.float64)
        if len(value.shape) != 1:
            raise ModelError(f"{self.source}: {name} gets a value of shape {value.shape}; flatten it first")
        return self._map(value, weight, bias, (weight.shape[0],), name)

    def _map(self, value: Value, weight: Weight, bias: np.ndarray | None, shape: tuple[int, ...], name: str) -> Value:
        if weight.shape[1] != value.size:
            raise ModelError(f"{self.source}: {name} expects {weight.shape[1]} inputs but gets {value.size}")
        offset = np.zeros(weight.shape[0]) if bias is None else np.asarray(bias, dtype=np.float64)
        if offset.shape != (weight.shape[0],):
            raise ModelError(f"{self.source}: {name} has a bias of shape {offset.shape}, expected {(weight.shape[0],)}")
        terms = tuple((source, weight if matrix is None else settled(weight @ matrix)) for source, matrix in value.terms)
        errors: list[Weight] = [matrix_error(weight, matrix) for _, matrix in value.terms if matrix is not None]
        folded = bool(errors)
        if value.bias.any():
            part = weight @ value.bias
            errors.append(dense(matrix_error(weight, value.bias[:, None]))[:, 0] + sum_error(part, offset))
            offset = part + offset
        if errors:
            change = largest_change(errors, [*(matrix for _, matrix in terms), offset])
            what = "folded with the affine map before it" if folded else "a constant shift of its input folded into the bias"
            self.note_folding(f"{name}: {what}", change)
        return Value(shape, terms, offset)

    def divide(self, value: Value, divisor: np.ndarray, name: str) -> Value:
        """Entrywise value / divisor, which broadcasts to the value's shape and is nowhere zero."""
        factor, doubt = reciprocal(divisor)
        one, zero = np.array(1.0), np.array(0.0)
        return replace(self.scale_shift(value, factor, None, name, doubt), of=(value, one, zero, divisor))

    def scale_shift(self, value: Value, scale: np.ndarray | None, shift: np.ndarray | None, name: str, doubt: float | np.ndarray = 0.0) -> Value:
        """Entrywise scale * value + shift; both broadcast to the value's shape, and so does a bound on the relative
        rounding in the scale itself.
        """
        result, change = self._scale_shift(value, scale, shift, doubt)
        shifted = value.bias.any()
        scaled = scale is not None and (np.abs(scale) != 1).any() and (shifted or any(m is not None for _, m in value.terms))
        if change or scaled or (shift is not None and shifted):  # a factor of an identity and a shift of zero are exact
            self.note_folding(f"{name}: folded as a constant factor or shift", change)
        one, zero = np.array(1.0), np.array(0.0)
        return replace(result, of=(value, one if scale is None else scale, zero if shift is None else shift, one))

    @staticmethod
    def _scale_shift(
        value: Value, scale: np.ndarray | None, shift: np.ndarray | None, doubt: float | np.ndarray = 0.0, shift_error: float | np.ndarray = 0.0
    ) -> tuple[Value, float]:
        """The result, and the largest relative change by rounding, for bounds on the relative rounding in the scale and
        on that in the shift.
        """
        terms, bias = value.terms, value.bias
        errors, of_bias = [], np.zeros(value.size)
        if scale is not None:
            factor, doubts = (np.broadcast_to(np.asarray(a, dtype=np.float64), value.shape).ravel() for a in (scale, doubt))
            terms = tuple((s, _scaled(factor, identity(value.size) if m is None else m)) for s, m in terms)
            errors = [_scaled_error(factor, doubts, m) for _, m in value.terms]
            of_bias = product_error(factor, bias) + doubts * np.abs(factor * bias)
            bias = factor * bias
        if shift is not None:
            addend, error = (np.broadcast_to(np.asarray(a, dtype=np.float64), value.shape).ravel() for a in (shift, shift_error))
            of_bias = of_bias + error + sum_error(bias, addend)
            bias = bias + addend
        return Value(value.shape, terms, bias), largest_change([*errors, of_bias], [*(m for _, m in terms if m is not None), bias])

    def batch_norm(
        self, value: Value, mean: np.ndarray, variance: np.ndarray, eps: float, gamma: np.ndarray | None, beta: np.ndarray | None, name: str
    ) -> Value:
        """Batch normalisation in evaluation mode; channels are the first axis of the value's shape."""
        mean, variance = np.asarray(mean, dtype=np.float64), np.asarray(variance, dtype=np.float64)
        if mean.shape != (value.shape[0],):
            raise ModelError(f"{self.source}: {name} normalises {mean.size} channels but gets {value.shape[0]}")
        factor, doubt = reciprocal_root(variance, eps)
        if gamma is not None:
            gamma = np.asarray(gamma, dtype=np.float64)
            doubt = np.where((doubt == 0) & (product_error(factor, gamma) == 0), 0.0, 6 * UNIT)
            factor = factor * gamma
        shift = -mean * factor
        error = product_error(mean, factor) + doubt * np.abs(shift)
        if beta is not None:
            beta = np.asarray(beta, dtype=np.float64)
            error = error + sum_error(shift, beta)
            shift = shift + beta
        axes = (slice(None), *([None] * (len(value.shape) - 1)))
        result, change = self._scale_shift(value, factor[axes], shift[axes], doubt[axes], error[axes])
        self.note_folding(f"{name}: batch normalisation (evaluation mode) folded", change)
        return result

    def require_room(self, count: int, name: str) -> None:
        """Go on if a matrix of so many entries is not too large; to be asked before tables of them are made.

        Raises
        ------
        ModelError
            If it is.
        """
        if count > _MOST_ENTRIES:
            raise ModelError(f"{self.source}: {name} unrolls into a matrix of {count} weights, which is too large; polylc is made for small networks")

    def reshape(self, value: Value, shape: Sequence[int], name: str) -> Value:
        """Another shape of the same entries; one entry may be -1."""
        target = list(shape)
        if target.count(-1) == 1:
            known = math.prod(d for d in target if d != -1)
            target[target.index(-1)] = value.size // known if known else 0
        if math.prod(target) != value.size:
            raise ModelError(f"{self.source}: {name} cannot make shape {tuple(shape)} of {value.size} entries")
        return Value(tuple(target), value.terms, value.bias)

    def add(self, left: Value, right: Value, name: str, sign: float = 1.0) -> Value:
        """left + sign * right, entry by entry (a residual sum); the sign is 1 or -1."""
        if left.size != right.size:
            raise ModelError(f"{self.source}: {name} adds values of sizes {left.size} and {right.size}")
        matrices: dict[int, Weight] = {}
        errors: list[Weight] = [sum_error(left.bias, sign * right.bias)]
        for value, factor in ((left, 1.0), (right, sign)):
            for source, matrix in value.terms:
                full = factor * (identity(value.size) if matrix is None else matrix)
                if source in matrices:
                    errors.append(_sum_error(matrices[source], full))
                matrices[source] = _sum(matrices[source], full) if source in matrices else full
        bias = left.bias + sign * right.bias
        change = largest_change(errors, [*matrices.values(), bias])
        if change:
            self.note_folding(f"{name}: two affine maps of the same values added up", change)
        return Value(left.shape, tuple(sorted(matrices.items(), key=_source)), bias)

    def stack(self, values: Sequence[Value], name: str) -> Value:
        """Values of one shape along a new first axis, so that units made of them are one layer; exact."""
        shape = values[0].shape
        if any(value.shape != shape for value in values):
            raise ModelError(f"{self.source}: {name} stacks values of shapes {', '.join(str(value.shape) for value in values)}")
        entries = values[0].size
        parts: dict[int, list[Weight | None]] = {}
        for index, value in enumerate(values):
            for source, matrix in value.terms:
                parts.setdefault(source, [None] * len(values))[index] = identity(entries) if matrix is None else matrix
        return Value(
            (len(values), *shape),
            tuple((source, _stacked(blocks, entries)) for source, blocks in sorted(parts.items(), key=_source)),
            np.concatenate([value.bias for value in values]),
        )

    def pick(self, values: Sequence[Value], index: np.ndarray, constants: np.ndarray, name: str) -> Value:
        """Entries of several values, and constants, in any order and number; exact.

        Parameters
        ----------
        values : sequence of Value
            Their entries are numbered one value after the other.
        index : ndarray of int
            The number of the entry that goes to each place; -1, -2, ... are the constants.
        constants : ndarray
        name : str
        """
        flat = index.ravel()
        if len(values) == 1 and len(flat) == values[0].size and np.array_equal(flat, np.arange(len(flat))):
            if index.shape == values[0].shape:
                return values[0]
            return Value(index.shape, values[0].terms, values[0].bias)
        self.require_room(len(flat), name)
        ends = np.cumsum([0, *(value.size for value in values)])
        terms: dict[int, Weight] = {}
        bias = np.zeros(len(flat))
        fixed = flat < 0
        if fixed.any():
            bias[fixed] = np.asarray(constants, dtype=np.float64).ravel()[-1 - flat[fixed]]
        for first, end, value in zip(ends, ends[1:], values, strict=False):
            here = np.flatnonzero((flat >= first) & (flat < end))
            rows = flat[here] - first
            bias[here] = value.bias[rows]
            for source, matrix in value.terms:
                part = _placed(identity(value.size) if matrix is None else matrix, rows, here, len(flat))
                terms[source] = _sum(terms[source], part) if source in terms else part
        return Value(index.shape, tuple(sorted(terms.items(), key=_source)), bias)

    def combine(
        self,
        value: Value,
        out: np.ndarray,
        source: np.ndarray,
        weight: np.ndarray,
        shape: Sequence[int],
        bias: np.ndarray | None,
        name: str,
    ) -> Value:
        """Weighted sums of entries: entry out[k] of the result has weight[k] times entry source[k] of the value, no two
        at one place.
        """
        self.require_room(out.size, name)
        matrix = _gathered(out.ravel(), source.ravel(), weight.ravel(), (math.prod(shape), value.size))
        return self._map(value, matrix, bias, tuple(shape), name)

    def weighted(self, value: Value, table: np.ndarray, weight: np.ndarray, shape: Sequence[int], bias: np.ndarray | None, name: str) -> Value:
        """Weighted sums of the entries that stand in the rows of a table; -1 is no entry. Weights broadcast to the
        table.
        """
        inside = table >= 0
        out, weights = (np.broadcast_to(a, table.shape)[inside] for a in (np.arange(len(table))[:, None], weight))
        return self.combine(value, out, table[inside], weights, shape, bias, name)

    # ---- piecewise linear units --------------------------------------------------------------------------------
    def units(self, value: Value, negative: float | np.ndarray, positive: float | np.ndarray, name: str) -> Value:
        """A new hidden layer of units with slopes `negative` below and `positive` above zero."""
        size = value.size
        below = np.broadcast_to(np.asarray(negative, dtype=np.float64), (size,)).copy()
        above = np.broadcast_to(np.asarray(positive, dtype=np.float64), (size,)).copy()
        if (below == above).all():
            self.note(f"{name}: both slopes are equal, so it is linear and makes no neuron")
            return self.scale_shift(value, above.reshape(value.shape), None, name) if (above != 1).any() else value
        self.layers.append(Layer(self._affine(value), below, above))
        return Value(value.shape, ((len(self.layers), None),), np.zeros(size))

    def relu(self, value: Value, name: str) -> Value:
        """Rectified linear units."""
        return self.units(value, 0.0, 1.0, name)

    def before_units(self, value: Value) -> tuple[Value, float, float] | None:
        """What goes into the units of which a value is made, and their slopes, if it is made of units alone, all of the
        same kind and none decreasing: such units and a maximum change places. If nobody else reads the units' layer, it
        is no part of the network.
        """
        if len(value.terms) != 1 or value.terms[0][0] == 0 or value.bias.any():
            return None
        source, matrix = value.terms[0]
        layer = self.layers[source - 1]
        rows = np.arange(value.size) if matrix is None else _chosen(matrix)
        if rows is None or not len(rows):
            return None
        below, above = layer.negative[rows], layer.positive[rows]
        if (below != below[0]).any() or (above != above[0]).any() or below[0] < 0 or above[0] <= 0:
            return None
        self._passed.add(source)
        terms = tuple((s, _placed(m, rows, np.arange(len(rows)), len(rows))) for s, m in layer.affine.terms)
        return Value(value.shape, terms, layer.affine.bias[rows]), float(below[0]), float(above[0])

    def _without_passed(self, output: Affine) -> tuple[list[Layer], Affine, list[Step]]:
        """Layers, output and steps without layers whose units were put after a maximum, and which nobody reads now."""
        layers, steps = [*self.layers], self.steps
        for source in sorted(self._passed, reverse=True):
            read = {s for a in [*(layer.affine for layer in layers), output] for s, _ in a.terms}
            if source in read:
                continue
            del layers[source - 1]
            layers = [replace(layer, affine=_renumbered(layer.affine, source)) for layer in layers]
            output = _renumbered(output, source)
            steps = [_without(step, source) for step in steps]
        return layers, output, steps

    def _affine(self, value: Value) -> Affine:
        return Affine(tuple((s, identity(value.size) if m is None else settled(m)) for s, m in value.terms), value.bias)

    def finish(self, value: Value, sha256: str = "") -> Network:
        """The network with output `value`."""
        layers, output, steps = self._without_passed(self._affine(value))
        return Network(
            self.inputs,
            tuple(layers),
            output,
            source=self.source,
            sha256=sha256,
            log=tuple(self.log),
            input_shape=self.input.shape,
            steps=tuple(steps),
        )


def _chosen(matrix: Weight) -> np.ndarray | None:
    """The column of the one entry of each row, if that is 1 and all others are zero."""
    from scipy import sparse

    rows = sparse.csr_array(matrix)
    rows.eliminate_zeros()
    if (np.diff(rows.indptr) != 1).any() or (rows.data != 1).any():
        return None
    return np.asarray(rows.indices)


def _renumbered(affine: Affine, gone: int) -> Affine:
    """The same with one source fewer."""
    return replace(affine, terms=tuple((s - (s > gone), matrix) for s, matrix in affine.terms))


def _without(step: Step, gone: int) -> Step:
    """The same with one layer fewer."""
    layers = tuple(layer - (layer > gone) for layer in step.layers if layer != gone)
    how = "its units come after the maximum that follows" if gone in step.layers and not layers else step.how
    return replace(step, layers=layers, how=how)


def _source(term: tuple[int, object]) -> int:
    return term[0]


def _scaled(factor: np.ndarray, matrix: Weight) -> Weight:
    """Rows times factors."""
    if isinstance(matrix, np.ndarray):
        return factor[:, None] * matrix
    from scipy import sparse

    return settled(sparse.diags_array(factor, format="csr") @ matrix)


def _scaled_error(factor: np.ndarray, doubt: np.ndarray, matrix: Weight | None) -> Weight:
    """Bound on the rounding in `_scaled`, for factors that err by `doubt`, relatively; of the identity for None."""
    if matrix is None:
        return doubt * np.abs(factor)
    if not doubt.any() and ((factor == 0) | (np.abs(factor) == 1)).all():
        return np.zeros(len(factor))
    if isinstance(matrix, np.ndarray):
        return product_error(factor[:, None], matrix) + np.abs(doubt * factor)[:, None] * np.abs(matrix) * (1 + 4 * UNIT)
    times, spread = (np.repeat(a, np.diff(matrix.indptr)) for a in (factor, np.abs(doubt * factor)))
    return with_entries(matrix, product_error(times, matrix.data) + spread * np.abs(matrix.data) * (1 + 4 * UNIT))


def _sum_error(left: Weight, right: Weight) -> Weight:
    """The rounding in each entry of `_sum`."""
    if isinstance(left, np.ndarray) and isinstance(right, np.ndarray):
        return sum_error(left, right)
    from scipy import sparse

    one, two = sparse.csr_array(left), sparse.csr_array(right)
    total = one + two
    back = total - one
    return abs((one - (total - back)) + (two - back))


def _sum(left: Weight, right: Weight) -> Weight:
    if isinstance(left, np.ndarray) and isinstance(right, np.ndarray):
        return left + right
    from scipy import sparse

    return settled(sparse.csr_array(left) + sparse.csr_array(right))


def _stacked(blocks: list[Weight | None], rows: int) -> Weight:
    """Matrices of that many rows one below the other, zeros where there is none."""
    from scipy import sparse

    columns = next(block.shape[1] for block in blocks if block is not None)
    return settled(sparse.vstack([sparse.csr_array((rows, columns)) if block is None else sparse.csr_array(block) for block in blocks], "csr"))


def _placed(matrix: Weight, rows: np.ndarray, places: np.ndarray, count: int) -> Weight:
    """Some rows of a matrix at some places among so many, zeros elsewhere."""
    from scipy import sparse

    if isinstance(matrix, np.ndarray):
        result = np.zeros((count, matrix.shape[1]))
        result[places] = matrix[rows]
        return settled(result)
    chosen = sparse.csr_array((np.ones(len(rows)), (places, rows)), shape=(count, matrix.shape[0]))
    return settled(chosen @ matrix)


def _gathered(out: np.ndarray, source: np.ndarray, value: np.ndarray, shape: tuple[int, int]) -> Weight:
    """The matrix with these entries, no two at one place."""
    from scipy import sparse

    return settled(sparse.csr_array((value, (out, source)), shape=shape, dtype=np.float64))
