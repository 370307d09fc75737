"""`polylc lipschitz`: exact local Lipschitz constants."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated

import typer

from polylc.cli import outputs, signals
from polylc.cli.app import BAD_INPUT, LIMIT, app, arch_file, errors_in_one_line, load_model
from polylc.cli.options import (
    Activation,
    Arch,
    Array,
    Box,
    Center,
    Clip,
    Data,
    Frame,
    InputShape,
    JsonFile,
    LabelColumn,
    Labels,
    Line,
    Margin,
    Model,
    Plane,
    Radius,
    ReportFile,
    Rows,
    RunFolder,
    Scale,
)
from polylc.cli.screen import screen, shown


@app.command(epilog="Example: polylc lipschitz net.onnx --data points.npy --rows 0:5 --radius 0.05")
@shown
def lipschitz(
    model: Model,
    data: Data = None,
    rows: Rows = None,
    center: Center = None,
    box: Box = None,
    radius: Radius = None,
    clip: Clip = None,
    labels: Labels = None,
    plane: Plane = None,
    line: Line = None,
    margin: Margin = None,
    frame: Frame = None,
    norm: Annotated[str, typer.Option(help="How inputs are measured: linf, l2, l1, several with commas between, or all.")] = "all",
    ball: Annotated[str, typer.Option(help="The norm whose balls the neighbourhoods are: linf, l2 or l1.")] = "linf",
    output: Annotated[int | None, typer.Option(help="The constants of this output alone.", show_default=False)] = None,
    largest: Annotated[bool, typer.Option("--largest", help="The largest of the margins alone, which is quicker than each of them.")] = False,
    jacobian: Annotated[
        str | None, typer.Option(help="The operator norm of the whole map alone, its outputs measured in this norm: linf.", show_default=False)
    ] = None,
    method: Annotated[str, typer.Option(help="search, enumeration, or auto: search where doubles bound values.")] = "auto",
    timeout: Annotated[float | None, typer.Option(min=0, help="Seconds for each neighbourhood.", show_default=False)] = None,
    proof: Annotated[str | None, typer.Option(help="Write a proof of the constants, for one neighbourhood.", show_default=False)] = None,
    json_file: JsonFile = None,
    run_folder: RunFolder = None,
    report_file: ReportFile = None,
    label_column: LabelColumn = None,
    scale: Scale = None,
    array: Array = None,
    input_shape: InputShape = None,
    arch: Arch = None,
    activation: Activation = None,
) -> None:
    """Find the local Lipschitz constants of the margins of the class at a point, or of outputs, exactly, in
    neighbourhoods of data points.

    At a time limit what is known is a bracket: what some region attains, and what none exceeds.
    """
    with errors_in_one_line():
        outputs.writable(proof, ("",), stdout=False)
        outputs.writable(json_file, (".json", ""))
        outputs.writable(report_file, (".html",))
        outputs.distinct(
            {"--proof": proof, "--json": json_file, "--report": report_file},
            {"the model": model, "--arch": arch_file(arch), "--data": data, "--labels": labels},
        )
        from polylc.api.lipschitz import constants_one_by_one, parse_norms
        from polylc.cli.inputs import Where, make_tasks
        from polylc.cli.terminal import searching
        from polylc.report.lipschitz import LipschitzConstants, lipschitz_lines
        from polylc.report.lists import LipschitzRun
        from polylc.report.record import Refusal
        from polylc.run.lipschitz import lipschitz_constants

        norms = parse_norms(norm)
        network = load_model(model, input_shape, arch, activation, False)
        tasks = make_tasks(
            network, Where(data, rows, center, box, radius, clip, labels, label_column, scale, array, plane, line, margin, ball, frame)
        )
        taken: list[tuple[int, LipschitzConstants | Refusal]] = []
        code = 0
        with signals.heeded() as stop:
            search = partial(lipschitz_constants, norms=norms, output=output, largest=largest, jacobian=jacobian, method=method, timeout=timeout)
            every = constants_one_by_one(network, tasks, search, proof=proof, stop=stop, watching=searching, run=run_folder)
            for index, one in every:
                taken.append((index, one))
                if isinstance(one, Refusal):
                    typer.echo(f"polylc: row {index} refused: {one.reason}", err=True)
                    code = BAD_INPUT
                    continue
                if json_file != "-":
                    for line in lipschitz_lines(index, one):
                        screen.say(line)
                if not one.exact:
                    code = code or LIMIT
            found = LipschitzRun(network, taken)
            report = found.report()
            if proof is not None and report.neighbourhoods[0].proof is None:
                why = report.neighbourhoods[0].notes.get("proof", "not written: nothing was found")
                typer.echo(f"polylc: {proof}: {why}", err=True)
            steps: list[Callable[[], None]] = []
            if json_file is not None:
                steps.append(lambda: outputs.write(json_file, report.model_dump_json(indent=1)))
            if report_file is not None:
                steps.append(lambda: outputs.write_report(report_file, found.write_report))
            code = code if outputs.save_all(steps) else BAD_INPUT
    raise typer.Exit(signals.exit_code() if stop() else code)
