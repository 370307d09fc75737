"""The command line: options in, tables and files out. Result on stdout, progress and log on stderr.

Exit codes: 0 done; 2 bad usage, or unreadable or unsupported input; 3 a limit was reached, partial result given;
130 interrupted, what was found is kept.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from polylc.errors import DataError, PolylcError, UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from polylc.network.form import Network
    from polylc.run import Run

BAD_INPUT, LIMIT, INTERRUPTED = 2, 3, 130


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
            code = INTERRUPTED
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
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

MODEL = typer.Argument(help="Model file: .pt/.pth (pickled module or state dict), .onnx, .npz (W0, b0, ...).", show_default=False)
DATA = typer.Option(help="Data file with one point a row: .npy .npz .csv .pt.", show_default=False)
ROWS = typer.Option(help="Rows of the data file: 7, 0:20 or 1,4,9.", show_default=False)
CENTER = typer.Option(help='Centre of the ball: "x1,x2,..." (decimals are exact).', show_default=False)
BOX = typer.Option(help='A box: its corners "l1,l2,..." "u1,u2,...".', show_default=False, metavar="LOWER UPPER")
RADIUS = typer.Option(help="Radius of the balls; a list gives one for each coordinate, 0 fixes it.", show_default=False)
CLIP = typer.Option(help="Intersect with the box [LO, HI].", show_default=False, metavar="LO HI")
LABELS = typer.Option(help="File of labels, one for each row (default: the class at the centre).", show_default=False)
LABEL_COLUMN = typer.Option(help="Column of the data that holds the label (negative counts from the end).", show_default=False)
SCALE = typer.Option(help="Factor for the data, exact: 1/255.", show_default=False)
ARRAY = typer.Option(help="Name of the array in an .npz file.", show_default=False)
INPUT_SHAPE = typer.Option(help="Shape of one input, C,H,W, where the model leaves it open.", show_default=False)
TRUST = typer.Option("--trust-pickle", help="Run whatever code a .pt file names. Only for files you made yourself.")


def _version(value: bool) -> None:
    if value:
        import polylc

        typer.echo(f"polylc {polylc.__version__}")
        raise typer.Exit


@app.callback()
def _main(version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")] = False) -> None:
    pass


@app.command()
def certify(
    model: Annotated[str, MODEL],
    data: Annotated[str | None, DATA] = None,
    rows: Annotated[str | None, ROWS] = None,
    center: Annotated[str | None, CENTER] = None,
    box: Annotated[tuple[str, str] | None, BOX] = None,
    radius: Annotated[str | None, RADIUS] = None,
    clip: Annotated[tuple[str, str] | None, CLIP] = None,
    labels: Annotated[str | None, LABELS] = None,
    measures: Annotated[
        str,
        typer.Option(help="all, or some of counts, local_complexity, total_variation, kink_variation, local_rank, lipschitz, robustness."),
    ] = "all",
    engine: Annotated[str, typer.Option(help="auto or lp.")] = "auto",
    no_certify: Annotated[
        bool, typer.Option("--no-certify", help="Enumerate in floating point, without exact proof (the only mode of this version).")
    ] = False,
    json_file: Annotated[str | None, typer.Option("--json", help="Write the report; - for stdout.", show_default=False)] = None,
    graph: Annotated[str | None, typer.Option(help="Write the region graph: .graphml or .npz.", show_default=False)] = None,
    label_column: Annotated[int | None, LABEL_COLUMN] = None,
    scale: Annotated[str | None, SCALE] = None,
    array: Annotated[str | None, ARRAY] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Processes to spread the neighbourhoods over.")] = 1,
    time_limit: Annotated[float | None, typer.Option(min=0, help="Seconds for the enumeration of each neighbourhood.", show_default=False)] = None,
    max_regions: Annotated[int | None, typer.Option(min=1, help="Regions for each neighbourhood.", show_default=False)] = None,
    input_shape: Annotated[str | None, INPUT_SHAPE] = None,
    trust_pickle: Annotated[bool, TRUST] = False,
) -> None:
    """Enumerate all linear regions of MODEL in neighbourhoods of data points, and measure them."""
    with _errors_in_one_line():
        _writable(json_file, (".json", ""))
        _writable(graph, (".graphml", ".npz"))
        from polylc.inputs import Where, make_tasks
        from polylc.run import Settings, parse_measures

        where = Where(data, rows, center, box, radius, clip, labels, label_column, scale, array)
        wanted = parse_measures(measures)
        from polylc.enumerate import check_engine

        check_engine(engine)
        network = _load(model, input_shape, trust_pickle)
        tasks = make_tasks(network, where)
        settings = Settings(wanted, engine, time_limit, max_regions, keep=graph is not None)
        run = _answer(network, tasks, settings, jobs)
        _show(network, run, quiet=json_file == "-")
        if json_file is not None:
            _write(json_file, run.report().model_dump_json(indent=1))
        if graph is not None:
            _write_graphs(graph, run)
    raise typer.Exit(_exit_code(run))


@app.command()
def info(
    model: Annotated[str, MODEL],
    input_shape: Annotated[str | None, INPUT_SHAPE] = None,
    trust_pickle: Annotated[bool, TRUST] = False,
) -> None:
    """Show how MODEL is read: layers, neurons, hashes, and every rewrite."""
    with _errors_in_one_line():
        from rich.table import Table
        from rich.text import Text

        from polylc.report.table import network_line

        network = _load(model, input_shape, trust_pickle)
        console = _console()
        console.print(Text(network_line(network)))
        console.print(Text(f"sha256 of the file     {network.sha256}"))
        console.print(Text(f"sha256 of the weights  {network.weights_sha256}"))
        table = Table(box=None, pad_edge=False)
        for name in ("layer", "neurons", "reads", "slopes", "weights"):
            table.add_column(name, justify="left" if name in ("reads", "slopes") else "right")
        for number, layer in enumerate(network.layers, start=1):
            pairs = sorted({(float(a), float(b)) for a, b in zip(layer.negative, layer.positive, strict=True)})
            slopes = ", ".join(f"{a:g} | {b:g}" for a, b in pairs[:4]) + (", ..." if len(pairs) > 4 else "")
            reads = ", ".join("input" if s == 0 else f"layer {s}" for s, _ in layer.affine.terms)
            table.add_row(str(number), str(layer.width), reads, slopes, str(sum(w.size for _, w in layer.affine.terms) + layer.width))
        reads = ", ".join("input" if s == 0 else f"layer {s}" for s, _ in network.output.terms)
        table.add_row("output", str(network.outputs), reads, "", str(sum(w.size for _, w in network.output.terms) + network.outputs))
        console.print(table)
        for line in network.log:
            console.print(Text(f"- {line}"))


@app.command()
def plot(
    model: Annotated[str, MODEL],
    out: Annotated[str, typer.Option(help="Picture to write: .png, .pdf or .svg.", show_default=False)],
    data: Annotated[str | None, DATA] = None,
    rows: Annotated[str | None, ROWS] = None,
    center: Annotated[str | None, CENTER] = None,
    box: Annotated[tuple[str, str] | None, BOX] = None,
    radius: Annotated[str | None, RADIUS] = None,
    clip: Annotated[tuple[str, str] | None, CLIP] = None,
    label_column: Annotated[int | None, LABEL_COLUMN] = None,
    scale: Annotated[str | None, SCALE] = None,
    array: Annotated[str | None, ARRAY] = None,
    time_limit: Annotated[float | None, typer.Option(min=0, help="Seconds for the enumeration.", show_default=False)] = None,
    max_regions: Annotated[int | None, typer.Option(min=1, help="Most regions to draw.", show_default=False)] = None,
    input_shape: Annotated[str | None, INPUT_SHAPE] = None,
    trust_pickle: Annotated[bool, TRUST] = False,
) -> None:
    """Draw the regions of MODEL on a neighbourhood with one or two free coordinates.

    One coordinate gives the curve of the outputs; two give the regions, coloured by gradient norm, the decision boundary,
    and the data points: with --box, the rows of --data (all, or --rows) that lie in it.
    """
    with _errors_in_one_line():
        _writable(out, (".png", ".pdf", ".svg"))
        from polylc.inputs import Where, make_tasks, read_table
        from polylc.readers.data import parse_rows
        from polylc.report.figures import figure
        from polylc.run import Settings, Task

        network = _load(model, input_shape, trust_pickle)
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
            where = Where(data, rows, center, box, radius, clip, None, label_column, scale, array)
        tasks = [t for t in make_tasks(network, where) if isinstance(t, Task)]
        if len(tasks) != 1:
            raise UsageError(f"plot draws one neighbourhood, not {len(tasks)}; choose one row with --rows")
        if points is None and tasks[0].domain.center is not None:
            points = [[float(v) for v in tasks[0].domain.center]]
        if tasks[0].domain.dimension > 2:
            many = tasks[0].domain.dimension
            raise UsageError(
                f"plot: {many} coordinates are free, a picture needs one or two; fix the others with 0 in --radius or equal bounds in --box"
            )
        run = _answer(network, tasks, Settings((), "auto", time_limit, max_regions), 1)
        if not run.results:
            raise UsageError("plot: interrupted before anything was found")
        result = run.results[0]
        drawn = figure(result._kept(), points, classes)
        try:
            drawn.savefig(out, dpi=150, bbox_inches="tight")
        except OSError as error:
            raise UsageError(f"{out}: cannot be written: {error.strerror}") from None
        typer.echo(f"{out}: {result.regions} regions ({result.status}){left_out}", err=True)
    raise typer.Exit(_exit_code(run))


# ---- shared by the commands --------------------------------------------------------------------------------------
@contextmanager
def _errors_in_one_line() -> Iterator[None]:
    """Turn polylc's own errors into one line on stderr and exit code 2, and Ctrl-C into 130."""
    try:
        yield
    except PolylcError as error:
        typer.echo(f"polylc: {' '.join(str(error).splitlines())}", err=True)
        raise typer.Exit(BAD_INPUT) from None
    except KeyboardInterrupt:
        typer.echo("polylc: interrupted before a result was there", err=True)
        raise typer.Exit(INTERRUPTED) from None
    except BrokenPipeError:  # the reader of stdout went away, as `polylc ... | head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(0) from None


