"""Inputs near a centre at which another class is as high as the label, in doubles: what a search for a distance begins
with.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from polylc.network.form import Network
from polylc.network.weights import at_points, before

STEPS, HALVINGS = 40, 40
OVERSHOOT = 1.02


def crossings(network: Network, norm: str, center: np.ndarray, low: np.ndarray, high: np.ndarray, label: int, rivals: Sequence[int]) -> list[np.ndarray]:
    """For each rival a point where it is as high as the label, if steps toward it lead to one, the nearest first.

    Steps to where the margin of the affine piece vanishes (DeepFool, Moosavi-Dezfooli et al. 2016), always from the
    centre; then the segment back to the centre is halved.

    Parameters
    ----------
    norm : str
        "l2" or "l1".
    center, low, high : ndarray, shape (inputs,)
        The centre, and a box in which the points are to be.
    """
    rival = np.array(rivals)
    x = np.repeat(np.clip(center, low, high)[None], len(rival), axis=0)
    good = np.zeros(len(rival), dtype=bool)
    every = np.arange(len(rival))
    for _ in range(STEPS):
        values, gradient = _margin(network, x, label, rival)
        good |= values <= 0
        if good.all():
            break
        step = _towards(norm, x, center, low, high, gradient, values)
        x = np.where(good[:, None], x, step)
    inner, outer = np.repeat(np.clip(center, low, high)[None], len(rival), axis=0), x
    for _ in range(HALVINGS):
        middle = (inner + outer) / 2
        outputs = network(middle)
        crossed = outputs[every, rival] >= outputs[:, label]
        inner, outer = np.where(crossed[:, None], inner, middle), np.where(crossed[:, None], middle, outer)
    apart = np.abs(outer - center)
    far = np.sqrt((apart**2).sum(axis=1)) if norm == "l2" else apart.sum(axis=1)
    return [outer[i] for i in np.argsort(far, kind="stable").tolist() if good[i]]


def _towards(norm: str, x: np.ndarray, center: np.ndarray, low: np.ndarray, high: np.ndarray, gradient: np.ndarray, values: np.ndarray) -> np.ndarray:
    """About the nearest points to the centre where margins, linear from x on, are a little less than zero."""
    need = values + np.einsum("rn,rn->r", gradient, center - x)  # the margin at the centre
    need = np.where(need > 0, need * OVERSHOOT, values * (OVERSHOOT - 1)) + 1e-9
    p, q = low - center, high - center
    if norm == "l1":
        end = np.where(gradient > 0, p, q)
        gain = np.abs(gradient) * np.abs(np.where(gradient * end < 0, end, 0.0))
        order = np.argsort(-np.abs(gradient), axis=1, kind="stable")
        total = np.cumsum(np.take_along_axis(gain, order, axis=1), axis=1)
        share = np.clip((need[:, None] - (total - np.take_along_axis(gain, order, axis=1))) / np.maximum(np.take_along_axis(gain, order, axis=1), 1e-300), 0, 1)
        part = np.zeros_like(gradient)
        np.put_along_axis(part, order, share, axis=1)
        found: np.ndarray = np.clip(center + part * np.where(gradient * end < 0, end, 0.0), low, high)
        return found
    offset = np.zeros_like(gradient)
    free = np.ones(gradient.shape, dtype=bool)
    for _ in range(8):  # coordinates that the box stops are set there
        length = np.where(free, gradient**2, 0.0).sum(axis=1)
        rest = need + np.where(free, 0.0, gradient * offset).sum(axis=1)
        wanted = np.where(free, -gradient * (rest / np.maximum(length, 1e-300))[:, None], offset)
        offset = np.clip(wanted, p, q)
        stopped = free & (offset != wanted)
        if not stopped.any():
            break
        free &= ~stopped
    return np.clip(center + offset, low, high)


def _margin(network: Network, x: np.ndarray, label: int, rival: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Label's output less the rival's, and its gradient."""
    sources, slopes = [x], []
    for layer in network.layers:
        z = layer.affine.bias + sum(at_points(sources[s], w) for s, w in layer.affine.terms)
        slope = np.where(z > 0, layer.positive, layer.negative)
        sources.append(slope * z)
        slopes.append(slope)
    output = network.output
    every = np.arange(len(rival))
    y = output.bias + sum(at_points(sources[s], w) for s, w in output.terms)
    row = np.zeros(y.shape)
    row[:, label] = 1.0
    row[every, rival] -= 1.0
    pending: list[np.ndarray | None] = [None] * len(sources)

    def give(terms: Sequence[tuple[int, object]], rows: np.ndarray) -> None:
        for source, weight in terms:
            part = before(rows, weight)  # type: ignore[arg-type]
            there = pending[source]
            pending[source] = part if there is None else there + part

    give(output.terms, row)
    for index in range(len(network.layers) - 1, -1, -1):
        rows = pending[index + 1]
        if rows is not None:
            give(network.layers[index].affine.terms, rows * slopes[index])
    first = pending[0]
    return y[:, label] - y[every, rival], np.zeros_like(x) if first is None else first
