"""Results on screen: one table for one neighbourhood, one row each for many."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from polylc.exact.quantity import Kind, Quantity
from polylc.measures.gradient.lipschitz import NORMS
from polylc.network.form import Network
from polylc.report.result import Answers, Refusal, Result
from polylc.report.schema import distance_quantity, robustness_row

STATUS = {
    "certified": "complete, proved in exact arithmetic",
    "enumerated": "complete in floating point; numbers marked ~ are not proved",
    "partial": "stopped early; counts are lower bounds (>=)",
}


def network_line(network: Network) -> str:
    """The network in one line: source, shape, neurons."""
    shape = "-".join(str(w) for w in (network.inputs, *network.widths, network.outputs))
    return f"{network.source}: {shape}, {network.neurons} hidden neurons in {len(network.layers)} layers"


def _domain_text(result: Result) -> str:
    domain = result.domain
    fixed = domain.inputs - domain.dimension
    rest = f", {fixed} coordinates fixed" if fixed else ""
    if domain.center is None or domain.radius is None:
        return f"box in dimension {domain.dimension}{rest}, volume {result.volume.show()}"
    radius = f"{float(domain.radius[0]):g}" if len(domain.radius) == 1 else "per coordinate"
    full = [r * 2 for r in (domain.radius * domain.inputs if len(domain.radius) == 1 else domain.radius)]
    clipped = any(b - a < d for a, b, d in zip(domain.lower, domain.upper, full, strict=True))
    return f"linf ball of radius {radius}{', clipped,' if clipped else ''} in dimension {domain.dimension}{rest}"


def _count(value: int | None, complete: bool) -> str:
    return "-" if value is None else f"{value}" if complete else f">= {value}"


def _robust_text(result: Result) -> tuple[str, str]:
    """The answer and the distance."""
    row, distance = robustness_row(result), distance_quantity(result)
    if row is None:
        return "-", "-"
    answer = {True: "yes", False: "no", None: "not known"}[row.robust]
    if distance is None:
        return answer, "-"
    if not result.complete and distance.upper is not None:
        return answer, f"<= {distance.upper:.7g}"
    return answer, distance.show()


def result_rows(result: Result) -> list[tuple[str, str]]:
    """Names and values of a result, in the order in which a person wants to read them."""
    answers, complete = result.answers, result.complete
    rows = [("status", f"{result.status}: {STATUS[result.status]}")]
    if not complete:
        rows.append(("ended", result.outcome))
    found = result.stats.get("judge regions_found", 0)
    if found and complete:
        rows.append(("", f"{found} regions that floating point had missed were found by exact arithmetic"))
    rows.append(("neighbourhood", _domain_text(result)))
    rows.append(("regions", _count(result.regions, complete)))
    if "counts" not in result.notes or answers.adjacencies is not None:
        rows.append(("pieces", _count(answers.pieces, complete)))
        rows.append(("affine functions", _count(answers.affine_functions, complete)))
        rows.append(("adjacencies", _count(answers.adjacencies, complete)))
    if answers.local_complexity is not None:
        values = answers.local_complexity
        main = values["activation"].show()
        others = ", ".join(f"{k.replace('_', ' ')} {v.show()}" for k, v in values.items() if k != "activation")
        same = all(np.isclose(v.value, values["activation"].value, rtol=1e-12, atol=0) for v in values.values())
        rows.append(("local complexity", main + (" (all versions agree)" if same else f" ({others})")))
    for name, value in (answers.noisy_complexity or {}).items():
        rows.append((f"  with noise {name}", value.show()))
    if answers.total_variation is not None:
        values = answers.total_variation
        margins = "".join(f", {v.show()} {k}" for k, v in values.items() if k not in ("frobenius", "operator"))
        rows.append(("total variation", f"{values['frobenius'].show()} Frobenius, {values['operator'].show()} operator{margins}"))
    if answers.kink_variation is not None:
        rows.append(("kink variation", answers.kink_variation.show()))
    if answers.local_rank is not None:
        rows.append(("local rank", ", ".join(_rank_text(r.layer, r.least, r.most, r.mean) for r in answers.local_rank)))
    if answers.robustness is not None:
        answer, distance = _robust_text(result)
        where = ""
        if answers.robustness.adversarial is not None and result.domain.inputs <= 8:
            where = ", at (" + ", ".join(f"{v:.6g}" for v in answers.robustness.adversarial) + ")"
        rows.append((f"robust for class {result.label}", answer))
        rows.append(("adversarial distance", f"{distance}{where}"))
    why = result.notes.get("local_complexity", "not asked for")
    if (answers.local_complexity is None or _sampled(answers)) and why != "not asked for" and complete:
        rows.append(("volumes", why))
    for key in ("domain", "label", "pieces", "engine"):
        if key in result.notes and complete:
            rows.append(("note", result.notes[key]))
    rows.append(("seconds", f"{result.seconds:.2f} ({result.regions / max(result.seconds, 1e-9):.0f} regions/s, engine {result.engine})"))
    return rows


def _sampled(answers: Answers) -> bool:
    """Whether volume-weighted measures are estimates."""
    return any(v.kind is Kind.ESTIMATE for v in (answers.local_complexity or {}).values())


def _rank_text(layer: int, least: int, most: int, mean: Quantity | None) -> str:
    extent = f"{least}" if least == most else f"{least} to {most}"
    return f"layer {layer}: {extent}" + ("" if mean is None or least == most else f" (mean {mean.show(5)})")


def _lipschitz_table(result: Result) -> Table | None:
    if result.answers.lipschitz is None:
        return None
    table = Table(title="Lipschitz constants", title_justify="left", box=None, pad_edge=False)
    table.add_column("of")
    for norm in NORMS:
        table.add_column(norm, justify="right")
    values = {(c.target, c.norm): c.quantity for c in result.answers.lipschitz}
    for target in dict.fromkeys(c.target for c in result.answers.lipschitz):
        table.add_row(target, *(values[target, norm].show() for norm in NORMS))
    return table


def _bounds_table(result: Result) -> Table | None:
    if not result.answers.bounds:
        return None
    table = Table(title="Inequalities, left <= right (docs/theory.md)", title_justify="left", box=None, pad_edge=False)
    for name in ("", "left", "right", "slack", "holds"):
        table.add_column(name, justify="left" if name in ("", "holds") else "right")
    for found in result.answers.bounds:
        slack = "-" if found.slack is None else f"{found.slack:.3g}"
        table.add_row(Text(found.name), found.left.show(), found.right.show(), slack, {True: "yes", False: "no", None: "not decided"}[found.holds])
    return table


def show_one(console: Console, result: Result) -> None:
    """Print all that is known of one neighbourhood."""
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    for name, text in result_rows(result):
        table.add_row(name, Text(text))
    console.print(table)
    for more in (_lipschitz_table(result), _bounds_table(result)):
        if more is not None:
            console.print()
            console.print(more)


def show_many(console: Console, entries: Sequence[Result | Refusal]) -> None:
    """Print one row per neighbourhood, a line of means, and what the marks mean."""
    results = [e for e in entries if isinstance(e, Result)]
    columns = [name for name, wanted in _optional_columns(results) if wanted]
    table = Table(box=None, pad_edge=False)
    for name in ("row", "class", "regions"):
        table.add_column(name, justify="right")
    for name in columns:
        table.add_column(name, justify="left" if name == "robust" else "right")
    table.add_column("status")
    table.add_column("s", justify="right")
    for entry in entries:
        if isinstance(entry, Refusal):
            table.add_row(str(entry.index), "", "", *("" for _ in columns), "refused", "")
            continue
        label = "-" if entry.label is None else str(entry.label)
        cells = _cells(entry)
        regions = _count(entry.regions, entry.complete)
        table.add_row(str(entry.index), label, regions, *(cells.get(c, "-") for c in columns), entry.status, f"{entry.seconds:.2f}")
    console.print(table)
    console.print()
    console.print(Text(summary_line(entries)))
    for line in bounds_lines(results):
        console.print(Text(line))
    for status in dict.fromkeys(r.status for r in results):
        console.print(Text(f"{status}: {STATUS[status]}"))


def _optional_columns(results: Sequence[Result]) -> list[tuple[str, bool]]:
    answers = [r.answers for r in results]
    return [
        ("pieces", any(a.pieces is not None for a in answers)),
        ("edges", any(a.adjacencies is not None for a in answers)),
        ("LC", any(a.local_complexity is not None for a in answers)),
        *((f"LC {name}", True) for name in dict.fromkeys(name for a in answers for name in a.noisy_complexity or {})),
        ("TV", any(a.total_variation is not None for a in answers)),
        ("Lip linf", any(a.lipschitz is not None for a in answers)),
        ("Lip l2", any(a.lipschitz is not None for a in answers)),
        ("robust", any(a.robustness is not None for a in answers)),
        ("distance", any(a.robustness is not None for a in answers)),
    ]


def _cells(result: Result) -> dict[str, str]:
    answers = result.answers
    robust, distance = _robust_text(result)
    constants = {(c.target, c.norm): c.quantity for c in answers.lipschitz or []}
    return {
        "pieces": _count(answers.pieces, result.complete),
        "edges": _count(answers.adjacencies, result.complete),
        "LC": "-" if answers.local_complexity is None else answers.local_complexity["activation"].show(6),
        **{f"LC {name}": value.show(6) for name, value in (answers.noisy_complexity or {}).items()},
        "TV": "-" if answers.total_variation is None else answers.total_variation["frobenius"].show(6),
        "Lip linf": "-" if not constants else constants["jacobian", "linf"].show(6),
        "Lip l2": "-" if not constants else constants["jacobian", "l2"].show(6),
        "robust": robust,
        "distance": distance,
    }


def bounds_lines(results: Sequence[Result]) -> list[str]:
    """How many inequalities hold, and at how many neighbourhoods each that does not hold everywhere fails."""
    bounds = [b for r in results for b in r.answers.bounds or []]
    if not bounds:
        return []
    count = {answer: sum(b.holds is answer for b in bounds) for answer in (True, False, None)}
    lines = [f"inequalities: {count[True]} hold, {count[None]} are not decided, {count[False]} do not hold"]
    for name in dict.fromkeys(b.name for b in bounds if b.holds is False):
        every = [b.holds for b in bounds if b.name == name]
        lines.append(f"  {name}: fails at {every.count(False)} of {len(every)} neighbourhoods")
    return lines


def summary_line(entries: Sequence[Result | Refusal]) -> str:
    """Means and totals over the neighbourhoods that are complete."""
    results = [e for e in entries if isinstance(e, Result)]
    complete = [r for r in results if r.complete]
    parts = [f"{len(entries)} neighbourhoods"]
    for name, many in (("partial", len(results) - len(complete)), ("refused", len(entries) - len(results))):
        if many:
            parts.append(f"{many} {name}")
    if complete:
        parts.append(f"mean regions {np.mean([r.regions for r in complete]):.6g}")
    noisy = [r.answers.noisy_complexity or {} for r in complete]
    for name, values in (
        ("LC", [r.answers.local_complexity["activation"] for r in complete if r.answers.local_complexity is not None]),
        *((f"LC {name}", [n[name] for n in noisy if name in n]) for name in dict.fromkeys(name for n in noisy for name in n)),
        ("TV", [r.answers.total_variation["frobenius"] for r in complete if r.answers.total_variation is not None]),
    ):
        if values:
            kinds = {v.kind for v in values}
            mark = "~" if Kind.FLOAT in kinds else "est. " if Kind.ESTIMATE in kinds else ""
            parts.append(f"mean {name} {mark}{np.mean([v.value for v in values]):.6g}")
    asked = [robustness_row(r) for r in results if r.answers.robustness is not None]
    if asked:
        parts.append(f"robust {sum(a is not None and a.robust is True for a in asked)} of {len(asked)}")
    return "; ".join(parts)
