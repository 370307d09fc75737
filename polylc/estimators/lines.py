"""Local complexity and kink variation from random lines (Crofton's formula), each enumerated completely."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from polylc.estimators.coarea import ACTIVATION, OPEN
from polylc.estimators.estimate import Estimate, Moments
from polylc.estimators.goodness import good_neurons
from polylc.estimators.study import Study, to_numpy

if TYPE_CHECKING:
    import torch
    from torch import Tensor

ROUNDING = "breakpoints in floating point"


@dataclass(frozen=True)
class Crossings:
    """What lines of a batch cross; all of shape (lines,).

    Attributes
    ----------
    activation : Tensor
        Bits that flip.
    open : Tensor
        Breakpoints where a flipping neuron is good on either side.
    kink : Tensor
        Sum over breakpoints of the Frobenius norm of the jump of the Jacobian.
    """

    activation: Tensor
    open: Tensor
    kink: Tensor


def lines(study: Study) -> list[Estimate]:
    """E7: lines through uniform points with uniform directions; crossings by length, over c_n."""
    stream, moments = study.stream("lines"), Moments()
    factor = 1.0 / crofton_constant(study.dimension)
    for count in study.chunks(line_count(study), _bytes_per_line(study)):
        start, direction = uniform_lines(study, count, stream)
        entry, length = chords(study, start, direction)
        moments.add(to_numpy(_columns(study, entry, direction, length) / length[:, None] * factor))
    return _estimates("lines", moments, "independent lines through uniform points (t-interval)")


def boundary_lines(study: Study) -> list[Estimate]:
    """E7 with the invariant measure of lines: uniform boundary points, directions by the cosine law; crossings times
    H(dU) / 2|U|.
    """
    stream, moments = study.stream("boundary_lines"), Moments()
    faces = 0.5 / study.only_box("boundary_lines", "lines estimates the same").half  # areas of the pairs of opposite faces, over 2|U|
    factor = float(faces.sum())  # H(dU) / 2|U|
    for count in study.chunks(line_count(study), _bytes_per_line(study)):
        start, direction = cosine_lines(study, count, faces / factor, stream)
        entry, length = chords(study, start, direction)
        moments.add(to_numpy(_columns(study, entry, direction, length) * factor))
    return _estimates("boundary_lines", moments, "independent lines of the invariant measure (t-interval)")


def _estimates(method: str, moments: Moments, assumptions: str) -> list[Estimate]:
    assumptions = f"{assumptions}; {ROUNDING}"
    return [moments.estimate(method, target, column, assumptions=assumptions) for column, target in enumerate((ACTIVATION, OPEN, "kink_variation"))]


def _columns(study: Study, entry: Tensor, direction: Tensor, length: Tensor) -> Tensor:
    found = crossings(study, entry, direction, length)
    columns: Tensor = study.net.torch.stack([found.activation, found.open, found.kink], dim=1)
    return columns


def line_count(study: Study) -> int:
    """Lines that cost about as much as the samples of other methods: a line has tens of intervals."""
    return max(32, study.settings.samples // 8)


def _bytes_per_line(study: Study) -> int:
    net = study.net
    intervals = study.network.neurons + 2  # a line crosses few of the neurons of a layer, but may cross deep ones often
    return (
        intervals
        * net.lower.element_size()
        * (4 * study.network.neurons + 3 * net.inputs + len(net.frame) * 3 * max(*net.widths, net.network.outputs, 1))
    )


def crofton_constant(n: int) -> float:
    """c_n = Gamma(n/2) / (sqrt(pi) Gamma((n+1)/2)), the mean of |u_1| over the unit sphere of R^n.

    Examples
    --------
    >>> round(crofton_constant(2) * 3.141592653589793, 12), round(crofton_constant(3), 12)
    (2.0, 0.5)
    """
    return math.exp(math.lgamma(0.5 * n) - math.lgamma(0.5 * (n + 1))) / math.sqrt(math.pi)


def uniform_lines(study: Study, count: int, stream: torch.Generator) -> tuple[Tensor, Tensor]:
    """Uniform points of the neighbourhood and uniform unit vectors; two tensors (count, n)."""
    start = study.uniform(count, stream)
    direction = study.normal((count, study.dimension), stream)
    return start, direction / study.net.torch.linalg.vector_norm(direction, dim=1, keepdim=True)


def cosine_lines(study: Study, count: int, shares: np.ndarray, stream: torch.Generator) -> tuple[Tensor, Tensor]:
    """Uniform points of the boundary, and inward unit vectors u with density proportional to the cosine with the inward
    normal.

    A uniform point of the unit ball of the tangent space, lifted to the hemisphere above it, has the cosine law.
    """
    torch, n, net = study.net.torch, study.dimension, study.net
    axis = torch.multinomial(net.tensor(shares), count, replacement=True, generator=stream)
    top = torch.rand(count, generator=stream, device=net.device, dtype=net.dtype) < 0.5
    every = torch.arange(count, device=net.device)
    start = study.uniform(count, stream)
    start[every, axis] = torch.where(top, net.upper[axis], net.lower[axis])
    direction = study.normal((count, n), stream)
    direction[every, axis] = 0.0
    size = torch.linalg.vector_norm(direction, dim=1, keepdim=True)
    radius = torch.rand((count, 1), generator=stream, device=net.device, dtype=net.dtype) ** (1.0 / max(1, n - 1))
    direction = direction / torch.where(size > 0, size, torch.ones_like(size)) * (radius if n > 1 else 0.0)
    upward = torch.sqrt(torch.clamp(1.0 - (direction**2).sum(dim=1), min=0.0))
    direction[every, axis] = torch.where(top, -upward, upward)
    return start, direction


def chords(study: Study, start: Tensor, direction: Tensor) -> tuple[Tensor, Tensor]:
    """Where lines enter the neighbourhood, and how long they stay; shapes (B, n) and (B,)."""
    torch, net = study.net.torch, study.net
    infinite = torch.full_like(start, math.inf)
    moving = direction != 0
    step = torch.where(moving, direction, torch.ones_like(direction))
    one, other = (net.lower - start) / step, (net.upper - start) / step
    begin = torch.where(moving, torch.minimum(one, other), -infinite).amax(dim=1)
    end = torch.where(moving, torch.maximum(one, other), infinite).amin(dim=1)
    if study.ball is not None:
        enters, leaves = study.ball.chord(start, direction)
        begin, end = torch.maximum(begin, enters), torch.minimum(end, leaves)
    return start + begin[:, None] * direction, torch.clamp(end - begin, min=torch.finfo(net.dtype).tiny)


def breakpoints(study: Study, entry: Tensor, direction: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
    """Parameters, from 0 to the length, at which the network can change its pattern along each line, both ends
    included.

    Layer by layer: between breakpoints of the earlier layers a pre-activation is affine, so a change of sign gives one
    crossing.

    Returns
    -------
    line, at : Tensor, shape (points,)
        Sorted by line, then by parameter.
    """
    torch, net = study.net.torch, study.net
    line = torch.arange(len(entry), device=net.device).repeat_interleave(2)
    at = torch.stack([torch.zeros_like(length), length], dim=1).reshape(-1)
    for index in range(len(net.layers)):
        means, _ = net.preactivations(entry[line] + at[:, None] * direction[line], layers=index + 1)
        z = means[index]
        inner = (line[1:] == line[:-1])[:, None]
        crossed = inner & (((z[:-1] > 0) & (z[1:] < 0)) | ((z[:-1] < 0) & (z[1:] > 0)))
        before, neuron = torch.nonzero(crossed, as_tuple=True)
        left, right = z[before, neuron], z[before + 1, neuron]
        new = at[before] + left / (left - right) * (at[before + 1] - at[before])
        line, at = torch.cat([line, line[before]]), torch.cat([at, new])
        order = torch.argsort(at, stable=True)
        order = order[torch.argsort(line[order], stable=True)]
        line, at = line[order], at[order]
    return line, at


def crossings(study: Study, entry: Tensor, direction: Tensor, length: Tensor) -> Crossings:
    """What lines cross, read off the patterns in the middle of the intervals between breakpoints.

    So a neuron counts where its bit differs on the two sides, as a facet does; a breakpoint that only touches counts
    nothing.
    """
    torch, net = study.net.torch, study.net
    line, at = breakpoints(study, entry, direction, length)
    shortest = 64 * torch.finfo(net.dtype).eps * length[line[:-1]]  # what rounding makes of breakpoints that agree
    inside = torch.nonzero((line[1:] == line[:-1]) & (at[1:] - at[:-1] > shortest)).reshape(-1)
    where, middle = line[inside], 0.5 * (at[inside] + at[inside + 1])
    _, z = net.preactivations(entry[where] + middle[:, None] * direction[where])
    same = where[1:] == where[:-1]
    totals = [torch.zeros(len(entry), dtype=net.dtype, device=net.device) for _ in range(3)]
    if not z or not bool(same.any()):
        return Crossings(*totals)
    slopes = [net.slope(i, v) for i, v in enumerate(z)]
    bits = torch.cat([v > 0 for v in z], dim=1)
    good = torch.cat(good_neurons(net, slopes), dim=1)
    flips = (bits[1:] != bits[:-1]) & same[:, None]
    opened = (flips & (good[1:] | good[:-1])).any(dim=1)
    jacobian = net.output_jacobian(slopes)
    jump = torch.linalg.vector_norm((jacobian[1:] - jacobian[:-1]).reshape(len(flips), -1), dim=1)
    changed = flips.any(dim=1)
    values = (flips.sum(dim=1), opened, torch.where(changed, jump, torch.zeros_like(jump)))
    for total, value in zip(totals, values, strict=True):
        total.index_add_(0, where[1:], value.to(net.dtype))
    return Crossings(*totals)
