"""How far the nearest adversarial point is in l1 or l2, by searches in balls that shrink; as `distance` in linf.

In l2 distances are given by their squares, which are rational: the nearest point of a region solves a program whose
optimum is rational.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np

from polylc.domains.box import Neighbourhood
from polylc.domains.question import And, Formula, Or, row
from polylc.domains.within import Within, measure, scaled
from polylc.exact.simplex import Infeasible
from polylc.geometry.nearest_point import Frame
from polylc.network.exact import ExactNetwork
from polylc.network.exact_forms import ExactForms
from polylc.network.form import Network, pattern_at
from polylc.readers.question import Question
from polylc.report.distance import Distance
from polylc.run.verification import Verdict, answer
from polylc.search.nearby import crossings
from polylc.search.prove import Answer
from polylc.search.refute import Watch

Point = tuple[Fraction, ...]
NEARER = (Fraction(1, 2), Fraction(9, 10))  # of the distance of the point known: balls that are searched before its own
MOVES = 8  # regions, one next to the other, in which the nearest point is looked for
STEP = 1e-9  # beyond a point, relative to its distance from the centre, lies the region that is looked at next
TRIED = 3  # points of the attack from which regions are looked at


class BallSearch:
    """The nearest adversarial point known, and the largest ball known to be without."""

    def __init__(
        self, network: Network, domain: Neighbourhood, found: Distance, proof: Path | None, watch: Watch | None, jobs: int, exact: ExactNetwork
    ) -> None:
        assert domain.center is not None
        self.network, self.domain, self.center, self.found = network, domain, domain.center, found
        self.proof, self.watch, self.jobs, self.exact = proof, watch, jobs, exact
        self.rivals = [j for j in range(network.outputs) if j != found.label and found.target in (None, j)]
        self.cap = scaled(found.norm, Fraction(1), found.cap)
        found.lower = measure(found.norm, [min(max(c, a), b) for c, a, b in zip(self.center, domain.lower, domain.upper, strict=True)], self.center)

    def question(self, bound: Fraction, strict: bool) -> Question:
        """Whether an adversarial point is within a distance, or nearer."""
        n, label = self.network.inputs, self.found.label
        parts: list[Formula] = []
        for q, (low, high, c) in enumerate(zip(self.domain.lower, self.domain.upper, self.center, strict=True)):
            if low > c - self.found.cap:
                parts.append(row({q: Fraction(1)}, -low))
            if high < c + self.found.cap:
                parts.append(row({q: Fraction(-1)}, high))
        parts.append(Or(tuple(row({n + j: Fraction(1), n + label: Fraction(-1)}, Fraction(0)) for j in self.rivals)))
        within = Within(self.found.norm, self.center, bound, strict)
        source = f"an adversarial point {'nearer than' if strict else 'within'} {within.radius:.17g} in {self.found.norm}"
        return Question(self.network, And(tuple(parts)), tuple(f"x{q}" for q in range(n)), source=source, within=within)

    def ask(self, bound: Fraction, strict: bool, seconds: float | None, stop: Callable[[], bool] | None) -> Answer:
        """Search one ball; what is found is kept."""
        verdict: Verdict = answer(self.question(bound, strict), timeout=seconds, stop=stop, watch=self.watch, proof=self.proof, jobs=self.jobs)
        for key, value in verdict.statistics.items():
            self.found.statistics[key] = self.found.statistics.get(key, 0) + value
        if verdict.result is Answer.UNSAT:
            self.found.lower, self.found.proved, self.found.proof = bound, bound, verdict.proof
        if verdict.assignment is not None:
            self.take(verdict.assignment.x)
            self.improve(verdict.assignment.x)
        return verdict.result

    def take(self, point: Point) -> bool:
        """Keep a point if it is adversarial and nearer than the one known."""
        far = measure(self.found.norm, point, self.center)
        if far > self.cap or (self.found.upper is not None and far >= self.found.upper) or not self.domain.contains(point):
            return False
        values = self.exact.outputs(point)
        rival = max(self.rivals, key=lambda j: values[j])
        if values[rival] < values[self.found.label]:
            return False
        self.found.upper, self.found.point, self.found.rival = far, point, rival
        return True

    def attack(self) -> None:
        """Points to which gradients lead, and the nearest ones of their regions."""
        low, high = (np.array([float(v) for v in ends]) for ends in (self.domain.lower, self.domain.upper))
        center = np.array([float(v) for v in self.center])
        for point in crossings(self.network, self.found.norm, center, low, high, self.found.label, self.rivals)[:TRIED]:
            exact = tuple(min(max(Fraction(v), a), b) for v, a, b in zip(point.tolist(), self.domain.lower, self.domain.upper, strict=True))
            self.take(exact)
            self.improve(exact)

    def improve(self, start: Point) -> None:
        """The nearest point of the region, and of the regions next to it, as long as they are nearer than what is
        known.
        """
        point, label = start, self.found.label
        for _ in range(MOVES):
            values = self.exact.outputs(point)
            rival = max(self.rivals, key=lambda j: values[j])
            x, c = np.array([float(v) for v in point]), np.array([float(v) for v in self.center])
            both = pattern_at(self.network, np.stack([x, x + STEP * (x - c)]))
            moved = [self._nearest(bits, rival, label) for bits in {b.tobytes(): b for b in both}.values()]
            nearer = [p for p in moved if p is not None and self.take(p)]
            if not nearer:
                return
            point = nearer[-1]

    def _nearest(self, bits: np.ndarray, rival: int, label: int) -> Point | None:
        """The nearest point of one region where a rival is as high as the label, if it is nearer than what is known."""
        norm, most = self.found.norm, self.cap if self.found.upper is None else self.found.upper
        frame = Frame(self.center, self.domain.lower, self.domain.upper)
        forms = ExactForms(self.network, frame.lower, frame.upper)
        rows = []
        for bit, form in zip(bits.tolist(), forms.hidden(bits), strict=True):
            reach = sum(a * a for a in form[:-1]) if norm == "l2" else max(map(abs, form[:-1]), default=0)
            if (form[-1] ** 2 if norm == "l2" else abs(form[-1])) <= reach * most:
                rows.append(form if bit else tuple(-v for v in form))
            elif (form[-1] > 0) != bit:
                return None
        outputs = forms.output(bits)
        rows.append(tuple(a - b for a, b in zip(outputs[rival], outputs[label], strict=True)))
        found = frame.nearest(norm, rows)
        return None if isinstance(found, Infeasible) else found.point


def close(search: BallSearch, begin: float, timeout: float | None, stop: Callable[[], bool] | None) -> None:
    """Search balls until the distance is known, or the time is over."""
    found, norm = search.found, search.found.norm

    def left(share: float = 1.0) -> float | None:
        return None if timeout is None else max(0.0, begin + timeout - time.monotonic()) * share

    search.attack()
    bound, result = search.cap, Answer.UNSAT
    while found.upper is None:  # the cap, or, if that takes too long, smaller balls for a lower bound
        result = search.ask(bound, False, left(0.5), stop)
        tiny = bound < scaled(norm, search.cap, Fraction(1, 64))
        if result is Answer.UNSAT or result is Answer.UNKNOWN or (stop is not None and stop()) or tiny:
            return
        bound = scaled(norm, bound, Fraction(1, 2))
    for share in NEARER:
        while (bound := scaled(norm, found.upper, share)) > found.lower:
            result = search.ask(bound, False, left(0.5), stop)
            if result is not Answer.SAT:
                break
        if result is not Answer.UNSAT:
            break
    while found.lower < found.upper:
        result = search.ask(found.upper, True, left(), stop)
        if result is not Answer.SAT:
            return
