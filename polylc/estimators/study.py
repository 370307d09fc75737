"""What all estimators share: the network on its neighbourhood, settings, chunks that fit into memory, random points
with fixed seeds.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from polylc.domains.box import Neighbourhood
from polylc.errors import UsageError
from polylc.estimators.balls import SWEEPS, BallSampler
from polylc.estimators.tensors import TensorNetwork, device_of, dtype_of
from polylc.network.form import Network

if TYPE_CHECKING:
    import torch
    from torch import Tensor


SAMPLES, WORK = 4096, 1.5e10  # samples of a method, and products that their Jacobians may take


def affordable_samples(network: Network, dimension: int) -> int:
    """Samples by default: SAMPLES, or fewer, but at least 64, where their Jacobians would take more than WORK
    products.
    """
    affines = [*(layer.affine for layer in network.layers), network.output]
    reading = sum(a.size for a in affines if any(source == 0 for source, _ in a.terms))
    each = min(dimension, max(1, reading)) * sum(w.shape[0] * w.shape[1] for a in affines for source, w in a.terms if source)
    return int(min(SAMPLES, max(64, WORK // max(1, each))))


@dataclass(frozen=True)
class Sampling:
    """How to sample.

    Attributes
    ----------
    samples : int
        Points, for methods that work on points; others take as many lines, groups or batches as cost about the same.
    seed : int
        The same seed, device, dtype and memory give the same numbers.
    device : str
        "cpu", "cuda" or "cuda:0".
    dtype : str
        "float64" or "float32".
    memory : int
        MiB for one chunk of samples, roughly.
    sigma : float
        Standard deviation of the bias noise.
    copies : int
        Copies of the noise in the published recipe, each shared by its share of the points.
    tube : float or None
        Half width of the tubes; None for a hundredth of the narrowest half width of the neighbourhood.
    diamond : float or None
        Radius of the diamonds of Humayun et al.; None for the same times sqrt(n), as the width of a diamond shrinks
        with the dimension n.
    directions : int
        Directions of a diamond, at most (half its vertices); never more than the dimension.
    draws, planes : int
        Draws of the biases for `exact_draws`, planes for `slices`: each is an exact enumeration.
    width : float or None
        The relative width that intervals of `tilted` are to have; a pilot says how many samples that takes. None for
        `samples` of them.
    """

    samples: int = SAMPLES
    seed: int = 0
    device: str = "cpu"
    dtype: str = "float64"
    memory: int = 256
    sigma: float = 0.1
    copies: int = 16
    tube: float | None = None
    diamond: float | None = None
    directions: int = 25
    draws: int = 20
    planes: int = 10
    width: float | None = None

    def __post_init__(self) -> None:
        for name in ("samples", "copies", "draws", "planes"):
            if getattr(self, name) < 2:
                raise UsageError(f"{name}: {getattr(self, name)} is too few; an interval needs at least 2")
        for name in ("sigma", "tube", "diamond", "memory", "directions", "width"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value > 0):
                raise UsageError(f"{name}: {value} is not a positive number")
        if self.seed < 0:
            raise UsageError(f"seed: {self.seed} is negative")
        device_of(self.device)
        dtype_of(self.dtype)

    def as_dict(self) -> dict[str, int | float | str | None]:
        """All settings by name."""
        return {f.name: getattr(self, f.name) for f in fields(self)}


class Study:
    """A network on a neighbourhood, to be sampled.

    Attributes
    ----------
    net : TensorNetwork
    settings : Sampling
    label : int or None
        The class whose margins are the targets of Lipschitz estimates.
    index : int
        Position of the neighbourhood in the run; each has random numbers of its own.
    """

    def __init__(self, network: Network, domain: Neighbourhood, settings: Sampling, label: int | None = None, index: int = 0) -> None:
        self.network, self.domain, self.settings, self.label, self.index = network, domain, settings, label, index

    @cached_property
    def net(self) -> TensorNetwork:
        """The tensors, made when first used."""
        return TensorNetwork(self.network, self.domain, self.settings.device, self.settings.dtype)

    @property
    def dimension(self) -> int:
        """Number of free coordinates."""
        return self.domain.dimension

    @cached_property
    def ball(self) -> BallSampler | None:
        """The l2 or l1 ball that is sampled; None for a box."""
        return None if self.domain.norm == "linf" else BallSampler(self.net, self.domain, self.stream("ball"))

    def only_box(self, method: str, instead: str) -> Neighbourhood:
        """The neighbourhood, for a method that needs a box.

        Raises
        ------
        UsageError
            If it is an l2 or l1 ball.
        """
        if self.domain.norm != "linf":
            raise UsageError(f"{method}: it needs an linf ball or a box, not an {self.domain.norm} ball; {instead}")
        return self.domain

    @property
    def sampling(self) -> str:
        """How points are drawn, where they are not uniform for certain."""
        if self.ball is None or not self.ball.chained:
            return ""
        return f"points are ends of chains of {SWEEPS} sweeps (Gibbs), taken for uniform, since the box leaves little of the ball"

    @property
    def narrowest(self) -> float:
        """Half width of the neighbourhood in its narrowest direction."""
        half = float(self.domain.half.min())
        if self.ball is None:
            return half
        return min(half, self.ball.radius / (math.sqrt(self.dimension) if self.ball.norm == "l1" else 1.0))

    def stream(self, method: str) -> torch.Generator:
        """A random stream for each method and neighbourhood, so that estimates do not depend on which others are asked
        for.
        """
        import torch

        generator = torch.Generator(device=self.net.device)
        state = np.random.SeedSequence(self.entropy(method)).generate_state(2)
        generator.manual_seed(int(state[0]) << 31 | int(state[1]) >> 1)
        return generator

    def entropy(self, method: str) -> list[int]:
        """The seed of a method's random numbers here."""
        return [self.settings.seed, zlib.crc32(method.encode()), self.index]

    def chunks(self, samples: int, bytes_each: int | None = None) -> Iterator[int]:
        """Sizes of chunks that sum to `samples` and each fit into memory."""
        each = self.net.bytes_per_sample() if bytes_each is None else bytes_each
        size = max(1, min(65536, self.settings.memory * 2**20 // max(1, each)))
        for begin in range(0, samples, size):
            yield min(size, samples - begin)

    def uniform(self, count: int, stream: torch.Generator) -> Tensor:
        """Points uniform on the neighbourhood, by their free coordinates; shape (count, n)."""
        net = self.net
        if self.ball is not None:
            return self.ball.uniform(count, stream)
        share = net.torch.rand((count, net.inputs), generator=stream, device=net.device, dtype=net.dtype)
        points: Tensor = net.lower + share * (net.upper - net.lower)
        return points

    def normal(self, shape: tuple[int, ...], stream: torch.Generator) -> Tensor:
        """Standard normal numbers."""
        net = self.net
        numbers: Tensor = net.torch.randn(shape, generator=stream, device=net.device, dtype=net.dtype)
        return numbers

    def frames(self, groups: int, many: int, stream: torch.Generator) -> Tensor:
        """Orthonormal vectors, Haar distributed; shape (groups, many, n)."""
        torch = self.net.torch
        q, r = torch.linalg.qr(self.normal((groups, self.dimension, many), stream))
        sign = torch.sign(torch.diagonal(r, dim1=1, dim2=2))
        vectors: Tensor = (q * sign[:, None, :]).transpose(1, 2)
        return vectors


def to_numpy(tensor: Tensor) -> np.ndarray:
    """A tensor as an array of doubles on the CPU."""
    import torch

    result: np.ndarray = tensor.to("cpu", torch.float64).numpy()
    return result
