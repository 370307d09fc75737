"""What colours in a picture of regions stand for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from polylc.complex.complex import Complex
from polylc.complex.graph import RegionGraph, build_graph
from polylc.complex.pieces import pieces
from polylc.measures.by_volume.variation import spectral_norms
from polylc.measures.rank import region_ranks
from polylc.network.backward import full_jacobians

Colour = Literal["gradient", "full", "class", "piece", "rank", "depth"]
COLOURS: tuple[Colour, ...] = get_args(Colour)
HUES = 20  # of pieces: neighbours in the list differ


@dataclass(frozen=True)
class Shading:
    """A number for each region.

    Attributes
    ----------
    values : ndarray, shape (R,)
    label : str
        What it is.
    whole : bool
        Whether it is a whole number, so that a legend names each.
    named : bool
        Whether its size means something; the numbers of pieces only tell them apart.
    """

    values: np.ndarray
    label: str
    whole: bool = False
    named: bool = True


def shading(complex_: Complex, colour: Colour, graph: RegionGraph | None = None) -> Shading | None:
    """What the regions of a complex are coloured by; None where it is the cells cut by class, or the lines.

    "gradient" is the spectral norm of the Jacobian along the picture, "full" that by all inputs, "rank" the rank of the
    last hidden layer's Jacobian, exactly, "piece" which piece of the function the region belongs to.
    """
    if colour == "gradient":
        norms = np.concatenate([spectral_norms(jacobian) for _, jacobian in complex_.jacobians()])
        return Shading(norms, "norm of the gradient (spectral)")
    if colour == "full":
        squares = [np.linalg.eigvalsh(j @ j.swapaxes(1, 2))[:, -1] for j in full_jacobians(complex_.network, complex_.patterns())]
        return Shading(np.sqrt(np.maximum(np.concatenate(squares), 0.0)), "norm of the full gradient (spectral)")
    if colour == "rank":
        return Shading(region_ranks(complex_)[:, -1], f"rank of layer {len(complex_.network.layers)}", whole=True)
    if colour == "piece":
        labels = pieces(complex_, build_graph(complex_) if graph is None else graph)
        return Shading(labels % HUES, f"{labels.max(initial=-1) + 1} pieces", whole=True, named=False)
    return None


def boundaries(complex_: Complex, cells: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The sides of the regions of a plane complex inside the picture, each once, and the hidden layer of the neuron
    that changes there, counted from 1; shapes (S, 2, 2) and (S,). In doubles.

    Parameters
    ----------
    complex_ : Complex
        In dimension two.
    cells : sequence of ndarray, shape (v, 2)
        Corners of the regions, in order around each, in coordinates along the axes.
    """
    domain, layers = complex_.domain, complex_.network.layer_of
    segments, found = [], []
    for part in complex_.batches():
        rows, _ = complex_.half_spaces(part)
        rows = rows / np.maximum(np.linalg.norm(rows[:, :2], axis=1, keepdims=True), np.finfo(np.float64).tiny)
        first = int(complex_.starts[part.start])
        for region in range(part.start, part.stop):
            begin, end = complex_.starts[region : region + 2]
            own = np.flatnonzero(complex_.side[begin:end] == 1) + begin  # the other region has the other side
            corners = cells[region]
            if len(corners) < 3 or not len(own):
                continue
            ends = np.stack([corners, np.roll(corners, -1, axis=0)], axis=1)
            middle = (ends.mean(axis=1) - domain.measured_middle) / domain.half
            every = np.abs(middle @ rows[begin - first : end - first, :2].T + rows[begin - first : end - first, 2])
            nearest = every.argmin(axis=1)
            for side, at in enumerate(nearest):
                if every[side, at] < 1e-7 and complex_.side[begin + at] == 1:
                    segments.append(ends[side])
                    found.append(layers[complex_.neuron[begin + at]] + 1)
    return np.array(segments).reshape(-1, 2, 2), np.array(found, dtype=np.int64)
