"""Numbers that say how far they may be trusted: exact, enclosure, estimate or float (docs/words.md)."""

from __future__ import annotations

import decimal
import enum
import math
from dataclasses import dataclass

LEAST = 3  # digits that both ends of an enclosure share; where they share fewer both are shown


class Kind(enum.Enum):
    """What a reported number is."""

    EXACT = "exact"
    ENCLOSURE = "enclosure"
    ESTIMATE = "estimate"
    FLOAT = "float"


@dataclass(frozen=True)
class Quantity:
    """A real number known to lie in [lower, upper]; `upper` None stands for "no upper bound".

    For kind FLOAT the two ends agree and nothing is proved.
    """

    lower: float
    upper: float | None
    kind: Kind

    @property
    def value(self) -> float:
        """The middle of the interval (its lower end if there is no upper one)."""
        return self.lower if self.upper is None else 0.5 * (self.lower + self.upper)

    def as_pair(self) -> list[float | None]:
        """[lower, upper], the form of the JSON report."""
        return [self.lower, self.upper]

    def show(self, digits: int = 7) -> str:
        """A short text: ~ marks a float, >= a lower bound, +- half the width of an estimate's interval.

        Of an enclosure the digits to which both ends round alike, at most `digits`; both ends, rounded outward, where
        these are fewer than three.
        """
        if self.upper is None:
            return f">= {downward(self.lower, digits)}"
        if self.kind is Kind.ESTIMATE:
            return f"est. {self.value:.{min(digits, 5)}g} +- {0.5 * (self.upper - self.lower):.2g}"
        if self.kind is Kind.ENCLOSURE:
            return enclosed_text(self.lower, self.upper, digits)
        mark = "~" if self.kind is Kind.FLOAT else ""
        return f"{mark}{self.value:.{digits}g}"


def enclosed_text(low: float, high: float, digits: int = 7) -> str:
    """What is known of a number between two ends: the digits to which both round alike, or both ends, rounded outward,
    where these are fewer than three.
    """
    for count in range(digits, LEAST - 1, -1):
        text = f"{low:.{count}g}"
        if text == f"{high:.{count}g}":
            return text
    return f"[{downward(low, digits)}, {upward(high, digits)}]"


def downward(value: float, digits: int) -> str:
    """The largest number of so many digits that is not above a value, or above it by less than doubles resolve."""
    return _outward(value, digits, -math.inf)


def upward(value: float, digits: int) -> str:
    """The smallest number of so many digits that is not below a value, or below it by less than doubles resolve."""
    return _outward(value, digits, math.inf)


def _outward(value: float, digits: int, side: float) -> str:
    near = f"{value:.{digits}g}"
    # 0.01 stays 0.01 where it is known by one of the two doubles around it
    if not math.isfinite(value) or value in (float(near), math.nextafter(float(near), side)):
        return near
    rounding = decimal.ROUND_FLOOR if side < 0 else decimal.ROUND_CEILING
    exact = decimal.Context(prec=digits, rounding=rounding).create_decimal(decimal.Decimal(value))
    return f"{float(exact):.{digits}g}"


def floating(value: float) -> Quantity:
    """A number computed in floating point, nothing proved."""
    return Quantity(float(value), float(value), Kind.FLOAT)


def enclosure(low: float, high: float) -> Quantity:
    """A number between two ends, exact where they are one; no upper end where that is infinite."""
    return Quantity(float(low), float(high) if high < math.inf else None, Kind.EXACT if low == high else Kind.ENCLOSURE)
