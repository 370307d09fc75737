"""Inequalities between variation, ranks, kinks and margins that know no noise: C2, T3, T5, C3, T6b."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from polylc.complex.complex import Complex
from polylc.complex.pieces import joined
from polylc.exact.quantity import Quantity
from polylc.measures.by_volume.many_margins import margin_rows
from polylc.measures.by_volume.noise import row_norms
from polylc.measures.by_volume.volumes import BATCH
from polylc.measures.gradient.norms import frobenius
from polylc.measures.inequalities.inequality import Array, Inequality, difference, distance, interval, quantity, times
from polylc.measures.inequalities.sides import Sides
from polylc.measures.sums import between, product
from polylc.network.compose import UNIT, absolute_sums


def gain_bound(sides: Sides) -> Iterable[Inequality]:
    """C2: the pointwise factorisation behind T4."""
    if sides.gain_rows is not None:
        yield Inequality("C2", "TV <= E min over layers of Gamma_l S_l", quantity(sides.variation), quantity(sides.gain_rows))


def rank_chain(sides: Sides) -> Iterable[Inequality]:
    """T3 without noise: the sandwich of the local rank, summed over layers and averaged."""
    texts = ("E sum sigma_min rank J_l", "E sum ||J_l||_*", "E sum S_l", "E sum sqrt(n_l) ||J_l||_F", "E sum sqrt(n_l rank J_l) ||J_l||")
    for step in range(4):
        left, right = sides.rank_chain[step : step + 2]
        yield Inequality(f"T3 step {step + 1}", f"{texts[step]} <= {texts[step + 1]}", quantity(left), quantity(right))


def kinks(sides: Sides, function_complexity: Quantity) -> Iterable[Inequality]:
    """T5, kink-Poincare, with the diameter and in the form for boxes, and what follows for TV."""
    complex_, graph = sides.complex, sides.graph
    bends = ~joined(complex_, graph)
    jumps = sides.gradients.across(graph, bends)
    kink = sides.means.over_facets(jumps)
    lengths = 2.0 * complex_.domain.half
    half_diameter = 0.5 * math.sqrt(float((lengths**2).sum())) * np.array([1 - 32 * len(lengths) * UNIT, 1 + 32 * len(lengths) * UNIT])
    mean, mean_error = _mean_jacobian(sides)
    apart = frobenius(*difference(sides.jacobian, sides.error, mean, mean_error))
    of_mean = frobenius(mean[None], mean_error[None])[0]
    spread, gap = sides.mean(apart), distance(sides.variation, of_mean)
    if not bends.any():  # one affine map
        spread, gap = np.zeros(2), np.zeros(2)
    bound = times(half_diameter, kink)
    yield Inequality("T5", "E||J - mean J||_F <= (diam U / 2) kink variation", quantity(spread), quantity(bound))
    box = times(0.5, sides.means.over_facets(product(jumps, _stretches(sides))))
    yield Inequality("T5 box", "E||J - mean J||_F <= half the sum over facets of jump, area, width of U across", quantity(spread), quantity(box))
    yield Inequality("C3", "|TV - ||mean J||_F| <= (diam U / 2) kink variation", quantity(gap), quantity(bound))
    largest = np.array([jumps[:, 0].max(initial=0.0), jumps[:, 1].max(initial=0.0)])
    right = times(half_diameter, largest, interval(function_complexity))
    yield Inequality("T5 by LC", "(diam U / 2) kink variation <= (diam U / 2) max jump LC_function", quantity(bound), quantity(right))


def _mean_jacobian(sides: Sides) -> tuple[Array, Array]:
    """The mean Jacobian and the errors of its rows."""
    share = sides.means.share
    middle = 0.5 * (share[:, 0] + share[:, 1])
    slip = 0.5 * (share[:, 1] - share[:, 0]) + 4 * UNIT * middle
    mean = np.einsum("r,rmk->mk", middle, sides.jacobian)
    sizes = np.abs(sides.jacobian).sum(axis=2)
    error = slip @ sizes + share[:, 1] @ sides.error + 4 * (len(share) + 8) * UNIT * (middle @ sizes)
    return mean, error * (1 + 2.0**-40)


def _stretches(sides: Sides) -> Array:
    """For each edge sum_j D_j |nu_j|: the width of the box in the direction of the facet's normal; (E, 2)."""
    complex_, named = sides.complex, sides.graph.entry()
    stretch, carries = np.zeros((len(complex_.neuron), 2)), np.zeros(len(complex_.neuron), dtype=bool)
    carries[named] = True
    for rows in complex_.batches(BATCH):
        entries = slice(int(complex_.starts[rows.start]), int(complex_.starts[rows.stop]))
        seen = carries[entries]
        half_spaces, noise = (part[seen] for part in complex_.half_spaces(rows))
        norms = row_norms(complex_, half_spaces, noise)
        size = 2 * absolute_sums(half_spaces[:, :-1])
        slip = (2 * noise + 16 * (half_spaces.shape[1] + 4) * UNIT * size) * (1 + 2.0**-40)
        with np.errstate(divide="ignore", invalid="ignore"):
            low = np.where(norms[:, 1] > 0, np.maximum(size - slip, 0.0) / norms[:, 1], 0.0)
            high = np.where(norms[:, 0] > 0, (size + slip) / norms[:, 0], np.inf)
        stretch[entries.start + np.flatnonzero(seen)] = between(low, high)
    result: Array = stretch[named]
    return result


def margins(sides: Sides, label: int) -> Iterable[Inequality]:
    """T6b: the share of U on which class j is not behind class y, by the variation of the margin f_y - f_j."""
    complex_ = sides.complex
    others = [j for j in range(complex_.network.outputs) if j != label]
    for j, weight in zip(others, _steepness(complex_, label, others) if others else (), strict=True):
        steep = np.array(sides.mean(weight))
        mean = sides.means.mean_margin(label, j)
        if not mean[0] > 0:
            continue
        right = np.array(between(0.5 * steep[0] / mean[1], 0.5 * steep[1] / mean[0]))
        left = np.clip(sides.means.behind(label, j, float(right[0])), 0.0, 1.0)
        text = f"share of U with f{label} <= f{j} <= a quarter of sum_j D_j E|d_j g| / E g, g = f{label} - f{j}"
        yield Inequality(f"T6b f{label}-f{j}", text, quantity(left), quantity(right))


def _steepness(complex_: Complex, label: int, others: list[int]) -> Array:
    """Half of sum_j D_j |d_j g| of each margin on each region; (margins, R, 2)."""
    parts = list[Array]()
    for rows in complex_.map_batches():
        maps = complex_.maps(rows)
        parts.append(np.stack([_slope(*margin_rows(maps, label, j)) for j in others]))
    return np.concatenate(parts, axis=1)


def _slope(form: Array, noise: Array) -> Array:
    size = np.abs(form[:, :-1]).sum(axis=1)
    slip = noise + 8 * form.shape[1] * UNIT * size
    return between(np.maximum(size - slip, 0.0), size + slip)
