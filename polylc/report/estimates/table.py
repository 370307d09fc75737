"""Estimates on screen, alone and beside the truth."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from polylc.estimators.estimate import Estimate
from polylc.estimators.methods import Estimated
from polylc.report.estimates.comparison import Compared, SummaryRow
from polylc.report.estimates.schema import means
from polylc.report.record import Refusal


def interval_text(estimate: Estimate) -> str:
    """The interval in words: [a, b], >= a, <= b."""
    if estimate.lower is not None and estimate.upper is not None:
        return f"[{estimate.lower:.5g}, {estimate.upper:.5g}]"
    if estimate.lower is not None:
        return f">= {estimate.lower:.5g}"
    return "-" if estimate.upper is None else f"<= {estimate.upper:.5g}"


def show_estimates(console: Console, entries: Sequence[Estimated | Refusal]) -> None:
    """Print all estimates of one neighbourhood, or means over several."""
    done = [e for e in entries if isinstance(e, Estimated)]
    table = Table(box=None, pad_edge=False)
    if len(entries) == 1 and done:
        for name in ("method", "estimates", "value", "95 %", "samples", "s"):
            table.add_column(name, justify="right" if name in ("value", "samples", "s") else "left", no_wrap=True)
        table.add_column("bias", max_width=48)
        for e in done[0].estimates:
            table.add_row(e.method, e.target, f"{e.value:.6g}", interval_text(e), str(e.samples), f"{e.seconds:.2f}", Text(e.bias))
    else:
        for name in ("method", "estimates"):
            table.add_column(name)
        for name in ("numbers", "mean", "s"):
            table.add_column(name, justify="right")
        for row in means(entries):
            table.add_row(row.method, row.target, str(row.numbers), f"{row.mean:.6g}", f"{row.seconds:.2f}")
    console.print(table)
    reasons = dict.fromkeys((s.method, s.reason) for e in done for s in e.skipped)
    for method, reason in reasons:
        console.print(Text(f"{method} skipped: {reason}"))


def show_comparison(console: Console, rows: Sequence[SummaryRow], entries: Sequence[Compared | Refusal]) -> None:
    """Print what each method says beside the truth: values for one neighbourhood, statistics over several."""
    done = [e for e in entries if isinstance(e, Compared)]
    table = Table(box=None, pad_edge=False)
    for name in ("method", "estimates"):
        table.add_column(name, no_wrap=True)
    if len(done) == 1:
        for name in ("truth", "value", "95 %", "error", "in s.e.", "s"):
            table.add_column(name, justify="right", no_wrap=True)
        for p in done[0].pairings:
            e = p.estimate
            truth = "-" if p.truth is None else p.truth.quantity.show(6)
            error = _signed(p.error, p.known), _number(p.in_standard_errors, "+.1f")
            table.add_row(e.method, e.target, truth, f"{e.value:.6g}", interval_text(e), *error, f"{e.seconds:.2f}")
    else:
        for name in ("truth", "mean", "bias", "rms s.e.", "covers", "corr.", "s each"):
            table.add_column(name, justify="right", no_wrap=True)
        for row in rows:
            table.add_row(
                row.method, row.target, _number(row.mean_truth, ".6g"), f"{row.mean:.6g}", _signed(row.bias, row.mean_truth),
                _number(row.rms_standard_errors, ".2f"), _number(row.coverage, ".0%"), _number(row.correlation, ".3f"), f"{row.seconds:.3f}",
            )  # fmt: skip
    console.print(table)
    console.print()
    seconds, draws = sum(e.result.seconds for e in done), sum(e.draw_seconds for e in done)
    status = ", ".join(f"{sum(e.result.status == s for e in done)} {s}" for s in dict.fromkeys(e.result.status for e in done))
    console.print(Text(f"truth: {len(done)} neighbourhoods ({status}), {seconds:.2f} s; with noise, exact draws: {draws:.2f} s"))
    for method, reason in dict.fromkeys((s.method, s.reason) for e in done for s in e.skipped):
        console.print(Text(f"{method} skipped: {reason}"))


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _signed(error: float | None, truth: float | None) -> str:
    if error is None:
        return "-"
    return f"{error / abs(truth):+.1%}" if truth else f"{error:+.3g}"
