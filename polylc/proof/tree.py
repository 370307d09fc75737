"""The tree of a proof by search: how cells were cut, and what refutes their alternatives."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np

from polylc.bounds.sharpen import Claims

BOX, NEURON, ALTERNATIVES = 0, 1, 2  # kinds of splits

End = tuple[int, int, float] | int
"""A neuron, a side (0 lower, 1 upper) and the end; or 2 * neuron + side where it is found by itself, but rounded from a
quarter of a step less.
"""
STATED = 256  # added to a slope that a refutation states


def stated_ends(doubtful: np.ndarray) -> list[End]:
    """Ends that other arithmetic might not find by itself: shape (2, neurons), lower ends of z and -z, infinite where a
    quarter of a step less is rounded, and not numbers where nothing is to be said.
    """
    found: list[End] = []
    for side, neuron in zip(*(one.tolist() for one in np.nonzero(~np.isnan(doubtful))), strict=True):
        end = float(doubtful[side, neuron])
        found.append(2 * neuron + side if end == np.inf else (neuron, side, end * (1, -1)[side]))
    return found


def stated_ends_of(doubtful: np.ndarray) -> list[list[End]]:
    """The same of many cells: shape (2, cells, neurons). Most of them have none."""
    found: list[list[End]] = [[] for _ in range(doubtful.shape[1])]
    for k in np.flatnonzero(~np.isnan(doubtful).all(axis=(0, 2))).tolist():
        found[k] = stated_ends(doubtful[:, k])
    return found


class Event(ABC):
    """What closes something on a cell, and writes itself."""

    @abstractmethod
    def words(self) -> list[Any]:
        """As it is written."""


@dataclass
class Closing:
    """What refutes an alternative on a cell: numbers of a bound.

    Attributes
    ----------
    place : int
        Of the alternative, among those that are open at the cell.
    shares, slopes, rule, betas : ndarray
        Multipliers of the alternative's goals, in the order of its rows; slopes of the neurons that are open, and those
        of the rule; and multipliers of the neurons on the cell's path, in its order.
    every : ndarray of int16, shape (neurons,), or None
        Slopes of all neurons, in 1 / SLOPES, whether they are open or not; and STATED more where it is not the rule's.
    little : int
        If not negative, the neurons whose lines cost at least 2^-little of what the costliest one does are bounded anew
        before.
    ends : list of End
        Ends of those that other arithmetic might not find by itself.
    """

    place: int
    shares: np.ndarray
    slopes: np.ndarray
    rule: np.ndarray
    betas: np.ndarray
    every: np.ndarray | None = None
    little: int = -1
    ends: list[End] = field(default_factory=list)


@dataclass(frozen=True)
class Combination:
    """Exact multipliers that refute an alternative on a cell.

    The sum of multiplier times left-hand side, over rows of the alternative and half-spaces s z >= 0 of split neurons,
    is negative on the cell; or it is not positive there, and the multiplier of a strict row is positive.

    Attributes
    ----------
    rows : tuple of (int, Fraction)
        Places in the alternative's rows.
    neurons : tuple of (int, Fraction)
    ball : Fraction
        Of r - |x - c| in l1, or half of r^2 - |x - c|^2 in l2, which is >= 0, or > 0, in the ball.
    """

    rows: tuple[tuple[int, Fraction], ...]
    neurons: tuple[tuple[int, Fraction], ...]
    ball: Fraction = Fraction(0)


@dataclass
class Exact:
    """The same, where a bound does not do: `Combination`."""

    place: int
    combination: Combination


@dataclass(frozen=True)
class Outside(Event):
    """No point of the cell is in the ball: all that is open is closed."""

    def words(self) -> list[Any]:
        """As it is written."""
        return ["outside"]


@dataclass
class Node:
    """A cell's entry in the tree.

    Attributes
    ----------
    refined : int
        First layer whose open neurons were bounded anew; the number of layers if none was.
    moved : list of End, or None
        Whether rows that were found farther up were used before; and as `ends`, of these.
    ends : list of End
        Ends that other arithmetic might not find by itself.
    claims : list of Claims
        Ends with slopes of their own, after these.
    events : list
        `Closing`, `Exact`, `Outside`, or the place of an alternative that was replaced by its choices, in order.
    kind, at : int
        How the cell was split, and the input or neuron; -1 where it was not.
    children : list of Node
        Of a box the lower half first; of a neuron the negative side; of alternatives one for each.
    """

    refined: int
    moved: list[End] | None = None
    ends: list[End] = field(default_factory=list)
    claims: list[Claims] = field(default_factory=list)
    events: list[object] = field(default_factory=list)
    kind: int = -1
    at: int = -1
    children: list[Node] = field(default_factory=list)
