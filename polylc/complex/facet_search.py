"""Whether a region has a facet on a hyperplane, compiled: points that prove it, multipliers that refute it
(docs/exactness.md, lemma 5).

In: the half-spaces of a region, one column each in `Room.rows`, with bounds on their rounding, and a point of the
region beyond. Out: NO_FACET, FACET with its point in `Room.rounded`, or OPEN.

Invariant: points are tried wherever they come from; only `proves_facet` and `_refuted`, which count all rounding,
decide.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from polylc.complex.facet_lp import FOUND, NONE, Program, program, widest
from polylc.complex.hyperplanes import SMALLEST
from polylc.jit.decorators import inlined, kernel
from polylc.network.compose import TINY, UNIT

POINT_BITS = 24  # points that are kept are rounded to multiples of 2^-24 where that still proves a facet
NO_FACET, FACET, OPEN = 0, 1, 2
BETWEEN, ASIDE, BELOW_INNER, BELOW_OUTER = range(4)  # points that are tried


class Room(NamedTuple):
    """The half-spaces of a region, and room to work in."""

    rows: np.ndarray  # (k + 1, many) half-spaces, transposed, so that loops over them run along memory
    error: np.ndarray
    value: np.ndarray
    size: np.ndarray
    tilt: np.ndarray
    plane: np.ndarray  # (k + 1,)
    others: np.ndarray  # (many, k + 1)
    program: Program
    point: np.ndarray  # (k,) that is tried
    rounded: np.ndarray  # (k,) the same with few digits, or as it is; the one that proves a facet is left here
    multiplier: np.ndarray
    total: np.ndarray


class Chord(NamedTuple):
    """From a point inside a region to one inside the region beyond a hyperplane."""

    inner: np.ndarray
    outer: np.ndarray
    at_inner: float  # values of the hyperplane's form
    at_outer: float
    square: float  # of the length of its gradient


def room(many: int, k: int) -> Room:
    """Room for so many half-spaces in dimension k."""
    error, value, size, tilt, multiplier = (np.zeros(many + 4) for _ in range(5))
    plane, total = np.zeros(k + 1), np.zeros(k + 1)
    rows, others, (point, rounded) = np.zeros((k + 1, many)), np.zeros((many, k + 1)), np.zeros((2, k))
    return Room(rows, error, value, size, tilt, plane, others, program(many, k), point, rounded, multiplier, total)


@inlined
def find_facet(u: np.ndarray, v: np.ndarray, own: int, count: int, keep: bool, programs: bool, room: Room) -> int:
    """Whether a region has a facet on the hyperplane of row `own`; the point that proves it is left in `rounded`, the
    hyperplane in `plane`.

    Parameters
    ----------
    u, v : ndarray, shape (k,)
        Points inside the region and inside the region beyond.
    own, count : int
        The rows of `room` are the half-spaces of the region; `own` is one of them.
    keep : bool
        Whether the point is to have few digits, and NO_FACET is left to others to prove.
    programs : bool
        Whether a linear program may be solved.

    Returns
    -------
    int
        NO_FACET, FACET or OPEN.
    """
    plane, point = room.plane, room.point
    for j in range(len(plane)):
        plane[j] = room.rows[j, own]
    k = len(point)
    at_u = at_v = plane[k]
    square = 0.0
    for j in range(k):
        at_u += plane[j] * u[j]
        at_v += plane[j] * v[j]
        square += plane[j] * plane[j]
    if square > SMALLEST:
        for j in range(k):
            point[j] = u[j] + at_u / (at_u - at_v) * (v[j] - u[j])
        if not keep:
            for j in range(k):
                room.rounded[j] = point[j]
            if proves_facet(room.rows, room.error, count, own, plane, room.rounded, room.value, room.size):
                return FACET
    state: int = _find_elsewhere(Chord(u, v, at_u, at_v, square), own, count, keep, programs, room)
    return state


@kernel
def _find_elsewhere(chord: Chord, own: int, count: int, keep: bool, programs: bool, room: Room) -> int:
    """The same where the point between the regions' points may not do."""
    plane, point = room.plane, room.point
    k = len(point)
    if chord.square > SMALLEST:
        for attempt in range(4):  # that point, and moved aside; below each of the points
            for j in range(k):
                if attempt == BELOW_INNER:
                    point[j] = chord.inner[j] - chord.at_inner / chord.square * plane[j]
                elif attempt == BELOW_OUTER:
                    point[j] = chord.outer[j] - chord.at_outer / chord.square * plane[j]
            if (attempt == BETWEEN and not keep) or (attempt == ASIDE and not _move_aside(own, count, chord.square, room)):
                continue
            if _either(own, count, keep, room):
                return FACET
    if not programs:
        return OPEN
    many = 0
    for i in range(count):
        if i != own:
            for j in range(k + 1):
                room.others[many, j] = room.rows[j, i]
            many += 1
    answer = widest(room.others, many, plane, room.program, point, room.multiplier)
    if answer == FOUND and _either(own, count, keep, room):
        return FACET
    if answer == NONE and not keep and _refuted(own, count, room):
        return NO_FACET
    return OPEN


