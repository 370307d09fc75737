"""Results on screen: one table for one neighbourhood, one row each for many."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from polylc.domains.box import as_box
from polylc.domains.frame import Frame
from polylc.exact.quantity import Kind
from polylc.measures.answers import NOT_ASKED
from polylc.measures.measure import Block
from polylc.measures.registry import ALL, DEFAULT, ROWS
from polylc.network.form import Network
from polylc.report.record import Record, Refusal
from polylc.report.schema import shown


def network_line(network: Network) -> str:
    """The network in one line: source, shape, neurons."""
    shape = "-".join(str(w) for w in (network.inputs, *network.widths, network.outputs))
    return f"{network.source}: {shape}, {network.neurons} hidden neurons in {len(network.layers)} layers"


def _domain_text(record: Record) -> str:
    if isinstance(record.domain, Frame):
        sides = " x ".join(f"{2 * h:.7g}" for h in record.domain.half)
        size = {1: "", 2: f", area {record.volume.show()}"}.get(record.domain.dimension, f", volume {record.volume.show()}")
        return f"{record.domain.kind} through {', '.join(record.domain.names)} in {record.domain.inputs} dimensions, {sides}{size}"
    domain = as_box(record.domain, "report")
    fixed = domain.inputs - domain.dimension
    rest = f", {fixed} coordinates fixed" if fixed else ""
    if domain.center is None or domain.radius is None:
        return f"box in dimension {domain.dimension}{rest}, volume {record.volume.show()}"
    radius = f"{float(domain.radius[0]):g}" if len(domain.radius) == 1 else "per coordinate"
    full = [r * 2 for r in (domain.radius * domain.inputs if len(domain.radius) == 1 else domain.radius)]
    clipped = any(b - a < d for a, b, d in zip(domain.lower, domain.upper, full, strict=True))
    return f"{domain.norm} ball of radius {radius}{', clipped,' if clipped else ''} in dimension {domain.dimension}{rest}"


def _count(value: int | None, complete: bool) -> str:
    if value is None:
        return "-"
    return f"{value}" if complete else f">= {value}"


def result_rows(record: Record) -> list[tuple[str, str]]:
    """Names and values of a result, in the order in which a person wants to read them."""
    complete = record.complete
    rows = [("status", f"{record.status}: {record.status.meaning}")]
    if not complete:
        rows.append(("ended", str(record.outcome)))
    found = record.stats.get("judge regions_found", 0)
    if found and complete:
        rows.append(("", f"{found} regions that floating point had missed were found by exact arithmetic"))
    rows.append(("neighbourhood", _domain_text(record)))
    rows.append(("regions", _count(record.regions, complete)))
    if record.line is not None and record.line.classes:
        rows.append(("classes", ", ".join(f"{label} to s = {float(high):.7g}" for _, high, label in record.line.classes)))
    for row in ROWS:
        value = record.answers.value(row.name)
        if value is not None:
            rows += row.lines(value)
    why = _why_not_weighed(record)
    if why is not None and complete:
        rows.append(("volumes", why))
    rows += [("not measured", text) for text in _unanswered(record)]
    for key in ("domain", "label", "pieces", "engine"):
        if key in record.notes and complete:
            rows.append(("note", record.notes[key]))
    left = [row.name for row in ROWS if record.answers[row.name].reason == NOT_ASKED]
    if complete and tuple(row.name for row in ROWS if row.name not in left) == DEFAULT:
        rows.append(("left out", f"{', '.join(name for name in left if name in ALL)} and rational volumes: --measures all, --exact-volumes"))
    rate = "" if record.regions is None else f" ({record.regions / max(record.seconds, 1e-9):.0f} regions/s, engine {record.engine})"
    rows.append(("seconds", f"{record.seconds:.2f}{rate}"))
    return rows


def _why_not_weighed(record: Record) -> str | None:
    """Why volumes weigh nothing here, or only by estimates."""
    answer = record.answers["local_complexity"]
    if answer.reason is None or answer.reason == NOT_ASKED or "local_complexity" in record.late:
        return None
    estimated = answer.value is not None and any(v.kind is Kind.ESTIMATE for v in answer.value.versions.values())
    return answer.reason if answer.value is None or estimated else None


def _unanswered(record: Record) -> list[str]:
    """Measures that the user named, or that a limit left out, and that have no value, and why; of partial results the
    status says it.
    """
    if not record.complete:
        return []
    names: dict[str, list[str]] = {}
    for row in ROWS:
        answer = record.answers[row.name]
        why = str(answer.reason)
        if answer.value is None and why != NOT_ASKED and (row.name not in DEFAULT or row.name in record.late):
            names.setdefault(why.removeprefix("null: "), []).append(row.name)
    return [f"{', '.join(left)}: {why}" for why, left in names.items()]


def _table(block: Block) -> Table:
    table = Table(title=block.title, title_justify="left", box=None, pad_edge=False)
    for name, number in block.columns:
        table.add_column(name, justify="right" if number else "left")
    for cells in block.rows:
        table.add_row(*(Text(cell) for cell in cells))
    return table


def show_one(console: Console, record: Record) -> None:
    """Print all that is known of one neighbourhood."""
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    for name, text in result_rows(record):
        table.add_row(name, Text(text))
    console.print(table)
    for row in ROWS:
        value = record.answers.value(row.name)
        block = None if value is None else row.block(value)
        if block is not None:
            console.print()
            console.print(_table(block))


def many_rows(entries: Sequence[Record | Refusal]) -> tuple[list[tuple[str, bool]], list[list[str]]]:
    """Columns (heading, whether it holds numbers), and one row of text for each neighbourhood."""
    records = [e for e in entries if isinstance(e, Record)]
    left = frozenset(name for row in ROWS for name in row.left)
    names = _columns(records)
    columns = [("row", True), ("class", True), ("regions", True), *((name, name not in left) for name in names), ("status", False), ("s", True)]
    rows = []
    for entry in entries:
        if isinstance(entry, Refusal):
            rows.append([str(entry.index), "", "", *("" for _ in names), str(entry.status), ""])
            continue
        cells = _cells(entry)
        label = "-" if entry.label is None else str(entry.label)
        each = (cells.get(name, "-") for name in names)
        rows.append([str(entry.index), label, _count(entry.regions, entry.complete), *each, str(entry.status), f"{entry.seconds:.2f}"])
    return columns, rows


GAP = 2  # between columns


def fitting(columns: Sequence[tuple[str, bool]], rows: Sequence[Sequence[str]], width: int, always: Sequence[str]) -> list[int]:
    """The columns that a table of a certain width has room for: those named, and of the others the first ones that
    fit.
    """
    widths = [max(len(name), *(len(row[at]) for row in rows)) + GAP if rows else len(name) + GAP for at, (name, _) in enumerate(columns)]
    chosen = {at for at, (name, _) in enumerate(columns) if name in always}
    for at in range(len(columns)):
        if at not in chosen and sum(widths[k] for k in chosen) + widths[at] - GAP <= width:
            chosen.add(at)
    return sorted(chosen)


def show_fitting(
    console: Console, columns: Sequence[tuple[str, bool]], rows: Sequence[Sequence[str]], always: Sequence[str], wide: bool = True
) -> list[str]:
    """Print a table; unless `wide`, only the columns that there is room for; those that were left out."""
    chosen = list(range(len(columns))) if wide else fitting(columns, rows, console.width, always)
    table = Table(box=None, pad_edge=False)
    for at in chosen:
        table.add_column(columns[at][0], justify="right" if columns[at][1] else "left", no_wrap=True)
    for row in rows:
        table.add_row(*(Text(row[at]) for at in chosen))
    needed, before = console.measure(table, options=console.options.update(max_width=10_000)).maximum, console.width
    console.width = max(before, needed)  # a narrow terminal folds long rows; rich would cut the numbers
    console.print(table)
    console.width = before
    left = [name for at, (name, _) in enumerate(columns) if at not in chosen]
    if left:
        console.print(Text(f"no room for {', '.join(left)}: --wide shows all"))
    return left


def show_many(console: Console, entries: Sequence[Record | Refusal], wide: bool = True) -> None:
    """Print one row per neighbourhood, a line of means, and what the marks mean; unless `wide`, only the columns that
    there is room for.
    """
    records = [e for e in entries if isinstance(e, Record)]
    show_fitting(console, *many_rows(entries), ("row", "regions", "robust", "distance", "status"), wide)
    console.print()
    for line in broken(summary_line(entries), console.width):
        console.print(Text(line))
    for row in ROWS:
        for line in row.footer([s.value for s in shown(row.name, records)]):
            console.print(Text(line))
    whys = [f"volumes: {why.removeprefix('null: ')}" for r in records if r.complete and (why := _why_not_weighed(r)) is not None]
    for text in dict.fromkeys([*whys, *(f"not measured: {text}" for r in records for text in _unanswered(r))]):
        console.print(Text(text))
    for status in dict.fromkeys(r.status for r in records):
        console.print(Text(f"{status}: {status.meaning}"))


def _cells(record: Record) -> dict[str, str]:
    values = [(row, record.answers.value(row.name)) for row in ROWS]
    return {name: text for row, value in values if value is not None for name, text in row.cells(value).items()}


def _columns(records: Sequence[Record]) -> list[str]:
    """Columns that some neighbourhood has something in, by measure."""
    return list(dict.fromkeys(name for row in ROWS for s in shown(row.name, records) for name in row.cells(s.value)))


def broken(text: str, width: int) -> list[str]:
    """Text of parts between semicolons in lines that are no longer than `width`, broken at semicolons."""
    lines = [""]
    for part in text.split("; "):
        longer = f"{lines[-1]}; {part}" if lines[-1] else part
        if len(longer) <= width or not lines[-1]:
            lines[-1] = longer
        else:
            lines[-1] += ";" if len(lines[-1]) < width else ""
            lines.append(part)
    return lines


def summary_line(entries: Sequence[Record | Refusal]) -> str:
    """Means and totals over the neighbourhoods that are complete."""
    records = [e for e in entries if isinstance(e, Record)]
    complete = [r for r in records if r.complete]
    parts = [f"{len(entries)} neighbourhood{'s' if len(entries) != 1 else ''}"]
    for name, many in (("partial", len(records) - len(complete)), ("refused", len(entries) - len(records))):
        if many:
            parts.append(f"{many} {name}")
    if complete:
        parts += [f"mean regions {np.mean(counts):.6g}"] if (counts := [r.regions for r in complete if r.regions is not None]) else []
    for row in ROWS:
        parts += row.totals(shown(row.name, records))
    return "; ".join(parts)
