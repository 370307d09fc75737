"""Numbers that say how far they may be trusted: exact, enclosure, estimate or float (docs/words.md)."""

from __future__ import annotations

import enum
from dataclasses import dataclass

WIDE = 1e-5  # of an enclosure, relative, from which on its middle does not stand for it


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
        """A short text: ~ marks a float, >= a lower bound, +- half the width of an estimate's interval; of an enclosure
        that is wide both ends.
        """
        if self.upper is None:
            return f">= {self.lower:.{digits}g}"
        if self.kind is Kind.ESTIMATE:
            return f"est. {self.value:.{min(digits, 5)}g} +- {0.5 * (self.upper - self.lower):.2g}"
        if self.kind is Kind.ENCLOSURE and self.upper - self.lower > WIDE * max(abs(self.lower), abs(self.upper)):
            return f"[{self.lower:.{digits}g}, {self.upper:.{digits}g}]"
        mark = "~" if self.kind is Kind.FLOAT else ""
        return f"{mark}{self.value:.{digits}g}"


def floating(value: float) -> Quantity:
    """A number computed in floating point, nothing proved."""
    return Quantity(float(value), float(value), Kind.FLOAT)
