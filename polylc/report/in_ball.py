"""The polygons of a plane complex as they are drawn: of an l1 or l2 ball what the ball leaves of them, for pictures, in
doubles.
"""

from __future__ import annotations

import math

import numpy as np

from polylc.complex.complex import Complex
from polylc.domains.box import Neighbourhood
from polylc.domains.domain import Domain

STEPS = 360  # sides of what is drawn as a circle


def drawn_cells(complex_: Complex) -> list[np.ndarray]:
    """Corners of the regions of a 2-D neighbourhood, counter-clockwise, in the coordinates along its axes: convex
    polygons; arcs are lines between points of the circle, a degree apart.
    """
    cells, domain = complex_.polygons(), complex_.domain
    if not complex_.round:
        return cells
    centre, radius, norm = _ball(domain)
    cut = _in_diamond if norm == "l1" else _in_disc
    return [centre + radius * cut((corners - centre) / radius) if len(corners) else corners for corners in cells]


def outline(domain: Domain) -> np.ndarray:
    """The boundary of an l1 or l2 ball in two dimensions, counter-clockwise, cut with its box; shape (v, 2)."""
    centre, radius, norm = _ball(domain)
    low, high = domain.measured_middle - domain.half, domain.measured_middle + domain.half
    box = np.array([[low[0], low[1]], [high[0], low[1]], [high[0], high[1]], [low[0], high[1]]])
    cut = _in_diamond if norm == "l1" else _in_disc
    return centre + radius * cut((box - centre) / radius)


def in_ball(domain: Domain, points: np.ndarray) -> np.ndarray:
    """Whether points, in the coordinates along the axes, are drawn in the ball; all are where it is none."""
    if not isinstance(domain, Neighbourhood) or domain.norm == "linf":
        return np.ones(len(points), dtype=bool)
    centre, radius, norm = _ball(domain)
    found: np.ndarray = np.linalg.norm((points - centre) / radius, ord=1 if norm == "l1" else 2, axis=1) <= 1.0
    return found


def _ball(domain: Domain) -> tuple[np.ndarray, float, str]:
    """Centre, in the free coordinates, radius and norm."""
    assert isinstance(domain, Neighbourhood)
    assert domain.center is not None
    assert domain.radius is not None
    return np.array([float(domain.center[j]) for j in domain.free.tolist()]), float(max(domain.radius)), domain.norm


def _in_diamond(corners: np.ndarray) -> np.ndarray:
    """A convex polygon cut with |x| + |y| <= 1."""
    for normal in ((1.0, 1.0), (-1.0, 1.0), (-1.0, -1.0), (1.0, -1.0)):
        slack = 1.0 - corners @ np.array(normal)
        if (slack >= 0).all():
            continue
        kept = []
        for k, (corner, u) in enumerate(zip(corners, slack.tolist(), strict=True)):
            following, v = corners[(k + 1) % len(corners)], slack[(k + 1) % len(corners)]
            if u >= 0:
                kept.append(corner)
            if (u > 0 > v) or (u < 0 < v):
                kept.append(corner + u / (u - v) * (following - corner))
        corners = np.array(kept).reshape(-1, 2)
    return corners if len(corners) >= 3 else corners[:0]


def _in_disc(corners: np.ndarray) -> np.ndarray:
    """A convex polygon, counter-clockwise, cut with the unit disc: the parts of its sides in the disc, and between
    them arcs, which turn the same way.
    """
    parts = []
    for k, corner in enumerate(corners):
        along = corners[(k + 1) % len(corners)] - corner
        square, across, beyond = along @ along, corner @ along, corner @ corner - 1.0
        root = across * across - square * beyond  # of |corner + t along| = 1
        if root <= 0 or square == 0:
            continue
        begin, end = max(0.0, (-across - math.sqrt(root)) / square), min(1.0, (-across + math.sqrt(root)) / square)
        if begin < end:
            parts.append((k, corner + begin * along, begin > 0.0, corner + end * along, end < 1.0))
    if not parts:
        return _arc(-0.01, 2.0 * math.pi - 0.01) if _holds_middle(corners) else corners[:0]
    found = []
    for at, (k, begin, _, end, leaves) in enumerate(parts):
        side, following, enters, *_ = parts[(at + 1) % len(parts)]
        found.append(begin[None])
        if len(parts) > 1 and side == (k + 1) % len(corners) and not leaves and not enters:
            continue  # a corner in the disc
        first, last = math.atan2(end[1], end[0]), math.atan2(following[1], following[0])
        turn = (last - first) % (2.0 * math.pi)
        found.append(end[None])
        # of several parts none has all of the circle between it and the next: that is a corner on it, rounded
        if len(parts) == 1 or turn < 6.28:
            found.append(_arc(first, first + turn))
    return np.concatenate(found)


def _arc(first: float, last: float) -> np.ndarray:
    """Points of the unit circle between two angles: those of whole steps."""
    step = 2.0 * math.pi / STEPS
    turn = step * np.arange(math.floor(first / step) + 1, math.ceil(last / step))
    return np.column_stack([np.cos(turn), np.sin(turn)])


def _holds_middle(corners: np.ndarray) -> bool:
    """Whether the origin lies in a convex polygon, counter-clockwise."""
    following = np.roll(corners, -1, axis=0)
    return bool((corners[:, 0] * following[:, 1] - corners[:, 1] * following[:, 0] >= 0).all())
