"""Points evaluated, and rows over their values handed back to the inputs: what descents in doubles are made of."""

from __future__ import annotations

import numpy as np

from polylc.bounds.backward import hand_on
from polylc.bounds.tables import Rows, Tables
from polylc.network.compose import apply_affine
from polylc.network.form import Network
from polylc.network.weights import at_points


def evaluated(tables: Tables, points: np.ndarray, through: np.ndarray | None = None) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Values at points by source, and the slopes by which rows go back through the units, by layer.

    Parameters
    ----------
    points : ndarray, shape (points, inputs)
    through : ndarray, shape (points, neurons), optional
        Share of a unit's slope that one lets through that is off.
    """
    values, slopes = [points], []
    for affine, units, span in zip(tables.affines, tables.units, tables.span, strict=False):  # the output map has no units
        z = affine.bias + sum(at_points(values[s], w) for s, w in affine.terms)
        values.append(np.where(z > 0, units.positive * z, units.negative * z))
        off = units.negative if through is None else units.negative + units.jump * through[:, span]
        slopes.append(np.where(z > 0, units.positive, off))
    return values, slopes


def outputs(tables: Tables, values: list[np.ndarray]) -> np.ndarray:
    """What the output map makes of values by source; shape (points, outputs)."""
    last = tables.affines[-1]
    found: np.ndarray = last.bias + sum(at_points(values[s], w) for s, w in last.terms)
    return found


def gradient(tables: Tables, rows: Rows, slopes: list[np.ndarray], points: int) -> np.ndarray:
    """Derivatives by the inputs of rows over values by source, which are used up, at points; shape (points, inputs)."""
    for layer in range(tables.depth - 1, -1, -1):
        v = rows[layer + 1]
        if v is not None:
            hand_on(rows, tables.affines[layer], v * slopes[layer])
    first = rows[0]
    return np.zeros((points, tables.inputs)) if first is None else first


def region_forms(network: Network, bits: np.ndarray, start: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Forms on a region, from those of the inputs: of its half-spaces, not negative inside, and of the outputs; shapes
    (neurons, k + 1) and (outputs, k + 1).
    """
    forms, walls = [start], [np.zeros((0, start.shape[1]))]
    for index, layer in enumerate(network.layers):
        on = bits[network.offsets[index] : network.offsets[index + 1]]
        z = apply_affine(layer.affine, forms)
        walls.append(np.where(on, 1.0, -1.0)[:, None] * z)
        forms.append(np.where(on, layer.positive, layer.negative)[:, None] * z)
    return np.vstack(walls), apply_affine(network.output, forms)
