"""What the commands share: outputs checked before any work, progress on stderr, results on stdout."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from polylc.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from polylc.api.certify import Run
    from polylc.api.compare import Comparison
    from polylc.api.estimate import Estimates
    from polylc.network.form import Network
    from polylc.report.result import Refusal
    from polylc.run.neighbourhood import Settings


def console(stderr: bool = False) -> Console:
    """Standard output, or standard error."""
    from rich.console import Console

    found = Console(stderr=stderr, highlight=False, soft_wrap=False)
    return found if found.is_terminal else Console(stderr=stderr, highlight=False, width=140)


def writable(path: str | None, suffixes: tuple[str, ...], stdout: bool = True) -> None:
    """Refuse an output that cannot be written before any work is done; with "" any name will do, and - where `stdout` makes sense."""
    if path is None or (path == "-" and "" in suffixes and stdout):
        return
    if path == "-" and "" in suffixes:
        raise UsageError("-: standard output is not possible here; give a file name")
    target = Path(path)
    if "" not in suffixes and target.suffix not in suffixes:
        raise UsageError(f"{path}: its name must end in {' or '.join(suffixes)}")
    if target.is_dir():
        raise UsageError(f"{path}: is a folder; give a file name")
    if not target.parent.is_dir():
        raise UsageError(f"{path}: the folder {target.parent} does not exist")
    if not os.access(target if target.exists() else target.parent, os.W_OK):
        raise UsageError(f"{path}: cannot be written, no permission")


def write(path: str, text: str) -> None:
    """Write a text file; - is standard output."""
    if path == "-":
        typer.echo(text)
        return
    try:
        Path(path).write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}") from None


def write_graphs(path: str, run: Run) -> None:
    """Write the region graph of each neighbourhood, numbered if there are several."""
    target = Path(path)
    for result in run.results:
        name = target if len(run) == 1 else target.with_stem(f"{target.stem}-{result.index}")
        if not result.complete:
            typer.echo(f"{name}: not written, the enumeration of row {result.index} is not complete", err=True)
            continue
        try:
            result.write_graph(name)
        except OSError as error:
            raise UsageError(f"{name}: cannot be written: {error.strerror}") from None


def write_symbolic(path: str, run: Run) -> None:
    """Write the closed form of each neighbourhood, numbered if there are several."""
    target = Path(path)
    for result in run.results:
        name = target if len(run) == 1 else target.with_stem(f"{target.stem}-{result.index}")
        if not result.complete:
            typer.echo(f"{name}: not written, the enumeration of row {result.index} is not complete", err=True)
            continue
        found = result.symbolic()
        write(str(name), found.latex() if target.suffix == ".tex" else found.text())


def answer(network: Network, tasks: list[Any], settings: Any, jobs: int) -> Run:
    """Run the tasks with a progress bar, if stderr is a terminal."""
    from polylc.api.certify import run_serial
    from polylc.run.neighbourhood import Task

    count = sum(isinstance(t, Task) for t in tasks)
    screen = console(stderr=True)
    compile_first(tasks, settings)
    with progress(screen) as bar:
        whole = bar.add_task(f"{count} neighbourhoods", total=count, visible=count > 1)
        current = bar.add_task("regions", total=1.0)
        last = 0.0

        def on_start(task: Any) -> None:
            bar.reset(current, description=f"row {task.index}" if count > 1 else "exploring", total=1.0)

        def on_regions(_: int, regions: int, share: float) -> None:
            nonlocal last
            now = time.monotonic()
            if now - last > 0.1:
                last = now
                bar.update(current, completed=share, description=f"{regions} regions")
            if share >= 1.0:
                bar.update(current, completed=share, description=f"{regions} regions, measuring")

        if jobs > 1:
            from polylc.run.parallel import run_parallel

            return run_parallel(network, tasks, settings, jobs, None, on_start, on_regions, lambda _: bar.advance(whole))
        return run_serial(network, tasks, settings, on_start, on_regions, lambda _: bar.advance(whole))


def compile_first(tasks: list[Any], settings: Any) -> None:
    """Compile the kernels that the tasks need, if they never were, with a line that says so."""
    from polylc.api.prepare import prepare
    from polylc.run.neighbourhood import Task
    from polylc.search.enumerate import choose_engine

    needed = {(choose_engine(settings.engine, t.domain), t.domain.dimension) for t in tasks if isinstance(t, Task)}
    missing = {(name, dimension) for name, dimension in needed if not _compiled_before(name, dimension, settings)}
    if missing:
        typer.echo("compiling kernels, once for this installation and dimension (about a minute)", err=True)
        prepare(missing, settings.measures, settings.certify)


def _compiled_before(engine: str, dimension: int, settings: Any) -> bool:
    """Whether the largest kernels of the judge, the graph and an engine are in numba's cache."""
    from polylc.complex.facet_sweep import sweep
    from polylc.jit.decorators import is_kept
    from polylc.judge.node_filter import sift
    from polylc.judge.region_filter import sift_regions
    from polylc.run.neighbourhood import BY_REGION

    kernels: list[tuple[Any, str]] = []
    if settings.certify:
        one_by_one = engine == "vertex" and dimension <= BY_REGION and settings.blocks is None
        kernels += [(sift_regions if one_by_one else sift, ""), (sweep, "")]
    if engine == "dictionary":
        from polylc.engines.dictionary.search import advance

        kernels.append((advance, ""))
    elif engine == "vertex":  # one version for each dimension
        from polylc.engines.vertex import search as vertex_kernel

        kernels.append((vertex_kernel.advance, f"UniTuple(int64 x {dimension})"))
    return all(is_kept(kernel, part) for kernel, part in kernels)


