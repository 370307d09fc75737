"""Checker of polylc's proof files: one file, standard library only, `python -I checker.py PROOF`.

Theorem. If this ends with "verified" (exit code 0), then for the network whose weights are embedded in the file, every
weight taken as the rational number that its IEEE double is, and for every neighbourhood U that is printed (a box, what
it has in common with a ball, or a box of parameters s in a plane or on a line, x = origin + s_1 d_1 + ..., d_j
orthogonal):

* U has exactly as many activation regions as printed, those of the leaves of the tree in the file;
* graph: exactly the printed number of pairs of regions share a facet (adjacencies), those of the file;
* maps: the printed numbers of distinct affine maps and, with the graph, of pieces are right;
* lipschitz: every constant lies between the two numbers given;
* robustness: either no point of U has f_j >= f_label for a j other than the label; or the given point of U has, and, if
  there is a centre, no such point of U is nearer to it than the given distance, in the maximum norm over all
  coordinates;
* volumes: total variation (Frobenius, and of margins), local complexity and kink variation lie between the two numbers
  given.

If the file is about queries, then for each of them no input of the network satisfies the formula that is printed,
together with the network's outputs, where variables have the names printed for inputs and outputs, in their order; or,
where a ball is printed, no input in it. That this is what a query file says is not checked.

If it is about gradients, then for each U that is printed, a box or what it has in common with a ball, the Lipschitz
constant on U of the combination of outputs that is printed, with distances of inputs in the norm that is printed, lies
between the two numbers given; for l2 its square does. Distances are those within U: coordinates that are fixed do not
count.

In a plane or on a line all of this is of the function s -> f(x), and lengths are those of x, l2.

Numbers are given by the file; printed they are cut off, with "...", where they are long. Of U, the centre and points
with many coordinates the first ones are printed, with the SHA-256 of the whole. With `--full` behind PROOF nothing is
cut off.

Integer arithmetic decides everything. The format and the proof of the theorem are in docs/certificate-format.md, whose
sections the blocks below name. Trusted: the Python interpreter with its standard library, this file, and that no two
affine maps collide in SHA-256.

Exit codes: 0 verified; 1 refused, with the first claim that fails; 2 unreadable, or the checker failed; 130
interrupted.

To be read from top to bottom: what is verified, the format, arithmetic, the network, the tree, then the parts, each of
them a class that opens its claim, takes what every region adds, and finishes: the claim is proved, or refused. A new
part is one class and one row of the table of parts (and the field of `Verified` that it fills).
"""

from __future__ import annotations

import binascii
import gzip
import hashlib
import json
import math
import re
import struct
import sys
import zlib
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import MAX_EMAX, MIN_EMIN, ROUND_DOWN, Context, Decimal
from fractions import Fraction
from functools import cache, cached_property, lru_cache
from itertools import accumulate, chain, compress, islice
from operator import add, mul
from typing import Any, NamedTuple, NoReturn

FORMAT = "polylc-proof/1"
MOST_ENTRIES = 2**28  # of a matrix whose zeros the file leaves out
COUNTS = ("regions", "adjacencies", "affine_functions", "pieces")
MOST_DIMENSION = 4  # of volumes
BITS = 640  # of roots: behind the binary point, and significant ones
LONGEST_LINE = 1 << 30  # bytes
MOST_DIGITS = 100_000  # of an integer
MOST_SHOWN = 400  # characters of a point or a box, without --full
FIRST_DIGITS = Context(prec=15, rounding=ROUND_DOWN, Emin=MIN_EMIN, Emax=MAX_EMAX)  # printed of long numbers

Row = Sequence[int]  # an affine form (a_1, ..., a_k, c) of the unit coordinates t, times a positive scale
Rationals = tuple[Fraction, ...]


# ---- what is verified ------------------------------------------------------------------------------------------------
class Refused(Exception):  # noqa: N818
    """A claim is false, or not proved by what the file gives."""


class Unreadable(Exception):  # noqa: N818
    """The file is not a proof in this format."""


@dataclass(frozen=True)
class Verified:
    """What was verified of one neighbourhood; None stands for what the file does not claim.

    A plane or line has no `lower` and `upper` (empty), but a `frame`.
    """

    index: int
    lower: Rationals
    upper: Rationals
    center: Rationals | None
    ball: Ball | None  # that cuts the box
    frame: Frame | None
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


# ---- format: the container, its lines, and what stands in them -------------------------------------------------------
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


@contextmanager
def _digits() -> Iterator[None]:
    """Within, Python reads and writes integers of up to MOST_DIGITS digits, and refuses longer ones before it does."""
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(MOST_DIGITS)
    try:
        yield
    finally:
        sys.set_int_max_str_digits(before)


class _Lines:
    """The lines of the file, one JSON value each, read forward only. Format: "The file"."""

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
        except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Unreadable(f"not a JSON value: {error}") from None
        except ValueError:
            raise Unreadable(f"an integer of more than {MOST_DIGITS} digits") from None

    def end(self) -> None:
        _need(self.next() == ["end of file"], 'the line ["end of file"] expected')
        _need(not self.text(), "something follows the end")


def _fields(value: Any, *names: str) -> list[Any]:
    _need(type(value) is dict and set(value) == set(names), f"an object with exactly the keys {', '.join(names)} expected")
    return [value[name] for name in names]


def _list(value: Any, length: int | None = None) -> list[Any]:
    _need(type(value) is list and length in (None, len(value)), "a list, or one of another length, expected")
    found: list[Any] = value
    return found


_only_integers = frozenset({int}).issuperset  # of types: true and false are no integers


def _list_of(value: Any, short: int, long: int) -> list[Any]:
    """A list of one of two lengths."""
    return _list(value, short if len(_list(value)) == short else long)


def _integers(value: Any, least: int = 0) -> list[int]:
    if not (type(value) is list and len(value) >= least and _only_integers(map(type, value))):
        raise Unreadable("a list of integers, or a longer one, expected")
    found: list[int] = value
    return found


def _rows(value: list[Any], least: int) -> list[list[int]]:
    """A list of lists of integers, checked all at once."""
    lists = {list}.issuperset(map(type, value)) and min(map(len, value), default=least) >= least
    if not (lists and _only_integers(map(type, chain.from_iterable(value)))):
        raise Unreadable("a list of integers, or a longer one, expected")
    return value


def _integer(value: Any, low: int, high: float, what: str) -> int:
    _need(type(value) is int and low <= value < high, f"{what}: an integer from {low}, below {high}, expected")
    return int(value)


def _rationals(value: Any, length: int) -> Rationals:
    for text in _list(value, length):
        _need(type(text) is str and re.fullmatch(r"-?[0-9]+(/0*[1-9][0-9]*)?", text), 'a string "p" or "p/q" expected')
    try:
        return tuple(map(Fraction, value))
    except ValueError:
        raise Unreadable(f"a rational number of more than {MOST_DIGITS} digits") from None


def _floats(value: Any, length: int) -> list[float]:
    _need({float}.issuperset(map(type, _list(value, length))) and all(map(math.isfinite, value)), "finite numbers, written as floats, expected")
    return list(value)


def _bytes(value: Any, length: int | None = None) -> bytes:
    try:
        _need(type(value) is str, "a string in base64 expected")
        data = binascii.a2b_base64(value.encode("ascii"), strict_mode=True)
    except ValueError:
        raise Unreadable("a string in base64 expected") from None
    _need(length in (None, len(data)), f"{length} bytes in base64 expected")
    return data


# ---- arithmetic: forms as rows of integers ---------------------------------------------------------------------------
def _least(row: Row) -> int:
    """The least value of a form on the box [-1, 1]^k."""
    return row[-1] - sum(map(abs, row[:-1]))


def _square(weights: Sequence[int], row: Row) -> int:
    """The sum of weights times squares of coefficients."""
    return sum(w * a * a for w, a in zip(weights, row, strict=False))


def _combine(factor: int, row: Row, path: list[_Wall], pairs: list[int]) -> Row:
    """factor * row - sum of m_i g_i, for pairs k_1, m_1, k_2, m_2, ...: distinct entries of a path, multipliers m_i >
    0.
    """
    if len(pairs) == 4:  # the usual claim in the plane: the same as below, in one go
        k, m, i, n = pairs
        if 0 <= k < len(path) and 0 <= i < len(path) and k != i and m > 0 and n > 0:
            return [factor * a - m * b - n * c for a, b, c in zip(row, path[k].row, path[i].row)]  # noqa: B905
    entries, multipliers = pairs[::2], pairs[1::2]
    if not len(entries) == len(multipliers) == len(set(entries)):
        raise Unreadable("pairs of distinct path entries and multipliers expected")
    total = [factor * a for a in row]
    for k, m in zip(entries, multipliers, strict=True):
        if not (0 <= k < len(path) and m > 0):
            raise Unreadable("path entries and positive multipliers expected")
        total = [a - m * b for a, b in zip(total, path[k].row)]  # noqa: B905
    return total


def _direction(row: Row) -> int | None:
    """The same for any two proportional rows (of either sign), as floor(p 2^64 / q) depends on p / q only; None for
    zero.
    """
    pivot = row[0] or next(filter(None, row), 0)
    last = row[-1] or next(filter(None, reversed(row)), 0)
    return (last << 64) // pivot if pivot else None


def _proportional(row: Row, other: Row, at: int) -> bool:
    """Whether row = s * other for some s, which may be 0; other[at] is not 0."""
    u, v = row[at], other[at]
    return all(a * v == b * u for a, b in zip(row, other, strict=True))


