"""Follows the traced graph of a module and lowers it step by step."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import fx, nn
from torch.nn import functional

from polylc.errors import ModelError, UnsupportedLayerError
from polylc.network.builder import Builder, Value
from polylc.readers.arrays import tensor_float64
from polylc.readers.supported import softmax_inside, unsupported
from polylc.readers.torch.layers import Stripped, lower_layer, move_entries


class Walk:
    """Follows a traced graph; `self.known` holds a Value, a Stripped value or a constant for every node so far."""

    def __init__(self, builder: Builder, model: nn.Module) -> None:
        self.builder = builder
        self.source = builder.source
        self.model = model
        self.known: dict[fx.Node, Any] = {}

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

    def step(self, node: fx.Node) -> Any:
        """The value of one operation."""
        seen = [self.known[n] for n in node.all_input_nodes]
        args = fx.node.map_arg(node.args, self.known.__getitem__)
        kwargs = fx.node.map_arg(node.kwargs, self.known.__getitem__)
        kind = str(node.target) if node.op == "call_method" else getattr(node.target, "__name__", str(node.target))
        place = f"layer {node.target}" if node.op == "call_module" else f"step {node.name}"
        for value in seen:
            if isinstance(value, Stripped) and not self.keeps(node):
                raise softmax_inside(self.source, value.place.rpartition(" (")[0], value.kind)
        if not any(isinstance(v, Value | Stripped) for v in seen):
            return getattr(args[0], kind)(*args[1:], **kwargs) if node.op == "call_method" else _called(node)(*args, **kwargs)
        first = args[0] if args else None
        if isinstance(first, Stripped):
            return Stripped(self.step_on(node, first.value, args, kwargs, place, kind), first.kind, first.place)
        return self.step_on(node, first, args, kwargs, place, kind)

    def keeps(self, node: fx.Node) -> bool:
        """Whether an operation leaves the entries of its argument alone."""
        if node.op == "call_module":
            return isinstance(self.model.get_submodule(str(node.target)), nn.Identity | nn.Dropout)
        return node.target in _UNCHANGED

    def step_on(self, node: fx.Node, first: Any, args: Any, kwargs: Any, place: str, kind: str) -> Any:
        """An operation with at least one argument that depends on the input."""
        if node.op == "call_module":
            if not isinstance(first, Value) or len(args) != 1 or kwargs:
                raise ModelError(f"{self.source}: {place} is called with other arguments than one tensor, which polylc cannot follow")
            return lower_layer(self.builder, self.model.get_submodule(str(node.target)), first, place)
        target = node.target
        if target in _ARITHMETIC and len(args) == 2:
            return self.arithmetic(_ARITHMETIC[target], args[0], args[1], kwargs, f"{place} ({kind})")
        if isinstance(first, Value) and not any(isinstance(a, Value) for a in [*args[1:], *kwargs.values()]):
            if target in _UNCHANGED:
                return first
            if target in _AS_LAYER:
                settings = {key: setting for key, setting in kwargs.items() if key not in ("_stacklevel", "dtype")}
                return lower_layer(self.builder, _AS_LAYER[target](*args[1:], **settings), first, place)
            if target in _NEGATION:
                return self.builder.scale_shift(first, np.array(-1.0), None, place)
            if target is functional.dropout:
                return self.dropout(first, place, *args[1:], **kwargs)
            if target in _PRODUCTS and len(args) == 2 and isinstance(args[1], torch.Tensor) and args[1].dim() == 2:
                return self.linear(first, place, args[1].t())
            if target is functional.linear:
                return self.linear(first, place, *args[1:], **kwargs)
            if target in _MOVES:
                call = (lambda probe: getattr(probe, kind)(*args[1:], **kwargs)) if node.op == "call_method" else None
                return move_entries(self.builder, first, place, call or (lambda probe: _called(node)(probe, *args[1:], **kwargs)))
        raise unsupported(self.source, place, kind)

    def arithmetic(self, sign: str, left: Any, right: Any, kwargs: dict[str, Any], name: str) -> Value:
        """left + right, -, * or /, where at least one side is a value."""
        if kwargs:
            raise ModelError(f"{self.source}: {name} is called with {', '.join(kwargs)}, which polylc does not read; write it as plain arithmetic")
        if isinstance(left, Value) and isinstance(right, Value):
            if sign not in "+-":
                raise UnsupportedLayerError(f"{self.source}: {name} combines two values that depend on the input, which is not piecewise linear")
            if left.shape != right.shape:
                raise ModelError(f"{self.source}: {name} broadcasts values of shapes {left.shape} and {right.shape}; polylc adds only equal shapes")
            return self.builder.add(left, right, name, 1.0 if sign == "+" else -1.0)
        if isinstance(right, Value):
            constant = self.constant(left, right, name)
            if sign == "/":
                raise UnsupportedLayerError(f"{self.source}: {name} divides by a value that depends on the input, which is not piecewise linear")
            if sign == "*":
                return self.builder.scale_shift(right, constant, None, name)
            return self.builder.scale_shift(right, np.array(-1.0) if sign == "-" else None, constant, name)
        constant = self.constant(right, left, name)
        if sign in "+-":
            return self.builder.scale_shift(left, None, constant if sign == "+" else -constant, name)
        if sign == "/" and not constant.all():
            raise ModelError(f"{self.source}: {name} divides by zero")
        return self.builder.scale_shift(left, constant if sign == "*" else 1.0 / constant, None, name)

    def constant(self, constant: Any, value: Value, name: str) -> np.ndarray:
        """A number or tensor as an array that broadcasts to the value's shape (without the batch axis)."""
        if isinstance(constant, torch.Tensor):
            array = tensor_float64(constant.double() if not constant.is_complex() else constant, f"{self.source}: the constant of {name}")
        elif isinstance(constant, int | float) and np.isfinite(constant):
            array = np.array(float(constant))
        else:
            raise ModelError(f"{self.source}: {name} combines a value with {constant!r}, which polylc does not read")
        if array.ndim == len(value.shape) + 1 and array.shape[0] == 1:
            array = array[0]
        try:
            fits = np.broadcast_shapes(array.shape, value.shape) == value.shape
        except ValueError:
            fits = False
        if not fits:
            raise ModelError(f"{self.source}: {name} combines a value of shape {value.shape} with a constant of shape {array.shape}")
        return array

    def linear(self, value: Value, place: str, weight: torch.Tensor, bias: torch.Tensor | None = None) -> Value:
        """F.linear with constant weights."""
        name = f"{place} (linear)"
        offset = None if bias is None else tensor_float64(bias, f"{self.source}: the bias of {name}")
        return self.builder.linear(value, tensor_float64(weight, f"{self.source}: the weight of {name}"), offset, name)

    def dropout(self, value: Value, place: str, p: float = 0.5, training: bool = True, inplace: bool = False) -> Value:
        """F.dropout, which is random unless it is told that the model is not training."""
        if training and p:
            raise ModelError(f"{self.source}: {place} (dropout) is random even in evaluation mode; call it with training=self.training")
        return value


