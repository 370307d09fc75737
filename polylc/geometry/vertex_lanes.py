"""Common points of n <= 5 hyperplanes, for several vertices at once: each step is taken for all lanes before the next,
so that a processor does it for several in one instruction (docs/exactness.md, lemmas 8, 8a and 10).

In: half-spaces known up to rounding, n of them for each vertex, and where it is about. Out: the vertex moved onto its
hyperplanes, how far it may still be from their common point, and 1 / |det| of their gradients; or that this is not
proved, and has to be had in another way.

Layout: number i of lane v is at W[i * LANES + v]. Compilers need to see that loops over lanes take a bounded multiple
of TOGETHER steps, without branches but choices between two numbers; callers write n as a constant, so that all other
loops are spelt out.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from polylc.geometry.small_inverse import LEAST
from polylc.jit.decorators import inlined
from polylc.network.compose import UNIT

Array = np.ndarray
Minors = tuple[float, float, float, float, float, float, float, float, float, float]
Places = tuple[int, int, int, int, int, int, int, int, int]
LANES = 8
TOGETHER = 4  # lanes that one instruction takes
MOST = 5  # hyperplanes
MOST_ALPHA = 0.25  # lemma 8 needs less than 1; what is farther off than this is better done in rationals
MOST_DOUBT = 0.125  # lemma 10: of a determinant, relative
SLACK = 1.0 + 2.0**-40  # more than the rounding of a bound whose terms pass at most 2^12 operations
OFF, WEIGHT, WRONG = 0, 1, 2  # results: how far off the vertex may be, or -1; 1 / |det|, and what that may err by


class HalfSpaces(NamedTuple):
    """The faces of the cube, u_j = -1 at 2 j and u_j = 1 at 2 j + 1, and those of a cell behind them."""

    row: Array  # (columns, n + 1)
    error: Array  # (columns,) of their coefficients, in sum
    least: Array  # (columns,) what their values have to exceed at a point, and ...
    steep: Array  # (columns,) ... for each unit of its error: sums of the sizes of gradients, or a little more


@inlined
def _places(n: int) -> Places:
    """Where the numbers of a lane begin, behind the n rows of n + 1 coefficients: an inverse of the gradients (n^2); of
    the rows, what their coefficients err by, the sums of their gradients' sizes, what their values err by, and 0 for
    faces of the cube, which vertices are put onto, else 1; the vertex, and the least and largest value of its
    coordinates; and results."""
    inverse = n * (n + 1)
    noise = inverse + n * n
    return inverse, noise, noise + n, noise + 2 * n, noise + 3 * n, noise + 4 * n, noise + 5 * n, noise + 6 * n, noise + 7 * n


def lanes_in(n: int) -> Array:
    """Room in dimension n."""
    return np.ones((_places.plain(n)[-1] + 3 + n) * LANES)


@inlined
def result(n: int, W: Array, v: int, which: int) -> float:
    """One of the results of a lane."""
    return W[(_places(n)[8] + which) * LANES + v]  # type: ignore[no-any-return]


@inlined
def coordinate(n: int, W: Array, v: int, j: int) -> float:
    """A coordinate of the vertex of a lane."""
    return W[(_places(n)[5] + j) * LANES + v]  # type: ignore[no-any-return]


@inlined
def fill(n: int, W: Array, v: int, x: Array, columns: Array, of: HalfSpaces) -> None:
    """Take a vertex about x on the half-spaces `columns` into a lane."""
    _, noise, length, doubt, counts, at, low, high, _ = _places(n)
    for j in range(n):
        W[(at + j) * LANES + v], W[(low + j) * LANES + v], W[(high + j) * LANES + v] = x[j], -1.0, 1.0
    for i in range(n):
        q = columns[i]
        for j in range(n + 1):
            W[(i * (n + 1) + j) * LANES + v] = of.row[q, j]
        W[(noise + i) * LANES + v], W[(length + i) * LANES + v], W[(doubt + i) * LANES + v] = of.error[q], of.steep[q], of.least[q]
        W[(counts + i) * LANES + v] = 1.0
        if q < 2 * n:
            side, face = (1.0 if q & 1 else -1.0), int(q >> 1)
            W[(counts + i) * LANES + v], W[(low + face) * LANES + v], W[(high + face) * LANES + v] = 0.0, side, side


# ---- cofactors -----------------------------------------------------------------------------------------------------
@inlined
def _pairs(W: Array, v: int, r: int, s: int) -> tuple[float, float, float, float, float, float]:
    """Determinants of rows r and s, four entries each, and two columns: 01, 02, 03, 12, 13, 23."""
    o, p = 5 * r, 5 * s
    a, b, c, d = W[o * LANES + v], W[(o + 1) * LANES + v], W[(o + 2) * LANES + v], W[(o + 3) * LANES + v]
    w, x, y, z = W[p * LANES + v], W[(p + 1) * LANES + v], W[(p + 2) * LANES + v], W[(p + 3) * LANES + v]
    return a * x - b * w, a * y - c * w, a * z - d * w, b * y - c * x, b * z - d * x, c * z - d * y


@inlined
def _column_of_four(P: tuple[float, float, float, float, float, float], W: Array, v: int, o: int, r: int) -> None:
    """Cofactors of row o of four: of row r along the minors of the two others."""
    s = -1.0 if o & 1 else 1.0
    ab, ac, ad, bc, bd, cd = P
    e, f, g, h = W[5 * r * LANES + v], W[(5 * r + 1) * LANES + v], W[(5 * r + 2) * LANES + v], W[(5 * r + 3) * LANES + v]
    W[(20 + o) * LANES + v] = s * (f * cd - g * bd + h * bc)
    W[(24 + o) * LANES + v] = -s * (e * cd - g * ad + h * ac)
    W[(28 + o) * LANES + v] = s * (e * bd - f * ad + h * ab)
    W[(32 + o) * LANES + v] = -s * (e * bc - f * ac + g * ab)


@inlined
def _row(W: Array, v: int, r: int) -> tuple[float, float, float, float, float]:
    """The gradient of row r of five."""
    o = 6 * r
    return W[o * LANES + v], W[(o + 1) * LANES + v], W[(o + 2) * LANES + v], W[(o + 3) * LANES + v], W[(o + 4) * LANES + v]


@inlined
def _minors(W: Array, v: int, r: int, s: int) -> Minors:
    """Determinants of rows r and s, five entries each, and two columns: 01, 02, 03, 04, 12, 13, 14, 23, 24, 34."""
    a, b, c, d, e = _row(W, v, r)
    f, w, x, y, z = _row(W, v, s)
    return (
        a * w - b * f,
        a * x - c * f,
        a * y - d * f,
        a * z - e * f,
        b * x - c * w,
        b * y - d * w,
        b * z - e * w,
        c * y - d * x,
        c * z - e * x,
        d * z - e * y,
    )


@inlined
def _column_of_five(P: Minors, Q: Minors, W: Array, v: int, o: int) -> None:
    """Cofactors of row o of five, by Laplace's expansion along two pairs of the others."""
    s = -1.0 if o & 1 else 1.0
    ab, ac, ad, ae, bc, bd, be, cd, ce, de = P
    vw, vx, vy, vz, wx, wy, wz, xy, xz, yz = Q
    W[(30 + o) * LANES + v] = s * (bc * yz - bd * xz + be * xy + cd * wz - ce * wy + de * wx)
    W[(35 + o) * LANES + v] = -s * (ac * yz - ad * xz + ae * xy + cd * vz - ce * vy + de * vx)
    W[(40 + o) * LANES + v] = s * (ab * yz - ad * wz + ae * wy + bd * vz - be * vy + de * vw)
    W[(45 + o) * LANES + v] = -s * (ab * xz - ac * wz + ae * wx + bc * vz - be * vx + ce * vw)
    W[(50 + o) * LANES + v] = s * (ab * xy - ac * wy + ad * wx + bc * vy - bd * vx + cd * vw)


