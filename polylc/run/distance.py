"""How far the nearest adversarial point is in linf, l2 or l1, by searches in balls that shrink.

A point at which another class is at least as high as the label bounds the distance from above: descent in doubles
finds one, and an exact program over its region, and over those next to it, brings it near. When none is in the open
ball whose radius is the distance of the nearest one known, that is the distance; where this takes too long, smaller
balls without one bound it from below. The radius of the neighbourhood is only a cap. In l2 all distances here are
squares of distances.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from polylc.bounds.tables import tables
from polylc.domains.ball import ball
from polylc.domains.box import Neighbourhood
from polylc.domains.question import And, Formula, Or, row
from polylc.domains.within import Within, as_norm, measure, scaled
from polylc.errors import LimitReached, UsageError
from polylc.exact.checkpoint import checkpoint, until
from polylc.exact.numbers import to_floats
from polylc.measures.margin.distance import Distance
from polylc.measures.margin.programs import fixed_gap, nearest
from polylc.network.exact import ExactNetwork
from polylc.network.exact_forms import ExactForms, Row
from polylc.network.form import Network, pattern_at
from polylc.readers.question import Question
from polylc.run.ball_distance import nearest_of_region, question_within
from polylc.run.verification import Verdict, answer
from polylc.search.nearest import Around, near_points
from polylc.search.prove import Answer
from polylc.search.refute import Watch
from polylc.search.saved import Saved

Point = tuple[Fraction, ...]
SHARE = 0.6  # of the time for the open ball that decides; then smaller ones are searched
SMALLER = (Fraction(1, 2), Fraction(3, 4), Fraction(7, 8), Fraction(15, 16), Fraction(31, 32))
MOVES = 6  # regions, one next to the other, in which the nearest point is looked for
TAKEN, OUTWARD = 4, 1 + 1e-7  # points that descent leads to and that are looked at exactly, moved outward
STEP = 1e-9  # beyond a point, relative to its distance from the centre, lies the region that is looked at next


class _Search:
    """The nearest adversarial point known, and the largest ball known to be without."""

    def __init__(self, network: Network, domain: Neighbourhood, found: Distance, proof: Path | None, watch: Watch | None, jobs: int) -> None:
        assert domain.center is not None
        self.norm, self.cap = found.norm, scaled(found.norm, Fraction(1), found.cap)
        self.network, self.domain, self.center, self.found = network, domain, domain.center, found
        self.proof, self.watch, self.jobs = proof, watch, jobs
        self.most: int | None = None
        self.saved: Saved | None = None
        self.executor: Executor | None = None
        self.rivals = [j for j in range(network.outputs) if j != found.label and found.target in (None, j)]
        self.exact = ExactNetwork(network)

    def question(self, radius: Fraction, strict: bool) -> Question:
        """Whether an adversarial point is within a radius, or nearer than it."""
        n, label = self.network.inputs, self.found.label
        if self.norm != "linf":
            return question_within(self.network, self.domain, Within(self.norm, self.center, radius, strict), label, self.rivals)
        rows: list[Formula] = []
        for q, (low, high, c) in enumerate(zip(self.domain.lower, self.domain.upper, self.center, strict=True)):
            a, b = c - radius, c + radius
            rows.append(row({q: Fraction(1)}, -max(a, low), strict and a >= low))
            rows.append(row({q: Fraction(-1)}, min(b, high), strict and b <= high))
        rows.append(Or(tuple(row({n + j: Fraction(1), n + label: Fraction(-1)}, Fraction(0)) for j in self.rivals)))
        source = f"an adversarial point {'nearer than' if strict else 'within'} {float(radius):.17g}"
        return Question(self.network, And(tuple(rows)), tuple(f"x{q}" for q in range(n)), source=source)

    def ask(self, radius: Fraction, strict: bool, seconds: float | None, stop: Callable[[], bool] | None) -> Answer:
        """Search one ball; what is found is kept."""
        below = None if self.saved is None else self.saved.below(f"{'below' if strict else 'within'} {radius}")
        verdict: Verdict = answer(
            self.question(radius, strict),
            timeout=seconds,
            stop=stop,
            watch=self.watch,
            proof=self.proof,
            jobs=self.jobs,
            starts=0,
            most=self.most,
            saved=below,
            executor=self.executor,
        )
        for key, value in verdict.statistics.items():
            self.found.statistics[key] = self.found.statistics.get(key, 0) + value
        if verdict.result is Answer.UNSAT:
            self.found.lower, self.found.proved, self.found.proof = radius, radius, verdict.proof
        if verdict.assignment is not None:
            self.take(verdict.assignment.x)
            self.improve()
        return verdict.result

    def take(self, point: Point) -> bool:
        """Keep an adversarial point if it is nearer than the one known, and not farther than the cap."""
        values = self.exact.outputs(point)
        rival = max(self.rivals, key=lambda j: values[j])
        assert values[rival] >= values[self.found.label], "a point that is not adversarial"
        distance = measure(self.norm, point, self.center)
        if distance > self.cap or (self.found.upper is not None and distance >= self.found.upper):
            return False
        self.found.upper, self.found.point, self.found.rival = distance, point, rival
        return True

    def descend(self) -> None:
        """Points that descent in doubles leads to, moved a little outward, and what is nearest about them."""
        center, domain = to_floats(self.center), self.domain
        around = Around(center, to_floats(domain.lower), to_floats(domain.upper), self.norm)
        rng = np.random.default_rng(0)
        for distance, rival, x in near_points(self.network, tables(self.network), self.found.label, self.rivals, around, float(self.found.cap), rng)[
            :TAKEN
        ]:
            beyond = (Fraction(v) for v in (center + OUTWARD * (x - center)).tolist())
            point = tuple(min(max(v, a), b) for v, a, b in zip(beyond, domain.lower, domain.upper, strict=True))
            values = self.exact.outputs(point)
            if values[rival] >= values[self.found.label]:
                self.take(point)
            checkpoint()
            reach = min(self.cap, scaled(self.norm, Fraction(1), Fraction(OUTWARD * distance)))
            if sum(self._take_nearest(bits, rival, reach) for bits in self._patterns(x, center)):
                break
        if self.found.upper is not None:
            self.improve()

    def _patterns(self, x: np.ndarray, center: np.ndarray) -> list[np.ndarray]:
        """Of a point, and beyond it."""
        return list({b.tobytes(): b for b in pattern_at(self.network, np.stack([x, x + STEP * (x - center)]))}.values())

    def _take_nearest(self, bits: np.ndarray, rival: int, distance: Fraction) -> bool:
        point = self._nearest(bits, rival, distance)
        return point is not None and self.take(point)

    def improve(self) -> None:
        """The nearest point of the region, and of the regions next to it, as long as they are nearer."""
        for _ in range(MOVES):
            point, distance, rival = self.found.point, self.found.upper, self.found.rival
            assert point is not None
            assert distance is not None
            assert rival is not None
            if distance <= least_distance(self.domain, self.norm) or not distance:
                return
            checkpoint()
            if not sum(self._take_nearest(bits, rival, distance) for bits in self._patterns(to_floats(point), to_floats(self.center))):
                return

    def _nearest(self, bits: np.ndarray, rival: int, distance: Fraction) -> Point | None:
        """The nearest adversarial point of one region that is no farther than another, if it has one."""
        if self.norm != "linf":
            return nearest_of_region(self.network, self.domain, bits, self.found.label, rival, self.norm, distance)
        inner = ball(self.center, distance, (self.domain.lower, self.domain.upper))
        forms = ExactForms(self.network, inner.exact_embedding)
        path: list[Row] = []
        for bit, form in zip(bits.tolist(), forms.hidden(bits), strict=True):
            if abs(form[-1]) <= sum(map(abs, form[:-1])):
                path.append(form if bit else tuple(-v for v in form))
            elif (form[-1] > 0) != bit:
                return None
        outputs = forms.output(bits)
        margin = tuple(a - b for a, b in zip(outputs[self.found.label], outputs[rival], strict=True))
        found = nearest(inner, path, margin, forms.scale, rival)
        return None if found is None else inner.lifted(found.point)


def nearest_adversarial(
    network: Network,
    domain: Neighbourhood,
    label: int | None,
    *,
    target: int | None = None,
    norm: str = "linf",
    timeout: float | None = None,
    stop: Callable[[], bool] | None = None,
    watch: Watch | None = None,
    proof: Path | None = None,
    jobs: int = 1,
    most: int | None = None,
    saved: Saved | None = None,
    executor: Executor | None = None,
) -> Distance:
    """The distance from the centre of a ball to its nearest point where the label is not the only highest class.

    Parameters
    ----------
    network : Network
    domain : Neighbourhood
        A ball, clipped or not; its radius is the cap.
    label : int or None
        By default the class at the centre.
    target : int, optional
        Only points where this class is at least as high count.
    norm : str
        "linf", "l2" or "l1". The radius of the ball is the cap in each of them.
    timeout : float, optional
        Seconds after which what is known is returned.
    proof : Path, optional
        File for the proof of the lower bound.
    most : int, optional
        Cells after which the search of a ball is given up.
    saved : Saved, optional
        What was found before of each ball; what is found now is added.
    executor : Executor, optional
        Takes the place of processes.

    Raises
    ------
    UsageError
        If the network has one output, there is no such class, or the neighbourhood has no centre.
    """
    begin = time.monotonic()
    if domain.center is None or domain.radius is None:
        raise UsageError("distance: a box has no centre to be far from; give points and a radius")
    exact = ExactNetwork(network)
    values = exact.outputs(domain.center)
    label = max(range(len(values)), key=lambda j: values[j]) if label is None else label
    for name, one in (("label", label), ("target", target)):
        if network.outputs < 2 or (one is not None and not 0 <= one < network.outputs):
            raise UsageError(f"distance: {name} {one} needs a network with more outputs than {max(one or 0, 1)}, this one has {network.outputs}")
    as_norm(norm)
    if norm != "linf" and not set(domain.radius) <= {Fraction(0), max(domain.radius)}:
        raise UsageError(f"distance: radii that differ go with linf only; in {norm} give one, or 0 for inputs that are fixed")
    if target == label:
        raise UsageError(f"distance: the target is the label itself, {label}; give another class")
    cap = max(domain.radius)
    found = Distance(label, target, cap, lower=least_distance(domain, norm), norm=norm)
    search = _Search(network, domain, found, proof, watch, jobs)
    search.most, search.saved, search.executor = most, saved, executor
    if domain.contains(domain.center) and any(values[j] >= values[label] for j in search.rivals):
        search.take(domain.center)
    else:
        _close(search, begin, timeout, stop)
    return replace(found, seconds=time.monotonic() - begin)


def least_distance(domain: Neighbourhood, norm: str) -> Fraction:
    """No point of the neighbourhood is nearer to its centre."""
    if norm == "linf":
        return fixed_gap(domain)
    assert domain.center is not None
    return measure(norm, [min(max(c, a), b) for c, a, b in zip(domain.center, domain.lower, domain.upper, strict=True)], domain.center)


def _close(search: _Search, begin: float, timeout: float | None, stop: Callable[[], bool] | None) -> None:
    """Search balls until the distance is known, or the time is over."""
    found = search.found

    def left(share: float = 1.0) -> float | None:
        return None if timeout is None else max(0.0, begin + timeout - time.monotonic()) * share

    with until(None if timeout is None else begin + timeout, stop), suppress(LimitReached):
        search.descend()
    result = Answer.SAT
    while result is Answer.SAT and not found.exact:
        radius, nearer_than = (search.cap, False) if found.upper is None else (found.upper, True)
        result = search.ask(radius, nearer_than, left(SHARE), stop)
    for share in SMALLER:
        if result is Answer.UNKNOWN or found.exact or found.robust or (stop is not None and stop()):
            return
        radius = scaled(search.norm, search.cap if found.upper is None else found.upper, share)
        if radius > found.lower and search.ask(radius, False, left(0.5), stop) is Answer.TIMED_OUT:
            return
