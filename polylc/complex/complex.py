"""The regions of a neighbourhood as columns, and what follows from a region's pattern alone."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np

from polylc.complex.columns import Columns, forms_of, half_spaces_of, maps_of
from polylc.complex.split_tree import SplitTree, split_tree
from polylc.domains.box import norm_of
from polylc.domains.domain import Domain
from polylc.engines.contract import Exploration, Outcome
from polylc.engines.extras import UNSEEN, Maps, Seen
from polylc.exact.mapped import zeros
from polylc.geometry.exact_cell import ExactCell, exact_cell
from polylc.geometry.skeleton import MOST_DIMENSION, CellGeometry, CellSizes, counter_clockwise, polygons
from polylc.network.along import Start
from polylc.network.compose import Forms, batches, compose
from polylc.network.exact_forms import ExactForms, Row
from polylc.network.form import Network, pattern_at
from polylc.network.patterns import PatternIndex, unpack
from polylc.network.replay import FlatNet, Replay, begin, flatten

_SomeCells = TypeVar("_SomeCells", bound=CellSizes)
MAP_BYTES = 2**28  # affine maps are kept up to this size, else composed anew where they are needed


@dataclass(frozen=True, eq=False)
class Complex:
    """The regions of `network` on `domain`.

    Forms are affine functions of unit coordinates u in [-1, 1]^k, x = middle + basis @ (half * u). A region is cut out
    of the neighbourhood by the half-spaces of its path: entries starts[r]:starts[r + 1] of the columns `neuron` and
    `side`; every facet of the region inside the neighbourhood lies on one of them. `near` holds, if it is known, the
    packed neurons that may vanish somewhere on the closed region; `seen` what an engine told of regions besides;
    `proved` says whether all of them certainly are regions.
    """

    network: Network
    domain: Domain
    bits: np.ndarray
    unit: np.ndarray
    starts: np.ndarray
    neuron: np.ndarray
    side: np.ndarray
    outcome: Outcome
    near: np.ndarray | None = None
    seen: Seen = UNSEEN
    proved: bool = False

    @classmethod
    def of(cls, network: Network, domain: Domain, found: Exploration, near: np.ndarray | None = None, proved: bool = False) -> Complex:
        """The complex of what an engine found; `near` as a judge's verdict has it, `proved` if the regions are its."""
        return cls(network, domain, found.bits, found.unit, *found.paths(zeros), found.outcome, near, found.seen, proved)

    def __len__(self) -> int:
        return len(self.bits)

    def __reduce__(self) -> tuple[object, ...]:
        columns = (self.bits, self.unit, self.starts, self.neuron, self.side)
        # what was derived is derived again
        return Complex, (self.network, self.domain, *columns, self.outcome, self.near, self.seen, self.proved)

    @property
    def complete(self) -> bool:
        """Whether these are all regions."""
        return self.outcome is Outcome.COMPLETE

    @cached_property
    def start(self) -> Start:
        """What doubles evaluate: the network, or what it is along a plane, and the embedding of unit coordinates."""
        return self.domain.start(self.network)

    @cached_property
    def flat(self) -> FlatNet:
        """The network for compiled loops."""
        return flatten(self.start.network)

    def replay(self) -> Replay:
        """A new replay of the network's forms along patterns."""
        return begin(self.start.network, self.flat, self.start.embedding, self.start.rounding)

    @cached_property
    def _replay_of_maps(self) -> Replay:
        """A replay that goes on from call to call: a new one composes all forms anew."""
        return self.replay()

    @cached_property
    def _replay_of_half_spaces(self) -> Replay:
        """The same for half-spaces, which are asked for in other orders."""
        return self.replay()

    @cached_property
    def exact_forms(self) -> ExactForms:
        """Forms in integers, for what rounding leaves open."""
        return ExactForms(self.network, self.domain.exact_embedding)

    def exact_half_spaces(self, region: int, entries: Sequence[int] | None = None) -> list[Row]:
        """Integer half-spaces of a region's path, positive inside: those of the given path entries, or all."""
        entries = range(int(self.starts[region]), int(self.starts[region + 1])) if entries is None else entries
        rows = self.exact_forms.neurons([int(self.neuron[e]) for e in entries], self.patterns(slice(region, region + 1))[0])
        return [row if self.side[e] == 1 else tuple(-v for v in row) for e, row in zip(entries, rows, strict=True)]

    @cached_property
    def index(self) -> PatternIndex:
        """Search for patterns."""
        return PatternIndex(self.bits, self.network.neurons)

    @property
    def tree(self) -> SplitTree:
        """The regions as leaves of the tree that their paths are of."""
        return split_tree(self.bits, self.starts, self.neuron, self.side)

    @property
    def points(self) -> np.ndarray:
        """A point inside each region, all coordinates; shape (R, n)."""
        return self.domain.points(self.unit)

    def patterns(self, rows: slice | np.ndarray = slice(None)) -> np.ndarray:
        """Activation bits as booleans; shape (len(rows), neurons)."""
        return unpack(self.bits[rows], self.network.neurons)

    def forms(self, rows: slice | np.ndarray) -> Forms:
        """All forms on the given regions: for a slice brought up to date from one region to the next, else composed
        anew.
        """
        if not isinstance(rows, slice):
            return compose(self.start.network, self.patterns(rows), self.start.embedding, self.start.rounding)
        return forms_along(self.start, self.bits[rows])

    def batches(self, budget: int = 300_000) -> Iterator[slice]:
        """Slices of regions whose forms take about `budget` doubles."""
        return batches(len(self), (self.network.neurons + self.network.outputs + 1) * (self.domain.dimension + 1), budget)

    def map_batches(self) -> Iterator[slice]:
        """Slices of regions whose affine maps take a million doubles."""
        return self._map_batches(len(self))

    def _map_batches(self, count: int) -> Iterator[slice]:
        return batches(count, (self.network.outputs + 1) * (self.domain.dimension + 1), 1_000_000)

    def regions_of_entries(self, rows: slice) -> np.ndarray:
        """For path entries of the regions `rows`: the region, counted from rows.start."""
        return np.repeat(np.arange(rows.stop - rows.start), np.diff(self.starts[rows.start : rows.stop + 1]))

    @property
    def columns(self) -> Columns:
        """The columns for compiled loops."""
        near = self.bits[:0] if self.near is None else self.near
        return Columns(self.bits, self.unit, self.starts, self.neuron, self.side, near)

    def half_spaces(self, rows: slice) -> tuple[np.ndarray, np.ndarray]:
        """Half-spaces of the paths of `rows`, positive inside, in unit coordinates, and bounds on their rounding; (E, k
        + 1) and (E,).
        """
        entries = int(self.starts[rows.stop] - self.starts[rows.start])
        result, noise = np.empty((entries, self.domain.dimension + 1)), np.empty(entries)
        half_spaces_of(self.flat, self._replay_of_half_spaces, self.columns, rows.start, rows.stop, result, noise)
        return result, noise

    def half_spaces_at(self, regions: np.ndarray, named: Sequence[Sequence[int]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Forms of the neurons named[i] on regions[i], positive inside, one region after the other; where those of each
        region begin, (len(regions) + 1,), the forms, (E, k + 1), and bounds on their rounding, (E,).
        """
        starts = np.concatenate([[0], np.cumsum([len(names) for names in named])]).astype(self.starts.dtype)
        neuron = np.fromiter(itertools.chain.from_iterable(named), dtype=self.neuron.dtype, count=int(starts[-1]))
        bits, own = self.bits[regions], np.repeat(np.arange(len(regions)), np.diff(starts))
        side = (bits[own, neuron >> 6] >> (neuron & 63).astype(np.uint64) & np.uint64(1)).astype(self.side.dtype)
        rows, noise = np.empty((len(neuron), self.domain.dimension + 1)), np.empty(len(neuron))
        replay, columns = self.replay(), Columns(bits, self.unit, starts, neuron, side, self.bits[:0])
        for part in batches(len(regions), self.network.neurons * (self.domain.dimension + 1), 20_000_000):  # between them limits are heeded
            here = slice(int(starts[part.start]), int(starts[part.stop]))
            half_spaces_of(self.flat, replay, columns, part.start, part.stop, rows[here], noise[here])
        return starts, rows, noise

    @cached_property
    def _stored_maps(self) -> Maps | None:
        """Affine maps of all regions, if they take little memory."""
        if self.seen.maps is not None:
            return self.seen.maps
        k, outputs = self.domain.dimension, self.network.outputs
        if 8 * len(self) * outputs * (k + 2) > MAP_BYTES:
            return None
        return self._maps_along(self.bits)

    def _maps_along(self, bits: np.ndarray) -> Maps:
        result = zeros((len(bits), self.network.outputs, self.domain.dimension + 1))
        noise = zeros((len(bits), self.network.outputs))
        for rows in self._map_batches(len(bits)):
            maps_of(self.flat, self._replay_of_maps, np.ascontiguousarray(bits[rows]), result[rows], noise[rows])
        return Maps(result, noise)

    def maps(self, regions: np.ndarray | slice) -> Maps:
        """Affine maps of the given regions; stored if that is cheap, else computed anew."""
        if self._stored_maps is not None:
            return Maps(self._stored_maps.map[regions], self._stored_maps.noise[regions])
        return self._maps_along(self.bits[regions])

    def jacobians(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Gradients of the outputs along the axes, a batch of regions at a time; shape (r, outputs, k)."""
        for rows in self.map_batches():
            yield rows, self.domain.gradients(self.maps(rows).map)

    def region_at(self, point: np.ndarray) -> int:
        """Index of the region whose pattern `point` (all coordinates) shows, or -1."""
        return int(self.index.find(pattern_at(self.network, np.asarray(point, dtype=np.float64)[None]))[0])

    # ---- geometry in low dimension -----------------------------------------------------------------------------
    @property
    def round(self) -> bool:
        """Whether the regions are those of an l1 or l2 ball."""
        return norm_of(self.domain) != "linf"

    @property
    def has_geometry(self) -> bool:
        """Whether volumes and areas are within reach."""
        return self.domain.dimension <= MOST_DIMENSION and not self.round

    @property
    def volume_in_doubles(self) -> bool:
        """Whether the volume of the neighbourhood is well within the range of doubles."""
        square = self.domain.squared_volume
        return -2000 < square.numerator.bit_length() - square.denominator.bit_length() < 2000

    def _metric_rows(self, rows: slice) -> np.ndarray:
        """Path half-spaces as functions of the offset from the middle (true lengths); shape (E, k + 1)."""
        result, _ = self.half_spaces(rows)
        result[:, :-1] /= self.domain.half
        return result

    @cached_property
    def geometry(self) -> CellSizes:
        """Volumes and facet areas of all regions, as the engine told them or from cells cut anew; dimension <= 6."""
        told = self.seen.sizes
        if told is None:
            return self.cut_geometry
        half = self.domain.half
        product = float(np.prod(half))
        found = CellSizes(told.volume * product, told.area * product, told.box_area * np.repeat(product / half, 2), told.closed.copy())
        return self._mended(found)

    @cached_property
    def cut_geometry(self) -> CellGeometry:
        """All regions cut anew: volumes, facet areas and facet points (offsets from the middle); dimension <= 6."""
        return self._mended(CellGeometry(self.domain.half, self.starts, self._metric_rows(slice(0, len(self)))))

    def _mended(self, found: _SomeCells) -> _SomeCells:
        """Cells that doubles could not measure, from integers."""
        for region in np.flatnonzero(~found.ok).tolist():
            exact = self._exact_cell(region)
            if exact is not None:
                found.replace(region, int(self.starts[region]), exact)
        return found

    def _exact_cell(self, region: int) -> ExactCell | None:
        """A region from the integer forms of its path; None if they leave it no inner point, or it is too large."""
        return exact_cell(self.exact_half_spaces(region), self.domain.half)

    def polygons(self) -> list[np.ndarray]:
        """Corners of the regions of a 2-D neighbourhood, in the coordinates along its axes."""
        corners = polygons(self.domain.half, self.starts, self._metric_rows(slice(0, len(self))))
        for region, found in enumerate(corners):
            exact = None if len(found) else self._exact_cell(region)
            if exact is not None:
                corners[region] = counter_clockwise(exact.vertices)
        return [self.domain.measured_middle + c for c in corners]


def forms_along(start: Start, bits: np.ndarray, replay: Replay | None = None) -> Forms:
    """As `compose`, for packed patterns that follow one another: brought up to date from one to the next, the first of
    them from where a replay ended, if one is given.
    """
    network, embedding, rounding = start
    noise, doubt = (np.empty((len(bits), size)) for size in (network.neurons, network.outputs))
    hidden, output = (np.empty((*column.shape, embedding.shape[1])) for column in (noise, doubt))
    net = flatten(network)
    forms_of(net, begin(network, net, embedding, rounding) if replay is None else replay, bits, hidden, noise, output, doubt)
    return Forms(hidden, noise, output, doubt)
