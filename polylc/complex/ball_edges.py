"""Which facets between regions of an l1 or l2 ball meet the open ball, exactly."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from polylc.complex.complex import Complex
from polylc.complex.graph import RegionGraph
from polylc.domains.ball import open_ball
from polylc.network.compose import batches
from polylc.network.exact_forms import Row


def edges_in_ball(complex_: Complex, graph: RegionGraph) -> RegionGraph:
    """The edges whose facets meet the open ball (docs/exactness.md, lemma 19).

    Parameters
    ----------
    complex_ : Complex
        Regions of a ball, each cut out of it by the half-spaces of its path.
    graph : RegionGraph
        Of the same: beyond each facet that meets the ball lies the other region of its edge.
    """
    ball = open_ball(complex_.domain)
    named = graph.first_entry >= 0
    region = np.where(named, graph.first, graph.second)
    other = np.where(named, graph.second, graph.first)
    entry = graph.entry()
    keep = np.zeros(len(graph), dtype=bool)
    order = np.argsort(region, kind="stable")
    lengths = np.diff(complex_.starts)
    longest = int(lengths.max(initial=1)) ** 2 * (complex_.domain.dimension + 1)
    ends = np.searchsorted(region[order], np.arange(len(complex_) + 1))
    for rows in batches(len(complex_), longest, 4_000_000):
        forms, noise = complex_.half_spaces(rows)
        some = order[ends[rows.start] : ends[rows.stop]]
        if not len(some):
            continue
        base = complex_.starts[region[some]] - complex_.starts[rows.start]
        first = np.concatenate([[0], np.cumsum(lengths[region[some]])])
        owner = np.repeat(np.arange(len(some)), np.diff(first))
        flat = np.arange(first[-1]) + (base - first[:-1])[owner]
        on = entry[some] - complex_.starts[region[some]]
        points = _crossings(forms[base + on], complex_.unit[region[some]], complex_.unit[other[some]])
        keep[some] = ball.hold_on(forms[flat], noise[flat], owner, points, first[:-1] + on)
        for at in np.flatnonzero(~keep[some]).tolist():
            r, here = int(region[some[at]]), slice(int(base[at]), int(base[at]) + int(first[at + 1] - first[at]))

            def exact(r: int = r) -> list[Row]:
                return complex_.exact_half_spaces(r)

            keep[some[at]] = ball.meets(forms[here], noise[here], exact, int(on[at])).inside
    tested = dict(graph.tested) | {"beyond the ball": int((~keep).sum())}
    columns = {name: getattr(graph, name)[keep] for name in ("first", "second", "first_entry", "second_entry", "flips")}
    return replace(graph, **columns, tested=tested)


def _crossings(forms: np.ndarray, inner: np.ndarray, outer: np.ndarray) -> np.ndarray:
    """Where segments between two points meet hyperplanes; shape (p, k). Balls are convex, so it is in them as well."""
    with np.errstate(all="ignore"):
        a = (forms[:, :-1] * inner).sum(axis=1) + forms[:, -1]
        b = (forms[:, :-1] * outer).sum(axis=1) + forms[:, -1]
        found: np.ndarray = inner + (a / (a - b))[:, None] * (outer - inner)
        return found
