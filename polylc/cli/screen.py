"""What is shown while commands run: options that all of them have, lines for a log."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

PANEL = "On screen"


class Screen:
    """What the user wants to see.

    Attributes
    ----------
    wide : bool
        All columns of tables, however narrow the terminal is.
    quiet : bool
        No results on standard output, and no progress; files are written, and errors told.
    verbose : bool
        A line on standard error for every phase and every neighbourhood.
    log : Path or None
        File that these lines are appended to, with the time.
    """

    def __init__(self) -> None:
        self.wide = self.quiet = self.verbose = False
        self.log: Path | None = None

    def set(self, wide: bool, quiet: bool, verbose: bool, log: str | None) -> None:
        """Take the options of a command."""
        self.wide, self.quiet, self.verbose, self.log = wide, quiet, verbose, None if log is None else Path(log)
        if self.log is None:
            return
        try:
            self.log.open("a", encoding="utf-8").close()
        except OSError as error:
            typer.echo(f"polylc: --log {log}: cannot be written: {error.strerror}", err=True)
            raise typer.Exit(2) from None

    def note(self, text: str) -> None:
        """A line for those who want to follow."""
        if self.verbose:
            typer.echo(text, err=True)
        if self.log is not None:
            now = datetime.now().astimezone().isoformat(timespec="milliseconds")
            with self.log.open("a", encoding="utf-8") as file:
                file.write(f"{now} {text}\n")

    def tell(self, text: str) -> None:
        """A line beside the results: what was written, say."""
        if not self.quiet:
            typer.echo(text, err=True)

    def say(self, text: str) -> None:
        """A line of a result."""
        if not self.quiet:
            typer.echo(text)


screen = Screen()

Wide = Annotated[bool, typer.Option("--wide", help="All columns of tables, however narrow the terminal.", rich_help_panel=PANEL)]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Nothing but errors; files are written.", rich_help_panel=PANEL)]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="A line for every phase and neighbourhood.", rich_help_panel=PANEL)]
Log = Annotated[str | None, typer.Option("--log", help="Append these lines to a file.", show_default=False, metavar="FILE", rich_help_panel=PANEL)]
OPTIONS = {"wide": (Wide, False), "quiet": (Quiet, False), "verbose": (Verbose, False), "log": (Log, None)}


def shown(command: Callable[..., None]) -> Callable[..., None]:
    """A command that has the options of this file too."""

    @functools.wraps(command)
    def wrapped(**given: Any) -> None:
        screen.set(**{name: given.pop(name) for name in OPTIONS})
        screen.note(f"polylc {' '.join(sys.argv[1:])}")
        command(**given)

    signature = inspect.signature(command, eval_str=True)
    more = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=value, annotation=kind) for name, (kind, value) in OPTIONS.items()]
    whole = signature.replace(parameters=[*signature.parameters.values(), *more])
    wrapped.__signature__ = whole  # type: ignore[attr-defined]
    wrapped.__annotations__ = {name: parameter.annotation for name, parameter in whole.parameters.items()}
    return wrapped
