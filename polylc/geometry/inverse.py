"""Inverses of small matrices in doubles, as they are rounded: whoever uses one bounds what it is worth."""

from __future__ import annotations

import numpy as np

from polylc.jit.decorators import inlined


@inlined
def invert_beside(system: np.ndarray, m: int, singular: float) -> bool:
    """Gauss and Jordan on a matrix of shape (m, m) beside the identity, which becomes the inverse; rows are exchanged
    for the largest pivot. False if one is not larger than `singular`, or not a number.
    """
    for f in range(m):
        best = f
        for e in range(f + 1, m):
            if abs(system[e, f]) > abs(system[best, f]):
                best = e
        if not abs(system[best, f]) > singular:  # or NaN
            return False
        if best != f:
            for j in range(2 * m):
                system[f, j], system[best, j] = system[best, j], system[f, j]
        inverse = 1.0 / system[f, f]
        for j in range(2 * m):
            system[f, j] *= inverse
        for e in range(m):
            if e != f:
                factor = system[e, f]
                if factor != 0.0:
                    for j in range(f, 2 * m):
                        system[e, j] -= factor * system[f, j]
    return True
