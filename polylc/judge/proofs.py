"""Proved claims that are kept for a certificate, as columns; those that do not fit into columns as objects."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from polylc.errors import LimitReached

MOST_UP, MOST_DOWN = 60, 30  # shifts with which integers of 30 bits stay below 2^61


@dataclass
class KeptClaim:
    """A proved claim of the certificate: factor * z - sum m * g >= 0, the sign of `factor` being that of the claim."""

    neuron: int
    factor: int
    multipliers: list[tuple[int, int]]  # node whose half-space it is, integer


class ClaimRows(NamedTuple):
    """Claims as columns: claim c is sign * 2^shift z - sum whole * g, or sign * z - sum whole 2^-shift * g, with
    entries starts[c]:starts[c + 1].
    """

    node: np.ndarray
    neuron: np.ndarray
    sign: np.ndarray
    shift: np.ndarray
    starts: np.ndarray
    constraint: np.ndarray  # node whose half-space it is
    whole: np.ndarray

    def claims(self, begin: int, end: int) -> Iterator[tuple[int, KeptClaim]]:
        """Some of them, with their nodes."""
        starts = self.starts[begin : end + 1].tolist()
        constraint, whole = (column[starts[0] : starts[-1]].tolist() for column in (self.constraint, self.whole))
        columns = (column[begin:end].tolist() for column in (self.node, self.neuron, self.sign, self.shift))
        for c, (node, neuron, sign, q) in enumerate(zip(*columns, strict=True)):
            part = slice(starts[c] - starts[0], starts[c + 1] - starts[0])
            pairs = [(v, m << max(-q, 0)) for v, m in zip(constraint[part], whole[part], strict=True)]
            yield node, KeptClaim(neuron, sign << max(q, 0), pairs)


@dataclass
class KeptClaims:
    """Claims as columns that grow by a chunk at a time."""

    node: list[np.ndarray] = field(default_factory=list)
    neuron: list[np.ndarray] = field(default_factory=list)
    sign: list[np.ndarray] = field(default_factory=list)
    shift: list[np.ndarray] = field(default_factory=list)
    length: list[np.ndarray] = field(default_factory=list)
    constraint: list[np.ndarray] = field(default_factory=list)
    whole: list[np.ndarray] = field(default_factory=list)

    def extend(self, some: np.ndarray, rows: ClaimRows) -> list[tuple[int, KeptClaim]]:
        """Keep the claims of the mask `some` that have multipliers (the others intervals over the neighbourhood
        decide); those that do not fit.
        """
        owner = np.repeat(np.arange(len(rows.node)), np.diff(rows.starts))
        length = np.bincount(owner[rows.whole > 0], minlength=len(rows.node))
        fits = (rows.shift <= MOST_UP) & (rows.shift >= -MOST_DOWN)
        odd = [claim for c in np.flatnonzero(some & ~fits & (length > 0)).tolist() for claim in rows.claims(c, c + 1)]
        for _, claim in odd:
            claim.multipliers = [(v, m) for v, m in claim.multipliers if m]
        keep = some & fits & (length > 0)
        entries = keep[owner] & (rows.whole > 0)
        for column, values in (
            (self.node, rows.node[keep]),
            (self.neuron, rows.neuron[keep]),
            (self.sign, rows.sign[keep]),
            (self.shift, rows.shift[keep]),
            (self.length, length[keep]),
            (self.constraint, rows.constraint[entries]),
            (self.whole, rows.whole[entries]),
        ):
            column.append(values)
        return odd

    def rows(self, place: np.ndarray, go_on: Callable[[], bool] | None = None) -> ClaimRows:
        """All claims in the order of nodes, those of a node in that of neurons; nodes renamed by `place`.

        Raises
        ------
        LimitReached
            If `go_on` says no, which is asked between parts of the work.
        """
        none = np.zeros(0, dtype=np.int64)

        def joined(parts: list[np.ndarray]) -> np.ndarray:
            if go_on is not None and not go_on():
                raise LimitReached("there was no time left")
            return np.concatenate([none, *parts]).astype(np.int64)

        columns = [joined(c) for c in (self.node, self.neuron, self.sign, self.shift, self.length)]
        node, length = place[columns[0]], columns[4]
        order = np.lexsort((columns[1], node))
        begins = (np.cumsum(length) - length)[order]
        starts = np.concatenate([[0], np.cumsum(length[order])])
        entries = np.repeat(begins - starts[:-1], length[order]) + np.arange(starts[-1])
        neuron, sign, shift = (c[order] for c in columns[1:4])
        constraint = joined(self.constraint)
        constraint = place[constraint[entries]]
        whole = joined(self.whole)
        return ClaimRows(node[order], neuron, sign, shift, starts, constraint, whole[entries])


NO_ROWS = KeptClaims().rows(np.zeros(0, dtype=np.int64))


@dataclass(frozen=True, eq=False)
class Kept:
    """Proved claims by node: in columns, sorted by node and neuron, and by node those that are not in columns."""

    rows: ClaimRows = NO_ROWS
    exact: Mapping[int, list[KeptClaim]] = field(default_factory=dict)

    def at(self, node: int) -> list[KeptClaim]:
        """The claims at a node, in the order of neurons."""
        begin, end = np.searchsorted(self.rows.node, [node, node + 1]).tolist()
        return sorted([*(claim for _, claim in self.rows.claims(begin, end)), *self.exact.get(node, [])], key=lambda c: c.neuron)

    def by_node(self) -> dict[int, list[KeptClaim]]:
        """All claims, those of a node in the order of neurons."""
        result: dict[int, list[KeptClaim]] = {}
        for node, claim in self.rows.claims(0, len(self.rows.node)):
            result.setdefault(node, []).append(claim)
        for node, claims in self.exact.items():
            result[node] = sorted([*result.get(node, []), *claims], key=lambda c: c.neuron)
        return result

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Kept) and self.by_node() == other.by_node()

    __hash__ = None  # type: ignore[assignment]
