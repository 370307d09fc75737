"""Multipliers of several affine lower bounds whose combination is as large as possible on a box.

A game of two: multipliers, and a point of the box that answers them. Regret matching (Hart & Mas-Colell 2000, with the
regrets cut off at zero, Tammelin 2014) brings the mean of the multipliers to the optimum; floats, since any multipliers
are sound.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from polylc.jit.decorators import kernel

ROUNDS = 40
MEANS = 8  # rounds between two looks at the mean


def combine(gradient: np.ndarray, constant: np.ndarray, member: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """For every game, multipliers >= 0 that sum to 1.

    Parameters
    ----------
    gradient : ndarray, shape (games, rows, inputs)
    constant, member : ndarray, shape (games, rows)
        Rows that are no members of a game have the multiplier 0.
    low, high : ndarray, shape (games, inputs)
        Ends of the boxes.

    Returns
    -------
    ndarray, shape (games, rows)
    """
    middle, half = (low + high) / 2, (high - low) / 2
    centre = np.where(member, np.einsum("grn,gn->gr", gradient, middle) + constant, -np.inf)
    size = np.where(member, np.einsum("grn,gn->gr", np.abs(gradient), half), 0.0)
    scale = np.maximum(np.max(size + np.where(member, np.abs(centre), 0.0), axis=1, keepdims=True), 1e-300)
    centre = np.where(member, centre, 0.0) / scale
    slope = gradient * (half / scale)[:, None, :]
    single = np.where(member, centre - size / scale, -np.inf)
    games = np.arange(len(member))
    shares = np.zeros(member.shape)
    shares[games, single.argmax(axis=1)] = 1.0
    best, value = shares.copy(), single.max(axis=1)
    regret, total = np.zeros(member.shape), np.zeros(member.shape)
    for t in range(1, ROUNDS + 1):
        trials = [shares]
        if t % MEANS == 0:
            trials.append(total / np.maximum(total.sum(axis=1, keepdims=True), 1e-300))
        for trial in trials:
            row = (trial[:, None, :] @ slope)[:, 0]
            now = np.einsum("gr,gr->g", trial, centre) - np.abs(row).sum(axis=1)
            better = (now > value) & (trial.sum(axis=1) > 0.5)
            best[better], value[better] = trial[better], now[better]
            if trial is shares:
                answer = -np.sign(row)
        payoff = np.where(member, centre + (slope @ answer[:, :, None])[:, :, 0], -np.inf)
        gain = np.where(member, payoff - np.einsum("gr,gr->g", shares, np.where(member, payoff, 0.0))[:, None], 0.0)
        regret = np.maximum(regret + gain, 0.0)
        sum_ = regret.sum(axis=1, keepdims=True)
        shares = np.where(sum_ > 0, regret / np.maximum(sum_, 1e-300), shares)
        total += t * shares
        if (value > 0).all():
            break
    return best


class Hands(NamedTuple):
    """Room for one game: multipliers now, their sum, the best, regrets, centres; shape (rows,). Slopes in units of the
    box, shape (rows, inputs); a row, and the answer to it, shape (inputs,).
    """

    shares: np.ndarray
    total: np.ndarray
    best: np.ndarray
    regret: np.ndarray
    centre: np.ndarray
    slope: np.ndarray
    row: np.ndarray
    answer: np.ndarray


def combine_compiled(gradient: np.ndarray, constant: np.ndarray, member: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """As `combine`, one game after the other."""
    _, many, inputs = gradient.shape
    a, b, c, d, e = np.zeros((5, many))
    hands = Hands(a, b, c, d, e, np.zeros((many, inputs)), np.zeros(inputs), np.zeros(inputs))
    found = np.zeros(member.shape)
    _play(np.ascontiguousarray(gradient), constant, member, low, high, hands, found)
    return found


@kernel
def _play(gradient: np.ndarray, constant: np.ndarray, member: np.ndarray, low: np.ndarray, high: np.ndarray, hands: Hands, found: np.ndarray) -> None:
    rows, inputs = gradient.shape[1], gradient.shape[2]
    for g in range(gradient.shape[0]):
        scale = 1e-300
        for r in range(rows):
            if member[g, r]:
                centre, size = constant[g, r], 0.0
                for n in range(inputs):
                    half = (high[g, n] - low[g, n]) / 2
                    centre += gradient[g, r, n] * (low[g, n] + high[g, n]) / 2
                    size += abs(gradient[g, r, n]) * half
                hands.centre[r] = centre
                scale = max(scale, size + abs(centre))
        value, first = -np.inf, -1
        for r in range(rows):
            hands.shares[r], hands.total[r], hands.best[r], hands.regret[r] = 0.0, 0.0, 0.0, 0.0
            if member[g, r]:
                hands.centre[r] /= scale
                single = hands.centre[r]
                for n in range(inputs):
                    hands.slope[r, n] = gradient[g, r, n] * ((high[g, n] - low[g, n]) / 2 / scale)
                    single -= abs(hands.slope[r, n])
                if single > value:
                    value, first = single, r
        if first < 0:
            continue
        hands.shares[first], hands.best[first] = 1.0, 1.0
        for t in range(1, ROUNDS + 1):
            if value > 0.0:
                break
            value = _look(member, g, hands.shares, 1.0, value, hands)
            for n in range(inputs):
                hands.answer[n] = -np.sign(hands.row[n])
            mean, sum_ = 0.0, 0.0
            for r in range(rows):
                if member[g, r]:
                    payoff = hands.centre[r]
                    for n in range(inputs):
                        payoff += hands.slope[r, n] * hands.answer[n]
                    mean += hands.shares[r] * payoff
                    hands.regret[r] += payoff
            for r in range(rows):
                if member[g, r]:
                    hands.regret[r] = max(hands.regret[r] - mean, 0.0)
                    sum_ += hands.regret[r]
            if t % MEANS == 0:
                whole = 0.0
                for r in range(rows):
                    whole += hands.total[r]
                value = _look(member, g, hands.total, max(whole, 1e-300), value, hands)
            for r in range(rows):
                if member[g, r]:
                    if sum_ > 0.0:
                        hands.shares[r] = hands.regret[r] / sum_
                    hands.total[r] += t * hands.shares[r]
        for r in range(rows):
            found[g, r] = hands.best[r]


@kernel
def _look(member: np.ndarray, g: int, trial: np.ndarray, whole: float, value: float, hands: Hands) -> float:
    """The combination's row; where its bound is better than `value`, the multipliers are kept."""
    now, total = 0.0, 0.0
    for n in range(hands.row.shape[0]):
        hands.row[n] = 0.0
    for r in range(trial.shape[0]):
        if member[g, r] and trial[r] != 0.0:
            s = trial[r] / whole
            now += s * hands.centre[r]
            total += s
            for n in range(hands.row.shape[0]):
                hands.row[n] += s * hands.slope[r, n]
    for n in range(hands.row.shape[0]):
        now -= abs(hands.row[n])
    if now > value and total > 0.5:
        for r in range(trial.shape[0]):
            hands.best[r] = trial[r] / whole
        return now
    return value
