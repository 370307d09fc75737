"""Numbers and neighbourhoods are exact."""

from __future__ import annotations

import math
from fractions import Fraction as F

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polylc.domains.ball import ball
from polylc.domains.box import box, clip_bounds
from polylc.errors import NeighbourhoodError, UsageError
from polylc.exact.numbers import as_fraction, dyadic, parse_number, parse_vector
from polylc.exact.quantity import Kind, Quantity, floating
from polylc.measures.measure import mean_quantity, mean_text


@given(st.fractions(), st.integers(0, 6))
def test_decimals_and_fractions_are_read_exactly(value, places):
    assert parse_number(f"{value.numerator}/{value.denominator}") == value
    scaled = int(value * 10**places)
    sign, digits = "-" if scaled < 0 else "", str(abs(scaled)).zfill(places + 1)
    text = f"{sign}{digits[: len(digits) - places]}.{digits[len(digits) - places :]}"
    assert parse_number(text) == F(scaled, 10**places)


@pytest.mark.parametrize("text", ["", "nan", "inf", "-inf", "1,2", "0x1", "1e", "abc", "1/0", "--1", "1_0", "1e99999"])
def test_what_is_no_finite_number_is_refused(text):
    with pytest.raises(UsageError, match="radius"):
        parse_number(text, "radius")


def test_vectors():
    assert parse_vector("0.1, -2,3e-1") == (F(1, 10), F(-2), F(3, 10))
    with pytest.raises(UsageError, match="center, entry 1: 'x' is not a finite number"):
        parse_vector("1,x", "center")
    with pytest.raises(UsageError, match="no numbers"):
        parse_vector(" , ")


@pytest.mark.parametrize(
    ("text", "wording"),
    [
        ("0,,0", r"center: entry 1 of '0,,0' is empty; write a number there, or take a comma out"),
        (",1", "center: entry 0 of ',1' is empty"),
        ("1 2,", "center: entry 2 of '1 2,' is empty"),
        ("1;2", "center, entry 0: '1;2' is not a finite number"),
        ("0, 1e999999999", "center, entry 1: '1e999999999' has an exponent of more than 4 digits, far from every double; round it"),
        ("9" * 3000, "center, entry 0: a number of 3000 characters; at most 2000 are read, round it"),
        ("x" * 300, "center, entry 0: 'x{60}...' is not a finite number"),
    ],
)
def test_vectors_that_are_refused_in_one_line(text, wording):
    with pytest.raises(UsageError, match=wording) as refusal:
        parse_vector(text, "center")
    assert len(str(refusal.value)) < 250


def test_a_decimal_comma_is_told():
    with pytest.raises(UsageError, match=r"radius: '0,1' is not a finite number; .* \(decimals have a point: 0\.1\)"):
        parse_number("0,1", "radius")


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_are_the_rationals_they_are(value):
    assert as_fraction(value) == F(value)
    assert as_fraction(np.float64(value)) == F(value)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=8))
def test_dyadic_integers_are_exact(values):
    integers, shift = dyadic(np.array(values))
    assert [F(int(m), 2**shift) for m in integers] == [F(v) for v in values]
    assert shift == max(F(v).denominator for v in values).bit_length() - 1


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "one", None, [1]])
def test_what_is_no_number_is_refused(value):
    with pytest.raises(UsageError):
        as_fraction(value)


def test_quantities_show_their_kind():
    assert floating(0.5).show() == "~0.5"
    assert Quantity(1.0, 1.0, Kind.EXACT).show() == "1"
    assert Quantity(2.0, None, Kind.FLOAT).show() == ">= 2"
    assert Quantity(1.0, 2.0, Kind.ENCLOSURE).as_pair() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (19.2262, 19.2269, "19.23"),  # the digits that both ends round to
        (85.2818682, 85.2864123, "85.3"),
        (19.18505011, 19.26816332, "[19.18505, 19.26817]"),  # 19 is too little to say
        (1.9999999999, 2.0000000001, "2"),
        (0.0, 1 / 3, "[0, 0.3333334]"),
        (-2 / 3, -1 / 3, "[-0.6666667, -0.3333333]"),
    ],
)
def test_of_an_enclosure_the_digits_are_shown_that_both_ends_have(low, high, text):
    assert Quantity(low, high, Kind.ENCLOSURE).show() == text


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(allow_nan=False, allow_infinity=False))
def test_what_is_shown_of_an_enclosure_holds(one, other):
    low, high = min(one, other), max(one, other)
    text = Quantity(low, high, Kind.ENCLOSURE).show(5)
    if text.startswith("["):
        below, above = map(float, text[1:-1].split(", "))
        assert below <= math.nextafter(low, math.inf)  # a decimal may be the one of the next double
        assert above >= math.nextafter(high, -math.inf)
    else:
        assert any(f"{low:.{digits}g}" == text == f"{high:.{digits}g}" for digits in (3, 4, 5))


