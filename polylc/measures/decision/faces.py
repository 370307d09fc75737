"""All faces of the regions, in few dimensions: exact vertices, and which face lies in which.

The closed regions and their faces make up a polyhedral complex: two of them meet in a face of both (Grigsby and Lindsey
2022, the canonical polyhedral complex). So a face is known by its vertices, and a vertex by its coordinates, which are
rational.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from polylc.complex.complex import Complex
from polylc.errors import SolverError
from polylc.geometry.exact_cell import MOST_VERTICES, Corners, cube_and, members, vertices_of

Place = tuple[int, ...]


@dataclass
class Faces:
    """Faces as columns, vertices among them; faces in the boundary of the neighbourhood are no inner faces.

    Attributes
    ----------
    dimension : int
        Of the neighbourhood.
    places : list of (x_1, ..., x_k, w)
        Vertices, integers that stand for x / w, in unit coordinates.
    seen_from : list of int
        For each vertex a region that has it.
    dimensions : list of int
        Of each inner face.
    corners : list of tuple of int
        The vertices of each inner face.
    region : list of int
        A region that has it.
    around : list of list of int
        The inner faces of one dimension more that have it.
    of_region : list of int
        The face that each region is itself.
    """

    dimension: int
    places: list[Place] = field(default_factory=list)
    seen_from: list[int] = field(default_factory=list)
    dimensions: list[int] = field(default_factory=list)
    corners: list[tuple[int, ...]] = field(default_factory=list)
    region: list[int] = field(default_factory=list)
    around: list[list[int]] = field(default_factory=list)
    of_region: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.dimensions)

    @property
    def codimensions(self) -> list[int]:
        """The dimension of the neighbourhood, less that of each face."""
        return [self.dimension - d for d in self.dimensions]


def faces_of(complex_: Complex) -> Faces:
    """The inner faces of all regions.

    Raises
    ------
    SolverError
        If a region has too many vertices.
    """
    k = complex_.domain.dimension
    found = Faces(k)
    vertex_at: dict[Place, int] = {}
    face_at: dict[tuple[int, ...], int] = {}
    for region in range(len(complex_)):
        forms = cube_and(complex_.exact_half_spaces(region), k)
        cell = vertices_of(k, forms)
        if cell is None:
            raise SolverError(f"region {region} has more than {MOST_VERTICES} vertices")
        places, tight = cell
        names = []
        for place in places:
            name = vertex_at.setdefault(place, len(found.places))
            if name == len(found.places):
                found.places.append(place)
                found.seen_from.append(region)
            names.append(name)
        _add(found, face_at, region, Corners(k, places, tight), names, len(forms))
    return found


def _add(found: Faces, face_at: dict[tuple[int, ...], int], region: int, corners: Corners, names: list[int], forms: int) -> None:
    """The inner faces of one region, from the region down to its vertices; below a face that is known all is known."""
    k = found.dimension
    facets = list(corners.facets(forms).values())
    walls = [on for on in corners.on[: 2 * k] if on]  # vertices on each face of the cube
    whole = (1 << len(names)) - 1
    level: dict[int, list[int]] = {whole: []}  # a face as bits of vertices: the faces of one dimension more that have it
    found.of_region.append(len(found))
    for dimension in range(k, -1, -1):
        below: dict[int, list[int]] = {}
        for face, above in level.items():
            key = tuple(sorted(names[v] for v in members(face)))
            number = face_at.setdefault(key, len(found))
            if number < len(found):
                found.around[number] += above
                continue
            found.dimensions.append(dimension)
            found.corners.append(key)
            found.region.append(region)
            found.around.append(above)
            for part in _parts(face, facets, dimension):
                if not any(part & wall == part for wall in walls):
                    below.setdefault(part, []).append(number)
        level = below


def _parts(face: int, facets: list[int], dimension: int) -> list[int]:
    """The faces of one dimension less of a face: the largest of what facets of the region have of it."""
    if dimension == 0:
        return []
    parts = {face & facet for facet in facets} - {face, 0}
    if dimension == 1:
        return list(parts)
    return [p for p in parts if p.bit_count() >= dimension and not any(p & q == p and p != q for q in parts)]
