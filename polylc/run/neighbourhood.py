"""One neighbourhood: enumerated, judged, measured."""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from polylc.complex.along import breakpoints
from polylc.complex.complex import Complex
from polylc.domains.ball import ball_volume
from polylc.domains.box import Neighbourhood, norm_of
from polylc.domains.domain import Domain
from polylc.domains.frame import Frame
from polylc.engines.contract import Exploration, Outcome, nothing_found
from polylc.errors import DigitsError, LimitReached, Stopped
from polylc.exact.checkpoint import checkpoint, unbroken, until
from polylc.exact.enclose import enclose, enclose_sqrt
from polylc.exact.mapped import mapped
from polylc.exact.memory import Memory, resident, share_of
from polylc.exact.numbers import long_numbers, to_floats
from polylc.exact.quantity import Kind, Quantity
from polylc.jit.heap import trim
from polylc.jit.mode import mode
from polylc.judge.verdict import Verdict
from polylc.measures.by_volume.weighed import weighed
from polylc.measures.registry import measure, volume_notes
from polylc.measures.scene import Scene
from polylc.network.compose import UNIT, enclosed_outputs
from polylc.network.exact import ExactNetwork
from polylc.network.form import Network
from polylc.report.result import Result
from polylc.report.status import Status
from polylc.search.cores import usable_cores
from polylc.search.crew import Crew
from polylc.search.enumerate import explore_judged
from polylc.search.saved import Saved
from polylc.search.task import LAST_WORDS, SEARCHED, SHARE, Phase, PhaseWatch, Settings, Task

RegionProgress = Callable[[int, int, float], None]


def answer(
    network: Network,
    task: Task,
    settings: Settings,
    stop: Callable[[], bool] | None = None,
    on_regions: RegionProgress | None = None,
    crew: Crew | None = None,
    on_phase: PhaseWatch | None = None,
    saved: Saved | None = None,
) -> Result:
    """Enumerate one neighbourhood, have it judged, and measure it; a crew shares the enumeration if it is much work.

    What was `saved` of it is not done again. With a limit on memory large arrays are mapped into files.

    Where there is a `stop`, whoever gave it sees to interrupts: what was found before one is then a result, as it is
    after a limit.

    Raises
    ------
    KeyboardInterrupt
        If the user interrupts before anything was found, and there is no `stop`.
    """
    with mapped(settings.memory is not None), unbroken():
        return _answer(network, task, settings, stop, on_regions, crew, on_phase, saved)


