"""Local complexity, kink and total variation in an l2 ball that a box cuts, in any dimension: estimates, from rays of
which sections and ball are sampled (docs/exactness.md, lemma 29a).

Both the area of facets and the volume of the ball are means of independent numbers in [0, 1] times what is known; their
ratio has an interval by the union bound.
"""

from __future__ import annotations

import math
from fractions import Fraction
from functools import cached_property
from typing import NamedTuple

import numpy as np

from polylc.complex.complex import Complex
from polylc.complex.graph import RegionGraph
from polylc.domains.box import Neighbourhood
from polylc.exact.checkpoint import checkpoint
from polylc.exact.quantity import Kind, Quantity, enclosure
from polylc.geometry.tilted.cumulants import Forms
from polylc.geometry.tilted.in_ball import Ball, Law, law_of, weights
from polylc.measures.by_volume.enclosures import variation_norms
from polylc.measures.by_volume.local_complexity import once_each
from polylc.measures.by_volume.many_dimensions import ManyDimensions
from polylc.measures.by_volume.tilted_sampling import DRAWS, RISK, SEED, Weigher, betting
from polylc.measures.by_volume.unstable import UnstableNetwork
from polylc.measures.gradient.norms import Gradients
from polylc.network.compose import batches

Array = np.ndarray

HOW = (
    f"estimated from {DRAWS} rays each of facets and of the ball, which the box cuts (seed {SEED}); {1 - RISK:.0%} by betting intervals "
    "of area and volume, valid at every size"
)
TOO_LITTLE = "null: the box leaves so little of the ball that its volume cannot be sampled"
RESOLVED = 1e-6  # what roundings may do to the logarithm of a size
LARGE = 700.0  # of what is exponentiated
_DOUBLES = 2**18  # of a batch of rays: so many stay near the processor


def is_l2_ball(complex_: Complex) -> bool:
    """Whether the neighbourhood is an l2 ball, of two dimensions or more; whether a box cuts it is not asked."""
    domain = complex_.domain
    return isinstance(domain, Neighbourhood) and domain.norm == "l2" and domain.dimension >= 2


def ball_in_box(domain: Neighbourhood) -> Ball:
    """The ball in the unit coordinates of the box around what is left of it: |sigma u + mu| < 1."""
    assert domain.center is not None
    assert domain.radius is not None
    away = {j: (a + b) / 2 - c for j, (a, b, c) in enumerate(zip(domain.lower, domain.upper, domain.center, strict=True))}
    free = domain.free.tolist()
    square = max(domain.radius) ** 2 - sum((away[j] ** 2 for j in away if domain.lower[j] == domain.upper[j]), Fraction(0))
    scale = max(domain.radius)
    shrunk = math.sqrt(square / scale**2)  # of the ball, where coordinates are fixed beside its centre
    half = [(domain.upper[j] - domain.lower[j]) / 2 / scale for j in free]
    return Ball(np.array([float(h) for h in half]) / shrunk, np.array([float(away[j] / scale) for j in free]) / shrunk)


class _Volume(NamedTuple):
    """The ball's share of its box is e^size times the mean of `draws`, which weigh `points`."""

    size: float
    draws: Array  # (DRAWS,)
    points: Array  # (DRAWS, k)
    low: float  # of the mean, with half the risk
    high: float