def _semidefinite(matrix: list[list[int]]) -> bool:
    """Whether a symmetric matrix, its rows from the diagonal on, is positive semidefinite: elimination without
    fractions (Bareiss).
    """
    before = 1
    while matrix:
        (pivot, *head), *rows = matrix
        if pivot < 0 or (pivot == 0 and any(head)):
            return False
        if pivot:
            rows = [[(pivot * v - head[i] * u) // before for v, u in zip(row, head[i:], strict=True)] for i, row in enumerate(rows)]
            before = pivot
        matrix = rows
    return True


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


def _root(numerator: int, denominator: int) -> tuple[int, int, int]:
    """Integers around the root of a rational >= 0, times 2^bits, and bits: BITS or, for a small root, as many as make
    the integers at least 2^BITS.
    """
    bits = BITS
    if numerator:  # in steps of 64, so that many roots are on one scale
        bits += max(0, denominator.bit_length() - numerator.bit_length() + 2 + 127) // 128 * 64
    scaled = numerator << 2 * bits
    low = math.isqrt(scaled // denominator)
    return low, low + (low * low * denominator != scaled), bits


def _sum(roots: Iterable[tuple[int, int, int]]) -> tuple[int, int, int]:
    """The sum of what `_root` gives, on the finest of the scales."""
    found: dict[int, tuple[int, int]] = {BITS: (0, 0)}
    for low, high, bits in roots:
        least, most = found.get(bits, (0, 0))
        found[bits] = least + low, most + high
    finest = max(found)
    return sum(low << finest - bits for bits, (low, _) in found.items()), sum(high << finest - bits for bits, (_, high) in found.items()), finest


def _common(*values: Fraction) -> tuple[int, list[int]]:
    """A common denominator of rationals, and their numerators over it."""
    one = math.lcm(*(v.denominator for v in values))
    return one, [v.numerator * (one // v.denominator) for v in values]


# ---- the network -----------------------------------------------------------------------------------------------------
def _bits(values: Sequence[float]) -> int:
    return max((v.as_integer_ratio()[1].bit_length() - 1 for v in values), default=0)


def _whole(values: Sequence[float], exponent: int) -> list[int]:
    return [(p << exponent) // q for p, q in (v.as_integer_ratio() for v in values)]


Weights = Sequence[list[float]] | Sequence[dict[int, float]]  # rows of a matrix: all entries, or those that are not left out


def _full(row: list[float] | dict[int, float], length: int) -> list[float]:
    if isinstance(row, list):
        return row
    found = [0.0] * length
    for j, weight in row.items():
        found[j] = weight
    return found


def _matrix_bits(rows: Weights) -> int:
    return max((_bits(row if isinstance(row, list) else list(row.values())) for row in rows), default=0)


def _singles(value: Any) -> list[float]:
    """Numbers from little-endian singles in base64: first bytes of all of them, then second ones, and so on."""
    planes = _bytes(value)
    many, data = len(planes) // 4, bytearray(len(planes))
    _need(len(planes) == 4 * many, "four bytes for each number expected")
    for k in range(4):
        data[k::4] = planes[many * k : many * (k + 1)]
    found = list(struct.unpack(f"<{many}f", data))
    _need(all(map(math.isfinite, found)), "finite numbers expected")
    return found


class _Network:
    """The embedded network in integers. Hidden layers are 0, ..., L-1 here, the output map is L; source s >= 1 is layer
    s-1.

    Format: "Header". Inputs are on the scale `one`; the forms z of a layer are on the scale one * 2^exponents[layer].
    Whatever combines forms of several layers brings them to the scale one * 2^finest, that of the rows of a path, by
    the shifts `to_finest`.
    """

    def __init__(self, value: Any) -> None:
        self.source, self.model_sha256, digest, inputs, layers, output = _fields(
            value, "source", "model_sha256", "weights_sha256", "inputs", "layers", "output"
        )
        _need({str} == {type(self.source), type(self.model_sha256), type(digest)}, "source and hashes: strings expected")
        self.inputs = _integer(inputs, 1, math.inf, "inputs")
        self.floats: list[tuple[list[tuple[int, Weights]], list[float], list[list[float]]]] = []  # terms, bias, slopes
        self.terms: list[list[tuple[int, list[Row]]]] = []  # of each layer: a source, and the columns of the matrix
        self.biases: list[list[int]] = []
        self.slopes: list[list[tuple[int, int]]] = []
        self.exponents: list[int] = []
        self.first = [0]  # number of each layer's first neuron
        widths = [self.inputs]
        hashed, hashed_slopes = hashlib.sha256(b"polylc.network/1"), b""

        def packed(shape: tuple[int, ...], rows: list[list[float]]) -> bytes:
            return repr(shape).encode() + b"".join(struct.pack(f"<{len(row)}d", *row) for row in rows)

        def matrix(value: Any, shape: tuple[int, int]) -> Weights:
            if type(value) is not dict:
                for row in _list(value, shape[0]):
                    _floats(row, shape[1])
                hashed.update(packed(shape, value))
                return list(value)
            _need(shape[0] * shape[1] <= MOST_ENTRIES, f"matrices of at most {MOST_ENTRIES} entries expected")
            if set(value) == {"float32"}:
                singles = _list(_singles(value["float32"]), shape[0] * shape[1])
                rows = [singles[shape[1] * i : shape[1] * (i + 1)] for i in range(shape[0])]
                hashed.update(packed(shape, rows))
                return rows
            lengths, places, weights = _fields(value, "lengths", "columns", "weights")
            _integers(_list(lengths, shape[0]))
            _need(min(lengths, default=0) >= 0 and sum(lengths) == len(_integers(places)), "lengths of rows that make up the columns expected")
            _floats(weights, len(places))
            _need(min(places, default=0) >= 0 and max(places, default=-1) < shape[1], "columns below the width of the source expected")
            hashed.update(
                repr(shape).encode() + b"sparse" + struct.pack(f"<{len(lengths) + len(places)}q{len(weights)}d", *lengths, *places, *weights)
            )
            few: list[dict[int, float]] = []
            entries = zip(places, weights, strict=True)
            for length in lengths:
                here = dict(islice(entries, length))
                _need(len(here) == length, "a column once in a row expected")
                few.append(here)
            return few

        for layer in [*_list(layers), output]:
            hidden = len(self.floats) < len(layers)
            terms, bias, *slopes = _fields(layer, "terms", "bias", *(("negative", "positive") if hidden else ()))
            if type(bias) is dict:
                bias = _singles(_fields(bias, "float32")[0])
            width = len(_list(bias))
            read = []
            for pair in _list(terms):
                source, value = _list(pair, 2)
                _integer(source, 0, len(widths), "source")
                hashed.update(f"term {source}".encode())
                read.append((source, matrix(value, (width, widths[source]))))
            hashed.update(packed((width,), [_floats(bias, width)]))
            self.floats.append((read, bias, [_floats(row, width) for row in slopes]))
            if hidden:
                hashed_slopes += b"".join(packed((width,), [row]) for row in slopes)
                widths.append(width)
                self.first.append(self.first[-1] + width)
        self.widths, self.hidden, self.outputs = widths, len(widths) - 1, len(self.floats[-1][1])
        _need(self.outputs, "at least one output expected")
        hashed.update(hashed_slopes)
        self.weights_sha256 = hashed.hexdigest()
        _hold(digest == self.weights_sha256, "the hash of the weights is not that of the weights in the file")

    def in_columns(self) -> None:
        """Make the integers that forms are composed of."""
        scales = [0]
        for layer, (read, bias, slopes) in enumerate(self.floats):
            exponent = max([_bits(bias), *(scales[source] + _matrix_bits(rows) for source, rows in read)])
            self.exponents.append(exponent)
            self.biases.append(_whole(bias, exponent))
            own: list[tuple[int, list[Row]]] = []
            for source, rows in read:
                whole = [_whole(_full(row, self.widths[source]), exponent - scales[source]) for row in rows]
                own.append((source, [tuple(row[j] for row in whole) for j in range(self.widths[source])]))
            self.terms.append(own)
            if layer < self.hidden:
                bits = max(map(_bits, slopes))
                self.slopes.append(list(zip(*(_whole(row, bits) for row in slopes), strict=True)))
                scales.append(exponent + bits)
        self.floats.clear()
        self.finest = max(self.exponents)
        self.to_finest = [self.finest - exponent for exponent in self.exponents]

    def compose(self, layer: int, forms: list[list[Row]], bits: int, one: int) -> list[list[int]]:
        """The forms z of a layer, by coefficient: from the inputs, forms[0], and the forms z of source s, forms[s]."""
        columns = [[0] * len(self.biases[layer]) for _ in forms[0][0]]
        columns[-1] = [bias * one for bias in self.biases[layer]]
        for source, weights in self.terms[layer]:
            sent: list[Row] = forms[source]
            if source:  # h = slope * z, with the slope on the side that the bit names
                own = bits >> self.first[source - 1]
                slopes = [both[own >> i & 1] for i, both in enumerate(self.slopes[source - 1])]
                sent = [row if s == 1 else [s * a for a in row] if s else [] for s, row in zip(slopes, sent, strict=True)]
            live = [any(row) for row in sent]
            rows = list(zip(*compress(weights, live), strict=True))
            for q, column in enumerate(zip(*compress(sent, live), strict=True)):
                columns[q] = [sum(map(mul, row, column), start) for row, start in zip(rows, columns[q], strict=True)]
        return columns

    def recompose(self, layer: int, columns: list[list[int]], last: list[Row], bits: int, flips: int) -> list[list[int]]:
        """The forms z of a layer after some bits of the layer before it flipped, whose forms are the rows `last`.

        Nothing else that the layer reads has changed. A flip changes h = slope * z by the difference of the slopes
        times z.
        """
        while flips:
            j = flips.bit_length() - 1
            flips ^= 1 << j
            negative, positive = self.slopes[layer - 1][j]
            step = positive - negative if bits >> j & 1 else negative - positive
            for source, weights in self.terms[layer]:
                if source == layer:
                    changes = [step * a for a in last[j]]
                    columns = [
                        [a + c * w for a, w in zip(column, weights[j], strict=True)] if c else column
                        for c, column in zip(changes, columns, strict=True)
                    ]
        return columns

    def value(self, point: Rationals) -> list[int]:
        """All outputs at a point, exactly, on one positive scale."""
        one, numerators = _common(*point)
        forms: list[list[Row]] = [[(x,) for x in numerators]]
        bits = 0
        for layer in range(self.hidden):
            (values,) = self.compose(layer, forms, bits, one)
            bits |= sum(1 << i for i, z in enumerate(values, self.first[layer]) if z > 0)
            forms.append([(z,) for z in values])
        return self.compose(self.hidden, forms, bits, one)[0]


# ---- neighbourhoods --------------------------------------------------------------------------------------------------
class _Box:
    """U between two corners. Unit coordinates t in [-1, 1]^k run along the free coordinates, x = middle + sides t.

    What a set offers: `k`; `inputs`, the forms of x on the scale `one`; `derivatives` of forms, whole numbers d with
    the squared length sum of weights_j d_j^2 / unit, on the scale of the forms without `one`; `slants` and `over`: the
    squared length of derivatives a by t is the sum of slants_j a_j^2 / over.
    """

    norms = ("linf", "l2", "l1")

    def __init__(self, network: _Network, lower: Any, upper: Any, center: Any, *ball: Any) -> None:
        self.lower, self.upper = _rationals(lower, network.inputs), _rationals(upper, network.inputs)
        self.center = None if center is None else _rationals(center, network.inputs)
        self.ball = _read_ball(ball[0], network) if ball else None
        _need(self.ball is None or self.ball.open, "an open ball expected")
        self.frame = None
        pairs = list(zip(self.lower, self.upper, strict=True))
        _need(all(a <= b for a, b in pairs) and self.lower != self.upper, "a box with an interior in some coordinate expected")
        self.free = [j for j, (a, b) in enumerate(pairs) if a < b]
        self.middle = [(a + b) / 2 for a, b in pairs]
        self.sides = [(self.upper[j] - self.lower[j]) / 2 for j in self.free]
        self.k = len(self.free)
        self.one, whole = _common(*self.middle, *self.sides)
        self._half = whole[network.inputs :]
        self.inputs: list[Row] = [
            [*(h * (i == j) for i, h in zip(self.free, self._half, strict=True)), c] for j, c in enumerate(whole[: network.inputs])
        ]
        self.weights, self.unit = [1] * self.k, 1
        self.over, self.slants = _common(*(1 / (h * h) for h in self.sides))

    def derivatives(self, row: Row) -> list[int]:
        return [a // h for a, h in zip(row, self._half, strict=False)]  # the divisions are exact: x = middle + half t

    def contains(self, point: Rationals) -> bool:
        return all(a <= x <= b for a, x, b in zip(self.lower, point, self.upper, strict=True))

    def in_ball(self, t: Iterable[Fraction]) -> bool:
        """Whether a point is in the open ball, if there is one."""
        if self.ball is None:
            return True
        point = list(self.middle)
        for j, h, v in zip(self.free, self.sides, t, strict=True):
            point[j] += h * v
        return self.ball.holds(tuple(point))

    def least_in_ball(self, row: Row, scale: int, share: int) -> Fraction:
        """The least value on the box of a form on this scale less `share` times what is positive in the open ball."""
        _need(self.ball is not None and share > 0, "a positive multiplier of a ball, and a ball, expected")
        coefficients, constant = [Fraction(0)] * len(self.lower), Fraction(row[-1], scale)
        for j, h, a in zip(self.free, self.sides, row, strict=False):
            coefficients[j] = slope = a / (h * scale)
            constant -= slope * self.middle[j]
        return constant + self.ball.least_exactly(coefficients, Fraction(share), list(zip(self.lower, self.upper, strict=True)))  # type: ignore[union-attr]


@dataclass(frozen=True)
class Frame:
    """The points x = origin + s_1 d_1 + ... + s_k d_k with low <= s <= high; the directions d_j are orthogonal."""

    origin: Rationals
    directions: tuple[Rationals, ...]
    low: Rationals
    high: Rationals


class _Frame:
    """U in a plane or on a line: t in [-1, 1]^k from side to side of the parameters s. As `_Box`, but derivatives are
    those by t.
    """

    norms = ("l2",)

    def __init__(self, network: _Network, value: Any) -> None:
        origin, directions, low, high = _fields(value, "origin", "directions", "low", "high")
        self.k = k = len(_list(directions))
        _need(k > 0, "a frame with a direction expected")
        found = tuple(_rationals(d, network.inputs) for d in directions)
        self.frame = frame = Frame(_rationals(origin, network.inputs), found, _rationals(low, k), _rationals(high, k))
        self.lower, self.upper, self.center, self.ball = (), (), None, None
        _need(all(map(any, found)), "directions other than zero expected")
        _need(not any(sum(map(mul, found[i], found[j])) for j in range(k) for i in range(j)), "orthogonal directions expected")
        _need(all(a < b for a, b in zip(frame.low, frame.high, strict=True)), "bounds low < high of parameters expected")
        self.half = [(b - a) / 2 for a, b in zip(frame.low, frame.high, strict=True)]
        squares = [sum(map(mul, d, d), Fraction(0)) for d in found]
        self.squares = [h * h * q for h, q in zip(self.half, squares, strict=True)]  # of half the sides
        columns = [[h * x for x in d] for h, d in zip(self.half, found, strict=True)]
        self.middle = [x + sum((a + h) * d[i] for a, h, d in zip(frame.low, self.half, found, strict=True)) for i, x in enumerate(frame.origin)]
        self.one, whole = _common(*(x for row in zip(*columns, self.middle, strict=True) for x in row))
        self.inputs: list[Row] = [whole[i : i + k + 1] for i in range(0, len(whole), k + 1)]
        self.over, self.slants = _common(*(1 / q for q in self.squares))
        self.weights, self.unit = self.slants, self.over * self.one**2

    def derivatives(self, row: Row) -> list[int]:
        return list(row[:-1])

    def contains(self, point: Rationals) -> bool:
        """Its t are in [-1, 1], and lead to it."""
        away = [x - m for x, m in zip(point, self.middle, strict=True)]
        t = [h * sum(map(mul, d, away)) / q for h, d, q in zip(self.half, self.frame.directions, self.squares, strict=True)]
        back = all(sum(map(mul, row, [*t, Fraction(1)])) == x * self.one for row, x in zip(self.inputs, point, strict=True))
        return back and all(-1 <= v <= 1 for v in t)

    def in_ball(self, _: Iterable[Fraction]) -> bool:
        return True

    def least_in_ball(self, row: Row, scale: int, share: int) -> Fraction:
        raise Unreadable("a multiplier of a ball in a plane or on a line")


# ---- the tree: its leaves are the activation regions -----------------------------------------------------------------
class _Wall(NamedTuple):
    """An entry of a path: the half-space g > 0 of a neuron, on the scale one * 2^finest."""

    row: Row
    neuron: int
    layer: int
    at: int  # the first coefficient that is not 0
    direction: int
    group: int  # the least entry that is proportional to it


class _Layer:
    """The forms of a layer on a cell and on all cells below it."""

    def __init__(self, columns: list[list[int]]) -> None:
        self.rows: list[Row] = list(zip(*columns, strict=True))
        # bits of this layer, and the next layer composed along them
        self.next: tuple[int, list[list[int]]] | None = None

    @cached_property
    def directions(self) -> dict[int | None, list[int]]:
        """Which neurons share a direction."""
        found: dict[int | None, list[int]] = {}
        for i, direction in enumerate(map(_direction, self.rows)):
            if direction in found:
                found[direction].append(i)
            else:
                found[direction] = [i]
        return found


class _Cell:
    """A node of the tree: its path, the layers composed on its open cell, and the bits of the neurons known there.

    Invariant: wherever all walls are > 0 in the open box, each known neuron is positive (bit 1), or negative or
    identically zero (bit 0). Known are all neurons of the composed layers but those in `open`, which are of the last of
    them. If not `tied`, then each wall has a hyperplane of its own, and no neuron but its own vanishes there.
    """

    __slots__ = ("bits", "layers", "open", "path", "tied")

    def __init__(self, path: list[_Wall], layers: list[_Layer], bits: int, open_: int, tied: bool) -> None:
        self.path, self.layers, self.bits, self.open, self.tied = path, layers, bits, open_, tied


class _Tree:
    """The decision tree of a neighbourhood, read in preorder. Format: "The tree"; why its leaves are the regions:
    "Regions".
    """

    def __init__(self, network: _Network, domain: _Box | _Frame) -> None:
        self.network, self.domain = network, domain
        self.k, self.one, self.inputs = domain.k, domain.one, domain.inputs

    def least(self, factor: int, row: Row, path: list[_Wall], pairs: list[int]) -> int | Fraction:
        """The least value on the box of factor * row - sum of m_i g_i, on some positive scale. A pair -1, m in front
        stands for the ball.
        """
        if pairs[:1] != [-1]:
            return _least(_combine(factor, row, path, pairs))
        return self.domain.least_in_ball(_combine(factor, row, path, pairs[2:]), self.one << self.network.finest, (*pairs, 0)[1])

    def root(self) -> _Cell:
        return _Cell([], [], 0, 0, False)

    def compose(self, cell: _Cell) -> list[list[int]]:
        """The forms of the next layer, by coefficient, on a cell where all neurons before it are known.

        Cells with the same layer object have the same bits before it, so what was composed for one serves for another.
        """
        layer, net = len(cell.layers), self.network
        if not layer:
            return net.compose(0, [self.inputs], 0, self.one)
        last, bits = cell.layers[-1], cell.bits >> net.first[layer - 1]
        flips = bits ^ last.next[0] if last.next else -1
        if last.next and 2 * flips.bit_count() < bits.bit_count():  # cheaper than all that is active
            columns = net.recompose(layer, last.next[1], last.rows, bits, flips)
        else:
            columns = net.compose(layer, [self.inputs, *(known.rows for known in cell.layers)], cell.bits, self.one)
        last.next = bits, columns
        return columns

    def advance(self, cell: _Cell) -> None:
        """Compose every layer whose sources are known, and decide what interval arithmetic decides."""
        net = self.network
        while not cell.open and len(cell.layers) < net.hidden:
            columns = self.compose(cell)
            layer = _Layer(columns)
            bit, bits, open_ = 1 << net.first[len(cell.layers)], cell.bits, 0
            for radius, c in zip(map(sum, zip(*(map(abs, column) for column in columns[:-1]), strict=True)), columns[-1], strict=True):
                if c >= radius:  # >= 0 on the box, so > 0 inside it unless the form is zero, which it is if c is
                    bits |= bit if c else 0
                elif c > -radius:
                    open_ |= bit
                bit <<= 1
            cell.layers.append(layer)
            cell.bits, cell.open = bits, open_
            cell.tied = cell.tied or None in layer.directions or any(wall.direction in layer.directions for wall in cell.path)

    def learn(self, cell: _Cell, claims: list[Any]) -> None:
        """lam * z - sum m g >= 0 on the box, so z >= 0 (lam > 0) or z <= 0 (lam < 0) wherever all walls g are >= 0."""
        net = self.network
        for neuron, lam, *pairs in _rows(claims, 2):
            if len(pairs) % 2:
                raise Unreadable("a claim of an even length expected")
            if not lam:
                raise Unreadable("the multiplier of a claim is zero")
            if neuron < 0 or not cell.open >> neuron & 1:
                raise Refused(f"neuron {neuron} is claimed, but not open here")
            layer = len(cell.layers) - 1
            row = cell.layers[layer].rows[neuron - net.first[layer]]
            if self.least(lam << net.to_finest[layer], row, cell.path, pairs) < 0:
                raise Refused(f"the multipliers do not prove the claimed side of neuron {neuron}")
            cell.open ^= 1 << neuron
            if lam > 0:  # an open neuron's form is not zero
                cell.bits |= 1 << neuron
            if not cell.open:
                self.advance(cell)

    def split(self, cell: _Cell, neuron: Any, sides: Any) -> list[_Cell]:
        """The children, in the order in which they follow."""
        net = self.network
        _integer(neuron, 0, net.first[-1], "neuron")
        open_ = cell.open >> neuron & 1
        if _integer(sides, 0, 3, "sides") == 2:
            _hold(open_, f"split at neuron {neuron}, which is not open here")
        else:
            known = neuron < net.first[len(cell.layers)] and not open_ and cell.bits >> neuron & 1 == sides
            _hold(known, f"split at neuron {neuron} without side {1 - sides}, which is not excluded here")
        layer = bisect_right(net.first, neuron) - 1
        row = cell.layers[layer].rows[neuron - net.first[layer]]
        direction = _direction(row)
        if direction is None:
            raise Refused(f"split at neuron {neuron}, whose form is zero")
        path, at = cell.path, next(i for i, a in enumerate(row) if a)
        group = next((e for e, w in enumerate(path) if w.direction == direction and _proportional(w.row, row, at)), len(path))
        alike = sum(len(known.directions.get(direction, ())) for known in cell.layers)
        tied = cell.tied or alike > 1 or group < len(path) or at == len(row) - 1
        scale, rest = 1 << net.to_finest[layer], cell.open & ~(1 << neuron)
        children = []
        for side in (0, 1) if sides == 2 else (sides,):
            factor = scale if side else -scale
            wall = _Wall([factor * a for a in row], neuron, layer, at, direction, group)
            children.append(_Cell([*path, wall], cell.layers[:], cell.bits | side << neuron, rest, tied))
        return children

    def leaf(self, cell: _Cell, pattern: Any, point: Any) -> None:
        """The cell is not empty, and it is that of the pattern."""
        _need(type(pattern) is str and re.fullmatch(r"0|[1-9a-f][0-9a-f]*", pattern), "pattern: a hexadecimal string expected")
        den, *t = _integers(point, 1)
        _need(den > 0 and len(t) == self.k, "a point: integers, the first of them positive, expected")
        _hold(not cell.open and len(cell.layers) == self.network.hidden, "a region with neurons that are not known")
        _hold(int(pattern, 16) == cell.bits, "the pattern is not that of the region")
        _hold(all(-den < v < den for v in t), "the point is not inside the neighbourhood")
        _hold(self.domain.in_ball(Fraction(v, den) for v in t), "the point is not inside the ball")
        t.append(den)
        _hold(all(sum(map(mul, wall.row, t)) > 0 for wall in cell.path), "the point is not inside the region")


class _Region:
    """A leaf of the tree, as the parts see it."""

    def __init__(self, number: int, cell: _Cell, block: _Block) -> None:
        self.number, self.cell, self.block = number, cell, block

    @cached_property
    def outputs(self) -> list[Row]:
        """The forms of the outputs, on the scale one * 2^exponents[L]."""
        return list(zip(*self.block.tree.compose(self.cell), strict=True))

    @cached_property
    def map(self) -> int:
        """Number of the affine map: equal maps, and only these, have equal numbers; a new map has the next number."""
        digest = hashlib.sha256(repr(self.outputs).encode()).digest()
        return self.block.maps.setdefault(digest, len(self.block.maps))

    @cached_property
    def jacobian(self) -> list[list[int]]:
        """Derivatives of the outputs along the axes of U, on the scale 2^exponents[L] (of a frame: one times that)."""
        return [self.block.domain.derivatives(row) for row in self.outputs]


# ---- parts: each a claim about the regions ---------------------------------------------------------------------------
class _Part:
    """A claim about the regions of a neighbourhood: opened, added to by every region, finished when all are known."""

    def open(self, block: _Block, claim: Any) -> None:
        """Read what the opening line claims (None where the part has no key there)."""

    def add(self, region: _Region, entries: list[Any]) -> None:
        """Take a region, with the entries that its line has for this part."""
        raise NotImplementedError

    def finish(self) -> Any:
        """What is proved now, for `Verified` (None where that is numbers of things); or Refused."""
        raise NotImplementedError

    @staticmethod
    def report(proved: Any, full: bool) -> list[str]:
        """What is printed of it; if `full`, with all digits and coordinates."""
        return []


# ---- part graph: which regions share a facet -------------------------------------------------------------------------
class _Graph(_Part):
    """Claim: the pairs of regions that share a facet are those with an entry that gives a facet's point.

    Proof: "The graph". Every wall of every region is kept, with the pattern beyond it and what was proved there.
    """

    def open(self, block: _Block, claim: Any) -> None:
        self.block, self.tree = block, block.tree
        self.index: dict[int, int] = {}  # pattern -> region
        self.owner, self.step = array("q"), array("q")  # region; flipped neuron, or -1 - place among the others
        self.other: list[int] = []  # patterns beyond where not just one neuron flips
        self.proved = bytearray()  # 0 nothing, 1 edge, 2 no facet
        self.edges: set[tuple[int, int]] = set()

    def add(self, region: _Region, entries: list[Any]) -> None:
        cell = region.cell
        path, proved = cell.path, bytearray(len(cell.path))
        self.index[cell.bits] = region.number
        for first, *rest in _rows(entries, 2):
            e = first if first >= 0 else -1 - first
            _need(e < len(path), "a facet entry beyond the path")
            _hold(path[e].group == e, "a facet entry that is not the first of its hyperplane")
            _hold(not proved[e], "two facet entries on one hyperplane")
            proved[e] = 1 if first >= 0 else 2
            (self.facet if first >= 0 else self.no_facet)(path, e, rest)
        if not cell.tied:
            self.owner.extend([region.number] * len(path))
            self.step.extend([wall.neuron for wall in path])
            self.proved += proved
            return
        for e, wall in enumerate(path):
            if wall.group == e and any(wall.row[:-1]):  # a constant form has no hyperplane
                pattern = self.beyond(cell, wall)
                flip = pattern ^ cell.bits
                if flip & (flip - 1):
                    self.other.append(pattern)
                self.owner.append(region.number)
                self.step.append(-len(self.other) if flip & (flip - 1) else flip.bit_length() - 1)
                self.proved.append(proved[e])

    def facet(self, path: list[_Wall], e: int, entry: list[int]) -> None:
        """The point is on g = 0, inside the box, and inside every wall that is not proportional to g."""
        k = self.tree.k
        _need(len(entry) == k + 2 and 0 <= entry[0] < k and entry[1] > 0, "an edge: e, j, den and a point expected")
        g, (j, den, *t) = path[e].row, entry
        t[j] = 0
        t.append(den)
        _hold(g[j], "an edge whose hyperplane does not fix coordinate j")
        scale, own = abs(g[j]), sum(map(mul, g, t)) * (-1 if g[j] > 0 else 1)  # t_j = own / (den * scale)
        _hold(all(-den < v < den for v in t[:-1]) and abs(own) < den * scale, "a facet's point is not inside the neighbourhood")
        inside = all(sum(map(mul, wall.row, t)) * scale + wall.row[j] * own > 0 for wall in path if wall.group != e)
        _hold(inside, "a facet's point is not inside the other walls")
        at = [Fraction(v, den) for v in t[:-1]]
        at[j] = Fraction(own, den * scale)
        _hold(self.tree.domain.in_ball(at), "a facet's point is not inside the ball")

    def no_facet(self, path: list[_Wall], e: int, entry: list[int]) -> None:
        """sum m g_k + lam g_e <= 0 on the box: no point of g_e = 0 in the open box has all g_k > 0."""
        _need(len(entry) % 2, "no facet: e, lam and pairs expected")
        lam, *pairs = entry
        _need(lam or pairs, "no facet: no multipliers")
        least = self.tree.least(-lam, path[e].row, path, pairs)
        _hold(all(k < 0 or path[k].group != e for k in pairs[::2]), "no facet: a wall on the same hyperplane")
        _hold(least >= 0, "the multipliers do not prove that there is no facet")

    def beyond(self, cell: _Cell, wall: _Wall) -> int:
        """The only pattern that can lie beyond the wall: forms on both sides agree on it, so they differ by multiples
        of it.
        """
        if not cell.tied:
            return cell.bits ^ 1 << wall.neuron
        net, at, g = self.tree.network, wall.at, wall.row
        zero = {n: [net.first[n] + i for i in layer.directions.get(None, ())] for n, layer in enumerate(cell.layers)}
        vanishing = {
            net.first[n] + i
            for n, layer in enumerate(cell.layers)
            for i in layer.directions.get(wall.direction, ())
            if net.first[n] + i == wall.neuron or _proportional(layer.rows[i], g, at)
        }
        if len(vanishing) == 1 and not any(found for n, found in zero.items() if n > wall.layer):
            return cell.bits ^ 1 << wall.neuron
        vanishing.update(*zero.values())
        pattern, forms = 0, [self.tree.inputs]
        for n, layer in enumerate(cell.layers):
            below = (1 << net.first[n]) - 1
            rows = layer.rows
            if pattern != cell.bits & below:
                rows = list(zip(*net.compose(n, forms, pattern, self.tree.one), strict=True))
            for neuron, row in enumerate(rows, net.first[n]):
                bit = cell.bits >> neuron & 1
                if neuron in vanishing:
                    _hold(_proportional(row, g, at), "a form beyond a wall is no multiple of it")
                    bit = int(row[at] * g[at] < 0)
                pattern |= bit << neuron
            forms.append(rows)
        return pattern

    def finish(self) -> None:
        patterns = list(self.index)
        pairs: tuple[set[tuple[int, int]], ...] = (set(), set(), set())
        for region, step, proved in zip(self.owner, self.step, self.proved, strict=True):
            other = self.index.get(patterns[region] ^ 1 << step if step >= 0 else self.other[-1 - step])
            if other is not None:
                pairs[proved].add((region, other) if region < other else (other, region))
            elif proved == 1:
                raise Refused(f"region {region} has a facet beyond which no region is listed")
        left, self.edges, apart = pairs
        _hold(not self.edges & apart, "a pair of regions with a facet and without")
        missing = min(left - self.edges - apart, default=None)
        _hold(missing is None, f"it is not proved whether regions {missing} share a facet")
        self.block.count("adjacencies", len(self.edges))


# ---- part maps: distinct affine maps, and pieces ---------------------------------------------------------------------
class _Maps(_Part):
    """Claim: the numbers of distinct affine maps and, with the graph, of pieces. Proof: "Maps and pieces"."""

    def open(self, block: _Block, claim: Any) -> None:
        self.block = block
        self.maps = array("q")  # by region

    def add(self, region: _Region, entries: list[Any]) -> None:
        self.maps.append(region.map)

    def finish(self) -> None:
        self.block.count("affine_functions", len(self.block.maps))
        graph = self.block.parts.get("graph")
        if isinstance(graph, _Graph):
            self.block.count("pieces", self.pieces(graph.edges))

    def pieces(self, edges: Iterable[tuple[int, int]]) -> int:
        """Number of classes of regions that edges between equal maps join."""
        root = list(range(len(self.maps)))

        def find(i: int) -> int:
            while root[i] != i:
                root[i] = i = root[root[i]]
            return i

        for i, j in edges:
            if self.maps[i] == self.maps[j]:
                root[find(i)] = find(j)
        return sum(i == r for i, r in enumerate(root))


# ---- part lipschitz --------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Constant:
    """A Lipschitz constant: `lower` <= constant^power <= `upper`, where power is 2 for the norm l2 and 1 otherwise."""

    target: str
    norm: str
    lower: Fraction
    upper: Fraction


class _Lipschitz(_Part):
    """Claim: every constant of the opening line lies between its bounds. Proof: "Lipschitz constants".

    Maxima over the regions are kept on the scale 2^exponent, its square times the unit for l2.
    """

    def open(self, block: _Block, claim: Any) -> None:
        self.domain, self.weights, self.unit = block.domain, block.domain.weights, block.domain.unit
        self.inverse = [math.lcm(*self.weights) // w for w in self.weights]
        self.rows: list[tuple[Constant, tuple[int, ...] | None, int, list[int]]] = []
        self.exponent, self.most, self.maps = block.network.exponents[-1], [0] * len(_list(claim)), 0
        outputs = block.network.outputs
        for row in claim:
            target, norm, *rest = _list(row, 6 if _list(row)[:2] == ["jacobian", "l2"] else 4)
            _need(norm in self.domain.norms and type(target) is str, "a target and a norm expected")
            lower, upper = _rationals(rest[:2], 2)
            found = re.fullmatch(r"f(0|[1-9][0-9]{0,8})(?:-f(0|[1-9][0-9]{0,8}))?", target)
            _need(found or target == "jacobian", f"{target!a} is no target")
            member = tuple(int(v) for v in found.groups() if v) if found else None
            _need(not member or (len(set(member)) == len(member) and max(member) < outputs), f"{target} is no output, or no two")
            _need(lower >= 0 and upper >= 0, "bounds that are not negative expected")
            region, vector = (_integer(rest[2], 0, math.inf, "region"), _integers(rest[3])) if len(rest) == 4 else (-1, [])
            _need(region < 0 or (len(vector) == outputs and any(vector)), "a vector that is not zero expected")
            self.rows.append((Constant(target, norm, lower, upper), member, region, vector))

    def add(self, region: _Region, entries: list[Any]) -> None:
        new = region.map == self.maps  # an earlier region with the same map has the same Jacobian
        self.maps += new
        jacobian = region.jacobian
        columns = list(zip(*jacobian, strict=True))
        for place, (row, member, witness, vector) in enumerate(self.rows):
            if region.number == witness:
                image = sum(w * sum(map(mul, column, vector)) ** 2 for w, column in zip(self.weights, columns, strict=True))
                enough = image * row.lower.denominator >= row.lower.numerator * self.unit * sum(map(mul, vector, vector)) << 2 * self.exponent
                _hold(enough, "jacobian l2: the vector does not prove the lower bound")
                self.most[place] = -1  # seen
            if not new:
                continue
            if witness >= 0:
                _hold(self.bounded(jacobian, columns, row.upper), f"jacobian l2: region {region.number} exceeds the upper bound")
            elif member is None:
                sums = [sum(map(abs, line)) for line in (jacobian if row.norm == "linf" else columns)]
                self.most[place] = max(self.most[place], *sums)
            else:
                gradient: Sequence[int] = jacobian[member[0]]
                if len(member) == 2:
                    gradient = list(map(int.__sub__, gradient, jacobian[member[1]]))
                self.most[place] = max(self.most[place], self.dual(row.norm, gradient))

    def dual(self, norm: str, gradient: Row) -> int:
        """The dual norm of a gradient, squared for l2."""
        if norm == "l2":
            return _square(self.weights, gradient)
        return sum(map(abs, gradient)) if norm == "linf" else max(map(abs, gradient))

    def bounded(self, jacobian: list[list[int]], columns: Sequence[Sequence[int]], bound: Fraction) -> bool:
        """Whether the squared largest singular value is at most `bound`."""
        p, q = bound.numerator * self.unit << 2 * self.exponent, bound.denominator
        if q * sum(_square(self.weights, line) for line in jacobian) <= p:  # the Frobenius norm
            return True
        if len(jacobian) <= len(columns):  # p >= q J W J^T
            lines: Sequence[Sequence[int]] = jacobian
            gram = [[sum(map(mul, map(mul, self.weights, u), v)) for v in lines[i:]] for i, u in enumerate(lines)]
            top = [p] * len(lines)
        else:  # p / W >= q J^T J, times a common multiple of the weights
            lines = columns
            gram = [[sum(map(mul, u, v)) * math.lcm(*self.weights) for v in lines[i:]] for i, u in enumerate(lines)]
            top = [p * v for v in self.inverse]
        return _semidefinite([[t - q * square, *(-q * product for product in rest)] for t, (square, *rest) in zip(top, gram, strict=True)])

    def finish(self) -> tuple[Constant, ...]:
        for (row, _, witness, _), most in zip(self.rows, self.most, strict=True):
            if witness >= 0:
                _hold(most < 0, "jacobian l2: the region of the vector does not exist")
            else:
                value = Fraction(most, self.unit << 2 * self.exponent if row.norm == "l2" else 1 << self.exponent)
                _hold(row.lower <= value <= row.upper, f"the Lipschitz constant of {row.target} in {row.norm} is not between its bounds")
        return tuple(row for row, *_ in self.rows)

    @staticmethod
    def report(proved: tuple[Constant, ...], full: bool) -> list[str]:
        return [
            f"Lipschitz{'^2' if c.norm == 'l2' else ''} {c.target} {c.norm}: "
            + (_show(c.lower, full) if c.lower == c.upper else f"from {_show(c.lower, full)} to {_show(c.upper, full)}")
            for c in proved
        ]


# ---- part robustness -------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Robustness:
    """Whether `label` is `robust`; if not, an adversarial `point` and its `distance` from the centre, the least of
    all.
    """

    label: int
    robust: bool
    distance: Fraction | None
    point: Rationals | None


class _Robustness(_Part):
    """Claim: no point of U is adversarial; or the point given is, and none is nearer to the centre. Proof:
    "Robustness".

    A region shows it of its margins M = f_label - f_rival on the box B, t = (mid + [-1, 1] width) / scale.
    """

    def open(self, block: _Block, claim: Any) -> None:
        label, robust, distance, point = _fields(claim, "label", "robust", "distance", "point")
        net, tree, domain, center = block.network, block.tree, block.domain, block.center
        _need(net.outputs > 1, "robustness of a network with one output")
        _need(type(robust) is bool and robust is (point is None), "robust or a point expected")
        _need((distance is None) is (robust or center is None), "a distance expected if there are a point and a centre, and only then")
        self.label = _integer(label, 0, net.outputs, "label")
        at = None if point is None else _rationals(point, net.inputs)
        d = None if distance is None else _rationals([distance], 1)[0]
        self.answer = Robustness(self.label, robust, d, at)
        self.tree, self.needed = tree, True
        self.shift = net.to_finest[-1]  # of margins
        # distance and centre times unit; a distance below 0: there is none
        self.unit, self.distance, self.center = 1, -1, [0]
        k = tree.k
        self.scale, self.mid, self.width = 1, [0] * k, [1] * k
        if at is None:
            return
        _hold(domain.contains(at), "the adversarial point is outside the neighbourhood")
        values = net.value(at)
        _hold(any(v >= values[label] for j, v in enumerate(values) if j != label), "the adversarial point is not adversarial")
        self.needed = center is not None
        if center is None or d is None or not isinstance(domain, _Box):
            return
        _hold(max(abs(x - c) for x, c in zip(at, center, strict=True)) == d, "the distance is not that of the adversarial point")
        self.unit, (self.distance, *self.center) = _common(d, *center)
        lower, upper, middle = domain.lower, domain.upper, domain.middle
        fixed = [abs(a - c) for a, b, c in zip(lower, upper, center, strict=True) if a == b]
        self.needed = d > max(fixed, default=0)
        low = [(max(lower[j], center[j] - d) - middle[j]) / h for j, h in zip(domain.free, domain.sides, strict=True)]
        high = [(min(upper[j], center[j] + d) - middle[j]) / h for j, h in zip(domain.free, domain.sides, strict=True)]
        self.scale, ends = _common(*(v / 2 for v in low + high))
        self.mid = [a + b for a, b in zip(ends[:k], ends[k:], strict=True)]
        self.width = [b - a for a, b in zip(ends[:k], ends[k:], strict=True)]

    def least(self, row: Row) -> int:
        """The least value on B of a form, times a positive scale."""
        return int(row[-1] * self.scale + sum(map(mul, row, self.mid)) - sum(map(mul, map(abs, row), self.width)))

    def add(self, region: _Region, entries: list[Any]) -> None:
        path, outputs = region.cell.path, region.outputs
        margins = {j: list(map(int.__sub__, outputs[self.label], row)) for j, row in enumerate(outputs) if j != self.label}
        shown = set()
        for entry in map(_list, entries):
            _need(len(entry) > 1 and type(entry[1]) is int and entry[1] in margins, "a margin entry of another output expected")
            rival = entry[1]
            _hold(rival not in shown, "two margin entries for one output")
            shown.add(rival)
            if entry[0] == "A":
                lam, *pairs = _integers(entry[2:], 1)
                _need(lam >= 0, "a margin entry: a multiplier that is not negative expected")
                row = _combine(lam << self.shift, margins[rival], path, pairs)
                _hold(self.least(row) > 0, f"the multipliers do not prove that output {rival} stays below")
            else:
                _need(entry[0] == "D" and len(entry) > 4, "a margin entry: A or D expected")
                self.far(path, margins[rival], entry[2:])
        if self.needed and len(shown) < len(margins) and not all(self.least(row) > 0 for j, row in margins.items() if j not in shown):
            apart = any(self.least([-a for a in wall.row]) > 0 for wall in path)
            _hold(apart, "it is not proved that every other output stays below, or is far")

    def far(self, path: list[_Wall], margin: Row, entry: list[Any]) -> None:
        """sum w (x_q - c_q) - den distance + y0 M - sum m g >= 0 on the box, with sum |w| <= den."""
        den, y0 = _integers(entry[:2])
        _need(den > 0 and y0 >= 0 and self.distance >= 0, "a distance entry: den > 0, y0 >= 0, and a distance expected")
        weights = {q: w for q, w in (_integers(_list(pair, 2)) for pair in _list(entry[2]))}  # noqa: C416
        _need(len(weights) == len(entry[2]) and all(0 <= q < len(self.center) for q in weights), "distinct inputs expected")
        _hold(sum(map(abs, weights.values())) <= den, "a distance entry whose weights are too large")
        row = _combine(y0 << self.shift, margin, path, _integers(entry[3:]))
        finest = self.tree.network.finest
        for q, w in weights.items():
            row = [a + (w << finest) * x for a, x in zip(row, self.tree.inputs[q], strict=True)]
        rest = den * self.distance + sum(w * self.center[q] for q, w in weights.items())
        _hold(_least(row) * self.unit >= rest * self.tree.one << finest, "the multipliers do not prove the distance")

    def finish(self) -> Robustness:
        return self.answer

    @staticmethod
    def report(proved: Robustness, full: bool) -> list[str]:
        y = proved.label
        if proved.point is None:
            return [f"label {y}: robust: f_{y} > f_j on all of U, for every other output j"]
        text = [f"label {y}: not robust: f_j >= f_{y} for another output j at the adversarial point {_show_point(proved.point, full)}"]
        if proved.distance is None:
            return text
        norm = "in the maximum norm over all coordinates"
        return [*text, f"distance: {_show(proved.distance, full)}, from the centre to the nearest adversarial point of U, {norm}"]


# ---- part volumes: what volumes and facet areas weigh ----------------------------------------------------------------
class _Hull:
    """Points of a closed polytope, with the sets of those on each of its rows as bits: pulled triangulations of its
    faces.
    """

    def __init__(self, k: int, points: list[list[int]], on: list[int]) -> None:
        self.k, self.points = k, points
        sets = {face for face in on if face.bit_count() >= k}
        self.facets = {f for f in sets if not any(f != g and f & g == f for g in sets)}

    def simplices(self, face: int, dimension: int) -> list[list[int]]:
        """Simplices with disjoint interiors in the hull of a face's points; all of it if those hold the face's
        vertices.
        """
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


@dataclass(frozen=True)
class Weighed:
    """A measure weighed by volume or area, and its bounds."""

    name: str
    lower: Fraction
    upper: Fraction


class _Side(NamedTuple):
    """A facet seen from one of its regions; its area over |U|, squared, is a fraction."""

    bits: int
    beyond: int
    numerator: int
    denominator: int


class _Volumes(_Part):
    """Claim: what volumes and facet areas weigh lies between the bounds of the opening line. Proof: "Volumes".

    The simplices of a region lie in it and do not overlap, so their volumes sum to at most its own. If over all regions
    they sum to that of the box, each region is the hull of its points, and areas computed from these are those of its
    facets.
    """

    NAMES = {  # noqa: RUF012
        "total_variation": ("frobenius",),
        "local_complexity": ("activation", "activation_set", "function"),
        "kink_variation": ("frobenius",),
    }

    def open(self, block: _Block, claim: Any) -> None:
        self.domain, self.k, self.exponent = block.domain, block.tree.k, block.network.exponents[-1]
        _need(self.k <= MOST_DIMENSION, f"volumes in dimension {self.k}")
        graph = block.parts.get("graph")
        if not isinstance(graph, _Graph):
            raise Unreadable("volumes without the part graph")
        self.graph = graph
        self.claims: list[tuple[str, str, Weighed]] = []
        for kind, given in zip(self.NAMES, _fields(claim, *self.NAMES), strict=True):
            said = kind.replace("_", " ")
            _need(type(given) is dict, "an object with bounds by name expected")
            for name, pair in given.items():
                margin = re.fullmatch(r"f(0|[1-9][0-9]{0,8})-f(0|[1-9][0-9]{0,8})", name)
                if margin and kind == "total_variation":
                    _need(all(int(j) < block.network.outputs for j in margin.groups()), f"{name} is no margin of the network")
                else:
                    _need(name in self.NAMES[kind], f"{said}: {name!a} is not known")
                self.claims.append((kind, name, Weighed(f"{said} {name}", *_rationals(pair, 2))))
        self.total = Fraction(0)
        self.shares: list[tuple[Fraction, int]] = []
        self.jacobians: dict[int, list[list[int]]] = {}
        self.sides: list[_Side] = []

    def add(self, region: _Region, entries: list[Any]) -> None:
        k, cell = self.k, region.cell
        points = _rows(entries, k + 1)
        _need(all(len(v) == k + 1 and v[0] > 0 for v in points), "points: den > 0 and k integers each expected")
        points = [[*v[1:], v[0]] for v in points]
        box: list[Row] = [[*(s * (i == j) for i in range(k)), 1] for j in range(k) for s in (1, -1)]
        on = []
        for row in [*box, *(wall.row for wall in cell.path)]:
            values = [sum(map(mul, row, v)) for v in points]
            _hold(all(v >= 0 for v in values), "a vertex is outside its region")
            on.append(sum(1 << i for i, v in enumerate(values) if not v) if any(row[:-1]) else 0)
        hull = _Hull(k, points, on)
        share = hull.volume() / 2**k
        self.total += share
        self.shares.append((share, cell.bits))
        self.jacobians[cell.bits] = region.jacobian
        for e, wall in enumerate(cell.path):
            face = on[2 * k + e]
            if wall.group == e and face in hull.facets and _least(wall.row) < 0:  # others miss the open box
                drop = max(range(k), key=lambda j: abs(wall.row[j]))
                part = hull.shadow(face, drop) / 2**k
                if part:  # the area over |U| is part / |a_drop| times the length of the gradient
                    slant = _square(self.domain.slants, wall.row), self.domain.over * wall.row[drop] ** 2
                    self.sides.append(_Side(cell.bits, self.graph.beyond(cell, wall), part.numerator**2 * slant[0], part.denominator**2 * slant[1]))

    def finish(self) -> tuple[Weighed, ...]:
        _hold(self.total == 1, "the volumes do not sum to that of the neighbourhood")
        areas = [_root(side.numerator, side.denominator) for side in self.sides]
        for side in self.sides:
            _hold(side.beyond in self.jacobians, "a region has a facet beyond which no region is listed")
        for kind, name, claim in self.claims:
            if kind == "total_variation":
                bounds = [self.scaled(share.numerator**2, share.denominator**2, self.jacobians[bits], name) for share, bits in self.shares]
            elif kind == "kink_variation":
                bounds = [self.scaled(side.numerator, side.denominator, self.jump(side), name) for side in self.sides]
            else:
                weights = [self.weight(name, side) for side in self.sides]
                bounds = [(weight * low, weight * high, bits) for weight, (low, high, bits) in zip(weights, areas, strict=True)]
            low, high, bits = _sum(bounds)
            scale = (1 if kind == "total_variation" else 2) << bits  # facets are seen from both sides
            _hold(claim.lower * scale <= low and high <= claim.upper * scale, f"{claim.name} is not between its bounds")
        return tuple(claim for *_, claim in self.claims)

    def scaled(self, numerator: int, denominator: int, jacobian: list[list[int]], name: str) -> tuple[int, int, int]:
        """The root of a fraction times the Frobenius norm of a Jacobian, or times the norm of the difference of two of
        its rows.
        """
        if name != "frobenius":
            first, second = (int(part[1:]) for part in name.split("-"))
            jacobian = [[a - b for a, b in zip(jacobian[first], jacobian[second], strict=True)]]
        square = sum(_square(self.domain.weights, row) for row in jacobian)
        return _root(numerator * square, denominator * self.domain.unit << 2 * self.exponent)

    def jump(self, side: _Side) -> list[list[int]]:
        """The change of the Jacobian across a facet."""
        left, right = self.jacobians[side.bits], self.jacobians[side.beyond]
        return [[a - b for a, b in zip(p, q, strict=True)] for p, q in zip(left, right, strict=True)]

    def weight(self, name: str, side: _Side) -> int:
        """How often a facet counts in a local complexity."""
        if name == "activation":
            return (side.bits ^ side.beyond).bit_count()
        return 1 if name == "activation_set" else int(self.jacobians[side.bits] != self.jacobians[side.beyond])

    @staticmethod
    def report(proved: tuple[Weighed, ...], full: bool) -> list[str]:
        return [f"{w.name}: from {_show(w.lower, full)} to {_show(w.upper, full)}" for w in proved]


# ---- the table of parts ----------------------------------------------------------------------------------------------
class _Kind(NamedTuple):
    """A row of the table of parts.

    `key` says whether the opening line has a key of this name, `entries` what a region's line has for the part, if
    anything. Where the part is absent the key is null and the entries are empty if `always`; otherwise both are left
    out.
    """

    name: str
    part: type[_Part]
    key: bool
    entries: str | None
    always: bool
    words: str  # in the list of what is not in the file


KINDS = (
    _Kind("graph", _Graph, False, "facets", True, "region graph"),
    _Kind("maps", _Maps, False, None, True, "affine maps"),
    _Kind("lipschitz", _Lipschitz, True, None, True, "Lipschitz constants"),
    _Kind("robustness", _Robustness, True, "margins", True, "robustness"),
    _Kind("volumes", _Volumes, True, "vertices", False, "volumes and what they weigh"),
)
PARTS = tuple(kind.name for kind in KINDS)


# ---- searches: queries that are refuted cell by cell -----------------------------------------------------------------
UNIT = 48  # coefficients of rows, and ends of neurons, are whole numbers of 2^-UNIT
INPUT = 80  # ends of boxes are rounded outward to whole numbers of 2^-INPUT
DIGITS, FINEST = 10, 30  # ends that are found have so many significant bits, and are multiples of 2^-FINEST
SLOPE, SHARE = 7, 12  # slopes are multiples of 2^-SLOPE, multipliers of rows of 2^-SHARE
WORD = 64
SHARED, ROUNDS = 60, 60  # bits of multipliers of balls that floats choose, and rounds in which they do
VARYING = 16  # inputs up to which rows are kept for the cells within a cell
APART = 5  # splits below which cells are shared out among processes
FINE, FIRST = 52, 80  # coefficients of forms are whole numbers of 2^-FINE, those of first ends of 2^-FIRST, or finer ones
SHORT = 8  # terms of forms for each neuron, up to which rows are carried down over them
RENEWED, LANES = 8, 128  # forms are made anew where one in so many neurons is decided; neurons whose rows go together
PASSED, WEIGHED = 64, 1 << 16  # varying inputs up to which, and weights from which on, first ends go from layer to layer
NARROW = 20  # of which those do not count that vary by so much less than another
MARGIN = 24  # signs that they show are taken where z is that many bits from 0
DENSE = 1 << 20  # lanes of forms that are packed
SIZES = 64  # layers, with sizes of lanes, whose weights are kept as lanes
MOST_SHIFT = 12  # of how much less than the largest loss is called little
_SLOPE = re.compile(r"[.01]|~[0-9a-f]{2}")
_SLOPES = re.compile(r"(?:[.01]|~[0-9a-f]{2})*")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.,:!\[\]]*")
_SIDES, _SHIFTS = "abcdefghijklmnopqrstuvwxyz", "0123456789abc"  # letters of sheets
Choices = tuple[tuple[int, int], ...]
Box = list[tuple[int, int]]


@dataclass(frozen=True)
class Condition:
    """sum of coefficient * variable + constant is >= 0, or > 0; variables are the inputs, then the outputs."""

    terms: tuple[tuple[int, Fraction], ...]
    constant: Fraction
    strict: bool


@dataclass(frozen=True)
class Junction:
    """All parts hold, or one does."""

    every: bool
    parts: tuple[Condition | Junction, ...]


@dataclass(frozen=True)
class Alternative:
    """A conjunction with what is still to be chosen, and what was chosen: places among the pending, and parts."""

    choices: Choices
    rows: tuple[Condition, ...]
    pending: tuple[Junction, ...]

    def chosen(self, at: int) -> list[Alternative]:
        """What may be chosen of the pending one numbered `at`."""
        rest = self.pending[:at] + self.pending[at + 1 :]
        return [_taken((*self.choices, (at, i)), self.rows, rest, part) for i, part in enumerate(self.pending[at].parts)]

    def choice(self, at: int, i: int) -> Alternative:
        """One of them."""
        return _taken((*self.choices, (at, i)), self.rows, self.pending[:at] + self.pending[at + 1 :], self.pending[at].parts[i])

    def box(self, inputs: int) -> tuple[list[Fraction | None], list[Fraction | None]]:
        """The bounds of inputs that its rows state."""
        low: list[Fraction | None] = [None] * inputs
        high: list[Fraction | None] = [None] * inputs
        for row in self.rows:
            if _bounds(row, inputs):
                ((v, c),) = row.terms
                end, side = -row.constant / c, low if c > 0 else high
                before = side[v]
                side[v] = end if before is None else max(before, end) if c > 0 else min(before, end)
        return low, high

    def empty(self, inputs: int) -> bool:
        """Whether these bounds leave nothing."""
        low, high = self.box(inputs)
        for row in self.rows:
            if row.strict and _bounds(row, inputs):
                ((v, c),) = row.terms
                if low[v] == high[v] == -row.constant / c:
                    return True
        return any(a is not None and b is not None and a > b for a, b in zip(low, high, strict=True))


def _bounds(row: Condition, inputs: int) -> bool:
    return len(row.terms) == 1 and row.terms[0][0] < inputs


def _taken(choices: Choices, rows: tuple[Condition, ...], pending: tuple[Junction, ...], part: Condition | Junction) -> Alternative:
    if isinstance(part, Condition):
        return Alternative(choices, rows if part in rows else (*rows, part), pending)
    held, left = dict.fromkeys(rows), list(pending)
    stack: list[Condition | Junction] = [part]
    while stack:
        one = stack.pop()
        if isinstance(one, Condition):
            held.setdefault(one)
        elif one.every:
            stack += reversed(one.parts)
        else:
            left.append(one)
    return Alternative(choices, tuple(held), tuple(left))


@cache
def _ones(size: int, many: int) -> int:
    """A one in each of so many lanes of so many bytes."""
    return ((1 << 8 * size * many) - 1) // ((1 << 8 * size) - 1)


def _packed(numbers: Iterable[int], size: int) -> int:
    """The sum of numbers times powers of 256^size, all of them less than half of that."""
    half = 1 << 8 * size - 1
    lanes = [(a + half).to_bytes(size, "little") for a in numbers]
    return int.from_bytes(b"".join(lanes), "little") - (_ones(size, len(lanes)) << 8 * size - 1)


def _unpacked(lanes: bytes, size: int) -> list[int]:
    """Numbers from their lanes, to each of which half a lane was added."""
    half = 1 << 8 * size - 1
    return [int.from_bytes(lanes[i : i + size], "little") - half for i in range(0, len(lanes), size)]


def _parts(lanes: int, half: int, lane: int) -> tuple[int, int]:
    """The lanes that are not negative, and those that are, with the other sign, of numbers to which half a lane was
    added.
    """
    sign = lanes & half
    up = lanes & (sign - (sign >> lane - 1))
    return up, up - lanes + half


@cache
def _words(size: int, many: int, kind: str = "Q") -> struct.Struct:
    """The lowest words of so many lanes of so many bytes; of the kind "q" with a sign."""
    return struct.Struct("<" + f"{kind}{size - WORD // 8}x" * many)


class _TooLarge(Exception):  # noqa: N818
    """Numbers that lanes do not hold."""


class _Matrix:
    """The matrix of a term: rows of whole numbers of 2^-shift, each also packed into one integer of equal lanes, so
    that a row of numbers times the matrix is one multiplication for each of them. Format: "Whole numbers".
    """

    def __init__(self, rows: Weights, columns: int, shift: int) -> None:
        self.columns, self.shift, self.lane = columns, shift, shift + WORD
        self.few: list[list[tuple[int, int]]] = []  # of a matrix that is mostly zeros: columns and entries of each row
        self.rows: list[list[int]] = []
        if any(isinstance(row, dict) for row in rows):
            self.few = [list(zip(row, _whole(list(row.values()), shift), strict=True)) for row in rows if isinstance(row, dict)]
            return
        self.rows = [_whole(row, shift) for row in rows if isinstance(row, list)]
        self.most = max(map(sum, zip(*([abs(w) for w in row] for row in self.rows), strict=True)), default=0)
        self.limit = ((1 << self.lane - 1) - 1) // max(self.most, 1) or -1  # of the numbers that the matrix is multiplied by
        self.offset = sum(1 << (self.lane * j + self.lane - 1) for j in range(columns))
        self.packed = [_packed(row, self.lane // 8) for row in self.rows] if self.limit > 0 else []
        self.words = struct.Struct("<" + f"{shift // 8}xQ" * columns)

    def _product(self, k: list[int]) -> bytes | None:
        """The lanes of k times the matrix, with half a lane added to each; None if they would not hold it."""
        if self.few or (k and max(max(k), -min(k)) > self.limit):
            return None
        total: int = self.offset + sum(map(mul, compress(k, k), compress(self.packed, k)))
        return total.to_bytes(self.lane // 8 * self.columns, "little")

    def exactly(self, k: list[int]) -> list[int]:
        """k times the matrix, in 2^-shift of the unit of k."""
        lanes = self._product(k)
        return self._slowly(k) if lanes is None else _unpacked(lanes, self.lane // 8)

    def floors(self, k: list[int]) -> list[int]:
        """k times the matrix, in the unit of k, rounded down."""
        lanes = self._product(k)
        if lanes is None:
            return [a >> self.shift for a in self._slowly(k)]
        half = 1 << (WORD - 1)
        return [a - half for a in self.words.unpack(lanes)]

    def entries(self, at: int) -> list[tuple[int, int]]:
        """Columns and entries of one row of the matrix that are not 0."""
        return self.few[at] if self.few else [(j, w) for j, w in enumerate(self.rows[at]) if w]

    def row(self, at: int) -> list[int]:
        """One row of the matrix."""
        return self._slowly([int(i == at) for i in range(len(self.few))]) if self.few else self.rows[at]

    def _slowly(self, k: list[int]) -> list[int]:
        if self.few:
            found = [0] * self.columns
            for a, entries in zip(k, self.few, strict=True):
                if a:
                    for j, w in entries:
                        found[j] += a * w
            return found
        rows = [(a, row) for a, row in zip(k, self.rows, strict=True) if a]
        return [sum(a * row[j] for a, row in rows) for j in range(self.columns)]


class _Kept:
    """Rows over the inputs that are less than sign * z of neurons on a cell, and so on all cells within it: what was
    found there when these were bounded anew.

    For each neuron two places, of z and of -z; constants, and by input coefficients, in 2^-(UNIT + fine).
    """

    def __init__(self, box: Box, places: dict[int, tuple[int, int]], constants: list[int], columns: list[list[int]], fine: int) -> None:
        self.box, self.places, self.constants, self.columns, self.unit = box, places, constants, columns, fine + INPUT
        self.inputs = [k for k, (low, high) in enumerate(box) if low < high]

    @cached_property
    def lanes(self) -> tuple[int, int, list[int], list[int], bool]:
        """The size of a lane in bytes; constants, with half a lane added; for each varying input the positive parts of
        coefficients, and the negative ones with the other sign: one number of lanes each; and whether a word holds
        every value, in 2^-UNIT.
        """
        inputs = self.inputs
        constants = [c << INPUT for c in self.constants]
        for k in set(range(len(self.box))) - set(inputs):
            constants = [c + a * self.box[k][a <= 0] for c, a in zip(constants, self.columns[k], strict=True)]
        columns = [self.columns[k] for k in inputs]
        most = max(map(abs, constants), default=0)
        for k, column in zip(inputs, columns, strict=True):
            most += max(map(abs, column), default=0) * max(map(abs, self.box[k]))
        size = max(most.bit_length() // 8 + 2, (self.unit + WORD) // 8 + 1)
        half, positive, negative = _ones(size, len(constants)) << 8 * size - 1, [], []
        for column in columns:
            up, down = _parts(_packed(column, size) + half, half, 8 * size)
            positive.append(up)
            negative.append(down)
        return size, _packed(constants, size) + half, positive, negative, most >> self.unit + WORD - 1 == 0

    def least(self, box: Box) -> Sequence[int]:
        """The least values of all rows on a cell within, in 2^-UNIT, rounded down."""
        size, total, positive, negative, short = self.lanes
        many = len(self.constants)
        for k, up, down in zip(self.inputs, positive, negative, strict=True):
            low, high = box[k]
            total += low * up - high * down
        if not short:
            return [a >> self.unit for a in _unpacked(total.to_bytes(size * many, "little"), size)]
        # what was added to a lane is a multiple of 2^WORD in this unit, so the word is the number, with its sign
        return _words(size, many, "q").unpack((total >> self.unit).to_bytes(size * many, "little"))


@dataclass(frozen=True)
class Ball:
    """The inputs no farther from a centre than a radius, or nearer if it is open. In l1 the bound is the radius, in l2
    its square. Format: "A query".
    """

    norm: str
    center: Rationals
    bound: Fraction
    open: bool

    def beyond(self, distance: Fraction) -> bool:
        """Whether no point is so far from the centre in one coordinate, but perhaps one at that distance."""
        return distance >= 0 and (distance * distance if self.norm == "l2" else distance) >= self.bound

    def misses(self, box: Iterable[tuple[Fraction, Fraction]]) -> bool:
        """Whether no point is in a box."""
        apart = [max(low - c, c - high, Fraction(0)) for (low, high), c in zip(box, self.center, strict=True)]
        least = sum((d * d for d in apart), Fraction(0)) if self.norm == "l2" else sum(apart, Fraction(0))
        return least > self.bound or (least == self.bound and self.open)

    def holds(self, point: Rationals) -> bool:
        """Whether a point is in it."""
        return not self.misses((x, x) for x in point)

    def least_exactly(self, coefficients: list[Fraction], share: Fraction, box: list[tuple[Fraction, Fraction]]) -> Fraction:
        """The least value on a box of a row less share > 0 times what is >= 0 in the ball: r - |x - c|, or half of
        r^2 - |x - c|^2.
        """
        total = -share * self.bound / (2 if self.norm == "l2" else 1)
        for a, c, (low, high) in zip(coefficients, self.center, box, strict=True):
            if self.norm == "l2":
                x = min(max(c - a / share, low), high)
                total += a * x + share * (x - c) ** 2 / 2
            else:
                total += min(a * x + share * abs(x - c) for x in (low, high, min(max(c, low), high)))
        return total

    @cached_property
    def whole(self) -> tuple[list[int], int]:
        """The centre rounded to 2^-INPUT, and the radius of a ball around it that holds this one."""
        scale = 1 << INPUT
        center = [math.floor(c * scale) for c in self.center]
        lost = sum(c * scale != w for c, w in zip(self.center, center, strict=True))
        radius = math.isqrt(math.floor(self.bound * scale * scale)) + 1 if self.norm == "l2" else math.ceil(self.bound * scale)
        return center, max(radius + lost, 1)

    def least(self, constant: int, coefficients: list[int], box: Box) -> int:
        """A lower bound of a row over the inputs on a box within the ball; as `_least_value`."""
        center, radius = self.whole
        sides = [(low - c, high - c) for (low, high), c in zip(box, center, strict=True)]
        constant = (constant << INPUT) + sum(map(mul, coefficients, center))
        return (self._least_l2 if self.norm == "l2" else self._least_l1)(constant, coefficients, sides, radius)

    @staticmethod
    def _least_l2(constant: int, a: list[int], sides: Box, radius: int) -> int:
        """The least value on the box of a.v + N / 2D (|v|^2 - r^2), for a multiplier N / D that floats choose."""
        top = max(map(abs, a))
        share = _multiplier([v / top for v in a], [(p / radius, q / radius) for p, q in sides]) if top else 0.0
        numerator, denominator = int(math.ldexp(share, SHARED)) * top, radius << SHARED
        ends = squares = inner = 0
        for v, (p, q) in zip(a, sides, strict=True):
            foot = -v * denominator
            if numerator and p * numerator < foot < q * numerator:
                inner += v * v
            else:
                end = p if foot <= p * numerator else q
                ends, squares = ends + v * end, squares + end * end
        if not numerator:
            return constant + ends
        return constant + ends - -(-inner * denominator // (2 * numerator)) + numerator * (squares - radius * radius) // (2 * denominator)

    @staticmethod
    def _least_l1(constant: int, a: list[int], sides: Box, radius: int) -> int:
        """The least value on the box of a.v + m (|v| - r), where m is the first |a_i|, from the largest on, for which
        v_i cannot go all the way.
        """
        left, share, total = radius, 0, constant
        moves = []
        for v, (p, q) in zip(a, sides, strict=True):
            nearest, end = min(max(0, p), q), p if v > 0 else q if v < 0 else min(max(0, p), q)
            left -= abs(nearest)
            total += v * nearest
            if end != nearest:
                moves.append((abs(v), abs(end) - abs(nearest), v * (end - nearest)))
        for size, cost, gain in sorted(moves, reverse=True):
            if cost > left:
                share = size
                break
            left -= cost
            total += gain
        return total - share * left if left >= 0 else total - left * max(map(abs, a))


def _read_ball(value: Any, network: _Network) -> Ball:
    norm = str(value.get("norm")) if type(value) is dict else ""
    _need(norm in ("l1", "l2"), "a ball in the norm l1 or l2 expected")
    _, center, bound, open_ = _fields(value, "norm", "center", "radius" if norm == "l1" else "square", "open")
    (size,) = _rationals([bound], 1)
    _need(size >= 0 and type(open_) is bool, "a radius that is not negative, and whether the ball is open, expected")
    return Ball(norm, _rationals(center, network.inputs), size, open_)


def _multiplier(a: list[float], sides: list[tuple[float, float]]) -> float:
    """A multiplier m >= 0 for which a.v + m/2 (|v|^2 - 1) is bounded well from below; any would do."""
    if sum((p if v > 0 else q if v < 0 else min(max(0.0, p), q)) ** 2 for v, (p, q) in zip(a, sides, strict=True)) <= 1:
        return 0.0
    low, high, m = 0.0, math.inf, math.sqrt(sum(v * v for v in a))
    for _ in range(ROUNDS):
        far = inner = outer = 0.0
        for v, (p, q) in zip(a, sides, strict=True):
            x = -v / m
            if p < x < q:
                inner += v * v
                far += x * x
            else:
                outer += (p if x <= p else q) ** 2
        if abs(far + outer - 1) <= 1e-11:
            break
        low, high = (m, high) if far + outer > 1 else (low, m)
        guess = math.sqrt(inner / (1 - outer)) if outer < 1 else 0.0
        m = guess if low < guess < high else 2 * low if high == math.inf else math.sqrt(low) * math.sqrt(high) if low else high / 2
        if not 2.0**-200 < m < 2.0**200:
            return 0.0
    return m


@dataclass
class _Searched:
    """A cell of a search: its box, the ends of all neurons in 2^-UNIT, its path, and the alternatives open there."""

    lower: list[float]
    upper: list[float]
    low: list[int]
    high: list[int]
    path: list[tuple[int, int]]  # neurons that were split, and signs
    open: list[Alternative]
    ball: Ball | None = None
    box: Box = field(default_factory=list)  # rounded outward
    kept: tuple[_Kept, ...] = ()
    forms: _Forms | _Laned | None = None
    depth: int = 0
    mine: bool = True  # whether this process checks it

    def __post_init__(self) -> None:
        self.lines: dict[int, tuple[list[int], list[tuple[int, int, int]]]] = {}  # of layers, made when they are used
        self.box = self.box or list(map(_outward, self.lower, self.upper))

    def open_neurons(self, below: int) -> list[int]:
        """Those below a number: where forms were made, all others were decided."""
        low, high = self.low, self.high
        among = range(below) if self.forms is None else self.forms.free
        return [i for i in among if low[i] < 0 < high[i] and i < below]

    def mostly_decided(self) -> bool:
        """Whether less than half of the neurons that are not off are open."""
        on = [low >= 0 for low, high in zip(self.low, self.high, strict=True) if high > 0]
        return 2 * sum(on) > len(on)

    def leasts(self, constants: list[int], columns: list[list[int]]) -> list[int]:
        """The same as `least` of many rows, whose coefficients are given by input."""
        if self.ball is not None:
            return [self.least(c, list(row)) for c, row in zip(constants, zip(*columns, strict=True), strict=True)]
        found = [c << INPUT for c in constants]
        for column, (low, high) in zip(columns, self.box, strict=True):
            found = [c + a * (low if a > 0 else high) for c, a in zip(found, column, strict=True)]
        return found

    def least(self, constant: int, coefficients: list[int]) -> int:
        """A lower bound of a row over the inputs in this cell's box and the ball, in 2^-(UNIT + shift + INPUT)."""
        least = _least_value(constant, coefficients, self.box)
        return least if self.ball is None or not coefficients else max(least, self.ball.least(constant, coefficients, self.box))


def _grid(value: int, lower: bool = False) -> int:
    """The largest number of the grid of ends that is not above a value; or not above a quarter of a step less."""
    if lower:
        value -= 1 << max(abs(value).bit_length() - DIGITS, UNIT - FINEST) - 2
    drop = (value if value >= 0 else -value).bit_length() - DIGITS
    if drop < UNIT - FINEST:
        drop = UNIT - FINEST
    return value >> drop << drop


def _outward(lower: float, upper: float) -> tuple[int, int]:
    """An interval in 2^-INPUT."""
    (a, p), (b, q) = lower.as_integer_ratio(), upper.as_integer_ratio()
    return (a << INPUT) // p, -((-b << INPUT) // q)


def _least_value(constant: int, coefficients: list[int], box: Box) -> int:
    total = constant << INPUT
    for a, (low, high) in zip(coefficients, box, strict=False):
        total += a * (low if a > 0 else high)
    return total


class _Line(NamedTuple):
    """What stands in place of r = max(z, 0) on a cell: with a coefficient v >= 0 slope * v, else chord * v, less loss *
    |v| and `rest` for rounding; chord and loss in 2^-fine, rest in 2^-2UNIT.
    """

    slope: int
    chord: int
    loss: int
    rest: int


class _Form(NamedTuple):
    """z of a neuron as a form, up to an error: terms by neuron, that of r = max(z, 0), or by ~k, that of input k. All
    numbers are in 2^-fine; `most` is no less than any of them, and than the constant and the error together.
    """

    terms: dict[int, int]
    constant: int
    error: int
    most: int


_Column = tuple[int, list[int], list[int]]  # a variable, its coefficients in some forms, and in which


def _columns(forms: list[_Form]) -> list[_Column]:
    """Forms by variable."""
    found: dict[int, tuple[list[int], list[int]]] = {}
    for place, form in enumerate(forms):
        for key, a in form.terms.items():
            numbers, places = found.setdefault(key, ([], []))
            numbers.append(a)
            places.append(place)
    return [(key, numbers, places) for key, (numbers, places) in found.items()]


class _Below(NamedTuple):
    """A layer of which rows are carried down: its neurons, lines (None where r = 0), forms, and these by variable, but
    those of neurons whose r is 0; and for the size of numbers, sums of the largest of every form and line, and of rest.
    """

    neurons: list[int]
    lines: list[_Line | None]
    forms: list[_Form]
    columns: list[_Column]
    most: int
    rest: int


class _Forms:
    """Forms of the z of neurons over the inputs and the r = max(z, 0) of those before that are open on a cell: what is
    decided there is put in. They hold on all cells within. Numbers beyond those of neurons stand for the rows that the
    bounds have numbered. Format: "Many rows at once".
    """

    def __init__(self, bounds: _Bounds, cell: _Searched, above: _Forms | _Laned | None) -> None:
        self.bounds, self.fine, self.found, self.above = bounds, bounds.fine, dict[int, _Form](), above
        self.free: Sequence[int] = range(bounds.first[-1])
        self.layers: dict[int, tuple[list[int], list[_Form], list[_Column]]] = {}
        self.low, self.high = cell.low, cell.high  # of the first forms, which are made when they are used
        self.next: _Forms | _Laned | None = None  # those made anew from these
        self.box: Box = cell.box if above is None else above.box  # all cells of forms made anew are within
        self.inputs: list[int] = [(max(map(abs, end)) >> INPUT - UNIT) + 1 for end in self.box]  # their sizes, in 2^-UNIT
        if above is not None:
            self.low, self.high = low, high = cell.low[:], cell.high[:]
            self.keep = {*range(-len(cell.box), 0), *(i for i in above.free if low[i] < 0 < high[i])}
            self.on = [i for i in above.free if low[i] >= 0 and high[i] > 0]
            for i in above.free:
                if self.high[i] > 0:
                    self.found[i] = self._put_in(above.form(i))
            self.free = [i for i in self.found if self.low[i] < 0]
        self.size = sum(len(form.terms) for form in self.found.values()) if above else math.inf

    def of(self, i: int) -> _Form:
        """The form of a neuron that is free, or of a row."""
        found = self.found.get(i)
        if found is None:
            found = self.found[i] = self._first(i) if self.above is None else self._put_in(self.above.form(i))
        return found

    form = of

    def layer(self, layer: int) -> tuple[list[int], list[_Form], list[_Column]]:
        """The free neurons of a layer that are not off, their forms, and these by variable."""
        found = self.layers.get(layer)
        if found is None:
            first, end = self.bounds.first[layer : layer + 2]
            at = [i for i in self.free if first <= i < end and self.high[i] > 0]
            forms = [self.of(i) for i in at]
            found = self.layers[layer] = at, forms, _columns(forms)
        return found

    def stale(self, cell: _Searched) -> bool:
        """Whether many of the neurons are decided on a cell."""
        decided = sum(not cell.low[i] < 0 < cell.high[i] for i in self.free)
        return RENEWED * decided > len(self.free)

    def _put_in(self, form: _Form) -> _Form:
        found = self.found
        keep, before = self.keep, form.terms
        terms = {key: a for key, a in before.items() if key in keep}
        finer: dict[int, int] = {}
        constant = error = 0
        for key in self.on if len(terms) < len(before) else ():
            a = before.get(key)
            if a:
                other = found[key]
                for j, b in other.terms.items():
                    if j in finer:
                        finer[j] += a * b
                    else:
                        finer[j] = a * b
                constant += a * other.constant
                error += abs(a) * other.error
        return self._sum(terms, form.constant, form.error, finer, constant, error)

    def _first(self, i: int) -> _Form:
        """Over the values that a neuron's layer reads: h = m z + (p - m) r."""
        bounds = self.bounds
        if i >= bounds.first[-1]:
            coefficients, inputs, start = bounds.rows[i - bounds.first[-1]]
            whole = [(reads, [(j, w) for j, w in enumerate(matrix.exactly(coefficients)) if w]) for reads, matrix in bounds.terms[-1]]
            read = [*whole, (0, [(k, a << bounds.shift) for k, a in enumerate(inputs) if a])]
            bias = sum(map(mul, coefficients, bounds.biases[-1]))
            return self._over(read, math.floor(start * (1 << self.fine)) + (bias << self.fine - bounds.shift))
        layer = bisect_right(bounds.first, i) - 1
        at = i - bounds.first[layer]
        return self._over(
            [(reads, matrix.entries(at)) for reads, matrix in bounds.terms[layer]], bounds.biases[layer][at] << self.fine - bounds.shift
        )

    def _over(self, read: list[tuple[int, list[tuple[int, int]]]], start: int) -> _Form:
        """The form of a sum of values that are read, and a constant in 2^-fine."""
        bounds, up = self.bounds, self.fine - self.bounds.shift
        terms: dict[int, int] = {}
        finer: dict[int, int] = {}
        constant = error = 0
        for reads, entries in read:
            first, units = (bounds.first[reads - 1], bounds.units[reads - 1]) if reads else (0, None)
            for j, w in entries:
                key = first + j if reads else ~j
                if units is None:
                    terms[key] = terms.get(key, 0) + (w << up)
                    continue
                (m, p), by = units[j], up - bounds.slope_bits[reads - 1]
                terms[key] = terms.get(key, 0) + (w * (p - m) << by)
                if m:
                    other, a = self.of(key), w * m << by
                    for k, b in other.terms.items():
                        finer[k] = finer.get(k, 0) + a * b
                    constant += a * other.constant
                    error += abs(a) * other.error
        return self._sum(terms, start, 0, finer, constant, error)

    def _sum(self, terms: dict[int, int], constant: int, error: int, finer: dict[int, int], much: int, wrong: int) -> _Form:
        """A form from terms, a constant and an error in 2^-fine, and others in 2^-(2 fine), which are rounded."""
        if finer or much or wrong:
            rounded = 0  # the sum of the sizes of variables whose coefficients are
            for j, a in finer.items():
                terms[j] = terms.get(j, 0) + (a >> self.fine)
                rounded += self.inputs[~j] if j < 0 else max(self.high[j], 0)
            constant += much >> self.fine
            error += (wrong >> self.fine) + 3 + (rounded >> UNIT)
        return _Form(terms, constant, error, max(abs(constant) + error, max(map(abs, terms.values()), default=0)))


class _Packed(NamedTuple):
    """A form in `_Laned`: its lanes together; its error; what is no less than any of its numbers, and than the constant
    and the error together; and its numbers, to each of which 2^(WORD - 1) was added.
    """

    lanes: int
    error: int
    most: int
    words: tuple[int, ...]


class _Through(NamedTuple):
    """A layer as rows go down through it on a cell: where its lanes start; lines of its neurons (None where r = 0);
    their forms by lane; the largest error; and sums of lines' rest.
    """

    start: int
    lines: list[_Line | None]
    columns: list[list[int]]
    error: int
    rest: int


class _Laned:
    """Forms as `_Forms` has them, made anew, where neurons are few: one integer each, of lanes for the constant, the
    inputs that vary, and the open neurons before it, in order. Format: "Many rows at once".
    """

    def __init__(self, bounds: _Bounds, cell: _Searched, above: _Forms | _Laned) -> None:
        self.bounds, self.fine, self.above = bounds, bounds.fine, above
        self.low, self.high = low, high = cell.low[:], cell.high[:]
        self.box: Box = above.box
        self.inputs: list[int] = above.inputs
        self.varying = [k for k, (a, b) in enumerate(self.box) if a < b]
        self.free: list[int] = [i for i in above.free if low[i] < 0 < high[i]]
        self.size = -(-2 * self.fine // 8) + 3  # of a lane in bytes: products of two numbers, below 2^16, have room
        self.top = 1 + len(self.varying)
        self.places = {key: p for p, key in enumerate(chain((~k for k in self.varying), self.free), 1)}
        self.ends = [self.top + bisect_left(self.free, i) for i in bounds.first]  # of the lanes that forms of a layer have
        self.sizes = list(accumulate([0, *(self.inputs[k] for k in self.varying), *(high[i] for i in self.free)]))
        self.found: dict[int, _Packed] = {}
        self.moved: dict[int, tuple[list[tuple[int, int]], list[tuple[int, int]]]] = {}  # of layers, lanes of the forms before
        self.layers: dict[int, tuple[list[list[int]], int]] = {}
        self.starts: dict[int, tuple[int, list[int]]] = {}
        self.next: _Forms | _Laned | None = None
        for i in above.free:
            if high[i] > 0:
                self.of(i)

    @staticmethod
    def pays(cell: _Searched, above: _Forms | _Laned) -> bool:
        """Whether lanes are not too many."""
        free = sum(cell.low[i] < 0 < cell.high[i] for i in above.free)
        return (free + len(cell.box)) * len(above.free) < DENSE

    def of(self, i: int) -> _Packed:
        """The form of a neuron that was free, or of a row."""
        found = self.found.get(i)
        if found is None:
            layer = bisect_right(self.bounds.first, i) - 1
            make = self._from_terms if isinstance(self.above, _Forms) else self._from_lanes
            found = self.found[i] = self._put_in(*make(i, layer), self.ends[layer])
        return found

    def form(self, i: int) -> _Form:
        """The same, by neuron."""
        found, middle = self.of(i), 1 << WORD - 1
        constant, *numbers = (a - middle for a in found.words)
        keys = [~k for k in self.varying] + self.free
        return _Form({key: a for key, a in zip(keys, numbers, strict=False) if a}, constant, found.error, found.most)

    def _from_terms(self, i: int, layer: int) -> tuple[int, list[tuple[int, int]], int, int]:
        """Lanes of what stays, and numbers of neurons that are on; an error, and what no number is larger than."""
        form = self.above.of(i)
        assert isinstance(form, _Form)
        numbers, put, fixed = [0] * self.ends[layer], list[tuple[int, int]](), 0
        places = self.places
        for key, a in form.terms.items():
            if key in places:
                numbers[places[key]] = a
            elif key < 0:
                fixed += a * self.box[~key][0]
            elif self.high[key] > 0:
                put.append((a, key))
        numbers[0] = form.constant + (fixed >> INPUT)
        most = max(map(abs, numbers)) + form.error + 1
        if most >> 8 * self.size - 1:
            raise _TooLarge
        return _packed(numbers, self.size), put, form.error + 1, most

    def _from_lanes(self, i: int, layer: int) -> tuple[int, list[tuple[int, int]], int, int]:
        above, size = self.above, self.size
        assert isinstance(above, _Laned)
        form, count = above.of(i), above.ends[layer]
        found = self.moved.get(layer)
        if found is None:
            kept, put = [[0, above.top]], []
            for p, j in enumerate(above.free[: count - above.top], above.top):
                if j not in self.places:
                    put += [(p, j)] * (self.high[j] > 0)
                elif kept[-1][1] == p:
                    kept[-1][1] += 1
                else:
                    kept.append([p, p + 1])
            found = self.moved[layer] = [(a * size, b * size) for a, b in kept], put
        slices, on = found
        if count == self.ends[layer]:
            return form.lanes, [], form.error, form.most
        half = 1 << 8 * size - 1
        lanes = (form.lanes + _ones(size, count) * half).to_bytes(count * size, "little")
        kept_lanes = int.from_bytes(b"".join([lanes[a:b] for a, b in slices]), "little")
        words, middle = form.words, 1 << WORD - 1
        return kept_lanes - _ones(size, self.ends[layer]) * half, [(words[p] - middle, j) for p, j in on], form.error, form.most

    def _put_in(self, lanes: int, put: list[tuple[int, int]], error: int, most: int, count: int) -> _Packed:
        """A form with others put in place of neurons that are on. `most` is as in what is returned."""
        fine, size = self.fine, self.size
        ones, middle = _ones(size, count), 1 << WORD - 1
        if put:
            total = wrong = more = 0
            for a, j in put:
                other = self.found[j]
                total += a * other.lanes
                wrong += abs(a) * other.error
                more += abs(a) * other.most
            most += (more >> fine) + 1
            if more >> 8 * size - 1:
                raise _TooLarge
            left = 8 * size - fine
            lanes += (total + (ones << 8 * size - 1) >> fine & (ones << left) - ones) - (ones << left - 1)
            error += (wrong >> fine) + 3 + (self.sizes[count - 1] >> UNIT)
        if most < middle:
            words = _words(size, count).unpack((lanes + ones * middle).to_bytes(count * size, "little"))
        elif most >> 8 * size - 1:
            raise _TooLarge
        else:
            words = tuple(a + middle for a in _unpacked((lanes + (ones << 8 * size - 1)).to_bytes(count * size, "little"), size))
        return _Packed(lanes, error, max(max(words) - middle, middle - min(words)) + error, words)

    def stale(self, cell: _Searched) -> bool:
        """Whether many of the neurons are decided on a cell."""
        low, high = cell.low, cell.high
        return RENEWED * sum([not low[i] < 0 < high[i] for i in self.free]) > len(self.free)

    def _span(self, layer: int) -> tuple[int, int]:
        return self.ends[layer], self.ends[layer + 1]

    def through(self, layer: int, cell: _Searched) -> _Through:
        """A layer whose ends on the cell are known."""
        low, high, top = cell.low, cell.high, self.top
        start, end = self._span(layer)
        neurons = self.free[start - top : end - top]
        found = self.layers.get(layer)
        if found is None:
            middle, forms = 1 << WORD - 1, [self.found[i] for i in neurons]
            columns = [[a - middle for a in column] for column in zip(*(form.words for form in forms), strict=True)]
            found = self.layers[layer] = columns, max((form.error for form in forms), default=0)
        lines = [_Bounds.line(low[i], high[i], self.fine) if high[i] > 0 else None for i in neurons]
        return _Through(start, lines, *found, sum([line.rest for line in lines if line is not None]))

    def _start(self, layer: int, some: list[int]) -> tuple[int, list[int]]:
        """The size of a lane in bytes, where rows of some neurons of a layer, and minus these, go down; and their
        numbers by lane of the forms, in 2^-(UNIT + fine): the constants first, less what their errors cost.
        """
        start, end = self._span(layer)
        every = len(some) == end - start
        found = self.starts.get(layer) if every else None
        if found is None:
            forms, fine = [self.found[i] for i in some], self.fine
            most, rest = max(form.most for form in forms) << UNIT, sum(self.high[i] for i in self.free) << fine - UNIT
            for below in range(layer - 1, -1, -1):
                a, b = self._span(below)
                neurons = self.free[a - self.top : b - self.top]
                error = max((self.found[i].error for i in neurons), default=0)
                most += ((most >> fine) + 1) * sum(self.found[i].most + error - (self.low[i] << fine - UNIT) for i in neurons)
            size = max(most + rest, 1 << max(self.fine, WORD)).bit_length() // 8 + 1
            words, shift = _words(size, len(some)), 8 * size * len(some)
            middles, large = _ones(size, len(some)) << WORD - 1, max(form.most for form in forms) >= 1 << WORD - 1

            def packed(numbers: Sequence[int]) -> int:
                return _packed(numbers, size) if large else int.from_bytes(words.pack(*numbers), "little")

            lanes = [packed(column) - middles << UNIT for column in zip(*(form.words for form in forms), strict=True)]
            lanes = [a - (a << shift) for a in lanes]
            errors = packed([form.error for form in forms]) << UNIT
            lanes[0] -= errors + (errors << shift)
            found = size, lanes
            if every:
                self.starts[layer] = found
        return found

    def rows(self, layer: int, some: list[int], below: list[_Through]) -> tuple[list[int], list[list[int]]]:
        """What `_Bounds.neurons` returns."""
        fine, many = self.fine, 2 * len(some)
        size, lanes = self._start(layer, some)
        sums, lane, left = lanes[:], 8 * size, 8 * size - fine
        ones = _ones(size, many)
        half, middle, whole = ones << lane - 1, ones << left - 1, (ones << left) - ones
        lost = rest = 0
        for start, lines, columns, error, rests in reversed(below):
            taken, sizes = [], 0
            for v, line in zip(sums[start:], lines, strict=True):
                if line is None:
                    taken.append(0)
                    continue
                slope, chord, loss, _ = line
                v = v + half >> fine & whole  # rounded down, in 2^-UNIT
                sign = v & middle
                up = v & (sign - (sign >> left - 1))
                down = up - v + middle
                above = down * chord >> fine & whole
                if slope:
                    taken.append(up - above)
                    sizes += up + above
                else:
                    taken.append(-above)
                    sizes += above
                lost += loss * down
            if taken:
                del sums[start:]
                sums = [total + sum(map(mul, column, taken)) for total, column in zip(sums, columns, strict=True)]
                lost += error * sizes
                rest += rests
        sums[0] -= lost + (rest << fine - UNIT) * ones
        found = [_unpacked((total + half).to_bytes(size * many, "little"), size) for total in sums]
        columns = [[0] * many] * len(self.inputs)
        for k, column in zip(self.varying, found[1:], strict=True):
            columns[k] = column
        return found[0], columns

    def row(self, number: int, cell: _Searched, slopes: dict[int, int], losses: dict[int, int] | None = None) -> tuple[int, list[int]] | None:
        """What `_Bounds.over_forms` returns; None where lanes might not hold it."""
        fine, size, low, high = self.fine, self.size, cell.low, cell.high
        total, error, most, _ = self.of(number)
        if most >> 8 * size - UNIT - 2:
            return None
        half = 1 << 8 * size - 1
        total, lost = (total << UNIT) + _ones(size, self.ends[-1]) * half, error << UNIT
        for layer in range(self.bounds.network.hidden - 1, -1, -1):
            start, end = self._span(layer)
            if start == end:
                continue
            lanes = (total >> 8 * size * start).to_bytes(size * (end - start), "little")
            total &= (1 << 8 * size * start) - 1
            taken, sizes = [], 0
            for at, i in enumerate(self.free[start - self.top : end - self.top]):
                v = int.from_bytes(lanes[size * at : size * at + size], "little") - half >> fine  # as r >= 0
                if not v or high[i] <= 0:
                    continue
                if low[i] >= 0:
                    k = v
                elif v > 0:
                    k = v * slopes[i] >> SLOPE
                else:
                    k = -(-v * high[i] // (high[i] - low[i]))  # rounded up, so no more is lost at the lower end
                    loss = (k - v) * high[i]
                    lost += loss << fine - UNIT
                    if losses is not None:
                        losses[i] = loss
                form = self.found[i]
                taken.append(k * form.lanes)
                lost += abs(k) * form.error
                sizes += (abs(k) >> UNIT) * form.most + form.most
            most += sizes
            if most >> 8 * size - UNIT - 2:
                return None
            total += sum(taken)
        numbers = _unpacked(total.to_bytes(size * self.top, "little"), size)
        inputs = [0] * len(self.inputs)
        for k, a in zip(self.varying, numbers[1:], strict=True):
            inputs[k] = a
        return numbers[0] - lost, inputs


class _Step(NamedTuple):
    """A hidden layer, as rows are carried down through it on a cell: its units that are not off, and the lines of those
    that are open; their biases; and of each term the source, and the weights of these units for each input, or each of
    the source's units that are not off. Weights and biases are in 2^-fine. Sums of the lines' losses and rest.
    """

    alive: list[int]
    lines: list[_Line | None]
    biases: list[int]
    columns: list[tuple[int, list[list[int]]]]
    lost: int
    rest: int


class _Swept:
    """A network of few weights, all units of which are ReLU: many rows are carried down at once, over all units that
    are not off, so neurons need no forms. Format: "Many rows at once".
    """

    def __init__(self, bounds: _Bounds) -> None:
        self.first, self.units, self.fine = bounds.first, bounds.network.widths, bounds.fine
        up = bounds.fine - bounds.shift
        self.biases = [[b << up for b in bias] for bias in bounds.biases[:-1]]
        self.columns = [
            [(reads, [[row[i] << up for row in matrix.rows] for i in range(matrix.columns)]) for reads, matrix in terms]
            for terms in bounds.terms[:-1]
        ]
        self.sizes = list(map(self._sizes, range(bounds.network.hidden)))
        self.lanes = lru_cache(SIZES)(self._lanes)

    @staticmethod
    def pays(bounds: _Bounds) -> bool:
        """Whether all units are ReLU, weights few, and no matrix is mostly zeros."""
        plain = all(units is None for units in bounds.units) and not any(matrix.few for terms in bounds.terms for _, matrix in terms)
        return plain and bounds.weights < WEIGHED

    def _sizes(self, layer: int) -> tuple[int, int, list[int]]:
        """What is no less than coefficients of rows of a layer's z, while they are carried down; than their constants,
        were nothing lost; and, for each source, than coefficients of its z, in 2^-UNIT.
        """
        sums = [[0] * width for width in self.units]

        def give(columns: list[list[int]], k: list[int], reads: int) -> None:
            sums[reads] = [a + sum(map(mul, map(abs, column), k)) for a, column in zip(sums[reads], columns, strict=True)]

        for reads, columns in self.columns[layer]:
            sums[reads] = [a + (max(map(abs, column), default=0) << UNIT) for a, column in zip(sums[reads], columns, strict=True)]
        start, largest = max(map(abs, self.biases[layer]), default=0) << UNIT, [0]
        for source in range(layer, 0, -1):
            k = [(a >> self.fine) + 1 for a in sums[source]]
            largest.insert(1, max(k, default=0))
            start += sum(map(mul, map(abs, self.biases[source - 1]), k))
            for reads, columns in self.columns[source - 1]:
                give(columns, k, reads)
        return max(max(some, default=0) for some in sums), start, largest

    def _lanes(self, layer: int, size: int) -> tuple[list[bytes], list[list[list[bytes]]]]:
        """Biases of a layer and, of each term, its columns, in 2^-(UNIT + fine): lanes with half a lane added."""
        half = 1 << 8 * size - 1

        def lanes(numbers: list[int]) -> list[bytes]:
            return [((a << UNIT) + half).to_bytes(size, "little") for a in numbers]

        return lanes(self.biases[layer]), [list(map(lanes, columns)) for _, columns in self.columns[layer]]

    def step(self, layer: int, cell: _Searched, steps: list[_Step]) -> _Step:
        """A layer whose ends on the cell are known, as are those of `steps`, all before it."""
        first, end = self.first[layer : layer + 2]
        ends = zip(cell.low[first:end], cell.high[first:end], strict=True)
        there = [(i, None if low >= 0 else _Bounds.line(low, high, self.fine)) for i, (low, high) in enumerate(ends) if high > 0]
        alive, lines = [i for i, _ in there], [line for _, line in there]
        columns = []
        for reads, weights in self.columns[layer]:
            some = [weights[i] for i in steps[reads - 1].alive] if reads else weights
            columns.append((reads, [[column[i] for i in alive] for column in some]))
        biases, free = [self.biases[layer][i] for i in alive], [line for line in lines if line is not None]
        return _Step(alive, lines, biases, columns, sum(line.loss for line in free), sum(line.rest for line in free))

    def rows(self, layer: int, some: list[int], steps: list[_Step]) -> tuple[list[int], list[list[int]]]:
        """Rows over the inputs, less than z, and then less than -z, of some neurons of a layer, given by their places
        there, with the slopes of the rule: their constants, and for each input their coefficients, in 2^-(UNIT + fine).
        `steps` are the layers before.
        """
        fine, each = self.fine, len(some)
        most, start, largest = self.sizes[layer]
        rest = sum(step.rest for step in steps) << fine - UNIT
        start += sum(k * step.lost for k, step in zip(largest[1:], steps[:layer], strict=True)) + rest
        size = max(most, start, 1 << fine).bit_length() // 8 + 1  # bytes of a lane: sums are below half of what it holds
        lane, left = 8 * size, 8 * size - fine
        ones = _ones(size, 2 * each)
        half, middle, whole, below = ones << lane - 1, ones << left - 1, (ones << left) - ones, _ones(size, each) << lane - 1

        def both(lanes: list[bytes]) -> int:
            found = int.from_bytes(b"".join([lanes[i] for i in some]), "little") - below
            return found - (found << lane * each)

        biases, terms = self.lanes(layer, size)
        constants, sums = both(biases), dict[int, list[int]]()
        for (reads, _), columns in zip(self.columns[layer], terms, strict=True):
            new = list(map(both, [columns[i] for i in steps[reads - 1].alive] if reads else columns))
            sums[reads] = list(map(add, sums[reads], new)) if reads in sums else new
        for source in range(len(steps), 0, -1):
            values, step = sums.pop(source, None), steps[source - 1]
            if values is None:
                continue
            taken, lost = [], 0
            for v, line in zip(values, step.lines, strict=True):
                v = v + half >> fine & whole  # rounded down, in 2^-UNIT
                if line is None:
                    taken.append(v - middle)
                    continue
                up, down = _parts(v, middle, left)
                above = down * line.chord >> fine & whole
                taken.append(up - above if line.slope else -above)
                lost += line.loss * down
            constants += sum(map(mul, step.biases, taken)) - lost
            for reads, weights in step.columns:
                new = [sum(map(mul, column, taken)) for column in weights]
                sums[reads] = list(map(add, sums[reads], new)) if reads in sums else new
        constants -= rest * ones

        def unpacked(lanes: int) -> list[int]:
            return _unpacked((lanes + half).to_bytes(2 * size * each, "little"), size)

        return unpacked(constants), list(map(unpacked, sums.get(0) or [0] * self.units[0]))


class _Passed:
    """First ends of neurons, from layer to layer: forms of the inputs that vary which are less than z, and than -z, of
    each, in one integer with the constant in the first lane; numbers are in 2^-fine. Format: "First ends".
    """

    def __init__(self, bounds: _Bounds, cell: _Searched) -> None:
        self.bounds, self.fine, self.stopped = bounds, max(FIRST, bounds.fine), False
        self.varying = self._varying(cell)
        self.sides = [cell.box[k] for k in self.varying]
        self.slack = 1 + sum((max(map(abs, side)) >> INPUT) + 1 for side in self.sides)  # what rounding all lanes down costs
        self.size = (self.fine + bounds.shift) // 8 + 3 * (bounds.network.hidden + 4)  # bytes of a lane; enough, or this stops
        self.ones, self.lane = _ones(self.size, len(self.varying) + 1), 8 * self.size
        self.half = self.ones << self.lane - 1
        self.most = 1 + max(max(map(abs, end)) for end in cell.box) << self.fine - INPUT  # no number is larger
        self.most = max(self.most, 1 << self.fine)
        up, self.z = self.fine - INPUT, list[tuple[int, int]]()
        inputs = [(low << up, -high << up) for low, high in cell.box]
        for lane, k in enumerate(self.varying, 1):
            inputs[k] = (1 << self.fine + self.lane * lane, -1 << self.fine + self.lane * lane)
        self.values = [inputs]

    @staticmethod
    def pays(bounds: _Bounds, cell: _Searched) -> bool:
        """Whether this is gone about: few inputs vary, the network is large, and all units are ReLU."""
        return bounds.weights >= WEIGHED and all(units is None for units in bounds.units) and len(_Passed._varying(cell)) <= PASSED

    @staticmethod
    def _varying(cell: _Searched) -> list[int]:
        """Inputs that vary by more than rounding: the others are between two numbers."""
        widths = [high - low for low, high in cell.box]
        return [k for k, width in enumerate(widths) if width << NARROW > max(widths)]

    def layer(self, layer: int, cell: _Searched, given: Collection[tuple[int, int]]) -> None:
        """Forms of a layer's z; its neurons whose signs they show get their ends, but those of which one is given."""
        bounds, fine, shift = self.bounds, self.fine, self.bounds.shift
        read = (
            [[(self.values[s], m.entries(at)) for s, m in bounds.terms[layer]] for at in range(len(bounds.biases[layer]))] if not self.stopped else []
        )
        row = max((sum(abs(w) for _, entries in terms for _, w in entries) for terms in read), default=0)
        sums = self.most * row + (max(map(abs, bounds.biases[layer]), default=0) << fine)
        self.most = max(self.most, (sums >> shift) + self.slack + 1)
        if self.stopped or max(sums.bit_length(), self.most.bit_length() + fine) + 2 > self.lane:
            self.stopped = True
            return
        self.z = []
        for i, (bias, terms) in enumerate(zip(bounds.biases[layer], read, strict=True), bounds.first[layer]):
            below, above = bias << fine, -bias << fine
            for values, entries in terms:
                for j, w in entries:
                    least, most = values[j]  # less than the value, and than minus the value
                    if w > 0:
                        below += w * least
                        above += w * most
                    else:
                        below -= w * most
                        above -= w * least
            both = self._rounded(below, shift), self._rounded(above, shift)
            self.z.append(both)
            low, high = map(self._least, both)  # of z, and of -z
            if max(low, high) >> fine + INPUT - MARGIN > 0 and (i, 0) not in given and (i, 1) not in given:
                cell.low[i] = max(cell.low[i], low >> fine + INPUT - UNIT)
                cell.high[i] = min(cell.high[i], -(high >> fine + INPUT - UNIT))

    def units(self, layer: int, cell: _Searched) -> None:
        """Forms of r = max(z, 0) of a layer whose ends are known, by the lines of the rule."""
        if self.stopped:
            return
        found, lost = [], 0
        for i, (below, above) in enumerate(self.z, self.bounds.first[layer]):
            low, high = cell.low[i], cell.high[i]
            if not low < 0 < high:
                found.append((below, above) if high > 0 else (0, 0))
                continue
            line = self.bounds.line(low, high, self.fine)
            found.append((below if line.slope else 0, self._rounded(above * line.chord, self.fine) - line.loss))
            lost = max(lost, line.loss)
        self.most += lost + self.slack + 1
        self.values.append(found)

    def _rounded(self, lanes: int, by: int) -> int:
        """A form divided by 2^by, rounded down, so that it is still less."""
        left = self.lane - by
        return ((lanes + self.half) >> by & (self.ones << left) - self.ones) - (self.ones << left - 1) - self.slack

    def _least(self, lanes: int) -> int:
        """The least value of a form, in 2^-(fine + INPUT)."""
        constant, *numbers = _unpacked((lanes + self.half).to_bytes(self.size * (len(self.sides) + 1), "little"), self.size)
        return _least_value(constant, numbers, self.sides)


class _Bounds:
    """The one rule: rows over values of a network bounded from below on a cell. Format: "The rule".

    Values are numbered by source: 0 are the inputs, s >= 1 the outputs of hidden layer s - 1. Rows have coefficients in
    2^-UNIT, those of inputs in 2^-(UNIT + shift), and a constant in 2^-(UNIT + shift).
    """

    def __init__(self, network: _Network) -> None:
        self.network, self.first = network, network.first
        bits = max(max([_bits(bias), *(_matrix_bits(rows) for _, rows in read)]) for read, bias, _ in network.floats)
        self.shift = max(UNIT, -(-bits // 8) * 8)
        _need(self.shift <= 20 * WORD, "weights of fewer bits expected")
        self.terms = [[(source, _Matrix(rows, network.widths[source], self.shift)) for source, rows in read] for read, _, _ in network.floats]
        self.biases = [_whole(bias, self.shift) for _, bias, _ in network.floats]
        self.units: list[list[tuple[int, int]] | None] = []  # slopes on the scale 2^slope_bits; None for ReLU
        self.slope_bits: list[int] = []
        for _, _, slopes in network.floats[:-1]:
            plain = all(a == 0 for a in slopes[0]) and all(a == 1 for a in slopes[1])
            bits = max(map(_bits, slopes))
            self.units.append(None if plain else list(zip(*(_whole(row, bits) for row in slopes), strict=True)))
            self.slope_bits.append(bits)
        self.weights = sum(sum(map(len, rows)) for read, _, _ in network.floats for _, rows in read)
        self.fine = max(FINE, self.shift + max(self.slope_bits, default=0))
        self.rows: list[tuple[list[int], list[int], Fraction]] = []  # of outputs and inputs, and a constant
        self.swept = _Swept(self) if _Swept.pays(self) else None

    def over_inputs(
        self,
        rows: dict[int, list[int]],
        constant: int,
        cell: _Searched,
        slopes: dict[int, int] | None = None,
        pulls: dict[int, int] | None = None,
        losses: dict[int, int] | None = None,
    ) -> tuple[int, list[int]]:
        """A constant in 2^-(UNIT + shift), and coefficients of the inputs: less than a row on the cell, by the rule.
        The rows are used up.

        `slopes` are those of open neurons, in 2^-SLOPE (the rule's without them), `pulls` sign times multiplier of
        split neurons, in 2^-UNIT. `losses` receives what each open neuron costs, in 2^-2UNIT.
        """
        for source in range(max(rows, default=0), 0, -1):
            v = rows.pop(source, None)
            if v is None:
                continue
            layer = source - 1
            k, lost = self._through(layer, v, cell, slopes, losses)
            first = self.first[layer]
            if pulls:
                for i, pull in pulls.items():
                    if first <= i < first + len(v):
                        k[i - first] -= pull
            constant += sum(map(mul, k, self.biases[layer])) - (lost << self.shift)
            for reads, matrix in self.terms[layer]:
                part = matrix.floors(k) if reads else matrix.exactly(k)
                constant -= self._negative(reads, cell)
                there = rows.get(reads)
                rows[reads] = part if there is None else [a + b for a, b in zip(there, part, strict=True)]
        return constant, rows.get(0, [])

    def bound(self, rows: dict[int, list[int]], constant: int, cell: _Searched, *more: dict[int, int] | None) -> int:
        """The least value of a row that the rule proves, in 2^-(UNIT + shift + INPUT)."""
        return cell.least(*self.over_inputs(rows, constant, cell, *more))

    def _negative(self, source: int, cell: _Searched) -> int:
        """What rounding a coefficient of every output of a source down may cost, in 2^-(UNIT + shift)."""
        units = self.units[source - 1] if source else None
        if units is None:
            return 0
        first, bits, total = self.first[source - 1], self.slope_bits[source - 1], 0
        for i, (m, p) in enumerate(units, first):
            low, high = cell.low[i], cell.high[i]
            total += -min(0, m * min(low, 0), m * min(high, 0), p * max(low, 0), p * max(high, 0))
        return ((total >> UNIT + bits) + 1) << self.shift

    def _through(
        self, layer: int, v: list[int], cell: _Searched, slopes: dict[int, int] | None, losses: dict[int, int] | None = None
    ) -> tuple[list[int], int]:
        """Coefficients of z in place of those of h, and what is lost, rounded up."""
        units = self.units[layer]
        if units is not None:
            return self._through_slopes(layer, v, cell, slopes, units, losses)
        lines = cell.lines.get(layer)
        if lines is None:
            lines = cell.lines[layer] = self._lines(layer, cell)
        on, free = lines
        k, lost, first = list(map(mul, v, on)), 0, self.first[layer]
        for i, high, width in free:
            a = v[i]
            if a < 0:
                k[i] = s = -(-a * high // width)  # rounded up, so no more is lost at the lower end
                lost += (s - a) * high
                if losses is not None:
                    losses[first + i] = (s - a) * high
            elif slopes is not None:
                k[i] = a * slopes[first + i] >> SLOPE
        return k, -(-lost >> UNIT)

    def _lines(self, layer: int, cell: _Searched) -> tuple[list[int], list[tuple[int, int, int]]]:
        """The slopes of a layer's units, the rule's where they are open; and of these the place, the upper end, and by
        how much it is above the lower one.
        """
        first, end = self.first[layer], self.first[layer + 1]
        ends = list(zip(cell.low[first:end], cell.high[first:end], strict=True))
        on = [int(high > 0 if low >= 0 else high > -low) for low, high in ends]
        return on, [(i, high, high - low) for i, (low, high) in enumerate(ends) if low < 0 < high]

    def _through_slopes(
        self,
        layer: int,
        v: list[int],
        cell: _Searched,
        slopes: dict[int, int] | None,
        units: list[tuple[int, int]],
        losses: dict[int, int] | None,
    ) -> tuple[list[int], int]:
        first, bits = self.first[layer], self.slope_bits[layer]
        k, lost = [0] * len(v), 0
        for i, (a, (m, p)) in enumerate(zip(v, units, strict=True)):
            if not a:
                continue
            low, high = cell.low[first + i], cell.high[first + i]
            below, above = a * m, a * p  # the slopes of a h, in 2^-(UNIT + bits)
            if high <= 0:
                k[i] = -(-below >> bits)
            elif low >= 0:
                k[i] = above >> bits
            else:
                if above >= below:
                    slope = (1 << SLOPE) * (high > -low) if slopes is None else slopes[first + i]
                    k[i] = below + ((above - below) * slope >> SLOPE) >> bits
                else:
                    k[i] = (above * high - below * low) // (high - low) >> bits
                loss = max(0, (k[i] << bits) * low - below * low, (k[i] << bits) * high - above * high)
                lost += loss
                if losses is not None:
                    losses[first + i] = loss >> bits
        return k, -(-lost >> UNIT + bits)

    def neuron(self, layer: int, at: int, sign: int, cell: _Searched, slopes: dict[int, int]) -> tuple[int, list[int]]:
        """A row over the inputs that is less than sign * z of a neuron on the cell, with slopes of its own."""
        rows: dict[int, list[int]] = {}
        constant = sign * self.biases[layer][at] << UNIT
        for reads, matrix in self.terms[layer]:
            row = matrix.row(at)
            if reads:
                part = [sign * w >> self.shift - UNIT for w in row]
                constant -= self._negative(reads, cell)
            else:
                part = [sign * w << UNIT for w in row]
            there = rows.get(reads)
            rows[reads] = part if there is None else [a + b for a, b in zip(there, part, strict=True)]
        return self.over_inputs(rows, constant, cell, slopes)

    def below(self, layer: int, cell: _Searched) -> _Below:
        """A layer whose ends on the cell are known."""
        assert isinstance(cell.forms, _Forms)
        low, high = cell.low, cell.high
        neurons, forms, columns = cell.forms.layer(layer)
        lines = [self.line(low[i], high[i], self.fine) if high[i] > 0 else None for i in neurons]
        there = [(form, line) for form, line in zip(forms, lines, strict=True) if line is not None]
        columns = [column for column in columns if column[0] < 0 or high[column[0]] > 0]
        most, rest = sum(form.most + line.loss for form, line in there), sum(line.rest for _, line in there)
        return _Below(neurons, lines, forms, columns, most, rest)

    def neurons(self, some: list[int], cell: _Searched, layers: Sequence[_Below] | None = None) -> tuple[list[int], list[list[int]]]:
        """Rows over the inputs, less than z, and then less than -z, of some neurons of a layer on the cell, with the
        slopes of the rule: their constants, and for each input their coefficients, in 2^-(UNIT + fine).
        Format: "Many rows at once".

        All rows go down together: for each r there is one integer with a lane for the coefficient of every row, in
        2^-(UNIT + fine), and one for the constants. `layers` are those below.
        """
        forms, fine = cell.forms, self.fine
        assert isinstance(forms, _Forms)
        given = [forms.of(i) for i in some]
        if layers is None:
            layers = [self.below(layer, cell) for layer in range(bisect_right(self.first, some[0]) - 1)]
        most, rest = max(form.most for form in given) << UNIT, sum(layer.rest for layer in layers) << fine - UNIT
        for layer in reversed(layers):
            most += ((most >> fine) + 1) * layer.most
        size = max(most + rest, 1 << fine).bit_length() // 8 + 1  # bytes of a lane: sums are below half of what it holds
        many, lane, left = 2 * len(some), 8 * size, 8 * size - fine
        ones = _ones(size, many)
        half, middle, whole = ones << lane - 1, ones << left - 1, (ones << left) - ones

        def packed(numbers: list[int]) -> int:
            found = _packed(numbers, size) << UNIT
            return found - (found << lane * len(some))

        columns: dict[int, list[int]] = {}
        for place, form in enumerate(given):
            for key, a in form.terms.items():
                if key < 0 or cell.high[key] > 0:
                    columns.setdefault(key, [0] * len(some))[place] = a
        sums = {key: packed(column) for key, column in columns.items()}
        constants = packed([form.constant for form in given])
        constants -= sum(form.error << lane * k for k, form in enumerate(chain(given, given))) << UNIT
        for layer in reversed(layers):
            taken = []
            for i, line, form in zip(layer.neurons, layer.lines, layer.forms, strict=True):
                v = sums.pop(i, 0)
                if not v or line is None:
                    taken.append(0)
                    continue
                up, down = _parts((v + half) >> fine & whole, middle, left)  # rounded down, in 2^-UNIT
                above = down * line.chord >> fine & whole
                k, magnitude = (up - above, up + above) if line.slope else (-above, above)
                taken.append(k)
                constants += form.constant * k - form.error * magnitude - line.loss * down
            if any(taken):
                of = taken.__getitem__
                for key, numbers, places in layer.columns:
                    sums[key] = sums.get(key, 0) + sum(map(mul, numbers, map(of, places)))
        constants -= rest * ones

        def unpacked(lanes: int) -> list[int]:
            return _unpacked((lanes + half).to_bytes(size * many, "little"), size)

        return unpacked(constants), [unpacked(sums[~k]) if ~k in sums else [0] * many for k in range(self.network.inputs)]

    def row(self, coefficients: list[int], inputs: list[int], constant: Fraction) -> int:
        """The number of a row of whole multiples of outputs and inputs, and a constant."""
        self.rows.append((coefficients, inputs, constant))
        return self.first[-1] + len(self.rows) - 1

    def shortly(self, number: int, cell: _Searched, slopes: dict[int, int], losses: dict[int, int] | None = None) -> tuple[int, list[int]] | None:
        """What `over_forms` returns, where forms are short; else None."""
        try:
            if isinstance(cell.forms, _Laned):
                return cell.forms.row(number, cell, slopes, losses)
            short = cell.forms is not None and cell.forms.size <= SHORT * len(cell.low)
            return self.over_forms(number, cell, slopes, losses) if short else None
        except _TooLarge:  # the form of the row
            return None

    def over_forms(self, number: int, cell: _Searched, slopes: dict[int, int] | None, losses: dict[int, int] | None = None) -> tuple[int, list[int]]:
        """Less than a row on the cell, by the rule, over the forms that are there: a constant and coefficients of the
        inputs in 2^-(UNIT + fine). `slopes` and `losses` as for `over_inputs`.
        """
        forms, fine, low, high = cell.forms, self.fine, cell.low, cell.high
        assert isinstance(forms, _Forms)
        form = forms.of(number)
        sums = {key: a << UNIT for key, a in form.terms.items()}
        constant, lost = form.constant - form.error << UNIT, 0
        for layer in range(self.network.hidden - 1, -1, -1):
            neurons, below, columns = forms.layer(layer)
            taken = []
            for i, form in zip(neurons, below, strict=True):
                v = sums.pop(i, 0) >> fine  # as r >= 0
                if not v or high[i] <= 0:
                    taken.append(0)
                    continue
                if low[i] >= 0:
                    k = v
                elif v > 0:
                    k = v * (high[i] > -low[i]) if slopes is None else v * slopes[i] >> SLOPE
                else:
                    k = -(-v * high[i] // (high[i] - low[i]))  # rounded up, so no more is lost at the lower end
                    loss = (k - v) * high[i]
                    lost += loss
                    if losses is not None:
                        losses[i] = loss
                taken.append(k)
                constant += form.constant * k - form.error * abs(k)
            if any(taken):
                of = taken.__getitem__
                for key, numbers, places in columns:
                    if key < 0 or high[key] > 0:
                        sums[key] = sums.get(key, 0) + sum(map(mul, numbers, map(of, places)))
        return constant - (lost << fine - UNIT), [sums.get(~k, 0) for k in range(self.network.inputs)]

    @staticmethod
    def line(low: int, high: int, fine: int) -> _Line:
        """The lines of r on a cell, its z between these ends, high > 0."""
        if low >= 0:
            return _Line(1, 1 << fine, 0, 0)
        chord = -(-(high << fine) // (high - low))
        return _Line(int(high > -low), chord, -(chord * low >> UNIT), high)

    def over_outputs(self, coefficients: list[int], inputs: list[int], constant: int, cell: _Searched) -> tuple[dict[int, list[int]], int]:
        """A row of whole multiples of outputs and inputs, and a constant in 2^-(UNIT + shift), over the values that the
        outputs read.
        """
        rows: dict[int, list[int]] = {0: [a << UNIT + self.shift for a in inputs]}
        constant += sum(map(mul, coefficients, self.biases[-1])) << UNIT
        for reads, matrix in self.terms[-1]:
            whole = matrix.exactly(coefficients)
            if reads:
                constant -= self._negative(reads, cell)
            part = [a >> self.shift - UNIT for a in whole] if reads else [a << UNIT for a in whole]
            there = rows.get(reads)
            rows[reads] = part if there is None else [a + b for a, b in zip(there, part, strict=True)]
        return rows, constant

    def exactly(
        self,
        coefficients: list[int],
        inputs: list[int],
        constant: Fraction,
        cell: _Searched,
        pulls: dict[int, Fraction],
        box: list[tuple[Fraction, Fraction]],
        share: Fraction = Fraction(0),
    ) -> Fraction:
        """The least value on a box of a row over outputs and inputs less sign times multiplier times z of split
        neurons, and less `share` times what is >= 0 in the ball, where the signs of all neurons that matter are known:
        nothing is rounded.
        """
        one = math.lcm(*(y.denominator for y in pulls.values()))
        rows = {0: [a * one for a in inputs]}  # over source s they are whole multiples of 1 / (one 2^bits[s])
        bits = [0] * (self.network.hidden + 1)

        def give(layer: int, k: list[int], fine: int) -> None:
            nonlocal constant
            constant += Fraction(sum(map(mul, k, self.biases[layer])), one << fine + self.shift)
            for reads, matrix in self.terms[layer]:
                part, before, after = matrix.exactly(k), bits[reads], fine + self.shift
                bits[reads] = both = max(before, after)
                there = rows.get(reads) or [0] * len(part)
                rows[reads] = [(a << both - before) + (b << both - after) for a, b in zip(there, part, strict=True)]

        give(self.network.hidden, [a * one for a in coefficients], 0)
        for layer in range(self.network.hidden - 1, -1, -1):
            first, units, fine = self.first[layer], self.units[layer], self.slope_bits[layer]
            k, unit = [], one << bits[layer + 1] + fine
            for i, a in enumerate(rows.pop(layer + 1, [0] * len(self.biases[layer])), first):
                _hold(not (a and cell.low[i] < 0 < cell.high[i]), "an exact combination, but a neuron's sign is open")
                on = cell.high[i] > 0
                k.append(a * (units[i - first][on] if units else on << fine) - int(pulls.get(i, 0) * unit))
            give(layer, k, bits[layer + 1] + fine)
        one <<= bits[0]
        if share and cell.ball is not None:
            return constant + cell.ball.least_exactly([Fraction(a, one) for a in rows[0]], share, box)
        return constant + sum((a * (low if a > 0 else high) for a, (low, high) in zip(rows[0], box, strict=True)), Fraction(0)) / one


@dataclass(frozen=True)
class Refuted:
    """What was verified of one query: no input of the network, or none in the ball, satisfies its formula."""

    index: int
    source: str
    query_sha256: str
    formula: Condition | Junction
    ball: Ball | None
    names: tuple[str, ...]
    inputs: int
    cells: int
    leaves: int
    weights_sha256: str
    model_sha256: str
    model: str


def _sheet(value: Any, layers: int) -> Iterator[list[Any]]:
    """The lines of cells that a sheet stands for. Format: "A query"."""
    names = ("cells", "first", "places", "slopes", "shifts", "shares", "neurons", "moved", "ends", "events", "betas", "more")
    *texts, shares, neurons, moved, ends, others, betas, more = _fields(value, *names)
    _need({str}.issuperset(map(type, texts)), "texts of cells and bounds expected")
    cells, first, places, slopes, shifts = texts
    closed = places.split(",") if places else [""] * len(cells)
    _need(len(cells) == len(first) == len(closed), "as much of all cells expected")
    words, numbers = slopes.split(",") if _list(shares) else [], iter(_list(neurons))
    _need(len(words) == len(shares) == len(shifts) and (words or not slopes), "slopes, shares and a shift for each bound expected")
    pairs = [[_list(pair, 2) for pair in _list(one)] for one in (moved, ends, others, betas, more)]
    _need(all(_only_integers(type(i) for i, _ in one) for one in pairs), "pairs of a whole number and a list expected")
    tables: list[dict[int, Any]] = [dict(one) for one in pairs]
    moved, ends, others, betas, more = tables
    k = 0
    for i, (letter, state, word) in enumerate(zip(cells, first, closed, strict=True)):
        at = _SIDES.find(letter)
        _need(at >= 0 or letter in "-+", "a letter of a cell expected")
        _need(state in "0.mM", "a letter of what is bounded anew expected")
        events: list[Any] = [*_list(others.get(i, []))]
        _need(not (events and word), "events of a cell, or places, expected")
        for digit in "" if events else (word or "0"[letter != "-" :]):
            _need(k < len(words) and digit in "0123456789", "a bound for each place, which is a digit, expected")
            events.append(["bound", int(digit), shares[k], words[k], betas.get(k, [])])
            if shifts[k] != ".":
                events[-1] += [_SHIFTS.find(shifts[k]), more.get(k, [])]
            k += 1
        kind = 0 if at >= 0 else 1 if letter == "+" else -1
        line = [0 if state in "0M" else layers, ends.get(i, []), [], events, kind, next(numbers, None) if kind == 1 else max(at, 0)]
        yield [*line, moved.get(i, [])] if state in "mM" else line
    _need(k == len(words) and next(numbers, None) is None, "no more bounds and neurons than cells have expected")


class _Row:
    """Whole multiples of outputs and inputs, and a constant: `scale` times the row that refutes an alternative."""

    def __init__(self, of: Alternative, bounds: _Bounds, outputs: list[int], inputs: list[int], constant: Fraction, scale: int) -> None:
        self.of, self.bounds, self.outputs, self.inputs, self.scale = of, bounds, outputs, inputs, scale
        self.start = math.floor(constant * (1 << UNIT + bounds.shift))
        self.number = bounds.row(outputs, inputs, constant)

    def over(self, cell: _Searched) -> tuple[dict[int, list[int]], int]:
        """Over the values that outputs read, and a constant."""
        return self.bounds.over_outputs(self.outputs, self.inputs, self.start, cell)


class _Query:
    """A query: its formula, and boxes whose trees refute all of its alternatives. Format: "A query"."""

    def __init__(self, network: _Network, bounds: _Bounds, opening: Any, share: tuple[int, int] = (0, 1)) -> None:
        self.network, self.bounds = network, bounds
        keys = ("query", "source", "query_sha256", "semantics", "names", "formula", "roots")
        self.ball = _read_ball(opening.pop("ball"), network) if type(opening) is dict and "ball" in opening else None
        index, source, digest, semantics, names, formula, roots = _fields(opening, *keys)
        self.index = _integer(index, 0, math.inf, "query")
        _need({str} == {type(source), type(digest)} and semantics == "real", 'source and hash: strings, and the semantics "real" expected')
        self.variables = network.inputs + network.outputs
        _need({str}.issuperset(map(type, _list(names, self.variables))) and all(map(_NAME.fullmatch, names)), "names: words expected")
        _need(len(set(names)) == len(names), "names: no word twice expected")
        self.source, self.digest, self.names = source, digest, tuple(names)
        self.formula = self._formula(formula, 0)
        self.first = _taken((), (), (), self.formula)
        self.roots = _integer(roots, 0, math.inf, "roots")
        self.cells = self.leaves = self.parts = 0
        self.rows: dict[tuple[int, ...], _Row] = {}  # by the address of an alternative, which is kept, and multipliers
        self.share, self.jobs = share

    def _formula(self, value: Any, depth: int) -> Condition | Junction:
        _need(depth < 200, "a formula nested less deeply expected")
        kind, *rest = _list(value) or [None]
        if kind == "row":
            terms, constant, strict = _list(rest, 3)
            _need(type(strict) is bool and all(type(pair) is list and len(pair) == 2 for pair in _list(terms)), "a row expected")
            found = []
            for v, c in terms:
                found.append((_integer(v, 0, self.variables, "variable"), _rationals([c], 1)[0]))
            _need(len({v for v, _ in found}) == len(found) and all(c for _, c in found), "a variable once, and no coefficient 0, expected")
            return Condition(tuple(found), _rationals([constant], 1)[0], strict)
        _need(kind in ("and", "or"), "a row, and, or or expected")
        return Junction(kind == "and", tuple(self._formula(part, depth + 1) for part in rest))

    def check(self, lines: _Lines) -> Refuted:
        """Read all trees, and see that they leave no alternative out."""
        refuted: dict[Choices, tuple[list[float], list[float]]] = {}
        for _ in range(self.roots):
            lower, upper, choices = _fields(lines.next(), "lower", "upper", "alternatives")
            low, high = _floats(lower, self.network.inputs), _floats(upper, self.network.inputs)
            _need(all(a <= b for a, b in zip(low, high, strict=True)), "a box expected")
            found = [self._alternative(one) for one in _list(choices)]
            for one in found:
                refuted[one.choices] = (low, high)
            self._tree(lines, low, high, found)
        self._complete(refuted)
        return Refuted(
            self.index, self.source, self.digest, self.formula, self.ball, self.names, self.network.inputs, self.cells, self.leaves,
            self.network.weights_sha256, self.network.model_sha256, self.network.source,
        )  # fmt: skip

    def _alternative(self, value: Any) -> Alternative:
        found = self.first
        for pair in _list(value):
            at, part = _integers(_list(pair, 2))
            _need(0 <= at < len(found.pending) and 0 <= part < len(found.pending[at].parts), "a choice that there is expected")
            found = found.choice(at, part)
        return found

    def _complete(self, refuted: dict[Choices, tuple[list[float], list[float]]]) -> None:
        """Every alternative lies in a box where it was refuted, is empty by its bounds, or all that may be chosen of it
        is: of the `or` that was chosen of one that was refuted, of one that is empty, or of the first.
        """
        chosen = {key[:length]: key[length][0] for key in refuted for length in range(len(key))}
        stack = [self.first]
        while stack:
            one = stack.pop()
            if one.empty(self.network.inputs):
                continue
            box = refuted.get(one.choices)
            if box is not None:
                low, high = one.box(self.network.inputs)
                for i, (a, b, p, q) in enumerate(zip(low, high, *box, strict=True)):
                    inside = self._bounded(i, a, p, -1) and self._bounded(i, b, q, 1)
                    _hold(inside, "an alternative's inputs are not in the box where it is refuted")
                continue
            _hold(one.pending, "an alternative is refuted nowhere")
            at = chosen.get(one.choices)
            if at is None:
                at = next((i for i, part in enumerate(one.pending) if not part.parts), 0)
            stack += one.chosen(at)

    def _bounded(self, i: int, stated: Fraction | None, end: float, side: int) -> bool:
        """Whether no input of an alternative is beyond an end, by the bound that it states or by the ball."""
        if stated is not None and side * (Fraction(end) - stated) >= 0:
            return True
        return self.ball is not None and self.ball.beyond(side * (Fraction(end) - self.ball.center[i]))

    def _tree(self, lines: _Lines, lower: list[float], upper: list[float], alternatives: list[Alternative]) -> None:
        most = 1 << UNIT + 2200 * self.network.hidden  # nothing is known of neurons, but that sums of doubles are smaller
        neurons = self.bounds.first[-1]
        stack = [_Searched(lower, upper, [-most] * neurons, [most] * neurons, [], alternatives, self.ball)]
        sheet: Iterator[list[Any]] = iter(())
        while stack:
            line = next(sheet, None)
            if line is None:
                line = lines.next()
                if type(line) is dict:
                    sheet = _sheet(line, self.network.hidden)
                    continue
            first, ends, claims, events, kind, at, *moved = _list_of(line, 6, 7)
            cell = stack.pop()
            self.cells += 1
            if cell.depth == APART:
                self.parts += 1
                cell.mine = self.parts % self.jobs == self.share
            if moved and cell.mine:
                self._move(cell, self._given(cell, moved[0]))
            if cell.mine:
                self._refine(cell, _integer(first, 0, self.network.hidden + 1, "layer"), self._given(cell, ends))
            for claim in _list(claims) if cell.mine else ():
                self._claim(cell, _list(claim, 4))
            for event in _list(events):
                self._event(cell, _list(event))
            stack += reversed(self._split(cell, kind, at))
        _need(next(sheet, None) is None, "a sheet that ends with the tree expected")

    def _given(self, cell: _Searched, ends: Any) -> dict[tuple[int, int], int | None]:
        """Ends that are given where they are not those found, with their signs; None for those that are to be rounded
        from a quarter of a step less.
        """
        given: dict[tuple[int, int], int | None] = {}
        for entry in _list(ends):
            if type(entry) is int:
                given[divmod(_integer(entry, 0, 2 * len(cell.low), "an end"), 2)] = None
                continue
            neuron, side, end = _list(entry, 3)
            given[_integer(neuron, 0, len(cell.low), "neuron"), _integer(side, 0, 2, "side")] = self._end(end)
        return given

    def _put(self, cell: _Searched, neuron: int, lower: int, upper: int, given: dict[tuple[int, int], int | None]) -> None:
        """Ends that follow from lower bounds of z and of -z, in 2^-UNIT."""
        low, high = cell.low, cell.high
        if given and ((neuron, 0) in given or (neuron, 1) in given):
            lower, upper = self._stated(neuron, 0, lower, low[neuron], given), self._stated(neuron, 1, upper, -high[neuron], given)
        else:
            lower, upper = lower if lower <= low[neuron] else _grid(lower), upper if upper <= -high[neuron] else _grid(upper)
        if lower > low[neuron]:
            low[neuron] = lower
        if upper > -high[neuron]:
            high[neuron] = -upper

    @staticmethod
    def _stated(neuron: int, side: int, value: int, before: int, given: dict[tuple[int, int], int | None]) -> int:
        """A lower bound of z, or -z, rounded to the grid, as the file has it."""
        stated = given.get((neuron, side))
        if stated is not None:
            end = stated * (1, -1)[side]
            _hold(end <= value, "an end of a neuron is not proved")
            return end
        return value if value <= before else _grid(value, (neuron, side) in given)

    def _move(self, cell: _Searched, given: dict[tuple[int, int], int | None]) -> None:
        """The least values, on this cell, of the newest rows that were kept for open neurons."""
        wanted, kept = dict.fromkeys(cell.open_neurons(len(cell.low))), []
        for rows in reversed(cell.kept):
            there = [i for i in wanted if i in rows.places]
            if not there:
                continue
            kept.append(rows)
            values = rows.least(cell.box)
            for i in there:
                del wanted[i]
                a, b = rows.places[i]
                self._put(cell, i, values[a], values[b], given)
        cell.kept = tuple(reversed(kept))

    def _refine(self, cell: _Searched, first: int, given: dict[tuple[int, int], int | None], only: set[int] | None = None) -> None:
        """Bound open neurons anew, with the slopes of the rule, and keep the rows, unless it is some neurons only."""
        bounds, last = self.bounds, self.network.hidden if only is None else bisect_right(self.bounds.first, max(only, default=-1))
        passed = _Passed(bounds, cell) if first == 0 and only is None and cell.forms is None and _Passed.pays(bounds, cell) else None
        if first >= last:
            return
        if cell.forms is None:
            cell.forms = _Forms(bounds, cell, None)
        stale, steps = cell.forms.stale(cell), list[_Step]()
        raw = (stale or cell.forms.above is None) and (only is not None or not cell.mostly_decided())
        swept = bounds.swept if raw else None
        if swept is None and only is None and stale:
            cell.forms = self._renewed(cell, cell.forms)
        laned = cell.forms if swept is None and isinstance(cell.forms, _Laned) else None
        through = list[_Through]()
        places: dict[int, tuple[int, int]] = {}
        constants: list[int] = []
        columns: list[list[int]] = [[] for _ in cell.box]
        below: list[_Below] = []
        unit = bounds.fine + INPUT
        for layer in range(last):
            if layer >= first:
                if passed is not None:
                    passed.layer(layer, cell, given)
                among = range(bounds.first[layer], bounds.first[layer + 1])
                free = [i for i in (among if only is None else sorted(only.intersection(among))) if cell.low[i] < 0 < cell.high[i]]
                for some in (free[at : at + LANES] for at in range(0, len(free), LANES)):
                    if laned is not None:
                        more, rows = laned.rows(layer, some, through)
                    elif swept is None:
                        more, rows = bounds.neurons(some, cell, below)
                    else:
                        more, rows = swept.rows(layer, [i - among.start for i in some], steps)
                    for k, i in enumerate(some, len(constants)):
                        places[i] = k, k + len(some)
                    constants += more
                    for column, row in zip(columns, rows, strict=True):
                        column += row
                    values = [value >> unit for value in cell.leasts(more, rows)]
                    for i, lower, upper in zip(some, values, values[len(some) :], strict=False):
                        self._put(cell, i, lower, upper, given)
                if free:
                    cell.lines.pop(layer, None)
                if passed is not None:
                    passed.units(layer, cell)
            if layer < last - 1:
                if laned is not None:
                    through.append(laned.through(layer, cell))
                elif swept is None:
                    below.append(bounds.below(layer, cell))
                else:
                    steps.append(swept.step(layer, cell, steps))
        if places and only is None and sum(low < high for low, high in cell.box) <= VARYING:
            cell.kept = (*cell.kept, _Kept(cell.box, places, constants, columns, bounds.fine))

    def _renewed(self, cell: _Searched, forms: _Forms | _Laned) -> _Forms | _Laned:
        """Forms made anew for a cell, or for another one where the same was known: they hold where these ends do."""
        there = forms.next
        if there is None or there.low != cell.low or there.high != cell.high:
            try:
                there = _Laned(self.bounds, cell, forms) if _Laned.pays(cell, forms) else None
            except _TooLarge:
                there = None
            forms.next = there = there or _Forms(self.bounds, cell, forms)
        return there

    @staticmethod
    def _end(value: Any) -> int:
        (number,) = _floats([value], 1)
        p, q = number.as_integer_ratio()
        _need(q.bit_length() - 1 <= UNIT, "an end of fewer bits expected")
        return (p << UNIT) // q

    def _slopes(self, cell: _Searched, text: Any, below: int) -> dict[int, int]:
        """Slopes of the open neurons below a number: "0", "1", "~" and two digits to the base 16, or "." for the
        rule's, as those at the end that are left out.
        """
        free = cell.open_neurons(below)
        _need(type(text) is str and _SLOPES.fullmatch(text), "slopes expected")
        words = _SLOPE.findall(text)
        _need(len(words) <= len(free), "no more slopes than there are open neurons expected")
        found = {i: (1 << SLOPE) * (cell.high[i] > -cell.low[i]) for i in free}
        for i, word in zip(free, words, strict=False):
            if word != ".":
                found[i] = int(word[1:], 16) if word[0] == "~" else int(word) << SLOPE
        _need(max(found.values(), default=0) <= 1 << SLOPE, "slopes up to 1 expected")
        return found

    def _claim(self, cell: _Searched, entry: list[Any]) -> None:
        """An end of a neuron, by slopes of its own."""
        number = _integer(entry[0], 0, len(cell.low), "neuron")
        side, end = _integer(entry[1], 0, 2, "side"), self._end(entry[2])
        layer = bisect_right(self.bounds.first, number) - 1
        start, sign = self.bounds.first[layer], (1, -1)[side]
        value = cell.least(*self.bounds.neuron(layer, number - start, sign, cell, self._slopes(cell, entry[3], start)))
        _hold(sign * end << self.bounds.shift + INPUT <= value, "an end of a neuron is not proved")
        if side == 0:
            cell.low[number] = max(cell.low[number], end)
        else:
            cell.high[number] = min(cell.high[number], end)
        cell.lines.pop(layer, None)

    def _event(self, cell: _Searched, event: list[Any]) -> None:
        """An alternative that is refuted here, or replaced by what may be chosen of it."""
        kind, *rest = event or [None]
        if kind == "outside":
            _need(not rest, "nothing more expected")
            box = [(Fraction(a), Fraction(b)) for a, b in zip(cell.lower, cell.upper, strict=True)]
            _hold(self.ball is not None and self.ball.misses(box), "a cell is not outside the ball")
            self.leaves += len(cell.open)
            cell.open.clear()
            return
        _need(kind in ("bound", "exact", "choose") and rest, "bound, exact, choose or outside expected")
        place = _integer(rest[0], 0, len(cell.open), "alternative")
        one = cell.open[place]
        if kind == "choose":
            _need(len(rest) == 1 and one.pending, "an alternative with a choice expected")
            cell.open[place : place + 1] = one.chosen(0)
            return
        if cell.mine:
            _hold(self._bound(cell, one, rest) if kind == "bound" else self._exact(cell, one, rest), "an alternative is not refuted")
        del cell.open[place]
        self.leaves += 1

    def _bound(self, cell: _Searched, one: Alternative, rest: list[Any]) -> bool:
        _, shares, text, multipliers, *little = _list_of(rest, 4, 6)
        goals = [row for row in one.rows if not _bounds(row, self.network.inputs)]
        weights = _integers(_list(shares, len(goals)))
        _need(all(w >= 0 for w in weights), "multipliers that are not negative expected")
        pulls: dict[int, int] = {}
        for (neuron, sign), beta in zip(cell.path, _floats(multipliers, len(cell.path)), strict=True):
            _need(beta >= 0, "multipliers that are not negative expected")
            pulls[neuron] = pulls.get(neuron, 0) + sign * math.floor(Fraction(beta) * (1 << UNIT + SHARE))
        row = self._row(one, goals, weights)
        if row.scale != 1:
            pulls = {i: a * row.scale for i, a in pulls.items()}
        slopes = self._slopes(cell, text, len(cell.low))
        short = not any(pulls.values())
        if little:  # bound anew first what costs this bound much
            losses: dict[int, int] = {}
            if not short or self.bounds.shortly(row.number, cell, slopes, losses) is None:
                self.bounds.over_inputs(*row.over(cell), cell, slopes, pulls, losses)
            most, down = max(losses.values(), default=0), _integer(little[0], 0, MOST_SHIFT + 1, "shift")
            self._refine(cell, 0, self._given(cell, little[1]), {i for i, loss in losses.items() if loss << down >= most})
        if short:
            there = self.bounds.shortly(row.number, cell, slopes)
            if there is not None and cell.least(*there) > 0:
                return True
        value = self.bounds.bound(*row.over(cell), cell, slopes, pulls)
        return value > 0 or (value == 0 and any(w and row.strict for row, w in zip(goals, weights, strict=True)))

    def _row(self, one: Alternative, goals: list[Condition], weights: list[int]) -> _Row:
        """Minus the sum of an alternative's goals times multipliers, made once."""
        found = self.rows.get((id(one), *weights))
        if found is None or found.of is not one:
            outputs, inputs, constant, scale = self._combined(zip(goals, weights, strict=True))
            found = self.rows[id(one), *weights] = _Row(one, self.bounds, [-a for a in outputs], [-a for a in inputs], -constant * scale, scale)
        return found

    def _combined(self, pairs: Iterable[tuple[Condition, Any]]) -> tuple[list[int], list[int], Fraction, int]:
        """The sum of rows times multipliers: whole coefficients of outputs and inputs times a scale; the constant."""
        total, constant = [Fraction(0)] * self.variables, Fraction(0)
        for row, weight in pairs:
            if weight:
                constant += weight * row.constant
                for v, c in row.terms:
                    total[v] += weight * c
        scale = math.lcm(*(a.denominator for a in total))
        whole = [a.numerator * (scale // a.denominator) for a in total]
        return whole[self.network.inputs :], whole[: self.network.inputs], constant, scale

    def _exact(self, cell: _Searched, one: Alternative, rest: list[Any]) -> bool:
        _, multipliers, walls, *more = _list_of(rest, 3, 4)
        _need(not more or self.ball is not None, "a multiplier of a ball, and a ball, expected")
        share = _rationals(more, 1)[0] if more else Fraction(0)
        weights: dict[int, Fraction] = {}
        for pair in _list(multipliers):
            at, y = _list(pair, 2)
            weights[_integer(at, 0, len(one.rows), "row")] = _rationals([y], 1)[0]
        pulls: dict[int, Fraction] = {}
        signs = dict(cell.path)
        for pair in _list(walls):
            neuron, y = _list(pair, 2)
            _need(type(neuron) is int and neuron in signs, "a neuron of the path expected")
            pulls[neuron] = _rationals([y], 1)[0]
        _need(all(y >= 0 for y in (share, *weights.values(), *pulls.values())), "multipliers that are not negative expected")
        outputs, inputs, constant, scale = self._combined((one.rows[at], y) for at, y in weights.items())
        low, high = one.box(self.network.inputs)
        box = []
        for a, b, p, q in zip(low, high, cell.lower, cell.upper, strict=True):
            box.append((max(Fraction(p), a) if a is not None else Fraction(p), min(Fraction(q), b) if b is not None else Fraction(q)))
        if any(a > b for a, b in box):
            return True
        least = self.bounds.exactly(
            [-a for a in outputs], [-a for a in inputs], -constant * scale, cell, {i: signs[i] * y * scale for i, y in pulls.items()}, box,
            share * scale,
        )  # fmt: skip
        strict = any(y and one.rows[at].strict for at, y in weights.items()) or (self.ball is not None and self.ball.open and share > 0)
        return least > 0 or (least == 0 and strict)

    def _split(self, cell: _Searched, kind: Any, at: Any) -> list[_Searched]:
        """The cells that a cell is split into; none where nothing is open."""
        if kind == -1:
            _hold(not cell.open, "a cell is left with an open alternative")
            return []
        if kind == 0:
            k = _integer(at, 0, self.network.inputs, "input")
            middle = (cell.lower[k] + cell.upper[k]) / 2
            _need(cell.lower[k] <= middle <= cell.upper[k], "a side with a middle expected")
            lower, upper = cell.lower[:], cell.upper[:]
            below, above = cell.box[:], cell.box[:]
            below[k], above[k] = _outward(lower[k], middle), _outward(middle, upper[k])
            lower[k], upper[k] = middle, middle
            return [self._child(cell, upper=upper, box=below), self._child(cell, lower=lower, box=above)]
        if kind == 1:
            i = _integer(at, 0, len(cell.low), "neuron")
            low, high = cell.low[:], cell.high[:]
            low[i], high[i] = max(low[i], 0), min(high[i], 0)
            return [self._child(cell, high=high, path=[*cell.path, (i, -1)]), self._child(cell, low=low, path=[*cell.path, (i, 1)])]
        _need(kind == 2 and cell.open, "a split of alternatives expected")
        return [self._child(cell, open=[one]) for one in cell.open]

    @staticmethod
    def _child(cell: _Searched, **changes: Any) -> _Searched:
        values = {
            "lower": cell.lower,
            "upper": cell.upper,
            "low": cell.low[:],
            "high": cell.high[:],
            "path": cell.path,
            "open": cell.open[:],
            "box": cell.box,
            "ball": cell.ball,
            "kept": cell.kept,
            "forms": cell.forms,
        }
        return _Searched(**{**values, **changes}, depth=cell.depth + 1, mine=cell.mine)


# ---- the largest gradient: searched for cell by cell -----------------------------------------------------------------
DERIVED = 96  # derivatives are whole numbers of 2^-DERIVED, or finer ones where weights are
NORMS = ("linf", "l2", "l1")
Ends = tuple[list[int], list[int]]


@dataclass(frozen=True)
class Bounded:
    """What was verified of one Lipschitz constant on a box, or on what it has in common with a ball: it, or its square
    for l2, lies between two numbers.
    """

    index: int
    source: str
    lower: Rationals
    upper: Rationals
    ball: Ball | None  # that cuts the box
    outputs: tuple[tuple[int, int], ...]  # whose combination is meant, with coefficients
    norm: str
    least: Fraction
    most: Fraction
    point: Rationals | None  # in a region that attains `least`
    cells: int
    leaves: int
    weights_sha256: str
    model_sha256: str
    model: str


class _Derivatives:
    """Derivatives on cells of the network that neurons of unknown sign make up, in 2^-unit, every one between two whole
    numbers. What the others do is composed into its matrices, exactly. Format: "A gradient".

    Attributes
    ----------
    layers : list of list of int
        The neurons, by layer, of layers that have any.
    terms : list of list of (int, list of list of int)
        For each of these layers, and the output last: sources, 0 for the inputs or a layer's place and 1, and rows.
    shifts : list of int
        Rows are in 2^-shift.
    """

    def __init__(
        self, bounds: _Bounds, outputs: list[int], neurons: set[int], cell: _Searched, flat: Sequence[int] = (), free: Sequence[int] = ()
    ) -> None:
        self.bounds, self.unit = bounds, max(DERIVED, bounds.shift)
        self.layers: list[list[int]] = []
        self.terms: list[list[tuple[int, list[list[int]]]]] = []
        self.shifts: list[int] = []
        n = bounds.network.inputs
        identity = [[int(i == k) for k in range(n)] for i in range(n)]
        sources: list[tuple[dict[int, list[list[int]]], int]] = [({0: identity}, 0)]  # of values of the whole network
        for layer in range(bounds.network.hidden):
            first, units, bits = bounds.first[layer], bounds.units[layer], bounds.slope_bits[layer]
            rows, shift = self._composed(layer, sources)
            width = len(bounds.biases[layer])
            steep = any(rows[0][i - first][k] for i in flat if first <= i < first + width and 0 in rows for k in free)
            _hold(not steep, "a neuron is zero at the point, but not around it")
            own = [i for i in range(first, first + width) if i in neurons]
            slopes = []
            for i in range(first, first + width):
                m, p = (0, 1 << bits) if units is None else units[i - first]
                _hold(i in neurons or cell.low[i] >= 0 or cell.high[i] <= 0, "a neuron whose sign is open is not in the list")
                slopes.append(0 if i in neurons else p if cell.high[i] > 0 else m)
            handed = {source: [[a * w for w in row] for a, row in zip(slopes, part, strict=True)] for source, part in rows.items()}
            if own:
                self.layers.append(own)
                self.terms.append([(source, [part[i - first] for i in own]) for source, part in rows.items()])
                self.shifts.append(shift)
                handed[len(self.layers)] = [[int(i == k) << shift + bits for k in own] for i in range(first, first + width)]
            sources.append((handed, shift + bits))
        rows, shift = self._composed(bounds.network.hidden, sources)
        total = {
            source: [[sum(c * row[k] for c, row in zip(outputs, part, strict=True)) for k in range(len(part[0]))]] for source, part in rows.items()
        }
        self.terms.append(list(total.items()))
        self.shifts.append(shift)

    def _composed(self, layer: int, sources: list[tuple[dict[int, list[list[int]]], int]]) -> tuple[dict[int, list[list[int]]], int]:
        """The rows of a layer of the whole network over the inputs and the neurons of the smaller one."""
        bounds = self.bounds
        shift = max((sources[reads][1] for reads, _ in bounds.terms[layer]), default=0) + bounds.shift
        found: dict[int, list[list[int]]] = {}
        for reads, matrix in bounds.terms[layer]:
            parts, own = sources[reads]
            up = shift - bounds.shift - own
            for source, part in parts.items():
                columns = [[a << up for a in column] for column in zip(*part, strict=True)]
                rows = [[_times(matrix, i, column) for column in columns] for i in range(len(bounds.biases[layer]))]
                there = found.get(source)
                found[source] = rows if there is None else [list(map(add, p, q)) for p, q in zip(there, rows, strict=True)]
        return found, shift

    def through(self, layer: int, ends: Ends, cell: _Searched) -> Ends:
        """Ends times the slopes of a layer's units."""
        lows, highs = [], []
        for i, low, high in zip(self.layers[layer], *ends, strict=True):
            m, p, bits = self.slopes(i)
            below, above = cell.low[i], cell.high[i]
            some = [m, p] if below < 0 < above else [p] if above > 0 else [m]
            products = [a * slope for a in (low, high) for slope in some]
            lows.append(min(products) >> bits)
            highs.append(-(-max(products) >> bits))
        return lows, highs

    def slopes(self, neuron: int) -> tuple[int, int, int]:
        """Slopes of a unit below and above zero, and their bits."""
        layer = bisect_right(self.bounds.first, neuron) - 1
        units, bits = self.bounds.units[layer], self.bounds.slope_bits[layer]
        return (0, 1 << bits, bits) if units is None else (*units[neuron - self.bounds.first[layer]], bits)

    def back(self, cell: _Searched) -> Ends:
        """Ends of all entries of the gradient."""
        pending: dict[int, Ends] = {}

        def give(source: int, low: list[int], high: list[int]) -> None:
            there = pending.get(source, ([0] * len(low), [0] * len(low)))
            pending[source] = (list(map(add, there[0], low)), list(map(add, there[1], high)))

        for source, (row,) in self.terms[-1]:
            give(source, [_moved(a, self.unit - self.shifts[-1]) for a in row], [-_moved(-a, self.unit - self.shifts[-1]) for a in row])
        for layer in range(len(self.layers) - 1, -1, -1):
            if layer + 1 not in pending:
                continue
            low, high = self.through(layer, pending.pop(layer + 1), cell)
            middle, width = list(map(add, low, high)), [b - a for a, b in zip(low, high, strict=True)]
            shift = self.shifts[layer] + 1
            for source, rows in self.terms[layer]:
                columns = list(zip(*rows, strict=True))
                products = [(sum(map(mul, middle, c)), sum(map(mul, width, map(abs, c)))) for c in columns]
                give(source, [p - q >> shift for p, q in products], [-(-p - q >> shift) for p, q in products])
        nothing = [0] * self.bounds.network.inputs
        return pending.get(0, (nothing, nothing))

    def along(self, direction: list[int], cell: _Searched) -> tuple[list[Ends], list[list[int]]]:
        """Ends of the derivatives of all pre-activations in a direction, by layer; and the sizes of those of all
        values, by source.
        """
        values: list[Ends] = [(direction, direction)]
        found = []
        for layer, neurons in enumerate(self.layers):
            lows, highs = [0] * len(neurons), [0] * len(neurons)
            shift = self.shifts[layer] + 1
            for source, rows in self.terms[layer]:
                low, high = values[source]
                middle, width = list(map(add, low, high)), [b - a for a, b in zip(low, high, strict=True)]
                for i, row in enumerate(rows):
                    p, q = sum(map(mul, row, middle)), sum(map(mul, map(abs, row), width)) if any(width) else 0
                    lows[i] += p - q >> shift
                    highs[i] -= -p - q >> shift
            found.append((lows, highs))
            values.append(self.through(layer, (lows, highs), cell))
        return found, [[max(abs(a), abs(b)) for a, b in zip(low, high, strict=True)] for low, high in values]

    def most(self, direction: list[int], cell: _Searched, numbers: _Numbers) -> Fraction:
        """No derivative in a direction, on a region that meets the interior of the cell, is larger."""
        bounds = self.bounds
        derivatives, sizes = self.along(direction, cell)
        rows: dict[int, list[int]] = {}
        pulls: dict[int, int] = {}
        constant = rounded = 0  # in 2^-(2 unit + SLOPE), and in 2^-2unit

        def give(source: int, part: list[int]) -> None:
            nonlocal rounded
            there = rows.get(source)
            rows[source] = part if there is None else list(map(add, there, part))
            rounded += sum(sizes[source])

        for source, (row,) in self.terms[-1]:
            give(source, [_moved(a, self.unit - self.shifts[-1]) for a in row])
        for layer in range(len(self.layers) - 1, -1, -1):
            v = rows.pop(layer + 1, None)
            if v is None:
                continue
            passed = []
            for i, a, low, high in zip(self.layers[layer], v, *derivatives[layer], strict=True):
                m, p, bits = self.slopes(i)
                rounded += 3 * max(abs(low), abs(high))
                if not cell.low[i] < 0 < cell.high[i]:
                    passed.append(a * (p if cell.high[i] > 0 else m) >> bits)
                    continue
                jump = a * (p - m) >> bits
                if jump < 0:
                    low, high = -high, -low
                share = numbers.shares.get(i, 1 << SLOPE)
                level = ((1 << SLOPE) - share) * high + share * low
                constant += abs(jump) * (max(level, 0) - share * low)
                passed.append((a * m >> bits) + (jump * share >> SLOPE))
                end = -cell.low[i] if level > 0 else cell.high[i]
                pull = (abs(jump) * abs(level) * numbers.links.get(i, 0) << 2 * UNIT) // (end << 2 * self.unit + 2 * SLOPE)
                pulls[i] = pull if level > 0 else -pull
            for source, part in self.terms[layer]:
                give(source, [sum(map(mul, passed, column)) >> self.shifts[layer] for column in zip(*part, strict=True)])
        constant += (sum(map(mul, rows.get(0, []), direction)) + rounded) << SLOPE
        for neuron, pull in numbers.pulls.items():
            pulls[neuron] = pulls.get(neuron, 0) + pull
        nothing = {layer + 1: [0] * len(bias) for layer, bias in enumerate(bounds.biases[:-1])}
        least = bounds.bound(nothing, 0, cell, numbers.slopes, pulls)
        return Fraction(constant, 1 << 2 * self.unit + SLOPE) - Fraction(least, 1 << UNIT + bounds.shift + INPUT)


class _Numbers(NamedTuple):
    """What a bound is made of: shares, links and slopes by neuron, in 2^-SLOPE, and multipliers of half-spaces times
    signs, in 2^-UNIT.
    """

    shares: dict[int, int]
    links: dict[int, int]
    slopes: dict[int, int]
    pulls: dict[int, int]


def _moved(value: int, up: int) -> int:
    """A whole number times 2^up, rounded down."""
    return value << up if up >= 0 else value >> -up


def _times(matrix: _Matrix, at: int, column: list[int]) -> int:
    """A row of a matrix times a column."""
    return sum(w * column[j] for j, w in matrix.few[at]) if matrix.few else sum(map(mul, matrix.rows[at], column))


def _signs(bounds: _Bounds, point: Rationals) -> list[int]:
    """The signs of all neurons at a point."""
    common = math.lcm(1, *(x.denominator for x in point))
    values = [([int(x * common) for x in point], 0)]  # times 1 / (common 2^bits)
    found: list[int] = []
    for layer in range(bounds.network.hidden):
        bits = max((values[reads][1] for reads, _ in bounds.terms[layer]), default=0)
        z = [b * common << bits for b in bounds.biases[layer]]
        for reads, matrix in bounds.terms[layer]:
            h, own = values[reads]
            z = [a + (_times(matrix, i, h) << bits - own) for i, a in enumerate(z)]
        found += [(a > 0) - (a < 0) for a in z]
        units, more = bounds.units[layer], bounds.slope_bits[layer]
        slopes = [(0, 1 << more)] * len(z) if units is None else units
        values.append(([a * s[a > 0] for a, s in zip(z, slopes, strict=True)], bits + bounds.shift + more))
    return found


class _Gradient(_Query):
    """A Lipschitz constant: a box whose tree leaves no region with a larger gradient. Format: "A gradient"."""

    def __init__(self, network: _Network, bounds: _Bounds, opening: Any, share: tuple[int, int] = (0, 1)) -> None:
        self.network, self.bounds = network, bounds
        self.ball = _read_ball(opening.pop("ball"), network) if type(opening) is dict and "ball" in opening else None
        keys = ("gradient", "source", "lower", "upper", "outputs", "norm", "least", "most", "point", "neurons")
        index, source, lower, upper, outputs, norm, least, most, point, neurons = _fields(opening, *keys)
        self.index = _integer(index, 0, math.inf, "gradient")
        _need(type(source) is str and norm in NORMS, "a source and a norm expected")
        self.source, self.norm = source, norm
        self.lower, self.upper = _rationals(lower, network.inputs), _rationals(upper, network.inputs)
        sides = list(zip(self.lower, self.upper, strict=True))
        _need(all(a <= b for a, b in sides), "a box expected")
        _need(self.ball is None or (self.ball.open and not self.ball.misses(sides)), "an open ball with a point in the box expected")
        self.coefficients = [0] * network.outputs
        for pair in _list(outputs):
            at, c = _integers(_list(pair, 2))
            self.coefficients[_integer(at, 0, network.outputs, "output")] = c
        self.outputs = tuple((i, c) for i, c in enumerate(self.coefficients) if c)
        (self.least,), (self.most,) = _rationals([least], 1), _rationals([most], 1)
        _need(0 <= self.least <= self.most, "two numbers expected")
        self.point = None if point is None else _rationals(point, network.inputs)
        self.neurons = [_integer(i, 0, bounds.first[-1], "neuron") for i in _list(neurons)]
        self.free = [k for k, (a, b) in enumerate(zip(self.lower, self.upper, strict=True)) if a < b]
        self.derivatives: _Derivatives | None = None
        self.cells = self.leaves = self.parts = 0
        self.share, self.jobs = share

    def check(self, lines: _Lines) -> Bounded:  # type: ignore[override]
        """Read the tree, and look at the point."""
        low, high = [_double_beyond(a, -1) for a in self.lower], [_double_beyond(b, 1) for b in self.upper]
        entries: list[Any] = [(k, sign) for k in self.free for sign in (1, -1)] if self.norm == "l1" else [None]
        self._tree(lines, low, high, entries)
        self._attained()
        return Bounded(
            self.index, self.source, self.lower, self.upper, self.ball, self.outputs, self.norm, self.least, self.most, self.point, self.cells,
            self.leaves, self.network.weights_sha256, self.network.model_sha256, self.network.source,
        )  # fmt: skip

    def _attained(self) -> None:
        """The gradient at the point has at least the norm claimed."""
        if self.point is None:
            _hold(self.least == 0, "a gradient that is attained nowhere")
            return
        inside = all(a < x < b if a < b else x == a for a, x, b in zip(self.lower, self.point, self.upper, strict=True))
        inside = inside and (self.ball is None or self.ball.holds(self.point))
        _hold(inside, "the point is not inside the neighbourhood")
        signs = _signs(self.bounds, self.point)
        cell = _Searched([], [], [min(sign, 0) for sign in signs], [max(sign, 0) for sign in signs], [], [])
        derivatives = _Derivatives(self.bounds, self.coefficients, set(), cell, [i for i, sign in enumerate(signs) if not sign], self.free)
        low, high = derivatives.back(cell)
        sizes = [max(low[k], -high[k], 0) for k in self.free]
        unit = 1 << derivatives.unit
        found = Fraction(sum(sizes), unit) if self.norm == "linf" else Fraction(max(sizes, default=0), unit)
        if self.norm == "l2":
            found = Fraction(sum(a * a for a in sizes), unit * unit)
        _hold(found >= self.least, "the gradient at the point is smaller than claimed")

    def _known(self, cell: _Searched) -> _Derivatives:
        """Derivatives, made at the first cell, which is all of the box."""
        if self.derivatives is None:
            _need(cell.depth == 0, "the whole box first expected")
            self.derivatives = _Derivatives(self.bounds, self.coefficients, set(self.neurons), cell)
        return self.derivatives

    def _split(self, cell: _Searched, kind: Any, at: Any) -> list[_Searched]:
        self._known(cell)
        return super()._split(cell, kind, at)

    def _event(self, cell: _Searched, event: list[Any]) -> None:
        """What is open on a cell and is closed by it."""
        kind, *rest = event or [None]
        _need(kind in ("ends", "steep", "thin", "empty", "outside"), "ends, steep, thin, empty or outside expected")
        if kind == "ends":
            places = [_integer(place, 0, len(cell.open), "place") for place in _list(_list(rest, 1)[0])]
        else:
            places = list(range(len(cell.open)))
        if cell.mine:
            ways = {"ends": self._by_ends, "steep": self._by_bound, "thin": self._is_thin, "empty": self._is_empty, "outside": self._is_outside}
            _hold(ways[kind](cell, places, rest), f"a cell is not closed by what is given ({kind})")
        for place in sorted(set(places), reverse=True):
            del cell.open[place]
        self.leaves += 1

    def _by_ends(self, cell: _Searched, places: list[int], _: list[Any]) -> bool:
        derivatives = self._known(cell)
        low, high = derivatives.back(cell)
        unit = 1 << derivatives.unit
        if self.norm == "l1":
            chosen: list[Any] = [cell.open[place] for place in places]
            return all((high[k] if sign > 0 else -low[k]) <= self.most * unit for k, sign in chosen)
        sizes = [max(abs(low[k]), abs(high[k])) for k in self.free]
        return (sum(sizes) <= self.most * unit) if self.norm == "linf" else (sum(a * a for a in sizes) <= self.most * unit * unit)

    def _by_bound(self, cell: _Searched, _: list[int], rest: list[Any]) -> bool:
        given, shares, links, slopes, multipliers = _list(rest, 5)
        derivatives = self._known(cell)
        unit = derivatives.unit
        pulls: dict[int, int] = {}
        for (neuron, sign), beta in zip(cell.path, _floats(multipliers, len(cell.path)), strict=True):
            _need(beta >= 0, "multipliers that are not negative expected")
            pulls[neuron] = pulls.get(neuron, 0) + sign * math.floor(Fraction(beta) * (1 << UNIT))
        words = []
        for column in (shares, links, slopes):
            some = [_integer(a, 0, (1 << SLOPE) + 1, "a share") for a in _list(column, len(self.neurons))]
            words.append(dict(zip(self.neurons, some, strict=True)))
        rule = {i: (1 << SLOPE) * (cell.high[i] > -cell.low[i]) for i in range(len(cell.low)) if cell.low[i] < 0 < cell.high[i]}
        numbers = _Numbers(words[0], words[1], {**rule, **words[2]}, pulls)
        direction = [0] * self.network.inputs
        constant = 0
        if self.norm == "l1":
            _need(given == [] and len(cell.open) == 1, "one entry of the gradient expected")
            one: Any = cell.open[0]
            direction[one[0]] = one[1] << unit
        else:
            low, high = derivatives.back(cell)
            for k, a in zip(self.free, _floats(given, len(self.free)), strict=True):
                direction[k] = d = math.floor(Fraction(a) * (1 << unit))
                square = self.norm == "l2"
                constant += max((g * g if square else abs(g) << unit) - d * g for g in (low[k], high[k]))
        return Fraction(constant, 1 << 2 * unit) + derivatives.most(direction, cell, numbers) <= self.most

    def _is_thin(self, cell: _Searched, _: list[int], rest: list[Any]) -> bool:
        """A combination of the half-spaces of the path is nowhere positive on the box, and one of them does not vanish
        there, so that the cell has no interior; or one with what is positive in the open ball, so that it has none in
        it.
        """
        walls, *more = _list_of(rest, 1, 2)
        _need(not more or self.ball is not None, "a multiplier of a ball, and a ball, expected")
        share = _rationals(more, 1)[0] if more else Fraction(0)
        _need(not more or share > 0, "a multiplier of a ball that is positive expected")
        signs = dict(cell.path)
        pulls: dict[int, Fraction] = {}
        for pair in _list(walls):
            neuron, y = _list(pair, 2)
            _need(type(neuron) is int and neuron in signs, "a neuron of the path expected")
            pulls[neuron] = signs[neuron] * _rationals([y], 1)[0]
        _hold((pulls or share) and all(y * signs[i] > 0 for i, y in pulls.items()), "multipliers that are positive expected")
        box = self._within(cell)

        def least(of: dict[int, Fraction], share: Fraction = Fraction(0)) -> Fraction:
            """The least value of the sum with the other sign."""
            return self.bounds.exactly([0] * self.network.outputs, [0] * self.network.inputs, Fraction(0), cell, of, box, share)

        return least(pulls, share) >= 0 and (share > 0 or any(least({i: y}) or least({i: -y}) for i, y in pulls.items()))

    def _within(self, cell: _Searched) -> list[tuple[Fraction, Fraction]]:
        """The part of a cell's box that is in the neighbourhood's."""
        return [(max(Fraction(p), a), min(Fraction(q), b)) for p, q, a, b in zip(cell.lower, cell.upper, self.lower, self.upper, strict=True)]

    def _is_outside(self, cell: _Searched, _: list[int], rest: list[Any]) -> bool:
        """No point of the cell's box is in the ball."""
        _need(not rest, "nothing more expected")
        return self.ball is not None and self.ball.misses(self._within(cell))

    @staticmethod
    def _is_empty(cell: _Searched, _: list[int], __: list[Any]) -> bool:
        return any(a > b for a, b in zip(cell.low, cell.high, strict=True))


def _double_beyond(value: Fraction, sign: int) -> float:
    """The nearest double that is not inside of an end of a box; sign is 1 for an upper one."""
    near = float(value)
    return near if (Fraction(near) - value) * sign >= 0 else math.nextafter(near, sign * math.inf)


# ---- the file: a header, the network, and a block for every neighbourhood --------------------------------------------
class _Block:
    """A neighbourhood: its opening line, and what its parts share."""

    def __init__(self, network: _Network, opening: Any) -> None:
        self.network = network
        given = opening if type(opening) is dict else {}
        keys = [kind.name for kind in KINDS if kind.key and (kind.always or kind.name in given)]
        place = ("frame",) if "frame" in given else ("lower", "upper", "center", "ball") if "ball" in given else ("lower", "upper", "center")
        index, parts, counts, *rest = _fields(opening, "neighbourhood", "parts", "counts", *place, *keys)
        where, claims = rest[: len(place)], rest[len(place) :]
        said = dict(zip(keys, claims, strict=True))
        self.index = _integer(index, 0, math.inf, "neighbourhood")
        self.domain: _Box | _Frame = _Frame(network, *where) if "frame" in given else _Box(network, *where)
        self.center = self.domain.center
        _need([p for p in PARTS if p in _list(parts)] == parts, f"parts: some of {', '.join(PARTS)}, in this order, expected")
        self.counts = dict(zip(COUNTS, _fields(counts, *COUNTS), strict=True))
        present = [True, "graph" in parts, "maps" in parts, "graph" in parts and "maps" in parts]
        types = [int if p else type(None) for p in present]
        _need([type(v) for v in self.counts.values()] == types, "counts: integers, and null where a part is absent, expected")
        for kind in KINDS:
            if kind.key and kind.always:
                _need((said[kind.name] is not None) == (kind.name in parts), f"{kind.name}: null if absent, expected")
            elif kind.key:
                _need((kind.name in said) == (kind.name in parts), f"{kind.name}: a key if the part is there, and only then, expected")
        _need(self.domain.ball is None or not {"robustness", "volumes"} & set(parts), "a ball without robustness and volumes expected")
        self.tree = _Tree(network, self.domain)
        self.maps: dict[bytes, int] = {}
        self.parts: dict[str, _Part] = {}
        for kind in KINDS:
            if kind.name in parts:
                part = kind.part()
                part.open(self, said.get(kind.name))
                self.parts[kind.name] = part

    def count(self, name: str, found: int) -> None:
        """What the opening line counts is what was found."""
        claimed = self.counts[name]
        _hold(claimed in (None, found), f"{claimed} {name} claimed, {found} found")

    def check(self, lines: _Lines) -> Verified:
        """Read the tree to its end, let every region add to every part, and finish the parts."""
        tree, takers = self.tree, [(kind, self.parts.get(kind.name)) for kind in KINDS]
        length = 4 + sum(kind.entries is not None and (kind.always or part is not None) for kind, part in takers)
        regions, stack = 0, [tree.root()]
        while stack:
            line = _list(lines.next())
            what = line[0] if line else None
            _need((what == "S" and len(line) == 4) or (what == "R" and len(line) == length), "a split S or a region R of the tree expected")
            cell = stack.pop()
            tree.advance(cell)
            tree.learn(cell, _list(line[3]))
            if what == "S":
                stack += reversed(tree.split(cell, line[1], line[2]))
                continue
            tree.leaf(cell, line[1], line[2])
            region, rest = _Region(regions, cell, self), iter(line[4:])
            for kind, part in takers:
                entries = _list(next(rest)) if kind.entries and (kind.always or part) else []
                if part:
                    part.add(region, entries)
                elif entries:
                    raise Unreadable(f"{kind.entries} without the part {kind.name}")
            regions += 1
        self.count("regions", regions)
        proved = {name: part.finish() for name, part in self.parts.items()}
        return Verified(
            self.index,
            self.domain.lower,
            self.domain.upper,
            self.center,
            self.domain.ball,
            self.domain.frame,
            tuple(self.parts),
            regions,
            weights_sha256=self.network.weights_sha256,
            model_sha256=self.network.model_sha256,
            source=self.network.source,
            **{name: self.counts[name] for name in COUNTS[1:]},
            **{kind.name: proved.get(kind.name) for kind in KINDS if kind.key},
        )


def check_file(path: Any, network: Any = None, share: tuple[int, int] = (0, 1)) -> list[Verified | Refuted | Bounded]:
    """Check a proof file.

    Parameters
    ----------
    path : path-like
    network : optional
        What line 2 of a proof file says of the network, for a proof that names its hash only.
    share : (int, int), optional
        With (k, n), of the cells of a query's trees below APART splits only every n-th part is checked; all is once
        that was done for every k < n.

    Returns
    -------
    list of Verified, Refuted or Bounded
        One for every neighbourhood, query, or constant.

    Raises
    ------
    Refused
        If a claim is false, or not proved.
    Unreadable
        If the file is not a proof in this format.
    """
    lines = _Lines(path)
    try:
        with _digits():
            return _check(lines, network, share)
    except (Refused, Unreadable) as error:
        raise type(error)(f"line {lines.number}: {error}") from None
    finally:
        lines.file.close()


def network_of(path: Any) -> Any:
    """What line 2 of a proof file says of the network."""
    lines = _Lines(path)
    try:
        lines.next()
        return _fields(lines.next(), "network")[0]
    finally:
        lines.file.close()


def _network(said: Any, given: Any) -> _Network:
    """The network of a proof, or, where the proof has its hash only, the one that is given, if it has this hash."""
    if type(said) is not dict or set(said) != {"weights_sha256"}:
        return _Network(said)
    _need(given is not None, "the proof has no weights, only their hash: name a network")
    found = _Network(given)
    _hold(found.weights_sha256 == said["weights_sha256"], "the proof is about other weights than those of the network that is named")
    return found


def _check_together(path: Any, network: Any, jobs: int) -> list[Verified | Refuted | Bounded]:
    """Check a proof file in several processes."""
    with ProcessPoolExecutor(jobs) as pool:
        found = list(pool.map(check_file, [path] * jobs, [network] * jobs, [(k, jobs) for k in range(jobs)]))
    _hold(len(found) == jobs and all(one == found[0] for one in found), "the file changed while it was read")
    return found[0]


def _check(lines: _Lines, given: Any = None, share: tuple[int, int] = (0, 1)) -> list[Verified | Refuted | Bounded]:
    header = lines.next()
    search = type(header) is dict and "queries" in header
    name, producer, count = _fields(header, "format", "producer", "queries" if search else "neighbourhoods")
    _need(name == FORMAT, f"the format {FORMAT} expected, not {name!a}")
    _need(type(producer) is str, "producer: a string expected")
    _integer(count, 1, math.inf, "neighbourhoods or queries")
    network = _network(_fields(lines.next(), "network")[0], given)
    found: list[Verified | Refuted | Bounded] = []
    if search:
        bounds = _Bounds(network)
    else:
        network.in_columns()
    for _ in range(count):
        opening = lines.next()
        kind = _Gradient if search and type(opening) is dict and "gradient" in opening else _Query
        found.append((kind(network, bounds, opening, share) if search else _Block(network, opening)).check(lines))
        _need(found[-1].index not in {v.index for v in found[:-1]}, "a number occurs twice")
    lines.end()
    return found


# ---- what is printed -------------------------------------------------------------------------------------------------
SEMANTICS = "the network over the rationals: every weight is the number that its double is, and nothing is rounded"


def _show(value: Fraction, full: bool) -> str:
    """The number itself if it is short, or `full`; otherwise its first digits (what was verified is exact all the
    same).
    """
    text = str(value)
    if full or len(text) <= 24:
        return text
    return f"{FIRST_DIGITS.divide(Decimal(value.numerator), Decimal(value.denominator)):g}..."


def _coordinates(whole: list[str], short: list[str], joint: str, full: bool) -> str:
    """All coordinates if they take little room, or `full`; otherwise the first ones, their number, and the SHA-256 of
    all, so that different ones never give the same text.
    """
    text = joint.join(whole)
    if full or len(text) <= MOST_SHOWN:
        return text
    first = joint.join([*short[:4], "..."] if len(short) > 4 else short)
    return f"{first} ({len(whole)} coordinates; sha256 {hashlib.sha256(text.encode()).hexdigest()} of what --full prints here)"


def _show_point(point: Rationals, full: bool) -> str:
    return _coordinates([str(x) for x in point], [_show(x, False) for x in point], " ", full)


def _show_frame(frame: Frame) -> str:
    terms = " + ".join(f"s{j} d{j}" for j in range(1, len(frame.directions) + 1))
    bounds = " x ".join(f"[{a}, {b}]" for a, b in zip(frame.low, frame.high, strict=True))
    return f"x0 + {terms}, s in {bounds}; all that follows is of s -> f(x), with l2 lengths of x"


def _show_points(frame: Frame, full: bool) -> list[str]:
    named = [("x0", frame.origin), *((f"d{j}", d) for j, d in enumerate(frame.directions, 1))]
    return [f"  {name} = {_show_point(point, full)}" for name, point in named]


def _show_box(lower: Rationals, upper: Rationals, full: bool) -> str:
    sides = list(zip(lower, upper, strict=True))
    whole, short = [f"[{a}, {b}]" for a, b in sides], [f"[{_show(a, False)}, {_show(b, False)}]" for a, b in sides]
    return _coordinates(whole, short, " x ", full)


def _said(formula: Condition | Junction, names: tuple[str, ...]) -> str:
    """A formula as it is read."""
    if isinstance(formula, Junction):
        parts = [_said(part, names) for part in formula.parts]
        return f"({(' and ' if formula.every else ' or ').join(parts)})" if parts else ("true" if formula.every else "false")
    total = " + ".join(names[v] if c == 1 else f"-{names[v]}" if c == -1 else f"{c} {names[v]}" for v, c in formula.terms) or "0"
    if len(formula.terms) == 1 and abs(formula.terms[0][1]) == 1:  # x >= a, or x <= b
        (v, c), sign = formula.terms[0], formula.terms[0][1]
        return f"{names[v]} {'>' if c > 0 else '<'}{'' if formula.strict else '='} {-formula.constant * sign}"
    return f"{total.replace('+ -', '- ')} {'>' if formula.strict else '>='} {-formula.constant}"


def _words_of(ball: Ball | None, full: bool, closed: bool = False) -> str:
    """Where inputs are looked for, if it is in a ball, or in its closure."""
    if ball is None:
        return ""
    radius = f"the root of {_show(ball.bound, full)}" if ball.norm == "l2" else _show(ball.bound, full)
    return f" {'nearer than' if ball.open and not closed else 'within'} {radius} in the {ball.norm} norm of {_show_point(ball.center, full)}"


def _report_query(v: Refuted, full: bool) -> list[str]:
    text, inputs, outputs = _said(v.formula, v.names), list(v.names[: v.inputs]), list(v.names[v.inputs :])
    if not full and len(text) > MOST_SHOWN:
        digest = hashlib.sha256(text.encode()).hexdigest()
        text = f"{text[: MOST_SHOWN // 2]} ... {text[-MOST_SHOWN // 2 :]} (sha256 {digest} of what --full prints here)"
    return [
        f"query {v.index}, {v.source!a}, sha256 (not checked) {v.query_sha256!a}: refuted, {v.cells} cells, {v.leaves} bounds",
        f"  inputs, in order: {_coordinates(inputs, inputs, ' ', full)}",
        f"  outputs, in order: {_coordinates(outputs, outputs, ' ', full)}",
        f"  no inputs{_words_of(v.ball, full)}, with the network's outputs, satisfy",
        f"    {text}",
    ]


def _report_gradient(v: Bounded, full: bool) -> list[str]:
    terms = " + ".join(f"f{i}" if c == 1 else f"-f{i}" if c == -1 else f"{c} f{i}" for i, c in v.outputs).replace("+ -", "- ") or "0"
    what = "the square of the Lipschitz constant" if v.norm == "l2" else "the Lipschitz constant"
    return [
        f"gradient {v.index}, {v.source!a}: {v.cells} cells, {v.leaves} bounds; U = {_show_box(v.lower, v.upper, full)}"
        + (f", what is of it{_words_of(v.ball, full, closed=True)}" if v.ball else ""),
        f"  {what} of {terms} on U, inputs in {v.norm}, is at least {_show(v.least, full)} and at most {_show(v.most, full)}",
        "  attained: " + ("nowhere claimed" if v.point is None else f"at {_show_point(v.point, full)}"),
    ]


def _report(found: list[Verified | Refuted | Bounded], full: bool = False) -> str:
    first = found[0]
    text = [
        f"network {(first.source if isinstance(first, Verified) else first.model)!a}",
        f"weights sha256 {first.weights_sha256}",
        f"model sha256 (not checked) {first.model_sha256!a}",
        f"semantics: {SEMANTICS}",
    ]
    for v in found:
        if isinstance(v, Refuted):
            text += _report_query(v, full)
            continue
        if isinstance(v, Bounded):
            text += _report_gradient(v, full)
            continue
        text.append(f"neighbourhood {v.index}: U = {_show_box(v.lower, v.upper, full) if v.frame is None else _show_frame(v.frame)}")
        text += [f"  what is of it{_words_of(v.ball, full, closed=True)}"] if v.ball else []
        text += [] if v.frame is None else _show_points(v.frame, full)
        text.append(f"  centre: {'none' if v.center is None else _show_point(v.center, full)}")
        text += [f"  {name}: {getattr(v, name)}" for name in COUNTS if getattr(v, name) is not None]
        text += [f"  {line}" for kind in KINDS if kind.key and kind.name in v.parts for line in kind.part.report(getattr(v, kind.name), full)]
        left = [kind.words for kind in KINDS if kind.name not in v.parts]
        text.append(f"  not in the file: {', '.join([*left, 'local rank'])}")
    return "\n".join([*text, "verified"])


def main(argv: Sequence[str] | None = None, weights_sha256: str | None = None, network: Any = None) -> int:
    """Check the file that `argv` names, print what was verified (all digits with --full behind it), and return the exit
    code.

    With `weights_sha256`, the proof must be about the network with this hash; `network` is that of a proof that names
    its hash only, otherwise read from the proof file behind --network.
    """
    arguments, jobs = list(sys.argv[1:] if argv is None else argv), 1
    try:
        if "--jobs" in arguments[1:-1]:
            at = arguments.index("--jobs", 1)
            jobs = int(arguments[at + 1]) if arguments[at + 1].isdecimal() else 0
            del arguments[at : at + 2]
        if arguments[1:2] == ["--network"] and len(arguments) > 2:
            network = network_of(arguments[2])
            del arguments[1:3]
        if jobs < 1 or len(arguments) not in (1, 2) or arguments[1:] not in ([], ["--full"]):
            print("usage: python -I checker.py PROOF [--network PROOF_WITH_WEIGHTS] [--jobs N] [--full]", file=sys.stderr)
            return 2
        found = check_file(arguments[0], network) if jobs == 1 else _check_together(arguments[0], network, jobs)
        if weights_sha256 not in (None, found[0].weights_sha256):
            raise Refused("the proof is about other weights")
        with _digits():
            print(_report(found, len(arguments) == 2), flush=True)
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
