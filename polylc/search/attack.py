"""Inputs for which a formula may hold, by descent on what misses it; found in doubles, to be confirmed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from polylc.bounds.ascent import Goals
from polylc.bounds.relaxation import Lines
from polylc.exact.checkpoint import checkpoint
from polylc.network.weights import at_points, before
from polylc.search.polish import polish
from polylc.search.problem import Problem

STEPS = 40
MOMENTUM = 0.6
POLISHED = 6  # points


def attack(
    problem: Problem,
    goals: Goals,
    alternatives: Sequence[Sequence[int]],
    lines: Lines,
    low: np.ndarray,
    high: np.ndarray,
    starts: int,
    rng: np.random.Generator,
) -> Iterator[np.ndarray]:
    """Points of a box that seem to satisfy the formula.

    Signed gradient steps with momentum on the largest goal of an alternative; open neurons that are off let a share of
    the gradient through, which decays (plain gradients vanish where most neurons are off). At the end the best points
    of each alternative are polished. In a ball the steps follow the gradient itself, and nothing is polished.

    Parameters
    ----------
    alternatives : sequence of sequence of int
        Goals that have to become non-positive together.
    lines : Lines
        Of the cell, one row.
    """
    if not alternatives:
        return
    tables = problem.tables
    count = max(starts, len(alternatives))
    which = np.arange(count) % len(alternatives)
    member = np.zeros((count, len(goals.constant)), dtype=bool)
    for s in range(count):
        member[s, list(alternatives[s % len(alternatives)])] = True
    x = low + (high - low) * rng.random((count, len(low)))
    x[: len(alternatives)] = (low + high) / 2
    if problem.ball is not None:
        x = problem.ball.pulled(x)
    leak = np.linspace(1.0, 0.0, count)[:, None] ** 2
    push = np.zeros_like(x)
    nearest, least = x.copy(), np.full(count, np.inf)
    for step in range(STEPS):
        checkpoint()
        left = 1 - step / STEPS
        values, passes = [x], []
        for layer, span in enumerate(tables.span):
            affine, units = tables.affines[layer], tables.units[layer]
            z = affine.bias + sum(at_points(values[s], w) for s, w in affine.terms)
            values.append(np.where(z > 0, units.positive * z, units.negative * z))
            let_through = leak * left * np.where(lines.open[:, span], lines.chord[:, span], 0.0)
            passes.append(np.where(z > 0, units.positive, units.negative + units.jump * let_through))
        found = np.where(member, goals.values(values), -np.inf)
        worst = found.argmax(axis=1)
        miss = found.max(axis=1)
        for i in np.flatnonzero(miss <= 0)[:3]:
            yield x[i]
        closer = miss < least
        nearest[closer], least[closer] = x[closer], miss[closer]
        gradient = _gradient(problem, goals, worst, passes)
        push = MOMENTUM * push + gradient / np.maximum(np.abs(gradient).mean(axis=1, keepdims=True), 1e-30)
        pace = 0.25 * left + 0.004
        if problem.ball is None:
            x = np.clip(x - np.sign(push) * (high - low) * pace, low, high)
        else:
            length = np.sqrt(np.einsum("sn,sn->s", push, push))[:, None]
            x = problem.ball.pulled(np.clip(x - push / np.maximum(length, 1e-300) * (2 * problem.ball.radius * pace), low, high))
    for a, goals_of in enumerate(alternatives if problem.ball is None else ()):
        mine = np.flatnonzero(which == a)
        for start in nearest[mine[np.argsort(least[mine], kind="stable")]][: max(1, POLISHED // len(alternatives))]:
            checkpoint()
            yield from polish(problem, goals_of, start, low, high)


def _gradient(problem: Problem, goals: Goals, worst: np.ndarray, passes: list[np.ndarray]) -> np.ndarray:
    rows = [None if c is None else c[worst] for c in goals.coefficients]
    for layer in range(problem.tables.depth - 1, -1, -1):
        v = rows[layer + 1]
        if v is None:
            continue
        for source, weight in problem.tables.affines[layer].terms:
            part = before(v * passes[layer], weight)
            there = rows[source]
            rows[source] = part if there is None else there + part
    start = rows[0]
    return np.zeros((len(worst), problem.tables.inputs)) if start is None else start
