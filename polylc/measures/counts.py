"""Counts beside the regions: pieces, affine functions, adjacencies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from polylc.complex.pieces import affine_functions, pieces
from polylc.measures.answers import NOT_COMPLETE, Answer, missing
from polylc.measures.measure import Cost, Field, Instead, Measure, Need
from polylc.measures.scene import Scene


@dataclass(frozen=True)
class Counts:
    """Counts of a complex.

    Attributes
    ----------
    pieces : int or None
        Regions merged where the function does not bend; None if some region may be missing.
    affine_functions, adjacencies : int
    at_least : bool
        Whether there may be more of them.
    """

    pieces: int | None
    affine_functions: int
    adjacencies: int
    at_least: bool = False


def _counted(scene: Scene) -> Answer[Counts]:
    complex_, graph = scene.complex, scene.graph
    labels = affine_functions(complex_)
    merged = _distinct(pieces(complex_, graph, labels))
    notes = {}
    if merged != len(complex_):
        notes["pieces"] = f"{len(complex_)} regions make {merged} pieces: some neighbours have the same affine map"
    return Answer(Counts(merged, _distinct(labels), len(graph)), notes=notes)


def _at_least(scene: Scene) -> Answer[Counts]:
    if not len(scene.complex):
        return missing("null: no region was found")
    found = Counts(None, _distinct(affine_functions(scene.complex)), len(scene.graph), at_least=True)
    return Answer(found, notes={"pieces": NOT_COMPLETE})


def _distinct(labels: np.ndarray) -> int:
    return int(labels.max(initial=-1)) + 1


def _text(value: int | None, at_least: bool) -> str:
    return "-" if value is None else f">= {value}" if at_least else f"{value}"


def _cells(value: Counts) -> dict[str, str]:
    edges = {"edges": _text(value.adjacencies, value.at_least)}
    return edges if value.pieces is None else {"pieces": _text(value.pieces, value.at_least), **edges}


COUNTS: Measure[Counts] = Measure(
    name="counts",
    about="pieces, affine functions and adjacencies of the regions",
    cost=Cost.LOW,
    needs=frozenset({Need.GRAPH}),
    exact=_counted,
    floating=_counted,
    partial=_at_least,
    attributes={
        "pieces": lambda v: v.pieces,
        "affine_functions": lambda v: v.affine_functions,
        "adjacencies": lambda v: v.adjacencies,
    },
    fields=(
        Field("pieces", int, lambda v: v.pieces),
        Field("affine_functions", int, lambda v: v.affine_functions),
        Field("adjacencies", int, lambda v: v.adjacencies),
    ),
    numbers=lambda v: {"pieces": v.pieces, "affine_functions": v.affine_functions, "adjacencies": v.adjacencies},
    frame=("pieces", "affine_functions", "adjacencies"),
    lines=lambda v: [
        ("pieces", _text(v.pieces, v.at_least)),
        ("affine functions", _text(v.affine_functions, v.at_least)),
        ("adjacencies", _text(v.adjacencies, v.at_least)),
    ],
    cells=_cells,
    instead=Instead("patterns", "chao1", "regions"),
)
