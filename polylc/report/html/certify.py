"""The page of a run of `certify`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from markupsafe import Markup

from polylc.complex.graph import build_graph
from polylc.domains.frame import Frame
from polylc.exact.quantity import Kind, Quantity
from polylc.measures.inequalities.inequality import Inequality
from polylc.measures.measure import Block
from polylc.measures.registry import ROWS
from polylc.network.exact import ExactNetwork
from polylc.network.form import Network
from polylc.report.html.page import cell_of, network_section, setting_section, word
from polylc.report.html.pixels import image_parts
from polylc.report.html.regions import MOST_NODES, MOST_PIXELLED, MOST_SOLIDS, pictures, room_of
from polylc.report.html.svg import Strip, ends_text, interval_drawing, strip_of
from polylc.report.html.view import Drawing, Facts, Gallery, Grid, Page, Part, Section, Text, Words
from polylc.report.images import data_uri, grey, image_shape
from polylc.report.record import Record, Refusal
from polylc.report.schema import network_info, shown
from polylc.report.setting import setting
from polylc.report.status import Status
from polylc.report.table import many_rows, network_line, result_rows, summary_line

ROOM = 20_000  # regions drawn on one page
FEW = 3  # neighbourhoods that are shown unfolded
MANY = 20  # neighbourhoods above which a page makes what is folded only when it is opened
MOST = 50  # neighbourhoods that a notebook has details of


def certify_page(
    network: Network, entries: Sequence[Record | Refusal], seconds: float, proof: Path | None = None, model: str = "MODEL", room: int = ROOM
) -> Page:
    """The page of a run.

    Parameters
    ----------
    network : Network
    entries : sequence of Record or Refusal
    seconds : float
    proof : Path, optional
        The proof file that was written of it.
    model : str
        The model's file, for the command that checks the proof.
    room : int
        Regions that are drawn, at most.
    """
    records = [e for e in entries if isinstance(e, Record)]
    sections = [_summary(entries, records)]
    if len(entries) > 1:
        sections.append(Section("Neighbourhoods", "neighbourhoods", [_table(entries)]))
    several = len(records) > 1  # else there is nothing to draw a number beside
    strips = {name: strip for name, values in _numbers_of(records).items() if several and (strip := strip_of(values))}
    details = []
    for entry in entries:
        if isinstance(entry, Refusal):
            details.append(
                Section(f"Row {entry.index}", _anchor(entry), [Words(entry.reason)], status="refused", folds=True, opened=len(entries) <= FEW)
            )
            continue
        drawn, used = _drawn(entry, room)
        room -= used
        details.append(_neighbourhood(entry, strips, drawn, len(entries) <= FEW, len(entries) > MANY))
    sections.append(Section("In detail" if len(entries) > 1 else "The neighbourhood", "detail", sections=details))
    sections.append(_proof(records, proof, model))
    sections.append(network_section(network_info(network)))
    sections.append(setting_section(setting(), {}, seconds))
    return Page(f"Linear regions of {Path(network.source).name}", network_line(network), sections)


def certify_cell(network: Network, entries: Sequence[Record | Refusal], seconds: float) -> str:
    """What a notebook shows of a run: the table, or all that is known of a single neighbourhood."""
    page = certify_page(network, entries, seconds, room=0)
    several = len(entries) > 1
    sections = [s for s in page.sections if len(entries) <= MOST or s.anchor != "detail"]
    return cell_of(replace(page, sections=sections), ("neighbourhoods",) if several else ("detail",))


def _anchor(entry: Record | Refusal) -> str:
    return f"row-{entry.index}"


def _name(entry: Record) -> str:
    """A row of data, or what else there is one of."""
    if isinstance(entry.domain, Frame):
        return f"The {entry.domain.kind}"
    return f"Row {entry.index}" if entry.domain.center is not None else "The box"


def _summary(entries: Sequence[Record | Refusal], records: Sequence[Record]) -> Section:
    counts = [(status, sum(e.status is status for e in entries)) for status in Status]
    facts: list[tuple[Text, Text]] = [(word(status), f"{count} of {len(entries)}: {status.meaning}") for status, count in counts if count]
    parts: list[Part] = [Facts(facts), Words(summary_line(entries))]
    for row in ROWS:
        parts += [Words(line) for line in row.footer([s.value for s in shown(row.name, records)])]
    return Section("Summary", "summary", parts)


def _table(entries: Sequence[Record | Refusal]) -> Grid:
    columns, rows = many_rows(entries)
    linked = [[Markup('<a href="#{}">{}</a>').format(_anchor(e), row[0]), *row[1:]] for e, row in zip(entries, rows, strict=True)]
    at = [name for name, _ in columns].index("status")
    for row in linked:
        row[at] = word(row[at])
    return Grid(columns, linked, "One row for each neighbourhood; ~ marks what is not proved, >= a lower bound, est. an estimate", sortable=True)


# ---- one neighbourhood -----------------------------------------------------------------------------------------------
def _numbers(record: Record) -> dict[str, Quantity]:
    """All numbers of a record by dotted names."""
    found = {}
    for row in ROWS:
        value = record.answers.value(row.name)
        for name, number in ({} if value is None else row.numbers(value)).items():
            if isinstance(number, Quantity):
                found[name] = number
    return found


def _numbers_of(records: Sequence[Record]) -> dict[str, list[float | None]]:
    values: dict[str, list[float | None]] = {}
    for record in records:
        for name, number in _numbers(record).items():
            values.setdefault(name, []).extend((number.lower, number.upper))
    return values


def _neighbourhood(record: Record, strips: dict[str, Strip], drawn: Sequence[Drawing], opened: bool, later: bool) -> Section:
    brief = "" if record.regions is None else f"{'' if record.complete else '>= '}{record.regions} regions"
    rows: list[tuple[Text, Text]] = [*result_rows(record)]
    if not drawn and (why := _undrawn(record)):
        rows.append(("picture", why))
    parts: list[Part] = [Facts(rows), *drawn, *_images(record)]
    anchor = _anchor(record)
    sections = []
    if (measures := _measures(record, strips)) is not None:
        sections.append(Section("Numbers", f"{anchor}-numbers", [measures], folds=True, opened=False))
    for row in ROWS:
        value = record.answers.value(row.name)
        if row.name == "bounds" and value:
            sections.append(Section("Inequalities", f"{anchor}-bounds", [_inequalities(value)], folds=True, opened=False))
        elif value is not None and (block := row.block(value)) is not None:
            parts.append(_grid(block))
    if record.notes:
        sections.append(Section("Notes", f"{anchor}-notes", [Facts(list(record.notes.items()))], folds=True, opened=False))
    return Section(_name(record), anchor, parts, str(record.status), brief, sections, folds=True, opened=opened, later=later)


def _grid(block: Block) -> Grid:
    return Grid(block.columns, block.rows, block.title)


_MEANING = {
    Kind.EXACT: "exact",
    Kind.ENCLOSURE: "enclosed",
    Kind.ESTIMATE: "estimate",
    Kind.FLOAT: "in floating point",
}


def _measures(record: Record, strips: dict[str, Strip]) -> Grid | None:
    """All numbers with their kinds and ends, drawn on the range that they have on the page."""
    rows: list[tuple[Text, ...]] = []
    for name, number in _numbers(record).items():
        drawing: Text = ""
        if name in strips:
            value = number.value if number.upper is not None else None
            drawing = interval_drawing(strips[name], number.lower, number.upper, value)
        row: tuple[Text, ...] = name.replace(".", " ").replace("_", " "), ends_text(number.lower, number.upper, 10), _MEANING[number.kind]
        rows.append((*row, drawing) if strips else row)
    if not rows:
        return None
    columns = (("number", False), ("value", True), ("kind", False), ("from the least to the largest here", False))
    return Grid(columns[: len(rows[0])], rows, "All numbers")


def _inequalities(value: Sequence[Inequality]) -> Grid:
    rows = []
    answers = {True: "yes", False: "no", None: "not decided"}
    for one in value:
        strip = strip_of([one.left.lower, one.left.upper, one.right.lower, one.right.upper])
        drawing: Text = ""
        if strip is not None:
            drawing = interval_drawing(strip, one.left.value, one.right.value if one.right.upper is not None else None, one.left.value)
        holds = word(answers[one.holds])
        slack = "-" if one.slack is None else f"{one.slack:.4g}"
        rows.append((one.name, one.left.show(), one.right.show(), slack, drawing, holds, one.statement))
    columns = (("", False), ("left", True), ("right", True), ("slack", True), ("left to right", False), ("holds", False), ("statement", False))
    return Grid(columns, rows, "left <= right; docs/theory.md has the statements and proofs")


def _images(record: Record) -> list[Part]:
    """Inputs that are images: the centre, the adversarial point and what was changed; or what a plane was laid
    through.
    """
    shape = image_shape(record.network.input_shape, record.domain.inputs)
    if shape is None:
        return []
    domain = record.domain
    if isinstance(domain, Frame):
        exact = ExactNetwork(record.network)
        inputs = np.array([[float(v) for v in point] for point in domain.marks])
        low, high = float(inputs.min()), float(inputs.max())
        named = []
        for point, mark, name in zip(inputs, domain.marks, domain.names, strict=True):
            values = exact.outputs(mark)
            told = f"{name}: class {values.index(max(values))}" if len(values) > 1 else name
            named.append((data_uri(grey(point, shape, low, high)), told))
        return [Gallery(named)]
    found = record.answers.value("robustness")
    center = None if domain.center is None else np.array([float(v) for v in domain.center])
    return image_parts(shape, center, None if found is None else found.adversarial, None if found is None else found.label)


def _drawn(record: Record, room: int) -> tuple[list[Drawing], int]:
    """Pictures, and how much of the page's room they take."""
    complex_ = record.complex
    if complex_ is None or not len(complex_):
        return [], 0
    graph = record.region_graph
    if graph is None and complex_.domain.dimension > 3 and complex_.complete and 1 < len(complex_) <= MOST_NODES:
        graph = build_graph(complex_)
    drawn = pictures(complex_, graph, room)
    return drawn, room_of(complex_) if drawn else 0


