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
    """Show how MODEL is read: layers, neurons, hashes, and every rewrite."""
    with errors_in_one_line():
        from rich.table import Table
        from rich.text import Text

        from polylc.report.table import network_line

        network = load_model(model, input_shape, arch, activation, trust_pickle)
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
