"""A question about what floating point evaluates to its verdict.

What is evaluated is near the network over the rationals (`bounds/rounding.py`). So the formula, weakened by that bound,
is searched over the rationals: where it holds nowhere, no evaluation satisfies the query. Where the bound is too coarse
boxes are cut. A solution is a point of the format at which every evaluation satisfies the query.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from fractions import Fraction
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from polylc.bounds.rounding import Enclosure, evaluated
from polylc.domains.alternatives import outward, roots
from polylc.domains.question import And, Formula, Or, Row, simplified
from polylc.domains.representable import between, nearest, representable, surely, weakened
from polylc.errors import LimitReached, RoundingError
from polylc.exact.checkpoint import checkpoint, until
from polylc.network.exact import ExactNetwork
from polylc.network.weights import entries
from polylc.readers.question import Question
from polylc.readers.vnnlib.query import REAL
from polylc.run import verification
from polylc.run.unbounded import within_reach
from polylc.run.verification import Assignment, Verdict
from polylc.search.crew import Crew, ProcessCrew
from polylc.search.prove import STARTS, Answer, search_root
from polylc.search.refute import Watch
from polylc.search.saved import Saved

Point = tuple[Fraction, ...]
FEW = 16  # inputs up to which boxes are cut
NEAR = 8  # a bound on a box that is so many times that at a point is not made smaller by cutting
DEEP = 80
TIGHTER = (2, 16, 128)  # margins, in bounds at a point, by which solutions are looked for


@dataclass
class _Boxes:
    """The roots of a question, and what is known of them.

    Attributes
    ----------
    proved : list of Formula
        Weakened formulas that hold nowhere; every input that may satisfy the query is in the box of one.
    largest : float
        The largest bound that they were weakened by.
    statistics : dict
    """

    question: Question
    formula: Formula
    crew: Crew | None
    watch: Watch | None
    saved: Saved | None = None
    proved: list[Formula] = field(default_factory=list)
    largest: float = 0.0
    searches: int = 0
    statistics: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.network = self.question.network
        self.exact = ExactNetwork(self.network)
        self.tapes = [(one.tape(), list(one.inputs), list(one.outputs)) for one in self.question.evaluations]
        first = np.zeros(self.network.inputs)
        for affine in (*(layer.affine for layer in self.network.layers), self.network.output):
            for source, weight in affine.terms:
                if source == 0 and not first.any():
                    sizes = np.abs(weight) if isinstance(weight, np.ndarray) else abs(weight)
                    first = np.asarray(sizes.sum(axis=0)).ravel() if entries(weight).size else first
        self.influence = np.maximum(first, 1e-9)

    # ---- bounds --------------------------------------------------------------------------------------------------
    def enclosure(self, lower: Sequence[Fraction], upper: Sequence[Fraction]) -> Enclosure:
        """What is evaluated for the inputs of a box, all outputs of the question's network."""
        low, high = outward(lower, upper)
        many = self.network.outputs
        ends = np.full(many, -np.inf), np.full(many, np.inf)
        own, shared = np.zeros(many), []
        for tape, inputs, outputs in self.tapes:
            one = evaluated(tape, self.question.semantics, low[inputs], high[inputs])
            ends[0][outputs], ends[1][outputs] = np.maximum(ends[0][outputs], one.low), np.minimum(ends[1][outputs], one.high)
            own[outputs] = one.own
            part = np.zeros((many, one.shared.shape[1]))
            part[outputs] = one.shared
            shared.append(part)
        return Enclosure(*ends, own, np.concatenate(shared, axis=1))

    def slack(self, at: Enclosure, margin: int = 1) -> Callable[[Row], Fraction]:
        """By how much rows may be different where this is evaluated."""
        n = self.network.inputs

        def of(row: Row) -> Fraction:
            weights = np.zeros(self.network.outputs)
            size = max(abs(c) for v, c in row.terms if v >= n)
            for v, c in row.terms:
                if v >= n:
                    weights[v - n] = float(c / size)
            bound = at.of(weights) * (1 + 2.0**-30)  # coefficients are rounded to doubles
            return margin * size * Fraction(bound)

        return of

    def satisfies(self, point: Point) -> tuple[bool, Enclosure]:
        """Whether every evaluation at a point of the format satisfies the query; and its errors, at most."""
        at = self.enclosure(point, point)
        exact = self.exact.outputs(point)
        error = list(map(Fraction, at.error.tolist()))
        low = [max(Fraction(a), y - e) for a, y, e in zip(at.low.tolist(), exact, error, strict=True)]
        high = [min(Fraction(b), y + e) for b, y, e in zip(at.high.tolist(), exact, error, strict=True)]
        return surely(self.question.formula, (*point, *low), (*point, *high)), at

    def rounded(self, point: Point, lower: Sequence[Fraction], upper: Sequence[Fraction]) -> Point:
        """The point of the format nearest to a point of a box."""
        element = self.question.semantics
        return tuple(nearest(x, a, b, element) for x, a, b in zip(point, lower, upper, strict=True))

    # ---- search --------------------------------------------------------------------------------------------------
    def search(self, formula: Formula, starts: int = STARTS) -> tuple[Point, Point, Point] | None:
        """A point at which a formula holds over the rationals, with its root's box, if there is one."""
        for root in roots(formula, self.network.inputs, self.question.names):
            self.searches += 1
            below = None if self.saved is None else self.saved.below(f"search {self.searches}")
            outcome = search_root(self.network, root, False, self.watch, self.crew, starts, saved=below)
            for key, value in outcome.statistics.items():
                self.statistics[key] = self.statistics.get(key, 0) + value
            if outcome.answer is Answer.TIMED_OUT:
                raise LimitReached("the time is over")
            if outcome.answer is Answer.UNKNOWN:
                raise RoundingError(outcome.note or "the search ended without an answer")
            if outcome.point is not None:
                return outcome.point, root.lower, root.upper
            assert outcome.answer is Answer.UNSAT
        return None

    def solution(self) -> Point | None:
        """A point of the format that satisfies the query by a margin, if one is found."""
        for root in roots(self.formula, self.network.inputs, self.question.names):
            inside = And((between(root.lower, root.upper), Or(tuple(And((*a.rows, *a.pending)) for a in root.alternatives))))
            middle = self.rounded(tuple((a + b) / 2 for a, b in zip(root.lower, root.upper, strict=True)), root.lower, root.upper)
            holds, at = self.satisfies(middle)
            if holds:
                return middle
            for margin in TIGHTER:
                found = self.search(simplified(weakened(inside, self.network.inputs, self.slack(at, -margin))))
                if found is None:
                    break
                near = self.rounded(*found)
                holds, at = self.satisfies(near)
                if holds:
                    return near
        return None

    def refute(self) -> str:
        """Prove that nothing satisfies the query; else say why that is not possible."""
        todo = [
            (root.lower, root.upper, Or(tuple(And((*a.rows, *a.pending)) for a in root.alternatives)), 0)
            for root in roots(self.formula, self.network.inputs, self.question.names)
        ]
        todo.reverse()
        while todo:
            checkpoint()
            lower, upper, inside, depth = todo.pop()
            at, reason = self._bounded(lower, upper)
            point: Point | None = tuple((a + b) / 2 for a, b in zip(lower, upper, strict=True))
            if at is not None:
                self.statistics["boxes"] = self.statistics.get("boxes", 0) + 1
                weak = simplified(weakened(And((between(lower, upper), inside)), self.network.inputs, self.slack(at)))
                assert point is not None
                if not weak.holds((*point, *self.exact.outputs(point))):
                    found = self.search(weak, 0)
                    point = None if found is None else found[0]
                if point is None:
                    self.proved.append(weak)
                    self.largest = max(self.largest, float(at.error.max()))
                    continue
            assert point is not None
            cut = self._cut(lower, upper, depth)
            if cut is not None and at is not None:
                here = self.enclosure(near := self.rounded(point, lower, upper), near).error
                cut = cut if (at.error > NEAR * here).any() else None
            if cut is None:
                element = self.question.semantics
                return reason or f"the query is as good as satisfied: no {element} point is proved to satisfy it, and rounding may"
            k, middle = cut
            todo.append(((*lower[:k], middle, *lower[k + 1 :]), upper, inside, depth + 1))
            todo.append((lower, (*upper[:k], middle, *upper[k + 1 :]), inside, depth + 1))
        return ""

    def _bounded(self, lower: Sequence[Fraction], upper: Sequence[Fraction]) -> tuple[Enclosure | None, str]:
        """What is evaluated on a box; or why nothing is known of it, where that may be otherwise in a smaller one."""
        try:
            return self.enclosure(lower, upper), ""
        except RoundingError as error:
            if "overflow" not in str(error):
                raise
            return None, str(error)

    def _cut(self, lower: Sequence[Fraction], upper: Sequence[Fraction], depth: int) -> tuple[int, Fraction] | None:
        """Where to cut a box: the input that moves the first layers most, at its middle number."""
        widths = np.array([float(b - a) for a, b in zip(lower, upper, strict=True)])
        if depth >= DEEP or (widths > 0).sum() > FEW:
            return None
        for k in np.argsort(-widths * self.influence).tolist():
            middle = nearest((lower[k] + upper[k]) / 2, lower[k], upper[k], self.question.semantics)
            if lower[k] < middle < upper[k]:
                return k, middle
        return None


