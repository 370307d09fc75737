"""The Python interface on the two-moons example: load, certify, look at regions, graph and table.

.venv/bin/python examples/python_api.py        (needs torch, and pandas at its end: scripts/setup-env.sh torch frame)
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

import polylc

folder = Path(__file__).parent / "moons"
net = polylc.load(folder / "moons.pt")  # a torch.nn.Module in memory works as well
points = np.load(folder / "moons.npz")["X"][:5]

result = polylc.certify(net, points, radius=0.1)  # one neighbourhood per point
first = result[0]
print(f"{first.regions} activation regions around {points[0]}")
print("the point lies in the region", first.region_at(points[0]))

graph = first.graph()  # a networkx graph: regions are nodes, facets are edges
print(f"region graph: {graph.number_of_nodes()} nodes, {graph.number_of_edges()} edges")

print(result.to_frame())  # a pandas table with one row per neighbourhood
