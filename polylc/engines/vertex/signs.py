"""Which neurons of a layer keep one sign on a cell of the vertex engine.

Data in: a cell, and the forms of a layer on it. Data out: signs of the neurons that are decided (noted in `Forms`,
claimed where claims are made at nodes), and a list of the others.

Invariant: a neuron is open on a cell as long as the cell's vertices show both its signs, each beyond the neuron's
threshold.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from polylc.engines.vertex.claims import ENTRIES, ClaimColumns, claim, decide_mates, put_claim
from polylc.engines.vertex.forms import Forms, decide
from polylc.engines.vertex.skeleton import Cell, Cells, value_at
from polylc.jit.decorators import inlined, kernel

Array = np.ndarray

# sides thinner than this, relative to the neighbourhood, are not looked for: rounding of vertices is not much below
SLIVER = 1e-12
_VANISHING = 2.0**-490  # below such lengths squares lose digits


class LayerRoom(NamedTuple):
    """Room for one layer: of each neuron's form on the cell or the neighbourhood."""

    low: Array  # (width,) least value at the vertices
    high: Array  # (width,) largest
    spread: Array  # (width,) sum of the sizes of its coefficients
    length: Array  # (width,) Euclidean


def layer_room(width: int) -> LayerRoom:
    """Room for layers of at most that width."""
    return LayerRoom(np.empty(width), np.empty(width), np.empty(width), np.empty(width))


@inlined
def enter(
    dim: tuple,
    forms: Forms,
    cells: Cells,
    claims: ClaimColumns,
    room: LayerRoom,
    cell: Cell,
    first: int,
    end: int,
    opens: Array,
    place: int,
    by_node: bool,
) -> int:
    """Decide the neurons of a layer, columns first .. end, by intervals and at the vertices; the number left open, in
    `opens` from `place` on.
    """
    n = len(dim)
    form = forms.form
    extremes(dim, form, first, end - first, cells.x, cell, room.low, room.high)
    sizes(dim, form, first, end - first, room.spread, room.length)
    many = 0
    for i in range(end - first):
        c = first + i
        if forms.several and forms.leader[c - forms.first] != c - forms.first:  # decided with its leader
            continue
        entry = claims.at[ENTRIES]
        # intervals over the neighbourhood come first: the checker of proofs sees these signs by itself, so claims need
        # no multipliers
        most, least, doubt = form[n, c] + room.spread[i], form[n, c] - room.spread[i], forms.noise[c]
        above = least >= -doubt and most > doubt
        if above or most <= doubt:
            decide(forms, c, above, -1)
            if by_node:
                put_claim(claims, cell.node, c - forms.first, 1 if above else -1)
            if forms.several:
                decide_mates(forms, claims, cell.node, c, above, not above and least >= -doubt, entry, by_node)
            continue
        threshold = max(SLIVER * room.length[i], doubt)
        forms.threshold[c] = threshold
        if room.high[i] > threshold and room.low[i] < -threshold:
            opens[place + many] = c
            many += 1
            continue
        above = _side(room.low[i], room.high[i], threshold, doubt)
        decide(forms, c, above, -1)
        if by_node:
            claim(dim, forms, cells, claims, cell, c, 1 if above else -1)
        if forms.several:
            decide_mates(forms, claims, cell.node, c, above, False, entry, by_node)
    return many


@inlined
def look(
    dim: tuple, forms: Forms, cells: Cells, claims: ClaimColumns, cell: Cell, opens: Array, place: int, many: int, by_node: bool
) -> tuple[int, int]:
    """Decide open neurons, `many` from `place` on, at the vertices; those left are written behind the list, which the
    cell's other part may need.

    Returns
    -------
    left : int
        How many are left.
    best : int
        The one with vertices most evenly on both sides, or -1.
    """
    left, best, score = 0, -1, -1
    for q in range(many):
        c = opens[place + q]
        entry = claims.at[ENTRIES]
        low, high, over = np.inf, -np.inf, 0
        for v in range(cell.begin, cell.begin + cell.vertices):
            t = value_at(dim, forms.form, c, cells.x, v)
            low = t if t < low else low
            high = t if t > high else high
            over += t >= 0.0
        threshold = forms.threshold[c]
        if high > threshold and low < -threshold:
            opens[place + many + left] = c
            left += 1
            even = min(over, cell.vertices - over)
            if even > score:
                score = even
                best = c
            continue
        above = _side(low, high, threshold, forms.noise[c])
        decide(forms, c, above, -1)
        if by_node:
            claim(dim, forms, cells, claims, cell, c, 1 if above else -1)
        if forms.several:
            decide_mates(forms, claims, cell.node, c, above, False, entry, by_node)
    return left, best


