"""The list of estimators, and how they are run on one neighbourhood."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from polylc.errors import PolylcError, UsageError
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
    "lipsdp": lipsdp,
}


@dataclass(frozen=True)
class Skipped:
    """A method that does not apply to a neighbourhood, and why."""

    method: str
    reason: str


def choose(names: str | Iterable[str], known: Iterable[str]) -> tuple[str, ...]:
    """Names of methods: "all", or some of those `known`, separated by commas.

    Raises
    ------
    UsageError
        If a name is unknown.
    """
    every = tuple(known)
    wanted = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
    if wanted == ["all"]:
        return every
    for name in wanted:
        if name not in every:
            raise UsageError(f"methods: {name!r} is unknown; choose all, or some of {', '.join(every)}")
    return tuple(name for name in every if name in wanted)


def run_methods(study: Study, names: Iterable[str], methods: Mapping[str, Method] = METHODS) -> tuple[list[Estimate], list[Skipped]]:
    """Estimates of the named methods, in order, each timed; those that do not apply are in the second list."""
    found: list[Estimate] = []
    skipped: list[Skipped] = []
    for name in names:
        begin = time.perf_counter()
        try:
            estimates = methods[name](study)
        except PolylcError as error:
            skipped.append(Skipped(name, str(error)))
            continue
        seconds = time.perf_counter() - begin
        found += [replace(e, seconds=seconds) for e in estimates]
    return found, skipped
