"""A second implementation of the proof format: explores tiny networks exactly and writes complete proof files.

Plain fractions, no engine, and of polylc only the network, the neighbourhood and the exact simplex. Wherever the format
leaves a choice (the order of claims, the node of a claim, a split with one side, the side that proves a facet), it is
random.
"""

from __future__ import annotations

import gzip
import json
import math
import random
from dataclasses import dataclass
from fractions import Fraction as F
from pathlib import Path
from typing import Any

import numpy as np

from polylc.domains.box import Neighbourhood
from polylc.exact.simplex import ExactMinimum, Infeasible, minimise
from polylc.network.form import Affine, Network

Form = tuple[F, ...]
ALL = ("graph", "maps", "lipschitz", "robustness")


@dataclass
class Region:
    """A leaf: its bits, its point, the neurons of its path with their sides, and all hidden and output forms."""

    bits: list[int]
    point: tuple[F, ...]
    path: list[tuple[int, int]]
    forms: list[Form]
    outputs: list[Form]

    def constraint(self, e: int) -> Form:
        neuron, side = self.path[e]
        return self.forms[neuron] if side else scaled(self.forms[neuron], -1)

    def constraints(self) -> list[Form]:
        return [self.constraint(e) for e in range(len(self.path))]


class Prover:
    """The lines of one neighbourhood."""

    def __init__(self, network: Network, domain: Neighbourhood, parts: tuple[str, ...] = ALL, label: int = 0, seed: int = 0) -> None:
        self.network, self.domain, self.label = network, domain, label
        self.parts = [p for p in parts if p != "robustness" or network.outputs > 1]
        self.random = random.Random(seed)
        self.k = domain.dimension
        self.free = [int(j) for j in domain.free]
        self.middle = [(a + b) / 2 for a, b in zip(domain.lower, domain.upper, strict=True)]
        self.half = [(domain.upper[j] - domain.lower[j]) / 2 for j in self.free]
        self.affines = [layer.affine for layer in network.layers] + [network.output]
        self.slopes = [(F(float(a)), F(float(b))) for layer in network.layers for a, b in zip(layer.negative, layer.positive, strict=True)]
        self.layer_of = [int(v) for v in network.layer_of]
        self.regions: list[Region] = []
        self.tree: list[Any] = []
        self.explore([], {})
        self.edges: set[tuple[int, int]] = set()
        self.refuted: set[tuple[int, int]] = set()
        self.robust: bool | None = None
        self.distance: F | None = None
        self.lines = self.write()

    # ---- forms
    def forms(self, bits: dict[int, int], layers: int) -> list[list[Form]]:
        """Forms of hidden layers 0..layers-1 (and the output map, if layers = L + 1) along the bits."""
        start = []
        for j in range(self.network.inputs):
            row = [F(0)] * self.k + [self.middle[j]]
            if j in self.free:
                row[self.free.index(j)] = self.half[self.free.index(j)]
            start.append(tuple(row))
        sources, found, number = [start], [], 0
        for affine in self.affines[:layers]:
            rows = compose(affine, sources)
            found.append(rows)
            sent = []
            for row in rows if len(found) <= len(self.network.layers) else ():
                slope = self.slopes[number][bits[number]] if number in bits else F(0)
                sent.append(tuple(slope * v for v in row))
                number += 1
            sources.append(sent)
        return found

    # ---- the tree
    def explore(self, path: list[tuple[int, int, Form]], decided: dict[int, int]) -> None:
        bits = dict(decided)
        claims: list[list[int]] = []
        rows = [g for _, _, g in path]
        number = 0
        for layer in range(len(self.network.layers)):
            forms = dict(enumerate(self.forms(bits, layer + 1)[-1], number))
            number += len(forms)
            for neuron, z in forms.items():  # what intervals decide, the reader knows
                for sign in (1, -1):
                    if neuron not in bits and least(scaled(z, sign)) >= 0:
                        bits[neuron] = int(sign > 0 and any(z))
            crossing, waiting = [], [neuron for neuron in forms if neuron not in bits]
            self.random.shuffle(waiting)
            for neuron in waiting:
                claim = self.claim(neuron, forms[neuron], rows)
                if claim is None or (crossing and self.random.random() < 0.3):  # a claim may wait for a later node
                    crossing.append(neuron)
                else:
                    claims.append(claim)
                    bits[neuron] = int(claim[1] > 0)
            known = [neuron for neuron in forms if neuron in bits and any(forms[neuron]) and neuron not in [n for n, _, _ in path]]
            once = known and self.random.random() < 0.15
            if once or crossing:
                neuron = self.random.choice(known if once else [n for n in crossing if self.claim(n, forms[n], rows) is None] or crossing)
                if not once and (claim := self.claim(neuron, forms[neuron], rows)):
                    claims.append(claim)
                    bits[neuron], once = int(claim[1] > 0), True
                self.tree.append(["S", neuron, bits[neuron] if once else 2, claims])
                for side in (bits[neuron],) if once else (0, 1):
                    self.explore([*path, (neuron, side, scaled(forms[neuron], 1 if side else -1))], {**bits, neuron: side})
                return
        hidden = [z for layer in self.forms(bits, len(self.network.layers)) for z in layer]
        outputs = self.forms(bits, len(self.affines))[-1]
        point = self.inner_point(rows)
        den = math.lcm(*(v.denominator for v in point)) * self.random.choice([1, 1, 3])
        pattern = sum(bit << neuron for neuron, bit in bits.items())
        self.tree.append(["R", hexadecimal(pattern), [den, *(int(v * den) for v in point)], claims, [], []])
        self.regions.append(Region([bits[i] for i in range(number)], point, [(n, s) for n, s, _ in path], hidden, outputs))

    def claim(self, neuron: int, z: Form, rows: list[Form]) -> list[int] | None:
        """A claim of the neuron's sign on the cell; None if it has both."""
        for sign in (1, -1):
            best = minimise(scaled(z, sign), rows, [F(-1)] * self.k, [F(1)] * self.k)
            assert isinstance(best, ExactMinimum)
            if best.value >= 0:
                scale, pairs = whole(F(1), best.multipliers)
                return [neuron, sign * scale, *pairs]
        return None

    def inner_point(self, rows: list[Form]) -> tuple[F, ...]:
        """A point with all rows and the distance to the box's faces as large as possible."""
        wide = [(*g[:-1], F(-1), g[-1]) for g in rows] + self.walls()
        best = minimise([*[F(0)] * self.k, F(-1), F(0)], wide, [F(-1)] * self.k + [F(0)], [F(1)] * (self.k + 1))
        assert isinstance(best, ExactMinimum)
        assert best.value < 0, "the cell of a leaf has an interior"
        return best.point[:-1]

    def walls(self) -> list[Form]:
        """1 - t_j - s >= 0 and 1 + t_j - s >= 0 in the variables (t, s)."""
        return [(*(F(sign * (i == j)) for i in range(self.k)), F(-1), F(1)) for j in range(self.k) for sign in (-1, 1)]

    # ---- the graph
    def beyond(self, region: Region, e: int) -> list[int]:
        """The pattern beyond constraint e: forms composed along the new bits."""
        g = region.constraint(e)
        new: dict[int, int] = {}
        for layer in range(len(self.network.layers)):
            for neuron, z in enumerate(self.forms(new, layer + 1)[-1], len(new)):
                new[neuron] = region.bits[neuron]
                if ratio(region.forms[neuron], g) is not None:
                    slope = ratio(z, g)
                    assert slope is not None, "beyond, forms change by multiples of the hyperplane's"
                    new[neuron] = int(slope < 0)
        return [new[i] for i in range(len(new))]

    def graph(self) -> list[list[list[int]]]:
        """Entries of every region."""
        index = {tuple(r.bits): i for i, r in enumerate(self.regions)}
        entries: list[list[list[int]]] = [[] for _ in self.regions]
        seen = []
        for i, region in enumerate(self.regions):
            walls = region.constraints()
            for e, g in enumerate(walls):
                if any(g[:-1]) and all(ratio(other, g) is None for other in walls[:e]):
                    pattern = tuple(self.beyond(region, e))
                    if pattern in index:
                        seen.append((i, e, index[pattern]))
        self.random.shuffle(seen)
        for i, e, other in seen:
            pair = (min(i, other), max(i, other))
            if pair in self.edges | self.refuted and self.random.random() < 0.5:
                continue
            entry = self.facet(self.regions[i], e)
            entries[i].append(entry)
            (self.edges if entry[0] >= 0 else self.refuted).add(pair)
        return entries

    def facet(self, region: Region, e: int) -> list[int]:
        """A point of the facet, or multipliers that refute it."""
        g = region.constraint(e)
        used = [i for i in range(len(region.path)) if ratio(region.constraint(i), g) is None]
        rows = [(*g[:-1], F(0), g[-1]), (*(-v for v in g[:-1]), F(0), -g[-1])]
        rows += [(*region.constraint(i)[:-1], F(-1), region.constraint(i)[-1]) for i in used] + self.walls()
        best = minimise([*[F(0)] * self.k, F(-1), F(0)], rows, [F(-1)] * self.k + [F(0)], [F(1)] * (self.k + 1))
        if isinstance(best, ExactMinimum) and best.value < 0:
            j = self.random.choice([j for j in range(self.k) if g[j]])
            den = math.lcm(*(v.denominator for v in best.point[:-1]))
            return [e, j, den, *(int(v * den) if i != j else 0 for i, v in enumerate(best.point[:-1]))]
        y = best.multipliers
        pairs = {used[r - 2]: m for r, m in y.items() if 2 <= r < 2 + len(used)}
        lam = y.get(0, F(0)) - y.get(1, F(0))
        scale, multipliers = whole(F(1), {-1: lam, **pairs})
        return [-1 - e, int(lam * scale), *(multipliers[2:] if lam else multipliers)]

    # ---- Lipschitz constants, robustness
    def jacobian(self, region: Region) -> list[list[F]]:
        return [[a / h for a, h in zip(f, self.half, strict=False)] for f in region.outputs]

    def lipschitz(self) -> list[list[Any]]:
        m = self.network.outputs
        jacobians = [self.jacobian(r) for r in self.regions]
        found: list[list[Any]] = []
        targets = [(f"f{i}", [int(i == j) for j in range(m)]) for i in range(m)]
        targets += [(f"f{i}-f{j}", [int(i == q) - int(j == q) for q in range(m)]) for i in range(m) for j in range(m) if i != j]
        for name, weights in targets:
            gradients = [[sum((w * row[j] for w, row in zip(weights, J, strict=True)), F(0)) for j in range(self.k)] for J in jacobians]
            found.append([name, "linf", *self.bounds([sum(map(abs, g)) for g in gradients])])
            found.append([name, "l2", *self.bounds([sum(v * v for v in g) for g in gradients])])
            found.append([name, "l1", *self.bounds([max(map(abs, g)) for g in gradients])])
        found.append(["jacobian", "linf", *self.bounds([max(sum(map(abs, row)) for row in J) for J in jacobians])])
        found.append(["jacobian", "l1", *self.bounds([max(sum(map(abs, column)) for column in zip(*J, strict=True)) for J in jacobians])])
        found.append(["jacobian", "l2", *self.spectral(jacobians)])
        return found

    def spectral(self, jacobians: list[list[list[F]]]) -> list[Any]:
        """Rational bounds of the largest squared spectral norm: [low, high], region, vector."""
        sizes = [
            np.linalg.eigh(np.array([[float(v) for v in row] for row in J]) @ np.array([[float(v) for v in row] for row in J]).T) for J in jacobians
        ]
        region = max(range(len(sizes)), key=lambda i: sizes[i][0][-1])
        direction = [round(v * 2**30) for v in sizes[region][1][:, -1]]
        image = [sum(d * v for d, v in zip(direction, column, strict=True)) for column in zip(*jacobians[region], strict=True)]
        low = sum((v * v for v in image), F(0)) / sum(d * d for d in direction)
        high = F(float(sizes[region][0][-1]) * (1 + 2.0**-30))
        return [str(low), str(max(high, low)), region, direction]

    def bounds(self, sizes: list[F]) -> tuple[str, str]:
        """The largest, or now and then a lower and an upper bound."""
        wide = self.random.random() < 0.3
        return str(max(sizes) * F(7, 8) if wide else max(sizes)), str(max(sizes) * 2 if wide else max(sizes))

    def robustness(self) -> tuple[dict[str, Any], list[list[list[Any]]]]:
        """The claim, and entries of every region."""
        answers = {(i, j): self.nearest(r, j) for i, r in enumerate(self.regions) for j in range(self.network.outputs) if j != self.label}
        hits = {key: best for key, best in answers.items() if isinstance(best, ExactMinimum)}
        self.robust = not hits
        center = self.domain.center
        bounds = [(F(-1), F(1))] * self.k
        point = None
        needed = True
        if hits:
            best = min(hits.values(), key=lambda b: b.value)
            x = list(self.domain.lower)
            for j, t, h in zip(self.free, best.point, self.half, strict=False):
                x[j] = self.middle[j] + t * h
            point, needed = [str(v) for v in x], center is not None
            if center is not None:
                fixed = max((abs(self.domain.lower[j] - center[j]) for j in range(self.network.inputs) if j not in self.free), default=F(0))
                self.distance = max(best.value, fixed)
                needed = self.distance > fixed
                bounds = [
                    (
                        (max(self.domain.lower[j], center[j] - self.distance) - self.middle[j]) / h,
                        (min(self.domain.upper[j], center[j] + self.distance) - self.middle[j]) / h,
                    )
                    for j, h in zip(self.free, self.half, strict=True)
                ]
        entries: list[list[list[Any]]] = [[] for _ in self.regions]
        for (i, rival), best in answers.items() if needed else ():
            margin = self.margin(self.regions[i], rival)
            rows = self.regions[i].constraints()
            if least(margin, bounds) > 0 and self.random.random() < 0.7:
                continue
            if any(least(scaled(g, -1), bounds) > 0 for g in rows) and self.random.random() < 0.7:
                continue
            entries[i].append(self.below(rival, margin, rows, bounds) or self.far(rival, margin, rows, best))
        return {
            "label": self.label,
            "robust": self.robust,
            "distance": None if self.distance is None else str(self.distance),
            "point": point,
        }, entries

    def margin(self, region: Region, rival: int) -> Form:
        return tuple(a - b for a, b in zip(region.outputs[self.label], region.outputs[rival], strict=True))

    def nearest(self, region: Region, rival: int) -> ExactMinimum | Infeasible:
        """The adversarial point of a closed region nearest to the centre (any, without a centre): variables (t, s)."""
        rows = [(*g[:-1], F(0), g[-1]) for g in region.constraints()]
        margin = self.margin(region, rival)
        rows.append((*(-v for v in margin[:-1]), F(0), -margin[-1]))
        rows += self.around()
        return minimise([*[F(0)] * self.k, F(1), F(0)], rows, [F(-1)] * self.k + [F(0)], [F(1)] * self.k + [self.far_away()])

    def around(self) -> list[Form]:
        """s - |x_j - c_j| >= 0 in the variables (t, s)."""
        if self.domain.center is None:
            return []
        rows = []
        for i, j in enumerate(self.free):
            for sign in (-1, 1):
                shift = self.middle[j] - self.domain.center[j]
                rows.append((*(sign * self.half[i] * (q == i) for q in range(self.k)), F(1), sign * shift))
        return rows

    def far_away(self) -> F:
        c = self.domain.center
        return F(1) if c is None else 1 + max(max(abs(self.domain.lower[j] - c[j]), abs(self.domain.upper[j] - c[j])) for j in self.free)

    def below(self, rival: int, margin: Form, rows: list[Form], bounds: list[tuple[F, F]]) -> list[Any] | None:
        """An entry that the rival stays below on the cell within the bounds."""
        best = minimise(margin, rows, [a for a, _ in bounds], [b for _, b in bounds])
        if isinstance(best, Infeasible):  # the cell misses the bounds: a large multiple of the proof of that
            short = least(scaled(tuple(sum(m * rows[k][j] for k, m in best.multipliers.items()) for j in range(self.k + 1)), -1), bounds)
            scale = math.ceil((abs(least(margin, bounds)) + 1) / short)
            lam, pairs = whole(F(1), {k: m * scale for k, m in best.multipliers.items()})
            return ["A", rival, lam, *pairs]
        if best.value <= 0:
            return None
        lam, pairs = whole(F(1), best.multipliers)
        return ["A", rival, lam, *pairs]

    def far(self, rival: int, margin: Form, rows: list[Form], best: ExactMinimum | Infeasible) -> list[Any]:
        """An entry that the adversarial points of the cell are no nearer than the distance."""
        assert isinstance(best, ExactMinimum)
        y = best.multipliers
        last = len(rows) + 1
        # row 2 i is s - (x_i - c_i)
        mu = {i: y.get(last + 2 * i, F(0)) - y.get(last + 2 * i + 1, F(0)) for i in range(self.k)}
        scale, _ = whole(F(1), {**y, -1: F(1)})
        pairs = [v for k in range(len(rows)) if k in y for v in (k, int(y[k] * scale))]
        return ["D", rival, scale, int(y.get(len(rows), F(0)) * scale), [[self.free[i], int(v * scale)] for i, v in mu.items() if v], *pairs]

    # ---- the file
    def write(self) -> list[Any]:
        d = self.domain
        edges: list[list[list[int]]] = [[] for _ in self.regions]
        margins: list[list[list[Any]]] = [[] for _ in self.regions]
        lipschitz = robustness = None
        if "graph" in self.parts:
            edges = self.graph()
        if "lipschitz" in self.parts:
            lipschitz = self.lipschitz()
        if "robustness" in self.parts:
            robustness, margins = self.robustness()
        for line, graph_part, margin_part in zip((line for line in self.tree if line[0] == "R"), edges, margins, strict=True):
            line[4:] = [graph_part, margin_part]
        self.maps = {tuple(r.outputs) for r in self.regions}
        graph, maps = "graph" in self.parts, "maps" in self.parts
        header = {
            "neighbourhood": 0,
            "lower": [str(v) for v in d.lower],
            "upper": [str(v) for v in d.upper],
            "center": None if d.center is None else [str(v) for v in d.center],
            "parts": self.parts,
            "counts": {
                "regions": len(self.regions),
                "adjacencies": len(self.edges) if graph else None,
                "affine_functions": len(self.maps) if maps else None,
                "pieces": self.pieces() if graph and maps else None,
            },
            "lipschitz": lipschitz,
            "robustness": robustness,
        }
        return [header, *self.tree]

    def pieces(self) -> int:
        name = list(range(len(self.regions)))
        for i, j in self.edges:
            if self.regions[i].outputs == self.regions[j].outputs:
                name = [name[i] if v == name[j] else v for v in name]
        return len(set(name))


