"""One call: a network and neighbourhoods in, the exact truth beside estimates out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from polylc.api.certify import make_tasks
from polylc.api.estimate import EVERY, Entries, each_task, parse_methods
from polylc.engines.contract import Outcome
from polylc.errors import UsageError
from polylc.estimators.estimate import Estimate
from polylc.estimators.methods import Skipped, run_methods
from polylc.estimators.study import Sampling, Study
from polylc.exact.quantity import Kind, Quantity
from polylc.geometry.skeleton import MOST_DIMENSION
from polylc.network.form import Network
from polylc.report.estimates.comparison import Compared, CompareReport, Pairing, SummaryRow, Truth, build_compare_report, summarise, truths
from polylc.report.result import Refusal
from polylc.run.exact_draws import exact_draws
from polylc.run.neighbourhood import Settings, Task, answer

MEASURES = ("counts", "local_complexity", "total_variation", "kink_variation", "local_rank", "lipschitz")


class Comparison(Entries[Compared]):
    """Comparisons of one call: a sequence of `Compared` and `Refusal`."""

    @property
    def complete(self) -> bool:
        """Whether all neighbourhoods were enumerated completely."""
        return all(e.result.complete for e in self.entries if isinstance(e, Compared))

    def summary(self) -> list[SummaryRow]:
        """Bias, errors, coverage, correlation and cost of each method."""
        return summarise(self.entries)

    def report(self) -> CompareReport:
        """The report as a pydantic model, schema `polylc.compare/1`."""
        return build_compare_report(self.network, self.sampling, self.entries, self.seconds)

    def plot(self, path: Any = None) -> Any:
        """A matplotlib figure of estimates against the truth; saved to `path` if one is given."""
        from polylc.report.estimates.comparison_figure import comparison_figure

        drawn = comparison_figure(self.entries)
        if path is not None:
            drawn.savefig(path, dpi=200, bbox_inches="tight")
        return drawn


def compare(
    network: Any,
    points: Any = None,
    radius: Any = None,
    *,
    box: tuple[Any, Any] | None = None,
    clip: tuple[Any, Any] | None = None,
    labels: Sequence[int] | None = None,
    methods: str | Iterable[str] = "all",
    draws: int = 20,
    certified: bool = True,
    time_limit: float | None = None,
    max_regions: int | None = None,
    **sampling: Any,
) -> Comparison:
    """Hold estimates against the exact truth.

    Parameters
    ----------
    network, points, radius, box, clip, labels, certified, time_limit, max_regions
        As in `certify`.
    methods : str or iterable of str
        As in `estimate`.
    draws : int
        Exact draws of the bias noise, whose mean is the truth for estimates with noise; 0 holds those against the network without noise.
    **sampling
        Fields of `polylc.estimators.study.Sampling`.

    Returns
    -------
    Comparison

    Raises
    ------
    UsageError, ModelError, NeighbourhoodError
        As in `certify`.
    """
    if not isinstance(network, Network):
        from polylc.readers.load import load

        network = load(network)
    names = parse_methods(methods)
    settings = Settings(MEASURES, "auto", time_limit, max_regions, keep=False, certify=certified)
    tasks = make_tasks(network, points, radius, box, clip, labels)
    return run_comparison(network, tasks, names, settings, sampling_with_draws(draws, sampling), draws)


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
) -> Comparison:
    """Compare on every neighbourhood; what cannot be done becomes a refusal. Ctrl-C ends the run with what was done."""
    begin = time.monotonic()
    entries = each_task(tasks, lambda task: compare_one(network, task, names, settings, sampling, draws), on_result)
    return Comparison(network, sampling, entries, time.monotonic() - begin, len(tasks))


def compare_one(network: Network, task: Task, names: Sequence[str], settings: Settings, sampling: Sampling, draws: int) -> Compared:
    """The truth and the estimates for one neighbourhood."""
    result = answer(network, task, settings)
    if result.outcome == Outcome.INTERRUPTED.value:
        raise KeyboardInterrupt
    study = Study(network, task.domain, sampling, result.label, task.index)
    noisy: list[Estimate] = []
    skipped: list[Skipped] = []
    draw_seconds = 0.0
    noise_matters = any(n in names for n in ("published", "coarea", "coarea_good", "own_noise"))
    within_reach = result.complete and task.domain.dimension <= MOST_DIMENSION
    if draws and noise_matters and "exact_draws" not in names and within_reach and result.answers.local_complexity is not None:
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
    """The truth of an estimate's target; with noise the mean over exact draws, or, without draws, the limit of no noise."""
    truth = known.get(estimate.target)
    if "sigma" not in estimate.parameters or truth is None:
        return truth
    if estimate.method != "exact_draws" and estimate.target in averaged:
        return averaged[estimate.target]
    return Truth(truth.quantity, f"{truth.meaning}, without noise (the limit sigma -> 0)")
