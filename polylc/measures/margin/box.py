"""Boxes in unit coordinates with rational corners, and what an affine form does on them: rigorously in floats, exactly
in integers.

Lemma. Let B be a box inside [-1, 1]^k and p, w floats with B inside {t: |t_i - p_i| <= w_i}. Let (a, c) be a form and
(a', c') its floating copy, with the sum over the k + 1 coefficients of |computed - exact| at most nu. Then for t in B

    |(a.t + c) - (a'.t + c')| <= nu    since |t_i| <= 1, and    c' + a'.p - |a'|.w <= a'.t + c' <= c' + a'.p + |a'|.w.

With u = 2^-53, each of the two ends is computed from 2 k products and 2 k + 1 sums, in whatever order and with or
without fused operations, with an error of at most gamma_(2k+2) sigma + k 2^-1074, where sigma = |c'| + |a'|.(|p| + w),
and gamma_m = m u / (1 - m u) (Higham 2002, section 3.1; a product that underflows loses at most 2^-1075). So

    error = nu + 2 (2k + 10) u sigma + 8 (k + 4) 2^-1074,    once more times 1 + 8 u,

computed in floats, is at least the true distance between the computed end and the end of the exact form: the factor 2
and the surplus of 8 roundings outweigh the rounding of sigma (gamma_(k+2)) and of this formula. A computed end beyond
+-error therefore has the sign of the exact end, and if it is nan or infinite no comparison holds and nothing is
claimed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np

from polylc.exact.enclose import enclose
from polylc.network.compose import TINY, UNIT


@dataclass(frozen=True)
class MarginBox:
    """A closed box inside [-1, 1]^k.

    Attributes
    ----------
    lower, upper : tuple of Fraction, length k
    middle, width : ndarray, shape (k,)
        Floats with |t - middle| <= width for every t of the box.
    """

    lower: tuple[Fraction, ...]
    upper: tuple[Fraction, ...]
    middle: np.ndarray
    width: np.ndarray

    @classmethod
    def of(cls, lower: Sequence[Fraction], upper: Sequence[Fraction]) -> MarginBox:
        """The box with the given corners."""
        middle = [float((a + b) / 2) for a, b in zip(lower, upper, strict=True)]
        width = [enclose(max(b - Fraction(p), Fraction(p) - a))[1] for a, b, p in zip(lower, upper, middle, strict=True)]
        return cls(tuple(lower), tuple(upper), np.array(middle), np.array(width))

    @classmethod
    def whole(cls, dimension: int) -> MarginBox:
        """[-1, 1]^k."""
        one = (Fraction(1),) * dimension
        return cls((Fraction(-1),) * dimension, one, np.zeros(dimension), np.ones(dimension))

    def ends(self, forms: np.ndarray, noise: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Least and largest value of forms on the box, and a rigorous bound on the error of either.

        Parameters
        ----------
        forms : ndarray, shape (..., k + 1)
        noise : ndarray, shape (...)
            Bound on the sum of |computed - exact| over the coefficients.
        """
        k = forms.shape[-1] - 1
        gradient, constant = forms[..., :-1], forms[..., -1]
        size = np.abs(gradient)
        center, spread = gradient @ self.middle + constant, size @ self.width
        sigma = np.abs(constant) + size @ (np.abs(self.middle) + self.width)
        error = (noise + 2 * (2 * k + 10) * UNIT * sigma + 8 * (k + 4) * TINY) * (1 + 8 * UNIT)
        return center - spread, center + spread, error

    def combination(self, weights: np.ndarray, forms: np.ndarray, noise: np.ndarray) -> tuple[float, float]:
        """Least value on the box of the sum of weights times forms, and a rigorous bound on its error.

        Notes
        -----
        The lemma with E forms: their k + 1 combined coefficients are sums of E products each, so sigma, the same
        combination of the |forms|, meets gamma_(2k+E+4), and nu is the combination of the noises.
        """
        count, k = len(forms), forms.shape[-1] - 1
        low, _, _ = self.ends(weights @ forms, np.zeros(()))
        size = np.abs(forms)
        sigma = float(np.abs(weights) @ (size[:, -1] + size[:, :-1] @ (np.abs(self.middle) + self.width)))
        known = float(np.abs(weights) @ noise) * (1 + 2 * (count + 4) * UNIT)
        lost = 16 * (k + 4) * (count + 4) * TINY
        return float(low), (known + 2 * (2 * k + 2 * count + 16) * UNIT * sigma + lost) * (1 + 8 * UNIT)

    def exact_ends(self, form: Sequence[int]) -> tuple[int, int]:
        """Least and largest value of an integer form on the box, both times one positive number."""
        den, low, high = self._integers
        least = most = form[-1] * den
        for a, p, q in zip(form, low, high, strict=False):
            if a > 0:
                least += a * p
                most += a * q
            elif a < 0:
                least += a * q
                most += a * p
        return least, most

    @cached_property
    def _integers(self) -> tuple[int, list[int], list[int]]:
        den = math.lcm(1, *(v.denominator for v in (*self.lower, *self.upper)))
        return den, [int(v * den) for v in self.lower], [int(v * den) for v in self.upper]
