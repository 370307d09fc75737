"""What an estimator returns: a value, how far it may be off, and under which assumptions."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np

from polylc.exact.quantity import Kind, Quantity

LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """One estimated number.

    Attributes
    ----------
    method : str
        Name of the estimator, one of `polylc.estimators.methods.METHODS`.
    target : str
        The quantity it is meant for, a path in the report of `certify`: "local_complexity.activation", "regions",
        "lipschitz.jacobian.l2", ...
    value : float
    standard_error : float or None
        Of the value around its own expectation; None where none is known.
    lower, upper : float or None
        Nominal 95 % interval around the estimator's own expectation (not corrected for bias). One end is None for
        one-sided statements, both where there is no interval.
    samples : int
        Independent samples behind the value: points, lines, groups or draws.
    bias : str
        "none", or how the expectation differs from the target, in words.
    assumptions : str
        What the interval rests on.
    parameters : dict
        Noise level, radius and the like.
    seconds : float
        Time spent; numbers that come out of one computation share it.
    """

    method: str
    target: str
    value: float
    standard_error: float | None
    lower: float | None
    upper: float | None
    samples: int
    bias: str = "none"
    assumptions: str = ""
    parameters: dict[str, float | int | str] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def unbiased(self) -> bool:
        """Whether the expectation is the target."""
        return self.bias == "none"

    @property
    def quantity(self) -> Quantity:
        """The interval as a quantity of kind estimate."""
        return Quantity(-math.inf if self.lower is None else self.lower, self.upper, Kind.ESTIMATE)

    def scaled(self, factor: float) -> Estimate:
        """The same estimate of `factor` times as much (factor > 0)."""
        ends = [None if v is None else factor * v for v in (self.standard_error, self.lower, self.upper)]
        return replace(self, value=factor * self.value, standard_error=ends[0], lower=ends[1], upper=ends[2])


class Moments:
    """Mean and variance of samples that come in chunks, one column for each quantity, in doubles.

    Chunks are merged by the update of Chan, Golub and LeVeque, so nothing cancels.
    """

    def __init__(self) -> None:
        self.count = 0
        self.mean: np.ndarray = np.zeros(0)
        self._squares: np.ndarray = np.zeros(0)

    def add(self, values: np.ndarray) -> None:
        """Take in samples of shape (B,) or (B, columns)."""
        rows = np.asarray(values, dtype=np.float64)
        rows = rows[:, None] if rows.ndim == 1 else rows
        if not len(rows):
            return
        mean = rows.mean(axis=0)
        squares = ((rows - mean) ** 2).sum(axis=0)
        if not self.count:
            self.count, self.mean, self._squares = len(rows), mean, squares
            return
        total = self.count + len(rows)
        step = mean - self.mean
        self._squares = self._squares + squares + step**2 * (self.count * len(rows) / total)
        self.mean = self.mean + step * (len(rows) / total)
        self.count = total

    def standard_error(self, column: int = 0) -> float | None:
        """Of the mean of a column; None for a single sample."""
        if self.count < 2:
            return None
        return math.sqrt(self._squares[column] / (self.count - 1) / self.count)

    def estimate(self, method: str, target: str, column: int = 0, **more: str | dict[str, float | int | str]) -> Estimate:
        """The mean of a column with its t-interval; `more` are fields of the estimate."""
        value, error = float(self.mean[column]), self.standard_error(column)
        fields: dict[str, object] = {"assumptions": "independent samples, as many as the central limit theorem needs (t-interval)", **more}
        if error is None:
            return Estimate(method, target, value, None, None, None, self.count, **fields)  # type: ignore[arg-type]
        half = t_quantile(self.count - 1) * error
        return Estimate(method, target, value, error, value - half, value + half, self.count, **fields)  # type: ignore[arg-type]


def t_quantile(freedom: int) -> float:
    """Two-sided 95 % quantile of Student's t."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, 0.5 + 0.5 * LEVEL))
