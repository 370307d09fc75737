"""Sums over parts of a neighbourhood in many dimensions, weights times areas or shares, enclosed.

The parts come in groups whose total is known better than they are: facets of one section, or all regions. Where weights
vary within a group, the extremes of the sum over all values that the bounds allow are found greedily.
"""

from __future__ import annotations

import math

import numpy as np

from polylc.exact.checkpoint import checkpoint
from polylc.geometry.tilted.parcels import Effort, Parcel
from polylc.measures.sums import product, total
from polylc.network.compose import UNIT

Array = np.ndarray
WIDTH = 1e-9  # of a sum, relative: what is aimed at
SLIGHT = 1e-3  # of the width that is aimed at, for what one part may leave


def narrowed(parcels: list[Parcel], scale: Array, effort: Effort) -> Array:
    """Bounds of all parcels times positive scales, narrowed until their sum is as narrow as asked for, or no effort is
    left; shape (N, 2).

    Parameters
    ----------
    scale : ndarray, shape (N, 2)
        Enclosed.
    """

    def bounds() -> Array:
        return product(np.array([(p.low, p.high) for p in parcels]).reshape(-1, 2), scale)

    for stage in range(3):
        now = bounds()
        order = np.argsort(-(now[:, 1] - now[:, 0]), kind="stable")
        for i in order.tolist():
            parcel = parcels[i]
            if parcel.stage != stage:
                continue
            if stage and effort.over:
                break
            checkpoint()
            low, high = total(now)
            aim = WIDTH * max(low, 1e-3 * high if math.isfinite(high) else 0.0)
            if high - low <= aim:
                return now
            worth = SLIGHT * aim / len(parcels)
            if stage and now[i, 1] - now[i, 0] <= worth:
                break
            parcel.narrow(worth / float(scale[i, 1]) if 0 < scale[i, 1] < math.inf else 0.0, effort)
            now[i] = product(np.array([[parcel.low, parcel.high]]), scale[i : i + 1])[0]
    return bounds()


def extremes(weight: Array, bounds: Array, whole: Array) -> tuple[float, float]:
    """The least and the largest value of sum_i w_i v_i for w_i in weight[i], v_i in bounds[i], sum_i v_i in `whole`,
    rounded outward.

    Parameters
    ----------
    weight, bounds : ndarray, shape (N, 2)
        Numbers >= 0.
    whole : ndarray, shape (2,)
    """
    result = []
    for end, sign in ((0, 1.0), (1, -1.0)):
        w = weight[:, end]
        order = np.argsort(sign * w, kind="stable")
        room = (bounds[:, 1] - bounds[:, 0])[order]
        left = whole[end] - bounds[:, 0].sum()
        # what is left after the lower bounds goes where it weighs least, or most
        filled = np.clip(left - np.append(0.0, np.cumsum(room)[:-1]), 0.0, room)
        with np.errstate(invalid="ignore"):
            terms = w * bounds[:, 0] + np.zeros(len(w))
            terms[order] += w[order] * filled
            value = float(terms.sum())
            # roundings of sums and differences count relative to the whole, times the largest weight
            slip = 8 * (len(w) + 8) * UNIT * (float(np.abs(terms).sum()) + float(w.max(initial=0.0)) * float(max(whole[1], bounds[:, 1].sum())))
        if not math.isfinite(value):
            value, slip = (0.0, 0.0) if end == 0 else (math.inf, 0.0)
        result.append(max(value - slip, 0.0) if end == 0 else value + slip)
    if len(weight) and (weight == weight[0, 0]).all():  # as for one weight
        low, high = product(whole[None], weight[:1])[0].tolist()
        return max(low, result[0]), min(high, result[1])
    return result[0], result[1]
