"""The inequalities of docs/theory.md on one neighbourhood: both sides, enclosed, from one enumeration."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from polylc.complex.complex import Complex
from polylc.complex.graph import RegionGraph
from polylc.complex.pieces import joined
from polylc.exact.quantity import Kind, Quantity
from polylc.measures.by_volume.enclosures import edge_jumps
from polylc.measures.by_volume.noise import Integrator, peak, row_norms
from polylc.measures.by_volume.noise_integrals import BELOW, MEAN
from polylc.measures.by_volume.slicing import sliced
from polylc.measures.by_volume.volumes import Volumes
from polylc.measures.gradient.layers import added, layer_terms, weight_bound
from polylc.measures.gradient.norms import Gradients, frobenius
from polylc.measures.sums import between, product, total
from polylc.network.compose import UNIT

Array = np.ndarray


@dataclass(frozen=True)
class Inequality:
    """left <= right, both enclosed.

    Attributes
    ----------
    name : str
        Which one, as in docs/theory.md, with the noise, layer or margin that it is about.
    statement : str
        Both sides in words.
    left, right : Quantity
    decided : bool or None
        The answer where rationals gave it.
    """

    name: str
    statement: str
    left: Quantity
    right: Quantity
    decided: bool | None = None

    @property
    def holds(self) -> bool | None:
        """True or False where the enclosures decide it, None where they overlap or a side is no enclosure."""
        if self.decided is not None:
            return self.decided
        if not {self.left.kind, self.right.kind} <= {Kind.EXACT, Kind.ENCLOSURE}:
            return None
        if self.left.upper is not None and self.left.upper <= self.right.lower:
            return True
        return False if self.right.upper is not None and self.left.lower > self.right.upper else None

    @property
    def slack(self) -> float | None:
        """right - left, in floating point."""
        return None if self.left.upper is None or self.right.upper is None else self.right.value - self.left.value


def quantity(interval: Array | tuple[float, float]) -> Quantity:
    """A Quantity of an interval [lower, upper]."""
    low, high = float(interval[0]), float(interval[1])
    return Quantity(low, None if math.isinf(high) else high, Kind.EXACT if low == high else Kind.ENCLOSURE)


def _interval(value: Quantity) -> Array:
    return np.array([value.lower, math.inf if value.upper is None else value.upper])


def _times(*factors: Array | float) -> Array:
    """Product of intervals, or doubles, that are >= 0."""
    result = np.ones((1, 2))
    for factor in factors:
        result = product(result, np.broadcast_to(np.asarray(factor, dtype=np.float64), (2,))[None])
    low, high = result[0]
    return np.array([low, high])


def _plus(*terms: Array) -> Array:
    return np.array(total(np.array(terms)))


class Sides:
    """What the inequalities are made of, for one complex whose volumes are known.

    Attributes
    ----------
    variation : ndarray (2,)
        TV, the mean Frobenius norm of the Jacobian.
    rows : ndarray (2,)
        G = E sum_l S_l, the mean of the sum of all neurons' gradient norms.
    """

    def __init__(self, volumes: Volumes, graph: RegionGraph, ranks: Array, gradients: Gradients) -> None:
        self.volumes, self.graph, self.complex, self.gradients = volumes, graph, volumes.complex, gradients
        self.layers = len(self.complex.network.layers)
        jacobian, error = gradients.of(np.arange(len(self.complex)))
        self._jacobian, self._error = jacobian, error
        self.variation = self._mean(frobenius(jacobian, error))
        self._collect(ranks)

    def _mean(self, terms: Array) -> Array:
        """Mean over the neighbourhood of what is constant on regions; terms (R, 2)."""
        low, high = total(product(self.volumes.share, terms))
        return np.array([low, high])

    def _collect(self, ranks: Array) -> None:
        columns: dict[str, list[Array]] = {name: [] for name in ("rows", "least", "nuclear", "frobenius", "operator", "gain_rows")}
        self.gain: Array | None = np.zeros(2)
        widths = np.sqrt(np.array(self.complex.network.widths, dtype=np.float64))
        for rows, _, terms in layer_terms(self.complex, ranks):
            rank = ranks[rows].astype(np.float64)
            roots = between(np.sqrt(rank), np.sqrt(rank))
            wide = np.broadcast_to(between(widths, widths), roots.shape)
            weighed = {
                "rows": terms.rows,
                "least": product(terms.least, np.stack([rank, rank], axis=-1)),
                "nuclear": terms.nuclear,
                "frobenius": product(terms.frobenius, wide),
                "operator": product(product(terms.operator, roots), wide),
            }
            for name, value in weighed.items():
                columns[name].append(added(value, 1))
            if terms.gain is None:
                self.gain = None
            elif self.gain is not None:
                self.gain = np.maximum(self.gain, terms.gain.max(axis=(0, 1)))
                columns["gain_rows"].append(product(terms.gain, terms.active_rows).min(axis=1))
        means = {name: self._mean(np.concatenate(parts)) for name, parts in columns.items() if parts}
        self.rows = means["rows"]
        self.rank_chain = [means[name] for name in ("least", "nuclear", "rows", "frobenius", "operator")]
        self.gain_rows = means.get("gain_rows")

    # ---- inequalities that know no noise ----------------------------------------------------------------------------
    def gain_bound(self) -> Iterable[Inequality]:
        """C2: the pointwise factorisation behind T4."""
        if self.gain_rows is not None:
            yield Inequality("C2", "TV <= E min over layers of Gamma_l S_l", quantity(self.variation), quantity(self.gain_rows))

    def ranks(self) -> Iterable[Inequality]:
        """T3 without noise: the sandwich of the local rank, summed over layers and averaged."""
        texts = ("E sum sigma_min rank J_l", "E sum ||J_l||_*", "E sum S_l", "E sum sqrt(n_l) ||J_l||_F", "E sum sqrt(n_l rank J_l) ||J_l||")
        for step in range(4):
            left, right = self.rank_chain[step : step + 2]
            yield Inequality(f"T3 step {step + 1}", f"{texts[step]} <= {texts[step + 1]}", quantity(left), quantity(right))

    def kinks(self, function_complexity: Quantity) -> Iterable[Inequality]:
        """T5, kink-Poincare, with the diameter and in the form for boxes, and what follows for TV."""
        complex_, graph = self.complex, self.graph
        areas = self.volumes.facets(graph)
        bends = ~joined(complex_, graph)
        jumps = edge_jumps(self.volumes, self.gradients, graph, bends)
        weighed = product(areas, jumps)
        kink = np.array(total(weighed))
        sides = 2.0 * complex_.domain.half
        half_diameter = 0.5 * math.sqrt(float((sides**2).sum())) * np.array([1 - 32 * len(sides) * UNIT, 1 + 32 * len(sides) * UNIT])
        mean, mean_error = self._mean_jacobian()
        apart = frobenius(*_difference(self._jacobian, self._error, mean, mean_error))
        of_mean = frobenius(mean[None], mean_error[None])[0]
        spread, gap = self._mean(apart), _distance(self.variation, of_mean)
        if not bends.any():  # one affine map
            spread, gap = np.zeros(2), np.zeros(2)
        bound = _times(half_diameter, kink)
        yield Inequality("T5", "E||J - mean J||_F <= (diam U / 2) kink variation", quantity(spread), quantity(bound))
        box = _times(0.5, np.array(total(product(weighed, self._stretches()))))
        yield Inequality("T5 box", "E||J - mean J||_F <= half the sum over facets of jump, area, width of U across", quantity(spread), quantity(box))
        yield Inequality("C3", "|TV - ||mean J||_F| <= (diam U / 2) kink variation", quantity(gap), quantity(bound))
        largest = np.array([jumps[:, 0].max(initial=0.0), jumps[:, 1].max(initial=0.0)])
        right = _times(half_diameter, largest, _interval(function_complexity))
        yield Inequality("T5 by LC", "(diam U / 2) kink variation <= (diam U / 2) max jump LC_function", quantity(bound), quantity(right))

    def _mean_jacobian(self) -> tuple[Array, Array]:
        """The mean Jacobian and the errors of its rows."""
        share = self.volumes.share
        middle = 0.5 * (share[:, 0] + share[:, 1])
        slip = 0.5 * (share[:, 1] - share[:, 0]) + 4 * UNIT * middle
        mean = np.einsum("r,rmk->mk", middle, self._jacobian)
        sizes = np.abs(self._jacobian).sum(axis=2)
        error = slip @ sizes + share[:, 1] @ self._error + 4 * (len(share) + 8) * UNIT * (middle @ sizes)
        return mean, error * (1 + 2.0**-40)

    def _stretches(self) -> Array:
        """For each edge sum_j D_j |nu_j|: the width of the box in the direction of the facet's normal; (E, 2)."""
        complex_ = self.complex
        stretch = np.zeros((len(complex_.neuron), 2))
        for rows in complex_.batches():
            entries = slice(int(complex_.starts[rows.start]), int(complex_.starts[rows.stop]))
            half_spaces, noise = complex_.half_spaces(rows)
            norms = row_norms(complex_, half_spaces, noise)
            size = 2 * np.abs(half_spaces[:, :-1]).sum(axis=1)
            slip = (2 * noise + 16 * (half_spaces.shape[1] + 4) * UNIT * size) * (1 + 2.0**-40)
            with np.errstate(divide="ignore", invalid="ignore"):
                low = np.where(norms[:, 1] > 0, np.maximum(size - slip, 0.0) / norms[:, 1], 0.0)
                high = np.where(norms[:, 0] > 0, (size + slip) / norms[:, 0], np.inf)
            stretch[entries] = between(low, high)
        result: Array = stretch[self.graph.entry()]
        return result

    def margins(self, label: int) -> Iterable[Inequality]:
        """T6b: the share of U on which class j is not behind class y, by the variation of the margin f_y - f_j."""
        complex_ = self.complex
        share = self.volumes.share
        for j in range(complex_.network.outputs):
            if j == label:
                continue
            parts: list[list[Array]] = [[], [], []]
            for rows in complex_.batches():
                forms = complex_.forms(rows)
                form = forms.output[:, label] - forms.output[:, j]
                noise = forms.output_noise[:, label] + forms.output_noise[:, j]
                noise = (noise + 2 * UNIT * np.abs(form).sum(axis=1)) * (1 + 2.0**-40)
                ones = np.ones((len(form), 1, 2))
                value, wrong = Integrator(complex_).batch(rows, forms, [(BELOW, 0.0), (MEAN, 0.0)], (form[:, None], noise[:, None]), ones)
                size = np.abs(form[:, :-1]).sum(axis=1)
                slip = noise + 8 * form.shape[1] * UNIT * size
                parts[0].append(np.stack([value[:, 0] - wrong[:, 0], value[:, 0] + wrong[:, 0]], axis=1))
                parts[1].append(np.stack([value[:, 1] - wrong[:, 1], value[:, 1] + wrong[:, 1]], axis=1))
                parts[2].append(product(share[rows], between(np.maximum(size - slip, 0.0), size + slip)))
            below, mean, steep = (np.array(total(np.concatenate(p))) for p in parts)
            if not mean[0] > 0:
                continue
            right = np.array(between(0.5 * steep[0] / mean[1], 0.5 * steep[1] / mean[0]))
            left = np.clip(below, 0.0, 1.0)
            text = f"share of U with f{label} <= f{j} <= a quarter of sum_j D_j E|d_j g| / E g, g = f{label} - f{j}"
            yield Inequality(f"T6b f{label}-f{j}", text, quantity(left), quantity(right))

    # ---- with noise on the biases -----------------------------------------------------------------------------------
    def noisy(self, name: str, sigma: float, dec: Quantity, strip: Array) -> Iterable[Inequality]:
        """T2, T3, T4, T7 for one sigma, with `dec` = LC^dec and eta = sigma; `strip` is G restricted to |z| <= sigma.

        The literature's A <= LC comes with them, under a name that says that it is no theorem.
        """
        top = peak(sigma)
        root = math.exp(-0.5)
        low = _times(top, np.array([root * (1 - 8 * UNIT), root * (1 + 8 * UNIT)]))  # c^eta
        tag = f", sigma {name}"
        upper = quantity(_times(top, self.rows))
        yield Inequality(f"T2 lower{tag}", "c_eta E sum ||grad z|| 1{|z| <= eta} <= LC^dec", quantity(_times(low, strip)), dec)
        yield Inequality(f"T2 upper{tag}", "LC^dec <= C_sigma E sum S_l", dec, upper)
        far = _gap(self.rows, strip)
        ranked = _gap(self.rank_chain[0], far)
        text = "c_eta (E sum sigma_min rank J_l - tail) <= LC^dec"
        yield Inequality(f"T3 lower{tag}", text, quantity(_times(low, np.maximum(ranked, 0.0))), dec)
        text = "LC^dec <= C_sigma E sum sqrt(n_l rank J_l) ||J_l||"
        yield Inequality(f"T3 upper{tag}", text, dec, quantity(_times(top, self.rank_chain[4])))
        if self.gain is not None:
            left = _times(float(self.layers), self.variation, low)
            right = _times(self.gain, _plus(_interval(dec), _times(low, far)))
            text = "L TV c_eta <= max Gamma_l (LC^dec + c_eta tail)"
            yield Inequality(f"T4{tag}", text, quantity(left), quantity(right))
            if self.gain[0] > 0:
                claim = np.array(between(left[0] / self.gain[1], left[1] / self.gain[0]))
                text = "A = L TV c_eta / max Gamma_l <= LC^dec: claimed in the literature, false in general"
                yield Inequality(f"not a theorem: A <= LC{tag}", text, quantity(claim), dec)
            bounds = [_times(top, b) for b in weight_bound(self.complex.network)]
            texts = ("sqrt(n_l) ||W_l||_F prod ||W_k||", "sqrt(n_l) prod ||W_k||_F", "sqrt(n_l) (||theta||_F^2 / l)^(l/2)")
            yield Inequality(f"T7{tag}", f"LC^dec <= C_sigma sum {texts[0]}", dec, quantity(bounds[0]))
            for step in (1, 2):
                text = f"C_sigma sum {texts[step - 1]} <= C_sigma sum {texts[step]}"
                yield Inequality(f"T7 step {step}{tag}", text, quantity(bounds[step - 1]), quantity(bounds[step]))


def slicing_bound(complex_: Complex, complexity: Quantity) -> Inequality:
    """C8: LC_0 by K. Ball's bound on sections of a cube, in any dimension."""
    text = "LC_0 (facets counted once) <= sum over hyperplanes of min(sqrt 2 / ||D a||, 1 / max D_j |a_j|)"
    return Inequality("C8", text, complexity, quantity(sliced(complex_)))


def _difference(left: Array, error: Array, right: Array, other: Array) -> tuple[Array, Array]:
    apart = left - right
    return apart, (error + other + 2 * UNIT * np.abs(apart).sum(axis=2)) * (1 + 2.0**-40)


def _distance(left: Array, right: Array) -> Array:
    """|left - right| of two intervals."""
    low, high = left[0] - right[1], left[1] - right[0]
    least = max(low, -high, 0.0)
    return between(np.array(least), np.array(max(abs(low), abs(high))))


def _gap(left: Array, right: Array) -> Array:
    """left - right of two intervals, not below zero at its upper end."""
    return np.array([max(np.nextafter(left[0] - right[1], -np.inf), 0.0), max(np.nextafter(left[1] - right[0], np.inf), 0.0)])
