"""Robustness in floating point: whether the label is constant on the neighbourhood, and the nearest adversarial point.

A point of the closed neighbourhood is adversarial for label y if f_j >= f_y there for some j != y (ties count). On one
region that is a polytope, so its nearest point to the centre is a linear program. Regions and classes are visited in
the order of a lower bound on their distance, and the search ends when no bound beats the best point found. Most pairs
need no program of their own: multipliers of an earlier one show that they hold no nearer point.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from polylc.complex.complex import Complex
from polylc.domains.box import ball_of
from polylc.exact.numbers import to_floats
from polylc.geometry.lp import infinity, minimise, with_distances
from polylc.measures.by_volume.variation import lengths
from polylc.measures.margin.box import MarginBox
from polylc.measures.margin.programs import combined_least, elastic
from polylc.measures.margin.reuse import KnownMultipliers


@dataclass(frozen=True)
class Candidate:
    """What floating point finds for one label.

    Attributes
    ----------
    label : int
    robust : bool
    distance : float or None
        linf distance from the centre to the nearest adversarial point; None if there is none or no centre.
    adversarial : ndarray or None
        That point (any adversarial point, for a box without a centre), all coordinates.
    programs : int
        Linear programs solved.
    region, rival : int or None
        Where that point was found, and the class that wins there.
    """

    label: int
    robust: bool
    distance: float | None
    adversarial: np.ndarray | None
    programs: int
    region: int | None = None
    rival: int | None = None


def robustness(complex_: Complex, label: int, known: KnownMultipliers | None = None) -> Candidate:
    """Whether every point of the closed neighbourhood has f_label > f_j for all j != label, if not the nearest that has
    not.

    Without a centre (a box) the point returned is the one of smallest margin in the first region that has one.

    Parameters
    ----------
    known : KnownMultipliers, optional
        Filled with what excluded points nearer than those found, for whoever proves it.
    """
    known = KnownMultipliers(complex_) if known is None else known
    domain = complex_.domain
    rivals = [j for j in range(complex_.network.outputs) if j != label]
    center = None
    fixed_gap = 0.0
    ball = ball_of(domain)
    if ball is not None and ball.center is not None:
        away = to_floats(ball.center) - ball.middle
        center = away[ball.free] / ball.half
        rest = np.ones(ball.inputs, dtype=bool)
        rest[ball.free] = False
        fixed_gap = float(np.abs(away[rest]).max(initial=0.0))
    region, rival, bound = _queue(complex_, label, rivals, center)
    best, point, programs, where = np.inf, None, 0, -1
    box = _within(complex_, center, best)
    for at in np.argsort(bound, kind="stable"):
        if bound[at] >= best:
            break
        pair = int(region[at]), int(rival[at])
        path, margin = _rows(complex_, pair[0], label, pair[1])
        if _served(known, pair, path, margin, box):
            continue
        programs += 1
        multipliers = elastic(path, margin, box)
        if multipliers is not None:
            known.note(*pair, multipliers)
            continue
        programs += 1
        answer = _nearest(complex_, path, margin, center)
        if answer is not None and answer[0] < best:
            (best, point), where = answer, at
            box = _within(complex_, center, best)
            if center is None:
                break
    if point is None:
        return Candidate(label, True, None, None, programs)
    distance = None if center is None else max(best, fixed_gap)
    return Candidate(label, False, distance, domain.points(np.clip(point, -1, 1)), programs, int(region[where]), int(rival[where]))


def _queue(complex_: Complex, label: int, rivals: list[int], center: np.ndarray | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Regions and rivals that may hold an adversarial point, with a lower bound on its distance (0 without a
    centre).
    """
    half = complex_.domain.half
    regions, classes, bounds = [], [], []
    for rows in complex_.batches():
        maps = complex_.maps(rows).map
        margins = maps[:, [label]] - maps[:, rivals]
        least = margins[:, :, -1] - np.abs(margins[:, :, :-1]).sum(axis=2)
        possible = least <= 0  # the smallest value of the region's affine margin over the whole neighbourhood
        bound = np.zeros(possible.shape)
        if center is not None:
            path, _ = complex_.half_spaces(rows)
            bound = np.maximum(_distance(margins, center, half), _region_distance(complex_, rows, path, center)[:, None])
        r, j = np.nonzero(possible)
        regions.append(r + rows.start)
        classes.append(np.array(rivals, dtype=np.int64)[j])
        bounds.append(bound[r, j])
    if not regions:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0)
    return np.concatenate(regions), np.concatenate(classes), np.concatenate(bounds)


