"""A torch.nn.Module, in memory or out of a file, to the one internal form.

The module is traced symbolically (torch.fx), which walks an nn.Sequential layer by layer and follows the Python code of
any other module. Every step is lowered into the builder, and at the end the network is compared with the module itself.
"""

from __future__ import annotations

import warnings

import numpy as np
import torch
from torch import fx, nn

from polylc.errors import ModelError, PolylcError
from polylc.network.builder import Builder
from polylc.network.form import Network
from polylc.readers.arrays import check_kind
from polylc.readers.files import first_line
from polylc.readers.operators.ends import finish
from polylc.readers.torch.agree import require_agreement
from polylc.readers.torch.graph import Walk
from polylc.readers.torch.lines import at_its_line
from polylc.readers.torch.names import require_supported
from polylc.readers.torch.own_weights import copied
from polylc.readers.torch.shape import input_shape_of


def from_module(module: nn.Module, *, source: str = "", sha256: str = "", input_shape: tuple[int, ...] | None = None) -> Network:
    """Convert a module, which is left as it is.

    Parameters
    ----------
    module : nn.Module
        Taken in evaluation mode and in double precision.
    source, sha256 : str
        Name and hash of the file it came from; without a file, the name is that of its class.
    input_shape : tuple of int, optional
        Shape of one input without a batch dimension.

    Raises
    ------
    ModelError
        If the module cannot be traced, has settings that polylc does not read, or disagrees with what was read.
    UnsupportedLayerError
        If a layer is not piecewise linear or not supported yet.
    """
    module = _unwrapped(module)
    source = source or type(module).__name__
    try:
        with warnings.catch_warnings():
            # torch warns of its own deprecations, which are no concern of the user here
            warnings.simplefilter("ignore")
            try:
                return _convert(module, source, sha256, input_shape)
            except ModelError as error:  # once more, to say where: keeping lines loads much of torch
                raise _with_line(module, source, sha256, input_shape, error) from error.__cause__
    except PolylcError:
        raise
    except MemoryError:
        raise ModelError(f"{source}: its layers unrolled into matrices do not fit into memory; polylc is made for small networks") from None
    except Exception as failure:  # a damaged pickle can hold layers that lack any attribute
        raise ModelError(f"{source}: the module cannot be converted ({type(failure).__name__}: {first_line(failure)}); is it complete?") from failure


def _unwrapped(module: nn.Module) -> nn.Module:
    """The module inside torch.compile or DataParallel, which change how it runs but not what it computes."""
    if type(module).__name__ == "OptimizedModule" and isinstance(inner := getattr(module, "_orig_mod", None), nn.Module):
        return _unwrapped(inner)
    return _unwrapped(module.module) if isinstance(module, nn.DataParallel) else module


def _with_line(module: nn.Module, source: str, sha256: str, input_shape: tuple[int, ...] | None, error: ModelError) -> ModelError:
    """A refusal with the line of the user's forward, where it has one."""
    try:
        _convert(module, source, sha256, input_shape, lines=True)
    except ModelError as located:
        return located if str(located).startswith(str(error)) else error
    except Exception:
        return error
    return error


def _convert(module: nn.Module, source: str, sha256: str, input_shape: tuple[int, ...] | None, lines: bool = False) -> Network:
    if isinstance(module, torch.jit.ScriptModule):
        raise ModelError(f"{source}: this is a TorchScript module, which polylc cannot look into; give the nn.Module it was made from")
    noisy = sorted({type(m).__name__ for m in module.modules() if m.training and isinstance(m, _MODE_DEPENDENT)})
    model, computed = _double_copy(module, source)
    graph = _trace(model, source, lines)
    casts = _without_casts(graph) if not (model._forward_hooks or model._forward_pre_hooks) else []
    model = fx.GraphModule(model, graph) if casts else model
    layers = []
    for node in graph.nodes:
        if node.op == "call_module":
            layers.append(model.get_submodule(str(node.target)))
            try:
                require_supported(source, layers[-1], f"layer {node.target}")
            except ModelError as error:
                raise at_its_line(error, node) from None
    log = [f"{', '.join(casts)} left out: a change of format is the identity on real numbers"] if casts else []
    log += computed
    if noisy:
        log.append(f"the model was in training mode; {', '.join(noisy)} taken in evaluation mode")
    if input_shape is None:
        input_shape, line = input_shape_of(model, layers, source)
        log += [line] if line else []
    builder = Builder(source, input_shape)
    builder.log += log
    with np.errstate(over="ignore", invalid="ignore"):  # an overflow is found and named by the network itself
        result = Walk(builder, model).run(graph)
        network = finish(builder, result, sha256)
    require_agreement(network, lambda points: _computed(model, points.reshape(-1, *input_shape)), result, source)
    return network


def _computed(model: nn.Module, points: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        results: np.ndarray = model(torch.from_numpy(points)).reshape(len(points), -1).numpy()
    return results


_MODE_DEPENDENT = (nn.modules.batchnorm._BatchNorm, nn.modules.dropout._DropoutNd)


def _double_copy(module: nn.Module, source: str) -> tuple[nn.Module, list[str]]:
    for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
        check_kind(tensor, f"{source}: {name}")  # before the conversion to double, which would hide it
    model, log = copied(module, source)
    model = model.cpu().double()
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    # a bare layer has no graph of its own
    bare = type(model).__module__.startswith("torch.nn") and type(model) is not nn.Sequential
    return (nn.Sequential(model) if bare else model), log


def _trace(model: nn.Module, source: str, lines: bool) -> fx.Graph:
    tracer = fx.Tracer()
    tracer.record_stack_traces = lines
    try:
        graph = tracer.trace(model)
    except Exception as failure:
        raise ModelError(
            f"{source}: the module's forward cannot be traced ({first_line(failure)}); "
            "rewrite it without branches on data, or give what torch.export.export makes of it"
        ) from None
    inputs = [node for node in graph.nodes if node.op == "placeholder" and not node.args]
    if len(inputs) != 1:
        raise ModelError(f"{source}: the module takes {len(inputs)} inputs; polylc reads modules of one input")
    return graph


def _without_casts(graph: fx.Graph) -> list[str]:
    """Take x.float() and x.double() out of a graph, which change the format of numbers and round; their names."""
    casts = [n for n in graph.nodes if n.op == "call_method" and n.target in ("float", "double") and len(n.all_input_nodes) == 1]
    for node in casts:
        node.replace_all_uses_with(node.all_input_nodes[0])
        graph.erase_node(node)
    return [f"step {node.name} ({node.target})" for node in casts]
