"""The kernels of lattice sums: terms, what is beyond them, aliases and cumulants against plain arithmetic on arrays."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from polylc.geometry.tilted.aliases import Law, aliases, tilted_law
from polylc.geometry.tilted.cumulants import Forms, exponent
from polylc.geometry.tilted.frequencies import beyond
from polylc.geometry.tilted.known_sums import Sums
from polylc.geometry.tilted.lattice_sums import CELLS, MOST_FREQUENCIES, Effort, _line, _room, _sum, joint
from polylc.geometry.tilted.plans import frequencies, set_up
from polylc.geometry.tilted.tilting import argument_error, forms_of, log_sinhc, tilt


def forms(rows):
    rows = np.array(rows, dtype=np.float64)
    return forms_of(rows, np.zeros(len(rows)))


def tilted_terms(seed, m, dense, k=24):
    """Terms of a sum as the kernels take them, and forms and law that they belong to."""
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((m, k + 1)) * np.where(rng.random(k + 1) < 0.3, 1e-3, 1.0)
    given_ = forms(rows)
    error = argument_error(given_)
    law = Law(tilt(given_, np.full(m, 0.5), int(dense)), *np.empty((2, k)), *np.empty((2, m)))
    tilted_law.always_compiled(given_, law)
    step = 2 * math.pi / (8.0 * np.sqrt(law.square))
    return given_, error, law, tilted(given_, error, law.theta, step)


def tilted(given_, error, theta, step):
    of = _room(given_)[0]._replace(step=step, theta=theta)
    set_up.always_compiled(given_, error, of)
    return of


def sizes_of_factors(of, frequency):
    """Factors of one term by complex arithmetic, (k,)."""
    z = of.x + 1j * ((frequency * of.step) @ of.a)
    ratio = np.where(np.abs(z) < 1e-3, 1 + z**2 / 6, np.sinh(z) / np.where(z == 0, 1, z))
    return ratio * of.x / np.sinh(of.x)


@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize("m", [1, 2, 3])
def test_terms_add_up_as_complex_numbers_do(m, dense):
    _, _, _, of = tilted_terms(m, m, dense)
    free, count = int(dense), 4
    expected = 0.0
    for n in itertools.product(range(-count, count + 1), repeat=m):
        frequency = np.array(n, dtype=np.float64)
        tau = frequency * of.step
        term = np.prod(sizes_of_factors(of, frequency)) * np.exp(-1j * tau @ of.s)
        expected += (term / np.prod((of.theta + 1j * tau)[free:])).real
    total, off = _sum(of, free, count, 0.0, Effort(math.inf))
    assert off < 1e-8
    assert abs(total - expected) <= off + 1e-12 * abs(expected)
    cut, lost = _sum(of, free, count, 1e-6, Effort(math.inf))
    assert abs(cut - expected) <= lost + 1e-12 * abs(expected)
    assert lost <= 3e-6


@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize("m", [1, 2])
def test_what_is_beyond_a_frequency_is_bounded(m, dense):
    """Sizes of the terms of some shells beyond are within the bound of all."""
    _, _, _, of = tilted_terms(m + 7, m, dense)
    free = int(dense)
    for count in (3, 6):
        seen = 0.0
        for n in itertools.product(range(-3 * count, 3 * count + 1), repeat=m):
            frequency = np.array(n, dtype=np.float64)
            if np.abs(frequency).max() > count:
                tau = frequency * of.step
                seen += np.prod(np.abs(sizes_of_factors(of, frequency))) / np.prod(np.abs(of.theta + 1j * tau)[free:])
        bound = beyond.always_compiled(of, free, count, CELLS[m], 1000, 0.0, _line(m, CELLS[m]))
        assert seen <= bound
        plain = beyond.plain(of, free, count, CELLS[m], 20, 1e-9, _line(m, CELLS[m])) if m == 1 else bound
        assert seen <= plain


@pytest.mark.parametrize("dense", [False, True])
def test_aliases_bound_the_sum_less_the_number(dense):
    """What short periods count besides is what they are bounded by, at most."""
    for seed in range(4):
        given_, error, law, _ = tilted_terms(seed, 1, dense)
        low, high = joint(given_, dense)
        for periods in (4.0, 6.0):
            period = periods * np.sqrt(law.square)
            of = tilted(given_, error, law.theta, 2 * math.pi / period)
            room = _room(given_)[1]
            count, tail, _ = frequencies.always_compiled(of, int(dense), 10, MOST_FREQUENCIES[1], CELLS[1], 1e-12, room.line, room.largest)
            total, off = _sum(of, int(dense), count, 0.0, Effort(math.inf))
            scale = math.exp(exponent.always_compiled(given_, error, law.theta, law.x)[0])
            without = Law(np.empty(1), *np.empty((2, len(law.x))), *np.empty((2, 1)))
            bound = aliases.always_compiled(given_, error, law, period * (1 - 1e-14), dense, 0.0, without)
            found = total * float(of.step[0]) / (2 * math.pi)
            slack = (off + tail) * float(of.step[0]) / (2 * math.pi)
            assert (found + slack) * scale * (1 + 1e-9) >= low
            assert (found - slack - bound) * scale * (1 - 1e-9) <= high


def test_compiled_cumulants_are_those_of_arrays():
    rng = np.random.default_rng(3)
    given_ = forms(rng.standard_normal((2, 41)) * 10.0 ** rng.integers(-4, 2, 41))
    theta = rng.random(2)
    x, error = np.empty(40), argument_error(given_)
    value, doubt = exponent.always_compiled(given_, error, theta, x)
    expected = math.fsum(log_sinhc(theta @ given_.a).tolist()) - float(theta @ given_.s)
    assert x == pytest.approx(theta @ given_.a, abs=1e-12)
    assert abs(value - expected) <= 2 * doubt


def test_sums_that_are_known_tell_of_the_other_sides():
    """Shares of the four quadrants of two forms: one sum of both, and the others follow; all are those of `joint`."""
    rng = np.random.default_rng(11)
    given_ = forms(rng.standard_normal((3, 33)))
    for dense in (False, True):
        sums, effort = Sums(), Effort(1e12)
        numbers = sums.numbers(given_)
        head = [0] if dense else []
        for j in (1, 2):
            for signs in ((1.0,), (-1.0,)):
                rows = given_.rows([*head, j], [*[1.0 for _ in head], *signs])
                sums.joint(rows, sums.numbers(rows), dense, 0.0, effort)
        if dense:
            plane = given_.rows([0])
            sums.joint(plane, sums.numbers(plane), True, 0.0, effort)
        for first, second in itertools.product((1, -1), repeat=2):
            rows = given_.rows([*head, 1, 2], [*[1.0 for _ in head], float(first), float(second)])
            turned = [*([numbers[0]] if dense else []), first * numbers[1], second * numbers[2]]
            left = effort.left
            found = sums.joint(rows, turned, dense, 1e-4, effort)
            assert (effort.left == left) == ((first, second) != (1, 1))
            exact = joint(rows, dense)
            assert found[0] <= exact[1]
            assert found[1] >= exact[0]


@pytest.mark.parametrize(
    ("count", "at", "noise", "dense", "truth"),
    [(3, 2.995706015037594, 1e-3, False, 1.649e-9), (9, 8.98862030075188, 1e-3, True, 1.362e-23), (3, 2.999999999999887, 0.0, False, 2.99e-41)],
)
def test_forms_that_barely_reach_the_cube_are_not_bounded_from_below_by_their_doubt(count, at, noise, dense, truth):
    """What is known of the sum is less than nothing, and its doubt more than all: their product is no bound."""
    low, high = joint(Forms(np.ones((1, count)), np.array([at]), np.array([noise])), dense, 1e-9, 0.0)
    assert low <= truth <= high
