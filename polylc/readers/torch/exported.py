"""Programs of torch.export, in memory or out of `.pt2` files, to the one internal form.

The exported graph is followed for a batch of one, as a graph of ONNX is, and at the end the network is compared with
the graph itself. Constants are computed in doubles.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import fx, nn

from polylc.errors import ModelError, PolylcError
from polylc.network.builder import Builder, Value
from polylc.network.form import Network
from polylc.readers.arrays import check_kind
from polylc.readers.files import first_line, shown
from polylc.readers.operators.call import Stripped
from polylc.readers.operators.ends import finish
from polylc.readers.operators.row import Operator, Spelling
from polylc.readers.supported import unsupported
from polylc.readers.torch.agree import require_agreement
from polylc.readers.torch.aten import ROWS, SPELLING, AtenCall, in_doubles, is_aten, may_run, plain_name
from polylc.readers.torch.calls import Step
from polylc.readers.torch.graph import Walk
from polylc.readers.torch.recomposed import recomposed
from polylc.readers.whole import Declared, joined_outputs, with_inputs


@dataclass(frozen=True)
class Program:
    """A graph of ATen operators, with all that it needs.

    Attributes
    ----------
    graph : fx.Graph
        Its output is a tuple.
    inputs : mapping
        The shape of each input that the user gives, by the name of its placeholder; None where it is left open.
    constants : mapping
        What the other placeholders stand for: weights, buffers and constants.
    outputs : sequence of int
        Which entries of the graph's output are those of the model.
    """

    graph: fx.Graph
    inputs: Mapping[str, Declared]
    constants: Mapping[str, object]
    outputs: Sequence[int]


def from_exported(program: torch.export.ExportedProgram, *, input_shape: tuple[int, ...] | None = None) -> Network:
    """The network of an exported program in memory.

    Parameters
    ----------
    program : torch.export.ExportedProgram
    input_shape : tuple of int, optional
        Shape of one input without the batch dimension, where the program leaves it open.

    Raises
    ------
    ModelError
        If the program has no input, or operators or settings that polylc does not read.
    """
    kinds = torch.export.graph_signature.InputKind
    known = {**program.constants, **program.state_dict}
    inputs: dict[str, Declared] = {}
    constants: dict[str, object] = {}
    placeholders = {node.name: node for node in program.graph.nodes if node.op == "placeholder"}
    for spec in program.graph_signature.input_specs:
        name = spec.arg.name
        if spec.kind is not kinds.USER_INPUT:
            constants[name] = known.get(str(spec.target))
        elif isinstance(found := placeholders[name].meta.get("val"), torch.Tensor):
            inputs[name] = [int(d) if isinstance(d, int) else None for d in found.shape]
        else:
            constants[name] = found  # a number that was fixed
    wanted = torch.export.graph_signature.OutputKind.USER_OUTPUT
    outputs = [index for index, spec in enumerate(program.graph_signature.output_specs) if spec.kind is wanted]
    return from_program(Program(program.graph, inputs, constants, outputs), source="ExportedProgram", input_shape=input_shape)


def from_program(program: Program, *, source: str, sha256: str = "", input_shape: tuple[int, ...] | None = None) -> Network:
    """The network of a program.

    Raises
    ------
    ModelError
        As `from_exported`.
    """
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            return _convert(program, source, sha256, input_shape)
    except PolylcError:
        raise
    except MemoryError:
        raise ModelError(f"{source}: its layers unrolled into matrices do not fit into memory; polylc is made for small networks") from None
    except Exception as failure:  # a damaged graph can lack anything
        raise ModelError(f"{source}: the exported graph is malformed ({type(failure).__name__}: {first_line(failure)}); export it again") from failure


def _convert(program: Program, source: str, sha256: str, input_shape: tuple[int, ...] | None) -> Network:
    if not program.inputs or not program.outputs:
        raise ModelError(f"{source}: the program has {len(program.inputs)} inputs and {len(program.outputs)} outputs; export it again")
    builder, values = with_inputs(program.inputs, input_shape, source)
    constants = {name: _wide(constant, f"{source}: {shown(name)}") for name, constant in program.constants.items()}
    walk = AtenWalk(builder, {**constants, **values}, program.outputs)
    with np.errstate(over="ignore", invalid="ignore"):  # an overflow is found and named by the network itself
        result = walk.run(recomposed(program.graph))
        network = finish(builder, result, sha256)
    shapes = [value.shape for value in values.values()]
    require_agreement(network, lambda points: _computed(program, constants, shapes, torch.from_numpy(points)), result, source)
    return network


def _wide(constant: object, where: str) -> object:
    """A tensor with doubles for floating numbers, which changes none of them."""
    if not isinstance(constant, torch.Tensor):
        return constant
    check_kind(constant, where)
    constant = constant.detach().cpu()
    return constant.double() if constant.is_floating_point() else constant


class AtenWalk(Walk):
    """Follows a graph of ATen operators from what its placeholders stand for."""

    def __init__(self, builder: Builder, given: Mapping[str, object], outputs: Sequence[int]) -> None:
        super().__init__(builder, nn.Module())
        self.given, self.outputs = given, outputs

    def placeholder(self, node: fx.Node) -> object:
        return self.given[node.name]

    def output(self, node: fx.Node) -> Value | Stripped:
        results = node.args[0]
        assert isinstance(results, tuple | list)
        chosen = [results[index] for index in self.outputs]
        return joined_outputs(self.builder, [(str(one), self.known[one] if isinstance(one, fx.Node) else one) for one in chosen])

    def found(self, node: fx.Node, layer: nn.Module | None) -> tuple[Operator, Spelling] | None:
        row = ROWS.get(plain_name(node.target)) if is_aten(node.target) else None
        return None if row is None else (row, SPELLING)

    def lowered(self, row: Operator, spelling: Spelling, step: Step, layer: nn.Module | None) -> object:
        target: Any = step.target
        return AtenCall(self.builder, step, target).lowered(row)

    def described(self, node: fx.Node) -> Step:
        args = fx.node.map_arg(node.args, self.known.__getitem__)
        kwargs = fx.node.map_arg(node.kwargs, self.known.__getitem__)
        kind = plain_name(node.target)
        name = f"step {node.name} ({kind})"
        if node.op != "call_function":
            raise unsupported(self.source, name, kind, "torch")
        target: Any = node.target
        return Step(kind, name, in_doubles(target) if may_run(target) else _refusing(self.source, name, kind), args, kwargs, target)

    def is_check(self, node: fx.Node) -> bool:
        return plain_name(node.target).startswith(("_assert", "sym_constrain_range"))


def _refusing(source: str, name: str, kind: str) -> Any:
    def refuse(*_: object, **__: object) -> object:
        raise unsupported(source, name, kind, "torch")

    return refuse


def _computed(program: Program, constants: Mapping[str, object], shapes: Sequence[tuple[int, ...]], points: torch.Tensor) -> np.ndarray:
    """What the graph itself computes in doubles, one point after the other."""
    results = []
    for point in points:
        given = {name: constant.clone() if isinstance(constant, torch.Tensor) else constant for name, constant in constants.items()}
        first = 0
        for name, shape in zip(program.inputs, shapes, strict=True):
            size = int(np.prod(shape))
            given[name] = point[first : first + size].reshape(shape)
            first += size
        known: dict[fx.Node, Any] = {}
        for node in program.graph.nodes:
            args, kwargs = (fx.node.map_arg(part, known.__getitem__) for part in (node.args, node.kwargs))
            if node.op == "placeholder":
                known[node] = given[node.name]
            elif node.op == "call_function" and may_run(node.target):
                known[node] = in_doubles(node.target)(*args, **kwargs)
            elif node.op == "output":
                results.append(torch.cat([args[0][index].reshape(-1) for index in program.outputs]).numpy())
    return np.stack(results)
