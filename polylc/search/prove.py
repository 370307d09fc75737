"""A root of a question to its answer: the search in units that any process may do.

A unit is some cells with a budget; it returns what it found and the cells that are left, which make up new units. Units
are cut in the same way however many processes there are, so the tree is the same.
"""

from __future__ import annotations

import enum
import math
import pickle
import threading
import time
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, CancelledError, Future
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from polylc.bounds.backward import Cells
from polylc.bounds.dense import refined
from polylc.bounds.first import first_ends
from polylc.bounds.hidden import intervals
from polylc.bounds.relaxation import largest_outputs
from polylc.bounds.sharpen import sharpen
from polylc.bounds.tables import UNKNOWN, Sizes
from polylc.domains.alternatives import Root, outward
from polylc.errors import LimitReached
from polylc.exact.checkpoint import checkpoint, until
from polylc.jit.mode import mode
from polylc.network.form import Network
from polylc.proof.tree import Node
from polylc.search.cells import Cell, Queue
from polylc.search.condense import condense
from polylc.search.crew import Crew
from polylc.search.problem import Problem
from polylc.search.refute import Point, Search, Watch, by_box, note_ends
from polylc.search.saved import Saved, saving

TOP = 2048  # cells that are treated before units are cut
UNIT, BUDGET = 64, 2048  # cells that a unit begins with, and that it treats
STARTS = 64  # of the first attack
WEIGHED, FEWEST = 5 * 2**22, 4  # weights that the starts together pass in a step, and how few starts there are at least
LOOK = 0.1  # seconds between two looks at limits while others work
_last = threading.local()  # the job that this thread has worked on last


class Answer(enum.StrEnum):
    """What a search came to."""

    SAT = "sat"
    UNSAT = "unsat"
    UNKNOWN = "unknown"
    TIMED_OUT = "timed-out"


@dataclass
class Outcome:
    """The answer of one root.

    Attributes
    ----------
    answer : Answer
    point : tuple of Fraction or None
        An input for which the formula holds, where the answer is sat.
    tree : Node or None
        How every cell was refuted, where that was to be kept and the answer is unsat.
    statistics : dict
    note : str
        Why the answer is unknown.
    """

    answer: Answer
    point: Point | None = None
    tree: Node | None = None
    statistics: dict[str, float] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True)
class Job:
    """What the units of a root have in common."""

    network: Network
    root: Root
    sizes: Sizes
    keep: bool


@dataclass
class Found:
    """What a unit found: a solution, or the cells that are left, and the tree below those that it began with."""

    point: Point | None
    left: list[Cell]
    nodes: list[Node]
    counts: dict[str, float]


@dataclass
class Snapshot:
    """A search between two rounds of its beginning, or between two units.

    Attributes
    ----------
    sizes : Sizes
    counts : dict
    node : Node or None
        The tree, if it is kept.
    left : list of Cell
        What the units that are done have left.
    units : list of list of Cell
        Units to be done before that.
    number : int
        Of the first of them.
    queue : Queue or None
        Open cells, at the beginning; then `rounds` have been done, and `chance` is the state of the generator.
    """

    sizes: Sizes
    counts: dict[str, float]
    node: Node | None
    left: list[Cell] = field(default_factory=list)
    units: list[list[Cell]] = field(default_factory=list)
    number: int = 0
    queue: Queue | None = None
    rounds: int = 0
    chance: Any = None


def search_root(
    network: Network,
    root: Root,
    keep: bool = False,
    watch: Watch | None = None,
    crew: Crew | None = None,
    starts: int = STARTS,
    most: int | None = None,
    saved: Saved | None = None,
) -> Outcome:
    """Search one root until its answer is known, or the time is over (`exact.checkpoint.until`), or the work allowed is
    done.

    Parameters
    ----------
    keep : bool
        Whether what proves the answer is kept.
    watch : callable, optional
        Told counts now and then.
    crew : Crew, optional
        Who does units beside this process.
    starts : int
        Points from which solutions are looked for first.
    most : int, optional
        Cells after which the search is given up as if the time were over, but wherever it runs at the same place.
    saved : Saved, optional
        The answer if it is known, or what the search was like at a moment; both are saved now and then.
    """
    begin = time.monotonic()
    known = None if saved is None else saved.get("outcome")
    if isinstance(known, Outcome):
        return known
    counts: dict[str, float] = {}
    try:
        outcome = _search(network, root, keep, watch, crew, counts, starts, math.inf if most is None else most, saved)
    except LimitReached:
        outcome = Outcome(Answer.TIMED_OUT)
    outcome.statistics = {**counts, "seconds": time.monotonic() - begin}
    if saved is not None and outcome.answer is not Answer.TIMED_OUT:
        saved.put("outcome", outcome)
        saved.put("open", None)
    return outcome


