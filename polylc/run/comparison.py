"""Estimates beside the truth, neighbourhood by neighbourhood."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from polylc.domains.box import as_box, norm_of
from polylc.engines.contract import Outcome
from polylc.errors import UsageError
from polylc.estimators.estimate import Estimate
from polylc.estimators.methods import Skipped, run_methods
from polylc.estimators.study import Sampling, Study
from polylc.exact.quantity import Kind, Quantity
from polylc.geometry.skeleton import MOST_DIMENSION
from polylc.measures.registry import ROWS
from polylc.network.form import Network
from polylc.report.estimates.comparison import Compared, Pairing, Truth, truths
from polylc.report.estimates.entries import Comparison
from polylc.report.record import Refusal
from polylc.run.beside import kernels_beside
from polylc.run.entries import Entries
from polylc.run.estimates import EVERY, each_task, entries_of, estimates_kept
from polylc.run.exact_draws import exact_draws
from polylc.run.journal import Reading
from polylc.run.neighbourhood import answer
from polylc.search.saved import Saved
from polylc.search.task import SEARCHED, Settings, Task

MEASURES = (*(row.name for row in ROWS if row.instead is not None), "robustness")  # what an estimator speaks of


def sampling_with_draws(draws: int, sampling: dict[str, Any]) -> Sampling:
    """Sampling settings; no draws at all, 0, leave their number as it is.

    Raises
    ------
    UsageError
        If a setting makes no sense.
    """
    if draws == 1 or draws < 0:
        raise UsageError(f"draws: {draws} is not possible; give 0 for none, or at least 2")
    return Sampling(**sampling, draws=draws or Sampling.draws)


def run_comparison(
    network: Network,
    tasks: Sequence[Task | Refusal],
    names: Sequence[str],
    settings: Settings,
    sampling: Sampling,
    draws: int,
    on_result: Callable[[Compared], None] | None = None,
    jobs: int = 1,
    executor: Executor | None = None,
    kept: Entries | None = None,
) -> Comparison:
    """Compare on every neighbourhood, in `jobs` processes; what cannot be done becomes a refusal. Ctrl-C ends the run
    with what was done.

    Comparisons that are `kept` are not made again, nor is what was saved of the enumeration of others.
    """
    begin = time.monotonic()
    place_of = {id(task): place for place, task in enumerate(tasks)}
    work = partial(compare_one, network, names=names, settings=settings, sampling=sampling, draws=draws)

    def here(task: Task) -> Compared:
        return work(task, saved=None if kept is None else kept.saved(place_of[id(task)]))

    with kernels_beside(network, tasks, settings, jobs=jobs if executor is None else max(jobs, 2)):
        entries = each_task(tasks, here, on_result, work, jobs, executor, kept, lambda one: one.result.complete)
    return Comparison(network, sampling, entries, time.monotonic() - begin, len(tasks))


@contextmanager
def comparisons_kept(
    folder: Path, network: Network, tasks: Sequence[Task | Refusal], names: Sequence[str], settings: Settings, sampling: Sampling, draws: int
) -> Iterator[Entries]:
    """The journal of comparisons, open while they are made.

    Raises
    ------
    UsageError
        If the folder is of another run, or another process is at work on it.
    """
    asked = {"methods": ",".join(names), "draws compared with": draws, "certify": settings.certify}
    limits = {"time limit": settings.time_limit, "regions": settings.max_regions}
    with estimates_kept(folder, "compare", network, tasks, asked, sampling, limits) as kept:
        yield kept


def comparison_of(journal: Reading) -> Comparison:
    """The comparisons that are there."""
    found, asked = entries_of(journal)
    seconds = sum(one.result.seconds + one.draw_seconds + sum(p.estimate.seconds for p in one.pairings) for one in found)
    return Comparison(journal.network, journal.get("sampling"), found, seconds, asked)


def compare_one(
    network: Network, task: Task, names: Sequence[str], settings: Settings, sampling: Sampling, draws: int, saved: Saved | None = None
) -> Compared:
    """The truth and the estimates for one neighbourhood; what was `saved` of its enumeration is not done again."""
    if norm_of(task.domain) != "linf" and task.domain.dimension > MOST_DIMENSION:  # volumes are not enclosed there
        settings = replace(settings, measures=tuple(m for m in settings.measures if m in SEARCHED))
    result = answer(network, task, settings, saved=saved)
    if result.outcome is Outcome.INTERRUPTED:
        raise KeyboardInterrupt
    study = Study(network, as_box(task.domain, "compare"), sampling, result.label, task.index)
    noisy: list[Estimate] = []
    skipped: list[Skipped] = []
    draw_seconds = 0.0
    noise_matters = any(n in names for n in ("published", "coarea", "coarea_good", "own_noise"))
    within_reach = result.complete and result.regions is not None and task.domain.dimension <= MOST_DIMENSION
    if draws and noise_matters and "exact_draws" not in names and within_reach and result.answers.value("local_complexity") is not None:
        noisy, unable = run_methods(study, ["exact_draws"], {"exact_draws": exact_draws})
        skipped += unable
        draw_seconds = noisy[0].seconds if noisy else 0.0
    estimates, unable = run_methods(study, names, EVERY)
    noisy += [e for e in estimates if e.method == "exact_draws"]
    known = truths(result)
    averaged = {e.target: _averaged(e) for e in noisy}
    pairings = [Pairing(e, _truth_for(e, known, averaged)) for e in estimates]
    return Compared(result, pairings, [*skipped, *unable], draw_seconds)


def _averaged(estimate: Estimate) -> Truth:
    ends = estimate.lower, estimate.upper
    lower, upper = (estimate.value if v is None else v for v in ends)
    return Truth(Quantity(lower, upper, Kind.ESTIMATE), f"mean over {estimate.samples} exact draws of the noise", estimate.standard_error or 0.0)


def _truth_for(estimate: Estimate, known: dict[str, Truth], averaged: dict[str, Truth]) -> Truth | None:
    """The truth of an estimate's target; with noise the mean over exact draws, or, without draws, the limit of no
    noise.
    """
    truth = known.get(estimate.target)
    if "sigma" not in estimate.parameters or truth is None:
        return truth
    if estimate.method != "exact_draws" and estimate.target in averaged:
        return averaged[estimate.target]
    return Truth(truth.quantity, f"{truth.meaning}, without noise (the limit sigma -> 0)")
