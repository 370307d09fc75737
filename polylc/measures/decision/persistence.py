"""Persistent homology over GF(2) of a set that grows, from the cells of a complex that belong to it.

Given are the inner cells of a polyhedral complex of a ball of dimension n, each with the level down to which it stays
outside: a cell belongs to the set at level t if its own level is above t, and then so do all cells around it. The dual
cell of a cell of dimension d has dimension n - d, and its boundary consists of the dual cells of the cells of dimension
d + 1 around it. Homology of the set is that of the dual cells (docs/exactness.md, "Topology").
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from polylc.errors import ConsistencyError
from polylc.exact.checkpoint import checkpoint


class Bar(NamedTuple):
    """A class of homology that is there for death <= t < birth.

    Attributes
    ----------
    dimension : int
        0: a component; 1: a loop; 2: a void; ...
    birth : Fraction
    death : Fraction or None
        None: it is there however low the level.
    """

    dimension: int
    birth: Fraction
    death: Fraction | None

    def holds(self, level: Fraction) -> bool:
        """Whether it is there at a level."""
        return level < self.birth and (self.death is None or self.death <= level)


def persistence(codimension: Sequence[int], around: Sequence[Sequence[int]], level: Sequence[Fraction]) -> list[Bar]:
    """The bars of the growing set, without those of length zero.

    Parameters
    ----------
    codimension : sequence of int
        n - d of each inner cell.
    around : sequence of sequences of int
        For each the cells of one dimension more that have it in their boundary.
    level : sequence of Fraction
        For each its level; that of a cell around it is no lower.

    Raises
    ------
    ConsistencyError
        If the whole is not contractible, or a level rises toward the boundary of a cell: no complex of a ball has that.

    Notes
    -----
    The standard reduction (Edelsbrunner, Letscher and Zomorodian 2002) with clearing (Chen and Kerber 2011): from high
    dual dimensions to low ones, so that columns which others pair with need no work.

    Examples
    --------
    Two intervals that meet in a point, which comes later:

    >>> for bar in persistence([0, 0, 1], [[], [], [0, 1]], [Fraction(3), Fraction(2), Fraction(1)]):
    ...     print(*bar)
    0 3 None
    0 2 1
    """
    order = sorted(range(len(level)), key=lambda i: (-level[i], codimension[i]))
    place = [0] * len(order)
    for p, i in enumerate(order):
        place[i] = p
    by_dimension: dict[int, list[int]] = {}
    for i in order:
        by_dimension.setdefault(codimension[i], []).append(i)
    paired: dict[int, int] = {}  # place of the cell that is born -> cell that kills
    killers: set[int] = set()
    for dimension in sorted(by_dimension, reverse=True):
        reduced: dict[int, set[int]] = {}
        for count, i in enumerate(by_dimension[dimension]):
            if count % 1024 == 0:
                checkpoint()
            if place[i] in paired:  # it is born, so its own boundary reduces to nothing
                continue
            column = {place[j] for j in around[i]}
            while column:
                low = max(column)
                other = reduced.get(low)
                if other is None:
                    reduced[low] = column
                    paired[low] = i
                    killers.add(i)
                    break
                column = column ^ other
    bars = []
    for p, i in enumerate(order):
        if i in killers:
            continue
        killer = paired.get(p)
        death = None if killer is None else level[killer]
        if death is not None and death > level[i]:
            raise ConsistencyError("a face stands above a cell around it")
        if death != level[i]:
            bars.append(Bar(codimension[i], level[i], death))
    if [bar.dimension for bar in bars if bar.death is None] != [0]:
        raise ConsistencyError("the faces of the regions do not fill the neighbourhood")
    return bars
