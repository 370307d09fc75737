"""The complex of a neighbourhood: columns of regions and facets, and the region graph."""
