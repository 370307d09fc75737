"""What engines tell besides: volumes, areas and maps of the vertex engine against cells cut anew, known bodies and
exact forms.
"""

from __future__ import annotations

import itertools
import math
from concurrent.futures import Future
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nets import SPECIAL, quarter_net, random_net, residual_net, sliver_nets, small_nets, zero_bias_net

from polylc.api.certify import certify
from polylc.complex.complex import Complex
from polylc.domains.box import Neighbourhood, box
from polylc.engines.contract import Limits
from polylc.engines.extras import UNSEEN, Facets, Maps, Seen, Sizes, Wishes, join
from polylc.engines.vertex.engine import VertexEngine
from polylc.exact.numbers import as_fraction
from polylc.geometry import exact_cell
from polylc.network.form import Network, chain
from polylc.search.enumerate import explore
from polylc.search.units import explore_together

ALL = Wishes(facets=True, sizes=True, maps=2**28)
MEASURES = ["local_complexity", "total_variation", "kink_variation", "local_rank"]


def oblong(n: int) -> Neighbourhood:
    return box([-1] * n, [1 + Fraction(i, 2) for i in range(n)])


def seen_on(network: Network, domain: Neighbourhood, wishes: Wishes = ALL) -> Complex:
    return Complex.of(network, domain, explore(network, domain, "vertex", wishes=wishes))


def narrowest_angle(complex_: Complex) -> float:
    """Sine of the smallest angle between two hyperplanes of one region's path that are not parallel, in true
    lengths.
    """
    rows, _ = complex_.half_spaces(slice(0, len(complex_)))
    normals = rows[:, :-1] / complex_.domain.half
    normals = normals / np.linalg.norm(normals, axis=1, keepdims=True)
    least = 1.0
    for begin, end in itertools.pairwise(complex_.starts.tolist()):
        own = normals[begin:end]
        apart = [np.linalg.norm(a - (a @ b) * b) for a, b in itertools.combinations(own, 2)]
        least = min([least, *(float(v) for v in apart if v > 2.0**-50)])
    return least


def same_sizes(complex_: Complex) -> None:
    """The engine's sizes are those of cells that are cut anew, where it says that they close."""
    told, cut = complex_.seen.sizes, complex_.cut_geometry
    assert (told.length == np.diff(complex_.starts)).all()
    ours = complex_.geometry
    good = told.closed & cut.ok
    scale = max(1.0, float(complex_.domain.volume))
    np.testing.assert_allclose(ours.volume[good], cut.volume[good], atol=1e-11 * scale)
    entries = np.repeat(good, told.length)
    largest = max(1.0, cut.area.max(initial=0.0))
    # where hyperplanes are nearly parallel, rounding moves what they share
    slip = 1e-9 + 2.0**-48 / narrowest_angle(complex_)
    np.testing.assert_allclose(ours.area[entries], cut.area[entries], atol=slip * largest)
    np.testing.assert_allclose(ours.box_area[good], cut.box_area[good], atol=1e-9 * max(1.0, cut.box_area.max(initial=0.0)))


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("seed", range(3))
def test_sizes_equal_those_of_cells_cut_anew(n, seed):
    complex_ = seen_on(random_net([n, 7, 5, 2], seed), oblong(n))
    assert complex_.seen.sizes.closed.all()
    same_sizes(complex_)
    assert complex_.geometry.volume.sum() == pytest.approx(float(complex_.domain.volume), rel=1e-12)


@pytest.mark.parametrize("n", [2, 3, 4, 5])
def test_a_corner_simplex_has_the_volume_and_area_it_has(n):
    """x_1 + ... + x_n <= 1 - n / 2 in [-1/2, 1/2]^n: volume 1 / n!, slanted facet sqrt(n) / (n - 1)!."""
    network = chain([np.ones((1, n)), np.ones((1, 1))], [np.array([n / 2 - 1.0]), np.zeros(1)])
    half = [as_fraction(0.5)] * n
    complex_ = seen_on(network, box([-h for h in half], half))
    small = int(np.flatnonzero(~complex_.patterns()[:, 0])[0])
    assert complex_.geometry.volume[small] == pytest.approx(1 / math.factorial(n), rel=1e-13)
    entry = int(complex_.starts[small])
    assert complex_.geometry.area[entry] == pytest.approx(math.sqrt(n) / math.factorial(n - 1), rel=1e-13)


@given(st.one_of(small_nets(), sliver_nets()))
def test_on_nets_with_ties_sizes_close_and_agree_or_say_that_they_do_not(network):
    complex_ = seen_on(network, box([-1] * network.inputs, [1] * network.inputs))
    same_sizes(complex_)
    assert complex_.geometry.volume.sum() == pytest.approx(2.0**network.inputs, rel=1e-9)


@pytest.mark.parametrize("make", [zero_bias_net, quarter_net])
@pytest.mark.parametrize("n", [3, 4, 5])
@pytest.mark.parametrize("seed", range(3))
def test_special_position_in_higher_dimension(make, n, seed):
    """Some skeletons are then of no cell; those that do not close are measured in integers."""
    complex_ = seen_on(make([n, 6, 5, 1], seed), box([-1] * n, [1] * n))
    same_sizes(complex_)
    if complex_.geometry.ok.all():
        assert complex_.geometry.volume.sum() == pytest.approx(2.0**n, rel=1e-9)


