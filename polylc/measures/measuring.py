"""All measures of a complex that were asked for and are within reach, and why the others are not there."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

import numpy as np

from polylc.complex.complex import Complex
from polylc.complex.graph import RegionGraph, build_graph
from polylc.complex.pieces import affine_functions, pieces
from polylc.errors import SolverError
from polylc.exact.numbers import to_floats
from polylc.exact.quantity import Kind, Quantity, floating
from polylc.geometry.skeleton import MOST_DIMENSION
from polylc.measures.by_volume import enclosures
from polylc.measures.by_volume.local_complexity import local_complexity
from polylc.measures.by_volume.noise import decoupled, noisy_terms
from polylc.measures.by_volume.variation import kink_variation, total_variation
from polylc.measures.by_volume.volumes import Volumes
from polylc.measures.gradient.lipschitz import certified_lipschitz, lipschitz
from polylc.measures.gradient.norms import Gradients
from polylc.measures.inequalities import Inequality, Sides, slicing_bound
from polylc.measures.margin.distance_bounds import certified_distances
from polylc.measures.margin.exact_robustness import CertifiedRobustness, certified_robustness
from polylc.measures.margin.float_robustness import Robustness, robustness
from polylc.measures.rank import extremes, local_rank, region_ranks
from polylc.network.exact import ExactNetwork
from polylc.report.result import Answers

MEASURES = ("counts", "local_complexity", "total_variation", "kink_variation", "local_rank", "lipschitz", "robustness", "bounds")
WEIGHTED = ("local_complexity", "total_variation", "kink_variation")
GRAPH_MEASURES = {"counts", "local_complexity", "kink_variation", "bounds"}
VOLUME_TOLERANCE = 1e-9
EXACT_REGIONS = {1: 10_000, 2: 4_000, 3: 1_000, 4: 400}  # by dimension: rational volumes of so many regions take some two seconds


@dataclass(frozen=True)
class Measured:
    """Answers, the graph they were read off, and what a certificate needs besides."""

    answers: Answers
    graph: RegionGraph | None
    volumes: Volumes | None = None
    margins: dict[int, list[Any]] | None = None
    robustness_settled: dict[str, int] = field(default_factory=dict)


def measure(
    complex_: Complex,
    measures: tuple[str, ...],
    label: int | None,
    notes: dict[str, str],
    *,
    certified: bool,
    keep: bool = False,
    exact_volumes: bool = False,
    threads: int = 1,
    sigmas: tuple[tuple[str, float], ...] = (),
) -> Measured:
    """All measures that were asked for and are within reach; reasons for the others go to `notes`.

    Parameters
    ----------
    certified : bool
        Whether the regions are proved, so that what follows from them exactly is proved too.
    keep : bool
        Whether what proves the answers is kept for a certificate.
    exact_volumes : bool
        Whether all volumes and areas are computed as rationals, however many regions there are.
    threads : int
        How many threads may share the work; answers do not depend on it.
    sigmas : tuple of (str, float)
        Standard deviations of bias noise, by name, for the local complexity.

    Raises
    ------
    ConsistencyError
        If an identity fails that holds of all volumes, areas and gradients.
    """
    for name in MEASURES:
        if name not in measures:
            notes[name] = "not asked for"
    if not complex_.complete:
        return _partial(complex_, measures, label, notes, certified)
    graph = build_graph(complex_, keep=keep, threads=threads) if GRAPH_MEASURES & set(measures) else None
    answers = Answers()
    if "counts" in measures and graph is not None:
        labels = affine_functions(complex_)
        merged = _distinct(pieces(complex_, graph, labels))
        answers = replace(answers, pieces=merged, affine_functions=_distinct(labels), adjacencies=len(graph))
        if merged != len(complex_):
            notes["pieces"] = f"{len(complex_)} regions make {merged} pieces: some neighbours have the same affine map"
    volumes = None
    if not complex_.has_geometry:
        answers = _sampled(complex_, measures, sigmas, answers, notes)
        answers = answers if certified else _unproved(answers)
    elif certified:
        answers, volumes = _enclosed(complex_, graph, measures, label, answers, notes, exact_volumes)
    else:
        answers = _weighted(complex_, graph, measures, answers, notes)
        if "local_rank" in measures:
            answers = replace(answers, local_rank=local_rank(complex_))
    strips: list[np.ndarray] = []
    if sigmas and complex_.has_geometry and {"local_complexity", "bounds"} & set(measures):
        noisy, strips = _noisy(complex_, sigmas, notes, certified, "bounds" in measures)
        answers = replace(answers, noisy_complexity=noisy)
    if "lipschitz" in measures:
        answers = replace(answers, lipschitz=(certified_lipschitz if certified else lipschitz)(complex_, label))
    proved = None
    if "robustness" in measures:
        answers, proved = _robust(complex_, label, answers, notes, certified, keep)
    if "bounds" in measures:
        answers = replace(answers, bounds=_bounds(complex_, graph, volumes, label, answers, sigmas, strips, notes, certified))
    if proved is None:
        return Measured(answers, graph, volumes)
    return Measured(answers, graph, volumes, proved.entries, vars(proved.settled))


def _robust(
    complex_: Complex, label: int | None, answers: Answers, notes: dict[str, str], certified: bool, keep: bool
) -> tuple[Answers, CertifiedRobustness | None]:
    """Robustness, if there is a class to keep, and what proves it."""
    if label is None or complex_.network.outputs == 1:
        one = complex_.network.outputs == 1
        notes["robustness"] = "one output: there is no class to keep" if one else "a box has no centre; give a label with --labels"
        return answers, None
    if certified:
        proved = certified_robustness(complex_, label, keep=keep)
        return replace(answers, robustness=_from_certified(proved, complex_)), proved
    try:
        answers = replace(answers, robustness=robustness(complex_, label))
    except SolverError as error:
        notes["robustness"] = f"null: {error}"
    return answers, None


def _bounds(
    complex_: Complex,
    graph: RegionGraph | None,
    volumes: Volumes | None,
    label: int | None,
    answers: Answers,
    sigmas: tuple[tuple[str, float], ...],
    strips: list[np.ndarray],
    notes: dict[str, str],
    certified: bool,
) -> list[Inequality] | None:
    """All inequalities that apply, both sides enclosed."""
    if not certified:
        notes["bounds"] = "null: inequalities are decided on enclosures, and without certification there are none"
        return None
    assert graph is not None
    found: list[Inequality] = []
    margins = label if complex_.network.outputs > 1 else None
    if volumes is not None:
        complexity = enclosures.local_complexity(volumes, graph) if answers.local_complexity is None else answers.local_complexity
        sides = Sides(volumes, graph, region_ranks(complex_), Gradients(complex_))
        found += [*sides.gain_bound(), *sides.ranks(), *sides.kinks(complexity["function"]), slicing_bound(complex_, complexity["activation_set"])]
        found += [] if margins is None else sides.margins(margins)
        for (name, sigma), strip in zip(sigmas, strips, strict=False):
            found += sides.noisy(name, sigma, (answers.noisy_complexity or {})[name], strip)
        if not sigmas:
            notes["bounds"] = "inequalities about noise need --sigma"
    else:
        known = (answers.local_complexity or {}).get("activation_set", Quantity(0.0, None, Kind.ENCLOSURE))
        found.append(slicing_bound(complex_, known))
        notes["bounds"] = "only what needs no volumes"
    if margins is not None and answers.robustness is not None and answers.lipschitz is not None:
        found += certified_distances(complex_, margins, answers.robustness.exact_distance, answers.lipschitz)
    return found


def _sampled(complex_: Complex, measures: tuple[str, ...], sigmas: tuple[tuple[str, float], ...], answers: Answers, notes: dict[str, str]) -> Answers:
    """What volumes would weigh, as estimates; the extremes of local ranks, exactly."""
    if "local_rank" in measures:
        answers = replace(answers, local_rank=extremes(region_ranks(complex_), None))
    names = [m for m in WEIGHTED if m in measures]
    if not names:
        return answers
    beyond = _beyond_doubles(complex_)
    if beyond is not None:
        notes.update(dict.fromkeys(names, beyond))
        return answers
    from polylc.measures.by_volume import sampled

    reason = _too_many_dimensions(complex_)
    if "total_variation" in names:
        found, how = sampled.total_variation(complex_)
        answers, notes["total_variation"] = replace(answers, total_variation=found), f"{reason}; {how}"
    if "local_complexity" in names or "kink_variation" in names:
        lines = sampled.by_lines(complex_)
        if "local_complexity" in names:
            answers, notes["local_complexity"] = replace(answers, local_complexity=lines.local_complexity), f"{reason}; {lines.note}"
        if "kink_variation" in names:
            answers, notes["kink_variation"] = replace(answers, kink_variation=lines.kink_variation), f"{reason}; {lines.note}"
    if sigmas and "local_complexity" in names:
        noisy, how = sampled.decoupled(complex_, [sigma for _, sigma in sigmas])
        answers = replace(answers, noisy_complexity=dict(zip([name for name, _ in sigmas], noisy, strict=True)))
        notes["local_complexity.sigma"] = f"{reason}; {how}"
    return answers


def _unproved(answers: Answers) -> Answers:
    """What an uncertified enumeration makes of values that would else be proved: floats. Estimates stay."""

    def plain(value: Quantity) -> Quantity:
        return value if value.kind is Kind.ESTIMATE else floating(value.value)

    complexity, variation, kink, ranks = answers.local_complexity, answers.total_variation, answers.kink_variation, answers.local_rank
    return replace(
        answers,
        local_complexity=None if complexity is None else {k: plain(v) for k, v in complexity.items()},
        total_variation=None if variation is None else {k: plain(v) for k, v in variation.items()},
        kink_variation=None if kink is None else plain(kink),
        local_rank=None if ranks is None else [replace(r, mean=None if r.mean is None else plain(r.mean)) for r in ranks],
    )


def _noisy(
    complex_: Complex, sigmas: tuple[tuple[str, float], ...], notes: dict[str, str], certified: bool, strips: bool
) -> tuple[dict[str, Quantity] | None, list[np.ndarray]]:
    """LC^dec by the name of its standard deviation, and what inequalities need besides if asked for."""
    reason = _out_of_reach(complex_)
    values = [sigma for _, sigma in sigmas]
    terms: list[tuple[Quantity, np.ndarray]] = []
    if reason is None:
        try:
            terms = noisy_terms(complex_, values) if strips else [(q, np.zeros(2)) for q in decoupled(complex_, values)]
        except SolverError as error:
            reason = f"null: {error}"
    if reason is not None:
        notes["local_complexity.sigma"] = reason
        return None, []
    found = {name: q if certified else floating(q.value) for (name, _), (q, _) in zip(sigmas, terms, strict=True)}
    return found, [strip for _, strip in terms]


def _from_certified(proved: CertifiedRobustness, complex_: Complex) -> Robustness:
    point = proved.adversarial
    distance = None if proved.distance is None else float(proved.distance)
    floats = None if point is None else to_floats(point)
    return Robustness(proved.label, proved.robust, distance, floats, 0, exact_distance=proved.distance, exact_point=point)


def _binary_exponent(value: Fraction) -> int:
    return value.numerator.bit_length() - value.denominator.bit_length()


def _distinct(labels: np.ndarray) -> int:
    return int(labels.max(initial=-1)) + 1


def _out_of_reach(complex_: Complex) -> str | None:
    """Why volumes cannot weigh anything here, if so."""
    return _beyond_doubles(complex_) if complex_.has_geometry else _too_many_dimensions(complex_)


def _too_many_dimensions(complex_: Complex) -> str:
    return f"dimension {complex_.domain.dimension} > {MOST_DIMENSION}: volumes are out of reach"


def _beyond_doubles(complex_: Complex) -> str | None:
    if not -1000 < _binary_exponent(complex_.domain.volume) < 1000:
        return "the volume of the neighbourhood is beyond the range of doubles"
    if not all(np.isfinite(jacobian).all() for _, jacobian in complex_.jacobians()):
        return "gradients are beyond the range of doubles"
    return None


def _enclosed(
    complex_: Complex,
    graph: RegionGraph | None,
    measures: tuple[str, ...],
    label: int | None,
    answers: Answers,
    notes: dict[str, str],
    exact_volumes: bool,
) -> tuple[Answers, Volumes | None]:
    """The measures that are weighted by volume or area, proved."""
    names = [m for m in WEIGHTED if m in measures]
    ranks = region_ranks(complex_) if "local_rank" in measures else None
    if not names and ranks is None and "bounds" not in measures:
        return answers, None
    reason, volumes = _out_of_reach(complex_), None
    if reason is None:
        few = len(complex_) <= EXACT_REGIONS.get(complex_.domain.dimension, 0)
        try:
            volumes = Volumes(complex_, exact_volumes or few)
        except SolverError as error:
            reason = f"null: {error}"
    if volumes is None:
        notes.update(dict.fromkeys(names, str(reason)))
        return (answers if ranks is None else replace(answers, local_rank=extremes(ranks, None))), None
    gradients = Gradients(complex_)
    if ranks is not None:
        answers = replace(answers, local_rank=extremes(ranks, enclosures.mean_ranks(volumes, ranks)))
    if "local_complexity" in names and graph is not None:
        answers = replace(answers, local_complexity=enclosures.local_complexity(volumes, graph))
    if "total_variation" in names:
        margin = label if complex_.network.outputs > 1 else None
        answers = replace(answers, total_variation=enclosures.total_variation(volumes, gradients, margin))
    if "kink_variation" in names and graph is not None:
        answers = replace(answers, kink_variation=enclosures.kink_variation(volumes, gradients, graph))
    notes["volumes"] = volumes.summary()
    return answers, volumes


def _weighted(complex_: Complex, graph: RegionGraph | None, measures: tuple[str, ...], answers: Answers, notes: dict[str, str]) -> Answers:
    """The measures that are weighted by volume or area, in floats."""
    names = [m for m in WEIGHTED if m in measures]
    if not names:
        return answers
    reason = _out_of_reach(complex_)
    if reason is None and not complex_.geometry.ok.all():
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


def _partial(complex_: Complex, measures: tuple[str, ...], label: int | None, notes: dict[str, str], certified: bool) -> Measured:
    """What an incomplete complex still says: lower bounds of counts, and an adversarial point if one was found."""
    reason = "null: the enumeration is not complete"
    notes.update({m: reason for m in measures if m not in ("counts", "robustness")})
    answers, graph = Answers(), None
    if "counts" in measures and len(complex_):
        graph = build_graph(complex_, programs=False)
        answers = replace(answers, affine_functions=_distinct(affine_functions(complex_)), adjacencies=len(graph))
        notes["pieces"] = reason
    if "robustness" in measures and label is not None and complex_.network.outputs > 1 and len(complex_):
        found = robustness(complex_, label)
        if certified and not found.robust:
            found = _checked_point(complex_, found)
        answers = replace(answers, robustness=found)
        notes["robustness"] = "no adversarial point among the regions found" if found.robust else "its distance is an upper bound"
    return Measured(answers, graph)


def _checked_point(complex_: Complex, found: Robustness) -> Robustness:
    """The adversarial point of an incomplete search, evaluated exactly; without it nothing is known."""
    assert found.adversarial is not None
    domain = complex_.domain
    point = tuple(min(max(Fraction(x), a), b) for x, a, b in zip(found.adversarial.tolist(), domain.lower, domain.upper, strict=True))
    outputs = ExactNetwork(complex_.network).outputs(point)
    if max(v for j, v in enumerate(outputs) if j != found.label) < outputs[found.label]:
        return replace(found, robust=True, distance=None, adversarial=None)
    distance = None
    if domain.center is not None:
        distance = max(abs(a - b) for a, b in zip(point, domain.center, strict=True))
    return replace(found, distance=None if distance is None else float(distance), exact_distance=distance, exact_point=point)
