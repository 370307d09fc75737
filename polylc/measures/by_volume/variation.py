"""Volume-weighted measures of the gradient: total variation and kink variation."""

from __future__ import annotations

import numpy as np

from polylc.complex.complex import Complex
from polylc.complex.graph import RegionGraph
from polylc.complex.pieces import edge_batches, joined


def total_variation(complex_: Complex) -> dict[str, float]:
    """Mean norm of the Jacobian over the neighbourhood, in the Frobenius and the operator (spectral) norm.

    Notes
    -----
    TV = sum_R (|R| / |U|) ||J_R||, Patel & Montufar (ICML 2025) with p uniform on U.
    """
    share = complex_.geometry.volume / complex_.domain.size
    frobenius = operator = 0.0
    for rows, jacobian in complex_.jacobians():
        frobenius += float(share[rows] @ frobenius_norms(jacobian))
        operator += float(share[rows] @ spectral_norms(jacobian))
    return {"frobenius": frobenius, "operator": operator}


def frobenius_norms(matrices: np.ndarray) -> np.ndarray:
    """Frobenius norm of each matrix, squares kept within the range of doubles; shape (R,)."""
    return lengths(matrices.reshape(len(matrices), -1))


def lengths(vectors: np.ndarray) -> np.ndarray:
    """Euclidean length of each vector, squares kept within the range of doubles, infinite where an entry is not
    finite; shape (R,).

    Notes
    -----
    As precise as the plain formula: scaling and its undoing round twice more.
    """
    size = np.abs(vectors).max(axis=1, initial=0.0)
    finite = np.isfinite(size)
    scale = np.where(finite & (size > 0), size, 1.0)[:, None]
    with np.errstate(over="ignore"):  # no length that a double holds overflows
        result: np.ndarray = scale[:, 0] * np.sqrt((np.where(finite[:, None], vectors / scale, 0.0) ** 2).sum(axis=1))
    return np.where(finite, result, np.inf)


def spectral_norms(jacobians: np.ndarray) -> np.ndarray:
    """Largest singular value of each matrix, infinite where an entry is not finite; shape (R,)."""
    result = np.full(len(jacobians), np.inf)
    finite = np.isfinite(jacobians).all(axis=(1, 2))
    if finite.any():
        result[finite] = np.linalg.norm(jacobians[finite], ord=2, axis=(1, 2))
    return result


def facet_areas(complex_: Complex, graph: RegionGraph) -> np.ndarray:
    """Area of each edge's facet, as seen from its first region (from the second where only that one names it)."""
    result: np.ndarray = complex_.geometry.area[graph.entry()]
    return result


def jumps(complex_: Complex, graph: RegionGraph) -> np.ndarray:
    """Frobenius norm of the jump of the Jacobian across each edge, 0 where the function does not bend; shape (E,)."""
    result = np.zeros(len(graph))
    smooth = joined(complex_, graph)
    for rows in edge_batches(complex_, len(graph)):
        left, right = complex_.maps(graph.first[rows]), complex_.maps(graph.second[rows])
        jump = complex_.domain.gradients(left.map - right.map)
        result[rows] = np.where(smooth[rows], 0.0, frobenius_norms(jump))
    return result


def kink_variation(complex_: Complex, graph: RegionGraph) -> float:
    """(1 / |U|) sum over facets of area times the jump of the Jacobian (Hessian total variation); it may overflow."""
    share = facet_areas(complex_, graph) / complex_.domain.size
    with np.errstate(over="ignore"):
        return float(share @ jumps(complex_, graph))
