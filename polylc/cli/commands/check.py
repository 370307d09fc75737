"""`polylc check`: verify a proof file."""

from __future__ import annotations

from typing import Annotated

import typer

from polylc.cli.app import app, errors_in_one_line, load_model
from polylc.cli.options import Activation, Arch, InputShape, TrustPickle


@app.command()
def check(
    proof: Annotated[str, typer.Argument(help="Proof file written by polylc certify --proof.", show_default=False)],
    model: Annotated[str | None, typer.Option(help="Model whose weights must be those of the proof.", show_default=False)] = None,
    input_shape: InputShape = None,
    arch: Arch = None,
    activation: Activation = None,
    trust_pickle: TrustPickle = False,
    jobs: Annotated[int, typer.Option(min=1, help="Processes, for proofs of queries.")] = 1,
    full: Annotated[bool, typer.Option("--full", help="Print all coordinates and all digits of what was verified.")] = False,
) -> None:
    """Check PROOF, exactly and independently of what wrote it.

    The same check runs without polylc: copy polylc/checker.py anywhere and run python -I checker.py PROOF.
    """
    from polylc import checker

    weights = said = None
    if model is not None:
        from polylc.proof.refutation import compact_network  # without a model the checker is all that is needed

        with errors_in_one_line():
            network = load_model(model, input_shape, arch, activation, trust_pickle)
            weights, said = network.weights_sha256, compact_network(network)
    raise typer.Exit(checker.main([proof, "--jobs", str(jobs), *(["--full"] if full else [])], weights, said))
