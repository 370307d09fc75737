"""Local Lipschitz constants: the largest dual norm of the gradient over the regions."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from polylc.complex.complex import Complex
from polylc.complex.pieces import affine_functions
from polylc.exact.enclose import enclose, enclose_sqrt
from polylc.exact.quantity import Kind, Quantity, floating
from polylc.measures.by_volume.variation import lengths, spectral_norms
from polylc.measures.gradient.gradients import ExactGradients, Rows, bounded_gradients
from polylc.measures.gradient.spectral import largest_spectral_norm
from polylc.network.compose import UNIT


@dataclass(frozen=True)
class Lipschitz:
    """``sup |g(x) - g(y)| / ||x - y||_norm`` over the neighbourhood, and a region where it is attained.

    Attributes
    ----------
    target : str
        An output f0, a margin f3-f5, or "jacobian": the operator norm from p to p of the whole map.
    norm : str
    value : float
    region : int
        Where it is attained; for an enclosure, where `lower` is exceeded; -1 if no listed region is known for that.
    quantity : Quantity
        The constant with its kind.
    lower, upper : Fraction or None
        Proved bounds of constant^power; equal where the constant is exact. None for a float.
    witness : tuple of int or None
        For the Jacobian in l2: v with ``|J^T v|^2 >= lower |v|^2`` in `region`.
    method : str
        "enumeration", or "search" where the enumeration was stopped.
    """

    target: str
    norm: str
    value: float
    region: int
    quantity: Quantity
    lower: Fraction | None = None
    upper: Fraction | None = None
    witness: tuple[int, ...] | None = None
    method: str = "enumeration"

    @property
    def power(self) -> int:
        """Which power of the constant is rational: 2 for l2, otherwise 1."""
        return power_of(self.norm)


def power_of(norm: str) -> int:
    """The power of a constant in this norm that `Lipschitz.lower` and `upper` bound."""
    return 2 if norm == "l2" else 1


@dataclass(frozen=True)
class Mapped:
    """Output `first`, or `first` minus `second`, or the whole map (first None)."""

    name: str
    first: int | None = None
    second: int | None = None

    @property
    def rows(self) -> tuple[int, ...]:
        """The outputs that it is made of; none for the whole map."""
        return tuple(i for i in (self.first, self.second) if i is not None)


def _targets(outputs: int, label: int | None) -> list[Mapped]:
    if label is None or outputs == 1:
        single = [Mapped(f"f{i}", i) for i in range(outputs)]
    else:
        single = [Mapped(f"f{label}-f{j}", label, j) for j in range(outputs) if j != label]
    return [*single, Mapped("jacobian")]


def lipschitz(complex_: Complex, label: int | None) -> list[Lipschitz]:
    """Constants for linf, l2 and l1 of every output (of every margin fy-fj, with a label y) and of the Jacobian, in
    floats.

    For norm p they are the largest dual norm of the gradient: l1 for linf, l2 for l2, linf for l1 (docs/words.md).
    """
    targets, norms = _targets(complex_.network.outputs, label), complex_.domain.norms
    best = {(t.name, norm): (-1.0, 0) for t in targets for norm in norms}
    asked = [(target, norm) for target in targets for norm in norms]
    for rows, jacobian in complex_.jacobians():
        for (target, norm), values in zip(asked, _sizes(asked, jacobian), strict=True):
            at = int(np.argmax(values))
            if values[at] > best[target.name, norm][0]:
                best[target.name, norm] = (float(values[at]), rows.start + at)
    return [Lipschitz(name, norm, value, region, floating(value)) for (name, norm), (value, region) in best.items()]


def certified_lipschitz(complex_: Complex, label: int | None, counters: Counter[str] | None = None) -> list[Lipschitz]:
    """As `lipschitz`, over the regions of the complex proved: exact, but for the Jacobian in l2, which is enclosed.

    Floats with rigorous error bounds exclude regions; the largest among the others is found in integers.

    Parameters
    ----------
    complex_ : Complex
        The constants are those of the function if its list of regions is complete.
    label : int or None
    counters : Counter, optional
        Receives how much work was done how.
    """
    counters = Counter() if counters is None else counters
    regions = np.unique(affine_functions(complex_), return_index=True)[1]  # one region for each map
    targets, norms = _targets(complex_.network.outputs, label), complex_.domain.norms
    spectral = min(complex_.network.outputs, complex_.domain.dimension) > 1  # otherwise the Jacobian is a vector
    asked = [(t, norm) for t in targets for norm in norms if not (spectral and t.first is None and norm == "l2")]
    exact = ExactGradients(complex_)
    largest = dict(zip(asked, largest_gradients(complex_, regions, asked, exact), strict=True))

    def batches() -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        return bounded_gradients(complex_, regions)

    found = []
    for target in targets:
        for norm in norms:
            if (target, norm) in largest:
                region, value = largest[target, norm]
                low, high = enclose_sqrt(value) if norm == "l2" else enclose(value)
                quantity = Quantity(low, high, Kind.EXACT)
                witness = _vector_witness(exact.jacobian(region)) if (target.first, norm) == (None, "l2") else None
                found.append(Lipschitz(target.name, norm, quantity.value, region, quantity, value, value, witness))
            else:
                most = largest_spectral_norm(batches, exact, counters)
                quantity = Quantity(enclose_sqrt(most.lower)[0], enclose_sqrt(most.upper)[1], Kind.ENCLOSURE)
                found.append(Lipschitz(target.name, norm, quantity.value, most.region, quantity, most.lower, most.upper, most.witness))
    counters["gradients in integers"] += exact.evaluated
    return found


def largest_gradients(
    complex_: Complex, regions: np.ndarray, asked: Sequence[tuple[Mapped, str]], exact: ExactGradients
) -> list[tuple[int, Fraction]]:
    """Of each target and norm a region with the largest norm of the gradient, and that norm, for l2 squared, exactly.

    Parameters
    ----------
    complex_ : Complex
    regions : ndarray of int
        Those that count, of a complex that is proved.
    asked : sequence of (Mapped, str)
        Not the whole map in l2, unless it is a vector.
    exact : ExactGradients
        Of the complex.
    """
    candidates = [_Candidates() for _ in asked]
    for rows, gradient, error in bounded_gradients(complex_, regions):
        for one, low, high in zip(candidates, *_bounds(asked, gradient, error), strict=True):
            one.see(rows, low, high)
    exact.compose([one.likely for one in candidates])
    return [one.largest(target, norm, exact) for one, (target, norm) in zip(candidates, asked, strict=True)]


def _sizes(asked: Sequence[tuple[Mapped, str]], jacobian: np.ndarray) -> np.ndarray:
    """Dual norms of the targets' gradients, operator norms of the whole map; shape (len(asked), R)."""
    result = np.empty((len(asked), len(jacobian)))
    place = {target: i for i, target in enumerate(dict.fromkeys(target for target, _ in asked if target.first is not None))}
    gradient = jacobian[:, [target.rows[0] for target in place]]
    margins = [target for target in place if target.second is not None]
    gradient[:, [place[target] for target in margins]] -= jacobian[:, [target.rows[1] for target in margins]]
    for norm in dict.fromkeys(norm for _, norm in asked):
        if norm == "l2":
            size = lengths(gradient.reshape(-1, gradient.shape[2])).reshape(gradient.shape[:2])
        else:
            size = np.abs(gradient).sum(axis=2) if norm == "linf" else np.abs(gradient).max(axis=2)
        for i, (target, of) in enumerate(asked):
            if of != norm:
                continue
            if target.first is not None:
                result[i] = size[:, place[target]]
            elif norm == "l2":
                result[i] = lengths(jacobian.reshape(len(jacobian), -1)) if 1 in jacobian.shape[1:] else spectral_norms(jacobian)
            else:
                result[i] = np.abs(jacobian).sum(axis=2 if norm == "linf" else 1).max(axis=1)
    return result


