"""Points of a cell from its dictionary: its vertex, and one inside.

Data in: a dictionary. Data out: unit coordinates.

Invariant: both lie in the cell, up to rounding.
"""

from __future__ import annotations

import numpy as np

from polylc.engines.dictionary.simplex import TIE, Dictionary
from polylc.jit.decorators import kernel

Array = np.ndarray


@kernel
def vertex(dic: Dictionary, fixed: int, point: Array) -> None:
    """Coordinates of the vertex."""
    value, name, out, up = dic.value, dic.name, dic.out, dic.up
    k = len(out)
    for c in range(k):
        if out[c] < k:
            point[out[c]] = 1.0 if up[c] else -1.0
    for q in range(fixed):
        if name[q] < k:
            point[name[q]] = value[q]


@kernel
def corner_mean(dic: Dictionary, fixed: int, point: Array, toward: Array, away: Array) -> None:
    """Mean of the vertex and the ends of its k edges: inside the cell, unless the vertex is degenerate."""
    T, value, name, out, up = dic
    k = len(out)
    vertex(dic, fixed, point)
    for q in range(fixed):  # one over the room below and above
        box = name[q] < k
        toward[q] = -1.0 / max(value[q] + 1.0 if box else value[q], TIE)
        away[q] = 1.0 / max(1.0 - value[q], TIE) if box else 0.0
    for c in range(k):
        way = -1.0 if up[c] else 1.0
        entry = T[c]
        pace = 0.5 if out[c] < k else 0.0
        for q in range(fixed):
            rate = entry[q] * way
            pace = max(pace, rate * (away[q] if rate > 0.0 else toward[q]))
        if not pace > 0.0:
            continue
        step = way / (pace * (k + 1))
        if out[c] < k:
            point[out[c]] += step
        for q in range(fixed):
            if name[q] < k:
                point[name[q]] += entry[q] * step
