"""An operator of an ONNX graph, as lowering functions see it. Shapes are whole: the batch of one is their first
axis.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from polylc.errors import UnsupportedLayerError
from polylc.network.builder import Builder, Value
from polylc.network.convolutions import Window
from polylc.readers.arrays import exact_float64
from polylc.readers.files import first_line
from polylc.readers.onnx.evaluate import evaluate
from polylc.readers.onnx.order import called
from polylc.readers.operators.call import Condition, OfOne, Picks, Stripped, show
from polylc.readers.operators.row import Spelling
from polylc.readers.supported import ONNX

Argument = Value | Stripped | Condition | np.ndarray | None

_SEVERAL = frozenset(["Split"])
_OF_SHAPES = frozenset(["Shape", "Size"])


class Node(OfOne):
    """One operator of the graph.

    Parameters
    ----------
    builder : Builder
    proto : onnx.NodeProto
    opset : int
    arguments : sequence
        What the graph has computed for each of its inputs; None where one is left out.
    """

    def __init__(self, builder: Builder, proto: Any, opset: int, arguments: Sequence[Argument]) -> None:
        import onnx

        kind = str(proto.op_type)
        super().__init__(builder, kind, called(proto))
        if proto.domain not in ("", "ai.onnx"):
            raise UnsupportedLayerError(f"{builder.source}: {self.name} belongs to the operator set {proto.domain}; polylc reads only standard ONNX")
        self.proto = proto
        self.opset: int = opset
        self.attributes: dict[str, Any] = {a.name: onnx.helper.get_attribute_value(a) for a in proto.attribute}
        self.inputs = tuple(arguments)
        self.spelling = ONNX[kind][1] if kind in ONNX else Spelling(kind)

    @property
    def arguments(self) -> Sequence[Argument]:
        """The inputs, a stripped softmax seen through."""
        return tuple(a.value if isinstance(a, Stripped) else a for a in self.inputs)

    @property
    def depends_on_input(self) -> bool:
        """Whether any argument does."""
        return any(isinstance(a, Value | Stripped | Condition) for a in self.inputs)

    def find(self, name: str) -> tuple[bool, object]:
        if name not in self.spelling.arguments:
            return False, None
        index = self.spelling.arguments.index(name)
        if name not in self.spelling.defaults and index < len(self.inputs):
            return True, self.arguments[index]
        if name in self.attributes:  # in older operator sets some inputs are attributes
            setting = self.attributes[name]
            return True, setting.decode() if isinstance(setting, bytes) else setting
        default = self.spelling.defaults.get(name)
        return True, float(np.float32(default)) if isinstance(default, float) else default  # as are attributes

    def float64(self, constant: object, name: str) -> np.ndarray:
        if not isinstance(constant, np.ndarray):
            raise self.error(f"needs an array as its {self.label(name)}")
        return self._exact(constant, self.spelling.arguments.index(name))

    def _exact(self, constant: np.ndarray, index: int) -> np.ndarray:
        return exact_float64(constant, f"{self.builder.source}: {self.name}, its argument {self.proto.input[index]!r}")

    def of_two(self, left: Argument, index: int) -> Node:
        """The operator on a result so far and one of its inputs."""
        import onnx

        proto = onnx.NodeProto()
        proto.CopyFrom(self.proto)
        proto.input[:] = [self.proto.input[0], self.proto.input[index]]
        return Node(self.builder, proto, self.opset, (left, self.arguments[index]))

    def label(self, name: str) -> str:
        return f"argument {self.spelling.arguments.index(name)}"

    def run(self) -> object:
        values: list[Value] = []
        constants = [np.zeros(0)]
        given: list[np.ndarray | None] = []
        for index, argument in enumerate(self.arguments):
            if isinstance(argument, Value):
                if not self._is_data(index):
                    raise self.error("takes a shape, indices or a condition from the data, which is not supported; fix them in the model")
                given.append(sum(v.size for v in values) + np.arange(argument.size).reshape(argument.shape))
                values.append(argument)
            elif argument is not None and self._is_data(index):
                assert isinstance(argument, np.ndarray)
                exact = self._exact(argument, index)
                given.append(-1 - sum(c.size for c in constants) - np.arange(exact.size).reshape(exact.shape))
                constants.append(exact.ravel())
            else:
                given.append(argument if isinstance(argument, np.ndarray) else None)
        try:
            found = evaluate(self.proto, self.attributes, given, self.opset)
        except MemoryError:
            raise self.error("makes a value too large for memory; polylc is made for small networks") from None
        except Exception as failure:  # the reference implementation of onnx checks little
            shapes = " and ".join(show(v.shape) for v in values)
            raise self.error(
                f"does not fit a value of shape {shapes} ({first_line(failure, 80)}); give the input shape the model was exported for"
            ) from None
        if self.kind in _OF_SHAPES:
            return found[0]
        return Picks(values, np.concatenate(constants), tuple(found), self.kind in _SEVERAL)

    def _is_data(self, index: int) -> bool:
        """Whether an argument's entries are passed on."""
        return self.kind == "Concat" or index == 0

    def aligned(self) -> tuple[Value | np.ndarray, Value | np.ndarray]:
        pair = []
        for index, argument in enumerate(self.arguments[:2]):
            if not isinstance(argument, Value | np.ndarray):
                raise self.error(f"has no argument {index}; the model is damaged")
            pair.append(argument if isinstance(argument, Value) else self._exact(argument, index))
        return self.broadcast(pair[0], pair[1])

    def window(self, kernel: Sequence[int], sizes: Sequence[int]) -> Window:
        axes = len(kernel)
        strides, dilations = (tuple(self.attributes.get(name, (1,) * axes)) for name in ("strides", "dilations"))
        pads = tuple(self.attributes.get("pads", (0,) * (2 * axes)))
        if len(strides) != axes or len(dilations) != axes or len(pads) != 2 * axes or min(pads) < 0:
            raise self.error(f"has strides, dilations or pads that do not fit {axes} axes; the model is damaged")
        before, after = pads[:axes], pads[axes:]
        mode = self.setting("auto_pad")
        if mode == "VALID":
            before = after = (0,) * axes
        elif mode in ("SAME_UPPER", "SAME_LOWER"):
            reach = [dilations[a] * (kernel[a] - 1) + 1 for a in range(axes)]
            total = [max((-(-sizes[a] // strides[a]) - 1) * strides[a] + reach[a] - sizes[a], 0) for a in range(axes)]
            small, large = tuple(t // 2 for t in total), tuple(t - t // 2 for t in total)
            before, after = (small, large) if mode == "SAME_UPPER" else (large, small)
        elif mode != "NOTSET":
            raise self.error(f"has auto_pad {mode!r}, which is not known")
        return Window(tuple(kernel), strides, before, after, dilations)

    def entries_along(self, axis: int | None) -> int:
        if axis is None:
            raise self.error("does not say its axis")
        shape = self.value.shape
        # before opset 13 operators with an axis took all axes from there on as one
        return shape[axis] if self.opset >= 13 else math.prod(shape[axis:])
