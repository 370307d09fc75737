"""Weights that a layer computes from others, computed once: weight_norm, spectral_norm, pruning, parametrisations."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn
from torch.nn.utils import parametrize, prune

from polylc.errors import ModelError
from polylc.readers.files import first_line

_REMOVE: dict[str, Any] = {"SpectralNorm": nn.utils.remove_spectral_norm, "WeightNorm": nn.utils.remove_weight_norm}


def copied(module: nn.Module, source: str) -> tuple[nn.Module, list[str]]:
    """A copy of a module in evaluation mode whose layers have weights of their own, as the module computes them in its
    own format; and lines for the log.

    Raises
    ------
    ModelError
        If it cannot be copied.
    """
    # torch copies no tensor that was computed; the old functions keep such weights beside what they are computed from
    computed = {id(t): t.detach().clone() for m in module.modules() for t in vars(m).values() if isinstance(t, torch.Tensor) and not t.is_leaf}
    try:
        model = copy.deepcopy(module, computed).eval()
    except Exception as failure:
        raise ModelError(f"{source}: the module cannot be copied ({first_line(failure)}); save it and load it anew") from None
    log = []
    for name, layer in model.named_modules():
        place = f"layer {name} ({_kind(layer)})" if name else f"the {_kind(layer)}"
        for hook in list(layer._forward_pre_hooks.values()):
            remove = prune.remove if isinstance(hook, prune.BasePruningMethod) else _REMOVE.get(type(hook).__name__)
            if remove is not None and type(hook).__module__.startswith("torch.nn.utils"):
                tensor = hook._tensor_name if isinstance(hook, prune.BasePruningMethod) else hook.name
                remove(layer, tensor)
                log.append(f"{place}: its {tensor}, which it computes from others ({type(hook).__name__}), taken as it is")
        if parametrize.is_parametrized(layer):
            log += [f"{place}: its {tensor}, which it computes from others (parametrisation), taken as it is" for tensor in _settle(layer)]
    return model, log


def _settle(layer: nn.Module) -> list[str]:
    """Give a parametrised layer plain weights; their names. torch's own function would change the class that it shares
    with the layer it was copied from.
    """
    known: Any = layer.parametrizations
    computed = {name: getattr(layer, name).detach().clone() for name in known}
    layer.__class__ = type(layer).__bases__[0]
    del layer._modules["parametrizations"]
    for name, weight in computed.items():
        layer.register_parameter(name, nn.Parameter(weight, requires_grad=False))
    return list(computed)


def _kind(layer: nn.Module) -> str:
    return type(layer).__name__.removeprefix("Parametrized")
