"""One call: a network and neighbourhoods in, estimates out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from polylc.api.certify import make_tasks
from polylc.errors import PolylcError
from polylc.estimators.methods import METHODS, ON_REQUEST, Estimated, Method, choose, run_methods
from polylc.estimators.study import Sampling, Study
from polylc.network.exact import ExactNetwork
from polylc.network.form import Network
from polylc.report.estimates.comparison import Compared
from polylc.report.estimates.schema import EstimateReport, build_estimate_report
from polylc.report.result import Refusal
from polylc.run.exact_draws import exact_draws, rao_blackwell
from polylc.run.neighbourhood import Task
from polylc.run.plane_slices import slices

EXTRA: dict[str, Method] = {**ON_REQUEST, "exact_draws": exact_draws, "rao_blackwell": rao_blackwell, "slices": slices}
EVERY: dict[str, Method] = {**METHODS, **EXTRA}


Entry = TypeVar("Entry", Estimated, Compared)


@dataclass(frozen=True)
class Entries(Sequence[Entry | Refusal], Generic[Entry]):
    """What one call says of each neighbourhood, in order; refused rows are in their places.

    Attributes
    ----------
    network : Network
    sampling : Sampling
    entries : list
    seconds : float
    asked : int
        Number of neighbourhoods asked for; more than there are entries if the user stopped the run.
    """

    network: Network
    sampling: Sampling
    entries: list[Entry | Refusal]
    seconds: float
    asked: int

    def __getitem__(self, index: Any) -> Any:
        return self.entries[index]

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def interrupted(self) -> bool:
        """Whether the user stopped the run; entries hold what was done until then."""
        return len(self.entries) < self.asked

    @property
    def refused(self) -> list[Refusal]:
        """The refused rows."""
        return [e for e in self.entries if isinstance(e, Refusal)]


class Estimates(Entries[Estimated]):
    """Estimates of one call: a sequence of `Estimated` and `Refusal`."""

    def report(self) -> EstimateReport:
        """The report as a pydantic model, schema `polylc.estimate/1`."""
        return build_estimate_report(self.network, self.sampling, self.entries, self.seconds)


def estimate(
    network: Any,
    points: Any = None,
    radius: Any = None,
    *,
    box: tuple[Any, Any] | None = None,
    clip: tuple[Any, Any] | None = None,
    labels: Sequence[int] | None = None,
    methods: str | Iterable[str] = "all",
    **sampling: Any,
) -> Estimates:
    """Estimate what `certify` computes, by sampling.

    Parameters
    ----------
    network, points, radius, box, clip, labels
        As in `certify`.
    methods : str or iterable of str
        "all" for all sampling methods, or names, separated by commas; `lipsdp`, `exact_draws`, `rao_blackwell`
        and `slices` run only where they are named.
    **sampling
        Fields of `polylc.estimators.study.Sampling`: samples, seed, device, dtype, memory, sigma, ...

    Returns
    -------
    Estimates
        A sequence of `Estimated`; rows that cannot be used are `Refusal` objects in their places.

    Raises
    ------
    UsageError
        If arguments contradict each other.
    ModelError, NeighbourhoodError
        If the model cannot be read, or the box has no interior.

    Examples
    --------
    >>> import numpy as np
    >>> from polylc.network.form import chain
    >>> net = chain([np.eye(2), [[1.0, 1.0]]], [np.zeros(2), np.zeros(1)])
    >>> found = estimate(net, [0.0, 0.0], radius=1, methods="lines")  # two lines of length 2 in an area of 4
    >>> found[0]["lines"].lower < 1.0 < found[0]["lines"].upper
    True
    """
    if not isinstance(network, Network):
        from polylc.readers.load import load

        network = load(network)
    names = parse_methods(methods)
    return run_estimates(network, make_tasks(network, points, radius, box, clip, labels), names, Sampling(**sampling))


def parse_methods(methods: str | Iterable[str]) -> tuple[str, ...]:
    """Names of methods: "all" for those that only sample, or names, separated by commas.

    Raises
    ------
    UsageError
        If a name is unknown.
    """
    return choose(methods, METHODS, EXTRA)


def run_estimates(
    network: Network,
    tasks: Sequence[Task | Refusal],
    names: Sequence[str],
    sampling: Sampling,
    on_result: Callable[[Estimated], None] | None = None,
) -> Estimates:
    """Run the named methods on every neighbourhood; what cannot be sampled becomes a refusal. Ctrl-C ends the run with what was done."""
    begin = time.monotonic()
    entries = each_task(tasks, lambda task: estimate_one(network, task, names, sampling), on_result)
    return Estimates(network, sampling, entries, time.monotonic() - begin, len(tasks))


def each_task(tasks: Sequence[Task | Refusal], work: Callable[[Task], Entry], on_result: Callable[[Entry], None] | None) -> list[Entry | Refusal]:
    """`work` done on every task; what it refuses becomes a refusal, and Ctrl-C ends the list early."""
    entries: list[Entry | Refusal] = []
    for task in tasks:
        if isinstance(task, Refusal):
            entries.append(task)
            continue
        try:
            found = work(task)
        except PolylcError as error:
            entries.append(Refusal(task.index, str(error)))
            continue
        except KeyboardInterrupt:
            break
        entries.append(found)
        if on_result is not None:
            on_result(found)
    return entries


def estimate_one(network: Network, task: Task, names: Sequence[str], sampling: Sampling) -> Estimated:
    """Run the named methods on one neighbourhood."""
    begin = time.monotonic()
    label = class_at_centre(network, task)
    study = Study(network, task.domain, sampling, label, task.index)
    found, skipped = run_methods(study, names, EVERY)
    return Estimated(task.index, task.domain, label, found, skipped, time.monotonic() - begin)


def class_at_centre(network: Network, task: Task) -> int | None:
    """The label given, or the class at the centre of a ball (a tie goes to the lowest index), as `certify` takes it."""
    if task.label is not None or network.outputs == 1 or task.domain.center is None:
        return task.label
    outputs = ExactNetwork(network).outputs(task.domain.center)
    return outputs.index(max(outputs))
