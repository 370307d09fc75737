"""Estimates of neighbourhoods, one after another; the methods that only sample, and those that enumerate as well."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Sequence

from polylc.domains.box import as_box
from polylc.errors import PolylcError, needs
from polylc.estimators.methods import METHODS, ON_REQUEST, Estimated, Method, choose, run_methods
from polylc.estimators.study import Sampling, Study
from polylc.network.form import Network
from polylc.report.estimates.entries import Entry, Estimates
from polylc.report.record import Refusal
from polylc.run.exact_draws import exact_draws, rao_blackwell
from polylc.run.neighbourhood import label_of
from polylc.run.plane_slices import slices
from polylc.search.task import Task

EXTRA: dict[str, Method] = {**ON_REQUEST, "exact_draws": exact_draws, "rao_blackwell": rao_blackwell, "slices": slices}
EVERY: dict[str, Method] = {**METHODS, **EXTRA}


def parse_methods(methods: str | Iterable[str]) -> tuple[str, ...]:
    """Names of methods: "all" for those that only sample, or names, separated by commas.

    Raises
    ------
    UsageError
        If a name is unknown, or torch is not installed.
    """
    needs("torch", "torch", "estimates: sampling")
    return choose(methods, METHODS, EXTRA)


def run_estimates(
    network: Network,
    tasks: Sequence[Task | Refusal],
    names: Sequence[str],
    sampling: Sampling,
    on_result: Callable[[Estimated], None] | None = None,
    on_method: Callable[[str], None] | None = None,
) -> Estimates:
    """Run the named methods on every neighbourhood; what cannot be sampled becomes a refusal. Ctrl-C ends the run with
    what was done.
    """
    begin = time.monotonic()
    entries = each_task(tasks, lambda task: estimate_one(network, task, names, sampling, on_method), on_result)
    return Estimates(network, sampling, entries, time.monotonic() - begin, len(tasks))


def each_task(tasks: Sequence[Task | Refusal], work: Callable[[Task], Entry], on_result: Callable[[Entry], None] | None) -> list[Entry | Refusal]:
    """`work` done on every task; what it refuses becomes a refusal, and Ctrl-C ends the list early."""
    entries: list[Entry | Refusal] = []
    with contextlib.suppress(KeyboardInterrupt):
        for task in tasks:
            if isinstance(task, Refusal):
                entries.append(task)
                continue
            try:
                found = work(task)
            except PolylcError as error:
                entries.append(Refusal(task.index, str(error)))
                continue
            entries.append(found)
            if on_result is not None:
                on_result(found)
    return entries


def largest_dimension(tasks: Sequence[Task | Refusal]) -> int:
    """Of the neighbourhoods that are sampled; 1 if there are none."""
    return max([1, *(task.domain.dimension for task in tasks if isinstance(task, Task))])


def estimate_one(network: Network, task: Task, names: Sequence[str], sampling: Sampling, on_method: Callable[[str], None] | None = None) -> Estimated:
    """Run the named methods on one neighbourhood; `on_method` is told the name of each before it begins."""
    begin = time.monotonic()
    label, _ = label_of(network, task)
    domain = as_box(task.domain, "estimate")
    study = Study(network, domain, sampling, label, task.index)
    found, skipped = run_methods(study, names, EVERY, on_method)
    return Estimated(task.index, domain, label, found, skipped, time.monotonic() - begin)
