"""T6: distances that Lipschitz constants and the region of the centre certify, as rationals, beside the exact one."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from fractions import Fraction

import numpy as np

from polylc.complex.complex import Complex
from polylc.domains.box import Neighbourhood, ball_of
from polylc.exact.enclose import enclose
from polylc.exact.quantity import Kind, Quantity
from polylc.measures.gradient.enclosed_norms import SLACK
from polylc.measures.gradient.gradients import in_range
from polylc.measures.gradient.lipschitz import Lipschitz
from polylc.measures.inequalities.inequality import Inequality
from polylc.network.compose import TINY, UNIT, compose
from polylc.network.exact import ExactNetwork


def certified_distances(complex_: Complex, label: int, distance: Fraction | None, constants: Sequence[Lipschitz]) -> Iterable[Inequality]:
    """Lower bounds of the linf distance from the centre to the nearest adversarial point, and that distance.

    Parameters
    ----------
    distance : Fraction or None
        The exact distance; None if there is no adversarial point in the neighbourhood.
    constants : sequence of Lipschitz
        Of the margins of `label` in linf, exact.

    Notes
    -----
    The neighbourhood is a ball, perhaps clipped, whose centre lies in it, and no coordinate is fixed: then the segment
    from the centre to any point lies in it, and along it a margin falls by at most its Lipschitz constant times the
    length.
    """
    domain = ball_of(complex_.domain)
    assert domain is not None
    assert domain.center is not None
    assert domain.radius is not None
    radius = min(domain.radius)
    values = ExactNetwork(complex_.network).preactivations(domain.center)
    outputs = values[-1]
    margins = {j: outputs[label] - v for j, v in enumerate(outputs) if j != label}
    if min(margins.values()) <= 0:
        return
    right = Quantity(enclose(radius)[0], None, Kind.EXACT) if distance is None else Quantity(*enclose(distance), Kind.EXACT)
    by_target = {c.target: c.upper for c in constants if c.norm == "linf" and c.upper is not None}
    lipschitz = [(m, by_target.get(f"f{label}-f{j}")) for j, m in margins.items()]
    if all(constant is not None for _, constant in lipschitz):
        least = min([radius, *(m / constant for m, constant in lipschitz if constant)])
        text = "min(radius, margin / Lipschitz constant) <= adversarial distance, linf"
        yield Inequality("T6a", text, _exact(least), right, least <= (radius if distance is None else distance))
    reach, gradients, scale = _centre(complex_, domain, [v for layer in values[:-1] for v in layer])
    steep = {j: Fraction(sum(abs(a - b) for a, b in zip(gradients[label], gradients[j], strict=True)), scale) for j in margins}
    least = min([radius, reach, *(m / steep[j] for j, m in margins.items() if steep[j])])
    text = "min(inradius of the centre's region, margin / ||grad||_1 there) <= adversarial distance, linf"
    yield Inequality("T6c", text, _exact(least), right, least <= (radius if distance is None else distance))


def _exact(value: Fraction) -> Quantity:
    return Quantity(*enclose(value), Kind.EXACT)


def _centre(complex_: Complex, domain: Neighbourhood, values: Sequence[Fraction]) -> tuple[Fraction, list[list[int]], int]:
    """The linf inradius min |z| / ||grad z||_1 of the cell of the centre around it, and the outputs' gradients there
    times a number.
    """
    bits = np.array([v > 0 for v in values])
    forms, inverse = complex_.exact_forms, domain.inverse_sides
    common = math.lcm(1, *(h.denominator for h in inverse))  # whole numbers throughout: fractions take ten times as long
    sides, scale = [h.numerator * (common // h.denominator) for h in inverse], forms.scale * common
    reach = None
    some = nearest(complex_, bits, values)
    for neuron, row in zip(some, forms.neurons(some, bits), strict=True):
        steep = sum(abs(a) * h for a, h in zip(row, sides, strict=False))
        if steep:
            here = abs(values[neuron]) * scale / steep
            reach = here if reach is None else min(reach, here)
    gradients = [[a * h for a, h in zip(row, sides, strict=False)] for row in forms.output(bits)]
    assert domain.radius is not None
    return (max(domain.radius) if reach is None else reach), gradients, scale


def nearest(complex_: Complex, bits: np.ndarray, values: Sequence[Fraction]) -> list[int]:
    """The neurons that can have the least |z| / ||grad z||_1 on the cell of a pattern, with the exact values of z: all
    others are farther, or have no gradient.

    Notes
    -----
    Gradients are known up to their errors (docs/exactness.md, lemma 2, and what `bounded_gradients` says of the axes'
    lengths), so sums of their sizes have two ends, and so have quotients of values that are rounded once.
    """
    if not values:
        return []
    start, domain = complex_.start, complex_.domain
    found, inverse, k = compose(start.network, bits[None], start.embedding, start.rounding), domain.inverse_half, domain.dimension
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        steep = np.abs(found.hidden[0, :, :-1] * inverse).sum(axis=1)
        doubt = (found.noise[0] * inverse.max() + 4 * (k + 4) * UNIT * steep) * SLACK + 4 * (k + 1) * TINY
        size = np.array([enclose(abs(v)) for v in values])
        known = np.isfinite(steep + doubt) & in_range(inverse, 900)
        low = np.where(known, size[:, 0] / (steep + doubt) / SLACK, 0.0)
        high = np.where(known & (steep > doubt), size[:, 1] / (steep - doubt) * SLACK + TINY, np.inf)
    result: list[int] = np.flatnonzero(low <= high.min()).tolist()
    return result
