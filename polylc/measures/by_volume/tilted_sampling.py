"""Areas of sections by tilted sampling: where their enclosures stay wide.

A section's area, times a weight, is Z E[W] with Z in closed form and W in [0, 1]: all coordinates but one are drawn
from the tilted law of `geometry/tilted/tilting.py`, that one is solved for (docs/theory.md, "Many dimensions").
Sections are drawn in proportion to Z, so the sum over all is (sum of Z) E[W], from independent draws in [0, 1]: the
interval holds for every number of draws.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from polylc.exact.checkpoint import checkpoint
from polylc.exact.quantity import Kind, Quantity
from polylc.geometry.tilted.cumulants import PEAK, Forms
from polylc.geometry.tilted.tilting import log_sinhc, tilt
from polylc.network.compose import batches

Array = np.ndarray

DRAWS, SEED, RISK = 20_000, 0, 0.05
_DOUBLES = 2**22  # of a batch of points


class Tilted(NamedTuple):
    """How one section is drawn from, or the mean of a density of noise on a cell."""

    forms: Forms
    theta: Array  # (m,)
    x: Array  # (k,) tilts of the coordinates
    solved: int  # the coordinate that is solved for; -1 for the noise
    size: float  # log Z


def tilted_section(forms: Forms) -> Tilted:
    """The tilt of Chernoff's bound, and the coordinate, or the noise, with which Z is least."""
    theta = tilt(forms, np.zeros(len(forms.s)), 1)
    x = theta @ forms.a
    lost = log_sinhc(x)
    with np.errstate(divide="ignore"):
        cost = np.abs(x) - lost - np.log(2.0 * np.abs(forms.a[0]))
    solved = int(np.argmin(cost))
    least = float(cost[solved])
    if forms.soft and (blurred := math.log(PEAK) - math.log(forms.soft)) < least:
        solved, least = -1, blurred
    return Tilted(forms, theta, x, solved, float(lost.sum() - theta @ forms.s + 0.5 * (forms.soft * theta[0]) ** 2) + least)


