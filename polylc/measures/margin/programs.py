"""One region and one rival: multipliers that exclude adversarial points, or the nearest one.

Entries are lists of Python integers, ready for JSON; the indices k_i number the half-spaces of the region's path from
the root, and forms are taken at their true values.

["A", j, lam, k1, m1, ...]: lam (f_y - f_j) - sum m_i g_ki > 0 on the whole box: no adversarial point of the region lies
in it. ["D", j, den, y0, [[q, w], ...], k1, m1, ...]: sum w (x_q - c_q) - den distance + y0 (f_y - f_j) - sum m_i g_ki
>= 0 on the whole neighbourhood, with sum |w| <= den: none is nearer to the centre c than `distance`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from polylc.domains.box import Neighbourhood
from polylc.errors import SolverError
from polylc.exact.simplex import ExactMinimum, Infeasible
from polylc.geometry.exact_program import minimise_exactly
from polylc.geometry.lp import infinity, minimise
from polylc.measures.margin.box import MarginBox
from polylc.network.exact_forms import Row

Entry = list[str | int | list[list[int]]]
PRECISIONS = (12, 24, 40)  # bits of the rounded multipliers, the shortest that do


def elastic(path: np.ndarray, margin: np.ndarray, box: MarginBox) -> np.ndarray | None:
    """Floating multipliers, those of the path and the margin's, that make margin - path as positive as possible on the
    box.

    The duals of: the least r such that some point of the box has g >= -r for every row of the path and margin <= r,
    rows scaled to length 1. The least r is positive if no point of the region in the box is adversarial.
    """
    forms = np.vstack([path, -margin])
    length = np.abs(forms[:, :-1]).max(axis=1, initial=0.0)
    length = np.where(length > 0, length, np.maximum(np.abs(forms[:, -1]), 2.0**-500))
    scaled = forms / length[:, None]
    k = len(box.middle)
    low = np.append(np.maximum(box.middle - box.width, -1.0), 0.0)
    high = np.append(np.minimum(box.middle + box.width, 1.0), infinity())
    cost = np.append(np.zeros(k), 1.0)
    matrix = np.column_stack([scaled[:, :-1], np.ones(len(scaled))])
    try:
        found = minimise(cost, matrix, np.clip(-scaled[:, -1], -1e18, 1e18), np.full(len(scaled), infinity()), low, high)
    except SolverError:
        return None
    if found is None or found.value <= 0:
        return None
    with np.errstate(over="ignore", invalid="ignore"):  # rows of very different sizes; then there are none
        found_multipliers: np.ndarray = found.multipliers / length * length.max()
    return found_multipliers if np.isfinite(found_multipliers).all() else None


def rounded(multipliers: np.ndarray) -> Iterator[np.ndarray]:
    """Whole multipliers (as floats, exactly) close to the given ones, shorter ones first."""
    largest = multipliers.max(initial=0.0)
    if 0 < largest < 2.0**400:
        for bits in PRECISIONS:
            whole = np.rint(multipliers * (2.0**bits / min(1.0, largest)))
            if whole.any():
                yield whole


def combined_least(multipliers: np.ndarray, path: np.ndarray, margin: np.ndarray, box: MarginBox) -> float:
    """Least value on the box of lam margin - sum m_i path_i, in doubles."""
    used = np.flatnonzero(multipliers[:-1])
    combined = multipliers[-1] * margin - multipliers[used] @ path[used]
    return float(combined[:-1] @ box.middle + combined[-1] - np.abs(combined[:-1]) @ box.width)


def holds(weights: np.ndarray, path: np.ndarray, path_noise: np.ndarray, margin: np.ndarray, noise: float, box: MarginBox) -> bool | None:
    """Whether whole multipliers make an "A" entry, in floats; None if rounding leaves it open."""
    used = np.flatnonzero(weights[:-1])
    forms, noises = np.vstack([path[used], margin]), np.append(path_noise[used], noise)
    low, error = box.combination(np.append(-weights[used], weights[-1]), forms, noises)
    return True if low > error else False if low < -error else None


def holds_exactly(weights: Sequence[int], path: Sequence[Row], margin: Row, box: MarginBox) -> bool:
    """The same in integers."""
    combined = [weights[-1] * v for v in margin]
    for m, row in zip(weights, path, strict=False):
        if m:
            combined = [a - m * b for a, b in zip(combined, row, strict=True)]
    return box.exact_ends(combined)[0] > 0


def exclusion(rival: int, weights: Sequence[int]) -> Entry:
    """The "A" entry of whole multipliers, the margin's last."""
    common = math.gcd(*weights)
    return ["A", rival, weights[-1] // common, *_listed(enumerate(m // common for m in weights[:-1]))]


def least_margin(path: Sequence[Row], margin: Row, box: MarginBox) -> tuple[Fraction, tuple[Fraction, ...]] | list[int]:
    """The least margin on the region within the box, and where, if it is <= 0; otherwise the multipliers of an "A"
    entry.
    """
    found = minimise_exactly(margin, path, box.lower, box.upper)
    if isinstance(found, ExactMinimum) and found.value <= 0:
        return found.value, found.point
    multipliers = [found.multipliers.get(e, Fraction(0)) for e in range(len(path))]
    return _whole([*multipliers, Fraction(isinstance(found, ExactMinimum))])


@dataclass(frozen=True)
class Nearest:
    """The adversarial point of one region, for one rival, that is nearest to the centre.

    Attributes
    ----------
    distance : Fraction
    point : tuple of Fraction
        Unit coordinates.
    entry : list
        The "D" entry for this distance, and so for any smaller one.
    """

    distance: Fraction
    point: tuple[Fraction, ...]
    entry: Entry


def nearest(domain: Neighbourhood, path: Sequence[Row], margin: Row, scale: int, rival: int) -> Nearest | None:
    """The linear program in t and s: the least s >= |x_q - c_q| for all q, over the region's points with margin <= 0.

    Parameters
    ----------
    domain : Neighbourhood
        With a centre.
    path, margin
        Integer forms; `scale` times their true values.
    rival : int
        For the entry.

    Returns
    -------
    Nearest or None
        None if there is no such point.
    """
    if domain.center is None:
        raise ValueError("nearest: the neighbourhood has no centre")
    offset = [(a + b) / 2 - c for a, b, c in zip(domain.lower, domain.upper, domain.center, strict=True)]
    half = {int(q): (domain.upper[q] - domain.lower[q]) / 2 for q in domain.free}
    unit = max(half.values())  # distances in units of the longest half side
    k = len(half)
    rows: list[Sequence[int | Fraction]] = [(*row[:-1], 0, row[-1]) for row in [*path, tuple(-v for v in margin)]]
    for i, (q, h) in enumerate(half.items()):
        for sign in (1, -1):
            row: list[int | Fraction] = [0] * (k + 2)
            row[i], row[k], row[-1] = -sign * h / unit, 1, -sign * offset[q] / unit
            rows.append(row)
    gap = fixed_gap(domain)
    most = max([gap, *(abs(offset[q]) + h for q, h in half.items())]) + unit
    cost = [*[0] * k, 1, 0]
    found = minimise_exactly(cost, rows, [*[Fraction(-1)] * k, gap / unit], [*[Fraction(1)] * k, most / unit])
    if isinstance(found, Infeasible):
        return None
    y = found.multipliers
    count = len(path)
    weight = [y.get(count + 1 + 2 * i, Fraction(0)) - y.get(count + 2 + 2 * i, Fraction(0)) for i in range(k)]
    numbers = [Fraction(1), *(y.get(r, Fraction(0)) * unit * scale for r in range(count + 1)), *weight]
    whole = _whole(numbers)
    ball = [[q, w] for q, w in zip(half, whole[count + 2 :], strict=True) if w]
    entry: Entry = ["D", rival, whole[0], whole[count + 1], ball, *_listed(enumerate(whole[1 : count + 1]))]
    return Nearest(found.value * unit, found.point[:-1], entry)


def fixed_gap(domain: Neighbourhood) -> Fraction:
    """Distance from the centre in the fixed coordinates alone; no point is nearer."""
    center = domain.center or ()
    return max((abs(a - c) for a, b, c in zip(domain.lower, domain.upper, center, strict=True) if a == b), default=Fraction(0))


def _whole(numbers: Sequence[Fraction]) -> list[int]:
    """The same numbers up to a positive factor, in integers without a common divisor."""
    den = math.lcm(1, *(v.denominator for v in numbers))
    whole = [v.numerator * (den // v.denominator) for v in numbers]
    common = math.gcd(*whole) or 1
    return [v // common for v in whole]


def _listed(multipliers: Iterable[tuple[int, int]]) -> list[int]:
    return [v for e, m in multipliers if m for v in (e, m)]
