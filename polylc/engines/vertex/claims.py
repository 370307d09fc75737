"""Claims of the vertex engine, and the multipliers that the least vertex of a cell gives for them.

Data in: a cell and a neuron with one sign on it. Data out: rows of `ClaimColumns`.

Invariant: entries of `constraint` and `multiplier` belong to claims in order; those of claim c end at `end[c]`.
Multipliers are positive floats that prove the claim up to rounding; whether they do is for the judge to say.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from polylc.engines.vertex.forms import Forms, decide
from polylc.engines.vertex.skeleton import Cell, Cells, owner, value_at
from polylc.jit.decorators import inlined, kernel

Array = np.ndarray
# multipliers above minus this, in units of the claim's form, count as non-negative: far above rounding, far below real
# ones
NEGATIVE = 1e-9
# a pivot below this share of its normal's length is rounding: the normals of the vertex are dependent
DEPENDENT = 1e-12

# places in `ClaimColumns.at`: written so far, and when a region was last found
CLAIMS, ENTRIES, READY_CLAIMS, READY_ENTRIES = range(4)


class ClaimColumns(NamedTuple):
    """Claims of one chunk."""

    node: Array
    neuron: Array
    sign: Array
    end: Array  # entries up to and with this claim
    constraint: Array
    multiplier: Array
    at: Array  # how many there are, see CLAIMS
    system: Array  # (n + 1, n + 1) room: equations at a vertex, and below them the lengths of its normals


def claim_columns(n: int, claims: int) -> ClaimColumns:
    """Room for so many claims with n entries each."""
    node, neuron, constraint = (np.empty(size, dtype=np.int32) for size in (claims, claims, claims * n))
    sign, end = np.empty(claims, dtype=np.int8), np.empty(claims, dtype=np.int64)
    return ClaimColumns(node, neuron, sign, end, constraint, np.empty(claims * n), np.zeros(4, dtype=np.int64), np.empty((n + 1, n + 1)))


@inlined
def put_claim(claims: ClaimColumns, node: int, neuron: int, sign: int) -> None:
    """A claim on a node, with the entries that were written since the one before."""
    c = claims.at[CLAIMS]
    claims.node[c] = node
    claims.neuron[c] = neuron
    claims.sign[c] = sign
    claims.end[c] = claims.at[ENTRIES]
    claims.at[CLAIMS] = c + 1


@inlined
def decide_mates(forms: Forms, claims: ClaimColumns, node: int, column: int, above: bool, zero: bool, entry: int, by_node: bool) -> None:
    """Decide the mates of a neuron that has just been decided, and claim it with the multipliers from `entry` on, in
    proportion; none is positive where forms are zero.
    """
    leader = column - forms.first
    end = claims.at[ENTRIES]
    for q in range(forms.begin_mate[leader], forms.begin_mate[leader + 1]):
        i = forms.mate[q]
        sign = (above == (forms.ratio[i] > 0.0)) and not zero
        decide(forms, forms.first + i, sign, -1)
        if by_node:
            put_multiples(claims, entry, end, abs(forms.ratio[i]))
            put_claim(claims, node, i, 1 if sign else -1)


@inlined
def put_multiples(claims: ClaimColumns, entry: int, end: int, ratio: float) -> None:
    """Entries entry .. end once more, times a ratio."""
    place = claims.at[ENTRIES]
    for e in range(entry, end):
        claims.constraint[place] = claims.constraint[e]
        claims.multiplier[place] = ratio * claims.multiplier[e]
        place += 1
    claims.at[ENTRIES] = place


@kernel
def follow_mates(forms: Forms, claims: ClaimColumns, node: int, column: int, above: bool, by_node: bool) -> None:
    """Decide the mates of the neuron that cut off a node: what is left of their claims is zero."""
    leader = column - forms.first
    for q in range(forms.begin_mate[leader], forms.begin_mate[leader + 1]):
        i = forms.mate[q]
        sign = above == (forms.ratio[i] > 0.0)
        decide(forms, forms.first + i, sign, -1)
        if by_node:
            place = claims.at[ENTRIES]
            claims.constraint[place] = node
            claims.multiplier[place] = abs(forms.ratio[i])
            claims.at[ENTRIES] = place + 1
            put_claim(claims, node, i, 1 if sign else -1)


@inlined
def claim(dim: tuple, forms: Forms, cells: Cells, claims: ClaimColumns, cell: Cell, column: int, sign: int) -> None:
    """Claim sign * z >= 0 on a cell.

    The edge that leaves facet f of the least vertex stays on its other facets, so along it only the multiplier of f has
    an effect. Facets of the box need none. Where another end of an edge is as low, vertices may coincide, and `solve`
    decides.
    """
    least, where = _least(dim, forms, cells, cell, column, sign)
    end, tied = _write_by_edges(dim, forms, cells, claims, cell, column, sign, where, least)
    if tied:
        best, where = _best_of_tied(dim, forms, cells, claims, cell, column, sign, least + forms.threshold[column])
        # otherwise the edges' multipliers stand; whether they prove the claim is for the judge to say
        if best >= -NEGATIVE:
            solve(dim, forms, cells.facet, claims.system, where, column, sign)
            end = _write_solved(dim, forms, cells, claims, where)
    claims.at[ENTRIES] = end
    put_claim(claims, cell.node, column - forms.first, sign)


@inlined
def _least(dim: tuple, forms: Forms, cells: Cells, cell: Cell, column: int, sign: int) -> tuple[float, int]:
    """The least value of sign * z at the cell's vertices, and the first vertex that has it."""
    least, where = np.inf, cell.begin
    for v in range(cell.begin, cell.begin + cell.vertices):
        t = sign * value_at(dim, forms.form, column, cells.x, v)
        if t < least:
            least = t
            where = v
    return least, where


