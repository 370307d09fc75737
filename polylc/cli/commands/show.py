"""`polylc show`: what a run folder holds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from polylc.cli import outputs, terminal
from polylc.cli.app import BAD_INPUT, app, errors_in_one_line
from polylc.cli.options import JsonFile
from polylc.errors import UsageError

if TYPE_CHECKING:
    from polylc.run.journal import Reading


@app.command()
def show(
    folder: Annotated[str, typer.Argument(help="Folder that --run has made.", show_default=False)],
    json_file: JsonFile = None,
    proof: Annotated[str | None, typer.Option(help="Write the proof file of what is certified.", show_default=False)] = None,
    graph: Annotated[str | None, typer.Option(help="Write the region graph: .graphml or .npz; of a run with --graph.", show_default=False)] = None,
) -> None:
    """Show what a run has found so far, also while it goes on: its state, the results, and on request files of them."""
    with errors_in_one_line():
        outputs.writable(json_file, (".json", ""))
        outputs.writable(proof, ("",), stdout=False)
        outputs.writable(graph, (".graphml", ".npz"))
        outputs.distinct({"--json": json_file, "--proof": proof, "--graph": graph}, {})
        from polylc.run.journal import Reading

        journal = Reading(Path(folder))
        asked = journal.table("settings")
        command = asked["command"]
        for option, given, needed in (("--proof", proof, "proof"), ("--graph", graph, "graph")):
            if given is not None and (command != "certify" or asked.get(needed) != "True"):
                raise UsageError(f"{option}: the run is none of certify with {option}, so there is none in {folder}")
        shown: dict[str, Callable[..., list[Callable[[], None]]]] = {
            "certify": _certified,
            "verify": _verified,
            "distance": _distances,
            "estimate": _estimates,
        }
        steps = shown[command](journal, json_file, proof, graph)
        written = outputs.save_all(steps)
    raise typer.Exit(0 if written else BAD_INPUT)


def _certified(journal: Reading, json_file: str | None, proof: str | None, graph: str | None) -> list[Callable[[], None]]:
    """Show neighbourhoods; what writes the files."""
    from polylc.run.finished import run_of

    run = run_of(journal)
    typer.echo(_state(journal, f"{len(run.results)} of {run.asked} neighbourhoods"), err=True)
    terminal.show(journal.network, run, quiet=json_file == "-", tell=False)
    steps: list[Callable[[], None]] = []
    if proof is not None:
        steps.append(lambda: outputs.write_proof(proof, run))
    if json_file is not None:
        steps.append(lambda: outputs.write(json_file, run.report().model_dump_json(indent=1)))
    if graph is not None:
        steps.append(lambda: outputs.write_graphs(graph, run))
    return steps


def _verified(journal: Reading, json_file: str | None, *_: str | None) -> list[Callable[[], None]]:
    """Show the answer to a question."""
    from polylc.run.questions import report_of

    report = report_of(journal)
    typer.echo(_state(journal, "answered" if report.results else "not answered yet"), err=True)
    if json_file != "-":
        for one in report.results:
            typer.echo(one.result)
    return [] if json_file is None else [lambda: outputs.write(json_file, report.model_dump_json(indent=1))]


def _distances(journal: Reading, json_file: str | None, *_: str | None) -> list[Callable[[], None]]:
    """Show distances."""
    from polylc.report.distance import distance_line
    from polylc.run.points import reports_of

    report, found, asked = reports_of(journal)
    typer.echo(_state(journal, f"{len(found)} of {asked} points"), err=True)
    if json_file != "-":
        for index, one in found:
            typer.echo(distance_line(index, one))
    return [] if json_file is None else [lambda: outputs.write(json_file, report.model_dump_json(indent=1))]


def _estimates(journal: Reading, json_file: str | None, *_: str | None) -> list[Callable[[], None]]:
    """Show estimates."""
    from polylc.run.estimates import estimates_of

    run = estimates_of(journal)
    typer.echo(_state(journal, f"{len(run)} of {run.asked} neighbourhoods"), err=True)
    terminal.show_estimates(run, quiet=json_file == "-", tell=False)
    return [] if json_file is None else [lambda: outputs.write(json_file, run.report().model_dump_json(indent=1))]


def _state(journal: Reading, done: str) -> str:
    """The run in one line."""
    settings, writer = journal.table("settings"), journal.writer()
    units = sum("/unit " in name for name in journal.names(""))
    parts = [f"{settings['command']} {settings['model'].split(',')[0]}", done]
    if units:
        parts.append(f"{units} units of others")
    parts.append(f"{writer} is at work" if writer else "nobody is at work on it")
    return f"{journal.folder}: {'; '.join(parts)}; {journal.size() / 2**20:.1f} MiB"
