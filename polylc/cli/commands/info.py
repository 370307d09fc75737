"""`polylc info`: how a model is read."""

from __future__ import annotations

from polylc.cli import terminal
from polylc.cli.app import app, errors_in_one_line, load_model
from polylc.cli.options import Activation, Arch, InputShape, Model, TrustPickle


@app.command()
def info(
    model: Model,
    input_shape: InputShape = None,
    arch: Arch = None,
    activation: Activation = None,
    trust_pickle: TrustPickle = False,
) -> None:
    """Show how MODEL is read: operators, layers, neurons, hashes, and every rewrite."""
    with errors_in_one_line():
        from rich.table import Table
        from rich.text import Text

        from polylc.report.model import LAYER_COLUMNS, STEP_COLUMNS, layer_rows, step_rows
        from polylc.report.table import network_line

        network = load_model(model, input_shape, arch, activation, trust_pickle)
        console = terminal.console()
        console.print(Text(network_line(network)))
        console.print(Text(f"sha256 of the file     {network.sha256}"))
        console.print(Text(f"sha256 of the weights  {network.weights_sha256}"))
        shape = "x".join(map(str, network.input_shape)) or str(network.inputs)
        console.print(Text(f"input                  {shape}, output {network.outputs}"))
        for columns, rows in ((STEP_COLUMNS, step_rows(network)), (LAYER_COLUMNS, layer_rows(network))):
            table = Table(box=None, pad_edge=False)
            for name in columns:
                table.add_column(name, justify="right" if name in ("layer", "weights") else "left", overflow="fold")
            for row in rows:
                table.add_row(*map(Text, row))
            if rows:
                console.print(table)
        for line in network.log:
            console.print(Text(f"- {line}"))
