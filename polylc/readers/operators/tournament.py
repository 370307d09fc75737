"""The largest or smallest of several entries, as a tournament of ReLU units."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from polylc.network.builder import Builder, Value
from polylc.readers.operators.call import Call


def extreme(call: Call, value: Value, tables: Sequence[np.ndarray], sign: float) -> Value:
    """The largest entry (sign 1) or the smallest (sign -1) of each row of a table of entry numbers.

    Each round has its pairs in one layer, max(u, v) = v + ReLU(u - v), and the same pair only once, though windows that
    overlap may ask for it several times. Several tables are rounds of rounds: the second picks among the results of the
    first, and so on, as for windows that are cut along one axis after the other. -1 is no entry.

    Returns
    -------
    Value
        Flat, one entry for each row of the last table.
    """
    inner = call.builder.before_units(value)
    found = value if inner is None else inner[0]
    rounds: list[int] = []
    for table in tables:
        found = _one(call, found, table, sign, rounds)
    if rounds:
        call.builder.explain(f"a tournament of {len(rounds)} round{'s' * (len(rounds) > 1)}, {' + '.join(map(str, rounds))} matches")
    if inner is None:
        return found
    _, below, above = inner  # max(ReLU(u), ReLU(v)) = ReLU(max(u, v)): fewer units, and none that compares two zeros
    call.builder.note(f"{call.name}: taken before the units it follows, which gives the same with fewer of them")
    return call.builder.units(found, below, above, call.name)


def larger(builder: Builder, u: Value, v: Value, sign: float, name: str) -> Value:
    """The larger (sign 1) or smaller (sign -1) of two values, entry by entry, with a neuron for each."""
    difference = builder.add(u, v, name, -1.0) if sign > 0 else builder.add(v, u, name, -1.0)
    return builder.add(v, builder.relu(difference, name), name, sign)


def _one(call: Call, value: Value, table: np.ndarray, sign: float, rounds: list[int]) -> Value:
    builder, name, none = call.builder, call.name, np.zeros(0)
    pool, size = [value], value.size
    columns = np.array(table, dtype=np.int64)
    while columns.shape[1] > 1:
        if columns.shape[1] % 2:
            columns = np.hstack([columns, np.full((len(columns), 1), -1)])
        left, right = columns[:, ::2], columns[:, 1::2]
        fights = (left >= 0) & (right >= 0) & (left != right)
        result = np.where(left >= 0, left, right)
        if fights.any():
            pairs = np.stack([np.minimum(left, right)[fights], np.maximum(left, right)[fights]], axis=1)
            pairs, place = np.unique(pairs, axis=0, return_inverse=True)
            u, v = (builder.pick(pool, side, none, name) for side in pairs.T)
            won = larger(builder, u, v, sign, name)
            rounds.append(won.size)
            result[fights] = size + place.ravel()
            pool.append(won)
            size += won.size
        columns = result
    if (columns < 0).any():
        raise call.error("has a window that lies in the padding alone; the model is damaged")
    return builder.pick(pool, columns[:, 0], none, name)