def _called(node: fx.Node) -> Callable[..., Any]:
    assert callable(node.target)
    return node.target


# Functions stand for themselves, strings for tensor methods.
_ARITHMETIC: dict[Any, str] = {
    **dict.fromkeys([operator.add, operator.iadd, torch.add, "add", "add_"], "+"),
    **dict.fromkeys([operator.sub, operator.isub, torch.sub, "sub", "sub_"], "-"),
    **dict.fromkeys([operator.mul, operator.imul, torch.mul, "mul", "mul_"], "*"),
    **dict.fromkeys([operator.truediv, operator.itruediv, torch.div, "div", "div_"], "/"),
}
_AS_LAYER: dict[Any, Callable[..., nn.Module]] = {
    **dict.fromkeys([torch.relu, torch.relu_, functional.relu, functional.relu_, "relu", "relu_"], nn.ReLU),
    **dict.fromkeys([functional.leaky_relu, functional.leaky_relu_], nn.LeakyReLU),
    **dict.fromkeys([torch.softmax, functional.softmax, "softmax"], nn.Softmax),
    **dict.fromkeys([torch.log_softmax, functional.log_softmax, "log_softmax"], nn.LogSoftmax),
    functional.avg_pool2d: nn.AvgPool2d,
}
_PRODUCTS: frozenset[Any] = frozenset([operator.matmul, torch.matmul, torch.mm, "matmul", "mm"])
_NEGATION: frozenset[Any] = frozenset([operator.neg, torch.neg, "neg"])
_UNCHANGED: frozenset[Any] = frozenset(["contiguous", "clone", "detach", torch.clone])
_MOVING_METHODS = "flatten reshape view unflatten squeeze unsqueeze permute transpose size dim"
_MOVING_FUNCTIONS = (torch.flatten, torch.reshape, torch.unflatten, torch.squeeze, torch.unsqueeze, torch.permute, torch.transpose, getattr)
_MOVES: frozenset[Any] = frozenset([*_MOVING_METHODS.split(), *_MOVING_FUNCTIONS])
