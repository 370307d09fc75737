"""The engines by name, and which one serves a neighbourhood."""

from __future__ import annotations

from polylc.domains.domain import Domain
from polylc.engines.contract import Engine
from polylc.errors import UsageError

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


def choose_engine(name: str, domain: Domain) -> str:
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
