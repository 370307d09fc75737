"""A complex of dimension one from end to end: breakpoints, outputs there and classes between, all of them exact."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from polylc.complex.complex import Complex
from polylc.errors import ConsistencyError, UsageError
from polylc.exact.checkpoint import checkpoint


@dataclass(frozen=True)
class Breakpoints:
    """What a network does along a line.

    Attributes
    ----------
    at : tuple of Fraction
        The two ends and the places between where the pattern changes, as values of the domain's one parameter:
        increasing.
    outputs : tuple of tuples of Fraction
        All outputs at these places; between two of them they are affine.
    regions : tuple of int
        The regions between, one fewer.
    classes : tuple of (Fraction, Fraction, int)
        Intervals on which one output is largest, from end to end; the lowest number where several are. Empty for a
        network with one output.
    """

    at: tuple[Fraction, ...]
    outputs: tuple[tuple[Fraction, ...], ...]
    regions: tuple[int, ...]
    classes: tuple[tuple[Fraction, Fraction, int], ...]


def breakpoints(complex_: Complex) -> Breakpoints:
    """Of a complete complex of dimension one.

    Raises
    ------
    UsageError
        If the dimension is another one, or regions are missing.
    ConsistencyError
        If the regions do not follow one another.
    """
    if complex_.domain.dimension != 1:
        raise UsageError(f"breakpoints: the neighbourhood has dimension {complex_.domain.dimension}; a line has 1")
    if not complex_.complete:
        raise UsageError(f"breakpoints: regions are missing ({complex_.outcome})")
    forms, (parameter,) = complex_.exact_forms, complex_.domain.parameters
    found = []
    for region in range(len(complex_)):
        checkpoint()
        low, high = Fraction(-1), Fraction(1)
        for a, c in complex_.exact_half_spaces(region):
            if a > 0:
                low = max(low, Fraction(-c, a))
            elif a < 0:
                high = min(high, Fraction(-c, a))
        found.append((low, high, region))
    found.sort()
    ends = [low for low, _, _ in found] + [Fraction(1)]
    if any(high != ends[i + 1] or low >= high for i, (low, high, _) in enumerate(found)) or ends[0] != -1:
        raise ConsistencyError("the regions of a line do not follow one another")
    outputs, classes = [], list[tuple[Fraction, Fraction, int]]()
    for low, high, region in found:
        rows = forms.output(complex_.patterns(np.array([region]))[0])
        left, right = ([Fraction(a * t + c) / forms.scale for a, c in rows] for t in (low, high))
        outputs.append(tuple(left))
        last = tuple(right)
        if len(rows) > 1:
            classes += _classes(low, high, left, right)
    outputs.append(last)

    def placed(t: Fraction) -> Fraction:
        return parameter.middle + parameter.half * t

    joined: list[tuple[Fraction, Fraction, int]] = []
    for low, high, best in classes:
        if joined and joined[-1][2] == best:
            joined[-1] = joined[-1][0], placed(high), best
        else:
            joined.append((placed(low), placed(high), best))
    return Breakpoints(tuple(map(placed, ends)), tuple(outputs), tuple(region for _, _, region in found), tuple(joined))


def _classes(low: Fraction, high: Fraction, left: list[Fraction], right: list[Fraction]) -> list[tuple[Fraction, Fraction, int]]:
    """Which of several affine functions, given by their values at both ends, is largest where: their upper envelope."""
    result, at = [], Fraction(0)
    slopes = [b - a for a, b in zip(left, right, strict=True)]
    while True:
        values = [a + at * s for a, s in zip(left, slopes, strict=True)]
        top = max(values)
        steep = max(s for v, s in zip(values, slopes, strict=True) if v == top)
        best = min(j for j, v in enumerate(values) if v == top and slopes[j] == steep)
        # the next place where a steeper one catches up
        nexts = [at + (top - v) / (s - steep) for v, s in zip(values, slopes, strict=True) if s > steep]
        until = min([n for n in nexts if n < 1], default=Fraction(1))
        result.append((low + at * (high - low), low + until * (high - low), best))
        if until == 1:
            return result
        at = until
