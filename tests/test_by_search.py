"""Answers that searches give in place of an enumeration, or beside one that was stopped."""

from fractions import Fraction

import numpy as np
import pytest
from nets import random_net

import polylc
from polylc.errors import UsageError
from polylc.network.exact import ExactNetwork
from polylc.report.schema import build_report
from polylc.report.table import result_rows


def drawn(seed):
    """A net of seven inputs, a centre, a radius, perhaps a clip."""
    rng = np.random.default_rng(seed)
    net = random_net([7, 9, 6, 3], 100 + seed)
    return net, rng.uniform(-0.5, 0.5, 7), rng.uniform(0.2, 0.8), (-0.6, 0.6) if seed % 2 else None


@pytest.mark.parametrize("seed", range(6))
def test_a_search_and_an_enumeration_say_the_same(seed):
    net, center, radius, clip = drawn(seed)
    (whole,) = polylc.certify(net, [center], radius=radius, clip=clip, measures="robustness").results
    (single,) = polylc.certify(net, [center], radius=radius, clip=clip, measures="robustness", keep=False).results
    assert single.regions is None
    assert "search" in single.notes["regions"]
    assert str(single.status) == str(whole.status) == "certified"
    a, b = whole.robustness, single.robustness
    assert (a.method, b.method) == ("enumeration", "search")
    assert (a.label, a.robust, a.exact_distance, a.status) == (b.label, b.robust, b.exact_distance, b.status)
    assert a.distance_quantity == b.distance_quantity
    if b.exact_point is not None:
        outputs = ExactNetwork(net).outputs(b.exact_point)
        assert max(v for j, v in enumerate(outputs) if j != b.label) >= outputs[b.label]


@pytest.mark.parametrize("seed", range(4))
def test_beside_a_limit_the_distance_is_certified_all_the_same(seed):
    net, center, radius, clip = drawn(seed)
    (whole,) = polylc.certify(net, [center], radius=radius, clip=clip, measures="robustness").results
    run = polylc.certify(net, [center], radius=radius, clip=clip, measures="counts,robustness", max_regions=2)
    (part,) = run.results
    assert str(part.status) == "partial"
    assert part.regions == 2
    assert part.robustness.method == "search"
    assert part.robustness.status == "certified"
    assert part.robustness.exact_distance == whole.robustness.exact_distance
    report = build_report(net, list(run), 1.0)
    assert report.neighbourhoods[0].robustness.method == "search"
    assert report.neighbourhoods[0].robustness.status == "certified"


def test_where_time_is_over_the_bracket_is_true():
    net = random_net([12, 24, 24, 4], 1)
    (known,) = polylc.distance(net, [np.zeros(12)], 4)
    assert known.exact
    (part,) = polylc.certify(net, [np.zeros(12)], radius=4, measures="robustness", keep=False, time_limit=0.2).results
    found = part.robustness
    if found.exact_distance is not None:
        assert found.exact_distance == known.lower
        return
    assert str(part.status) == found.status == "partial"
    if found.distance_quantity is None:  # there was no time for anything
        return
    low, high = found.distance_quantity.lower, found.distance_quantity.upper
    assert Fraction(low) <= known.lower
    assert high is None or known.lower <= Fraction(high)


def test_what_needs_regions_is_enumerated():
    net, center, radius, _ = drawn(0)
    for measures, more in (
        ("counts,robustness", {"keep": False}),
        ("robustness", {"keep": True}),
        ("robustness", {"keep": False, "certified": False}),
    ):
        (one,) = polylc.certify(net, [center], radius=radius, measures=measures, **more).results
        assert one.regions is not None
        assert one.robustness.method == "enumeration"


def test_a_table_has_no_count_and_no_rate():
    net, center, radius, _ = drawn(0)
    run = polylc.certify(net, [center, -center], radius=radius, measures="robustness", keep=False)
    rows = dict(result_rows(run.results[0]))
    assert rows["regions"] == "-"
    assert "regions/s" not in rows["seconds"]
    assert "mean regions" not in str(run)


@pytest.mark.parametrize("norm", ["l2", "l1"])
def test_robustness_in_other_norms_is_that_of_distance(norm):
    for seed in range(3):
        net, center, radius, clip = drawn(seed)
        (known,) = polylc.distance(net, [center], radius, clip=clip, norm=norm)
        run = polylc.certify(net, [center], radius=radius, clip=clip, norm=norm, measures="robustness")
        (one,) = run.results
        found = one.robustness
        assert (found.method, found.status, str(one.status)) == ("search", "certified", "certified")
        assert found.robust == known.robust
        if known.exact:
            assert (found.exact_square if norm == "l2" else found.exact_distance) == known.lower
            assert found.distance_quantity.lower <= found.distance <= found.distance_quantity.upper
            assert (found.distance_quantity.lower, found.distance_quantity.upper) == known.ends
        else:
            assert found.distance_quantity.upper is None
            assert found.distance_quantity.lower <= radius
        (place,) = build_report(net, list(run), 1.0).neighbourhoods
        assert place.norm == norm
        assert (place.robustness.distance_square is not None) == (known.exact and norm == "l2")
        assert one.volume.lower <= one.volume.upper < (2 * radius) ** 7


def test_what_searches_do_not_answer_in_other_norms_is_refused(tmp_path):
    net, x = random_net([3, 6, 3], 1), [[0.1, 0.2, 0.3]]
    with pytest.raises(UsageError, match="decided exactly"):
        polylc.certify(net, x, radius=1, norm="l2", measures="robustness", certified=False)
    with pytest.raises(UsageError, match="writes a proof of robustness"):
        polylc.certify(net, x, radius=1, norm="l2", measures="robustness", proof=tmp_path / "p")
    for shape, rows in (("line", [[0, 0, 0], [1, 1, 1]]), ("plane", [[0, 0, 0], [1, 1, 1], [0, 1, 0]])):
        with pytest.raises(UsageError, match=f"a {shape} is no l2 ball"):
            polylc.certify(net, getattr(polylc, shape)(net, *rows), norm="l2")
    with pytest.raises(UsageError, match="a box is no l1 ball"):
        polylc.certify(net, box=([0, 0, 0], [1, 1, 1]), norm="l1", measures="robustness")
    with pytest.raises(UsageError, match="radii that differ"):
        polylc.certify(net, x, radius=[1, 2, 1], norm="l1", measures="robustness")
    with pytest.raises(UsageError, match="norm: 'l5' is not one"):
        polylc.certify(net, x, radius=1, norm="l5", measures="robustness")


def test_beside_a_limit_on_regions_the_answers_do_not_depend_on_time():
    """So many cells are searched, not so many seconds: brackets that are open come out the same."""
    net = random_net([6, 24, 24, 3], 8)
    said = [polylc.certify(net, [np.zeros(6)], radius=2, measures="robustness,lipschitz", max_regions=5, keep=False).results[0] for _ in range(2)]
    brackets = [[(c.target, c.norm, c.quantity) for c in one.lipschitz] for one in said]
    assert brackets[0] == brackets[1]
    assert any(quantity.lower < quantity.upper * (1 - 1e-6) for _, _, quantity in brackets[0])  # they were stopped
    assert said[0].robustness.distance_quantity == said[1].robustness.distance_quantity