@inlined
def _side(low: float, high: float, threshold: float, doubt: float) -> bool:
    """The sign of a neuron that does not show both; the larger side where both are thinner than what counts."""
    if high > threshold:
        return True
    if low < -threshold:
        return False
    return high > doubt and high + low > 0.0


@kernel
def extremes(dim: tuple, form: Array, first: int, many: int, x: Array, cell: Cell, low: Array, high: Array) -> None:
    """Least and largest value of forms first .. first + many at the vertices of a cell.

    Spelt out for each dimension: the loops over neurons are what the compiler vectorises, and it does so only if
    nothing else is in them.
    """
    n = len(dim)
    c = form[n, first : first + many]
    low[:many] = np.inf
    high[:many] = -np.inf
    for p in range(cell.begin * n, (cell.begin + cell.vertices) * n, n):
        if n == 1:
            a0, x0 = form[0, first : first + many], x[p]
            for i in range(many):
                t = c[i] + a0[i] * x0
                low[i] = t if t < low[i] else low[i]
                high[i] = t if t > high[i] else high[i]
        elif n == 2:
            a0, a1 = form[0, first : first + many], form[1, first : first + many]
            x0, x1 = x[p], x[p + 1]
            for i in range(many):
                t = c[i] + a0[i] * x0 + a1[i] * x1
                low[i] = t if t < low[i] else low[i]
                high[i] = t if t > high[i] else high[i]
        elif n == 3:
            a0, a1, a2 = form[0, first : first + many], form[1, first : first + many], form[2, first : first + many]
            x0, x1, x2 = x[p], x[p + 1], x[p + 2]
            for i in range(many):
                t = c[i] + a0[i] * x0 + a1[i] * x1 + a2[i] * x2
                low[i] = t if t < low[i] else low[i]
                high[i] = t if t > high[i] else high[i]
        else:
            a0, a1, a2 = form[0, first : first + many], form[1, first : first + many], form[2, first : first + many]
            a3, x0, x1, x2, x3 = form[3, first : first + many], x[p], x[p + 1], x[p + 2], x[p + 3]
            if n == 4:
                for i in range(many):
                    t = c[i] + a0[i] * x0 + a1[i] * x1 + a2[i] * x2 + a3[i] * x3
                    low[i] = t if t < low[i] else low[i]
                    high[i] = t if t > high[i] else high[i]
            else:
                a4, x4 = form[4, first : first + many], x[p + 4]
                for i in range(many):
                    t = c[i] + a0[i] * x0 + a1[i] * x1 + a2[i] * x2 + a3[i] * x3 + a4[i] * x4
                    low[i] = t if t < low[i] else low[i]
                    high[i] = t if t > high[i] else high[i]


@kernel
def sizes(dim: tuple, form: Array, first: int, many: int, spread: Array, length: Array) -> None:
    """For forms first .. first + many, the sum of the sizes of their coefficients, and their Euclidean length."""
    n = len(dim)
    spread[:many] = 0.0
    length[:many] = 0.0
    for k in range(n):
        a = form[k, first : first + many]
        for i in range(many):
            spread[i] += abs(a[i])
            length[i] += a[i] * a[i]
    odd = 0
    for i in range(many):
        length[i] = math.sqrt(length[i])
        odd += 0 if _VANISHING < length[i] < math.inf else 1
    if odd == 0:
        return
    for i in range(many):  # over the largest, so that squares neither overflow nor vanish
        if _VANISHING < length[i] < math.inf:
            continue
        largest = total = 0.0
        for k in range(n):
            largest = max(largest, abs(form[k, first + i]))
        for k in range(n):
            share = form[k, first + i] / largest if largest > 0.0 else 0.0
            total += share * share
        length[i] = largest * math.sqrt(total) if largest < math.inf else math.inf
