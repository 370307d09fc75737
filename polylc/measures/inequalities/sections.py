"""C8: the local complexity by areas of sections of the box."""

from __future__ import annotations

from polylc.complex.complex import Complex
from polylc.exact.quantity import Quantity
from polylc.measures.by_volume.slicing import sliced
from polylc.measures.inequalities.inequality import Inequality, quantity


def slicing_bound(complex_: Complex, complexity: Quantity) -> Inequality:
    """C8: LC_0 by K. Ball's bound on sections of a cube, in any dimension."""
    text = "LC_0 (facets counted once) <= sum over hyperplanes of min(sqrt 2 / ||D a||, 1 / max D_j |a_j|)"
    return Inequality("C8", text, complexity, quantity(sliced(complex_)))
