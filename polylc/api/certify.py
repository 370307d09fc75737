"""One call: a network and neighbourhoods in, results out."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from html import escape
from pathlib import Path
from typing import Any, overload

from polylc._version import __version__
from polylc.domains import box as shapes
from polylc.domains.box import Neighbourhood
from polylc.engines.contract import Outcome
from polylc.errors import CertificateError, NeighbourhoodError, PolylcError, UsageError
from polylc.exact.numbers import as_fractions, parse_number
from polylc.measures.measuring import MEASURES
from polylc.network.form import Network
from polylc.proof.certificate import assemble
from polylc.report.result import Refusal, Result
from polylc.run.neighbourhood import RegionProgress, Settings, Task, answer
from polylc.search.enumerate import check_engine
from polylc.search.units import Crew


class Run(Sequence[Result | Refusal]):
    """The results of one call, in the order of the neighbourhoods; refused rows are in their places.

    Attributes
    ----------
    network : Network
    interrupted : bool
        Whether the user stopped the run; results hold what was found until then.
    asked : int
        Number of neighbourhoods asked for; more than there are results if the run was stopped.
    seconds : float
    """

    def __init__(
        self, network: Network, results: list[Result | Refusal], seconds: float, interrupted: bool = False, asked: int | None = None
    ) -> None:
        self.network, self.seconds, self.interrupted = network, seconds, interrupted
        self.asked = len(results) if asked is None else asked
        self._results = results

    @overload
    def __getitem__(self, index: int) -> Result | Refusal: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Result | Refusal]: ...
    def __getitem__(self, index: int | slice) -> Any:
        return self._results[index]

    def __len__(self) -> int:
        return len(self._results)

    def __repr__(self) -> str:
        return f"Run({self._results!r})"

    def _repr_html_(self) -> str:
        return "".join(r._repr_html_() for r in self.results) + "".join(f"<p>row {r.index} refused: {escape(r.reason)}</p>" for r in self.refused)

    @property
    def results(self) -> list[Result]:
        """The results, without refused rows."""
        return [r for r in self._results if isinstance(r, Result)]

    @property
    def refused(self) -> list[Refusal]:
        """The refused rows."""
        return [r for r in self._results if isinstance(r, Refusal)]

    def to_frame(self) -> Any:
        """A pandas DataFrame with one row per neighbourhood: status, counts, measures, robustness.

        Raises
        ------
        UsageError
            If pandas is not installed (``pip install 'polylc[frame]'``).
        """
        from polylc.report.export import data_frame, summary_rows

        return data_frame(summary_rows(self.report()))

    def report(self) -> Any:
        """The report as a pydantic model; ``report().model_dump_json()`` is the JSON file."""
        from polylc.report.schema import build_report

        return build_report(self.network, self._results, self.seconds)


def parse_measures(measures: str | Iterable[str]) -> tuple[str, ...]:
    """Names of measures: "all", or some of MEASURES separated by commas.

    Raises
    ------
    UsageError
        If a name is unknown.
    """
    names = [m.strip() for m in measures.split(",")] if isinstance(measures, str) else list(measures)
    if names == ["all"]:
        return MEASURES
    for name in names:
        if name not in MEASURES:
            raise UsageError(f"measures: {name!r} is unknown; choose all, or some of {', '.join(MEASURES)}")
    return tuple(m for m in MEASURES if m in names)


def parse_sigmas(sigma: object) -> tuple[tuple[str, float], ...]:
    """Standard deviations of bias noise, by name: a number or text such as "0.01,0.1", or several of them; None for none.

    Raises
    ------
    UsageError
        If one is no positive number.

    Examples
    --------
    >>> parse_sigmas(["0.01, 0.1", 0.5])
    (('0.01', 0.01), ('0.1', 0.1), ('0.5', 0.5))
    """
    if sigma is None:
        return ()
    several = list(sigma) if isinstance(sigma, Iterable) and not isinstance(sigma, str) else [sigma]
    names = [part.strip() for one in several for part in str(one).split(",")]
    found = {}
    for name in names:
        value = parse_number(name, "sigma")
        near = float(value) if 0 < value < 10**150 else 0.0
        if near < 1e-150:
            raise UsageError(f"sigma: {name} is not a positive number, or beyond what a standard deviation can be")
        found[name] = near
    return tuple(found.items())


def certify(
    network: Any,
    points: Any = None,
    *,
    radius: Any = None,
    box: tuple[Any, Any] | None = None,
    clip: tuple[Any, Any] | None = None,
    labels: Sequence[int] | None = None,
    measures: str | Iterable[str] = "all",
    engine: str = "auto",
    jobs: int = 1,
    executor: Executor | None = None,
    time_limit: float | None = None,
    max_regions: int | None = None,
    keep: bool = True,
    certified: bool = True,
    exact_volumes: bool = False,
    sigma: object = None,
    proof: str | Path | None = None,
) -> Run:
    """Enumerate the linear regions of a network around points, or on a box, and measure them.

    Parameters
    ----------
    network : Network, path, or torch.nn.Module
        Paths and modules are read as by `polylc.load`.
    points : array_like, shape (n,) or (N, n)
        Centres of linf balls. Floats are taken as the rationals they are, strings as exact decimals.
    radius : number or sequence of n numbers
        Radius of the balls; in a sequence, 0 fixes that coordinate.
    box : pair of sequences
        Lower and upper corner of one box, instead of `points` and `radius`.
    clip : pair of numbers or sequences, optional
        Intersect every neighbourhood with this box.
    labels : sequence of int, optional
        Labels for robustness, one per neighbourhood; by default the class predicted at the centre.
    measures : str or iterable of str
        "all" or some of "counts", "local_complexity", "total_variation", "kink_variation", "local_rank", "lipschitz",
        "robustness", "bounds".
    engine : str
        "auto", "vertex" (dimension 5 and below), "dictionary" or "lp".
    jobs : int
        Processes to spread the work over: many neighbourhoods whole, few large ones in units (docs/architecture.md). The results
        do not depend on it. Processes are started once the work has lasted two seconds.
    executor : concurrent.futures.Executor, optional
        Takes the place of these processes; that of `dask.distributed.Client.get_executor()`, say. With `proof`, its
        workers have to see the folder of that file.
    time_limit, max_regions : optional
        Limits on the enumeration of each neighbourhood; a result that meets one has status "partial".
    keep : bool
        Keep regions and graph in the results (needed for `region_at`, `graph`, `to_frame`, `plot`).
    certified : bool
        Have everything confirmed in exact arithmetic (status "certified"); otherwise floating point decides ("enumerated").
    exact_volumes : bool
        Compute volumes and areas as rationals however many regions there are; small complexes of dimension <= 4 have them anyhow.
    sigma : number, str or several, optional
        Standard deviations of bias noise: `noisy_complexity` of a result is LC^dec for each, see docs/theory.md.
    proof : path, optional
        Write a proof file of all neighbourhoods that were certified; `polylc.check` reads it.

    Returns
    -------
    Run
        A sequence of results; rows that cannot be used are `Refusal` objects in their places.

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
    >>> run = certify(net, [0.0, 0.0], radius=1)
    >>> run[0].regions, run[0].adjacencies
    (4, 4)
    """
    if not isinstance(network, Network):
        from polylc.readers.load import load

        network = load(network)
    if proof is not None and not certified:
        raise UsageError("proof: without certification there is nothing to prove")
    if exact_volumes and not certified:
        raise UsageError("exact_volumes: without certification volumes are floats")
    sigmas = parse_sigmas(sigma)
    settings = Settings(
        parse_measures(measures), check_engine(engine), time_limit, max_regions, keep, certified, exact_volumes=exact_volumes, sigmas=sigmas
    )
    tasks = make_tasks(network, points, radius, box, clip, labels)
    if proof is None:
        return _spread(network, tasks, settings, jobs, executor)
    with proof_blocks(Path(proof)) as blocks:
        run = _spread(network, tasks, replace(settings, blocks=blocks), jobs, executor)
        write_proof(Path(proof), run)
    return run


def _spread(network: Network, tasks: Sequence[Task | Refusal], settings: Settings, jobs: int, executor: Executor | None) -> Run:
    if jobs > 1 or executor is not None:
        from polylc.run.parallel import run_parallel

        return run_parallel(network, tasks, settings, jobs, executor)
    return run_serial(network, tasks, settings)


@contextmanager
def proof_blocks(proof: Path) -> Iterator[Path]:
    """A folder beside the proof file for its blocks, removed at the end."""
    with tempfile.TemporaryDirectory(prefix=f".{proof.name}-", dir=proof.parent) as folder:
        yield Path(folder)


def write_proof(path: Path, run: Run) -> int:
    """Write the proof file of a run's certified neighbourhoods; its size in bytes.

    Raises
    ------
    CertificateError
        If there are none, or the file cannot be written.
    """

    blocks = [r.block for r in run.results if r.block is not None]
    if not blocks:
        raise CertificateError(f"{path}: no proof written, no neighbourhood was certified")
    try:
        return assemble(path, run.network, blocks, f"polylc {__version__}")
    except OSError as error:
        raise CertificateError(f"{path}: the proof cannot be written: {error.strerror}") from None


def make_tasks(
    network: Network, points: Any, radius: Any, box: tuple[Any, Any] | None, clip: tuple[Any, Any] | None, labels: Sequence[int] | None
) -> list[Task | Refusal]:
    """Tasks for the arguments of `certify`; a point that makes no neighbourhood becomes a refusal."""
    bounds = None if clip is None else shapes.clip_bounds(_entries(clip[0], "clip"), _entries(clip[1], "clip"))
    if box is not None:
        if points is not None or radius is not None:
            raise UsageError("give either a box, or points and a radius")
        rows: list[Any] = [box]
    elif points is None or radius is None:
        raise UsageError("give points and a radius, or a box")
    else:
        rows = [points] if len(points) and not _is_vector(points[0]) else list(points)
    if labels is not None and len(labels) != len(rows):
        raise UsageError(f"labels: {len(labels)} labels for {len(rows)} neighbourhoods")
    tasks: list[Task | Refusal] = []
    for index, row in enumerate(rows):
        label = None if labels is None else int(labels[index])
        try:
            domain = shapes.box(row[0], row[1], bounds) if box is not None else shapes.ball(row, radius, bounds)
            tasks.append(make_task(network, index, domain, label))
        except PolylcError as error:
            if len(rows) == 1:
                raise
            tasks.append(Refusal(index, str(error)))
    return tasks


def make_task(network: Network, index: int, domain: Neighbourhood, label: int | None) -> Task:
    """A task, checked against the network.

    Raises
    ------
    NeighbourhoodError
        If the dimensions differ.
    UsageError
        If the label is no class of the network.
    """
    if domain.inputs != network.inputs:
        raise NeighbourhoodError(f"neighbourhood: it has {domain.inputs} coordinates, but the network has {network.inputs} inputs")
    if label is not None and not 0 <= label < network.outputs:
        raise UsageError(f"label {label} is not one of the network's {network.outputs} classes")
    return Task(index, domain, label)


def _is_vector(row: Any) -> bool:
    return isinstance(row, Iterable) and not isinstance(row, str)


def _entries(bound: Any, what: str) -> tuple[Fraction, ...]:
    return as_fractions(bound if _is_vector(bound) else [bound], what)


def run_serial(
    network: Network,
    tasks: Sequence[Task | Refusal],
    settings: Settings,
    on_start: Callable[[Task], None] | None = None,
    on_regions: RegionProgress | None = None,
    on_result: Callable[[Result], None] | None = None,
) -> Run:
    """Answer tasks one after another; Ctrl-C ends the run with what was found."""
    begin = time.monotonic()
    results: list[Result | Refusal] = []
    interrupted = False
    for task in tasks:
        found = answer_or_refuse(network, task, settings, on_start, on_regions)
        if found is not None:
            results.append(found)
        if isinstance(found, Result) and on_result is not None:
            on_result(found)
        interrupted = stopped(found)
        if interrupted:
            break
    return Run(network, results, time.monotonic() - begin, interrupted, len(tasks))


def answer_or_refuse(
    network: Network,
    task: Task | Refusal,
    settings: Settings,
    on_start: Callable[[Task], None] | None = None,
    on_regions: RegionProgress | None = None,
    crew: Crew | None = None,
) -> Result | Refusal | None:
    """Answer one task; None if Ctrl-C came before anything was found."""
    if isinstance(task, Refusal):
        return task
    try:
        if on_start is not None:
            on_start(task)
        return answer(network, task, settings, on_regions=on_regions, crew=crew)
    except PolylcError as error:
        return Refusal(task.index, str(error))
    except KeyboardInterrupt:
        return None


def stopped(found: Result | Refusal | None) -> bool:
    """Whether the user has stopped the run."""
    return found is None or (isinstance(found, Result) and found.outcome == Outcome.INTERRUPTED.value)
