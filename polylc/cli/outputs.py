"""Files that commands write: whether they can be, before any work, and how."""

from __future__ import annotations

import os
from pathlib import Path

import typer

from polylc.errors import UsageError
from polylc.report.run import Run


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
