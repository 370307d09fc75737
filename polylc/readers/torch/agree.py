"""A guard against mistakes of the conversion: at random inputs a network agrees with the model it was read from."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from polylc.errors import ModelError
from polylc.network.form import Network, preactivations
from polylc.readers.files import first_line
from polylc.readers.operators.call import Stripped


def require_agreement(network: Network, model: Callable[[np.ndarray], np.ndarray], result: object, source: str) -> None:
    """Compare a network with its model at a few inputs.

    Parameters
    ----------
    network : Network
    model : callable
        From inputs, shape (points, inputs), to outputs, shape (points, outputs), in doubles.
    result : object
        What was read: a softmax is put back.
    source : str

    Raises
    ------
    ModelError
        If the model fails, or computes something else.
    """
    points = np.random.default_rng(0).standard_normal((6, network.inputs)) * np.array([[1.0], [1.0], [0.1], [0.1], [10.0], [0.0]])
    try:
        wanted = model(points)
    except Exception as failure:
        raise ModelError(
            f"{source}: the module fails on a batch of inputs of shape {network.input_shape} ({first_line(failure)}); check the input shape"
        ) from None
    softmax = result.kind if isinstance(result, Stripped) else ""
    with np.errstate(over="ignore", invalid="ignore"):
        hidden, got = preactivations(network, points)
        largest = max(float(np.abs(z).max()) for z in [*hidden, got])
        if softmax:
            got = got - got.max(axis=1, keepdims=True)
            sums = np.exp(got).sum(axis=1, keepdims=True)
            got = got - np.log(sums) if "log" in softmax.lower() else np.exp(got) / sums
        agrees = got.shape == wanted.shape and bool((np.abs(got - wanted) <= 1e-9 * max(largest, 1e-300)).all())
    if not agrees:
        raise ModelError(
            f"{source}: the network that was read does not compute what the module computes (hooks, values changed in place?); "
            "please report this, or build the model as a plain nn.Sequential"
        )
