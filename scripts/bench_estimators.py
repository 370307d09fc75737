"""Samples a second of the co-area estimator, beside the published recipe, on a network 784-200-200-200-200-10.

    python scripts/bench_estimators.py [--device cpu|cuda] [--dtype float64|float32] [--samples N] [--baseline N]
    [--memory MIB]

The baseline is the recipe written anew from its formula: for every sample and every hidden layer the Jacobian of the
pre-activations by autograd (`torch.autograd.functional.jacobian`), once row by row as it is usually called and once
vectorised. Both compute the same sums: the largest relative difference is shown. Times are wall times and CPU seconds;
read the ratios.
"""

from __future__ import annotations

import argparse
import itertools
import math
import time

import numpy as np
import torch

from polylc.domains import box as shapes
from polylc.estimators.coarea import coarea_terms, draw_noise
from polylc.estimators.study import Sampling, Study
from polylc.network.form import chain

WIDTHS = [784, 200, 200, 200, 200, 10]
SIGMA = 0.1


def random_network() -> object:
    """He-initialised weights, small biases."""
    rng = np.random.default_rng(0)
    weights = [rng.normal(size=(b, a)) * math.sqrt(2 / a) for a, b in itertools.pairwise(WIDTHS)]
    return chain(weights, [0.1 * rng.normal(size=b) for b in WIDTHS[1:]])


def recipe(study: Study, points: torch.Tensor, noise: list[torch.Tensor], vectorize: bool) -> torch.Tensor:
    """The sums sample by sample, by autograd; with the mean bias and C_sigma, so that they can be compared."""
    net = study.net
    weights = [layer.terms[0][1] for layer in net.layers]
    biases = [layer.bias for layer in net.layers]
    totals = []
    for k, point in enumerate(points):
        own = [v[k] for v in noise]

        def mean(x: torch.Tensor, layer: int, own: list[torch.Tensor] = own) -> torch.Tensor:
            h = x
            for i in range(layer):
                h = torch.relu(weights[i] @ h + biases[i] + own[i])
            return weights[layer] @ h + biases[layer]

        total = torch.zeros((), dtype=net.dtype, device=net.device)
        for layer in range(len(weights)):
            jacobian = torch.autograd.functional.jacobian(lambda x, i=layer: mean(x, i), point, vectorize=vectorize)
            z = mean(point, layer)
            total = total + (torch.exp(-0.5 * (z / SIGMA) ** 2) * jacobian.norm(dim=1)).sum() / (math.sqrt(2 * math.pi) * SIGMA)
        totals.append(total)
    return torch.stack(totals)


def timed(work: object, device: str) -> tuple[torch.Tensor, float, float]:
    """The result of `work`, wall seconds and CPU seconds."""
    begin, cpu = time.perf_counter(), time.process_time()
    found = work()  # type: ignore[operator]
    if device != "cpu":
        torch.cuda.synchronize()
    return found, time.perf_counter() - begin, time.process_time() - cpu


def main() -> None:
    """Time all ways on the same samples."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float64")
    parser.add_argument("--samples", type=int, default=512)
    parser.add_argument("--baseline", type=int, default=8, help="samples of the slow ways")
    parser.add_argument("--memory", type=int, default=256)
    options = parser.parse_args()
    domain = shapes.box([0.0] * WIDTHS[0], [1.0] * WIDTHS[0])
    study = Study(random_network(), domain, Sampling(device=options.device, dtype=options.dtype, memory=options.memory))  # type: ignore[arg-type]
    stream = study.stream("bench")

    def batched() -> torch.Tensor:
        parts = []
        for size in study.chunks(options.samples):
            points = study.uniform(size, stream)
            parts.append(coarea_terms(study, points, draw_noise(study, size, SIGMA, stream), SIGMA))
        return torch.cat(parts)

    batched()  # warm
    _, wall, cpu = timed(batched, options.device)
    points = study.uniform(options.baseline, stream)
    noise = draw_noise(study, options.baseline, SIGMA, stream)
    expected = coarea_terms(study, points, noise, SIGMA)
    print(f"{options.device}, {options.dtype}, {torch.get_num_threads()} threads; {'-'.join(map(str, WIDTHS))}")
    print(f"{'masked products':24s} {options.samples / wall:10.1f} samples/s wall {options.samples / cpu:10.1f} samples/s CPU")
    for name, vectorize in (("autograd, row by row", False), ("autograd, vectorised", True)):
        recipe(study, points[:1], [v[:1] for v in noise], vectorize)
        found, slow_wall, slow_cpu = timed(lambda v=vectorize: recipe(study, points, noise, v), options.device)
        fast, slow = (cpu, slow_cpu) if options.device == "cpu" else (wall, slow_wall)
        ratio = options.samples / fast / (options.baseline / slow)
        difference = float(((found - expected).abs() / expected).max())
        print(
            f"{name:24s} {options.baseline / slow_wall:10.2f} samples/s wall {options.baseline / slow_cpu:10.2f} samples/s CPU; "
            f"masked products {ratio:.0f} times as many; relative difference {difference:.1e}"
        )


if __name__ == "__main__":
    main()
