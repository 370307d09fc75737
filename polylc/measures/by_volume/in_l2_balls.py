"""Local complexity, kink and total variation in an l2 ball that no box cuts, in any dimension: sections are balls, and
half-spaces cut caps from them (docs/exactness.md, lemma 29).

One layer whose neurons change sign has a closed form. With more the caps give both ends (Bonferroni); where these are
far apart, points are drawn from the caps.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import NamedTuple

import numpy as np

from polylc.complex.complex import Complex
from polylc.domains.ball import ball_volume
from polylc.domains.box import Neighbourhood
from polylc.exact.caps import cap_share, height_in_section, ratio, section_area
from polylc.exact.checkpoint import checkpoint
from polylc.exact.enclose import enclose
from polylc.exact.quantity import Kind, Quantity
from polylc.measures.by_volume.many_dimensions import ManyDimensions
from polylc.measures.by_volume.sections import Section, first_flips
from polylc.measures.by_volume.tilted_sampling import DRAWS, RISK, SEED, Weigher, betting
from polylc.measures.sums import between, product, total
from polylc.network.compose import UNIT

Array = np.ndarray
Pair = tuple[float, float]
SLACK = 1 + 2.0**-40
HOW = "enclosed by sections of the ball and caps of these"
HOW_SAMPLED = f"{HOW}; within that estimated from {DRAWS} points of caps (seed {SEED}); {1 - RISK:.0%} by a betting interval, valid at every size"


def is_whole_l2_ball(complex_: Complex) -> bool:
    """Whether the neighbourhood is an l2 ball that no box cuts: the unit ball in unit coordinates."""
    domain = complex_.domain
    if not isinstance(domain, Neighbourhood) or domain.norm != "l2" or domain.dimension < 2:
        return False
    low, high = ball_volume(domain)
    return bool(low > 0 and low <= high)


class _Products(NamedTuple):
    """Squared lengths of forms' gradients and their products with the first one, as middles and radii."""

    squares: Array  # (m, 2)
    products: Array  # (m, 2)
    at: Array  # (m, 2) values at the centre


def _products(rows: Array, noise: Array) -> _Products:
    a, c = rows[:, :-1], rows[:, -1]
    size = np.sqrt((a * a).sum(axis=1)) * SLACK
    slip = (rows.shape[1] + 8) * UNIT * size
    squares = np.stack([(a * a).sum(axis=1), (2 * noise * size + noise * noise + 2 * slip * size) * SLACK + 1e-300], axis=1)
    products = np.stack([a @ a[0], (noise * size[0] + noise[0] * size + noise * noise[0] + 2 * slip * size[0]) * SLACK + 1e-300], axis=1)
    return _Products(squares, products, np.stack([c, noise], axis=1))


def _pair(row: Array) -> Pair:
    return float(row[0]), float(row[1])


class InBall(ManyDimensions):
    """As `ManyDimensions`, for the unit ball of unit coordinates."""

    @cached_property
    def _radius(self) -> Array:
        """One over the radius."""
        domain = self.complex.domain
        assert isinstance(domain, Neighbourhood)
        assert domain.radius is not None
        return np.array(enclose(1 / max(domain.radius)))

    @cached_property
    def _discs(self) -> Array:
        """Areas of the whole sections, over the volume; (S, 2)."""
        n = self.complex.domain.dimension
        found = []
        for section in self.sections:
            checkpoint()
            own = _products(section.rows[:1], section.noise[:1])
            low, high = ratio(_pair(own.at[0]), _pair(own.squares[0]))
            near, far = max(low, -high, 0.0), max(abs(low), abs(high))
            found.append(section_area(n, (near, far)))
        result: Array = product(np.array(found).reshape(-1, 2), self._radius[None])
        return result

    @cached_property
    def _heights(self) -> list[list[Pair]]:
        """For every section how far each half-space of its cell is from its middle."""
        result = []
        for section in self.sections:
            checkpoint()
            of = _products(section.rows, section.noise)
            first, at = _pair(of.squares[0]), _pair(of.at[0])
            others = zip(of.squares[1:], of.products[1:], of.at[1:], strict=True)
            result.append([height_in_section(first, _pair(w), _pair(p), at, _pair(d)) for w, p, d in others])
        return result

    @cached_property
    def areas(self) -> Array:
        """Areas of the sections over |U|, enclosed; (S, 2)."""
        n = self.complex.domain.dimension
        kept = [_without([cap_share(n - 1, height) for height in heights]) for heights in self._heights]
        result: Array = product(self._discs, np.array(kept).reshape(-1, 2))
        return result

    @cached_property
    def shares(self) -> Array:
        """Shares of the ball that the regions have, enclosed; (R, 2)."""
        n, kept = self.complex.domain.dimension, []
        for cell in self.cells:
            checkpoint()
            if not len(cell.rows):
                kept.append((1.0, 1.0))
                continue
            of = _products(cell.rows, cell.noise)
            heights = [ratio(_pair(at), _pair(square)) for at, square in zip(of.at, of.squares, strict=True)]
            kept.append(_without([cap_share(n, height) for height in heights]))
        return np.array(kept)

    def _shares_for(self, weights: list[Array]) -> Array:
        return self.shares

    def _facets(self, weight: Array, parts: Array, bounds: Array) -> list[int]:
        """Facets by themselves are not narrowed."""
        return []

    def sampled(self, weight: Array) -> Quantity:
        """The sum over facets of area times weight, from points of the caps in which most half-spaces are kept."""
        rng = np.random.default_rng([SEED, 3])
        laws, weigh, sizes = [], list[Weigher](), list[float]()
        for place, section, here in self._weighing(weight):
            law = _Cap(section.rows, self._heights[place])
            laws.append(law)
            weigh.append(here)
            sizes.append(float(self._discs[place, 1]) * law.share * here.most)
        scale = float(np.sum(sizes))
        if not scale > 0:
            return Quantity(0.0, 0.0, Kind.ESTIMATE)
        values = []
        for law, many, w in zip(laws, rng.multinomial(DRAWS, np.array(sizes) / scale).tolist(), weigh, strict=True):
            checkpoint()
            kept, points = law.draw(many, rng)
            values.append(kept * w.at(points) / w.most)
        low, high = betting(rng.permutation(np.concatenate(values)))
        return Quantity(low * scale, high * scale, Kind.ESTIMATE)

    def _weighing(self, weight: Array) -> Iterator[tuple[int, Section, Weigher]]:
        flips = first_flips(self.complex, self.graph)
        for place, section in enumerate(self.sections):
            here = weight[section.edges]
            if not here.any():
                continue
            alike = bool((here == here[0]).all())
            rows = None if alike else [self._others(edge, int(flips[edge])).rows for edge in section.edges.tolist()]
            yield place, section, Weigher(here[:1] if alike else here, rows)


