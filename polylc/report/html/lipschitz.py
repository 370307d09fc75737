"""The page of Lipschitz constants."""

from __future__ import annotations

from pathlib import Path

from markupsafe import Markup

from polylc.report.html.page import network_section, setting_section, word
from polylc.report.html.svg import ends_text, interval_drawing, strip_of
from polylc.report.html.view import Facts, Grid, Page, Part, Section, Text, Words
from polylc.report.lipschitz import LipschitzReport, NeighbourhoodReport

FEW = 3  # neighbourhoods that are shown unfolded


def lipschitz_page(report: LipschitzReport) -> Page:
    """The page of a run."""
    every = report.neighbourhoods
    words = [one.status for one in every]
    constants = [(one, c) for one in every for c in one.constants]
    exact = sum(c.status == "exact" for _, c in constants)
    facts: list[tuple[Text, Text]] = [(word(name), f"{words.count(name)} of {len(every)} neighbourhoods") for name in dict.fromkeys(words)]
    rest = "" if exact == len(constants) else "; the others are between what some region attains and what none exceeds"
    said = f"{exact} of {len(constants)} constants are exact{rest}."
    sections = [Section("Summary", "summary", [Facts(facts), Words(said)])]
    if len(every) > 1:
        rows = [
            (Markup('<a href="#row-{}">{}</a>').format(one.index, one.index), c.target, c.norm, ends_text(*c.value, 10), word(c.status), c.method)
            for one, c in constants
        ]
        columns = (("row", True), ("of", False), ("norm", False), ("constant", True), ("status", False), ("found by", False))
        sections.append(Section("Constants", "constants", [Grid(columns, rows, "One row for each constant", sortable=True)]))
    details = [_neighbourhood(one, len(every) <= FEW) for one in every]
    sections.append(Section("In detail" if len(every) > 1 else "The neighbourhood", "detail", sections=details))
    sections.append(network_section(report.network))
    if report.setting is not None:
        sections.append(setting_section(report.setting, {}, sum(one.seconds for one in every)))
    return Page(f"Lipschitz constants of {Path(report.network.source).name}", f"{exact} of {len(constants)} constants exact", sections)


def _neighbourhood(one: NeighbourhoodReport, opened: bool) -> Section:
    anchor = f"row-{one.index}"
    if one.status == "refused":
        return Section(f"Row {one.index}", anchor, [Words(one.reason or "")], "refused", folds=True, opened=opened)
    strips = {norm: strip_of([end for c in one.constants if c.norm == norm for end in c.value]) for norm in {c.norm for c in one.constants}}
    rows = []
    for c in one.constants:
        strip = strips[c.norm]
        drawn: Text = "" if strip is None else interval_drawing(strip, *c.value, c.value[0] if c.status == "exact" else None)
        form = c.exact if c.exact is not None and len(c.exact) <= 60 else ""
        where = c.attained if c.attained not in (None, c.target) else ""
        rows.append((c.target, c.norm, ends_text(*c.value, 10), drawn, word(c.status), c.method, where, form))
    columns = (
        ("of", False), ("norm", False), ("constant", True), ("", False), ("status", False), ("found by", False), ("attained by", False),
        ("as it is", False),
    )  # fmt: skip
    parts: list[Part] = [Grid(columns, rows, "Constants")]
    if one.proof is not None:
        parts += [Words(f"{one.proof} proves them. To check it:"), Words(f"polylc check {one.proof}", verbatim=True)]
    elif "proof" in one.notes:
        parts.append(Words(f"The proof was {one.notes['proof']}."))
    brief = f"{sum(c.status == 'exact' for c in one.constants)} of {len(one.constants)} exact, {one.seconds:.1f} s"
    return Section(f"Row {one.index}", anchor, parts, one.status, brief, folds=True, opened=opened)
