"""The complex of a neighbourhood: columns of regions and facets, and the region graph."""

from polylc.complex.graph import RegionGraph, build_graph
from polylc.complex.regions import Complex

__all__ = ["Complex", "RegionGraph", "build_graph"]
