"""What is known of one neighbourhood, as data that reports read; and rows that were refused."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

from polylc.complex.along import Breakpoints
from polylc.complex.complex import Complex
from polylc.complex.graph import RegionGraph
from polylc.domains.domain import Domain
from polylc.engines.contract import Outcome
from polylc.exact.quantity import Quantity
from polylc.measures.answers import Answers
from polylc.measures.by_volume.volumes import Volumes
from polylc.measures.by_volume.weighed import Weighed
from polylc.measures.registry import ATTRIBUTES
from polylc.network.form import Network
from polylc.report.status import Status


@dataclass(frozen=True)
class Refusal:
    """A data row that could not be used, and why."""

    index: int
    reason: str

    @property
    def status(self) -> Status:
        """Always refused."""
        return Status.REFUSED


@dataclass(frozen=True, eq=False)
class Record:
    """What is known of one neighbourhood.

    Attributes
    ----------
    index : int
        Position of the neighbourhood in the run (its data row).
    status : Status
        certified (complete, and proved in exact arithmetic), enumerated (complete, in floating point) or partial (a
        limit was reached: counts are lower bounds).
    regions : int or None
        Number of activation regions; None where searches answered what was asked, and nothing was enumerated.
    volume : Quantity
        Exact volume of the neighbourhood in its free coordinates, outward rounded.
    label : int or None
        The class whose robustness was asked.
    answers : Answers
        The measures; their parts are also attributes (``result.pieces``), None where there is no value, with the reason
        in `notes`.
    remarks : dict
        What was substituted, what the status means; `notes` has these and why something is null.
    outcome : Outcome
        How the enumeration ended; as text in words.
    stats : dict
        Counters of the engine and the facet tests.
    complex : Complex or None
        Columns of regions; None if the run was told not to keep them.
    exact_points : dict
        Points of regions of `complex` that doubles cannot hold, in unit coordinates.
    weighed : Weighed or None
        How to have the volumes and areas of a certified result again.
    block : (Path, str) or None
        Block of a proof file and its hash.
    line : Breakpoints or None
        What the network does along a line, of a certified result on one.
    late : tuple of str
        Measures, or the proof, that the time limit left out.
    """

    index: int
    network: Network
    domain: Domain
    status: Status
    outcome: Outcome
    engine: str
    regions: int | None
    volume: Quantity
    label: int | None
    answers: Answers
    remarks: dict[str, str]
    seconds: float
    stats: dict[str, int] = field(default_factory=dict)
    complex: Complex | None = None
    exact_points: dict[int, tuple[Fraction, ...]] = field(default_factory=dict)
    region_graph: RegionGraph | None = None
    weighed: Weighed | None = None
    block: tuple[Path, str] | None = None
    line: Breakpoints | None = None
    late: tuple[str, ...] = ()

    def __getattr__(self, name: str) -> Any:
        if name not in ATTRIBUTES:
            raise AttributeError(f"a result has no attribute {name!r}")
        row, read = ATTRIBUTES[name]
        value = self.answers.value(row.name)
        return None if value is None else read(value)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *ATTRIBUTES})

    @cached_property
    def notes(self) -> dict[str, str]:
        """Why something is null, what was substituted, what the status means."""
        return self.remarks | self.answers.notes()

    @property
    def volumes(self) -> Volumes | None:
        """Proved volumes and areas of a certified result whose regions were kept."""
        return None if self.weighed is None else self.weighed.volumes

    @property
    def complete(self) -> bool:
        """Whether all regions were found."""
        return self.status.complete
