"""What a search for the steepest region is after: a norm of the gradient of an output, or of a difference of two."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from polylc.bounds.gradients import summed_sizes, summed_squares
from polylc.bounds.tables import Rows
from polylc.network.exact_slopes import GradientEnds

Array = np.ndarray
Chords = tuple[Array, Array, Array]


@dataclass(frozen=True)
class Target:
    """An output, or `first` minus `second`."""

    first: int
    second: int | None = None

    @property
    def name(self) -> str:
        """As reports call it."""
        return f"f{self.first}" if self.second is None else f"f{self.first}-f{self.second}"

    @property
    def outputs(self) -> dict[int, int]:
        """Coefficients by output."""
        return {self.first: 1} if self.second is None else {self.first: 1, self.second: -1}


def usual_targets(outputs: int, label: int | None) -> list[Target]:
    """The margins of a label, or all outputs where there is none."""
    if label is None or outputs == 1:
        return [Target(i) for i in range(outputs)]
    return [Target(label, j) for j in range(outputs) if j != label]


@dataclass(frozen=True)
class Norm:
    """A norm of gradients, or its square, where that is rational.

    Attributes
    ----------
    name : str
        The norm of the inputs, of which this is the dual.
    power : int
        Values are the norm to this power.
    """

    name: str
    power: int

    def chords(self, low: Array, high: Array) -> Chords:
        """From ends of all entries: a direction and a constant, so that values are at most the derivative in that
        direction plus the constant; and what values are at most whatever the direction.
        """
        return _CHORDS[self.name](low, high)

    def of(self, gradient: Array) -> Array:
        """Values, in doubles; shape (rows,)."""
        sizes = np.abs(gradient)
        if self.name == "l1":
            return sizes.max(axis=1)  # type: ignore[no-any-return]
        return sizes.sum(axis=1) if self.name == "linf" else (gradient * gradient).sum(axis=1)  # type: ignore[no-any-return]

    def most(self, ends: GradientEnds) -> Fraction:
        """The largest value that ends in integers leave, exactly."""
        sizes = [max(abs(a), abs(b)) for a, b in zip(ends.low.tolist(), ends.high.tolist(), strict=True)]
        if self.name == "l1":
            return Fraction(max(sizes, default=0), ends.scale)
        return Fraction(sum(sizes), ends.scale) if self.name == "linf" else Fraction(sum(v * v for v in sizes), ends.scale**2)


def largest_entry(low: Array, high: Array) -> Chords:
    """For l1: the entry that may be largest, by itself. Trees bound single entries (`Goal.entry`)."""
    sizes = np.maximum(np.abs(low), np.abs(high))
    at, every = sizes.argmax(axis=1), np.arange(len(low))
    direction = np.zeros_like(low)
    direction[every, at] = np.where(high[every, at] >= -low[every, at], 1.0, -1.0)
    return direction, np.zeros(len(low)), sizes.max(axis=1)


_CHORDS: dict[str, Callable[[Array, Array], Chords]] = {"linf": summed_sizes, "l2": summed_squares, "l1": largest_entry}
NORMS = {"linf": Norm("linf", 1), "l2": Norm("l2", 2), "l1": Norm("l1", 1)}


@dataclass(frozen=True)
class Goal:
    """What one tree bounds.

    Attributes
    ----------
    target : Target
    norm : Norm
    answer : int
        Which largest value it is a part of: the largest of several margins has several trees.
    entry : int or None
        For l1, the one entry whose largest size this tree bounds.
    sign : int
        For such an entry, which sign of it.
    """

    target: Target
    norm: Norm
    answer: int
    entry: int | None = None
    sign: int = 1


def stacked(rows: Sequence[list[Array | None]]) -> Rows:
    """Rows by source as a batch."""
    found: Rows = []
    for source in range(len(rows[0])):
        parts = [row[source] for row in rows]
        found.append(None if any(part is None for part in parts) else np.stack([part for part in parts if part is not None]))
    return found