def _distance(forms: np.ndarray, center: np.ndarray, half: np.ndarray) -> np.ndarray:
    """linf distance, in true lengths, from the centre to where a form is <= 0; infinite for a positive constant."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):  # what is not known may be at the centre
        value = forms[..., :-1] @ center + forms[..., -1]
        size = np.abs(forms[..., :-1] / half).sum(axis=-1)
        return np.where(value > 0, value / size, 0.0)


def _region_distance(complex_: Complex, rows: slice, path: np.ndarray, center: np.ndarray) -> np.ndarray:
    """A lower bound on the distance from the centre to each region: the farthest half-space of its path."""
    outside = _distance(-path, center, complex_.domain.half)
    result = np.zeros(rows.stop - rows.start)
    np.maximum.at(result, complex_.regions_of_entries(rows), outside)
    return result


def _rows(complex_: Complex, region: int, label: int, rival: int) -> tuple[np.ndarray, np.ndarray]:
    """Half-spaces of a region's path, and the margin there."""
    rows = slice(region, region + 1)
    maps = complex_.maps(rows).map
    return complex_.half_spaces(rows)[0], maps[0, label] - maps[0, rival]


def _within(complex_: Complex, center: np.ndarray | None, distance: float) -> MarginBox:
    """The points of the neighbourhood that are no farther from the centre, about."""
    k = complex_.domain.dimension
    low, high = np.full(k, -1.0), np.ones(k)
    if center is not None:
        reach = distance / complex_.domain.half
        low, high = np.clip(center - reach, -1.0, 1.0), np.clip(center + reach, -1.0, 1.0)
    return MarginBox((), (), (low + high) / 2, (high - low) / 2)


def _served(known: KnownMultipliers, pair: tuple[int, int], path: np.ndarray, margin: np.ndarray, box: MarginBox) -> bool:
    """Whether multipliers of another region exclude a point of the box, as far as doubles tell."""
    for multipliers in known.tried(*pair):
        if combined_least(multipliers, path, margin, box) > 0.0:
            known.served(*pair, multipliers)
            return True
    return False


def _nearest(complex_: Complex, path: np.ndarray, margin: np.ndarray, center: np.ndarray | None) -> tuple[float, np.ndarray] | None:
    """The adversarial point of one closed region nearest to the centre: distance and unit coordinates."""
    length = lengths(path[:, :-1])
    path = path / np.where(length > 0, length, 1.0)[:, None]
    size = lengths(margin[None, :-1])[0]
    k, inf, half = complex_.domain.dimension, infinity(), complex_.domain.half
    if center is None:
        best = minimise(margin[:-1], path[:, :-1], -path[:, -1], np.full(len(path), inf), np.full(k, -1.0), np.ones(k))
        if best is None or best.value + margin[-1] > 0:
            return None
        return 0.0, best.point
    if size == 0:  # constant margin: adversarial everywhere or nowhere
        if margin[-1] > 0:
            return None
        margin = np.zeros(k + 1)
        size = 1.0
    scale = half.max()  # distances in units of the longest half side
    matrix = with_distances(np.vstack([path[:, :-1], -margin[:-1] / size]), half / scale)
    shift = half / scale * center
    row_lower = np.concatenate([-path[:, -1], [margin[-1] / size], shift, -shift])
    cost = np.append(np.zeros(k), 1.0)
    lower, upper = np.append(np.full(k, -1.0), 0.0), np.append(np.ones(k), 1.0 + np.abs(center).max())
    best = minimise(cost, matrix, row_lower, np.full(len(row_lower), inf), lower, upper)
    return None if best is None else (best.value * scale, best.point[:-1])
