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
        from polylc.run.finished import run_of
        from polylc.run.journal import Reading

        journal = Reading(Path(folder))
        asked = journal.table("settings")
        for option, given, needed in (("--proof", proof, "proof"), ("--graph", graph, "graph")):
            if given is not None and asked.get(needed) != "True":
                raise UsageError(f"{option}: the run was begun without {option}, so there is none in {folder}")
        run = run_of(journal)
        typer.echo(_state(journal, len(run.results), run.asked), err=True)
        terminal.show(journal.network, run, quiet=json_file == "-", tell=False)
        steps: list[Callable[[], None]] = []
        if proof is not None:
            steps.append(lambda: outputs.write_proof(proof, run))
        if json_file is not None:
            steps.append(lambda: outputs.write(json_file, run.report().model_dump_json(indent=1)))
        if graph is not None:
            steps.append(lambda: outputs.write_graphs(graph, run))
        written = outputs.save_all(steps)
    raise typer.Exit(0 if written else BAD_INPUT)


def _state(journal: Reading, there: int, asked: int) -> str:
    """The run in one line."""
    settings, writer = journal.table("settings"), journal.writer()
    units = sum("/unit " in name for name in journal.names(""))
    parts = [f"{settings['command']} {settings['model'].split(',')[0]}", f"{there} of {asked} neighbourhoods"]
    if units:
        parts.append(f"{units} units of others")
    parts.append(f"{writer} is at work" if writer else "nobody is at work on it")
    return f"{journal.folder}: {'; '.join(parts)}; {journal.size() / 2**20:.1f} MiB"
