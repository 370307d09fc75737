"""Loops over path entries, compiled."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

SMALLEST = 2.0**-900

_compiled: Any = numba.njit(cache=True, nogil=True)


@_compiled
def not_apart(
    hidden: np.ndarray, noise: np.ndarray, owner: np.ndarray, neuron: np.ndarray, close: float, fine: float, suspects: np.ndarray
) -> np.ndarray:
    """Entries on whose hyperplane doubles cannot exclude that other neurons vanish; boolean, shape (E,).

    Parameters
    ----------
    hidden : ndarray, shape (R, neurons, k + 1)
        Forms of the regions.
    noise : ndarray, shape (R, neurons)
        Bounds on their rounding.
    owner, neuron : ndarray of int64, shape (E,)
        Region and neuron of each entry.
    close, fine : float
        Forms are apart if the cosine of their angle is below 1 - close in size and both are known to `fine` times their length.
    suspects : ndarray of bool, shape (E, neurons)
        Receives the neurons that are not apart, where the result is True.
    """
    count, neurons, width = hidden.shape
    length, sharp = np.empty((count, neurons)), np.empty((count, neurons), dtype=np.bool_)
    for r in range(count):
        for n in range(neurons):
            square = 0.0
            for j in range(width):
                square += hidden[r, n, j] * hidden[r, n, j]
            length[r, n] = np.sqrt(square)
            normal = square > SMALLEST and square < 1 / SMALLEST  # not for a zero form, and no square has left the doubles
            sharp[r, n] = normal and noise[r, n] <= fine * length[r, n]
    result = np.zeros(len(owner), dtype=np.bool_)
    limit = 1.0 - close
    for e in range(len(owner)):
        r, own = owner[e], neuron[e]
        for n in range(neurons):
            if n == own:
                suspects[e, n] = True
                continue
            apart = False
            if sharp[r, own] and sharp[r, n]:
                product = 0.0
                for j in range(width):
                    product += hidden[r, own, j] * hidden[r, n, j]
                apart = abs(product) < limit * length[r, own] * length[r, n]
            suspects[e, n] = not apart
            result[e] |= not apart
    return result
