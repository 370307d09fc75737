"""`polylc show`: what a run folder holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from polylc.cli import outputs, terminal
from polylc.cli.app import BAD_INPUT, app, errors_in_one_line
from polylc.cli.options import FILES, JsonFile, ReportFile
from polylc.cli.screen import screen
from polylc.errors import UsageError

if TYPE_CHECKING:
    from polylc.report.html.view import Page
    from polylc.report.run import Run
    from polylc.run.journal import Reading


class Shown(NamedTuple):
    """What a folder holds: as JSON, as a page, and of certify the run."""

    text: Callable[[], str]
    page: Callable[[], Page]
    run: Run | None = None


@app.command()
def show(
    folder: Annotated[str, typer.Argument(help="Folder that --run has made.", show_default=False)],
    json_file: JsonFile = None,
    report: ReportFile = None,
    table: Annotated[
        str | None, typer.Option(help="Write one row for each neighbourhood: .csv, .parquet or .npz.", show_default=False, rich_help_panel=FILES)
    ] = None,
    proof: Annotated[str | None, typer.Option(help="Write the proof file of what is certified.", show_default=False, rich_help_panel=FILES)] = None,
    graph: Annotated[
        str | None,
        typer.Option(help="Write the region graph: .graphml or .npz; of a run with --graph.", show_default=False, rich_help_panel=FILES),
    ] = None,
) -> None:
    """Show what a run has found so far, also while it goes on: its state, the results, and on request files of them."""
    with errors_in_one_line():
        outputs.writable(json_file, (".json", ""))
        outputs.writable(report, (".html",))
        outputs.tables(table)
        outputs.writable(proof, ("",), stdout=False)
        outputs.writable(graph, (".graphml", ".npz"))
        outputs.distinct({"--json": json_file, "--report": report, "--table": table, "--proof": proof, "--graph": graph}, {})
        from polylc.run.journal import journals_of

        journals = journals_of(Path(folder))
        asked = journals[0].table("settings")
        command = asked["command"]
        for option, given, needed in (("--proof", proof, "proof"), ("--graph", graph, "graph")):
            if given is not None and (command != "certify" or asked.get(needed) != "True"):
                raise UsageError(f"{option}: the run is none of certify with {option}, so there is none in {folder}")
        if table is not None and command != "certify":
            raise UsageError(f"--table: the run is one of {command}, and tables have the neighbourhoods of certify; --json has all that is there")
        shown: dict[str, Callable[[list[Reading], bool], Shown]] = {
            "certify": _certified,
            "verify": _verified,
            "distance": _distances,
            "lipschitz": _constants,
            "estimate": _estimates,
            "compare": _comparisons,
        }
        found = shown[command](journals, json_file == "-")
        steps: list[Callable[[], None]] = []
        if json_file is not None:
            steps.append(lambda: outputs.write(json_file, found.text()))
        if report is not None:
            steps.append(lambda: outputs.write_report(report, lambda path: _write(found.page(), journals, path)))
        if found.run is not None:
            steps += _files_of(found.run, proof, table, graph)
        written = outputs.save_all(steps)
    raise typer.Exit(0 if written else BAD_INPUT)


def _certified(journals: list[Reading], quiet: bool) -> Shown:
    """Show neighbourhoods."""
    from polylc.run.finished import run_of

    run = run_of(journals[0])
    _tell(journals, f"{len(run.results)} of {run.asked} neighbourhoods")
    terminal.show(run.network, run, quiet=quiet, tell=False)
    return Shown(lambda: run.report().model_dump_json(indent=1), run.page, run)


def _verified(journals: list[Reading], quiet: bool) -> Shown:
    """Show the answers to questions."""
    from polylc.report.html.verify import verify_page
    from polylc.report.verification import VerifyReport
    from polylc.run.questions import report_of

    report = VerifyReport(results=[one for journal in journals for one in report_of(journal).results])
    several = f"{len(report.results)} of {len(journals)} questions answered"
    _tell(journals, several if len(journals) > 1 else "answered" if report.results else "not answered yet")
    for one in () if quiet else report.results:
        screen.say(one.result or "error" if len(journals) == 1 else f"{Path(one.query).name}  {one.result or 'error'}")
    return Shown(lambda: report.model_dump_json(indent=1), lambda: verify_page(report))


def _distances(journals: list[Reading], quiet: bool) -> Shown:
    """Show distances."""
    from polylc.report.distance import distance_line
    from polylc.report.record import Refusal
    from polylc.run.points import distances_of

    found, asked = distances_of(journals[0])
    _tell(journals, f"{len(found)} of {asked} points")
    for index, one in () if quiet else zip(found.rows, found, strict=True):
        if not isinstance(one, Refusal):
            screen.say(distance_line(index, one))
    return Shown(lambda: found.report().model_dump_json(indent=1), found.page)


def _constants(journals: list[Reading], quiet: bool) -> Shown:
    """Show Lipschitz constants."""
    from polylc.report.lipschitz import lipschitz_lines
    from polylc.report.record import Refusal
    from polylc.run.constants import constants_of

    found, asked = constants_of(journals[0])
    _tell(journals, f"{len(found)} of {asked} neighbourhoods")
    for index, one in () if quiet else zip(found.rows, found, strict=True):
        for line in () if isinstance(one, Refusal) else lipschitz_lines(index, one):
            screen.say(line)
    return Shown(lambda: found.report().model_dump_json(indent=1), found.page)


def _comparisons(journals: list[Reading], quiet: bool) -> Shown:
    """Show comparisons."""
    from polylc.run.comparison import comparison_of

    run = comparison_of(journals[0])
    _tell(journals, f"{len(run)} of {run.asked} neighbourhoods")
    terminal.show_comparison(run, quiet=quiet, tell=False)
    return Shown(lambda: run.report().model_dump_json(indent=1), run.page)


def _estimates(journals: list[Reading], quiet: bool) -> Shown:
    """Show estimates."""
    from polylc.run.estimates import estimates_of

    run = estimates_of(journals[0])
    _tell(journals, f"{len(run)} of {run.asked} neighbourhoods")
    terminal.show_estimates(run, quiet=quiet, tell=False)
    return Shown(lambda: run.report().model_dump_json(indent=1), run.page)


def _files_of(run: Run, proof: str | None, table: str | None, graph: str | None) -> list[Callable[[], None]]:
    """What writes the files that runs of certify have."""
    steps: list[Callable[[], None]] = []
    if proof is not None:
        steps.append(lambda: outputs.write_proof(proof, run))
    if table is not None:
        steps.append(lambda: outputs.write_table(table, run))
    if graph is not None:
        steps.append(lambda: outputs.write_graphs(graph, run))
    return steps


def _write(page: Page, journals: list[Reading], path: Path) -> None:
    """Write a page, with what the run was asked."""
    from polylc.report.html.page import write_page
    from polylc.report.html.view import Facts, Part, Section, Words

    parts: list[Part] = [Words(command, verbatim=True) for command in dict.fromkeys(j.table("state").get("command") for j in journals) if command]
    if len(journals) == 1:
        parts.append(Facts(list(journals[0].table("settings").items())))
    write_page(replace(page, sections=[*page.sections, Section("The run that is shown", "run", parts)]), path)


def _tell(journals: list[Reading], done: str) -> None:
    """The run in one line."""
    first = journals[0]
    settings, writer = first.table("settings"), next((found for j in journals if (found := j.writer())), None)
    units = sum("/unit " in name for j in journals for name in j.names(""))
    parts = [f"{settings['command']} {settings['model'].split(',')[0]}", done]
    if units:
        parts.append(f"{units} units of others")
    parts.append(f"{writer} is at work" if writer else "nobody is at work on it")
    folder, size = first.folder if len(journals) == 1 else first.folder.parent, sum(j.size() for j in journals)
    typer.echo(f"{folder}: {'; '.join(parts)}; {size / 2**20:.1f} MiB", err=True)
