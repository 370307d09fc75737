"""What is weighed by volume or area, enclosed: local complexity, total and kink variation, mean local rank.

Each is a sum over regions or facets of a volume or an area times a number. The terms are enclosed in doubles; where
their widths add up to more than is asked for, the widest are computed anew from rationals.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

import numpy as np

from polylc.complex.graph import RegionGraph
from polylc.complex.pieces import joined
from polylc.exact.enclose import enclose_sqrt
from polylc.exact.mapped import zeros
from polylc.exact.quantity import Kind, Quantity
from polylc.measures.by_volume.local_complexity import once_each, weights
from polylc.measures.by_volume.volumes import Volumes
from polylc.measures.gradient.norms import Gradients, frobenius, spectral
from polylc.measures.sums import exact_total, product, total, widest
from polylc.network.compose import batches

Array = np.ndarray
WIDTH = 1e-9  # of an enclosure, relative
# rounds of rationals, and terms computed anew in each: what is left wide then stays an enclosure
ROUNDS, MOST_ANEW, SHARE_ANEW = 8, 1000, 1 / 256
WORTH = 1.25  # a sum whose width so many terms anew divide by less than that stays as it is


def narrowed(terms: Callable[[], Array], anew: Callable[[int], object]) -> Quantity:
    """The sum of enclosed terms, the widest of which are computed anew until the sum is as narrow as asked for.

    A few terms may be much wider than all others, and are mended for nearly nothing. Where the width is spread over
    more terms than may be computed anew, as rounding spreads it over a hundred thousand regions, it is left.

    Parameters
    ----------
    terms : callable
        The terms as they are known now; shape (N, 2).
    anew : callable
        Computes a term from rationals.
    """
    done: set[int] = set()
    for _ in range(ROUNDS):
        now = terms()
        low, high = total(now)
        if high - low <= WIDTH * low:
            break
        width = zeros(len(now))
        with np.errstate(invalid="ignore"):
            np.subtract(now[:, 1], now[:, 0], out=width)
        del now  # before others are made
        aim = 0.25 * WIDTH * max(low, 0.5 * (high if np.isfinite(high) else low))
        chosen = widest(width, aim, max(MOST_ANEW, int(SHARE_ANEW * len(width))), WORTH)
        fresh = [i for i in chosen.tolist() if i not in done]
        if not fresh:
            break
        for i in fresh:
            anew(i)
        done.update(fresh)
    return Quantity(low, high, Kind.EXACT if low == high else Kind.ENCLOSURE)


def total_variation(volumes: Volumes, gradients: Gradients, label: int | None) -> dict[str, Quantity]:
    """Mean norm of the Jacobian: Frobenius, operator (spectral), and of the margins fy-fj for a label y, l2.

    Notes
    -----
    TV = sum_R (|R| / |U|) ||J_R||, Patel & Montufar (ICML 2025) with p uniform on U.
    """
    norms = variation_norms(volumes.complex.network.outputs, label)
    every = np.arange(len(volumes.complex))
    if volumes.rational:
        for region in every.tolist():
            gradients.refine(region)
    gradient, error = gradients.of(every)
    result = {}
    for name, norm in norms.items():
        if volumes.rational and (name != "operator" or min(gradient.shape[1:]) == 1):
            terms = np.array([enclose_sqrt(exact_variation(volumes, gradients, region, name)) for region in every.tolist()])
            result[name] = narrowed(lambda terms=terms: terms, volumes.refine)  # type: ignore[misc]
            continue
        values = _of_all(norm, gradient, error)

        def anew(region: int, norm: Callable[[Array, Array], Array] = norm, values: Array = values) -> None:
            gradients.refine(region)
            volumes.refine(region)
            gradient[region], error[region] = (part[0] for part in gradients.of(np.array([region])))
            values[region] = norm(gradient[region : region + 1], error[region : region + 1])[0]

        result[name] = narrowed(lambda values=values: product(volumes.share, values), anew)  # type: ignore[misc]
    return result


def variation_norms(outputs: int, label: int | None) -> dict[str, Callable[[Array, Array], Array]]:
    """Of the whole map, and of the margins of a label, by name."""
    norms: dict[str, Callable[[Array, Array], Array]] = {"frobenius": frobenius, "operator": spectral}
    if label is not None:
        norms |= {f"f{label}-f{j}": margin_norm(label, j) for j in range(outputs) if j != label}
    return norms


def variation_terms(volumes: Volumes, gradients: Gradients, label: int | None) -> dict[str, Array]:
    """Shares times norms, by the names of `total_variation`, of all regions of a complex that need not be complete; (R,
    2) each.
    """
    gradient, error = gradients.of(np.arange(len(volumes.complex)))
    norms = variation_norms(volumes.complex.network.outputs, label)
    return {name: product(volumes.share, _of_all(norm, gradient, error)) for name, norm in norms.items()}


def _of_all(norm: Callable[[Array, Array], Array], gradient: Array, error: Array) -> Array:
    """Norms of many Jacobians, some at a time."""
    count, m, k = gradient.shape
    result = zeros((count, 2))
    for rows in batches(count, 8 * m * k):  # the gradients several times over
        result[rows] = norm(gradient[rows], error[rows])
    return result


def exact_variation(volumes: Volumes, gradients: Gradients, region: int, name: str) -> Fraction:
    """The square of a region's share times the Frobenius norm of its Jacobian, or of the margin `name`'s gradient."""
    rows = gradients.exact(region)
    if name not in ("frobenius", "operator"):
        first, second = (int(part[1:]) for part in name.split("-"))
        rows = [[a - b for a, b in zip(rows[first], rows[second], strict=True)]]
    return volumes.exact_share(region) ** 2 * gradients.squared(rows)


def margin_norm(first: int, second: int) -> Callable[[Array, Array], Array]:
    """The norm of the difference of two rows."""

    def norm(gradient: Array, error: Array) -> Array:
        part = gradient[:, first] - gradient[:, second]
        slip = error[:, first] + error[:, second] + 2.0**-52 * np.abs(part).sum(axis=1)
        return frobenius(part[:, None], slip[:, None] * (1 + 2.0**-50))

    return norm


def local_complexity(volumes: Volumes, graph: RegionGraph) -> dict[str, Quantity]:
    """Facet area per volume in its versions, see `measures.local_complexity`."""
    areas = volumes.facets(graph)

    def anew(edge: int) -> None:
        _refine_facet(volumes, graph, edge, areas)

    return once_each(weights(volumes.complex, graph), lambda w: narrowed(lambda: product(areas, np.broadcast_to(w[:, None], (len(w), 2))), anew))


def _refine_facet(volumes: Volumes, graph: RegionGraph, edge: int, areas: Array) -> None:
    entry = int(graph.entry()[edge])
    volumes.refine(int(graph.first[edge] if graph.first_entry[edge] >= 0 else graph.second[edge]))
    areas[edge] = volumes.density[entry]


def kink_variation(volumes: Volumes, gradients: Gradients, graph: RegionGraph) -> Quantity:
    """(1 / |U|) sum over facets of area times the jump of the Jacobian (Hessian total variation); for one output a
    rational number.
    """
    areas = volumes.facets(graph)
    bends = ~joined(volumes.complex, graph)
    if volumes.rational and volumes.complex.network.outputs == 1:
        terms = [exact_kink(volumes, gradients, graph, e) for e in np.flatnonzero(bends).tolist()]
        return Quantity(*exact_total(terms), Kind.EXACT)
    jumps = gradients.across(graph, bends)

    def anew(edge: int) -> None:
        _refine_facet(volumes, graph, edge, areas)
        jump, error = gradients.jump(int(graph.first[edge]), int(graph.second[edge]))
        jumps[edge] = frobenius(jump[None], error[None])[0]

    return narrowed(lambda: product(areas, jumps), anew)


def exact_kink(volumes: Volumes, gradients: Gradients, graph: RegionGraph, edge: int) -> Fraction:
    """Area over |U| times the jump of the gradient across a facet, one output: the jump is parallel to the facet's
    normal.
    """
    share, squared = volumes.exact_density(int(graph.entry()[edge]))
    jump = gradients.exact_jump(int(graph.first[edge]), int(graph.second[edge]))
    return share * root_of(squared * gradients.squared(jump))


def root_of(square: Fraction) -> Fraction:
    """The square root of the square of a rational.

    Raises
    ------
    ArithmeticError
        If it is none: then a jump is not parallel to its facet's normal (C1).
    """
    root = Fraction(math.isqrt(square.numerator), math.isqrt(square.denominator))
    if root * root != square:
        raise ArithmeticError("the jump of a gradient is not parallel to the normal of its facet")
    return root


def mean_ranks(volumes: Volumes, ranks: Array) -> list[Quantity]:
    """The mean over the neighbourhood of each layer's rank; `ranks` has shape (R, L)."""
    result = []
    for column in ranks.T:
        if (column == column[0]).all():
            result.append(Quantity(float(column[0]), float(column[0]), Kind.EXACT))
        elif volumes.rational:
            means = [volumes.exact_share(r) * int(rank) for r, rank in enumerate(column.tolist())]
            result.append(Quantity(*exact_total(means), Kind.EXACT))
        else:
            values = zeros((len(column), 2))
            values[:] = column[:, None]
            found = narrowed(lambda values=values: product(volumes.share, values), volumes.refine)  # type: ignore[misc]
            low, high = max(found.lower, float(column.min())), min(math.inf if found.upper is None else found.upper, float(column.max()))
            result.append(Quantity(low, high, found.kind))
    return result