def _undrawn(record: Record) -> str:
    """Why there is no picture, where one might be expected."""
    if not record.regions or record.regions == 1:
        return ""
    if record.complex is None:
        return "none: the regions of this neighbourhood were not kept; certify it alone, or with few others, for its picture"
    most = {1: ROOM, 2: MOST_PIXELLED, 3: MOST_SOLIDS}.get(record.domain.dimension, MOST_NODES)
    return f"none: at most {most} regions are drawn of one neighbourhood of this dimension, and {ROOM} on a page"


# ---- the proof -------------------------------------------------------------------------------------------------------
def _proof(records: Sequence[Record], proof: Path | None, model: str) -> Section:
    certified = sum(r.status is Status.CERTIFIED for r in records)
    if proof is None:
        said = "No proof file was written; --proof FILE writes one, which a program of one file checks without polylc."
        meaning = f"{certified} of {len(records)} neighbourhoods were certified: what is not marked ~ or est. is exact or rigorously enclosed."
        return Section("Proof", "proof", [Words(meaning if certified else "Nothing here is certified."), Words(said)])
    covered = [r.index for r in records if r.block is not None]
    said = f"{proof.name} proves, for {len(covered)} of {len(records)} neighbourhoods, that the list of regions is complete and right."
    return Section(
        "Proof",
        "proof",
        [
            Words(said),
            Words(f"polylc check {proof} --model {model}", verbatim=True),
            Words("docs/certificate-format.md says what it holds, line by line."),
        ],
    )
