"""polylc: an exact polyhedral verifier for ReLU networks.

import polylc
net = polylc.load("model.pt")
run = polylc.certify(net, points, radius=0.1)
run[0].regions, run[0].robustness, run[0].graph()
polylc.check("proof.polylc")
polylc.estimate(net, points, radius=0.1), polylc.compare(net, points, radius=0.1)
tracker = polylc.track(module, points, radius=0.1, every=50, table="run.csv")  # tracker(step) in a training loop
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

__all__ = ["__version__", "certify", "check", "compare", "estimate", "load", "track"]

if TYPE_CHECKING:
    from polylc.checking import check
    from polylc.comparing import compare
    from polylc.estimating import estimate
    from polylc.readers import load
    from polylc.run import certify
    from polylc.tracking import track


def __getattr__(name: str) -> Any:  # numpy, scipy and torch are imported when a function is first used
    if name == "certify":
        from polylc.run import certify

        return certify
    if name == "check":
        from polylc.checking import check

        return check
    if name == "compare":
        from polylc.comparing import compare

        return compare
    if name == "estimate":
        from polylc.estimating import estimate

        return estimate
    if name == "load":
        from polylc.readers import load

        return load
    if name == "track":
        from polylc.tracking import track

        return track
    raise AttributeError(f"module 'polylc' has no attribute {name!r}")
