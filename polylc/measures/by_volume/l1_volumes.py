"""Volumes and areas of the regions of an l1 ball, as rationals: such a ball is a polytope with 2^n facets."""

from __future__ import annotations

from polylc.complex.complex import Complex
from polylc.domains.ball import open_ball
from polylc.errors import SolverError
from polylc.exact.checkpoint import checkpoint
from polylc.geometry.exact_cell import primitive
from polylc.geometry.exact_volume import rational_cell
from polylc.measures.by_volume.volumes import Volumes

# by dimension: so many regions take about a second
REGIONS = {1: 4000, 2: 1000, 3: 200, 4: 20}


class L1Volumes(Volumes):
    """The same as `Volumes`, of the regions of an l1 ball, perhaps cut with a box: all of it in rationals.

    Facets are those of the half-spaces of paths; what a region has of the boundary of the ball is none.
    """

    def __init__(self, complex_: Complex) -> None:
        """Compute and check.

        Raises
        ------
        ConsistencyError
            If the volumes do not sum to that of the ball, exactly, or a region is not closed.
        SolverError
            If a region has too many vertices.
        """
        self._begin(complex_)
        for region in range(len(complex_)):
            checkpoint()
            self.refine(region)
        self._check_total()

    def _begin(self, complex_: Complex) -> None:
        super()._begin(complex_)
        self._walls = [primitive(row) for row in open_ball(complex_.domain).facets()]
        whole = rational_cell(self._walls, complex_.domain.dimension)
        if whole is None:
            raise SolverError("the ball has too many vertices for exact volumes")
        self._cube = whole.volume
