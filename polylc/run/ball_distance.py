"""What searches for distances ask and solve in l1 and l2; in l2 distances are given by their squares, which are
rational: the nearest point of a region solves a program whose optimum is rational.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from polylc.domains.box import Neighbourhood
from polylc.domains.question import And, Formula, Or, row
from polylc.domains.within import Within, measure
from polylc.exact.embedding import BoxEmbedding
from polylc.geometry.nearest_point import Centred, Near
from polylc.network.exact_forms import ExactForms
from polylc.network.form import Network
from polylc.readers.question import Question


def question_within(network: Network, domain: Neighbourhood, within: Within, label: int, rivals: Sequence[int]) -> Question:
    """Whether an adversarial point of a clipped ball is in a smaller one, or nearer than its radius."""
    assert domain.radius is not None
    n, cap = network.inputs, max(domain.radius)
    parts: list[Formula] = []
    for q, (low, high, c) in enumerate(zip(domain.lower, domain.upper, within.center, strict=True)):
        if low > c - cap:
            parts.append(row({q: Fraction(1)}, -low))
        if high < c + cap:
            parts.append(row({q: Fraction(-1)}, high))
    parts.append(Or(tuple(row({n + j: Fraction(1), n + label: Fraction(-1)}, Fraction(0)) for j in rivals)))
    source = f"an adversarial point {'nearer than' if within.strict else 'within'} {within.radius:.17g} in {within.norm}"
    return Question(network, And(tuple(parts)), tuple(f"x{q}" for q in range(n)), source=source, within=within)


def nearest_of_region(
    network: Network, domain: Neighbourhood, bits: np.ndarray, label: int, rival: int, norm: str, most: Fraction
) -> tuple[Fraction, ...] | None:
    """The point of a region nearest to the centre where a rival is as high as the label; None if there is none, or none
    within a distance.
    """
    assert domain.center is not None
    seen = Centred(domain.center, domain.lower, domain.upper)
    forms = ExactForms(network, BoxEmbedding(seen.lower, seen.upper))
    rows = []
    for bit, form in zip(bits.tolist(), forms.hidden(bits), strict=True):
        reach = sum(a * a for a in form[:-1]) if norm == "l2" else max(map(abs, form[:-1]), default=0)
        if (form[-1] ** 2 if norm == "l2" else abs(form[-1])) <= reach * most:
            rows.append(form if bit else tuple(-v for v in form))
        elif (form[-1] > 0) != bit:
            return None
    outputs = forms.output(bits)
    rows.append(tuple(a - b for a, b in zip(outputs[rival], outputs[label], strict=True)))
    found = seen.nearest(norm, rows, most)
    # beyond that distance rows were left out that may not hold
    return None if not isinstance(found, Near) or measure(norm, found.point, domain.center) > most else found.point
