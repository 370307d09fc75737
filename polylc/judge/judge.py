"""The judge: takes an engine's chunks, confirms every region and every claim, and has what it cannot confirm mended.

Claims are read with the forms of a region below their node: the float filter settles nearly all, scaled integers what is
left, an exact simplex the ties. A claim that is false means that a region was missed: `mend` then splits that cell
exactly. Nothing depends on a tolerance, on the engine, or on the order of neurons.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from polylc.engines.tree import Chunk, Exploration
from polylc.errors import JudgeError
from polylc.geometry.neighbourhood import Neighbourhood
from polylc.judge import filter as floats
from polylc.judge.decide import Point, Proof, Refuted, holds, inside, sign_on_cell
from polylc.network.compose import Forms, batches, compose, embedding
from polylc.network.exact_forms import ExactForms, Row
from polylc.network.form import Network
from polylc.network.patterns import unpack

POINT_BITS = 20  # points of regions are rounded to multiples of 2^-20 where they stay inside


@dataclass
class Tally:
    """How claims and regions were settled, for reports."""

    claims_filter: int = 0
    claims_integers: int = 0
    claims_simplex: int = 0
    claims_refuted: int = 0
    regions_filter: int = 0
    regions_integers: int = 0
    regions_simplex: int = 0
    regions_refuted: int = 0
    regions_found: int = 0

    def as_dict(self) -> dict[str, int]:
        """The counters by name."""
        return dict(vars(self))


@dataclass
class KeptClaim:
    """A proved claim of the certificate: factor * z - sum m * g >= 0, the sign of `factor` being that of the claim."""

    neuron: int
    factor: int
    multipliers: list[tuple[int, int]]  # node whose half-space it is, integer


@dataclass
class Doubt:
    """A claim that is false on its node's cell."""

    node: int
    neuron: int
    sign: int


@dataclass
class Tree:
    """The decision tree as growing columns, and what is known of its nodes."""

    parent: list[int] = field(default_factory=list)
    neuron: list[int] = field(default_factory=list)
    side: list[int] = field(default_factory=list)
    known: list[int] = field(default_factory=list)  # mask of neurons decided by confirmed claims made at this very node
    ones: list[int] = field(default_factory=list)  # those of them with bit 1
    kept: dict[int, list[KeptClaim]] = field(default_factory=dict)  # with the certificate in mind

    def add(self, parent: int, neuron: int, side: int) -> int:
        """A new node."""
        for column, value in ((self.parent, parent), (self.neuron, neuron), (self.side, side), (self.known, 0), (self.ones, 0)):
            column.append(value)
        return len(self.parent) - 1

    def path(self, node: int) -> list[int]:
        """Nodes from below the root down to `node`."""
        line = []
        while self.parent[node] >= 0:
            line.append(node)
            node = self.parent[node]
        return line[::-1]

    def confirm(self, node: int, neuron: int, bit: bool, claim: KeptClaim | None) -> None:
        """Record a proved claim."""
        self.known[node] |= 1 << neuron
        if bit:
            self.ones[node] |= 1 << neuron
        else:
            self.ones[node] &= ~(1 << neuron)
        if claim is not None and claim.multipliers:  # without multipliers intervals over the neighbourhood decide
            self.kept.setdefault(node, []).append(claim)


