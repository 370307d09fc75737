"""One look at one neighbourhood: everything exact that is within reach, estimates in place of the rest, as one row of a table."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from polylc.api.estimate import EVERY
from polylc.engines.contract import Outcome
from polylc.estimators.estimate import Estimate
from polylc.estimators.methods import run_methods
from polylc.estimators.study import Sampling, Study
from polylc.exact.quantity import Kind, Quantity
from polylc.measures.rank import LocalRank
from polylc.network.form import Network
from polylc.report.result import Result
from polylc.report.training.history import ERROR, Row
from polylc.run.neighbourhood import Settings, Task, answer


class Instead(NamedTuple):
    """What stands for a measure that is out of reach: the estimator to run, and which of its estimates to take."""

    run: str
    method: str
    target: str


INSTEAD = {
    "counts": Instead("patterns", "chao1", "regions"),
    "local_complexity": Instead("lines", "lines", "local_complexity"),
    "total_variation": Instead("jacobian_norm", "jacobian_norm", "total_variation"),
    "kink_variation": Instead("lines", "lines", "kink_variation"),
    "local_rank": Instead("local_rank", "local_rank", "local_rank"),
    "lipschitz": Instead("lipschitz", "sampled_lipschitz", "lipschitz.jacobian"),
}
SIGMA = "local_complexity_sigma"


class Watch:
    """What is measured, and how."""

    def __init__(self, tasks: tuple[Task, ...], settings: Settings, sampling: Sampling, noise: str | None, exact: bool) -> None:
        self.tasks, self.settings, self.sampling, self.noise, self.exact = tasks, settings, sampling, noise, exact

    def settings_used(self) -> dict[str, Any]:
        """What a reader of the table has to know."""
        settings = self.settings
        neighbourhoods = [{"lower": [float(v) for v in task.domain.lower], "upper": [float(v) for v in task.domain.upper]} for task in self.tasks]
        limits = {"max_regions": settings.max_regions, "time_limit": settings.time_limit}
        known = {"measures": list(settings.measures), "exact": self.exact, "certified": settings.certify, "engine": settings.engine, **limits}
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
            result = answer(network, task, self.settings)
            if result.outcome == Outcome.INTERRUPTED.value:
                raise KeyboardInterrupt
            status, values = result.status, exact_values(result)
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
        study = Study(network, task.domain, self.sampling, task.label, task.index)
        names = dict.fromkeys(INSTEAD[measure].run for measure in missing)
        found, skipped = run_methods(study, [*names, *([self.noise] if self.noise else [])], EVERY)
        columns: dict[str, Estimate] = {}
        for measure in missing:
            instead = INSTEAD[measure]
            columns |= {e.target.replace(".", "_"): e for e in found if e.method == instead.method and e.target.startswith(instead.target)}
        columns.update((SIGMA, e) for e in found if e.method == self.noise and e.target == "local_complexity.activation")
        return columns, [f"{s.method}: {s.reason}" for s in skipped]


def exact_values(result: Result) -> Row:
    """The values of a result by column, as plain numbers: an enclosure by its middle, None where a value is out of reach.

    Of a partial result only what holds whatever was missed: so many regions at least, and that the label is not constant.
    """
    answers = result.answers
    row: Row = {"regions": result.regions}
    if result.complete and answers.adjacencies is not None:
        row |= {"pieces": answers.pieces, "affine_functions": answers.affine_functions, "adjacencies": answers.adjacencies}
    for name in ("local_complexity", "total_variation"):
        row |= {f"{name}_{version}": _number(value) for version, value in (getattr(answers, name) or {}).items() if not _is_sampled(value)}
    if answers.kink_variation is not None and not _is_sampled(answers.kink_variation):
        row["kink_variation"] = _number(answers.kink_variation)
    row |= {f"local_rank_{rank.layer}": _mean_rank(rank) for rank in answers.local_rank or ()}
    row |= {f"lipschitz_jacobian_{c.norm}": _number(c.quantity) for c in answers.lipschitz or () if c.target == "jacobian"}
    robust = answers.robustness
    if robust is not None and (result.complete or not robust.robust):
        row |= {"robust": int(robust.robust), "distance": _number(robust.distance) if result.complete else None}
    return row


def _number(value: Any) -> float | None:
    """A float, or the middle of a quantity."""
    return None if value is None else float(value.value if isinstance(value, Quantity) else value)


def _is_sampled(value: Any) -> bool:
    """Whether a measure of a result is an estimate: volumes were out of reach. The tracker has estimates of its own."""
    return isinstance(value, Quantity) and value.kind is Kind.ESTIMATE


def _mean_rank(rank: LocalRank) -> float | None:
    """The mean, which needs no volumes where the rank is the same everywhere."""
    return rank.least if rank.least == rank.most else _number(rank.mean)


def _is_missing(measure: str, result: Result) -> bool:
    """Whether a result does not have a measure that was asked for."""
    if not result.complete:
        return True
    if measure == "local_rank":
        return any(_mean_rank(rank) is None for rank in result.answers.local_rank or ())
    if measure == "counts":
        return False
    found = getattr(result.answers, measure)
    return found is None or any(_is_sampled(value) for value in (found.values() if isinstance(found, dict) else [found]))
