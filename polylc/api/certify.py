"""`certify`: a network and neighbourhoods in, results and a proof file out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from polylc.api.neighbourhoods import make_tasks
from polylc.api.notebook import told
from polylc.engines.choose import check_engine
from polylc.errors import UsageError
from polylc.exact.memory import bytes_for_each
from polylc.network.form import Network
from polylc.readers.load import as_network
from polylc.report.record import Refusal
from polylc.report.run import Run
from polylc.run.finished import blocks_of, finished
from polylc.run.parallel import run_parallel
from polylc.run.proof_file import proof_blocks, write_proof
from polylc.run.serial import run_serial
from polylc.search.cores import as_jobs
from polylc.search.task import Settings, Task, in_norm, parse_measures, parse_sigmas


def certify(
    network: Any,
    points: Any = None,
    *,
    radius: Any = None,
    box: tuple[Any, Any] | None = None,
    clip: tuple[Any, Any] | None = None,
    labels: Sequence[int] | None = None,
    norm: str = "linf",
    measures: str | Iterable[str] = "default",
    engine: str = "auto",
    jobs: int | str = 1,
    executor: Executor | None = None,
    time_limit: float | None = None,
    max_regions: int | None = None,
    memory: float | None = None,
    keep: bool = True,
    certified: bool = True,
    exact_volumes: bool = False,
    sigma: object = None,
    proof: str | Path | None = None,
    run: str | Path | None = None,
    progress: bool | None = None,
) -> Run:
    """Enumerate the linear regions of a network around points, or on a box, and measure them.

    Parameters
    ----------
    network : Network, path, or torch.nn.Module
        Paths and modules are read as by `polylc.load`.
    points : array_like, shape (n,) or (N, n), or images of the model's own shape: (C, H, W) or (N, C, H, W)
        Centres of balls. Floats are taken as the rationals they are, strings as exact decimals. A pandas DataFrame
        has one point a row. Or what `polylc.plane` or `polylc.line` made: then there is no radius, and measures are
        those of the network along it.
    radius : number or sequence of n numbers
        Radius of the balls; in a sequence, 0 fixes that coordinate.
    box : pair of sequences
        Lower and upper corner of one box, instead of `points` and `radius`.
    clip : pair of numbers or sequences, optional
        Intersect every neighbourhood with this box.
    labels : sequence of int, optional
        Labels for robustness, one per neighbourhood; by default the class predicted at the centre.
    norm : str
        Of the balls: "linf", "l2" or "l1". Regions of a ball are those that meet its interior.
    measures : str or iterable of str
        "default" (what costs at most a few times the enumeration), "all" (inequalities between the measures too), or
        some of "counts", "local_complexity", "total_variation", "kink_variation", "local_rank", "lipschitz",
        "robustness", "topology", "bounds"; "topology" is computed only where it is named.
    engine : str
        "auto", "vertex" (dimension 5 and below), "dictionary" or "lp".
    jobs : int or "auto"
        Processes to spread the work over: many neighbourhoods whole, few large ones in units (docs/architecture.md).
        The results do not depend on it; "auto" is one each core. Processes are started once the work has lasted two
        seconds.
    executor : concurrent.futures.Executor, optional
        Takes the place of these processes; that of `dask.distributed.Client.get_executor()`, say. With `proof`, its
        workers have to see the folder of that file.
    time_limit : float, optional
        Seconds for all work on each neighbourhood. An enumeration that meets it is "partial"; measures, or the proof,
        that it cuts off are missing, with that reason.
    max_regions : int, optional
        Regions for each neighbourhood; a result that meets it has status "partial".
    memory : float, optional
        MiB for all processes on this machine; by default most of what is free. A neighbourhood that needs more
        ends "partial", measures that would are left out.
    keep : bool
        Keep regions and graph in the results (needed for `region_at`, `graph`, `to_frame`, `plot`).
    certified : bool
        Have everything confirmed in exact arithmetic (status "certified"); otherwise floating point decides
        ("enumerated").
    exact_volumes : bool
        Compute volumes and areas as rationals however many regions there are; small complexes of dimension <= 4 have
        them anyhow.
    sigma : number, str or several, optional
        Standard deviations of bias noise: `noisy_complexity` of a result is LC^dec for each, see docs/theory.md.
    proof : path, optional
        Write a proof file of all neighbourhoods that were certified; `polylc.check` reads it.
    run : path, optional
        Folder for a journal: what is finished is saved there, and the same call goes on where it ended, whatever ended
        it, also with other limits and another number of processes. `polylc show` reads it at any time.
    progress : bool, optional
        Whether a notebook shows how far the work is; by default it does.

    Returns
    -------
    Run
        A sequence of results; rows that cannot be used are `Refusal` objects in their places.

    Raises
    ------
    UsageError
        If arguments contradict each other, or the folder of `run` belongs to another one.
    ModelError, NeighbourhoodError
        If the model cannot be read, or the box has no interior.

    Examples
    --------
    >>> import numpy as np
    >>> from polylc.network.form import chain
    >>> net = chain([np.eye(2), [[1.0, 1.0]]], [np.zeros(2), np.zeros(1)])
    >>> run = certify(net, [0.0, 0.0], radius=1)
    >>> run[0].regions, run[0].adjacencies
    (4, 4)
    """
    network = as_network(network)
    if proof is not None and not certified:
        raise UsageError("proof: without certification there is nothing to prove")
    if exact_volumes and not certified:
        raise UsageError("exact_volumes: without certification volumes are floats")
    sigmas = parse_sigmas(sigma)
    settings = Settings(parse_measures(measures), time_limit, max_regions, keep, certified, exact_volumes=exact_volumes, sigmas=sigmas)
    settings = replace(settings, memory=bytes_for_each(memory, as_jobs(jobs)))
    tasks = make_tasks(network, points, radius, box, clip, labels, check_engine(engine), frames=True)
    tasks = in_norm(tasks, norm, replace(settings, blocks=None if proof is None else Path(proof)), engine)
    with ExitStack() as stack:
        calls = stack.enter_context(told(tasks, progress))
        if proof is not None:
            blocks = stack.enter_context(proof_blocks(Path(proof))) if run is None else blocks_of(Path(run))
            settings = replace(settings, blocks=blocks)
        kept = None if run is None else stack.enter_context(finished(Path(run), network, tasks, settings))
        found = _spread(network, tasks, settings, as_jobs(jobs), executor, {**calls, "kept": kept})
        if proof is not None:
            write_proof(Path(proof), found)
    return found


def _spread(
    network: Network, tasks: Sequence[Task | Refusal], settings: Settings, jobs: int, executor: Executor | None, calls: dict[str, Any]
) -> Run:
    if jobs > 1 or executor is not None:
        return run_parallel(network, tasks, settings, jobs, executor, **calls)
    return run_serial(network, tasks, settings, **calls)
