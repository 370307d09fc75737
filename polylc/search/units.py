"""One neighbourhood explored by many: its tree is cut into work units.

A work unit is a cell of the tree, named by the path to it, of the depth `UNIT_DEPTH`. One engine explores the top of
the tree, and whatever it has begun before it is asked to share; the cells that it leaves are explored, and judged,
wherever the executor puts them. What is found in a cell depends on the path to it alone, so all of it together is what
one engine finds.
"""

from __future__ import annotations

import functools
import pickle
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Future, wait
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from polylc.domains.domain import Domain
from polylc.engines.choose import engine_class
from polylc.engines.contract import Exploration, Left, Limits, Outcome, Prefix, Progress
from polylc.engines.extras import NOTHING, Seen, Wishes, join
from polylc.errors import ReplayError
from polylc.exact.checkpoint import unbroken, until
from polylc.exact.memory import Memory, either
from polylc.judge.absorb import Confirmed, absorb, confirmed, take_nodes
from polylc.judge.by_node import Judge
from polylc.judge.by_region import RegionJudge, UnsettledError
from polylc.network.exact_forms import ExactForms
from polylc.network.form import Network
from polylc.search.crew import Crew
from polylc.search.saved import PATIENCE, Saved

LOOK = 0.1  # seconds between two looks at limits while others work
_last = threading.local()  # the job that this thread has worked on last


@dataclass(frozen=True)
class Job:
    """What the units of a neighbourhood have in common.

    Attributes
    ----------
    network, domain
    engine : str
    judged : bool
        Whether units are judged where they are explored.
    keep : bool
        Whether proofs are kept.
    by_region : bool
        Whether regions are judged one by one.
    wishes : Wishes
    """

    network: Network
    domain: Domain
    engine: str
    judged: bool
    keep: bool
    by_region: bool = False
    wishes: Wishes = NOTHING

    @functools.cached_property
    def forms(self) -> ExactForms:
        """Forms in integers, which take longer to prepare than a small unit to explore."""
        return ExactForms(self.network, self.domain.exact_embedding)


@dataclass(frozen=True)
class Unit:
    """A cell to explore.

    Attributes
    ----------
    prefix : tuple of (int, int)
        Its path.
    nodes : tuple of int
        Nodes of the path, from the root on, in the tree that the unit was cut from.
    own : int
        Depth on the path from which on claims are this unit's, since no other find comes before it there.
    after : int
        Number of regions that the search found before it came here.
    """

    prefix: Prefix
    nodes: tuple[int, ...]
    own: int
    after: int


@dataclass(frozen=True)
class Found:
    """What was found in a unit; `judged` stands for the columns of the exploration, if a judge has them, and if it
    settled them.
    """

    exploration: Exploration
    judged: Confirmed | None
    settled: bool = True


def explore_unit(job: Job, prefix: Prefix, limits: Limits | None = None, progress: Progress | None = None) -> Found:
    """Explore one unit, and have it judged if the job says so.

    Raises
    ------
    ReplayError
        If the cell is not found.
    """
    judge: Judge | RegionJudge | None = None
    if job.judged:
        judge = RegionJudge(job.network, job.domain, job.forms) if job.by_region else Judge(job.network, job.domain, job.keep, job.forms)
    engine = engine_class(job.engine)(job.network, job.domain, judge, prefix, job.wishes)
    try:
        found = engine.explore(limits, progress)
    except UnsettledError:
        nothing, bits = np.zeros(0, dtype=np.int32), np.zeros((0, 1), dtype=np.uint64)
        return Found(Exploration(nothing, nothing, nothing, bits, np.zeros((0, 1)), nothing, Outcome.COMPLETE), None, False)
    if judge is None:
        return Found(found, None)
    take_nodes(judge, found)
    none = {name: getattr(found, name)[:0] for name in ("parent", "neuron", "side", "bits", "unit", "leaf")}
    return Found(replace(found, **none), confirmed(judge))


def go_on(limits: Limits) -> bool:
    """Whether neither the time is over, nor the user wants the end."""
    return not limits.over()


