"""`.onnx` files with the tensors that a query speaks of: several inputs and outputs, and tensors inside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from polylc.errors import ModelError
from polylc.network.builder import Value
from polylc.readers.files import shown
from polylc.readers.model import Model, Tensor
from polylc.readers.onnx.file import declared_shape, graph_inputs, guarded, lowered
from polylc.readers.onnx.tape import Tape
from polylc.readers.operators.call import Stripped
from polylc.readers.whole import full_shape

if TYPE_CHECKING:
    import onnx


def onnx_model(content: bytes, *, source: str, sha256: str, hidden: Sequence[str] = (), shapes: Sequence[tuple[int, ...]] = ()) -> Model:
    """The network in the bytes of an `.onnx` file with its tensors, and some hidden ones as further outputs.

    Parameters
    ----------
    content : bytes
    source, sha256 : str
    hidden : sequence of str
        Names of tensors in the graph, or of nodes with one output.
    shapes : sequence of tuple of int
        Whole shapes of the inputs, used for those that the file leaves open.

    Raises
    ------
    ModelError
        As `from_onnx`, and if there is no tensor of a name.
    """
    found = guarded(content, source, lambda model: _with_tensors(model, source, sha256, hidden, shapes))
    return replace(found, tape=lambda: guarded(content, source, lambda model: _taped(model, content, source, hidden, shapes)))


def _taped(model: onnx.ModelProto, content: bytes, source: str, hidden: Sequence[str], shapes: Sequence[tuple[int, ...]]) -> Tape:
    """The nodes of the graph, for the same tensors."""
    inputs, names = _named(model, source, hidden, shapes)
    elements = tuple(element_name(entry.type.tensor_type.elem_type) for entry in inputs)
    tape = Tape(elements, [], names, content)
    tape.builder, known = lowered(model, source, inputs, names, None, tape)
    tape.inputs += [(entry.name, known[entry.name].shape) for entry in inputs]
    tape.constants |= {name: known[name] for name in names if isinstance(known.get(name), np.ndarray)}
    return tape


def _named(
    model: onnx.ModelProto, source: str, hidden: Sequence[str], shapes: Sequence[tuple[int, ...]]
) -> tuple[list[onnx.ValueInfoProto], list[str]]:
    """The inputs, with the sizes that were left open, and the names of the outputs and of the hidden tensors."""
    inputs = graph_inputs(model, source)
    for entry, shape in zip(inputs, shapes, strict=False):
        _filled(entry, shape)
    makers = {name: node for node in model.graph.node for name in node.output if name}
    by_node = {node.name: node.output[0] for node in model.graph.node if node.name and len([n for n in node.output if n]) == 1}
    inside = [name if name in makers else by_node.get(name, name) for name in hidden]
    for name in inside:
        if name not in makers:
            raise ModelError(f"{source}: no node of the graph makes a tensor {shown(name)!r}; polylc info shows its nodes, a viewer its names")
    return inputs, [*(entry.name for entry in model.graph.output), *inside]


def _with_tensors(model: onnx.ModelProto, source: str, sha256: str, hidden: Sequence[str], shapes: Sequence[tuple[int, ...]]) -> Model:
    inputs, names = _named(model, source, hidden, shapes)
    builder, known = lowered(model, source, inputs, names, None)
    types = {entry.name: element_name(entry.type.tensor_type.elem_type) for entry in (*model.graph.value_info, *model.graph.output, *inputs)}
    values, tensors = [], []
    for name in names:
        result = known.get(name)
        softmax = result.kind if isinstance(result, Stripped) else ""
        value = result.value if isinstance(result, Stripped) else result
        if isinstance(value, np.ndarray):
            value = _constant_value(value, f"{source}: the tensor {shown(name)!r}")
        if not isinstance(value, Value):
            raise ModelError(f"{source}: the output {shown(name)!r} is made by no node; the graph is damaged")
        if softmax:
            builder.note(f"{shown(name)}: final {softmax} left out, the outputs are what goes into it")
        tensors.append(Tensor(name, types.get(name, ""), value.shape, softmax, not value.terms))
        values.append(value)
    whole = values[0] if len(values) == 1 else builder.pick(values, np.arange(sum(v.size for v in values)), np.zeros(0), "outputs")
    count = len(model.graph.output)
    given = tuple(Tensor(entry.name, types[entry.name], full_shape(entry.name, declared_shape(entry), None, source)) for entry in inputs)
    network = builder.finish(whole, sha256)
    return Model(network, given, tuple(tensors[:count]), tuple(tensors[count:]), tuple(node.op_type for node in model.graph.node))


def _filled(entry: onnx.ValueInfoProto, shape: tuple[int, ...]) -> None:
    """Give an input the sizes that the file leaves open, where a shape has them."""
    field = entry.type.tensor_type.shape
    if not entry.type.tensor_type.HasField("shape"):
        for size in shape:
            field.dim.add().dim_value = size
    elif len(field.dim) == len(shape):
        for dim, size in zip(field.dim, shape, strict=True):
            if not (dim.HasField("dim_value") and dim.dim_value > 0):
                dim.dim_value = size


def _constant_value(array: np.ndarray, what: str) -> Value:
    """A value that is the same for every input."""
    doubles = array.astype(np.float64)
    if array.dtype.kind not in "fiub" or (array.dtype.kind in "iu" and (doubles.astype(object) != array.astype(object)).any()):
        raise ModelError(f"{what} is a constant of {array.dtype} that doubles cannot hold")
    return Value(array.shape, (), doubles.ravel())


def element_name(number: int) -> str:
    """The name of an element type that ONNX gives a number, such as float32; empty for unknown ones."""
    import onnx

    if number not in onnx.TensorProto.DataType.values():
        return ""
    name = str(onnx.TensorProto.DataType.Name(number)).lower()
    return {"float": "float32", "double": "float64", "undefined": ""}.get(name, name)
