"""Inequalities in many dimensions: both sides from shares and sections hold what volumes say."""

from __future__ import annotations

import numpy as np
import pytest
from nets import quarter_net, random_net

import polylc
from polylc.measures.answers import Answers
from polylc.measures.inequalities.rules import Case, inequalities
from polylc.measures.scene import Scene
from polylc.network.form import chain


class ManyCase(Case):
    """As if volumes were out of reach."""

    @property
    def many(self):
        return self.scene.many

    @property
    def given(self):
        return Case.given.func(self)

    @property
    def sides(self):
        from polylc.measures.inequalities.means import ByShares
        from polylc.measures.inequalities.sides import Sides

        return Sides(ByShares(self.scene.many), self.scene.graph, self.scene.ranks, self.scene.gradients)


@pytest.mark.parametrize("network", [random_net([4, 4, 3, 2], 2), quarter_net([5, 4, 3, 1], 1)])
def test_sides_hold_those_of_volumes(network):
    complex_ = polylc.certify(network, np.zeros(network.inputs), radius=0.7, measures="counts")[0].complex
    scene = Scene(complex_, ("bounds",), 0, certified=True, sigmas=(("0.5", 0.5),))
    exact = {b.name: b for b in inequalities(Case(scene, Answers({})))}
    found = {b.name: b for b in inequalities(ManyCase(scene, Answers({})))}
    assert set(found) == set(exact)
    assert any(name.startswith("T6b") for name in found) == (network.outputs > 1)
    for name, b in found.items():
        for mine, true in ((b.left, exact[name].left), (b.right, exact[name].right)):
            assert mine.upper is None or true.upper is None or mine.lower <= true.upper * (1 + 1e-12)
            assert mine.upper is None or mine.upper >= true.lower * (1 - 1e-12)
        assert {b.holds, exact[name].holds} != {True, False}
    assert sum(b.holds is not None for b in found.values()) >= len(found) // 2


def test_eight_dimensions_are_decided():
    network = random_net([8, 4, 3, 2], 0)
    result = polylc.certify(network, np.zeros(8), radius=0.3, sigma="0.5", measures="local_complexity,bounds")[0]
    listed = {b.name: b.holds for b in result.bounds}
    for name in ("C2", "T3 step 1", "T5", "T5 box", "C3", "C8", "T2 lower, sigma 0.5", "T2 upper, sigma 0.5", "T4, sigma 0.5", "T7, sigma 0.5"):
        assert listed[name] is True
    assert [holds for name, holds in listed.items() if name.startswith("T6b")] == [True]
    assert False not in [holds for name, holds in listed.items() if not name.startswith("not a theorem")]


def both_ways(network, label, **where):
    """T6b by volumes, and by shares."""
    complex_ = polylc.certify(network, **where, measures="counts")[0].complex
    scene = Scene(complex_, ("bounds",), label, certified=True)
    return [{b.name: b for b in inequalities(case(scene, Answers({}))) if b.name.startswith("T6b")} for case in (Case, ManyCase)]


@pytest.mark.parametrize("seed", range(6))
def test_margins_by_shares_hold_those_by_volumes(seed):
    make = quarter_net if seed % 3 == 0 else random_net
    center = np.random.default_rng(seed).integers(-8, 9, 4) / 8
    for label in range(3):
        exact, found = both_ways(make([4, 4, 3, 3], seed), label, points=center, radius=0.5)
        assert set(found) <= set(exact)  # a mean that is not known to be positive is left out
        for name, mine in found.items():
            true = exact[name]
            assert mine.left.lower <= true.left.upper
            assert mine.left.upper >= true.left.lower
            assert mine.right.lower <= true.right.upper
            assert mine.right.upper >= true.right.lower
            assert mine.holds is not False


def test_a_margin_by_hand():
    """g = 1 + x - |y| / 2 on [-1, 3] x [-2, 2]: not ahead on two triangles, an eighth of the box."""
    network = chain([[[0.0, 1.0], [0.0, -1.0], [1.0, 0.0]], [[-0.5, -0.5, 1.0], [0.0, 0.0, 0.0]]], [[0.0, 0.0, 1.0], [0.0, 0.0]])
    exact, found = both_ways(network, 0, box=([-1, -2], [3, 2]))
    for one in (exact["T6b f0-f1"], found["T6b f0-f1"]):
        assert one.left.lower <= 0.125 <= one.left.upper
        assert one.right.lower <= 0.25 * (4 + 4 * 0.5) / 1.5 <= one.right.upper
        assert one.holds is not False
