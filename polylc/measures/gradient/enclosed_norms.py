"""Enclosures of l2 norms of many rows or matrices, compiled.

In: matrices, or gradients of forms, known up to rounding. Out: for each an interval [low, high] that holds its norm;
[0, inf] where numbers are not finite (docs/exactness.md, lemma 14). Invariant: an interval of length zero is that of an
exact zero.
"""

from __future__ import annotations

import math

import numpy as np

from polylc.jit.decorators import inlined, kernel
from polylc.network.compose import UNIT

Array = np.ndarray
SLACK = 1.0 + 2.0**-40  # lemma 14: more than the rounding of a bound that is made of a few operations
LOST = 2.0**-1000  # lemma 14: more than a product loses that underflows
LEAST = 2.0**-1074  # lemma 14: the smallest double, for quotients that underflow
FAR = 2.0**400  # lemma 14: squares of numbers between its inverse and itself neither overflow nor lose what counts
VANISHED = 2.0**-500  # lemma 14: more than the root of all squares that underflow
MOST_SHIFT = 1000  # lemma 14: of the exponent of what is scaled, so that the scale itself does not overflow


@kernel
def matrix_norms(matrices: Array, error: Array, result: Array) -> None:
    """Frobenius norms of matrices (r, m, k) known up to row errors (r, m), enclosed in result (r, 2); [0, inf] where
    numbers are not finite."""
    m, k = matrices.shape[1:]
    for r in range(len(matrices)):
        size = slip = 0.0
        finite = True
        for i in range(m):
            slip += error[r, i]
            for j in range(k):
                size = max(size, abs(matrices[r, i, j]))
                finite = finite and abs(matrices[r, i, j]) < np.inf
        scale = 1.0
        if not (size < FAR and size > 1.0 / FAR) and size > 0.0 and finite:
            scale = math.ldexp(1.0, min(-math.frexp(size)[1], MOST_SHIFT))
        square = 0.0
        for i in range(m):
            for j in range(k):
                part = matrices[r, i, j] * scale
                square += part * part
        result[r, 0], result[r, 1] = enclosed(np.sqrt(square), slip, m * k, scale, finite)


@inlined
def row_norm(row: Array, error: float) -> tuple[float, float]:
    """The norm of one row (k,) known up to an error, as `matrix_norms` has it."""
    size = square = 0.0
    finite = True
    for j in range(len(row)):
        size = max(size, abs(row[j]))
        finite = finite and abs(row[j]) < np.inf
    scale = 1.0
    if not (size < FAR and size > 1.0 / FAR) and size > 0.0 and finite:
        scale = math.ldexp(1.0, min(-math.frexp(size)[1], MOST_SHIFT))
    for j in range(len(row)):
        part = row[j] * scale
        square += part * part
    found: tuple[float, float] = enclosed(np.sqrt(square), error, len(row), scale, finite)
    return found


@kernel
def scaled_row_norms(rows: Array, noise: Array, factor: Array, result: Array) -> None:
    """Norms of the gradients of forms (r, k + 1) with their rounding (r,), each coordinate multiplied with its factor
    (k,), enclosed; (r, 2)."""
    k = len(factor)
    most = 0.0
    for j in range(k):
        most = max(most, factor[j])
    grown = 1.0 + 4.0 * (k + 8) * UNIT
    for r in range(len(rows)):
        result[r, 0], result[r, 1] = scaled_row_norm(rows[r], noise[r], factor, most, grown)


@inlined
def scaled_slip(row: Array, noise: float, factor: Array, most: float, grown: float) -> float:
    """What the gradient of a form (k + 1,) with its rounding, multiplied with factors (k,), may be off in all."""
    total = lost = 0.0
    for j in range(len(factor)):
        part = abs(row[j] * factor[j])
        total += part
        lost += LOST if part < LOST and row[j] != 0.0 else 0.0
    return (noise * most + 4.0 * UNIT * total + lost) * grown


@inlined
def scaled_row_norm(row: Array, noise: float, factor: Array, most: float, grown: float) -> tuple[float, float]:
    """One of `scaled_row_norms`; `most` is the largest factor, `grown` more than the rounding of the bound."""
    k = len(factor)
    size = total = square = 0.0
    for j in range(k):
        part = row[j] * factor[j]
        size = max(size, abs(part))
        total += abs(part)
        square += part * part
    finite = total < np.inf
    scale = 1.0
    if not (size < FAR and size > 1.0 / FAR) and size > 0.0 and finite:
        scale = math.ldexp(1.0, min(-math.frexp(size)[1], MOST_SHIFT))
        square = 0.0
        for j in range(k):
            part = row[j] * factor[j] * scale
            square += part * part
    found: tuple[float, float] = enclosed(np.sqrt(square), scaled_slip(row, noise, factor, most, grown), k, scale, finite)
    return found


@kernel
def enclosed(root: float, error: float, terms: int, scale: float, finite: bool) -> tuple[float, float]:
    """The interval around a rounded root of a sum of squares, scaled back; exactly zero where root and error are."""
    if not finite or not error < np.inf:
        return 0.0, np.inf
    if root == 0.0 and error == 0.0:
        return 0.0, 0.0
    value = root / scale
    slip = 2.0 * (terms + 8) * UNIT * root + (VANISHED if root > 0.0 else 0.0)
    doubt = (slip / scale + error * SLACK) * SLACK + LEAST
    if not value + doubt < np.inf:
        return 0.0, np.inf
    return max(np.nextafter(value - doubt, -np.inf), 0.0), np.nextafter(value + doubt, np.inf)