def prove(network: Network, provers: list[Prover]) -> list[Any]:
    """All lines of a proof file."""
    opening = [{"format": "polylc-proof/1", "producer": "tests", "neighbourhoods": len(provers)}, {"network": network_line(network)}]
    lines = [line for index, prover in enumerate(provers) for line in [{**prover.lines[0], "neighbourhood": index}, *prover.lines[1:]]]
    return [*opening, *lines, ["end of file"]]


def network_line(network: Network) -> dict[str, Any]:
    """The embedded network."""

    def terms(affine: Affine) -> list[Any]:
        return [[source, weight.tolist()] for source, weight in affine.terms]

    return {
        "source": network.source,
        "model_sha256": network.sha256,
        "weights_sha256": network.weights_sha256,
        "inputs": network.inputs,
        "layers": [
            {
                "terms": terms(layer.affine),
                "bias": layer.affine.bias.tolist(),
                "negative": layer.negative.tolist(),
                "positive": layer.positive.tolist(),
            }
            for layer in network.layers
        ],
        "output": {"terms": terms(network.output), "bias": network.output.bias.tolist()},
    }


def save(lines: list[Any], path: Path) -> Path:
    """Write a proof file."""
    with gzip.open(path, "wt", encoding="utf-8", compresslevel=1) as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)
    return path