def test_a_lower_bound_is_rounded_downward():
    assert Quantity(2 / 3, None, Kind.ENCLOSURE).show() == ">= 0.6666666"
    assert Quantity(math.nextafter(0.01, 0.0), None, Kind.ENCLOSURE).show() == ">= 0.01"
    assert Quantity(0.00999999999, None, Kind.ENCLOSURE).show() == ">= 0.009999999"


def test_the_mean_of_enclosures_is_an_enclosure():
    enclosed, exact = Quantity(1.0, 1.0000001, Kind.ENCLOSURE), Quantity(2.0, 2.0, Kind.EXACT)
    found = mean_quantity([enclosed, exact])
    assert found.kind is Kind.ENCLOSURE
    assert found.upper is not None
    assert F(found.lower) <= (1 + F(2)) / 2 <= (F(enclosed.upper) + 2) / 2 <= F(found.upper)
    assert mean_quantity([exact, exact]) == exact
    assert mean_quantity([enclosed, Quantity(1.0, 2.0, Kind.ESTIMATE)]).kind is Kind.ESTIMATE
    assert mean_text("TV", [exact, Quantity(1.0, 3.0, Kind.ESTIMATE)]) == ["mean TV est. 2 +- 0.5"]
    assert mean_text("TV", [exact, floating(3.0)]) == ["mean TV ~2.5"]
    assert mean_text("TV", [exact, Quantity(1.0, None, Kind.ENCLOSURE)]) == ["mean TV >= 1.5"]
    third = mean_quantity([Quantity(v, v, Kind.EXACT) for v in (0.1, 0.2, 0.4)])
    assert F(third.lower) < (F(0.1) + F(0.2) + F(0.4)) / 3 < F(third.upper)


def test_balls_are_exact():
    domain = ball(["0.1", "0.2"], "0.1")
    assert domain.lower == (0, F(1, 10))
    assert domain.upper == (F(1, 5), F(3, 10))
    assert domain.volume == F(1, 25)
    assert ball(["0.1", "0.2"], "0.1").half.tolist() == [0.1, 0.1]


def test_clipping_and_fixed_coordinates():
    domain = ball([0, F(1, 2), 1], F(1, 10), clip_bounds((F(0),), (F(1),)))
    assert domain.lower == (0, F(2, 5), F(9, 10))
    assert domain.upper == (F(1, 10), F(3, 5), 1)
    assert domain.dimension == 3
    fixed = ball([1, 2, 3], [F(1, 2), 0, F(1, 4)])
    assert fixed.free.tolist() == [0, 2]
    assert fixed.volume == F(1, 2)
    assert "x1 = 2" in fixed.log[0]
    assert fixed.lift(np.array([[0.25, -0.125]])).tolist() == [[1.25, 2.0, 2.875]]
    touching = ball([2, 0], 1, clip_bounds((F(-1),), (F(1),)))
    assert touching.free.tolist() == [1]
    assert touching.contains((F(1), F(1)))
    assert not touching.contains((F(1), F(3, 2)))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ball([0], 0), "radius: 0 is not positive"),
        (lambda: ball([0], -1), "radius: -1 is not positive"),
        (lambda: ball([0], float("nan")), "not finite"),
        (lambda: ball([0, 0], [1, 1, 1]), "3 numbers for 2 coordinates"),
        (lambda: box([0], [0]), "every coordinate is fixed"),
        (lambda: box([1], [0]), "lower bound 1 above its upper bound 0"),
        (lambda: box([1, 2], [3]), "2 coordinates and the upper one 1"),
        (lambda: ball([5], 1, clip_bounds((F(0),), (F(1),))), "coordinate 0 is empty after clipping"),
        (lambda: clip_bounds((F(1),), (F(1),)), "lower bound 1 is not below upper bound 1"),
        (lambda: ball([0, 0], 1, clip_bounds((F(0),) * 3, (F(1),) * 3)), "clip: 3 bounds for 2 coordinates"),
    ],
)
def test_neighbourhoods_without_interior_are_refused(make, message):
    with pytest.raises((NeighbourhoodError, UsageError), match=message):
        make()
