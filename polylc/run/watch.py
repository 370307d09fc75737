"""One look at one neighbourhood: everything exact that is within reach, estimates in place of the rest, as one row of a
table.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from polylc.domains.box import as_box
from polylc.engines.contract import Outcome
from polylc.estimators.estimate import Estimate
from polylc.estimators.methods import run_methods
from polylc.estimators.study import Sampling, Study
from polylc.exact.numbers import to_floats
from polylc.exact.quantity import Kind, Quantity
from polylc.measures.measure import Number
from polylc.measures.registry import MEASURES, ROWS
from polylc.network.form import Network
from polylc.report.result import Result
from polylc.report.training.history import ERROR, Row
from polylc.run.beside import kernels_beside
from polylc.run.estimates import EVERY
from polylc.run.neighbourhood import answer
from polylc.search.task import Settings, Task

INSTEAD = {row.name: row.instead for row in ROWS if row.instead is not None}
SIGMA = "local_complexity_sigma"
_SAMPLED = object()  # stands for a value of a result that is an estimate


class Watch:
    """What is measured, and how."""

    def __init__(self, tasks: tuple[Task, ...], settings: Settings, engine: str, sampling: Sampling, noise: str | None, exact: bool) -> None:
        self.tasks, self.settings, self.engine, self.sampling, self.noise, self.exact = tasks, settings, engine, sampling, noise, exact

    def settings_used(self) -> dict[str, Any]:
        """What a reader of the table has to know."""
        settings = self.settings
        boxes = [as_box(task.domain, "track") for task in self.tasks]
        neighbourhoods = [{"lower": to_floats(one.lower).tolist(), "upper": to_floats(one.upper).tolist()} for one in boxes]
        limits = {"max_regions": settings.max_regions, "time_limit": settings.time_limit}
        known = {"measures": list(settings.measures), "exact": self.exact, "certified": settings.certify, "engine": self.engine, **limits}
        return known | {"noise": self.noise, "sampling": self.sampling.as_dict(), "neighbourhoods": neighbourhoods}

    def row(self, network: Network, task: Task) -> Row:
        """Status and values for one neighbourhood.

        Raises
        ------
        KeyboardInterrupt
            If the user interrupts, whether or not the engine noticed first.
        """
        begin = time.monotonic()
        values: Row = {}
        status, missing = "estimated", [name for name in INSTEAD if name in self.settings.measures]
        if self.exact:
            with kernels_beside(network, (task,), self.settings):
                result = answer(network, task, self.settings)
            if result.outcome is Outcome.INTERRUPTED:
                raise KeyboardInterrupt
            status, values = str(result.status), exact_values(result)
            missing = [name for name in INSTEAD if name in (*missing, "counts") and _is_missing(name, result)]
        estimates, notes = self._estimates(network, task, missing)
        errors: Row = {}
        for name, estimate in estimates.items():
            found = values.get(name)
            if isinstance(found, int) and found > estimate.value:  # regions found before a limit are a lower bound
                continue
            values[name], errors[name + ERROR] = estimate.value, estimate.standard_error
        estimated = {"estimated": " ".join(estimates)}  # the lower bound counts as one, too
        return {"status": status, **values, **errors, **estimated, "seconds": time.monotonic() - begin, "note": "; ".join(notes)}

    def _estimates(self, network: Network, task: Task, missing: Sequence[str]) -> tuple[dict[str, Estimate], list[str]]:
        """Estimates by column, and why others could not be had."""
        study = Study(network, as_box(task.domain, "track"), self.sampling, task.label, task.index)
        names = dict.fromkeys(INSTEAD[measure].run for measure in missing)
        found, skipped = run_methods(study, [*names, *([self.noise] if self.noise else [])], EVERY)
        columns: dict[str, Estimate] = {}
        for measure in missing:
            instead = INSTEAD[measure]
            columns |= {e.target.replace(".", "_"): e for e in found if e.method == instead.method and e.target.startswith(instead.target)}
        columns.update((SIGMA, e) for e in found if e.method == self.noise and e.target == "local_complexity.activation")
        return columns, [f"{s.method}: {s.reason}" for s in skipped]


def exact_values(result: Result) -> Row:
    """The values of a result by column, as plain numbers: an enclosure by its middle, None where a value is out of
    reach.

    Of a partial result only what holds whatever was missed: so many regions at least, and that the label is not
    constant.
    """
    cells: Row = {"regions": result.regions}
    for row in ROWS:
        value = result.answers.value(row.name)
        for name, found in row.numbers(value).items() if value is not None else ():
            if row.tracked(name) and (result.complete or isinstance(found, bool)):
                cells[name.replace(".", "_")] = _cell(found)
    return {name: cell for name, cell in cells.items() if cell is not _SAMPLED}


def _cell(found: Number) -> Any:
    """A plain number: the middle of an enclosure; None where only a bound is known."""
    if isinstance(found, Quantity):
        return _SAMPLED if found.kind is Kind.ESTIMATE else None if found.upper is None else found.value
    return int(found) if isinstance(found, bool) else found


def _is_missing(measure: str, result: Result) -> bool:
    """Whether a result does not have a measure that was asked for, or has only estimates of it: the tracker has its
    own.
    """
    if not result.complete:
        return True
    value = result.answers.value(measure)
    if measure == "counts":
        return False  # the number of regions is there
    numbers = {} if value is None else MEASURES[measure].numbers(value)
    return not numbers or any(v is None or (isinstance(v, Quantity) and v.kind is Kind.ESTIMATE) for v in numbers.values())
