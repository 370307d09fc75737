"""`line`: the line through two inputs of a network, for `certify`."""

from __future__ import annotations

from typing import Any

from polylc.api.neighbourhoods import one_point
from polylc.domains.frame import Frame, through
from polylc.readers.load import as_network


def line(network: Any, a: Any, b: Any, *, margin: object = 0) -> Frame:
    """The segment between two inputs; `certify` takes it in place of points.

    Parameters
    ----------
    network : Network, path, or torch.nn.Module
        Its inputs say what a point is.
    a, b : array_like, shape (n,), or the model's own shape
        Floats are taken as the rationals they are, strings as exact decimals.
    margin : number
        By how much it reaches beyond the two, as a share of their distance.

    Returns
    -------
    Frame
        x = a + s (b - a), exact, and bounds of s.

    Raises
    ------
    NeighbourhoodError
        If the points are the same, or are no inputs of the network.

    Examples
    --------
    >>> import numpy as np
    >>> from polylc.api.certify import certify
    >>> from polylc.network.form import chain
    >>> net = chain([np.eye(2), np.array([[1.0, -1.0], [0.0, 0.5]])], [np.zeros(2), np.zeros(2)])
    >>> found = certify(net, line(net, [-1, 1], [2, 1]))[0].breakpoints()
    >>> [str(s) for s in found.at], [(str(low), str(high), best) for low, high, best in found.classes]
    (['0', '1/3', '1'], [('0', '5/6', 1), ('5/6', '1', 0)])
    """
    network = as_network(network)
    return through([one_point(a, network, "a"), one_point(b, network, "b")], margin=margin)
