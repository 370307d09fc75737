"""Signs of many forms on a box at once, in doubles, with a rigorous bound on rounding (docs/exactness.md, lemma 7).

In: forms, transposed, with bounds on their rounding, and a box. Out: by how much each form certainly keeps its sign.
Invariant: a positive answer is a proof; NaN and infinities make it NaN or negative.
"""

from __future__ import annotations

import numpy as np

from polylc.jit.decorators import inlined, kernel

Array = np.ndarray
MARGIN = 2.0**-44  # lemma 7: in place of gamma_{2k+2}, and for the rounding of the bound, if k <= MOST
MOST = 64
LOST = 2.0**-1000  # lemma 7: more than all underflows together


@inlined
def _ends(box: Array, k: int) -> tuple[float, float]:
    """Middle of a side, and half its length with a margin."""
    middle, half = 0.5 * (box[0, k] + box[1, k]), 0.5 * (box[1, k] - box[0, k])
    return middle, half + MARGIN * (abs(middle) + half)


@kernel
def clearance(form: Array, noise: Array, sign: Array, box: Array, first: int, end: int, clear: Array, reach: Array) -> None:
    """For the forms of columns first..end, by how much sign * z is certainly positive on a box; where `clear` > 0, it
    is.

    Spelt out for two and three coordinates: passing over memory is what this costs.

    Parameters
    ----------
    form : ndarray, shape (k + 1, columns)
    noise, sign : ndarray, shape (columns,)
        Bounds on the rounding in forms, and signs, 1 or -1.
    box : ndarray, shape (2, k)
        Lower and upper ends, in [-1, 1]; k <= MOST.
    clear, reach : ndarray, shape (columns,)
        Receive the answers, from place 0 on, and what they needed.
    """
    n = box.shape[1]
    many = end - first
    c, e, s = form[n, first:end], noise[first:end], sign[first:end]
    if n == 2:
        p, w = _ends(box, 0)
        q, v = _ends(box, 1)
        a, b = form[0, first:end], form[1, first:end]
        for i in range(many):
            t = c[i] + p * a[i] + q * b[i]
            clear[i] = s[i] * t - (w * abs(a[i]) + v * abs(b[i]) + e[i] * (1 + MARGIN) + MARGIN * abs(c[i]) + LOST)
    elif n == 3:
        p, w = _ends(box, 0)
        q, v = _ends(box, 1)
        r, u = _ends(box, 2)
        a, b, d = form[0, first:end], form[1, first:end], form[2, first:end]
        for i in range(many):
            t = c[i] + p * a[i] + q * b[i] + r * d[i]
            clear[i] = s[i] * t - (w * abs(a[i]) + v * abs(b[i]) + u * abs(d[i]) + e[i] * (1 + MARGIN) + MARGIN * abs(c[i]) + LOST)
    else:
        for i in range(many):
            clear[i] = c[i]
            reach[i] = e[i] * (1 + MARGIN) + MARGIN * abs(c[i]) + LOST
        for k in range(n):
            p, w = _ends(box, k)
            a = form[k, first:end]
            for i in range(many):
                clear[i] += p * a[i]
                reach[i] += w * abs(a[i])
        for i in range(many):
            clear[i] = s[i] * clear[i] - reach[i]


@kernel
def not_clear(clear: Array, many: int, beside: Array) -> int:
    """List the places below `many` whose value is not positive; how many there are."""
    found = 0
    for i in range(0, many, 32):  # by counting, without branches: nearly everywhere all are positive
        part = clear[i : min(i + 32, many)]
        positive = 0
        for q in range(len(part)):
            positive += part[q] > 0.0
        if positive < len(part):
            for q in range(len(part)):
                beside[found] = i + q
                found += 0 if part[q] > 0.0 else 1
    return found
