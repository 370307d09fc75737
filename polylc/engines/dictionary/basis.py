"""A dictionary against the half-spaces that it stands for: rows expressed in its basis, its drift, and all of it
computed anew.

Data in: a dictionary and affine forms of u, those of the path or of neurons. Data out: rows of the dictionary.

Invariant: which variables are basic, and at which bound the others are, stays as it is; only numbers change.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from polylc.engines.dictionary.points import vertex
from polylc.engines.dictionary.simplex import Dictionary
from polylc.geometry.inverse import invert_beside
from polylc.jit.decorators import inlined, kernel

Array = np.ndarray

SINGULAR = 1e-13  # of a matrix of rows of unit length: a pivot below this is rounding


class BasisRoom(NamedTuple):
    """Room for computing a dictionary anew."""

    place: Array  # (k,) where the box variables are, see `places`
    columns: Array  # (k,) columns of slacks
    basic: Array  # (k,) rows of box variables
    system: Array  # (m, 2 m) for m = min(k, neurons)


@kernel
def express(dic: Dictionary, q: int, form: Array, place: Array) -> None:
    """Fill row q with an affine form of u; place[j] is the column of u_j, or -1 - its row."""
    T, value, up = dic.T, dic.value, dic.up
    k = len(up)
    for c in range(k):
        T[c, q] = 0.0
    total = form[k]
    for j in range(k):
        a = form[j]
        if a == 0.0:
            continue
        at = place[j]
        if at >= 0:
            T[at, q] += a
            total += a if up[at] else -a
        else:
            p = -1 - at
            total += a * value[p]
            for c in range(k):
                T[c, q] += a * T[c, p]
    value[q] = total


@kernel
def places(dic: Dictionary, fixed: int, place: Array) -> None:
    """Where the box variables are: place[j] is the column of u_j, or -1 - its row."""
    name, out = dic.name, dic.out
    k = len(out)
    for c in range(k):
        if out[c] < k:
            place[out[c]] = c
    for q in range(fixed):
        if name[q] < k:
            place[name[q]] = -1 - q


@kernel
def drift(dic: Dictionary, fixed: int, path: Array, length: int, point: Array, slack: Array) -> float:
    """By how much the slacks of the path differ from those computed from the vertex."""
    value, name, k = dic.value, dic.name, len(dic.out)
    vertex(dic, fixed, point)
    for p in range(length):
        slack[p] = 0.0
    for q in range(fixed):
        if name[q] >= k:
            slack[name[q] - k] = value[q]
    worst = 0.0
    for p in range(length):
        total = path[p, k]
        for j in range(k):
            total += path[p, j] * point[j]
        worst = max(worst, abs(total - slack[p]))
    return worst


@kernel
def rebuild(dic: Dictionary, fixed: int, path: Array, room: BasisRoom) -> bool:
    """Compute the rows below `fixed` anew from the half-spaces of the path; False if the basis is singular in
    doubles.
    """
    name, k = dic.name, len(dic.out)
    m = _match(dic, fixed, room)
    if m < 0:
        return False
    for e in range(m):  # the half-spaces of the non-basic slacks, in the basic box variables, beside the identity
        for f in range(m):
            room.system[e, m + f] = 0.0
            room.system[e, f] = path[dic.out[room.columns[e]] - k, name[room.basic[f]]]
        room.system[e, m + e] = 1.0
    if not invert_beside(room.system, m, SINGULAR):
        return False
    for f in range(m):
        _write_basic(dic, path, room, m, f)
    places(dic, fixed, room.place)
    for q in range(fixed):
        if name[q] >= k:
            express(dic, q, path[name[q] - k], room.place)
    return True


@inlined
def _match(dic: Dictionary, fixed: int, room: BasisRoom) -> int:
    """List the columns of slacks and the rows of box variables; how many there are of each, -1 if the numbers
    differ.
    """
    name, out, k = dic.name, dic.out, len(dic.out)
    m = 0
    for c in range(k):
        if out[c] >= k:
            room.columns[m] = c
            m += 1
    found = 0
    for q in range(fixed):
        if name[q] < k:
            if found == m:
                return -1
            room.basic[found] = q
            found += 1
    return m if found == m else -1


@inlined
def _write_basic(dic: Dictionary, path: Array, room: BasisRoom, m: int, f: int) -> None:
    """The row of a basic box variable: u_f = sum_e inverse[f, e] (slack_e - constant_e - rest_e . u), rest over the
    non-basic box variables.
    """
    T, value, out, up, k = dic.T, dic.value, dic.out, dic.up, len(dic.out)
    q = room.basic[f]
    value[q] = 0.0
    for c in range(k):
        T[c, q] = 0.0
    for e in range(m):
        y = room.system[f, m + e]
        p = out[room.columns[e]] - k
        T[room.columns[e], q] = y
        value[q] -= y * path[p, k]
        for c in range(k):
            if out[c] < k:
                T[c, q] -= y * path[p, out[c]]
    for c in range(k):
        if out[c] < k:
            value[q] += T[c, q] if up[c] else -T[c, q]
