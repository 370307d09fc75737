"""Boxes whose regions are listed, where a search of gradients would take longer: an engine finds them, the judge
confirms that they are all, and the steepest of them is found in integers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np

from polylc.complex.complex import Complex
from polylc.domains.box import Neighbourhood, norm_of
from polylc.engines.choose import choose_engine
from polylc.engines.contract import Limits, Outcome
from polylc.exact.checkpoint import checkpoint, reached
from polylc.judge.columns import Points
from polylc.measures.gradient.gradients import ExactGradients
from polylc.measures.gradient.lipschitz import Mapped, largest_gradients
from polylc.network.form import Network
from polylc.search.attained import Point, Record
from polylc.search.enumerate import explore_judged
from polylc.search.gradient_goals import Goal
from polylc.search.task import Settings, Task

FROM = 64  # cells that a search treats before regions are listed: kernels have to be loaded for that
FIRST, LATER = 16, 4  # cells that a list of the whole may cost for each one treated: the first time, and other times
AGAIN, RARELY = 4, 64  # times as many cells until the whole is tried again, at least and at most
WORTH, PARTS = 16, 2  # cells that listing the regions of a box may cost, and cuts of it until its parts are tried
REGIONS = {"vertex": 300, "dictionary": 40}  # that take an engine and the judge as long as a cell takes a search, about
TINY = 2.0**-60  # share of a tree
ROUND = 5  # dimensions up to which regions are listed in l2 and l1 balls: beyond, few regions of a box meet the ball


class Lister:
    """Lists regions for a search, of the whole and of parts that are boxes.

    Parameters
    ----------
    network : Network
    domain : Neighbourhood
    goals : sequence of Goal
    record : Record
        Receives what is found.

    Attributes
    ----------
    whole : bool
        Whether the regions of the whole were listed.
    boxes, regions : int
        How many were listed.
    """

    def __init__(self, network: Network, domain: Neighbourhood, goals: Sequence[Goal], record: Record) -> None:
        self.network, self.domain, self.goals, self.record = network, domain, goals, record
        self.whole, self.boxes, self.regions = False, 0, 0
        self._next, self._about = FROM, 0.0  # cells until the whole is tried; how many regions there seem to be
        self._engine = choose_engine("auto", domain)
        self._able = domain.dimension > 0 and (norm_of(domain) == "linf" or domain.dimension <= ROUND)

    @property
    def memory(self) -> tuple[bool, int, int, int, float]:
        """What was listed, and when the whole is tried again: for a search that goes on elsewhere."""
        return self.whole, self.boxes, self.regions, self._next, self._about

    @memory.setter
    def memory(self, was: tuple[bool, int, int, int, float]) -> None:
        self.whole, self.boxes, self.regions, self._next, self._about = was

    def ends(self, cells: int) -> bool:
        """Whether everything is known, since the regions of the whole could be listed for the price of the cells that
        were treated; not tried again before these are several times as many.

        Raises
        ------
        LimitReached
            If the time is over.
        """
        if not self._able or cells < self._next:
            return False
        price = FIRST if self._next == FROM else LATER
        self._next = AGAIN * max(cells, FROM)
        self.whole = self._listed(self.domain, self.goals, cells, price * cells)
        enough = self._about / (LATER * REGIONS[self._engine])
        self._next = int(max(self._next, min(enough, RARELY * cells)))
        return self.whole

    def closes(self, goal: Goal, lower: Sequence[Fraction], upper: Sequence[Fraction]) -> bool:
        """Whether no value of a goal on a part of the domain exceeds what is known now, since its regions are few
        enough to be listed; not tried before the whole was.
        """
        if not self._able or self._next == FROM:
            return False
        return self._listed(replace(self.domain, lower=tuple(lower), upper=tuple(upper)), [goal], 1, WORTH)

    def _listed(self, domain: Neighbourhood, goals: Sequence[Goal], least: int, most: int) -> bool:
        """Whether all values on a set are known, since its regions could be listed for the price of `most` cells; for
        that of `least` it is tried.
        """
        found = self._steepest(domain, goals, least * REGIONS[self._engine], most * REGIONS[self._engine])
        if found is None:
            return False
        self.boxes += 1
        for goal, (value, point) in zip(goals, found, strict=True):
            if value > self.record.best[goal.answer].value:
                self.record.take(goal, point)
        return all(value <= self.record.best[goal.answer].value for goal, (value, _) in zip(goals, found, strict=True))

    def _steepest(self, domain: Neighbourhood, goals: Sequence[Goal], least: int, most: int) -> list[tuple[Fraction, Point]] | None:
        """The largest values over all regions of full dimension that meet the inside of a set, with points of such
        regions; None if there are more than `most`, or it seems so after `least`.
        """
        over, self._about = reached(), 0.0

        def note(regions: int, share: float) -> None:
            if regions >= least:
                self._about = regions / max(share, TINY)

        def stop() -> bool:
            return self._about > most or over()

        task = Task(0, domain, None, self._engine)
        found, verdict = explore_judged(self.network, task, Settings(("lipschitz",)), Limits(regions=2 * most, stop=stop), note)
        if found.outcome is Outcome.INTERRUPTED and not stop():
            raise KeyboardInterrupt
        checkpoint()
        if verdict is None or not found.complete or not len(found.leaf):
            return None
        self.regions += len(found.leaf)
        points = verdict.points if norm_of(domain) == "linf" else Points(found.unit, {})
        complex_ = Complex.of(self.network, domain, found, verdict.near)
        asked = [(Mapped(goal.target.name, goal.target.first, goal.target.second), goal.norm.name) for goal in goals]
        largest = largest_gradients(complex_, np.arange(len(complex_)), asked, ExactGradients(complex_))
        return [(value, domain.lifted([Fraction(v) for v in points[region]])) for region, value in largest]
