"""`polylc compare`: estimates beside the truth."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from polylc.cli import outputs, signals, terminal
from polylc.cli.app import BAD_INPUT, LIMIT, app, arch_file, errors_in_one_line, load_model
from polylc.cli.options import (
    Activation,
    Arch,
    Array,
    BallNorm,
    Box,
    Center,
    Clip,
    Cluster,
    Data,
    Device,
    Diamond,
    Directions,
    Dtype,
    InputShape,
    Jobs,
    JsonFile,
    LabelColumn,
    Labels,
    MaxRegions,
    Memory,
    Methods,
    Model,
    Picture,
    Planes,
    Radius,
    ReportFile,
    Rows,
    RunFolder,
    Samples,
    Scale,
    Seed,
    Sigma,
    TimeLimit,
    TrustPickle,
    Tube,
    Width,
)
from polylc.cli.screen import shown
from polylc.errors import needs


@app.command(epilog="Example: polylc compare net.pt --data points.npy --rows 0:20 --radius 0.1 --out compare.pdf")
@shown
def compare(
    model: Model,
    data: Data = None,
    rows: Rows = None,
    center: Center = None,
    box: Box = None,
    radius: Radius = None,
    norm: BallNorm = "linf",
    clip: Clip = None,
    labels: Labels = None,
    methods: Methods = "all",
    samples: Samples = None,
    sigma: Sigma = 0.1,
    seed: Seed = 0,
    device: Device = "cpu",
    dtype: Dtype = "float64",
    memory: Memory = 256,
    tube: Tube = None,
    diamond: Diamond = None,
    directions: Directions = 25,
    planes: Planes = 10,
    width: Width = None,
    draws: Annotated[int, typer.Option(min=0, help="Exact draws of the noise, the truth for estimates with noise; 0 for none.")] = 20,
    no_certify: Annotated[bool, typer.Option("--no-certify", help="Truth in floating point only: faster, nothing is proved.")] = False,
    time_limit: TimeLimit = None,
    max_regions: MaxRegions = None,
    out: Picture = None,
    json_file: JsonFile = None,
    jobs: Jobs = 1,
    cluster: Cluster = None,
    run_folder: RunFolder = None,
    report: ReportFile = None,
    label_column: LabelColumn = None,
    scale: Scale = None,
    array: Array = None,
    input_shape: InputShape = None,
    arch: Arch = None,
    activation: Activation = None,
    trust_pickle: TrustPickle = False,
) -> None:
    """Hold estimates against the exact truth: bias, errors in standard errors, coverage, correlation over
    neighbourhoods, cost.
    """
    with errors_in_one_line():
        outputs.writable(json_file, (".json", ""))
        outputs.writable(report, (".html",))
        outputs.writable(out, (".png", ".pdf", ".svg"))
        if out is not None:
            needs("matplotlib", "plot", "--out")
        outputs.distinct(
            {"--json": json_file, "--report": report, "--out": out},
            {"the model": model, "--arch": arch_file(arch), "--data": data, "--labels": labels},
        )
        from polylc.cli.inputs import Where, make_tasks
        from polylc.estimators.study import SAMPLES, affordable_samples
        from polylc.run.comparison import MEASURES, comparisons_kept, run_comparison, sampling_with_draws
        from polylc.run.estimates import largest_dimension, parse_methods
        from polylc.search.cluster import ClusterExecutor
        from polylc.search.task import Settings

        where = Where(data, rows, center, box, radius, clip, labels, label_column, scale, array, norm=norm)
        names = parse_methods(methods)
        options: dict[str, Any] = {"samples": samples or SAMPLES, "seed": seed, "device": device, "dtype": dtype, "memory": memory, "sigma": sigma}
        options |= {"tube": tube, "diamond": diamond, "directions": directions, "planes": planes, "width": width}
        sampling = sampling_with_draws(draws, options)
        network = load_model(model, input_shape, arch, activation, trust_pickle)
        tasks = make_tasks(network, where)
        if samples is None:
            sampling = replace(sampling, samples=affordable_samples(network, largest_dimension(tasks)))
        settings = Settings(MEASURES, time_limit, max_regions, keep=False, certify=not no_certify)
        with ExitStack() as stack:
            kept = None
            if run_folder is not None:
                kept = stack.enter_context(comparisons_kept(Path(run_folder), network, tasks, names, settings, sampling, draws))
            workers = None if cluster is None else stack.enter_context(ClusterExecutor(cluster))
            stop = stack.enter_context(signals.heeded())  # from here on there is something to save
            with terminal.counting(len(tasks)) as count, stop.breaking_off(0.0):
                run = run_comparison(network, tasks, names, settings, sampling, draws, lambda _: count.advance(), jobs, workers, kept)
            if stop.at_once:
                raise KeyboardInterrupt
            terminal.show_comparison(run, quiet=json_file == "-")
            if json_file is not None:
                outputs.write(json_file, run.report().model_dump_json(indent=1))
            if report is not None:
                outputs.write_report(report, run.write_report)
            if out is not None and not (run.interrupted and not run.entries):
                outputs.save_figure(run.plot(), out, 200)
    raise typer.Exit(signals.exit_code() if run.interrupted or stop() else BAD_INPUT if run.refused else 0 if run.complete else LIMIT)
