"""Claims by region: what the vertex engine claims of a whole region, where the judge looks at regions one by one.

Data in: a cell all of whose neurons are decided. Data out: claims on the sides of its bounding box, the "neurons" -1 -
side of the engines' contract, then on those neurons off its path whose sign the box does not show.

Invariant: `BoxRoom.box` holds what the multipliers prove of the cell, which is never less than the cell, up to
rounding.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from polylc.bounds.interval import clearance, not_clear
from polylc.engines.vertex.claims import ENTRIES, ClaimColumns, claim, put_claim
from polylc.engines.vertex.forms import Forms
from polylc.engines.vertex.skeleton import Cell, Cells, owner, value_at
from polylc.jit.decorators import inlined

Array = np.ndarray


class BoxRoom(NamedTuple):
    """Room for the bounding box of one cell, and for the signs that it shows."""

    total: Array  # (n + 1,) what multipliers leave of a coordinate's form
    box: Array  # (2, n) lower and upper ends
    clear: Array  # (neurons,) positive where the box shows the sign
    reach: Array  # (neurons,)
    beside: Array  # (neurons,) list of those that it does not show


def box_room(n: int, neurons: int) -> BoxRoom:
    """Room for cells of dimension n."""
    return BoxRoom(np.empty(n + 1), np.empty((2, n)), np.empty(neurons), np.empty(neurons), np.empty(neurons, dtype=np.int64))


@inlined
def claim_box(dim: tuple, forms: Forms, cells: Cells, claims: ClaimColumns, room: BoxRoom, cell: Cell, path: Array, neurons: int) -> None:
    """Claim the sides of a region's bounding box, and the signs of neurons off its path that the box does not show."""
    n = len(dim)
    first = forms.first
    for side in range(2 * n):
        claims.at[ENTRIES] = _write_side(dim, forms, cells, claims, room, cell, side)
        put_claim(claims, cell.node, -1 - side, 1)
    clearance(forms.form, forms.noise, forms.sign, room.box, first, first + neurons, room.clear, room.reach)
    for d in range(cell.depth):  # neurons of the path need no claim
        room.clear[path[d] - first] = 1.0
    many = not_clear(room.clear, neurons, room.beside)
    for q in range(many):
        i = room.beside[q]
        if forms.leader[i] != i:  # the leader's sign shows it
            continue
        c = first + i
        claim(dim, forms, cells, claims, cell, c, 1 if forms.sign[c] > 0 else -1)


@inlined
def _write_side(dim: tuple, forms: Forms, cells: Cells, claims: ClaimColumns, room: BoxRoom, cell: Cell, side: int) -> int:
    """Write multipliers that bound a coordinate on a cell; the entry behind them.

    Side 2 j is the least value of coordinate j, side 2 j + 1 the largest; `box` receives what the multipliers prove of
    it. As in `claims.claim`, the edge that leaves facet f of the outermost vertex gives the multiplier of f.
    """
    n = len(dim)
    x, form, total = cells.x, forms.form, room.total
    j = side >> 1
    toward = -1.0 if side & 1 else 1.0
    least, where = np.inf, cell.begin
    for v in range(cell.begin, cell.begin + cell.vertices):
        t = toward * x[v * n + j]
        if t < least:
            least = t
            where = v
    for k in range(n + 1):
        total[k] = 0.0
    total[j] = toward
    end: int = claims.at[ENTRIES]
    for k in range(n):
        facet = cells.facet[where * n + k]
        if facet < 2 * n:
            continue
        u = cell.begin + owner(cells.edge[where * n + k], n)
        wall = forms.first + facet - 2 * n
        sign = forms.sign[wall]
        gain = toward * x[u * n + j] - least
        rise = sign * value_at(dim, form, wall, x, u)
        if gain > 0.0 and rise > 0.0:
            y = gain / rise
            claims.constraint[end] = forms.node[wall]
            claims.multiplier[end] = y
            end += 1
            for i in range(n + 1):
                total[i] -= y * sign * form[i, wall]
    bound = total[n]  # what is left is bounded on the whole neighbourhood, [-1, 1]^n
    for k in range(n):
        bound -= abs(total[k])
    room.box[side & 1, j] = toward * max(bound, -1.0)
    return end
