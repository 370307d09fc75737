"""`polylc supports`: what polylc can be asked, one option for each capability of VNN-LIB 2.0."""

from __future__ import annotations

from typing import Annotated

import typer

from polylc.cli.app import app, errors_in_one_line
from polylc.errors import UsageError


def _flag(name: str, what: str) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(f"--{name}", help=what)
    return option


@app.command()
def supports(
    onnx_opset_versions: Annotated[bool, _flag("onnx-opset-versions", "Oldest and newest ONNX operator set.")] = False,
    onnx_element_types: Annotated[bool, _flag("onnx-element-types", "Element types whose arithmetic verdicts are proved in.")] = False,
    onnx_operators: Annotated[bool, _flag("onnx-operators", "ONNX operators.")] = False,
    vnnlib_versions: Annotated[bool, _flag("vnnlib-versions", "Oldest and newest version of VNN-LIB.")] = False,
    hidden_node_theories: Annotated[bool, _flag("hidden-node-theories", "Whether queries may speak of hidden nodes.")] = False,
    multiple_input_output_theories: Annotated[bool, _flag("multiple-input-output-theories", "Whether of several inputs and outputs.")] = False,
    multiple_network_theories: Annotated[bool, _flag("multiple-network-theories", "Whether of several networks.")] = False,
    multiple_node_comparison_theories: Annotated[bool, _flag("multiple-node-comparison-theories", "Whether of several nodes in a row.")] = False,
    arithmetic_complexity_theories: Annotated[bool, _flag("arithmetic-complexity-theories", "What arithmetic they may have.")] = False,
    optimised_disjunctive_reasoning: Annotated[bool, _flag("optimised-disjunctive-reasoning", "Whether `or` is no mere list of queries.")] = False,
    serialise_assignments: Annotated[bool, _flag("serialise-assignments", "Whether assignments can be written as tensors.")] = False,
    unsat_proofs: Annotated[bool, _flag("unsat-proofs", "Whether there are proofs in the format of VNN-LIB (see --proof for polylc's own).")] = False,
) -> None:
    """Say what queries and models polylc takes, in the words of VNN-LIB 2.0, section 5.4. Give one option."""
    asked = {name.replace("_", "-") for name, value in locals().items() if value is True}
    with errors_in_one_line():
        from polylc.readers.capabilities import capabilities

        known = capabilities()
        if len(asked) != 1:
            raise UsageError(f"supports: give one of {', '.join(f'--{name}' for name in known)}")
        for line in known[asked.pop()]:
            typer.echo(line)
