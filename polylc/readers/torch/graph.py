"""Follows the traced graph of a module: every step is looked up in the table, then lowered or refused."""

from __future__ import annotations

import operator
from dataclasses import replace
from typing import Any

from torch import fx, nn

from polylc.errors import ModelError
from polylc.network.builder import Builder, Value
from polylc.readers.operators.call import Condition, Stripped
from polylc.readers.operators.row import Operator, Spelling
from polylc.readers.supported import softmax_inside, unsupported
from polylc.readers.torch.calls import LayerCall, Step, StepCall
from polylc.readers.torch.lines import at_its_line
from polylc.readers.torch.names import look_up


class Walk:
    """Follows a traced graph; `self.known` holds a Value, a Stripped value or a constant for every node so far."""

    def __init__(self, builder: Builder, model: nn.Module) -> None:
        self.builder = builder
        self.source = builder.source
        self.model = model
        self.known: dict[fx.Node, Any] = {}  # torch.fx types arguments so

    def run(self, graph: fx.Graph) -> Value | Stripped:
        """The value of the graph's output."""
        for node in graph.nodes:
            if node.op == "placeholder":
                self.known[node] = self.placeholder(node)
            elif node.op == "get_attr":
                self.known[node] = operator.attrgetter(str(node.target))(self.model)
            elif node.op == "output":
                return self.output(node)
            elif not self.is_check(node):
                self.known[node] = self.step(node)
        raise ModelError(f"{self.source}: the module returns nothing")

    def placeholder(self, node: fx.Node) -> object:
        """What an argument of the graph stands for: the first for the input, others for their defaults."""
        return node.args[0] if self.known and node.args else self.builder.input

    def output(self, node: fx.Node) -> Value | Stripped:
        """The value that the graph returns."""
        result = fx.node.map_arg(node.args[0], self.known.__getitem__)
        if isinstance(result, Condition):
            raise unsupported(self.source, result.name, result.kind, "torch")
        if not isinstance(result, Value | Stripped):
            kind = type(result).__name__.removeprefix("immutable_")  # torch.fx has its own lists and dicts
            raise ModelError(f"{self.source}: the module returns a {kind}, not one tensor that depends on its input")
        return result

    def is_check(self, node: fx.Node) -> bool:
        """Whether a step computes nothing, and only checks sizes."""
        return False

    def step(self, node: fx.Node) -> object:
        """The result of one operation: a value, a stripped one, or a constant."""
        try:
            return self._step(node)
        except ModelError as error:
            raise at_its_line(error, node) from error.__cause__

    def _step(self, node: fx.Node) -> object:
        step = self.described(node)
        layer = self.model.get_submodule(str(node.target)) if node.op == "call_module" else None
        found = self.found(node, layer)
        seen = [part for n in node.all_input_nodes for part in (self.known[n] if isinstance(self.known[n], tuple) else (self.known[n],))]
        stripped = next((value for value in seen if isinstance(value, Stripped)), None)
        if stripped and not (found and found[0].after_softmax):
            raise softmax_inside(self.source, stripped.name)
        taken_out = node.target in (operator.getitem, getattr) and isinstance(self.known[node.all_input_nodes[0]], tuple)
        if taken_out or not any(isinstance(value, Value | Stripped | Condition) for value in seen):
            return step.call(*step.args, **step.kwargs)
        row, spelling = found or (None, None)
        if row is None or row.lower is None or spelling is None:
            raise unsupported(self.source, step.name, step.kind, "torch")
        if stripped:
            args = tuple(a.value if isinstance(a, Stripped) else a for a in step.args)
            step = replace(step, args=args, kwargs={name: a.value if isinstance(a, Stripped) else a for name, a in step.kwargs.items()})
        result = self.lowered(row, spelling, step, layer)
        return Stripped(result, stripped.kind, stripped.name) if stripped and isinstance(result, Value) else result

    def found(self, node: fx.Node, layer: nn.Module | None) -> tuple[Operator, Spelling] | None:
        """The row of an operation; None if it has none."""
        return look_up(type(layer) if layer is not None else node.target)

    def lowered(self, row: Operator, spelling: Spelling, step: Step, layer: nn.Module | None) -> object:
        """What becomes of an operation on a value."""
        assert row.lower is not None
        return row.lower(StepCall(self.builder, step, spelling) if layer is None else self.layer_call(layer, step))

    def layer_call(self, layer: nn.Module, step: Step) -> LayerCall:
        """A layer that acts on one value."""
        if len(step.args) != 1 or step.kwargs or not isinstance(step.args[0], Value):
            raise ModelError(f"{self.source}: {step.name} is called with other arguments than one tensor, which polylc cannot follow")
        return LayerCall(self.builder, layer, step.args[0], step.name)

    def described(self, node: fx.Node) -> Step:
        """An operation, its arguments put in."""
        args = fx.node.map_arg(node.args, self.known.__getitem__)
        kwargs = fx.node.map_arg(node.kwargs, self.known.__getitem__)
        if node.op == "call_module":
            layer = self.model.get_submodule(str(node.target))
            kind = type(layer).__name__
            return Step(kind, f"layer {node.target} ({kind})", layer, args, kwargs)
        if node.op == "call_method":
            kind = str(node.target)
            return Step(kind, f"step {node.name} ({kind})", lambda first, *more, **named: getattr(first, kind)(*more, **named), args, kwargs)
        kind = getattr(node.target, "__name__", str(node.target))
        assert callable(node.target)
        return Step(kind, f"step {node.name} ({kind})", node.target, args, kwargs)