def explore_together(
    network: Network,
    domain: Domain,
    engine: str,
    limits: Limits,
    progress: Progress | None,
    judge: Judge | RegionJudge | None,
    crew: Crew | None,
    wishes: Wishes = NOTHING,
    saved: Saved | None = None,
) -> Exploration:
    """Explore a neighbourhood, and share the work if it is much; what comes out is what one engine finds alone.

    A limit on regions counts in the order of the search, so with one the work is not shared, and not saved.

    Parameters
    ----------
    judge : Judge, RegionJudge or None
        Confirms what is found. Of the exploration that is returned it then needs only the outcome and the counters.
    crew : Crew or None
        Who does units; without one they are done here, and cut only in order to be saved.
    saved : Saved, optional
        What was found before: the top of the tree, and units. What is found now is added.

    Raises
    ------
    UnsettledError
        If a RegionJudge has to give up.
    """
    begin = time.monotonic()
    done = 0.0

    def note(regions: int, share: float) -> None:
        nonlocal done
        done = share
        if progress is not None:
            progress(regions, share)

    def share() -> bool:
        lasted = time.monotonic() - begin
        return lasted > PATIENCE if crew is None else crew.wanted(lasted, done)

    if limits.regions is not None:
        saved = None
    saved = saved if saved is None else saved.below(_kind(judge))
    top = None if saved is None else _restored(judge, saved)
    if top is None:
        first = engine_class(engine)(network, domain, judge, (), wishes)
        with until(None):  # an exploration has limits of its own, and keeps what it has found
            top = first.explore(replace(limits, share=None if limits.regions is not None else share), note)
        if not top.left:
            return top
        if judge is not None:
            take_nodes(judge, top)
        if saved is not None and top.complete:
            saved.put("top", Found(top, None if judge is None else confirmed(judge)))
    job = Job(network, domain, engine, judge is not None, judge is not None and judge.kept is not None, isinstance(judge, RegionJudge), wishes)
    units = cut(top)
    outcome = top.outcome
    parts: dict[int, Found] = {}
    if top.complete:
        with until(None):
            outcome, parts = _work(job, units, limits, progress, crew, len(top.leaf), saved)
    if not all(part.settled for part in parts.values()):
        raise UnsettledError
    stats = _sum([top.stats, *(p.exploration.stats for p in parts.values())]) | {"units": len(units)}
    if judge is None:
        return replace(_joined(top, [(unit, parts[u].exploration) for u, unit in enumerate(units) if u in parts]), outcome=outcome, stats=stats)
    for u, unit in enumerate(units):
        report = parts.pop(u).judged if u in parts else None
        if report is not None:
            absorb(judge, report, unit.nodes, unit.own)
    return replace(top, outcome=outcome, stats=stats, left=())


def _kind(judge: Judge | RegionJudge | None) -> str:
    return "regions" if isinstance(judge, RegionJudge) else "columns" if judge is None else "nodes"


def _restored(judge: Judge | RegionJudge | None, saved: Saved) -> Exploration | None:
    """The top of the tree as it was saved, if it was; the judge then knows it, as if it had been explored now."""
    found = saved.get("top")
    if not isinstance(found, Found):
        return None
    if judge is not None and found.judged is not None:
        absorb(judge, found.judged, (), 0)
    return found.exploration


def cut(top: Exploration) -> list[Unit]:
    """The units that an exploration has left."""
    units: list[Unit] = []
    for u, left in enumerate(top.left):
        nodes = _path(top, left.node)
        before = _find_before(top, u, left)
        own = 0 if before is None else sum(a == b for a, b in zip(nodes, _path(top, before), strict=False))
        prefix = tuple((int(top.neuron[v]), int(top.side[v])) for v in nodes[1:])
        units.append(Unit(prefix, tuple(nodes), own, left.after))
    return units


def _find_before(top: Exploration, u: int, left: Left) -> int | None:
    """Node of the region, or of the cell left, to which the search came before this one."""
    if u > 0 and top.left[u - 1].after == left.after:
        return top.left[u - 1].node
    return int(top.leaf[left.after - 1]) if left.after else None


def _path(found: Exploration, node: int) -> list[int]:
    """Nodes from the root to this one."""
    line = []
    while node >= 0:
        line.append(node)
        node = int(found.parent[node])
    return line[::-1]


def _work(
    job: Job, units: list[Unit], limits: Limits, progress: Progress | None, crew: Crew | None, regions: int, saved: Saved | None
) -> tuple[Outcome, dict[int, Found]]:
    """Have all units explored that were not; the outcome, and what was found by the number of the unit."""
    share = 1.0 - sum(0.5 ** len(unit.prefix) for unit in units)
    parts: dict[int, Found] = {}

    def take(u: int, found: Found, new: bool = True) -> None:
        nonlocal regions, share
        parts[u] = found
        regions += _count(found)
        share += 0.5 ** len(units[u].prefix)
        if new and saved is not None and found.exploration.complete:
            saved.put(f"unit {u}", found)
        if progress is not None:
            progress(regions, min(share, 1.0))

    for u in range(len(units)) if saved is not None else ():
        before = saved.get(f"unit {u}") if saved is not None else None
        if isinstance(before, Found):
            take(u, before, new=False)
    again = [u for u in range(len(units)) if u not in parts]
    outcome = Outcome.COMPLETE
    if crew is not None:
        outcome, again = _shared(job, units, again, limits, crew, parts, take)
    for u in again:  # where nobody else works, or floating point led to another cell elsewhere, or a process has died
        if outcome is Outcome.COMPLETE:
            found = explore_unit(job, units[u].prefix, limits)
            outcome = found.exploration.outcome
            take(u, found)
    return outcome, parts


