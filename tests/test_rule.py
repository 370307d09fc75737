"""The checker's rule of proofs by search: what it says of a point holds there, on any walk through a tree, and
less than a unit of rounding decides nothing.
"""

from __future__ import annotations

import gzip
import json
import math
import random
from fractions import Fraction as F
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import polylc
from polylc import checker
from polylc.bounds.hidden import intervals
from polylc.bounds.relaxation import largest_outputs
from polylc.bounds.tables import tables
from polylc.domains import alternatives
from polylc.domains.question import And, Or, Row, row
from polylc.network.exact import ExactNetwork
from polylc.network.form import Affine, Layer, Network, chain
from polylc.proof.refutation import compact_network
from polylc.readers.question import Question


def bounds_of(v: int, low: F | int, high: F | int) -> list[list[Any]]:
    return [["row", [[v, "1"]], str(-F(low)), False], ["row", [[v, "-1"]], str(F(high)), False]]


def at_least(v: int, t: F | int) -> list[Any]:
    return ["row", [[v, "1"]], str(-F(t)), False]


def checked(folder: Path, network: Network, formula: list[Any], *lines: Any) -> list[Any]:
    """Check a file with this query; lines of roots are objects."""
    names = [*(f"X_{i}" for i in range(network.inputs)), *(f"Y_{k}" for k in range(network.outputs))]
    opening = {"query": 0, "source": "", "query_sha256": "", "semantics": "real", "names": names, "formula": formula}
    opening["roots"] = sum(isinstance(line, dict) for line in lines)
    header = {"format": "polylc-proof/1", "producer": "by hand", "queries": 1}
    text = [header, {"network": compact_network(network)}, opening, *lines, ["end of file"]]
    path = folder / "crafted.proof"
    path.write_bytes(gzip.compress("".join(json.dumps(line) + "\n" for line in text).encode()))
    return checker.check_file(path)


def relu() -> Network:
    return chain([np.ones((1, 1))] * 2, [np.zeros(1)] * 2)


LEAF = [0, [], [], [["bound", 0, [1], "", []]], -1, 0]


# ---- how large values may be -----------------------------------------------------------------------------------------
def test_the_largest_values_of_all(tmp_path):
    """Three layers of the largest doubles, slopes included."""
    most = float(np.finfo(float).max)
    layer = Layer(Affine(((0, np.array([[most]])),), np.array([most])), np.zeros(1), np.array([most]))
    second = Layer(Affine(((1, np.array([[most]])),), np.array([most])), np.zeros(1), np.array([most]))
    network = Network(1, (layer, second), Affine(((2, np.array([[most]])),), np.array([most])))
    (value,) = ExactNetwork(network).outputs((F(most),))
    formula = ["and", *bounds_of(0, 0, F(most)), at_least(1, value)]
    for first in (0, 1, 2):
        with pytest.raises(checker.Refused, match="not refuted"):
            checked(tmp_path, network, formula, {"lower": [0.0], "upper": [most], "alternatives": [[]]}, [first, *LEAF[1:]])


# ---- rounding: less than a unit of the checker decides ---------------------------------------------------------------
def one_unit(negative: float, positive: float) -> Network:
    """-2^-44 times a unit."""
    layer = Layer(Affine(((0, np.ones((1, 1))),), np.zeros(1)), np.array([negative]), np.array([positive]))
    return Network(1, (layer,), Affine(((1, np.array([[-(2.0**-44)]])),), np.zeros(1)))


def small_weights(place: int) -> Network:
    """Four values of -1024 to -2048, times 2^-50 in a later layer, where units have coefficient 1 throughout."""
    fold = Layer(Affine(((0, np.ones((4, 1))),), np.zeros(4)), np.ones(4), -np.ones(4))
    last = (np.full((1, 4), 2.0**-50), np.ones((1, 1)), np.ones((1, 1)))
    if place == 0:
        return Network(1, (fold,), Affine(((1, last[0]),), np.zeros(1)))
    kept = Layer(Affine(((1, last[0]),), np.array([1.0])), np.zeros(1), np.ones(1))
    if place == 1:
        return Network(1, (fold, kept), Affine(((2, last[1]),), np.array([-1.0])))
    return Network(1, (fold, kept, Layer(Affine(((2, last[1]),), np.zeros(1)), np.zeros(1), np.ones(1))), Affine(((3, last[2]),), np.array([-1.0])))


