"""`verify`: a query and models in, sat with a point, or unsat, out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

from polylc.api.notebook import searched
from polylc.errors import UsageError
from polylc.readers.question import Question, make_question
from polylc.readers.vnnlib.file import read_query
from polylc.readers.vnnlib.query import REAL
from polylc.run import floating
from polylc.run.questions import question_kept, take
from polylc.run.verification import Verdict, answer
from polylc.search.cores import as_jobs
from polylc.search.saved import Saved


def verify(
    query: str | Path | Question,
    networks: Mapping[str, Any] | Any = None,
    *,
    timeout: float | None = None,
    semantics: str | None = None,
    proof: str | Path | None = None,
    proof_network: str = "embedded",
    jobs: int | str = 1,
    stop: Callable[[], bool] | None = None,
    watch: Callable[[dict[str, float]], None] | None = None,
    run: str | Path | None = None,
    executor: Executor | None = None,
    progress: bool | None = None,
) -> Verdict:
    """Decide whether a query of VNN-LIB can be satisfied.

    Parameters
    ----------
    query : path or Question
        A `.vnnlib` file (1.0 or 2.0, also with .gz), or a question that is made already.
    networks : mapping, or one model
        Model files, modules or networks, by the names that the query declares; one model where it declares one network.
    timeout : float, optional
        Seconds until the result is "timed-out".
    semantics : str, optional
        "real", "float32" or "float64": the arithmetic that the verdict is about. By default what the query declares,
        "real" in VNN-LIB 1.0.
    proof : path, optional
        File for a proof, where the result is unsat.
    proof_network : str
        "embedded", or "reference": the proof has only the hash of the weights, is shorter, and is checked with a model
        beside it.
    jobs : int or "auto"
        Processes.
    stop, watch : callable, optional
        Asked whether to end; told statistics.
    run : path, optional
        Folder for a journal: the same call goes on where it ended. `polylc show` reads it.
    executor : concurrent.futures.Executor, optional
        Takes the place of processes, as for `certify`.
    progress : bool, optional
        Whether a notebook shows how far the search is; by default it does, unless `watch` is given.

    Returns
    -------
    Verdict
        `.result` is "sat", "unsat", "unknown" or "timed-out"; `.assignment` a rational point where it is sat.

    Raises
    ------
    QueryError, ModelError, NeighbourhoodError
        If the query or a model cannot be read, they do not fit, or an input is not bounded.
    """
    question, jobs = as_question(query, networks, semantics), as_jobs(jobs)
    with searched((), progress, watch) as watching, watching() as told:
        if run is None:
            return decided(question, timeout, stop, told, proof, proof_network, jobs, executor=executor)
        with question_kept(Path(run), question, proof is not None, timeout) as kept:
            verdict = decided(question, timeout, stop, told, proof, proof_network, jobs, kept.saved(0), executor)
            take(kept, verdict, stop)
        return verdict


def as_question(query: str | Path | Question, networks: Mapping[str, Any] | Any, semantics: str | None) -> Question:
    """The question of a query and its models."""
    if isinstance(query, Question):
        if networks is not None or semantics is not None:
            raise UsageError("verify: a Question has its networks and its semantics; leave them out")
        return query
    if networks is None:
        raise UsageError("verify: no network; give the model that the query is asked of")
    return make_question(read_query(query), networks, semantics)


def decided(
    question: Question,
    timeout: float | None,
    stop: Callable[[], bool] | None,
    watch: Callable[[dict[str, float]], None] | None,
    proof: str | Path | None,
    proof_network: str,
    jobs: int,
    saved: Saved | None = None,
    executor: Executor | None = None,
) -> Verdict:
    """The verdict on a question; what was saved is not searched again."""
    if proof_network not in ("embedded", "reference"):
        raise UsageError(f"proof_network: {proof_network!r} is unknown; choose embedded or reference")
    path, embedded = None if proof is None else Path(proof), proof_network == "embedded"
    decide = answer if question.semantics == REAL else floating.answer
    return decide(question, timeout=timeout, stop=stop, watch=watch, proof=path, embedded=embedded, jobs=jobs, saved=saved, executor=executor)
