"""Independent second ways to compute regions: an exact 2-D clipper, exact brute force over all patterns.

Neither shares code with the program beyond the network's weights. Both work in rationals.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction as F

import numpy as np

from polylc.domains.box import Neighbourhood
from polylc.network.form import Affine, Network

Form = tuple[F, ...]


def exact_layers(network: Network) -> list[tuple[list[list[F]], list[F]]]:
    """Weights and biases of a ReLU chain as fractions, output map last."""
    affines = [layer.affine for layer in network.layers] + [network.output]
    return [([[F(float(v)) for v in row] for row in a.terms[0][1]], [F(float(v)) for v in a.bias]) for a in affines]


def compose(weights: list[list[F]], bias: list[F], sources: list[Form]) -> list[Form]:
    """Affine forms (a, c) of the next layer."""
    k = len(sources[0])
    result = []
    for row, b in zip(weights, bias, strict=True):
        form = [sum((w * s[j] for w, s in zip(row, sources, strict=True)), F(0)) for j in range(k)]
        form[-1] += b
        result.append(tuple(form))
    return result


def value(form: Form, point: tuple[F, ...]) -> F:
    """Value of a form at a point."""
    return sum((a * x for a, x in zip(form, point, strict=False)), F(0)) + form[-1]


@dataclass
class Cell:
    """A 2-D region: corners in order, bits, and its affine map."""

    corners: list[tuple[F, F]]
    bits: tuple[bool, ...]
    output: list[Form]

    def area(self) -> F:
        """Exact area."""
        c = self.corners
        return abs(sum((c[i][0] * c[i - 1][1] - c[i][1] * c[i - 1][0] for i in range(len(c))), F(0))) / 2


def _clip(corners: list[tuple[F, F]], values: list[F], sign: int) -> list[tuple[F, F]]:
    kept = []
    for i in range(len(corners)):
        (p, u), (q, v) = (corners[i - 1], values[i - 1] * sign), (corners[i], values[i] * sign)
        if (u > 0 > v) or (u < 0 < v):
            t = u / (u - v)
            kept.append((p[0] + t * (q[0] - p[0]), p[1] + t * (q[1] - p[1])))
        if v >= 0:
            kept.append(q)
    return kept


def clip_regions(network: Network, domain: Neighbourhood) -> list[Cell]:
    """All regions of a ReLU chain on a 2-D box, exactly: bit 1 where z > 0 inside the cell."""
    (a, b), (c, d) = domain.lower, domain.upper
    layers = exact_layers(network)
    cells = [([(a, b), (c, b), (c, d), (a, d)], (), [(F(1), F(0), F(0)), (F(0), F(1), F(0))])]
    for weights, bias in layers[:-1]:
        following = []
        for corners, bits, sources in cells:
            forms = compose(weights, bias, sources)
            parts = [(corners, ())]
            for form in forms:
                split = []
                for part, own in parts:
                    values = [value(form, p) for p in part]
                    if max(values) > 0 > min(values):
                        split += [(_clip(part, values, 1), (*own, True)), (_clip(part, values, -1), (*own, False))]
                    else:
                        split.append((part, (*own, max(values) > 0)))
                parts = split
            zero = (F(0), F(0), F(0))
            following += [(part, bits + own, [f if on else zero for f, on in zip(forms, own, strict=True)]) for part, own in parts]
        cells = following
    return [Cell(corners, bits, compose(*layers[-1], sources)) for corners, bits, sources in cells]


def adjacent_pairs(cells: list[Cell]) -> set[tuple[int, int]]:
    """Pairs of cells whose boundaries share a segment of positive length, exactly."""
    pairs = set()
    for i, j in itertools.combinations(range(len(cells)), 2):
        if any(_overlap(e, f) for e in _edges(cells[i]) for f in _edges(cells[j])):
            pairs.add((i, j))
    return pairs


def _edges(cell: Cell) -> list[tuple[tuple[F, F], tuple[F, F]]]:
    return [(cell.corners[i - 1], cell.corners[i]) for i in range(len(cell.corners)) if cell.corners[i - 1] != cell.corners[i]]


def _overlap(e: tuple[tuple[F, F], tuple[F, F]], f: tuple[tuple[F, F], tuple[F, F]]) -> bool:
    (p, q), (r, s) = e, f
    d = (q[0] - p[0], q[1] - p[1])
    if any(d[0] * (x[1] - p[1]) != d[1] * (x[0] - p[0]) for x in (r, s)):
        return False
    along = [(d[0] * (x[0] - p[0]) + d[1] * (x[1] - p[1])) / (d[0] ** 2 + d[1] ** 2) for x in (r, s)]
    return min(1, max(along)) > max(0, min(along))


@dataclass
class Region:
    """A region in any dimension: bits, the forms of its hidden neurons, its affine map."""

    bits: tuple[bool, ...]
    hidden: list[Form]
    output: list[Form]


def box_forms(domain: Neighbourhood) -> list[Form]:
    """Forms that are positive in the open box."""
    result: list[Form] = []
    for j in range(domain.inputs):
        unit = tuple(F(int(i == j)) for i in range(domain.inputs))
        result += [(*unit, -domain.lower[j]), (*(-u for u in unit), domain.upper[j])]
    return result


def brute_force_regions(network: Network, domain: Neighbourhood) -> list[Region]:
    """All full-dimensional regions, by trying every sign pattern with an exact strict-feasibility test."""
    layers = exact_layers(network)
    n = domain.inputs
    found = []

    def descend(index: int, bits: tuple[bool, ...], hidden: list[Form], strict: list[Form], sources: list[Form]) -> None:
        forms = compose(*layers[index], sources)
        if index == len(layers) - 1:
            found.append(Region(bits, hidden, forms))
            return
        for own in itertools.product((False, True), repeat=len(forms)):
            here, possible = [], True
            for form, on in zip(forms, own, strict=True):
                if not any(form):
                    possible &= not on  # identically zero: bit 0
                else:
                    here.append(form if on else tuple(-v for v in form))
            if possible and strictly_feasible(strict + here):
                zero = (F(0),) * (n + 1)
                descend(index + 1, bits + own, hidden + forms, strict + here, [f if on else zero for f, on in zip(forms, own, strict=True)])

    identity = [tuple(F(int(i == j)) for i in range(n + 1)) for j in range(n)]
    descend(0, (), [], box_forms(domain), identity)
    return found


def brute_force_patterns(network: Network, domain: Neighbourhood) -> set[tuple[bool, ...]]:
    """Patterns of all full-dimensional regions."""
    return {r.bits for r in brute_force_regions(network, domain)}


def brute_force_adjacent(regions: list[Region], domain: Neighbourhood) -> set[tuple[int, int]]:
    """Pairs with a common facet: on the hyperplane of some form of the one, all other conditions of both are strictly
    feasible.
    """
    pairs = set()
    for (i, a), (j, b) in itertools.combinations(enumerate(regions), 2):
        conditions = [*zip(a.hidden, a.bits, strict=True), *zip(b.hidden, b.bits, strict=True), *((f, True) for f in box_forms(domain))]
        for h in a.hidden:
            if not any(h[:-1]):
                continue
            rest = [f if on else tuple(-v for v in f) for f, on in conditions if any(f) and not _proportional(f, h)]
            if strictly_feasible([_on_hyperplane(f, h) for f in rest]):
                pairs.add((i, j))
                break
    return pairs


def _proportional(f: Form, h: Form) -> bool:
    return all(u * y == v * x for (u, v), (x, y) in itertools.product(zip(f, h, strict=True), repeat=2))


def _on_hyperplane(f: Form, h: Form) -> Form:
    """The form with one coordinate eliminated by h = 0."""
    at = next(j for j, v in enumerate(h[:-1]) if v)
    reduced = [u - f[at] / h[at] * v for u, v in zip(f, h, strict=True)]
    return tuple(v for j, v in enumerate(reduced) if j != at)


def strictly_feasible(forms: list[Form]) -> bool:
    """Whether some point makes all affine forms positive: Fourier-Motzkin elimination in rationals.

    After d variables a row made of more than d + 1 of the first rows is redundant (Kohler 1967), else rows would square
    in number each time. A row can be made in several ways; none of the smallest may be forgotten.
    """
    rows = {(_primitive(form), frozenset([i])) for i, form in enumerate(dict.fromkeys(map(_primitive, forms)))}
    left = set(range(len(forms[0]) - 1))
    done = 0
    while True:
        if any(not any(r[:-1]) and r[-1] <= 0 for r, _ in rows):
            return False
        if not left:
            return True
        sides = {j: (sum(r[j] > 0 for r, _ in rows), sum(r[j] < 0 for r, _ in rows)) for j in left}
        at = min(left, key=lambda j: sides[j][0] * sides[j][1])
        left.remove(at)
        done += 1
        found = {(r, h) for r, h in rows if r[at] == 0 and any(r[:-1])}
        for (p, one), (q, two) in itertools.product(rows, rows):
            if p[at] > 0 > q[at] and len(one | two) <= done + 1:
                found.add((_primitive(tuple(a * -q[at] + b * p[at] for a, b in zip(p, q, strict=True))), one | two))
        ways: dict[Form, list[frozenset[int]]] = {}
        for r, h in found:
            ways.setdefault(r, []).append(h)
        rows = {(r, h) for r, all_ in ways.items() for h in all_ if not any(other < h for other in all_)}


def exact_volume(forms: list[Form]) -> F:
    """Volume of the bounded set on which all affine forms are non-negative.

    The recursion over facets of Lasserre (1983), An analytical expression and an algorithm for the volume of a convex
    polyhedron.
    """
    rows = sorted({_primitive(f) for f in forms})
    if any(not any(r[:-1]) and r[-1] < 0 for r in rows):
        return F(0)
    rows = [r for r in rows if any(r[:-1])]
    n = len(forms[0]) - 1
    if n == 1:
        ends = [(-r[1] / r[0], r[0] > 0) for r in rows]
        return max(F(0), min(x for x, up in ends if not up) - max(x for x, up in ends if up))
    total = F(0)
    for row in rows:
        if row[-1]:
            j = max(range(n), key=lambda i: abs(row[i]))
            inside = [tuple(v - r[j] / row[j] * w for i, (v, w) in enumerate(zip(r, row, strict=True)) if i != j) for r in rows if r != row]
            total += row[-1] / abs(row[j]) * exact_volume(inside)
    return total / n


def _primitive(row: Form) -> Form:
    scale = max((abs(v) for v in row), default=F(0))
    return tuple(v / scale for v in row) if scale else row


# ---- brute force, for leaky units and layers that read several others
def _forms_of(affine: Affine, sources: list[list[Form]]) -> list[Form]:
    """The forms of a layer, or of the outputs, in integers over one denominator or fractions, all exact."""
    size, k = len(affine.bias), len(sources[0][0])
    rows = [[F(0)] * k for _ in range(size)]
    for source, matrix in affine.terms:
        weights = np.asarray(matrix.toarray() if hasattr(matrix, "toarray") else matrix)
        for row, line in zip(rows, weights.tolist(), strict=True):
            for w, form in zip(line, sources[source], strict=True):
                if w:
                    for j, v in enumerate(form):
                        row[j] += F(w) * v
    for row, b in zip(rows, affine.bias.tolist(), strict=True):
        row[-1] += F(b)
    return [tuple(row) for row in rows]


def regions_of_any_network(network: Network, domain: Neighbourhood) -> list[tuple[tuple[bool, ...], list[Form]]]:
    """Patterns and affine maps of all full-dimensional regions."""
    n, found = domain.inputs, []

    def descend(index: int, bits: tuple[bool, ...], strict: list[Form], sources: list[list[Form]]) -> None:
        if index == len(network.layers):
            found.append((bits, _forms_of(network.output, sources)))
            return
        layer = network.layers[index]
        forms = _forms_of(layer.affine, sources)

        def choose(own: tuple[bool, ...], here: list[Form]) -> None:
            if len(own) == len(forms):
                slopes = [F(float(p if on else q)) for on, q, p in zip(own, layer.negative, layer.positive, strict=True)]
                after = [tuple(s * v for v in form) for s, form in zip(slopes, forms, strict=True)]
                descend(index + 1, bits + own, here, [*sources, after])
                return
            form = forms[len(own)]
            for on in (False, True):
                if not any(form):
                    if not on:  # identically zero: bit 0
                        choose((*own, on), here)
                    continue
                more = [*here, form if on else tuple(-v for v in form)]
                if strictly_feasible(more):
                    choose((*own, on), more)

        choose((), strict)

    identity = [tuple(F(int(i == j)) for i in range(n + 1)) for j in range(n)]
    descend(0, (), box_forms(domain), [identity])
    return found


def one_layer_in_a_ball(distances: Sequence[float], radius: float, dimension: int) -> float:
    """LC_0 of the l2 ball in which only neurons of one layer change sign: a closed form in any dimension.

    Parameters
    ----------
    distances : sequence of float
        Distance |z_i| / ||grad z_i|| of each neuron's hyperplane from the centre.
    radius : float
    dimension : int

    Notes
    -----
    A hyperplane at distance d < r meets the ball in one of dimension n - 1 and radius sqrt(r^2 - d^2), so

        LC_0 = sum_i w_{n-1} (r^2 - d_i^2)_+^{(n-1)/2} / (w_n r^n),     w_k = pi^{k/2} / Gamma(k/2 + 1).

    Examples
    --------
    >>> round(one_layer_in_a_ball([0.0, 0.6, 2.0], 1.0, 1), 12)
    1.0
    >>> round(one_layer_in_a_ball([0.0, 0.6], 1.0, 2) * 3.141592653589793, 12)  # chords of lengths 2 and 1.6
    3.6
    """
    n = dimension
    if n < 1 or not radius > 0:
        raise ValueError("a ball needs a positive radius and at least one dimension")
    ratio = math.exp(math.lgamma(0.5 * n + 1) - math.lgamma(0.5 * (n - 1) + 1)) / math.sqrt(math.pi) / radius
    inside = [1.0 - (d / radius) ** 2 for d in distances if abs(d) < radius]
    return ratio * math.fsum(v ** (0.5 * (n - 1)) for v in inside)
