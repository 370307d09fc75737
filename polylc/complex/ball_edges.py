"""Which facets between regions of an l1 or l2 ball meet the open ball, exactly."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np

from polylc.complex.complex import Complex
from polylc.complex.exact_facets import POINT_BITS, FacetProofs, NoFacet
from polylc.complex.graph import RegionGraph
from polylc.domains.ball import open_ball
from polylc.exact.checkpoint import checkpoint
from polylc.geometry.ball_multipliers import combination, value
from polylc.geometry.open_ball import OpenBall
from polylc.network.compose import batches
from polylc.network.exact_forms import Row

BALL = -1  # in place of an entry of a path: the ball


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
    return _proved(complex_, replace(graph, **columns, tested=tested), ball)


def _proved(complex_: Complex, graph: RegionGraph, ball: OpenBall) -> RegionGraph:
    """With what proves every answer in the ball, where what proves those in the box was kept: a point of the facet in
    the open ball, or multipliers of the ball besides (docs/exactness.md, lemma 19a).
    """
    if graph.proofs is None or graph.candidates is None:
        return graph
    scale, asked = complex_.exact_forms.scale, graph.candidates
    edges = set(zip(graph.first.tolist(), graph.second.tolist(), strict=True))
    known = graph.proofs
    found = FacetProofs.none(len(asked.region), complex_.domain.dimension)
    found.refuted.update(known.refuted)
    for candidate in known.shown():
        checkpoint()
        pivot, near = int(known.solved[candidate]), known.at(candidate)
        region, other = int(asked.region[candidate]), int(asked.beyond[candidate])
        on = int(asked.entry[candidate] - complex_.starts[region])
        rows = complex_.exact_half_spaces(region)
        if (min(region, other), max(region, other)) not in edges:
            shown = combination(ball, rows, scale, on)
            factor = shown.multipliers.pop(on, 0)
            found.refuted[candidate] = NoFacet(factor, {**shown.multipliers, **({BALL: shown.ball} if shown.ball else {})})
            continue
        crossing = _crossings(np.array([[v / scale for v in rows[on]]]), complex_.unit[region : region + 1], complex_.unit[other : other + 1])[0]
        for point in (near, crossing):
            solved = _on_hyperplane(rows[on], pivot, point)
            if solved is not None and ball.contains(solved) and all(value(row, solved) > 0 for r, row in enumerate(rows) if r != on):
                break
        else:
            exact = ball.exactly(rows, on).point
            assert exact is not None, "a facet that meets the ball has a point in it"
            solved = exact
        found.show(candidate, pivot, solved)
    return replace(graph, proofs=found)


def _on_hyperplane(row: Row, pivot: int, point: Sequence[Fraction] | np.ndarray) -> tuple[Fraction, ...] | None:
    """A point near a point, moved along a coordinate onto a hyperplane; None if doubles have no such point."""
    known = [v if isinstance(v, Fraction) else float(v) for v in (point.tolist() if isinstance(point, np.ndarray) else point)]
    if not all(map(math.isfinite, known)):
        return None
    near = [v if isinstance(v, Fraction) else Fraction(round(v * 2**POINT_BITS), 2**POINT_BITS) for v in known]
    near[pivot] = Fraction(0)
    near[pivot] = -value(row, near) / row[pivot]
    return tuple(near)


def _crossings(forms: np.ndarray, inner: np.ndarray, outer: np.ndarray) -> np.ndarray:
    """Where segments between two points meet hyperplanes; shape (p, k). Balls are convex, so it is in them as well."""
    with np.errstate(all="ignore"):
        a = (forms[:, :-1] * inner).sum(axis=1) + forms[:, -1]
        b = (forms[:, :-1] * outer).sum(axis=1) + forms[:, -1]
        found: np.ndarray = inner + (a / (a - b))[:, None] * (outer - inner)
        return found
