"""The application: commands by name, errors in one line, exit codes."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from polylc.cli import signals
from polylc.cli.screen import screen
from polylc.errors import PolylcError, UsageError

if TYPE_CHECKING:
    from polylc.network.form import Network
    from polylc.report.run import Run

REFUSED, BAD_INPUT, LIMIT = 1, 2, 3


class _Commands(TyperGroup):
    """The commands, with wrong options told in one line as all other bad input is."""

    def main(self, *args: Any, **extra: Any) -> Any:
        if not extra.get("standalone_mode", True):
            return super().main(*args, **extra)
        extra["standalone_mode"] = False
        try:
            code = super().main(*args, **extra)
        except typer.Abort:
            typer.echo("polylc: interrupted before a result was there", err=True)
            code = signals.exit_code()
        except Exception as error:
            if not hasattr(error, "format_message"):
                raise
            message = " ".join(error.format_message().split()).rstrip(".")
            if message and type(error).__name__ != "NoArgsIsHelpError":  # no command at all: the help is on screen
                context = getattr(error, "ctx", None)
                typer.echo(f"polylc: {message}; see {context.command_path if context else 'polylc'} --help", err=True)
            code = BAD_INPUT
        sys.exit(code or 0)


app = typer.Typer(
    cls=_Commands,
    help="Exact polyhedral verifier for ReLU networks: linear regions, local complexity, Lipschitz constants, adversarial distances.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(value: bool) -> None:
    if value:
        from polylc._version import __version__

        typer.echo(__version__)
        raise typer.Exit


def _name(value: bool) -> None:
    if value:
        typer.echo("polylc")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")] = False,
    name: Annotated[bool, typer.Option("--name", callback=_name, is_eager=True, help="Show the name of the solver.")] = False,
) -> None:
    pass


@contextmanager
def errors_in_one_line() -> Iterator[None]:
    """Turn polylc's own errors into one line on stderr and exit code 2, Ctrl-C into 130, SIGTERM into 143."""
    try:
        with signals.interrupting():
            yield
    except PolylcError as error:
        message = " ".join(str(error).splitlines())
        typer.echo(f"polylc: {message}", err=True)
        screen.note(f"error: {message}")
        raise typer.Exit(BAD_INPUT) from None
    except KeyboardInterrupt:
        typer.echo("polylc: interrupted before a result was there", err=True)
        raise typer.Exit(signals.exit_code()) from None
    except BrokenPipeError:  # the reader of stdout went away, as `polylc ... | head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(0) from None


def load_model(model: str, input_shape: str | None, arch: str | None, activation: str | None, trust_pickle: bool) -> Network:
    """The network of the options, with a line on stderr for everything that the user states about it."""
    from polylc.readers.load import load

    shape = None
    if input_shape is not None:
        parts = input_shape.split(",")
        if not all(p.strip().isdecimal() for p in parts):
            raise UsageError(f"--input-shape: {input_shape!r} is not a list of sizes such as 1,28,28")
        shape = [int(p) for p in parts]
    with redirect_stdout(sys.stderr):  # what the user's own code prints is no result
        network = load(model, input_shape=shape, arch=arch, activation=activation, trust_pickle=trust_pickle)
    for line in network.stated:
        typer.echo(line, err=True)
    return network


def arch_file(arch: str | None) -> str | None:
    """The file that --arch names: no output may take its place."""
    return None if arch is None else arch.rpartition(":")[0] or None


def exit_code(run: Run) -> int:
    if run.interrupted:
        return signals.exit_code()
    if run.refused:
        return BAD_INPUT
    return 0 if all(r.complete and not r.late for r in run.results) else LIMIT
