"""What an engine may tell of regions beyond the contract, if it is asked to: their facets, affine maps, volumes and
areas, as doubles have them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Wishes:
    """What to tell; an engine that cannot leaves it out.

    Attributes
    ----------
    facets, sizes : bool
    maps : int
        How many bytes affine maps may take; beyond that they are left out.
    """

    facets: bool = False
    sizes: bool = False
    maps: int = 0


NOTHING = Wishes()


@dataclass(frozen=True)
class Facets:
    """Facets of regions.

    Attributes
    ----------
    neurons : ndarray of uint64, shape (R, words)
        For each region, the packed neurons on whose hyperplanes it has facets.
    sure : ndarray of bool, shape (R,)
        Whether each facet has a point on which no other of them comes near zero. Without, there may be fewer, or more.
    """

    neurons: np.ndarray
    sure: np.ndarray


@dataclass(frozen=True)
class Maps:
    """Affine maps of the network, one per region, in unit coordinates, with the rounding in their values.

    Attributes
    ----------
    map : ndarray, shape (R, outputs, k + 1)
    noise : ndarray, shape (R, outputs)
    """

    map: np.ndarray
    noise: np.ndarray


@dataclass(frozen=True)
class Sizes:
    """Volumes and areas of regions.

    Attributes
    ----------
    volume : ndarray, shape (R,)
        In unit coordinates.
    box_area : ndarray, shape (R, 2 k)
        Areas on the faces of the cube, in unit coordinates.
    closed : ndarray of bool, shape (R,)
        Whether the normals of a region's facets, weighted by area, sum to zero; else its values are of no use.
    length : ndarray of int, shape (R,)
        How many path entries each region has.
    area : ndarray, shape (E,)
        For each of them, the area of the region's facet on its hyperplane, in true lengths, over the product of the
        neighbourhood's half sides; 0 if there is none.
    """

    volume: np.ndarray
    box_area: np.ndarray
    closed: np.ndarray
    length: np.ndarray
    area: np.ndarray


@dataclass(frozen=True)
class Seen:
    """What an engine told."""

    facets: Facets | None = None
    maps: Maps | None = None
    sizes: Sizes | None = None

    def __getitem__(self, rows: slice) -> Seen:
        """What was told of a part of the regions."""
        facets, maps, sizes = self.facets, self.maps, self.sizes
        if sizes is not None:
            begin, end, _ = rows.indices(len(sizes.length))
            first, last = int(sizes.length[:begin].sum()), int(sizes.length[: max(begin, end)].sum())
            sizes = Sizes(sizes.volume[rows], sizes.box_area[rows], sizes.closed[rows], sizes.length[rows], sizes.area[first:last])
        return Seen(
            None if facets is None else Facets(facets.neurons[rows], facets.sure[rows]),
            None if maps is None else Maps(maps.map[rows], maps.noise[rows]),
            sizes,
        )


UNSEEN = Seen()


def join(parts: Sequence[Seen]) -> Seen:
    """What was told of several lists of regions, one behind the other; of what is missing in one of them, nothing."""
    return Seen(**{f.name: _joined([getattr(part, f.name) for part in parts]) for f in fields(Seen)})


def _joined(parts: list[Any]) -> Any:
    if not parts or any(part is None for part in parts):
        return None
    return type(parts[0])(*(np.concatenate(columns) for columns in zip(*(vars(part).values() for part in parts), strict=True)))
