"""What holds everywhere on a set, whatever its regions: which neurons are open, and how large derivatives are at most
(docs/exactness.md, lemma 33).

Ends of all pre-activations say which units have one slope alone. Derivatives along the axes of the set go forward
through the network in interval arithmetic, an open unit with the hull of its two slopes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from polylc.bounds.backward import Cells
from polylc.bounds.hidden import intervals, refine
from polylc.bounds.relaxation import largest_outputs
from polylc.bounds.tables import LOST, Tables, magnitude, tables
from polylc.domains.box import Neighbourhood
from polylc.domains.domain import Domain
from polylc.exact.checkpoint import checkpoint
from polylc.network.form import Network
from polylc.network.weights import at_points

Array = np.ndarray
GROWN = 1 + 2.0**-30  # more than rounding takes from a sum of numbers that are not negative
FEW = 2.0**-48  # more than a few roundings, relative to what is rounded
MOST = 2**25  # numbers of the derivatives of all neurons: beyond, they are not bounded
Pair = tuple[int, int | None]  # an output, or one less another


@dataclass(frozen=True)
class Everywhere:
    """What holds of a network on all of a set.

    Attributes
    ----------
    open : ndarray of bool, shape (neurons,)
        False where the unit certainly has the same slope everywhere.
    dead : ndarray of bool, shape (neurons,)
        True where that slope is 0.
    sizes : dict
        Of each output, and each difference of two that was asked for: no derivative along an axis of the set, per
        length, is larger in size; shape (k,).
    """

    open: Array
    dead: Array
    sizes: dict[Pair, Array]

    def matrix(self) -> Array:
        """Those of the outputs; shape (outputs, k)."""
        return np.array([size for (_, second), size in self.sizes.items() if second is None])


def everywhere(network: Network, domain: Domain, margins: Sequence[Pair] = ()) -> Everywhere | None:
    """Bounds that hold on all of a set; None where there are too many derivatives, or doubles do not hold them.

    Parameters
    ----------
    network : Network
    domain : Domain
    margins : sequence of (int, int)
        Differences of outputs whose derivatives are bounded besides.
    """
    along, embedding, rounding = domain.start(network)
    k = domain.dimension
    if k * (along.neurons + along.outputs) > MOST:
        return None
    table = tables(along)
    with np.errstate(over="ignore", invalid="ignore"):
        reach = (np.abs(embedding[:, :-1]).sum(axis=1) + rounding) * GROWN
        low, high = (embedding[:, -1] + sign * (reach + FEW * np.abs(embedding[:, -1])) for sign in (-1.0, 1.0))
        lows, highs = intervals(table, low, high)
        if isinstance(domain, Neighbourhood) and np.isfinite(lows).all() and np.isfinite(highs).all():
            # rows of rounded coefficients stand for inputs that vary each by itself; only intervals allow for that
            lows, highs = _refined(table, low, high, lows, highs)
        free = ~((lows > 0) | (highs < 0))
        below, above = (np.concatenate([getattr(u, side) for u in table.units] or [np.zeros(0)]) for side in ("negative", "positive"))
        slope = np.where(highs < 0, below, above)
        dead = ~free & (slope == 0)
        some = [(i, None) for i in range(along.outputs)] + list(margins)
        found = _derivatives(table, embedding[:, :-1].T, rounding, free, slope, some)
        sizes = found * (domain.inverse_half * (1 + FEW)) + LOST
    if not np.isfinite(sizes).all():
        return None
    return Everywhere(free, dead, dict(zip(some, sizes, strict=True)))


def _refined(table: Tables, low: Array, high: Array, lows: Array, highs: Array) -> tuple[Array, Array]:
    """Ends of pre-activations by backward passes."""
    box = np.maximum(np.abs(low), np.abs(high))
    sizes = table.magnitudes(largest_outputs(table, lows, highs, box))
    tighter = lows[None].copy(), highs[None].copy()
    refine(table, *tighter, Cells(low[None], high[None]), sizes)
    return np.maximum(lows, tighter[0][0]), np.minimum(highs, tighter[1][0])


def _derivatives(table: Tables, directions: Array, rounding: Array, free: Array, slope: Array, some: Sequence[Pair]) -> Array:
    """No less than the sizes of derivatives in directions (k, inputs), which err by at most `rounding`; (some, k)."""
    middles, radii = [directions], [np.broadcast_to(rounding, directions.shape)]
    for affine, units, span in zip(table.affines, table.units, table.span, strict=False):
        checkpoint()
        middle, radius, size = (np.zeros((len(directions), affine.size)) for _ in range(3))
        for source, weight in affine.terms:
            absolute = magnitude(weight)
            middle = middle + at_points(middles[source], weight)
            radius = radius + at_points(radii[source], absolute)
            size = size + at_points(np.abs(middles[source]) + radii[source], absolute)
        radius = (radius + table.gamma * size * GROWN) * GROWN + LOST
        low, high = middle - radius, middle + radius
        ends = [s * end for s in (units.negative, units.positive) for end in (low, high)]
        least, most = np.minimum.reduce(ends), np.maximum.reduce(ends)
        known, steep = slope[span] * middle, np.abs(slope[span])
        middles.append(np.where(free[span], 0.5 * (least + most), known))
        rounded = FEW * (np.abs(least) + np.abs(most))
        radii.append(np.where(free[span], 0.5 * (most - least) + rounded, steep * radius * GROWN + FEW * np.abs(known)) + LOST * (steep > 0))
    result = np.zeros((len(some), len(directions)))
    for row, (first, second) in enumerate(some):
        value, around = np.zeros(len(directions)), np.zeros(len(directions))
        for source, weight in table.affines[-1].terms:
            line, size = _row(weight, first), np.abs(_row(weight, first))
            if second is not None:
                line, size = line - _row(weight, second), size + np.abs(_row(weight, second))
            value = value + middles[source] @ line
            around = around + radii[source] @ size + table.gamma * ((np.abs(middles[source]) + radii[source]) @ size) * GROWN
        result[row] = (np.abs(value) + around) * GROWN + LOST
    return result


def _row(weight: object, at: int) -> Array:
    row = weight[[at]]  # type: ignore[index]
    return np.asarray(row if isinstance(row, np.ndarray) else row.toarray()).reshape(-1)
