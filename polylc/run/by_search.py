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

SHARE = 0.25  # of a time limit is kept for searches, should the enumeration not end
LEAST = 1.0  # seconds for each, where a limit on regions alone ended it; or as long as it took


def searches(settings: Settings, complex_: Complex, label: int | None) -> tuple[str, ...]:
    """The measures that are asked for and that searches answer, or bracket."""
    domain = complex_.domain
    if not (settings.certify and isinstance(domain, Neighbourhood)):
        return ()
    adversarial = complex_.network.outputs > 1 and label is not None and domain.center is not None and domain.radius is not None
    possible = {"robustness": adversarial, "lipschitz": True}
    return tuple(name for name, holds in possible.items() if holds and name in settings.measures)


def found_by_search(
    complex_: Complex, asked: tuple[str, ...], label: int | None, seconds: float | None, stop: Callable[[], bool] | None, jobs: int = 1
) -> dict[str, Any]:
    """What is found within some seconds, by the name of the measure.

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
            found[name] = nearest_adversarial(complex_.network, domain, label, norm=domain.norm, timeout=left, stop=stop, jobs=jobs)
        else:
            end = time.monotonic() + (LEAST if left is None else left)
            constants = bracketed_lipschitz(complex_, label, end, stop)
            found |= {name: constants} if constants else {}
    return found


def time_after(settings: Settings, begin: float, asked: tuple[str, ...]) -> float:
    """Seconds for searches after an enumeration that was begun at `begin` and not finished."""
    now = time.monotonic()
    if settings.time_limit is None:
        return max(LEAST * len(asked), now - begin)
    return max(0.0, begin + settings.time_limit - now)
