"""The list of estimators, and how they are run on one neighbourhood."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from polylc.domains.box import Neighbourhood
from polylc.errors import PolylcError, UsageError
from polylc.estimators.attacks import deepfool, pgd
from polylc.estimators.coarea import coarea, coarea_good, own_noise, published
from polylc.estimators.distinct import patterns
from polylc.estimators.estimate import Estimate
from polylc.estimators.gradients import jacobian_norm, local_rank
from polylc.estimators.humayun import humayun
from polylc.estimators.lines import boundary_lines, lines
from polylc.estimators.lipschitz import lipschitz
from polylc.estimators.relaxation import lipsdp, region_bound
from polylc.estimators.study import Study
from polylc.estimators.tube import tube

Method = Callable[[Study], list[Estimate]]

METHODS: dict[str, Method] = {
    "published": published,
    "coarea": coarea,
    "coarea_good": coarea_good,
    "own_noise": own_noise,
    "tube": tube,
    "humayun": humayun,
    "lines": lines,
    "boundary_lines": boundary_lines,
    "patterns": patterns,
    "region_bound": region_bound,
    "jacobian_norm": jacobian_norm,
    "local_rank": local_rank,
    "lipschitz": lipschitz,
    "pgd": pgd,
    "deepfool": deepfool,
}
ON_REQUEST: dict[str, Method] = {"lipsdp": lipsdp}  # needs cvxpy, and a semidefinite program for each neighbourhood


@dataclass(frozen=True)
class Skipped:
    """A method that does not apply to a neighbourhood, and why."""

    method: str
    reason: str


@dataclass(frozen=True, repr=False)
class Estimated:
    """The estimates for one neighbourhood.

    Attributes
    ----------
    index : int
        Position of the neighbourhood in the run (its data row).
    domain : Neighbourhood
    label : int or None
        The class whose margins were the Lipschitz targets.
    estimates : list of Estimate
    skipped : list of Skipped
    seconds : float
    """

    index: int
    domain: Neighbourhood
    label: int | None
    estimates: list[Estimate]
    skipped: list[Skipped]
    seconds: float

    def __repr__(self) -> str:
        return f"Estimated(index={self.index}, {len(self.estimates)} estimates, {len(self.skipped)} skipped, {self.seconds:.2f} s)"

    def __getitem__(self, name: str) -> Estimate:
        """The first estimate of a method, or "method/target" for a certain one."""
        method, _, target = name.partition("/")
        for estimate in self.estimates:
            if estimate.method == method and target in ("", estimate.target):
                return estimate
        raise KeyError(name)


def choose(names: str | Iterable[str], usual: Iterable[str], on_request: Iterable[str] = ()) -> tuple[str, ...]:
    """Names of methods: "all" for the `usual` ones, names for others, separated by commas.

    Raises
    ------
    UsageError
        If a name is unknown.
    """
    every = (*usual, *on_request)
    asked = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
    wanted = [name for word in asked for name in (usual if word == "all" else (word,))]
    for name in wanted:
        if name not in every:
            raise UsageError(f"methods: {name!r} is unknown; choose all, or some of {', '.join(every)}")
    return tuple(name for name in every if name in wanted)


def _assumed(study: Study, estimate: Estimate) -> str:
    """What an estimate rests on, how points were drawn included."""
    said = study.sampling if estimate.samples else ""
    return "; ".join(part for part in (estimate.assumptions, said) if part)


def run_methods(
    study: Study, names: Iterable[str], methods: Mapping[str, Method], on_method: Callable[[str], None] | None = None
) -> tuple[list[Estimate], list[Skipped]]:
    """Estimates of the named methods, in order, each timed; those that do not apply are in the second list. `on_method`
    is told the name of each before it begins.
    """
    found: list[Estimate] = []
    skipped: list[Skipped] = []
    for name in names:
        if on_method is not None:
            on_method(name)
        begin = time.perf_counter()
        try:
            estimates = methods[name](study)
        except PolylcError as error:
            skipped.append(Skipped(name, str(error)))
            continue
        seconds = time.perf_counter() - begin
        found += [replace(e, seconds=seconds, assumptions=_assumed(study, e)) for e in estimates]
    return found, skipped
