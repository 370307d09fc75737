"""From a network and a neighbourhood to its regions, through one of the engines, alone or shared, judged or not."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from dataclasses import replace

from polylc.complex.complex import MAP_BYTES, Complex
from polylc.domains.box import Neighbourhood, norm_of
from polylc.domains.domain import Domain
from polylc.engines.ball import BallEngine
from polylc.engines.choose import choose_engine, engine_class
from polylc.engines.contract import ChunkSink, Exploration, Limits, Outcome, Progress
from polylc.engines.extras import NOTHING, Wishes
from polylc.errors import LimitReached
from polylc.exact.checkpoint import unbroken, until
from polylc.judge.by_ball import ball_verdict
from polylc.judge.by_node import Judge
from polylc.judge.by_region import RegionJudge, UnsettledError
from polylc.judge.columns import Points
from polylc.judge.verdict import Tally, Verdict
from polylc.measures.measure import Need
from polylc.measures.registry import needing
from polylc.network.form import Network
from polylc.search.crew import Crew
from polylc.search.cut_with_ball import cut_with_ball
from polylc.search.saved import Saved
from polylc.search.task import Phase, PhaseWatch, Settings, Task
from polylc.search.units import explore_together, go_on


def enumerate_regions(
    network: Network,
    domain: Domain,
    engine: str = "auto",
    limits: Limits | None = None,
    progress: Progress | None = None,
    sink: ChunkSink | None = None,
    wishes: Wishes = NOTHING,
) -> tuple[Complex, Exploration]:
    """All activation regions of `network` on `domain`, or those found before a limit, and what the engine is wished to
    tell besides.

    Returns
    -------
    complex : Complex
    found : Exploration
        The decision tree and the engine's counters.

    Raises
    ------
    UsageError
        If the engine is unknown, or does not reach the dimension of the neighbourhood.
    """
    found = explore(network, domain, engine, limits, progress, sink, wishes)
    return Complex.of(network, domain, found), found


def explore(
    network: Network,
    domain: Domain,
    engine: str = "auto",
    limits: Limits | None = None,
    progress: Progress | None = None,
    sink: ChunkSink | None = None,
    wishes: Wishes = NOTHING,
) -> Exploration:
    """The decision tree of `network` on `domain`, or what was explored before a limit; as `enumerate_regions`."""
    found = engine_class(choose_engine(engine, domain))(network, domain, sink, (), wishes)
    with until(None):  # an exploration has limits of its own, and keeps what it has found
        return found.explore(limits, progress)


def explore_judged(
    network: Network,
    task: Task,
    settings: Settings,
    limits: Limits,
    progress: Progress | None = None,
    crew: Crew | None = None,
    on_phase: PhaseWatch | None = None,
    saved: Saved | None = None,
) -> tuple[Exploration, Verdict | None]:
    """A neighbourhood's regions, and what the judge says of them."""
    enter = on_phase or (lambda _: None)
    domain, wishes = task.domain, NOTHING
    if isinstance(domain, Neighbourhood) and task.engine == BallEngine.name:
        enter(Phase.EXPLORING)
        found = BallEngine(network, domain).explore(limits, progress)  # nothing is left to judge
        found = replace(found, outcome=limits.ended(found.outcome))
        return _proved_in_ball(network, domain, found, limits) if settings.proves else (found, None)
    judges: list[Callable[[], Judge | RegionJudge | None]] = [lambda: None]
    if settings.certify:
        # in the order of the result, so that they are rounded as where they are composed afterwards
        maps = MAP_BYTES if crew is None and task.engine == "vertex" else 0
        judges = [lambda: Judge(network, domain, settings.proves, go_on=functools.partial(go_on, limits), maps=maps)]
        if settings.judges_regions(task):
            judges.insert(0, lambda: RegionJudge(network, domain, maps=maps))
    else:
        wishes = _wishes(settings.measures)
    for make in judges:
        with unbroken(False):
            enter(Phase.SET_UP)
            judge = make()
        enter(Phase.EXPLORING)
        try:
            if crew is None and saved is None:
                found = explore(network, domain, task.engine, limits, progress, judge, wishes)
            else:
                found = explore_together(network, domain, task.engine, limits, progress, judge, crew, wishes, saved)
        except UnsettledError:
            continue
        found = replace(found, outcome=limits.ended(found.outcome))
        if judge is None:
            return found, None
        enter(Phase.JUDGING)
        with until(None):
            verdict = judge.verdict(found, functools.partial(go_on, limits))
            verdict = _unless_full(verdict, limits)
            if isinstance(domain, Neighbourhood) and norm_of(domain) != "linf":
                inside, near = cut_with_ball(network, domain, verdict.exploration, verdict.near, limits.over)
                if settings.proves:
                    return _proved_in_ball(network, domain, inside, limits)
                return inside, replace(verdict, exploration=inside, near=near)
        return verdict.exploration, verdict
    raise AssertionError("the last judge settles everything")


def _unless_full(verdict: Verdict, limits: Limits) -> Verdict:
    """A verdict that says whether memory, and not time, was over before all was decided."""
    over = verdict.exploration.outcome is Outcome.TIME_LIMIT and limits.full is not None and limits.full()
    if not over or (limits.deadline is not None and time.monotonic() > limits.deadline):
        return verdict
    return replace(verdict, exploration=replace(verdict.exploration, outcome=Outcome.MEMORY_LIMIT))


def _proved_in_ball(network: Network, domain: Domain, found: Exploration, limits: Limits) -> tuple[Exploration, Verdict]:
    """The regions of a ball with what proves them, if all are known and there is time."""
    if found.complete:
        try:
            with until(limits.deadline, limits.stop):
                verdict = ball_verdict(network, domain, found)
            return verdict.exploration, verdict
        except LimitReached:
            pass
    return found, Verdict(found, Points(found.unit, {}), None, Tally())


def _wishes(measures: tuple[str, ...]) -> Wishes:
    """What an engine is to tell for these measures."""
    return Wishes(facets=needing(Need.GRAPH, measures), sizes=needing(Need.VOLUMES, measures), maps=MAP_BYTES)
