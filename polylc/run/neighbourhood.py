"""One neighbourhood: enumerated, judged, measured."""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from polylc.complex.complex import MAP_BYTES, Complex
from polylc.domains.box import Neighbourhood
from polylc.engines.contract import Exploration, Limits, Outcome, Progress
from polylc.engines.extras import NOTHING, Wishes
from polylc.errors import UsageError
from polylc.exact.enclose import enclose
from polylc.exact.quantity import Kind, Quantity
from polylc.judge.by_node import Judge
from polylc.judge.by_region import RegionJudge, UnsettledError
from polylc.judge.verdict import Verdict
from polylc.measures.measuring import GRAPH_MEASURES, MEASURES, WEIGHTED, Measured, measure
from polylc.network.exact import ExactNetwork
from polylc.network.form import Network
from polylc.proof.certificate import Evidence, write_block
from polylc.report.result import Answers, Result
from polylc.search.enumerate import choose_engine, explore
from polylc.search.units import Crew, explore_together

BY_REGION = 3  # regions are judged one by one up to this dimension: beyond, boxes decide too little
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
    certify : bool
        Whether the judge confirms everything in exact arithmetic; without it the status is "enumerated".
    blocks : Path or None
        Folder for the blocks of a proof file, one for each certified neighbourhood.
    exact_volumes : bool
        Whether volumes and areas are computed as rationals however many regions there are.
    sigmas : tuple of (str, float)
        Standard deviations of bias noise, by the names they have in reports.
    """

    measures: tuple[str, ...] = MEASURES
    engine: str = "auto"
    time_limit: float | None = None
    max_regions: int | None = None
    keep: bool = True
    certify: bool = True
    blocks: Path | None = None
    exact_volumes: bool = False
    sigmas: tuple[tuple[str, float], ...] = ()

    def __post_init__(self) -> None:
        if self.sigmas and not {"local_complexity", "bounds"} & set(self.measures):
            raise UsageError("sigma: it belongs to the measures local_complexity and bounds, and neither is asked for")


def answer(
    network: Network,
    task: Task,
    settings: Settings,
    stop: Callable[[], bool] | None = None,
    on_regions: RegionProgress | None = None,
    crew: Crew | None = None,
) -> Result:
    """Enumerate one neighbourhood, have it judged, and measure it; a crew shares the enumeration if it is much work."""
    begin = time.monotonic()
    notes = {"domain": "; ".join(task.domain.log)} if task.domain.log else {}
    deadline = None if settings.time_limit is None else begin + settings.time_limit
    limits = Limits(settings.max_regions, deadline, stop)
    progress = None if on_regions is None else functools.partial(on_regions, task.index)
    label = _label(network, task, notes)
    found, verdict = explore_judged(network, task.domain, settings, limits, progress, crew)
    complex_ = Complex.of(network, task.domain, found, None if verdict is None else verdict.near)
    outcome, measured = found.outcome, Measured(Answers(), None)
    try:
        kept = settings.blocks is not None
        exactly, threads = settings.exact_volumes, 1 if crew is None else crew.jobs
        names, proved, sigmas = settings.measures, settings.certify, settings.sigmas
        measured = measure(complex_, names, label, notes, certified=proved, keep=kept, exact_volumes=exactly, threads=threads, sigmas=sigmas)
    except KeyboardInterrupt:
        outcome = Outcome.INTERRUPTED
        notes["measures"] = "interrupted before they were done"
    complete = outcome is Outcome.COMPLETE
    status = "partial" if not complete else "certified" if settings.certify else "enumerated"
    notes["status"] = _status_note(status, outcome, complex_.has_geometry)
    if verdict is None and found.stats.get("failed_linear_programs"):
        notes["engine"] = f"{found.stats['failed_linear_programs']} linear programs gave no answer; regions may be missing"
    block = None
    if settings.blocks is not None and verdict is not None and complete:
        path = settings.blocks / f"block-{task.index}.gz"
        evidence = _evidence(verdict, complex_, measured)
        block = path, write_block(path, task.index, evidence)
        notes["proof"] = f"the proof file carries: {', '.join(evidence.carried())}; nothing else of this report"
    return Result(
        index=task.index,
        network=network,
        domain=task.domain,
        status=status,
        outcome=outcome.value,
        engine=choose_engine(settings.engine, task.domain),
        regions=len(complex_),
        volume=Quantity(*enclose(task.domain.volume), Kind.EXACT),
        label=label,
        answers=measured.answers,
        notes=notes,
        seconds=time.monotonic() - begin,
        stats=_stats(found, verdict, measured),
        complex=complex_ if settings.keep else None,
        region_graph=measured.graph if settings.keep and complete else None,
        volumes=measured.volumes if settings.keep else None,
        block=block,
    )


def explore_judged(
    network: Network, domain: Neighbourhood, settings: Settings, limits: Limits, progress: Progress | None, crew: Crew | None
) -> tuple[Exploration, Verdict | None]:
    """A neighbourhood's regions, and what the judge says of them."""
    wishes = NOTHING
    judges: list[Callable[[], Judge | RegionJudge | None]] = [lambda: None]
    if settings.certify:
        keep = settings.blocks is not None
        judges = [lambda: Judge(network, domain, keep)]
        if not keep and domain.dimension <= BY_REGION and choose_engine(settings.engine, domain) == "vertex":
            judges.insert(0, lambda: RegionJudge(network, domain))
    else:
        wishes = _wishes(settings.measures)
    for make in judges:
        judge = make()
        try:
            if crew is None:
                found = explore(network, domain, settings.engine, limits, progress, judge, wishes)
            else:
                found = explore_together(network, domain, settings.engine, limits, progress, judge, crew, wishes)
        except UnsettledError:
            continue
        if judge is None:
            return found, None
        verdict = judge.verdict(found, functools.partial(_go_on, limits))
        return verdict.exploration, verdict
    raise AssertionError("the last judge settles everything")