class Judge:
    """A sink for chunks; `verdict` then gives the confirmed exploration.

    Parameters
    ----------
    network : Network
    domain : Neighbourhood
    keep : bool
        Whether proofs are kept for a certificate.
    """

    def __init__(self, network: Network, domain: Neighbourhood, keep: bool = False) -> None:
        self.network, self.domain, self.keep = network, domain, keep
        self.forms = ExactForms(network, domain.lower, domain.upper)
        self.tree = Tree()
        self.tally = Tally()
        self.start = embedding(domain.basis * domain.half, domain.middle)
        self.leaf: list[int] = []
        self.point: list[np.ndarray | Point | None] = []  # doubles, rationals, or None where the engine's point is refuted
        self.pattern: list[np.ndarray] = []
        self.doubts: list[Doubt] = []
        self.done = 0  # regions of chunks that were taken completely
        self._busy = False

    def __call__(self, chunk: Chunk) -> None:
        """Confirm a chunk."""
        if self._busy:  # an interrupt fell into the chunk before
            return
        self._busy = True
        tree = self.tree
        if chunk.first_node != len(tree.parent) or chunk.first_region != len(self.leaf):
            raise JudgeError("a chunk of the engine's output was lost")
        for parent, neuron, side in zip(chunk.parent.tolist(), chunk.neuron.tolist(), chunk.side.tolist(), strict=True):
            tree.add(parent, neuron, side)
        bits = unpack(chunk.bits, self.network.neurons)
        first = len(self.leaf)
        self.leaf += chunk.leaf.tolist()
        self.pattern += list(bits)
        self.point += [None] * len(chunk.leaf)
        below = self._representatives(chunk)
        entries, nodes = self._paths(chunk)
        owner = below[chunk.claims.node]
        order = np.argsort(owner, kind="stable")
        bounds = np.searchsorted(owner[order], np.arange(len(bits) + 1))
        for rows in batches(len(bits), (self.network.neurons + self.network.outputs + 1) * (self.domain.dimension + 1)):
            forms = compose(self.network, bits[rows], self.start, self.domain.rounding)
            self._points(chunk, rows, forms, entries, nodes, first)
            self._claims(chunk, rows.start, forms, owner, order[bounds[rows.start] : bounds[rows.stop]], bits)
        self.done = len(self.leaf)
        self._busy = False

    # ---- regions ---------------------------------------------------------------------------------------------------
    def _representatives(self, chunk: Chunk) -> np.ndarray:
        """For every node, a region of the chunk below it (its index in the chunk), or -1."""
        found = np.full(len(self.tree.parent), -1, dtype=np.int64)
        parent = self.tree.parent
        for region, node in enumerate(chunk.leaf.tolist()):
            while node >= 0 and found[node] < 0:
                found[node] = region
                node = parent[node]
        return found

    def _paths(self, chunk: Chunk) -> tuple[np.ndarray, np.ndarray]:
        """Starts (R + 1,) and nodes of the paths of the chunk's regions."""
        paths = [self.tree.path(node) for node in chunk.leaf.tolist()]
        starts = np.concatenate([[0], np.cumsum([len(p) for p in paths])]).astype(np.int64)
        return starts, np.array([node for path in paths for node in path], dtype=np.int64)

    def _columns(self, nodes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Neuron and sign (+1, -1) of the half-spaces of nodes."""
        neuron = np.array([self.tree.neuron[v] for v in nodes.tolist()], dtype=np.int64)
        sign = np.array([1.0 if self.tree.side[v] == 1 else -1.0 for v in nodes.tolist()])
        return neuron, sign

    def _points(self, chunk: Chunk, rows: slice, forms: Forms, starts: np.ndarray, nodes: np.ndarray, first: int) -> None:
        """Confirm that the points of regions are strictly inside their cells, first rounded to few digits."""
        entries = nodes[starts[rows.start] : starts[rows.stop]]
        count = rows.stop - rows.start
        owner = np.repeat(np.arange(count), np.diff(starts[rows.start : rows.stop + 1]))
        neuron, sign = self._columns(entries)
        half_spaces = forms.hidden[owner, neuron] * sign[:, None]
        error = forms.noise[owner, neuron]
        given = chunk.unit[rows]
        open_ = np.ones(count, dtype=bool)
        for points in (np.ldexp(np.rint(np.ldexp(given, POINT_BITS)), -POINT_BITS), given):
            bad = np.zeros(count, dtype=bool)
            bad[owner[~floats.positive_at(half_spaces, error, points[owner])]] = True
            good = open_ & ~bad & (np.abs(points) < 1).all(axis=1)
            for r in np.flatnonzero(good):
                self.point[first + rows.start + r] = points[r]
            self.tally.regions_filter += int(good.sum())
            open_ &= ~good
        for r in np.flatnonzero(open_):
            region = first + rows.start + int(r)
            point = tuple(Fraction(v) for v in given[r].tolist())
            if inside(self.rows(self.leaf[region], self.pattern[region]), point):
                self.point[region] = point
                self.tally.regions_integers += 1

    def rows(self, node: int, bits: np.ndarray) -> list[Row]:
        """Integer half-spaces of the path of a node, for the bits of a region below it."""
        result = []
        for v in self.tree.path(node):
            form = self.forms.neuron(self.tree.neuron[v], bits)
            result.append(form if self.tree.side[v] == 1 else tuple(-a for a in form))
        return result

    # ---- claims ------------------------------------------------------------------------------------------------------
    def _claims(self, chunk: Chunk, offset: int, forms: Forms, owner: np.ndarray, some: np.ndarray, bits: np.ndarray) -> None:
        """Confirm the claims `some`, whose representatives are the regions of `forms`, counted from `offset`."""
        claims = chunk.claims
        if not len(some):
            return
        lengths = np.diff(claims.starts)[some]
        starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        entries = np.repeat(claims.starts[:-1][some] - starts[:-1], lengths) + np.arange(starts[-1])
        region = owner[some] - offset
        neuron, sign = claims.neuron[some].astype(np.int64), claims.sign[some].astype(np.float64)
        at_neuron, at_sign = self._columns(claims.constraint[entries])
        at_region = np.repeat(region, lengths)
        multiplier, shift = floats.whole_multipliers(starts, claims.multiplier[entries])
        held = floats.claims_hold(
            forms.hidden[region, neuron] * sign[:, None],
            forms.noise[region, neuron],
            starts,
            forms.hidden[at_region, at_neuron] * at_sign[:, None],
            forms.noise[at_region, at_neuron],
            np.ldexp(multiplier.astype(np.float64), -np.repeat(shift, lengths)),
        )
        self.tally.claims_filter += int(held.sum())
        nodes = claims.node[some].tolist()
        for c, ok in enumerate(held.tolist()):
            node, s = nodes[c], int(sign[c])
            pairs: list[tuple[int, int]] = []
            factor = 1
            if self.keep or not ok:
                part = slice(int(starts[c]), int(starts[c + 1]))
                pairs = [(v, m) for v, m in zip(claims.constraint[entries[part]].tolist(), multiplier[part].tolist(), strict=True) if m]
                q = int(shift[c]) if pairs else 0
                factor = 1 << max(q, 0)
                pairs = [(v, m << max(-q, 0)) for v, m in pairs]
            if ok:
                self.tree.confirm(node, int(neuron[c]), s > 0, KeptClaim(int(neuron[c]), s * factor, pairs) if self.keep else None)
            else:
                self.decide(node, int(neuron[c]), s, bits[owner[some[c]]], factor, pairs)

    def decide(self, node: int, neuron: int, sign: int, bits: np.ndarray, factor: int = 1, pairs: list[tuple[int, int]] | None = None) -> bool:
        """Settle a claim exactly: confirm it, or put it among the doubts; whether it holds.

        Parameters
        ----------
        node, neuron, sign : int
            The claim.
        bits : ndarray of bool
            Pattern of a region below the node.
        factor, pairs : int, list
            Multipliers proposed: factor * sign * z - sum m * g >= 0.
        """
        form = self.forms.neuron(neuron, bits)
        if not any(form):
            self.tree.confirm(node, neuron, False, None)
            self.tally.claims_integers += 1
            return True
        target = form if sign > 0 else tuple(-v for v in form)
        path = self.tree.path(node)
        place = {v: e for e, v in enumerate(path)}
        rows = self.rows(node, bits)
        proposed = Proof(factor, {place[v]: m for v, m in pairs or []})
        if holds(target, rows, proposed):
            proof = proposed
            self.tally.claims_integers += 1
        else:
            answer = sign_on_cell(target, rows, proposed.multipliers)
            if isinstance(answer, Refuted):
                self.doubts.append(Doubt(node, neuron, sign))
                self.tally.claims_refuted += 1
                return False
            proof = answer
            self.tally.claims_simplex += 1
        claim = KeptClaim(neuron, sign * proof.factor, [(path[e], m) for e, m in proof.multipliers.items()]) if self.keep else None
        self.tree.confirm(node, neuron, sign > 0, claim)
        return True

    def verdict(self, found: Exploration, go_on: Callable[[], bool] | None = None) -> Verdict:
        """What is confirmed of an exploration whose chunks were all taken; missed regions are found.

        Parameters
        ----------
        found : Exploration
        go_on : callable, optional
            Asked between exact decisions; False stops them, and the verdict is then partial.
        """
        from polylc.judge.mend import mend

        return mend(self, found, go_on)


@dataclass(frozen=True)
class Verdict:
    """A confirmed exploration.

    Attributes
    ----------
    exploration : Exploration
        Nodes in preorder, regions in the order of their leaves; `unit` holds nearest doubles.
    points : list
        The exact point of each region: doubles (an array) or a tuple of Fractions.
    kept : dict of int to list of KeptClaim
        Claims by node, for the certificate.
    tally : Tally
    """

    exploration: Exploration
    points: list[np.ndarray | Point]
    kept: dict[int, list[KeptClaim]]
    tally: Tally
