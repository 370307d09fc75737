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
    if len(weight) and (weight == weight[0]).all():  # one weight, times what the sum is
        low, high = total(bounds)
        both = np.array([[max(whole[0], low), min(whole[1], high)]])
        if both[0, 0] <= both[0, 1]:
            low, high = product(both, weight[:1])[0].tolist()
            return low, high
    result = []
    for end, sign in ((0, 1.0), (1, -1.0)):
        w = weight[:, end]
        order = np.argsort(sign * w, kind="stable")
        with np.errstate(invalid="ignore"):  # bounds may be infinite
            room = (bounds[:, 1] - bounds[:, 0])[order]
            left = whole[end] - bounds[:, 0].sum()
            # what is left after the lower bounds goes where it weighs least, or most
            filled = np.clip(left - np.append(0.0, np.cumsum(room)[:-1]), 0.0, room)
            terms = w * bounds[:, 0] + np.zeros(len(w))
            terms[order] += w[order] * filled
            value = float(terms.sum())
            # roundings of sums and differences count relative to the whole, times the largest weight
            slip = 8 * (len(w) + 8) * UNIT * (float(np.abs(terms).sum()) + float(w.max(initial=0.0)) * float(max(whole[1], bounds[:, 1].sum())))
        if not (math.isfinite(value) and math.isfinite(slip)):
            value, slip = (0.0, 0.0) if end == 0 else (math.inf, 0.0)
        result.append(max(value - slip, 0.0) if end == 0 else value + slip)
    return result[0], result[1]
