"""Questions with inputs that nothing bounds: asked in a box, where what is found counts and what is not does not."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from polylc.domains.question import FALSE, And, Row, row, rows
from polylc.readers.question import Question

REACH = Fraction(10)
"""How far from zero, or from its only bound, an input is looked for that lacks one."""


def within_reach(question: Question) -> tuple[Question, list[str]]:
    """The question with bounds for inputs that have none on some side, and the names of these inputs."""
    if question.formula == FALSE or question.within is not None:
        return question, []
    n = question.network.inputs
    low: dict[int, Fraction] = {}
    high: dict[int, Fraction] = {}
    for one in rows(question.formula):
        if len(one.terms) == 1 and one.terms[0][0] < n:
            ((i, c),) = one.terms
            end = -one.constant / c
            if c > 0:
                low[i] = max(end, low.get(i, end))
            else:
                high[i] = min(end, high.get(i, end))
    added: list[Row] = []
    for i in range(n):
        if i not in low:
            added.append(row({i: Fraction(1)}, REACH - min(high.get(i, Fraction(0)), Fraction(0))))
        if i not in high:
            added.append(row({i: Fraction(-1)}, REACH + max(low.get(i, Fraction(0)), Fraction(0))))
    names = list(dict.fromkeys(question.names[one.terms[0][0]] for one in added))
    return (replace(question, formula=And((question.formula, *added))) if added else question), names