def answer(
    question: Question,
    *,
    timeout: float | None = None,
    stop: Callable[[], bool] | None = None,
    watch: Callable[[dict[str, float]], None] | None = None,
    proof: Path | None = None,
    embedded: bool = True,
    jobs: int = 1,
    saved: Saved | None = None,
    executor: Executor | None = None,
) -> Verdict:
    """Decide a question about what `float32` or `float64` evaluates; parameters are those of `verification.answer`.

    Returns
    -------
    Verdict
        sat: the assignment has inputs of the format, and outputs over the rationals; what is evaluated differs from
        these by rounding, and satisfies the query too. unsat: no evaluation satisfies it; the proof, if one is asked
        for, is that of the weakened query over the rationals.
    """
    begin = time.monotonic()
    near, unbounded = within_reach(question)
    formula = simplified(representable(near.formula, question.network.inputs, question.semantics))
    result, note, point, boxes = Answer.UNSAT, "", None, None
    with (
        ProcessCrew(jobs, executor) if jobs > 1 or executor is not None else nullcontext() as crew,
        until(None if timeout is None else begin + timeout, stop),
    ):
        try:
            boxes = _Boxes(near, formula, crew, watch, saved)
            point = boxes.solution()
            if point is None:
                note = boxes.refute()
                result = Answer.UNKNOWN if note else Answer.UNSAT
            else:
                result = Answer.SAT
        except LimitReached:
            result = Answer.TIMED_OUT
        except RoundingError as error:
            result, note = Answer.UNKNOWN, str(error)
    statistics = {} if boxes is None else boxes.statistics
    assignment = None
    if result is Answer.UNSAT and unbounded:
        result, note = Answer.UNKNOWN, f"input {unbounded[0]} is not bounded, and there is no solution near zero; state bounds"
    if boxes is not None and point is not None:
        assignment = Assignment(point, tuple(boxes.exact.outputs(point)))
        note = "; ".join(_computed(boxes, point))
    written = None
    if boxes is not None and result is Answer.UNSAT:
        statistics["rounding"] = boxes.largest
        if proof is not None:
            left = None if timeout is None else max(0.0, begin + timeout - time.monotonic())
            source = f"{question.source}, rows weakened by rounding bounds in {question.semantics} (rounding bounds: not checked)"
            over = replace(question, formula=Or(tuple(boxes.proved)), semantics=REAL, evaluations=(), source=source, sha256="")
            found = verification.answer(
                over, timeout=left, stop=stop, watch=watch, proof=proof, embedded=embedded, jobs=jobs, saved=saved, executor=executor
            )
            written, statistics["proof_bytes"] = found.proof, found.statistics.get("proof_bytes", 0)
            note = "the proof is about the query weakened by the rounding bounds, over the rationals; rounding bounds: not checked"
            if written is None:
                note = "no time was left for the proof"
    statistics.pop("share", None)
    return Verdict(result, question, assignment, written, time.monotonic() - begin, statistics, note)


