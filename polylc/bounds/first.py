"""The first ends of neurons on a box: whose signs a pass from the inputs on shows need no pass of their own.

Every value lies between two forms of the inputs that vary, which go from layer to layer (Singh et al. 2019, "An
abstract domain for certifying neural networks", without going back). That costs a product with each weight matrix,
however many neurons there are. Neurons that stay open in a layer are bounded backward (`hidden.refine`) before the pass
goes on, so both ways put the same lines in place of units. Then what the backward rule finds is never less: it picks
the line of a unit by the sign of the sum of what reaches it, the pass by the sign of each part. So neurons that are
decided here would be decided there, too, and whoever bounds all of them backward comes to the same open neurons. (That
is not so of intervals, which know of a unit that it is not negative where its line is.)
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass

import numpy as np

from polylc.bounds.backward import Cells
from polylc.bounds.hidden import refine
from polylc.bounds.packed import packed
from polylc.bounds.relaxation import Lines, down, up
from polylc.bounds.tables import LOST, Sizes, Tables, Units, magnitude
from polylc.exact.checkpoint import checkpoint
from polylc.network.form import Affine
from polylc.network.weights import Weight, at_points, entries, times, with_entries

FORMS = 2**23  # numbers of the largest array of forms; with more, all neurons are bounded backward


def first_ends(tables: Tables, lows: np.ndarray, highs: np.ndarray, cell: Cells, sizes: Sizes, doubtful: np.ndarray | None = None) -> None:
    """Ends of all neurons on one box, of which nothing is known yet.

    Parameters
    ----------
    tables : Tables
    lows, highs : ndarray, shape (1, neurons)
        Receive the ends, those of open neurons by backward passes, on the grid.
    cell : Cells
        Of one row.
    sizes : Sizes
    doubtful : ndarray, shape (2, 1, neurons), optional
        As in `hidden.refine`.
    """
    low, high = cell.low[0], cell.high[0]
    varying = np.flatnonzero(low < high)
    many = len(varying) * max(tables.inputs, *(layer.width for layer in tables.network.layers), 1) > FORMS
    if many or packed(tables, sizes) is not None:
        refine(tables, lows, highs, cell, sizes, 0, doubtful)
        return
    values, box = [_Between.of_inputs(low, high, varying)], (low[varying], high[varying])
    some = copy(tables)  # where no weight is left that nothing passes
    some.affines = list(tables.affines)
    live = [np.ones(tables.inputs, dtype=bool)]
    for layer, span in enumerate(tables.span):
        checkpoint()
        affine = some.affines[layer] = _without(tables.affines[layer], live, None)
        z = _after(affine, values, tables.gamma)
        _decide(lows[0, span], highs[0, span], *z.ends(*box, tables.gamma), 4 * sizes.loss[layer])
        among = np.zeros(lows.shape, dtype=bool)
        among[:, span] = True
        refine(some, lows, highs, cell, sizes, layer, doubtful, only=among)
        units = tables.units[layer]
        live.append((highs[0, span] > 0) | (units.negative != 0))
        some.affines[layer] = _without(affine, live, live[-1])
        values.append(z.through(units, lows[0, span], highs[0, span], tables.gamma))


def _decide(lows: np.ndarray, highs: np.ndarray, low: np.ndarray, high: np.ndarray, margin: float) -> None:
    """Take over ends where they decide a sign by more than rounding may do elsewhere."""
    known = (low > margin) | (high < -margin)
    lows[known], highs[known] = down(low[known]), up(high[known])


def _without(affine: Affine, live: list[np.ndarray], rows: np.ndarray | None) -> Affine:
    """An affine map without the entries of sparse matrices that read values that are zero, or that zeros read."""
    terms = []
    for source, weight in affine.terms:
        if not isinstance(weight, np.ndarray):
            kept = live[source][weight.indices]
            if rows is not None:
                kept &= np.repeat(rows, np.diff(weight.indptr))
            ends = np.append(0, np.cumsum(kept))[weight.indptr]
            weight = type(weight)((weight.data[kept], weight.indices[kept], ends), shape=weight.shape)
        terms.append((source, weight))
    return Affine(tuple(terms), affine.bias)


@dataclass
class _Between:
    """Values between forms of the inputs that vary.

    Attributes
    ----------
    below, above : ndarray, shape (values, varying + 1)
        Coefficients and, last, the constant.
    error : ndarray, shape (values,)
        By how much rounding may have raised the one or lowered the other, on the box.
    size : ndarray, shape (values,)
        More than the sum of the sizes of a form's terms.
    reach : ndarray, shape (varying + 1,)
        The largest size of each input that varies; 1 for the constant.
    """

    below: np.ndarray
    above: np.ndarray
    error: np.ndarray
    size: np.ndarray
    reach: np.ndarray

    @classmethod
    def of_inputs(cls, low: np.ndarray, high: np.ndarray, varying: np.ndarray) -> _Between:
        """The inputs themselves; those that do not vary are constants."""
        forms = np.zeros((len(low), len(varying) + 1))
        forms[varying, np.arange(len(varying))] = 1.0
        forms[:, -1] = np.where(low < high, 0.0, low)
        reach = np.append(np.maximum(np.abs(low), np.abs(high))[varying], 1.0)
        return cls(forms, forms, np.zeros(len(low)), np.abs(forms) @ reach, reach)

    def ends(self, low: np.ndarray, high: np.ndarray, gamma: float) -> tuple[np.ndarray, np.ndarray]:
        """Ends on the box, outward."""
        a, b = self.below[:, :-1], self.above[:, :-1]
        least = self.below[:, -1] + np.maximum(a, 0) @ low + np.minimum(a, 0) @ high
        most = self.above[:, -1] + np.maximum(b, 0) @ high + np.minimum(b, 0) @ low
        error = self.error + gamma * self.size + LOST
        return least - error, most + error

    def through(self, units: Units, low: np.ndarray, high: np.ndarray, gamma: float) -> _Between:
        """The outputs of units, z between these and known to lie between ends: m z + d max(z, 0), the rule's lines."""
        lines = Lines.of(low[None], high[None])
        rule, chord, intercept = lines.rule[0], lines.chord[0], lines.above[0]
        rising = units.jump >= 0
        below = units.negative + units.jump * np.where(rising, rule, chord)
        above = units.negative + units.jump * np.where(rising, chord, rule)
        lowest, highest = _scaled(below, self.below, self.above), _scaled(above, self.above, self.below)
        lowest[:, -1] += np.where(rising, 0.0, units.jump * intercept)
        highest[:, -1] += np.where(rising, units.jump * intercept, 0.0)
        steep = np.abs(units.negative) + np.abs(units.jump)
        size = steep * (self.size + np.abs(intercept))
        return _Between(lowest, highest, steep * self.error * (1 + 2.0**-40) + gamma * size, size, self.reach)


def _scaled(factor: np.ndarray, forms: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Factors times forms, or times the others where they are negative."""
    return factor[:, None] * np.where((factor >= 0)[:, None], forms, others)


def _after(affine: Affine, values: list[_Between], gamma: float) -> _Between:
    """An affine map of values between forms."""
    reach = values[0].reach
    below = np.zeros((affine.size, len(reach)))
    below[:, -1] = affine.bias
    above = below.copy()
    error, size = np.zeros(affine.size), np.abs(affine.bias)
    for source, weight in affine.terms:
        read, sizes = values[source], magnitude(weight)
        up_, down_ = _part(weight, 1.0), _part(weight, -1.0)
        below += times(up_, read.below) + times(down_, read.above)
        above += times(up_, read.above) + times(down_, read.below)
        error += at_points(read.error, sizes)
        size += at_points(read.size, sizes)
    size *= 1 + 2.0**-20
    return _Between(below, above, error * (1 + 2.0**-20) + gamma * size + LOST, size, reach)


def _part(weight: Weight, sign: float) -> Weight:
    """Entries of one sign; zeros elsewhere."""
    found = entries(weight)
    return with_entries(weight, np.maximum(found, 0.0) if sign > 0 else np.minimum(found, 0.0))
