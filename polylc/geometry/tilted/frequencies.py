"""The terms of a lattice sum, compiled: those up to a frequency added up, and a bound on all beyond.

In: coefficients of the forms, tilts and steps. Out: sums with bounds on their errors (docs/exactness.md, lemmas 25 and
26). A term is a product of one factor for each coordinate, f(x, y) = (x cos y + i x coth x sin y) / (x + i y), with

    |f(x, y)|^2 = (x^2 + c sin^2 y) / (x^2 + y^2),    c = (x / sinh x)^2.
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
TOGETHER = 8  # so many factors, and a look at what is left of the term
TURN = 0.5 * math.pi * (1 - 2.0**-50)


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


class Work(NamedTuple):
    """Room to work in."""

    cos: Array  # (m, count + 1, k)
    sin: Array
    y: Array  # (m, k)
    re: Array  # (m, k) partial products of turns
    im: Array
    at: Array  # (m,) frequencies


@inlined
def _ratio(x: float, y: float) -> tuple[float, float]:
    """sinh z / z over sinh x / x for |z| < 1/2."""
    re, im = x * x - y * y, 2.0 * x * y
    a, b, c = 1.0, 0.0, 1.0
    for n in (15.0, 13.0, 11.0, 9.0, 7.0, 5.0, 3.0):
        q = 1.0 / (n * (n - 1.0))
        a, b = 1.0 + (a * re - b * im) * q, (a * im + b * re) * q
        c = 1.0 + c * x * x * q
    return a / c, b / c


@kernel
def add_up(of: Tilted, free: int, count: int, cut: float, work: Work, result: Array) -> None:
    """Add the terms with frequencies up to `count`: result = [sum, sum of moduli, bound on the error of the terms,
    number of factors]. Terms of a modulus below `cut`, but for what they are divided by, go to the error.
    """
    m, k = of.a.shape
    total, sizes, off = 0.0, 0.0, 0.0
    slip = 0.0
    for j in range(m):
        slip += abs(of.theta[j]) * of.error[j]
        work.at[j] = -count
    work.at[0] = 0
    factors = 0
    last = m - 1
    fresh = True
    while True:
        if fresh:  # the frequencies before the last one are new
            for i in range(k):
                re, im, y = 1.0, 0.0, 0.0
                for j in range(last):
                    n = int(work.at[j])
                    c, s = work.cos[j, abs(n), i], work.sin[j, abs(n), i]
                    if n < 0:
                        s = -s
                    re, im = re * c - im * s, re * s + im * c
                    y += n * (of.step[j] * of.a[j, i])
                work.re[0, i], work.im[0, i], work.y[0, i] = re, im, y
            fresh = False
        n = int(work.at[last])
        p, q, wrong = 1.0, 0.0, 0.0
        size = 1.0
        alive = True
        for i in range(k):
            y = work.y[0, i] + n * (of.step[last] * of.a[last, i])
            x = of.x[i]
            if x * x + y * y < NEAR * NEAR:
                fr, fi = _ratio(x, y)
            else:
                c, s = work.cos[last, abs(n), i], work.sin[last, abs(n), i]
                if n < 0:
                    s = -s
                turn, lift = work.re[0, i] * c - work.im[0, i] * s, work.re[0, i] * s + work.im[0, i] * c
                nr, ni = x * turn, of.coth[i] * lift
                d = 1.0 / (x * x + y * y)
                fr, fi = (nr * x + ni * y) * d, (ni * x - nr * y) * d
            factor = math.sqrt(fr * fr + fi * fi)
            wrong = wrong * (factor + EVALUATION) + size * EVALUATION
            p, q = p * fr - q * fi, p * fi + q * fr
            size *= factor
            if i % TOGETHER == TOGETHER - 1 and size + wrong < cut:
                factors += i + 1
                alive = False
                break
        weight = 1.0 if work.at[0] == 0 else 2.0
        moved = slip
        below = 1.0
        angle = 0.0
        for j in range(m):
            t = work.at[j] * of.step[j]
            moved += abs(t) * of.error[j]
            angle += t * of.s[j]
            if j >= free:
                below *= math.sqrt(of.theta[j] * of.theta[j] + t * t)
        wrong += moved
        still = of.soft * (work.at[0] * of.step[0])
        calm = math.exp(-0.5 * still * still)
        wrong = wrong * calm + CALM * size * calm + UNDER
        size *= calm
        if alive:
            factors += k
            c, s = math.cos(angle), math.sin(angle)
            p, q = calm * (p * c + q * s), calm * (q * c - p * s)
            for j in range(free, m):
                t = work.at[j] * of.step[j]
                d = 1.0 / (of.theta[j] * of.theta[j] + t * t)
                p, q = (p * of.theta[j] + q * t) * d, (q * of.theta[j] - p * t) * d
            total += weight * p
            sizes += weight * size / below
            off += weight * wrong / below
        else:
            off += weight * (size + wrong) / below
        j = last
        while j >= 0:
            work.at[j] += 1
            if work.at[j] <= count:
                break
            work.at[j] = -count if j > 0 else 0
            j -= 1
        if j < 0:
            break
        fresh = j < last
    result[0], result[1], result[2], result[3] = total, sizes, off, factors


@kernel
def beyond(of: Tilted, free: int, count: int, cells: int, last: int, slight: float, work: Work) -> float:
    """A bound on the sum of the moduli of all terms with a frequency beyond `count`; lemma 26.

    The faces of the cube of frequencies up to `count` are cut into cells, `cells` in each direction, and the cones over
    them into shells; from `last` on every factor but a few decays at least like one over the frequency. Once a cell's
    part of the bound is below `slight`, it is left at that.
    """
    m, k = of.a.shape
    many = 1
    for _ in range(m - 1):
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
        for face in range(m):
            for cell in range(many):
                left = cell
                work.at[face] = low
                for j in range(m):
                    if j != face:
                        work.at[j] = -low + (2.0 * half) * (left % cells + 0.5)
                        left //= cells
                product, decay = 1.0, 0
                for i in range(k):
                    v, radius, wrong = 0.0, 0.0, 0.0
                    for j in range(m):
                        v += work.at[j] * (of.step[j] * of.a[j, i])
                        wrong += low * of.step[j] * of.error[j]
                        if j != face:
                            radius += half * abs(of.step[j] * of.a[j, i])
                    y = abs(v) * (1 - 2.0**-40) - radius * (1 + 2.0**-40) - wrong
                    x = of.x[i]
                    if final:
                        if y > of.coth[i]:
                            product *= of.coth[i] / y
                            decay += 1
                    elif y > 0.0:
                        rise = min(math.sin(y), 1.0) if y < TURN else 1.0
                        product *= math.sqrt((x * x + of.shrink[i] * rise * rise) / (x * x + y * y))
                    if product * points < slight and (not final or decay > m):
                        break
                for j in range(free, m):
                    least = max(abs(work.at[j]) - (0.0 if j == face else half), 0.0) * of.step[j] * (1 - 2.0**-40)
                    product *= of.theta[j] / math.sqrt(of.theta[j] * of.theta[j] + least * least)
                still = max(abs(work.at[0]) - (0.0 if face == 0 else half), 0.0) * (of.soft * of.step[0]) * (1 - 2.0**-40)
                product *= math.exp(-0.5 * still * still) * (1 + CALM) + UNDER
                if not final:
                    total += 2.0 * product * points
                    continue
                rest = product * points / (decay - m) if decay > m else np.inf
                if m == 1 and of.soft > 0.0:  # the noise's factor decays by itself
                    rate = min(still * (of.soft * of.step[0]) * (1 - 2.0**-40), 700.0)
                    if rate > 1e-12:
                        rest = min(rest, product / math.expm1(rate) * (1 + CALM))
                if rest == np.inf:
                    return np.inf
                total += 2.0 * rest
        if final:
            return total
        low = high
