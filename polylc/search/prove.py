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
from collections.abc import Callable, Iterator
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
        outcome = _search(_Work(network, root, keep, watch, counts, saved), crew, starts, math.inf if most is None else most)
    except LimitReached:
        outcome = Outcome(Answer.TIMED_OUT)
    outcome.statistics = {**counts, "seconds": time.monotonic() - begin}
    if saved is not None and outcome.answer is not Answer.TIMED_OUT:
        saved.put("outcome", outcome)
        saved.put("open", None)
    return outcome


class _Work:
    """A search between its steps: the cells that are open, in units or not, and the tree above them.

    Attributes
    ----------
    node : Node
        The root of the tree.
    left : list of Cell
        What the units that are done have left.
    units : list of list of Cell
        Units to be done before that; `number` is that of the first.
    counts : dict
        Shared with who asks.
    """

    def __init__(self, network: Network, root: Root, keep: bool, watch: Watch | None, counts: dict[str, float], saved: Saved | None) -> None:
        self.begin, self.watch, self.counts, self.saved = time.monotonic(), watch, counts, saved
        self.problem = Problem(network, root, *outward(root.lower, root.upper))
        self.problem.tables.fused = refined.at_hand and not mode.plain
        was, self._ends = None if saved is None else saved.get("open"), None
        if not isinstance(was, Snapshot):
            with np.errstate(over="ignore", invalid="ignore"):
                sizes, lows, highs, node = _root(self.problem, keep)
            was, self._ends = Snapshot(sizes, {}, node), (lows, highs)
        self.was, self.node = was, was.node or Node(0)
        self.job = Job(network, root, was.sizes, keep)
        self.left, self.units, self.number = was.left, was.units, was.number
        self.search = Search(self.problem, was.sizes, keep, watch)
        self.search.counts = counts | self.search.counts | was.counts

    def start(self, starts: int, most: float) -> Point | Outcome | None:
        """The first attack and the first cells, or what is left of them to do: a solution, why there is no answer, or
        None, and then cells are left.
        """
        was, search = self.was, self.search
        try:
            if was.queue is not None:
                search.rng.bit_generator.state = was.chance
                return self._top(was.queue, was.rounds, most)
            if self._ends is None:
                return None
            cell = search.root(*self._ends, self.node)
            with np.errstate(over="ignore", invalid="ignore"):
                weights = self.problem.tables.weights
                point = search.attack(cell, min(starts, max(FEWEST, WEIGHED // weights))) if starts else None
            if point is None and not self.job.sizes.moderate:
                return Outcome(Answer.UNKNOWN, note="values in the network may be larger than 2^200 on the query's box, which doubles do not bound")
            return self._top([cell], 0, most) if point is None else point
        finally:
            self.counts.update(search.counts)

    def _top(self, cells: list[Cell] | Queue, rounds: int, most: float) -> Point | None:
        """Cells before units are cut; what is open is saved between two rounds."""
        with saving(self.saved, "open") as save:

            def between(queue: Queue, rounds: int) -> None:
                chance = self.search.rng.bit_generator.state
                save(lambda: Snapshot(self.job.sizes, self.search.counts, self._tree, queue=queue, rounds=rounds, chance=chance))

            point, self.left = self.search.explore(cells, int(min(TOP, most)), rounds, between)
        return point

    def go_on(self, crew: Crew | None, most: float) -> Point | None:
        """Units until a solution is found, or nothing is left."""
        packed = b""
        while self.left or self.units:
            if not self.units:
                if self.counts["cells"] >= most:
                    raise LimitReached("the limit on cells was reached")
                self.units, self.left = [self.left[at : at + UNIT] for at in range(0, len(self.left), UNIT)], []
            units, number = self.units, self.number
            if crew is not None and len(units) > 1 and crew.wanted(time.monotonic() - self.begin, self.counts["share"]):
                packed = packed or pickle.dumps(self.job)
                found_of = _shared(crew, packed, units, number)
            else:
                found_of = _alone(self.problem, self.job, units, number, self.counts, self.saved is not None)
            point = self._take(found_of)
            if point is not None:
                return point
            self.number, self.units = number + len(units), []
        return None

    def _take(self, found_of: Iterator[Found]) -> Point | None:
        """What units found, one after the other; what is open is saved now and then, and where a limit ends it."""
        done = 0
        try:
            for done, found in enumerate(found_of, 1):
                for name, many in found.counts.items():
                    self.counts[name] += many
                if found.point is not None:
                    return found.point
                self.left += found.left
                if self.watch is not None:
                    self.watch({**self.counts, "open": len(self.left), "bound": min((c.bound for c in self.left), default=0.0)})
                if self.saved is not None and self.saved.due():
                    self._save(done)
        except LimitReached:
            self._save(done)
            raise
        return None

    def _save(self, done: int) -> None:
        """Save what is open when so many of the units are done."""
        if self.saved is not None:
            self.saved.put("open", Snapshot(self.job.sizes, self.counts, self._tree, self.left, self.units[done:], self.number + done))

    @property
    def _tree(self) -> Node | None:
        return self.node if self.job.keep else None


def _search(work: _Work, crew: Crew | None, starts: int, most: float) -> Outcome:
    point = work.start(starts, most)
    if isinstance(point, Outcome):
        return point
    if point is None:
        point = work.go_on(crew, most)
    if point is not None:
        return Outcome(Answer.SAT, point)
    return Outcome(Answer.UNSAT, tree=work.node if work.job.keep else None)


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
