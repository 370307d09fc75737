"""The inequalities between the measures, with both sides enclosed and whether they hold here."""

from __future__ import annotations

from collections.abc import Sequence

from polylc.domains.box import norm_of
from polylc.measures.answers import Answer, Answers, missing
from polylc.measures.inequalities.inequality import Inequality
from polylc.measures.inequalities.rules import Case, Given, inequalities
from polylc.measures.measure import Block, Cost, Field, FormModel, Measure, Need, Pair
from polylc.measures.scene import Scene

Inequalities = list[Inequality]


class InequalityForm(FormModel):
    """An inequality with both sides; `holds` is null where the enclosures do not decide it."""

    name: str
    statement: str
    left: Pair
    right: Pair
    holds: bool | None


def _exact(scene: Scene) -> Answer[Inequalities]:
    if scene.complex.round:
        return missing(f"null: inequalities are of boxes, not of {norm_of(scene.complex.domain)} balls")
    reason = None
    case = Case(scene, Answers(scene.answers))
    if scene.volumes.value is None:
        reason = "only what needs no volumes" if case.many is None else "by enclosed sections and shares"
    if Given.MEANS in case.given and not scene.sigmas:
        reason = "; ".join(part for part in (reason, "inequalities about noise need --sigma") if part)
    return Answer(inequalities(case), reason)


def _floating(_: Scene) -> Answer[Inequalities]:
    return missing("null: inequalities are decided on enclosures, and without certification there are none")


def _sampled(scene: Scene) -> Answer[Inequalities]:
    return (_exact if scene.certified else _floating)(scene)


def _form(value: Inequalities) -> list[InequalityForm]:
    return [
        InequalityForm(name=b.name, statement=b.statement, left=(b.left.lower, b.left.upper), right=(b.right.lower, b.right.upper), holds=b.holds)
        for b in value
    ]


def _block(value: Inequalities) -> Block | None:
    if not value:
        return None
    answers = {True: "yes", False: "no", None: "not decided"}
    rows = [(b.name, b.left.show(), b.right.show(), "-" if b.slack is None else f"{b.slack:.3g}", answers[b.holds]) for b in value]
    columns = (("", False), ("left", True), ("right", True), ("slack", True), ("holds", False))
    return Block("Inequalities, left <= right (docs/theory.md)", columns, rows)


def _footer(values: Sequence[Inequalities]) -> list[str]:
    """How many inequalities hold, and at how many neighbourhoods each that does not hold everywhere fails."""
    bounds = [b for value in values for b in value]
    if not bounds:
        return []
    count = {answer: sum(b.holds is answer for b in bounds) for answer in (True, False, None)}
    lines = [f"inequalities: {count[True]} hold, {count[None]} are not decided, {count[False]} do not hold"]
    for name in dict.fromkeys(b.name for b in bounds if b.holds is False):
        every = [b.holds for b in bounds if b.name == name]
        lines.append(f"  {name}: fails at {every.count(False)} of {len(every)} neighbourhoods")
    return lines


BOUNDS: Measure[Inequalities] = Measure(
    name="bounds",
    about="inequalities between the measures (docs/theory.md), both sides and whether they hold",
    cost=Cost.HIGH,
    needs=frozenset({Need.GRAPH, Need.VOLUMES}),
    exact=_exact,
    floating=_floating,
    sampled=_sampled,
    unmeasured=_exact,
    attributes={"bounds": lambda v: v},
    fields=(Field("bounds", list[InequalityForm], _form),),
    lines=lambda _: [],
    block=_block,
    footer=_footer,
)
