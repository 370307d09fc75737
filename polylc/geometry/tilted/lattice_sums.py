"""E[1(g_1 > 0) ... 1(g_m > 0)] over the uniform law on the cube, or the density of one form at 0 where the others are
positive: enclosed by one sum over a lattice of frequencies (docs/exactness.md, lemmas 23 to 26).

In: one to three forms, known up to noise. Out: two doubles around the number; [0, a bound of Chernoff] where the sum
would not pay. Shares of halves of a box, areas of its sections.
"""

from __future__ import annotations

import math

import numpy as np

from polylc.geometry.tilted.aliases import Law
from polylc.geometry.tilted.cumulants import LIBRARY, SLACK, Forms
from polylc.geometry.tilted.frequencies import Line, Tilted, Turns, add_up
from polylc.geometry.tilted.newton import steps
from polylc.geometry.tilted.plans import Aim, Plan, Room, planned
from polylc.geometry.tilted.tilting import argument_error
from polylc.network.compose import UNIT

Array = np.ndarray

MOST_FREQUENCIES = {1: 4000, 2: 96, 3: 64}  # by the number of forms
CELLS = {1: 1, 2: 24, 3: 14}  # of a side of the cube of frequencies
CALL = 50_000  # what a sum costs besides, in factors
# how much narrower than asked a sum is made, by the number of forms: that costs little, and it is not summed again
FINER = {1: 1e-3, 2: 1e-2, 3: 0.1}


class Effort:
    """What may still be spent, in factors of terms (some 5 ns each): a count, so that results do not depend on the
    clock.
    """

    def __init__(self, left: float) -> None:
        self.left = left

    def spend(self, factors: float) -> None:
        """Take away what was spent."""
        self.left -= factors

    @property
    def over(self) -> bool:
        """Whether nothing is left."""
        return self.left <= 0


def joint(forms: Forms, dense: bool, tolerance: float = 1e-10, worth: float = 0.0, effort: Effort | None = None) -> tuple[float, float]:
    """An enclosure of E[prod_j 1(g_j > 0)], or where `dense` of the density of g_0 at 0 where the others are positive.

    Parameters
    ----------
    forms : Forms
        One to three.
    dense : bool
    tolerance : float
        The width aimed at, relative.
    worth : float
        A width that is narrow enough, absolute.
    effort : Effort, optional
        Told what was spent.
    """
    effort = Effort(math.inf) if effort is None else effort
    if not all(np.isfinite(part).all() for part in forms):
        return 0.0, math.inf if dense else 1.0
    used = (forms.a != 0).any(axis=0)
    forms = Forms(np.ascontiguousarray(forms.a[:, used]), forms.s, forms.noise, forms.soft if dense else 0.0)
    error = argument_error(forms)
    reach = np.abs(forms.a).sum(axis=1) * SLACK + error
    if forms.soft:  # noise reaches everywhere
        reach[0] = math.inf
    if (forms.s > reach).any() or (dense and -forms.s[0] > reach[0]):
        return 0.0, 0.0
    if len(forms.s) == 1 and used.sum() == 1 and not forms.soft:
        return _uniform(forms, error) if dense else _uniform_share(forms, error)
    sure = np.flatnonzero((-forms.s > reach) & (np.arange(len(reach)) >= int(dense)))
    if len(sure):  # positive on the whole cube
        left = [j for j in range(len(reach)) if j not in sure]
        return joint(forms.rows(left), dense, tolerance, worth, effort) if left else (1.0, 1.0)
    if len(forms.s) == 1 and not dense and forms.s[0] < 0.0:  # the other side is the smaller one
        low, high = joint(forms.rows([0], [-1.0]), False, tolerance, worth, effort)
        return max(math.nextafter(1.0 - high, 0.0), 0.0), min(math.nextafter(1.0 - low, 2.0), 1.0)
    with np.errstate(over="ignore", under="ignore", invalid="ignore", divide="ignore"):
        low, high = _summed(forms, error, dense, tolerance, worth, effort)
    return (low, high) if 0.0 <= low <= high else (0.0, math.inf if dense else 1.0)


def _uniform(forms: Forms, error: Array) -> tuple[float, float]:
    """The density at 0 of a form in one coordinate."""
    size, noise = abs(float(forms.a[0, 0])), float(error[0])
    if size <= noise:
        return 0.0, math.inf
    high = math.nextafter(0.5 / (size - noise), math.inf) * SLACK
    inside = abs(float(forms.s[0])) + 2 * noise < size
    return (0.5 / (size + noise) / SLACK if inside else 0.0), high


