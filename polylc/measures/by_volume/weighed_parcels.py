"""Sums over parts of a neighbourhood in many dimensions, weights times areas or shares, enclosed.

The parts come in groups whose total is known better than they are: facets of one section, or all regions. Where weights
vary within a group, the extremes of the sum over all values that the bounds allow are found greedily.
"""

from __future__ import annotations

import itertools
import math

import numpy as np

from polylc.exact.checkpoint import checkpoint
from polylc.geometry.tilted.lattice_sums import Effort
from polylc.geometry.tilted.parcels import Parcel
from polylc.measures.sums import product, total
from polylc.network.compose import UNIT

Array = np.ndarray
AIM = 1e-6  # of a sum, relative: narrower it need not be
WIDTHS = (1e-2, 1e-4)  # aimed at one after the other, before what is asked
DEPTHS = (1, 2, 3)
LEAST = 1e-3  # of an upper bound: the sum is taken to be this at least


def bounded(parcels: list[Parcel], effort: Effort) -> None:
    """Bound all parcels by Chernoff."""
    for parcel in parcels:
        checkpoint()
        parcel.bound(effort)


def bounds_of(parcels: list[Parcel]) -> Array:
    """Bounds of parcels; shape (N, 2)."""
    return np.array([(p.low, p.high) for p in parcels]).reshape(-1, 2)


def narrowed(parcels: list[Parcel], scale: Array, effort: Effort, value: float | None = None, aim: float = AIM) -> Array:
    """Bounds of all parcels times positive scales, narrowed until the width of their sum is `aim` of the sum, or of
    `value`, or no effort is left; shape (N, 2).

    Parameters
    ----------
    scale : ndarray, shape (N, 2)
        Enclosed.
    value : float, optional
        What the sum is a part of.
    """
    bounded(parcels, effort)
    now = product(bounds_of(parcels), scale)
    for width, depth in itertools.product((*(w for w in WIDTHS if w > aim), aim), DEPTHS):
        low, high = total(now)  # carried along below in doubles, as they only say when to stop
        for i in np.argsort(now[:, 0] - now[:, 1], kind="stable").tolist():
            least = value if value is not None else max(low, LEAST * high if math.isfinite(high) else 0.0)
            worth = width * least / len(parcels)
            if high - low <= width * least or now[i, 1] - now[i, 0] <= worth or effort.over:
                break
            checkpoint()
            parcels[i].narrow(worth / float(scale[i, 1]) if 0 < scale[i, 1] < math.inf else 0.0, effort, depth)
            before = now[i].tolist()
            now[i] = product(np.array([[parcels[i].low, parcels[i].high]]), scale[i : i + 1])[0]
            low += float(now[i, 0]) - before[0]
            high = high + float(now[i, 1]) - before[1] if math.isfinite(before[1]) else total(now)[1]
    return now


def extremes(weight: Array, bounds: Array, whole: Array) -> tuple[float, float]:
    """The least and the largest value of sum_i w_i v_i for w_i in weight[i], v_i in bounds[i], sum_i v_i in `whole`,
    rounded outward.

    Parameters
    ----------
    weight, bounds : ndarray, shape (N, 2)
        Numbers >= 0.
    whole : ndarray, shape (2,)
    """
    least, most = whole.tolist()
    if len(weight) and (weight == weight[0]).all():  # one weight, times what the sum is
        sums = total(bounds)
        begin, end = max(least, sums[0]), min(most, sums[1])
        if begin <= end:
            light, heavy = weight[0].tolist()
            # zero times anything is zero
            down = math.nextafter(begin * light, 0.0) if begin and light else 0.0
            return down, math.nextafter(end * heavy, math.inf) if end and heavy else 0.0
    low, high = bounds.T.tolist()
    value, slip = _filled(weight[:, 0].tolist(), low, high, least, heavy_first=False)
    down = max(value - slip, 0.0) if math.isfinite(value) and math.isfinite(slip) else 0.0
    value, slip = _filled(weight[:, 1].tolist(), low, high, most, heavy_first=True)
    return down, value + slip if math.isfinite(value) and math.isfinite(slip) else math.inf


def _filled(weight: list[float], low: list[float], high: list[float], whole: float, *, heavy_first: bool) -> tuple[float, float]:
    """The largest or the least sum, and what roundings may change it: what the lower bounds leave of the whole goes
    where it weighs most, or least.

    In lists, since most groups are small. Roundings of sums and differences count relative to the whole, times the
    largest weight.
    """
    base = sum(low)
    terms, left = [w * v for w, v in zip(weight, low, strict=True)], whole - base
    for i in sorted(range(len(weight)), key=weight.__getitem__, reverse=heavy_first):
        if not left > 0.0:
            break
        room = high[i] - low[i]
        terms[i] += weight[i] * min(left, room)
        left -= room
    size = sum(map(abs, terms)) + max(weight, default=0.0) * max(whole, base)
    return sum(terms), 8 * (len(weight) + 8) * UNIT * size
