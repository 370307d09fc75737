"""`polylc verify`: whether a query can be satisfied, with the solver interface of VNN-LIB 2.0."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from polylc.cli import outputs, signals
from polylc.cli.app import BAD_INPUT, LIMIT, app, errors_in_one_line
from polylc.cli.options import Cluster, Jobs, JsonFile, ReportFile, RunFolder
from polylc.cli.screen import screen, shown
from polylc.errors import PolylcError, UsageError

if TYPE_CHECKING:
    from polylc.report.verification import QueryReport
    from polylc.run.verification import Verdict

_NAMED = re.compile(r"([A-Za-z][A-Za-z0-9_]*)=(.+)", re.DOTALL)


@app.command(epilog="Example: polylc verify query.vnnlib --network f=f.onnx --timeout 60 --proof query.proof")
@shown
def verify(
    query: Annotated[str | None, typer.Argument(help="Query: .vnnlib or .vnnlib.gz, VNN-LIB 1.0 or 2.0.", show_default=False)] = None,
    network: Annotated[
        list[str] | None, typer.Option(help="The model of a network of the query; again for each.", show_default=False, metavar="[NAME=]MODEL")
    ] = None,
    timeout: Annotated[float | None, typer.Option(min=0, help="Seconds for each query.", show_default=False)] = None,
    serialise_assignments: Annotated[
        str | None, typer.Option(help="Folder for the assignment, one ONNX tensor for each variable, instead of its text.", show_default=False)
    ] = None,
    instances: Annotated[
        str | None, typer.Option(help="Many queries: a .csv file with rows MODEL,QUERY or MODEL,QUERY,TIMEOUT.", show_default=False)
    ] = None,
    semantics: Annotated[
        str | None, typer.Option(help="real, float32 or float64: the arithmetic asked about (default: what the query declares).", show_default=False)
    ] = None,
    proof: Annotated[str | None, typer.Option(help="Proof file to write where the answer is unsat.", show_default=False)] = None,
    proof_network: Annotated[
        str, typer.Option(help="embedded, or reference: without the weights, shorter, to be checked with --model.", metavar="KIND")
    ] = "embedded",
    json_file: JsonFile = None,
    jobs: Jobs = 1,
    cluster: Cluster = None,
    run_folder: RunFolder = None,
    report: ReportFile = None,
) -> None:
    """Decide whether QUERY can be satisfied: prints sat and an assignment, unsat, unknown, or timed-out."""
    with errors_in_one_line(), ExitStack() as stack:
        outputs.writable(report, (".html",))
        if instances is not None:
            if query is not None or network:
                raise UsageError("--instances names queries and models; leave QUERY and --network out")
            if serialise_assignments is not None or proof is not None:
                raise UsageError("--instances: --serialise-assignments and --proof are for one query; leave them out")
            outputs.writable(json_file, ("",))
            outputs.distinct({"--json": json_file, "--report": report}, {"--instances": instances})
            workers = stack.enter_context(_workers(cluster))
            code = _many(instances, timeout, semantics, (json_file, report), jobs, run_folder, workers)
        else:
            if query is None:
                raise UsageError("no query; give a .vnnlib file and --network MODEL, or --instances FILE.csv")
            models = _models(network or [])
            outputs.writable(json_file, ("",))
            outputs.writable(proof, ("",), stdout=False)
            if serialise_assignments is not None and Path(serialise_assignments).exists() and not Path(serialise_assignments).is_dir():
                raise UsageError(f"--serialise-assignments {serialise_assignments}: is a file; give a folder")
            inputs = {"QUERY": query, **{f"--network {name}".strip(): model for name, model in models.items()}}
            outputs.distinct({"--json": json_file, "--report": report, "--proof": proof}, inputs)
            workers = stack.enter_context(_workers(cluster))
            code = _one(
                query, models, timeout, serialise_assignments, semantics, (proof, proof_network), (json_file, report), jobs, run_folder, workers
            )
    raise typer.Exit(code)


def _workers(cluster: str | None) -> AbstractContextManager[Executor | None]:
    """The workers of a cluster, if one is given."""
    from polylc.search.cluster import ClusterExecutor

    return nullcontext() if cluster is None else ClusterExecutor(cluster)


def _models(given: Sequence[str]) -> dict[str, str]:
    """Files by the names of networks; the empty name for one without."""
    if not given:
        raise UsageError("no network; give the model that the query is asked of: --network MODEL, or --network NAME=MODEL")
    found: dict[str, str] = {}
    for text in given:
        named = None if Path(text).exists() else _NAMED.fullmatch(text)
        name, model = (named[1], named[2]) if named else ("", text)
        if name in found:
            raise UsageError(f"--network: {'two models without a name' if not name else f'two models for {name}'}; give each network one, NAME=MODEL")
        found[name] = model
    return found


def _one(
    query: str,
    models: dict[str, str],
    timeout: float | None,
    folder: str | None,
    semantics: str | None,
    proof: tuple[str | None, str],
    files: tuple[str | None, str | None],
    jobs: int,
    run_folder: str | None,
    executor: Executor | None,
) -> int:
    from polylc.report.assignment import assignment_text, is_rounded, write_assignment

    verdict = _answered(query, models, timeout, semantics, proof, jobs, run_folder, executor)
    if isinstance(verdict, int):
        return verdict
    quiet = files[0] == "-"
    steps: list[Callable[[], None]] = []
    if not quiet:
        screen.say(verdict.result.value)
    if verdict.note:
        typer.echo(f"polylc: {verdict.note}", err=True)
    found = verdict.assignment
    if found is not None:
        if folder is not None:
            steps.append(lambda: write_assignment(Path(folder), verdict.question, found.x, found.y))
        elif not quiet:
            screen.say(assignment_text(verdict.question, found.x, found.y))
            if verdict.question.semantics == "real" and any(map(is_rounded, (*found.x, *found.y))):
                typer.echo("polylc: some values have no finite decimals and are rounded; --json has them as fractions", err=True)
    if any(files):
        steps += _written([verdict.report()], files)
    written = outputs.save_all(steps)
    return BAD_INPUT if not written else LIMIT if verdict.result.value == "timed-out" else 0


def _answered(
    query: str,
    models: dict[str, str],
    timeout: float | None,
    semantics: str | None,
    proof: tuple[str | None, str],
    jobs: int,
    run_folder: str | None,
    executor: Executor | None,
) -> Verdict | int:
    """The verdict, or the exit code if the user stopped the work."""
    from polylc.api.verify import verify as ask
    from polylc.cli.terminal import searching

    with signals.heeded() as stop:
        file, kind = proof
        try:
            with searching() as watch, stop.breaking_off():
                verdict = ask(
                    query,
                    models,
                    timeout=timeout,
                    semantics=semantics,
                    proof=file,
                    proof_network=kind,
                    jobs=jobs,
                    stop=stop,
                    watch=watch,
                    run=run_folder,
                    executor=executor,
                )
        except KeyboardInterrupt:
            stop.asked = stop.asked or time.monotonic()
            verdict = None
        if verdict is None or (stop() and verdict.result.value == "timed-out"):
            typer.echo("polylc: interrupted before a result was there", err=True)
            return signals.exit_code()
        return verdict


# ---- many ----------------------------------------------------------------------------------------------------------
def _many(
    instances: str,
    timeout: float | None,
    semantics: str | None,
    files: tuple[str | None, str | None],
    jobs: int,
    run_folder: str | None,
    executor: Executor | None,
) -> int:
    """Answer all queries of a list, a line for each as it comes."""
    from polylc.readers.instances import read_instances
    from polylc.report.verification import QueryReport

    listed = read_instances(instances)
    if run_folder is not None:  # in it one for each query
        Path(run_folder).mkdir(exist_ok=True)
    reports: list[QueryReport] = []
    code = 0
    quiet = files[0] == "-"
    widths = [max(len(text) for text in column) for column in zip(*((i.model_name, i.query_name) for i in listed), strict=True)]
    for number, one in enumerate(listed):
        begin = time.monotonic()
        limit = one.timeout if timeout is None else timeout
        try:
            place = None if run_folder is None else str(Path(run_folder) / str(number))
            verdict = _answered(one.query, one.models, limit, semantics, (None, "embedded"), jobs, place, executor)
            if isinstance(verdict, int):
                code = verdict
                break
            report = verdict.report()
            if verdict.result.value == "timed-out":
                code = code or LIMIT
        except PolylcError as error:
            typer.echo(f"polylc: {error}", err=True)
            report = QueryReport(query=one.query, error=str(error))
            code = BAD_INPUT
        report.seconds = time.monotonic() - begin
        reports.append(report)
        if not quiet:
            screen.say(f"{one.model_name:{widths[0]}}  {one.query_name:{widths[1]}}  {report.result or 'error':9}  {report.seconds:8.2f} s")
    if not quiet:
        screen.tell(_summary(reports))
    if any(files):
        code = code if outputs.save_all(_written(reports, files)) else BAD_INPUT
    return code


def _written(reports: Sequence[QueryReport], files: tuple[str | None, str | None]) -> list[Callable[[], None]]:
    """What writes the answers: as JSON, and as a report to look at."""
    from polylc.report.html.page import write_page
    from polylc.report.html.verify import verify_page
    from polylc.report.verification import VerifyReport  # the schema takes a while to import

    json_file, report_file = files
    report = VerifyReport(results=list(reports))
    steps: list[Callable[[], None]] = []
    if json_file is not None:
        steps.append(lambda: outputs.write(json_file, report.model_dump_json(indent=1)))
    if report_file is not None:
        steps.append(lambda: outputs.write_report(report_file, lambda path: write_page(verify_page(report), path)))
    return steps


def _summary(reports: Sequence[QueryReport]) -> str:
    """How many of each answer."""
    counts: dict[str, int] = {}
    for report in reports:
        name = report.result or "error"
        counts[name] = counts.get(name, 0) + 1
    seconds = sum(report.seconds for report in reports)
    return f"{len(reports)} queries: {', '.join(f'{count} {name}' for name, count in sorted(counts.items()))}; {seconds:.1f} s"