def _load(model: str, input_shape: str | None, trust_pickle: bool) -> Network:
    from polylc.readers import load

    shape = None
    if input_shape is not None:
        parts = input_shape.split(",")
        if not all(p.strip().isdecimal() for p in parts):
            raise UsageError(f"--input-shape: {input_shape!r} is not a list of sizes such as 1,28,28")
        shape = [int(p) for p in parts]
    return load(model, input_shape=shape, trust_pickle=trust_pickle)


def _console(stderr: bool = False) -> Console:
    from rich.console import Console

    console = Console(stderr=stderr, highlight=False, soft_wrap=False)
    if not console.is_terminal:
        console = Console(stderr=stderr, highlight=False, width=140)
    return console


def _writable(path: str | None, suffixes: tuple[str, ...]) -> None:
    """Refuse an output that cannot be written before any work is done."""
    if path is None or (path == "-" and "" in suffixes):
        return
    target = Path(path)
    if "" not in suffixes and target.suffix not in suffixes:
        raise UsageError(f"{path}: its name must end in {' or '.join(suffixes)}")
    if target.is_dir():
        raise UsageError(f"{path}: is a folder; give a file name")
    if not target.parent.is_dir():
        raise UsageError(f"{path}: the folder {target.parent} does not exist")
    if not os.access(target if target.exists() else target.parent, os.W_OK):
        raise UsageError(f"{path}: cannot be written, no permission")