def _bounds(asked: Sequence[tuple[Mapped, str]], jacobian: np.ndarray, error: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rigorous bounds of `_sizes` for Jacobians known up to row errors.

    Each of these norms of an error matrix is at most the sum of its rows' errors. A sum of N terms, N at most m k, of a
    difference of two entries errs by less than 4 (N + 8) u relative to itself, squares that vanish by less than 2^-500.
    The whole map in l2 has to be a vector.
    """
    m, k = jacobian.shape[1:]
    with np.errstate(over="ignore", invalid="ignore"):
        size = _sizes(asked, jacobian)
        errors = {target: error.sum(axis=1) if target.first is None else error[:, target.rows].sum(axis=1) for target, _ in asked}
        radius = np.stack([errors[target] for target, _ in asked])
        slack = 4 * (m * k + 8) * UNIT * (size + radius) + 2.0**-500
        low, high = size - radius - slack, size + radius + slack
    known = np.isfinite(high)
    return np.where(known, np.maximum(low, 0.0), 0.0), np.where(known, high, np.inf)


class _Candidates:
    """Regions that may have the largest norm."""

    def __init__(self) -> None:
        self._least = 0.0
        self._regions: list[np.ndarray] = []
        self._high: list[np.ndarray] = []

    def see(self, regions: np.ndarray, low: np.ndarray, high: np.ndarray) -> None:
        self._least = max(self._least, float(low.max(initial=0.0)))
        kept = high >= self._least
        self._regions.append(regions[kept])
        self._high.append(high[kept])

    @property
    def likely(self) -> int:
        """The region that is looked at first."""
        return int(np.concatenate(self._regions)[np.argmax(np.concatenate(self._high))])

    def largest(self, target: Mapped, norm: str, exact: ExactGradients) -> tuple[int, Fraction]:
        """A region with the largest norm, and the norm's power, exactly."""
        regions, high = np.concatenate(self._regions), np.concatenate(self._high)
        best, where, least = -1, -1, self._least
        unit = exact.square_denominator if norm == "l2" else exact.denominator
        for at in np.argsort(-high, kind="stable").tolist():
            if high[at] < least:
                break
            value = _exact_size(target, norm, exact.jacobian(int(regions[at])), exact)
            if value > best:
                best, where = value, int(regions[at])
                least = (enclose_sqrt if norm == "l2" else enclose)(Fraction(best, unit))[0]
        return where, Fraction(best, unit)


def _exact_size(target: Mapped, norm: str, rows: Rows, exact: ExactGradients) -> int:
    """The norm, or its square for l2, of integers."""
    if target.first is None:
        if norm == "l2":  # of a vector
            return sum(exact.squared(row) for row in rows)
        lines: Iterable[Sequence[int]] = rows if norm == "linf" else zip(*rows, strict=True)
        return max(sum(map(abs, line)) for line in lines)
    gradient = rows[target.first] if target.second is None else [a - b for a, b in zip(rows[target.first], rows[target.second], strict=True)]
    if norm == "l2":
        return exact.squared(gradient)
    return sum(map(abs, gradient)) if norm == "linf" else max(map(abs, gradient))


def _vector_witness(rows: Rows) -> tuple[int, ...]:
    """v with |J^T v|^2 = sigma_max^2 |v|^2 where J has a single row or a single column."""
    if len(rows) == 1 or not any(row[0] for row in rows):
        return (1, *[0] * (len(rows) - 1))
    common = math.gcd(*(row[0] for row in rows))
    return tuple(row[0] // common for row in rows)
