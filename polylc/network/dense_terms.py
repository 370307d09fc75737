"""Dense weights times the forms of some sources, added to the forms of a layer, compiled.

In: forms, transposed, with bounds on their rounding; sources with what each is multiplied with. Out: the forms of the
layer and the bounds on them, both added to (docs/exactness.md, lemma 2).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from polylc.jit.decorators import kernel
from polylc.network.compose import UNIT

Array = np.ndarray
SMALL = 2.0**-400  # lemma 2: products of larger numbers do not underflow to zero
LOST = 2.0**-1000  # lemma 2: more than all underflows of a form together; not subnormal, which would be slow


class Sources(NamedTuple):
    """What is added to a layer."""

    live: Array  # numbers j of sources
    factor: Array  # what each of them is multiplied with
    many: int  # how many there are; live and factor have room for three more
    start: int  # column of source 0


@kernel
def add_dense(form: Array, noise: Array, weight: Array, sources: Sources, first: int, end: int, unit: float) -> bool:
    """Add weight[:, j] * factor * form of source j to the forms of columns first..end, over some sources j, four at a
    time.

    `weight` begins with the row of source 0; `unit` bounds the rounding in a form, relative to the size of what is
    added up (lemma 2).

    Returns
    -------
    bool
        Whether all products are zero or far from underflow.
    """
    live, factor, many, start = sources.live, sources.factor, sources.many, sources.start
    n = form.shape[0] - 1
    m = end - first
    doubt = noise[first:end]
    normal = True
    for q in range(many, many + 3):  # fill the last four up with nothing
        live[q] = live[max(many - 1, 0)]
        factor[q] = 0.0
    rest = many & 3
    whole = many - rest if rest < 3 else many
    for q in range(0, whole, 4):
        j0, j1, j2, j3 = live[q], live[q + 1], live[q + 2], live[q + 3]
        s0, s1, s2, s3 = factor[q], factor[q + 1], factor[q + 2], factor[q + 3]
        b0, b1, b2, b3 = j0 * m, j1 * m, j2 * m, j3 * m
        w0, w1, w2, w3 = weight[b0 : b0 + m], weight[b1 : b1 + m], weight[b2 : b2 + m], weight[b3 : b3 + m]
        j0, j1, j2, j3 = start + j0, start + j1, start + j2, start + j3
        z0 = z1 = z2 = z3 = 0.0
        for k in range(n + 1):
            z0 += abs(s0 * form[k, j0])
            z1 += abs(s1 * form[k, j1])
            z2 += abs(s2 * form[k, j2])
            z3 += abs(s3 * form[k, j3])
        for k in range(0, n, 2):  # two rows at a time, for the sake of loads
            p0, p1, p2, p3 = s0 * form[k, j0], s1 * form[k, j1], s2 * form[k, j2], s3 * form[k, j3]
            q0, q1, q2, q3 = s0 * form[k + 1, j0], s1 * form[k + 1, j1], s2 * form[k + 1, j2], s3 * form[k + 1, j3]
            row, other = form[k, first:end], form[k + 1, first:end]
            for i in range(m):
                x0, x1, x2, x3 = w0[i], w1[i], w2[i], w3[i]
                row[i] += x0 * p0 + x1 * p1 + x2 * p2 + x3 * p3
                other[i] += x0 * q0 + x1 * q1 + x2 * q2 + x3 * q3
        if n % 2 == 0:
            p0, p1, p2, p3 = s0 * form[n, j0], s1 * form[n, j1], s2 * form[n, j2], s3 * form[n, j3]
            row = form[n, first:end]
            for i in range(m):
                row[i] += w0[i] * p0 + w1[i] * p1 + w2[i] * p2 + w3[i] * p3
        e0, e1 = scaled_noise(n, noise[j0], z0, s0), scaled_noise(n, noise[j1], z1, s1)
        e2, e3 = scaled_noise(n, noise[j2], z2, s2), scaled_noise(n, noise[j3], z3, s3)
        normal = normal and far(z0) and far(z1) and far(z2) and far(z3) and far(e0) and far(e1) and far(e2) and far(e3)
        p0, p1, p2, p3 = e0 + rounded(unit, z0), e1 + rounded(unit, z1), e2 + rounded(unit, z2), e3 + rounded(unit, z3)
        for i in range(m):
            doubt[i] += abs(w0[i]) * p0 + abs(w1[i]) * p1 + abs(w2[i]) * p2 + abs(w3[i]) * p3
    if whole < many:  # most updates are of one or two sources
        normal = _add_two(form, noise, weight, sources, whole, first, end, unit) and normal
    return normal


@kernel
def _add_two(form: Array, noise: Array, weight: Array, sources: Sources, q: int, first: int, end: int, unit: float) -> bool:
    """As `add_dense`, to the last bit, for the sources q and q + 1 alone."""
    live, factor, start = sources.live, sources.factor, sources.start
    n = form.shape[0] - 1
    m = end - first
    doubt = noise[first:end]
    j0, j1, s0, s1 = live[q], live[q + 1], factor[q], factor[q + 1]
    w0, w1 = weight[j0 * m : j0 * m + m], weight[j1 * m : j1 * m + m]
    j0, j1 = start + j0, start + j1
    z0 = z1 = 0.0
    for k in range(n + 1):
        z0 += abs(s0 * form[k, j0])
        z1 += abs(s1 * form[k, j1])
    for k in range(0, n, 2):
        p0, p1, q0, q1 = s0 * form[k, j0], s1 * form[k, j1], s0 * form[k + 1, j0], s1 * form[k + 1, j1]
        row, other = form[k, first:end], form[k + 1, first:end]
        for i in range(m):
            x0, x1 = w0[i], w1[i]
            row[i] += x0 * p0 + x1 * p1
            other[i] += x0 * q0 + x1 * q1
    if n % 2 == 0:
        p0, p1 = s0 * form[n, j0], s1 * form[n, j1]
        row = form[n, first:end]
        for i in range(m):
            row[i] += w0[i] * p0 + w1[i] * p1
    e0, e1 = scaled_noise(n, noise[j0], z0, s0), scaled_noise(n, noise[j1], z1, s1)
    normal: bool = far(z0) and far(z1) and far(e0) and far(e1)
    p0, p1 = e0 + rounded(unit, z0), e1 + rounded(unit, z1)
    for i in range(m):
        doubt[i] += abs(w0[i]) * p0 + abs(w1[i]) * p1
    return normal


@kernel
def add_narrow(form: Array, noise: Array, weight: Array, sources: Sources, first: int, end: int, unit: float) -> bool:
    """As `add_dense`, to the last bit, for a layer of so few neurons, such as an output, that loops over them do not
    pay: one after the other."""
    live, factor, many, start = sources.live, sources.factor, sources.many, sources.start
    n = form.shape[0] - 1
    m = end - first
    normal = True
    for q in range(many, many + 3):
        live[q] = live[max(many - 1, 0)]
        factor[q] = 0.0
    for q in range(0, many, 4):
        j0, j1, j2, j3 = live[q], live[q + 1], live[q + 2], live[q + 3]
        s0, s1, s2, s3 = factor[q], factor[q + 1], factor[q + 2], factor[q + 3]
        c0, c1, c2, c3 = start + j0, start + j1, start + j2, start + j3
        e0 = e1 = e2 = e3 = 0.0
        for i in range(m):
            x0, x1, x2, x3 = weight[j0 * m + i], weight[j1 * m + i], weight[j2 * m + i], weight[j3 * m + i]
            z0 = z1 = z2 = z3 = 0.0
            for k in range(n + 1):
                p0, p1, p2, p3 = s0 * form[k, c0], s1 * form[k, c1], s2 * form[k, c2], s3 * form[k, c3]
                z0 += abs(p0)
                z1 += abs(p1)
                z2 += abs(p2)
                z3 += abs(p3)
                form[k, first + i] += x0 * p0 + x1 * p1 + x2 * p2 + x3 * p3
            if i == 0:
                e0, e1 = scaled_noise(n, noise[c0], z0, s0), scaled_noise(n, noise[c1], z1, s1)
                e2, e3 = scaled_noise(n, noise[c2], z2, s2), scaled_noise(n, noise[c3], z3, s3)
                normal = normal and far(z0) and far(z1) and far(z2) and far(z3) and far(e0) and far(e1) and far(e2) and far(e3)
                e0, e1, e2, e3 = e0 + rounded(unit, z0), e1 + rounded(unit, z1), e2 + rounded(unit, z2), e3 + rounded(unit, z3)
            noise[first + i] += abs(x0) * e0 + abs(x1) * e1 + abs(x2) * e2 + abs(x3) * e3
    return normal


@kernel
def far(size: float) -> bool:
    """Whether it is zero or far from underflow."""
    return size == 0.0 or size >= SMALL


@kernel
def rounded(unit: float, size: float) -> float:
    """What rounding may do to a product; it may have underflowed, and weights may be large."""
    return unit * size + (LOST if 0.0 < size < SMALL else 0.0)


@kernel
def scaled_noise(n: int, noise: float, size: float, slope: float) -> float:
    """As `compose.scaled_error`; `size` is the length of the form that is scaled already."""
    if slope == 0.0:
        return 0.0
    if abs(slope) == 1.0:
        return noise
    product = abs(slope) * (noise * (1 + 4 * UNIT)) + 2 * UNIT * size * (1 + 4 * UNIT)
    return product * (1 + 4 * (n + 9) * UNIT) + LOST
