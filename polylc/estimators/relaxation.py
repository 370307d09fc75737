"""Upper bounds to hold exact values against: interval bounds, the number of regions from unstable neurons, and a
LipSDP-type convex bound.

In floating point: good to compare with, no proofs.
"""

from __future__ import annotations

import math

import numpy as np

from polylc.domains.box import Neighbourhood
from polylc.errors import UsageError
from polylc.estimators.estimate import Estimate
from polylc.estimators.study import Study
from polylc.network.form import Affine, Network

LARGEST_PROGRAM = 120  # rows of the matrix inequality


def interval_bounds(network: Network, domain: Neighbourhood) -> list[tuple[np.ndarray, np.ndarray]]:
    """Bounds of the pre-activations of each hidden layer on the neighbourhood, by interval arithmetic."""
    half = np.zeros(domain.inputs)
    half[domain.free] = domain.half
    ranges = [(domain.middle, half)]
    found = []
    for layer in network.layers:
        middle, radius = _apply(layer.affine, ranges)
        radius = radius * (1 + 1e-12) + 1e-14 * np.abs(middle)
        low, high = middle - radius, middle + radius
        found.append((low, high))
        ends = np.stack([np.where(z > 0, layer.positive * z, layer.negative * z) for z in (low, high)] + [np.zeros_like(low)])
        crossing = (low < 0) & (high > 0)
        least = np.where(crossing, ends.min(axis=0), ends[:2].min(axis=0))
        most = np.where(crossing, ends.max(axis=0), ends[:2].max(axis=0))
        ranges.append((0.5 * (least + most), 0.5 * (most - least)))
    return found