@pytest.mark.parametrize(
    ("network", "low", "high"),
    [
        (one_unit(0.0, 1.0), -0.5, 0.5),
        (one_unit(0.0, 2.0), -0.5, 0.5),
        (one_unit(0.25, 1.0), -0.5, 0.5),
        (one_unit(-3.0, 0.5), -0.5, 0.5),
        (one_unit(-0.75, 0.5), -0.5, -0.25),
        (one_unit(-0.75, 0.25), 0.25, 0.5),
        *((small_weights(place), 1024.0, 2048.0) for place in range(3)),
    ],
)
def test_rounding_proves_nothing(tmp_path, network, low, high):
    """What the network comes down to at an end of the box is not to be refuted, whatever is rounded on the way."""
    least = min(ExactNetwork(network).outputs((F(end),))[0] for end in (low, high))
    root = {"lower": [low], "upper": [high], "alternatives": [[]]}
    reached = ["and", *bounds_of(0, F(low), F(high)), ["row", [[1, "-1"]], str(least), False]]
    with pytest.raises(checker.Refused, match="not refuted"):
        checked(tmp_path, network, reached, root, LEAF)
    missed = ["and", *bounds_of(0, F(low), F(high)), ["row", [[1, "-1"]], str(least - F(1, 2**30)), False]]
    assert checked(tmp_path, network, missed, root, LEAF)[0].leaves == 1


# ---- names, and rows -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("names", [("one two",), ("y0",), ("1",), ("X[0,1]",)])
def test_names_that_proofs_do_not_have_are_replaced(tmp_path, names):
    question = Question(relu(), And((row({0: F(1)}, F(0)), row({0: F(-1)}, F(1)), row({1: F(1)}, F(-2)))), names)
    assert polylc.verify(question, proof=tmp_path / "proof").result == "unsat"
    (found,) = checker.check_file(tmp_path / "proof")
    assert found.names == (("X[0,1]", "y0") if names == ("X[0,1]",) else ("x0", "y0"))


def test_alternatives_take_their_rows_in_order_and_once():
    """In the checker and in the search, whose choices are numbers of what is pending."""

    def both(make_row, every, either, taken):
        one, two, three = (make_row(((0, F(1)),), F(k), False) for k in range(3))
        some, other = either((one, three)), either((two,))
        found = taken((), (one,), (other,), every((two, some, every((one, other, two)), three)))
        assert found.rows == (one, two, three)
        assert found.pending == (other, some, other)

    both(checker.Condition, lambda p: checker.Junction(True, p), lambda p: checker.Junction(False, p), checker._taken)
    both(Row, And, Or, alternatives._with)


