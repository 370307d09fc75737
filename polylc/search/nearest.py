"""Adversarial points near a centre, found in doubles, to be confirmed: what a search is to beat.

Each start moves to the point nearest to the centre at which the margin, as it is linear where the start stands, is
zero; again and again, for all rivals at once. Then, in linf, linear programs: the nearest point of the best start's
region, of the region beyond that point, and so on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from polylc.bounds.backward import hand_on
from polylc.bounds.tables import Rows, Tables
from polylc.errors import SolverError
from polylc.exact.checkpoint import checkpoint
from polylc.geometry.lp import infinity, minimise, with_distances
from polylc.network.form import Network, pattern_at
from polylc.search.descent import evaluated, gradient, outputs, region_forms

STARTS, MOST = 8, 128  # starts for each rival, and for all
ROUNDS = 4
AGAIN, SPREAD = 32, 1.0  # starts of later rounds, from a box so wide, relative to the distance known
CLOSE, POLISHED = 1.1, 6  # starts that are not farther, relative to the best one, and so many, go on by programs
SMALL = 2**16  # numbers in the forms of a region up to which so many do; fewer in larger ones
STEPS = 30
STOPS = 8  # times that inputs are stopped at the box
OVER = 1.02  # how far beyond the zero of the linear margin points are tried
HALVINGS = 30
REGIONS = 12  # that programs visit
BEYOND = 1e-9  # relative to its distance from the centre, beyond a point, lies the region that is looked at next
LARGEST = 2**24  # numbers in the forms of a region


@dataclass(frozen=True)
class Around:
    """Where points are looked for, in doubles.

    Attributes
    ----------
    center, low, high : ndarray, shape (inputs,)
        Centre, and the box in which adversarial points count.
    norm : str
        "linf", "l2" or "l1".
    """

    center: np.ndarray
    low: np.ndarray
    high: np.ndarray
    norm: str = "linf"

    def distances(self, points: np.ndarray) -> np.ndarray:
        """Of points from the centre; shapes (points, inputs) and (points,)."""
        order = {"linf": np.inf, "l2": 2, "l1": 1}[self.norm]
        found: np.ndarray = np.linalg.norm(points - self.center, ord=order, axis=1)
        return found

    def nearest(self, gradient: np.ndarray, value: np.ndarray) -> np.ndarray:
        """The points of the box nearest to the centre where value + gradient (x - centre) is not positive, or where it
        is least; shapes (rows, inputs) and (rows,).
        """
        if self.norm != "linf":
            offset = (self._offset_l2 if self.norm == "l2" else self._offset_l1)(gradient, value)
            near: np.ndarray = np.clip(self.center + offset, self.low, self.high)
            return near
        way = -np.sign(gradient)
        room = np.where(way > 0, self.high - self.center, np.where(way < 0, self.center - self.low, 0.0))
        order = np.argsort(room, axis=1)
        sizes = np.take_along_axis(np.abs(gradient), order, axis=1)
        rooms = np.take_along_axis(room, order, axis=1)
        slope = np.cumsum(sizes[:, ::-1], axis=1)[:, ::-1]  # of those that still move
        gained = np.cumsum(slope * np.diff(rooms, axis=1, prepend=0.0), axis=1)
        place = np.minimum((gained < value[:, None]).sum(axis=1), rooms.shape[1] - 1)
        rows = np.arange(len(value))
        missing = value - np.where(place > 0, gained[rows, place - 1], 0.0)
        start = np.where(place > 0, rooms[rows, place - 1], 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            reach = np.maximum(start + missing / slope[rows, place], 0.0)
        reach = np.where(np.isfinite(reach), np.minimum(reach, rooms[:, -1]), rooms[:, -1])
        found: np.ndarray = np.clip(self.center + way * reach[:, None], self.low, self.high)
        return found

    def _offset_l2(self, gradient: np.ndarray, value: np.ndarray) -> np.ndarray:
        """The same as offsets from the centre, in l2: inputs that the box stops are set there, the others share the
        rest.
        """
        low, high = self.low - self.center, self.high - self.center
        offset, free = np.zeros_like(gradient), np.ones(gradient.shape, dtype=bool)
        for _ in range(STOPS):
            length = np.where(free, gradient**2, 0.0).sum(axis=1)
            rest = value + np.where(free, 0.0, gradient * offset).sum(axis=1)
            wanted = np.where(free, -gradient * (rest / np.maximum(length, 1e-300))[:, None], offset)
            offset = np.clip(wanted, low, high)
            stopped = free & (offset != wanted)
            if not stopped.any():
                break
            free &= ~stopped
        return offset

    def _offset_l1(self, gradient: np.ndarray, value: np.ndarray) -> np.ndarray:
        """In l1: inputs with the largest slopes go first, as far as they can."""
        end = np.where(gradient > 0, self.low - self.center, self.high - self.center)
        end = np.where(gradient * end < 0, end, 0.0)
        gain = -gradient * end
        order = np.argsort(-np.abs(gradient), axis=1, kind="stable")
        sorted_gain = np.take_along_axis(gain, order, axis=1)
        missing = value[:, None] - (np.cumsum(sorted_gain, axis=1) - sorted_gain)
        share = np.zeros_like(gradient)
        np.put_along_axis(share, order, np.clip(missing / np.maximum(sorted_gain, 1e-300), 0.0, 1.0), axis=1)
        found: np.ndarray = share * end
        return found


def near_points(
    network: Network, tables: Tables, label: int, rivals: list[int], around: Around, cap: float, rng: np.random.Generator
) -> list[tuple[float, int, np.ndarray]]:
    """Adversarial points, as far as doubles tell, the nearest first: distance, rival, point.

    Starts are all over the ball; then about the nearest point, as long as that leads to nearer ones.
    """
    each = max(1, min(STARTS, MOST // len(rivals)))
    rival = np.repeat(rivals, each)
    x = _about(around.center, np.minimum(around.high - around.low, 2 * cap), len(rival), around, rng)
    x[::each] = around.center
    found: list[tuple[float, int, np.ndarray]] = []
    polished = max(2, min(POLISHED, POLISHED * SMALL // ((network.inputs + 1) * (network.neurons + network.inputs))))
    for _ in range(ROUNDS):
        fresh = _descended(tables, label, x, rival, around)
        close = [entry for entry in fresh if entry[0] <= CLOSE * fresh[0][0]][:polished]
        if around.norm != "linf":
            close = []
        fresh += [(float(around.distances(q[None])[0]), j, q) for _, j, p in close for q in [nearer(network, label, j, around, p)]]
        fresh.sort(key=lambda entry: entry[0])
        if not fresh or (found and fresh[0][0] >= found[0][0] * (1 - 1e-9)):
            break
        found = fresh
        distance, j, point = found[0]
        x = _about(point, np.full(len(point), SPREAD * distance), AGAIN, around, rng)
        rival = np.full(AGAIN, j)
    return found


def _about(point: np.ndarray, width: np.ndarray, count: int, around: Around, rng: np.random.Generator) -> np.ndarray:
    """Random points of a box around a point."""
    found: np.ndarray = np.clip(point + width * (rng.random((count, len(point))) - 0.5), around.low, around.high)
    return found


def _descended(tables: Tables, label: int, x: np.ndarray, rival: np.ndarray, around: Around) -> list[tuple[float, int, np.ndarray]]:
    """The nearest adversarial points that starts lead to, the nearest first."""
    best, where = np.full(len(rival), np.inf), x.copy()
    for step in range(STEPS):
        checkpoint()
        margin, gradient = _margins(tables, x, label, rival)
        inside = (margin <= 0) & (around.distances(x) < best)
        best[inside], where[inside] = around.distances(x[inside]), x[inside]
        flat = margin + np.einsum("rn,rn->r", gradient, around.center - x)
        target = around.nearest(gradient, flat)
        share = 1.0 if step < STEPS // 2 else 0.4
        x = np.clip(around.center + (x + share * (target - x) - around.center) * OVER, around.low, around.high)
    rows = np.flatnonzero(np.isfinite(best))
    points = _to_boundary(tables, label, rival[rows], around, where[rows])
    listed = [(float(d), int(j), p) for d, j, p in zip(around.distances(points), rival[rows], points, strict=True)]
    return sorted(listed, key=lambda entry: entry[0])


def _margins(tables: Tables, points: np.ndarray, label: int, rival: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Margins over one rival each, and their gradients."""
    values, slopes = evaluated(tables, points)
    out, rows = outputs(tables, values), np.arange(len(points))
    head = np.zeros(out.shape)
    head[:, label] = 1.0
    head[rows, rival] -= 1.0
    parts: Rows = [None] * (tables.depth + 1)
    hand_on(parts, tables.affines[-1], head)
    return out[:, label] - out[rows, rival], gradient(tables, parts, slopes, len(points))


