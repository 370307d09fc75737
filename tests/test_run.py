"""The Python interface: certify and what its results offer."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
import torch
from nets import l1_net, random_net

import polylc
import polylc.search.crew
from polylc.api.certify import certify
from polylc.errors import NeighbourhoodError, UsageError
from polylc.exact.quantity import Kind
from polylc.measures.registry import ALL
from polylc.report.record import Refusal
from polylc.search.task import parse_measures

NET = random_net([2, 8, 6, 2], 0)


def test_paths_modules_and_networks_are_accepted(data):
    points = np.load(data / "moons2d.npz")["centers"][:2]
    from_file = polylc.certify(data / "moons2d.pt", points, radius="0.1", measures="counts")
    loaded = polylc.certify(polylc.load(data / "moons2d.npz"), points, radius="0.1", measures="counts")
    module = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU(), torch.nn.Linear(3, 2))
    assert [r.regions for r in from_file] == [r.regions for r in loaded]
    assert polylc.certify(module, points, radius=0.1)[0].regions >= 1


def test_one_point_or_many_and_decimals_are_exact():
    one = certify(NET, ["0.1", "0.2"], radius="0.1", measures="counts")
    many = certify(NET, [["0.1", "0.2"], [0.0, 0.0]], radius="0.1", measures="counts")
    assert len(one) == 1
    assert len(many) == 2
    assert one[0].regions == many[0].regions
    assert [float(v) for v in one[0].domain.lower] == [0.0, 0.1]


def test_results_answer_questions_about_their_regions():
    result = certify(NET, [0.0, 0.0], radius=1)[0]
    frame = result.to_frame()
    assert len(frame) == result.regions
    assert frame["volume"].sum() == pytest.approx(4)
    assert len(frame["piece"].unique()) == result.pieces
    graph = result.graph()
    assert (graph.number_of_nodes(), graph.number_of_edges()) == (result.regions, result.adjacencies)
    assert nx.is_connected(graph)
    assert sum(d["area"] * d["flips"] for *_, d in graph.edges(data=True)) / 4 == pytest.approx(result.local_complexity["activation"].value)
    assert dict(graph.degree) == frame["neighbours"].to_dict()
    for _, row in frame.iterrows():
        assert result.region_at([row["x0"], row["x1"]]) == row["region"]
    assert f"<dd>{result.regions}</dd>" in result._repr_html_()
    assert "regions=" in repr(result)


def test_region_at_refuses_points_it_cannot_place():
    result = certify(l1_net(2), [0.0, 0.0], radius=1)[0]
    with pytest.raises(UsageError, match="outside the neighbourhood"):
        result.region_at([2.0, 0.0])
    with pytest.raises(UsageError, match="a point of 2 coordinates"):
        result.region_at([0.0])
    with pytest.raises(UsageError, match="lies on a boundary"):
        result.region_at([0.0, 0.0])


def test_regions_are_dropped_when_they_need_not_be_kept():
    result = certify(NET, [0.0, 0.0], radius=1, keep=False)[0]
    with pytest.raises(UsageError, match="keep=True"):
        result.graph()


def test_a_bad_point_is_refused_and_the_others_are_done():
    run = certify(NET, [[0.0, 0.0], [np.nan, 0.0], [1.0, 1.0]], radius=0.1)
    assert [type(r).__name__ for r in run] == ["Result", "Refusal", "Result"]
    assert isinstance(run[1], Refusal)
    assert run[1].reason == "center, entry 0: nan is not finite"
    assert run.report().summary.refused == 1


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({}, UsageError, "give points and a radius, or a box"),
        ({"points": [0.0, 0.0]}, UsageError, "give points and a radius"),
        ({"points": [0.0, 0.0], "radius": 1, "box": ([0, 0], [1, 1])}, UsageError, "either a box"),
        ({"points": [0.0], "radius": 1}, NeighbourhoodError, "1 coordinates, but the network has 2 inputs"),
        ({"points": [0.0, 0.0], "radius": 0}, NeighbourhoodError, "not positive"),
        ({"points": [0.0, 0.0], "radius": 1, "labels": [2]}, UsageError, "label 2 is not one of the network's 2 classes"),
        ({"points": [0.0, 0.0], "radius": 1, "labels": [0, 1]}, UsageError, "2 labels for 1 neighbourhoods"),
        ({"points": [0.0, 0.0], "radius": 1, "measures": "counts,areas"}, UsageError, "'areas' is unknown"),
        ({"points": [0.0, 0.0], "radius": 1, "engine": "magic"}, UsageError, "'magic' is unknown"),
    ],
)
def test_bad_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        certify(NET, **arguments)


def test_measures_that_were_not_asked_for_are_none_with_a_note():
    result = certify(NET, [0.0, 0.0], radius=1, measures="lipschitz")[0]
    assert result.lipschitz is not None
    for name in set(ALL) - {"lipschitz"}:
        assert result.notes[name] == "not asked for"
    assert result.robustness is None
    assert result.pieces is None
    assert parse_measures("all") == ALL
    assert parse_measures(["robustness", "counts"]) == ("counts", "robustness")


def test_high_dimension_has_counts_and_enclosures_without_volumes():
    network = random_net([9, 5, 4, 2], 0)
    result = certify(network, np.zeros(9), radius=0.5)[0]
    assert result.adjacencies is not None
    found = result.local_complexity["activation"]
    assert found.kind is Kind.ENCLOSURE
    assert 0 < found.lower < found.upper < 1.01 * found.lower
    assert result.notes["local_complexity"].startswith("dimension 9 > 6: volumes are out of reach; enclosed by sections")
    assert [r.mean is None for r in result.local_rank] == [r.least < r.most for r in result.local_rank]


def test_fixed_coordinates_are_a_slice():
    network = random_net([3, 8, 8, 2], 1)
    result = certify(network, [0.0, 0.0, 0.25], radius=[1, 1, 0])[0]
    plane = certify(network, box=([-1, -1, 0.25], [1, 1, 0.25]))[0]
    assert result.domain.dimension == 2
    assert result.regions == plane.regions
    assert "x2 = 1/4" in result.notes["domain"]
    assert result.region_at([0.1, 0.2, 0.25]) >= 0


def test_limits_give_partial_results():
    network = random_net([3, 12, 12, 2], 0)
    whole = certify(network, [0.0] * 3, radius=1)[0]
    part = certify(network, [0.0] * 3, radius=1, max_regions=20)[0]
    assert (part.status, part.regions) == ("partial", 20)
    assert 0 < part.adjacencies <= whole.adjacencies
    assert 0 < part.affine_functions <= whole.affine_functions
    assert part.pieces is None
    assert {one.method for one in part.lipschitz if one.target != "jacobian"} == {"search"}
    assert {one.method for one in part.lipschitz if one.target == "jacobian"} == {"enumeration"}  # found, and a bound of the rest
    assert part.notes["lipschitz"].startswith("by search, since the enumeration is not complete")
    assert part.notes["status"].startswith("the limit on regions was reached")
    assert certify(network, [0.0] * 3, radius=1, time_limit=0)[0].status == "partial"


def test_the_label_can_be_given_for_a_box():
    result = certify(NET, box=([-3, -3], [3, 3]), labels=[1])[0]
    sample = np.random.default_rng(0).uniform(-3, 3, (2000, 2))
    assert (np.argmax(NET(sample), axis=1) != 1).any()
    assert not result.robustness.robust
    assert result.robustness.distance is None
    values = NET(result.robustness.adversarial)
    assert values[0] >= values[1] - 1e-9


def test_processes_give_the_same_results(monkeypatch):
    monkeypatch.setattr(polylc.search.crew, "PATIENCE", -1.0)
    points = np.random.default_rng(0).normal(size=(4, 2))
    serial, parallel = (certify(NET, [*points.tolist(), [np.inf, 0.0]], radius=0.5, jobs=jobs) for jobs in (1, 2))
    left, right = (run.report().model_dump(exclude={"summary"}) for run in (serial, parallel))
    for entry in left["neighbourhoods"] + right["neighbourhoods"]:
        entry["seconds"] = 0
    assert left == right
    assert (parallel[0].complex.bits == serial[0].complex.bits).all()


def test_plots_of_one_and_two_coordinates(tmp_path):
    result = certify(NET, [0.0, 0.0], radius=1)[0]
    result.plot(tmp_path / "map.svg", points=[[0.1, 0.2], [9.0, 9.0]], labels=[0, 1])
    text = (tmp_path / "map.svg").read_text()
    assert "PolyCollection" in text
    curve = certify(NET, [0.0, 0.0], radius=[1, 0])[0].plot()
    lines = curve.axes[0].get_lines()
    xs, ys = lines[0].get_data()
    points = np.column_stack([xs, np.zeros(len(xs))])
    np.testing.assert_allclose(ys, NET(points)[:, 0])
    with pytest.raises(UsageError, match="3 coordinates are free"):
        certify(random_net([3, 4, 2], 0), [0.0] * 3, radius=1)[0].plot()