def _search(
    network: Network,
    root: Root,
    keep: bool,
    watch: Watch | None,
    crew: Crew | None,
    counts: dict[str, float],
    starts: int,
    most: float,
    saved: Saved | None,
) -> Outcome:
    begin = time.monotonic()
    problem = Problem(network, root, *outward(root.lower, root.upper))
    problem.tables.fused = refined.at_hand and not mode.plain
    was = None if saved is None else saved.get("open")
    if not isinstance(was, Snapshot):
        with np.errstate(over="ignore", invalid="ignore"):
            sizes, lows, highs, node = _root(problem, keep)
        was = Snapshot(sizes, {}, node)
    else:
        sizes, node = was.sizes, was.node or Node(0)
        lows = highs = np.zeros(0)
    search = Search(problem, sizes, keep, watch)
    search.counts = counts | search.counts | was.counts
    point, left, units, number = None, was.left, was.units, was.number

    def top(cells: list[Cell] | Queue, rounds: int = 0) -> tuple[Point | None, list[Cell]]:
        with saving(saved, "open") as save:

            def between(queue: Queue, rounds: int) -> None:
                chance = search.rng.bit_generator.state
                save(lambda: Snapshot(sizes, search.counts, node if keep else None, queue=queue, rounds=rounds, chance=chance))

            return search.explore(cells, int(min(TOP, most)), rounds, between)

    def keep_open(done: int) -> None:
        if saved is not None:
            saved.put("open", Snapshot(sizes, counts, node if keep else None, left, units[done:], number + done))

    try:
        if was.queue is not None:
            search.rng.bit_generator.state = was.chance
            point, left = top(was.queue, was.rounds)
        elif not was.counts:
            cell = search.root(lows, highs, node)
            with np.errstate(over="ignore", invalid="ignore"):
                point = search.attack(cell, min(starts, max(FEWEST, WEIGHED // problem.tables.weights))) if starts else None
            if point is None and not sizes.moderate:
                return Outcome(Answer.UNKNOWN, note="values in the network may be larger than 2^200 on the query's box, which doubles do not bound")
            if point is None:
                point, left = top([cell])
    finally:
        counts.update(search.counts)
    job = Job(network, root, sizes, keep)
    packed = b""
    while (left or units) and point is None:
        if not units:
            if counts["cells"] >= most:
                raise LimitReached("the limit on cells was reached")
            units = [left[at : at + UNIT] for at in range(0, len(left), UNIT)]
            left = []
        shared = crew is not None and len(units) > 1 and crew.wanted(time.monotonic() - begin, counts["share"])
        packed = packed or (pickle.dumps(job) if shared else b"")
        again = saved is not None
        found_of = _shared(crew, packed, units, number) if shared and crew is not None else _alone(problem, job, units, number, counts, again)
        done = 0
        try:
            for done, found in enumerate(found_of, 1):
                for name, many in found.counts.items():
                    counts[name] += many
                if found.point is not None:
                    point = found.point
                    break
                left += found.left
                if watch is not None:
                    watch({**counts, "open": len(left), "bound": min((c.bound for c in left), default=0.0)})
                if saved is not None and saved.due():
                    keep_open(done)
        except LimitReached:
            keep_open(done)
            raise
        number += len(units)
        units = []
    if point is not None:
        return Outcome(Answer.SAT, point)
    return Outcome(Answer.UNSAT, tree=_kept(search, node) if keep else None)


def _kept(search: Search, tree: Node) -> Node:
    """What is written of a tree: a shorter one, or the tree as it was found if the time is over before that is made."""
    try:
        return (condense(search.problem, search.sizes, search.goals, tree) if search.by_box and search.problem.ball is None else None) or tree
    except LimitReached:
        return tree


def _root(problem: Problem, keep: bool) -> tuple[Sizes, np.ndarray, np.ndarray, Node]:
    """Ends of all neurons on the whole box, and sizes that hold there."""
    tables, low, high = problem.tables, problem.low, problem.high
    box = np.maximum(np.abs(low), np.abs(high))
    sizes = tables.magnitudes(largest_outputs(tables, *intervals(tables, low, high), box), problem.ball)
    lows, highs = np.full((1, tables.neurons), -UNKNOWN), np.full((1, tables.neurons), UNKNOWN)
    doubtful = np.full((2, 1, tables.neurons), np.nan) if keep else None
    node = Node(0)
    if not sizes.moderate:
        return sizes, lows[0], highs[0], node
    first_ends(tables, lows, highs, Cells(low[None], high[None]), sizes, doubtful)
    note_ends(node, 0, doubtful)
    if not by_box(problem):
        claims = sharpen(tables, lows[0], highs[0], low, high, sizes)
        node.claims = claims if keep else []
    return tables.magnitudes(largest_outputs(tables, lows[0], highs[0], box), problem.ball), lows[0], highs[0], node


def _alone(problem: Problem, job: Job, units: list[list[Cell]], first: int, counts: dict[str, float], again: bool):  # type: ignore[no-untyped-def]
    """Units one after the other, here; `again` says that one that a limit breaks off is to be done again, as it was."""
    for number, cells in enumerate(units, first):
        search = Search(problem, job.sizes, job.keep, seed=number + 1)
        before = pickle.dumps(cells) if again else b""
        try:
            point, left = search.explore(cells, BUDGET)
        except LimitReached:
            if again:
                for cell, old in zip(cells, pickle.loads(before), strict=True):
                    node = cell.node
                    node.__dict__.update(old.node.__dict__)
                    cell.__dict__.update(old.__dict__ | {"node": node})
            else:
                for name, many in search.counts.items():
                    counts[name] += many
            raise
        yield Found(point, left, [], search.counts)


def _shared(crew: Crew, packed: bytes, units: list[list[Cell]], first: int):  # type: ignore[no-untyped-def]
    """Units wherever there is room, in their order."""
    futures = [crew.submit(_explore, packed, cells, number) for number, cells in enumerate(units, first)]
    try:
        for number, (future, cells) in enumerate(zip(futures, units, strict=True), first):
            while not future.done():
                checkpoint()
                if not crew.alive():
                    raise LimitReached("a worker process died")
                threading.Event().wait(LOOK if len(futures) > 1 else LOOK / 10)
            found = _result(future, packed, cells, number)
            places = {id(node): cell.node for node, cell in zip(found.nodes, cells, strict=True)}
            for node, cell in zip(found.nodes, cells, strict=True):
                cell.node.__dict__.update(node.__dict__)
            for cell in found.left:
                cell.node = places.get(id(cell.node), cell.node)
            yield found
    finally:
        for future in futures:
            future.cancel()


def _result(future: Future[Any], packed: bytes, cells: list[Cell], number: int) -> Found:
    """What was found in a unit elsewhere; here, if it was lost."""
    try:
        found: Found = future.result()
    except (BrokenExecutor, CancelledError):
        return _explore(packed, cells, number)
    return found


def _explore(packed: bytes, cells: list[Cell], number: int, stop: Callable[[], bool] | None = None) -> Found:
    """What a process is given to do."""
    if getattr(_last, "packed", None) != packed:
        job: Job = pickle.loads(packed)
        _last.packed, _last.job = packed, job
        _last.problem = Problem(job.network, job.root, *outward(job.root.lower, job.root.upper))
    job = _last.job
    search = Search(_last.problem, job.sizes, job.keep, seed=number + 1)
    nodes = [cell.node for cell in cells]
    with until(None, stop):
        point, left = search.explore(cells, BUDGET)
    return Found(point, left, nodes, search.counts)
