"""The page of distances to adversarial points."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from markupsafe import Markup

from polylc.report.distance import DistanceReport, PointReport
from polylc.report.html.page import network_section, setting_section, word
from polylc.report.html.pixels import image_parts
from polylc.report.html.svg import Strip, ends_text, interval_drawing, strip_of
from polylc.report.html.view import Facts, Grid, Page, Part, Section, Text, Words
from polylc.report.images import image_shape

FEW = 3  # points that are shown unfolded
SHOWN = 16  # coordinates of an adversarial point that are told in numbers

MEANING = {
    "exact": "the distance is known",
    "robust": "there is no adversarial point within the radius",
    "open": "between what is proved and what is attained",
    "refused": "the row cannot be used",
}


def distance_page(report: DistanceReport, shape: tuple[int, ...], centers: Mapping[int, Any]) -> Page:
    """The page of a run.

    Parameters
    ----------
    report : DistanceReport
    shape : tuple of int
        That of the network's inputs, as the model says it.
    centers : mapping
        The points, by their rows.
    """
    points = report.points
    words: list[str] = [p.status for p in points]
    facts: list[tuple[Text, Text]] = [
        (word(name), f"{words.count(name)} of {len(words)}: {meaning}") for name, meaning in MEANING.items() if words.count(name)
    ]
    sections = [Section("Summary", "summary", [Facts(facts), Words(f"Distances are in {report.norm}.")])]
    strip = strip_of([end for p in points for end in (p.lower, p.upper)])
    if len(points) > 1:
        columns = (("row", True), ("class", True), ("to class", True), ("distance", True), ("", False), ("status", False), ("s", True))
        rows = [
            (
                Markup('<a href="#row-{}">{}</a>').format(p.index, p.index),
                "-" if p.label is None else str(p.label),
                "-" if p.rival is None else str(p.rival),
                _ends(p),
                _drawn(p, strip),
                word(p.status),
                f"{p.seconds:.2f}",
            )
            for p in points
        ]
        sections.append(Section("Points", "points", [Grid(columns, rows, "One row for each point", sortable=True)]))
    details = [_point(p, report.network.inputs, shape, centers.get(p.index), len(points) <= FEW) for p in points]
    sections.append(Section("In detail" if len(points) > 1 else "The point", "detail", sections=details))
    sections.append(network_section(report.network))
    if report.setting is not None:
        sections.append(setting_section(report.setting, {}, sum(p.seconds for p in points)))
    title = f"Adversarial distances of {Path(report.network.source).name}"
    return Page(title, f"{', '.join(f'{words.count(name)} {name}' for name in dict.fromkeys(words))}; in {report.norm}", sections)


def _ends(p: PointReport) -> str:
    return "-" if p.status == "refused" else ends_text(p.lower, p.upper, 10)


def _drawn(p: PointReport, strip: Strip | None) -> Text:
    if strip is None or p.lower is None:
        return ""
    return interval_drawing(strip, p.lower, p.upper, p.lower if p.status == "exact" else None)


def _point(p: PointReport, inputs: int, known: tuple[int, ...], center: Any, opened: bool) -> Section:
    if p.status == "refused":
        return Section(f"Row {p.index}", f"row-{p.index}", [Words(p.reason or "")], "refused", folds=True, opened=opened)
    rows: list[tuple[Text, Text]] = [("status", f"{p.status}: {MEANING[p.status]}"), ("class", str(p.label))]
    exact = p.lower_exact if p.lower_square is None else f"sqrt({p.lower_square})"
    rows.append(("distance", _ends(p)))
    if p.status == "exact" and exact is not None and len(exact) < 200:
        rows.append(("as it is", exact))
    optional = {"to class": p.rival, "target": p.target, "radius": p.cap}
    rows += [(name, str(value)) for name, value in optional.items() if value is not None]
    if p.adversarial is not None and len(p.adversarial) <= SHOWN:
        rows.append(("adversarial point", ", ".join(f"{v:.10g}" for v in p.adversarial)))
    rows.append(("seconds", f"{p.seconds:.2f}"))
    parts: list[Part] = [Facts(rows)]
    shape = image_shape(known, inputs)
    if shape is not None:
        parts += image_parts(shape, center, p.adversarial, p.label)
    if p.proof is not None:
        parts += [Words(f"{p.proof} proves that no adversarial point is nearer. To check it:"), Words(f"polylc check {p.proof}", verbatim=True)]
    return Section(f"Row {p.index}", f"row-{p.index}", parts, p.status, f"distance {_ends(p)}", folds=True, opened=opened)
