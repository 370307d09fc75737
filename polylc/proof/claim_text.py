"""Claims of a certificate as text, compiled: what `json.dumps` writes of lists of integers, a few hundred thousand a
second faster.

In: claims as columns, sorted by node, and the depths of nodes. Out: for each node its claims, entries sorted by depth,
in lowest terms. Invariant: numbers stay below 2^61 (`proofs.MOST_UP`, `proofs.MOST_DOWN`), and no claim is longer than
MOST_CLAIM bytes and MOST_ENTRY for each entry.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from polylc.jit.decorators import kernel
from polylc.judge.proofs import ClaimRows, Kept
from polylc.proof.integer_text import CLOSE, COMMA, OPEN, write_integer

NODES = 8192  # written at once
MOST_CLAIM, MOST_ENTRY = 48, 32  # bytes, with brackets and commas


class _Text(NamedTuple):
    """What is written, and room for one claim."""

    byte: np.ndarray
    place: np.ndarray  # (nodes + 1,) where the text of each node begins, and the end
    entry: np.ndarray  # (most entries of a claim,) depths
    number: np.ndarray  # and integers


def claims_by_node(kept: Kept, parent: np.ndarray) -> Iterator[str]:
    """For each node of the tree in turn, its claims as a JSON list of [neuron, factor, entry, multiplier, ...], in
    lowest terms.

    Parameters
    ----------
    kept : Kept
    parent : ndarray
        Of each node, nodes in preorder. An entry is a node's depth, from 0 below the root.
    """
    rows = kept.rows
    depth = np.empty(len(parent), dtype=np.int64)
    _depths(parent, depth)
    begins = np.searchsorted(rows.node, np.arange(len(parent) + 1))
    most = int(np.diff(rows.starts).max(initial=0))
    room = np.empty(most, dtype=np.int64), np.empty(most, dtype=np.int64)
    for first in range(0, len(parent), NODES):
        last = min(first + NODES, len(parent))
        claims, entries = int(begins[last] - begins[first]), int(rows.starts[begins[last]] - rows.starts[begins[first]])
        text = np.empty(MOST_CLAIM * claims + MOST_ENTRY * entries + 2 * (last - first), dtype=np.uint8)
        place = np.empty(last - first + 1, dtype=np.int64)
        _write(first, last, begins, rows, depth, _Text(text, place, *room))
        whole, ends = text[: place[-1]].tobytes().decode("ascii"), place.tolist()
        for node in range(first, last):
            yield _listed(kept, node, depth) if node in kept.exact else whole[ends[node - first] : ends[node - first + 1]]


def _listed(kept: Kept, node: int, depth: np.ndarray) -> str:
    """The same of a node some of whose claims are not in columns."""
    claims = []
    for claim in kept.at(node):
        pairs = sorted((int(depth[v]) - 1, m) for v, m in claim.multipliers)
        common = math.gcd(claim.factor, *(m for _, m in pairs))
        numbers = [claim.neuron, claim.factor // common, *(v for e, m in pairs for v in (e, m // common))]
        claims.append(f"[{','.join(map(str, numbers))}]")
    return f"[{','.join(claims)}]"


@kernel
def _depths(parent: np.ndarray, depth: np.ndarray) -> None:
    for node in range(len(parent)):
        depth[node] = 0 if parent[node] < 0 else depth[parent[node]] + 1


@kernel
def _write(first: int, last: int, begins: np.ndarray, rows: ClaimRows, depth: np.ndarray, text: _Text) -> None:
    """Write the claims of nodes first..last."""
    byte, at = text.byte, 0
    for node in range(first, last):
        text.place[node - first] = at
        byte[at] = OPEN
        at += 1
        for c in range(begins[node], begins[node + 1]):
            if c > begins[node]:
                byte[at] = COMMA
                at += 1
            factor = _lowest_terms(rows, c, depth, text)
            byte[at] = OPEN
            at = write_integer(rows.neuron[c], byte, at + 1)
            byte[at] = COMMA
            at = write_integer(rows.sign[c] * factor, byte, at + 1)
            for q in range(rows.starts[c + 1] - rows.starts[c]):
                byte[at] = COMMA
                at = write_integer(text.entry[q], byte, at + 1)
                byte[at] = COMMA
                at = write_integer(text.number[q], byte, at + 1)
            byte[at] = CLOSE
            at += 1
        byte[at] = CLOSE
        at += 1
    text.place[last - first] = at


@kernel
def _lowest_terms(rows: ClaimRows, c: int, depth: np.ndarray, text: _Text) -> int:
    """Put the entries of a claim in the order of their depths, in lowest terms; the factor of the claim's neuron, which
    is a power of two."""
    entry, number, begin = text.entry, text.number, rows.starts[c]
    many, shift = rows.starts[c + 1] - begin, rows.shift[c]
    odd = shift <= 0
    for e in range(many):
        d, m = depth[rows.constraint[begin + e]] - 1, rows.whole[begin + e] << max(-shift, 0)
        odd = odd or m & 1 == 1
        q = e
        while q > 0 and entry[q - 1] > d:
            entry[q], number[q] = entry[q - 1], number[q - 1]
            q -= 1
        entry[q], number[q] = d, m
    factor = np.int64(1) << max(shift, 0)
    while not odd and factor > 1:  # halves of everything, as long as all are even
        factor >>= 1
        for q in range(many):
            number[q] >>= 1
            odd = odd or number[q] & 1 == 1
    return int(factor)
