"""How much computing constants rounds, and means of slopes: what the log says, against rationals."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from polylc.readers.load import load
from polylc.readers.onnx.evaluate import rounding


@pytest.mark.parametrize("kind", ["Add", "Sub", "Mul", "Div", "Sqrt", "Reciprocal", "MatMul"])
@given(seed=st.integers(0, 10**6), short=st.booleans())
def test_what_computing_constants_changes_is_bounded(kind: str, seed: int, short: bool) -> None:
    """Against rationals: zero exactly where the result is that, for the root of a square too."""
    rng = np.random.default_rng(seed)
    one, two = (rng.integers(1, 9, (2, 2)).astype(float) if short else rng.normal(size=(2, 2)) * 10.0 ** rng.integers(-9, 9) for _ in range(2))
    one, two = (np.abs(one), two) if kind == "Sqrt" else (one, two)
    run = {"Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Div": np.divide, "MatMul": np.matmul}.get(kind)
    given_, result = ([one], np.sqrt(one) if kind == "Sqrt" else 1 / one) if run is None else ([one, two], run(one, two))
    bound = rounding(kind, given_, [result])
    a, b, r = ([[Fraction(v) for v in row] for row in m.tolist()] for m in (one, two, result))
    size, worst = [[abs(v) for v in row] for row in r], Fraction(0)
    if kind == "MatMul":
        size = [[max(row)] * 2 for row in size]
    for i, j in np.ndindex(2, 2):
        if kind == "Sqrt":
            assert (r[i][j] * (1 - Fraction(bound))) ** 2 <= a[i][j] <= (r[i][j] * (1 + Fraction(bound))) ** 2
            worst += abs(r[i][j] ** 2 - a[i][j])
            continue
        exact = {
            "Add": lambda i=i, j=j: a[i][j] + b[i][j],
            "Sub": lambda i=i, j=j: a[i][j] - b[i][j],
            "Mul": lambda i=i, j=j: a[i][j] * b[i][j],
            "Div": lambda i=i, j=j: a[i][j] / b[i][j],
            "Reciprocal": lambda i=i, j=j: 1 / a[i][j],
            "MatMul": lambda i=i, j=j: a[i][0] * b[0][j] + a[i][1] * b[1][j],
        }[kind]()
        change = abs(exact - r[i][j])
        assert change <= Fraction(bound) * max(size[i][j] - change, 0)
        worst += change
    assert bound < 1e-14 or kind == "MatMul"
    assert worst or not bound or kind == "MatMul"
    assert bound or not worst


@pytest.mark.parametrize(("bounds", "said"), [((0.25, 0.5), "exactly"), ((0.1, 0.3), "in float64, largest relative change at most 7.0e-17")])
def test_the_mean_of_bounds_is_logged(bounds: tuple[float, float], said: str) -> None:
    network = load(nn.Sequential(nn.Linear(2, 2, dtype=torch.float64), nn.RReLU(*bounds).eval(), nn.Linear(2, 1, dtype=torch.float64)).eval())
    assert any("the mean of its bounds taken for its slope" in line and said in line for line in network.log)
    mean = (Fraction(bounds[0]) + Fraction(bounds[1])) / 2
    assert abs(Fraction(float(network.layers[0].negative[0])) / mean - 1) <= (0 if said == "exactly" else Fraction(7, 10**17))
