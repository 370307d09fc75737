"""Inequalities in many dimensions: both sides from shares and sections hold what volumes say."""

from __future__ import annotations

import numpy as np
import pytest
from nets import quarter_net, random_net

import polylc
from polylc.measures.answers import Answers
from polylc.measures.inequalities.rules import Case, inequalities
from polylc.measures.scene import Scene


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
    scene = Scene(complex_, ("bounds",), None, certified=True, sigmas=(("0.5", 0.5),))
    exact = {b.name: b for b in inequalities(Case(scene, Answers({})))}
    found = {b.name: b for b in inequalities(ManyCase(scene, Answers({})))}
    assert set(found) == set(exact)
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
    assert False not in [holds for name, holds in listed.items() if not name.startswith("not a theorem")]
