"""What takes an engine's chunks: every region and every claim is confirmed as it comes, or put among the doubts.

Claims are read with the forms of a region below their node: the float filter settles nearly all, scaled integers what
is left, an exact simplex the ties. Nothing depends on a tolerance, on the engine, or on the order of neurons.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import NamedTuple

import numpy as np

from polylc.domains.domain import Domain
from polylc.engines.contract import Chunk
from polylc.errors import JudgeError
from polylc.judge import node_filter as kernels
from polylc.judge.columns import Book, Columns
from polylc.judge.door import admit
from polylc.judge.exact_decision import Proof, Refuted, holds, inside, sign_on_cell
from polylc.judge.proofs import ClaimRows, Kept, KeptClaim, KeptClaims
from polylc.judge.verdict import Batch, Tally, gather, room_for_maps
from polylc.network.exact_forms import ExactForms, Row
from polylc.network.form import Network
from polylc.network.patterns import unpack
from polylc.network.replay import Replay, begin, flatten
from polylc.network.twins import twins


@dataclass
class Doubt:
    """A claim that is false on its node's cell."""

    node: int
    neuron: int
    sign: int


class _Rounded(NamedTuple):
    """Multipliers as integers m / 2^q: q of each claim, m of each entry, and the quotient."""

    shift: np.ndarray
    whole: np.ndarray
    multiplier: np.ndarray


def _rounded(claims: kernels.ClaimColumns) -> _Rounded:
    entries = len(claims.multiplier)
    result = _Rounded(np.zeros(len(claims.node), dtype=np.int64), np.zeros(entries, dtype=np.int64), np.zeros(entries))
    kernels.round_multipliers(claims, *result)
    return result


