"""`plane`: the plane through three inputs of a network, for `certify`."""

from __future__ import annotations

from typing import Any

from polylc.api.neighbourhoods import one_point
from polylc.domains.frame import MARGIN, Frame, through
from polylc.readers.load import as_network


def plane(network: Any, a: Any, b: Any, c: Any, *, margin: object = MARGIN) -> Frame:
    """The plane through three inputs, with bounds around them; `certify` takes it in place of points.

    Parameters
    ----------
    network : Network, path, or torch.nn.Module
        Its inputs say what a point is.
    a, b, c : array_like, shape (n,), or the model's own shape
        Floats are taken as the rationals they are, strings as exact decimals.
    margin : number
        By how much it reaches beyond the three, as a share of their extent in either direction.

    Returns
    -------
    Frame
        x = a + s_1 d_1 + s_2 d_2 with d_1 = b - a and d_2 what c - a has beside it, all exact, and bounds of s.

    Raises
    ------
    NeighbourhoodError
        If the points lie on a line, or are no inputs of the network.

    Examples
    --------
    >>> import numpy as np
    >>> from polylc.api.certify import certify
    >>> from polylc.network.form import chain
    >>> net = chain([np.eye(3), np.ones((1, 3))], [np.zeros(3), np.zeros(1)])
    >>> view = plane(net, [1, 0, 0], [-1, 0, 0], [0, 1, 1], margin=0.5)
    >>> certify(net, view)[0].regions
    4
    """
    network = as_network(network)
    return through([one_point(a, network, "a"), one_point(b, network, "b"), one_point(c, network, "c")], margin=margin)
