"""Uniform points of l2 and l1 balls, also of those that a box cuts, and chords of them.

A point of the ball is drawn directly, by a formula. Where the box only cuts through the centre the ball is the same on
both sides, and its half is folded over: that too is uniform. Where it cuts elsewhere, points outside are drawn again;
where few are inside, every point is the end of a chain of its own, that draws one coordinate after the other from what
the others leave to it (the Gibbs sampler).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from polylc.domains.box import Neighbourhood
from polylc.domains.within import Norm, as_norm

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from polylc.estimators.tensors import TensorNetwork

PILOT, LEAST = 4096, 0.05  # points from which the share inside the box is judged, and the share below which chains are used
SWEEPS = 32  # of a chain over all coordinates
NEWTON = 64  # steps to the end of a chord, which are a few


class BallSampler:
    """An l2 or l1 ball cut with a box, in the free coordinates, on the device of a network.

    Attributes
    ----------
    norm : str
    center : Tensor, shape (n,)
    radius : float
    chained : bool
        Whether points are ends of chains: uniform but for what those do not forget.
    """

    def __init__(self, net: TensorNetwork, domain: Neighbourhood, pilot: torch.Generator) -> None:
        assert domain.center is not None
        assert domain.radius is not None
        self.net, self.norm = net, as_norm(domain.norm)
        free = domain.free.tolist()
        ends = [(domain.center[j], domain.lower[j], domain.upper[j]) for j in free]
        radius = max(domain.radius)
        self.radius = float(radius)
        self.center = net.tensor([float(c) for c, _, _ in ends])
        self._below = net.tensor([float(c == b) for c, _, b in ends]).bool()  # only below the centre
        self._above = net.tensor([float(c == a) for c, a, _ in ends]).bool()
        self._cut = any((a > c - radius and a != c) or (b < c + radius and b != c) for c, a, b in ends)
        self._share = 1.0 if not self._cut else float(self._inside(self._folded(PILOT, pilot)).to(net.dtype).mean())
        self.chained = self._share < LEAST

    def uniform(self, count: int, stream: torch.Generator) -> Tensor:
        """Points, shape (count, n)."""
        torch = self.net.torch
        if self.chained:
            return self._chains(count, stream)
        points = self._folded(count, stream)
        if not self._cut:
            return points
        points = points[self._inside(points)]
        while len(points) < count:
            more = self._folded(math.ceil(1.1 * (count - len(points)) / self._share) + 16, stream)
            points = torch.cat([points, more[self._inside(more)]])
        return points[:count]

    def chord(self, start: Tensor, direction: Tensor) -> tuple[Tensor, Tensor]:
        """From where to where lines lie in the ball: parameters, which are zero at the points given, those inside."""
        away = start - self.center
        if self.norm == "l2":
            along, squares = (away * direction).sum(dim=1), (direction**2).sum(dim=1)
            root = self.net.torch.sqrt((along**2 + squares * (self.radius**2 - (away**2).sum(dim=1))).clamp(min=0.0))
            return (-along - root) / squares, (-along + root) / squares
        return -self._end(away, -direction), self._end(away, direction)

    def _end(self, away: Tensor, direction: Tensor) -> Tensor:
        """The parameter at which a ray leaves the l1 ball: by Newton's method on a convex function with finitely many
        pieces, from beyond.
        """
        torch = self.net.torch
        at = (self.radius + away.abs().sum(dim=1)) / direction.abs().sum(dim=1)
        for _ in range(NEWTON):
            point = away + at[:, None] * direction
            slope = (torch.sign(point) * direction).sum(dim=1)
            step = (point.abs().sum(dim=1) - self.radius) / torch.where(slope > 0, slope, torch.ones_like(slope))
            moved = torch.where((step > 0) & (slope > 0), at - step, at)
            if bool((moved == at).all()):
                break
            at = moved
        found: Tensor = at.clamp(min=0.0)
        return found

    def _length(self, apart: Tensor) -> Tensor:
        found: Tensor = self.net.torch.linalg.vector_norm(apart, ord=2 if self.norm == "l2" else 1, dim=1)
        return found

    def _inside(self, points: Tensor) -> Tensor:
        inside: Tensor = ((points >= self.net.lower) & (points <= self.net.upper)).all(dim=1)
        return inside

    def _folded(self, count: int, stream: torch.Generator) -> Tensor:
        """Points of the ball, on the side of the centre that the box leaves where it cuts through it."""
        torch = self.net.torch
        offset = unit_ball(self.net, self.norm, count, stream) * self.radius
        offset = torch.where(self._above, offset.abs(), offset)
        points: Tensor = self.center + torch.where(self._below, -offset.abs(), offset)
        return points

    def _chains(self, count: int, stream: torch.Generator) -> Tensor:
        """The ends of chains, one for each point."""
        net, torch = self.net, self.net.torch
        heart = torch.minimum(torch.maximum(self.center, net.lower), net.upper)
        points = torch.minimum(torch.maximum(self._folded(count, stream), net.lower), net.upper)
        for _ in range(64):  # where the centre is outside the box, that may lead out of the ball
            out = self._length(points - self.center) > self.radius
            if not bool(out.any()):
                break
            points = torch.where(out[:, None], heart + 0.5 * (points - heart), points)
        apart = (points - self.center).T.contiguous()
        low, high = (net.lower - self.center).tolist(), (net.upper - self.center).tolist()
        power = 2 if self.norm == "l2" else 1
        whole = self.radius**power
        for _ in range(SWEEPS):
            total = (apart.abs() ** power).sum(dim=0)
            for k in torch.randperm(net.inputs, generator=stream, device=net.device).tolist():
                own = apart[k].abs() ** power
                reach = (whole - (total - own)).clamp(min=0.0) ** (1.0 / power)
                a, b = (-reach).clamp(min=low[k]), reach.clamp(max=high[k])
                share = torch.rand(count, generator=stream, device=net.device, dtype=net.dtype)
                apart[k] = torch.where(a <= b, a + share * (b - a), apart[k])
                total = total - own + apart[k].abs() ** power
        found: Tensor = self.center + apart.T
        return found


def unit_ball(net: TensorNetwork, norm: Norm, count: int, stream: torch.Generator) -> Tensor:
    """Uniform points of the unit ball, shape (count, n).

    Notes
    -----
    l2: a direction and the n-th root of a uniform number. l1: the first n of n + 1 exponential numbers over their sum
    are uniform on the simplex; and signs. (F. Barthe, O. Guédon, S. Mendelson and A. Naor, Annals of Probability 33
    (2005) 480-513.)
    """
    torch, n = net.torch, net.inputs
    normal = torch.randn((count, n), generator=stream, device=net.device, dtype=net.dtype)
    share = torch.rand((count, n + 1), generator=stream, device=net.device, dtype=net.dtype).clamp(min=torch.finfo(net.dtype).tiny)
    if norm == "l2":
        points: Tensor = normal / torch.linalg.vector_norm(normal, dim=1, keepdim=True) * share[:, :1] ** (1.0 / n)
        return points
    sizes = -torch.log(share)
    found: Tensor = torch.sign(normal) * sizes[:, :n] / sizes.sum(dim=1, keepdim=True)
    return found
