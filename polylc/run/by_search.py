"""What searches answer of a neighbourhood, where no regions are needed, or not all of them were found."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from polylc.complex.complex import Complex
from polylc.domains.box import Neighbourhood, as_box
from polylc.run.brackets import bracketed_lipschitz
from polylc.run.distance import nearest_adversarial
from polylc.search.task import Settings

SETTLED = frozenset({"lipschitz"})  # by the regions of a ball, if they are all known
CELLS, LONGEST = 512, 20.0  # of each search, where a limit on regions alone ended it; seconds, or as long as that took


def searches(settings: Settings, complex_: Complex, label: int | None) -> tuple[str, ...]:
    """The measures that are asked for and that searches answer, or bracket."""
    domain = complex_.domain
    if not (settings.certify and isinstance(domain, Neighbourhood)):
        return ()
    adversarial = complex_.network.outputs > 1 and label is not None and domain.center is not None and domain.radius is not None
    possible = {"robustness": adversarial, "lipschitz": True}
    return tuple(name for name, holds in possible.items() if holds and name in settings.measures)


def found_by_search(
    complex_: Complex,
    asked: tuple[str, ...],
    label: int | None,
    seconds: float | None,
    stop: Callable[[], bool] | None,
    jobs: int = 1,
    most: int | None = None,
) -> dict[str, Any]:
    """What is found within some seconds, and cells of each search, by the name of the measure.

    Parameters
    ----------
    complex_ : Complex
        The network, the neighbourhood, and what regions are known.
    """
    begin = time.monotonic()
    domain = as_box(complex_.domain, "search")
    found: dict[str, Any] = {}
    for many, name in zip(range(len(asked), 0, -1), asked, strict=True):
        left = None if seconds is None else max(0.0, begin + seconds - time.monotonic()) / many
        if name == "robustness":
            found[name] = nearest_adversarial(complex_.network, domain, label, norm=domain.norm, timeout=left, stop=stop, jobs=jobs, most=most)
        else:
            constants = bracketed_lipschitz(complex_, label, None if left is None else time.monotonic() + left, stop, most)
            found |= {name: constants} if constants else {}
    return found


def beside(settings: Settings, complex_: Complex, label: int | None, begin: float, stop: Callable[[], bool] | None, jobs: int) -> dict[str, Any]:
    """The same beside an enumeration that was begun at `begin` and reached a limit: within the time that is left; where
    only regions were limited, so many cells, so that the answer does not depend on the machine unless that takes longer
    than it should. And beside one of an l1 or l2 ball, of which regions do not tell how near an adversarial point is.
    """
    asked = tuple(name for name in searches(settings, complex_, label) if name not in SETTLED or not complex_.complete)
    if not asked:
        return {}
    if complex_.complete:  # regions tell Lipschitz constants
        asked = tuple(name for name in asked if name != "lipschitz")
    if complex_.complete and settings.time_limit is None:
        return found_by_search(complex_, asked, label, None, stop, jobs)
    if settings.time_limit is None:
        return found_by_search(complex_, asked, label, max(LONGEST, time.monotonic() - begin), stop, jobs, CELLS)
    return found_by_search(complex_, asked, label, max(0.0, begin + settings.time_limit - time.monotonic()), stop, jobs)
