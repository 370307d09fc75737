"""Follows the traced graph of a module: every step is looked up in the table, then lowered or refused."""

from __future__ import annotations

import operator
from dataclasses import replace
from typing import Any

from torch import fx, nn

from polylc.errors import ModelError
from polylc.network.builder import Builder, Value
from polylc.readers.operators.call import Stripped
from polylc.readers.supported import softmax_inside, unsupported
from polylc.readers.torch.calls import LayerCall, Step, StepCall
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
        started = False
        for node in graph.nodes:
            if node.op == "placeholder":
                self.known[node] = node.args[0] if started and node.args else self.builder.input
                started = True
            elif node.op == "get_attr":
                self.known[node] = operator.attrgetter(str(node.target))(self.model)
            elif node.op == "output":
                result = fx.node.map_arg(node.args[0], self.known.__getitem__)
                if not isinstance(result, Value | Stripped):
                    kind = type(result).__name__.removeprefix("immutable_")  # torch.fx has its own lists and dicts
                    raise ModelError(f"{self.source}: the module returns a {kind}, not one tensor that depends on its input")
                return result
            else:
                self.known[node] = self.step(node)
        raise ModelError(f"{self.source}: the module returns nothing")

    def step(self, node: fx.Node) -> object:
        """The result of one operation: a value, a stripped one, or a constant."""
        step = self.described(node)
        layer = self.model.get_submodule(str(node.target)) if node.op == "call_module" else None
        found = look_up(type(layer) if layer is not None else node.target)
        seen = [part for n in node.all_input_nodes for part in (self.known[n] if isinstance(self.known[n], tuple) else (self.known[n],))]
        stripped = next((value for value in seen if isinstance(value, Stripped)), None)
        if stripped and not (found and found[0].after_softmax):
            raise softmax_inside(self.source, stripped.name)
        taken_out = node.target in (operator.getitem, getattr) and isinstance(self.known[node.all_input_nodes[0]], tuple)
        if taken_out or not any(isinstance(value, Value | Stripped) for value in seen):
            return step.call(*step.args, **step.kwargs)
        row, spelling = found or (None, None)
        if row is None or row.lower is None or spelling is None:
            raise unsupported(self.source, step.name, step.kind, "torch")
        if stripped:
            step = replace(step, args=tuple(a.value if isinstance(a, Stripped) else a for a in step.args))
        result = row.lower(StepCall(self.builder, step, spelling) if layer is None else self.layer_call(layer, step))
        return Stripped(result, stripped.kind, stripped.name) if stripped and isinstance(result, Value) else result

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