class NodeSink:
    """A sink for chunks, which keeps what is confirmed of them.

    Parameters
    ----------
    network : Network
    domain : Domain
    keep : bool
        Whether proofs are kept for a certificate.
    forms : ExactForms, optional
        Those of the network on the neighbourhood, if they are there already.
    go_on : callable, optional
        Asked between exact decisions; when it says no, the claims that the filter left open are left to `verdict`.
    maps : int
        How many bytes the affine maps of all regions may take; beyond that they are left out.
    """

    keeps_regions = True

    def __init__(
        self,
        network: Network,
        domain: Domain,
        keep: bool = False,
        forms: ExactForms | None = None,
        go_on: Callable[[], bool] | None = None,
        maps: int = 0,
    ) -> None:
        self.network, self.domain, self._go_on, self._map_bytes = network, domain, go_on, maps
        self.left_open = False  # whether claims were
        self.forms = forms or ExactForms(network, domain.exact_embedding)
        self.tree = Columns(network.neurons)
        self.book: Book = self.tree
        self.kept = KeptClaims() if keep else None
        self.tally = Tally()
        self._start = domain.start(network)
        self._net = flatten(self._start.network)
        # a certificate has integers for multipliers, so ratios of twins have to be of few bits
        self._plain = twins(network).short if keep else np.ones(network.neurons, dtype=bool)
        self.regions: list[Batch] = []
        self.doubts: list[Doubt] = []
        self.done = 0  # regions of chunks that were taken completely
        self._busy = False
        self._room = kernels.Room(np.zeros(0, dtype=np.int32), np.zeros(1, dtype=np.int64), np.empty(domain.dimension + 1))
        self._below = np.zeros(0, dtype=np.int32)  # number of the first region of the last chunk below each node that has one

    def _make_room(self) -> None:
        """Marks for all nodes."""
        old = len(self._below)
        if old < self.tree.count:
            more = np.full(2 * self.tree.count - old, kernels.NOT_ON_PATH, dtype=np.int32)
            self._below = np.concatenate([self._below, more])
            self._room = self._room._replace(mark=np.concatenate([self._room.mark, more]))

    @cached_property
    def _replay(self) -> Replay:
        along, embedding, rounding = self._start
        return begin(along, self._net, embedding, rounding)

    def __call__(self, chunk: Chunk) -> None:
        """Confirm a chunk."""
        if self._busy:  # an interrupt fell into the chunk before
            return
        self._busy = True
        tree = self.tree
        chunk = admit(chunk, self.network.neurons, self.domain.dimension, tree.count, self.done)
        count = len(chunk.leaf)
        tree.extend(chunk.parent, chunk.neuron, chunk.side)
        self._make_room()
        kernels.represent(tree.parent, chunk.leaf, self.done, self._below)
        claims, owner = chunk.claims, self._below[chunk.claims.node] - self.done
        if (owner < 0).any():
            raise JudgeError("the engine claims something of a cell without a region")
        if (owner[1:] < owner[:-1]).any():
            order = np.argsort(owner, kind="stable")
            claims, owner = claims.take(order), owner[order]
        points, good = np.empty((count, self.domain.dimension)), np.zeros(count, dtype=bool)
        held, zero = np.zeros(len(claims), dtype=bool), np.zeros(len(claims), dtype=bool)
        regions = kernels.Regions(chunk.leaf, chunk.bits, chunk.unit)
        bounds = np.searchsorted(owner, np.arange(count + 1))
        columns = kernels.ClaimColumns(*vars(claims).values())
        # a certificate has integers, so these are what must prove
        rounded = None if self.kept is None else _rounded(columns)
        proposed = columns if rounded is None else columns._replace(multiplier=rounded.multiplier)
        nodes = kernels.Tree(tree.parent, tree.neuron, tree.side)
        maps = room_for_maps(self.network, self.domain.dimension, self.regions, count, self._map_bytes)
        room = self._room
        room.first[0] = self.done
        kernels.sift(self._net, self._replay, nodes, regions, proposed, bounds, points, good, held, zero, self._plain, maps.map, maps.noise, room)
        self._points(chunk, points, good)
        self._claims(chunk, columns, owner, held, zero, rounded)
        near = np.zeros((count, 0), dtype=np.uint64)
        told = maps if len(maps.map) == count else None
        self.regions.append(Batch(chunk.bits.copy(), points, good, chunk.leaf.astype(np.int64), near, told))
        self.done += count
        self._busy = False
        gather(self.regions)

    # ---- regions ---------------------------------------------------------------------------------------------------
    def _points(self, chunk: Chunk, points: np.ndarray, good: np.ndarray) -> None:
        """Settle in integers whether points that the filter leaves open are strictly inside their cells."""
        self.tally.regions_filter += int(good.sum())
        for r in np.flatnonzero(~good).tolist():
            points[r] = chunk.unit[r]
            pattern = unpack(chunk.bits[r : r + 1], self.network.neurons)[0]
            if inside(self.rows(int(chunk.leaf[r]), pattern), [Fraction(v) for v in chunk.unit[r].tolist()]):
                good[r] = True
                self.tally.regions_integers += 1

    def rows(self, node: int, bits: np.ndarray) -> list[Row]:
        """Integer half-spaces of the path of a node, for the bits of a region below it."""
        path = self.book.path(node)
        forms = self.forms.neurons([int(self.book.neuron[v]) for v in path], bits)
        return [self._oriented(v, form) for v, form in zip(path, forms, strict=True)]

    def _oriented(self, node: int, form: Row) -> Row:
        """The form of a node's neuron, positive on the node."""
        return form if self.book.side[node] == 1 else tuple(-a for a in form)

    # ---- claims ------------------------------------------------------------------------------------------------------
    def _claims(
        self, chunk: Chunk, claims: kernels.ClaimColumns, owner: np.ndarray, held: np.ndarray, zero: np.ndarray, rounded: _Rounded | None
    ) -> None:
        """Enter the claims that hold, and those of forms that are zero; settle the others exactly with the pattern of a
        region below.
        """
        sign = np.where(zero, -1, claims.sign).astype(claims.sign.dtype)  # the bit of a form that vanishes is 0
        kernels.confirm(held | zero, claims.node, claims.neuron, sign, self.tree.known, self.tree.ones)
        self.tally.claims_filter += int(held.sum() + zero.sum())
        if self.kept is not None and rounded is not None:
            rows = ClaimRows(claims.node, claims.neuron, claims.sign, rounded.shift, claims.starts, claims.constraint, rounded.whole)
            for node, claim in self.kept.extend(held, rows):
                self.tree.exact.setdefault(node, []).append(claim)
        held |= zero
        if held.all():
            return
        shift, whole, _ = _rounded(claims) if rounded is None else rounded
        left = np.flatnonzero(~held)
        for group in np.split(left, np.flatnonzero(np.diff(owner[left])) + 1):  # the claims of one region, in one composition
            if self._go_on is not None and not self._go_on():
                self.left_open = True
                return
            region = owner[group[0]]
            pattern = unpack(chunk.bits[region : region + 1], self.network.neurons)[0]
            proposed = []
            for c in group.tolist():
                part, q = slice(int(claims.starts[c]), int(claims.starts[c + 1])), int(shift[c])
                pairs = zip(claims.constraint[part].tolist(), whole[part].tolist(), strict=True)
                proposed.append((1 << max(q, 0), {v: m << max(-q, 0) for v, m in pairs if m}))
            needed = {*claims.neuron[group].tolist(), *(int(self.tree.neuron[v]) for _, pairs in proposed for v in pairs)}
            forms = dict(zip(sorted(needed), self.forms.neurons(sorted(needed), pattern), strict=True))
            for c, (factor, multipliers) in zip(group.tolist(), proposed, strict=True):
                if self._go_on is not None and not self._go_on():
                    self.left_open = True
                    return
                asked = Doubt(int(claims.node[c]), int(claims.neuron[c]), int(claims.sign[c]))
                self.settle(asked, pattern, forms, factor, multipliers)

    def decide(self, node: int, neuron: int, sign: int, bits: np.ndarray) -> bool:
        """Settle a claim exactly: confirm it, or put it among the doubts; whether it holds.

        Parameters
        ----------
        node, neuron, sign : int
            The claim.
        bits : ndarray of bool
            Pattern of a region below the node.
        """
        return self.settle(Doubt(node, neuron, sign), bits, {neuron: self.forms.neuron(neuron, bits)}, 1, {})

    def settle(self, asked: Doubt, bits: np.ndarray, forms: dict[int, Row], factor: int, proposed: dict[int, int]) -> bool:
        """`decide`, for multipliers proposed: factor * sign * z - sum proposed[v] * g_v >= 0, and the forms of the
        neurons in it.
        """
        node, neuron, sign = asked.node, asked.neuron, asked.sign
        form = forms[neuron]
        if not any(form):
            self.book.confirm(node, neuron, False, None)
            self.tally.claims_integers += 1
            return True
        target = form if sign > 0 else tuple(-v for v in form)
        path = self.book.path(node)
        place = {v: e for e, v in enumerate(path)}
        proof = Proof(factor, {place[v]: m for v, m in proposed.items() if v in place})
        some = {place[v]: self._oriented(v, forms[int(self.book.neuron[v])]) for v in proposed if v in place}
        if holds(target, some, proof):
            self.tally.claims_integers += 1
        else:
            answer = sign_on_cell(target, self.rows(node, bits), proof.multipliers)
            if isinstance(answer, Refuted):
                self.doubts.append(asked)
                self.tally.claims_refuted += 1
                return False
            proof = answer
            self.tally.claims_simplex += 1
        claim = None
        if self.kept is not None:
            claim = KeptClaim(neuron, sign * proof.factor, [(path[e], m) for e, m in proof.multipliers.items()])
        self.book.confirm(node, neuron, sign > 0, claim)
        return True

    def gather(self, place: np.ndarray, go_on: Callable[[], bool] | None = None) -> Kept:
        """The kept claims by node, nodes renamed by `place`; `go_on` is asked now and then.

        Raises
        ------
        LimitReached
            If `go_on` says no.
        """
        if self.kept is None:
            return Kept()

        def renamed(claim: KeptClaim) -> KeptClaim:
            return KeptClaim(claim.neuron, claim.factor, [(int(place[v]), m) for v, m in claim.multipliers])

        exact = {int(place[node]): [renamed(c) for c in claims] for node, claims in self.tree.exact.items()}
        return Kept(self.kept.rows(place, go_on), exact)
