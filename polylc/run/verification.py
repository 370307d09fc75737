"""A question to its verdict: the roots one after the other, within the time there is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polylc._version import __version__
from polylc.domains.alternatives import Root, roots
from polylc.errors import CertificateError
from polylc.exact.checkpoint import until
from polylc.network.exact import ExactNetwork
from polylc.proof.refutation import plain_names, query_line, root_lines, write_refutation
from polylc.proof.tree import Node
from polylc.readers.question import Question
from polylc.report.assignment import assignment_text
from polylc.report.files import written_beside
from polylc.run.unbounded import within_reach
from polylc.search.crew import ProcessCrew
from polylc.search.prove import STARTS, Answer, search_root
from polylc.search.refute import Watch
from polylc.search.saved import Saved

if TYPE_CHECKING:
    from polylc.report.verification import QueryReport


@dataclass(frozen=True)
class Assignment:
    """An input for which the formula holds, and its outputs, exactly.

    Attributes
    ----------
    x, y : tuple of Fraction
        Inputs and outputs of the question's network.
    """

    x: tuple[Fraction, ...]
    y: tuple[Fraction, ...]


@dataclass(frozen=True, repr=False)
class Verdict:
    """The answer to a question.

    Attributes
    ----------
    result : Answer
        sat, unsat, unknown or timed-out.
    question : Question
    assignment : Assignment or None
        Where the result is sat.
    proof : str or None
        The proof file, where one was asked for and the result is unsat.
    seconds : float
    statistics : dict
    note : str
        Why the result is unknown; of verdicts in floats, what is not proved, and what a runtime computes.
    """

    result: Answer
    question: Question
    assignment: Assignment | None = None
    proof: str | None = None
    seconds: float = 0.0
    statistics: dict[str, float] = field(default_factory=dict)
    note: str = ""

    def __str__(self) -> str:
        if self.assignment is None:
            return self.result.value
        return f"{self.result.value}\n{assignment_text(self.question, self.assignment.x, self.assignment.y)}"

    def __repr__(self) -> str:
        proof = f", proof={self.proof!r}" if self.proof else ""
        return f"Verdict({self.result.value!r}, query={self.question.source!r}{proof}, seconds={self.seconds:.2f})"

    def _repr_html_(self) -> str:
        from polylc.report.html.page import cell_of
        from polylc.report.html.verify import verify_page
        from polylc.report.verification import VerifyReport

        return cell_of(verify_page(VerifyReport(results=[self.report()])), ("detail",))

    def write_report(self, path: str | Path) -> None:
        """Write a report to look at: one HTML file that opens from disk."""
        from polylc.report.html.page import write_page
        from polylc.report.html.verify import verify_page
        from polylc.report.verification import VerifyReport

        write_page(verify_page(VerifyReport(results=[self.report()])), Path(path))

    def report(self) -> QueryReport:
        """What goes into the JSON report."""
        from polylc.report.verification import QueryReport, models_of, variables_of

        found = self.assignment
        return QueryReport(
            query=self.question.source,
            query_sha256=self.question.sha256 or None,
            vnnlib=self.question.version or None,
            semantics=self.question.semantics,
            models=models_of(self.question),
            result=self.result.value,
            assignment=None if found is None else variables_of(self.question, found.x, found.y),
            proof=self.proof,
            seconds=self.seconds,
            statistics=self.statistics,
            note=self.note or None,
        )


def answer(
    question: Question,
    *,
    timeout: float | None = None,
    stop: Callable[[], bool] | None = None,
    watch: Callable[[dict[str, float]], None] | None = None,
    proof: Path | None = None,
    embedded: bool = True,
    jobs: int = 1,
    starts: int = STARTS,
    most: int | None = None,
    saved: Saved | None = None,
    executor: Executor | None = None,
) -> Verdict:
    """Search for an input for which the formula holds, or prove that there is none.

    Where inputs are not bounded, they are searched near zero only, and what is not found there is unknown.

    Parameters
    ----------
    question : Question
    timeout : float, optional
        Seconds.
    stop : callable, optional
        Whether the work should end; asked now and then.
    watch : callable, optional
        Receives statistics now and then.
    proof : Path, optional
        File for a proof.
    embedded : bool
        Whether the proof has the network's weights, not only their hash.
    jobs : int
    starts : int
        Points from which solutions are looked for before anything else.
    most : int, optional
        Cells of each root after which it is given up.
    saved : Saved, optional
        What was found before, which is not searched again; what is found now is added.
    executor : Executor, optional
        Takes the place of processes.

    Raises
    ------
    NeighbourhoodError
        If an input is bounded in some parts of an `or` only.
    """
    begin = time.monotonic()
    near, unbounded = within_reach(question)
    if unbounded:
        verdict = answer(near, timeout=timeout, stop=stop, watch=watch, jobs=jobs, saved=saved, executor=executor)
        if verdict.result is not Answer.UNSAT:
            return replace(verdict, question=question)
        named = f"{', '.join(unbounded[:3])}{', ...' if len(unbounded) > 3 else ''}"
        note = f"input {named} is not bounded, and there is no solution near zero; state bounds"
        return replace(verdict, question=question, result=Answer.UNKNOWN, note=note)
    network = question.network
    exact = ExactNetwork(network)
    result, point, note = Answer.UNSAT, None, ""
    statistics: dict[str, float] = {}
    found = roots(question.formula, network.inputs, question.names, question.within)
    trees: list[Node] = []
    with (
        ProcessCrew(jobs, executor) if jobs > 1 or executor is not None else nullcontext() as crew,
        until(None if timeout is None else begin + timeout, stop),
    ):
        for number, root in enumerate(found):
            below = None if saved is None else saved.below(f"root {number}")
            outcome = search_root(network, root, proof is not None, _of(watch, number, len(found)), crew, starts, most, below)
            for key, value in outcome.statistics.items():
                statistics[key] = statistics.get(key, 0) + value
            if outcome.tree is not None:
                trees.append(outcome.tree)
            if outcome.answer is not Answer.UNSAT:
                result, point, note = outcome.answer, outcome.point, outcome.note
                break
    statistics.pop("share", None)
    if proof is not None and result is Answer.UNSAT:
        statistics["proof_bytes"] = _write(proof, question, found, trees, embedded)
    assignment = None
    if result is Answer.SAT and point is not None:
        assignment = Assignment(point, tuple(exact.outputs(point)))
        assert question.holds(assignment.x, assignment.y), "a point that does not satisfy the query"
    written = str(proof) if proof is not None and result is Answer.UNSAT else None
    return Verdict(result, question, assignment, written, time.monotonic() - begin, statistics, note)


def _of(watch: Watch | None, number: int, many: int) -> Watch | None:
    """A watch that sees the share of all roots."""
    if watch is None:
        return None
    return lambda counts: watch({**counts, "share": (number + counts.get("share", 0.0)) / many})


def _write(path: Path, question: Question, found: list[Root], trees: list[Node], embedded: bool) -> int:
    """The proof that the formula holds nowhere; its size in bytes."""
    names = [*question.names, *(f"y{k}" for k in range(question.network.outputs))]
    for place in question.places:
        for name, column in zip(place.variable.entries(), place.columns, strict=True):
            if column >= question.network.inputs:
                names[column] = name

    def lines() -> Iterator[Any]:
        said = plain_names(names, question.network.inputs)
        yield query_line(0, question.source, question.sha256, said, question.formula, len(found), question.within)
        for root, tree in zip(found, trees, strict=True):
            yield from root_lines(root, tree)

    try:
        with written_beside(path) as beside:
            return write_refutation(beside, question.network, lines(), f"polylc {__version__}", embedded)
    except OSError as error:
        raise CertificateError(f"{path}: the proof cannot be written: {error.strerror}") from None
