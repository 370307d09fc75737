"""One call: a network and neighbourhoods in, results out."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, overload

import numpy as np

from polylc.complex.graph import RegionGraph, build_graph
from polylc.complex.pieces import affine_functions, pieces
from polylc.complex.regions import Complex
from polylc.engines.tree import Limits, Outcome
from polylc.enumerate import check_engine, choose_engine, enumerate_regions
from polylc.errors import NeighbourhoodError, PolylcError, SolverError, UsageError
from polylc.exact.numbers import as_fractions
from polylc.exact.quantity import Kind, Quantity, floating
from polylc.geometry import neighbourhood as shapes
from polylc.geometry.neighbourhood import Neighbourhood
from polylc.geometry.skeleton import MOST_DIMENSION
from polylc.measures.lipschitz import lipschitz
from polylc.measures.local_complexity import local_complexity
from polylc.measures.rank import local_rank
from polylc.measures.robustness import robustness
from polylc.measures.variation import kink_variation, total_variation
from polylc.network.exact import ExactNetwork
from polylc.network.form import Network
from polylc.report.result import Answers, Refusal, Result

MEASURES = ("counts", "local_complexity", "total_variation", "kink_variation", "local_rank", "lipschitz", "robustness")
VOLUME_TOLERANCE = 1e-9

RegionProgress = Callable[[int, int, float], None]


@dataclass(frozen=True)
class Task:
    """One neighbourhood to study, and the label whose robustness is asked (None: the class at the centre)."""

    index: int
    domain: Neighbourhood
    label: int | None = None


@dataclass(frozen=True)
class Settings:
    """What to compute, and when to stop.

    Attributes
    ----------
    measures : tuple of str
        Names from MEASURES.
    engine : str
    time_limit : float or None
        Seconds for the enumeration of each neighbourhood.
    max_regions : int or None
        Regions for each neighbourhood.
    keep : bool
        Whether results hold on to their regions and graph.
    """

    measures: tuple[str, ...] = MEASURES
    engine: str = "auto"
    time_limit: float | None = None
    max_regions: int | None = None
    keep: bool = True


class Run(Sequence[Result | Refusal]):
    """The results of one call, in the order of the neighbourhoods; refused rows are in their places.

    Attributes
    ----------
    network : Network
    interrupted : bool
        Whether the user stopped the run; results hold what was found until then.
    seconds : float
    """

    def __init__(self, network: Network, results: list[Result | Refusal], seconds: float, interrupted: bool = False) -> None:
        self.network, self.seconds, self.interrupted = network, seconds, interrupted
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
        return "".join(r._repr_html_() for r in self.results) + "".join(f"<p>row {r.index} refused: {r.reason}</p>" for r in self.refused)

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
    time_limit: float | None = None,
    max_regions: int | None = None,
    keep: bool = True,
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
        "robustness".
    engine : str
        "auto" or "lp".
    jobs : int
        Processes to spread the neighbourhoods over.
    time_limit, max_regions : optional
        Limits on the enumeration of each neighbourhood; a result that meets one has status "partial".
    keep : bool
        Keep regions and graph in the results (needed for `region_at`, `graph`, `to_frame`, `plot`).

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
        from polylc.readers import load

        network = load(network)
    settings = Settings(parse_measures(measures), check_engine(engine), time_limit, max_regions, keep)
    tasks = make_tasks(network, points, radius, box, clip, labels)
    if jobs > 1:
        from polylc.pool import run_parallel

        return run_parallel(network, tasks, settings, jobs)
    return run_serial(network, tasks, settings)


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
        if isinstance(task, Refusal):
            results.append(task)
            continue
        try:
            if on_start is not None:
                on_start(task)
            try:
                result = answer(network, task, settings, on_regions=on_regions)
            except PolylcError as error:
                results.append(Refusal(task.index, str(error)))
                continue
        except KeyboardInterrupt:
            interrupted = True
            break
        results.append(result)
        if on_result is not None:
            on_result(result)
        if result.outcome == Outcome.INTERRUPTED.value:
            interrupted = True
            break
    return Run(network, results, time.monotonic() - begin, interrupted)


def answer(
    network: Network,
    task: Task,
    settings: Settings,
    stop: Callable[[], bool] | None = None,
    on_regions: RegionProgress | None = None,
) -> Result:
    """Enumerate one neighbourhood and measure it."""
    begin = time.monotonic()
    notes = {"domain": "; ".join(task.domain.log)} if task.domain.log else {}
    deadline = None if settings.time_limit is None else begin + settings.time_limit
    progress = None if on_regions is None else functools.partial(on_regions, task.index)
    label = _label(network, task, notes)
    complex_, found = enumerate_regions(network, task.domain, settings.engine, Limits(settings.max_regions, deadline, stop), progress=progress)
    outcome, answers, graph = found.outcome, Answers(), None
    stats = dict(found.stats)
    try:
        answers, graph = _measure(complex_, settings.measures, label, notes)
    except KeyboardInterrupt:
        outcome = Outcome.INTERRUPTED
        notes["measures"] = "interrupted before they were done"
    if graph is not None:
        stats |= {f"facets {how}": many for how, many in graph.tested.items()}
        if graph.tested["not settled"]:
            notes["adjacencies"] = f"the solver gave up on {graph.tested['not settled']} pairs of regions, which are left out"
    complete = outcome is Outcome.COMPLETE
    if complete:
        status, notes["status"] = "enumerated", "complete in floating point; values are floats, not proved"
    else:
        status, notes["status"] = "partial", f"{outcome.value}: counts are lower bounds, in floating point"
    if found.stats.get("failed_linear_programs"):
        notes["engine"] = f"{found.stats['failed_linear_programs']} linear programs gave no answer; regions may be missing"
    return Result(
        index=task.index,
        network=network,
        domain=task.domain,
        status=status,
        outcome=outcome.value,
        engine=choose_engine(settings.engine, task.domain),
        regions=len(complex_),
        volume=_volume(task.domain),
        label=label,
        answers=answers,
        notes=notes,
        seconds=time.monotonic() - begin,
        stats=stats,
        complex=complex_ if settings.keep else None,
        region_graph=graph if settings.keep and complete else None,
    )


def _volume(domain: Neighbourhood) -> Quantity:
    """The exact volume, rounded outward to doubles."""
    exact = domain.volume
    value = float(exact)
    below = value if Fraction(value) <= exact else float(np.nextafter(value, -np.inf))
    above = value if Fraction(value) >= exact else float(np.nextafter(value, np.inf))
    return Quantity(below, above, Kind.EXACT)


@functools.lru_cache(maxsize=2)
def _exact_network(network: Network) -> ExactNetwork:
    return ExactNetwork(network)


def _label(network: Network, task: Task, notes: dict[str, str]) -> int | None:
    """The label given, or the class at the centre, decided exactly (a tie goes to the lowest index and is said)."""
    if task.label is not None:
        return task.label
    if network.outputs == 1 or task.domain.center is None:
        return None
    outputs = _exact_network(network).outputs(task.domain.center)
    best = max(outputs)
    tied = [i for i, v in enumerate(outputs) if v == best]
    if len(tied) > 1:
        notes["label"] = f"classes {', '.join(map(str, tied))} tie at the centre, exactly; {tied[0]} is taken"
    return tied[0]


def _measure(complex_: Complex, measures: tuple[str, ...], label: int | None, notes: dict[str, str]) -> tuple[Answers, RegionGraph | None]:
    """All measures that were asked for and are within reach; reasons for the others go to `notes`."""
    for name in MEASURES:
        if name not in measures:
            notes[name] = "not asked for"
    if not complex_.complete:
        return _partial(complex_, measures, label, notes)
    graph = build_graph(complex_) if {"counts", "local_complexity", "kink_variation"} & set(measures) else None
    answers = Answers()
    if "counts" in measures and graph is not None:
        merged = _distinct(pieces(complex_, graph))
        answers = replace(answers, pieces=merged, affine_functions=_distinct(affine_functions(complex_)), adjacencies=len(graph))
        if merged != len(complex_):
            notes["pieces"] = f"{len(complex_)} regions make {merged} pieces: some neighbours have the same affine map"
    answers = _weighted(complex_, graph, measures, answers, notes)
    if "local_rank" in measures:
        answers = replace(answers, local_rank=local_rank(complex_))
    if "lipschitz" in measures:
        answers = replace(answers, lipschitz=lipschitz(complex_, label))
    if "robustness" in measures:
        if label is None:
            one = complex_.network.outputs == 1
            notes["robustness"] = "one output: there is no class to keep" if one else "a box has no centre; give a label with --labels"
        else:
            try:
                answers = replace(answers, robustness=robustness(complex_, label))
            except SolverError as error:
                notes["robustness"] = f"null: {error}"
    return answers, graph


def _distinct(labels: np.ndarray) -> int:
    return int(labels.max(initial=-1)) + 1


def _weighted(complex_: Complex, graph: RegionGraph | None, measures: tuple[str, ...], answers: Answers, notes: dict[str, str]) -> Answers:
    """The measures that are weighted by volume or area."""
    names = [m for m in ("local_complexity", "total_variation", "kink_variation") if m in measures]
    if not names:
        return answers
    reason = None
    if not complex_.has_geometry:
        reason = f"dimension {complex_.domain.dimension} > {MOST_DIMENSION}: volumes are out of reach"
    elif not complex_.geometry.ok.all():
        reason = f"rounding left no consistent vertices for {int((~complex_.geometry.ok).sum())} regions"
    if reason is not None:
        notes.update(dict.fromkeys(names, reason))
        return answers
    total = float(complex_.domain.volume)
    error = abs(float(complex_.geometry.volume.sum()) - total) / total
    notes["volumes"] = f"the regions' volumes sum to that of the neighbourhood within {error:.1e}, relative"
    if error > VOLUME_TOLERANCE:
        notes["volumes"] += "; that is too far: regions are missing or overlap, and the measures below are wrong"
    if "local_complexity" in names and graph is not None:
        answers = replace(answers, local_complexity={k: floating(v) for k, v in local_complexity(complex_, graph).items()})
    if "total_variation" in names:
        answers = replace(answers, total_variation={k: floating(v) for k, v in total_variation(complex_).items()})
    if "kink_variation" in names and graph is not None:
        answers = replace(answers, kink_variation=floating(kink_variation(complex_, graph)))
    return answers


def _partial(complex_: Complex, measures: tuple[str, ...], label: int | None, notes: dict[str, str]) -> tuple[Answers, RegionGraph | None]:
    """What an incomplete complex still says: lower bounds of counts, and an adversarial point if one was found."""
    reason = "null: the enumeration is not complete"
    notes.update({m: reason for m in measures if m not in ("counts", "robustness")})
    answers, graph = Answers(), None
    if "counts" in measures and len(complex_):
        graph = build_graph(complex_, programs=False)
        answers = replace(answers, affine_functions=_distinct(affine_functions(complex_)), adjacencies=len(graph))
        notes["pieces"] = reason
    if "robustness" in measures and label is not None:
        found = robustness(complex_, label)
        answers = replace(answers, robustness=found)
        notes["robustness"] = "no adversarial point among the regions found" if found.robust else "its distance is an upper bound"
    return answers, graph
