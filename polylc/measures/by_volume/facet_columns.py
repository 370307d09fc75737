"""What is noted of facets, compiled: densities of path entries, and areas of edges from both sides.

In: areas of facets with bounds on their errors, one for each path entry; edges with the entries of their facets. Out:
intervals, rounded outward as `measures.sums.outward` and `between` do it. Invariant: an interval is zero only where
there is no facet.
"""

from __future__ import annotations

import numpy as np

from polylc.jit.decorators import inlined, kernel

Array = np.ndarray
AGREE, NO_FACET, APART = range(3)  # what the two sides of edges say


@inlined
def _down(x: float) -> float:
    """The next double below a number >= 0, or 0."""
    return float(np.nextafter(x, -np.inf)) if x > 0.0 else x


@inlined
def _up(x: float) -> float:
    """The next double above a number >= 0 that is not exactly zero."""
    return float(np.nextafter(x, np.inf)) if x != 0.0 else x


@kernel
def note_densities(starts: Array, proved: Array, area: Array, volume: float, first: int, density: Array, carrier: Array) -> None:
    """Areas over a volume, enclosed, and which entries carry facets.

    Parameters
    ----------
    starts : ndarray, shape (R + 1,)
        Region r has the entries starts[r]:starts[r + 1].
    proved : ndarray of bool, shape (R,)
        Of the others nothing is noted.
    area : ndarray, shape (E, 2)
        Value and bound on its error; a facet however small has a bound.
    volume : float
        A power of two.
    first : int
        Number of the first entry.
    density, carrier : ndarray, shape (E, 2) and (E,)
        Receive the intervals, and the entry's own number or -1.
    """
    for r in range(len(proved)):
        for e in range(starts[r], starts[r + 1]):
            value, error = area[e, 0], area[e, 1]
            carrier[e], density[e, 0], density[e, 1] = -1, 0.0, 0.0
            if proved[r] and error > 0.0:
                low = value - error
                low = 0.0 if low < 0.0 else low
                carrier[e], density[e, 0], density[e, 1] = first + e, _down(_down(low) / volume), _up(_up(value + error) / volume)


@kernel
def meet_areas(first: Array, second: Array, density: Array, carrier: Array, named: Array, result: Array) -> int:
    """Areas of edges: what both of their regions know of their facets.

    Parameters
    ----------
    first, second : ndarray of int, shape (E,)
        Path entries of each edge, -1 where a region's path does not name it.
    density, carrier : ndarray
        As above, of all entries.
    named : ndarray of bool, shape (entries,)
        False; receives which carriers are those of an edge.
    result : ndarray, shape (E, 2)
        Receives the intervals.

    Returns
    -------
    int
        AGREE; NO_FACET if an edge has none, APART if the two sides of one differ.
    """
    for e in range(len(result)):
        low, high = 0.0, np.inf
        for side in range(2):
            entry = second[e] if side else first[e]
            if entry < 0:
                continue
            if carrier[entry] < 0:
                return NO_FACET
            named[carrier[entry]] = True
            if density[entry, 0] > low:  # NaN says nothing
                low = density[entry, 0]
            if density[entry, 1] < high:
                high = density[entry, 1]
        if low > high:
            return APART
        result[e, 0], result[e, 1] = low, high
    return AGREE


@kernel
def all_named(carrier: Array, named: Array, first: int) -> bool:
    """Whether of the entries with a facet, whose numbers begin with `first`, exactly those are named that carry it."""
    for e in range(len(carrier)):
        if carrier[e] >= 0 and named[e] != (carrier[e] == first + e):
            return False
    return True