@kernel
def _move_aside(own: int, count: int, square: float, room: Room) -> bool:
    """Move a point of the hyperplane in it, straight away from the half-space that it is farthest outside, into the
    middle of the region.

    Returns
    -------
    bool
        Whether that line meets the region.
    """
    rows, plane, point, step = room.rows, room.plane, room.point, room.rounded
    k = len(point)
    for i in range(count):
        room.value[i], room.size[i], room.tilt[i] = rows[k, i], 0.0, 0.0
    for j in range(k):
        for i in range(count):
            room.value[i] += rows[j, i] * point[j]
            room.size[i] += rows[j, i] * rows[j, i]
            room.tilt[i] += rows[j, i] * plane[j]
    worst, farthest = -1, 0.0
    for i in range(count):
        across = room.size[i] - room.tilt[i] * room.tilt[i] / square  # squared length of the normal in the hyperplane
        if i != own and room.value[i] < 0.0 and room.value[i] * room.value[i] > farthest * across:
            worst, farthest = i, room.value[i] * room.value[i] / across
    if worst < 0:
        return False
    low, high = -np.inf, np.inf
    for j in range(k):
        step[j] = rows[j, worst] - room.tilt[worst] / square * plane[j]
        if step[j] != 0.0:
            low = max(low, (-np.sign(step[j]) - point[j]) / step[j])
            high = min(high, (np.sign(step[j]) - point[j]) / step[j])
    for i in range(count):
        slope = 0.0
        for j in range(k):
            slope += rows[j, i] * step[j]
        if i != own and slope > 0.0:
            low = max(low, -room.value[i] / slope)
        elif i != own and slope < 0.0:
            high = min(high, -room.value[i] / slope)
    if not low < high:
        return False
    for j in range(k):
        point[j] += 0.5 * (low + high) * step[j]
    return True


@kernel
def _either(own: int, count: int, keep: bool, room: Room) -> bool:
    """Whether the point, rounded if it is to be kept, or else as it is, proves a facet."""
    for attempt in range(0 if keep else 1, 2):
        for j in range(len(room.point)):
            room.rounded[j] = room.point[j] if attempt else np.rint(room.point[j] * 2.0**POINT_BITS) / 2.0**POINT_BITS
        if proves_facet(room.rows, room.error, count, own, room.plane, room.rounded, room.value, room.size):
            return True
    return False


@inlined
def proves_facet(
    rows: np.ndarray, error: np.ndarray, count: int, own: int, plane: np.ndarray, point: np.ndarray, value: np.ndarray, size: np.ndarray
) -> bool:
    """Whether a point, moved along one coordinate onto the hyperplane of row `own`, is certainly inside all other rows
    and the box.

    docs/exactness.md, lemma 5.

    Parameters
    ----------
    rows, error
        Half-spaces, positive inside, as the first `count` columns, and bounds on their rounding.
    plane
        The hyperplane: row `own` again.
    value, size
        Room to work in.
    """
    k = len(point)
    slack = 2 * (k + 5) * UNIT  # lemma 5, in place of gamma_{k+2}, here and in the factors below
    for j in range(k):
        if not abs(point[j]) < 1.0:
            return False
    for i in range(count):
        value[i] = rows[k, i]
        size[i] = abs(rows[k, i])
    for j in range(k):
        x = point[j]
        for i in range(count):
            product = rows[j, i] * x
            value[i] += product
            size[i] += abs(product)
    solved = steepest(plane)
    lead = abs(plane[solved]) - error[own]
    if not lead > 0:
        return False
    move = (abs(value[own]) + error[own] + slack * size[own]) / lead * (1 + 2 * slack) + 64 * (k + 1) * TINY
    if not abs(point[solved]) + move < 1 - 4 * UNIT:
        return False
    positive = 0
    for i in range(count):
        doubt = error[i] + slack * size[i] + (abs(rows[solved, i]) + error[i]) * move
        positive += i != own and value[i] > doubt * (1 + 8 * slack) + 64 * (k + 1) * TINY
    return positive == count - 1


@kernel
def _refuted(own: int, count: int, room: Room) -> bool:
    """Whether the multipliers certainly prove that there is no facet: the sum of multiplied rows is negative on the
    box."""
    rows, total = room.rows, room.total
    width = len(total)
    for j in range(width):
        total[j] = 0.0
    size = doubt = 0.0
    used = 0
    for i in range(count):
        used += 1
        y = room.multiplier[count - 1] if i == own else room.multiplier[i if i < own else i - 1]
        if i != own and not y >= 0.0:
            return False
        for j in range(width):
            product = y * rows[j, i]
            total[j] += product
            size += abs(product)
        doubt += abs(y) * room.error[i]
    spread = 0.0
    for j in range(width - 1):
        spread += abs(total[j])
    terms = used + width + 8.0  # lemma 4, with signs turned: that sum is below zero on the box
    doubt = (doubt + 4 * terms * UNIT * (size + spread + abs(total[width - 1]))) * (1 + 16 * terms * UNIT) + 16 * terms * width * TINY
    return bool(total[width - 1] + spread < -doubt)


@inlined
def steepest(plane: np.ndarray) -> int:
    """The coordinate in which a form is steepest."""
    best = 0
    for j in range(1, len(plane) - 1):
        if abs(plane[j]) > abs(plane[best]):
            best = j
    return best