@inlined
def _cofactors(n: int, W: Array, v: int) -> None:
    """The cofactors of n rows, where the inverse will be."""
    B = n * (n + 1)
    if n == 1:
        W[B * LANES + v] = 1.0
    elif n == 2:
        W[B * LANES + v], W[(B + 1) * LANES + v] = W[4 * LANES + v], -W[LANES + v]
        W[(B + 2) * LANES + v], W[(B + 3) * LANES + v] = -W[3 * LANES + v], W[v]
    elif n == 3:
        for i in range(3):
            s, t = (i + 1) % 3, (i + 2) % 3
            for j in range(3):
                p, q = 4 * ((j + 1) % 3), 4 * ((j + 2) % 3)
                W[(B + 3 * i + j) * LANES + v] = W[(p + s) * LANES + v] * W[(q + t) * LANES + v] - W[(p + t) * LANES + v] * W[(q + s) * LANES + v]
    elif n == 4:
        first, last = _pairs(W, v, 0, 1), _pairs(W, v, 2, 3)
        _column_of_four(last, W, v, 0, 1)
        _column_of_four(last, W, v, 1, 0)
        _column_of_four(first, W, v, 2, 3)
        _column_of_four(first, W, v, 3, 2)
    elif n == 5:
        first, last = _minors(W, v, 0, 1), _minors(W, v, 3, 4)
        _column_of_five(_minors(W, v, 1, 2), last, W, v, 0)
        _column_of_five(_minors(W, v, 0, 2), last, W, v, 1)
        _column_of_five(first, last, W, v, 2)
        _column_of_five(first, _minors(W, v, 2, 4), W, v, 3)
        _column_of_five(first, _minors(W, v, 2, 3), W, v, 4)


