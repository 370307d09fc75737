"""Slopes and multipliers made better: steps along the gradient towards a bound that is just positive.

A backward pass is concave in its slopes, in the multipliers of half-spaces, and in those of the rows that are combined;
its gradient is one forward pass of the relaxed network at the minimiser (Danskin). Steps have the length of Polyak's
rule for a target. All numbers are kept on coarse grids, so that what was bounded is what a certificate says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from polylc.bounds.backward import Bound, Cells, backward, forward
from polylc.bounds.dense import Goal, Plan, Rows
from polylc.bounds.fused import Chosen
from polylc.bounds.packed import Packed, packed
from polylc.bounds.relaxation import Lines
from polylc.bounds.tables import Rows as Coefficients
from polylc.bounds.tables import Sizes, Tables
from polylc.exact.checkpoint import checkpoint

SLOPES = 128.0  # slopes are multiples of 1 / SLOPES
SHARES = 4096.0  # multipliers of rows are multiples of 1 / SHARES
EARLY, HOPELESS = 3, 0.75  # a row whose bound rose by less than a quarter within this many steps is given up


@dataclass
class Goals:
    """Rows over the outputs of a network, of which non-negative combinations are to be bounded from below.

    Attributes
    ----------
    coefficients : list of ndarray, shape (goals, width), or None
        By source.
    constant : ndarray, shape (goals,)
    noise : ndarray, shape (goals,)
        Bound on what rounding them did to their values.
    """

    coefficients: Coefficients
    constant: np.ndarray
    noise: np.ndarray

    def combined(self, shares: np.ndarray) -> tuple[Coefficients, np.ndarray]:
        """Combinations with multipliers of shape (rows, goals)."""
        return [None if c is None else shares @ c for c in self.coefficients], shares @ self.constant

    def values(self, sources: Sequence[np.ndarray]) -> np.ndarray:
        """Of all goals, at values by source; shape (rows, goals)."""
        found = np.repeat(self.constant[None], len(sources[0]), axis=0)
        for c, values in zip(self.coefficients, sources, strict=True):
            if c is not None:
                found += values @ c.T
        return found


@dataclass
class Choice:
    """Numbers that make a bound, for each row of a batch.

    Attributes
    ----------
    shares : ndarray, shape (rows, goals)
    slopes : ndarray, shape (rows, neurons)
    betas : ndarray, shape (rows, neurons), or None
        Multipliers of the half-spaces of neurons that were split.
    """

    shares: np.ndarray
    slopes: np.ndarray
    betas: np.ndarray | None

    def rows(self, which: np.ndarray) -> Choice:
        """Some rows."""
        return Choice(self.shares[which], self.slopes[which], None if self.betas is None else self.betas[which])

    def put(self, which: np.ndarray, other: Choice) -> None:
        """Replace some rows."""
        self.shares[which], self.slopes[which] = other.shares, other.slopes
        if self.betas is not None and other.betas is not None:
            self.betas[which] = other.betas


@dataclass
class Ascent:
    """The best that was found for each row.

    Attributes
    ----------
    choice : Choice
    sure : ndarray, shape (rows,)
        Certainly not above the least value on the cell.
    gradient, point : ndarray, shape (rows, inputs)
        Of the relaxed row, and where it is least.
    mean : ndarray, shape (rows, inputs)
        Mean of the minimisers of all steps, later ones counting more.
    gaps : ndarray, shape (rows, neurons)
        By how much the lines of open units miss them at the minimiser, times the coefficients.
    worst : ndarray, shape (rows, neurons)
        The same at the worst place of the unit.
    """

    choice: Choice
    sure: np.ndarray
    gradient: np.ndarray
    point: np.ndarray
    mean: np.ndarray
    gaps: np.ndarray
    worst: np.ndarray

    def put(self, which: np.ndarray, other: Ascent) -> None:
        """Replace some rows."""
        self.choice.put(which, other.choice)
        self.sure[which], self.gradient[which], self.point[which] = other.sure, other.gradient, other.point
        self.mean[which], self.gaps[which], self.worst[which] = other.mean, other.gaps, other.worst


def on_grid(values: np.ndarray, steps: float) -> np.ndarray:
    """The nearest multiples of 1 / steps."""
    found: np.ndarray = np.floor(values * steps + 0.5) / steps
    return found


def ascend(
    tables: Tables,
    goals: Goals,
    member: np.ndarray,
    start: Choice,
    lines: Lines,
    signs: np.ndarray | None,
    cells: Cells,
    sizes: Sizes,
    steps: int,
    target: np.ndarray,
    patient: bool = True,
    trace: bool = True,
) -> Ascent:
    """Improve slopes and multipliers until bounds are certainly positive, or steps are used up.

    Parameters
    ----------
    member : ndarray of bool, shape (rows, goals)
        Goals that each row may combine.
    start : Choice
        What to begin with; on the grids, and with the rule's slopes where signs are known.
    lines : Lines
        One row of each array for each row.
    signs : ndarray, shape (rows, neurons), or None
        1 or -1 where z >= 0 or z <= 0 is known of a neuron from a split, else 0.
    steps : int
        Backward passes.
    target : ndarray, shape (rows,)
        Bounds aimed at, positive.
    patient : bool
        Whether rows that hardly rise are carried on to the end.
    trace : bool
        Whether more than the bounds is wanted.
    """
    kernels = packed(tables, sizes) if signs is None else None
    if kernels is not None:
        return _climb(kernels, goals, member, start, lines, cells, steps, target, patient)
    many, inputs = len(target), cells.low.shape[1]
    best = Choice(start.shares.copy(), start.slopes.copy(), None if start.betas is None else start.betas.copy())
    sure = np.full(many, -np.inf)
    gradient, point, mean = (np.zeros((many, inputs)) for _ in range(3))
    gaps, worst = (np.zeros((many, tables.neurons if trace else 0)) for _ in range(2))
    weight = np.zeros(many)
    live = np.arange(many)
    now, line, sign, cell, who, aim = start, lines, signs, cells, member, target
    for step in range(steps):
        checkpoint()
        rows, constant = goals.combined(now.shares)
        pulls = None if sign is None or now.betas is None else sign * now.betas
        bound = backward(tables, rows, constant, tables.depth, line, cell, sizes, now.slopes, pulls, keep=True)
        least = bound.value - bound.error - now.shares @ goals.noise
        better = least > sure[live]
        at = live[better]
        sure[at] = least[better]
        best.put(at, now.rows(better))
        if trace:
            gradient[at], point[at] = bound.gradient[better], bound.point[better]
            mean[live] += (step + 1) * bound.point
            weight[live] += step + 1
        if step == 0:
            first = sure.copy()
        going = sure[live] <= 0
        if not patient and step == EARLY:
            going &= ~((first[live] < 0) & (sure[live] < HOPELESS * first[live]))
        last = step == steps - 1 or not going.any()
        if last and not trace:
            break
        z, values = forward(tables, bound.point, bound.coefficients, line, now.slopes)
        if trace and (last or step == EARLY):  # of the last pass of a row: a later one writes over it
            _gaps(tables, bound, z, now.slopes, line, live, gaps, worst)
        if last:
            break
        now = _step(tables, bound, z, goals.values(values), now, line, sign, who, aim)
        if not going.all():
            live, now, who, aim = live[going], now.rows(going), who[going], aim[going]
            line = Lines(line.open[going], line.rule[going], line.chord[going], line.above[going])
            sign, cell = None if sign is None else sign[going], Cells(cell.low[going], cell.high[going])
    return Ascent(best, sure, gradient, point, mean / np.maximum(weight, 1)[:, None], gaps, worst)


def _climb(
    kernels: Packed, goals: Goals, member: np.ndarray, start: Choice, lines: Lines, cells: Cells, steps: int, target: np.ndarray, patient: bool
) -> Ascent:
    """The same, one row after the other."""
    inputs, last = goals.coefficients[0], goals.coefficients[-1]
    many, width = len(goals.constant), kernels.net.width[-1]
    rows = Rows(member, target, start.shares.copy(), start.slopes.copy())
    goal = Goal(
        np.zeros((many, width)) if last is None else last,
        np.zeros((many, cells.low.shape[1])) if inputs is None else inputs,
        goals.constant,
        goals.noise,
    )
    plan = Plan(steps, -1 if patient else EARLY, HOPELESS, SLOPES, SHARES)
    best = kernels.climb(goal, rows, Chosen(lines.rule, lines.chord, lines.above), cells.low, cells.high, plan)
    choice = Choice(rows.shares, rows.slopes, None if start.betas is None else start.betas.copy())
    return Ascent(choice, *best)


def _gaps(tables: Tables, bound: Bound, z: np.ndarray, slopes: np.ndarray, lines: Lines, at: np.ndarray, gaps: np.ndarray, worst: np.ndarray) -> None:
    for layer, span in enumerate(tables.span):
        v = bound.coefficients[layer]
        if v is None:
            continue
        jump, free, here = v * tables.units[layer].jump, lines.open[:, span], z[:, span]
        unit, above = np.maximum(here, 0.0), lines.above[:, span]
        miss = np.where(jump > 0, jump * (unit - slopes[:, span] * here), -jump * (lines.chord[:, span] * here + above - unit))
        gaps[at, span] = np.where(free, np.maximum(miss, 0.0), 0.0)
        worst[at, span] = np.where(free, np.where(jump > 0, 0.5, 1.0) * np.abs(jump) * above, 0.0)


def _step(
    tables: Tables,
    bound: Bound,
    z: np.ndarray,
    outputs: np.ndarray,
    now: Choice,
    lines: Lines,
    signs: np.ndarray | None,
    member: np.ndarray,
    target: np.ndarray,
) -> Choice:
    slope_gradient = np.zeros_like(z)
    for layer, span in enumerate(tables.span):
        v = bound.coefficients[layer]
        if v is not None:
            jump = v * tables.units[layer].jump
            slope_gradient[:, span] = np.where(lines.open[:, span] & (jump > 0), jump * z[:, span], 0.0)
    moves = ((slope_gradient > 0) & (now.slopes < 1)) | ((slope_gradient < 0) & (now.slopes > 0))
    slope_gradient *= moves
    norm = np.einsum("rm,rm->r", slope_gradient, slope_gradient)
    several = member.sum(axis=1) > 1
    mean = np.where(member, outputs, 0.0).sum(axis=1) / np.maximum(member.sum(axis=1), 1)
    share_gradient = np.where(member & several[:, None], outputs - mean[:, None], 0.0)
    share_gradient *= (now.shares > 0) | (share_gradient > 0)
    norm += np.einsum("rm,rm->r", share_gradient, share_gradient)
    beta_gradient, scale = None, None
    if signs is not None and now.betas is not None:
        beta_gradient = -signs * z
        beta_gradient *= (beta_gradient > 0) | (now.betas > 0)
        scale = np.maximum(_scale(bound), 1e-12)[:, None]
        norm += np.einsum("rm,rm->r", beta_gradient * scale, beta_gradient * scale)
    length = np.where(norm > 1e-30, (target - bound.value) / np.maximum(norm, 1e-30), 0.0)[:, None]
    slopes = np.where(lines.open, on_grid(np.clip(now.slopes + length * slope_gradient, 0.0, 1.0), SLOPES), now.slopes)
    shares = now.shares
    if several.any():
        shares = shares.copy()
        shares[several] = _simplex(now.shares[several] + length[several] * share_gradient[several], member[several])
    betas = now.betas
    if beta_gradient is not None and scale is not None and now.betas is not None:
        betas = np.maximum(now.betas + length * beta_gradient * scale * scale, 0.0).astype(np.float32).astype(float)
    return Choice(shares, slopes, betas)


def _scale(bound: Bound) -> np.ndarray:
    """Size of the coefficients of each row on the last hidden layer: multipliers of half-spaces are of that size."""
    last = next((v for v in reversed(bound.coefficients) if v is not None), None)
    found: np.ndarray = np.ones(len(bound.value)) if last is None else np.abs(last).mean(axis=1)
    return found


def _simplex(values: np.ndarray, member: np.ndarray) -> np.ndarray:
    """The nearest points of the simplex over the members, on the grid."""
    low = np.where(member, values, -np.inf)
    order = -np.sort(-low, axis=1)
    finite = np.isfinite(order)
    sums = np.cumsum(np.where(finite, order, 0.0), axis=1) - 1.0
    count = np.arange(1, values.shape[1] + 1)
    ok = finite & (np.where(finite, order, 0.0) - sums / count > 0)
    last = values.shape[1] - 1 - np.argmax(ok[:, ::-1], axis=1)
    shift = sums[np.arange(len(values)), last] / (last + 1)
    found = on_grid(np.maximum(low - shift[:, None], 0.0), SHARES)
    rest = 1.0 - found.sum(axis=1)
    most = np.argmax(found, axis=1)
    found[np.arange(len(values)), most] = np.maximum(found[np.arange(len(values)), most] + rest, 0.0)
    return found
