"""What the commands share: outputs checked before any work, progress on stderr, results on stdout."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import typer

from polylc.cli.screen import screen as wanted

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from rich.console import Console

    from polylc.cli.signals import Stop
    from polylc.network.form import Network
    from polylc.report.estimates.entries import Comparison, Estimates
    from polylc.report.record import Refusal
    from polylc.report.run import Run
    from polylc.run.finished import Finished


LOGGED = 140
"""Width of tables in files, which have no width of their own."""


def console(stderr: bool = False) -> Console:
    """Standard output, or standard error."""
    from rich.console import Console

    found = Console(stderr=stderr, highlight=False, soft_wrap=False)
    return found if found.is_terminal else Console(stderr=stderr, highlight=False, width=LOGGED)


def answer(
    network: Network, tasks: list[Any], settings: Any, jobs: int, stop: Stop, kept: Finished | None = None, executor: Executor | None = None
) -> Run:
    """Run the tasks with a progress bar, if stderr is a terminal, which says what is being done with which of them."""
    from polylc.run.serial import run_serial
    from polylc.search.task import Task

    count = sum(isinstance(t, Task) for t in tasks)
    screen = console(stderr=True)
    with progress(screen) as bar, stop.breaking_off():
        whole = bar.add_task(f"0 of {count} neighbourhoods", total=count, visible=count > 1)
        current = bar.add_task("set-up", total=1.0)
        last, begun, done, row, found, said = 0.0, time.monotonic(), 0, "", "", ""

        def on_start(task: Any) -> None:
            nonlocal row, found, begun
            begun = time.monotonic()
            row, found = f"row {task.index}: " if count > 1 else "", ""
            bar.reset(current, description=f"{row}set-up", total=1.0)

        def on_phase(phase: Any) -> None:
            nonlocal said
            if said != (now := f"{row}{phase}{found}"):
                wanted.note(now)
            said = now
            bar.update(current, description=f"{row}{phase}{found}")

        def on_result(result: Any) -> None:
            nonlocal done
            counted = "" if result.regions is None else f" {result.regions} regions,"
            wanted.note(f"row {result.index}: {result.status},{counted} {result.seconds:.2f} s")
            done += 1
            bar.update(whole, completed=done, description=f"{done} of {count} neighbourhoods")

        def on_regions(_: int, regions: int, share: float) -> None:
            nonlocal last, found
            now = time.monotonic()
            if now - last > 0.1 or share >= 1.0:
                last, found = now, f", {regions} regions, {regions / max(now - begun, 1e-3):.0f}/s"
                bar.update(current, completed=share, description=f"{row}exploring{found}")

        if jobs > 1 or executor is not None:
            from polylc.run.parallel import run_parallel

            return run_parallel(network, tasks, settings, jobs, executor, on_start, on_regions, on_result, on_phase, stop, bar.console.print, kept)
        return run_serial(network, tasks, settings, on_start, on_regions, on_result, on_phase, stop, bar.console.print, kept)


def progress(screen: Console) -> Any:
    """A progress bar, shown on a terminal only."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"), TimeElapsedColumn())
    return Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal or wanted.quiet)


@contextmanager
def searching() -> Iterator[Callable[[dict[str, float]], None] | None]:
    """A progress bar over the share of the inputs that is settled; nothing where stderr is no terminal."""
    if not sys.stderr.isatty() or wanted.quiet:
        yield None
        return
    with progress(console(stderr=True)) as bar:
        whole = bar.add_task("searching", total=1.0)
        last = 0.0

        def watch(counts: dict[str, float]) -> None:
            nonlocal last
            now = time.monotonic()
            if now - last > 0.1:
                last = now
                bound = f", lowest bound {counts['bound']:.3g}" if "bound" in counts else ""
                text = f"{counts['cells']:.0f} cells, {counts.get('open', 0):.0f} open{bound}"
                bar.update(whole, completed=counts.get("share", 0.0), description=text)

        yield watch


class Count(NamedTuple):
    """What moves a progress bar over neighbourhoods, and what says which method is at work."""

    advance: Callable[[], None]
    tell: Callable[[str], None]


@contextmanager
def counting(count: int) -> Iterator[Count]:
    """A progress bar over neighbourhoods."""
    with progress(console(stderr=True)) as bar:
        whole = bar.add_task(f"{count} neighbourhoods", total=count)

        def tell(method: str) -> None:
            wanted.note(method)
            bar.update(whole, description=f"{count} neighbourhoods: {method}")

        yield Count(lambda: bar.advance(whole), tell)


def show_estimates(run: Estimates, quiet: bool, tell: bool = True) -> None:
    """Print estimates; and whether the run was interrupted, if that is to be told."""
    from rich.text import Text

    from polylc.report.estimates import table as estimate_table
    from polylc.report.table import network_line

    _tell_refused(run.refused)
    if tell:
        _tell_missing(run)
    if not (quiet or wanted.quiet) and run.entries:
        screen = console()
        screen.print(Text(network_line(run.network)))
        estimate_table.show_estimates(screen, run.entries, wanted.wide or not screen.is_terminal)


def show_comparison(run: Comparison, quiet: bool, tell: bool = True) -> None:
    """Print the truth beside estimates; and whether the run was interrupted, if that is to be told."""
    from rich.text import Text

    from polylc.report.estimates import table as estimate_table
    from polylc.report.table import network_line

    _tell_refused(run.refused)
    if tell:
        _tell_missing(run)
    if not (quiet or wanted.quiet) and run.entries:
        screen = console()
        screen.print(Text(network_line(run.network)))
        estimate_table.show_comparison(screen, run.summary(), run.entries, wanted.wide or not screen.is_terminal)


def _tell_refused(refused: Iterable[Refusal]) -> None:
    for refusal in refused:
        typer.echo(f"polylc: row {refusal.index} refused: {refusal.reason}", err=True)


def _tell_missing(run: Estimates | Comparison) -> None:
    if run.interrupted:
        typer.echo(f"interrupted: {run.asked - len(run)} of {run.asked} neighbourhoods were not done", err=True)


def show(network: Network, run: Run, quiet: bool, tell: bool = True) -> None:
    """Print the result of a run; and whether it was interrupted, if that is to be told."""
    from rich.text import Text

    from polylc.report.table import network_line, show_many, show_one

    _tell_refused(run.refused)
    if quiet or wanted.quiet:
        return
    screen = console()
    screen.print(Text(network_line(network)))
    if len(run) == 1 and run.results:
        show_one(screen, run.results[0])
    elif len(run):
        show_many(screen, list(run), wanted.wide or not screen.is_terminal)
    if run.interrupted and tell:
        missing = "" if run.asked == len(run) else f"; {run.asked - len(run)} of {run.asked} neighbourhoods were not begun"
        typer.echo(f"interrupted: what was found until then is shown{missing}", err=True)
