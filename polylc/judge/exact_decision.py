"""Exact decisions about one cell: the sign of a form on it, a point inside it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from polylc.exact.lazy import minimise_lazily
from polylc.exact.simplex import ExactMinimum
from polylc.exact.unit_box import least, reach
from polylc.network.exact_forms import Row

Point = tuple[Fraction, ...]


@dataclass(frozen=True)
class Proof:
    """factor * s * z - sum of multipliers[e] * row_e >= 0 on the whole box, in integers; row_e is row e of the path."""

    factor: int
    multipliers: dict[int, int]


@dataclass(frozen=True)
class Refuted:
    """A point of the closed cell at which s * z is negative."""

    point: Point


def whole(multipliers: dict[int, Fraction]) -> Proof:
    """Integers proportional to 1 and the multipliers."""
    factor = math.lcm(1, *(y.denominator for y in multipliers.values()))
    return Proof(factor, {r: int(y * factor) for r, y in multipliers.items() if y})


def holds(target: Sequence[int], rows: Sequence[Row] | Mapping[int, Row], proof: Proof) -> bool:
    """Whether the proof proves target >= 0 on the cell of `rows`, in integers; only rows with multipliers are read."""
    total = [proof.factor * v for v in target]
    for r, m in proof.multipliers.items():
        total = [v - m * w for v, w in zip(total, rows[r], strict=True)]
    return least(total) >= 0


def sign_on_cell(target: Sequence[int], rows: Sequence[Row], hint: Iterable[int] = ()) -> Proof | Refuted:
    """Whether a form is non-negative on {t in [-1, 1]^k : rows >= 0}, with what proves the answer."""
    k = len(target) - 1
    found = minimise_lazily(target, rows, [Fraction(-1)] * k, [Fraction(1)] * k, hint)
    if isinstance(found, ExactMinimum):
        return whole(found.multipliers) if found.value >= 0 else Refuted(found.point)
    # an empty cell: a multiple of the proof of that, large enough, proves anything
    combined = [sum((y * rows[r][j] for r, y in found.multipliers.items()), Fraction(0)) for j in range(k + 1)]
    short = -(combined[-1] + reach(combined))
    times = math.ceil(max(Fraction(0), Fraction(-least(target))) / short)
    return whole({r: y * times for r, y in found.multipliers.items()})


def inner_point(rows: Sequence[Row], k: int) -> Point | None:
    """A point with all rows > 0 and |t| < 1, far from all of them in their own units; None if there is none."""
    wide = [(*row[:-1], -(reach(row) + abs(row[-1])), row[-1]) for row in rows]
    walls = [(*(sign * (i == j) for i in range(k)), -1, 1) for j in range(k) for sign in (-1, 1)]
    cost = [*[0] * k, -1, 0]
    found = minimise_lazily(cost, wide + walls, [Fraction(-1)] * k + [Fraction(0)], [Fraction(1)] * (k + 1))
    if not isinstance(found, ExactMinimum) or found.value >= 0:
        return None
    return simplest(rows, found.point[:-1])


def simplest(rows: Sequence[Row], point: Point) -> Point:
    """The point rounded to few binary digits, if that keeps it inside."""
    for bits in (8, 16, 32, 64, 128):
        rounded = tuple(Fraction(round(v * 2**bits), 2**bits) for v in point)
        if inside(rows, rounded):
            return rounded
    return point


def inside(rows: Iterable[Sequence[int]], point: Sequence[Fraction]) -> bool:
    """Whether all rows are positive at a point of the open box, exactly."""
    den = math.lcm(1, *(v.denominator for v in point))
    whole_point = [int(v * den) for v in point]
    if any(abs(v) >= den for v in whole_point):
        return False
    return all(sum(a * v for a, v in zip(row, whole_point, strict=False)) + row[-1] * den > 0 for row in rows)