def answer_with_proof(network: Network, tasks: list[Any], settings: Settings, jobs: int, proof: str | None) -> tuple[Run, str | None]:
    """Run the tasks and write the proof file, if one is asked for; also a line about it."""
    from polylc.api.certify import proof_blocks, write_proof

    if proof is None:
        return answer(network, tasks, settings, jobs), None
    with proof_blocks(Path(proof)) as blocks:
        run = answer(network, tasks, replace(settings, blocks=blocks), jobs)
        proved = [r for r in run.results if r.block is not None]
        if not proved:
            return run, f"{proof}: not written, no neighbourhood was certified"
        size = write_proof(Path(proof), run)
    return run, f"{proof}: proof of {len(proved)} of {len(run)} neighbourhoods, {size} bytes; verify it with: polylc check {proof}"


def progress(screen: Console) -> Any:
    """A progress bar, shown on a terminal only."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"), TimeElapsedColumn())
    return Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal)


@contextmanager
def counting(count: int) -> Iterator[Callable[[], None]]:
    """A progress bar over neighbourhoods; yields what advances it."""
    with progress(console(stderr=True)) as bar:
        whole = bar.add_task(f"{count} neighbourhoods", total=count)
        yield lambda: bar.advance(whole)


def show_estimates(run: Estimates, quiet: bool) -> None:
    """Print estimates."""
    from rich.text import Text

    from polylc.report.estimates import table as estimate_table
    from polylc.report.table import network_line

    _tell_refused(run.refused)
    _tell_missing(run)
    if not quiet and run.entries:
        screen = _wide_console()
        screen.print(Text(network_line(run.network)))
        estimate_table.show_estimates(screen, run.entries)


def show_comparison(run: Comparison, quiet: bool) -> None:
    """Print the truth beside estimates."""
    from rich.text import Text

    from polylc.report.estimates import table as estimate_table
    from polylc.report.table import network_line

    _tell_refused(run.refused)
    _tell_missing(run)
    if not quiet and run.entries:
        screen = _wide_console()
        screen.print(Text(network_line(run.network)))
        estimate_table.show_comparison(screen, run.summary(), run.entries)


def _tell_refused(refused: Iterable[Refusal]) -> None:
    for refusal in refused:
        typer.echo(f"polylc: row {refusal.index} refused: {refusal.reason}", err=True)


def _tell_missing(run: Estimates | Comparison) -> None:
    if run.interrupted:
        typer.echo(f"interrupted: {run.asked - len(run)} of {run.asked} neighbourhoods were not done", err=True)


def _wide_console() -> Console:
    screen = console()
    screen.width = max(screen.width, 130)  # a narrow terminal folds long rows; rich would cut the numbers
    return screen


def show(network: Network, run: Run, quiet: bool) -> None:
    """Print the result of a run."""
    from rich.text import Text

    from polylc.report.table import network_line, show_many, show_one

    _tell_refused(run.refused)
    if quiet:
        return
    screen = console()
    screen.print(Text(network_line(network)))
    if len(run) == 1 and run.results:
        show_one(screen, run.results[0])
    elif len(run):
        screen.width = max(screen.width, 120)  # a narrow terminal folds long rows; rich would cut the numbers
        show_many(screen, list(run))
    if run.interrupted:
        missing = "" if run.asked == len(run) else f"; {run.asked - len(run)} of {run.asked} neighbourhoods were not begun"
        typer.echo(f"interrupted: what was found until then is shown{missing}", err=True)
