"""The dictionary of a cell: a dense bounded simplex tableau at a vertex, with the undecided neurons as free rows.

In unit coordinates u in [-1, 1]^k a vertex is given by k non-basic variables: box variables u_j at a bound, and slacks of
path half-spaces at 0. Row q of the tableau is a basic variable as an affine function of them,

    x_q = value[q] + sum_c T[c, q] (x_c - its value here).

Rows 0 .. fixed - 1 are basic box variables (-1 <= u_j <= 1) and slacks (>= 0), as many as the path has half-spaces: box
bounds need no rows. Rows from `fixed` on are neurons of the layer, free, scaled to unit length. A pivot updates all of them,
so their signs are known at every vertex. T is kept by columns: loops run over rows. Variables have identifiers: j < k is
u_j, k + p the slack of the half-space at place p of the path.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from polylc.jit.decorators import kernel

Array = np.ndarray

PRICE = 1e-11  # reduced costs below this do not improve
TIE = 1e-13  # steps closer than this are the same
MARGIN = 1e-9  # a bound that proves the sign by less does not end a drive early
STALLED = 20  # steps of length zero after which the least identifier enters and leaves
NEVER = 1e300  # a ratio: the row does not block
FULL = 1 << 61  # no bit is free for another witness
CROSSED, OPTIMAL, BOUNDED, STUCK = 1, 0, 2, -1
DRIVES, PIVOTS, FLIPS, STUCKS, REBUILDS = 0, 1, 2, 3, 4


class Dictionary(NamedTuple):
    """The tableau of a vertex."""

    T: Array  # (k, rows)
    value: Array  # (rows,)
    name: Array  # (rows,): identifiers of basic variables; of free rows, neurons of the layer
    out: Array  # (k,): identifiers of non-basic variables
    up: Array  # (k,): whether a box variable is at 1


class Signs(NamedTuple):
    """By neuron of the layer: how far from zero a side counts as shown, and the sets of witnesses that show either side, as bits."""

    limit: Array
    above: Array
    below: Array


@kernel
def note_witness(dic: Dictionary, signs: Signs, fixed: int, rows: int, alive: int, always: bool) -> int:
    """Record the signs of the free rows at this vertex, if it shows one that no witness shows; the new set of witnesses."""
    value, name, limit, above, below = dic.value, dic.name, signs.limit, signs.above, signs.below
    useful = always
    if not useful:
        for q in range(fixed, rows):
            i = name[q]
            if (value[q] > limit[i] and above[i] & alive == 0) or (value[q] < -limit[i] and below[i] & alive == 0):
                useful = True
                break
    bit = ~alive & (alive + 1)
    if not useful or bit >= FULL:
        return alive
    for q in range(fixed, rows):
        i = name[q]
        if value[q] > limit[i]:
            above[i] |= bit
            below[i] &= ~bit
        elif value[q] < -limit[i]:
            above[i] &= ~bit
            below[i] |= bit
        else:
            above[i] &= ~bit
            below[i] &= ~bit
    return alive | bit


@kernel
def members(mask: int) -> int:
    """Number of set bits."""
    mask = mask - ((mask >> 1) & 0x5555555555555555)
    mask = (mask & 0x3333333333333333) + ((mask >> 2) & 0x3333333333333333)
    mask = (mask + (mask >> 4)) & 0x0F0F0F0F0F0F0F0F
    mask = mask + (mask >> 8)
    mask = mask + (mask >> 16)
    count: int = (mask + (mask >> 32)) & 0x7F
    return count


@kernel
def pivot(dic: Dictionary, rows: int, q0: int, c: int, entering: float) -> None:
    """Exchange basic row q0 and non-basic column c, whose variable now has the value `entering`; values are not touched otherwise."""
    T, value, name, out, up = dic
    column = T[c]
    inverse = 1.0 / column[q0]
    for j in range(len(out)):
        if j != c:
            other = T[j]
            f = -other[q0] * inverse
            if f != 0.0:
                for q in range(rows):
                    other[q] += f * column[q]
                other[q0] = f
    for q in range(rows):
        column[q] *= inverse
    column[q0] = inverse
    leaving = name[q0]
    name[q0], out[c] = out[c], leaving
    up[c] = leaving < len(out) and value[q0] > 0.0
    value[q0] = entering


@kernel
def drive(
    dic: Dictionary,
    signs: Signs,
    fixed: int,
    rows: int,
    r: int,
    sign: int,
    least: float,
    aim: float,
    witnesses: Array,
    ratio: Array,
    stats: Array,
) -> int:
    """Move to vertices at which sign * (row r) grows, until it exceeds `aim`, or nothing improves.

    Returns
    -------
    int
        CROSSED if the row exceeds `least` at the end; OPTIMAL if its largest value does not; BOUNDED if the bounds of the box alone show
        from here that it cannot get near zero; STUCK if rounding prevents a decision. In the middle two cases row r holds the multipliers.
    """
    T, value, name, out, up = dic
    k = len(out)
    stats[DRIVES] += 1
    stalled = 0
    alive = witnesses[0]
    code = STUCK
    for _ in range(1000 + 20 * (k + fixed)):
        v = sign * value[r]
        if v > aim:
            code = CROSSED
            break
        column, best, gain, bounded = -1, PRICE, 0.0, True
        for c in range(k):
            g = sign * T[c, r]
            if up[c]:
                g = -g
            if g > PRICE:
                if out[c] < k:
                    gain += g
                else:
                    bounded = False
                if stalled > STALLED:
                    if column < 0 or out[c] < out[column]:
                        column = c
                elif g > best:
                    column, best = c, g
        if column < 0:
            code = CROSSED if v > least else OPTIMAL
            break
        if bounded and v + 2.0 * gain < -MARGIN:
            code = BOUNDED
            break
        way = -1.0 if up[column] else 1.0
        entry = T[column]
        nearest = NEVER
        for q in range(fixed):  # written without branches
            rate = entry[q] * way
            box = name[q] < k
            room = value[q] + 1.0 if box else value[q]
            away = 1.0 - value[q] if box else NEVER
            room = max(away if rate > 0.0 else room, 0.0)
            t = room / abs(rate) if abs(rate) > PRICE else NEVER
            ratio[q] = t
            nearest = min(nearest, t)
        step, q0, size = nearest, -1, 0.0
        if out[column] < k and nearest >= 2.0:
            step = 2.0
        else:
            for q in range(fixed):
                if ratio[q] > nearest + TIE or nearest >= NEVER:
                    continue
                if q0 < 0 or (name[q] < name[q0] if stalled > STALLED else abs(entry[q]) > size):
                    q0, size = q, abs(entry[q])
        if not 0.0 <= step < NEVER:
            break
        stalled = stalled + 1 if step <= TIE else 0
        for q in range(rows):
            value[q] += entry[q] * (way * step)
        if q0 < 0:
            stats[FLIPS] += 1
            up[column] = not up[column]
        else:
            stats[PIVOTS] += 1
            entering = way * step
            if out[column] < k:
                entering += 1.0 if up[column] else -1.0
            if name[q0] < k:
                value[q0] = 1.0 if entry[q0] * way > 0.0 else -1.0
            pivot(dic, rows, q0, column, entering)
        alive = note_witness(dic, signs, fixed, rows, alive, False)
    witnesses[0] = alive
    if code == STUCK:
        stats[STUCKS] += 1
    return code


@kernel
def vertex(dic: Dictionary, fixed: int, point: Array) -> None:
    """Coordinates of the vertex."""
    value, name, out, up = dic.value, dic.name, dic.out, dic.up
    k = len(out)
    for c in range(k):
        if out[c] < k:
            point[out[c]] = 1.0 if up[c] else -1.0
    for q in range(fixed):
        if name[q] < k:
            point[name[q]] = value[q]


@kernel
def corner_mean(dic: Dictionary, fixed: int, point: Array, toward: Array, away: Array) -> None:
    """Mean of the vertex and the ends of its k edges: inside the cell, unless the vertex is degenerate."""
    T, value, name, out, up = dic
    k = len(out)
    vertex(dic, fixed, point)
    for q in range(fixed):  # one over the room below and above
        box = name[q] < k
        toward[q] = -1.0 / max(value[q] + 1.0 if box else value[q], TIE)
        away[q] = 1.0 / max(1.0 - value[q], TIE) if box else 0.0
    for c in range(k):
        way = -1.0 if up[c] else 1.0
        entry = T[c]
        pace = 0.5 if out[c] < k else 0.0
        for q in range(fixed):
            rate = entry[q] * way
            pace = max(pace, rate * (away[q] if rate > 0.0 else toward[q]))
        if not pace > 0.0:
            continue
        step = way / (pace * (k + 1))
        if out[c] < k:
            point[out[c]] += step
        for q in range(fixed):
            if name[q] < k:
                point[name[q]] += entry[q] * step


@kernel
def express(dic: Dictionary, q: int, form: Array, place: Array) -> None:
    """Fill row q with an affine form of u; place[j] is the column of u_j, or -1 - its row."""
    T, value, up = dic.T, dic.value, dic.up
    k = len(up)
    for c in range(k):
        T[c, q] = 0.0
    total = form[k]
    for j in range(k):
        a = form[j]
        if a == 0.0:
            continue
        at = place[j]
        if at >= 0:
            T[at, q] += a
            total += a if up[at] else -a
        else:
            p = -1 - at
            total += a * value[p]
            for c in range(k):
                T[c, q] += a * T[c, p]
    value[q] = total


@kernel
def places(dic: Dictionary, fixed: int, place: Array) -> None:
    """Where the box variables are: place[j] is the column of u_j, or -1 - its row."""
    name, out = dic.name, dic.out
    k = len(out)
    for c in range(k):
        if out[c] < k:
            place[out[c]] = c
    for q in range(fixed):
        if name[q] < k:
            place[name[q]] = -1 - q


@kernel
def drift(dic: Dictionary, fixed: int, path: Array, length: int, point: Array, slack: Array) -> float:
    """By how much the slacks of the path differ from those computed from the vertex."""
    value, name, k = dic.value, dic.name, len(dic.out)
    vertex(dic, fixed, point)
    for p in range(length):
        slack[p] = 0.0
    for q in range(fixed):
        if name[q] >= k:
            slack[name[q] - k] = value[q]
    worst = 0.0
    for p in range(length):
        total = path[p, k]
        for j in range(k):
            total += path[p, j] * point[j]
        worst = max(worst, abs(total - slack[p]))
    return worst


@kernel
def rebuild(dic: Dictionary, fixed: int, path: Array, place: Array, columns: Array, basic: Array, system: Array) -> bool:
    """Compute the rows below `fixed` anew from the half-spaces of the path; False if the basis is singular in doubles."""
    T, value, name, out, up = dic
    k = len(out)
    m = 0
    for c in range(k):
        if out[c] >= k:
            columns[m] = c
            m += 1
    found = 0
    for q in range(fixed):
        if name[q] < k:
            if found == m:
                return False
            basic[found] = q
            found += 1
    if found < m:
        return False
    for e in range(m):
        for f in range(m):
            system[e, m + f] = 0.0
            system[e, f] = path[out[columns[e]] - k, name[basic[f]]]
        system[e, m + e] = 1.0
    for f in range(m):
        best = f
        for e in range(f + 1, m):
            if abs(system[e, f]) > abs(system[best, f]):
                best = e
        if not abs(system[best, f]) > 1e-13:
            return False
        if best != f:
            for j in range(2 * m):
                system[f, j], system[best, j] = system[best, j], system[f, j]
        inverse = 1.0 / system[f, f]
        for j in range(2 * m):
            system[f, j] *= inverse
        for e in range(m):
            if e != f:
                factor = system[e, f]
                if factor != 0.0:
                    for j in range(f, 2 * m):
                        system[e, j] -= factor * system[f, j]
    for f in range(m):  # u_f = sum_e inverse[f, e] (slack_e - constant_e - rest_e . u)
        q = basic[f]
        value[q] = 0.0
        for c in range(k):
            T[c, q] = 0.0
        for e in range(m):
            y = system[f, m + e]
            p = out[columns[e]] - k
            T[columns[e], q] = y
            value[q] -= y * path[p, k]
            for c in range(k):
                if out[c] < k:
                    T[c, q] -= y * path[p, out[c]]
        for c in range(k):
            if out[c] < k:
                value[q] += T[c, q] if up[c] else -T[c, q]
    places(dic, fixed, place)
    for q in range(fixed):
        if name[q] >= k:
            express(dic, q, path[name[q] - k], place)
    return True
