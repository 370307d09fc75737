"""The tree of a proof by search: how cells were cut, and what refutes their alternatives."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from polylc.bounds.sharpen import Claims

BOX, NEURON, ALTERNATIVES = 0, 1, 2  # kinds of splits


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
    """

    place: int
    shares: np.ndarray
    slopes: np.ndarray
    rule: np.ndarray
    betas: np.ndarray


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
    """

    rows: tuple[tuple[int, Fraction], ...]
    neurons: tuple[tuple[int, Fraction], ...]


@dataclass
class Exact:
    """The same, where a bound does not do: `Combination`."""

    place: int
    combination: Combination


@dataclass
class Node:
    """A cell's entry in the tree.

    Attributes
    ----------
    refined : int
        First layer whose open neurons were bounded anew; the number of layers if none was.
    ends : list of (int, int, float)
        Neurons, sides (0 lower, 1 upper) and ends that other arithmetic might not find by itself.
    claims : list of Claims
        Ends with slopes of their own, after these.
    events : list
        `Closing`, or the place of an alternative that was replaced by its choices, in order.
    kind, at : int
        How the cell was split, and the input or neuron; -1 where it was not.
    children : list of Node
        Of a box the lower half first; of a neuron the negative side; of alternatives one for each.
    """

    refined: int
    ends: list[tuple[int, int, float]] = field(default_factory=list)
    claims: list[Claims] = field(default_factory=list)
    events: list[object] = field(default_factory=list)
    kind: int = -1
    at: int = -1
    children: list[Node] = field(default_factory=list)
