"""Affine forms of the neurons on activation cells: the network composed along activation patterns.

A form is a row (a_1, ..., a_k, c) standing for u -> a.u + c, where u are coordinates of the domain, x = E u + e.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from polylc.exact.checkpoint import checkpoint
from polylc.network.form import Affine, Layer, Network
from polylc.network.weights import entries, sparse_copy, times


def apply_affine(affine: Affine, forms: list[np.ndarray]) -> np.ndarray:
    """Forms of `affine` from the forms of its sources; each source has shape (..., width, k + 1)."""
    z: np.ndarray | None = None
    for source, weight in affine.terms:
        term = times(weight, forms[source])
        z = term if z is None else z + term
    if z is None:
        z = np.zeros((*forms[-1].shape[:-2], affine.size, forms[-1].shape[-1]))
    z[..., -1] += affine.bias
    return z


UNIT = 2.0**-53  # unit of rounding of doubles
# more than an underflowing product loses (2^-1074), and normal: arithmetic on subnormal numbers is slow
TINY = 2.0**-1000
SMALL = 2.0**-400  # products of numbers that are not smaller do not underflow


def rounding(affine: Affine, forms: list[np.ndarray], errors: list[np.ndarray]) -> np.ndarray:
    """Rigorous bound on the rounding in `apply_affine`; shape (..., size).

    For each row of the result: an upper bound of the sum over its k + 1 coefficients of |computed - exact|, and so of
    the difference of the two forms anywhere in |u_j| <= 1, for sources whose rows err by at most `errors`, shape (...,
    width).

    Notes
    -----
    docs/exactness.md, lemma 2. A sum of m products errs by gamma_m times the sum of their absolute values, in whatever
    order and with or without fused operations, and by m underflows (Higham 2002, section 3.1 and 3.5). The factor 2 in
    `unit` and the last factor cover the rounding of the bound itself.
    """
    width = forms[-1].shape[-1]
    terms = 1 + sum(weight.shape[1] for _, weight in affine.terms)
    unit = 2.0 * (terms + 2) * UNIT
    total: np.ndarray = np.broadcast_to(unit * np.abs(affine.bias), (*forms[-1].shape[:-2], affine.size))
    normal = True
    for source, weight in affine.terms:
        size = absolute_sums(forms[source])
        lost = np.where((size > 0) & (size < SMALL), TINY, 0.0)  # the product may underflow, and weights may be large
        spread = np.asarray(errors[source] + unit * size + lost)[..., None]
        total = total + times(abs(weight), spread)[..., 0]  # one small product a region: no threads for small work
        normal = normal and _far_from_underflow(entries(weight)) and _far_from_underflow(size) and _far_from_underflow(errors[source])
    total = total * (1.0 + 8.0 * (terms + width + 8) * UNIT)
    underflow = 16.0 * (terms + 2) * (width + 2) * TINY
    # zero only where all products are zero; NaN stays
    return np.where(total == 0, 0.0, total + underflow) if normal else total + underflow


def absolute_sums(forms: np.ndarray) -> np.ndarray:
    """Sum of the absolute coefficients of each row; shape (...)."""
    if forms.ndim == 2 and forms.size > _MANY:
        return np.concatenate([absolute_sums(forms[begin : begin + _ROWS]) for begin in range(0, len(forms), _ROWS)])
    result: np.ndarray = np.abs(forms) @ np.ones(forms.shape[-1])  # quicker than a sum over a short axis
    return result


_MANY, _ROWS = 2**21, 256  # entries from which sums are taken some rows at a time, to save memory


def _far_from_underflow(array: np.ndarray) -> bool:
    """Whether all entries are zero or at least 2^-400 in size, so that a product of two of them does not vanish."""
    size = np.abs(array)
    return not ((size > 0) & (size < SMALL)).any()


def scaled_error(forms: np.ndarray, errors: np.ndarray, slopes: np.ndarray) -> np.ndarray:
    """Bound on the rounding in `slopes * forms`, for forms that err by `errors`; no rounding for slopes 0 and 1."""
    size = np.abs(slopes)
    plain = (size == 0) | (size == 1)
    if plain.all():
        return np.where(size == 0, 0.0, errors)
    width = forms.shape[-1]
    product = size * (errors * (1 + 4 * UNIT) + 2 * UNIT * absolute_sums(forms))
    product = product * (1 + 4 * (width + 8) * UNIT) + 4 * (width + 2) * TINY
    return np.where(plain, np.where(size == 0, 0.0, errors), product)


@dataclass(frozen=True)
class Forms:
    """Affine forms on a batch of activation cells, in coordinates u with |u_j| <= 1.

    Attributes
    ----------
    hidden : ndarray, shape (R, neurons, k + 1)
        Pre-activations.
    noise : ndarray, shape (R, neurons)
        Rigorous bound on the rounding in each row: the sum of |computed - exact| over its coefficients (see
        `rounding`).
    output : ndarray, shape (R, outputs, k + 1)
    output_noise : ndarray, shape (R, outputs)
    """

    hidden: np.ndarray
    noise: np.ndarray
    output: np.ndarray
    output_noise: np.ndarray


def unit_slopes(layer: Layer, bits: np.ndarray) -> np.ndarray:
    """Slopes of the units of a layer under activation bits of shape (..., width)."""
    return np.where(bits, layer.positive, layer.negative)


def compose(network: Network, patterns: np.ndarray, start: np.ndarray, start_error: np.ndarray) -> Forms:
    """All forms of the network along activation patterns.

    Parameters
    ----------
    patterns : ndarray of bool, shape (R, neurons)
    start : ndarray, shape (n, k + 1)
        The embedding of the domain.
    start_error : ndarray, shape (n,)
        Bound on the rounding in its rows.
    """
    count, width = len(patterns), start.shape[1]
    hidden = np.empty((count, network.neurons, width))
    noise = np.empty((count, network.neurons))
    sources = [np.broadcast_to(start, (count, *start.shape))]
    errors = [np.broadcast_to(start_error, (count, len(start)))]
    for index, layer in enumerate(network.layers):
        here = slice(network.offsets[index], network.offsets[index + 1])
        hidden[:, here] = apply_affine(layer.affine, sources)
        noise[:, here] = rounding(layer.affine, sources, errors)
        slopes = unit_slopes(layer, patterns[:, here])
        sources.append(hidden[:, here] * slopes[:, :, None])
        errors.append(scaled_error(hidden[:, here], noise[:, here], slopes))
    return Forms(hidden, noise, apply_affine(network.output, sources), rounding(network.output, sources, errors))


def input_forms(affine: Affine, start: np.ndarray, start_error: np.ndarray, form: np.ndarray) -> np.ndarray:
    """Forms of an affine map that reads the input alone, written transposed into `form`, and bounds on their rounding.

    Parameters
    ----------
    start : ndarray, shape (n, k + 1)
        The embedding of the domain.
    start_error : ndarray, shape (n,)
    form : ndarray, shape (k + 1, size)
        Filled some rows at a time, so that large ones take no memory twice.
    """
    step = max(1, _MANY // start.shape[1])
    thin = sparse_copy(start) if start.size > _MANY and not any(isinstance(w, np.ndarray) for _, w in affine.terms) else None
    for begin in range(0, affine.size, step):
        some = slice(begin, begin + step)
        if thin is None:
            form[:, some] = apply_affine(Affine(tuple((s, w[some]) for s, w in affine.terms), affine.bias[some]), [start]).T
        else:  # the embedding of a box is nearly empty
            form[:, some] = sum(w[some] @ thin for _, w in affine.terms).toarray().T
            form[-1, some] += affine.bias[some]
    return rounding(affine, [start], [np.asarray(start_error, dtype=np.float64)])


def enclosed_outputs(network: Network, point: np.ndarray, error: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Outputs near a point and how far they may be from those at the point meant, rigorously; two arrays (outputs,).

    Parameters
    ----------
    point : ndarray, shape (n,)
    error : ndarray, shape (n,)
        How far its coordinates may be from those meant.

    Notes
    -----
    docs/exactness.md, lemma 2, for forms that are constants. A unit maps numbers that differ by e to numbers that
    differ by at most e times its larger slope.
    """
    values, errors = [point[:, None]], [error]
    with np.errstate(over="ignore", invalid="ignore"):
        for layer in network.layers:
            z, noise = apply_affine(layer.affine, values), rounding(layer.affine, values, errors)
            steepest = np.maximum(np.abs(layer.negative), np.abs(layer.positive))
            values.append(z * unit_slopes(layer, z[:, 0] > 0)[:, None])
            errors.append(scaled_error(z, noise, steepest))
        return apply_affine(network.output, values)[:, 0], rounding(network.output, values, errors)


def batches(count: int, doubles_each: int, budget: int = 2_000_000) -> Iterator[slice]:
    """Slices of range(count) whose items together hold about `budget` doubles."""
    step = max(1, budget // max(1, doubles_each))
    for begin in range(0, count, step):
        checkpoint()
        yield slice(begin, min(count, begin + step))
