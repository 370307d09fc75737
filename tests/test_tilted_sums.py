"""Shares of the cube and areas of its sections: every enclosure holds what rationals, other formulas and points say."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nets import quarter_net, random_net

import polylc
from polylc.geometry.tilted.lattice_sums import joint
from polylc.geometry.tilted.parcels import Effort, Parcel
from polylc.geometry.tilted.tilting import chernoff, forms_of, log_sinhc, tilt
from polylc.measures.by_volume.many_dimensions import ManyDimensions
from polylc.measures.by_volume.weighed_parcels import extremes
from polylc.measures.gradient.norms import Gradients
from polylc.measures.scene import Scene


def forms(rows):
    rows = np.array(rows, dtype=np.float64)
    return forms_of(rows, np.zeros(len(rows)))


def simplices(row, power):
    """E[(a t + c)_+^power] 2^k prod a_i power! over factorials, by inclusion and exclusion over the corners, exactly."""
    a, c = [Fraction(v) for v in row[:-1]], Fraction(row[-1])
    k = len(a)
    total = Fraction(0)
    for signs in itertools.product((1, -1), repeat=k):
        value = c + sum(s * v for s, v in zip(signs, a, strict=True))
        if value > 0:
            total += math.prod(signs) * value**power
    return total / (math.factorial(power) * 2**k * math.prod(a))


def density(row):
    """The density of a t + c at 0, no a_i zero: a piecewise polynomial of degree k - 1."""
    return simplices(row, len(row) - 2)


def share(row):
    """The share of the cube where a t + c > 0."""
    return simplices(row, len(row) - 1)


@pytest.mark.parametrize("seed", range(6))
def test_one_form_by_inclusion_and_exclusion(seed):
    rng = np.random.default_rng(seed)
    row = rng.integers(-64, 65, 9) / 64
    row[:-1][row[:-1] == 0] = 1
    row[-1] *= np.abs(row[:-1]).sum() * rng.random()
    for dense, exact in ((True, density(row)), (False, share(row))):
        low, high = joint(forms([row]), dense)
        assert Fraction(low) <= exact <= Fraction(high)
        assert high - low <= 1e-6 * high
