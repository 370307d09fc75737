"""Whether a region has a facet on a hyperplane of its path: proved by a point, or refuted by multipliers, exactly.

A point of the hyperplane in the open neighbourhood at which every path half-space not on that hyperplane is positive
proves a facet. Multipliers m >= 0 of such half-spaces g_e and any lam with sum m g_e + lam g <= 0 on the whole box, not
all zero, prove that there is none (Motzkin's transposition theorem). Doubles settle nearly all (docs/exactness.md,
lemma 5), integers and the exact simplex the rest.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from polylc.complex.complex import Complex
from polylc.complex.crossing import Candidates
from polylc.complex.facet_lp import FOUND, NONE, program, widest
from polylc.errors import SolverError
from polylc.exact.lazy import minimise_lazily
from polylc.exact.simplex import ExactMinimum
from polylc.exact.unit_box import reach
from polylc.geometry.lp import Optimum, infinity, minimise
from polylc.network.compose import TINY, UNIT, Forms, batches
from polylc.network.exact_forms import Row

CHEAP_GEOMETRY = 4  # up to this dimension a skeleton costs less than a linear program
POINT_BITS = 24


@dataclass(frozen=True)
class NoFacet:
    """sum of multipliers[e] g_e + factor g <= 0 on the box; e counts entries of the region's path from its start, -1
    is the ball if there is one.
    """

    factor: int
    multipliers: dict[int, int]


@dataclass
class FacetProofs:
    """What proves each candidate's answer: a point near the hyperplane, or multipliers.

    Attributes
    ----------
    solved : ndarray of int, shape (C,)
        The coordinate of the point that is solved for; -1 without a point.
    point : ndarray, shape (C, k)
        In doubles.
    exact : dict
        By candidate, the point where doubles are not enough.
    refuted : dict
        By candidate, what proves that there is no facet.
    """

    solved: np.ndarray
    point: np.ndarray
    exact: dict[int, tuple[Fraction, ...]] = field(default_factory=dict)
    refuted: dict[int, NoFacet] = field(default_factory=dict)

    @classmethod
    def none(cls, candidates: int, dimension: int) -> FacetProofs:
        """Of candidates none of which is settled."""
        return cls(np.full(candidates, -1, dtype=np.int64), np.zeros((candidates, dimension)))

    def show(self, candidate: int, solved: int, point: np.ndarray | tuple[Fraction, ...]) -> None:
        """Keep a point that proves a facet."""
        self.solved[candidate] = solved
        if isinstance(point, tuple):
            self.exact[candidate] = point
        else:
            self.point[candidate] = point

    def refute(self, candidate: int, proof: NoFacet, others: np.ndarray) -> None:
        """Keep a refutation by multipliers of some path half-spaces."""
        self.refuted[candidate] = NoFacet(proof.factor, {int(others[r]): m for r, m in proof.multipliers.items()})

    def shown(self) -> list[int]:
        """The candidates that a point proves."""
        found: list[int] = np.flatnonzero(self.solved >= 0).tolist()
        return found

    def at(self, candidate: int) -> np.ndarray | tuple[Fraction, ...]:
        """The point of a candidate that has one."""
        return self.exact[candidate] if candidate in self.exact else self.point[candidate]


def facet_tests(complex_: Complex, found: Candidates, programs: bool, keep: bool) -> tuple[np.ndarray, dict[str, int], FacetProofs]:
    """Decide candidates.

    Parameters
    ----------
    programs : bool
        Whether what no point at hand settles goes to linear programs; without it such candidates count as no facets.
    keep : bool
        Whether proofs are kept.

    Returns
    -------
    is_facet : ndarray of bool, shape (C,)
    tested : dict
        How many were settled in which way.
    proofs : FacetProofs
    """
    order = np.argsort(found.region, kind="stable")
    bounds = np.searchsorted(found.region[order], np.arange(len(complex_) + 1))
    result = np.zeros(len(found.region), dtype=bool)
    tested = {"by engine": 0, "by patterns": 0, "by point": 0, "by integers": 0, "by exact simplex": 0, "no facet": 0, "not settled": 0}
    proofs = FacetProofs.none(len(found.region) if keep else 0, complex_.domain.dimension)
    for rows in complex_.batches():
        pick = order[bounds[rows.start] : bounds[rows.stop]]
        if not len(pick):
            continue
        forms = complex_.forms(rows)
        longest = int(np.diff(complex_.starts[rows.start : rows.stop + 1]).max())
        for part in batches(len(pick), 3 * longest * (complex_.domain.dimension + 1), 4_000_000):
            some = pick[part]
            batch = _Batch(complex_, rows, forms, found, some)
            shown = batch.by_points(proofs, keep, not programs)
            tested["by point"] += int(shown.sum())
            for i in np.flatnonzero(~shown).tolist():
                if programs:
                    shown[i], how = _by_program(complex_, batch, i, found, int(some[i]), proofs, keep)
                    tested[how] += 1
                else:
                    tested["not settled"] += 1
            result[some] = shown
    return result, tested, proofs


class _Batch:
    """Path half-spaces of the regions of some candidates, in doubles, with their rounding."""

    def __init__(self, complex_: Complex, rows: slice, forms: Forms, found: Candidates, some: np.ndarray) -> None:
        self.complex, self.found, self.some = complex_, found, some
        self.region, self.entry = found.region[some], found.entry[some]
        lengths = np.diff(complex_.starts)[self.region]
        self.starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        self.owner = np.repeat(np.arange(len(some)), lengths)
        entries = np.repeat(complex_.starts[self.region] - self.starts[:-1], lengths) + np.arange(self.starts[-1])
        neuron = complex_.neuron[entries].astype(np.int64)
        sign = np.where(complex_.side[entries] == 1, 1.0, -1.0)
        local = self.region[self.owner] - rows.start
        self.rows = forms.hidden[local, neuron] * sign[:, None]
        self.error = forms.noise[local, neuron]
        self.on = entries == self.entry[self.owner]  # the half-space of the hyperplane itself, and those on it
        for i, candidate in enumerate(self.entry.tolist()):
            group = found.groups.get(candidate)
            if group is not None:
                here = slice(int(self.starts[i]), int(self.starts[i + 1]))
                self.on[here] |= group[neuron[here]]
        own = self.starts[:-1] + self.entry - complex_.starts[self.region]
        self.hyperplane, self.hyperplane_error = self.rows[own], self.error[own]

    @np.errstate(over="ignore", invalid="ignore")  # a point that leaves the range of doubles proves nothing
    def by_points(self, proofs: FacetProofs, keep: bool, geometry: bool) -> np.ndarray:
        """Which candidates a point at hand proves, those of cheap skeletons among them if asked for; boolean, one per
        candidate.
        """
        complex_ = self.complex
        a, c = self.hyperplane[:, :-1], self.hyperplane[:, -1]
        beyond = self.found.beyond[self.some]
        u, w = complex_.unit[self.region], complex_.unit[beyond]
        at_u, at_w = np.einsum("ij,ij->i", a, u) + c, np.einsum("ij,ij->i", a, w) + c
        square = np.maximum(np.einsum("ij,ij->i", a, a), 1e-300)
        gap = np.where(at_u != at_w, at_u - at_w, 1.0)
        points = [u + (at_u / gap)[:, None] * (w - u), u - (at_u / square)[:, None] * a, w - (at_w / square)[:, None] * a]
        if (geometry and complex_.domain.dimension <= CHEAP_GEOMETRY) or "cut_geometry" in vars(complex_):
            points.append(complex_.cut_geometry.point[self.entry] / complex_.domain.half)
        shown = np.zeros(len(self.some), dtype=bool)
        solved = np.abs(a).argmax(axis=1)
        for point in points:
            rounded = np.ldexp(np.rint(np.ldexp(point, POINT_BITS)), -POINT_BITS)
            for q in (rounded, point) if keep else (point,):
                left = np.flatnonzero(~shown)
                if not len(left):
                    return shown
                good = left[self.proved(left, q[left], solved[left])]
                shown[good] = True
                if keep:
                    at = self.some[good]
                    proofs.solved[at], proofs.point[at] = solved[good], q[good]
        return shown

    def proved(self, left: np.ndarray, point: np.ndarray, solved: np.ndarray) -> np.ndarray:
        """Whether points prove facets: coordinate `solved` moved onto the hyperplane leaves all other half-spaces
        positive.
        """
        many = len(left)
        chosen = np.full(len(self.some), -1, dtype=np.int64)
        chosen[left] = np.arange(many)
        at = np.flatnonzero(chosen[self.owner] >= 0)
        owner = chosen[self.owner[at]]
        width = point.shape[1] + 1
        slack = 2 * (width + 4) * UNIT
        own = self.hyperplane[left]
        inside = (np.abs(point) < 1).all(axis=1)
        point = np.where(inside[:, None], point, 0.0)  # what was divided by next to nothing may be anywhere
        size = np.abs(own[:, :-1] * point).sum(axis=1) + np.abs(own[:, -1])
        value = np.abs(np.einsum("ij,ij->i", own[:, :-1], point) + own[:, -1]) + self.hyperplane_error[left] + slack * size
        lead = np.abs(own[np.arange(many), solved]) - self.hyperplane_error[left]
        ok = (lead > 0) & inside
        move = np.where(ok, value / np.where(lead > 0, lead, 1.0), 0.0) * (1 + 2 * slack) + 64 * width * TINY
        ok &= np.abs(point[np.arange(many), solved]) + move < 1 - 4 * UNIT
        rows, error = self.rows[at], self.error[at]
        product = rows[:, :-1] * point[owner]
        values = product.sum(axis=1) + rows[:, -1]
        total = np.abs(product).sum(axis=1) + np.abs(rows[:, -1])
        steep = np.abs(rows[np.arange(len(at)), solved[owner]]) + error
        doubt = (error + slack * total + steep * move[owner]) * (1 + 8 * slack) + 64 * width * TINY
        bad = ~((values > doubt) | self.on[at])
        ok[owner[bad]] = False
        result: np.ndarray = ok
        return result


def _by_program(complex_: Complex, batch: _Batch, i: int, found: Candidates, candidate: int, proofs: FacetProofs, keep: bool) -> tuple[bool, str]:
    """One candidate by floating linear programs, whose answers are checked, or else by an exact one."""
    here = slice(int(batch.starts[i]), int(batch.starts[i + 1]))
    others = np.flatnonzero(~batch.on[here])
    plane, near = batch.hyperplane[i], batch.rows[here][others]
    solved = int(np.abs(plane[:-1]).argmax())
    exact: tuple[Row, list[Row]] | None = None
    for guess in _guesses(plane, near):
        if guess.point is not None and batch.proved(np.array([i]), guess.point[None], np.array([solved]))[0]:
            if keep:
                proofs.show(candidate, solved, guess.point)
            return True, "by point"
        if guess.factors is not None:
            exact = exact or _exact_rows(complex_, int(found.region[candidate]), int(found.entry[candidate]), others)
            refuted = _refuted(guess.factors, *exact)
            if refuted is not None:
                if keep:
                    proofs.refute(candidate, refuted, others)
                return False, "no facet"
    hyperplane, rows = exact or _exact_rows(complex_, int(found.region[candidate]), int(found.entry[candidate]), others)
    answer = _exactly(hyperplane, rows, complex_.domain.dimension)
    if isinstance(answer, NoFacet):
        if keep:
            proofs.refute(candidate, answer, others)
        return False, "no facet"
    if keep:
        proofs.show(candidate, next(j for j, v in enumerate(hyperplane[:-1]) if v), answer)
    return True, "by exact simplex"


class _Guess(NamedTuple):
    """What a floating program answers: a point of the hyperplane, or multipliers of the rows and behind them that of
    the hyperplane.
    """

    point: np.ndarray | None
    factors: np.ndarray | None


def _guesses(hyperplane: np.ndarray, rows: np.ndarray) -> Iterator[_Guess]:
    """Answers of floating programs, the cheap one first."""
    k = len(hyperplane) - 1
    point, factors = np.empty(k), np.empty(len(rows) + 1)
    answer = widest(rows, len(rows), hyperplane, program(len(rows), k), point, factors)
    if answer in (FOUND, NONE):
        yield _Guess(point, None) if answer == FOUND else _Guess(None, factors)
    guess = _widest(hyperplane, rows)
    if guess is not None and guess.value < 0:
        yield _Guess(guess.point[:-1], None)
    elif guess is not None and guess.duals is not None:
        length, size = np.sqrt((rows[:, :-1] ** 2).sum(axis=1)), np.sqrt((hyperplane[:-1] ** 2).sum())
        yield _Guess(None, np.append(np.maximum(guess.duals[: len(rows)], 0.0) / (length + 1e-300), guess.duals[-1] / size))


def _widest(hyperplane: np.ndarray, rows: np.ndarray) -> Optimum | None:
    """The point (u, s) of the hyperplane farthest from all rows and from the box's faces, s < 0 if it is outside; None
    on failure.
    """
    k = len(hyperplane) - 1
    steep = np.abs(np.vstack([rows[:, :-1], hyperplane[None, :-1]])).max(axis=1)
    if not ((steep > 2.0**-400) & (steep < 2.0**400)).all():  # squares would leave the range of doubles
        return None
    size = np.sqrt((hyperplane[:-1] ** 2).sum())
    length = np.sqrt((rows[:, :-1] ** 2).sum(axis=1))
    inside = np.column_stack([rows[:, :-1] / length[:, None], -np.ones(len(rows))])
    eye, ones = np.eye(k), np.ones((k, 1))
    matrix = np.vstack([inside, np.column_stack([-eye, -ones]), np.column_stack([eye, -ones]), np.append(hyperplane[:-1] / size, 0.0)])
    inf = infinity()
    lower = np.concatenate([-rows[:, -1] / length, np.full(2 * k, -1.0), [-hyperplane[-1] / size]])
    upper = np.concatenate([np.full(len(rows) + 2 * k, inf), [-hyperplane[-1] / size]])
    far = 4.0 * (k + 1) + np.abs(rows[:, -1] / length).max(initial=0.0)
    try:
        return minimise(np.append(np.zeros(k), -1.0), matrix, lower, upper, np.append(np.full(k, -far), -far), np.append(np.full(k, far), 1.0))
    except SolverError:
        return None


def _exact_rows(complex_: Complex, region: int, entry: int, others: np.ndarray) -> tuple[Row, list[Row]]:
    """Integer forms of the hyperplane and of other path half-spaces, oriented positive inside."""
    begin = int(complex_.starts[region])
    hyperplane, *rows = complex_.exact_half_spaces(region, [entry, *(begin + e for e in others.tolist())])
    return hyperplane, rows


def _refuted(factors: np.ndarray, hyperplane: Row, rows: list[Row]) -> NoFacet | None:
    """Multipliers in doubles as a proof that there is no facet, if they are one: checked in integers."""
    largest = float(np.abs(factors).max())
    if not (2.0**-900 < largest < math.inf and np.isfinite(factors).all()):
        return None
    scale = 2.0 ** (40 - math.frexp(largest)[1])
    *whole, factor = (round(v * scale) for v in factors.tolist())
    proof = NoFacet(factor, {r: m for r, m in enumerate(whole) if m > 0})
    return proof if _no_facet(proof, hyperplane, rows) else None


def _no_facet(proof: NoFacet, hyperplane: Row, rows: list[Row]) -> bool:
    total = [proof.factor * v for v in hyperplane]
    for r, m in proof.multipliers.items():
        total = [v + m * w for v, w in zip(total, rows[r], strict=True)]
    some = bool(proof.multipliers) or proof.factor != 0
    return some and total[-1] + reach(total) <= 0


def _exactly(hyperplane: Row, rows: list[Row], k: int) -> NoFacet | tuple[Fraction, ...]:
    """A point of the hyperplane strictly inside all rows and the box, or the proof that there is none, in rationals."""
    wide = [(*row[:-1], -(reach(row) + abs(row[-1])), row[-1]) for row in rows]
    walls = [(*(sign * (i == j) for i in range(k)), -1, 1) for j in range(k) for sign in (-1, 1)]
    both = [(*hyperplane[:-1], 0, hyperplane[-1]), (*(-v for v in hyperplane[:-1]), 0, -hyperplane[-1])]
    program = [*both, *wide, *walls]
    found = minimise_lazily([*[0] * k, -1, 0], program, [Fraction(-1)] * k + [Fraction(0)], [Fraction(1)] * (k + 1), (0, 1))
    if isinstance(found, ExactMinimum) and found.value < 0:
        return found.point[:-1]
    y = found.multipliers
    lam = y.get(0, Fraction(0)) - y.get(1, Fraction(0))
    pairs = {r - 2: m for r, m in y.items() if 2 <= r < 2 + len(rows) and m}
    scale = math.lcm(lam.denominator, *(m.denominator for m in pairs.values()))
    proof = NoFacet(int(lam * scale), {r: int(m * scale) for r, m in pairs.items()})
    if not _no_facet(proof, hyperplane, rows):
        raise AssertionError("the exact program's multipliers do not prove what they must")
    return proof
