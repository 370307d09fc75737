"""The dictionary of a cell: a dense bounded simplex tableau at a vertex, with the undecided neurons as free rows.

Data in: a dictionary and a row to be driven up or down. Data out: the dictionary of another vertex, the signs that
vertices on the way have shown, and why the drive ended.

In unit coordinates u in [-1, 1]^k a vertex is given by k non-basic variables: box variables u_j at a bound, and slacks
of path half-spaces at 0. Row q of the tableau is a basic variable as an affine function of them,

    x_q = value[q] + sum_c T[c, q] (x_c - its value here).

Rows 0 .. fixed - 1 are basic box variables (-1 <= u_j <= 1) and slacks (>= 0), as many as the path has half-spaces: box
bounds need no rows. Rows from `fixed` on are neurons of the layer, free, scaled to unit length. A pivot updates all of
them, so their signs are known at every vertex. T is kept by columns: loops run over rows. Variables have identifiers: j
< k is u_j, k + p the slack of the half-space at place p of the path.

Invariant: each of the k + fixed variables is the name of one row below `fixed` or of one column, and rows below `fixed`
keep their bounds, up to rounding.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from polylc.geometry.pivot import exchange
from polylc.jit.decorators import inlined, kernel

Array = np.ndarray

# reduced costs and entries below this do not count: rows have unit length, rounding leaves some 1e-14 of them
PRICE = 1e-11
TIE = 1e-13  # steps closer than this are the same: rounding of a slack over an entry of ordinary size
MARGIN = 1e-9  # a bound that proves the sign by less does not end a drive early: the judge's rounding has to fit in
# steps of length zero after which the least identifier enters and leaves (Bland's rule, which cannot cycle)
STALLED = 20
NEVER = 1e300  # a ratio: the row does not block
FULL = 1 << 61  # no bit is free for another witness, and all sums of bits stay below 2^63
STEPS, STEPS_EACH = 1000, 20  # a drive is given up after that many steps, and so many more for each variable
CROSSED, OPTIMAL, BOUNDED, STUCK = 1, 0, 2, -1  # how a drive ends, see `drive`
DRIVES, PIVOTS, FLIPS, STUCKS, REBUILDS = range(5)  # places in an array of counters
COUNTERS = ("linear_programs", "pivots", "flips", "failed_linear_programs", "rebuilds")  # what they are called outside


class Dictionary(NamedTuple):
    """The tableau of a vertex."""

    T: Array  # (k, rows)
    value: Array  # (rows,)
    name: Array  # (rows,): identifiers of basic variables; of free rows, neurons of the layer
    out: Array  # (k,): identifiers of non-basic variables
    up: Array  # (k,): whether a box variable is at 1


class Goal(NamedTuple):
    """What a drive is after: sign * (row) beyond `aim`, or at least beyond `least`."""

    row: int
    sign: int
    least: float
    aim: float


class Signs(NamedTuple):
    """By neuron of the layer: how far from zero a side counts as shown, and the sets of witnesses that show either
    side, as bits.
    """

    limit: Array
    above: Array
    below: Array


@kernel
def note_witness(dic: Dictionary, signs: Signs, fixed: int, rows: int, alive: int, always: bool) -> int:
    """Record the signs of the free rows at this vertex, if it shows one that no witness shows; the new set of
    witnesses.
    """
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
    """Number of set bits: sums of 1, 2, 4 ... neighbouring bits at a time, side by side in one word."""
    mask = mask - ((mask >> 1) & 0x5555555555555555)
    mask = (mask & 0x3333333333333333) + ((mask >> 2) & 0x3333333333333333)
    mask = (mask + (mask >> 4)) & 0x0F0F0F0F0F0F0F0F
    mask = mask + (mask >> 8)
    mask = mask + (mask >> 16)
    count: int = (mask + (mask >> 32)) & 0x7F
    return count


@kernel
def pivot(dic: Dictionary, rows: int, q0: int, c: int, entering: float) -> None:
    """Exchange basic row q0 and non-basic column c, whose variable now has the value `entering`; values are not touched
    otherwise.

    Row q0 solved for the entering variable, x_c = (x_q0 - sum of the others) / T[c, q0], is put into all other rows.
    """
    T, value, name, out, up = dic
    exchange(T, len(out), rows, c, q0, 1.0)
    leaving = name[q0]
    name[q0], out[c] = out[c], leaving
    up[c] = leaving < len(out) and value[q0] > 0.0
    value[q0] = entering


@kernel
def drive(dic: Dictionary, signs: Signs, goal: Goal, fixed: int, rows: int, witnesses: Array, ratio: Array, stats: Array) -> int:
    """Move to vertices at which sign * (row) grows, until it exceeds the aim, or nothing improves.

    Parameters
    ----------
    witnesses : ndarray, shape (1,)
        The set of witnesses, to which vertices on the way are added.
    ratio : ndarray, shape (fixed or more,)
        Room.
    stats : ndarray
        Counters.

    Returns
    -------
    int
        CROSSED if the row exceeds `least` at the end; OPTIMAL if its largest value does not; BOUNDED if the bounds of
        the box alone show from here that it cannot get near zero; STUCK if rounding prevents a decision. In the middle
        two cases the row holds the multipliers.
    """
    stats[DRIVES] += 1
    stalled = 0
    alive = witnesses[0]
    code = STUCK
    for _ in range(STEPS + STEPS_EACH * (len(dic.out) + fixed)):
        v = goal.sign * dic.value[goal.row]
        if v > goal.aim:
            code = CROSSED
            break
        column, gain, bounded = _entering(dic, goal, stalled > STALLED)
        if column < 0:
            code = CROSSED if v > goal.least else OPTIMAL
            break
        if bounded and v + 2.0 * gain < -MARGIN:  # box variables move by 2 at most
            code = BOUNDED
            break
        way = -1.0 if dic.up[column] else 1.0
        step, q0 = _blocking(dic, fixed, column, way, ratio, stalled > STALLED)
        if not 0.0 <= step < NEVER:
            break
        stalled = stalled + 1 if step <= TIE else 0
        _move(dic, rows, column, way, step, q0, stats)
        alive = note_witness(dic, signs, fixed, rows, alive, False)
    witnesses[0] = alive
    if code == STUCK:
        stats[STUCKS] += 1
    return code


@inlined
def _entering(dic: Dictionary, goal: Goal, least_first: bool) -> tuple[int, float, bool]:
    """The column that enters, by the largest reduced cost or else by the least identifier.

    Returns
    -------
    column : int
        -1 if none improves.
    gain : float
        Sum of the reduced costs of box variables that improve.
    bounded : bool
        Whether these are the only ones.
    """
    T, out, up = dic.T, dic.out, dic.up
    k = len(out)
    column, best, gain, bounded = -1, PRICE, 0.0, True
    for c in range(k):
        g = goal.sign * T[c, goal.row]
        if up[c]:
            g = -g
        if g > PRICE:
            if out[c] < k:
                gain += g
            else:
                bounded = False
            if least_first:
                if column < 0 or out[c] < out[column]:
                    column = c
            elif g > best:
                column, best = c, g
    return column, gain, bounded


@inlined
def _blocking(dic: Dictionary, fixed: int, column: int, way: float, ratio: Array, least_first: bool) -> tuple[float, int]:
    """How far the entering variable can go, and the row that stops it, -1 if that is the variable's own other bound.

    Of rows that stop it at once, the one with the largest entry is taken, for the sake of rounding, or else the least
    identifier.
    """
    value, name, k = dic.value, dic.name, len(dic.out)
    entry = dic.T[column]
    nearest = NEVER
    for q in range(fixed):  # written without branches, so that it is vectorised
        rate = entry[q] * way
        box = name[q] < k
        room = value[q] + 1.0 if box else value[q]
        away = 1.0 - value[q] if box else NEVER
        room = max(away if rate > 0.0 else room, 0.0)
        t = room / abs(rate) if abs(rate) > PRICE else NEVER
        ratio[q] = t
        nearest = min(nearest, t)
    if dic.out[column] < k and nearest >= 2.0:
        return 2.0, -1
    q0, size = -1, 0.0
    for q in range(fixed):
        if ratio[q] > nearest + TIE or nearest >= NEVER:
            continue
        if q0 < 0 or (name[q] < name[q0] if least_first else abs(entry[q]) > size):
            q0, size = q, abs(entry[q])
    return nearest, q0


@inlined
def _move(dic: Dictionary, rows: int, column: int, way: float, step: float, q0: int, stats: Array) -> None:
    """Move along the edge of a column, to the vertex where row q0 blocks or else to the variable's other bound."""
    value, name, out, up, k = dic.value, dic.name, dic.out, dic.up, len(dic.out)
    entry = dic.T[column]
    for q in range(rows):
        value[q] += entry[q] * (way * step)
    if q0 < 0:
        stats[FLIPS] += 1
        up[column] = not up[column]
        return
    stats[PIVOTS] += 1
    entering = way * step
    if out[column] < k:
        entering += 1.0 if up[column] else -1.0
    if name[q0] < k:  # exactly at its bound, whatever rounding gave
        value[q0] = 1.0 if entry[q0] * way > 0.0 else -1.0
    pivot(dic, rows, q0, column, entering)