def _uniform_share(forms: Forms, error: Array) -> tuple[float, float]:
    """Where a form in one coordinate is positive: a share (1 - s / |a|) / 2 of the cube."""
    size, noise = abs(float(forms.a[0, 0])), float(error[0])
    if size <= noise:
        return 0.0, 1.0
    middle = 0.5 * (1.0 - float(forms.s[0]) / size)
    slip = (noise * (1.0 + abs(float(forms.s[0])) / size) / (size - noise) + 8 * UNIT * (1.0 + abs(middle))) * SLACK
    return min(max(middle - slip, 0.0), 1.0), min(max(middle + slip, 0.0), 1.0)


def _summed(forms: Forms, error: Array, dense: bool, tolerance: float, worth: float, effort: Effort) -> tuple[float, float]:
    m, square = len(forms.s), forms.a * forms.a
    # factors are taken in this order: those that decay soonest, first
    order = np.argsort(-(square / square.sum(axis=1, keepdims=True)).sum(axis=0), kind="stable")
    forms = forms._replace(a=np.ascontiguousarray(forms.a[:, order]))
    of, room = _room(forms)
    aim = Aim(tolerance, worth, FINER[m], MOST_FREQUENCIES[m], CELLS[m])
    plan = Plan(*planned.always_compiled(forms, error, dense, aim, of, room))
    effort.spend(plan.spent + (CALL if plan.spent else 0))
    if not plan.pays:
        return 0.0, plan.bound
    total, slip = _sum(of, int(dense), plan.last, 0.02 * plan.aim / plan.factor, effort)
    off = (slip + plan.tail) * plan.factor + 16 * UNIT * abs(total) * plan.factor
    low, high = total * plan.factor - off - plan.aliases, total * plan.factor + off
    grow, scale = math.expm1(plan.doubt) + 2 * LIBRARY + 16 * UNIT, math.exp(plan.level)
    return max(low, 0.0) * scale * max(1 - grow, 0.0) / SLACK, min(max(high * scale * (1 + grow), 0.0) * SLACK + 5e-324, plan.bound)


# ---- the sum -------------------------------------------------------------------------------------------------------
def _room(forms: Forms) -> tuple[Tilted, Room]:
    """For what terms are made of, and to plan them in."""
    m, k = forms.a.shape
    floor, least, period, theta, middle, square, others, mean, spread, s, step, tilts, error = np.empty((13, m))
    x, variance, moved, apart, product, coth, shrink = np.empty((7, k))
    of = Tilted(forms.a, s, step, tilts, error, product, coth, shrink, forms.soft)
    law, without = Law(theta, x, variance, middle, square), Law(others, moved, apart, mean, spread)
    return of, Room(floor, least, period, steps(m, k), law, without, _line(m, CELLS[m]), np.empty(2 * m + 9))


def _line(m: int, length: int) -> Line:
    re, im, size, wrong = np.empty((4, length))
    return Line(re, im, size, wrong, np.empty(m))


def _turns(of: Tilted, count: int) -> Turns:
    """All turns that terms with frequencies up to `count` are made of."""
    many = np.arange(count + 1.0)
    angle = (of.step[:, None] * of.a)[:, :, None] * many
    cos, sin = np.cos(angle), np.sin(angle)
    if len(of.a) == 1:
        return Turns(cos[:0], sin[:0], cos[0], sin[0], many)
    whole = np.concatenate([cos[-1, :, :0:-1], cos[-1]], axis=1), np.concatenate([-sin[-1, :, :0:-1], sin[-1]], axis=1)
    return Turns(cos[:-1], sin[:-1], *whole, np.arange(-count, count + 1.0))


def _sum(of: Tilted, free: int, count: int, drop: float, effort: Effort) -> tuple[float, float]:
    """The sum of the terms with frequencies up to `count`, and a bound on its error."""
    m, k = of.a.shape
    points = (2 * count + 1) ** (m - 1) * (count + 1)
    turns = _turns(of, count)
    result = np.empty(4)
    cut = drop * float(np.prod(of.theta[free:])) / points
    add_up.always_compiled(of, free, count, cut, turns, _line(m, len(turns.number)), result)
    total, sizes, off, factors = result.tolist()
    effort.spend(factors + 2 * m * k * count)
    # sums of up to `points` terms, and the last operations of each
    return total, (off + sizes * (points + 100) * UNIT) * (1 + (points + 2000) * UNIT) * SLACK
