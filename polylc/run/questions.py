"""The journal of a question: its answer, or the open cells of the search."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from polylc.readers.question import Question
from polylc.report.verification import QueryReport, VerifyReport
from polylc.run.entries import ANSWER, Entries, Entry
from polylc.run.journal import Journal, Reading
from polylc.run.verification import Verdict
from polylc.search.prove import Answer


@contextmanager
def question_kept(folder: Path, question: Question, proof: bool, timeout: float | None) -> Iterator[Entries]:
    """The journal of a question, open while it is answered.

    Raises
    ------
    UsageError
        If the folder is of another run, or another process is at work on it.
    """
    digest = hashlib.sha256(f"{question.sha256} {question.formula!r}".encode())
    words = {
        "command": "verify",
        "model": f"{Path(question.network.source).name}, weights {question.network.weights_sha256[:16]}",
        "query": f"{Path(question.source).name}, {digest.hexdigest()[:16]}",
        "semantics": question.semantics,
        "proof": str(proof),
    }
    with Journal(folder, None, words, {"timeout": timeout}, 1) as journal:
        yield Entries(journal, (timeout,))


def take(kept: Entries, verdict: Verdict, stop: Callable[[], bool] | None = None) -> None:
    """Keep what is said of a question; its search is kept as well, since a proof is written of it."""
    late = verdict.result is Answer.TIMED_OUT
    kept.put(0, verdict.report().model_dump_json(), not late or stop is None or not stop(), not late, forget=False)


def report_of(journal: Reading) -> VerifyReport:
    """The answer, if it is there."""
    entry = journal.get(f"0/{ANSWER}")
    return VerifyReport(results=[QueryReport.model_validate_json(entry.found)] if isinstance(entry, Entry) else [])
