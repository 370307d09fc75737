"""The terms of a lattice sum, compiled: those up to a frequency added up, and a bound on all beyond.

In: coefficients of the forms, tilts and steps. Out: sums with bounds on their errors (docs/exactness.md, lemmas 25 and
26). A term is a product of one factor for each coordinate, f(x, y) = (x cos y + i x coth x sin y) / (x + i y), with

    |f(x, y)|^2 = (x^2 + c sin^2 y) / (x^2 + y^2),    c = (x / sinh x)^2.

Terms are taken by lines, along which the last frequency runs, so that one operation serves several of them: factor by
factor, some factors at a time, the line cut off at its ends where terms have become small.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from polylc.jit.decorators import inlined, kernel
from polylc.network.compose import UNIT

Array = np.ndarray

EVALUATION = 512 * UNIT  # lemma 25: of one factor of a term
NEAR = 0.5  # lemma 25: below it a factor is a ratio of series
CALM, UNDER = 8192 * UNIT, 1e-300  # lemma 28: of exp(-y^2 / 2), relative, and where it is less than 10^-300
TOGETHER = 8  # so many factors, and a look at what is left of the terms
BLOCK = (TOGETHER + 1) * EVALUATION  # lemma 25: of the product of so many
SLIGHT = 1e-150  # added to sizes of terms, so that none is zero
TINY = 1e-130  # below it ratios of sizes say nothing
# 1 / (n (n - 1)) for n = 3, 5, ...: the series of sinh z / z
_C3, _C5, _C7, _C9, _C11, _C13, _C15 = 1 / 6, 1 / 20, 1 / 42, 1 / 72, 1 / 110, 1 / 156, 1 / 210


class Tilted(NamedTuple):
    """What terms are made of; coordinates sorted, those that matter most first."""

    a: Array  # (m, k)
    s: Array  # (m,)
    step: Array  # (m,) of frequencies
    theta: Array  # (m,)
    error: Array  # (m,) of the forms, and what rounding adds
    x: Array  # (k,) theta a
    coth: Array  # (k,) x coth x
    shrink: Array  # (k,) (x / sinh x)^2
    soft: float  # standard deviation of the noise in the first form


class Turns(NamedTuple):
    """Turns e^(i n h a), and the lines of the last frequency."""

    cos: Array  # (m - 1, k, count + 1) of the frequencies before the last one
    sin: Array
    line_cos: Array  # (k, L)
    line_sin: Array
    number: Array  # (L,) the frequencies of the line


class Line(NamedTuple):
    """Room for the terms of a line, or the cells of one."""

    re: Array  # (L,)
    im: Array
    size: Array
    wrong: Array
    at: Array  # (m,) frequencies


class Factor(NamedTuple):
    """What the factors of one coordinate share along a line: z = x + i (y + n h)."""

    x: float
    coth: float
    turn: float  # e^(i y) = turn + i lift
    lift: float
    y: float
    h: float


@inlined
def _times_far(re: Array, im: Array, cos: Array, sin: Array, number: Array, of: Factor) -> None:
    """Multiply terms with factors, |z| >= 1/2; cos and sin of n h are given."""
    x, coth, turn, lift, y0, h = of
    square = x * x
    for n in range(len(re)):
        c, s = cos[n], sin[n]
        y = y0 + h * number[n]
        nr, ni = x * (turn * c - lift * s), coth * (turn * s + lift * c)
        d = 1.0 / (square + y * y)
        fr, fi = (nr * x + ni * y) * d, (ni * x - nr * y) * d
        p, q = re[n], im[n]
        re[n] = p * fr - q * fi
        im[n] = p * fi + q * fr


@inlined
def _times_near(re: Array, im: Array, number: Array, of: Factor) -> None:
    """Multiply terms with factors, |z| < 1/2: sinh z / z over sinh x / x, both by their series."""
    x, _, _, _, y0, h = of
    square = x * x
    whole = 1.0 + square * _C15
    whole = 1.0 + whole * square * _C13
    whole = 1.0 + whole * square * _C11
    whole = 1.0 + whole * square * _C9
    whole = 1.0 + whole * square * _C7
    whole = 1.0 + whole * square * _C5
    whole = 1.0 + whole * square * _C3
    whole = 1.0 / whole
    for n in range(len(re)):
        y = y0 + h * number[n]
        u, v = square - y * y, 2.0 * x * y
        a, b = 1.0 + u * _C15, v * _C15
        a, b = 1.0 + (a * u - b * v) * _C13, (a * v + b * u) * _C13
        a, b = 1.0 + (a * u - b * v) * _C11, (a * v + b * u) * _C11
        a, b = 1.0 + (a * u - b * v) * _C9, (a * v + b * u) * _C9
        a, b = 1.0 + (a * u - b * v) * _C7, (a * v + b * u) * _C7
        a, b = 1.0 + (a * u - b * v) * _C5, (a * v + b * u) * _C5
        a, b = (1.0 + (a * u - b * v) * _C3) * whole, (a * v + b * u) * _C3 * whole
        p, q = re[n], im[n]
        re[n] = p * a - q * b
        im[n] = p * b + q * a


@inlined
def _sized(re: Array, im: Array, size: Array, wrong: Array) -> None:
    """Sizes of terms after some more factors, and the errors that these bring."""
    for n in range(len(re)):
        before, now = size[n], math.sqrt(re[n] * re[n] + im[n] * im[n]) + SLIGHT
        ratio = now / before if before > TINY else 1.0
        wrong[n] = wrong[n] * (ratio + BLOCK) + BLOCK * before
        size[n] = now


@inlined
def _near(x: float, y0: float, h: float, number: Array, begin: int, end: int) -> tuple[int, int]:
    """Which frequencies of a line from `begin` to `end` have |x + i (y0 + h n)| < 1/2, up to rounding."""
    room = NEAR * NEAR - x * x
    if not room > 0.0:
        return begin, begin
    radius = math.sqrt(room)
    if abs(h) * 1e9 < radius:  # all alike, as far as that matters
        ends = max(abs(y0 + h * number[begin]), abs(y0 + h * number[end - 1]))
        return (begin, end) if ends < radius else (begin, begin)
    middle, reach = -y0 / h - number[0], radius / abs(h)
    low = min(max(np.ceil(middle - reach), float(begin)), float(end))
    high = min(max(np.floor(middle + reach) + 1.0, low), float(end))
    return int(low), int(high)


@inlined
def _begun(of: Tilted, line: Line, number: Array) -> None:
    """Terms before any factor but that of the noise; lemma 28."""
    alone = len(line.at) == 1
    for n in range(len(number)):
        still = of.soft * ((number[n] if alone else line.at[0]) * of.step[0])
        line.re[n] = math.exp(-0.5 * still * still)
        line.im[n] = 0.0
        line.size[n] = line.re[n] + SLIGHT
        line.wrong[n] = CALM * line.re[n] + UNDER if of.soft > 0.0 else 0.0


@inlined
def _below(of: Tilted, free: int, at: Array) -> tuple[float, float]:
    """Size of what a term is divided by, and what its arguments may be off."""
    below, moved = 1.0, 0.0
    for j in range(len(at)):
        t = at[j] * of.step[j]
        moved += (abs(of.theta[j]) + abs(t)) * of.error[j]
        if j >= free:
            below *= math.sqrt(of.theta[j] * of.theta[j] + t * t)
    still = of.soft * (at[0] * of.step[0])
    return below, moved * (math.exp(-0.5 * still * still) * (1 + CALM) + UNDER)


@inlined
def _given_up(of: Tilted, free: int, line: Line, number: Array, n: int) -> float:
    """What a term may be that is not computed to its end."""
    line.at[len(line.at) - 1] = number[n]
    below, moved = _below(of, free, line.at)
    result: float = (1.0 if line.at[0] == 0 else 2.0) * (line.size[n] + line.wrong[n] + moved) / below
    return result


@kernel
def add_up(of: Tilted, free: int, count: int, cut: float, turns: Turns, line: Line, result: Array) -> None:
    """Add the terms with frequencies up to `count`: result = [sum, sum of moduli, bound on the error of the terms,
    number of factors]. Terms of a modulus below `cut`, but for what they are divided by, go to the error.
    """
    m, k = of.a.shape
    last, at, number = m - 1, line.at, turns.number
    total, sizes, off, factors = 0.0, 0.0, 0.0, 0
    for j in range(last):
        at[j] = -count
    at[0] = 0
    while True:
        begin, end = 0, len(number)
        _begun(of, line, number)
        for start in range(0, k, TOGETHER):
            stop = min(start + TOGETHER, k)
            for i in range(start, stop):
                turn, lift, y0 = 1.0, 0.0, 0.0
                for j in range(last):
                    n = int(at[j])
                    c, s = turns.cos[j, i, abs(n)], turns.sin[j, i, abs(n)]
                    if n < 0:
                        s = -s
                    turn, lift = turn * c - lift * s, turn * s + lift * c
                    y0 += n * (of.step[j] * of.a[j, i])
                h = of.step[last] * of.a[last, i]
                low, high = _near(of.x[i], y0, h, number, begin, end)
                factor = Factor(of.x[i], of.coth[i], turn, lift, y0, h)
                for b, e in ((begin, low), (high, end)):
                    if b < e:
                        cos, sin = turns.line_cos[i, b:e], turns.line_sin[i, b:e]
                        _times_far(line.re[b:e], line.im[b:e], cos, sin, number[b:e], factor)
                if low < high:
                    _times_near(line.re[low:high], line.im[low:high], number[low:high], factor)
            factors += (stop - start) * (end - begin)
            _sized(line.re[begin:end], line.im[begin:end], line.size[begin:end], line.wrong[begin:end])
            while begin < end and line.size[begin] + line.wrong[begin] < cut:
                off += _given_up(of, free, line, number, begin)
                begin += 1
            while begin < end and line.size[end - 1] + line.wrong[end - 1] < cut:
                end -= 1
                off += _given_up(of, free, line, number, end)
            if begin == end:
                break
        for n in range(begin, end):
            at[last] = number[n]
            below, moved = _below(of, free, at)
            weight = 1.0 if at[0] == 0 else 2.0
            angle = 0.0
            for j in range(m):
                angle += at[j] * of.step[j] * of.s[j]
            c, s = math.cos(angle), math.sin(angle)
            p, q = line.re[n] * c + line.im[n] * s, line.im[n] * c - line.re[n] * s
            for j in range(free, m):
                t = at[j] * of.step[j]
                d = 1.0 / (of.theta[j] * of.theta[j] + t * t)
                p, q = (p * of.theta[j] + q * t) * d, (q * of.theta[j] - p * t) * d
            total += weight * p
            sizes += weight * line.size[n] / below
            off += weight * (line.wrong[n] + moved) / below
        j = last - 1
        while j >= 0:
            at[j] += 1
            if at[j] <= count:
                break
            at[j] = -count if j > 0 else 0
            j -= 1
        if j < 0:
            break
    result[0], result[1], result[2], result[3] = total, sizes, off, factors


@inlined
def _bounded(product: Array, centre: Array, v0: float, slope: float, spread: float, x: float, shrink: float) -> None:
    """Multiply bounds of squares of terms with those of one factor, for cells along a line of frequencies."""
    square = x * x + SLIGHT
    for c in range(len(product)):
        y = max(abs(v0 + slope * centre[c]) * (1 - 2.0**-40) - spread, 0.0)
        y = y * y
        rise = min(y * (1.0 + y * (y * (2.0 / 45.0) - 1.0 / 3.0)), 1.0)  # sin^2 y <= y^2 - y^4 / 3 + 2 y^6 / 45 to pi / 2
        product[c] *= (square + shrink * rise) / (square + y)


@inlined
def _bounded_far(product: Array, decay: Array, centre: Array, v0: float, slope: float, spread: float, coth: float) -> None:
    """The same beyond the last shell, and how many factors decay there."""
    for c in range(len(product)):
        y = abs(v0 + slope * centre[c]) * (1 - 2.0**-40) - spread
        falls = y > coth
        product[c] *= (coth / y) * (coth / y) if falls else 1.0
        decay[c] += 1.0 if falls else 0.0


@kernel
def beyond(of: Tilted, free: int, count: int, cells: int, last: int, slight: float, line: Line) -> float:
    """A bound on the sum of the moduli of all terms with a frequency beyond `count`; lemma 26.

    The faces of the cube of frequencies up to `count` are cut into cells, `cells` in each direction, and the cones over
    them into shells; from `last` on every factor but a few decays at least like one over the frequency. Once the bounds
    of a line of cells are below `slight`, they are left at that.
    """
    m, k = of.a.shape
    at = line.at
    along = cells if m > 1 else 1
    many = 1
    for _ in range(m - 2):
        many *= cells
    total = 0.0
    low = count
    while True:
        final = low >= last
        high = low if final else min(max(low + 1, int(low * 1.3)), last)
        half = low / cells
        points = (2.0 * half * high / low + 1.0) ** (m - 1) * (low if final else high - low)
        for j in range(free, m):
            points /= of.theta[j]
        wrong = 0.0
        for j in range(m):
            wrong += low * of.step[j] * of.error[j]
        for c in range(along):
            line.size[c] = -low + (2.0 * half) * (c + 0.5)
        centre = line.size[:along]
        for face in range(m):
            inner = m - 1 if face < m - 1 else m - 2  # along which the line runs, if m > 1
            for cell in range(many):
                left = cell
                at[face] = low
                for j in range(m):
                    if j != face and j != inner:
                        at[j] = -low + (2.0 * half) * (left % cells + 0.5)
                        left //= cells
                product, decay = line.re[:along], line.im[:along]
                product[:], decay[:] = 1.0, 0.0
                for start in range(0, k, TOGETHER):
                    for i in range(start, min(start + TOGETHER, k)):
                        v0, slope, radius = 0.0, 0.0, 0.0
                        for j in range(m):
                            h = of.step[j] * of.a[j, i]
                            if j != face:
                                radius += half * abs(h)
                            if j != face and j == inner:
                                slope = h
                            else:
                                v0 += at[j] * h
                        spread = radius * (1 + 2.0**-40) + wrong
                        if final:
                            _bounded_far(product, decay, centre, v0, slope, spread, of.coth[i])
                        else:
                            _bounded(product, centre, v0, slope, spread, of.x[i], of.shrink[i])
                    most, least = 0.0, np.inf
                    for c in range(along):
                        most, least = max(most, product[c]), min(least, decay[c])
                    if math.sqrt(most) * points < slight and (not final or least > m):
                        break
                for c in range(along):
                    bound = math.sqrt(max(product[c], SLIGHT))
                    if m > 1:
                        at[inner] = centre[c]
                    for j in range(free, m):
                        t = max(abs(at[j]) - (0.0 if j == face else half), 0.0) * of.step[j] * (1 - 2.0**-40)
                        bound *= of.theta[j] / math.sqrt(of.theta[j] * of.theta[j] + t * t)
                    still = max(abs(at[0]) - (0.0 if face == 0 else half), 0.0) * (of.soft * of.step[0]) * (1 - 2.0**-40)
                    bound *= math.exp(-0.5 * still * still) * (1 + CALM) + UNDER
                    if not final:
                        total += 2.0 * bound * points
                        continue
                    rest = bound * points / (decay[c] - m) if decay[c] > m else np.inf
                    if m == 1 and of.soft > 0.0:  # the noise's factor decays by itself
                        rate = min(still * (of.soft * of.step[0]) * (1 - 2.0**-40), 700.0)
                        if rate > 1e-12:
                            rest = min(rest, bound / math.expm1(rate) * (1 + CALM))
                    if rest == np.inf:
                        return np.inf
                    total += 2.0 * rest
        if final:
            return total
        low = high
