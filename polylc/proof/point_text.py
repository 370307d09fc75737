"""Points of a certificate as text, many at once: those of regions, and what proves or refutes their facets.

A point is [den, n_1, ..., n_k], the integers in lowest terms for doubles.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from polylc.bounds.floats import lowest_bits
from polylc.complex.complex import Complex
from polylc.complex.graph import RegionGraph
from polylc.judge.columns import Points
from polylc.proof.integer_text import as_json, lists

MOST_BITS = 61  # of an integer in columns


def point_integers(point: Sequence[Fraction] | np.ndarray) -> list[int]:
    """A rational point as [den, n_1, ..., n_k]."""
    ratios = [v.as_integer_ratio() for v in (point.tolist() if isinstance(point, np.ndarray) else point)]
    den = math.lcm(1, *(d for _, d in ratios))
    return [den, *(n * (den // d) for n, d in ratios)]


def point_columns(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same of many points in doubles, (P, k + 1), and which of them fit into 64 bits; the others are zeros."""
    bits = np.where(points != 0, -lowest_bits(points), 0)
    common = bits.max(axis=1, initial=0)
    fits = (common < MOST_BITS) & (np.frexp(points)[1].max(axis=1, initial=0) + common < MOST_BITS)
    numbers = np.zeros((len(points), points.shape[1] + 1), dtype=np.int64)
    numbers[fits, 0] = np.int64(1) << common[fits]
    numbers[fits, 1:] = np.ldexp(points[fits], common[fits, None])
    return numbers, fits


def region_points(points: Points, regions: np.ndarray) -> list[str]:
    """The points of regions."""
    numbers, fits = point_columns(points.unit[regions])
    text, place = lists(numbers)
    plain = [fit and region not in points.exact for fit, region in zip(fits.tolist(), regions.tolist(), strict=True)]
    return [text[place[i] : place[i + 1] - 1] if plain[i] else as_json(point_integers(points[region])) for i, region in enumerate(regions.tolist())]


class FacetText:
    """What proves or refutes the facets of a graph whose proofs were kept, by region."""

    def __init__(self, complex_: Complex, graph: RegionGraph | None) -> None:
        self.proofs, regions = None, len(complex_)
        self.order, self.begin = np.zeros(0, dtype=np.int64), np.zeros(regions + 1, dtype=np.int64)
        if graph is None or graph.proofs is None or graph.candidates is None:
            return
        asked, self.proofs = graph.candidates, graph.proofs
        self.place = asked.entry - complex_.starts[asked.region]
        there = self.proofs.solved >= 0
        self.special = ~there  # not in columns: rationals, and multipliers
        self.special[list(self.proofs.exact)] = True
        there[list(self.proofs.refuted)] = True
        some = np.flatnonzero(there)
        self.order = some[np.argsort(asked.region[some], kind="stable")]
        self.begin = np.searchsorted(asked.region[self.order], np.arange(regions + 1))

    def of(self, regions: np.ndarray) -> list[str]:
        """The lists of entries of some regions."""
        if self.proofs is None:
            return ["[]"] * len(regions)
        counts = self.begin[regions + 1] - self.begin[regions]
        ends = np.cumsum(counts)
        some = self.order[np.repeat(self.begin[regions] - ends + counts, counts) + np.arange(int(counts.sum()))]
        solved, place = self.proofs.solved[some], self.place[some]
        numbers, fits = point_columns(self.proofs.point[some])
        numbers[np.arange(len(some)), 1 + solved] = 0  # that coordinate is solved for
        text, at = lists(np.column_stack([place, solved, numbers]))
        special = ~fits | self.special[some]
        owner = np.repeat(np.arange(len(regions)), counts)
        rare, odd = set(owner[special].tolist()), special.tolist()
        bounds, found = [0, *ends.tolist()], list[str]()
        for i in range(len(regions)):
            first, last = bounds[i], bounds[i + 1]
            if i in rare:
                parts = [as_json(self._entry(int(some[e]), int(place[e]))) if odd[e] else text[at[e] : at[e + 1] - 1] for e in range(first, last)]
                found.append(f"[{','.join(parts)}]")
            else:
                found.append(f"[{text[at[first] : at[last] - 1]}]" if last > first else "[]")
        return found

    def _entry(self, candidate: int, place: int) -> list[int]:
        """One entry that is not in columns."""
        assert self.proofs is not None
        solved = int(self.proofs.solved[candidate])
        if solved >= 0:
            numbers = point_integers(self.proofs.at(candidate))
            numbers[1 + solved] = 0
            return [place, solved, *numbers]
        proof = self.proofs.refuted[candidate]
        return [-1 - place, proof.factor, *(v for pair in sorted(proof.multipliers.items()) for v in pair)]
