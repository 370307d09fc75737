"""`polylc distance`: the nearest adversarial points."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from polylc.cli import outputs, signals
from polylc.cli.app import BAD_INPUT, LIMIT, app, arch_file, errors_in_one_line, load_model
from polylc.cli.options import (
    Activation,
    Arch,
    Array,
    Center,
    Clip,
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
        from polylc.report.distance import DistanceReport, PointReport, distance_line, point_report
        from polylc.report.record import Refusal
        from polylc.report.schema import network_info

        as_norm(norm)
        network = load_model(model, input_shape, arch, activation, trust_pickle)
        tasks = make_tasks(network, Where(data, rows, center, None, radius, clip, labels, label_column, scale, array))
        points: list[PointReport] = []
        code = 0
        with signals.heeded() as stop:
            every = distances_one_by_one(
                network, tasks, target=target, norm=norm, timeout=timeout, proof=proof, jobs=jobs, stop=stop, watching=searching, run=run_folder
            )
            for index, found in every:
                if isinstance(found, Refusal):
                    typer.echo(f"polylc: row {index} refused: {found.reason}", err=True)
                    points.append(PointReport(index=index, status="refused", reason=found.reason))
                    code = BAD_INPUT
                    continue
                one = point_report(index, found)
                points.append(one)
                if json_file != "-":
                    screen.say(distance_line(index, found))
                if one.status == "open":
                    code = code or LIMIT
            if proof is not None and points[0].proof is None:
                typer.echo("polylc: nothing was proved, so no proof is written", err=True)
            report = DistanceReport(norm=as_norm(norm), network=network_info(network), points=points)
            steps: list[Callable[[], None]] = []
            if json_file is not None:
                steps.append(lambda: outputs.write(json_file, report.model_dump_json(indent=1)))
            if report_file is not None:
                from polylc.report.html.distance import distance_page
                from polylc.report.html.page import write_page

                centers = {t.index: [float(v) for v in t.domain.center or ()] for t in tasks if not isinstance(t, Refusal)}
                page = distance_page(report, network.input_shape, centers)
                steps.append(lambda: outputs.write_report(report_file, lambda path: write_page(page, path)))
            code = code if outputs.save_all(steps) else BAD_INPUT
    raise typer.Exit(signals.exit_code() if stop() else code)