def test_what_does_not_close_is_measured_in_integers(monkeypatch):
    network, domain = random_net([3, 7, 5, 2], 0), oblong(3)
    complex_ = seen_on(network, domain)
    right = complex_.geometry.volume.copy()
    told = complex_.seen.sizes
    broken = Sizes(told.volume * 0.5, told.box_area, np.zeros_like(told.closed), told.length, told.area * 3.0)
    other = Complex.of(network, domain, explore(network, domain, "vertex"))
    object.__setattr__(other, "seen", Seen(sizes=broken))
    np.testing.assert_allclose(other.geometry.volume, right, rtol=1e-10)
    monkeypatch.setattr(exact_cell, "MOST_VERTICES", 3)
    again = Complex.of(network, domain, explore(network, domain, "vertex"))
    object.__setattr__(again, "seen", Seen(sizes=broken))
    assert np.isnan(again.geometry.volume).all()
    assert not again.geometry.ok.any()


@pytest.mark.parametrize("network", [random_net([3, 9, 8, 4], 0), random_net([2, 6, 5, 1], 1, negative_slope=0.25), residual_net(2)])
def test_maps_are_those_of_the_network(network):
    """Rigorously: the exact map is within the noise told."""
    complex_ = seen_on(network, box([-1] * network.inputs, [1] * network.inputs))
    maps, forms = complex_.seen.maps, complex_.exact_forms
    for r in range(0, len(complex_), max(1, len(complex_) // 40)):
        exact = forms.output(complex_.patterns(slice(r, r + 1))[0])
        for row, own, noise in zip(exact, maps.map[r].tolist(), maps.noise[r].tolist(), strict=True):
            assert sum(abs(Fraction(v, forms.scale) - Fraction(w)) for v, w in zip(row, own, strict=True)) <= Fraction(noise)
    np.testing.assert_allclose(
        complex_.maps(slice(None)).map, Complex.of(network, complex_.domain, explore(network, complex_.domain)).maps(slice(None)).map, atol=1e-12
    )


def test_maps_that_take_too_much_are_left_out():
    network = random_net([2, 40, 40, 3], 0)
    domain = box([-1, -1], [1, 1])
    engine = VertexEngine(network, domain, None, (), Wishes(facets=True, maps=2000))
    found = engine.explore()
    assert found.seen.maps is None
    assert len(found.seen.facets.sure) == len(found.leaf)
    assert Complex.of(network, domain, found).maps(slice(0, 3)).map.shape == (3, 3, 3)


def test_nothing_is_told_unasked():
    network = random_net([2, 8, 6, 1], 0)
    assert explore(network, box([-1, -1], [1, 1])).seen == UNSEEN


# ---- parts -----------------------------------------------------------------------------------------------------------
def test_parts_joined_are_the_whole():
    seen = seen_on(random_net([3, 7, 5, 2], 0), oblong(3)).seen
    count = len(seen.sizes.volume)
    parts = [seen[0:5], seen[5:5], seen[5 : count // 2], seen[count // 2 :]]
    whole = join(parts)
    for name in ("facets", "maps", "sizes"):
        for column, other in zip(vars(getattr(whole, name)).values(), vars(getattr(seen, name)).values(), strict=True):
            np.testing.assert_array_equal(column, other)
    assert join([seen[0:5], Seen(facets=seen[5:9].facets)]).maps is None
    assert isinstance(join(parts).facets, Facets)
    assert isinstance(join(parts).maps, Maps)
    assert join([]) == UNSEEN


class Here:
    """A crew that works at once, in this process."""

    jobs = 2

    def wanted(self, lasted: float, done: float) -> bool:
        return True

    def submit(self, function, *arguments):
        future = Future()
        future.set_result(function(*arguments, None))
        return future

    def stop(self) -> None:
        pass


@pytest.mark.parametrize("network", [random_net([3, 9, 8, 2], 0), quarter_net([3, 6, 5, 1], 3)])
def test_units_tell_what_one_engine_tells(network, monkeypatch):
    monkeypatch.setattr(VertexEngine, "unit_depth", 4)
    domain = oblong(3)
    whole = explore(network, domain, "vertex", wishes=ALL)
    shared = explore_together(network, domain, "vertex", Limits(), None, None, Here(), ALL)
    assert shared.stats["units"] > 4
    assert (whole.bits == shared.bits).all()
    for name in ("facets", "maps", "sizes"):
        for column, other in zip(vars(getattr(whole.seen, name)).values(), vars(getattr(shared.seen, name)).values(), strict=True):
            np.testing.assert_array_equal(column, other)


# ---- through certify -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_measures_without_certification_lie_in_the_proved_enclosures(n):
    network, domain = random_net([n, 8, 6, 3], n), oblong(n)
    where = {"box": (domain.lower, domain.upper), "labels": [0], "measures": MEASURES}
    proved, plain = certify(network, **where)[0], certify(network, **where, certified=False)[0]
    for name in ("local_complexity", "total_variation"):
        for version, value in getattr(plain, name).items():
            bound = getattr(proved, name).get(version)
            if bound is not None and bound.upper is not None:
                assert bound.lower * (1 - 1e-12) <= value.value <= bound.upper * (1 + 1e-12)
    assert plain.kink_variation.value == pytest.approx(proved.kink_variation.value, rel=1e-10)


@pytest.mark.parametrize("name", SPECIAL)
def test_measures_without_certification_in_special_position(name):
    network = SPECIAL[name]
    n = network.inputs
    where = {"box": ([-1] * n, [1] * n), "measures": MEASURES}
    proved, plain = certify(network, **where)[0], certify(network, **where, certified=False)[0]
    assert plain.local_complexity["activation"].value == pytest.approx(proved.local_complexity["activation"].value, rel=1e-9)
