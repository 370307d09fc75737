"""From a network and a neighbourhood to a complex, through one of the engines."""

from __future__ import annotations

from polylc.complex.complex import Complex
from polylc.domains.box import Neighbourhood
from polylc.engines.contract import ChunkSink, Engine, Exploration, Limits, Progress
from polylc.engines.extras import NOTHING, Wishes
from polylc.errors import UsageError
from polylc.network.form import Network

ENGINES = ("auto", "vertex", "dictionary", "lp")
AUTO_VERTEX = 5  # "auto" stands for vertex up to this dimension, for dictionary beyond
VERTEX_DIMENSION = 5  # beyond it cells have too many vertices


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
    """The engine that `name` stands for on this neighbourhood.

    Raises
    ------
    UsageError
        If that engine does not reach its dimension.
    """
    if check_engine(name) == "vertex" and domain.dimension > VERTEX_DIMENSION:
        raise UsageError(
            f"engine: vertex reaches dimension {VERTEX_DIMENSION}, this neighbourhood has {domain.dimension}; choose auto, dictionary or lp"
        )
    if name == "auto":
        return "vertex" if domain.dimension <= AUTO_VERTEX else "dictionary"
    return name


def enumerate_regions(
    network: Network,
    domain: Neighbourhood,
    engine: str = "auto",
    limits: Limits | None = None,
    progress: Progress | None = None,
    sink: ChunkSink | None = None,
    wishes: Wishes = NOTHING,
) -> tuple[Complex, Exploration]:
    """All activation regions of `network` on `domain`, or those found before a limit, and what the engine is wished to tell besides.

    Returns
    -------
    complex : Complex
    found : Exploration
        The decision tree and the engine's counters.

    Raises
    ------
    UsageError
        If the engine is unknown, or does not reach the dimension of the neighbourhood.
    """
    found = explore(network, domain, engine, limits, progress, sink, wishes)
    return Complex.of(network, domain, found), found


def explore(
    network: Network,
    domain: Neighbourhood,
    engine: str = "auto",
    limits: Limits | None = None,
    progress: Progress | None = None,
    sink: ChunkSink | None = None,
    wishes: Wishes = NOTHING,
) -> Exploration:
    """The decision tree of `network` on `domain`, or what was explored before a limit; as `enumerate_regions`."""
    return engine_class(choose_engine(engine, domain))(network, domain, sink, (), wishes).explore(limits, progress)


def engine_class(name: str) -> type[Engine]:
    """The engine that `choose_engine` has chosen, imported only now."""
    if name == "vertex":
        from polylc.engines.vertex.engine import VertexEngine

        return VertexEngine
    if name == "dictionary":
        from polylc.engines.dictionary.engine import DictionaryEngine

        return DictionaryEngine
    from polylc.engines.lp import LpEngine

    return LpEngine