def _shared(
    job: Job,
    units: list[Unit],
    wanted: list[int],
    limits: Limits,
    crew: Crew,
    parts: Mapping[int, Found],
    take: Callable[[int, Found], None],
) -> tuple[Outcome, list[int]]:
    """Have units explored by a crew, and `take` what is found; the outcome, and the units that are left."""
    packed = pickle.dumps(job)
    memory = None if limits.full is None else getattr(limits.full, "most", None)
    # clocks differ between machines
    late = None if limits.deadline is None else time.time() + limits.deadline - time.monotonic()
    waiting = {crew.submit(_explore, packed, units[u].prefix, late, memory): u for u in wanted}
    again: list[int] = []
    outcome = Outcome.COMPLETE
    while waiting:
        try:
            with unbroken(False):
                done, _ = wait(waiting, LOOK, FIRST_COMPLETED)
            if not done and not crew.alive():
                again += waiting.values()
                break
            for future in done:
                u = waiting.pop(future)
                found = _result(future)
                if found is None or _left(found, outcome, limits):
                    again.append(u)
                    continue
                take(u, found)
            if outcome is Outcome.COMPLETE:
                outcome = _ended(limits, parts.values())
                if outcome is Outcome.INTERRUPTED:
                    crew.stop()
                if outcome is not Outcome.COMPLETE:  # a time limit is kept where the work is done
                    _cancel(waiting)
        except KeyboardInterrupt:
            outcome = Outcome.INTERRUPTED
            crew.stop()
            _cancel(waiting)
    if again:
        crew.alive()  # which says so if a process has died
    return outcome, sorted(again)


def _left(found: Found, outcome: Outcome, limits: Limits) -> bool:
    """Whether a process was told to go by somebody else than this one, and stopped half way."""
    asked = outcome is not Outcome.COMPLETE or (limits.stop is not None and limits.stop())
    return found.exploration.outcome is Outcome.INTERRUPTED and not asked


def _ended(limits: Limits, parts: Iterable[Found]) -> Outcome:
    """The limit that was reached, here or in a unit."""
    if limits.deadline is not None and time.monotonic() > limits.deadline:
        return Outcome.TIME_LIMIT
    if limits.full is not None and limits.full():
        return Outcome.MEMORY_LIMIT
    if limits.stop is not None and limits.stop():
        return Outcome.INTERRUPTED
    return next((p.exploration.outcome for p in parts if not p.exploration.complete), Outcome.COMPLETE)


def _cancel(waiting: dict[Future[Any], int]) -> None:
    """Cancel what has not begun; the others still report."""
    for future in list(waiting):
        if future.cancel():
            del waiting[future]


def _result(future: Future[Found]) -> Found | None:
    """What was found in a unit, or None if it has to be explored here."""
    try:
        return future.result()
    except (ReplayError, CancelledError, BrokenExecutor):
        return None


def _explore(packed: bytes, prefix: Prefix, late: float | None, memory: int | None, stop: Callable[[], bool] | None = None) -> Found:
    """What an executor calls."""
    deadline = None if late is None else time.monotonic() + late - time.time()
    if getattr(_last, "packed", None) != packed:
        _last.packed, _last.job = packed, pickle.loads(packed)
    full = None if memory is None else Memory(memory)
    limits = Limits(deadline=deadline, stop=either(stop, full), full=full)
    found = explore_unit(_last.job, prefix, limits)
    return replace(found, exploration=replace(found.exploration, outcome=limits.ended(found.exploration.outcome)))


def _count(found: Found) -> int:
    return len(found.exploration.leaf if found.judged is None else found.judged.regions.leaf)


def _sum(counters: Iterable[dict[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for stats in counters:
        for name, many in stats.items():
            total[name] = max(total.get(name, 0), many) if name.startswith("largest") else total.get(name, 0) + many
    return total


def _joined(top: Exploration, parts: list[tuple[Unit, Exploration]]) -> Exploration:
    """One exploration of the top and the units, regions in the order of one search."""
    nodes = [(top.parent, top.neuron, top.side)]
    regions: list[tuple[np.ndarray, ...]] = []
    seen: list[Seen] = []
    count, done = len(top.parent), 0
    for unit, part in parts:
        regions.append((top.bits[done : unit.after], top.unit[done : unit.after], top.leaf[done : unit.after]))
        seen += [top.seen[done : unit.after], part.seen]
        done, shared = unit.after, len(unit.nodes)
        place = np.concatenate([unit.nodes, count + np.arange(max(len(part.parent) - shared, 0))]).astype(np.int32)
        nodes.append((place[part.parent[shared:]], part.neuron[shared:], part.side[shared:]))
        regions.append((part.bits, part.unit, place[part.leaf]))
        count += len(part.parent[shared:])
    regions.append((top.bits[done:], top.unit[done:], top.leaf[done:]))
    parent, neuron, side = (np.concatenate(column) for column in zip(*nodes, strict=True))
    bits, points, leaf = (np.concatenate(column) for column in zip(*regions, strict=True))
    return Exploration(parent, neuron, side, bits, points, leaf, top.outcome, seen=join([*seen, top.seen[done:]]))