# ---- small things
def compose(affine: Affine, sources: list[list[Form]]) -> list[Form]:
    rows = []
    for i, b in enumerate(affine.bias):
        row = [F(0)] * (len(sources[0][0]) - 1) + [F(float(b))]
        for source, weight in affine.terms:
            for w, h in zip(weight[i], sources[source], strict=True):
                row = [v + F(float(w)) * u for v, u in zip(row, h, strict=True)]
        rows.append(tuple(row))
    return rows


def scaled(form: Form, factor: int) -> Form:
    return tuple(factor * v for v in form)


def least(form: Form, bounds: list[tuple[F, F]] | None = None) -> F:
    """The least value on a box ([-1, 1]^k by default)."""
    box = bounds or [(F(-1), F(1))] * (len(form) - 1)
    return sum((min(a * low, a * high) for a, (low, high) in zip(form, box, strict=False)), F(0)) + form[-1]


def ratio(z: Form, g: Form) -> F | None:
    """The number s with z = s g, if there is one; g is not zero."""
    at = next(j for j, v in enumerate(g) if v)
    s = z[at] / g[at]
    return s if all(a == s * b for a, b in zip(z, g, strict=True)) else None


def whole(first: F, multipliers: dict[int, F]) -> tuple[int, list[int]]:
    """Integers proportional to `first` and the multipliers, the latter as pairs (k, m)."""
    scale = math.lcm(first.denominator, *(m.denominator for m in multipliers.values()))
    return int(first * scale), [v for k, m in multipliers.items() if m for v in (k, int(m * scale))]


def hexadecimal(mask: int) -> str:
    return format(mask, "x")
