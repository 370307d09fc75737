"""Local complexity from random plane slices, each enumerated by the exact engine."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from polylc.domains import box as shapes
from polylc.domains.box import Neighbourhood
from polylc.engines.contract import Outcome
from polylc.errors import UsageError
from polylc.estimators.coarea import ACTIVATION
from polylc.estimators.estimate import Estimate, Moments
from polylc.estimators.study import Study
from polylc.network.form import Affine, Network
from polylc.run.neighbourhood import answer
from polylc.search.task import Settings, make_task


def slices(study: Study) -> list[Estimate]:
    """E13: length of the boundaries in random planes through uniform points, by area, over c_{n,2}.

    Raises
    ------
    UsageError
        If the dimension is below 3, where a plane is no slice.
    """
    domain, settings, moments = study.only_box("slices", "lines estimates the same"), study.settings, Moments()
    n = domain.dimension
    if n < 3:
        raise UsageError(f"slices: a plane in dimension {n} is no slice; the whole neighbourhood can be enumerated")
    rng = np.random.default_rng(study.entropy("slices"))
    for _ in range(settings.planes):
        offset = domain.half * rng.uniform(-1.0, 1.0, n)
        plane = np.linalg.qr(rng.standard_normal((n, 2)))[0]
        length, area = slice_boundary(study.network, domain, offset, plane)
        moments.add(np.array([length / area / plane_constant(n)]))
    assumptions = f"{settings.planes} independent planes, each enumerated in floating point (t-interval)"
    return [moments.estimate("slices", ACTIVATION, bias="none", assumptions=assumptions)]


def plane_constant(n: int) -> float:
    """c_{n,2} = Gamma(3/2) Gamma(n/2) / Gamma((n+1)/2): mean length by area of the traces in random planes of a surface
    of unit density.

    Examples
    --------
    >>> round(plane_constant(3) / 3.141592653589793, 12), round(plane_constant(2), 12)
    (0.25, 1.0)
    """
    return math.gamma(1.5) * math.exp(math.lgamma(0.5 * n) - math.lgamma(0.5 * (n + 1)))


def slice_boundary(network: Network, domain: Neighbourhood, offset: np.ndarray, plane: np.ndarray) -> tuple[float, float]:
    """Length of the facets of a plane slice of a neighbourhood, and the area of the slice.

    Parameters
    ----------
    offset : ndarray, shape (n,)
        A point of the plane, in free coordinates from the middle of the neighbourhood.
    plane : ndarray, shape (n, 2)
        Orthonormal columns.
    """
    normals = np.concatenate([plane, -plane])
    limits = np.concatenate([domain.half - offset, domain.half + offset])
    corners = _polygon(normals, limits, 2.0 * float(np.linalg.norm(domain.half)))
    low, high = corners.min(axis=0), corners.max(axis=0)
    margin = 1e-3 * (high - low)  # so that the sides of the window lie outside the slice
    window = shapes.box((low - margin).tolist(), (high + margin).tolist())
    flat = on_plane(network, domain.lift(offset), domain.basis @ plane)
    result = answer(flat, make_task(flat, 0, window, None), Settings((), certify=False))
    if result.outcome is Outcome.INTERRUPTED:  # the user means the run, not this slice
        raise KeyboardInterrupt
    if not result.complete or result.complex is None:
        raise UsageError("slices: a slice was not enumerated completely")
    starts, ends = [], []
    for cell in result.complex.polygons():
        starts.append(cell)
        ends.append(np.roll(cell, -1, axis=0))
    # every facet is seen from two regions
    length = 0.5 * _length_inside(np.concatenate(starts), np.concatenate(ends), normals, limits)
    x, y = corners.T
    return length, 0.5 * abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1)))


def on_plane(network: Network, point: np.ndarray, plane: np.ndarray) -> Network:
    """The network s -> f(point + plane s), its first weights rounded to doubles."""

    def restrict(affine: Affine) -> Affine:
        bias, terms = affine.bias, []
        for source, weight in affine.terms:
            if source == 0:
                bias, weight = bias + weight @ point, weight @ plane
            terms.append((source, weight))
        return Affine(tuple(terms), bias)

    layers = tuple(replace(layer, affine=restrict(layer.affine)) for layer in network.layers)
    return Network(plane.shape[1], layers, restrict(network.output), source=network.source)


def _polygon(normals: np.ndarray, limits: np.ndarray, size: float) -> np.ndarray:
    """Corners of {s: normals s <= limits}, which lies in the square of half width `size`."""
    corners = size * np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])
    for normal, limit in zip(normals, limits, strict=True):
        over = corners @ normal - limit
        kept = []
        for p, q, u, v in zip(corners, np.roll(corners, -1, axis=0), over, np.roll(over, -1), strict=True):
            if u <= 0:
                kept.append(p)
            if (u < 0 < v) or (v < 0 < u):
                kept.append(p + u / (u - v) * (q - p))
        corners = np.array(kept)
    return corners


def _length_inside(starts: np.ndarray, ends: np.ndarray, normals: np.ndarray, limits: np.ndarray) -> float:
    """Total length of segments within {s: normals s <= limits}."""
    first, second = limits - starts @ normals.T, limits - ends @ normals.T  # non-negative inside
    gap = first - second
    at = np.divide(first, gap, out=np.zeros_like(gap), where=gap != 0)
    begin = np.where((first < 0) & (second > 0), at, 0.0).max(axis=1)
    end = np.where((first > 0) & (second < 0), at, 1.0).min(axis=1)
    outside = ((first <= 0) & (second <= 0)).any(axis=1)
    share = np.where(outside, 0.0, np.clip(end - begin, 0.0, 1.0))
    return float(share @ np.linalg.norm(ends - starts, axis=1))
