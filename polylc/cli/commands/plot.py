"""`polylc plot`: a picture of the regions."""

from __future__ import annotations

from typing import Annotated

import typer

from polylc.cli import outputs, signals, terminal
from polylc.cli.app import app, arch_file, errors_in_one_line, exit_code, load_model
from polylc.cli.options import (
    Activation,
    Arch,
    Array,
    BallNorm,
    Box,
    Center,
    Clip,
    Data,
    Frame,
    InputShape,
    LabelColumn,
    Line,
    Margin,
    Model,
    Plane,
    Radius,
    Rows,
    Scale,
    TrustPickle,
)
from polylc.cli.screen import screen, shown
from polylc.errors import DataError, UsageError, needs


@app.command(epilog="Example: polylc plot net.pt --data images.npz --plane 0,1,2 --out plane.svg")
@shown
def plot(
    model: Model,
    out: Annotated[str, typer.Option(help="Picture to write: .png, .pdf or .svg.", show_default=False)],
    data: Data = None,
    rows: Rows = None,
    center: Center = None,
    box: Box = None,
    plane: Plane = None,
    line: Line = None,
    margin: Margin = None,
    frame: Frame = None,
    colour: Annotated[
        str,
        typer.Option(
            help="What colours stand for: gradient, its norm along the picture; full, that by all inputs; class; component, parts of "
            "decision regions; piece; rank, of the last hidden layer; or depth, the layer of each line's neuron."
        ),
    ] = "gradient",
    colormap: Annotated[str, typer.Option(help="A colormap of matplotlib.")] = "viridis",
    size: Annotated[str | None, typer.Option(help="Width and height in inches: 7.2,6.", show_default=False, metavar="W,H")] = None,
    radius: Radius = None,
    clip: Clip = None,
    norm: BallNorm = "linf",
    label_column: LabelColumn = None,
    scale: Scale = None,
    array: Array = None,
    time_limit: Annotated[float | None, typer.Option(min=0, help="Seconds for the enumeration.", show_default=False)] = None,
    max_regions: Annotated[int | None, typer.Option(min=1, help="Most regions to draw.", show_default=False)] = None,
    no_certify: Annotated[bool, typer.Option("--no-certify", help="Enumerate in floating point only.")] = False,
    input_shape: InputShape = None,
    arch: Arch = None,
    activation: Activation = None,
    trust_pickle: TrustPickle = False,
) -> None:
    """Draw the regions of MODEL on a neighbourhood with one or two free coordinates, or in the plane through three data
    points.

    One coordinate gives the curve of the outputs; two give the regions, coloured by gradient norm, the decision
    boundary, and the data points: with --box, the rows of --data (all, or --rows) that lie in it; with --plane, those
    that it was laid through. A --line gives the margins along it.
    """
    with errors_in_one_line():
        outputs.writable(out, (".png", ".pdf", ".svg"))
        needs("matplotlib", "plot", "plot")
        outputs.distinct({"--out": out}, {"the model": model, "--arch": arch_file(arch), "--data": data})
        from polylc.cli.inputs import Where, make_tasks, read_table
        from polylc.readers.data.points import parse_rows
        from polylc.report.figures import Style, figure
        from polylc.report.shading import COLOURS
        from polylc.search.task import Settings, Task, in_norm

        wanted = next((known for known in COLOURS if known == colour), None)
        if wanted is None:
            raise UsageError(f"--colour: {colour!r} is unknown; choose {', '.join(COLOURS)}")
        style = Style(wanted, colormap, _size(size))
        style.check()
        network = load_model(model, input_shape, arch, activation, trust_pickle)
        points, classes, left_out = None, None, ""
        if box is not None and data is not None:
            table = read_table(Where(data, scale=scale, label_column=label_column, array=array), network.inputs)
            chosen = parse_rows(rows, len(table)) if rows is not None else list(range(len(table)))
            usable = [(i, row) for i in chosen if not isinstance(row := table.row(i), str)]
            if not usable:
                raise DataError(f"{data}: row {chosen[0]}: {table.row(chosen[0])} (no row can be drawn)")
            if len(usable) < len(chosen):
                left_out = f"; {len(chosen) - len(usable)} of {len(chosen)} rows of {data} cannot be used and are left out"
            points = [[float(v) for v in row] for _, row in usable]
            found = [table.label(i) for i, _ in usable]
            classes = None if None in found else found
            where = Where(box=box, center=center, radius=radius, clip=clip)
        else:
            where = Where(data, rows, center, box, radius, clip, None, label_column, scale, array, plane, line, margin, frame=frame)
        settings = Settings((), time_limit, max_regions, certify=not no_certify)
        tasks = [t for t in in_norm(make_tasks(network, where), norm, settings, "auto") if isinstance(t, Task)]
        if len(tasks) != 1:
            raise UsageError(f"plot draws one neighbourhood, not {len(tasks)}; choose one row with --rows")
        if points is None and tasks[0].domain.center is not None:
            points = [[float(v) for v in tasks[0].domain.center]]
        if tasks[0].domain.dimension > 2:
            many = tasks[0].domain.dimension
            raise UsageError(
                f"plot: {many} coordinates are free, a picture needs one or two; fix the others with 0 in --radius or equal bounds in --box"
            )
        with signals.heeded() as stop:
            run = terminal.answer(network, tasks, settings, 1, stop)
        if not run.results or (run.interrupted and not run.results[0].regions):
            raise UsageError("plot: interrupted before anything was found")
        result = run.results[0]
        drawn = figure(result._kept(), points, classes, style)
        outputs.save_figure(drawn, out, 150)
        screen.tell(f"{out}: {result.regions} regions ({result.status}){left_out}")
    raise typer.Exit(exit_code(run))


def _size(text: str | None) -> tuple[float, float] | None:
    """Width and height in inches."""
    if text is None:
        return None
    try:
        width, height = map(float, text.split(","))
    except ValueError:
        raise UsageError(f"--size: {text!r} is not a width and a height in inches, such as 7.2,6") from None
    return width, height
