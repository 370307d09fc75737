"""Pictures of more cells than a browser draws one by one: pixels, with edges that fade where they crowd."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from polylc.report.images import palette_uri

LEVELS = 252  # of a palette with some room for what has no level
EDGE = 0.35  # how much darker than its cell a lonely edge is


def filled(cells: Sequence[np.ndarray], height: int, width: int) -> np.ndarray:
    """Which cell covers the middle of each pixel, -1 for none.

    Parameters
    ----------
    cells : sequence of ndarray, shape (v, 2)
        Corners of convex polygons in pixels, in order around each, x to the right and y down.

    Returns
    -------
    ndarray of int32, shape (height, width)
    """
    found = np.full((height, width), -1, dtype=np.int32)
    for number, corners in enumerate(cells):
        if len(corners) < 3:
            continue
        x0, y0 = np.maximum(np.ceil(corners.min(axis=0) - 0.5), 0).astype(int)
        x1, y1 = np.minimum(np.floor(corners.max(axis=0) - 0.5), [width - 1, height - 1]).astype(int)
        if x1 < x0 or y1 < y0:
            continue
        xs, ys = np.arange(x0, x1 + 1) + 0.5, np.arange(y0, y1 + 1) + 0.5
        along = np.roll(corners, -1, axis=0) - corners
        turn = float(np.sum(corners[:, 0] * np.roll(corners[:, 1], -1) - corners[:, 1] * np.roll(corners[:, 0], -1)))
        inside = np.ones((len(ys), len(xs)), dtype=bool)
        for (ax, ay), (dx, dy) in zip(corners, along, strict=True):
            side = dx * (ys[:, None] - ay) - dy * (xs[None, :] - ax)
            inside &= side >= 0 if turn >= 0 else side <= 0
        found[y0 : y1 + 1, x0 : x1 + 1][inside] = number
    return found


def edges(covered: np.ndarray, reach: int = 6) -> np.ndarray:
    """How dark the edge in each pixel is, from 0 to 1: a pixel whose right or lower neighbour is of another cell, less
    the more of its surroundings are edges too.
    """
    found = np.zeros(covered.shape)
    found[:, :-1] = covered[:, :-1] != covered[:, 1:]
    found[:-1] = np.maximum(found[:-1], covered[:-1] != covered[1:])
    sums = np.pad(found, ((reach + 1, reach), (reach + 1, reach))).cumsum(axis=0).cumsum(axis=1)
    side = 2 * reach + 1
    share = (sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]) / side**2
    crowded: np.ndarray = np.clip((share - 0.15) / 0.35, 0.0, 1.0)  # a few lines through the square, or little else
    return found * (1.0 - crowded)


def painted(covered: np.ndarray, levels: np.ndarray, colours: Sequence[str], line: np.ndarray) -> str:
    """A picture as an address that holds it.

    Parameters
    ----------
    covered : ndarray
        As `filled` has it.
    levels : ndarray of int
        The colour of each cell, an index.
    colours : sequence of str
        Like "#1f77b4", at most `LEVELS` / 2; each takes part in a darker shade too.
    line : ndarray
        As `edges` has it.
    """
    shades = [_rgb(colour) for colour in colours]
    darker = [tuple(round((1.0 - EDGE) * part) for part in one) for one in shades]
    index = np.where(covered >= 0, levels[np.maximum(covered, 0)], 2 * len(shades))
    index = np.where((line > 0.5) & (covered >= 0), index + len(shades), index)
    return palette_uri(index.astype(np.uint8), [*shades, *darker, (128, 128, 128)])


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def numbered(covered: np.ndarray) -> np.ndarray:
    """The numbers of cells as colours, red the lowest byte; 0 is none. Shape (height, width, 3)."""
    number = (covered + 1).astype(np.uint32)
    return np.stack([(number >> shift) & 255 for shift in (0, 8, 16)], axis=-1).astype(np.uint8)
