"""The JSON report of `verify`, schema `polylc.verify/1`. Keys may be added, none renamed."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from polylc._version import __version__
from polylc.exact.numbers import long_numbers
from polylc.readers.question import Question
from polylc.report.assignment import values_at
from polylc.report.schema import NetworkInfo, network_info
from polylc.report.setting import Setting, setting


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=True, serialize_by_alias=True)


class ModelInfo(_Model):
    """A model, by the name that the query declares."""

    name: str
    network: NetworkInfo


class VariableInfo(_Model):
    """A variable with its exact values, row by row: decimals or fractions; rounded to doubles behind a softmax."""

    name: str
    kind: Literal["input", "hidden", "output"]
    network: str
    element: str
    shape: list[int]
    exact: bool
    values: list[str]


class QueryReport(_Model):
    """The answer to one query. `result` is null where it could not be asked, and `error` says why."""

    query: str
    query_sha256: str | None = None
    vnnlib: str | None = None
    semantics: str | None = None
    models: list[ModelInfo] = []
    result: Literal["sat", "unsat", "unknown", "timed-out"] | None = None
    assignment: list[VariableInfo] | None = None
    proof: str | None = None
    seconds: float = 0.0
    statistics: dict[str, float] = {}
    note: str | None = None
    error: str | None = None


class VerifyReport(_Model):
    """All answers of a run."""

    format: Literal["polylc.verify/1"] = Field(default="polylc.verify/1", alias="schema")
    version: str = __version__
    setting: Setting | None = Field(default_factory=setting)
    results: list[QueryReport]


def models_of(question: Question) -> list[ModelInfo]:
    """The models of a question."""
    return [ModelInfo(name=name, network=network_info(network)) for name, network in question.models]


def variables_of(question: Question, x: Sequence[Fraction], y: Sequence[Fraction]) -> list[VariableInfo]:
    """An assignment, exactly."""
    with long_numbers():
        return [
            VariableInfo(
                name=place.variable.name,
                kind=place.variable.kind.value,
                network=place.network,
                element=place.variable.element,
                shape=list(place.variable.shape),
                exact=not place.softmax,
                values=[str(v) for v in values],
            )
            for place, values in values_at(question, x, y)
        ]
