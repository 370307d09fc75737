"""The command line: options in, tables and files out. Result on stdout, progress and log on stderr.

Exit codes: 0 done; 1 a proof is refused; 2 bad usage, or unreadable or unsupported input; 3 a limit was reached, partial result given;
130 interrupted, what was found is kept.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from polylc.cli import terminal
from polylc.errors import DataError, PolylcError, UsageError

if TYPE_CHECKING:
    from polylc.api.certify import Run
    from polylc.network.form import Network

REFUSED, BAD_INPUT, LIMIT, INTERRUPTED = 1, 2, 3, 130


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
METHODS = typer.Option(help="all, or names separated by commas; on request only: lipsdp, exact_draws, rao_blackwell, slices.")
SAMPLES = typer.Option(min=2, help="Sample points of each method.")
SIGMA = typer.Option(help="Standard deviation of the bias noise.")
SEED = typer.Option(min=0, help="The same seed gives the same numbers.")
DEVICE = typer.Option(help="cpu, cuda or cuda:0.")
DTYPE = typer.Option(help="float64 or float32.")
MEMORY = typer.Option(min=1, help="MiB for one chunk of samples, roughly.")
TUBE = typer.Option(help="Half width of the tubes (default: a hundredth of the smallest half width of the neighbourhood).", show_default=False)
DIAMOND = typer.Option(help="Radius of the diamonds of humayun (default: the same, times sqrt(n)).", show_default=False)
DIRECTIONS = typer.Option(min=1, help="Directions of a diamond, half its vertices.")
PLANES = typer.Option(min=2, help="Planes of slices.")
TRUST = typer.Option("--trust-pickle", help="Run whatever code a .pt file names. Only for files you made yourself.")


def _version(value: bool) -> None:
    if value:
        from polylc._version import __version__

        typer.echo(f"polylc {__version__}")
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
        typer.Option(help="all, or some of counts, local_complexity, total_variation, kink_variation, local_rank, lipschitz, robustness, bounds."),
    ] = "all",
    sigma: Annotated[
        list[str] | None,
        typer.Option(help="Standard deviations of bias noise for the local complexity: 0.1 or 0.01,0.1.", show_default=False),
    ] = None,
    engine: Annotated[str, typer.Option(help="auto, vertex (dimension 5 and below), dictionary or lp.")] = "auto",
    no_certify: Annotated[bool, typer.Option("--no-certify", help="Enumerate in floating point only: faster, nothing is proved.")] = False,
    exact_volumes: Annotated[bool, typer.Option("--exact-volumes", help="Volumes as rationals, however many regions there are.")] = False,
    proof: Annotated[str | None, typer.Option(help="Write a proof file, which polylc check verifies.", show_default=False)] = None,
    json_file: Annotated[str | None, typer.Option("--json", help="Write the report; - for stdout.", show_default=False)] = None,
    graph: Annotated[str | None, typer.Option(help="Write the region graph: .graphml or .npz.", show_default=False)] = None,
    symbolic: Annotated[
        str | None,
        typer.Option(help="Write the network and its measures in closed form: .tex, or .txt for sympy. Small complexes.", show_default=False),
    ] = None,
    label_column: Annotated[int | None, LABEL_COLUMN] = None,
    scale: Annotated[str | None, SCALE] = None,
    array: Annotated[str | None, ARRAY] = None,
    jobs: Annotated[
        int,
        typer.Option(
            min=1, help="Processes to spread the work over, many neighbourhoods whole and few large ones in parts; the results are the same."
        ),
    ] = 1,
    time_limit: Annotated[float | None, typer.Option(min=0, help="Seconds for the enumeration of each neighbourhood.", show_default=False)] = None,
    max_regions: Annotated[int | None, typer.Option(min=1, help="Regions for each neighbourhood.", show_default=False)] = None,
    input_shape: Annotated[str | None, INPUT_SHAPE] = None,
    trust_pickle: Annotated[bool, TRUST] = False,
) -> None:
    """Enumerate all linear regions of MODEL in neighbourhoods of data points, prove that they are all, and measure them."""
    with _errors_in_one_line():
        if proof is not None and no_certify:
            raise UsageError("--proof and --no-certify exclude each other: without certification there is nothing to prove")
        if exact_volumes and no_certify:
            raise UsageError("--exact-volumes and --no-certify exclude each other: without certification volumes are floats")
        terminal.writable(proof, ("",), stdout=False)
        terminal.writable(json_file, (".json", ""))
        terminal.writable(graph, (".graphml", ".npz"))
        if symbolic is not None and no_certify:
            raise UsageError("--symbolic and --no-certify exclude each other: closed forms are exact")
        terminal.writable(symbolic, (".tex", ".txt"), stdout=False)
        from polylc.api.certify import parse_measures, parse_sigmas
        from polylc.cli.inputs import Where, make_tasks
        from polylc.run.neighbourhood import Settings
        from polylc.search.enumerate import check_engine

        where = Where(data, rows, center, box, radius, clip, labels, label_column, scale, array)
        wanted, sigmas = parse_measures(measures), parse_sigmas(sigma)
        check_engine(engine)
        network = _load(model, input_shape, trust_pickle)
        tasks = make_tasks(network, where)
        keep = graph is not None or symbolic is not None
        settings = Settings(wanted, engine, time_limit, max_regions, keep, not no_certify, exact_volumes=exact_volumes, sigmas=sigmas)
        run, proved = terminal.answer_with_proof(network, tasks, settings, jobs, proof)
        terminal.show(network, run, quiet=json_file == "-")
        if proved is not None:
            typer.echo(proved, err=True)
        if json_file is not None:
            terminal.write(json_file, run.report().model_dump_json(indent=1))
        if graph is not None:
            terminal.write_graphs(graph, run)
        if symbolic is not None:
            terminal.write_symbolic(symbolic, run)
    raise typer.Exit(_exit_code(run))


@app.command()
def check(
    proof: Annotated[str, typer.Argument(help="Proof file written by polylc certify --proof.", show_default=False)],
    model: Annotated[str | None, typer.Option(help="Model whose weights must be those of the proof.", show_default=False)] = None,
    input_shape: Annotated[str | None, INPUT_SHAPE] = None,
    trust_pickle: Annotated[bool, TRUST] = False,
) -> None:
    """Check PROOF, exactly and independently of what wrote it.

    The same check runs without polylc: copy polylc/checker.py anywhere and run python -I checker.py PROOF.
    """
    from polylc import checker

    weights = None
    if model is not None:
        with _errors_in_one_line():
            weights = _load(model, input_shape, trust_pickle).weights_sha256
    raise typer.Exit(checker.main([proof], weights))


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
        console = terminal.console()
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
        terminal.writable(out, (".png", ".pdf", ".svg"))
        from polylc.cli.inputs import Where, make_tasks, read_table
        from polylc.readers.data.points import parse_rows
        from polylc.report.figures import figure
        from polylc.run.neighbourhood import Settings, Task

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
        run = terminal.answer(network, tasks, Settings((), "auto", time_limit, max_regions, certify=False), 1)
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


@app.command()
def estimate(
    model: Annotated[str, MODEL],
    data: Annotated[str | None, DATA] = None,
    rows: Annotated[str | None, ROWS] = None,
    center: Annotated[str | None, CENTER] = None,
    box: Annotated[tuple[str, str] | None, BOX] = None,
    radius: Annotated[str | None, RADIUS] = None,
    clip: Annotated[tuple[str, str] | None, CLIP] = None,
    labels: Annotated[str | None, LABELS] = None,
    methods: Annotated[str, METHODS] = "all",
    samples: Annotated[int, SAMPLES] = 4096,
    sigma: Annotated[float, SIGMA] = 0.1,
    seed: Annotated[int, SEED] = 0,
    device: Annotated[str, DEVICE] = "cpu",
    dtype: Annotated[str, DTYPE] = "float64",
    memory: Annotated[int, MEMORY] = 256,
    tube: Annotated[float | None, TUBE] = None,
    diamond: Annotated[float | None, DIAMOND] = None,
    directions: Annotated[int, DIRECTIONS] = 25,
    planes: Annotated[int, PLANES] = 10,
    draws: Annotated[int, typer.Option(min=2, help="Draws of exact_draws and rao_blackwell.")] = 20,
    json_file: Annotated[str | None, typer.Option("--json", help="Write the report; - for stdout.", show_default=False)] = None,
    label_column: Annotated[int | None, LABEL_COLUMN] = None,
    scale: Annotated[str | None, SCALE] = None,
    array: Annotated[str | None, ARRAY] = None,
    input_shape: Annotated[str | None, INPUT_SHAPE] = None,
    trust_pickle: Annotated[bool, TRUST] = False,
) -> None:
    """Estimate by sampling what certify computes exactly: local complexity, regions, total variation, ranks, Lipschitz constants.

    Every estimate says how it errs; docs/estimators.md explains them.
    """
    with _errors_in_one_line():
        terminal.writable(json_file, (".json", ""))
        from polylc.api.estimate import parse_methods, run_estimates
        from polylc.cli.inputs import Where, make_tasks
        from polylc.estimators.study import Sampling

        where = Where(data, rows, center, box, radius, clip, labels, label_column, scale, array)
        names = parse_methods(methods)
        sampling = Sampling(samples, seed, device, dtype, memory, sigma, 16, tube, diamond, directions, draws, planes)
        network = _load(model, input_shape, trust_pickle)
        tasks = make_tasks(network, where)
        with terminal.counting(len(tasks)) as advance:
            run = run_estimates(network, tasks, names, sampling, lambda _: advance())
        terminal.show_estimates(run, quiet=json_file == "-")
        if json_file is not None:
            terminal.write(json_file, run.report().model_dump_json(indent=1))
    raise typer.Exit(INTERRUPTED if run.interrupted else BAD_INPUT if run.refused else 0)


@app.command()
def compare(
    model: Annotated[str, MODEL],
    data: Annotated[str | None, DATA] = None,
    rows: Annotated[str | None, ROWS] = None,
    center: Annotated[str | None, CENTER] = None,
    box: Annotated[tuple[str, str] | None, BOX] = None,
    radius: Annotated[str | None, RADIUS] = None,
    clip: Annotated[tuple[str, str] | None, CLIP] = None,
    labels: Annotated[str | None, LABELS] = None,
    methods: Annotated[str, METHODS] = "all",
    samples: Annotated[int, SAMPLES] = 4096,
    sigma: Annotated[float, SIGMA] = 0.1,
    seed: Annotated[int, SEED] = 0,
    device: Annotated[str, DEVICE] = "cpu",
    dtype: Annotated[str, DTYPE] = "float64",
    memory: Annotated[int, MEMORY] = 256,
    tube: Annotated[float | None, TUBE] = None,
    diamond: Annotated[float | None, DIAMOND] = None,
    directions: Annotated[int, DIRECTIONS] = 25,
    planes: Annotated[int, PLANES] = 10,
    draws: Annotated[int, typer.Option(min=0, help="Exact draws of the noise, the truth for estimates with noise; 0 for none.")] = 20,
    no_certify: Annotated[bool, typer.Option("--no-certify", help="Truth in floating point only: faster, nothing is proved.")] = False,
    time_limit: Annotated[float | None, typer.Option(min=0, help="Seconds for the enumeration of each neighbourhood.", show_default=False)] = None,
    max_regions: Annotated[int | None, typer.Option(min=1, help="Regions for each neighbourhood.", show_default=False)] = None,
    out: Annotated[str | None, typer.Option(help="Picture to write: .png, .pdf or .svg.", show_default=False)] = None,
    json_file: Annotated[str | None, typer.Option("--json", help="Write the report; - for stdout.", show_default=False)] = None,
    label_column: Annotated[int | None, LABEL_COLUMN] = None,
    scale: Annotated[str | None, SCALE] = None,
    array: Annotated[str | None, ARRAY] = None,
    input_shape: Annotated[str | None, INPUT_SHAPE] = None,
    trust_pickle: Annotated[bool, TRUST] = False,
) -> None:
    """Hold estimates against the exact truth: bias, errors in standard errors, coverage, correlation over neighbourhoods, cost."""
    with _errors_in_one_line():
        terminal.writable(json_file, (".json", ""))
        terminal.writable(out, (".png", ".pdf", ".svg"))
        from polylc.api.compare import MEASURES, run_comparison, sampling_with_draws
        from polylc.api.estimate import parse_methods
        from polylc.cli.inputs import Where, make_tasks
        from polylc.run.neighbourhood import Settings

        where = Where(data, rows, center, box, radius, clip, labels, label_column, scale, array)
        names = parse_methods(methods)
        options: dict[str, Any] = {"samples": samples, "seed": seed, "device": device, "dtype": dtype, "memory": memory, "sigma": sigma}
        options |= {"tube": tube, "diamond": diamond, "directions": directions, "planes": planes}
        sampling = sampling_with_draws(draws, options)
        network = _load(model, input_shape, trust_pickle)
        tasks = make_tasks(network, where)
        settings = Settings(MEASURES, "auto", time_limit, max_regions, keep=False, certify=not no_certify)
        terminal.compile_first(tasks, settings)
        with terminal.counting(len(tasks)) as advance:
            run = run_comparison(network, tasks, names, settings, sampling, draws, lambda _: advance())
        terminal.show_comparison(run, quiet=json_file == "-")
        if json_file is not None:
            terminal.write(json_file, run.report().model_dump_json(indent=1))
        if out is not None and not (run.interrupted and not run.entries):
            try:
                run.plot(out)
            except OSError as error:
                raise UsageError(f"{out}: cannot be written: {error.strerror}") from None
    raise typer.Exit(INTERRUPTED if run.interrupted else BAD_INPUT if run.refused else 0 if run.complete else LIMIT)


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
    from polylc.readers.load import load

    shape = None
    if input_shape is not None:
        parts = input_shape.split(",")
        if not all(p.strip().isdecimal() for p in parts):
            raise UsageError(f"--input-shape: {input_shape!r} is not a list of sizes such as 1,28,28")
        shape = [int(p) for p in parts]
    return load(model, input_shape=shape, trust_pickle=trust_pickle)


def _exit_code(run: Run) -> int:
    if run.interrupted:
        return INTERRUPTED
    if run.refused:
        return BAD_INPUT
    return 0 if all(r.complete for r in run.results) else LIMIT


def main() -> None:
    """Entry point of the `polylc` command."""
    app()
