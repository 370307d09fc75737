"""Multipliers of several affine lower bounds whose combination is as large as possible on a box.

A game of two: multipliers, and a point of the box that answers them. Regret matching (Hart & Mas-Colell 2000, with the
regrets cut off at zero, Tammelin 2014) brings the mean of the multipliers to the optimum; floats, since any multipliers
are sound.
"""

from __future__ import annotations

import numpy as np

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
