"""`compare`: a network and neighbourhoods in, the exact truth beside estimates out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from polylc.api.neighbourhoods import make_tasks
from polylc.api.notebook import counted
from polylc.estimators.study import affordable_samples
from polylc.readers.load import as_network
from polylc.report.estimates.entries import Comparison
from polylc.run.comparison import MEASURES, comparisons_kept, run_comparison, sampling_with_draws
from polylc.run.estimates import largest_dimension, parse_methods
from polylc.search.cores import as_jobs
from polylc.search.task import Settings


def compare(
    network: Any,
    points: Any = None,
    radius: Any = None,
    *,
    norm: str = "linf",
    box: tuple[Any, Any] | None = None,
    clip: tuple[Any, Any] | None = None,
    labels: Sequence[int] | None = None,
    methods: str | Iterable[str] = "all",
    draws: int = 20,
    certified: bool = True,
    time_limit: float | None = None,
    max_regions: int | None = None,
    jobs: int | str = 1,
    executor: Executor | None = None,
    run: str | Path | None = None,
    progress: bool | None = None,
    **sampling: Any,
) -> Comparison:
    """Hold estimates against the exact truth.

    Parameters
    ----------
    network, points, radius, box, clip, labels, certified, time_limit, max_regions, jobs, executor, run, progress
        As in `certify`; neighbourhoods are spread whole.
    norm : str
        Of the balls: "linf"; or "l2" or "l1", where the truth is what searches find: Lipschitz constants and the
        distance to the nearest adversarial point.
    methods : str or iterable of str
        As in `estimate`.
    draws : int
        Exact draws of the bias noise, whose mean is the truth for estimates with noise; 0 holds those against the
        network without noise.
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
    network = as_network(network)
    names = parse_methods(methods)
    settings = Settings(MEASURES, time_limit, max_regions, keep=False, certify=certified)
    tasks = make_tasks(network, points, radius, box, clip, labels, norm=norm)
    if "samples" not in sampling:
        sampling["samples"] = affordable_samples(network, largest_dimension(tasks))
    chosen = sampling_with_draws(draws, sampling)
    with ExitStack() as stack:
        kept = None
        if run is not None:
            kept = stack.enter_context(comparisons_kept(Path(run), network, tasks, names, settings, chosen, draws))
        on_result, _ = stack.enter_context(counted(tasks, progress))
        return run_comparison(network, tasks, names, settings, chosen, draws, on_result, as_jobs(jobs), executor, kept)
