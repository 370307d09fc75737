"""polylc: an exact polyhedral verifier for ReLU networks.

from polylc._version import __version__
net = polylc.load("model.pt")
run = polylc.certify(net, points, radius=0.1)
run[0].regions, run[0].robustness, run[0].graph()
view = polylc.plane(net, a, b, c)  # or polylc.line, polylc.frame: certify(net, view)[0].plot()
polylc.check("proof.polylc")
polylc.verify("query.vnnlib", net)
polylc.distance(net, points)
polylc.lipschitz(net, points, radius=0.1)
polylc.estimate(net, points, radius=0.1), polylc.compare(net, points, radius=0.1)
tracker = polylc.track(module, points, radius=0.1, every=50, table="run.csv")  # tracker(step) in a training loop
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from polylc._version import __version__

__all__ = [
    "__version__",
    "certify",
    "check",
    "compare",
    "distance",
    "estimate",
    "frame",
    "line",
    "lipschitz",
    "load",
    "plane",
    "track",
    "verify",
]

if TYPE_CHECKING:
    from polylc.api.certify import certify
    from polylc.api.check import check
    from polylc.api.compare import compare
    from polylc.api.distance import distance
    from polylc.api.estimate import estimate
    from polylc.api.frame import frame
    from polylc.api.line import line
    from polylc.api.lipschitz import lipschitz
    from polylc.api.plane import plane
    from polylc.api.track import track
    from polylc.api.verify import verify
    from polylc.readers.load import load

_HOMES = {name: f"polylc.api.{name}" for name in __all__ if name not in ("__version__", "load")} | {"load": "polylc.readers.load"}


def __getattr__(name: str) -> Any:  # numpy, scipy and torch are imported when a function is first used
    if name not in _HOMES:
        raise AttributeError(f"module 'polylc' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
