"""The page of answers of `verify`."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
from markupsafe import Markup

from polylc.report.html.page import network_section, setting_section, word
from polylc.report.html.view import Facts, Gallery, Grid, Page, Part, Section, Text, Words
from polylc.report.images import data_uri, grey, image_shape
from polylc.report.verification import QueryReport, VariableInfo, VerifyReport

SHOWN = 64  # entries of a variable that are told in numbers
FEW = 3  # queries that are shown unfolded

MEANING = {
    "sat": "there is an assignment, and it was checked exactly",
    "unsat": "there is none, and that is proved",
    "unknown": "not decided",
    "timed-out": "not decided within the time there was",
    "error": "the query could not be asked",
}


def verify_page(report: VerifyReport) -> Page:
    """The page of the answers of a run, one or many."""
    results = report.results
    words = [one.result or "error" for one in results]
    facts: list[tuple[Text, Text]] = [
        (word(name), f"{words.count(name)} of {len(words)}: {meaning}") for name, meaning in MEANING.items() if name in words
    ]
    sections = [Section("Summary", "summary", [Facts(facts)])]
    if len(results) > 1:
        rows = [
            (
                Markup('<a href="#query-{}">{}</a>').format(at, at),
                ", ".join(Path(m.network.source).name for m in one.models) or "-",
                Path(one.query).name,
                word(one.result or "error"),
                f"{one.seconds:.2f}",
            )
            for at, one in enumerate(results)
        ]
        columns = (("number", True), ("model", False), ("query", False), ("result", False), ("seconds", True))
        sections.append(Section("Queries", "queries", [Grid(columns, rows, "One row for each query", sortable=True)]))
    details = [_query(at, one, len(results) <= FEW) for at, one in enumerate(results)]
    sections.append(Section("In detail" if len(results) > 1 else "The query", "detail", sections=details))
    networks = {m.network.weights_sha256: m.network for one in results for m in one.models}
    read = [network_section(info, f"network-{at}") for at, info in enumerate(networks.values())]
    if len(read) == 1:
        sections += read
    elif read:  # one below the other, folded
        named = [
            replace(section, title=Path(info.source).name, folds=True, opened=False) for section, info in zip(read, networks.values(), strict=True)
        ]
        sections.append(Section("The networks as read", "networks", sections=named))
    seconds = sum(one.seconds for one in results)
    if report.setting is not None:
        sections.append(setting_section(report.setting, {}, seconds))
    title = f"Answer to {Path(results[0].query).name}" if len(results) == 1 else f"Answers to {len(results)} queries"
    return Page(title, f"{', '.join(f'{words.count(name)} {name}' for name in dict.fromkeys(words))}; {seconds:.1f} s", sections)


def _query(at: int, one: QueryReport, opened: bool) -> Section:
    answer = one.result or "error"
    rows: list[tuple[Text, Text]] = [("answer", f"{answer}: {MEANING[answer]}"), ("query", one.query)]
    if one.query_sha256 is not None:
        rows.append(("SHA-256 of the query", Markup("<code>{}</code>").format(one.query_sha256)))
    rows += [(f"model {m.name}".strip(), m.network.source) for m in one.models]
    optional = {"VNN-LIB": one.vnnlib, "arithmetic": one.semantics, "note": one.note, "error": one.error}
    rows += [(name, text) for name, text in optional.items() if text]
    rows.append(("seconds", f"{one.seconds:.2f}"))
    parts: list[Part] = [Facts(rows)]
    if one.proof is not None:
        parts += [Words(f"{one.proof} proves that no assignment exists. To check it:"), Words(f"polylc check {one.proof}", verbatim=True)]
    anchor = f"query-{at}"
    sections = []
    for place, variable in enumerate(one.assignment or ()):
        sections.append(Section(f"{variable.kind} {variable.name}", f"{anchor}-{place}", _variable(variable)))
    if one.statistics:
        counted = Facts([(name.replace("_", " "), f"{value:g}") for name, value in one.statistics.items()])
        sections.append(Section("Counters of the search", f"{anchor}-statistics", [counted], folds=True, opened=False))
    models = ", ".join(Path(m.network.source).name for m in one.models)
    return Section(Path(one.query).name, anchor, parts, answer, f"{models}, {one.seconds:.2f} s", sections, folds=True, opened=opened)


def _variable(variable: VariableInfo) -> list[Part]:
    """The values of a variable: as an image where it is one, and in numbers."""
    values = [float(Fraction(v)) for v in variable.values]
    parts: list[Part] = []
    shape = image_shape(tuple(variable.shape), len(values)) if variable.kind == "input" else None
    if shape is not None:
        parts.append(Gallery([(data_uri(grey(np.array(values), shape, min(values), max(values))), f"{variable.name} as an image")]))
    rows = [(str(at), f"{value:.10g}", exact) for at, (value, exact) in enumerate(zip(values, variable.values, strict=True))][:SHOWN]
    more = "" if len(values) <= SHOWN else f"; the first {SHOWN} of {len(values)}, --json has all"
    how = "exactly" if variable.exact else "rounded to doubles behind a softmax"
    caption = f"{variable.element} {variable.shape}, {how}{more}"
    shown = [(at, value, exact if len(exact) <= 60 else exact[:57] + "...") for at, value, exact in rows]
    parts.append(Grid((("entry", True), ("value", True), ("as it is", False)), shown, caption))
    return parts
