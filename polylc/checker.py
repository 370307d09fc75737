"""Checker of polylc's proof files: one file, standard library only, `python -I checker.py PROOF`.

Theorem. If this ends with "verified" (exit code 0), then for the network whose weights are embedded in the file, every
weight taken as the rational number that its IEEE double is, and for every neighbourhood U (a box) that is printed:

* U has exactly as many activation regions as printed, those of the leaves of the tree in the file;
* graph: exactly the printed number of pairs of regions share a facet (adjacencies), those of the file;
* maps: the printed numbers of distinct affine maps and, with the graph, of pieces are right;
* lipschitz: every constant lies between the two numbers given;
* volumes: total variation (Frobenius, and of margins), local complexity and kink variation lie between the two numbers given;
* robustness: either no point of U has f_j >= f_label for a j other than the label; or the given point of U has, and, if
  there is a centre, no such point of U is nearer to it than the given distance, in the maximum norm.

Numbers are given by the file; printed they are cut off, with "...", where they are long.

Integer arithmetic decides everything. The format and the proof of the theorem are in docs/certificate-format.md. Trusted:
the Python interpreter with its standard library, this file, and that no two affine maps collide in SHA-256.

Exit codes: 0 verified; 1 refused, with the first claim that fails; 2 unreadable, or the checker failed; 130 interrupted.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import math
import re
import struct
import sys
import zlib
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import compress
from operator import mul
from typing import Any, NamedTuple, NoReturn

FORMAT = "polylc-proof/1"
PARTS = ("graph", "maps", "lipschitz", "robustness", "volumes")
COUNTS = ("regions", "adjacencies", "affine_functions", "pieces")
LEFT_OUT = {
    "graph": "region graph",
    "maps": "affine maps",
    "lipschitz": "Lipschitz constants",
    "robustness": "robustness",
    "volumes": "volumes and what they weigh",
}
MOST_DIMENSION = 4  # of volumes
BITS = 640  # of roots behind the binary point
LONGEST_LINE = 1 << 30  # bytes

Row = Sequence[int]  # an affine form (a_1, ..., a_k, c) of the unit coordinates t, times a positive scale
Rationals = tuple[Fraction, ...]


class Refused(Exception):  # noqa: N818
    """A claim is false, or not proved by what the file gives."""


class Unreadable(Exception):  # noqa: N818
    """The file is not a proof in this format."""


@dataclass(frozen=True)
class Constant:
    """A Lipschitz constant: `lower` <= constant^power <= `upper`, where power is 2 for the norm l2 and 1 otherwise."""

    target: str
    norm: str
    lower: Fraction
    upper: Fraction


@dataclass(frozen=True)
class Robustness:
    """Whether `label` is `robust`; if not, an adversarial `point` and its `distance` from the centre, the least of all."""

    label: int
    robust: bool
    distance: Fraction | None
    point: Rationals | None


@dataclass(frozen=True)
class Weighed:
    """A measure weighed by volume or area, and its bounds."""

    name: str
    lower: Fraction
    upper: Fraction


@dataclass(frozen=True)
class Verified:
    """What was verified of one neighbourhood; None stands for what the file does not claim."""

    index: int
    lower: Rationals
    upper: Rationals
    center: Rationals | None
    parts: tuple[str, ...]
    regions: int
    adjacencies: int | None
    affine_functions: int | None
    pieces: int | None
    lipschitz: tuple[Constant, ...] | None
    robustness: Robustness | None
    volumes: tuple[Weighed, ...] | None
    weights_sha256: str
    model_sha256: str
    source: str


# ---- reading ---------------------------------------------------------------------------------------------------------
def _need(ok: object, text: str) -> None:
    if not ok:
        raise Unreadable(text)


def _hold(ok: object, text: str) -> None:
    if not ok:
        raise Refused(text)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    _need(len(dict(pairs)) == len(pairs), "a key occurs twice")
    return dict(pairs)


def _no_number(text: str) -> NoReturn:
    raise Unreadable(f"{text} is not a number")


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_number)


class _Lines:
    """The lines of the file, one JSON value each, read forward only."""

    def __init__(self, path: Any) -> None:
        self.number = 0
        try:
            self.file = gzip.open(path, "rb")  # noqa: SIM115
        except (OSError, ValueError) as error:
            raise Unreadable(f"cannot be opened: {error}") from None

    def text(self) -> bytes:
        self.number += 1
        try:
            line: bytes = self.file.readline(LONGEST_LINE)
        except (OSError, EOFError, zlib.error) as error:
            raise Unreadable(f"not a gzip file, or damaged: {error}") from None
        return line

    def next(self) -> Any:
        line = self.text()
        _need(line, "the file ends too early")
        _need(len(line) < LONGEST_LINE, "the line is too long")
        try:
            return _DECODER.decode(line.decode("utf-8"))
        except (ValueError, RecursionError) as error:
            raise Unreadable(f"not a JSON value: {error}") from None

    def end(self) -> None:
        _need(self.next() == ["end of file"], 'the line ["end of file"] expected')
        _need(not self.text(), "something follows the end")


def _fields(value: Any, *names: str) -> list[Any]:
    _need(type(value) is dict and set(value) == set(names), f"an object with exactly the keys {', '.join(names)} expected")
    return [value[name] for name in names]


def _list(value: Any, length: int | None = None) -> list[Any]:
    _need(type(value) is list and length in (None, len(value)), "a list, or one of another length, expected")
    return list(value)


def _integers(value: Any, least: int = 0) -> list[int]:
    _need(type(value) is list and len(value) >= least and {int}.issuperset(map(type, value)), "a list of integers, or a longer one, expected")
    return list(value)


def _integer(value: Any, low: int, high: float, what: str) -> int:
    _need(type(value) is int and low <= value < high, f"{what}: an integer from {low}, below {high}, expected")
    return int(value)


def _rationals(value: Any, length: int) -> Rationals:
    for text in _list(value, length):
        _need(type(text) is str and re.fullmatch(r"-?[0-9]+(/0*[1-9][0-9]*)?", text), 'a string "p" or "p/q" expected')
    try:
        return tuple(map(Fraction, value))
    except ValueError as error:
        raise Unreadable(f"a rational number: {error}") from None


def _floats(value: Any, length: int) -> list[float]:
    _need({float}.issuperset(map(type, _list(value, length))) and all(map(math.isfinite, value)), "finite numbers, written as floats, expected")
    return list(value)


# ---- forms -----------------------------------------------------------------------------------------------------------
def _least(row: Row) -> int:
    """The least value of a form on the box [-1, 1]^k."""
    return row[-1] - sum(map(abs, row[:-1]))


def _combine(terms: list[tuple[int, Row, int]]) -> tuple[list[int], int]:
    """The sum of multiplier * form, from (multiplier, row, exponent of its scale); its row and exponent."""
    top = max(exponent for _, _, exponent in terms)
    multipliers = [m << (top - exponent) for m, _, exponent in terms]
    return [sum(map(mul, multipliers, column)) for column in zip(*(row for _, row, _ in terms), strict=True)], top


def _direction(row: Row) -> tuple[int, int, int] | None:
    """The same for any two proportional rows (of either sign), since floor(p 2^64 / q) depends on p / q only; None for zero."""
    for index, pivot in enumerate(row):
        if pivot:
            return index, (row[-1] << 64) // pivot, (row[-2] << 64) // pivot
    return None


def _proportional(row: Row, other: Row, at: int) -> bool:
    """Whether row = s * other for some s, which may be 0; other[at] is not 0."""
    u, v = row[at], other[at]
    return all(a * v == b * u for a, b in zip(row, other, strict=True))


# ---- the network -----------------------------------------------------------------------------------------------------
class _Sent(NamedTuple):
    """What a layer sends on: columns of its rows h, of which those that are zero are left out."""

    live: list[bool]
    columns: list[tuple[int, ...]]


def _send(rows: list[Row]) -> _Sent:
    return _Sent([any(row) for row in rows], list(zip(*filter(any, rows), strict=True)))


def _bits(values: Sequence[float]) -> int:
    return max((v.as_integer_ratio()[1].bit_length() - 1 for v in values), default=0)


def _whole(values: Sequence[float], exponent: int) -> list[int]:
    return [(p << exponent) // q for p, q in (v.as_integer_ratio() for v in values)]


class _Network:
    """The embedded network in integers. Hidden layers are 0, ..., L-1 here and the output map is L; source s >= 1 is layer s-1.

    Inputs are on the scale `one`; the forms z of a layer are on the scale one * 2^exponents[layer].
    """

    def __init__(self, value: Any) -> None:
        self.source, self.model_sha256, digest, inputs, layers, output = _fields(
            value, "source", "model_sha256", "weights_sha256", "inputs", "layers", "output"
        )
        _need({str} == {type(self.source), type(self.model_sha256), type(digest)}, "source and hashes: strings expected")
        self.inputs = _integer(inputs, 1, math.inf, "inputs")
        self.terms: list[list[tuple[int, list[list[int]]]]] = []
        self.biases: list[list[int]] = []
        self.slopes: list[list[tuple[int, int]]] = []
        self.exponents: list[int] = []
        self.first = [0]  # number of each layer's first neuron
        widths, scales = [self.inputs], [0]
        hashed, hashed_slopes = hashlib.sha256(b"polylc.network/1"), b""

        def packed(shape: tuple[int, ...], rows: list[list[float]]) -> bytes:
            return repr(shape).encode() + b"".join(struct.pack(f"<{len(row)}d", *row) for row in rows)

        for layer in [*_list(layers), output]:
            hidden = len(self.terms) < len(layers)
            terms, bias, *slopes = _fields(layer, "terms", "bias", *(("negative", "positive") if hidden else ()))
            width = len(_list(bias))
            for term in _list(terms):
                source, rows = _list(term, 2)
                _integer(source, 0, len(widths), "source")
                for row in _list(rows, width):
                    _floats(row, widths[source])
                hashed.update(f"term {source}".encode() + packed((width, widths[source]), rows))
            hashed.update(packed((width,), [_floats(bias, width)]))
            exponent = max([_bits(bias), *(scales[source] + max(map(_bits, rows), default=0) for source, rows in terms)])
            self.exponents.append(exponent)
            self.biases.append(_whole(bias, exponent))
            self.terms.append([(source, [_whole(row, exponent - scales[source]) for row in rows]) for source, rows in terms])
            if hidden:
                hashed_slopes += b"".join(packed((width,), [_floats(row, width)]) for row in slopes)
                bits = max(map(_bits, slopes))
                self.slopes.append(list(zip(*(_whole(row, bits) for row in slopes), strict=True)))
                scales.append(exponent + bits)
                widths.append(width)
                self.first.append(self.first[-1] + width)
        self.hidden, self.outputs = len(self.slopes), len(self.biases[-1])
        _need(self.outputs, "at least one output expected")
        hashed.update(hashed_slopes)
        self.weights_sha256 = hashed.hexdigest()
        _hold(digest == self.weights_sha256, "the hash of the weights is not that of the weights in the file")

    def compose(self, layer: int, sent: list[_Sent], one: int) -> list[Row]:
        """The forms z of a layer, from what its sources send."""
        size = len(sent[0].columns)
        found: list[Row] = []
        for index, bias in enumerate(self.biases[layer]):
            total = [0] * (size - 1) + [bias * one]
            for source, rows in self.terms[layer]:
                live, columns = sent[source]
                weights = list(compress(rows[index], live))
                total = [sum(map(mul, weights, column), start) for start, column in zip(total, columns, strict=True)] if columns else total
            found.append(total)
        return found

    def send(self, layer: int, rows: list[Row], pattern: int) -> _Sent:
        """h = slope * z, with the slope on the side that the pattern names."""
        bits = pattern >> self.first[layer]
        slopes = [both[bits >> i & 1] for i, both in enumerate(self.slopes[layer])]
        return _send([row if s == 1 else [s * a for a in row] if s else [] for s, row in zip(slopes, rows, strict=True)])

    def value(self, point: Rationals) -> list[int]:
        """All outputs at a point, exactly, on one positive scale."""
        one = math.lcm(*(x.denominator for x in point))
        sent = [_Sent([True] * len(point), [tuple(int(x * one) for x in point)])]
        for layer in range(self.hidden):
            rows = self.compose(layer, sent, one)
            pattern = sum(1 << i for i, row in enumerate(rows, self.first[layer]) if row[0] > 0)
            sent.append(self.send(layer, rows, pattern))
        return [row[0] for row in self.compose(self.hidden, sent, one)]


# ---- the tree of one neighbourhood -----------------------------------------------------------------------------------
class _Wall(NamedTuple):
    """An entry of a path: the half-space row > 0 of a neuron, and the least entry that is proportional to it."""

    row: Row
    exponent: int
    neuron: int
    layer: int
    direction: tuple[int, int, int]
    group: int


def _multiples(path: list[_Wall], pairs: list[int]) -> list[tuple[int, Row, int]]:
    """Negative multiples of distinct walls, from k1, m1, k2, m2, ... with m > 0."""
    entries, multipliers = pairs[::2], pairs[1::2]
    _need(len(entries) == len(multipliers) == len(set(entries)), "pairs of distinct path entries and multipliers expected")
    _need(all(0 <= k < len(path) for k in entries) and all(m > 0 for m in multipliers), "path entries and positive multipliers expected")
    return [(-m, path[k].row, path[k].exponent) for k, m in zip(entries, multipliers, strict=True)]


class _Layer:
    """The forms of a layer on a cell, and which of them share a direction."""

    def __init__(self, rows: list[Row]) -> None:
        self.rows = rows
        self._directions: dict[tuple[int, int, int] | None, list[int]] | None = None

    def directed(self, direction: tuple[int, int, int] | None) -> list[int]:
        if self._directions is None:
            self._directions = {}
            for i, row in enumerate(self.rows):
                self._directions.setdefault(_direction(row), []).append(i)
        return self._directions.get(direction, [])


@dataclass
class _Cell:
    """A node of the tree: its path, the neurons known on its open cell and their bits, the layers composed there.

    Invariant: wherever all walls are > 0 in the open box, each known neuron is positive (bit 1), or negative or
    identically zero (bit 0). `open` holds the neurons of the last composed layer that are not known.
    """

    path: list[_Wall]
    known: int
    bits: int
    open: int
    layers: list[_Layer]
    sent: list[_Sent]

    def learn(self, neuron: int, bit: int) -> None:
        self.known |= 1 << neuron
        self.bits |= bit << neuron
        self.open &= ~(1 << neuron)


class _Tree:
    """Reads the decision tree of a neighbourhood: its leaves are the activation regions."""

    def __init__(self, network: _Network, lower: Rationals, upper: Rationals) -> None:
        self.network = network
        self.free = [j for j, (a, b) in enumerate(zip(lower, upper, strict=True)) if a < b]
        self.middle = [(a + b) / 2 for a, b in zip(lower, upper, strict=True)]
        self.sides = [(upper[j] - lower[j]) / 2 for j in self.free]
        self.one = math.lcm(*(v.denominator for v in self.middle + self.sides))
        self.half = [int(v * self.one) for v in self.sides]
        self.start = [[0] * len(self.free) + [int(v * self.one)] for v in self.middle]  # the inputs as forms
        for i, j in enumerate(self.free):
            self.start[j][i] = self.half[i]

    def root(self) -> _Cell:
        return _Cell([], 0, 0, 0, [], [_send(list(self.start))])

    def advance(self, cell: _Cell) -> None:
        """Compose every layer whose sources are known, and decide what interval arithmetic decides."""
        net = self.network
        while not cell.open:
            layer = len(cell.layers)
            if layer == len(cell.sent):
                cell.sent.append(net.send(layer - 1, cell.layers[-1].rows, cell.bits))
            if layer == net.hidden:
                break
            rows = net.compose(layer, cell.sent, self.one)
            cell.layers.append(_Layer(rows))
            for neuron, row in enumerate(rows, net.first[layer]):
                radius = sum(map(abs, row[:-1]))
                if row[-1] >= radius:  # >= 0 on the box, so > 0 inside it unless the form is zero
                    cell.learn(neuron, int(any(row)))
                elif row[-1] <= -radius:
                    cell.learn(neuron, 0)
                else:
                    cell.open |= 1 << neuron

    def claim(self, cell: _Cell, value: Any) -> None:
        """lam * z - sum m g >= 0 on the box, so z >= 0 (lam > 0) or z <= 0 (lam < 0) wherever all walls g are >= 0."""
        neuron, lam, *pairs = claim = _integers(value, 2)
        _need(len(claim) % 2 == 0, "a claim of an even length expected")
        _need(lam, "the multiplier of a claim is zero")
        _hold(neuron >= 0 and cell.open >> neuron & 1, f"neuron {neuron} is claimed, but not open here")
        row, layer = self.form(cell, neuron)
        difference, _ = _combine([(lam, row, self.network.exponents[layer]), *_multiples(cell.path, pairs)])
        _hold(_least(difference) >= 0, f"the multipliers do not prove the claimed side of neuron {neuron}")
        cell.learn(neuron, int(lam > 0))  # an open neuron's form is not zero
        self.advance(cell)

    def form(self, cell: _Cell, neuron: int) -> tuple[Row, int]:
        """The form of a neuron, and its layer."""
        layer = next(i for i in range(len(cell.layers)) if neuron < self.network.first[i + 1])
        return cell.layers[layer].rows[neuron - self.network.first[layer]], layer

    def child(self, cell: _Cell, neuron: int, side: int) -> _Cell:
        row, layer = self.form(cell, neuron)
        direction = _direction(row)
        if direction is None:
            raise Refused(f"split at neuron {neuron}, whose form is zero")
        at = direction[0]
        group = next((i for i, w in enumerate(cell.path) if w.direction == direction and _proportional(w.row, row, at)), len(cell.path))
        wall = _Wall(row if side else [-a for a in row], self.network.exponents[layer], neuron, layer, direction, group)
        child = _Cell([*cell.path, wall], cell.known, cell.bits, cell.open, cell.layers[:], cell.sent[:])
        if not cell.known >> neuron & 1:
            child.learn(neuron, side)
        return child

    def split(self, cell: _Cell, neuron: Any, sides: Any) -> list[_Cell]:
        """The children, in the order in which they follow."""
        _integer(neuron, 0, self.network.first[-1], "neuron")
        if _integer(sides, 0, 3, "sides") == 2:
            _hold(cell.open >> neuron & 1, f"split at neuron {neuron}, which is not open here")
            return [self.child(cell, neuron, 0), self.child(cell, neuron, 1)]
        known = cell.known >> neuron & 1 and cell.bits >> neuron & 1 == sides
        _hold(known, f"split at neuron {neuron} without side {1 - sides}, which is not excluded here")
        return [self.child(cell, neuron, sides)]

    def leaf(self, cell: _Cell, pattern: Any, point: Any) -> None:
        _need(type(pattern) is str and re.fullmatch(r"0|[1-9a-f][0-9a-f]*", pattern), "pattern: a hexadecimal string expected")
        den, *t = _integers(point, 1)
        _need(den > 0 and len(t) == len(self.free), "a point: integers, the first of them positive, expected")
        _hold(len(cell.sent) == self.network.hidden + 1, "a region with neurons that are not known")
        _hold(int(pattern, 16) == cell.bits, "the pattern is not that of the region")
        _hold(all(-den < v < den for v in t), "the point is not inside the neighbourhood")
        t.append(den)
        _hold(all(sum(map(mul, wall.row, t)) > 0 for wall in cell.path), "the point is not inside the region")


# ---- the region graph ------------------------------------------------------------------------------------------------
class _Graph:
    """Which regions share a facet: every wall of every region, with the pattern beyond it and what was proved there."""

    def __init__(self, tree: _Tree) -> None:
        self.tree = tree
        self.index: dict[int, int] = {}  # pattern -> region
        self.owner, self.step = array("q"), array("q")  # region; flipped neuron, or -1 - place among the others
        self.other: list[int] = []  # patterns beyond where not just one neuron flips
        self.proved = bytearray()  # 0 nothing, 1 edge, 2 no facet

    def add(self, cell: _Cell, entries: list[Any]) -> None:
        region = len(self.index)
        self.index[cell.bits] = region
        proved: dict[int, int] = {}
        for entry in entries:
            _integers(entry, 2)
            e = entry[0] if entry[0] >= 0 else -1 - entry[0]
            _need(e < len(cell.path), "a facet entry beyond the path")
            _hold(cell.path[e].group == e, "a facet entry that is not the first of its hyperplane")
            _hold(e not in proved, "two facet entries on one hyperplane")
            proved[e] = 1 if entry[0] >= 0 else 2
            (self.edge if entry[0] >= 0 else self.no_facet)(cell.path, e, entry[1:])
        for e, wall in enumerate(cell.path):
            if wall.group == e and any(wall.row[:-1]):  # a constant form has no hyperplane
                pattern = self.beyond(cell, wall)
                flip = pattern ^ cell.bits
                if flip & (flip - 1):
                    self.other.append(pattern)
                self.owner.append(region)
                self.step.append(-len(self.other) if flip & (flip - 1) else flip.bit_length() - 1)
                self.proved.append(proved.get(e, 0))

    def edge(self, path: list[_Wall], e: int, entry: list[int]) -> None:
        """The point is on g = 0, inside the box, and inside every wall that is not proportional to g."""
        k = len(self.tree.free)
        _need(len(entry) == k + 2 and 0 <= entry[0] < k and entry[1] > 0, "an edge: e, j, den and a point expected")
        g, (j, den, *t) = path[e].row, entry
        t[j] = 0
        t.append(den)
        _hold(g[j], "an edge whose hyperplane does not fix coordinate j")
        scale, own = abs(g[j]), sum(map(mul, g, t)) * (-1 if g[j] > 0 else 1)  # t_j = own / (den * scale)
        _hold(all(-den < v < den for v in t[:-1]) and abs(own) < den * scale, "a facet's point is not inside the neighbourhood")
        inside = all(sum(map(mul, wall.row, t)) * scale + wall.row[j] * own > 0 for wall in path if wall.group != e)
        _hold(inside, "a facet's point is not inside the other walls")

    def no_facet(self, path: list[_Wall], e: int, entry: list[int]) -> None:
        """sum m g_k + lam g_e <= 0 on the box: no point of g_e = 0 in the open box has all g_k > 0."""
        _need(len(entry) % 2, "no facet: e, lam and pairs expected")
        lam, *pairs = entry
        _need(lam or pairs, "no facet: no multipliers")
        others = _multiples(path, pairs)
        _hold(all(path[k].group != e for k in pairs[::2]), "no facet: a wall on the same hyperplane")
        total, _ = _combine([(-lam, path[e].row, path[e].exponent), *others])
        _hold(_least(total) >= 0, "the multipliers do not prove that there is no facet")

    def beyond(self, cell: _Cell, wall: _Wall) -> int:
        """The only pattern that can lie beyond the wall: forms on both sides agree on it, so they differ by multiples of it."""
        net, at, g = self.tree.network, wall.direction[0], wall.row
        zero = [n for n, layer in enumerate(cell.layers) if n > wall.layer and layer.directed(None)]
        vanishing = {
            net.first[n] + i
            for n, layer in enumerate(cell.layers)
            for i in layer.directed(wall.direction)
            if net.first[n] + i == wall.neuron or _proportional(layer.rows[i], g, at)
        }
        if not zero and len(vanishing) == 1:
            return cell.bits ^ 1 << wall.neuron
        vanishing |= {net.first[n] + i for n, layer in enumerate(cell.layers) for i in layer.directed(None)}
        pattern, sent = 0, cell.sent[:1]
        for n, layer in enumerate(cell.layers):
            below = (1 << net.first[n]) - 1
            rows = layer.rows if pattern == cell.bits & below else net.compose(n, sent, self.tree.one)
            for neuron, row in enumerate(rows, net.first[n]):
                bit = cell.bits >> neuron & 1
                if neuron in vanishing:
                    _hold(_proportional(row, g, at), "a form beyond a wall is no multiple of it")
                    bit = int(row[at] * g[at] < 0)
                pattern |= bit << neuron
            sent.append(net.send(n, rows, pattern))
        return pattern

    def finish(self) -> set[tuple[int, int]]:
        """The edges, once all regions are known."""
        patterns = list(self.index)
        pairs: tuple[set[tuple[int, int]], ...] = (set(), set(), set())
        for region, step, proved in zip(self.owner, self.step, self.proved, strict=True):
            other = self.index.get(patterns[region] ^ 1 << step if step >= 0 else self.other[-1 - step])
            if other is None:
                _hold(proved != 1, f"region {region} has a facet beyond which no region is listed")
            else:
                pairs[proved].add((min(region, other), max(region, other)))
        left, edges, apart = pairs
        _hold(not edges & apart, "a pair of regions with a facet and without")
        missing = min(left - edges - apart, default=None)
        _hold(missing is None, f"it is not proved whether regions {missing} share a facet")
        return edges


# ---- maps, Lipschitz constants, robustness ---------------------------------------------------------------------------
def _pieces(maps: Sequence[int], edges: set[tuple[int, int]]) -> int:
    """Number of classes of regions that edges between equal maps join."""
    root = list(range(len(maps)))

    def find(i: int) -> int:
        while root[i] != i:
            root[i] = i = root[root[i]]
        return i

    for i, j in edges:
        if maps[i] == maps[j]:
            root[find(i)] = find(j)
    return sum(i == r for i, r in enumerate(root))


def _semidefinite(matrix: list[list[int]]) -> bool:
    """Whether a symmetric matrix is positive semidefinite, by fraction-free elimination (Bareiss)."""
    before = 1
    while matrix:
        (pivot, *head), *rows = matrix
        if pivot < 0 or (pivot == 0 and any(head)):
            return False
        matrix = [row[1:] for row in rows]
        if pivot:
            matrix = [[(pivot * v - row[0] * u) // before for v, u in zip(row[1:], head, strict=True)] for row in rows]
            before = pivot
    return True


class _Lipschitz:
    """Maxima over the regions of what the rows name, on the scale 2^exponent (its square for l2)."""

    def __init__(self, rows: Any, outputs: int, exponent: int) -> None:
        self.rows: list[tuple[Constant, tuple[int, ...] | None, int, list[int]]] = []
        self.exponent, self.most = exponent, [0] * len(_list(rows))
        for row in rows:
            target, norm, *rest = _list(row, 6 if _list(row)[:2] == ["jacobian", "l2"] else 4)
            _need(norm in ("linf", "l2", "l1") and type(target) is str, "a target and a norm expected")
            lower, upper = _rationals(rest[:2], 2)
            found = re.fullmatch(r"f(0|[1-9][0-9]{0,8})(?:-f(0|[1-9][0-9]{0,8}))?", target)
            _need(found or target == "jacobian", f"{target!a} is no target")
            member = tuple(int(v) for v in found.groups() if v) if found else None
            _need(not member or (len(set(member)) == len(member) and max(member) < outputs), f"{target} is no output, or no two")
            _need(lower >= 0 and upper >= 0, "bounds that are not negative expected")
            region, vector = (_integer(rest[2], 0, math.inf, "region"), _integers(rest[3])) if len(rest) == 4 else (-1, [])
            _need(region < 0 or (len(vector) == outputs and any(vector)), "a vector that is not zero expected")
            self.rows.append((Constant(target, norm, lower, upper), member, region, vector))

    def add(self, region: int, jacobian: list[list[int]], new: bool) -> None:
        """A region with its Jacobian on the scale 2^exponent; `new` unless an earlier region has the same."""
        columns = list(zip(*jacobian, strict=True))
        for place, (row, member, witness, vector) in enumerate(self.rows):
            if region == witness:
                image = sum(sum(map(mul, column, vector)) ** 2 for column in columns)
                enough = image * row.lower.denominator >= row.lower.numerator * sum(map(mul, vector, vector)) << 2 * self.exponent
                _hold(enough, "jacobian l2: the vector does not prove the lower bound")
                self.most[place] = -1  # seen
            if not new:
                continue
            if witness >= 0:
                _hold(self.bounded(jacobian, columns, row.upper), f"jacobian l2: region {region} exceeds the upper bound")
            elif member is None:
                sums = [sum(map(abs, line)) for line in (jacobian if row.norm == "linf" else columns)]
                self.most[place] = max(self.most[place], *sums)
            else:
                gradient: Sequence[int] = jacobian[member[0]]
                if len(member) == 2:
                    gradient = list(map(int.__sub__, gradient, jacobian[member[1]]))
                size = sum(map(abs, gradient)) if row.norm == "linf" else sum(map(mul, gradient, gradient)) if row.norm == "l2" else 0
                self.most[place] = max(self.most[place], size if row.norm != "l1" else max(map(abs, gradient)))

    def bounded(self, jacobian: list[list[int]], columns: Sequence[Sequence[int]], bound: Fraction) -> bool:
        """Whether the squared largest singular value is at most `bound`."""
        p, q = bound.numerator << 2 * self.exponent, bound.denominator
        if q * sum(sum(map(mul, line, line)) for line in jacobian) <= p:  # the Frobenius norm
            return True
        lines = jacobian if len(jacobian) <= len(columns) else columns
        return _semidefinite([[(p if i == j else 0) - q * sum(map(mul, u, v)) for j, v in enumerate(lines)] for i, u in enumerate(lines)])

    def finish(self) -> tuple[Constant, ...]:
        for (row, _, witness, _), most in zip(self.rows, self.most, strict=True):
            if witness >= 0:
                _hold(most < 0, "jacobian l2: the region of the vector does not exist")
            else:
                value = Fraction(most, 1 << self.exponent * (2 if row.norm == "l2" else 1))
                _hold(row.lower <= value <= row.upper, f"the Lipschitz constant of {row.target} in {row.norm} is not between its bounds")
        return tuple(row for row, *_ in self.rows)


class _Margins:
    """Margins M = f_label - f_rival on the regions: no adversarial point, or none nearer than `distance`."""

    def __init__(self, value: Any, tree: _Tree, lower: Rationals, upper: Rationals, center: Rationals | None) -> None:
        label, robust, distance, point = _fields(value, "label", "robust", "distance", "point")
        net, n = tree.network, len(lower)
        _need(net.outputs > 1, "robustness of a network with one output")
        _need(type(robust) is bool and robust is (point is None), "robust or a point expected")
        _need((distance is None) is (robust or center is None), "a distance expected if there are a point and a centre, and only then")
        self.label = _integer(label, 0, net.outputs, "label")
        at = None if point is None else _rationals(point, n)
        self.distance = d = None if distance is None else _rationals([distance], 1)[0]
        self.answer = Robustness(self.label, robust, d, at)
        self.tree, self.center, self.needed = tree, center, True
        k = len(tree.free)
        self.scale, self.mid, self.width = 1, [0] * k, [1] * k  # the box B: t = (mid + [-1, 1] width) / scale
        if at is None:
            return
        _hold(all(a <= x <= b for a, x, b in zip(lower, at, upper, strict=True)), "the adversarial point is outside the neighbourhood")
        values = net.value(at)
        _hold(any(v >= values[label] for j, v in enumerate(values) if j != label), "the adversarial point is not adversarial")
        self.needed = center is not None
        if center is None or d is None:
            return
        _hold(max(abs(x - c) for x, c in zip(at, center, strict=True)) == d, "the distance is not that of the adversarial point")
        self.needed = d > max((abs(lower[j] - center[j]) for j in range(n) if j not in tree.free), default=0)
        low = [(max(lower[j], center[j] - d) - tree.middle[j]) / h for j, h in zip(tree.free, tree.sides, strict=True)]
        high = [(min(upper[j], center[j] + d) - tree.middle[j]) / h for j, h in zip(tree.free, tree.sides, strict=True)]
        self.scale = 2 * math.lcm(*(v.denominator for v in low + high))
        self.mid = [int((a + b) / 2 * self.scale) for a, b in zip(low, high, strict=True)]
        self.width = [int((b - a) / 2 * self.scale) for a, b in zip(low, high, strict=True)]

    def least(self, row: Row) -> int:
        """The least value on B of a form, times a positive scale."""
        return int(row[-1] * self.scale + sum(map(mul, row, self.mid)) - sum(map(mul, map(abs, row), self.width)))

    def add(self, path: list[_Wall], outputs: list[Row], entries: list[Any]) -> None:
        exponent = self.tree.network.exponents[-1]
        margins = {j: list(map(int.__sub__, outputs[self.label], row)) for j, row in enumerate(outputs) if j != self.label}
        shown = set()
        for entry in map(_list, entries):
            _need(len(entry) > 1 and type(entry[1]) is int and entry[1] in margins, "a margin entry of another output expected")
            _hold(entry[1] not in shown, "two margin entries for one output")
            shown.add(entry[1])
            if entry[0] == "A":
                lam, *pairs = _integers(entry[2:], 1)
                _need(lam >= 0, "a margin entry: a multiplier that is not negative expected")
                row, _ = _combine([(lam, margins[entry[1]], exponent), *_multiples(path, pairs)])
                _hold(self.least(row) > 0, f"the multipliers do not prove that output {entry[1]} stays below")
            else:
                _need(entry[0] == "D" and len(entry) > 4, "a margin entry: A or D expected")
                self.far(path, (margins[entry[1]], exponent), entry[2:])
        if self.needed and len(shown) < len(margins) and not all(self.least(row) > 0 for j, row in margins.items() if j not in shown):
            apart = any(self.least([-a for a in wall.row]) > 0 for wall in path)
            _hold(apart, "it is not proved that every other output stays below, or is far")

    def far(self, path: list[_Wall], margin: tuple[Row, int], entry: list[Any]) -> None:
        """sum w (x_q - c_q) - den distance + y0 M - sum m g >= 0 on the box, with sum |w| <= den."""
        den, y0 = _integers(entry[:2])
        if den <= 0 or y0 < 0 or self.distance is None or self.center is None:
            raise Unreadable("a distance entry: den > 0, y0 >= 0, and a distance expected")
        weights = {q: w for q, w in (_integers(_list(pair, 2)) for pair in _list(entry[2]))}  # noqa: C416
        _need(len(weights) == len(entry[2]) and all(0 <= q < len(self.center) for q in weights), "distinct inputs expected")
        _hold(sum(map(abs, weights.values())) <= den, "a distance entry whose weights are too large")
        terms: list[tuple[int, Row, int]] = [(w, self.tree.start[q], 0) for q, w in weights.items()]
        row, top = _combine([(y0, *margin), *terms, *_multiples(path, _integers(entry[3:]))])
        rest = den * self.distance + sum((w * self.center[q] for q, w in weights.items()), Fraction(0))
        _hold(Fraction(_least(row), self.tree.one << top) >= rest, "the multipliers do not prove the distance")


# ---- volumes -----------------------------------------------------------------------------------------------------------
def _determinant(matrix: list[list[int]]) -> int:
    """By elimination without fractions (Bareiss): every division is exact."""
    rows, previous, sign = [list(row) for row in matrix], 1, 1
    for c in range(len(rows) - 1):
        at = next((r for r in range(c, len(rows)) if rows[r][c]), None)
        if at is None:
            return 0
        if at != c:
            rows[c], rows[at], sign = rows[at], rows[c], -sign
        pivot = rows[c]
        for row in rows[c + 1 :]:
            head = row[c]
            for j in range(c + 1, len(row)):
                row[j] = (row[j] * pivot[c] - head * pivot[j]) // previous
        previous = pivot[c]
    return sign * rows[-1][-1] if rows else 1


def _root(square: Fraction) -> tuple[int, int]:
    """Integers around the root of a rational >= 0, times 2^BITS."""
    scaled = square.numerator << 2 * BITS
    low = math.isqrt(scaled // square.denominator)
    return low, low + (low * low * square.denominator != scaled)


class _Hull:
    """Points of a closed polytope, with the sets of those on each of its rows as bits: pulled triangulations of its faces."""

    def __init__(self, k: int, points: list[list[int]], on: list[int]) -> None:
        self.k, self.points = k, points
        sets = {face for face in on if face.bit_count() >= k}
        self.facets = {f for f in sets if not any(f != g and f & g == f for g in sets)}

    def simplices(self, face: int, dimension: int) -> list[list[int]]:
        """Simplices with disjoint interiors in the hull of a face's points; all of it if those hold the face's vertices."""
        members = [i for i in range(len(self.points)) if face >> i & 1]
        if len(members) <= dimension + 1:
            return [members] if len(members) == dimension + 1 else []
        parts = {face & f for f in self.facets} - {face}
        parts = {p for p in parts if not any(p != q and p & q == p for q in parts)}
        return [[members[0], *s] for p in parts if not p >> members[0] & 1 for s in self.simplices(p, dimension - 1)]

    def volume(self) -> Fraction:
        """k-volume, from homogeneous determinants."""
        everything = self.simplices((1 << len(self.points)) - 1, self.k)
        return self._sum([[self.points[i] for i in s] for s in everything], self.k)

    def shadow(self, face: int, drop: int) -> Fraction:
        """(k - 1)-volume of a face projected along a coordinate."""
        found = self.simplices(face, self.k - 1)
        return self._sum([[[x for j, x in enumerate(self.points[i]) if j != drop] for i in s] for s in found], self.k - 1)

    @staticmethod
    def _sum(simplices: list[list[list[int]]], dimension: int) -> Fraction:
        parts = [Fraction(abs(_determinant(s)), math.prod(v[-1] for v in s)) for s in simplices]
        return sum(parts, Fraction(0)) / math.factorial(dimension)


class _Volumes:
    """Volumes and facet areas from points of the regions, and bounds on what they weigh.

    The simplices of a region lie in it and do not overlap, so their volumes sum to at most its own. If over all regions they
    sum to that of the box, each region is the hull of its points, and areas computed from these are those of its facets.
    """

    def __init__(self, value: Any, tree: _Tree, outputs: int) -> None:
        self.tree, self.k = tree, len(tree.free)
        _need(self.k <= MOST_DIMENSION, f"volumes in dimension {self.k}")
        self.claims: list[tuple[str, str, Weighed]] = []
        for kind, given in zip(
            ("total variation", "local complexity", "kink variation"),
            _fields(value, "total_variation", "local_complexity", "kink_variation"),
            strict=True,
        ):
            _need(type(given) is dict, "an object with bounds by name expected")
            for name, pair in given.items():
                margin = re.fullmatch(r"f(0|[1-9][0-9]*)-f(0|[1-9][0-9]*)", name)
                if margin and kind == "total variation":
                    _need(all(int(j) < outputs for j in margin.groups()), f"{name} is no margin of the network")
                else:
                    known = {
                        "total variation": ["frobenius"],
                        "local complexity": ["activation", "activation_set", "function"],
                        "kink variation": ["frobenius"],
                    }
                    _need(name in known[kind], f"{kind}: {name!a} is not known")
                self.claims.append((kind, name, Weighed(f"{kind} {name}", *_rationals(pair, 2))))
        self.total = Fraction(0)
        self.shares: list[tuple[Fraction, int]] = []
        self.jacobians: dict[int, list[list[int]]] = {}
        self.sides: list[tuple[int, int, Fraction, Fraction]] = []  # pattern, pattern beyond, s, q: area s sqrt(q) |U|

    def add(self, cell: _Cell, jacobian: list[list[int]], vertices: list[Any], graph: _Graph) -> None:
        k = self.k
        points = [_integers(v, k + 1) for v in vertices]
        _need(all(len(v) == k + 1 and v[0] > 0 for v in points), "points: den > 0 and k integers each expected")
        points = [[*v[1:], v[0]] for v in points]
        walls: list[Row] = [[*(s * (i == j) for i in range(k)), 1] for j in range(k) for s in (1, -1)]
        on = []
        for row in [*walls, *(wall.row for wall in cell.path)]:
            values = [sum(map(mul, row, v)) for v in points]
            _hold(all(v >= 0 for v in values), "a vertex is outside its region")
            on.append(sum(1 << i for i, v in enumerate(values) if not v) if any(row[:-1]) else 0)
        hull = _Hull(k, points, on)
        share = hull.volume() / 2**k
        self.total += share
        self.shares.append((share, cell.bits))
        self.jacobians[cell.bits] = jacobian
        for e, wall in enumerate(cell.path):
            if wall.group == e and on[2 * k + e] in hull.facets and _least(wall.row) < 0:  # others miss the open box
                a = wall.row[:-1]
                drop = max(range(k), key=lambda j: abs(a[j]))
                shadow = hull.shadow(on[2 * k + e], drop) / 2**k
                slant = (
                    sum(((Fraction(x) / h) ** 2 for x, h in zip(a, self.tree.sides, strict=True)), Fraction(0))
                    * (self.tree.sides[drop] / a[drop]) ** 2
                )
                if shadow:
                    self.sides.append((cell.bits, graph.beyond(cell, wall), shadow / self.tree.sides[drop], slant))

    def finish(self, exponent: int) -> tuple[Weighed, ...]:
        _hold(self.total == 1, "the volumes do not sum to that of the neighbourhood")
        for kind, name, claim in self.claims:
            if kind == "total variation":
                terms = [(share**2 * self.square(self.jacobians[bits], name, exponent), 1) for share, bits in self.shares]
            else:
                terms = [t for side in self.sides for t in self.side(kind, name, side, exponent)]
            bounds = [_root(square) for square, _ in terms]
            halves = 1 if kind == "total variation" else 2  # facets are seen from both sides
            low = sum(weight * b[0] for (_, weight), b in zip(terms, bounds, strict=True))
            high = sum(weight * b[1] for (_, weight), b in zip(terms, bounds, strict=True))
            inside = claim.lower * (halves << BITS) <= low and high <= claim.upper * (halves << BITS)
            _hold(inside, f"{claim.name} is not between its bounds")
        return tuple(claim for *_, claim in self.claims)

    def square(self, jacobian: list[list[int]], name: str, exponent: int) -> Fraction:
        """The squared Frobenius norm of a Jacobian, or of the difference of two of its rows."""
        if name != "frobenius":
            first, second = (int(part[1:]) for part in name.split("-"))
            jacobian = [[a - b for a, b in zip(jacobian[first], jacobian[second], strict=True)]]
        return Fraction(sum(sum(map(mul, row, row)) for row in jacobian), 1 << 2 * exponent)

    def side(self, kind: str, name: str, side: tuple[int, int, Fraction, Fraction], exponent: int) -> list[tuple[Fraction, int]]:
        """Squares of what a facet adds, seen from one side, with how often."""
        bits, beyond, share, slant = side
        _hold(beyond in self.jacobians, "a region has a facet beyond which no region is listed")
        area = share**2 * slant
        left, right = self.jacobians[bits], self.jacobians[beyond]
        if kind == "kink variation":
            jump = [[a - b for a, b in zip(p, q, strict=True)] for p, q in zip(left, right, strict=True)]
            return [(area * self.square(jump, "frobenius", exponent), 1)]
        return [(area, {"activation": (bits ^ beyond).bit_count(), "activation_set": 1, "function": int(left != right)}[name])]


# ---- the file --------------------------------------------------------------------------------------------------------
def _block(lines: _Lines, network: _Network) -> Verified:
    opening = lines.next()
    named = ("volumes",) if type(opening) is dict and "volumes" in opening else ()
    index, low, high, middle, parts, counts, lipschitz, robustness, *weighed = _fields(
        opening, "neighbourhood", "lower", "upper", "center", "parts", "counts", "lipschitz", "robustness", *named
    )
    number = _integer(index, 0, math.inf, "neighbourhood")
    lower, upper = _rationals(low, network.inputs), _rationals(high, network.inputs)
    center = None if middle is None else _rationals(middle, network.inputs)
    _need(all(a <= b for a, b in zip(lower, upper, strict=True)) and lower != upper, "a box with an interior in some coordinate expected")
    _need([p for p in PARTS if p in _list(parts)] == parts, f"parts: some of {', '.join(PARTS)}, in this order, expected")
    claimed = _fields(counts, *COUNTS)
    present = [True, "graph" in parts, "maps" in parts, "graph" in parts and "maps" in parts]
    _need([type(v) for v in claimed] == [int if p else type(None) for p in present], "counts: integers, and null where a part is absent, expected")
    _need([lipschitz is not None, robustness is not None] == [p in parts for p in PARTS[2:4]], "lipschitz, robustness: null if absent, expected")

    tree = _Tree(network, lower, upper)
    graph = _Graph(tree) if "graph" in parts else None
    bounds = None if lipschitz is None else _Lipschitz(lipschitz, network.outputs, network.exponents[-1])
    margins = None if robustness is None else _Margins(robustness, tree, lower, upper, center)
    _need(len(weighed) == ("volumes" in parts), "volumes: bounds if the part is there, and only then, expected")
    _need(graph or not weighed, "volumes without the part graph")
    volumes = _Volumes(weighed[0], tree, network.outputs) if weighed else None
    size = 7 if volumes else 6
    known_maps: dict[bytes, int] = {}
    maps = array("q")
    regions, stack = 0, [tree.root()]
    while stack:
        line = _list(lines.next())
        kind = line[0] if line else None
        _need((kind == "S" and len(line) == 4) or (kind == "R" and len(line) == size), "a split S or a region R of the tree expected")
        cell = stack.pop()
        tree.advance(cell)
        for claim in _list(line[3]):
            tree.claim(cell, claim)
        if kind == "S":
            stack += reversed(tree.split(cell, line[1], line[2]))
            continue
        tree.leaf(cell, line[1], line[2])
        _need(graph or not _list(line[4]), "facets without the part graph")
        _need(margins or not _list(line[5]), "margins without the part robustness")
        if graph:
            graph.add(cell, _list(line[4]))
        if parts and parts != ["graph"]:
            outputs = network.compose(network.hidden, cell.sent, tree.one)
            digest = hashlib.sha256(repr(outputs).encode()).digest()
            new = digest not in known_maps
            maps.append(known_maps.setdefault(digest, len(known_maps)))
            jacobian = [[a // h for a, h in zip(row, tree.half, strict=False)] for row in outputs] if bounds or volumes else []
            if bounds:  # these divisions are exact: x = middle + half t
                bounds.add(regions, jacobian, new)
            if volumes and graph:
                volumes.add(cell, jacobian, _list(line[6]), graph)
            if margins:
                margins.add(cell.path, outputs, _list(line[5]))
        regions += 1

    edges = graph.finish() if graph else None
    found = [regions, len(edges or ()), len(known_maps), _pieces(maps, edges) if edges is not None and "maps" in parts else 0]
    for name, said, true in zip(COUNTS, claimed, found, strict=True):
        _hold(said in (None, true), f"{said} {name} claimed, {true} found")
    constants, answer = bounds.finish() if bounds else None, margins.answer if margins else None
    measures = volumes.finish(network.exponents[-1]) if volumes else None
    hashes = network.weights_sha256, network.model_sha256, network.source
    return Verified(number, lower, upper, center, tuple(parts), regions, claimed[1], claimed[2], claimed[3], constants, answer, measures, *hashes)


def check_file(path: Any) -> list[Verified]:
    """Check a proof file.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    list of Verified
        One for every neighbourhood.

    Raises
    ------
    Refused
        If a claim is false, or not proved.
    Unreadable
        If the file is not a proof in this format.
    """
    lines = _Lines(path)
    sys.set_int_max_str_digits(0)
    try:
        name, producer, count = _fields(lines.next(), "format", "producer", "neighbourhoods")
        _need(name == FORMAT, f"the format {FORMAT} expected, not {name!a}")
        _need(type(producer) is str, "producer: a string expected")
        _integer(count, 1, math.inf, "neighbourhoods")
        network = _Network(_fields(lines.next(), "network")[0])
        found: list[Verified] = []
        for _ in range(count):
            found.append(_block(lines, network))
            _need(found[-1].index not in {v.index for v in found[:-1]}, "a neighbourhood's number occurs twice")
        lines.end()
    except (Refused, Unreadable) as error:
        raise type(error)(f"line {lines.number}: {error}") from None
    finally:
        lines.file.close()
    return found


def _show(value: Fraction) -> str:
    """The number itself if it is short; otherwise its first digits (what was verified is exact all the same)."""
    text = str(value)
    if len(text) <= 24:
        return text
    try:
        return f"{float(value):.15g}..."
    except OverflowError:
        return f"a number of {len(text)} digits"


def _report(found: list[Verified]) -> str:
    first = found[0]
    text = [f"network {first.source!a}", f"weights sha256 {first.weights_sha256}", f"model sha256 (not checked) {first.model_sha256!a}"]
    for v in found:
        box = " x ".join(f"[{_show(a)}, {_show(b)}]" for a, b in zip(v.lower[:4], v.upper[:4], strict=True)) + (" x ..." if len(v.lower) > 4 else "")
        text.append(f"neighbourhood {v.index}: {box}")
        text += [f"  {name}: {getattr(v, name)}" for name in COUNTS if getattr(v, name) is not None]
        for c in v.lipschitz or ():
            power = "^2" if c.norm == "l2" else ""
            text.append(
                f"  Lipschitz{power} {c.target} {c.norm}: " + (_show(c.lower) if c.lower == c.upper else f"from {_show(c.lower)} to {_show(c.upper)}")
            )
        if v.robustness:
            r = v.robustness
            where = "" if r.point is None else " at " + " ".join(map(_show, r.point[:8])) + (" ..." if len(r.point) > 8 else "")
            text.append(f"  label {r.label}: " + ("robust" if r.robust else f"adversarial point{where}"))
            text += [] if r.distance is None else [f"  distance: {_show(r.distance)}"]
        text += [f"  {w.name}: from {_show(w.lower)} to {_show(w.upper)}" for w in v.volumes or ()]
        left = [LEFT_OUT[p] for p in PARTS if p not in v.parts]
        text.append(f"  not in the file: {', '.join([*left, 'local rank'])}")
    return "\n".join([*text, "verified"])


def main(argv: Sequence[str] | None = None, weights_sha256: str | None = None) -> int:
    """Check the one file named in `argv`, print what was verified, and return the exit code.

    With `weights_sha256`, the proof must be about the network with this hash.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        if len(arguments) != 1:
            print("usage: python -I checker.py PROOF", file=sys.stderr)
            return 2
        found = check_file(arguments[0])
        if weights_sha256 not in (None, found[0].weights_sha256):
            raise Refused("the proof is about other weights")
        print(_report(found), flush=True)
    except Refused as error:
        print(f"refused: {error}", file=sys.stderr)
        return 1
    except Unreadable as error:
        print(f"unreadable: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BaseException as error:  # whatever failed, nothing is verified
        print(f"not checked: {type(error).__name__}: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
