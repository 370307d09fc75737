"""Claims of a certificate as text, compiled: what `json.dumps` writes of lists of integers, a few hundred thousand a second faster."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from polylc.jit.decorators import kernel
from polylc.judge.proofs import Kept

NODES = 8192  # written at once
MOST_CLAIM, MOST_ENTRY = 48, 32  # bytes, with brackets and commas


def claims_by_node(kept: Kept, parent: np.ndarray) -> Iterator[str]:
    """For each node of the tree in turn, its claims as a JSON list of [neuron, factor, entry, multiplier, ...], in lowest terms.

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
        _write(first, last, begins, rows.neuron, rows.sign, rows.shift, rows.starts, depth, rows.constraint, rows.whole, *room, text, place)
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
def _number(value: int, text: np.ndarray, at: int) -> int:
    """Write an integer; the place behind it."""
    if value < 0:
        text[at] = 45
        at += 1
        value = -value
    end = at + 1
    rest = value // 10
    while rest:
        rest //= 10
        end += 1
    for place in range(end - 1, at - 1, -1):
        text[place] = 48 + value % 10
        value //= 10
    return end


@kernel
def _write(
    first: int,
    last: int,
    begins: np.ndarray,
    neuron: np.ndarray,
    sign: np.ndarray,
    shift: np.ndarray,
    starts: np.ndarray,
    depth: np.ndarray,
    constraint: np.ndarray,
    whole: np.ndarray,
    entry: np.ndarray,
    number: np.ndarray,
    text: np.ndarray,
    place: np.ndarray,
) -> None:
    """Write the claims of nodes first..last; `place` receives where each begins, and the end."""
    at = 0
    for node in range(first, last):
        place[node - first] = at
        text[at] = 91
        at += 1
        for c in range(begins[node], begins[node + 1]):
            if c > begins[node]:
                text[at] = 44
                at += 1
            many = starts[c + 1] - starts[c]
            odd = shift[c] <= 0
            for e in range(many):
                d, m = depth[constraint[starts[c] + e]] - 1, whole[starts[c] + e] << max(-shift[c], 0)
                odd = odd or m & 1 == 1
                q = e
                while q > 0 and entry[q - 1] > d:
                    entry[q], number[q] = entry[q - 1], number[q - 1]
                    q -= 1
                entry[q], number[q] = d, m
            factor = np.int64(1) << max(shift[c], 0)
            while not odd and factor > 1:  # the factor is a power of two, so this makes lowest terms
                factor >>= 1
                for q in range(many):
                    number[q] >>= 1
                    odd = odd or number[q] & 1 == 1
            text[at] = 91
            at = _number(neuron[c], text, at + 1)
            text[at] = 44
            at = _number(sign[c] * factor, text, at + 1)
            for q in range(many):
                text[at] = 44
                at = _number(entry[q], text, at + 1)
                text[at] = 44
                at = _number(number[q], text, at + 1)
            text[at] = 93
            at += 1
        text[at] = 93
        at += 1
    place[last - first] = at