@inlined
def _write_by_edges(
    dim: tuple, forms: Forms, cells: Cells, claims: ClaimColumns, cell: Cell, column: int, sign: int, where: int, least: float
) -> tuple[int, bool]:
    """Write the multipliers that the edges of vertex `where` give; the entry behind them, and whether an end of an edge
    is as low.
    """
    n = len(dim)
    form, x, threshold = forms.form, cells.x, forms.threshold[column]
    tied = False
    end = claims.at[ENTRIES]
    for k in range(n):
        u = cell.begin + owner(cells.edge[where * n + k], n)
        gain = sign * value_at(dim, form, column, x, u) - least
        tied = tied or gain <= threshold
        facet = cells.facet[where * n + k]
        if facet < 2 * n:
            continue
        wall = forms.first + facet - 2 * n
        rise = forms.sign[wall] * value_at(dim, form, wall, x, u)
        if gain > 0.0 and rise > 0.0:  # else rounding has it that the edge leads nowhere, and the facet has no part
            claims.constraint[end] = forms.node[wall]
            claims.multiplier[end] = gain / rise
            end += 1
    return end, tied


@inlined
def _best_of_tied(dim: tuple, forms: Forms, cells: Cells, claims: ClaimColumns, cell: Cell, column: int, sign: int, most: float) -> tuple[float, int]:
    """Of the vertices where sign * z is at most `most`, the first without negative multipliers, or else the best; its
    least multiplier, and it.
    """
    best, where = -np.inf, -1
    for v in range(cell.begin, cell.begin + cell.vertices):
        if best < -NEGATIVE and sign * value_at(dim, forms.form, column, cells.x, v) <= most:
            t = solve(dim, forms, cells.facet, claims.system, v, column, sign)
            if t > best:
                best = t
                where = v
    return best, where


@inlined
def _write_solved(dim: tuple, forms: Forms, cells: Cells, claims: ClaimColumns, where: int) -> int:
    """Write the multipliers that `solve` has found at a vertex; the entry behind them."""
    n = len(dim)
    end: int = claims.at[ENTRIES]
    for k in range(n):
        facet = cells.facet[where * n + k]
        if facet >= 2 * n and claims.system[k, n] > 0.0:
            claims.constraint[end] = forms.node[forms.first + facet - 2 * n]
            claims.multiplier[end] = claims.system[k, n]
            end += 1
    return end


@kernel
def solve(dim: tuple, forms: Forms, facets: Array, system: Array, vertex: int, column: int, sign: int) -> float:
    """Multipliers of all facets of a vertex, the box's included, whose normals add up to that of sign * z; into
    system[:, n].

    Returns
    -------
    float
        The least multiplier times the length of its normal, as a multiple of the claim's; -inf if the normals are
        dependent.
    """
    n = len(dim)
    size = _fill_system(dim, forms, facets, system, vertex, column, sign)
    if not _eliminate(dim, system):
        return -np.inf
    least = np.inf
    for k in range(n):
        system[k, n] /= system[k, k]
        least = min(least, system[k, n] * system[n, k])
    return least / np.sqrt(size) if size > 0.0 else -np.inf


@inlined
def _fill_system(dim: tuple, forms: Forms, facets: Array, system: Array, vertex: int, column: int, sign: int) -> float:
    """One equation for each coordinate, one unknown for each facet; the square of the claim's length."""
    n = len(dim)
    form = forms.form
    size = 0.0
    for r in range(n):
        system[r, n] = sign * form[r, column]
        size += form[r, column] * form[r, column]
        for k in range(n):
            facet = facets[vertex * n + k]
            if facet >= 2 * n:
                wall = forms.first + facet - 2 * n
                system[r, k] = forms.sign[wall] * form[r, wall]
            elif facet >> 1 == r:
                system[r, k] = 1.0 - 2.0 * (facet & 1)  # inwards: the odd facet of a coordinate is its upper end
            else:
                system[r, k] = 0.0
    for k in range(n):
        length = 0.0
        for r in range(n):
            length += system[r, k] * system[r, k]
        system[n, k] = np.sqrt(length)
    return size


@inlined
def _eliminate(dim: tuple, system: Array) -> bool:
    """Gauss and Jordan, rows exchanged for the largest pivot; False where normals are dependent."""
    n = len(dim)
    for c in range(n):
        pivot = c
        for r in range(c + 1, n):
            if abs(system[r, c]) > abs(system[pivot, c]):
                pivot = r
        if abs(system[pivot, c]) <= DEPENDENT * system[n, c]:
            return False
        for k in range(c, n + 1):
            system[c, k], system[pivot, k] = system[pivot, k], system[c, k]
        for r in range(n):
            if r != c:
                ratio = system[r, c] / system[c, c]
                for k in range(c, n + 1):
                    system[r, k] -= ratio * system[c, k]
    return True
