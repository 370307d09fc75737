"""Gradients on cells on which some neurons are open: every entry enclosed, and directional derivatives bounded from
above, rigorously (docs/exactness.md, lemma 18).

A unit hands on d times the derivative t of its pre-activation in some direction, where d is one of its two slopes. Rows
of derivatives go back through the network like rows of values (`backward`); where the sign of z is open, d t lies below
a linear function of t and of z, since d is tied to the sign of z. So the largest derivative on a cell is at most a
constant plus a row over the pre-activations, which `backward` bounds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from polylc.bounds.restriction import Restriction
from polylc.bounds.tables import LOST, Rows
from polylc.network.weights import at_points, before

Array = np.ndarray
GROWN = 1 + 2.0**-30  # more than rounding takes from a sum of numbers that are not negative
FEW = 2.0**-48  # more than a few roundings, relative to what is rounded
GROWN_LITTLE = 1 + 2.0**-36  # the same, for sums over the inputs
CHORD_BITS = 20  # of the numbers of a direction
INWARD = 1 - 2.0**-48  # for multipliers that must not be too large


@dataclass
class Masks:
    """Slopes of all units on a batch of cells; arrays of shape (rows, neurons).

    Attributes
    ----------
    open : ndarray of bool
        Where the sign of z is not known.
    slope : ndarray
        The slope where it is known, else 0.
    """

    open: Array
    slope: Array

    @classmethod
    def of(cls, tables: Restriction, lows: Array, highs: Array) -> Masks:
        """From the ends of z. Where z is zero on all of a cell it does not matter which slope it is."""
        below, above = tables.network.slopes
        free = (lows < 0) & (highs > 0)
        return cls(free, np.where(free, 0.0, np.where(highs > 0, above, below)))

    def rows(self, which: Array) -> Masks:
        """Some rows."""
        return Masks(self.open[which], self.slope[which])


@dataclass
class Spread:
    """Derivatives of pre-activations in a direction; arrays of shape (rows, neurons).

    Attributes
    ----------
    low, high : ndarray
        They lie between these.
    size : ndarray
        No sum of sizes of all that is added up in one exceeds this.
    """

    low: Array
    high: Array
    size: Array

    def rows(self, which: Array) -> Spread:
        """Some rows."""
        return Spread(self.low[which], self.high[which], self.size[which])


@dataclass
class Tied:
    """A bound on directional derivatives: constant + error + sum of q d, where d, in [0, 1], says whether z > 0.

    Attributes
    ----------
    constant, error : ndarray, shape (rows,)
    jumps : ndarray, shape (rows, neurons)
        Coefficients on d t of each open unit, 0 elsewhere.
    level : ndarray, shape (rows, neurons)
        D of the lemma: by what d is multiplied, over |jumps|.
    """

    constant: Array
    error: Array
    jumps: Array
    level: Array

    @property
    def q(self) -> Array:
        """Coefficients of d."""
        found: Array = np.abs(self.jumps) * self.level
        return found


def _through(middle: Array, radius: Array, masks: Masks, layer: int, tables: Restriction) -> tuple[Array, Array]:
    """Intervals times the slopes of a layer."""
    span, units = tables.span[layer], tables.units[layer]
    free, slope = masks.open[:, span], masks.slope[:, span]
    low, high = middle - radius, middle + radius
    ends = [slope * low for slope in (units.negative, units.positive)] + [slope * high for slope in (units.negative, units.positive)]
    least, most = np.minimum.reduce(ends), np.maximum.reduce(ends)
    rounded = FEW * np.maximum(np.abs(least), np.abs(most))
    return np.where(free, 0.5 * (least + most), slope * middle), np.where(free, 0.5 * (most - least) + rounded, np.abs(slope) * radius)


def enclosed(tables: Restriction, rows: Rows, sizes: Rows, masks: Masks) -> tuple[Array, Array]:
    """Ends of all entries of the gradient of rows over the values, two arrays of shape (rows, inputs).

    Parameters
    ----------
    rows, sizes : list of ndarray, shape (rows, width), or None
        By source, with the sizes of all that was added up for them.
    masks : Masks
    """
    middles: Rows = list(rows)
    radii: Rows = [None if v is None else tables.gamma * v for v in sizes]
    many = len(masks.open)
    for layer in range(tables.depth - 1, -1, -1):
        v, r = middles[layer + 1], radii[layer + 1]
        if v is None or r is None:
            continue
        middle, radius = _through(v, r, masks, layer, tables)
        most = tables.gamma * (np.abs(middle) + radius)
        for source, weight, absolute, sized in tables.terms[layer]:
            part = before(middle, weight)
            size = (before(radius, absolute) + before(most, sized)) * GROWN + LOST
            there, other = middles[source], radii[source]
            middles[source] = part if there is None else there + part
            radii[source] = size if other is None else other + size
    found, around = middles[0], radii[0]
    if found is None or around is None:
        return np.zeros((many, tables.inputs)), np.zeros((many, tables.inputs))
    low, high = found - around, found + around
    return low - FEW * np.abs(low), high + FEW * np.abs(high)


def spread(tables: Restriction, direction: Array, masks: Masks) -> tuple[Spread, list[Array]]:
    """Derivatives of pre-activations in a direction of the inputs, shape (rows, inputs); and for each source the
    largest size of the derivatives of its values.
    """
    many = len(direction)
    low, high, sizes = (np.zeros((many, tables.neurons)) for _ in range(3))
    middles, radii = [direction], [np.zeros_like(direction)]
    largest = [np.abs(direction)]
    for layer in range(tables.depth):
        span = tables.span[layer]
        middle, radius, size = (np.zeros((many, tables.affines[layer].size)) for _ in range(3))
        for source, weight, absolute, sized in tables.terms[layer]:
            middle = middle + at_points(middles[source], weight)
            radius = radius + at_points(radii[source], absolute)
            size = size + at_points(np.abs(middles[source]) + radii[source], sized)
        size = size * GROWN + LOST
        radius = (radius + tables.gamma * size) * GROWN + LOST
        low[:, span], high[:, span], sizes[:, span] = middle - radius, middle + radius, 2 * size
        m, r = _through(middle, radius, masks, layer, tables)
        middles.append(m)
        radii.append(r)
        largest.append((np.abs(m) + r) * GROWN)
    return Spread(low, high, sizes), largest


def tied(
    tables: Restriction, rows: Rows, row_sizes: Rows, direction: Array, masks: Masks, t: Spread, largest: Sequence[Array], shares: Array
) -> Tied:
    """Derivatives in a direction of rows over the values, bounded from above.

    Parameters
    ----------
    rows, row_sizes : list of ndarray, shape (rows, width), or None
        As `enclosed` has them.
    direction : ndarray, shape (rows, inputs)
    masks, t, largest
        As `spread` has them.
    shares : ndarray, shape (rows, neurons)
        In [0, 1]: how much of each open unit is bounded by t, the rest by d.
    """
    rows = list(rows)
    many = len(direction)
    constant, size = np.zeros(many), np.zeros(many)
    jumps, level = np.zeros_like(shares), np.zeros_like(shares)
    for v, most in zip(row_sizes, largest, strict=True):
        if v is not None:
            size += np.einsum("rm,rm->r", v, most)
    for layer in range(tables.depth - 1, -1, -1):
        v = rows[layer + 1]
        if v is None:
            continue
        span, units = tables.span[layer], tables.units[layer]
        free, share = masks.open[:, span], shares[:, span]
        jump = np.where(free, v * units.jump, 0.0)
        steep = np.abs(jump)
        low, high = _turned(jump, t.low[:, span], t.high[:, span])
        here = (1 - share) * high + share * low + FEW * (np.abs(low) + np.abs(high))
        passed = np.where(free, v * units.negative + jump * share, v * masks.slope[:, span])
        constant += np.einsum("rm,rm->r", steep, np.maximum(here, 0.0) - share * low)
        weighed = np.abs(passed) + np.abs(v * units.negative) + 8 * steep
        size += np.einsum("rm,rm->r", weighed, t.size[:, span])
        jumps[:, span], level[:, span] = jump, np.where(free, here, 0.0)
        for source, weight in tables.affines[layer].terms:
            part = before(passed, weight)
            there = rows[source]
            rows[source] = part if there is None else there + part
    first = rows[0]
    if first is not None:
        constant += np.einsum("rn,rn->r", first, direction)
        size += np.einsum("rn,rn->r", np.abs(first), np.abs(direction))
    return Tied(constant, tables.gamma * size + LOST, jumps, level)


def _turned(jump: Array, low: Array, high: Array) -> tuple[Array, Array]:
    """Ends of t where its coefficient is positive, of -t elsewhere."""
    return np.where(jump > 0, low, -high), np.where(jump > 0, high, -low)


def ties(bound: Tied, lows: Array, highs: Array, links: Array) -> Array:
    """The row over the pre-activations that stands for the sum of q d less the part of it that `Tied` has in its
    constant: multiples `links`, in [0, 1], of q z / -l where q > 0, and of q z / u where q < 0.
    """
    q = bound.q
    ends = np.where(q > 0, -lows, highs)
    found: Array = np.where(q != 0, q * links / np.where(q != 0, ends, 1.0), 0.0) * INWARD
    return found


def derivatives(tables: Restriction, bound: Tied, direction: Array, masks: Masks, t: Spread, shares: Array, decided: Array) -> Array:
    """Derivatives of the pre-activations in the relaxed network that `tied` went back through, with the numbers
    `decided` in place of d; shape (rows, neurons).
    """
    found = np.zeros_like(shares)
    values = [direction]
    for layer in range(tables.depth):
        span, units = tables.span[layer], tables.units[layer]
        z = np.zeros((len(direction), tables.affines[layer].size))
        for source, weight in tables.affines[layer].terms:
            z = z + at_points(values[source], weight)
        found[:, span] = z
        jump = bound.jumps[:, span]
        low, _ = _turned(jump, t.low[:, span], t.high[:, span])
        turn = np.where(jump > 0, 1.0, -1.0)
        unit = turn * (shares[:, span] * (turn * z - low) + bound.level[:, span] * decided[:, span])
        values.append(np.where(masks.open[:, span], units.negative * z + units.jump * unit, masks.slope[:, span] * z))
    return found


def summed_sizes(low: Array, high: Array) -> tuple[Array, Array, Array]:
    """Sums of sizes of entries between ends: at most direction . g + constant, and at most a number.

    Returns
    -------
    direction : ndarray, shape (rows, inputs)
    constant, plain : ndarray, shape (rows,)
    """
    mixed = (low < 0) & (high > 0)
    width = np.where(mixed, high - low, 1.0)
    direction = _short(np.clip(np.where(mixed, (high + low) / width, np.sign(high + low)), -1.0, 1.0))
    above = np.where(mixed, np.maximum((1 - direction) * high, -(1 + direction) * low), 0.0)
    return direction, above.sum(axis=1) * GROWN_LITTLE, np.maximum(np.abs(low), np.abs(high)).sum(axis=1) * GROWN_LITTLE


def summed_squares(low: Array, high: Array) -> tuple[Array, Array, Array]:
    """The same of squares."""
    direction = _short(low + high)
    most = np.maximum(np.abs(low), np.abs(high)) ** 2
    above = np.maximum(high * high - direction * high, low * low - direction * low)
    lost = FEW * (most.sum(axis=1) + np.abs(above).sum(axis=1))
    return direction, above.sum(axis=1) + lost * low.shape[1], most.sum(axis=1) * GROWN_LITTLE


def _short(direction: Array) -> Array:
    """Numbers of few bits, near enough: chords take any."""
    mantissa, exponent = np.frexp(direction)
    found: Array = np.ldexp(np.rint(mantissa * 2.0**CHORD_BITS), exponent - CHORD_BITS)
    return found
