"""Packed forms of the checker: lanes hold what is in them, also where they are as narrow as may be, and halves of a
cell share forms only where these are the same.
"""

from __future__ import annotations

import json
import math
import random
from contextlib import suppress
from fractions import Fraction as F
from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from nets import random_net
from test_rule import drawn

from polylc import checker
from polylc.network.exact import ExactNetwork
from polylc.network.form import Network, chain
from polylc.proof.refutation import compact_network

UNIT, INPUT = checker.UNIT, checker.INPUT
Rows = list[tuple[int, list[int]]]


class Narrow(checker._Laned):
    """Lanes that hold little more than a number, so that products often do not fit."""

    size = property(lambda self: max(self.fine // 8 + 4, 10), lambda self, _: None)  # type: ignore[assignment]


def scaled(rng: random.Random) -> Network:
    """A chain with large weights, up to those whose products no lane holds."""
    widths = [rng.randint(1, 3), *(rng.randint(1, 4) for _ in range(rng.randint(2, 5)))]
    size = 2.0 ** rng.randint(0, 40)
    maps = [(size * np.array([[rng.uniform(-1, 1) for _ in range(a)] for _ in range(b)]), np.zeros(b)) for a, b in pairwise(widths)]
    return chain(*map(list, zip(*maps, strict=True)))


def searched(network: Network) -> dict[str, Any]:
    names = [f"v{i}" for i in range(network.inputs + network.outputs)]
    return {"query": 0, "source": "", "query_sha256": "", "semantics": "real", "roots": 1, "formula": ["and"], "names": names}


def read(network: Network) -> checker._Network:
    return checker._Network(json.loads(json.dumps(compact_network(network))))


def one_at_a_time(forms: checker._Laned, layer: int, some: list[int], cell: checker._Searched) -> Rows:
    """Rows as the format says, in numbers without bound."""
    fine, first = forms.fine, forms.bounds.first
    found = []
    for sign, i in [(s, i) for s in (1, -1) for i in some]:
        form = forms.form(i)
        sums = {key: sign * a << UNIT for key, a in form.terms.items()}
        constant = sign * form.constant - form.error << UNIT
        for below in range(layer - 1, -1, -1):
            among = [j for j in forms.free if first[below] <= j < first[below + 1]]
            error, factors = max((forms.found[j].error for j in among), default=0), {}
            for j in among:
                v, low, high = sums.pop(j, 0) >> fine, cell.low[j], cell.high[j]
                if high <= 0:
                    continue
                factors[j] = v if low >= 0 or (v >= 0 and high > -low) else 0
                if low < 0:
                    constant -= high << fine - UNIT
                    if v < 0:
                        chord = -(-(high << fine) // (high - low))
                        factors[j] = -(-v * chord >> fine)
                        constant += -(chord * low >> UNIT) * v
            for j, k in factors.items():
                other = forms.form(j)
                constant += k * other.constant - abs(k) * error
                for key, a in other.terms.items():
                    sums[key] = sums.get(key, 0) + k * a
        found.append((constant, [sums.get(~k, 0) for k in range(len(cell.box))]))
    return found


def refuting(forms: checker._Laned, number: int, cell: checker._Searched, slopes: dict[int, int]) -> tuple[int, list[int]]:
    """A refutation over forms, likewise."""
    fine, form = forms.fine, forms.form(number)
    sums, constant = {key: a << UNIT for key, a in form.terms.items()}, form.constant - form.error << UNIT
    for j in reversed(forms.free):
        v, low, high = sums.pop(j, 0) >> fine, cell.low[j], cell.high[j]
        if high <= 0:
            continue
        k = v if low >= 0 else v * slopes[j] >> checker.SLOPE if v >= 0 else -(-v * high // (high - low))
        constant -= (k - v) * high << fine - UNIT if low < 0 and v < 0 else 0
        other = forms.form(j)
        constant += k * other.constant - abs(k) * other.error
        for key, a in other.terms.items():
            sums[key] = sums.get(key, 0) + k * a
    return constant, [sums.get(~k, 0) for k in range(len(cell.box))]


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=400, deadline=None)
def test_lanes_hold_what_numbers_without_bound_say(seed):
    """To the last bit: forms, rows of a layer, refutations, and least values on cells within, read from words."""
    rng = random.Random(seed)
    network = rng.choice([drawn, scaled])(rng)
    bounds = checker._Bounds(read(network))
    low = [rng.randint(-8, 8) / 8 for _ in range(network.inputs)]
    high = [a + rng.choice([0, 1, 2.0**-40, 2.0**20]) for a in low]
    point = [F(a) + (F(b) - F(a)) * rng.choice([0, 1, F(1, 3)]) for a, b in zip(low, high, strict=True)]
    *hidden, _ = ExactNetwork(network).preactivations(tuple(point))
    values = [v for layer in hidden for v in layer]
    cell = checker._Searched(low, high, [], [], [], [])
    far = rng.choice([1, 1 << UNIT, 1 << UNIT + 20, 1 << UNIT + 70])
    cell.low = [math.floor(v * 2**UNIT) - rng.choice([0, far]) for v in values]
    cell.high = [math.ceil(v * 2**UNIT) + rng.choice([0, far, 3 * far]) for v in values]
    forms: Any = checker._Forms(bounds, cell, None)
    laned = rng.choice([checker._Laned, Narrow])
    sizes = [rng.randint(0, 100) for _ in range(12)]  # of rows, which lanes hold or not
    numbers = [bounds.row([rng.randint(-9, 9) << k for _ in range(network.outputs)], [1] * network.inputs, F(1, 7)) for k in sizes]
    for _ in range(2):
        for i in rng.sample(range(len(values)), rng.randint(0, len(values) // 2)):
            cell.low[i], cell.high[i] = math.floor(values[i] * 2**UNIT), math.ceil(values[i] * 2**UNIT)
        plain = checker._Forms(bounds, cell, forms)
        try:
            forms = laned(bounds, cell, forms)
        except checker._TooLarge:
            return
        for i, form in plain.found.items() if all(a < b for a, b in cell.box) else ():
            one = forms.form(i)
            assert (one.terms, one.constant) == ({key: a for key, a in form.terms.items() if a}, form.constant)
            assert one.error >= form.error
        through: list[checker._Through] = []
        for layer in range(len(hidden)):
            some = [i for i in range(bounds.first[layer], bounds.first[layer + 1]) if cell.low[i] < 0 < cell.high[i]]
            if some:
                constants, columns = forms.rows(layer, some, through)
                rows = one_at_a_time(forms, layer, some, cell)
                assert list(zip(constants, map(list, zip(*columns, strict=True)), strict=True)) == rows
                within = [(a + (b - a) * rng.randint(0, 4) // 9, a + (b - a) * rng.randint(4, 9) // 9) for a, b in cell.box]
                least = checker._Kept(cell.box, {}, constants, columns, bounds.fine).least(within)
                assert list(least) == [checker._least_value(*one, within) >> bounds.fine + INPUT for one in rows]
            through.append(forms.through(layer, cell))
        slopes = {i: rng.randint(0, 128) for i in cell.open_neurons(len(values))}
        for number in numbers:
            with suppress(checker._TooLarge):
                assert forms.row(number, cell, slopes) in (None, refuting(forms, number, cell, slopes))


class Halves(checker._Query):
    """A tree of random splits, both sides of each of which are looked at: ends hold at points, and forms that are there
    already are those that would be made.
    """

    def __init__(self, network: Network, rng: random.Random) -> None:
        super().__init__(read(network), checker._Bounds(read(network)), searched(network))
        self.bounds.swept, self.rng, self.cells_left, self.shared = None, rng, 24, 0
        self.points = []
        for _ in range(16):
            point = tuple(F(rng.randint(-8, 8), 8) for _ in range(network.inputs))
            *hidden, _ = ExactNetwork(network).preactivations(point)
            self.points.append((point, [v for layer in hidden for v in layer]))
        self._tree(self, [-1.0] * network.inputs, [1.0] * network.inputs, [])  # type: ignore[arg-type]

    def next(self) -> Any:
        return [0, [], [], [], 0, 0, *self.rng.choice([[], [[]]])]

    def _renewed(self, cell: checker._Searched, forms: checker._Forms | checker._Laned) -> checker._Forms | checker._Laned:
        before, found = forms.next, super()._renewed(cell, forms)
        if found is before:
            self.shared += 1
            assert found.low == cell.low
            assert found.high == cell.high
            assert found.found == type(found)(self.bounds, cell, forms).found
        return found

    def _split(self, cell: checker._Searched, kind: Any, at: Any) -> list[checker._Searched]:
        for point, values in self.points:
            inside = all(F(a) <= x <= F(b) for a, x, b in zip(cell.lower, point, cell.upper, strict=True))
            if inside and all(sign * values[i] >= 0 for i, sign in cell.path):
                assert all(a <= z * 2**UNIT <= b for a, z, b in zip(cell.low, values, cell.high, strict=True))
        self.cells_left -= 1
        if self.cells_left < 0:
            return []
        kind = self.rng.choice([0, 0, 1])
        return super()._split(cell, kind, self.rng.randrange(self.network.inputs if kind == 0 else len(cell.low)))


def test_forms_that_halves_share():
    shared = 0
    for seed in range(12):
        widths = [2, *np.random.default_rng(seed).integers(3, 8, 3).tolist(), 1]
        shared += Halves(random_net(widths, seed, negative_slope=0.1 * (seed % 2)), random.Random(seed)).shared
    assert shared > 10
