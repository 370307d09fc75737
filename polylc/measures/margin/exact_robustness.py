"""Robustness as a theorem: floating point proposes the nearest adversarial point and the multipliers, exact arithmetic
decides.

Given are the regions of a closed neighbourhood: closed cells of paths that cover it. An adversarial point for label y
is one with f_j >= f_y for some j != y; on one region, f_y - f_j is the form M_j.

1. The floating search (`robustness`) names a region and a rival; there the distance program is solved exactly. So some
   adversarial point is known, exactly, or none is believed to exist.
2. For every region and rival it is proved that no adversarial point is nearer than that: within the box B of the points
   of the neighbourhood that are not farther (all points, if no adversarial one is known), M_j is positive, or the
   region does not meet B, both by interval arithmetic (`margin_filter`); or multipliers of the path and of M_j exclude
   it, found by a floating program, rounded, and confirmed (`margin_programs`); or the exact program says so.
3. If instead the exact program finds a nearer point, that becomes the one to beat, and what was proved remains proved:
   B only shrinks.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from polylc.complex.complex import Complex
from polylc.domains.box import Neighbourhood, ball_of
from polylc.errors import SolverError, UsageError
from polylc.measures.margin.box import MarginBox
from polylc.measures.margin.filter import all_pairs, exact_margin, exact_path, margins, survivors
from polylc.measures.margin.float_robustness import robustness
from polylc.measures.margin.programs import Entry, combined_least, elastic, exclusion, fixed_gap, holds, holds_exactly, least_margin, nearest, rounded
from polylc.measures.margin.reuse import KnownMultipliers
from polylc.network.exact import ExactNetwork
from polylc.network.exact_forms import Row

TOGETHER = 16  # regions whose margins are taken together: a nearer point may make the rest needless


@dataclass
class Settled:
    """How many pairs of a region and a rival were settled by what.

    Attributes
    ----------
    intervals : int
        Interval arithmetic with a rigorous floating error bound.
    floats : int
        Rounded multipliers of a linear program, confirmed with a rigorous floating error bound.
    integers : int
        The same two, where the error bound left it open, in integers.
    simplex : int
        An exact linear program.
    needless : int
        Nothing was left to prove: the distance is 0 or that of the fixed coordinates alone, or there is no centre and a
        point is known.
    """

    intervals: int = 0
    floats: int = 0
    integers: int = 0
    simplex: int = 0
    needless: int = 0


@dataclass(frozen=True)
class CertifiedRobustness:
    """Answer for one label, all of it exact.

    Attributes
    ----------
    label : int
    robust : bool
        Whether the closed neighbourhood has no adversarial point.
    distance : Fraction or None
        Exact linf distance from the centre to the nearest adversarial point, over all coordinates; None if there is
        none or no centre.
    adversarial : tuple of Fraction or None
        That point (any adversarial point, for a box without a centre), all coordinates.
    entries : dict or None
        If asked for: per region the entries, "A" or "D" (see `margin_programs`), for the rivals that interval
        arithmetic does not settle.
    settled : Settled
    """

    label: int
    robust: bool
    distance: Fraction | None
    adversarial: tuple[Fraction, ...] | None
    entries: dict[int, list[Entry]] | None
    settled: Settled = field(default_factory=Settled)


def certified_robustness(complex_: Complex, label: int, keep: bool = False) -> CertifiedRobustness:
    """Whether every point of the closed neighbourhood has f_label > f_j for all j != label; if not, the nearest that
    has not.

    Parameters
    ----------
    complex_ : Complex
        Its list of regions is taken as proved to be complete.
    label : int
    keep : bool
        Keep the entries of the proof.

    Raises
    ------
    UsageError
        If the network has one output, has no such label, or the list of regions stopped at a limit.
    """
    if complex_.network.outputs < 2 or not 0 <= label < complex_.network.outputs:
        raise UsageError(f"robustness: label {label} needs a network with more outputs than {max(label, 1)}, this one has {complex_.network.outputs}")
    if not complex_.complete:
        raise UsageError(f"robustness: the list of regions is not complete ({complex_.outcome.value})")
    search = _Search(complex_, label, keep)
    search.start()
    search.prove()
    return CertifiedRobustness(label, search.point is None, search.distance, search.point, search.entries, search.settled)


class _Search:
    """The nearest adversarial point known, and the pairs that may hold a nearer one."""

    def __init__(self, complex_: Complex, label: int, keep: bool) -> None:
        self.complex, self.domain, self.label = complex_, complex_.domain, label
        self.ball = ball_of(complex_.domain)
        self.rivals = [j for j in range(complex_.network.outputs) if j != label]
        self.exact = ExactNetwork(complex_.network)
        self.settled = Settled()
        self.entries: dict[int, list[Entry]] | None = {} if keep else None
        self.distance: Fraction | None = None
        self.point: tuple[Fraction, ...] | None = None
        self.pairs = all_pairs(complex_, len(self.rivals))
        self.box = self._box()
        self.known = KnownMultipliers(complex_)
        self._rows: tuple[int, list[Row]] = (-1, [])

    def start(self) -> None:
        """An adversarial point to begin with, if the floating search names one."""
        center = self.domain.center
        if center is not None and self.domain.contains(center) and self._is_adversarial(center):
            self._take(center)
            return
        try:
            guess = robustness(self.complex, self.label, self.known)
        except SolverError:
            return
        if guess.region is not None and guess.rival is not None and self._begin(guess.region, guess.rival):
            self.pairs.open[guess.region, self.rivals.index(guess.rival)] = False
            self.settled.simplex += 1

    def _begin(self, region: int, rival: int) -> bool:
        """Solve the exact program of one pair; whether that settled it."""
        if self.ball is not None:
            return self._nearest(self.ball, region, rival)
        self._least(region, rival)
        return True

    def prove(self) -> None:
        """Settle all pairs; whatever nearer point turns up replaces the one known."""
        while self.pairs.count:
            if self._nothing_left():
                self.settled.needless += self.pairs.count
                if self.entries:
                    self.entries.clear()
                return
            left = survivors(self.complex, self.label, self.rivals, self.pairs, self.box)
            self.settled.intervals += left.floats
            self.settled.integers += left.integers
            self.pairs = left.pairs
            self._programs()

    def _nothing_left(self) -> bool:
        """Whether no adversarial point can be nearer than the one known, or any one will do."""
        if self.point is None:
            return False
        return self.ball is None or self.distance is None or self.distance <= fixed_gap(self.ball)

    def _programs(self) -> None:
        """Pairs one after the other, until all are settled or a nearer point is found."""
        for r, region in enumerate(self.pairs.region.tolist()):
            if r % TOGETHER == 0:
                forms, margin_noise = margins(self.complex.maps(self.pairs.region[r : r + TOGETHER]), self.label, self.rivals)
            rows, noise = self.complex.half_spaces(slice(region, region + 1))
            for j in np.flatnonzero(self.pairs.open[r]).tolist():
                self.pairs.open[r, j] = False
                at = r % TOGETHER, j
                if self._excluded(region, j, rows, noise, forms[at], float(margin_noise[at])):
                    continue
                before = self.point
                self._decide(region, self.rivals[j])
                if self.point != before:
                    return

    def _excluded(self, region: int, j: int, rows: np.ndarray, noise: np.ndarray, margin: np.ndarray, margin_noise: float) -> bool:
        """Whether rounded multipliers prove that rival number j has no adversarial point of the region in the box."""
        rival = self.rivals[j]

        def proved(multipliers: np.ndarray, exactly: bool) -> bool:
            for weights in rounded(multipliers):
                answer = holds(weights, rows, noise, margin, margin_noise, self.box)
                whole = [int(w) for w in weights]
                if answer or (exactly and answer is None and holds_exactly(whole, self._path(region), self._margin(region, rival), self.box)):
                    self.settled.floats += answer is not None
                    self.settled.integers += answer is None
                    self._keep(region, exclusion(rival, whole))
                    return True
            return False

        for multipliers in self.known.tried(region, rival):
            if combined_least(multipliers, rows, margin, self.box) > 0.0 and proved(multipliers, False):
                return True
        own = elastic(rows, margin, self.box)
        if own is None or not proved(own, True):
            return False
        self.known.note(region, rival, own)
        return True

    def _decide(self, region: int, rival: int) -> None:
        """In exact arithmetic: no adversarial point in the box, or the nearest one (no farther than the one known)."""
        self.settled.simplex += 1
        if self.ball is None or not self._nearest(self.ball, region, rival):
            self._least(region, rival)

    def _least(self, region: int, rival: int) -> bool:
        """Whether the region has an adversarial point in the box; it is taken if there is no centre."""
        found = least_margin(self._path(region), self._margin(region, rival), self.box)
        if isinstance(found, list):
            self._keep(region, exclusion(rival, found))
            return False
        if self.ball is None:
            self._take(self.domain.lifted(found[1]))
        return True

    def _nearest(self, ball: Neighbourhood, region: int, rival: int) -> bool:
        """Whether the region has an adversarial point at all; it is taken if it is nearer than the one known."""
        found = nearest(ball, self._path(region), self._margin(region, rival), self.complex.exact_forms.scale, rival)
        if found is None:
            return False
        if self.distance is None or found.distance < self.distance:
            self._take(self.domain.lifted(found.point))
        self._keep(region, found.entry)
        return True

    # ---- exact pieces ---------------------------------------------------------------------------------------------
    def _path(self, region: int) -> list[Row]:
        if self._rows[0] != region:
            self._rows = (region, exact_path(self.complex, region))
        return self._rows[1]

    def _margin(self, region: int, rival: int) -> Row:
        return exact_margin(self.complex, region, self.label, rival)

    def _is_adversarial(self, point: tuple[Fraction, ...]) -> bool:
        values = self.exact.outputs(point)
        return any(values[j] >= values[self.label] for j in self.rivals)

    def _take(self, point: tuple[Fraction, ...]) -> None:
        """The nearest adversarial point known is now this one."""
        if not (self.domain.contains(point) and self._is_adversarial(point)):
            raise SolverError("robustness: the list of regions contradicts the network (a region's adversarial point is none)")
        self.point = point
        if self.domain.center is not None:
            self.distance = max(abs(x - c) for x, c in zip(point, self.domain.center, strict=True))
        self.box = self._box()

    def _box(self) -> MarginBox:
        """The points of the neighbourhood that are no farther from the centre than the adversarial point known."""
        k = self.domain.dimension
        if self.ball is None or self.ball.center is None or self.distance is None:
            return MarginBox.whole(k)
        lower, upper = [Fraction(-1)] * k, [Fraction(1)] * k
        for i, q in enumerate(self.ball.free.tolist()):
            half = (self.ball.upper[q] - self.ball.lower[q]) / 2
            center = (self.ball.center[q] - self.ball.lower[q]) / half - 1
            lower[i], upper[i] = max(lower[i], center - self.distance / half), min(upper[i], center + self.distance / half)
        return MarginBox.of(lower, upper)

    def _keep(self, region: int, entry: Entry) -> None:
        if self.entries is not None:
            self.entries.setdefault(region, []).append(entry)
