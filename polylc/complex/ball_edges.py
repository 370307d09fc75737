"""Which facets between regions of an l1 or l2 ball meet the open ball, exactly."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from polylc.complex.complex import Complex
from polylc.complex.graph import RegionGraph
from polylc.domains.ball import open_ball
from polylc.exact.checkpoint import checkpoint
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
    longest = int(np.diff(complex_.starts).max(initial=1)) * (complex_.domain.dimension + 1)
    ends = np.searchsorted(region[order], np.arange(len(complex_) + 1))
    for rows in batches(len(complex_), longest, 4_000_000):
        forms, noise = complex_.half_spaces(rows)
        base = int(complex_.starts[rows.start])
        for i in order[ends[rows.start] : ends[rows.stop]].tolist():
            checkpoint()
            r = int(region[i])
            here = slice(int(complex_.starts[r]) - base, int(complex_.starts[r + 1]) - base)
            on = int(entry[i] - complex_.starts[r])
            form = forms[here][on]
            inner, outer = complex_.unit[r], complex_.unit[other[i]]
            a, b = float(form[:-1] @ inner + form[-1]), float(form[:-1] @ outer + form[-1])
            if a > 0 > b and ball.holds_on(forms[here], noise[here], inner + (a / (a - b)) * (outer - inner), on):
                keep[i] = True
                continue

            def exact(r: int = r) -> list[Row]:
                return complex_.exact_half_spaces(r)

            keep[i] = ball.meets(forms[here], noise[here], exact, on).inside
    tested = dict(graph.tested) | {"beyond the ball": int((~keep).sum())}
    columns = {name: getattr(graph, name)[keep] for name in ("first", "second", "first_entry", "second_entry", "flips")}
    return replace(graph, **columns, tested=tested)
