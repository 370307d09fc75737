"""Whether a class is ahead somewhere on a closed cell, or two classes are level there: exact programs, in any
dimension.

Rows are integer forms in unit coordinates; of a cell those that are positive inside it, of a facet those of the region
and the one that vanishes on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from polylc.complex.complex import Complex
from polylc.complex.graph import RegionGraph
from polylc.exact.checkpoint import checkpoint
from polylc.exact.simplex import Infeasible
from polylc.exact.unit_box import reach
from polylc.geometry.exact_program import minimise_exactly
from polylc.measures.decision.classes import class_forms, lead
from polylc.network.exact_forms import Row

KEPT = 64  # regions whose rows are kept: edges come in the order of their first regions
Pair = tuple[int, int]


class ByPrograms:
    """What holds on closed regions and on their common facets, by exact programs; in any dimension.

    Parameters
    ----------
    complex_ : Complex
    graph : RegionGraph
    """

    def __init__(self, complex_: Complex, graph: RegionGraph) -> None:
        self.complex, self.graph = complex_, graph
        self._kept: dict[int, tuple[list[Row], list[Row]]] = {}

    def leaders(self, region: int) -> tuple[list[int], bool]:
        """Classes that may be ahead or level somewhere in a region, and whether only one is ahead, on all of it."""
        _, rows = self._rows(region)
        ranges = [(row[-1] - reach(row), row[-1] + reach(row)) for row in rows]
        floor = max(low for low, _ in ranges)
        some = [c for c, (_, high) in enumerate(ranges) if high >= floor]
        for c in some:
            if all(row[-1] > reach(row) for row in lead(rows, c)):
                return [c], True
        return some, False

    def ahead(self, region: int, label: int) -> bool:
        """Whether a class is ahead of all others somewhere in a region."""
        cell, rows = self._rows(region)
        return is_ahead(lead(rows, label), cell)

    def ahead_across(self, edge: int, label: int) -> bool:
        """Whether it is on a facet."""
        cell, rows, on = self._facet(edge)
        return is_ahead(lead(rows, label), cell, on)

    def level(self, region: int, classes: Sequence[int]) -> bool:
        """Whether some classes are level, and none is ahead of them, at a point of a closed region inside the
        neighbourhood.
        """
        cell, rows = self._rows(region)
        return is_level(*_level(rows, classes), cell)

    def level_across(self, edge: int, classes: Sequence[int]) -> bool:
        """Whether they are at a point of a closed facet."""
        cell, rows, on = self._facet(edge)
        return is_level(*_level(rows, classes), cell, on)

    def _rows(self, region: int) -> tuple[list[Row], list[Row]]:
        """The path's half-spaces and the classes' forms."""
        if region not in self._kept:
            if len(self._kept) >= KEPT:
                self._kept.pop(next(iter(self._kept)))
            self._kept[region] = self.complex.exact_half_spaces(region), class_forms(self.complex, region)
        return self._kept[region]

    def _facet(self, edge: int) -> tuple[list[Row], list[Row], Row]:
        """The same of a region that names the facet's hyperplane in its path, and that hyperplane."""
        entry = int(self.graph.first_entry[edge])
        region = int((self.graph.first if entry >= 0 else self.graph.second)[edge])
        entry = entry if entry >= 0 else int(self.graph.second_entry[edge])
        cell, rows = self._rows(region)
        return cell, rows, cell[entry - int(self.complex.starts[region])]


def _level(rows: Sequence[Row], classes: Sequence[int]) -> tuple[list[Row], list[Row]]:
    """What is zero where classes are level, and not negative where none is ahead of them."""
    first, *others = classes
    own = rows[first]
    off = {j: tuple(a - b for a, b in zip(own, row, strict=True)) for j, row in enumerate(rows) if j != first}
    return [off[j] for j in others], [row for j, row in off.items() if j not in others]


def is_ahead(leads: Sequence[Row], cell: Sequence[Row], on: Row | None = None) -> bool:
    """Whether all leads are positive at one point of the cell; of the facet on the hyperplane `on`.

    On an open cell, or the inside of a facet, the answer is the same: the leads are continuous.
    """
    if any(row[-1] + reach(row) <= 0 for row in leads):
        return False
    # the largest t in [0, 1] with every lead at least t times its largest value on the cube
    wide = [(*row[:-1], -(row[-1] + reach(row)), row[-1]) for row in leads]
    return _reaches(wide, [*cell, *_both(on)], len(leads[0]) - 1)


def is_level(equal: Sequence[Row], leads: Sequence[Row], cell: Sequence[Row], on: Row | None = None) -> bool:
    """Whether a point of the cell, or of a facet, strictly inside the cube, has all forms of `equal` zero and no lead
    negative.
    """
    if any(abs(row[-1]) > reach(row) for row in equal) or any(row[-1] + reach(row) < 0 for row in leads):
        return False
    k = len(cell[0]) - 1 if cell else len(equal[0]) - 1
    walls: list[Row] = [(*(sign * (i == j) for i in range(k)), -1, 1) for j in range(k) for sign in (-1, 1)]
    return _reaches(walls, [*cell, *leads, *(row for form in equal for row in _both(form)), *_both(on)], k)


def _both(form: Row | None) -> list[Row]:
    return [] if form is None else [form, tuple(-v for v in form)]


def _reaches(wide: Sequence[Row], rows: Sequence[Row], k: int) -> bool:
    """Whether at some point of the cube no row is negative, nor a wide one, in the point and t, for some t > 0."""
    checkpoint()
    program = [*wide, *((*row[:-1], 0, row[-1]) for row in rows)]
    found = minimise_exactly([*[0] * k, -1, 0], program, [Fraction(-1)] * k + [Fraction(0)], [Fraction(1)] * (k + 1))
    return not isinstance(found, Infeasible) and found.value < 0