def how(found: Iterable[Quantity]) -> str:
    """How values were found, for a note."""
    return HOW_SAMPLED if any(value.kind is Kind.ESTIMATE for value in found) else HOW


def _without(missing: list[Pair]) -> Pair:
    """What is left of 1 after parts that may overlap."""
    if not missing:
        return 1.0, 1.0
    lost, most = total(np.array(missing))[1], max(low for low, _ in missing)
    low, high = between(np.array(1.0 - lost), np.array(1.0 - most))
    return max(float(low), 0.0), min(float(high), 1.0)


class _Cap:
    """The uniform law on the part of a section that one half-space leaves, the one that leaves least."""

    def __init__(self, rows: Array, heights: list[Pair]) -> None:
        from scipy.special import betainc

        a, c = rows[0, :-1], float(rows[0, -1])
        length = float(np.sqrt(a @ a))
        self._normal = a / length
        self._middle = -c / length * self._normal
        self._radius = float(np.sqrt(max(1.0 - (c / length) ** 2, 0.0)))
        self._rows, self._dimension = rows, len(a) - 1
        middles = [0.5 * (low + high) if np.isfinite(low + high) else np.inf for low, high in heights]
        self._cut = -1.0
        self._axis = None
        if middles and min(middles) < 1.0:
            at = int(np.argmin(middles))
            axis = rows[1 + at, :-1] - (rows[1 + at, :-1] @ self._normal) * self._normal
            size = float(np.sqrt(axis @ axis))
            if size > 0:
                self._axis, self._cut = axis / size, float(np.clip(-middles[at], -1.0, 1.0))
        b = 0.5 * (self._dimension + 1)
        self.share = float(betainc(b, b, 0.5 * (1.0 - self._cut)))  # where the coordinate along the axis exceeds the cut

    def draw(self, count: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """Whether each of `count` points is within all half-spaces, (count,), and the points, (count, k)."""
        from scipy.special import betaincinv

        m, k = self._dimension, len(self._normal)
        points = rng.standard_normal((count, k))
        points -= np.outer(points @ self._normal, self._normal)
        if self._axis is None:
            points *= (rng.random(count) ** (1.0 / m) / np.sqrt((points * points).sum(axis=1)))[:, None]
        else:
            b = 0.5 * (m + 1)
            along = 1.0 - 2.0 * betaincinv(b, b, self.share * rng.random(count))
            points -= np.outer(points @ self._axis, self._axis)
            rest = np.sqrt((points * points).sum(axis=1))
            far = np.sqrt(np.maximum(1.0 - along * along, 0.0)) * (rng.random(count) ** (1.0 / (m - 1)) if m > 1 else 0.0)
            points *= np.divide(far, rest, out=np.zeros(count), where=rest > 0)[:, None]
            points += np.outer(along, self._axis)
        points = self._middle + self._radius * points
        inside = points @ self._rows[1:, :-1].T + self._rows[1:, -1] > 0
        return inside.all(axis=1).astype(np.float64), points
