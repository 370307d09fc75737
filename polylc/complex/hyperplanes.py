"""Which forms may be proportional to one another, compiled (docs/exactness.md, lemmas 6 and 6a).

In: the forms of a replay. Out: a key for each, and answers "certainly not proportional". Invariant: keys are those of
the versions in `Directions.version`; a form that rounding, overflow or underflow may have turned has the key infinity,
and is then compared with every other.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from polylc.jit.decorators import inlined, kernel
from polylc.network.patterns import words
from polylc.network.replay import FlatNet, Replay

SMALLEST = 2.0**-900  # lemma 6a: squares of lengths are between this and its inverse; underflow then loses nothing
CLOSE = 1e-9  # lemma 6: forms whose cosine is below 1 - CLOSE are not proportional,
FINE = 1e-7  # lemma 6: if they are known to FINE, relative to their size
KEY_FINE = 1e-9  # lemma 6a: forms whose keys differ by KEY_CLOSE are not, if they are known to KEY_FINE
KEY_SMALL = 1e-4  # lemma 6a: and the key's denominator is not below this, relative to the length
KEY_CLOSE = 4e-5  # lemma 6a: twice 1.02e-5, and what 1 + |key| and single precision may lose


class Directions(NamedTuple):
    """Directions of the forms of a replay: for each a key that proportional forms share, the ratio of two
    projections."""

    projection: np.ndarray  # (2, k + 1), of length 1
    key: np.ndarray  # (neurons,) float32
    blind: np.ndarray  # (L,) how many neurons of a layer have no key
    version: np.ndarray  # (L,) of the replay's forms
    changes: np.ndarray  # (1,) how often keys have changed
    close: np.ndarray  # (L, words) packed neurons whose keys are near one of a layer, of this layer or before it
    doubtful: np.ndarray  # (words,) those of all layers: of all others keys alone say that they are alone
    asked: np.ndarray  # (neurons,) that number when it was last asked whether a form is alone
    alone: np.ndarray  # (neurons,) and the answer
    sums: np.ndarray  # (3, widest layer) room: both projections and the squared length


@lru_cache(maxsize=16)
def _projection(width: int) -> np.ndarray:
    """Two directions of forms."""
    projection = np.random.default_rng(0).normal(size=(2, width))
    projection /= np.linalg.norm(projection, axis=1, keepdims=True)
    return projection


def directions(net: FlatNet, width: int) -> Directions:
    """Nothing known yet, for forms of `width` coefficients."""
    projection = _projection(width)
    layers = len(net.length) - 1
    blind, version = (np.zeros(layers, dtype=np.int64) for _ in range(2))
    widest = int(np.diff(net.first[1:-1]).max(initial=0))
    neurons = int(net.first[-2] - net.first[1])
    many = words(neurons)
    close, doubtful = np.zeros((layers, many), dtype=np.uint64), np.zeros(many, dtype=np.uint64)
    memory = np.full(neurons, -1, dtype=np.int64), np.zeros(neurons, dtype=np.bool_)
    keys = np.zeros(neurons, dtype=np.float32)
    return Directions(projection, keys, blind, version, np.zeros(1, dtype=np.int64), close, doubtful, *memory, np.zeros((3, widest)))


@kernel
def refresh(net: FlatNet, replay: Replay, seen: Directions) -> None:
    """Keys of the forms that have changed, and which of them are near one another."""
    width = replay.form.shape[0]
    offset = net.first[1]
    changed = len(seen.version)
    for layer in range(len(seen.version)):
        if seen.version[layer] == replay.version[layer + 1]:
            continue
        seen.version[layer] = replay.version[layer + 1]
        seen.changes[0] += 1
        changed = min(changed, layer)
        seen.blind[layer] = 0
        first, end = net.first[layer + 1], net.first[layer + 2]
        x, y, square = seen.sums[0, : end - first], seen.sums[1, : end - first], seen.sums[2, : end - first]
        for i in range(end - first):
            x[i] = y[i] = square[i] = 0.0
        for j in range(width):  # along memory
            row, p, q = replay.form[j, first:end], seen.projection[0, j], seen.projection[1, j]
            for i in range(end - first):
                x[i] += p * row[i]
                y[i] += q * row[i]
                square[i] += row[i] * row[i]
        for i in range(end - first):
            length = np.sqrt(square[i])
            normal = square[i] > SMALLEST and square[i] < 1 / SMALLEST
            if normal and replay.noise[first + i] <= KEY_FINE * length and abs(y[i]) > KEY_SMALL * length:
                seen.key[first + i - offset] = x[i] / y[i]
            else:
                seen.key[first + i - offset] = np.inf
                seen.blind[layer] += 1
    if changed < len(seen.version):
        _compare(net, seen, changed)


@kernel
def _compare(net: FlatNet, seen: Directions, changed: int) -> None:
    """Bring `close` up to date, from the first layer on whose keys have changed."""
    offset = net.first[1]
    for layer in range(changed, len(seen.version)):
        close, end = seen.close[layer], net.first[layer + 2] - offset
        for w in range(len(close)):
            close[w] = ~np.uint64(0) if seen.blind[layer] else np.uint64(0)
        if seen.blind[layer]:  # what has no key may be near any
            continue
        for i in range(net.first[layer + 1] - offset, end):
            own, leader = seen.key[i], net.leader[i]
            limit = np.float32(KEY_CLOSE) * (np.float32(1) + abs(own))
            if near_keys(seen.key[:end], own, limit) > 1 + net.begin_mate[leader + 1] - net.begin_mate[leader]:
                for j in range(end):
                    if abs(seen.key[j] - own) <= limit:
                        close[j >> 6] |= np.uint64(1) << np.uint64(j & 63)
    for w in range(len(seen.doubtful)):
        seen.doubtful[w] = np.uint64(0)
        for layer in range(len(seen.version)):
            seen.doubtful[w] |= seen.close[layer, w]


@kernel
def near_keys(key: np.ndarray, own: float, limit: float) -> int:
    """How many keys are near one of them."""
    near = 0
    for i in range(len(key)):
        near += 1 if abs(key[i] - own) <= limit else 0
    return near


@inlined
def stands_alone(net: FlatNet, replay: Replay, seen: Directions, neuron: int) -> bool:
    """As `is_alone` of a leader, once for all regions that follow one another with the same forms."""
    if not seen.doubtful[neuron >> 6] >> np.uint64(neuron & 63) & np.uint64(1):
        return True
    if seen.asked[neuron] != seen.changes[0]:
        seen.asked[neuron] = seen.changes[0]
        seen.alone[neuron] = is_alone(net, replay, seen, neuron)
    return bool(seen.alone[neuron])


@kernel
def is_alone(net: FlatNet, replay: Replay, seen: Directions, neuron: int) -> bool:
    """Whether a neuron's form is certainly proportional to that of no other neuron but its twins (lemma 6)."""
    own = seen.key[neuron]
    limit = np.float32(KEY_CLOSE) * (np.float32(1) + abs(own))
    if not abs(own) < np.inf and not _sharp(replay, net.first[1] + neuron):
        return False
    for i in range(len(seen.key)):
        known = abs(own) < np.inf and abs(seen.key[i]) < np.inf and abs(seen.key[i] - own) > limit
        if net.leader[i] != net.leader[neuron] and not known and not is_apart(replay, net.first[1] + neuron, net.first[1] + i):
            return False
    return True


