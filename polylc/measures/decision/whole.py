"""The topology of all decision regions of a neighbourhood: parts, Betti numbers, Euler characteristics, persistence."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from polylc.complex.complex import Complex
from polylc.complex.graph import RegionGraph
from polylc.errors import ConsistencyError
from polylc.measures.decision.by_programs import ByPrograms
from polylc.measures.decision.by_vertices import ByVertices
from polylc.measures.decision.classes import class_count
from polylc.measures.decision.faces import Faces, faces_of
from polylc.measures.decision.parts import Parts, parts
from polylc.measures.decision.peaks import Peaks, corner_values
from polylc.measures.decision.persistence import Bar, persistence

MOST_BETTI = 4  # dimensions in which all faces are listed
MOST_PERSISTENCE = 3  # and in which the largest margin is computed on each of them


@dataclass(frozen=True)
class ClassTopology:
    """What the decision region of one class looks like inside the neighbourhood.

    Attributes
    ----------
    label : int
    components : int
        Its parts, 0 if the class is ahead nowhere.
    betti : tuple of int or None
        Betti numbers over GF(2), from dimension 0 to n - 1; None above dimension 4.
    euler : int or None
        Its Euler characteristic; None above dimension 4.
    stability : Fraction or None
        The largest d such that all of {margin > t}, -d < t < d, have the same Betti numbers; None above dimension 3.
    bars : tuple of Bar or None
        How parts and holes of {margin > t} come and go as t falls, for a class that is ahead somewhere; None above
        dimension 3 too.
    """

    label: int
    components: int
    betti: tuple[int, ...] | None
    euler: int | None
    stability: Fraction | None
    bars: tuple[Bar, ...] | None


@dataclass(frozen=True)
class Topology:
    """Decision regions and decision boundary of a neighbourhood.

    Attributes
    ----------
    dimension : int
        Of the neighbourhood.
    classes : tuple of ClassTopology
    boundary : int
        Parts of the decision boundary.
    parts : Parts
        Which region has a share of which part.
    """

    dimension: int
    classes: tuple[ClassTopology, ...]
    boundary: int
    parts: Parts


def topology(complex_: Complex, graph: RegionGraph) -> Topology:
    """Of a complete complex, exactly.

    Raises
    ------
    SolverError
        If a region has too many vertices.
    ConsistencyError
        If two ways to count do not agree.

    References
    ----------
    docs/exactness.md, "Topology".
    """
    n = complex_.domain.dimension
    if n > MOST_BETTI:
        found = parts(complex_, graph, ByPrograms(complex_, graph))
        rows = [ClassTopology(c, found.count(c), None, None, None, None) for c in range(class_count(complex_))]
        return Topology(n, tuple(rows), found.boundary, found)
    faces = faces_of(complex_)
    values = corner_values(complex_, faces)
    peaks = [Peaks(faces, values, c) for c in range(class_count(complex_))]
    found = parts(complex_, graph, ByVertices(complex_, graph, faces, values, peaks))
    scale = complex_.exact_forms.scale
    rows = [_class(faces, peak, c, found.count(c), scale) for c, peak in enumerate(peaks)]
    return Topology(n, tuple(rows), found.boundary, found)


def _class(faces: Faces, peaks: Peaks, label: int, components: int, scale: int) -> ClassTopology:
    n, far = faces.dimension, faces.dimension > MOST_PERSISTENCE
    if components == 0:
        away = None if far else -peaks.largest() / scale
        return ClassTopology(label, 0, (0,) * n, 0, away, None)
    some = range(len(faces))
    levels = [Fraction(peaks.is_positive(f)) for f in some] if far else [peaks.of(f) / scale for f in some]
    codimensions = faces.codimensions
    bars = persistence(codimensions, faces.around, levels)
    there = [bar.dimension for bar in bars if bar.holds(Fraction(0))]
    betti = tuple(there.count(d) for d in range(n))
    euler = sum((-1) ** d for d, level in zip(codimensions, levels, strict=True) if level > 0)
    if betti[0] != components or euler != sum((-1) ** d * b for d, b in enumerate(betti)) or len(there) != sum(betti):
        raise ConsistencyError(f"class {label}: {components} parts and Euler characteristic {euler}, but Betti numbers {betti}")
    if far:
        return ClassTopology(label, components, betti, euler, None, None)
    ends = [abs(end) for bar in bars for end in (bar.birth, bar.death) if end is not None]
    scaled = sorted(bars, key=lambda bar: (bar.dimension, -bar.birth))
    return ClassTopology(label, components, betti, euler, min(ends), tuple(scaled))
