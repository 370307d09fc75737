"""What is known of a distance to adversarial points: a bracket, and the point."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

from polylc.domains.within import scaled
from polylc.exact.enclose import enclose, enclose_sqrt
from polylc.exact.quantity import downward, upward


@dataclass(repr=False)
class Distance:
    """What is known of the distance from a centre to the nearest adversarial point. In l2 `lower`, `upper` and `proved`
    are squares of distances, which are rational.

    Attributes
    ----------
    label : int
        The class that is to be the only highest.
    target : int or None
        The class that is to be at least as high; None for any.
    lower : Fraction
        Proved: no adversarial point is nearer.
    upper : Fraction or None
        The distance of `point`, which is adversarial; None if none is known.
    point : tuple of Fraction or None
    rival : int or None
        A highest other class there.
    cap : Fraction
        The radius within which adversarial points count.
    proof : str or None
        File that proves that there is none in the ball of radius `lower`, open if `exact`, else closed.
    proved : Fraction or None
        The radius of which the file speaks.
    norm : str
        "linf", "l2" or "l1".
    seconds : float
    statistics : dict
    """

    label: int
    target: int | None
    cap: Fraction
    lower: Fraction = Fraction(0)
    upper: Fraction | None = None
    point: tuple[Fraction, ...] | None = None
    rival: int | None = None
    proof: str | None = None
    proved: Fraction | None = None
    norm: str = "linf"
    seconds: float = 0.0
    statistics: dict[str, float] = field(default_factory=dict)

    def __repr__(self) -> str:
        low, high = self.ends
        rival = "" if self.rival is None else f", to class {self.rival}"
        near = f"= {low:.10g}" if self.exact else f"in [{downward(low, 10)}, {'inf' if high is None else upward(high, 10)}]"
        return f"Distance(class {self.label}, {self.norm} {near}{rival}, {self.seconds:.2f} s)"

    @property
    def exact(self) -> bool:
        """Whether the distance is known."""
        return self.upper is not None and self.lower == self.upper

    @property
    def robust(self) -> bool | None:
        """Whether the closed neighbourhood has no adversarial point; None if that is not known."""
        cap = scaled(self.norm, Fraction(1), self.cap)
        return False if self.upper is not None else True if self.lower > cap or self.proved == cap else None

    @property
    def ends(self) -> tuple[float, float | None]:
        """The distance between two doubles, the second None if no adversarial point is known."""
        around = enclose_sqrt if self.norm == "l2" else enclose
        return around(self.lower)[0], None if self.upper is None else around(self.upper)[1]
