"""Boxes, exact in every digit."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property

import numpy as np

from polylc.domains.domain import Domain, Number, Parameter, Point
from polylc.domains.within import NORMS
from polylc.errors import NeighbourhoodError, UsageError
from polylc.exact.embedding import BoxEmbedding
from polylc.exact.enclose import enclose
from polylc.exact.numbers import as_fractions, to_floats
from polylc.exact.unit_box import least, lifted
from polylc.network.along import Start
from polylc.network.form import Network

LARGEST = Fraction(2**500)  # of bounds, and of one over a width: their products are still doubles
SMALLEST = 1 / LARGEST
Bounds = tuple[Sequence[Fraction], Sequence[Fraction]]


@dataclass(frozen=True)
class Neighbourhood:
    """A box with rational corners: a linf ball, perhaps clipped, or a box as given. Or the box around an l2 or l1 ball:
    `norm_of` says which, and what counts are the points of the box that are nearer to the centre than the radius.

    Coordinates whose two bounds agree are constants: `free` lists the others, and all geometry (volume, gradients,
    norms) is that of the free coordinates.

    Attributes
    ----------
    lower, upper : tuple of Fraction, length n
    center : tuple of Fraction, or None for a box
    radius : tuple of Fraction, length 1 or n, or None for a box
    norm : str
        "linf", "l2" or "l1".
    log : tuple of str
        What was substituted or clipped, in words.
    """

    lower: tuple[Fraction, ...]
    upper: tuple[Fraction, ...]
    center: tuple[Fraction, ...] | None = None
    radius: tuple[Fraction, ...] | None = None
    norm: str = "linf"
    log: tuple[str, ...] = field(default=())

    def __reduce__(self) -> tuple[object, ...]:
        # what was derived is derived again
        return Neighbourhood, (self.lower, self.upper, self.center, self.radius, self.norm, self.log)

    @property
    def inputs(self) -> int:
        """Number of coordinates, constants included."""
        return len(self.lower)

    @property
    def norms(self) -> tuple[str, ...]:
        """Of Lipschitz constants."""
        return NORMS

    @cached_property
    def free(self) -> np.ndarray:
        """Indices of the coordinates that vary."""
        return self.exact_embedding.free

    @property
    def dimension(self) -> int:
        """Number of free coordinates, n in all formulas."""
        return len(self.free)

    @cached_property
    def volume(self) -> Fraction:
        """Exact volume in the free coordinates."""
        return math.prod((self.upper[j] - self.lower[j] for j in self.free), start=Fraction(1))

    @property
    def squared_volume(self) -> Fraction:
        """Its square."""
        return self.volume**2

    @property
    def size(self) -> float:
        """The same in doubles."""
        return float(self.volume)

    @cached_property
    def exact_embedding(self) -> BoxEmbedding:
        """[E, e] in integers."""
        return BoxEmbedding(self.lower, self.upper)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """The free coordinates."""
        ends = [(j, self.lower[j], self.upper[j]) for j in self.free.tolist()]
        return tuple(Parameter(f"x{j}", (a + b) / 2, (b - a) / 2) for j, a, b in ends)

    def lifted(self, unit: Sequence[Fraction]) -> Point:
        """All coordinates of a point that is given by its free ones, in [-1, 1] from side to side."""
        return lifted(self.lower, self.upper, unit)

    def moved_into(self, point: Sequence[Fraction]) -> Point:
        """The nearest point of the box."""
        return tuple(min(max(x, a), b) for x, a, b in zip(point, self.lower, self.upper, strict=True))

    @cached_property
    def middle(self) -> np.ndarray:
        """Middle of the box, all coordinates, as floats; shape (n,)."""
        return self._over_base(self.exact_embedding.middle)

    @cached_property
    def half(self) -> np.ndarray:
        """Half the side lengths of the free coordinates, as floats; shape (dimension,)."""
        return self._over_base(self.exact_embedding.half)

    def _over_base(self, values: np.ndarray) -> np.ndarray:
        """The nearest doubles of integers over the base of the embedding."""
        base = self.exact_embedding.base
        return np.array([v / base for v in values], dtype=np.float64)

    @cached_property
    def inverse_sides(self) -> tuple[Fraction, ...]:
        """1 / half-side of the free coordinates: what turns coefficients of unit coordinates into gradients."""
        return tuple(Fraction(self.exact_embedding.base, half) for half in self.exact_embedding.half)

    @cached_property
    def inverse_half(self) -> np.ndarray:
        """The same in doubles; shape (dimension,)."""
        return to_floats(self.inverse_sides)

    @cached_property
    def squared_half(self) -> tuple[Fraction, ...]:
        """Squares of half the side lengths of the free coordinates."""
        return tuple(Fraction(half, self.exact_embedding.base) ** 2 for half in self.exact_embedding.half)

    @property
    def measured_middle(self) -> np.ndarray:
        """The middle of the box, free coordinates; shape (dimension,)."""
        found: np.ndarray = self.middle[self.free]
        return found

    @property
    def axes(self) -> tuple[str, ...]:
        """Names of the free coordinates."""
        return tuple(f"$x_{{{j}}}$" for j in self.free.tolist())

    @cached_property
    def rounding(self) -> np.ndarray:
        """Bound on what `middle` and `half` together lost in rounding, per coordinate; shape (n,)."""
        base = self.exact_embedding.base
        lost = [[_apart(exact, base, near)] for exact, near in zip(self.exact_embedding.middle, self.middle.tolist(), strict=True)]
        for j, exact, near in zip(self.free.tolist(), self.exact_embedding.half, self.half.tolist(), strict=True):
            lost[j].append(_apart(exact, base, near))
        return np.array([enclose(sum(parts[1:], parts[0]))[1] for parts in lost])

    @cached_property
    def basis(self) -> np.ndarray:
        """Matrix of shape (n, dimension) that places free coordinates."""
        matrix = np.zeros((self.inputs, self.dimension))
        matrix[self.free, np.arange(self.dimension)] = 1.0
        return matrix

    @cached_property
    def embedding(self) -> np.ndarray:
        """[E, e] with x = E u + e for u in [-1, 1]^k; shape (n, k + 1)."""
        result = np.zeros((self.inputs, self.dimension + 1))
        result[self.free, np.arange(self.dimension)] = self.half
        result[:, -1] = self.middle
        return result

    def start(self, network: Network) -> Start:
        """What doubles evaluate of a network on the box: the network itself."""
        return Start(network, self.embedding, self.rounding)

    def points(self, unit: np.ndarray) -> np.ndarray:
        """Inputs x from unit coordinates u; shapes (..., k) and (..., n)."""
        return self.lift(unit * self.half)

    def unit(self, points: np.ndarray) -> np.ndarray:
        """Unit coordinates u of inputs x; shapes (..., n) and (..., k)."""
        found: np.ndarray = (np.asarray(points, dtype=np.float64) - self.middle)[..., self.free] / self.half
        return found

    def gradients(self, rows: np.ndarray) -> np.ndarray:
        """Gradients in the free coordinates of forms in unit coordinates, infinite beyond doubles; shapes (..., k + 1)
        and (..., k).
        """
        with np.errstate(over="ignore"):
            result: np.ndarray = rows[..., :-1] / self.half
        return result

    def least(self, row: Sequence[Number]) -> Number:
        """The support function: the least value of u -> row[:-1] u + row[-1] on [-1, 1]^k, exactly."""
        return least(row)

    def corners(self) -> Iterator[Point]:
        """The corners, inputs of the network; 2^k of them."""
        return itertools.product(*((a, b) if a < b else (a,) for a, b in zip(self.lower, self.upper, strict=True)))

    def lift(self, offsets: np.ndarray) -> np.ndarray:
        """Points x = middle + basis @ w from offsets w of shape (..., dimension)."""
        points = np.broadcast_to(self.middle, (*np.shape(offsets)[:-1], self.inputs)).copy()
        points[..., self.free] += offsets
        return points

    def contains(self, point: Sequence[Fraction]) -> bool:
        """Whether a rational point lies in the closed box."""
        return all(a <= x <= b for a, x, b in zip(self.lower, point, self.upper, strict=True))


def _apart(p: int, q: int, near: float) -> Fraction:
    """How far a double is from p / q."""
    n, d = near.as_integer_ratio()
    return Fraction(abs(p * d - n * q), q * d)


def ball_of(domain: Domain) -> Neighbourhood | None:
    """The domain itself where it is the neighbourhood of a centre; else None."""
    return domain if isinstance(domain, Neighbourhood) and domain.center is not None else None


def norm_of(domain: Domain) -> str:
    """Of a ball; "linf" for a box and other sets."""
    return domain.norm if isinstance(domain, Neighbourhood) else "linf"


def as_box(domain: Domain, what: str) -> Neighbourhood:
    """The domain itself, which is a box.

    Raises
    ------
    UsageError
        If it is another set; `what` needs a box.
    """
    if isinstance(domain, Neighbourhood):
        return domain
    raise UsageError(f"{what}: it needs a ball or a box, not a plane or a line")


def box(lower: Iterable[object], upper: Iterable[object], clip: Bounds | None = None) -> Neighbourhood:
    """The box with the given corners, intersected with the box `clip` if one is given.

    Raises
    ------
    NeighbourhoodError
        If a lower bound exceeds its upper bound, or every coordinate is fixed.
    """
    low, high = as_fractions(lower, "lower corner"), as_fractions(upper, "upper corner")
    if len(low) != len(high):
        raise NeighbourhoodError(f"box: the lower corner has {len(low)} coordinates and the upper one {len(high)}")
    for j, (a, b) in enumerate(zip(low, high, strict=True)):
        if a > b:
            raise NeighbourhoodError(f"box: coordinate {j} has lower bound {show(a)} above its upper bound {show(b)}; swap the corners")
    return clipped(low, high, clip, None, None)


def clip_bounds(lower: Sequence[Fraction], upper: Sequence[Fraction]) -> Bounds:
    """A clip box, checked: every lower bound below its upper bound."""
    if len(lower) != len(upper) and 1 not in (len(lower), len(upper)):
        raise NeighbourhoodError(f"clip: {len(lower)} lower and {len(upper)} upper bounds")
    for a, b in zip(_widen(lower, max(len(lower), len(upper))), _widen(upper, max(len(lower), len(upper))), strict=True):
        if a >= b:
            raise NeighbourhoodError(f"clip: lower bound {show(a)} is not below upper bound {show(b)}")
    return lower, upper


def clipped(
    lower: tuple[Fraction, ...],
    upper: tuple[Fraction, ...],
    clip: Bounds | None,
    center: tuple[Fraction, ...] | None,
    radius: tuple[Fraction, ...] | None,
) -> Neighbourhood:
    """The box with these corners cut with `clip`, checked; `center` and `radius` are those of a ball.

    Raises
    ------
    NeighbourhoodError
        If it has no interior, or is out of range.
    """
    log = []
    if clip is not None:
        for bound in clip:
            if len(bound) not in (1, len(lower)):
                raise NeighbourhoodError(f"clip: {len(bound)} bounds for {len(lower)} coordinates; give one number, or one for each")
        least, most = _widen(clip[0], len(lower)), _widen(clip[1], len(lower))
        lower = tuple(max(a, c) for a, c in zip(lower, least, strict=True))
        upper = tuple(min(b, c) for b, c in zip(upper, most, strict=True))
        for j, (a, b) in enumerate(zip(lower, upper, strict=True)):
            if a > b:
                raise NeighbourhoodError(f"neighbourhood: coordinate {j} is empty after clipping (its range misses the clip box)")
    for j, (a, b) in enumerate(zip(lower, upper, strict=True)):
        if max(abs(a), abs(b)) > LARGEST or 0 < b - a < SMALLEST:
            raise NeighbourhoodError(f"neighbourhood: coordinate {j} is out of range; bounds and widths must lie between 2^-500 and 2^500 in size")
    fixed = [j for j, (a, b) in enumerate(zip(lower, upper, strict=True)) if a == b]
    if len(fixed) == len(lower):
        raise NeighbourhoodError("neighbourhood: every coordinate is fixed, so it has no interior")
    if fixed:
        listed = ", ".join(f"x{j} = {show(lower[j])}" for j in fixed[:8]) + (", ..." if len(fixed) > 8 else "")
        log.append(f"{len(fixed)} of {len(lower)} coordinates are fixed and substituted as constants: {listed}")
    return Neighbourhood(lower, upper, center, radius, log=tuple(log))


def _widen(bound: Sequence[Fraction], count: int) -> Sequence[Fraction]:
    return tuple(bound) * count if len(bound) == 1 else bound


def show(value: Fraction) -> str:
    """A number for messages."""
    return str(value) if value.denominator < 10**6 else repr(float(value))
