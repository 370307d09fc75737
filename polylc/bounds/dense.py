"""Dense chains of narrow ReLU layers: what `hidden` and `ascent` do, one cell after another.

In: a network as padded arrays, boxes, ends of neurons, lines. Out: arrays that the caller has made. The formulas are
those of `backward`, `relaxation` and `ascent`, which the tests compare with; bounds on rounding hold in any order of
summation, so what differs is the last digits of what is proposed. Coefficients that are zero, of neurons that are off,
cost nothing here.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from polylc.bounds.ball_fused import Round, least_in_ball
from polylc.bounds.fused import Chosen
from polylc.bounds.relaxation import DIGITS, FINEST, ROUNDED
from polylc.jit.decorators import inlined, kernel

Array = np.ndarray

VAST = 2.0**100  # ends are not known where they are larger


class Dense(NamedTuple):
    """A network, and how large its sums become.

    Attributes
    ----------
    weight : ndarray, shape (layers, width, width)
        By layer, neuron, and what it reads; filled up with zeros. `turned` has the last two the other way round.
    turned : ndarray
    bias, size : ndarray, shape (layers, width)
    width : ndarray of int, shape (layers + 1,)
        Of the inputs, and of each layer.
    first : ndarray of int, shape (layers + 1,)
        First neuron of each layer, and their number.
    gamma : float
        Error of a bound, relative to its size.
    extra : ndarray, shape (layers,)
        And besides, of rows over what a layer reads.
    ball : Round
        In which the domain is.
    """

    weight: Array
    turned: Array
    bias: Array
    size: Array
    width: Array
    first: Array
    gamma: float
    extra: Array
    ball: Round


class Ends(NamedTuple):
    """Of neurons on cells: what is known and made better, arrays of shape (cells, neurons); which ends other arithmetic
    may round otherwise, two of the same shape, as `hidden.refine` says it; by how much inputs move them, (cells,
    neurons, inputs); which neurons are to be bounded, (cells, neurons), no cells where all are; and the rows that are
    found, as `hidden.Kept`, no cells where they are not kept.
    """

    low: Array
    high: Array
    unsure_low: Array
    unsure_high: Array
    reach: Array
    only: Array
    gradient: Array
    constant: Array
    error: Array


class Goal(NamedTuple):
    """Rows over the last layer and the input: shapes (goals, width), (goals, inputs), (goals,) twice."""

    last: Array
    input: Array
    constant: Array
    noise: Array


class Rows(NamedTuple):
    """What is known of each row of an ascent: members of its goals, target; multipliers and slopes, which receive the
    best ones; shapes (rows, goals), (rows,), (rows, goals), (rows, neurons).
    """

    member: Array
    target: Array
    shares: Array
    slopes: Array


class Best(NamedTuple):
    """What an ascent gives, as `ascent.Ascent`."""

    sure: Array
    gradient: Array
    point: Array
    mean: Array
    gaps: Array
    worst: Array


class Room(NamedTuple):
    """Room to work in: two rows, shape (width,); coefficients on the input, and a point, shape (inputs,); coefficients
    and pre-activations, shape (layers, width); multipliers now, and values of goals, shape (goals,); slopes now, shape
    (1, neurons).
    """

    row: Array
    next: Array
    input: Array
    point: Array
    kept: Array
    z: Array
    share: Array
    value: Array
    slope: Array


class Plan(NamedTuple):
    """How an ascent goes: passes; when, and below which share of the first bound, rows are given up (early -1: never);
    grids of slopes and of multipliers.
    """

    steps: int
    early: int
    hopeless: float
    slopes: float
    shares: float


@inlined
def lower(value: float) -> float:
    """The largest number of the grid of ends that is not above this; as `relaxation.down`."""
    step: float = step_at(value)
    return math.floor(value / step) * step


@inlined
def step_at(value: float) -> float:
    """The step of the grid there; as `relaxation.steps`."""
    _, exponent = math.frexp(value)
    step: float = math.ldexp(1.0, max(exponent - DIGITS, -FINEST))
    return step


@inlined
def rounded(value: float, error: float, before: float) -> tuple[float, float]:
    """The end that a value gives, and what is to be said of it; as `hidden.refine`."""
    least = lower(value - 2.0 * error)
    if least == lower(value + error) or not value + error > before:
        return least, np.nan
    if 24.0 * error < step_at(value):
        a, b = value - 2.0 * error, value + error
        a, b = lower(a - 0.25 * step_at(a)), lower(b - 0.25 * step_at(b))
        if a == b:
            return a, np.inf
    return least, least


@kernel
def descend(net: Dense, top: int, lines: Chosen, which: int, line: int, room: Room, value: float, size: float) -> tuple[float, float]:
    """The row over layer `top` in `room.row` becomes one over the input; its constant and the size of its sum.

    Parameters
    ----------
    which, line : int
        Row of the slopes, and of the upper lines.
    """
    for layer in range(top - 1, -1, -1):
        reads, first = net.width[layer], net.first[layer]
        for k in range(reads):
            room.next[k] = 0.0
        for i in range(net.width[layer + 1]):
            v = room.row[i]
            room.kept[layer, i] = v
            if v > 0.0:
                b = v * lines.slope[which, first + i]
            elif v < 0.0:
                b = v * lines.chord[line, first + i]
                lost = v * lines.above[line, first + i]
                value += lost
                size -= 2.0 * lost
            else:
                continue
            if b == 0.0:
                continue
            value += b * net.bias[layer, i]
            size += abs(b) * net.size[layer, i]
            for k in range(reads):
                room.next[k] += b * net.weight[layer, i, k]
        for k in range(reads):
            room.row[k] = room.next[k]
    return value, size


@inlined
def _set_line(lines: Chosen, c: int, j: int, low: float, high: float) -> None:
    """As `relaxation.Lines.of`."""
    if low < 0.0 < high:
        chord = high / (high - low)
        lines.chord[c, j] = chord
        lines.above[c, j] = max(-chord * low, high * (1.0 - chord)) * ROUNDED
        lines.slope[c, j] = 1.0 if high > -low else 0.0
    else:
        on = 1.0 if low >= 0.0 and high > 0.0 else 0.0
        lines.chord[c, j], lines.slope[c, j], lines.above[c, j] = on, on, 0.0


@kernel
def refined(net: Dense, low: Array, high: Array, ends: Ends, lines: Chosen, room: Room) -> None:
    """Ends of open neurons, layer by layer; as `hidden.refine` from the first layer on.

    Parameters
    ----------
    low, high : ndarray, shape (cells, inputs)
    ends : Ends
    lines : Chosen
        Receives the lines of the cells.
    """
    inputs = net.width[0]
    for c in range(low.shape[0]):
        for layer in range(net.first.shape[0] - 1):
            for i in range(net.width[layer + 1]):
                j = net.first[layer] + i
                wanted = ends.only.shape[0] == 0 or ends.only[c, j]
                if wanted and ends.low[c, j] < 0.0 < ends.high[c, j]:
                    first = 1 if ends.high[c, j] < -ends.low[c, j] else 0  # the nearer end may make the other needless
                    for turn in range(2):
                        side = first if turn == 0 else 1 - first
                        sign = 1.0 - 2.0 * side
                        for k in range(net.width[layer]):
                            room.row[k] = sign * net.weight[layer, i, k]
                        bias = sign * net.bias[layer, i]
                        value, size = descend(net, layer, lines, c, c, room, bias, abs(bias))
                        constant = value
                        if net.ball.norm:
                            least, more = least_in_ball(net.ball, low[c], high[c], room.row, room.point)
                            value += least
                            size += more
                        for k in range(inputs):
                            g = room.row[k]
                            if not net.ball.norm:
                                value += g * (low[c, k] if g > 0.0 else high[c, k])
                            size += abs(g) * max(abs(low[c, k]), abs(high[c, k]))
                            ends.reach[c, j, k] += abs(g) * (high[c, k] - low[c, k])
                        error = size * net.gamma + net.extra[layer]
                        if not abs(value) + error < 1e300:
                            continue  # says nothing
                        if ends.constant.shape[0]:
                            ends.constant[c, side, j], ends.error[c, side, j] = constant, error
                            for k in range(inputs):
                                ends.gradient[c, side, j, k] = room.row[k]
                        if side == 0:
                            least, ends.unsure_low[c, j] = rounded(value, error, ends.low[c, j])
                            ends.low[c, j] = max(ends.low[c, j], least)
                        else:
                            least, ends.unsure_high[c, j] = rounded(value, error, -ends.high[c, j])
                            ends.high[c, j] = min(ends.high[c, j], -least)
                        if least > 0.0 and max(-ends.low[c, j], ends.high[c, j]) < VAST:
                            break  # of one sign: its other end matters only where sizes are to be found
                _set_line(lines, c, j, ends.low[c, j], ends.high[c, j])


@kernel
def bounded(net: Dense, low: Array, high: Array, lines: Chosen, goals: Goal, which: Array, line: Array, best: Best, error: Array, room: Room) -> None:
    """Goals bounded one by one: goal r with the slopes of row which[r] and the upper lines of row line[r].

    Parameters
    ----------
    low, high : ndarray, shape (rows, inputs)
    lines : Chosen
    goals : Goal
        One for each row.
    which, line : ndarray of int, shape (rows,)
    best : Best
        Receives bounds as they were rounded, gradients, and points.
    error : ndarray, shape (rows,)
        Receives bounds on that rounding.
    """
    depth = net.first.shape[0] - 1
    for r in range(low.shape[0]):
        for k in range(net.width[depth]):
            room.row[k] = goals.last[r, k]
        for k in range(net.width[0]):
            room.input[k] = goals.input[r, k]
        start = goals.constant[r]
        value, size = descend(net, depth, lines, which[r], line[r], room, start, abs(start))
        value, size = at_box(net, low, high, r, room, value, size)
        best.sure[r], error[r] = value, size * net.gamma + net.extra[depth]
        for k in range(net.width[0]):
            best.gradient[r, k], best.point[r, k] = room.row[k], room.point[k]


@inlined
def at_box(net: Dense, low: Array, high: Array, r: int, room: Room, value: float, size: float) -> tuple[float, float]:
    """The row over the input, with its own coefficients there, and the point of box and ball where it is least."""
    for k in range(net.width[0]):
        most = max(abs(low[r, k]), abs(high[r, k]))
        size += (abs(room.row[k]) + 2.0 * abs(room.input[k])) * most
        g = room.row[k] + room.input[k]
        x = low[r, k] if g > 0.0 else high[r, k]
        if not net.ball.norm:
            value += g * x
        room.row[k], room.point[k] = g, x
    if net.ball.norm:
        least, more = least_in_ball(net.ball, low[r], high[r], room.row, room.point)
        value += least
        size += more
    return value, size


@kernel
def _values(net: Dense, r: int, lines: Chosen, room: Room) -> None:
    """Pre-activations at `room.point`, with the lines that the last descent chose; last outputs to `room.row`."""
    for k in range(net.width[0]):
        room.row[k] = room.point[k]
    for layer in range(net.first.shape[0] - 1):
        width, first = net.width[layer + 1], net.first[layer]
        for i in range(width):
            room.z[layer, i] = net.bias[layer, i]
        for k in range(net.width[layer]):
            h = room.row[k]
            if h != 0.0:
                for i in range(width):
                    room.z[layer, i] += h * net.turned[layer, k, i]
        for i in range(width):
            z = room.z[layer, i]
            if room.kept[layer, i] > 0.0:
                room.row[i] = room.slope[0, first + i] * z
            else:
                room.row[i] = lines.chord[r, first + i] * z + lines.above[r, first + i]


@inlined
def _on_grid(value: float, steps: float) -> float:
    return math.floor(value * steps + 0.5) / steps


@kernel
def _onto_simplex(member: Array, r: int, grid: float, room: Room) -> None:
    """The multipliers `room.share` to the nearest point of the simplex over the members, on the grid."""
    many = member.shape[1]
    count = 0
    for g in range(many):
        if member[r, g]:  # sorted, largest first
            at = count
            while at > 0 and room.value[at - 1] < room.share[g]:
                room.value[at] = room.value[at - 1]
                at -= 1
            room.value[at] = room.share[g]
            count += 1
    total, shift = 0.0, 0.0
    for k in range(count):
        total += room.value[k]
        if room.value[k] - (total - 1.0) / (k + 1) > 0.0:
            shift = (total - 1.0) / (k + 1)
    rest, most = 1.0, -1
    for g in range(many):
        if member[r, g]:
            room.share[g] = _on_grid(max(room.share[g] - shift, 0.0), grid)
            rest -= room.share[g]
            if most < 0 or room.share[g] > room.share[most]:
                most = g
    room.share[most] = max(room.share[most] + rest, 0.0)


@kernel
def climbed(net: Dense, low: Array, high: Array, lines: Chosen, goals: Goal, rows: Rows, best: Best, room: Room, plan: Plan) -> None:
    """Slopes and multipliers made better; as `ascent.ascend`, without half-spaces of neurons.

    Parameters
    ----------
    low, high : ndarray, shape (rows, inputs)
    lines : Chosen
        One row for each row; the slopes are those of the rule.
    goals : Goal
        All goals.
    rows : Rows
    best : Best
        Receives what was found; means of points start at zero.
    room : Room
    plan : Plan
    """
    depth = net.first.shape[0] - 1
    chosen = Chosen(room.slope, lines.chord, lines.above)
    for r in range(low.shape[0]):
        members = 0
        for g in range(rows.member.shape[1]):
            room.share[g] = rows.shares[r, g]
            members += rows.member[r, g]
        for j in range(net.first[depth]):
            room.slope[0, j] = rows.slopes[r, j]
        best.sure[r] = -np.inf
        weight, first = 0.0, 0.0
        for step in range(plan.steps):
            start, noise = _combine(net, depth, goals, room)
            value, size = descend(net, depth, chosen, 0, r, room, start, abs(start))
            value, size = at_box(net, low, high, r, room, value, size)
            least = value - (size * net.gamma + net.extra[depth]) - noise
            if least > best.sure[r]:
                _keep(net, depth, r, least, rows, best, room)
            weight += step + 1.0
            for k in range(net.width[0]):
                best.mean[r, k] += (step + 1.0) * room.point[k]
            first = best.sure[r] if step == 0 else first
            if best.sure[r] > 0.0:
                break
            hopeless = step == plan.early and first < 0.0 and not best.sure[r] > plan.hopeless * first
            last = hopeless or step == plan.steps - 1
            _values(net, r, lines, room)
            if last:
                _set_gaps(net, depth, r, lines, best, room)
                break
            _step(net, depth, r, lines, goals, rows, members, rows.target[r] - value, plan, room)
        for k in range(net.width[0]):
            best.mean[r, k] /= weight


@inlined
def _combine(net: Dense, depth: int, goals: Goal, room: Room) -> tuple[float, float]:
    """The combination of the goals with the multipliers of now, as a row; its constant and noise."""
    start, noise = 0.0, 0.0
    for k in range(net.width[depth]):
        room.row[k] = 0.0
    for k in range(net.width[0]):
        room.input[k] = 0.0
    for g in range(goals.constant.shape[0]):
        s = room.share[g]
        if s != 0.0:
            start += s * goals.constant[g]
            noise += s * goals.noise[g]
            for k in range(net.width[depth]):
                room.row[k] += s * goals.last[g, k]
            for k in range(net.width[0]):
                room.input[k] += s * goals.input[g, k]
    return start, noise * (1.0 + 2.0**-40)


@inlined
def _keep(net: Dense, depth: int, r: int, least: float, rows: Rows, best: Best, room: Room) -> None:
    """What is the best until now."""
    best.sure[r] = least
    for k in range(net.width[0]):
        best.gradient[r, k], best.point[r, k] = room.row[k], room.point[k]
    for g in range(rows.shares.shape[1]):
        rows.shares[r, g] = room.share[g]
    for j in range(net.first[depth]):
        rows.slopes[r, j] = room.slope[0, j]


@inlined
def _set_gaps(net: Dense, depth: int, r: int, lines: Chosen, best: Best, room: Room) -> None:
    """By how much lines of open units miss them, at the point and at the worst place."""
    for layer in range(depth):
        for i in range(net.width[layer + 1]):
            j = net.first[layer] + i
            above, v, z = lines.above[r, j], room.kept[layer, i], room.z[layer, i]
            if above > 0.0:
                unit = max(z, 0.0)
                miss = v * (unit - room.slope[0, j] * z) if v > 0.0 else -v * (lines.chord[r, j] * z + above - unit)
                best.gaps[r, j] = max(miss, 0.0)
                best.worst[r, j] = (0.5 if v > 0.0 else 1.0) * abs(v) * above


@kernel
def _step(net: Dense, depth: int, r: int, lines: Chosen, goals: Goal, rows: Rows, members: int, missing: float, plan: Plan, room: Room) -> None:
    """One step of Polyak's length along the gradient; missing is what the bound is to grow by."""
    norm, mean = 0.0, 0.0
    if members > 1:
        for g in range(rows.member.shape[1]):
            if rows.member[r, g]:
                value = goals.constant[g]
                for k in range(net.width[depth]):
                    value += goals.last[g, k] * room.row[k]
                for k in range(net.width[0]):
                    value += goals.input[g, k] * room.point[k]
                room.value[g] = value
                mean += value / members
        for g in range(rows.member.shape[1]):
            if rows.member[r, g]:
                slope = room.value[g] - mean
                room.value[g] = slope if room.share[g] > 0.0 or slope > 0.0 else 0.0
                norm += room.value[g] * room.value[g]
    for layer in range(depth):
        for i in range(net.width[layer + 1]):
            j, v = net.first[layer] + i, room.kept[layer, i]
            slope = v * room.z[layer, i] if v > 0.0 and lines.above[r, j] > 0.0 else 0.0
            if (slope > 0.0 and room.slope[0, j] < 1.0) or (slope < 0.0 and room.slope[0, j] > 0.0):
                norm += slope * slope
    if norm <= 1e-30:
        return
    length = missing / norm
    for layer in range(depth):
        for i in range(net.width[layer + 1]):
            j, v = net.first[layer] + i, room.kept[layer, i]
            if v > 0.0 and lines.above[r, j] > 0.0:
                room.slope[0, j] = _on_grid(min(max(room.slope[0, j] + length * v * room.z[layer, i], 0.0), 1.0), plan.slopes)
    if members > 1:
        for g in range(rows.member.shape[1]):
            if rows.member[r, g]:
                room.share[g] += length * room.value[g]
        _onto_simplex(rows.member, r, plan.shares, room)
