"""What the regions that were not found can add: the rest of a neighbourhood whose enumeration was stopped
(docs/exactness.md, lemmas 33 and 34).

Every sum over regions lies between its part over the regions found and that part plus what the rest has at most: its
share times a bound of the gradient that holds everywhere; as much boundary as hyperplanes and lines through them leave.
Both ends only move towards each other when more regions are found.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from polylc.complex.complex import Complex
from polylc.exact.quantity import Quantity, enclosure
from polylc.measures.sums import total

if TYPE_CHECKING:
    from polylc.bounds.derivatives import Everywhere, Pair
    from polylc.measures.by_volume.found_part import FoundPart
    from polylc.measures.gradient.lipschitz import Lipschitz

Array = np.ndarray
ASIDE = 2.0**-29  # more than 1e-9
UNBOUNDED = "gradients cannot be bounded where regions are missing: there are too many, or they are beyond doubles"


class Rest:
    """What is not known of a neighbourhood.

    Parameters
    ----------
    complex_ : Complex
        The regions that were found, each with its proved cell.
    label : int or None
        The class whose margins are measured.
    bound : Everywhere
    known : sequence of Lipschitz
        Constants that a search has bounded.
    """

    def __init__(self, complex_: Complex, label: int | None, bound: Everywhere, known: Sequence[Lipschitz] = ()) -> None:
        self.complex, self.label, self._bound = complex_, label, bound
        self._known = {(c.target, c.norm): c.quantity.upper for c in known if c.quantity.upper is not None}

    @classmethod
    def of(cls, complex_: Complex, label: int | None, known: Sequence[Lipschitz] = ()) -> Rest | None:
        """The rest of a neighbourhood; None where nothing can be said of gradients there."""
        from polylc.bounds.derivatives import everywhere  # what bounds takes long to import

        outputs = complex_.network.outputs
        margins: list[Pair] = [] if label is None else [(label, j) for j in range(outputs) if j != label]
        bound = everywhere(complex_.network, complex_.domain, margins)
        return None if bound is None else cls(complex_, label, bound, known)

    # ---- gradients ---------------------------------------------------------------------------------------------------
    def norm(self, name: str) -> float:
        """No gradient is longer, in l2: of "frobenius", "operator", or a margin such as "f1-f0"."""
        return self._frobenius() if name == "frobenius" else self.constant("jacobian" if name == "operator" else name, "l2")

    def constant(self, target: str, norm: str) -> float:
        """No Lipschitz constant of an output, a margin, or "jacobian", is larger, for a norm of the inputs."""
        whole = self._frobenius() if (target, norm) == ("jacobian", "l2") else self._interval(target, norm)
        return min(self._known.get((target, norm), math.inf), whole)

    def _frobenius(self) -> float:
        """No Frobenius norm of the whole map is larger; by outputs, whose constants may be known, or by all entries."""
        each = [self._known.get((f"f{i}", "l2"), math.inf) for i in range(self.complex.network.outputs)]
        return min(self._interval("jacobian", "l2"), math.hypot(*each) * (1.0 + (len(each) + 8) * 2.0**-52))

    def _interval(self, target: str, norm: str) -> float:
        """The same from ends of all derivatives."""
        sizes = self._bound.matrix() if target == "jacobian" else self._bound.sizes[_pair(target)][None]
        if norm == "l2":
            size = math.hypot(*sizes.ravel().tolist())
        else:
            size = float(sizes.sum(axis=1 if norm == "linf" or target != "jacobian" else 0).max(initial=0.0))
            if norm == "l1" and target != "jacobian":
                size = float(sizes.max(initial=0.0))
        return size * (1.0 + (sizes.size + 8) * 2.0**-52) + 5e-324 * bool(size)

    def variation(self, part: FoundPart, terms: Array, name: str) -> Quantity:
        """The mean over the neighbourhood of norms of gradients, of which terms are known: share times norm, (R, 2)."""
        low, high = total(terms)
        most = self.norm(name)
        return aside(low, min(plus_up(high, times_up(part.rest[1], most)), max(most, low)))

    # ---- boundaries --------------------------------------------------------------------------------------------------
    def boundary(self, part: FoundPart) -> float:
        """No less than the area over |U| of all facets, once for every bit that flips there."""
        complex_, network = self.complex, self.complex.network
        k, layers = complex_.domain.dimension, network.layers
        inverse = complex_.domain.inverse_half
        walls = float(inverse.sum()) / 2.0 * (1.0 + (k + 8) * 2.0**-52)  # over all axes, the area of a wall over |U|
        area, pieces = 0.0, 1
        for index, layer in enumerate(layers):
            here = np.arange(network.offsets[index], network.offsets[index + 1])
            free = here[self._bound.open[here]]
            if all(source == 0 for source, _ in layer.affine.terms):
                area = plus_up(area, math.fsum(part.sections(free).tolist()) * (1.0 + 2.0**-50))
            else:
                area = plus_up(area, times_up(walls, float(min(len(free) * pieces, 10**300))))
            pieces *= 1 + len(free)
        return area

    # ---- ranks -------------------------------------------------------------------------------------------------------
    def ranks(self) -> list[tuple[int, bool]]:
        """For each layer a rank that its Jacobian does not exceed, and whether it is the same everywhere."""
        network, k = self.complex.network, self.complex.domain.dimension
        most: list[int] = []
        for layer in network.layers:
            summed = 0
            for source in {source for source, _ in layer.affine.terms}:
                here = slice(int(network.offsets[source - 1]), int(network.offsets[source])) if source else slice(0, 0)
                summed += k if source == 0 else min(most[source - 1], int((~self._bound.dead[here]).sum()))
            most.append(min(summed, layer.width, k))
        return [(high, not self._bound.open[: int(network.offsets[index])].any()) for index, high in enumerate(most)]


def _pair(target: str) -> Pair:
    first, *second = (int(part[1:]) for part in target.split("-"))
    return first, second[0] if second else None


def aside(low: float, high: float, most: float = math.inf) -> Quantity:
    """Ends that are not negative, each moved outward by more than the width of enclosures of complete enumerations.

    Those, 1e-9 wide where regions can be measured anew, then lie within what was said before, as what is found later
    does, whose terms doubles enclose anew. Nothing exceeds `most`.
    """
    return enclosure(low * (1.0 - ASIDE), min(most, plus_up(high, high * ASIDE)))


def times_up(a: float, b: float) -> float:
    """A product of numbers that are not negative, rounded up; zero times anything is zero."""
    return 0.0 if a == 0 or b == 0 else math.nextafter(a * b, math.inf)


def plus_up(a: float, b: float) -> float:
    """A sum of numbers that are not negative, rounded up."""
    return a if b == 0 else math.nextafter(a + b, math.inf)