class InCutBall:
    """What is weighed by area or by volume in one complete complex in a ball.

    Attributes
    ----------
    reason : str or None
        Why nothing can be said, if so.
    """

    def __init__(self, complex_: Complex, graph: RegionGraph, gradients: Gradients, draws: int = DRAWS, seed: int = SEED) -> None:
        self.complex, self.graph, self._gradients = complex_, graph, gradients
        self._draws, self._seed = draws, seed
        assert isinstance(complex_.domain, Neighbourhood)
        self._ball = ball_in_box(complex_.domain)
        self._facets = ManyDimensions(complex_, graph, gradients)  # its sections and weights: nothing that it measures

    @cached_property
    def _volume(self) -> _Volume:
        law = self._law(None)
        draws, points = _drawn(law, self._draws, np.random.default_rng([self._seed, 4]))
        low, high = betting(draws, RISK / 2)
        return _Volume(law.size, draws, points, low, high)

    def _law(self, forms: Forms | None) -> Law:
        checkpoint()
        return law_of(self._ball, forms, 0.5 * len(self._ball.sigma))

    @cached_property
    def reason(self) -> str | None:
        """Why nothing can be said, if so."""
        return None if self._law(None).slip < RESOLVED and self._volume.low > 0 else TOO_LITTLE

    @cached_property
    def local_complexity(self) -> dict[str, Quantity]:
        """LC_0 in its versions, see `local_complexity.weights`."""
        return once_each(self._facets.versions, self.estimated)

    @cached_property
    def kink_variation(self) -> Quantity:
        """Area by volume, times the jump of the Jacobian."""
        return self.estimated(self._facets.jumps.mean(axis=1))

    def estimated(self, weight: Array) -> Quantity:
        """The sum over facets of area times weight, (E,), over the volume; exactly zero where nothing weighs."""
        forms, lengths, weigh = self._facets.laws(weight, range(len(self._facets.sections)))
        if not forms:
            return Quantity(0.0, 0.0, Kind.EXACT)
        laws = [self._law(one) for one in forms]
        logs = np.array([law.size for law in laws]) + np.log(lengths * np.array([w.most for w in weigh]))
        top = float(logs.max())
        sizes = np.exp(logs - top)
        values, volume = _mixed(laws, sizes, weigh, self._draws, np.random.default_rng([self._seed, 5])), self._volume
        low, high = betting(values, RISK / 2)
        whole = float(sizes.sum())
        lost = float(sizes @ np.expm1(np.minimum([law.slip for law in laws], LARGE))) / whole  # by roundings
        beyond = top - volume.size > LARGE or not math.isfinite(lost)
        scale = math.exp(min(top - volume.size, LARGE)) * whole
        most = math.inf if beyond else math.nextafter((high + lost) * scale / volume.low, math.inf)
        return Quantity(max(low - lost, 0.0) * scale / volume.high, most if most < math.inf else None, Kind.ESTIMATE)

    def total_variation(self, label: int | None) -> dict[str, Quantity]:
        """As `enclosures.total_variation`: within what the regions' norms are at least and at most."""
        gradient, error = self._gradients.of(np.arange(len(self.complex)))
        found = {name: norm(gradient, error) for name, norm in variation_norms(self.complex.network.outputs, label).items()}
        ends = {name: (float(values[:, 0].min()), float(values[:, 1].max())) for name, values in found.items()}
        if len(self.complex) == 1:
            return {name: enclosure(*pair) for name, pair in ends.items()}
        network, volume = UnstableNetwork(self.complex), self._volume
        region = np.concatenate(
            [network.regions(network.linear(volume.points[part])) for part in batches(len(volume.points), volume.points.shape[1])]
        )
        return {name: _mean(0.5 * values.sum(axis=1), *ends[name], region, volume) for name, values in found.items()}


def _mean(values: Array, least: float, most: float, region: Array, volume: _Volume) -> Quantity:
    """The mean of a value of regions, known to lie between two ends, over the ball; points of which rounding hides the
    region may have either.
    """
    if not math.inf > most > least:
        return enclosure(least, most)
    share = np.clip((values - least) / (most - least), 0.0, 1.0)
    low, high = (betting(np.where(region >= 0, share[region], lost), RISK, volume.draws)[end] for end, lost in ((0, 0.0), (1, 1.0)))
    return Quantity(max(least, least + (most - least) * low), min(most, least + (most - least) * high), Kind.ESTIMATE)


def _mixed(laws: list[Law], sizes: Array, weigh: list[Weigher], count: int, rng: np.random.Generator) -> Array:
    """Independent weights in [0, 1] of sections that are drawn in proportion to their sizes; (count,)."""
    values = []
    for law, many, w in zip(laws, rng.multinomial(count, sizes / sizes.sum()).tolist(), weigh, strict=True):
        kept, points = _drawn(law, many, rng)
        values.append(kept * w.at(points) / w.most)
    found: Array = rng.permutation(np.concatenate(values))
    return found


def _drawn(law: Law, count: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """`weights` in batches."""
    kept, points = [np.zeros(0)], [np.zeros((0, len(law.b)))]
    for part in batches(count, len(law.b), _DOUBLES):
        checkpoint()
        weight, at = weights(law, part.stop - part.start, rng)
        kept.append(weight)
        points.append(at)
    return np.concatenate(kept), np.concatenate(points)
