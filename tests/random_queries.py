"""Questions about small networks, drawn so that ties decide many of them: rows that are zero at points of a grid, sides
of length zero, strict and non-strict bounds, equalities, duplicates.
"""

from __future__ import annotations

from fractions import Fraction as F

import numpy as np
from nets import quarter_net, random_net, residual_net, sloped_net, zero_bias_net

from polylc.domains.question import And, Formula, Or, Row, negated, row
from polylc.network.exact import ExactNetwork
from polylc.network.form import Network
from polylc.readers.question import Question


def network_of(seed: int) -> Network:
    """A network of at most eleven neurons."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 4))
    widths = [n, *(int(rng.integers(1, 5)) for _ in range(int(rng.integers(1, 3)))), int(rng.integers(1, 4))]
    kind = int(rng.integers(0, 8))
    if kind == 0:
        return residual_net(seed)
    if kind == 1:
        return random_net(widths, seed, negative_slope=0.125)
    if kind == 2:
        return random_net(widths, seed)
    if kind == 3:
        return zero_bias_net(widths, seed)
    if kind == 4:
        return sloped_net(widths, seed)
    return quarter_net(widths, seed)


def questions(network: Network, seed: int, count: int, depth: int = 2) -> list[Question]:
    """So many questions within the box from -1 to 1, with `and` and `or` nested so deeply."""
    rng = np.random.default_rng(seed)
    exact = ExactNetwork(network)
    names = tuple(f"X_{i}" for i in range(network.inputs))
    return [Question(network, And((_box(rng, network.inputs), _condition(rng, network, exact, depth))), names) for _ in range(count)]


def _quarter(rng: np.random.Generator, most: int = 4) -> F:
    return F(int(rng.integers(-most, most + 1)), 4)


def _box(rng: np.random.Generator, n: int) -> Formula:
    rows: list[Formula] = []
    for i in range(n):
        low, high = sorted((_quarter(rng), _quarter(rng)))
        if low == high and rng.random() < 0.7:
            low, high = max(F(-1), low - F(1, 2)), min(F(1), high + F(1, 2))
        rows += [row({i: F(1)}, -low, bool(rng.random() < 0.15)), row({i: F(-1)}, high, bool(rng.random() < 0.15))]
        if rng.random() < 0.2:
            rows.append(rows[-1])
    if rng.random() < 0.15:  # one of two boxes
        i, cut = int(rng.integers(n)), _quarter(rng)
        rows.append(Or((row({i: F(1)}, -cut), row({i: F(-1)}, cut - F(1, 4)))))
    if n > 1 and rng.random() < 0.15:
        rows.append(row({0: _quarter(rng), 1: _quarter(rng)}, _quarter(rng)))
    return And(tuple(rows))


def _condition(rng: np.random.Generator, network: Network, exact: ExactNetwork, depth: int) -> Formula:
    if depth and rng.random() < 0.7:
        parts = tuple(_condition(rng, network, exact, depth - 1) for _ in range(int(rng.integers(1, 4))))
        return And(parts) if rng.random() < 0.5 else Or(parts)
    one = _row(rng, network, exact)
    draw = rng.random()
    if draw < 0.1:  # equality
        return And((Row(one.terms, one.constant), negated(Row(one.terms, one.constant, True))))
    if draw < 0.15:  # inequality
        return Or((Row(one.terms, one.constant, True), negated(Row(one.terms, one.constant))))
    return one


def _row(rng: np.random.Generator, network: Network, exact: ExactNetwork) -> Row:
    """A row over outputs and sometimes inputs, which is often zero at a point of the grid."""
    n, m = network.inputs, network.outputs
    some = rng.permutation(m)[: int(rng.integers(1, min(m, 2) + 1))]
    terms = {n + int(j): _quarter(rng) or F(1) for j in some}
    if rng.random() < 0.2:
        terms[int(rng.integers(n))] = _quarter(rng)
    strict = bool(rng.random() < 0.4)
    if rng.random() < 0.2:
        return row(terms, _quarter(rng, 8), strict)
    point = [_quarter(rng) for _ in range(n)]
    values = [*point, *exact.outputs(point)]
    shift = F(0) if rng.random() < 0.7 else _quarter(rng) / 16
    return row(terms, shift - sum((c * values[v] for v, c in terms.items()), F(0)), strict)