def _to_boundary(tables: Tables, label: int, rival: np.ndarray, around: Around, points: np.ndarray) -> np.ndarray:
    """On the way from the centre, about where the margin becomes zero; not positive there."""
    low, high = np.zeros(len(points)), np.ones(len(points))
    rows = np.arange(len(points))
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        out = outputs(tables, evaluated(tables, around.center + middle[:, None] * (points - around.center))[0])
        crossed = out[:, label] <= out[rows, rival]
        high, low = np.where(crossed, middle, high), np.where(crossed, low, middle)
    found: np.ndarray = around.center + high[:, None] * (points - around.center)
    return found


def nearer(network: Network, label: int, rival: int, around: Around, point: np.ndarray) -> np.ndarray:
    """The nearest point that programs over regions reach from one, about adversarial; perhaps the same."""
    best, distance = point, float(np.abs(point - around.center).max(initial=0.0))
    n = network.inputs
    if (n + 1) * (network.neurons + n) > LARGEST:
        return point
    start = np.eye(n, n + 1)
    for _ in range(REGIONS):
        checkpoint()
        bits = pattern_at(network, best + BEYOND * (best - around.center))
        walls, out = region_forms(network, bits, start)
        found = _nearest(np.vstack([walls, out[[rival]] - out[[label]]]), around, distance)
        if found is None or found[0] >= distance * (1 - 1e-13):
            break
        distance, best = found
    return best


def _nearest(rows: np.ndarray, around: Around, distance: float) -> tuple[float, np.ndarray] | None:
    """The point nearest to the centre where rows are not negative, no farther than a distance."""
    value = rows[:, :-1] @ around.center + rows[:, -1]
    slope = rows[:, :-1] * distance  # over (x - centre) / distance
    size = np.abs(slope).sum(axis=1)
    near = value < size  # the others hold wherever it matters
    slope, value = slope[near] / np.maximum(size[near], 1e-300)[:, None], value[near] / np.maximum(size[near], 1e-300)
    n = rows.shape[1] - 1
    low = np.maximum((around.low - around.center) / distance, -1.0)
    high = np.minimum((around.high - around.center) / distance, 1.0)
    matrix = with_distances(slope, np.ones(n))
    least = np.concatenate([-value, np.zeros(2 * n)])
    cost = np.append(np.zeros(n), 1.0)
    try:
        found = minimise(cost, matrix, least, np.full(len(least), infinity()), np.append(low, 0.0), np.append(high, 1.0))
    except SolverError:
        return None
    if found is None:
        return None
    return found.value * distance, np.clip(around.center + distance * found.point[:-1], around.low, around.high)
