"""What is known of Lipschitz constants; on screen, and as a JSON report, schema `polylc.lipschitz/1`. Keys may be
added.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from polylc._version import __version__
from polylc.exact.enclose import enclose, enclose_sqrt
from polylc.exact.numbers import long_numbers
from polylc.exact.quantity import Kind, Quantity, downward, upward
from polylc.report.schema import NetworkInfo
from polylc.report.setting import Setting, setting

NormName = Literal["linf", "l2", "l1"]
Method = Literal["search", "enumeration"]


@dataclass(frozen=True)
class Constant:
    """What is known of one Lipschitz constant.

    Attributes
    ----------
    target : str
        An output f0, a margin f3-f5, or "margins": the largest of all margins.
    norm : str
        Of the inputs; the gradient is measured in its dual.
    lower, upper : Fraction
        Proved bounds of the constant, or of its square for l2; `upper` is None where nothing is known.
    point : tuple of Fraction or None
        Inside a region of full dimension whose gradient has the norm `lower`.
    attained : str
        Which margin has it, where the target is all of them; else the target.
    method : str
        How it was found.
    """

    target: str
    norm: NormName
    lower: Fraction
    upper: Fraction | None
    point: tuple[Fraction, ...] | None
    attained: str
    method: Method

    @property
    def power(self) -> int:
        """Which power of the constant the bounds are of."""
        return 2 if self.norm == "l2" else 1

    @property
    def exact(self) -> bool:
        """Whether the constant is known."""
        return self.lower == self.upper

    @property
    def quantity(self) -> Quantity:
        """The constant in doubles, with its kind."""
        around = enclose_sqrt if self.norm == "l2" else enclose
        low = around(self.lower)[0]
        if self.upper is None:
            return Quantity(low, None, Kind.ENCLOSURE)
        return Quantity(low, around(self.upper)[1], Kind.EXACT if self.exact else Kind.ENCLOSURE)

    @property
    def closed_form(self) -> str | None:
        """The number itself, for l2 "sqrt(p/q)", where it is known exactly."""
        if not self.exact:
            return None
        return f"sqrt({self.lower})" if self.norm == "l2" else str(self.lower)


@dataclass(repr=False)
class LipschitzConstants:
    """What is known of the Lipschitz constants on one neighbourhood.

    Attributes
    ----------
    label : int or None
        The class whose margins these are; None for outputs.
    constants : list of Constant
    seconds : float
    statistics : dict
    proof : str or None
        File that proves the constants.
    ball : str
        The norm whose ball the neighbourhood is, "linf" for boxes.
    notes : dict
        Under "proof" why there is none, where one was asked for.
    """

    label: int | None
    constants: list[Constant]
    seconds: float = 0.0
    statistics: dict[str, float] = field(default_factory=dict)
    proof: str | None = None
    ball: NormName = "linf"
    notes: dict[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        known = sum(c.exact for c in self.constants)
        of = "outputs" if self.label is None else f"class {self.label}"
        return f"LipschitzConstants({of}: {known} of {len(self.constants)} exact, {self.seconds:.2f} s)"

    @property
    def exact(self) -> bool:
        """Whether all of them are known."""
        return all(c.exact for c in self.constants)

    def of(self, target: str, norm: str) -> Constant:
        """One of them.

        Raises
        ------
        KeyError
            If it was not asked for.
        """
        for constant in self.constants:
            if (constant.target, constant.norm) == (target, norm):
                return constant
        raise KeyError((target, norm))


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=True, serialize_by_alias=True)


class ConstantReport(_Model):
    """One constant: exact (it is `value`, two doubles around it), or open (it is between them)."""

    target: str
    norm: NormName
    status: Literal["exact", "open"]
    value: tuple[float, float | None]
    exact: str | None = None
    attained: str | None = None
    point: list[float] | None = None
    point_exact: list[str] | None = None
    method: Method = "search"


class NeighbourhoodReport(_Model):
    """The constants on one neighbourhood; of a refused row there is only the reason."""

    index: int
    status: Literal["exact", "open", "refused"]
    reason: str | None = None
    label: int | None = None
    ball: NormName = "linf"
    constants: list[ConstantReport] = []
    proof: str | None = None
    notes: dict[str, str] = {}
    seconds: float = 0.0
    statistics: dict[str, float] = {}


class LipschitzReport(_Model):
    """All neighbourhoods of a run."""

    format: Literal["polylc.lipschitz/1"] = Field(default="polylc.lipschitz/1", alias="schema")
    version: str = __version__
    setting: Setting | None = Field(default_factory=setting)
    network: NetworkInfo
    neighbourhoods: list[NeighbourhoodReport]


def neighbourhood_report(index: int, found: LipschitzConstants) -> NeighbourhoodReport:
    """The constants of a neighbourhood, as data."""
    with long_numbers():
        constants = [
            ConstantReport(
                target=c.target,
                norm=c.norm,
                status="exact" if c.exact else "open",
                value=(c.quantity.lower, c.quantity.upper),
                exact=c.closed_form,
                attained=None if c.point is None else c.attained,
                point=None if c.point is None else [float(v) for v in c.point],
                point_exact=None if c.point is None else [str(v) for v in c.point],
                method=c.method,
            )
            for c in found.constants
        ]
    return NeighbourhoodReport(
        index=index,
        status="exact" if found.exact else "open",
        label=found.label,
        ball=found.ball,
        constants=constants,
        proof=found.proof,
        notes=found.notes,
        seconds=found.seconds,
        statistics=found.statistics,
    )


def lipschitz_lines(index: int, found: LipschitzConstants) -> list[str]:
    """The constants of a neighbourhood, a line for each."""
    label = "" if found.label is None else f"  class {found.label}"
    many = sum(c.exact for c in found.constants)
    ball = "" if found.ball == "linf" else f"  {found.ball} ball"
    lines = [f"row {index}{label}{ball}  {many} of {len(found.constants)} constants exact, {found.seconds:.1f} s"]
    for c in found.constants:
        low, high = c.quantity.lower, c.quantity.upper
        what = f"{low:.10g}" if c.exact else f"in [{downward(low, 10)}, {'inf' if high is None else upward(high, 10)}]"
        where = f", attained by {c.attained}" if c.attained != c.target and c.point is not None else ""
        lines.append(f"  {c.target}  {c.norm}  {what}  ({'exact' if c.exact else 'open'}, {c.method}{where})")
    return lines
