"""From a network and a neighbourhood to a complex, through one of the engines."""

from __future__ import annotations

from polylc.complex.regions import Complex
from polylc.engines.tree import ChunkSink, Exploration, Limits, Progress
from polylc.errors import UsageError
from polylc.geometry.neighbourhood import Neighbourhood
from polylc.network.form import Network

ENGINES = ("auto", "lp")


def check_engine(name: str) -> str:
    """`name`, if there is such an engine.

    Raises
    ------
    UsageError
        If there is not.
    """
    if name not in ENGINES:
        raise UsageError(f"engine: {name!r} is unknown; choose one of {', '.join(ENGINES)}")
    return name


def choose_engine(name: str, domain: Neighbourhood) -> str:
    """The engine that `name` stands for on this neighbourhood."""
    return "lp" if check_engine(name) == "auto" else name


def enumerate_regions(
    network: Network,
    domain: Neighbourhood,
    engine: str = "auto",
    limits: Limits | None = None,
    progress: Progress | None = None,
    sink: ChunkSink | None = None,
) -> tuple[Complex, Exploration]:
    """All activation regions of `network` on `domain`, or those found before a limit.

    Returns
    -------
    complex : Complex
    found : Exploration
        The decision tree and the engine's counters.
    """
    from polylc.engines.lp import LpEngine

    choose_engine(engine, domain)
    found = LpEngine(network, domain, sink).explore(limits, progress)
    return Complex.of(network, domain, found), found
