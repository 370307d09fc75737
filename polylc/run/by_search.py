"""What searches answer of a neighbourhood, where no regions are needed, or not all of them were found."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from polylc.domains.box import Neighbourhood
from polylc.network.form import Network
from polylc.run.distance import nearest_adversarial
from polylc.search.task import Settings

SHARE = 0.25  # of a time limit is kept for searches, should the enumeration not end
LEAST = 2.0  # seconds, where a limit on regions alone ended it; or as long as it took


def searches(settings: Settings, network: Network, domain: Neighbourhood) -> bool:
    """Whether a search may answer something of what is asked."""
    asked = "robustness" in settings.measures and settings.certify and not settings.proves
    return asked and network.outputs > 1 and domain.center is not None and domain.radius is not None


def found_by_search(
    network: Network, domain: Neighbourhood, label: int | None, seconds: float | None, stop: Callable[[], bool] | None, jobs: int = 1
) -> dict[str, Any]:
    """What is found within some seconds, by the name of the measure."""
    return {"robustness": nearest_adversarial(network, domain, label, timeout=seconds, stop=stop, jobs=jobs)}


def time_after(settings: Settings, begin: float) -> float:
    """Seconds for searches after an enumeration that was begun at `begin` and not finished."""
    now = time.monotonic()
    if settings.time_limit is None:
        return max(LEAST, now - begin)
    return max(0.0, begin + settings.time_limit - now)
