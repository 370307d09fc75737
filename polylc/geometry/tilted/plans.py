"""How a lattice sum is taken: its tilt, its period and its frequencies, compiled (docs/exactness.md, lemmas 22 to 26).

In: forms, and how narrow the sum shall be. Out: what its terms are made of, and bounds on what it leaves out. Nothing
rests on how good the choices are: what they cost is bounded.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from polylc.geometry.tilted.aliases import Law, aliases, tilted_law
from polylc.geometry.tilted.cumulants import LIBRARY, SLACK, Forms, chernoff_bound, exponent, up_exp
from polylc.geometry.tilted.frequencies import Line, Tilted, beyond
from polylc.geometry.tilted.newton import Steps, descend
from polylc.jit.decorators import inlined, kernel
from polylc.network.compose import UNIT

Array = np.ndarray

STEEP = 3.0  # of the least tilt of a half-space, times its standard deviation
# periods that are tried, in standard deviations under the tilt
PERIODS = (7.0, 8.5, 10.0, 12.0, 15.0, 20.0, 28.0, 40.0, 60.0)
NEGLIGIBLE = 1e-280  # what is smaller is bounded, not computed
FAR = 690.0  # of an exponent: beyond it scales overflow


class Room(NamedTuple):
    """Room to work in."""

    floor: Array  # (m,) of tilts
    least: Array  # (m,) the floor of those that a sum may have
    period: Array  # (m,)
    steps: Steps
    law: Law
    without: Law
    line: Line  # as many cells as a side has
    largest: Array


class Aim(NamedTuple):
    """What is asked of a sum."""

    tolerance: float  # relative
    worth: float  # a width that is narrow enough
    finer: float  # how much narrower than that it is made
    most: int  # frequencies
    cells: int  # of a side of the cube of frequencies


Planned = tuple[bool, float, float, float, float, int, float, float, float, float]


class Plan(NamedTuple):
    """What is known before the terms are added up. (Kernels give its entries: numba makes tuples much sooner.)"""

    pays: bool  # whether they are to be
    bound: float  # of the number, by Chernoff
    level: float  # the sum times e^level is the number
    doubt: float  # of the level
    aliases: float  # counted besides, at most
    last: int  # frequency
    tail: float  # what is beyond them, at most
    aim: float  # a width to aim at
    factor: float  # of the sum
    spent: float  # in factors


@kernel
def set_up(forms: Forms, error: Array, of: Tilted) -> None:
    """What terms are made of, from forms, steps and tilts."""
    m, k = forms.a.shape
    for i in range(k):
        x = 0.0
        for j in range(m):
            x += of.theta[j] * forms.a[j, i]
        size = abs(x)
        of.x[i] = x
        if size < 1e-4:
            of.coth[i] = (1.0 + size * size / 3.0) * (1 + 4 * LIBRARY)
            of.shrink[i] = 1.0
            continue
        sinh = -math.expm1(-2.0 * size)  # times 2 e^-size
        of.coth[i] = size * (1.0 + math.exp(-2.0 * size)) / sinh * (1 + 4 * LIBRARY)
        lost = 2.0 * size * math.exp(-size) / sinh
        of.shrink[i] = min(lost * lost * (1 + 8 * LIBRARY), 1.0)  # (x / sinh x)^2, from above
    for j in range(m):
        of.s[j], of.error[j] = forms.s[j], error[j]
    if forms.soft > 0.0:  # the turn of the noise's factor
        turn = forms.soft * (forms.soft * of.theta[0])
        of.s[0] -= turn
        of.error[0] += 8 * UNIT * (abs(turn) + abs(forms.s[0]))


@inlined
def _slow(of: Tilted, largest: Array) -> float:
    """From one over this on, as a frequency, all but a few factors decay: the smallest of the largest slopes."""
    m, k = of.a.shape
    for q in range(len(largest)):
        largest[q] = -1.0
    for i in range(k):
        slope = 0.0
        for j in range(m):
            slope = max(slope, abs(of.a[j, i] * of.step[j]))
        slope /= of.coth[i]
        q = len(largest) - 1
        if slope <= largest[q]:
            continue
        while q > 0 and largest[q - 1] < slope:
            largest[q] = largest[q - 1]
            q -= 1
        largest[q] = slope
    result: float = largest[min(k, len(largest)) - 1]
    return result


@kernel
def frequencies(of: Tilted, free: int, likely: int, most: int, cells: int, aim: float, line: Line, largest: Array) -> tuple[int, float, float]:
    """Up to which frequency to sum, a bound on the sum of the moduli of the terms beyond, and what that cost."""
    m, k = of.a.shape
    slow = _slow(of, largest)
    count = min(max(4, likely), most)
    faces, moved, spent = m * cells ** (m - 1), 0.0, 0.0
    for j in range(m):
        moved += abs(of.theta[j]) * of.error[j]
    grow = up_exp(2.0 * moved) * (1 + 32 * k * UNIT) * SLACK
    while True:
        last = int(min(max(float(count), 4.0 / max(slow, 1e-9)), 1e7))
        tail = beyond(of, free, count, cells, last, 0.01 * aim / faces, line) * grow
        spent += float(k * faces)
        if tail <= aim or count >= most:
            return count, tail, spent
        count = min(max(count + 1, int(count * 1.2)), most)


@kernel
def planned(forms: Forms, error: Array, dense: bool, aim: Aim, of: Tilted, room: Room) -> Planned:
    """Plan a sum, what a `Plan` holds; `of` becomes what its terms are made of, where it pays.

    Parameters
    ----------
    forms : Forms
        In the order of coordinates in which terms take their factors.
    error : ndarray, shape (m,)
        Of the forms' arguments.
    """
    m, k = forms.a.shape
    free = 1 if dense else 0
    law, theta = room.law, room.law.theta
    degenerate = k == 0
    for j in range(m):
        square = forms.soft * forms.soft if j == 0 else 0.0
        for i in range(k):
            square += forms.a[j, i] * forms.a[j, i] / 3.0
        degenerate = degenerate or not square > 0.0
        theta[j], room.floor[j], room.least[j] = 0.0, 0.0, STEEP / math.sqrt(square) if square > 0.0 else 0.0
    if not degenerate:
        descend(forms.a, forms.s, forms.soft, room.floor, free, theta, room.steps)
    bound = chernoff_bound(forms, error, theta, dense, law.x)
    nothing_more = False, bound, 0.0, 0.0, 0.0, 0, 0.0, 0.0, 0.0, 0.0
    if degenerate or not NEGLIGIBLE < bound < np.inf or bound <= aim.worth:
        return nothing_more
    for j in range(free, m):
        theta[j] = max(theta[j], room.least[j])
    descend(forms.a, forms.s, forms.soft, room.least, free, theta, room.steps)
    level, doubt = exponent(forms, error, theta, law.x)
    tilted_law(forms, law)
    guess, fine = 1.0, abs(level) < FAR
    for j in range(m):
        fine = fine and np.isfinite(theta[j]) and law.square[j] > 0.0
        guess *= 0.3 / math.sqrt(law.square[j]) if fine else 1.0
        guess /= theta[j] if j >= free and fine else 1.0
    if not fine:
        return nothing_more
    width = max(aim.tolerance * guess, 0.3 * aim.finer * aim.worth / math.exp(level))
    need = math.sqrt(2.0 * math.log(max(10.0, 4.0 * guess / width))) if width > 0.0 else PERIODS[-1]
    best, wrapped = 0.0, np.inf
    for q in range(len(PERIODS)):
        period = PERIODS[q]
        if period < need and q < len(PERIODS) - 1:
            continue
        for j in range(m):  # at most the true one
            room.period[j] = period * math.sqrt(law.square[j]) * (1 - 16 * UNIT)
        found = aliases(forms, error, law, room.period, dense, 0.5 * width, room.without)
        if found < wrapped:
            best, wrapped = period, found
        if wrapped <= 0.5 * width:
            break
    if not wrapped < 1e6 * guess:
        return nothing_more
    factor = 1.0
    for j in range(m):
        of.step[j], of.theta[j] = 2.0 * math.pi / (best * math.sqrt(law.square[j])), theta[j]
        factor *= of.step[j] / (2.0 * math.pi)
    set_up(forms, error, of)
    likely = int(min(need * best / (2.0 * math.pi), 1e6)) + 1
    count, tail, spent = frequencies(of, free, likely, aim.most, aim.cells, 0.3 * width / factor, room.line, room.largest)
    return tail * factor < 1e6 * guess, bound, level, doubt, wrapped, count, tail, width, factor, spent
