"""`frame`: a box of parameters along given directions of input space, for `certify`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from polylc.api.neighbourhoods import one_point
from polylc.domains.frame import Frame, spanned
from polylc.errors import NeighbourhoodError
from polylc.readers.load import as_network


def frame(network: Any, origin: Any, directions: Sequence[Any], *, low: Any = -1, high: Any = 1) -> Frame:
    """Inputs x = origin + s_1 d_1 + ... + s_k d_k with bounds of s; `certify` takes it in place of points.

    Parameters
    ----------
    network : Network, path, or torch.nn.Module
        Its inputs say what a point is.
    origin : array_like, shape (n,), or the model's own shape
        Floats are taken as the rationals they are, strings as exact decimals.
    directions : sequence of array_like, each like `origin`
        One to n of them, independent. d_j is what the j-th has at right angles to those before it, computed in
        rationals; orthogonal directions, of any length, stay as they are.
    low, high : number, or sequence of k numbers
        Bounds of the parameters.

    Returns
    -------
    Frame
        Exact in every digit; lengths and volumes in it are those of the inputs, l2.

    Raises
    ------
    NeighbourhoodError
        If directions depend on each other, are no inputs of the network, or bounds leave no interior.

    Examples
    --------
    >>> import numpy as np
    >>> from polylc.api.certify import certify
    >>> from polylc.network.form import chain
    >>> net = chain([np.eye(3), np.ones((1, 3))], [np.zeros(3), np.zeros(1)])
    >>> found = certify(net, frame(net, [0, 0, 0], [[3, 4, 0], [-4, 3, 0], [0, 0, 1]]))[0]
    >>> found.regions, found.volume.value
    (8, 200.0)
    """
    network = as_network(network)
    given = list(directions)
    if not 1 <= len(given) <= network.inputs:
        raise NeighbourhoodError(f"frame: {len(given)} directions for {network.inputs} inputs; give one to {network.inputs}")
    named = [one_point(d, network, f"direction {j}") for j, d in enumerate(given, start=1)]
    found = spanned(one_point(origin, network, "origin"), named, low, high)
    if found.inputs != network.inputs:
        raise NeighbourhoodError(f"frame: the origin has {found.inputs} coordinates, the network {network.inputs} inputs")
    return found