def _answer(
    network: Network,
    task: Task,
    settings: Settings,
    stop: Callable[[], bool] | None,
    on_regions: RegionProgress | None,
    crew: Crew | None,
    on_phase: PhaseWatch | None,
    saved: Saved | None,
) -> Result:
    begin = time.monotonic()
    if settings.needs_no_regions(task) and (network.outputs > 1 or norm_of(task.domain) != "linf"):
        return _without_regions(network, task, settings, begin, stop, _here(crew))
    kept = SHARE if SEARCHED & set(settings.measures) and settings.certify else 0.0
    limits = settings.limits(begin, stop, kept)

    def enter(phase: Phase) -> None:
        mode.settle(limits.over)
        if on_phase is not None:
            on_phase(phase)

    progress = None if on_regions is None else functools.partial(on_regions, task.index)
    try:
        with until(limits.deadline, stop):
            with unbroken(False):
                enter(Phase.SET_UP)
                label, tie = label_of(network, task)
            found, verdict = explore_judged(network, task, settings, limits, progress, crew, enter, saved)
    except (LimitReached, KeyboardInterrupt) as reached:  # while setting up: not one region is known
        if stop is None and isinstance(reached, KeyboardInterrupt):
            raise
        label, tie, verdict = task.label, None, None
        why = limits.ended(Outcome.INTERRUPTED if isinstance(reached, (Stopped, KeyboardInterrupt)) else Outcome.TIME_LIMIT)
        found = nothing_found(network, task.domain, why)
    enter(Phase.MEASURES)
    complex_ = Complex.of(network, task.domain, found, None if verdict is None else verdict.near, verdict is not None)
    searched = {}
    if found.outcome in (Outcome.TIME_LIMIT, Outcome.REGION_LIMIT, Outcome.MEMORY_LIMIT) or (complex_.round and found.outcome is Outcome.COMPLETE):
        from polylc.run.by_search import beside  # searches, and all that they bound with, take long to import

        searched = beside(settings, complex_, label, begin, stop, _here(crew))
    scene = Scene(
        complex_,
        settings.measures,
        label,
        certified=settings.certify,
        keep=settings.proves,
        exact_volumes=settings.exact_volumes,
        threads=_here(crew),
        sigmas=settings.sigmas,
        on_graph=lambda building: enter(Phase.GRAPH if building else Phase.MEASURES),
        searched=searched,
    )
    last = settings.last_moment(begin, found.outcome is Outcome.COMPLETE)
    stopped = found.outcome is Outcome.INTERRUPTED and stop is not None
    most = share_of(settings.memory, 1)
    full = None if most is None else Memory(most)
    if most is not None and 2 * resident() > most:
        trim()  # what the enumeration has freed is room for what comes
    with until(time.monotonic() + LAST_WORDS, None, True) if stopped else until(last, stop, full=full):
        answers, interrupted, late = measure(scene)
    if settings.graph and found.outcome is Outcome.COMPLETE and not interrupted:
        try:
            with until(last, stop, full=full), unbroken(False):
                _ = scene.graph
        except (LimitReached, KeyboardInterrupt):
            late = (*late, "graph")
    line = None
    if isinstance(task.domain, Frame) and task.domain.dimension == 1 and settings.certify and found.outcome is Outcome.COMPLETE and not interrupted:
        try:
            with until(last, stop):
                line = breakpoints(complex_)
        except LimitReached:
            late = (*late, "breakpoints")
    outcome = Outcome.INTERRUPTED if interrupted else found.outcome
    complete = outcome is Outcome.COMPLETE
    status = Status.PARTIAL if not complete else Status.CERTIFIED if settings.certify else Status.ENUMERATED
    failed = found.stats.get("failed_linear_programs") if verdict is None else None
    remarks = {
        "domain": "; ".join(task.domain.log) or None,
        "label": tie,
        "measures": "interrupted before they were done" if interrupted else None,
        "status": _status_note(status, outcome, complex_.has_geometry or complex_.round),
        "engine": f"{failed} linear programs gave no answer; regions may be missing" if failed else None,
    }
    block = None
    if settings.blocks is not None and verdict is not None and complete:
        from polylc.proof.certificate import write_block  # only who wants a proof imports what writes it
        from polylc.run.evidence import evidence_of

        path = settings.blocks / f"block-{task.index}.gz"
        enter(Phase.PROOF)
        try:
            with until(settings.last_moment(begin, complete=False), stop), long_numbers():
                checkpoint()
                if verdict.kept is None:  # there was no time, a moment ago
                    raise LimitReached("the time limit was reached")
                evidence = evidence_of(verdict, scene, answers)
                block = path, write_block(path, task.index, evidence)
            remarks["proof"] = f"the proof file carries: {', '.join(evidence.carried())}; nothing else of this report"
        except OSError as error:  # a full disk costs the proof, not the answers
            remarks["proof"] = f"not written: {error.strerror}"
        except DigitsError as error:
            remarks["proof"] = f"not written: {error}"
        except LimitReached as error:
            late = (*late, "proof")
            remarks["proof"] = f"not written: {error}"
    if late and complete:
        cause = "the interrupt" if stop is not None and stop() else "the memory limit" if full is not None and full.reached else "the time limit"
        remarks["status"] = f"{remarks['status']}; {cause} left out {', '.join(late)}"
    return Result(
        index=task.index,
        network=network,
        domain=task.domain,
        status=status,
        outcome=outcome,
        engine=task.engine,
        regions=len(complex_),
        volume=_volume(task.domain),
        label=label,
        answers=answers,
        remarks={topic: said for topic, said in remarks.items() if said is not None} | volume_notes(scene),
        seconds=time.monotonic() - begin,
        stats=_stats(found, verdict, scene),
        complex=complex_ if settings.keep else None,
        exact_points={} if verdict is None or complex_.round or not settings.keep else dict(verdict.points.exact),
        region_graph=scene.built if settings.keep and complete else None,
        weighed=weighed(scene.volumes.value) if settings.keep and "volumes" in vars(scene) else None,
        block=block,
        line=line,
        late=late,
    )


def _here(crew: Crew | None) -> int:
    """How many threads or processes this machine has for a neighbourhood, whose crew may be elsewhere."""
    return 1 if crew is None else min(crew.jobs, max(usable_cores(), 2))


