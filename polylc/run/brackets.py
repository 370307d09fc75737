"""What a search says of Lipschitz constants where an enumeration was stopped."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

import numpy as np

from polylc.complex.complex import Complex
from polylc.domains.box import as_box
from polylc.errors import LimitReached, SolverError
from polylc.exact.checkpoint import until
from polylc.measures.gradient.lipschitz import Lipschitz
from polylc.report.lipschitz import Constant, NormName
from polylc.search.gradient_goals import NORMS, Goal, usual_targets
from polylc.search.steepest import Steepest

MOST_POINTS = 4096  # of regions, at which gradients are looked at


def points_of(complex_: Complex) -> np.ndarray:
    """Points of some regions, all over the list; shape (points, inputs)."""
    return complex_.points[:: max(1, len(complex_) // MOST_POINTS)]


def bracketed_lipschitz(
    complex_: Complex, label: int | None, end: float | None, stop: Callable[[], bool] | None, most: int | None = None
) -> list[Lipschitz]:
    """Brackets for the constants of outputs, or margins, from a search until `end` on the clock of time.monotonic, or
    of so many cells.

    Parameters
    ----------
    complex_ : Complex
        Some regions: their gradients are attained.
    """
    network, domain = complex_.network, as_box(complex_.domain, "search")
    names: tuple[NormName, ...] = get_args(NormName)
    asked = [(target, norm) for target in usual_targets(network.outputs, label) for norm in names]
    goals = [Goal(target, NORMS[norm], k) for k, (target, norm) in enumerate(asked)]
    search = None
    try:
        with until(end, stop), np.errstate(over="ignore", invalid="ignore"):
            search = Steepest(network, domain, goals, len(goals))
            search.lists = False  # that was tried
            search.start(points_of(complex_))
            search.run(most)
    except (LimitReached, SolverError):
        pass
    if search is None:
        return []
    found = []
    for k, (target, norm) in enumerate(asked):
        best, upper = search.bracket(k)
        if upper is not None:
            quantity = Constant(target.name, norm, best.value, upper, best.point, target.name, "search").quantity
            found.append(Lipschitz(target.name, norm, quantity.value, -1, quantity, best.value, upper, method="search"))
    return found
