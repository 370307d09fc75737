"""`.onnx` files to the one internal form.

The graph is followed for a batch of one, which is part of the shape of every value. What depends on no input is
computed on the way.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from polylc.errors import ModelError, PolylcError
from polylc.network.builder import Builder, Value
from polylc.network.form import Network
from polylc.readers.files import first_line, quiet, shown
from polylc.readers.onnx.evaluate import MOST_ENTRIES
from polylc.readers.onnx.external import load_external
from polylc.readers.onnx.graph import lower_node, refuse_hopeless
from polylc.readers.onnx.node import Node
from polylc.readers.onnx.order import in_order
from polylc.readers.operators.call import Stripped
from polylc.readers.operators.ends import finish

if TYPE_CHECKING:
    import onnx

T = TypeVar("T")


def from_onnx(content: bytes, *, source: str, sha256: str, input_shape: tuple[int, ...] | None = None) -> Network:
    """The network in the bytes of an `.onnx` file.

    Parameters
    ----------
    content : bytes
    source : str
        The file's path; weights kept in a file beside it are found from here.
    sha256 : str
    input_shape : tuple of int, optional
        Shape of one input without the batch dimension, where the file leaves it open.

    Raises
    ------
    ModelError
        If the file is damaged, or its graph is not one input, one output and operators that polylc reads.
    """
    return guarded(content, source, lambda model: _convert(model, source, sha256, input_shape))


def guarded(content: bytes, source: str, convert: Callable[[onnx.ModelProto], T]) -> T:
    """What a function makes of the file, with everything that may go wrong told as a `ModelError`."""
    import onnx

    try:
        model = onnx.load_model_from_string(content)
    except Exception:  # protobuf's DecodeError, which is not importable everywhere
        raise ModelError(f"{source}: not an ONNX model, or truncated; export or copy it again") from None
    if not model.graph.node or not model.opset_import:
        raise ModelError(f"{source}: not an ONNX model, or one without operators; export it again")
    try:
        with quiet():  # an overflow is found and named by the network itself
            return convert(model)
    except PolylcError:
        raise
    except MemoryError:
        raise ModelError(f"{source}: its layers unrolled into matrices do not fit into memory; polylc is made for small networks") from None
    except Exception as failure:  # a damaged graph can lack anything
        raise ModelError(f"{source}: the ONNX graph is malformed ({type(failure).__name__}: {first_line(failure)}); export it again") from failure


def _convert(model: onnx.ModelProto, source: str, sha256: str, input_shape: tuple[int, ...] | None) -> Network:
    inputs = graph_inputs(model, source)
    builder, known = lowered(model, source, inputs, [entry.name for entry in model.graph.output], input_shape)
    return finish(builder, _joined_outputs(builder, [entry.name for entry in model.graph.output], known), sha256)


def graph_inputs(model: onnx.ModelProto, source: str) -> list[onnx.ValueInfoProto]:
    """The inputs of the graph that are no weights."""
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [entry for entry in model.graph.input if entry.name not in weights]
    if not inputs or not model.graph.output:
        raise ModelError(f"{source}: the graph has {len(inputs)} inputs and {len(model.graph.output)} outputs; the file is damaged, export it again")
    return inputs


def lowered(
    model: onnx.ModelProto,
    source: str,
    inputs: Sequence[onnx.ValueInfoProto],
    wanted: Sequence[str],
    input_shape: tuple[int, ...] | None,
) -> tuple[Builder, dict[str, Any]]:
    """All nodes carried out: the builder, and what each name of the graph stands for. Names in `wanted` are used."""
    opset = max((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), default=0)
    if opset < OLDEST:
        raise ModelError(f"{source}: opset {opset} is too old; convert the model with onnx.version_converter to opset 13")
    known, notes = _weights(model, source)
    builder = _with_inputs(inputs, known, input_shape, source)
    builder.log += notes
    used = {name for node in model.graph.node for name in node.input} | set(wanted)
    nodes = in_order(model.graph.node, known, source)
    refuse_hopeless(nodes, [entry.name for entry in inputs], source)
    computed, formats = 0, {entry.name: entry.type.tensor_type.elem_type for entry in inputs}
    for proto in nodes:
        node = Node(builder, proto, opset, [known.get(name) if name else None for name in proto.input])
        results = lower_node(node)
        if any(name and name in used for name in proto.output[len(results) :]):
            raise node.error("has several outputs that are used, of which polylc reads only the first")
        if node.depends_on_input:
            formats |= dict.fromkeys(proto.output, _format_of(node, formats))
        known.update((name, result) for name, result in zip(proto.output, results, strict=False) if name)
        computed += sum(a.size for a in results if isinstance(a, np.ndarray))
        if computed > 4 * MOST_ENTRIES:
            raise MemoryError
    return builder, known


OLDEST, NEWEST = 7, 23
"""Operator sets that are read: the oldest, and the newest that docs/conformance.md has."""


def _with_inputs(inputs: Sequence[onnx.ValueInfoProto], known: dict[str, Any], wanted: tuple[int, ...] | None, source: str) -> Builder:
    """A builder whose input is that of the graph, or all of them one after the other."""
    if len(inputs) == 1:
        shape = full_shape(inputs[0], wanted, source)
        builder = Builder(source, shape)
        known[inputs[0].name] = builder.input
        if wanted is None and len(shape) > 1 and shape[0] > 1:
            one = ",".join(map(str, shape[1:]))
            builder.note(f"the input of shape {','.join(map(str, shape))} is taken as one; if it is a batch, give --input-shape {one}")
        return builder
    if wanted is not None:
        raise ModelError(f"{source}: the graph has {len(inputs)} inputs, whose shapes one --input-shape cannot give; export it with fixed shapes")
    shapes = [full_shape(entry, None, source) for entry in inputs]
    sizes = [math.prod(shape) for shape in shapes]
    builder = Builder(source, (sum(sizes),))
    first = 0
    for entry, shape, size in zip(inputs, shapes, sizes, strict=True):
        known[entry.name] = builder.pick([builder.input], first + np.arange(size).reshape(shape), np.zeros(0), entry.name)
        builder.note(f"input {shown(entry.name)!r} of shape {','.join(map(str, shape))} is entries {first} to {first + size - 1}")
        first += size
    return builder


def _joined_outputs(builder: Builder, names: Sequence[str], known: dict[str, Any]) -> Value | Stripped:
    """The output, or all of them one after the other."""
    found: list[Value | Stripped] = []
    for name in names:
        result = known.get(name)
        if not isinstance(result, Value | Stripped):
            raise ModelError(f"{builder.source}: the output {shown(name)!r} does not depend on the input; the graph is damaged")
        found.append(result)
    if len(found) == 1:
        return found[0]
    values, first = [], 0
    for name, result in zip(names, found, strict=True):
        if isinstance(result, Stripped):
            raise ModelError(f"{builder.source}: the output {shown(name)!r} is a softmax, one of several outputs; leave the softmax out")
        builder.note(f"output {shown(name)!r} of shape {','.join(map(str, result.shape))} is entries {first} to {first + result.size - 1}")
        values.append(result)
        first += result.size
    return builder.pick(values, np.arange(first), np.zeros(0), "outputs")


def _format_of(node: Node, formats: dict[str, int]) -> int:
    """The floating format that the model computes a value in; a cast to a narrower one is logged, since it rounds."""
    before = next(formats[name] for name in node.proto.input if name in formats)
    after = node.attributes.get("to", before) if node.kind == "Cast" else before
    if _DIGITS.get(after, 0) < _DIGITS.get(before, 0):
        node.builder.note(f"{node.name}: taken as the identity; the model rounds there, the network analysed does not")
    return int(after)


_DIGITS = {11: 53, 1: 24, 10: 11, 16: 8}  # of double, float32, float16, bfloat16, as ONNX numbers them


def _weights(model: onnx.ModelProto, source: str) -> tuple[dict[str, Any], list[str]]:
    """The initializers by name, and lines for the log."""
    import onnx.numpy_helper

    if model.graph.sparse_initializer:
        raise ModelError(f"{source}: it has sparse weights, which are not supported; export it with dense weights")
    notes = load_external(model, source)
    weights: dict[str, Any] = {}
    for tensor in model.graph.initializer:
        if tensor.name in weights:
            raise ModelError(f"{source}: there are two initializers named {shown(tensor.name)!r}; the graph is damaged, export it again")
        weights[tensor.name] = onnx.numpy_helper.to_array(tensor)
    return weights, notes


def full_shape(entry: onnx.ValueInfoProto, wanted: tuple[int, ...] | None, source: str) -> tuple[int, ...]:
    """The shape of the input for a batch of one; a first dimension that is 1, symbolic or zero is the batch."""
    field = entry.type.tensor_type
    declared = [d.dim_value if d.HasField("dim_value") and d.dim_value > 0 else None for d in field.shape.dim] if field.HasField("shape") else None
    ask = "pass the shape of one input (--input-shape C,H,W)"
    if declared is None:
        if wanted is None:
            raise ModelError(f"{source}: the graph does not say the shape of its input {entry.name!r}; {ask}")
        return (1, *wanted)
    open_batch = bool(declared) and declared[0] is None
    concrete = [1 if index == 0 and open_batch else d for index, d in enumerate(declared)]
    if wanted is None:
        if None in concrete:
            raise ModelError(f"{source}: the shape of its input {entry.name!r} is left open; {ask}")
        return tuple(d for d in concrete if d is not None)
    for candidate in (wanted, (1, *wanted)):
        # a fixed batch other than one is read as one where the shape asked for says so
        pairs = list(zip(concrete, candidate, strict=False)) if len(candidate) == len(concrete) else [(1, 0)]
        if all(d in (None, c) or (i == 0 and c == 1) for i, (d, c) in enumerate(pairs)):
            return candidate
    if None not in concrete and math.prod(d for d in concrete if d is not None) == math.prod(wanted):
        return tuple(d for d in concrete if d is not None)
    shown = ",".join("?" if d is None else str(d) for d in declared)
    given = ",".join(map(str, wanted))
    raise ModelError(f"{source}: its input has shape {shown}, which {given} does not fit; give the shape without the batch dimension")
