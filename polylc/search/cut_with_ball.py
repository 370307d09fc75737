"""Of the regions of a box those that meet the open ball in it: where few of them do not, this is faster than a tree of
the ball.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import lgamma, log, pi

import numpy as np

from polylc.complex.complex import Complex
from polylc.domains.ball import open_ball
from polylc.domains.box import Neighbourhood
from polylc.engines.contract import Exploration, Outcome
from polylc.engines.extras import Maps, Seen
from polylc.errors import LimitReached
from polylc.exact.checkpoint import checkpoint
from polylc.network.compose import batches
from polylc.network.exact_forms import Row
from polylc.network.form import Network

MANY = 8.0  # times the volume of a ball: a box as large has so many times its regions, found so many times as fast


def better_by_box(domain: Neighbourhood) -> bool:
    """Whether the box around a ball is not much larger than the ball."""
    n = domain.dimension
    share = 0.5 * n * log(pi) - lgamma(0.5 * n + 1) - n * log(2.0) if domain.norm == "l2" else -lgamma(n + 1)
    return share >= -log(MANY)


def cut_with_ball(
    network: Network, domain: Neighbourhood, found: Exploration, near: np.ndarray | None, over: Callable[[], bool]
) -> tuple[Exploration, np.ndarray | None]:
    """The regions of a box that meet the open ball, exactly (docs/exactness.md, lemma 19), each with a point in it.

    Parameters
    ----------
    found : Exploration
        Of the box, confirmed.
    near : ndarray, optional
        As a judge's verdict has it.
    over : callable
        Whether a limit was reached; then what was not looked at is left out.

    Returns
    -------
    exploration : Exploration
    near : ndarray or None
    """
    ball, complex_ = open_ball(domain), Complex.of(network, domain, found)
    unit, keep, outcome = found.unit.copy(), ball.hold(found.unit), found.outcome
    longest = int(np.diff(complex_.starts).max(initial=1)) * (domain.dimension + 1)
    try:
        for rows in batches(len(complex_), longest, 4_000_000):
            forms, noise = complex_.half_spaces(rows)
            starts = complex_.starts[rows.start : rows.stop + 1] - complex_.starts[rows.start]
            beyond = np.append(ball.signs(forms, noise)[1], False)  # half-spaces that miss the ball
            misses = np.logical_or.reduceat(beyond, np.minimum(starts[:-1], len(beyond) - 1)) & (np.diff(starts) > 0)
            for i in np.flatnonzero(~keep[rows] & ~misses).tolist():
                checkpoint()
                if over():
                    raise LimitReached("the time limit was reached")
                region = rows.start + i

                def exact(region: int = region) -> list[Row]:
                    return complex_.exact_half_spaces(region)

                meeting = ball.meets(forms[starts[i] : starts[i + 1]], noise[starts[i] : starts[i + 1]], exact)
                if meeting.point is not None:
                    keep[region], unit[region] = True, meeting.point
    except LimitReached:
        outcome = Outcome.TIME_LIMIT if found.complete else outcome
    maps = found.seen.maps
    seen = Seen(maps=None if maps is None else Maps(maps.map[keep], maps.noise[keep]))
    stats = found.stats | {"regions beyond the ball": int((~keep).sum())}
    inside = replace(found, bits=found.bits[keep], unit=unit[keep], leaf=found.leaf[keep], outcome=outcome, stats=stats, seen=seen)
    return inside, None if near is None else near[keep]
