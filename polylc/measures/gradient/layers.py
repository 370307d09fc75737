"""What each layer contributes on each region, enclosed: norms of neurons' gradients, singular values, gains to the
output.

On a region J_l is the Jacobian of the pre-activations z_l, D_l the slopes of its units and M_l the Jacobian of the
output with respect to h_l = D_l z_l, so that J_f = M_l D_l J_l for every l of a chain.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from polylc.complex.complex import Complex, forms_along
from polylc.domains.domain import Domain
from polylc.measures.by_volume.noise import row_norms
from polylc.measures.gradient import layer_sums
from polylc.measures.gradient.gradients import in_range
from polylc.measures.gradient.layer_sums import passing_sums
from polylc.measures.gradient.norms import frobenius, spectral
from polylc.measures.gradient.singular_values import SLACK, singular_values, values_of_product
from polylc.measures.sums import between, product
from polylc.network.compose import UNIT, Forms, absolute_sums, batches, unit_slopes
from polylc.network.form import Affine, Layer, Network, once
from polylc.network.patterns import runs, unpack
from polylc.network.replay import begin, flatten
from polylc.network.weights import dense, settled

Array = np.ndarray
# a Jacobian of so many entries is decomposed by its factors where these have so many times fewer columns than it has
LARGE, THIN = 2**12, 2


@dataclass(frozen=True)
class LayerTerms:
    """Enclosures for a batch of regions; (r, L, 2) each.

    Attributes
    ----------
    rows, active_rows : ndarray
        S_l, the sum of the l2 norms of the neurons' gradients, and of those whose slope is not zero.
    least, nuclear, frobenius, operator : ndarray
        Norms of J_l: the smallest singular value that is not zero (0 for rank 0), the sum of all, the root of the sum
        of squares, the largest.
    gain : ndarray or None
        Gamma_l, the spectral norm of M_l D_l; None where layers are not a chain.
    """

    rows: Array
    active_rows: Array
    least: Array
    nuclear: Array
    frobenius: Array
    operator: Array
    gain: Array | None


def layer_terms(complex_: Complex, ranks: Array) -> Iterator[tuple[slice, LayerTerms]]:
    """Batches of regions with their terms; `ranks`, shape (R, L), are the exact ranks of the J_l.

    Neighbours in the list mostly share the earlier bits, and so a layer's Jacobian: one of each run of them will do.
    """
    network, domain = complex_.network, complex_.domain
    heads, _ = runs(complex_.bits, int(network.offsets[-2]) if network.layers else 0)
    heads = np.append(heads, len(complex_))
    layers = [_LayerNorms(complex_, index) for index in range(len(network.layers))]
    replay = None if in_plane(domain) else complex_.replay()
    for part in batches(len(heads) - 1, network.neurons * (domain.dimension + 1), 300_000):
        rows = slice(int(heads[part.start]), int(heads[part.stop]))
        some = complex_.bits[heads[part]]
        own = np.repeat(np.arange(len(some)), np.diff(heads[part.start : part.stop + 1]))
        forms = None if replay is None else forms_along(complex_.start, some, replay)
        bits = complex_.bits[rows]
        parts: list[list[Array]] = [[] for _ in range(6)]
        for index, layer in enumerate(network.layers):
            norms, shared, run = layers[index].of(forms, some, ranks[heads[part.start : part.stop], index])
            run, active = run[own], np.empty((len(own), 2))
            passing_sums(norms, run, bits, int(network.offsets[index]), layer.negative, layer.positive, active)
            row_sums, *rest = (value[run] for value in shared)
            for column, value in zip(parts, (row_sums, active * _of_sums(layer.width), *rest), strict=True):
                column.append(value)
        none = np.zeros((rows.stop - rows.start, 0, 2))
        first, second, third, fourth, fifth, sixth = (np.stack(column, axis=1) if column else none for column in parts)
        yield rows, LayerTerms(first, second, third, fourth, fifth, sixth, gains(network, bits))


def in_plane(domain: Domain) -> bool:
    """Whether norms and singular values come from `layer_sums.plane_norms`."""
    return domain.dimension == 2 and in_range(domain.inverse_half)


class _LayerNorms:
    """What one layer has on batches of regions that follow one another: the last of a batch may be the first of the
    next.
    """

    def __init__(self, complex_: Complex, index: int) -> None:
        network = complex_.network
        self._complex, self._index = complex_, index
        self._here = slice(int(network.offsets[index]), int(network.offsets[index + 1]))
        self._replay = complex_.replay() if in_plane(complex_.domain) else None
        self._bits = complex_.bits[:0]
        self._norms = np.empty((0, self._here.stop - self._here.start, 2))
        self._shared = [np.empty((0, 2))] * 5

    def of(self, forms: Forms | None, bits: Array, ranks: Array) -> tuple[Array, list[Array], Array]:
        """Norms of the gradients of the layer's neurons, (q, m, 2), and `rows`, `least`, `nuclear`, `frobenius` and
        `operator` of its Jacobians, (q, 2) each; and for each of the patterns (r, words), with these ranks, and forms
        where they are at hand, its place among the q.
        """
        before = len(self._bits)
        heads, run = runs(np.concatenate([self._bits, bits]), self._here.start)
        which = heads[before:] - before
        norms, shared = self._new(forms, bits, which, ranks[which])
        norms = np.concatenate([self._norms, norms])
        shared = [np.concatenate(column) for column in zip(self._shared, shared, strict=True)]
        self._bits, self._norms, self._shared = bits[-1:], norms[-1:], [column[-1:] for column in shared]
        return norms, shared, run[before:]

    def _new(self, forms: Forms | None, bits: Array, which: Array, rank: Array) -> tuple[Array, list[Array]]:
        """The same for the patterns that `which` names, with the ranks of their Jacobians."""
        here = self._here
        norms = np.empty((len(which), here.stop - here.start, 2))
        plane, good = np.zeros((len(which), 5, 2)), np.zeros(len(which), dtype=bool)
        if self._replay is not None:
            net, factor, room = self._complex.flat, self._complex.domain.inverse_half, layer_sums.plane_room(norms.shape[1])
            layer_sums.plane_norms_along(net, self._replay, bits, which, self._index, factor, norms, plane, good, room)
        rows, first, second, nuclear, size = plane.swapaxes(0, 1)
        least = np.where((rank == 0)[:, None], 0.0, np.where((rank == 1)[:, None], first, second))
        shared = [rows * _of_sums(norms.shape[1]), least, nuclear, size, first]
        rest = np.flatnonzero(~good)
        if len(rest):
            norms[rest], by_svd = self._by_svd(forms, bits, which[rest], rank[rest])
            for column, value in zip(shared, by_svd, strict=True):
                column[rest] = value
        return norms, shared

    def _by_svd(self, forms: Forms | None, bits: Array, which: Array, rank: Array) -> tuple[Array, tuple[Array, ...]]:
        """The same, of any dimension and however close to a smaller rank."""
        inverse = self._complex.domain.inverse_half
        if forms is None:
            forms, bits, which = forms_along(self._complex.start, bits[which]), bits[which], np.arange(len(which))
        form, noise = forms.hidden[which, self._here], forms.noise[which, self._here]
        norms = row_norms(self._complex, form, noise)
        jacobian = form[:, :, :-1] * inverse
        error = (noise * inverse.max() + 4 * UNIT * absolute_sums(jacobian)) * SLACK
        values, slip = self._singular_values(forms, bits, which, jacobian, error)
        last = values[np.arange(len(rank)), np.maximum(rank - 1, 0)]
        return norms, (
            added(norms, 1),
            np.where((rank == 0)[:, None], 0.0, _around(last, slip)),
            _around(values.sum(axis=1), (values.shape[1] * slip + 2 * values.shape[1] * UNIT * values.sum(axis=1)) * SLACK),
            frobenius(jacobian, error),
            _around(values[:, 0], slip),
        )

    def _singular_values(self, forms: Forms, bits: Array, which: Array, jacobian: Array, error: Array) -> tuple[Array, Array]:
        """As `singular_values`; where few units of the layers before are active, from the factors."""
        network = self._complex.network
        affine, small = network.layers[self._index].affine, min(jacobian.shape[1:])
        thin = np.zeros(len(which), dtype=bool)
        values, slip = np.empty((len(which), small)), np.empty(len(which))
        if jacobian[0].size >= LARGE and all(source for source, _ in affine.terms):
            for i, pattern in enumerate(unpack(bits[which], network.neurons)):
                factors = _factors(network, affine, pattern, forms.hidden[which[i]], self._complex.domain.inverse_half, small // THIN)
                if factors is not None:
                    thin[i], (values[i], slip[i]) = True, values_of_product(jacobian[i], error[i], *factors)
        rest = np.flatnonzero(~thin)
        if len(rest):
            values[rest], slip[rest] = singular_values(jacobian[rest], error[rest])
        return values, slip


def _factors(network: Network, affine: Affine, pattern: Array, hidden: Array, inverse: Array, most: int) -> tuple[Array, Array] | None:
    """The Jacobian of an affine map of layers along a pattern (neurons,) as a product over the active units of these,
    (m, a) and (a, k); None where none is active or more than `most` are. `hidden` are the forms (neurons, k + 1).
    """
    left, right, many = list[Array](), list[Array](), 0
    for source, weight in affine.terms:
        here = slice(int(network.offsets[source - 1]), int(network.offsets[source]))
        slopes = unit_slopes(network.layers[source - 1], pattern[here])
        active = np.flatnonzero(slopes)
        many += len(active)
        if many > most:
            return None
        left.append(dense(weight[:, active]))
        right.append(hidden[here][active, :-1] * (slopes[active, None] * inverse))
    return (np.concatenate(left, axis=1), np.concatenate(right)) if many else None


def added(intervals: Array, axis: int) -> Array:
    """Sums of intervals of numbers >= 0 along an axis."""
    result: Array = intervals.sum(axis=axis) * _of_sums(intervals.shape[axis])
    return result


def _of_sums(terms: int) -> Array:
    """What the ends of a rounded sum of so many numbers >= 0 are multiplied with."""
    slack = 2 * (terms + 4) * UNIT
    return np.array([1 - slack, 1 + slack])


def _around(value: Array, slip: Array) -> Array:
    return between(np.maximum(value - slip, 0.0), value + slip)


def gains(network: Network, bits: Array) -> Array | None:
    """Gamma_l = ||M_l D_l|| on the regions with these packed patterns, enclosed; (r, L, 2), or None if layers are not a
    chain.

    Notes
    -----
    The columns of M_l are the forms of layer l of the network read backwards, whose input are the rows of the output's
    weight; forms are brought up to date from one region to the next, with the bound of lemma 2 on their rounding.
    """
    if not network.is_chain or not network.layers:
        return None
    turned = backwards(network)
    net, zero = flatten(turned), np.zeros(network.outputs)
    replay, order = begin(turned, net, np.eye(network.outputs, network.outputs + 1), zero), layer_sums.turned(_places(network), bits.shape[1])
    if network.outputs == 1:
        found = np.empty((len(bits), len(network.layers), 2))
        layer_sums.passed_norms(net, replay, bits, order, np.empty(max(network.widths)), found)
        return found
    error = np.zeros((len(bits), network.outputs))  # of all rows together, in the place of the first
    columns, slip = np.empty((len(bits), network.outputs, network.neurons)), np.empty((len(bits), len(network.layers)))
    layer_sums.passed_on(net, replay, bits, order, columns, slip)
    result = []
    for at, (first, end) in enumerate(itertools.pairwise(turned.offsets.tolist())):
        error[:, 0] = slip[:, at] * SLACK
        result.append(spectral(columns[:, :, first:end], error))
    return np.stack(result[::-1], axis=1)


@once
def backwards(network: Network) -> Network:
    """The transposed maps of a chain from its output down to its first hidden layer, without biases, as a network with
    the same units.
    """
    affines = [*(layer.affine for layer in network.layers[1:]), network.output]
    turned = [
        Layer(Affine(((index, settled(affine.terms[0][1].T)),), np.zeros(layer.width)), layer.negative, layer.positive)
        for index, (affine, layer) in enumerate(zip(affines[::-1], network.layers[::-1], strict=True))
    ]
    return Network(network.outputs, tuple(turned), Affine((), np.zeros(1)), sha256=network.sha256)


def _places(network: Network) -> Array:
    """Where each neuron is in the order of the network read backwards."""
    return np.concatenate([network.neurons - end + np.arange(end - begin) for begin, end in itertools.pairwise(network.offsets.tolist())])


def weight_norms(network: Network) -> tuple[Array, Array]:
    """Frobenius and spectral norms of the weights of each hidden layer of a chain, enclosed; (L, 2) each."""
    matrices = [dense(layer.affine.terms[0][1]) for layer in network.layers]
    zero = [np.zeros((1, len(w))) for w in matrices]
    spectra = np.stack([spectral(w[None], z)[0] for w, z in zip(matrices, zero, strict=True)])
    return np.stack([frobenius(w[None], z)[0] for w, z in zip(matrices, zero, strict=True)]), spectra


def weight_bound(network: Network) -> list[Array]:
    """T7: three upper bounds of sum_l E[S_l], each above the one before; from the weights alone, (2,) each.

    Notes
    -----
    sum_l sqrt(n_l) ||W_l||_F prod_{k<l} ||W_k|| <= sum_l sqrt(n_l) prod_{k<=l} ||W_k||_F <= sum_l sqrt(n_l)
    (||theta||_F^2 / l)^(l/2), for slopes of at most 1 in size; larger ones multiply the layers' norms.
    """
    flat, spectra = weight_norms(network)
    slope = [max(1.0, float(np.abs([layer.negative, layer.positive]).max())) for layer in network.layers]
    one = np.ones((1, 2))
    chain, straight = one, one
    mixed_terms, flat_terms, theta_terms = [], [], []
    square = np.zeros(2)
    for index, width in enumerate(network.widths):
        root = between(np.sqrt([width]), np.sqrt([width]))
        stretch = np.full((1, 2), slope[index])
        mixed_terms.append(product(product(root, flat[index : index + 1]), chain)[0])
        straight = product(straight, flat[index : index + 1])
        flat_terms.append(product(root, straight)[0])
        square = between(*(square + product(product(flat[index], flat[index]), np.array([1 - 4 * UNIT, 1 + 4 * UNIT]))))
        power = (index + 1) / 2
        scaled = 1.0 if index == 0 else float(np.prod(slope[:index]))
        with np.errstate(over="ignore"):  # what leaves the range of doubles has no upper end
            whole = (square / (index + 1)) ** power * scaled * np.array([1 - 64 * (index + 2) * UNIT, 1 + 64 * (index + 2) * UNIT])
        whole = np.clip(whole, 0.0 if square[1] == 0 else [0.0, 5e-324], [np.finfo(np.float64).max, np.inf])
        theta_terms.append(product(root, whole[None])[0])
        chain = product(product(chain, spectra[index : index + 1]), stretch)
        straight = product(straight, stretch)
    return [added(np.array(terms), 0) for terms in (mixed_terms, flat_terms, theta_terms)]
