"""The volumes of a result: those it was measured with, or, where it came from elsewhere, the same again.

Cells of rationals take more room than all the rest of a small result, and few ask for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from polylc.complex.complex import Complex
from polylc.measures.by_volume.l1_volumes import L1Volumes
from polylc.measures.by_volume.volumes import Volumes


class Weighed:
    """Volumes and areas of a complex; cells of rationals are computed once somebody asks.

    Parameters
    ----------
    complex_ : Complex
    columns : sequence of ndarray
        Those of the volumes.
    exact : sequence of int
        The regions that are known as rationals.
    """

    def __init__(self, complex_: Complex, columns: Sequence[np.ndarray], exact: Sequence[int]) -> None:
        self._complex, self._columns, self._exact = complex_, columns, exact

    def __reduce__(self) -> tuple[object, ...]:
        if "volumes" in vars(self):  # perhaps more regions are known as rationals by now
            return Weighed, (self.volumes.complex, *_what(self.volumes))
        return Weighed, (self._complex, self._columns, self._exact)

    @cached_property
    def volumes(self) -> Volumes:
        """The volumes, the same to the last bit."""
        kind = L1Volumes if self._complex.round else Volumes
        return kind.again(self._complex, self._columns, self._exact)


def _what(volumes: Volumes) -> tuple[Sequence[np.ndarray], Sequence[int]]:
    """Columns, and which regions are known as rationals: a range if these are all."""
    return volumes.columns, range(len(volumes.complex)) if volumes.rational else tuple(volumes.exact)


def weighed(volumes: Volumes | None) -> Weighed | None:
    """These volumes, for a result."""
    if volumes is None:
        return None
    found = Weighed(volumes.complex, *_what(volumes))
    found.volumes = volumes  # known already
    return found
