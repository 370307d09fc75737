"""Which class is ahead where: outputs as classes, in integers on one region and as rationals at a point."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from polylc.complex.complex import Complex
from polylc.network.exact_forms import Row


def class_count(complex_: Complex) -> int:
    """How many classes there are: one for each output; of a single output two, where it is negative and where it is
    positive.
    """
    return max(complex_.network.outputs, 2)


def class_forms(complex_: Complex, region: int) -> list[Row]:
    """What competes on a region, one integer form for each class on the scale of `exact_forms`; the highest wins.

    A single output competes, as class 1, with zero, class 0: its sign decides.
    """
    rows = complex_.exact_forms.output(complex_.patterns(np.array([region]))[0])
    return rows if len(rows) > 1 else [(0,) * len(rows[0]), rows[0]]


def lead(rows: Sequence[Row], label: int) -> list[Row]:
    """What a class is ahead of each other one by: the forms f_label - f_j, j != label."""
    own = rows[label]
    return [tuple(a - b for a, b in zip(own, row, strict=True)) for j, row in enumerate(rows) if j != label]


def value_at(row: Row, place: Sequence[int]) -> Fraction:
    """A form at the point x / w that (x, w) stands for, on the form's scale."""
    return Fraction(sum(a * x for a, x in zip(row, place, strict=True)), place[-1])


def margin_of(values: Sequence[Fraction], label: int) -> Fraction:
    """By how much a class is ahead of the best other one."""
    return values[label] - max(v for j, v in enumerate(values) if j != label)
