"""Planes, lines and other frames in input space: boxes of parameters in the affine hull of given points, or along given
directions, exact in every digit.

The axes are orthogonal: d_1 = b - a, and d_2 is what c - a has beside it (Gram and Schmidt, in rationals, lengths left
as they are). x = a + s_1 d_1 + s_2 d_2, so that a has the parameters (0, 0), b (1, 0), and c (t, 1) with t = (c - a)
(b - a) / |b - a|^2.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property

import numpy as np

from polylc.domains.domain import Number, Parameter, Point
from polylc.errors import NeighbourhoodError
from polylc.exact.embedding import Embedding
from polylc.exact.enclose import enclose, nearest_sqrt
from polylc.exact.numbers import as_fraction, as_fractions, to_floats
from polylc.exact.unit_box import least
from polylc.network.along import Start, along_embedding
from polylc.network.form import Network

MARGIN, WIDEST = Fraction(1, 4), 1000  # of the sides of the box that holds the points
GRID = 64  # ends of parameters are multiples of a power of two, which goes so often into their extent, rounded outward
SMALLEST, LARGEST = Fraction(1, 2**1000), Fraction(2**1000)  # of squared lengths


@dataclass(frozen=True)
class Frame:
    """The box low <= s <= high in x = origin + s_1 d_1 + ... + s_k d_k, with orthogonal d_j.

    Lengths, areas, volumes and gradients are those of the set in the space of the inputs, l2.

    Attributes
    ----------
    origin : tuple of Fraction, length n
    directions : tuple of k tuples of Fraction, length n each
        Orthogonal, none of them zero.
    low, high : tuple of Fraction, length k
        Bounds of the parameters.
    marks : tuple of tuples of Fraction
        The points that it was laid through, inputs.
    names : tuple of str
        What these are called.
    log : tuple of str
    """

    origin: Point
    directions: tuple[Point, ...]
    low: Point
    high: Point
    marks: tuple[Point, ...] = ()
    names: tuple[str, ...] = ()
    log: tuple[str, ...] = field(default=())

    @property
    def inputs(self) -> int:
        """Number of coordinates of the inputs."""
        return len(self.origin)

    @property
    def dimension(self) -> int:
        """1 for a line, 2 for a plane."""
        return len(self.directions)

    @property
    def kind(self) -> str:
        """What it is called."""
        return {1: "line", 2: "plane"}.get(self.dimension, f"frame of {self.dimension} directions")

    @property
    def center(self) -> None:
        """None: it is no neighbourhood of a point."""
        return

    @property
    def norms(self) -> tuple[str, ...]:
        """Of Lipschitz constants: lengths in it are l2."""
        return ("l2",)

    @cached_property
    def squares(self) -> tuple[Fraction, ...]:
        """Squared lengths of the directions."""
        return tuple(inner(d, d) for d in self.directions)

    @cached_property
    def _half(self) -> Point:
        """Half the extent of each parameter."""
        return tuple((b - a) / 2 for a, b in zip(self.low, self.high, strict=True))

    @cached_property
    def _middle(self) -> Point:
        return self.at([(a + b) / 2 for a, b in zip(self.low, self.high, strict=True)])

    @cached_property
    def _columns(self) -> list[Point]:
        """Those of E."""
        return [tuple(h * v for v in d) for h, d in zip(self._half, self.directions, strict=True)]

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """s_1, ..., s_k."""
        ends = enumerate(zip(self.low, self.high, self._half, strict=True), start=1)
        return tuple(Parameter(f"s{j}", (a + b) / 2, h) for j, (a, b, h) in ends)

    def at(self, parameters: Sequence[Fraction]) -> Point:
        """The input with these parameters."""
        point = list(self.origin)
        for s, d in zip(parameters, self.directions, strict=True):
            if s:
                point = [x + s * v for x, v in zip(point, d, strict=True)]
        return tuple(point)

    def foot(self, point: Sequence[Fraction]) -> Point:
        """Parameters of an input, of one beside the span those of its foot in it."""
        away = [x - a for x, a in zip(point, self.origin, strict=True)]
        return tuple(inner(away, d) / q for d, q in zip(self.directions, self.squares, strict=True))

    def contains(self, point: Sequence[Fraction]) -> bool:
        """Whether a rational input lies in the closed set."""
        found = self.foot(point)
        return all(a <= s <= b for a, s, b in zip(self.low, found, self.high, strict=True)) and self.at(found) == tuple(point)

    def moved_into(self, point: Sequence[Fraction]) -> Point:
        """The nearest point of the set."""
        return self.at([min(max(s, a), b) for s, a, b in zip(self.foot(point), self.low, self.high, strict=True)])

    def lifted(self, unit: Sequence[Fraction]) -> Point:
        """The input with these coordinates, each in [-1, 1] from side to side."""
        return self.at([a + (1 + t) * h for a, t, h in zip(self.low, unit, self._half, strict=True)])

    def corners(self) -> Iterator[Point]:
        """The corners, inputs of the network; 2^k of them."""
        return map(self.at, itertools.product(*zip(self.low, self.high, strict=True)))

    def least(self, row: Sequence[Number]) -> Number:
        """The support function, as that of the cube [-1, 1]^k."""
        return least(row)

    # ---- in doubles ------------------------------------------------------------------------------------------------
    @cached_property
    def exact_embedding(self) -> Embedding:
        """[E, e] in integers."""
        return Embedding(self._middle, self._columns)

    @cached_property
    def embedding(self) -> np.ndarray:
        """[E, e] in doubles; shape (n, k + 1)."""
        return np.column_stack([to_floats(column) for column in [*self._columns, self._middle]])

    @cached_property
    def rounding(self) -> np.ndarray:
        """Bound on what `embedding` lost in rounding anywhere in the set, by coordinate; shape (n,)."""
        lost = []
        for exact, near in zip(zip(*self._columns, self._middle, strict=True), self.embedding.tolist(), strict=True):
            lost.append(enclose(sum((abs(v - Fraction(f)) for v, f in zip(exact, near, strict=True)), Fraction(0)))[1])
        return np.array(lost)

    def start(self, network: Network) -> Start:
        """What doubles evaluate of a network in the plane: the network along it, made once."""
        found = self._starts.get(network)
        if found is None:
            found = along_embedding(network, self.exact_embedding) or Start(network, self.embedding, self.rounding)
            self._starts[network] = found
        return found

    @cached_property
    def _starts(self) -> dict[Network, Start]:
        return {}

    def __reduce__(self) -> tuple[object, ...]:
        given = self.origin, self.directions, self.low, self.high, self.marks, self.names, self.log
        return Frame, given  # what was derived is derived again

    @property
    def middle(self) -> np.ndarray:
        """e in doubles; shape (n,)."""
        found: np.ndarray = self.embedding[:, -1]
        return found

    @cached_property
    def basis(self) -> np.ndarray:
        """Columns of length 1 along the axes; shape (n, k)."""
        found: np.ndarray = self.embedding[:, :-1] / self.half
        return found

    def points(self, unit: np.ndarray) -> np.ndarray:
        """Inputs from unit coordinates; shapes (..., k) and (..., n)."""
        found: np.ndarray = unit @ self.embedding[:, :-1].T + self.middle
        return found

    def unit(self, points: np.ndarray) -> np.ndarray:
        """Unit coordinates of the feet of inputs in the span; shapes (..., n) and (..., k)."""
        found: np.ndarray = (np.asarray(points, dtype=np.float64) - self.middle) @ self.basis / self.half
        return found

    def lift(self, offsets: np.ndarray) -> np.ndarray:
        """Inputs from offsets along the axes, lengths; shapes (..., k) and (..., n)."""
        return self.points(offsets / self.half)

    # ---- lengths ---------------------------------------------------------------------------------------------------
    @cached_property
    def squared_half(self) -> tuple[Fraction, ...]:
        """Squares of half the lengths of the sides."""
        return tuple(h * h * q for h, q in zip(self._half, self.squares, strict=True))

    @property
    def inverse_sides(self) -> None:
        """None: lengths of sides are roots of rationals."""
        return

    @cached_property
    def half(self) -> np.ndarray:
        """Half the lengths of the sides, the nearest doubles; shape (k,)."""
        return np.array([nearest_sqrt(q) for q in self.squared_half])

    @cached_property
    def inverse_half(self) -> np.ndarray:
        """One over these, the nearest doubles; shape (k,)."""
        return np.array([nearest_sqrt(1 / q) for q in self.squared_half])

    @cached_property
    def squared_volume(self) -> Fraction:
        """The square of the length, or the area."""
        return math.prod((4 * q for q in self.squared_half), start=Fraction(1))

    @cached_property
    def size(self) -> float:
        """The length, or the area, in doubles."""
        return nearest_sqrt(self.squared_volume)

    @cached_property
    def measured_middle(self) -> np.ndarray:
        """The middle, in lengths from the first point along the axes; shape (k,)."""
        found: np.ndarray = self.half * np.array([float((a + b) / 2 / h) for a, b, h in zip(self.low, self.high, self._half, strict=True)])
        return found

    @property
    def axes(self) -> tuple[str, ...]:
        """What lengths along the axes are called."""
        if len(self.names) <= self.dimension:  # not laid through points
            return tuple(f"length along d{j}" for j in range(1, self.dimension + 1))
        a, b, *c = self.names
        return (f"length from {a} to {b}", *(f"length across, towards {name}" for name in c))

    def gradients(self, rows: np.ndarray) -> np.ndarray:
        """Gradients along the axes of forms in unit coordinates, infinite beyond doubles; shapes (..., k + 1) and (...,
        k).
        """
        with np.errstate(over="ignore"):
            result: np.ndarray = rows[..., :-1] / self.half
        return result


def inner(one: Sequence[Fraction], other: Sequence[Fraction]) -> Fraction:
    """The inner product of two vectors; whole numbers over one denominator, since adding fractions is slow."""
    a, b = math.lcm(1, *(v.denominator for v in one)), math.lcm(1, *(v.denominator for v in other))
    total = sum((v.numerator * (a // v.denominator)) * (w.numerator * (b // w.denominator)) for v, w in zip(one, other, strict=True))
    return Fraction(total, a * b)


def through(points: Sequence[Iterable[object]], names: tuple[str, ...] = ("a", "b", "c"), margin: object | None = None) -> Frame:
    """The line through two inputs, or the plane through three, around them.

    Parameters
    ----------
    points : sequence of two or three iterables of numbers, length n
        Floats are taken as the rationals they are, strings as exact decimals.
    names : tuple of str
        What the points are called.
    margin : number, optional
        By how much the box of parameters reaches beyond the box that holds the points, as a share of its sides: a
        quarter for a plane, and nothing for a line.

    Raises
    ------
    NeighbourhoodError
        If the points are of different lengths, or none of them is beside the others' span.

    Examples
    --------
    >>> found = through([[0, 0, 0], [2, 0, 0], [1, 1, 1]], margin=0)
    >>> found.directions == ((2, 0, 0), (0, 1, 1)), found.squares == (4, 2)
    (True, True)
    >>> found.foot(found.marks[2]) == (Fraction(1, 2), 1)
    True
    """
    what = "line" if len(points) == 2 else "plane"
    names = names[: len(points)]
    exact = [as_fractions(point, f"{what}: point {name}") for point, name in zip(points, names, strict=True)]
    if len({len(point) for point in exact}) > 1:
        sizes = ", ".join(str(len(point)) for point in exact)
        raise NeighbourhoodError(f"{what}: its points have {sizes} coordinates; give points of one length")
    beyond = (MARGIN if what == "plane" else Fraction(0)) if margin is None else as_fraction(margin, f"{what}: margin")
    if not 0 <= beyond <= WIDEST:
        raise NeighbourhoodError(f"{what}: margin {float(beyond):g} is out of range; give a share between 0 and {WIDEST}")
    origin, directions = exact[0], list[Point]()
    for at, point in enumerate(exact[1:], start=1):
        rest = _beside(tuple(x - a for x, a in zip(point, origin, strict=True)), directions)
        if not any(rest):
            same = [name for name, other in zip(names[:at], exact, strict=False) if other == point]
            why = f"{same[0]} and {names[at]} are the same point" if same else f"{', '.join(names)} lie on a line"
            raise NeighbourhoodError(f"{what}: {why}; choose others")
        directions.append(rest)
    frame = Frame(origin, tuple(directions), (), (), tuple(exact), names)
    if not all(SMALLEST < q < LARGEST for q in frame.squares):
        raise NeighbourhoodError(f"{what}: distances between its points are out of range; they must lie between 2^-500 and 2^500")
    low, high = [], []
    for feet in zip(*map(frame.foot, exact), strict=True):
        extent = max(feet) - min(feet)  # 1 or more: the ends of a direction have the parameters 0 and 1
        step = Fraction(1 << (extent.numerator // extent.denominator).bit_length() - 1, GRID)
        low.append(math.floor((min(feet) - beyond * extent) / step) * step)
        high.append(math.ceil((max(feet) + beyond * extent) / step) * step)
    return Frame(origin, tuple(directions), tuple(low), tuple(high), tuple(exact), names)


def spanned(origin: Iterable[object], directions: Sequence[Iterable[object]], low: object, high: object) -> Frame:
    """The box of parameters between two bounds, along directions from an origin.

    Parameters
    ----------
    origin : iterable of numbers, length n
        Floats are taken as the rationals they are, strings as exact decimals.
    directions : sequence of k iterables of numbers, length n each
        Independent; of each what is at right angles to those before it, exactly, is an axis, as long as it is.
    low, high : number, or iterable of k numbers
        Bounds of the parameters along these axes.

    Raises
    ------
    NeighbourhoodError
        If a direction lies in the span of those before it, or of other length than the origin, if there is none, or
        if the bounds leave no interior.

    Examples
    --------
    >>> found = spanned([1, 0, 0], [[1, 1, 0], [1, 0, 0]], -1, [1, 2])
    >>> [[str(v) for v in d] for d in found.directions]
    [['1', '1', '0'], ['1/2', '-1/2', '0']]
    """
    start = as_fractions(origin, "frame: origin")
    axes = list[Point]()
    for j, direction in enumerate(directions, start=1):
        rest = as_fractions(direction, f"frame: direction {j}")
        if len(rest) != len(start):
            raise NeighbourhoodError(f"frame: direction {j} has {len(rest)} coordinates, the origin {len(start)}; give the same number")
        rest = _beside(rest, axes)
        if not any(rest):
            why = "is zero" if j == 1 else "lies in the span of those before it"
            raise NeighbourhoodError(f"frame: direction {j} {why}; leave it out, or choose another")
        axes.append(rest)
    if not axes:
        raise NeighbourhoodError("frame: there is no direction; give one or more")
    least, most = _bounds(low, len(axes), "low"), _bounds(high, len(axes), "high")
    for j, (a, b) in enumerate(zip(least, most, strict=True), start=1):
        if not a < b or max(abs(a), abs(b)) > LARGEST or b - a < SMALLEST:
            raise NeighbourhoodError(f"frame: bounds {float(a):g} and {float(b):g} of parameter {j} are out of range, or leave nothing between them")
    found = Frame(start, tuple(axes), least, most, (start,), ("origin",))
    if not all(SMALLEST < q < LARGEST for q in (*found.squares, *found.squared_half)):
        raise NeighbourhoodError("frame: lengths are out of range; they must lie between 2^-500 and 2^500")
    return found


def _beside(vector: Point, axes: Sequence[Point]) -> Point:
    """What a vector has at right angles to orthogonal ones."""
    for d in axes:
        share = inner(vector, d) / inner(d, d)
        vector = tuple(x - share * v for x, v in zip(vector, d, strict=True))
    return vector


def _bounds(value: object, count: int, what: str) -> Point:
    """A number for each parameter.

    Raises
    ------
    NeighbourhoodError
        If there are others than one, or one for each.
    """
    found = as_fractions(value, f"frame: {what}") if isinstance(value, Iterable) and not isinstance(value, str) else None
    if found is None:
        return (as_fraction(value, f"frame: {what}"),) * count
    if len(found) != count:
        raise NeighbourhoodError(f"frame: {what} has {len(found)} bounds for {count} directions; give one number, or one for each")
    return found
