"""A trained network with reference answers computed in exact rational arithmetic by another program.

moons2d: two moons, 2-32-32-2. `deep2d` and the larger networks run behind the marker `slow` or in scripts.
"""

from __future__ import annotations

import numpy as np
import pytest
from oracles import clip_regions

from polylc.api.certify import certify
from polylc.domains.ball import ball
from polylc.domains.box import box
from polylc.readers.load import load

DISTANCES = {
    0: (1, 0.514959019202241),
    1: (1, 0.2531818556172398),
    2: (0, 0.07999391858019342),
    3: (1, 0.15781476738359612),
    4: (1, 0.2961056729984399),
    5: (1, 0.39014093257809546),
    6: (0, 0.34367017699921837),
    7: (0, 0.3147880038306477),
}


@pytest.fixture(scope="module")
def moons(request):
    path = request.config.rootpath / "tests" / "data" / "moons2d.npz"
    return load(path), np.load(path)["centers"]


def test_the_whole_box(moons):
    result = certify(moons[0], box=([-2, -2], [3, 3]))[0]
    assert (result.status, result.regions, result.pieces, result.affine_functions, result.adjacencies) == ("certified", 1966, 1966, 1966, 3867)
    assert result.local_complexity["activation"].value == pytest.approx(14.0983, abs=6e-5)
    assert result.total_variation["frobenius"].value == pytest.approx(17.92538, abs=6e-6)
    assert result.complex.geometry.volume.sum() == pytest.approx(25, rel=1e-12)


@pytest.mark.parametrize(
    ("radius", "regions", "constants"),
    [
        ("0.1", 2, (20.70470045260363, 21.406918870005054, 20.692366609427456)),
        ("0.3", 5, (24.123855467802855, 32.119607906637825, 21.809838587708786)),
    ],
)
def test_lipschitz_constants(moons, radius, regions, constants):
    result = certify(moons[0], moons[1][0], radius=radius)[0]
    found = {c.norm: c.value for c in result.lipschitz if c.target == "f1-f0"}
    assert result.regions == regions
    assert [found[norm] for norm in ("l2", "linf", "l1")] == pytest.approx(constants, rel=1e-9)


@pytest.mark.parametrize("row", DISTANCES)
def test_adversarial_distances(moons, row):
    label, distance = DISTANCES[row]
    result = certify(moons[0], moons[1][row], radius=1.1 * distance, measures="robustness")[0]
    assert result.label == label
    assert not result.robustness.robust
    assert result.robustness.distance == pytest.approx(distance, rel=1e-9)
    assert certify(moons[0], moons[1][row], radius=0.99 * distance, measures="robustness")[0].robustness.robust


def test_a_ball_against_the_exact_clipper(moons):
    domain = ball(moons[1][3], "0.1")
    result = certify(moons[0], moons[1][3], radius="0.1")[0]
    cells = clip_regions(moons[0], domain)
    exact = {c.bits: float(c.area()) for c in cells}
    bits = [tuple(row) for row in result.complex.patterns().tolist()]
    assert set(bits) == set(exact)
    np.testing.assert_allclose(result.complex.geometry.volume, [exact[b] for b in bits], rtol=1e-7)


@pytest.mark.slow
def test_the_whole_box_against_the_exact_clipper(moons):
    result = certify(moons[0], box=([-2, -2], [3, 3]), measures="counts")[0]
    cells = clip_regions(moons[0], box([-2, -2], [3, 3]))
    assert {tuple(row) for row in result.complex.patterns().tolist()} == {c.bits for c in cells}
    assert sum(c.area() for c in cells) == 25


@pytest.mark.slow
def test_a_deep_network_against_the_exact_clipper(request):
    """deep2d, 2-64-64-64-1 on [-1, 1]^2: 12956 polygons whose areas sum exactly to 4 (minutes)."""
    network = load(request.config.rootpath / "tests" / "data" / "deep2d.npz")
    result = certify(network, box=([-1, -1], [1, 1]), measures="counts")[0]
    cells = clip_regions(network, box([-1, -1], [1, 1]))
    assert (result.status, result.regions, sum(c.area() for c in cells)) == ("certified", 12956, 4)
    assert {tuple(row) for row in result.complex.patterns().tolist()} == {c.bits for c in cells}
