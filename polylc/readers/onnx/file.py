"""`.onnx` files to the one internal form.

The graph is followed for a batch of one, which is part of the shape of every value. What depends on no input is
computed on the way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from polylc.errors import ModelError, PolylcError
from polylc.network.builder import Builder
from polylc.network.form import Network
from polylc.readers.files import first_line, quiet, shown
from polylc.readers.onnx.evaluate import MOST_ENTRIES
from polylc.readers.onnx.external import load_external
from polylc.readers.onnx.graph import lower_node, refuse_hopeless
from polylc.readers.onnx.node import Node
from polylc.readers.onnx.order import in_order
from polylc.readers.onnx.tape import Tape
from polylc.readers.operators.call import Condition
from polylc.readers.operators.ends import finish
from polylc.readers.whole import joined_outputs, with_inputs

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
    return finish(builder, joined_outputs(builder, [(entry.name, known.get(entry.name)) for entry in model.graph.output]), sha256)


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
    tape: Tape | None = None,
) -> tuple[Builder, dict[str, Any]]:
    """All nodes carried out: the builder, and what each name of the graph stands for.

    Names in `wanted` are used; a tape gets every node.
    """
    opset = max((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), default=0)
    if opset < OLDEST:
        raise ModelError(f"{source}: opset {opset} is too old; convert the model with onnx.version_converter to opset 13")
    known, notes = _weights(model, source)
    builder, values = with_inputs({entry.name: declared_shape(entry) for entry in inputs}, input_shape, source)
    known |= values
    builder.log += notes
    used = {name for node in model.graph.node for name in node.input} | set(wanted)
    nodes = in_order(model.graph.node, known, source)
    refuse_hopeless(nodes, [entry.name for entry in inputs], wanted, source)
    computed, formats = 0, {entry.name: entry.type.tensor_type.elem_type for entry in inputs}
    for proto in nodes:
        node = Node(builder, proto, opset, [known.get(name) if name else None for name in proto.input])
        builder.rounded = False
        results = lower_node(node)
        if tape is not None:
            tape.note(node, results, builder.rounded)
        if any(name and name in used for name in proto.output[len(results) :]):
            raise node.error("has several outputs that are used, of which polylc reads only the first")
        if node.depends_on_input and not isinstance(results[0], Condition):
            formats |= dict.fromkeys(proto.output, _format_of(node, formats))
        known.update((name, result) for name, result in zip(proto.output, results, strict=False) if name)
        computed += sum(a.size for a in results if isinstance(a, np.ndarray))
        if computed > 4 * MOST_ENTRIES:
            raise MemoryError
    return builder, known


OLDEST, NEWEST = 7, 23
"""Operator sets that are read: the oldest, and the newest that docs/conformance.md has."""


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


def declared_shape(entry: onnx.ValueInfoProto) -> list[int | None] | None:
    """The shape that the graph says; dimensions that are symbolic or zero are left open."""
    field = entry.type.tensor_type
    if not field.HasField("shape"):
        return None
    return [d.dim_value if d.HasField("dim_value") and d.dim_value > 0 else None for d in field.shape.dim]