def _apply(affine: Affine, ranges: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    middle, radius = affine.bias.copy(), np.zeros(affine.size)
    for source, weight in affine.terms:
        middle = middle + weight @ ranges[source][0]
        radius = radius + abs(weight) @ ranges[source][1]
    return middle, radius


def region_bound(study: Study) -> list[Estimate]:
    """An upper bound on the number of regions (the easy side of E12).

    A layer cuts every region of the layers before it by one hyperplane for each neuron that interval bounds leave open;
    u hyperplanes make at most C(u, 0) + ... + C(u, n) cells. The bounds of the layers multiply.
    """
    bound, unstable = 1, 0
    for low, high in interval_bounds(study.network, study.domain):
        open_here = int(((low < 0) & (high > 0)).sum())
        unstable += open_here
        bound *= sum(math.comb(open_here, k) for k in range(min(open_here, study.dimension) + 1))
    if bound >= 2**1000:
        raise UsageError("region_bound: the bound is beyond the range of doubles")
    value = float(bound)
    return [
        Estimate(
            "region_bound", "regions", value, None, None, value, 0, "from above: every hyperplane is taken to cut every region",
            "interval bounds in floating point", {"unstable": unstable},
        )
    ]  # fmt: skip


def lipsdp(study: Study) -> list[Estimate]:
    """A convex upper bound of the l2 Lipschitz constant of the network: slope-restricted units, one multiplier each.

    Notes
    -----
    M. Fazlyab et al., "Efficient and accurate estimation of Lipschitz constants for deep neural networks", NeurIPS 2019
    (LipSDP-Neuron). Units that interval bounds decide on the neighbourhood are linear and need no multiplier, so the
    bound is local. The multipliers of the solver are only proposals: the reported constant is the least one for them,
    by a Schur complement and an eigenvalue.
    """
    quadratic, size = _Quadratic(study), len(study.net.frame)
    outer = quadratic.output.T @ quadratic.output
    multipliers = _solve(quadratic, size) if len(quadratic.first) else np.zeros(0)
    for factor in (1.0, 1.0 + 1e-7, 1.0 + 1e-5, 1.0 + 1e-3):
        matrix = -outer - quadratic.combine(factor * multipliers)
        corner, rest = matrix[:size, :size], matrix[size:, size:]
        try:
            np.linalg.cholesky(rest)
        except np.linalg.LinAlgError:
            continue
        complement = corner - matrix[:size, size:] @ np.linalg.solve(rest, matrix[size:, :size]) if len(rest) else corner
        value = math.sqrt(max(0.0, -float(np.linalg.eigvalsh(complement)[0])))
        return [
            Estimate(
                "lipsdp", "lipschitz.jacobian.l2", value, None, None, value, 0, "from above: a convex relaxation",
                "floating point, not proved", {"unstable": len(quadratic.first)},
            )
        ]  # fmt: skip
    raise UsageError("lipsdp: the solver's multipliers give no bound")


class _Quadratic:
    """Differences of two points, of their pre-activations and outputs, as linear maps of (difference of the input, of
    the open units' outputs).

    For an open unit with slopes in [a, b] the differences v of its output and z of its input satisfy (v - a z)(b z - v)
    >= 0; `first` and `second` are the rows v - a z and b z - v.
    """

    def __init__(self, study: Study) -> None:
        network, net = study.network, study.net
        bounds = interval_bounds(network, study.domain)
        is_open = [(low < 0) & (high > 0) for low, high in bounds]
        size, many = len(net.frame), sum(int(o.sum()) for o in is_open)
        if size + many > LARGEST_PROGRAM:
            raise UsageError(
                f"lipsdp: {size} input directions and {many} open neurons make a matrix of size {size + many}, "
                f"more than {LARGEST_PROGRAM}; take a smaller radius"
            )
        frame = net.frame.to("cpu").double().numpy()
        start = np.zeros((study.domain.inputs, size + many))
        start[study.domain.free, :size] = frame.T
        sources, first, second, at = [start], [np.zeros((0, size + many))], [np.zeros((0, size + many))], size
        for layer, opened, (_, high) in zip(network.layers, is_open, bounds, strict=True):
            z = _linear(layer.affine, sources, size + many)
            outputs = np.where(high > 0, layer.positive, layer.negative)[:, None] * z
            for i in np.flatnonzero(opened):
                least, most = sorted((float(layer.negative[i]), float(layer.positive[i])))
                outputs[i] = np.eye(size + many)[at]
                first.append((outputs[i] - least * z[i])[None])
                second.append((most * z[i] - outputs[i])[None])
                at += 1
            sources.append(outputs)
        self.output = _linear(network.output, sources, size + many)
        self.first, self.second = np.concatenate(first), np.concatenate(second)

    def combine(self, multipliers: np.ndarray) -> np.ndarray:
        """Sum of the quadratic forms of the units with multipliers."""
        half = 0.5 * self.first.T @ (multipliers[:, None] * self.second)
        result: np.ndarray = half + half.T
        return result


def _linear(affine: Affine, sources: list[np.ndarray], width: int) -> np.ndarray:
    total = np.zeros((affine.size, width))
    for source, weight in affine.terms:
        total = total + weight @ sources[source]
    return total


def _solve(quadratic: _Quadratic, size: int) -> np.ndarray:
    """Multipliers that make the constant small, from the semidefinite program."""
    try:
        import cvxpy
    except ImportError:
        raise UsageError("lipsdp needs cvxpy; install it with: pip install 'polylc[convex]'") from None
    import warnings

    count, width = quadratic.first.shape
    square, multipliers = cvxpy.Variable(nonneg=True), cvxpy.Variable(count, nonneg=True)
    scale = max(1e-300, float(np.linalg.norm(quadratic.output, 2))) ** 2
    inputs = np.zeros((width, width))
    inputs[:size, :size] = np.eye(size)
    half = 0.5 * (quadratic.first.T @ cvxpy.diag(multipliers) @ quadratic.second)
    slack = square * inputs - quadratic.output.T @ quadratic.output / scale - (half + half.T)
    problem = cvxpy.Problem(cvxpy.Minimize(square), [0.5 * (slack + slack.T) >> 0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            problem.solve(solver=cvxpy.CLARABEL)
        except cvxpy.SolverError as error:
            raise UsageError(f"lipsdp: the solver gave up: {error}") from None
    if multipliers.value is None:
        raise UsageError(f"lipsdp: the solver found no multipliers ({problem.status})")
    result: np.ndarray = np.maximum(multipliers.value, 0.0) * scale
    return result
