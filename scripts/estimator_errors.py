"""How far off estimators are, against exact or enclosed values: tables.

    python scripts/estimator_errors.py --shared ../shared [--norms linf,l2,l1] [--timeout 60] [NAME ...]
    python scripts/estimator_errors.py --shared ../shared --mnist [--sigmas 0.1,0.01] [--radii 0.005,0.01]

First: sampled Lipschitz constants, CLEVER and attacks, against exact constants and distances.

For networks with classes the neighbourhood of a point is the ball whose radius is 1.2 times the exact distance to the
nearest adversarial point, in each norm; for others, that of a radius given below. What is compared: constants of all
margins (or outputs) in the norm of the ball, where the exact one is found in time, and distances. An entry is the mean
of estimate / exact - 1 in percent, and the two extremes. Estimators sample 4096 points, with seed 0. Five points each:
the first of a file, or, where it has fewer, random ones of the middle of the network's box besides.

Second: local complexity of the network mnist 256x2 in linf balls around test images, clipped to [0, 1], by what
`compare` says. Exact is what `certify` encloses; of estimates the value and half the width of the nominal 95 % interval
are shown. Those meant for the mean over bias noise are held against `coarea`, which has no bias: below the rows of a
radius the mean error in percent, and the extremes. For the others there is the error of the mean over the rows in
percent, and how many of the intervals hold the exact value.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

import polylc

REACH = 1.2  # radius of a neighbourhood, relative to the exact distance
POINTS = 5
METHODS = ("sampled_lipschitz", "clever", "clever_distance", "pgd", "deepfool")


@dataclass(frozen=True)
class Case:
    """A network, its points, and the radius by norm where distances give none."""

    model: str
    points: str
    array: str
    radius: dict[str, str] | None = None
    clip: tuple[int, int] | None = None


CASES = {
    "moons2d": Case("networks/moons2d.npz", "networks/moons2d.npz", "centers"),
    "deep2d": Case("networks/deep2d.npz", "networks/deep2d.npz", "centers", {"linf": "0.05", "l2": "0.05", "l1": "0.07"}),
    "rand3d": Case("networks/rand3d.npz", "networks/rand3d.npz", "centers", {"linf": "0.1", "l2": "0.1", "l1": "0.15"}),
    "rand4d": Case("networks/rand4d.npz", "networks/rand4d.npz", "centers", {"linf": "0.1", "l2": "0.1", "l1": "0.2"}),
    "rand5d": Case("networks/rand5d.npz", "networks/rand5d.npz", "centers"),
    "rand8d": Case("networks/rand8d.npz", "networks/rand8d.npz", "centers"),
    "moons": Case("examples/moons/moons.pt", "examples/moons/moons.npz", "X"),
    "digits": Case("examples/digits/digits.pt", "examples/digits/digits.npz", "X", clip=(0, 1)),
    "pooled": Case("examples/pooled/pooled.pt", "examples/pooled/pooled.npz", "X", clip=(0, 1)),
    "digits64": Case("networks/digits64.npz", "networks/digits64.npz", "centers", clip=(0, 1)),
}


@dataclass
class Errors:
    """Relative errors by method, and how many constants and distances were known."""

    found: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in METHODS})
    constants: list[int] = field(default_factory=lambda: [0, 0])  # known, asked
    radii: list[float] = field(default_factory=list)
    exact_seconds: float = 0.0
    seconds: float = 0.0

    def text(self, method: str) -> str:
        """Mean and extremes in percent."""
        v = 100 * np.array(self.found[method])
        return "{} ({} to {})".format(*(f"{round(float(x), 1) + 0.0:+.1f}" for x in (v.mean(), v.min(), v.max()))) if len(v) else "-"


def located(shared: Path, path: str) -> Path:
    """A file of the shared folder, or of the repository."""
    return (shared if path.startswith("networks/") else Path(__file__).parents[1]) / path


def errors(shared: Path, case: Case, norm: str, timeout: float) -> Errors:
    """Estimates beside the truth, for the first points of a network."""
    network = polylc.load(located(shared, case.model))
    with np.load(located(shared, case.points)) as file:
        points = np.asarray(file[case.array], dtype=float)[:POINTS].reshape(-1, network.inputs)
        if len(points) < POINTS:
            share = np.random.default_rng(0).uniform(0.25, 0.75, (POINTS - len(points), network.inputs))
            points = np.concatenate([points, np.round(file["lo"] + share * (file["hi"] - file["lo"]), 3)])
    found = Errors()
    for point in points:
        begin = time.process_time()
        distance = None
        radius: object = (case.radius or {}).get(norm)
        if radius is None:
            (far,) = polylc.distance(network, [point], 64, norm=norm, clip=case.clip, timeout=timeout)
            if not far.exact or not far.ends[0]:
                continue
            distance = far.ends[0]
            radius = str(round(REACH * distance, 6))
        (truth,) = polylc.lipschitz(network, [point], radius=radius, clip=case.clip, norm=norm, ball=norm, timeout=timeout)
        found.exact_seconds += time.process_time() - begin
        begin = time.process_time()
        given = {"radius": radius, "clip": case.clip, "norm": norm, "methods": "lipschitz,pgd,deepfool"}
        estimates = polylc.estimate(network, [point], **given, samples=4096)[0].estimates
        found.seconds += time.process_time() - begin
        found.radii.append(float(str(radius)))
        known = {f"lipschitz.{c.target}.{c.norm}": c.quantity.value for c in truth.constants if c.exact}
        found.constants[0] += len(known)
        found.constants[1] += len(truth.constants)
        for estimate in estimates:
            exact = distance if estimate.target == "distance" else known.get(estimate.target)
            if exact:
                found.found[estimate.method].append(estimate.value / exact - 1)
    return found


LC = "local_complexity.activation"
NOISY = ("published", "published_scaled", "own_noise")
PLAIN = ("tube", "humayun_rescaled", "lines", "tilted")
IMAGES = (0, 1, 3, 4, 5)  # row 2 has 14,020 regions in the larger ball, where its value is not enclosed


def densities(shared: Path, radius: str, sigma: float) -> Iterator[list[str]]:
    """Cells of the lines of one radius: of every image, and of all."""
    network = polylc.load(shared / "mnist" / "mnist-net_256x2.onnx")
    rows = np.loadtxt(shared / "mnist" / "mnist_test.csv", delimiter=",", max_rows=max(IMAGES) + 1, dtype=np.int64)[list(IMAGES), 1:]
    points = [[Fraction(int(v), 255) for v in row] for row in rows]
    methods = "published,coarea,own_noise,tube,humayun,lines,tilted"
    found = polylc.compare(network, points, radius, clip=(0, 1), methods=methods, sigma=sigma, samples=4096)
    errors = Errors({name: [] for name in NOISY})
    for image, one in zip(IMAGES, found, strict=True):
        by_method = {p.estimate.method: p.estimate for p in one.pairings if p.estimate.target == LC}
        exact = one.result.local_complexity["activation"]
        for name in NOISY:
            errors.found[name].append(by_method[name].value / by_method["coarea"].value - 1)
        cells = [f"{by_method[name].value:.3g} ± {_half(by_method[name]):.2g}" for name in ("coarea", *NOISY, *PLAIN)]
        yield [radius, str(image), str(one.result.regions), exact.show(4), *cells]
    means = {row.method: row for row in found.summary() if row.target == LC}
    known = means["tilted"].mean_truth
    cells = [errors.text(name) for name in NOISY]
    cells += [f"{100 * (means[name].mean / known - 1):+.1f} ({_covers(found, name)})" for name in PLAIN]
    yield [radius, "all", "", f"{known:.4g}", f"{means['coarea'].mean:.3g}", *cells]


def _half(estimate: Any) -> float:
    return 0.5 * float(estimate.upper - estimate.lower)


def _covers(found: Any, method: str) -> str:
    held = [p.covered for one in found for p in one.pairings if p.estimate.method == method and p.estimate.target == LC]
    return f"{sum(map(bool, held))} of {len(held)}"


def main() -> int:
    """Print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--norms", default="linf,l2,l1")
    parser.add_argument("--timeout", type=float, default=60.0)
    parser.add_argument("--mnist", action="store_true")
    parser.add_argument("--sigmas", default="0.1,0.01")
    parser.add_argument("--radii", default="0.005,0.01")
    given = parser.parse_args()
    if given.mnist:
        named = ("co-area", "published", "times C", "own noise", "tube", "diamonds", "lines", "tilted")
        print(f"| {' | '.join(('sigma', 'radius', 'row', 'regions', 'exact', *named))} |")
        print(f"|{13 * '---|'}")
        for sigma in given.sigmas.split(","):
            for radius in given.radii.split(","):
                for cells in densities(given.shared, radius, float(sigma)):
                    print(f"| {sigma} | {' | '.join(cells)} |", flush=True)
        return 0
    print("| network | norm | radius | constants known | sampled largest | CLEVER | CLEVER's distance | PGD | DeepFool | s exact / sampled |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for name in given.names or CASES:
        for norm in given.norms.split(","):
            one = errors(given.shared, CASES[name], norm, given.timeout)
            radii = (
                f"{min(one.radii):.3g} to {max(one.radii):.3g}"
                if one.radii and min(one.radii) < max(one.radii)
                else f"{one.radii[0]:g}"
                if one.radii
                else "-"
            )
            cells = [name, norm, radii, "{} of {}".format(*one.constants), *(one.text(method) for method in METHODS)]
            print(f"| {' | '.join(cells)} | {one.exact_seconds:.0f} / {one.seconds:.0f} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
