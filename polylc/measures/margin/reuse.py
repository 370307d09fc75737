"""Multipliers that excluded adversarial points from one region, tried on others.

Neighbouring regions share most neurons of their paths, and the forms of these differ little: what a linear program
found for one region often serves the next, and to try costs one combination of rows. Whether they serve is for the
caller to check; nothing here is a proof.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import numpy as np

from polylc.complex.complex import Complex

KEPT = 6  # multipliers remembered for each rival


class KnownMultipliers:
    """Multipliers of path half-spaces by neuron and side, and the margin's, by rival."""

    def __init__(self, complex_: Complex) -> None:
        self._complex = complex_
        self._table = np.zeros(2 * complex_.network.neurons)
        self._last = -1, np.zeros(0, dtype=np.int64)
        self._of_pair: dict[tuple[int, int], tuple[np.ndarray, np.ndarray, float]] = {}
        self._of_rival: dict[int, deque[tuple[np.ndarray, np.ndarray, float]]] = {}

    def note(self, region: int, rival: int, multipliers: np.ndarray) -> None:
        """Remember what excludes a rival from a region: multipliers of its path entries, then the margin's."""
        used = np.flatnonzero(multipliers[:-1])
        known = self._names(region)[used], multipliers[used], float(multipliers[-1])
        self._of_pair[region, rival] = known
        self._of_rival.setdefault(rival if known[2] else -1, deque(maxlen=KEPT)).appendleft(known)

    def served(self, region: int, rival: int, multipliers: np.ndarray) -> None:
        """Remember that multipliers which were tried have served this pair too."""
        used = np.flatnonzero(multipliers[:-1])
        self._of_pair[region, rival] = self._names(region)[used], multipliers[used], float(multipliers[-1])

    def tried(self, region: int, rival: int) -> Iterator[np.ndarray]:
        """Multipliers of a region's path entries and the margin's that may exclude a rival, the likeliest first."""
        names = self._names(region)
        own = self._of_pair.get((region, rival))
        # those without the margin serve all rivals
        for name, weight, margin in [*([own] if own else []), *self._of_rival.get(rival, ()), *self._of_rival.get(-1, ())]:
            self._table[name] = weight
            found = np.empty(len(names) + 1)
            found[:-1], found[-1] = self._table[names], margin
            self._table[name] = 0.0
            if found.any():
                yield found

    def _names(self, region: int) -> np.ndarray:
        """Path entries as numbers, two for each neuron; those of the last region are kept."""
        if self._last[0] == region:
            return self._last[1]
        entries = slice(int(self._complex.starts[region]), int(self._complex.starts[region + 1]))
        result: np.ndarray = 2 * self._complex.neuron[entries].astype(np.int64) + (self._complex.side[entries] == 1)
        self._last = region, result
        return result
