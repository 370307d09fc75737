"""A network on a neighbourhood as torch tensors: batches of points through it, and Jacobians by masked matrix products.

Coordinates that the neighbourhood fixes are folded into the biases, so everything here has the free coordinates as
inputs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from polylc.domains.box import Neighbourhood
from polylc.errors import UsageError
from polylc.network.form import Affine, Network
from polylc.network.weights import dense

if TYPE_CHECKING:
    import torch
    from torch import Tensor

DTYPES = ("float64", "float32")


@dataclass(frozen=True)
class TensorAffine:
    """An affine map of earlier outputs.

    `terms` has weights of shape (size, width); source 0 are the free coordinates. `bias` contains the fixed
    coordinates, `own_bias` is that of the network. `seed` is the derivative by the input in the reduced coordinates of
    `TensorNetwork.frame`, transposed, shape (r, size); None where the map does not read the input.
    """

    terms: tuple[tuple[int, Tensor], ...]
    bias: Tensor
    own_bias: Tensor
    seed: Tensor | None


class TensorNetwork:
    """`network` restricted to the free coordinates of `domain`, on a device.

    Attributes
    ----------
    inputs : int
        Number n of free coordinates.
    layers, output : TensorAffine
        Affine maps of the hidden layers and of the output.
    slopes : list of (Tensor, Tensor)
        Slopes of the units of each layer below and above zero.
    frame : Tensor, shape (r, n)
        Orthonormal rows that span all input weights, r <= n. Jacobians are computed in these coordinates: J = J~ frame,
        with the same row norms, singular values and rank.
    """

    def __init__(self, network: Network, domain: Neighbourhood, device: str = "cpu", dtype: str = "float64") -> None:
        import torch

        self.network, self.domain = network, domain
        self.device, self.dtype = device_of(device), dtype_of(dtype)
        self.inputs = domain.dimension
        self.lower = self.tensor(domain.middle[domain.free] - domain.half)
        self.upper = self.tensor(domain.middle[domain.free] + domain.half)
        affines = [*(layer.affine for layer in network.layers), network.output]
        reading = [dense(weight)[:, domain.free] for affine in affines for source, weight in affine.terms if source == 0]
        stacked = np.concatenate(reading) if reading else np.zeros((0, self.inputs))
        frame = np.linalg.qr(stacked.T)[0].T if len(stacked) < self.inputs else np.eye(self.inputs)
        self.frame = self.tensor(frame)
        made = [self._affine(affine, frame) for affine in affines]
        self.layers, self.output = made[:-1], made[-1]
        self.slopes = [(self.tensor(layer.negative), self.tensor(layer.positive)) for layer in network.layers]
        self.widths = network.widths
        self.torch = torch
        self._last_use = [
            max([i for i, a in enumerate(affines) if any(s == source for s, _ in a.terms)], default=0) for source in range(len(affines))
        ]

    def tensor(self, array: ArrayLike) -> Tensor:
        """An array on this network's device, in its number type."""
        import torch

        # not all are writable, as those of a model's file are not; torch would warn
        return torch.from_numpy(np.require(array, np.float64, ["C", "W"])).to(self.device, self.dtype)

    def _affine(self, affine: Affine, frame: np.ndarray) -> TensorAffine:
        free = self.domain.free
        fixed = np.setdiff1d(np.arange(self.domain.inputs), free)
        bias, terms, seed = affine.bias.copy(), [], None
        for source, weight in affine.terms:
            weight = dense(weight)
            if source == 0:
                bias = bias + weight[:, fixed] @ self.domain.middle[fixed]
                weight = weight[:, free]
                seed = self.tensor(frame @ weight.T)
            terms.append((source, self.tensor(weight)))
        return TensorAffine(tuple(terms), self.tensor(bias), self.tensor(affine.bias), seed)

    # ---- values --------------------------------------------------------------------------------------------------
    def apply(self, affine: TensorAffine, values: Sequence[Tensor] | Mapping[int, Tensor], count: int | None = None) -> Tensor:
        """An affine map of earlier outputs, each of shape (B, width), by source; `count` is B where source 0 is not
        among them.
        """
        z = affine.bias.expand(len(values[0]) if count is None else count, -1)
        for source, weight in affine.terms:
            z = self.torch.addmm(z, values[source], weight.T)
        return z

    def unit(self, layer: int, z: Tensor) -> Tensor:
        """Outputs of the units of a layer (from 0)."""
        below, above = self.slopes[layer]
        return self.torch.where(z > 0, above * z, below * z)

    def slope(self, layer: int, z: Tensor) -> Tensor:
        """Slopes of the units of a layer (from 0)."""
        below, above = self.slopes[layer]
        return self.torch.where(z > 0, above, below)

    def preactivations(
        self, points: Tensor, noise: Sequence[Tensor | None] | None = None, layers: int | None = None
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Pre-activations at points of shape (B, n), without and with each neuron's own noise.

        Parameters
        ----------
        noise : list of tensors, optional
            Added to the biases of each layer; shape (B, width) or (width,).
        layers : int, optional
            Only the first so many layers.

        Returns
        -------
        means, noisy : list of Tensor, shape (B, width)
            In both, earlier layers carry their noise; `means` leaves out the neuron's own.
        """
        values, means, noisy = [points], [], []
        for index, affine in enumerate(self.layers[:layers]):
            mean = self.apply(affine, values)
            own = None if noise is None else noise[index]
            z = mean if own is None else mean + own
            means.append(mean)
            noisy.append(z)
            values.append(self.unit(index, z))
        return means, noisy

    def outputs(self, points: Tensor) -> Tensor:
        """Outputs at points of shape (B, n)."""
        _, z = self.preactivations(points)
        return self.apply(self.output, [points, *(self.unit(i, v) for i, v in enumerate(z))])

    def slopes_at(self, points: Tensor) -> list[Tensor]:
        """Slopes of the units of every layer at points of shape (B, n)."""
        _, z = self.preactivations(points)
        return [self.slope(i, v) for i, v in enumerate(z)]

    def patterns(self, points: Tensor) -> Tensor:
        """Activation bits (z > 0) of all neurons; shape (B, neurons)."""
        _, z = self.preactivations(points)
        return self.torch.cat([v > 0 for v in z], dim=1) if z else self.torch.zeros((len(points), 0), dtype=self.torch.bool, device=self.device)

    # ---- derivatives ---------------------------------------------------------------------------------------------
    def jacobians(self, slopes: Sequence[Tensor]) -> Iterator[Tensor]:
        """Jacobians of the pre-activations of layers 1..L and of the output, transposed and in reduced coordinates.

        Parameters
        ----------
        slopes : list of Tensor, shape (B, width)
            Slopes of the units of every hidden layer.

        Yields
        ------
        Tensor, shape (B or 1, r, width)
            J_l^T = sum over sources of (J_s^T D_s) W_{l,s}^T: one matrix product for the whole batch.
        """
        kept: dict[int, Tensor] = {}
        for index, affine in enumerate([*self.layers, self.output]):
            total = None if affine.seed is None else affine.seed[None]
            for source, weight in affine.terms:
                if source:
                    term = (kept[source] * slopes[source - 1][:, None, :]) @ weight.T
                    total = term if total is None else total + term
            if total is None:
                total = self.torch.zeros((1, len(self.frame), len(affine.bias)), dtype=self.dtype, device=self.device)
            for source in [s for s in kept if self._last_use[s] <= index]:
                del kept[source]
            if index < len(self.layers):
                kept[index + 1] = total
            yield total

    def row_norms(self, slopes: Sequence[Tensor]) -> Iterator[Tensor]:
        """Norms of the gradients of all neurons of each hidden layer in turn; shape (B or 1, width)."""
        for jacobian, _ in zip(self.jacobians(slopes), self.layers, strict=False):
            yield self.torch.linalg.vector_norm(jacobian, dim=1)

    def output_jacobian(self, slopes: Sequence[Tensor]) -> Tensor:
        """The Jacobian of the output, transposed and in reduced coordinates; shape (B, r, outputs)."""
        last = None
        for jacobian in self.jacobians(slopes):
            last = jacobian
        assert last is not None
        return last.expand(len(slopes[0]) if slopes else 1, -1, -1)

    # ---- chunks --------------------------------------------------------------------------------------------------
    def bytes_per_sample(self) -> int:
        """Rough memory that one sample takes on the way through the Jacobians."""
        widest = max([*self.widths, self.network.outputs])
        held = 4 if self.network.is_chain else 3 + len(self.widths)
        return self.lower.element_size() * (len(self.frame) * widest * held + 6 * self.network.neurons + 4 * self.inputs)


def device_of(name: str) -> torch.device:
    """A torch device that is there.

    Raises
    ------
    UsageError
        If torch does not know it, or the machine does not have it.
    """
    import torch

    try:
        device = torch.device(name)
    except RuntimeError:
        raise UsageError(f"device: {name!r} is unknown; give cpu, cuda or cuda:0") from None
    if device.type not in ("cpu", "cuda"):
        raise UsageError(f"device: {name!r} is not supported; give cpu or cuda")
    if device.type == "cuda" and not (torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count()):
        raise UsageError(f"device: {name} is not there: torch finds {torch.cuda.device_count()} CUDA devices")
    return device


def dtype_of(name: str) -> torch.dtype:
    """float64 or float32.

    Raises
    ------
    UsageError
        For any other name.
    """
    import torch

    if name not in DTYPES:
        raise UsageError(f"dtype: {name!r} is unknown; choose {' or '.join(DTYPES)}")
    return torch.float64 if name == "float64" else torch.float32
