"""Claims as columns and as text, against a plain reference: objects, and json."""

from __future__ import annotations

import json
import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from nets import random_net, zero_bias_net
from test_judge import unit_box

from polylc.engines.vertex.engine import VertexEngine
from polylc.judge.by_node import Judge
from polylc.judge.proofs import MOST_DOWN, MOST_UP, ClaimRows, Kept, KeptClaim, KeptClaims
from polylc.proof.claim_text import claims_by_node


def plain(kept: dict[int, list[KeptClaim]], parent: list[int]) -> list[str]:
    """What a proof file says of each node, by json."""
    depth = [0] * len(parent)
    for node in range(1, len(parent)):
        depth[node] = depth[parent[node]] + 1
    result = []
    for node in range(len(parent)):
        claims = []
        for claim in sorted(kept.get(node, []), key=lambda c: c.neuron):
            pairs = sorted((depth[v] - 1, m) for v, m in claim.multipliers)
            common = math.gcd(claim.factor, *(m for _, m in pairs))
            claims.append([claim.neuron, claim.factor // common, *(v for e, m in pairs for v in (e, m // common))])
        result.append(json.dumps(claims, separators=(",", ":")))
    return result


@st.composite
def lists_of_claims(draw) -> tuple[np.ndarray, ClaimRows, np.ndarray]:
    """A path of nodes, and claims on its half-spaces with any shifts; multipliers that are 0 as well."""
    nodes = draw(st.integers(2, 6))
    claims = []
    for _ in range(draw(st.integers(0, 6))):
        node = draw(st.integers(1, nodes - 1))
        own = draw(st.lists(st.integers(1, node), unique=True, max_size=3))
        whole = [draw(st.one_of(st.integers(0, 2**30), st.sampled_from([0, 1, 4, 2**29, 2**30]))) for _ in own]
        shift = draw(st.one_of(st.integers(-80, 120), st.sampled_from([-MOST_DOWN - 1, -MOST_DOWN, 0, 1, MOST_UP, MOST_UP + 1])))
        claims.append((node, draw(st.sampled_from([-1, 1])), shift, own, whole))
    starts = np.cumsum([0, *(len(c[3]) for c in claims)])
    columns = [np.array([c[i] for c in claims], dtype=np.int64) for i in range(3)]
    constraint, whole = (np.array([v for c in claims for v in c[i]], dtype=np.int64) for i in (3, 4))
    neuron = draw(st.permutations(range(len(claims))))
    rows = ClaimRows(columns[0], np.array(neuron, dtype=np.int64), columns[1], columns[2], starts, constraint, whole)
    some = np.array([draw(st.booleans()) for _ in claims], dtype=bool)
    return np.arange(-1, nodes - 1), rows, some


@given(lists_of_claims())
def test_columns_and_text_say_what_objects_and_json_say(found):
    parent, rows, some = found
    expected: dict[int, list[KeptClaim]] = {}
    for c in np.flatnonzero(some).tolist():
        part = slice(rows.starts[c], rows.starts[c + 1])
        q, sign = int(rows.shift[c]), int(rows.sign[c])
        pairs = [(v, m << max(-q, 0)) for v, m in zip(rows.constraint[part].tolist(), rows.whole[part].tolist(), strict=True) if m]
        if pairs:
            expected.setdefault(int(rows.node[c]), []).append(KeptClaim(int(rows.neuron[c]), sign << max(q, 0), pairs))
    for claims in expected.values():
        claims.sort(key=lambda c: c.neuron)
    growing = KeptClaims()
    exact: dict[int, list[KeptClaim]] = {}
    for node, claim in growing.extend(some, rows):
        exact.setdefault(node, []).append(claim)
    kept = Kept(growing.rows(np.arange(len(parent))), exact)
    assert kept.by_node() == expected
    assert all(kept.at(node) == expected.get(node, []) for node in range(len(parent)))
    assert kept == Kept(exact=expected)
    assert list(claims_by_node(kept, parent)) == list(claims_by_node(Kept(exact=expected), parent)) == plain(expected, parent.tolist())


def test_the_claims_of_networks(monkeypatch):
    """Chunks of few nodes, and claims of both kinds."""
    monkeypatch.setattr("polylc.proof.claim_text.NODES", 7)
    exact = 0
    for network in (random_net([2, 9, 8, 1], 0), zero_bias_net([3, 6, 5, 1], 0)):
        judge = Judge(network, unit_box(network), keep=True)
        verdict = judge.verdict(VertexEngine(network, unit_box(network), judge).explore())
        parent = verdict.exploration.parent
        assert list(claims_by_node(verdict.kept, parent)) == plain(verdict.kept.by_node(), parent.tolist())
        exact += len(verdict.kept.exact)
    assert exact > 0
