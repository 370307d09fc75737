"""Closed forms: the Piecewise is the network, the sums of radicals are the measures, and both can be read back."""

from __future__ import annotations

import random
from fractions import Fraction as F

import numpy as np
import pytest
import sympy
from nets import SPECIAL, l1_net, quarter_net, random_net, tent_net
from typer.testing import CliRunner

from polylc.api.certify import certify
from polylc.cli.main import app
from polylc.errors import UsageError
from polylc.network.exact import ExactNetwork
from polylc.network.form import Network
from polylc.report.symbolic import radicals

CASES = [
    *((name, SPECIAL[name]) for name in ("zero biases", "in the boundary", "no hidden layer", "pruned")),
    ("random", random_net([2, 4, 3, 2], 1)),
    ("quantised", quarter_net([3, 4, 2], 2)),
    ("folded", tent_net(2)),
]


@pytest.mark.parametrize(("name", "network"), CASES, ids=[name for name, _ in CASES])
def test_the_piecewise_is_the_network(name: str, network: Network):
    n = network.inputs
    lower, upper = [F(-1, 3)] * n, [F(j + 2, 3) for j in range(n)]
    result = certify(network, box=(lower, upper))[0]
    found, exact = result.symbolic(), ExactNetwork(network)
    draw = random.Random(0)
    for _ in range(8):
        point = [a + (b - a) * F(draw.randint(0, 64), 64) for a, b in zip(lower, upper, strict=True)]
        at = {x: sympy.Rational(v.numerator, v.denominator) for x, v in zip(found.variables, point, strict=True)}
        want = exact.outputs(tuple(point))
        assert found.value(point) == want
        assert [f.subs(at) for f in found.function] == [sympy.Rational(v.numerator, v.denominator) for v in want]
    assert sum(r.volume for r in found.regions) == sympy.Rational(result.domain.volume.numerator, result.domain.volume.denominator)


@pytest.mark.parametrize(("name", "network"), CASES, ids=[name for name, _ in CASES])
def test_the_sums_of_radicals_lie_in_the_enclosures(name: str, network: Network):
    n = network.inputs
    result = certify(network, box=([F(-1, 3)] * n, [F(j + 2, 3) for j in range(n)]))[0]
    found = result.symbolic()
    pairs = [(found.total_variation[k], result.total_variation[k]) for k in found.total_variation]
    pairs += [(value, result.local_complexity[k]) for k, value in found.local_complexity.items()]
    for closed, quantity in [*pairs, (found.kink_variation, result.kink_variation)]:
        value = closed.evalf(40)
        assert sympy.Float(quantity.lower, 40) <= value <= sympy.Float(quantity.upper, 40)
    if network.outputs == 1:
        assert found.kink_variation.is_Rational


def test_known_closed_forms():
    found = certify(l1_net(3), box=([-1] * 3, [1] * 3))[0].symbolic()
    assert found.total_variation["frobenius"] == sympy.sqrt(3)
    assert (found.local_complexity["activation"], found.kink_variation) == (3, 3)
    assert r"\sqrt{3}" in found.latex()
    assert radicals([(F(1), F(2)), (F(1, 2), F(8)), (F(1), F(9, 4)), (F(5), F(0))]) == 2 * sympy.sqrt(2) + sympy.Rational(3, 2)


def test_fixed_coordinates_are_constants():
    network = random_net([3, 4, 1], 3)
    result = certify(network, [0.5, 0.25, 0.75], radius=[1, 0, 1])[0]
    found = result.symbolic()
    assert [str(v) for v in found.variables] == ["x0", "x2"]
    assert found.value([F(1, 3), F(1, 5)]) == ExactNetwork(network).outputs((F(1, 3), F(1, 4), F(1, 5)))
    with pytest.raises(UsageError, match="outside the neighbourhood"):
        found.value([5, 5])


def test_what_has_no_closed_form_is_refused():
    network = random_net([2, 16, 16, 1], 0)
    with pytest.raises(UsageError, match="only certified results"):
        certify(network, [0, 0], radius=1, certified=False)[0].symbolic()
    with pytest.raises(UsageError, match="closed forms are of boxes, lines and planes, not of l1"):
        certify(network, [0, 0], radius=1, norm="l1")[0].symbolic()
    with pytest.raises(UsageError, match="too many for closed forms"):
        certify(random_net([2, 40, 40, 1], 0), [0, 0], radius=4, measures="counts")[0].symbolic()


@pytest.mark.parametrize("suffix", ["tex", "txt"])
def test_the_command_writes_it(tmp_path, suffix):
    np.savez(tmp_path / "net.npz", W0=np.array([[1.0, 1.0], [1.0, -1.0]]), b0=np.zeros(2), W1=np.array([[1.0, 2.0]]), b1=np.zeros(1))
    target = tmp_path / f"closed.{suffix}"
    run = CliRunner().invoke(app, ["certify", str(tmp_path / "net.npz"), "--box", "-1,-1", "1,1", "--symbolic", str(target)])
    assert run.exit_code == 0, run.output
    text = target.read_text()
    if suffix == "tex":
        assert text.startswith("\\documentclass")
        return
    lines = dict(line.split(" = ", 1) for line in text.splitlines())
    f0 = sympy.sympify(lines["f0"], locals={v: sympy.Symbol(v, real=True) for v in ("x0", "x1")})
    x0, x1 = sympy.symbols("x0 x1", real=True)
    assert f0.subs({x0: sympy.Rational(1, 2), x1: sympy.Rational(1, 4)}) == sympy.Rational(5, 4)
    assert sympy.sympify(lines["local complexity, activation"]) == sympy.sqrt(2)


def test_the_command_refuses_floats(tmp_path):
    np.savez(tmp_path / "net.npz", W0=np.eye(2), b0=np.zeros(2), W1=np.ones((1, 2)), b1=np.zeros(1))
    for option in (["--symbolic", "x.tex"], ["--exact-volumes"]):
        run = CliRunner().invoke(app, ["certify", str(tmp_path / "net.npz"), "--box", "-1,-1", "1,1", "--no-certify", *option])
        assert run.exit_code == 2
        assert "exclude each other" in run.output