def _write(path: str, text: str) -> None:
    if path == "-":
        typer.echo(text)
        return
    try:
        Path(path).write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}") from None


def _write_graphs(path: str, run: Run) -> None:
    target = Path(path)
    for result in run.results:
        name = target if len(run) == 1 else target.with_stem(f"{target.stem}-{result.index}")
        if not result.complete:
            typer.echo(f"{name}: not written, the enumeration of row {result.index} is not complete", err=True)
            continue
        try:
            result.write_graph(name)
        except OSError as error:
            raise UsageError(f"{name}: cannot be written: {error.strerror}") from None


def _answer(network: Network, tasks: list[Any], settings: Any, jobs: int) -> Run:
    """Run the tasks with a progress bar, if stderr is a terminal."""
    from polylc.run import Task, run_serial

    count = sum(isinstance(t, Task) for t in tasks)
    console = _console(stderr=True)
    if jobs > 1 and count > 1:
        from polylc.pool import run_parallel

        with _progress(console) as bar:
            whole = bar.add_task(f"{count} neighbourhoods", total=count)
            return run_parallel(network, tasks, settings, min(jobs, count), lambda _: bar.advance(whole))
    with _progress(console) as bar:
        whole = bar.add_task(f"{count} neighbourhoods", total=count, visible=count > 1)
        current = bar.add_task("regions", total=1.0)
        last = 0.0

        def on_start(task: Any) -> None:
            bar.reset(current, description=f"row {task.index}" if count > 1 else "exploring", total=1.0)

        def on_regions(_: int, regions: int, share: float) -> None:
            nonlocal last
            now = time.monotonic()
            if now - last > 0.1:
                last = now
                bar.update(current, completed=share, description=f"{regions} regions")
            if share >= 1.0:
                bar.update(current, completed=share, description=f"{regions} regions, measuring")

        return run_serial(network, tasks, settings, on_start, on_regions, lambda _: bar.advance(whole))


def _progress(console: Console) -> Any:
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"), TimeElapsedColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def _show(network: Network, run: Run, quiet: bool) -> None:
    from rich.text import Text

    from polylc.report.table import network_line, show_many, show_one

    if quiet:
        return
    console = _console()
    console.print(Text(network_line(network)))
    if len(run) == 1 and run.results:
        show_one(console, run.results[0])
    elif len(run):
        console.width = max(console.width, 120)  # a narrow terminal folds long rows; rich would cut the numbers
        show_many(console, list(run))
    if run.interrupted:
        typer.echo("interrupted: what was found until then is shown", err=True)


def _exit_code(run: Run) -> int:
    if run.interrupted:
        return INTERRUPTED
    if run.refused:
        return BAD_INPUT
    return 0 if all(r.complete for r in run.results) else LIMIT


def main() -> None:
    """Entry point of the `polylc` command."""
    app()
