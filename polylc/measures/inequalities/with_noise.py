"""Inequalities about the local complexity averaged over noise on the biases: T2, T3, T4, T7."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from polylc.exact.quantity import Quantity
from polylc.measures.by_volume.noise import peak
from polylc.measures.gradient.layers import weight_bound
from polylc.measures.inequalities.inequality import Array, Inequality, gap, interval, plus, quantity, times
from polylc.measures.inequalities.sides import Sides
from polylc.measures.sums import between
from polylc.network.compose import UNIT


def noisy(sides: Sides, name: str, sigma: float, dec: Quantity, strip: Array) -> Iterable[Inequality]:
    """T2, T3, T4, T7 for one sigma, with `dec` = LC^dec and eta = sigma; `strip` is G restricted to |z| <= sigma.

    The literature's A <= LC comes with them, under a name that says that it is no theorem.
    """
    top = peak(sigma)
    root = math.exp(-0.5)
    low = times(top, np.array([root * (1 - 8 * UNIT), root * (1 + 8 * UNIT)]))  # c^eta
    tag = f", sigma {name}"
    upper = quantity(times(top, sides.rows))
    yield Inequality(f"T2 lower{tag}", "c_eta E sum ||grad z|| 1{|z| <= eta} <= LC^dec", quantity(times(low, strip)), dec)
    yield Inequality(f"T2 upper{tag}", "LC^dec <= C_sigma E sum S_l", dec, upper)
    far = gap(sides.rows, strip)
    ranked = gap(sides.rank_chain[0], far)
    text = "c_eta (E sum sigma_min rank J_l - tail) <= LC^dec"
    yield Inequality(f"T3 lower{tag}", text, quantity(times(low, np.maximum(ranked, 0.0))), dec)
    text = "LC^dec <= C_sigma E sum sqrt(n_l rank J_l) ||J_l||"
    yield Inequality(f"T3 upper{tag}", text, dec, quantity(times(top, sides.rank_chain[4])))
    if sides.gain is not None:
        left = times(float(sides.layers), sides.variation, low)
        right = times(sides.gain, plus(interval(dec), times(low, far)))
        text = "L TV c_eta <= max Gamma_l (LC^dec + c_eta tail)"
        yield Inequality(f"T4{tag}", text, quantity(left), quantity(right))
        if sides.gain[0] > 0:
            claim = np.array(between(left[0] / sides.gain[1], left[1] / sides.gain[0]))
            text = "A = L TV c_eta / max Gamma_l <= LC^dec: claimed in the literature, false in general"
            yield Inequality(f"not a theorem: A <= LC{tag}", text, quantity(claim), dec)
        bounds = [times(top, b) for b in weight_bound(sides.complex.network)]
        texts = ("sqrt(n_l) ||W_l||_F prod ||W_k||", "sqrt(n_l) prod ||W_k||_F", "sqrt(n_l) (||theta||_F^2 / l)^(l/2)")
        yield Inequality(f"T7{tag}", f"LC^dec <= C_sigma sum {texts[0]}", dec, quantity(bounds[0]))
        for step in (1, 2):
            text = f"C_sigma sum {texts[step - 1]} <= C_sigma sum {texts[step]}"
            yield Inequality(f"T7 step {step}{tag}", text, quantity(bounds[step - 1]), quantity(bounds[step]))
