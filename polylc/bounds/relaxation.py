"""Units between two lines: what a backward pass replaces them by on a cell, rigorously.

A unit h = m z + d max(z, 0), with l <= z <= u known, has max(z, 0) >= a z for any slope a in [0, 1], and
max(z, 0) <= s z + t for the chord of the two ends. Where the sign of z is known both are the unit itself.

Ends are kept outward on a coarse grid, so that whoever computes them again, in other arithmetic, comes to the same
numbers (docs/certificate-format.md).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from polylc.bounds.tables import Tables

DIGITS = 10  # significant bits of ends
FINEST = 30  # they are multiples of 2^-FINEST
ROUNDED = 1 + 2.0**-50  # more than what the intercept of a chord loses in rounding


def down(values: np.ndarray) -> np.ndarray:
    """The largest numbers of the grid that are not above these."""
    step = steps(values)
    found: np.ndarray = np.floor(values / step) * step
    return found


def lower(values: np.ndarray) -> np.ndarray:
    """The same of numbers a quarter of a step less."""
    return down(values - 0.25 * steps(values))


def steps(values: np.ndarray) -> np.ndarray:
    """The steps of the grid there."""
    _, exponent = np.frexp(values)
    found: np.ndarray = np.ldexp(1.0, np.maximum(exponent - DIGITS, -FINEST))
    return found


def up(values: np.ndarray) -> np.ndarray:
    """The least numbers of the grid that are not below these."""
    found: np.ndarray = -down(-values)
    return found


@dataclass
class Lines:
    """The lines of all units on a batch of cells; arrays of shape (cells, neurons).

    Attributes
    ----------
    open : ndarray of bool
        Where the sign of z is not known.
    rule : ndarray
        The lower slope where nothing better is known: 1 if u > -l, else 0; where the sign is known, the slope itself.
    chord, above : ndarray
        Slope and intercept of the upper line.
    """

    open: np.ndarray
    rule: np.ndarray
    chord: np.ndarray
    above: np.ndarray

    @classmethod
    def of(cls, low: np.ndarray, high: np.ndarray) -> Lines:
        """From the ends of z."""
        free = (low < 0) & (high > 0)
        on = (low >= 0) & (high > 0)
        width = np.where(free, high - low, 1.0)
        chord = np.where(free, high / width, on)
        above = np.where(free, np.maximum(-chord * low, high * (1.0 - chord)) * ROUNDED, 0.0)
        rule = np.where(free, high > -low, on).astype(float)
        return cls(free, rule, chord, above)

    def of_cells(self, cells: np.ndarray) -> Lines:
        """The lines of the cells numbered, one for each row of a batch of rows."""
        return Lines(self.open[cells], self.rule[cells], self.chord[cells], self.above[cells])


def largest_outputs(tables: Tables, lows: np.ndarray, highs: np.ndarray, box: np.ndarray) -> list[np.ndarray]:
    """Sizes that no value exceeds, by source, where pre-activations lie between these ends, of shape (neurons,)."""
    found = [box]
    for units, span in zip(tables.units, tables.span, strict=True):
        low, high = lows[span], highs[span]
        found.append(np.maximum(np.abs(units.negative) * np.maximum(-low, 0.0), np.abs(units.positive) * np.maximum(high, 0.0)) * (1 + 2.0**-40))
    return found