def draw(section: Tilted, count: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Weights W of `count` draws, (count,), and the points, (count, k): area over |U| by |grad| is Z E[W]."""
    forms, theta, x, j, _ = section
    share, size = rng.random((count, len(x))), np.abs(x)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(
            size < 1e-6, 2.0 * share - 1.0, np.sign(x) * (1.0 + np.log(share + (1.0 - share) * np.exp(-2.0 * size)) / np.where(size > 0, size, 1.0))
        )
    drift = forms.soft * (forms.soft * float(theta[0]))  # of the noise under the tilt
    if j < 0:
        weight = np.exp(-0.5 * ((t @ forms.a[0] - forms.s[0] + drift) / forms.soft) ** 2)
    else:
        t[:, j] = 0.0
        noise = drift + forms.soft * rng.standard_normal(count) if forms.soft else 0.0
        t[:, j] = (forms.s[0] - noise - t @ forms.a[0]) / forms.a[0, j]
        weight = np.where(np.abs(t[:, j]) <= 1.0, np.exp(x[j] * np.clip(t[:, j], -1.0, 1.0) - abs(x[j])), 0.0)
    if len(theta) > 1:
        inside = t @ forms.a[1:].T - forms.s[1:]
        weight *= np.where((inside > 0).all(axis=1), np.exp(-np.maximum(inside, 0.0) @ theta[1:]), 0.0)
    return weight, t


def betting(values: Array, risk: float = RISK, weight: Array | None = None) -> tuple[float, float]:
    """A confidence interval for the mean of independent values in [0, 1], valid at every sample size: the hedged
    capital of Waudby-Smith and Ramdas (2024), bets from the past.

    Parameters
    ----------
    weight : ndarray, optional
        In [0, 1], drawn with the values: then of E[weight value] / E[weight], by bets on weight (value - m), whose mean
        is zero for that m alone.
    """
    n = len(values)
    level = math.log(2.0 / risk)
    many = np.arange(1, n + 1)
    w = np.ones(n) if weight is None else weight
    usual, square = np.cumsum(w) / many, np.cumsum(w * w) / many
    mean = (0.5 * usual + np.cumsum(w * values)) / np.where(usual > 0, usual * (many + 1), 1.0)
    variance = (0.25 * square + np.cumsum((w * (values - mean)) ** 2)) / (many + 1)
    before = np.concatenate([[0.25], variance[:-1]])
    bets = np.sqrt(2.0 * level / (n * np.where(before > 0, before, 0.25)))

    def capital(m: float, sign: float) -> float:
        most = 0.75 / max(m if sign > 0 else 1.0 - m, 1e-12)
        return float(np.log1p(sign * np.minimum(bets, most) * w * (values - m)).sum())

    middle = float(np.average(values, weights=w)) if w.any() else 0.5
    ends = []
    for sign, far in ((1.0, 0.0), (-1.0, 1.0)):
        refused, kept = far, middle  # whether a mean is refused is monotone towards the far end
        if capital(far, sign) < level:
            ends.append(far)
            continue
        for _ in range(50):
            m = 0.5 * (refused + kept)
            refused, kept = (m, kept) if capital(m, sign) >= level else (refused, m)
        ends.append(refused)
    return ends[0], ends[1]


def sampled_sum(sections: list[Forms], lengths: Array, weigh: list[Weigher], draws: int = DRAWS, seed: int = SEED) -> Quantity:
    """The sum over sections of area times a weight that may vary on a section.

    Parameters
    ----------
    sections : list of Forms
    lengths : ndarray, shape (S,)
        Of their first forms' gradients.
    weigh : list of Weigher
        The weight on each section.
    """
    mixture, rng = Mixture(sections, lengths, weigh), np.random.default_rng([seed, 2])
    if not mixture.scale:
        return Quantity(0.0, 0.0, Kind.ESTIMATE)
    low, high = betting(mixture.draw(draws, rng))
    return Quantity(low * mixture.scale, high * mixture.scale, Kind.ESTIMATE)


class Mixture:
    """The sections of `sampled_sum`, drawn in proportion to Z.

    Attributes
    ----------
    scale : float
        The sum of Z: the sum over sections is this times the mean of the draws.
    """

    def __init__(self, sections: list[Forms], lengths: Array, weigh: list[Weigher]) -> None:
        self._laws: list[Tilted] = []
        for forms in sections:
            checkpoint()
            self._laws.append(tilted_section(forms))
        self._weigh = weigh
        most = np.array([w.most for w in weigh])
        with np.errstate(divide="ignore"):
            logs = np.array([law.size for law in self._laws]) + np.log(lengths * most)
        top = float(logs.max(initial=-math.inf))
        self._sizes = np.exp(logs - top) if top > -math.inf else np.zeros(len(logs))
        self.scale = math.exp(top) * float(self._sizes.sum())

    def draw(self, count: int, rng: np.random.Generator) -> Array:
        """Independent values in [0, 1]; shape (count,)."""
        values = []
        for law, many, w in zip(self._laws, rng.multinomial(count, self._sizes / self._sizes.sum()).tolist(), self._weigh, strict=True):
            for part in batches(many, len(law.x), _DOUBLES):
                checkpoint()
                weight, points = draw(law, part.stop - part.start, rng)
                values.append(weight * w.at(points) / w.most)
        result: Array = rng.permutation(np.concatenate(values))
        return result


class Weigher(NamedTuple):
    """A weight on a section: of each facet, and the half-spaces of each, (m, k + 1), where there are several."""

    weights: Array  # (F,)
    cells: list[Array] | None

    @property
    def most(self) -> float:
        """The largest weight."""
        return float(self.weights.max())

    def at(self, points: Array) -> Array:
        """The weight of the facet that holds each point; the middle of all, where rounding finds none."""
        if self.cells is None:
            return np.full(len(points), self.weights[0])
        result = np.full(len(points), 0.5 * (self.weights.min() + self.weights.max()))
        for weight, rows in zip(self.weights.tolist(), self.cells, strict=True):
            result[(points @ rows[:, :-1].T + rows[:, -1] > 0).all(axis=1)] = weight
        return result
