"""What every input set offers: searches and proofs need nothing else of it.

A domain has coordinates of its own, u in [-1, 1]^k, and an embedding x = E u + e into the inputs of a network; forms of
neurons are affine functions of u. To add a domain, write a file with a class that has these members, and a function
that makes one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Protocol, TypeVar, runtime_checkable

import numpy as np

Number = TypeVar("Number", int, Fraction)


@runtime_checkable
class Domain(Protocol):
    """A set of inputs with rational data."""

    @property
    def inputs(self) -> int:
        """Number of coordinates of the inputs, constants included."""

    @property
    def dimension(self) -> int:
        """Number of coordinates of its own, k."""

    @property
    def embedding(self) -> np.ndarray:
        """[E, e] in doubles, x = E u + e; shape (inputs, k + 1)."""

    @property
    def rounding(self) -> np.ndarray:
        """Bound on what `embedding` lost in rounding anywhere in the set, by coordinate; shape (inputs,)."""

    @property
    def log(self) -> tuple[str, ...]:
        """What was substituted or clipped, in words."""

    def least(self, row: Sequence[Number]) -> Number:
        """The support function: the least value of the form u -> row[:-1] u + row[-1] on the set, exactly."""

    def corners(self) -> Iterator[tuple[Fraction, ...]]:
        """The extreme points of the set, inputs of the network, where there are finitely many."""

    def contains(self, point: Sequence[Fraction]) -> bool:
        """Whether a rational input lies in the closed set."""

    def points(self, unit: np.ndarray) -> np.ndarray:
        """Inputs from own coordinates, in doubles; shapes (..., k) and (..., inputs)."""