def _without_regions(network: Network, task: Task, settings: Settings, begin: float, stop: Callable[[], bool] | None, jobs: int) -> Result:
    """What searches answer, and nothing else."""
    from polylc.run.by_search import found_by_search, searches

    label, tie = label_of(network, task)
    nothing = nothing_found(network, task.domain, Outcome.COMPLETE)
    complex_ = Complex.of(network, task.domain, nothing, None)
    asked = searches(settings, complex_, label)
    searched = found_by_search(complex_, asked, label, settings.time_limit, stop, jobs)
    scene = Scene(complex_, settings.measures, label, certified=True, searched=searched)
    answers, _, _ = measure(scene)
    settled = all(name in searched and _settled(searched[name]) for name in asked)
    stopped = stop is not None and stop()
    outcome = Outcome.COMPLETE if settled else Outcome.INTERRUPTED if stopped else Outcome.TIME_LIMIT
    status = Status.CERTIFIED if settled else Status.PARTIAL
    remarks = {
        "domain": "; ".join(task.domain.log) or None,
        "label": tie,
        "regions": "null: what was asked needs none, a search answered it; ask for counts as well to enumerate",
        "status": "complete; what was asked is proved in exact arithmetic" if settled else f"{outcome}: a proved and an attained bound",
    }
    return Result(
        index=task.index,
        network=network,
        domain=task.domain,
        status=status,
        outcome=outcome,
        engine="search",
        regions=None,
        volume=_volume(task.domain),
        label=label,
        answers=answers,
        remarks={topic: said for topic, said in remarks.items() if said is not None},
        seconds=time.monotonic() - begin,
        stats={
            name: int(many) for one in searched.values() if not isinstance(one, list) for name, many in one.statistics.items() if name != "seconds"
        },
    )


def _settled(found: Any) -> bool:
    """Whether a search ended with what it was asked for."""
    return all(c.quantity.kind is Kind.EXACT for c in found) if isinstance(found, list) else bool(found.exact or found.robust)


def _volume(domain: Domain) -> Quantity:
    """That of the neighbourhood; where a box cuts a ball, bounds."""
    if isinstance(domain, Neighbourhood) and domain.norm != "linf":
        low, high = ball_volume(domain)
        return Quantity(enclose(low)[0], enclose(high)[1], Kind.EXACT if low == high else Kind.ENCLOSURE)
    return Quantity(*enclose_sqrt(domain.squared_volume), Kind.EXACT)


def _status_note(status: Status, outcome: Outcome, weighed: bool) -> str:
    if status is Status.CERTIFIED:
        estimates = "" if weighed else "; what volumes would weigh is enclosed, or estimated"
        return f"complete; regions, counts, graph and measures are proved in exact arithmetic{estimates}"
    if status is Status.ENUMERATED:
        return "complete in floating point; values are floats, not proved"
    return f"{outcome}: counts are lower bounds"


def _stats(found: Exploration, verdict: Verdict | None, scene: Scene) -> dict[str, int]:
    """Counters of the engine, the judge and the measures."""
    stats = dict(found.stats)
    if verdict is not None:
        stats |= {f"judge {name}": many for name, many in verdict.tally.as_dict().items()}
    if scene.built is not None:
        stats |= {f"facets {how}": many for how, many in scene.built.tested.items()}
    if "robustness" in vars(scene):
        stats |= {f"robustness {how}": many for how, many in vars(scene.robustness.settled).items()}
    return stats


def label_of(network: Network, task: Task) -> tuple[int | None, str | None]:
    """The label given, or the class at the centre, decided exactly; a tie goes to the lowest index, with a remark that
    says so.
    """
    if task.label is not None:
        return task.label, None
    if network.outputs == 1 or task.domain.center is None:
        return None, None
    center = to_floats(task.domain.center)
    error = np.array([math.nextafter(float(abs(a - Fraction(b))), math.inf) for a, b in zip(task.domain.center, center.tolist(), strict=True)])
    values, noise = enclosed_outputs(network, center, error)
    first = int(values.argmax())
    ahead, doubt = values[first] - np.delete(values, first), noise[first] + np.delete(noise, first)
    if (ahead > doubt * (1 + 8 * UNIT)).all():  # beyond what rounding may have done, here too
        return first, None
    outputs = ExactNetwork(network).outputs(task.domain.center)
    best = max(outputs)
    tied = [i for i, v in enumerate(outputs) if v == best]
    said = f"classes {', '.join(map(str, tied))} tie at the centre, exactly; {tied[0]} is taken" if len(tied) > 1 else None
    return tied[0], said