@kernel
def _sharp(replay: Replay, column: int) -> bool:
    """Whether rounding leaves a form its direction."""
    square = 0.0
    for j in range(replay.form.shape[0]):
        square += replay.form[j, column] * replay.form[j, column]
    return bool(square > SMALLEST and square < 1 / SMALLEST and replay.noise[column] <= FINE * np.sqrt(square))


@kernel
def is_apart(replay: Replay, a: int, b: int) -> bool:
    """Whether two forms are certainly not proportional, and neither is zero."""
    if not (_sharp(replay, a) and _sharp(replay, b)):
        return False
    product = one = two = 0.0
    for j in range(replay.form.shape[0]):
        product += replay.form[j, a] * replay.form[j, b]
        one += replay.form[j, a] * replay.form[j, a]
        two += replay.form[j, b] * replay.form[j, b]
    return bool(abs(product) < (1.0 - CLOSE) * (np.sqrt(one) * np.sqrt(two)))


@kernel
def suspects_of(net: FlatNet, replay: Replay, neuron: int, mask: np.ndarray) -> None:
    """The neurons whose forms may be proportional to that of a neuron, itself among them, as packed bits."""
    offset = net.first[1]
    for w in range(len(mask)):
        mask[w] = 0
    for i in range(net.first[-2] - offset):
        if i == neuron or not is_apart(replay, offset + neuron, offset + i):
            mask[i >> 6] |= np.uint64(1) << np.uint64(i & 63)
