"""The pages of `estimate` and of `compare`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from polylc.measures.measure import middle
from polylc.report.estimates.comparison import CompareReport
from polylc.report.estimates.schema import EstimateReport, EstimateRow, SkippedRow
from polylc.report.html.page import network_section, setting_section, word
from polylc.report.html.svg import Strip, ends_text, interval_drawing, strip_of
from polylc.report.html.view import Facts, Grid, Page, Part, Section, Text, Words
from polylc.report.schema import NetworkInfo
from polylc.report.setting import Setting

FEW = 3  # neighbourhoods that are shown unfolded


def estimate_page(report: EstimateReport) -> Page:
    """The page of estimates."""
    every = report.neighbourhoods
    sections = []
    rows = [(r.method, _target(r.target), str(r.numbers), f"{r.mean:.6g}", f"{r.seconds:.2f}") for r in report.summary]
    columns = (("method", False), ("estimates", False), ("numbers", True), ("mean", True), ("s", True))
    said = Words(f"{len(every)} neighbourhoods. Every number here is an estimate: how it errs is said beside it.")
    sections.append(Section("Summary", "summary", [said, Grid(columns, rows, "Means of all neighbourhoods", sortable=True)]))
    details = []
    for one in every:
        anchor, title = f"row-{one.index}", f"Row {one.index}"
        if one.status == "refused":
            details.append(Section(title, anchor, [Words(one.reason or "")], "refused", folds=True, opened=len(every) <= FEW))
            continue
        strips = _strips([(e.target, e.value, e.interval) for e in one.estimates])
        cells = [
            (
                e.method,
                _target(e.target),
                f"{e.value:.6g}",
                ends_text(*e.interval, 5),
                _drawn(strips, e, None),
                e.bias,
                str(e.samples),
                f"{e.seconds:.2f}",
            )
            for e in one.estimates
        ]
        shown = (
            ("method", False), ("estimates", False), ("value", True), ("95 %", True), ("", False), ("bias", False), ("samples", True), ("s", True),
        )  # fmt: skip
        parts: list[Part] = [Grid(shown, cells, f"Estimates of row {one.index}"), *_skipped(one.skipped)]
        details.append(Section(title, anchor, parts, "", f"{len(one.estimates)} estimates", folds=True, opened=len(every) <= FEW))
    sections.append(Section("In detail", "detail", sections=details))
    sections += _end(report.network, report.setting, report.sampling, report.seconds)
    return Page(f"Estimates of {Path(report.network.source).name}", f"{len(every)} neighbourhoods, {report.seconds:.1f} s", sections)


def compare_page(report: CompareReport) -> Page:
    """The page of estimates beside the truth."""
    every = report.neighbourhoods
    rows = []
    for r in report.summary:
        bias = "-" if r.relative_bias is None else f"{r.relative_bias:+.1%}"
        rows.append(
            (
                r.method, _target(r.target), _number(r.mean_truth, ".6g"), f"{r.mean:.6g}", bias, _bias_drawing(r.relative_bias),
                _number(r.rms_standard_errors, ".2f"), _number(r.coverage, ".0%"), _number(r.correlation, ".3f"), f"{r.seconds:.3f}",
            )
        )  # fmt: skip
    columns = (
        ("method", False), ("estimates", False), ("truth", True), ("mean", True), ("bias", True), ("-100 % to 100 %", False), ("rms s.e.", True),
        ("covers", True), ("corr.", True), ("s each", True),
    )  # fmt: skip
    caption = "rms s.e.: errors in standard errors, 1 where these are right; covers: how often the 95 % interval has the truth"
    sections = [Section("Methods", "methods", [Grid(columns, rows, caption, sortable=True)])]
    details = []
    for one in every:
        anchor, title = f"row-{one.index}", f"Row {one.index}"
        if one.reason is not None and not one.comparisons:
            details.append(Section(title, anchor, [Words(one.reason)], str(one.status), folds=True, opened=len(every) <= FEW))
            continue
        found = [(p.estimate.target, p.estimate.value, p.estimate.interval) for p in one.comparisons]
        found += [(p.estimate.target, p.truth.value[0] or 0.0, p.truth.value) for p in one.comparisons if p.truth is not None]
        strips = _strips(found)
        cells = []
        for p in one.comparisons:
            e, truth = p.estimate, None if p.truth is None else middle(p.truth.value)
            drawn = _drawn(strips, e, truth)
            told = "-" if p.truth is None else ends_text(*p.truth.value, 6)
            covered = "-" if p.covered is None else word("yes" if p.covered else "no")
            error = _number(p.in_standard_errors, "+.1f")
            cells.append((e.method, _target(e.target), told, f"{e.value:.6g}", ends_text(*e.interval, 5), drawn, error, covered, e.bias))
        shown = (
            ("method", False), ("estimates", False), ("truth", True), ("value", True), ("95 %", True), ("bar: truth", False), ("in s.e.", True),
            ("covers", False), ("bias", False),
        )  # fmt: skip
        parts: list[Part] = [Grid(shown, cells, f"Estimates and the truth in row {one.index}"), *_skipped(one.skipped)]
        brief = "" if one.regions is None else f"{one.regions} regions"
        details.append(Section(title, anchor, parts, str(one.status), brief, folds=True, opened=len(every) <= FEW))
    sections.append(Section("In detail", "detail", sections=details))
    sections += _end(report.network, report.setting, report.sampling, report.seconds)
    return Page(f"Estimates of {Path(report.network.source).name} beside the truth", f"{len(every)} neighbourhoods, {report.seconds:.1f} s", sections)


def _target(target: str) -> str:
    return target.replace(".", " ").replace("_", " ")


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _strips(found: Sequence[tuple[str, float, tuple[float | None, float | None]]]) -> dict[str, Strip | None]:
    """The range of each target over all methods."""
    values: dict[str, list[float | None]] = {}
    for target, value, ends in found:
        values.setdefault(target, []).extend((value, *ends))
    return {target: strip_of(known) for target, known in values.items()}


def _drawn(strips: Mapping[str, Strip | None], e: EstimateRow, truth: float | None) -> Text:
    strip = strips[e.target]
    if strip is None:
        return ""
    low, high = e.interval
    if low is None and high is None:  # no interval: the value alone
        low = high = e.value
    return interval_drawing(strip, low, high, e.value, truth)


def _bias_drawing(bias: float | None) -> Text:
    if bias is None:
        return ""
    shown = min(max(bias, -1.0), 1.0)
    return interval_drawing(Strip(-1.0, 1.0), min(shown, 0.0), max(shown, 0.0), shown, 0.0)


def _skipped(skipped: Sequence[SkippedRow]) -> list[Part]:
    return [Facts([(f"{s.method} skipped", s.reason) for s in skipped])] if skipped else []


def _end(info: NetworkInfo, made: Setting | None, sampling: Mapping[str, object], seconds: float) -> list[Section]:
    """The network, and how the page was made."""
    more = {name.replace("_", " "): str(value) for name, value in sampling.items() if value is not None}
    return [network_section(info), *([] if made is None else [setting_section(made, more, seconds)])]
