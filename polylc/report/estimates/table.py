"""Estimates on screen, alone and beside the truth."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from polylc.estimators.estimate import Estimate
from polylc.estimators.methods import Estimated
from polylc.report.estimates.comparison import Compared, SummaryRow
from polylc.report.estimates.schema import means
from polylc.report.record import Refusal
from polylc.report.table import show_fitting


def interval_text(estimate: Estimate) -> str:
    """The interval in words: [a, b], >= a, <= b."""
    if estimate.lower is not None and estimate.upper is not None:
        return f"[{estimate.lower:.5g}, {estimate.upper:.5g}]"
    if estimate.lower is not None:
        return f">= {estimate.lower:.5g}"
    return "-" if estimate.upper is None else f"<= {estimate.upper:.5g}"


def show_estimates(console: Console, entries: Sequence[Estimated | Refusal], wide: bool = True) -> None:
    """Print all estimates of one neighbourhood, or means over several; unless `wide`, only the columns that there is
    room for.
    """
    done = [e for e in entries if isinstance(e, Estimated)]
    columns: list[tuple[str, bool]] = [("method", False), ("estimates", False)]
    if len(entries) == 1 and done:
        columns += [("value", True), ("95 %", False), ("samples", True), ("s", True), ("bias", False)]
        rows = [[e.method, e.target, f"{e.value:.6g}", interval_text(e), str(e.samples), f"{e.seconds:.2f}", e.bias] for e in done[0].estimates]
        left = show_fitting(console, columns, rows, ("method", "estimates", "value"), wide)
        if "bias" in left:
            for method, bias in dict.fromkeys((e.method, e.bias) for e in done[0].estimates if not e.unbiased):
                console.print(Text(f"{method} errs: {bias}"))
    else:
        columns += [("numbers", True), ("mean", True), ("s", True)]
        rows = [[row.method, row.target, str(row.numbers), f"{row.mean:.6g}", f"{row.seconds:.2f}"] for row in means(entries)]
        show_fitting(console, columns, rows, ("method", "estimates", "mean"), wide)
    _show_skipped(console, done)


def show_comparison(console: Console, summary: Sequence[SummaryRow], entries: Sequence[Compared | Refusal], wide: bool = True) -> None:
    """Print what each method says beside the truth: values for one neighbourhood, statistics over several; unless
    `wide`, only the columns that there is room for.
    """
    done = [e for e in entries if isinstance(e, Compared)]
    rows: list[list[str]] = []
    names: tuple[str, ...]
    if len(done) == 1:
        names = ("truth", "value", "95 %", "error", "in s.e.", "s")
        for p in done[0].pairings:
            e = p.estimate
            truth = "-" if p.truth is None else p.truth.quantity.show(6)
            error = _signed(p.error, p.known), _number(p.in_standard_errors, "+.1f")
            rows.append([e.method, e.target, truth, f"{e.value:.6g}", interval_text(e), *error, f"{e.seconds:.2f}"])
    else:
        names = ("truth", "mean", "bias", "rms s.e.", "covers", "corr.", "s each")
        for row in summary:
            bias = _signed(row.bias, row.mean_truth), _number(row.rms_standard_errors, ".2f")
            rest = _number(row.coverage, ".0%"), _number(row.correlation, ".3f"), f"{row.seconds:.3f}"
            rows.append([row.method, row.target, _number(row.mean_truth, ".6g"), f"{row.mean:.6g}", *bias, *rest])
    columns = [("method", False), ("estimates", False), *((name, True) for name in names)]
    show_fitting(console, columns, rows, ("method", "estimates", "truth"), wide)
    console.print()
    seconds, draws = sum(e.result.seconds for e in done), sum(e.draw_seconds for e in done)
    status = ", ".join(f"{sum(e.result.status == s for e in done)} {s}" for s in dict.fromkeys(e.result.status for e in done))
    console.print(Text(f"truth: {len(done)} neighbourhoods ({status}), {seconds:.2f} s; with noise, exact draws: {draws:.2f} s"))
    _show_skipped(console, done)


def _show_skipped(console: Console, done: Sequence[Estimated | Compared]) -> None:
    """Which methods do not apply, and why, each once."""
    for method, reason in dict.fromkeys((s.method, s.reason) for e in done for s in e.skipped):
        console.print(Text(f"{method} skipped: {reason}"))


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _signed(error: float | None, truth: float | None) -> str:
    if error is None:
        return "-"
    return f"{error / abs(truth):+.1%}" if truth else f"{error:+.3g}"
