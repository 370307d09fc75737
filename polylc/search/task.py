"""What is to be done: one neighbourhood, how it is explored, what is asked of it, and when to stop. All of it is
decided here, once.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from polylc.domains import ball as balls
from polylc.domains.box import as_box, norm_of
from polylc.domains.domain import Domain
from polylc.domains.within import Norm, as_norm
from polylc.engines.ball import BallEngine
from polylc.engines.choose import choose_engine
from polylc.engines.contract import Limits
from polylc.errors import NeighbourhoodError, UsageError
from polylc.exact.memory import either, for_regions, share_of
from polylc.exact.numbers import parse_number
from polylc.measures.registry import ALL, DEFAULT, MEASURES
from polylc.network.form import Network
from polylc.report.record import Refusal
from polylc.search.cut_with_ball import better_by_box

GRACE_SHARE, GRACE = 0.05, 1.0  # beyond the time limit, for what is said of an enumeration that it stopped
SHARE = 0.25  # of a time limit is kept for searches, should the enumeration not end
LAST_WORDS = 0.5  # seconds for the same once the user has stopped the run
SEARCHED = frozenset({"robustness", "lipschitz"})  # measures that searches answer too, or bracket
SINGLE, FEW = frozenset({"robustness"}), 6  # of these the one that needs no regions, but in so few dimensions
BY_REGION = 3  # regions are judged one by one up to this dimension: beyond, boxes decide too little


class Phase(enum.StrEnum):
    """What is being done with a neighbourhood."""

    SET_UP = "set-up"
    EXPLORING = "exploring"
    JUDGING = "judging"
    GRAPH = "graph"
    MEASURES = "measures"
    PROOF = "proof"


PhaseWatch = Callable[[Phase], None]


@dataclass(frozen=True)
class Task:
    """One neighbourhood to study.

    Attributes
    ----------
    index : int
    domain : Domain
    label : int or None
        The class whose robustness is asked; None for the class at the centre.
    engine : str
        The engine that explores it: vertex, dictionary or lp, in l1 and l2 balls the box around them; or ball.
    """

    index: int
    domain: Domain
    label: int | None
    engine: str


@dataclass(frozen=True)
class Settings:
    """What to compute of every neighbourhood, and when to stop.

    Attributes
    ----------
    measures : tuple of str
        Names of measures.
    time_limit : float or None
        Seconds for all work on each neighbourhood.
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
    graph : bool
        Whether the region graph is wanted itself, whatever measures need.
    memory : int or None
        Bytes that each process may have; None for a share of what is free.
    """

    measures: tuple[str, ...] = DEFAULT
    time_limit: float | None = None
    max_regions: int | None = None
    keep: bool = True
    certify: bool = True
    blocks: Path | None = None
    exact_volumes: bool = False
    sigmas: tuple[tuple[str, float], ...] = ()
    graph: bool = False
    memory: int | None = None

    def __post_init__(self) -> None:
        if self.sigmas and not {"local_complexity", "bounds"} & set(self.measures):
            raise UsageError("sigma: it belongs to the measures local_complexity and bounds, and neither is asked for")

    def needs_no_regions(self, task: Task) -> bool:
        """Whether searches answer all that is asked, and are likely to be faster than an enumeration."""
        if norm_of(task.domain) != "linf" and not (self.graph or self.proves):
            return set(self.measures) == SINGLE or (set(self.measures) <= SEARCHED and task.domain.dimension > FEW and not self.keep)
        asked = set(self.measures) == SINGLE and self.certify and self.max_regions is None
        return asked and not (self.keep or self.graph or self.proves) and task.domain.center is not None and task.domain.dimension > FEW

    @property
    def proves(self) -> bool:
        """Whether what proves the answers is kept."""
        return self.blocks is not None

    def limits(self, begin: float, stop: Callable[[], bool] | None = None, kept: float = 0.0) -> Limits:
        """When to stop a neighbourhood that was begun at `begin` on the clock of time.monotonic; a share of the time
        may be kept for what follows.
        """
        full = for_regions(share_of(self.memory, 1))
        deadline = None if self.time_limit is None else begin + self.time_limit * (1.0 - kept)
        return Limits(self.max_regions, deadline, either(stop, full), full=full)

    def last_moment(self, begin: float, complete: bool) -> float | None:
        """Until when a neighbourhood that was begun at `begin` may be measured: what was stopped is given a little more
        to say what it found.
        """
        if self.time_limit is None:
            return None
        return begin + self.time_limit * (1.0 if complete else 1.0 + GRACE_SHARE) + (0.0 if complete else GRACE)

    def judges_regions(self, task: Task) -> bool:
        """Whether regions are judged one by one, before nodes are if that does not settle everything."""
        return self.certify and not self.proves and task.engine == "vertex" and task.domain.dimension <= BY_REGION


def make_task(network: Network, index: int, domain: Domain, label: int | None, engine: str = "auto") -> Task:
    """A task, checked against the network.

    Raises
    ------
    NeighbourhoodError
        If the dimensions differ.
    UsageError
        If the label is no class of the network, or the engine does not reach the dimension.
    """
    if domain.inputs != network.inputs:
        raise NeighbourhoodError(f"neighbourhood: it has {domain.inputs} coordinates, but the network has {network.inputs} inputs")
    if label is not None and not 0 <= label < network.outputs:
        raise UsageError(f"label {label} is not one of the network's {network.outputs} classes")
    return Task(index, domain, label, choose_engine(engine, domain))


def in_norm(tasks: Sequence[Task | Refusal], norm: str, settings: Settings, engine: str) -> list[Task | Refusal]:
    """The same tasks with balls of the same radius in another norm; an engine that is not left open explores the box
    around the ball.

    Raises
    ------
    UsageError
        If the norm is none, or something is asked that is not answered in these balls.
    NeighbourhoodError
        If the clip box leaves nothing of a single ball; of several, that one is refused.
    """
    norm = as_norm(norm)
    if norm == "linf":
        return list(tasks)
    if not settings.certify:
        raise UsageError(f"norm: regions of {norm} balls are decided exactly as they are found; leave out --no-certify")
    if settings.proves and set(settings.measures) == SINGLE:
        raise UsageError(f"norm: proof files of {norm} balls have no robustness; `polylc distance --norm {norm}` writes a proof of robustness")
    if settings.sigmas:
        raise UsageError(f"norm: noise is averaged over in boxes, not in {norm} balls; leave out --sigma")
    if settings.exact_volumes and norm == "l2":
        raise UsageError("norm: volumes of regions are not measured in l2 balls; leave out --exact-volumes")
    found: list[Task | Refusal] = []
    for task in tasks:
        try:
            found.append(task if isinstance(task, Refusal) else _in_ball(task, norm, engine == "auto", settings.max_regions is not None))
        except NeighbourhoodError as error:
            if len(tasks) == 1:
                raise
            found.append(Refusal(task.index, str(error)))
    return found


def _in_ball(task: Task, norm: Norm, auto: bool, limited: bool) -> Task:
    domain = as_box(balls.in_norm(task.domain, norm), "norm")
    by_tree = auto and (limited or not better_by_box(domain))
    return replace(task, domain=domain, engine=BallEngine.name if by_tree else task.engine)


def parse_measures(measures: str | Iterable[str]) -> tuple[str, ...]:
    """Names of measures: "default" (those that cost at most a few times the enumeration), "all" (but those that
    are computed only where they are named), or some of the registry's separated by commas; "default,bounds" is both.

    Raises
    ------
    UsageError
        If a name is unknown.
    """
    names = [m.strip() for m in measures.split(",")] if isinstance(measures, str) else list(measures)
    wanted: set[str] = set()
    for name in names:
        if name not in {"all", "default", *MEASURES}:
            raise UsageError(f"measures: {name!r} is unknown; choose default, all, or some of {', '.join(MEASURES)}")
        wanted |= {"all": set(ALL), "default": set(DEFAULT)}.get(name, {name})
    return tuple(m for m in MEASURES if m in wanted)


def parse_sigmas(sigma: object) -> tuple[tuple[str, float], ...]:
    """Standard deviations of bias noise, by name: a number or text such as "0.01,0.1", or several of them; None for
    none.

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