@inlined
def _invert(n: int, W: Array, v: int) -> None:
    """The inverse and the determinant of a lane, and whether they are good enough: `OFF` is alpha of lemma 8, or 1.

    Each product of a determinant's definition passes 2, 5, 9, 13 roundings for n = 2, ..., 5, and all of them sum to no
    more than the product of the rows' sums, in absolute values.
    """
    B, noise, length, _, _, _, _, _, out = _places(n)
    determinant, rounding = 0.0, (4.0 * n - 2.0) * UNIT
    for i in range(n):
        determinant += W[i * LANES + v] * W[(B + i * n) * LANES + v]
        rounding *= W[(length + i) * LANES + v]
    regular = abs(determinant) > LEAST
    scale = 1.0 / (determinant if regular else 1.0)
    moved = 0.0
    for p in range(n):
        largest = 0.0
        for i in range(n):
            entry = W[(B + i * n + p) * LANES + v] * scale
            W[(B + i * n + p) * LANES + v] = entry
            largest = max(largest, abs(entry))
        moved += largest * W[(noise + p) * LANES + v]  # beta of lemma 10
    value = abs(scale)
    doubt = rounding * value
    alpha = 2.0 * doubt + moved  # lemma 8a
    W[(out + OFF) * LANES + v] = alpha if regular and alpha < MOST_ALPHA and 2.0 * moved + doubt < MOST_DOUBT else 1.0
    W[(out + WEIGHT) * LANES + v], W[(out + WRONG) * LANES + v] = value, value * (2.0 * (moved + doubt + UNIT)) * SLACK


# ---- the vertex ----------------------------------------------------------------------------------------------------
@inlined
def _values(n: int, W: Array, v: int) -> None:
    """What the rows are worth at the vertex of a lane, behind the results."""
    at, out = _places(n)[5], _places(n)[8] + 3
    for p in range(n):
        z = W[(p * (n + 1) + n) * LANES + v]
        for j in range(n):
            z += W[(p * (n + 1) + j) * LANES + v] * W[(at + j) * LANES + v]
        W[(out + p) * LANES + v] = z


@inlined
def _newton(n: int, W: Array, v: int) -> None:
    """One step of Newton toward the common point, and exactly onto the faces of the cube."""
    B, _, _, _, _, at, low, high, out = _places(n)
    for i in range(n):
        x = W[(at + i) * LANES + v]
        for p in range(n):
            x -= W[(B + i * n + p) * LANES + v] * W[(out + 3 + p) * LANES + v]
        W[(at + i) * LANES + v] = min(W[(high + i) * LANES + v], max(W[(low + i) * LANES + v], x))


@inlined
def _bound(n: int, W: Array, v: int) -> None:
    """How far the vertex of a lane may be off in any coordinate (lemma 8), or -1."""
    B, _, _, doubt, counts, _, _, _, out = _places(n)
    for p in range(n):
        rest = abs(W[(out + 3 + p) * LANES + v]) + W[(doubt + p) * LANES + v]
        W[(out + 3 + p) * LANES + v] = W[(counts + p) * LANES + v] * rest
    worst, alpha = 0.0, W[(out + OFF) * LANES + v]
    for i in range(n):
        total = 0.0
        for p in range(n):
            total += abs(W[(B + i * n + p) * LANES + v]) * W[(out + 3 + p) * LANES + v]
        worst = max(worst, total)
    proved = alpha < 1.0
    error = worst / (1.0 - (alpha if proved else 0.0) * SLACK) * SLACK
    W[(out + OFF) * LANES + v] = error if proved else -1.0


@inlined
def meet(n: int, W: Array, groups: int) -> None:
    """Find the vertices of the first lanes: so many groups of TOGETHER, in which all that were filled are."""
    many = min(groups, LANES // TOGETHER) * TOGETHER  # compilers can see that this is such a multiple, and how large
    for v in range(many):
        _cofactors(n, W, v)
    for v in range(many):
        _invert(n, W, v)
    for v in range(many):
        _values(n, W, v)
        _newton(n, W, v)
    for v in range(many):
        _values(n, W, v)
        _bound(n, W, v)
