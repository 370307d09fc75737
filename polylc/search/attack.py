"""Inputs for which a formula may hold, by descent on what misses it; found in doubles, to be confirmed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from polylc.bounds.ascent import Goals
from polylc.bounds.relaxation import Lines
from polylc.exact.checkpoint import checkpoint
from polylc.search.descent import evaluated, gradient
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
        values, slopes = evaluated(tables, x, leak * left * np.where(lines.open, lines.chord, 0.0))
        found = np.where(member, goals.values(values), -np.inf)
        worst = found.argmax(axis=1)
        miss = found.max(axis=1)
        for i in np.flatnonzero(miss <= 0)[:3]:
            yield x[i]
        closer = miss < least
        nearest[closer], least[closer] = x[closer], miss[closer]
        down = gradient(tables, [None if c is None else c[worst] for c in goals.coefficients], slopes, count)
        push = MOMENTUM * push + down / np.maximum(np.abs(down).mean(axis=1, keepdims=True), 1e-30)
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
