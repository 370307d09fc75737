"""Files that commands write: whether they can be, before any work, and how."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from polylc.cli.screen import screen
from polylc.errors import PolylcError, UsageError, needs
from polylc.report.files import written_beside
from polylc.report.status import Status

if TYPE_CHECKING:
    from polylc.report.result import Result
    from polylc.report.run import Run

FEW = 20  # neighbourhoods whose regions are kept for a report, whatever their dimension


def writable(path: str | None, suffixes: tuple[str, ...], stdout: bool = True) -> None:
    """Refuse an output that cannot be written before any work is done; with "" any name will do, and - where `stdout`
    makes sense.
    """
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
    special = target.exists() and not target.is_file()
    if not os.access(target, os.W_OK) if special else not os.access(target.resolve().parent, os.W_OK):
        raise UsageError(f"{path}: cannot be written, no permission")
    if target.exists() and not os.access(target, os.W_OK):
        raise UsageError(f"{path}: cannot be written, no permission")


def distinct(outputs: Mapping[str, str | None], inputs: Mapping[str, str | None]) -> None:
    """Refuse two outputs of one name, and an output over an input, before any work is done.

    Parameters
    ----------
    outputs, inputs : mapping
        Names of files by the options that give them.

    Raises
    ------
    UsageError
        If two are one file.
    """
    taken = {_identity(name): option for option, name in inputs.items() if name is not None}
    for option, name in outputs.items():
        if name is None or name == "-":
            continue
        before = taken.setdefault(_identity(name), option)
        if before != option:
            raise UsageError(f"{option} {name}: that is the file of {before} too; give each its own name")


def _identity(name: str) -> str:
    return os.path.realpath(name)


def save_all(steps: Iterable[Callable[[], None]]) -> bool:
    """Do all steps whatever happens to the others; whether none failed. A failure is told in one line."""
    well = True
    for step in steps:
        try:
            step()
        except PolylcError as error:
            typer.echo(f"polylc: {error}", err=True)
            well = False
    return well


def write(path: str, text: str) -> None:
    """Write a text file, whole or not at all; - is standard output."""
    if path == "-":
        typer.echo(text)
        return
    with _told(path), written_beside(Path(path)) as beside:
        beside.write_text(text + "\n", encoding="utf-8")


@contextmanager
def _told(path: str | Path) -> Iterator[None]:
    """Tell in one line why a file could not be written."""
    try:
        yield
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}") from None


def save_figure(figure: Any, path: str, dpi: int) -> None:
    """Write a matplotlib figure, whole or not at all."""
    with _told(path), written_beside(Path(path)) as beside:
        figure.savefig(beside, dpi=dpi, bbox_inches="tight")


def write_proof(path: str, run: Run) -> None:
    """Write the proof file of all neighbourhoods that are certified, and say what it holds."""
    from polylc.run.proof_file import write_proof as put_together

    proved = [r for r in run.results if r.block is not None]
    lost = [r for r in run.results if r.status is Status.CERTIFIED and r.block is None]
    if lost and not run.interrupted:
        raise UsageError(f"{path}: no proof written, row {lost[0].index}: {lost[0].notes['proof']}")
    if not proved:
        typer.echo(f"{path}: not written, no neighbourhood was certified", err=True)
        return
    size = put_together(Path(path), run)
    screen.tell(f"{path}: proof of {len(proved)} of {len(run)} neighbourhoods, {size} bytes; verify it with: polylc check {path}")


def pictured(tasks: Iterable[Any]) -> bool:
    """Whether a report has pictures of these tasks, so that their regions are to be kept: of all if they are few, and
    of many in up to three dimensions.
    """
    from polylc.report.record import Refusal

    listed = [task for task in tasks if not isinstance(task, Refusal)]
    return len(listed) <= FEW or all(task.domain.dimension <= 3 for task in listed)


def write_report(path: str, make: Callable[[Path], None]) -> None:
    """Write a report to look at, and say where it is."""
    with _told(path):
        make(Path(path))
    screen.tell(f"{path}: report written, {Path(path).stat().st_size / 1e6:.2f} MB; open it in a browser")


def tables(*paths: str | None) -> None:
    """Refuse tables that cannot be written before any work is done."""
    for path in paths:
        writable(path, (".csv", ".parquet", ".npz"))
        if path is not None and Path(path).suffix == ".parquet":
            needs("pyarrow", "parquet", f"{path}:")


def write_table(path: str, run: Run) -> None:
    """Write one row for each neighbourhood."""
    with _told(path):
        run.write_table(path)


def write_regions(path: str, run: Run) -> None:
    """Write the regions of each neighbourhood, numbered if there are several."""
    for result, name in _numbered(path, run):
        with _told(name):
            result.write_regions(name)


def write_graphs(path: str, run: Run) -> None:
    """Write the region graph of each neighbourhood, numbered if there are several."""
    for result, name in _numbered(path, run):
        if "graph" in result.late or (run.interrupted and set(result.late) - {"proof"}):
            why = "the run was interrupted before row {} was done" if run.interrupted else "there was no time left for the graph of row {}"
            typer.echo(f"{name}: not written, {why.format(result.index)}", err=True)
            continue
        with _told(name):
            result.write_graph(name)


def write_symbolic(path: str, run: Run) -> None:
    """Write the closed form of each neighbourhood, numbered if there are several."""
    for result, name in _numbered(path, run):
        found = result.symbolic()
        write(str(name), found.latex() if name.suffix == ".tex" else found.text())


def _numbered(path: str, run: Run) -> Iterator[tuple[Result, Path]]:
    """Complete results, and the names of their files."""
    target = Path(path)
    for result in run.results:
        name = target if run.asked == 1 else target.with_stem(f"{target.stem}-{result.index}")
        if result.complete:
            yield result, name
        else:
            typer.echo(f"{name}: not written, the enumeration of row {result.index} is not complete", err=True)
