"""`polylc estimate`: sampled answers."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from polylc.cli import outputs, signals, terminal
from polylc.cli.app import BAD_INPUT, app, arch_file, errors_in_one_line, load_model
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
    Memory,
    Methods,
    Model,
    Planes,
    Radius,
    ReportFile,
    Rows,
    RunFolder,
    Samples,
    Scale,
    Seed,
    Sigma,
    TrustPickle,
    Tube,
    Width,
)
from polylc.cli.screen import shown


@app.command(epilog="Example: polylc estimate net.pt --data points.npy --rows 0:5 --radius 0.1 --methods lines,coarea")
@shown
def estimate(
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
    draws: Annotated[int, typer.Option(min=2, help="Draws of exact_draws and rao_blackwell.")] = 20,
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
    """Estimate by sampling what certify computes exactly: local complexity, regions, total variation, ranks, Lipschitz
    constants.

    Every estimate says how it errs; docs/estimators.md explains them.
    """
    with errors_in_one_line():
        outputs.writable(json_file, (".json", ""))
        outputs.writable(report, (".html",))
        outputs.distinct(
            {"--json": json_file, "--report": report}, {"the model": model, "--arch": arch_file(arch), "--data": data, "--labels": labels}
        )
        from polylc.cli.inputs import Where, make_tasks
        from polylc.estimators.study import SAMPLES, Sampling, affordable_samples
        from polylc.run.estimates import estimates_kept, largest_dimension, parse_methods, run_estimates
        from polylc.search.cluster import ClusterExecutor

        where = Where(data, rows, center, box, radius, clip, labels, label_column, scale, array, norm=norm)
        names = parse_methods(methods)
        sampling = Sampling(samples or SAMPLES, seed, device, dtype, memory, sigma, 16, tube, diamond, directions, draws, planes, width)
        network = load_model(model, input_shape, arch, activation, trust_pickle)
        tasks = make_tasks(network, where)
        if samples is None:
            sampling = replace(sampling, samples=affordable_samples(network, largest_dimension(tasks)))
        with ExitStack() as stack:
            asked, kept = {"methods": ",".join(names)}, None
            if run_folder is not None:
                kept = stack.enter_context(estimates_kept(Path(run_folder), "estimate", network, tasks, asked, sampling))
            workers = None if cluster is None else stack.enter_context(ClusterExecutor(cluster))
            stop = stack.enter_context(signals.heeded())  # from here on there is something to save
            with terminal.counting(len(tasks)) as count, stop.breaking_off(0.0):
                run = run_estimates(network, tasks, names, sampling, lambda _: count.advance(), count.tell, jobs, workers, kept)
            if stop.at_once:
                raise KeyboardInterrupt
            terminal.show_estimates(run, quiet=json_file == "-")
            if json_file is not None:
                outputs.write(json_file, run.report().model_dump_json(indent=1))
            if report is not None:
                outputs.write_report(report, run.write_report)
    raise typer.Exit(signals.exit_code() if run.interrupted or stop() else BAD_INPUT if run.refused else 0)
