"""`estimate`: a network and neighbourhoods in, estimates out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from polylc.api.neighbourhoods import make_tasks
from polylc.api.notebook import counted
from polylc.estimators.study import Sampling, affordable_samples
from polylc.readers.load import as_network
from polylc.report.estimates.entries import Estimates
from polylc.run.estimates import estimates_kept, largest_dimension, parse_methods, run_estimates
from polylc.search.cores import as_jobs


def estimate(
    network: Any,
    points: Any = None,
    radius: Any = None,
    *,
    norm: str = "linf",
    box: tuple[Any, Any] | None = None,
    clip: tuple[Any, Any] | None = None,
    labels: Sequence[int] | None = None,
    methods: str | Iterable[str] = "all",
    jobs: int | str = 1,
    executor: Executor | None = None,
    run: str | Path | None = None,
    progress: bool | None = None,
    **sampling: Any,
) -> Estimates:
    """Estimate what `certify` computes, by sampling.

    Parameters
    ----------
    network, points, radius, box, clip, labels
        As in `certify`.
    norm : str
        Of the balls: "linf", "l2" or "l1"; methods that need boxes are skipped in l2 and l1.
    methods : str or iterable of str
        "all" for all sampling methods, or names, separated by commas; `lipsdp`, `exact_draws`, `rao_blackwell`,
        `slices` and `tilted` run only where they are named.
    jobs, executor, run, progress
        As in `certify`; neighbourhoods are spread whole.
    **sampling
        Fields of `polylc.estimators.study.Sampling`: samples (by default 4096, fewer where a Jacobian is dear), seed,
        device, dtype, memory, sigma, ...

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
    network = as_network(network)
    names = parse_methods(methods)
    tasks = make_tasks(network, points, radius, box, clip, labels, norm=norm)
    if "samples" not in sampling:
        sampling["samples"] = affordable_samples(network, largest_dimension(tasks))
    chosen = Sampling(**sampling)
    with ExitStack() as stack:
        asked, kept = {"methods": ",".join(names)}, None
        if run is not None:
            kept = stack.enter_context(estimates_kept(Path(run), "estimate", network, tasks, asked, chosen))
        on_result, on_method = stack.enter_context(counted(tasks, progress))
        return run_estimates(network, tasks, names, chosen, on_result, on_method, as_jobs(jobs), executor, kept)
