"""`polylc certify`: enumerate, prove, measure."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from polylc.cli import outputs, signals, terminal
from polylc.cli.app import BAD_INPUT, app, arch_file, errors_in_one_line, exit_code, load_model
from polylc.cli.options import (
    FILES,
    MEASURES_HELP,
    Activation,
    Arch,
    Array,
    Box,
    Center,
    Clip,
    Cluster,
    Data,
    Frame,
    InputShape,
    Jobs,
    JsonFile,
    LabelColumn,
    Labels,
    Line,
    Margin,
    MaxRegions,
    Model,
    MostMemory,
    Plane,
    Radius,
    ReportFile,
    Rows,
    RunFolder,
    Scale,
    TimeLimit,
    TrustPickle,
)
from polylc.cli.screen import shown
from polylc.errors import UsageError, needs


@app.command(epilog="Example: polylc certify net.onnx --data points.npy --rows 0:20 --radius 0.1 --report report.html")
@shown
def certify(
    model: Model,
    data: Data = None,
    rows: Rows = None,
    center: Center = None,
    box: Box = None,
    plane: Plane = None,
    line: Line = None,
    margin: Margin = None,
    frame: Frame = None,
    radius: Radius = None,
    clip: Clip = None,
    labels: Labels = None,
    norm: Annotated[str, typer.Option(help="Of the balls: linf, l2 or l1.")] = "linf",
    measures: Annotated[
        str,
        typer.Option(help=MEASURES_HELP),
    ] = "default",
    sigma: Annotated[
        list[str] | None,
        typer.Option(help="Standard deviations of bias noise for the local complexity: 0.1 or 0.01,0.1.", show_default=False),
    ] = None,
    engine: Annotated[str, typer.Option(help="auto, vertex (dimension 5 and below), dictionary or lp.")] = "auto",
    no_certify: Annotated[bool, typer.Option("--no-certify", help="Enumerate in floating point only: faster, nothing is proved.")] = False,
    exact_volumes: Annotated[bool, typer.Option("--exact-volumes", help="Volumes as rationals, however many regions there are.")] = False,
    proof: Annotated[
        str | None, typer.Option(help="Write a proof file, which polylc check verifies.", show_default=False, rich_help_panel=FILES)
    ] = None,
    json_file: JsonFile = None,
    report: ReportFile = None,
    graph: Annotated[str | None, typer.Option(help="Write the region graph: .graphml or .npz.", show_default=False, rich_help_panel=FILES)] = None,
    symbolic: Annotated[
        str | None,
        typer.Option(
            help="Write the network and its measures in closed form: .tex, or .txt for sympy. Small complexes.",
            show_default=False,
            rich_help_panel=FILES,
        ),
    ] = None,
    table: Annotated[
        str | None,
        typer.Option(help="Write one row for each neighbourhood: .csv, .parquet or .npz.", show_default=False, rich_help_panel=FILES),
    ] = None,
    regions: Annotated[
        str | None, typer.Option(help="Write one row for each region: .csv, .parquet or .npz.", show_default=False, rich_help_panel=FILES)
    ] = None,
    label_column: LabelColumn = None,
    scale: Scale = None,
    array: Array = None,
    jobs: Jobs = 1,
    cluster: Cluster = None,
    run_folder: RunFolder = None,
    time_limit: TimeLimit = None,
    max_regions: MaxRegions = None,
    memory: MostMemory = None,
    input_shape: InputShape = None,
    arch: Arch = None,
    activation: Activation = None,
    trust_pickle: TrustPickle = False,
) -> None:
    """Enumerate all linear regions of MODEL in neighbourhoods of data points, or in the plane through three of them,
    prove that they are all, and measure them.
    """
    with errors_in_one_line():
        if proof is not None and no_certify:
            raise UsageError("--proof and --no-certify exclude each other: without certification there is nothing to prove")
        if exact_volumes and no_certify:
            raise UsageError("--exact-volumes and --no-certify exclude each other: without certification volumes are floats")
        outputs.writable(proof, ("",), stdout=False)
        outputs.writable(json_file, (".json", ""))
        outputs.writable(report, (".html",))
        outputs.tables(table, regions)
        outputs.writable(graph, (".graphml", ".npz"))
        if symbolic is not None and no_certify:
            raise UsageError("--symbolic and --no-certify exclude each other: closed forms are exact")
        outputs.writable(symbolic, (".tex", ".txt"), stdout=False)
        if symbolic is not None:
            needs("sympy", "symbolic", "--symbolic")
        files = {
            "--proof": proof,
            "--json": json_file,
            "--report": report,
            "--table": table,
            "--regions": regions,
            "--graph": graph,
            "--symbolic": symbolic,
        }
        outputs.distinct(files, {"the model": model, "--arch": arch_file(arch), "--data": data, "--labels": labels})
        from polylc.cli.inputs import Where, make_tasks
        from polylc.engines.choose import check_engine
        from polylc.exact.memory import bytes_for_each
        from polylc.search.task import Settings, in_norm, parse_measures, parse_sigmas

        where = Where(data, rows, center, box, radius, clip, labels, label_column, scale, array, plane, line, margin, frame=frame)
        wanted, sigmas = parse_measures(measures), parse_sigmas(sigma)
        check_engine(engine)
        network = load_model(model, input_shape, arch, activation, trust_pickle)
        tasks = make_tasks(network, where, engine)
        keep = bool(graph or symbolic or regions) or (report is not None and wanted != ("robustness",) and outputs.pictured(tasks))
        settings = Settings(wanted, time_limit, max_regions, keep, not no_certify, exact_volumes=exact_volumes, sigmas=sigmas)
        settings = replace(settings, graph=graph is not None or regions is not None, memory=bytes_for_each(memory, jobs))
        if norm != "linf" and symbolic is not None:
            raise UsageError(f"--symbolic: closed forms are of boxes, lines and planes, not of {norm} balls; leave it out")
        tasks = in_norm(tasks, norm, replace(settings, blocks=None if proof is None else Path(proof)), engine)
        with ExitStack() as stack:
            if proof is not None or run_folder is not None:  # what few commands need is imported for those
                from polylc.run.finished import blocks_of, finished
                from polylc.run.proof_file import proof_blocks
            if proof is not None:
                blocks = stack.enter_context(proof_blocks(Path(proof))) if run_folder is None else blocks_of(Path(run_folder))
                settings = replace(settings, blocks=blocks)
            kept = None if run_folder is None else stack.enter_context(finished(Path(run_folder), network, tasks, settings))
            workers = None
            if cluster is not None:
                from polylc.search.cluster import ClusterExecutor

                workers = stack.enter_context(ClusterExecutor(cluster))
            stop = stack.enter_context(signals.heeded())  # from here on there is something to save
            run = terminal.answer(network, tasks, settings, jobs, stop, kept, workers)
            if stop.at_once:
                raise KeyboardInterrupt
            terminal.show(network, run, quiet=json_file == "-")
            steps: list[Callable[[], None]] = []
            if proof is not None:
                steps.append(lambda: outputs.write_proof(proof, run))
            if json_file is not None:
                steps.append(lambda: outputs.write(json_file, run.report().model_dump_json(indent=1)))
            if table is not None:
                steps.append(lambda: outputs.write_table(table, run))
            if regions is not None:
                steps.append(lambda: outputs.write_regions(regions, run))
            if report is not None:
                steps.append(lambda: outputs.write_report(report, lambda path: run.write_report(path, proof, model)))
            if graph is not None:
                steps.append(lambda: outputs.write_graphs(graph, run))
            if symbolic is not None:
                steps.append(lambda: outputs.write_symbolic(symbolic, run))
            written = outputs.save_all(steps)
    raise typer.Exit(BAD_INPUT if not written else signals.exit_code() if stop() else exit_code(run))
