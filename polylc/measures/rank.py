"""Local rank: the rank of each hidden layer's pre-activation Jacobian."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from polylc.complex.regions import Complex


@dataclass(frozen=True)
class LocalRank:
    """Rank of the Jacobian of layer `layer`'s pre-activations (1 is the first hidden layer) over the regions.

    `mean` is weighted by volume; None where volumes are out of reach.
    """

    layer: int
    least: int
    most: int
    mean: float | None


def local_rank(complex_: Complex) -> list[LocalRank]:
    """Rank of dz_l/dx per hidden layer, l = 1..L: smallest, largest, and volume-weighted mean.

    Notes
    -----
    Ranks are numerical: singular values below the rounding of the entries count as zero.
    """
    network = complex_.network
    ranks = np.zeros((len(complex_), len(network.layers)), dtype=np.int64)
    for rows in complex_.batches():
        forms = complex_.forms(rows)
        gradient = forms.hidden[:, :, :-1] / complex_.domain.half
        noise = forms.noise / complex_.domain.half.min()
        for index in range(len(network.layers)):
            here = slice(network.offsets[index], network.offsets[index + 1])
            values = np.linalg.svd(gradient[:, here], compute_uv=False)
            floor = np.sqrt((noise[:, here] ** 2).sum(axis=1)) + values.max(axis=1, initial=0) * np.finfo(float).eps * max(gradient.shape[1:])
            ranks[rows, index] = (values > floor[:, None]).sum(axis=1)
    share = complex_.geometry.volume / float(complex_.domain.volume) if complex_.has_geometry else None
    return [
        LocalRank(index + 1, int(ranks[:, index].min()), int(ranks[:, index].max()), None if share is None else float(share @ ranks[:, index]))
        for index in range(len(network.layers))
    ]
