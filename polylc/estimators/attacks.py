"""Distances to adversarial points that attacks find: upper bounds of the exact one, up to rounding.

What an attack finds is moved back along the segment to the centre as far as its class stays another one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from polylc.errors import UsageError
from polylc.estimators.estimate import Estimate
from polylc.estimators.study import Study

if TYPE_CHECKING:
    import torch
    from torch import Tensor

DISTANCE = "distance"  # what it is called in the report of certify
STARTS, STEPS, ROUNDS = 32, 40, 12  # of projected descent: points, steps of each, balls
PACE = 0.25  # first step, relative to the radius
OVER, DEEP = 1.02, 50  # overshoot and steps of DeepFool
HALVINGS = 40
BIAS = "from above: nearer points are missed"


class Target:
    """A class at a centre, from which attacks start.

    Raises
    ------
    UsageError
        If there is no centre, no class, or nothing else to be classified as.
    """

    def __init__(self, study: Study, method: str) -> None:
        domain, net = study.domain, study.net
        if domain.center is None or study.label is None or study.network.outputs == 1:
            raise UsageError(
                f"{method}: distances need a ball around a point, and a class; give points and a radius, of a network with several outputs"
            )
        self.study, self.net, self.label, self.norm = study, net, study.label, domain.norm
        self.center: Tensor = net.tensor([float(domain.center[j]) for j in domain.free.tolist()])
        self.radius = float(max(domain.radius or (0,)))
        self.reach = self.radius * (1 + 64 * net.torch.finfo(net.dtype).eps)  # points of the sphere are there but for rounding
        self.rivals = [j for j in range(study.network.outputs) if j != study.label]

    def distance(self, points: Tensor) -> Tensor:
        """Of points from the centre; shape (points,)."""
        torch = self.net.torch
        order = {"linf": torch.inf, "l2": 2, "l1": 1}[self.norm]
        found: Tensor = torch.linalg.vector_norm(points - self.center, ord=order, dim=1)
        return found

    def adversarial(self, points: Tensor) -> Tensor:
        """Whether another class is at least as high at points of the neighbourhood."""
        outputs = self.net.outputs(points)
        found: Tensor = outputs[:, self.rivals].amax(dim=1) >= outputs[:, self.label]
        inside = ((points >= self.net.lower) & (points <= self.net.upper)).all(dim=1)
        found &= inside & (self.distance(points) <= self.reach)
        return found

    def nearest(self, points: Tensor) -> Tensor | None:
        """The nearest of those that are adversarial, each moved back first; None if none is."""
        points = points[self.adversarial(points)]
        if not len(points):
            return None
        low, high = self.net.torch.zeros_like(points[:, :1]), self.net.torch.ones_like(points[:, :1])
        for _ in range(HALVINGS):
            middle = 0.5 * (low + high)
            there = self.adversarial(self.center + middle * (points - self.center))[:, None]
            low, high = self.net.torch.where(there, low, middle), self.net.torch.where(there, middle, high)
        back = self.center + high * (points - self.center)
        points = self.net.torch.where(self.adversarial(back)[:, None], back, points)
        return points[self.distance(points).argmin()]

    def within(self, points: Tensor, radius: float) -> Tensor:
        """The nearest points, in l2, of the ball of a radius to those of the box; in l1 sizes are lowered by one number
        (J. Duchi et al., ICML 2008), so that the steepest coordinates are left.
        """
        torch, net = self.net.torch, self.net
        points = torch.minimum(torch.maximum(points, net.lower), net.upper)
        if self.norm == "l1":
            offset = points - self.center
            sizes = offset.abs()
            falling = sizes.sort(dim=1, descending=True).values
            over = (falling.cumsum(dim=1) - radius) / torch.arange(1, net.inputs + 1, device=net.device, dtype=net.dtype)
            many = (falling > over).sum(dim=1, keepdim=True).clamp(min=1)
            least = over.gather(1, many - 1).clamp(min=0.0)
            nearest: Tensor = self.center + torch.sign(offset) * (sizes - least).clamp(min=0.0)
            return nearest
        if self.norm == "linf":
            found: Tensor = torch.minimum(torch.maximum(points, self.center - radius), self.center + radius)
            return found
        return self.center + (points - self.center) * (radius / self.distance(points).clamp(min=radius))[:, None]

    def steepest(self, gradient: Tensor) -> Tensor:
        """The steps of length 1 in the norm that lower a function with these gradients most; in l1 a few entries share
        the step (Tramèr and Boneh), not one alone.
        """
        torch = self.net.torch
        if self.norm == "linf":
            step: Tensor = -torch.sign(gradient)
        elif self.norm == "l2":
            step = -gradient / torch.linalg.vector_norm(gradient, dim=1, keepdim=True).clamp(min=1e-30)
        else:
            sizes = gradient.abs()
            most = sizes.topk(max(1, sizes.shape[1] // 20), dim=1).values[:, -1:]
            chosen = -torch.sign(gradient) * (sizes >= most)
            step = chosen / chosen.abs().sum(dim=1, keepdim=True).clamp(min=1.0)
        return step

    def estimate(self, method: str, point: Tensor | None, samples: int, assumptions: str) -> list[Estimate]:
        """The distance of the point that an attack found.

        Raises
        ------
        UsageError
            If it found none.
        """
        if point is None:
            raise UsageError(f"{method}: no adversarial point was found in the neighbourhood, which says nothing; a larger radius has more of them")
        value = float(self.distance(point[None])[0])
        return [Estimate(method, DISTANCE, value, None, None, value, samples, BIAS, assumptions, {"norm": self.norm})]


def pgd(study: Study) -> list[Estimate]:
    """E15: projected gradient descent on the margins over single rivals, from random points (A. Madry et al., ICLR
    2018), in balls halfway between the largest in which it failed and the distance found.
    """
    target, stream = Target(study, "pgd"), study.stream("pgd")
    starts = max(STARTS, 2 * len(target.rivals))
    failed, radius, best = 0.0, target.radius, target.nearest(target.center[None])
    for _ in range(ROUNDS if best is None else 0):
        found = target.nearest(_descended(target, starts, radius, stream))
        if found is not None:
            best = found
        elif best is None:
            break
        else:
            failed = radius
        radius = 0.5 * (failed + float(target.distance(best[None])[0]))
    return target.estimate("pgd", best, starts, f"{STEPS} steps from {starts} points in each of at most {ROUNDS} balls")


def _descended(target: Target, starts: int, radius: float, stream: torch.Generator) -> Tensor:
    """Where descent in a ball ends, or first was adversarial."""
    net, torch = target.net, target.net.torch
    share = radius / target.radius
    x = target.within(target.center + share * (target.study.uniform(starts, stream) - target.center), radius)
    rival = torch.tensor([target.rivals[k % len(target.rivals)] for k in range(starts)], device=net.device)
    best = x
    met = target.adversarial(x)
    for step in range(STEPS):
        with torch.enable_grad():
            at = x.detach().requires_grad_(True)
            outputs = net.outputs(at)
            margin = (outputs[:, target.label] - outputs.gather(1, rival[:, None])[:, 0]).sum()
            (gradient,) = torch.autograd.grad(margin, at, allow_unused=True) if margin.requires_grad else (None,)
        if gradient is None:  # the network does not depend on the input
            break
        x = target.within(x + PACE * radius * (1 - step / STEPS) * target.steepest(gradient), radius)
        here = target.adversarial(x)
        best = torch.where((here & ~met)[:, None], x, torch.where(met[:, None], best, x))
        met = met | here
    return best


def deepfool(study: Study) -> list[Estimate]:
    """E16: steps to the nearest of the boundaries that the margins have where they are linear as at the current point,
    from the centre (S.-M. Moosavi-Dezfooli, A. Fawzi and P. Frossard, CVPR 2016), in the dual norm.
    """
    target = Target(study, "deepfool")
    net, torch = target.net, target.net.torch
    x, walked = target.center[None], 0
    for _ in range(DEEP):
        if bool(target.adversarial(x)[0]):
            break
        outputs = net.outputs(x)[0]
        jacobian = net.output_jacobian(net.slopes_at(x))[0].T @ net.frame
        gradients = jacobian[target.label] - jacobian[target.rivals]
        margins = outputs[target.label] - outputs[target.rivals]
        dual = {"linf": 1, "l2": 2, "l1": torch.inf}[target.norm]
        sizes = torch.linalg.vector_norm(gradients, ord=dual, dim=1)
        far = torch.where(sizes > 0, margins.clamp(min=0.0) / sizes, torch.full_like(sizes, torch.inf))
        k = int(far.argmin())
        if not bool(torch.isfinite(far[k])):
            break
        step = -torch.sign(gradients[k]) if target.norm == "linf" else -gradients[k] / sizes[k]
        if target.norm == "l1":
            step = torch.zeros_like(step)
            largest = int(gradients[k].abs().argmax())
            step[largest] = -torch.sign(gradients[k][largest])
        x = x + OVER * (far[k] + 1e-12 * target.radius) * step
        x = torch.minimum(torch.maximum(x, net.lower), net.upper)
        walked += 1
    return target.estimate("deepfool", target.nearest(x), 1, f"{walked} steps from the centre")
