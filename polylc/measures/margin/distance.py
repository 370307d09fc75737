"""What is known of a distance to adversarial points: a bracket, and the point."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction


@dataclass
class Distance:
    """What is known of the distance from a centre to the nearest adversarial point.

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
    seconds: float = 0.0
    statistics: dict[str, float] = field(default_factory=dict)

    @property
    def exact(self) -> bool:
        """Whether the distance is known."""
        return self.upper is not None and self.lower == self.upper

    @property
    def robust(self) -> bool | None:
        """Whether the closed neighbourhood has no adversarial point; None if that is not known."""
        return False if self.upper is not None else True if self.lower > self.cap or self.proved == self.cap else None
