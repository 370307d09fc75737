"""E[1(g_1 > 0) ... 1(g_m > 0)] over the uniform law on the cube, or the density of one form at 0 where the others are
positive: enclosed by one sum over a lattice of frequencies (docs/exactness.md, lemmas 23 to 26).

In: one to three forms, known up to noise. Out: two doubles around the number; [0, a bound of Chernoff] where the sum
would not pay. Shares of halves of a box, areas of its sections.
"""

from __future__ import annotations

import math

import numpy as np

from polylc.geometry.tilted.aliases import Law, aliases, tilted_law
from polylc.geometry.tilted.cumulants import LIBRARY, SLACK, Forms, chernoff_bound, exponent, up_exp
from polylc.geometry.tilted.frequencies import Line, Tilted, Turns, add_up, beyond
from polylc.geometry.tilted.tilting import argument_error, tilt
from polylc.network.compose import UNIT

Array = np.ndarray

STEEP = 3.0  # of the least tilt of a half-space, times its standard deviation
# periods that are tried, in standard deviations under the tilt
PERIODS = (7.0, 8.5, 10.0, 12.0, 15.0, 20.0, 28.0, 40.0, 60.0)
MOST_FREQUENCIES = {1: 4000, 2: 96, 3: 64}  # by the number of forms
CELLS = {1: 1, 2: 24, 3: 14}  # of a side of the cube of frequencies
CALL = 50_000  # what a sum costs besides, in factors
# how much narrower than asked a sum is made, by the number of forms: that costs little, and it is not summed again
FINER = {1: 1e-3, 2: 1e-2, 3: 0.1}
NEGLIGIBLE = 1e-280  # what is smaller is bounded, not computed


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
    m, k, free = *forms.a.shape, int(dense)
    law, without = (Law(np.empty(m), *np.empty((2, k)), *np.empty((2, m))) for _ in range(2))
    blur = np.zeros(m)  # variances of noise
    blur[0] = forms.soft * forms.soft
    deviation = np.sqrt((forms.a * forms.a).sum(axis=1) / 3.0 + blur)
    if not (k and (deviation > 0).all()):
        return 0.0, chernoff_bound.always_compiled(forms, error, np.zeros(m), dense, law.x)
    bound = chernoff_bound.always_compiled(forms, error, tilt(forms, np.zeros(m), free), dense, law.x)
    if not NEGLIGIBLE < bound < math.inf or bound <= worth:
        return 0.0, bound
    law = law._replace(theta=tilt(forms, STEEP / deviation, free))
    level, doubt = exponent.always_compiled(forms, error, law.theta, law.x)
    tilted_law.always_compiled(forms, law)
    spread, theta = np.sqrt(law.square), law.theta
    if not (np.isfinite(theta).all() and (spread > 0).all() and abs(level) < 690.0):
        return 0.0, bound
    scale = math.exp(level)
    guess = float(np.prod(0.3 / spread) / np.prod(theta[free:]))
    aim = max(tolerance * guess, 0.3 * FINER[m] * worth / scale)
    best, wrapped = 0.0, math.inf
    need = math.sqrt(2.0 * math.log(max(10.0, 4.0 * guess / aim))) if aim > 0 else PERIODS[-1]
    for period in [r for r in PERIODS if r >= need] or PERIODS[-1:]:
        # a period that is at most the true one
        found = aliases.always_compiled(forms, error, law, period * spread * (1 - 16 * UNIT), dense, 0.5 * aim, without)
        if found < wrapped:
            best, wrapped = period, found
        if wrapped <= 0.5 * aim:
            break
    if not wrapped < 1e6 * guess:
        return 0.0, bound
    of = _tilted(forms, error, theta, 2.0 * math.pi / (best * spread))
    factor = float(np.prod(of.step / (2.0 * math.pi)))
    effort.spend(CALL)
    count, tail = _frequencies(of, free, int(need * best / (2.0 * math.pi)) + 1, 0.3 * aim / factor, effort)
    if not tail * factor < 1e6 * guess:
        return 0.0, bound
    total, slip = _sum(of, free, count, 0.02 * aim / factor, effort)
    off = (slip + tail) * factor + 16 * UNIT * abs(total) * factor
    low, high = total * factor - off - wrapped, total * factor + off
    grow = math.expm1(doubt) + 2 * LIBRARY + 16 * UNIT
    return max(low * scale * (1 - grow), 0.0) / SLACK, min(max(high * scale * (1 + grow), 0.0) * SLACK + 5e-324, bound)


# ---- the sum and its tail ------------------------------------------------------------------------------------------
def _tilted(forms: Forms, error: Array, theta: Array, step: Array) -> Tilted:
    """The coordinates sorted by what they weigh in all forms."""
    spread = (forms.a * forms.a).sum(axis=1, keepdims=True)
    order = np.argsort(-(forms.a * forms.a / spread).sum(axis=0), kind="stable")
    a = np.ascontiguousarray(forms.a[:, order])
    x = theta @ a
    size = np.abs(x)
    small = size < 1e-4
    big = np.where(small, 1.0, size)
    decay = np.exp(-2.0 * big)
    coth = np.where(small, 1.0 + size * size / 3.0, big * (1.0 + decay) / -np.expm1(-2.0 * big)) * (1 + 4 * LIBRARY)
    # (x / sinh x)^2, from above
    shrink = np.where(small, 1.0, (2.0 * big * np.exp(-big) / -np.expm1(-2.0 * big)) ** 2 * (1 + 8 * LIBRARY))
    s, known = forms.s.copy(), error.copy()
    if forms.soft:  # the turn of the noise's factor
        turn = forms.soft * (forms.soft * float(theta[0]))
        s[0] -= turn
        known[0] += 8 * UNIT * (abs(turn) + abs(float(forms.s[0])))
    return Tilted(a, s, step, theta, known, x, coth, np.minimum(shrink, 1.0), forms.soft)


def _line(m: int, length: int) -> Line:
    re, im, size, wrong = np.empty((4, length))
    return Line(re, im, size, wrong, np.empty(m))


def _frequencies(of: Tilted, free: int, likely: int, aim: float, effort: Effort) -> tuple[int, float]:
    """Up to which frequency to sum, and a bound on the sum of the moduli of the terms beyond."""
    m, k = of.a.shape
    # from here on many factors decay
    where = np.sort(np.abs(of.a * of.step[:, None]).max(axis=0) / of.coth)[::-1]
    slow = float(where[min(len(where) - 1, 2 * m + 8)])
    count = min(max(4, likely), MOST_FREQUENCIES[m])
    faces = m * CELLS[m] ** (m - 1)
    line = _line(m, CELLS[m])
    grow = up_exp(2.0 * float(np.abs(of.theta) @ of.error)) * (1 + 32 * k * UNIT) * SLACK
    while True:
        last = int(min(max(count, 4.0 / max(slow, 1e-9)), 1e7))
        tail = beyond.always_compiled(of, free, count, CELLS[m], last, 0.01 * aim / faces, line) * grow
        effort.spend(k * faces)
        if tail <= aim or count >= MOST_FREQUENCIES[m]:
            return count, float(tail)
        count = min(max(count + 1, int(count * 1.2)), MOST_FREQUENCIES[m])


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