def _wishes(measures: tuple[str, ...]) -> Wishes:
    """What an engine is to tell for these measures."""
    return Wishes(facets=bool(GRAPH_MEASURES & set(measures)), sizes=bool({*WEIGHTED, "local_rank"} & set(measures)), maps=MAP_BYTES)


def _go_on(limits: Limits) -> bool:
    late = limits.deadline is not None and time.monotonic() > limits.deadline
    return not late and (limits.stop is None or not limits.stop())


def _status_note(status: str, outcome: Outcome, weighed: bool) -> str:
    if status == "certified":
        estimates = "" if weighed else "; what volumes would weigh is estimated"
        return f"complete; regions, counts, graph and measures are proved in exact arithmetic{estimates}"
    if status == "enumerated":
        return "complete in floating point; values are floats, not proved"
    return f"{outcome.value}: counts are lower bounds"


def _stats(found: Exploration, verdict: Verdict | None, measured: Measured) -> dict[str, int]:
    """Counters of the engine, the judge and the measures."""
    stats = dict(found.stats)
    if verdict is not None:
        stats |= {f"judge {name}": many for name, many in verdict.tally.as_dict().items()}
    if measured.graph is not None:
        stats |= {f"facets {how}": many for how, many in measured.graph.tested.items()}
    return stats | {f"robustness {how}": many for how, many in measured.robustness_settled.items()}


def _evidence(verdict: Verdict, complex_: Complex, measured: Measured) -> Evidence:
    """What the certificate carries of the answers."""
    answers, graph = measured.answers, measured.graph
    counts = {"adjacencies": answers.adjacencies, "affine_functions": answers.affine_functions, "pieces": answers.pieces}
    constants = None
    if answers.lipschitz is not None:
        constants = [
            [c.target, c.norm, str(c.lower), str(c.upper), *([c.region, list(c.witness)] if c.witness is not None else [])] for c in answers.lipschitz
        ]
    robust = answers.robustness
    claim = None
    if robust is not None:
        distance, point = robust.exact_distance, robust.exact_point
        claim = {
            "label": robust.label,
            "robust": robust.robust,
            "distance": None if distance is None else str(distance),
            "point": None if point is None else [str(v) for v in point],
        }
    edges = graph if answers.adjacencies is not None else None
    vertices, weighed = _weighed(measured)
    return Evidence(verdict, complex_, edges, counts, constants, claim, measured.margins or {}, vertices, weighed)


PROVED_DIMENSION = 4  # of volumes in a proof file
PROVED_VERSIONS = ("activation", "activation_set", "function")  # of the local complexity


def _weighed(measured: Measured) -> tuple[list[tuple[tuple[int, ...], ...]] | None, dict[str, dict[str, list[str]]] | None]:
    """Vertices of all regions, and bounds on what volumes weigh, where volumes are rational."""
    volumes, answers = measured.volumes, measured.answers
    if volumes is None or not volumes.rational or volumes.complex.domain.dimension > PROVED_DIMENSION:
        return None, None

    def bounds(values: dict[str, Quantity] | None, *left_out: str) -> dict[str, list[str]]:
        listed = {name: q for name, q in (values or {}).items() if name not in left_out}
        return {
            name: [str(Fraction(q.lower)), str(Fraction(q.upper))] for name, q in listed.items() if q.upper is not None and math.isfinite(q.upper)
        }

    kink = None if answers.kink_variation is None else {"frobenius": answers.kink_variation}
    weighed = {
        "total_variation": bounds(answers.total_variation, "operator"),
        "local_complexity": bounds(answers.local_complexity, "open"),
        "kink_variation": bounds(kink),
    }
    return [volumes.exact[r].vertices for r in range(len(volumes.complex))], weighed


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
