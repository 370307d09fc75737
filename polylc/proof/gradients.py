"""Proofs of largest gradients as lines of a proof file (docs/certificate-format.md, "A gradient")."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from polylc.domains.ball import within
from polylc.domains.box import Neighbourhood
from polylc.proof.certificate import ball_words
from polylc.proof.refutation import tree_lines
from polylc.proof.tree import Event, Node

GRID = 128.0  # shares, links and slopes are multiples of 1 / GRID


@dataclass(frozen=True)
class ByEnds(Event):
    """The ends of the gradient's entries close a cell, or, of the entries open at it, those at some places."""

    places: tuple[int, ...] = (0,)

    def words(self) -> list[Any]:
        """As it is written."""
        return ["ends", list(self.places)]


@dataclass(frozen=True)
class BySlopes(Event):
    """A bound closes a cell.

    Attributes
    ----------
    direction : ndarray
        Of the inputs that vary; none where a single entry is bounded.
    shares, links, slopes : ndarray
        By neuron of the list that the opening line has.
    betas : ndarray
        By neuron of the cell's path.
    """

    direction: np.ndarray
    shares: np.ndarray
    links: np.ndarray
    slopes: np.ndarray
    betas: np.ndarray

    def words(self) -> list[Any]:
        """As it is written."""
        columns = [np.rint(v * GRID).astype(int).tolist() for v in (self.shares, self.links, self.slopes)]
        return ["steep", self.direction.tolist(), *columns, self.betas.tolist()]


@dataclass(frozen=True)
class Thin(Event):
    """A cell has no interior, or none in the ball: a combination of its half-spaces is nowhere positive on its box.

    Attributes
    ----------
    multipliers : tuple of (int, Fraction)
        By neuron of the path.
    ball : Fraction
        Of r - |x - c| in l1, or half of r^2 - |x - c|^2 in l2, which is > 0 in the open ball.
    """

    multipliers: tuple[tuple[int, Fraction], ...]
    ball: Fraction = Fraction(0)

    def words(self) -> list[Any]:
        """As it is written."""
        return ["thin", [[neuron, str(y)] for neuron, y in self.multipliers], *([str(self.ball)] if self.ball else [])]


@dataclass(frozen=True)
class Empty(Event):
    """A neuron's lower end is above its upper one."""

    def words(self) -> list[Any]:
        """As it is written."""
        return ["empty"]


@dataclass(frozen=True)
class ProvedGradient:
    """A constant with the tree that proves it.

    Attributes
    ----------
    name : str
        What it is of, in words.
    outputs : mapping of int to int
        The combination of outputs.
    norm : str
    least, most : Fraction
        The constant, or its square for l2, is proved to lie between these.
    point : tuple of Fraction or None
        In a region that attains `least`; None if that is 0.
    neurons : ndarray of int
        Those that are open on the whole neighbourhood.
    tree : Node
    """

    name: str
    outputs: Mapping[int, int]
    norm: str
    least: Fraction
    most: Fraction
    point: tuple[Fraction, ...] | None
    neurons: np.ndarray
    tree: Node


def gradient_lines(domain: Neighbourhood, proved: Sequence[ProvedGradient]) -> Iterator[Any]:
    """The lines of several constants on one neighbourhood."""
    for index, one in enumerate(proved):
        yield {
            "gradient": index,
            "source": one.name,
            "lower": [str(v) for v in domain.lower],
            "upper": [str(v) for v in domain.upper],
            **ball_words(within(domain)),
            "outputs": [[i, c] for i, c in one.outputs.items()],
            "norm": one.norm,
            "least": str(one.least),
            "most": str(one.most),
            "point": None if one.point is None else [str(v) for v in one.point],
            "neurons": one.neurons.tolist(),
        }
        yield from tree_lines(one.tree)
