"""What holds on closed regions and on their common facets, from the values at exact vertices; in few dimensions. What
these leave open goes to the exact programs.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from polylc.complex.complex import Complex
from polylc.complex.graph import RegionGraph
from polylc.errors import ConsistencyError
from polylc.measures.decision.by_programs import ByPrograms
from polylc.measures.decision.faces import Faces
from polylc.measures.decision.peaks import Peaks


class ByVertices(ByPrograms):
    """As `ByPrograms`, for the same questions.

    Parameters
    ----------
    complex_, graph
    faces : Faces
    values : list of list of Fraction
        As `peaks.corner_values` has them.
    peaks : list of Peaks
        One for each class.

    Raises
    ------
    ConsistencyError
        If the graph has other facets than the faces.
    """

    def __init__(self, complex_: Complex, graph: RegionGraph, faces: Faces, values: Sequence[Sequence[Fraction]], peaks: Sequence[Peaks]) -> None:
        super().__init__(complex_, graph)
        self.faces, self.values, self.peaks = faces, values, peaks
        sides = {tuple(sorted(faces.around[f])): f for f, d in enumerate(faces.dimensions) if d == faces.dimension - 1}
        pairs = zip(graph.first.tolist(), graph.second.tolist(), strict=True)
        asked = [tuple(sorted((faces.of_region[r], faces.of_region[s]))) for r, s in pairs]
        if set(asked) != set(sides) or len(asked) != len(sides):
            raise ConsistencyError("the region graph has other facets than the regions' vertices")
        self.facet = [sides[pair] for pair in asked]

    def leaders(self, region: int) -> tuple[list[int], bool]:
        """Classes that may be ahead or level somewhere in a region, and whether only one is ahead, on all of it."""
        found = [self.values[v] for v in self.faces.corners[self.faces.of_region[region]]]
        classes = range(len(found[0]))
        some = [c for c in classes if not any(all(v[j] > v[c] for v in found) for j in classes if j != c)]
        only = len(some) == 1 and all(self.peaks[some[0]].margins[v] > 0 for v in self.faces.corners[self.faces.of_region[region]])
        return some, only

    def ahead(self, region: int, label: int) -> bool:
        """Whether a class is ahead of all others somewhere in a region."""
        return self.peaks[label].is_positive(self.faces.of_region[region])

    def ahead_across(self, edge: int, label: int) -> bool:
        """Whether it is on a facet."""
        return self.peaks[label].is_positive(self.facet[edge])

    def level(self, region: int, classes: Sequence[int]) -> bool:
        """Whether some classes are level, and none is ahead of them, at a point of a closed region inside the
        neighbourhood.
        """
        known = self._known(self.faces.of_region[region], classes)
        return super().level(region, classes) if known is None else known

    def level_across(self, edge: int, classes: Sequence[int]) -> bool:
        """Whether they are at a point of a closed facet."""
        known = self._known(self.facet[edge], classes)
        return super().level_across(edge, classes) if known is None else known

    def _known(self, face: int, classes: Sequence[int]) -> bool | None:
        """What the values at the vertices tell; None if they leave it open.

        Where a difference has both signs at vertices it is zero inside the face too. A point between two of them at
        which it is zero and the two classes are ahead of all others has others of that kind beside it inside the face.
        """
        found = [self.values[v] for v in self.faces.corners[face]]
        if any(all(v[j] > v[c] for v in found) for c in classes for j in range(len(found[0])) if j != c):
            return False
        if len(classes) > 2:
            return None
        i, j = classes
        above = [(v, v[i] - v[j]) for v in found if v[i] > v[j]]
        below = [(v, v[j] - v[i]) for v in found if v[i] < v[j]]
        for u, p in above:
            for v, q in below:
                if all(u[i] * q + v[i] * p > u[c] * q + v[c] * p for c in range(len(u)) if c not in classes):
                    return True
        return None
