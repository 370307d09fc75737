"""`polylc distance`: the nearest adversarial points."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Annotated, Any

import typer

from polylc.cli import outputs, signals
from polylc.cli.app import BAD_INPUT, LIMIT, app, arch_file, errors_in_one_line, load_model
from polylc.cli.options import (
    Activation,
    Arch,
    Array,
    Center,
    Clip,
    Cluster,
    Data,
    InputShape,
    Jobs,
    JsonFile,
    LabelColumn,
    Labels,
    Model,
    Radius,
    ReportFile,
    Rows,
    RunFolder,
    Scale,
    TrustPickle,
)
from polylc.cli.screen import screen, shown


@app.command(epilog="Example: polylc distance net.onnx --data points.npy --rows 0:20 --clip 0 1")
@shown
def distance(
    model: Model,
    data: Data = None,
    rows: Rows = None,
    center: Center = None,
    radius: Radius = "1",
    clip: Clip = None,
    labels: Labels = None,
    target: Annotated[int | None, typer.Option(help="Only points where this class is at least as high.", show_default=False)] = None,
    norm: Annotated[str, typer.Option(help="How distances are measured: linf, l2 or l1.")] = "linf",
    timeout: Annotated[float | None, typer.Option(min=0, help="Seconds for each point.", show_default=False)] = None,
    proof: Annotated[str | None, typer.Option(help="Write a proof of the lower bound; for one point.", show_default=False)] = None,
    json_file: JsonFile = None,
    jobs: Jobs = 1,
    cluster: Cluster = None,
    run_folder: RunFolder = None,
    report_file: ReportFile = None,
    label_column: LabelColumn = None,
    scale: Scale = None,
    array: Array = None,
    input_shape: InputShape = None,
    arch: Arch = None,
    activation: Activation = None,
    trust_pickle: TrustPickle = False,
) -> None:
    """Find how far the nearest adversarial point of data points is, exactly, and prove that none is nearer.

    The radius is a cap: adversarial points farther away do not count.
    """
    with errors_in_one_line():
        outputs.writable(proof, ("",), stdout=False)
        outputs.writable(json_file, (".json", ""))
        outputs.writable(report_file, (".html",))
        outputs.distinct(
            {"--proof": proof, "--json": json_file, "--report": report_file},
            {"the model": model, "--arch": arch_file(arch), "--data": data, "--labels": labels},
        )
        from polylc.api.distance import distances_one_by_one
        from polylc.cli.inputs import Where, make_tasks
        from polylc.cli.terminal import searching
        from polylc.domains.within import as_norm
        from polylc.measures.margin.distance import Distance
        from polylc.report.distance import distance_line, status_of
        from polylc.report.lists import Distances, centers_of
        from polylc.report.record import Refusal
        from polylc.search.cluster import ClusterExecutor

        as_norm(norm)
        network = load_model(model, input_shape, arch, activation, trust_pickle)
        tasks = make_tasks(network, Where(data, rows, center, None, radius, clip, labels, label_column, scale, array))
        taken: list[tuple[int, Distance | Refusal]] = []
        code = 0
        with ExitStack() as stack:
            workers = None if cluster is None else stack.enter_context(ClusterExecutor(cluster))
            stop = stack.enter_context(signals.heeded())
            asked: dict[str, Any] = {"target": target, "norm": norm, "timeout": timeout, "proof": proof}
            every = distances_one_by_one(network, tasks, **asked, jobs=jobs, stop=stop, watching=searching, run=run_folder, executor=workers)
            for index, one in every:
                taken.append((index, one))
                if isinstance(one, Refusal):
                    typer.echo(f"polylc: row {index} refused: {one.reason}", err=True)
                    code = BAD_INPUT
                    continue
                if json_file != "-":
                    screen.say(distance_line(index, one))
                if status_of(one) == "open":
                    code = code or LIMIT
            found = Distances(network, as_norm(norm), taken, centers_of(tasks))
            report = found.report()
            if proof is not None and report.points[0].proof is None:
                typer.echo("polylc: nothing was proved, so no proof is written", err=True)
            steps: list[Callable[[], None]] = []
            if json_file is not None:
                steps.append(lambda: outputs.write(json_file, report.model_dump_json(indent=1)))
            if report_file is not None:
                steps.append(lambda: outputs.write_report(report_file, found.write_report))
            code = code if outputs.save_all(steps) else BAD_INPUT
    raise typer.Exit(signals.exit_code() if stop() else code)
