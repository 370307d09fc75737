"""Where which output is largest, on the polygons of a plane complex: for pictures, in doubles."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

Cells = Sequence[np.ndarray]


def _at_corners(cells: Cells, maps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Outputs at all corners of all cells, one after the other, and where each cell begins among them."""
    count = np.array([len(corners) for corners in cells])
    starts = np.concatenate([[0], np.cumsum(count)])
    corners = np.concatenate([np.zeros((0, 2)), *cells])
    owner = np.repeat(np.arange(len(cells)), count)
    return np.einsum("vk,vmk->vm", corners, maps[owner][:, :, :2]) + maps[owner][:, :, 2], starts


def _of_one_class(values: np.ndarray) -> int | None:
    """The output that is largest at all corners, and so all over the cell; None if there is none."""
    best = np.flatnonzero((values >= values.max(axis=1)[:, None]).all(axis=0))
    return int(best[0]) if len(best) else None


def class_cells(cells: Cells, maps: np.ndarray) -> tuple[list[np.ndarray], list[int]]:
    """As `class_cells_of_regions`, without the regions."""
    parts, classes, _ = class_cells_of_regions(cells, maps)
    return parts, classes


def class_cells_of_regions(cells: Cells, maps: np.ndarray) -> tuple[list[np.ndarray], list[int], list[int]]:
    """The cells cut where another output becomes the largest, which one is, and the regions they are of; of a single
    output, its sign.

    Parameters
    ----------
    cells : sequence of ndarray, shape (v, 2)
        Corners of the regions, in order around each.
    maps : ndarray, shape (R, outputs, 3)
        Affine maps x -> A x + b of the regions.
    """
    if maps.shape[1] == 1:
        maps = np.concatenate([np.zeros_like(maps), maps], axis=1)  # below zero, or above it
    values, starts = _at_corners(cells, maps)
    parts, classes, regions = [], list[int](), list[int]()
    for r, corners in enumerate(cells):
        if len(corners) < 3:
            continue
        here = values[starts[r] : starts[r + 1]]
        only = _of_one_class(here)
        if only is not None:
            parts.append(corners)
            classes.append(only)
            regions.append(r)
            continue
        for j in range(maps.shape[1]):
            part = np.column_stack([corners, here])
            for i in range(maps.shape[1]):
                if i != j and len(part):
                    gap = part[:, 2 + j] - part[:, 2 + i]
                    # where two are equal all over, the first has it, as where all of a cell is of one class
                    part = _cut(part, gap) if i > j or (gap > 0).any() else part[:0]
            if len(part) >= 3:
                parts.append(part[:, :2])
                classes.append(j)
                regions.append(r)
    return parts, classes, regions


def _cut(polygon: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The part of a convex polygon, corners in order, on which an affine function with these values at them is not
    negative; whatever else is known at corners is interpolated.
    """
    if (values >= 0).all():
        return polygon
    kept = []
    for k, (corner, u) in enumerate(zip(polygon, values, strict=True)):
        following, v = polygon[(k + 1) % len(polygon)], values[(k + 1) % len(polygon)]
        if u >= 0:
            kept.append(corner)
        if (u > 0 > v) or (u < 0 < v):
            kept.append(corner + u / (u - v) * (following - corner))
    return np.array(kept).reshape(-1, polygon.shape[1])


def decision_boundary(cells: Cells, maps: np.ndarray) -> np.ndarray:
    """Segments where the largest output changes (where the only output is zero); shape (S, 2, 2).

    Parameters
    ----------
    cells : sequence of ndarray, shape (v, 2)
        Corners of the regions, in order around each.
    maps : ndarray, shape (R, outputs, 3)
        Affine maps x -> A x + b of the regions.
    """
    outputs = maps.shape[1]
    pairs = [(0, None)] if outputs == 1 else [(i, j) for i in range(outputs) for j in range(i + 1, outputs)]
    segments = []
    found, starts = _at_corners(cells, maps)
    for r, (corners, rows) in enumerate(zip(cells, maps, strict=True)):
        values = found[starts[r] : starts[r + 1]]
        if not len(corners) or (outputs > 1 and _of_one_class(values) is not None):
            continue
        for i, j in pairs:
            margin = values[:, i] - (0.0 if j is None else values[:, j])
            if len(margin) < 3 or not (margin.min() < 0 < margin.max()):
                continue
            ends = []
            for k in range(len(corners)):
                u, v = margin[k], margin[(k + 1) % len(corners)]
                if (u > 0) != (v > 0):
                    ends.append(corners[k] + u / (u - v) * (corners[(k + 1) % len(corners)] - corners[k]))
            if len(ends) != 2:
                continue
            segment = _where_largest(np.array(ends), rows, i) if j is not None else np.array(ends)
            if segment is not None:
                segments.append(segment)
    return np.array(segments).reshape(-1, 2, 2)


def _where_largest(segment: np.ndarray, rows: np.ndarray, i: int) -> np.ndarray | None:
    """The part of a segment on which output i is no smaller than any other."""
    at = segment @ rows[:, :2].T + rows[:, 2]
    low, high = 0.0, 1.0
    slack = 1e-9 * np.abs(at).max()
    for u, v in zip(at[0, i] - at[0] + slack, at[1, i] - at[1] + slack, strict=True):
        if u < 0 and v < 0:
            return None
        if u < 0:
            low = max(low, u / (u - v))
        elif v < 0:
            high = min(high, u / (u - v))
    if low >= high:
        return None
    along = segment[1] - segment[0]
    return np.array([segment[0] + low * along, segment[0] + high * along])
