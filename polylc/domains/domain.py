"""What every input set offers: searches, measures and proofs need nothing else of it.

A domain has coordinates of its own, u in [-1, 1]^k, and an embedding x = E u + e into the inputs of a network, whose
columns are orthogonal; forms of neurons are affine functions of u. Lengths, areas and gradients are those of the set in
the space of the inputs: axis j of the cube has half the length |E_j|, the root of a rational. To add a domain, write a
file with a class that has these members, and a function that makes one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import NamedTuple, Protocol, TypeVar, runtime_checkable

import numpy as np

from polylc.exact.embedding import Embedding
from polylc.network.along import Start
from polylc.network.form import Network

Number = TypeVar("Number", int, Fraction)
Point = tuple[Fraction, ...]


class Parameter(NamedTuple):
    """One of the rational coordinates in which a set is a box: middle - half <= value <= middle + half."""

    name: str
    middle: Fraction
    half: Fraction


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
    def center(self) -> Point | None:
        """The point whose neighbourhood it is, if it is one."""

    @property
    def norms(self) -> tuple[str, ...]:
        """Norms of the inputs in which Lipschitz constants are measured."""

    @property
    def log(self) -> tuple[str, ...]:
        """What was substituted or clipped, in words."""

    @property
    def exact_embedding(self) -> Embedding:
        """[E, e] in integers."""

    @property
    def embedding(self) -> np.ndarray:
        """[E, e] in doubles, x = E u + e; shape (inputs, k + 1)."""

    @property
    def rounding(self) -> np.ndarray:
        """Bound on what `embedding` lost in rounding anywhere in the set, by coordinate; shape (inputs,)."""

    def start(self, network: Network) -> Start:
        """What doubles evaluate of a network on the set."""

    def least(self, row: Sequence[Number]) -> Number:
        """The support function: the least value of the form u -> row[:-1] u + row[-1] on the set, exactly."""

    def corners(self) -> Iterator[Point]:
        """The extreme points of the set, inputs of the network, where there are finitely many."""

    def contains(self, point: Sequence[Fraction]) -> bool:
        """Whether a rational input lies in the closed set."""

    def lifted(self, unit: Sequence[Fraction]) -> Point:
        """The input with these own coordinates, exactly."""

    def moved_into(self, point: Sequence[Fraction]) -> Point:
        """A point of the set near an input that lies in it but for rounding."""

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Rational coordinates in which it is a box: free coordinates, or those in a plane."""

    def points(self, unit: np.ndarray) -> np.ndarray:
        """Inputs from own coordinates, in doubles; shapes (..., k) and (..., inputs)."""

    def unit(self, points: np.ndarray) -> np.ndarray:
        """Own coordinates of inputs, of those beside the set those of the nearest point of its span, in doubles; shapes
        (..., inputs) and (..., k).
        """

    # ---- lengths ---------------------------------------------------------------------------------------------------
    @property
    def squared_half(self) -> tuple[Fraction, ...]:
        """|E_j|^2, the squares of half the lengths of its axes."""

    @property
    def inverse_sides(self) -> tuple[Fraction, ...] | None:
        """1 / |E_j|, where all of these are rational."""

    @property
    def half(self) -> np.ndarray:
        """The nearest doubles of |E_j|; shape (k,)."""

    @property
    def inverse_half(self) -> np.ndarray:
        """The nearest doubles of 1 / |E_j|; shape (k,)."""

    @property
    def squared_volume(self) -> Fraction:
        """The square of the k-volume."""

    @property
    def size(self) -> float:
        """The k-volume, in doubles."""

    @property
    def middle(self) -> np.ndarray:
        """Its middle e, in doubles; shape (inputs,)."""

    @property
    def basis(self) -> np.ndarray:
        """The columns E_j / |E_j|, in doubles; shape (inputs, k)."""

    @property
    def measured_middle(self) -> np.ndarray:
        """The middle in coordinates along the axes that measure lengths, those of pictures and of regions' maps; shape
        (k,).
        """

    @property
    def axes(self) -> tuple[str, ...]:
        """What these coordinates are called."""

    def lift(self, offsets: np.ndarray) -> np.ndarray:
        """Inputs from offsets from the middle along the axes, lengths; shapes (..., k) and (..., inputs)."""

    def gradients(self, rows: np.ndarray) -> np.ndarray:
        """Gradients along the axes of forms in unit coordinates, infinite beyond doubles; shapes (..., k + 1) and (...,
        k).
        """