# ---- lanes -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("words", [1, 2])
@pytest.mark.parametrize("sign", [1, -1])
def test_sums_that_no_lane_holds(words, sign):
    """Each product fits in its lane, and would if it were alone; three of them do not."""
    shift = checker.WORD * words
    matrix = checker._Matrix([[1.0, -1.0]] * 3, 2, shift)
    for k in ((1 << checker.WORD - 1) - 1, (1 << checker.WORD - 1) // 3, (1 << checker.WORD - 1) // 3 + 1):
        assert matrix.floors([sign * k] * 3) == [3 * sign * k, -3 * sign * k]
        assert matrix.exactly([sign * k] * 3) == [3 * sign * k << shift, -3 * sign * k << shift]


# ---- walks -----------------------------------------------------------------------------------------------------------
class Walk(checker._Query):
    """A tree with splits at random, of which only the cells are seen that hold a point: there all the rule says is
    true.
    """

    def __init__(self, network: Network, low: list[float], high: list[float], point: tuple[F, ...], rng: random.Random) -> None:
        read = checker._Network(json.loads(json.dumps(compact_network(network))))
        variables = network.inputs + network.outputs
        opening = {"query": 0, "source": "", "query_sha256": "", "semantics": "real", "roots": 1, "formula": ["and"]}
        super().__init__(read, checker._Bounds(read), {**opening, "names": [f"v{i}" for i in range(variables)]})
        self.point, self.rng, self.seen = point, rng, 0
        *hidden, outputs = ExactNetwork(network).preactivations(point)
        self.values, self.outputs = [v for layer in hidden for v in layer], outputs
        self._tree(self, low, high, [])  # type: ignore[arg-type]

    def next(self) -> Any:
        def ends() -> list[int]:
            """Some that are rounded from a quarter of a step less."""
            return self.rng.sample(range(2 * len(self.values)), self.rng.choice([0, 0, 1, min(3, 2 * len(self.values))]))

        moved = self.rng.choice([[], [[]], [ends()]])
        return [self.rng.choice([0, 0, self.rng.randrange(self.network.hidden + 1), self.network.hidden]), ends(), [], [], 0, 0, *moved]

    def words(self, cell: checker._Searched, below: int) -> str:
        free = sum(cell.low[i] < 0 < cell.high[i] for i in range(below))
        return "".join(self.rng.choice([".", "0", "1", f"~{self.rng.randrange(129):02x}"]) for _ in range(self.rng.randint(0, free)))

    def _split(self, cell: checker._Searched, kind: Any, at: Any) -> list[checker._Searched]:
        rng, scale = self.rng, 1 << checker.UNIT
        self.seen += 1
        for _ in range(2):  # claims
            number, side = rng.randrange(len(self.values)), rng.randrange(2)
            layer = max(k for k, first in enumerate(self.bounds.first[:-1]) if first <= number)
            text, sign = self.words(cell, self.bounds.first[layer]), (1, -1)[side]
            slopes = self._slopes(cell, text, self.bounds.first[layer])
            value = checker._least_value(*self.bounds.neuron(layer, number - self.bounds.first[layer], sign, cell, slopes), cell.box)
            assert F(value, scale << self.bounds.shift + checker.INPUT) <= sign * self.values[number]
            end = checker._grid(value >> self.bounds.shift + checker.INPUT)
            step = 1 << max(abs(end).bit_length() - checker.DIGITS, checker.UNIT - checker.FINEST)
            if abs(end) < 1 << 1000:
                self._claim(cell, [number, side, sign * end / scale, text])
                with pytest.raises(checker.Refused):
                    self._claim(cell, [number, side, sign * (end + step) / scale, text])
        for low, high, value in zip(cell.low, cell.high, self.values, strict=True):
            assert low <= value * scale <= high
        self.row(cell)
        if self.seen > 5:
            return []
        kind = rng.choice([0, 1, 1])
        at = rng.randrange(self.network.inputs if kind == 0 else len(self.values))
        here = [one for one in super()._split(cell, kind, at) if self.holds(one)]
        assert here
        return [rng.choice(here)]

    def holds(self, cell: checker._Searched) -> bool:
        inside = all(F(a) <= x <= F(b) for a, x, b in zip(cell.lower, self.point, cell.upper, strict=True))
        return inside and all(sign * self.values[i] >= 0 for i, sign in cell.path)

    def row(self, cell: checker._Searched) -> None:
        rng, scale = self.rng, 1 << checker.UNIT
        coefficients = [rng.randint(-9, 9) for _ in self.outputs]
        inputs = [rng.choice([0, rng.randint(-9, 9)]) for _ in self.point]
        constant = F(rng.randint(-99, 99), 7)
        value = sum(map(F.__mul__, map(F, coefficients), self.outputs), sum(map(F.__mul__, map(F, inputs), self.point), constant))
        pulls: dict[int, int] = {}
        for neuron, sign in cell.path:
            pulls[neuron] = pulls.get(neuron, 0) + sign * rng.choice([0, rng.randint(0, 8 * scale)])
        rows, start = self.bounds.over_outputs(coefficients, inputs, int(constant * (scale << self.bounds.shift) // 1), cell)
        least = self.bounds.bound(rows, start, cell, self._slopes(cell, self.words(cell, len(self.values)), len(self.values)), pulls)
        assert F(least, scale << self.bounds.shift + checker.INPUT) <= value
        if cell.forms is not None:
            number = self.bounds.row(coefficients, inputs, constant)
            slopes = self._slopes(cell, self.words(cell, len(self.values)), len(self.values))
            losses: dict[int, int] = {}
            if isinstance(cell.forms, checker._Forms) and cell.forms.above is None:
                found = self.bounds.over_forms(number, cell, rng.choice([None, slopes]), losses)
            else:
                found = self.bounds.shortly(number, cell, slopes, losses)  # type: ignore[assignment]
            assert found is None or F(cell.least(*found), 1 << checker.UNIT + self.bounds.fine + checker.INPUT) <= value
            assert all(loss >= 0 for loss in losses.values())
        if not any(low < 0 < high for low, high in zip(cell.low, cell.high, strict=True)):
            signs = dict(cell.path)
            box = [(F(a), F(b)) for a, b in zip(cell.lower, cell.upper, strict=True)]
            assert self.bounds.exactly(coefficients, inputs, constant, cell, {i: s * F(rng.randint(0, 9), 3) for i, s in signs.items()}, box) <= value


def drawn(rng: random.Random) -> Network:
    """Skips, units of any slopes, several terms of one source, matrices of few entries, and weights of many sizes."""
    widths = [rng.choice([1, 1, 2, 3]), *(rng.randint(1, 4) for _ in range(rng.randint(1, 3)))]
    sizes = rng.choice([[0], [0, 0, -30, 20], [0, 300], [0, -300]])
    short = rng.random() < 0.5  # else with all bits of a double, so that every rounding shows

    def some(rows: int, columns: int) -> np.ndarray:
        entries = [rng.choice([0, rng.randint(-8, 8)]) / 4 if short else rng.uniform(-2, 2) for _ in range(rows * columns)]
        return np.array([w * 2.0 ** rng.choice(sizes) for w in entries]).reshape(rows, columns)

    def affine(size: int, index: int) -> Affine:
        sources = [index - 1, *(s for s in range(index) if rng.random() < 0.4)]
        return Affine(tuple((s, some(size, widths[s])) for s in sources), some(size, 1)[:, 0])

    layers = []
    for index, width in enumerate(widths[1:], 1):
        slopes = (np.zeros(width), np.ones(width)) if rng.random() < 0.4 else (some(width, 1)[:, 0], some(width, 1)[:, 0])
        layers.append(Layer(affine(width, index), *slopes))
    return Network(widths[0], tuple(layers), affine(rng.randint(1, 2), len(widths)))


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=400, deadline=None)
def test_what_the_rule_says_of_a_point_is_true(seed):
    rng = random.Random(seed)
    network = drawn(rng)
    low = [rng.randint(-8, 8) / 8 * 2.0 ** rng.choice([0, 0, -90]) for _ in range(network.inputs)]
    side = rng.choice([0, 2.0**-20, 1, 1])  # of length 0, bounds are the values but for rounding
    high = [a + rng.randint(0, 8) / 8 * side for a in low]
    point = tuple(
        F(a) + (F(b) - F(a)) * rng.choice([0, 1, F(rng.randint(0, 8), 8), F(rng.randint(0, 99), 99)]) for a, b in zip(low, high, strict=True)
    )
    assert Walk(network, low, high, point, rng).seen > 0


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_packed_forms_hold_on_all_points_of_a_cell(seed):
    """Against the network in rationals: z is its form over the inputs and the values of neurons before, but for the
    error, at points where neurons have the signs that were put in, also of forms made anew from such ones, and of forms
    with numbers that a word does not hold.
    """
    rng = np.random.default_rng(seed)
    size = float(rng.choice([0.3, 1, 40]))
    widths = [int(rng.integers(1, 4)), *rng.integers(2, 9, rng.integers(2, 5)).tolist(), 1]
    maps = [(size * rng.normal(size=(b, a)), size * rng.normal(size=b)) for a, b in pairwise(widths)]
    network = chain([w for w, _ in maps], [b for _, b in maps])
    bounds = checker._Bounds(checker._Network(json.loads(json.dumps(compact_network(network)))))
    low, high = np.zeros(widths[0]), rng.integers(0, 2, widths[0]).astype(float)  # some inputs do not vary
    cell = checker._Searched(low.tolist(), high.tolist(), [], [], [], [])

    def values(x: list[F]) -> list[F]:
        found: list[F] = []
        for w, b in maps[:-1]:
            z = [sum((F(float(a)) * v for a, v in zip(row, x, strict=True)), F(float(c))) for row, c in zip(w, b, strict=True)]
            found += z
            x = [max(v, F(0)) for v in z]
        return found

    points = [[F(float(v)) for v in low + (high - low) * rng.integers(0, 17, widths[0]) / 16] for _ in range(5)]
    there = [values(x) for x in points]
    ends = [(min(z), max(z)) for z in zip(*there, strict=True)]
    room = 2 * max(max(-a, b) for a, b in ends) + 1

    def known(part: float) -> None:
        """The ends of some neurons, which hold at these points."""
        for i, (a, b) in enumerate(ends):
            if rng.random() < part:
                cell.low[i], cell.high[i] = math.floor(a * 2**checker.UNIT), math.ceil(b * 2**checker.UNIT)

    cell.low, cell.high = ([math.floor(s * room * 2**checker.UNIT)] * len(ends) for s in (-1, 1))
    forms: checker._Forms | checker._Laned = checker._Forms(bounds, cell, None)
    for part in (0.3, 0.5, 0.7):
        known(part)
        try:
            forms = checker._Laned(bounds, cell, forms)
        except checker._TooLarge:
            forms = checker._Forms(bounds, cell, forms)
        for i, found in forms.found.items():
            form = forms.form(i)
            assert found.most >= max(map(abs, [*form.terms.values(), abs(form.constant) + form.error]))
            for x, z in zip(points, there, strict=True):
                said = form.constant + sum(a * (x[~k] if k < 0 else max(z[k], 0)) for k, a in form.terms.items())
                assert abs(F(said) - z[i] * 2**bounds.fine) <= form.error


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_rows_of_many_neurons_at_once_are_those_of_one_at_a_time(seed):
    """On cells within one another, forms made anew and not, small coefficients and large ones: but for what searches
    leave for rounding (docs/exactness.md, lemma 15b).
    """
    rng = np.random.default_rng(seed)
    size, short = rng.choice([0.01, 1, 16]), rng.integers(2)  # with short weights the checker's own grid of forms counts
    widths = [int(rng.integers(1, 4)), *rng.integers(2, 12, rng.integers(1, 6)).tolist(), 1]

    def some(*shape: int) -> np.ndarray:
        found = size * rng.normal(size=shape)
        return np.rint(found * 2.0**20) / 2.0**20 if short else found

    network = chain([some(b, a) for a, b in pairwise(widths)], [some(b) for b in widths[1:]])
    read = checker._Network(json.loads(json.dumps(compact_network(network))))
    opening = {"query": 0, "source": "", "query_sha256": "", "semantics": "real", "roots": 1, "formula": ["and"]}
    query = checker._Query(read, checker._Bounds(read), {**opening, "names": [f"v{i}" for i in range(widths[0] + 1)]})
    bounds, most = query.bounds, 1 << 60 + checker.UNIT
    low, high = rng.normal(size=widths[0]) - 1, rng.normal(size=widths[0]) + 1
    low, high = np.minimum(low, high), np.maximum(low, high)
    known = intervals(tables(network), low, high)
    large = largest_outputs(tables(network), *known, np.maximum(np.abs(low), np.abs(high)))
    loss = tables(network).magnitudes(large).loss
    cell, neurons = checker._Searched(low.tolist(), high.tolist(), [-most] * network.neurons, [most] * network.neurons, [], []), 0
    for _ in range(5):
        query._refine(cell, 0, {})
        for layer in range(read.hidden):
            first = bounds.first[layer]
            free = [i for i in range(first, bounds.first[layer + 1]) if cell.low[i] < 0 < cell.high[i]]
            packed = cell.forms if isinstance(cell.forms, checker._Laned) else None
            if packed is not None and free:
                found = cell.leasts(*packed.rows(layer, free, [packed.through(k, cell) for k in range(layer)]))
            else:
                found = cell.leasts(*bounds.neurons(free, cell)) if free else []
            if free:  # over forms, which were made here or farther up, and over all units that are not off
                steps: list[checker._Step] = []
                for k in range(layer):
                    steps.append(bounds.swept.step(k, cell, steps))
                over_units = cell.leasts(*bounds.swept.rows(layer, [i - first for i in free], steps))
                for one, other in zip(found, over_units, strict=True):
                    assert abs(F(one - other, 1 << bounds.fine)) <= 2 * F(loss[layer]) * (1 << checker.UNIT + checker.INPUT)
            for value, (sign, i) in zip(found, ((s, i) for s in (1, -1) for i in free), strict=True):
                single = checker._least_value(*bounds.neuron(layer, i - first, sign, cell, query._slopes(cell, "", first)), cell.box)
                apart = F(value, 1 << bounds.fine) - F(single, 1 << bounds.shift)
                assert abs(apart) <= F(loss[layer]) * (1 << checker.UNIT + checker.INPUT)
                neurons += 1
        query._move(cell, {})
        cell = rng.choice(query._split(cell, 0, int(rng.integers(widths[0]))))
    assume(neurons)


def test_forms_are_off_by_no_more_than_their_error():
    """Leaky units, whose forms are made of those of earlier neurons: against the same in rationals, which is further
    off where all variables are as large as they can be.
    """
    slopes = np.full(3, 0.1), np.ones(3)
    maps = [Affine(((s, np.full((3, 2 if s == 0 else 3), 0.3)),), np.full(3, 0.7)) for s in range(3)]
    network = Network(2, tuple(Layer(one, *slopes) for one in maps), Affine(((3, np.ones((1, 3))),), np.zeros(1)))
    bounds = checker._Bounds(checker._Network(json.loads(json.dumps(compact_network(network)))))
    large = 1000
    cell = checker._Searched([-1.0, -1.0], [1.0, 1.0], [-large << checker.UNIT] * 9, [large << checker.UNIT] * 9, [], [])
    forms = checker._Forms(bounds, cell, None)
    w, m = F(0.3), F(0.1)
    exact: list[tuple[F, list[F]]] = []  # of a layer, whose neurons are all alike: z over the inputs and the r before
    for i in (0, 3, 6):
        if i == 0:
            exact.append((F(0.7), [w] * 2))
            continue
        constant, terms = exact[-1]
        exact.append((F(0.7) + 3 * w * m * constant, [3 * w * m * a for a in terms] + [w * (1 - m)] * 3))
    for i, (constant, terms) in zip((2, 5, 8), exact, strict=True):
        form = forms.of(i)
        keys = [~0, ~1, *range(i // 3 * 3)]
        assert set(form.terms) == set(keys)
        sizes = [1, 1] + [large] * (i // 3 * 3)
        parts = [(F(form.terms[k], 1 << bounds.fine) - a) * size for k, a, size in zip(keys, terms, sizes, strict=True)]
        off = abs(F(form.constant, 1 << bounds.fine) - constant) + sum(map(abs, parts))
        assert off <= F(form.error, 1 << bounds.fine)
        assert (form.error == 0) == (i == 2)