def _computed(boxes: _Boxes, point: Point) -> Iterator[str]:
    """What onnxruntime computes at a point, where it is installed."""
    if find_spec("onnxruntime") is None:
        return
    onnxruntime: Any = import_module("onnxruntime")

    at = boxes.enclosure(point, point)
    values = np.array([float(x) for x in point])
    onnxruntime.set_default_logger_severity(4)
    for tape, inputs, outputs in boxes.tapes:
        given, first = {}, 0
        for name, shape in tape.inputs:
            given[name] = values[inputs[first : first + math.prod(shape)]].astype(boxes.question.semantics).reshape(shape)
            first += math.prod(shape)
        try:
            session = onnxruntime.InferenceSession(tape.content, providers=["CPUExecutionProvider"])
            names = [entry.name for entry in session.get_outputs()]
            found = np.concatenate([np.asarray(y, dtype=np.float64).ravel() for y in session.run(names, given)])
        except Exception as failure:  # weights in files beside the model, operators that it does not know
            yield f"onnxruntime does not run the model: {str(failure).splitlines()[0][:100]}"
            continue
        low, high = at.low[outputs[: len(found)]], at.high[outputs[: len(found)]]
        far = ", which is outside of the proved bounds: it evaluates other operators than the file has" * bool(((found < low) | (found > high)).any())
        text = ", ".join(f"{y:.9g}" for y in found[:MANY]) + ", ..." * (len(found) > MANY)
        yield f"onnxruntime computes {text}{far}"


MANY = 10
"""Outputs of a runtime that are told."""
