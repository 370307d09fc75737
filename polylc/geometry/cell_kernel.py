"""Cells in doubles with proved errors: vertices that are certainly those of the cell, and bounds on all that is computed from them.

The cell is the cube [-1, 1]^n cut by half-spaces known up to rounding. A skeleton in floating point proposes n half-spaces
for each vertex. `proved_vertices` shows that these are all vertices, each on its own n half-spaces and no other; from then on the
facets and their triangulations are combinatorics, and only determinants are rounded. Lemmas 8 to 10 of docs/exactness.md.
"""

from __future__ import annotations

import numpy as np

from polylc.geometry.cuts import CutStack, cut_along, has
from polylc.jit.decorators import rounded
from polylc.network.compose import UNIT

Array = np.ndarray

SLACK = 1.0 + 2.0**-40  # more than the rounding of any bound that is computed below
ROUNDINGS = 64.0 * UNIT  # relative error of a determinant up to 5 x 5, expanded, against the product of its rows' sums
LOST = 1e-300  # more than all underflows in one simplex


@rounded
def _form(n: int, facet: int, rows: Array, begin: int, out: Array) -> int:
    """The half-space of a facet as (a, c), and its path entry or -1 for a face of the cube."""
    if facet >= 0:
        for j in range(n + 1):
            out[j] = rows[begin + facet, j]
        return begin + facet
    for j in range(n):
        out[j] = 0.0
    at = -facet - 1
    out[at >> 1] = -1.0 if at & 1 else 1.0
    out[n] = 1.0
    return -1


@rounded
def _invert(n: int, A: Array, W: Array, B: Array) -> bool:
    """B = approximate inverse of A by Gauss-Jordan elimination; W is scratch."""
    for i in range(n):
        for j in range(n):
            W[i, j] = A[i, j]
            B[i, j] = 1.0 if i == j else 0.0
    for c in range(n):
        pivot = c
        for r in range(c + 1, n):
            if abs(W[r, c]) > abs(W[pivot, c]):
                pivot = r
        if not abs(W[pivot, c]) > 1e-100:
            return False
        if pivot != c:
            for k in range(n):
                W[c, k], W[pivot, k] = W[pivot, k], W[c, k]
                B[c, k], B[pivot, k] = B[pivot, k], B[c, k]
        scale = 1.0 / W[c, c]
        for k in range(n):
            W[c, k] *= scale
            B[c, k] *= scale
        for r in range(n):
            factor = W[r, c]
            if r != c and factor != 0.0:
                for k in range(n):
                    W[r, k] -= factor * W[c, k]
                    B[r, k] -= factor * B[c, k]
    return True


@rounded
def _vertex(n: int, X: Array, F: Array, v: int, rows: Array, noise: Array, begin: int, A: Array, W: Array, B: Array, far: Array) -> float:
    """Move a vertex next to the common point of its hyperplanes; how far it may still be from there in any coordinate, or -1.

    ``far`` is scratch of shape (3, n + 1): noise of the rows, residuals, a row.
    """
    for i in range(n):
        entry = _form(n, F[v, i], rows, begin, A[i])
        far[0, i] = 0.0 if entry < 0 else noise[entry]
    if not _invert(n, A, W, B):
        return -1.0
    unit = 4.0 * (n + 2) * UNIT
    alpha = 0.0
    for i in range(n):
        total = 0.0
        for j in range(n):
            s, size = 0.0, 0.0
            for p in range(n):
                s += B[i, p] * A[p, j]
                size += abs(B[i, p] * A[p, j])
            total += abs(s - 1.0 if i == j else s) + unit * (size + 1.0)
        for p in range(n):
            total += abs(B[i, p]) * far[0, p]
        alpha = max(alpha, total)
    if not alpha < 0.25:
        return -1.0
    for i in range(n):
        z = A[i, n]
        for j in range(n):
            z += A[i, j] * X[v, j]
        far[1, i] = z
    for i in range(n):
        step = 0.0
        for p in range(n):
            step += B[i, p] * far[1, p]
        X[v, i] = min(1.0, max(-1.0, X[v, i] - step))
    for i in range(n):
        if F[v, i] < 0:
            at = -F[v, i] - 1
            X[v, at >> 1] = 1.0 if at & 1 else -1.0
    for i in range(n):
        z, size = A[i, n], abs(A[i, n])
        for j in range(n):
            z += A[i, j] * X[v, j]
            size += abs(A[i, j] * X[v, j])
        exact = F[v, i] < 0
        far[1, i] = 0.0 if exact else abs(z) + unit * size + far[0, i]
    worst = 0.0
    for i in range(n):
        total = 0.0
        for p in range(n):
            total += abs(B[i, p]) * far[1, p]
        worst = max(worst, total)
    return worst / (1.0 - alpha) * SLACK


@rounded
def proved_vertices(
    n: int,
    X: Array,
    F: Array,
    NB: Array,
    nv: int,
    D: Array,
    rows: Array,
    noise: Array,
    begin: int,
    end: int,
    A: Array,
    W: Array,
    B: Array,
    far: Array,
) -> bool:
    """Whether the proposed vertices are certainly all vertices of the cell, each on its n half-spaces alone; fills their errors D."""
    unit = 4.0 * (n + 2) * UNIT
    for v in range(nv):
        D[v] = _vertex(n, X, F, v, rows, noise, begin, A, W, B, far)
        if not D[v] >= 0.0:
            return False
        for j in range(n):
            for side in range(2):
                if has(n, F, v, -2 * j - 1 - side):
                    continue
                if not (1.0 - X[v, j] if side else 1.0 + X[v, j]) > D[v] + 4.0 * UNIT:
                    return False
        for e in range(begin, end):
            z, size, steep = rows[e, n], abs(rows[e, n]), 0.0
            for j in range(n):
                z += rows[e, j] * X[v, j]
                size += abs(rows[e, j] * X[v, j])
                steep += abs(rows[e, j])
            if not z > (noise[e] + unit * size + D[v] * steep) * SLACK and not has(n, F, v, e - begin):
                return False
    for v in range(nv):
        for k in range(n):
            u = NB[v, k]
            if has(n, F, u, F[v, k]):
                return False
            for j in range(n):
                if j != k and not has(n, F, u, F[v, j]):
                    return False
    return True


@rounded
def _four(M: Array, r: int, a: int, b: int, c: int, d: int) -> float:
    """Determinant of rows r to r + 3 and four columns, by Laplace's expansion along pairs of rows."""
    q, s, t = r + 1, r + 2, r + 3
    total = (M[r, a] * M[q, b] - M[r, b] * M[q, a]) * (M[s, c] * M[t, d] - M[s, d] * M[t, c])
    total -= (M[r, a] * M[q, c] - M[r, c] * M[q, a]) * (M[s, b] * M[t, d] - M[s, d] * M[t, b])
    total += (M[r, a] * M[q, d] - M[r, d] * M[q, a]) * (M[s, b] * M[t, c] - M[s, c] * M[t, b])
    total += (M[r, b] * M[q, c] - M[r, c] * M[q, b]) * (M[s, a] * M[t, d] - M[s, d] * M[t, a])
    total -= (M[r, b] * M[q, d] - M[r, d] * M[q, b]) * (M[s, a] * M[t, c] - M[s, c] * M[t, a])
    total += (M[r, c] * M[q, d] - M[r, d] * M[q, c]) * (M[s, a] * M[t, b] - M[s, b] * M[t, a])
    return float(total)


@rounded
def expanded(M: Array, size: int) -> float:
    """Determinant of the leading block, size <= 5, by expansion: a sum of the products of its definition, each rounded a few times."""
    if size == 0:
        return 1.0
    if size == 1:
        return float(M[0, 0])
    if size == 2:
        return float(M[0, 0] * M[1, 1] - M[0, 1] * M[1, 0])
    if size == 3:
        a = M[1, 1] * M[2, 2] - M[1, 2] * M[2, 1]
        b = M[1, 0] * M[2, 2] - M[1, 2] * M[2, 0]
        c = M[1, 0] * M[2, 1] - M[1, 1] * M[2, 0]
        return float(M[0, 0] * a - M[0, 1] * b + M[0, 2] * c)
    if size == 4:
        return float(_four(M, 0, 0, 1, 2, 3))
    total = M[0, 0] * _four(M, 1, 1, 2, 3, 4) - M[0, 1] * _four(M, 1, 0, 2, 3, 4) + M[0, 2] * _four(M, 1, 0, 1, 3, 4)
    return float(total - M[0, 3] * _four(M, 1, 0, 1, 2, 4) + M[0, 4] * _four(M, 1, 0, 1, 2, 3))


@rounded
def mistake(M: Array, size: int, slips: Array, lengths: Array, Q: Array) -> float:
    """Bound on the error of `expanded`, for entries of row r that err by at most slips[r]; lengths are the rows' sums with their errors.

    To first order the entries' errors times their cofactors; the terms with errors in several rows sum to less than the square of
    the sum of relative errors times the product of the lengths.
    """
    product, relative = 1.0, 0.0
    for r in range(size):
        product *= lengths[r]
        if lengths[r] > 0.0:
            relative += size * slips[r] / lengths[r]
    if not relative < 0.5:
        return (2.0 * product + LOST) * SLACK
    first = 0.0
    for r in range(size):
        if slips[r] == 0.0:
            continue
        sizes = 0.0
        for c in range(size):
            for i in range(size - 1):
                for j in range(size - 1):
                    Q[i, j] = M[i if i < r else i + 1, j if j < c else j + 1]
            sizes += abs(expanded(Q, size - 1))
        first += slips[r] * sizes
    return (first + (relative * relative + ROUNDINGS * (1.0 + relative)) * product) * SLACK + LOST


@rounded
def _shadow(
    n: int,
    X: Array,
    F: Array,
    nv: int,
    D: Array,
    facet: int,
    drop: int,
    members: Array,
    size: Array,
    apex: Array,
    todo: Array,
    many: Array,
    M: Array,
    Q: Array,
    slips: Array,
    lengths: Array,
    first: Array,
    want_first: bool,
) -> tuple[float, float]:
    """(n - 1)-volume of a facet projected along coordinate `drop`, and a bound on its error: a pulled triangulation.

    With ``want_first``, row 0 of ``first`` is the integral of the coordinates over the projected facet, row 1 its error.
    """
    top = n - 1
    total, error = 0.0, 0.0
    simplices = 0
    if want_first:
        for j in range(n):
            first[0, j] = 0.0
            first[1, j] = 0.0
    size[0] = 0
    for v in range(nv):
        if has(n, F, v, facet):
            members[0, size[0]] = v
            size[0] += 1
    if size[0] == 0:
        return 0.0, 0.0
    level = 0
    entering = True
    while level >= 0:
        if entering:
            apex[level] = members[level, 0]
            many[level] = 0
            if level == top:
                far = D[apex[0]]
                for r in range(top):
                    c = 0
                    largest, length = 0.0, 0.0
                    for j in range(n):
                        if j != drop:
                            M[r, c] = X[apex[r + 1], j] - X[apex[0], j]
                            largest = max(largest, abs(M[r, c]))
                            length += abs(M[r, c])
                            c += 1
                    slips[r] = D[apex[0]] + D[apex[r + 1]] + 2.0 * UNIT * largest
                    lengths[r] = length + top * slips[r]
                    far = max(far, D[apex[r + 1]])
                value = abs(expanded(M, top))
                wrong = mistake(M, top, slips, lengths, Q)
                total += value
                error += wrong
                simplices += 1
                if want_first:
                    for j in range(n):
                        middle = 0.0
                        for r in range(n):
                            middle += X[apex[r], j]
                        middle /= n
                        first[0, j] += value * middle
                        first[1, j] += wrong + (value + wrong) * (far + 4.0 * (n + 2) * UNIT)
                level -= 1
                entering = False
                continue
            for q in range(1, size[level]):
                v = members[level, q]
                for j in range(n):
                    g = F[v, j]
                    if has(n, F, apex[level], g):
                        continue
                    seen = False
                    for i in range(many[level]):
                        if todo[level, i] == g:
                            seen = True
                            break
                    if not seen:
                        todo[level, many[level]] = g
                        many[level] += 1
            entering = False
        if many[level] == 0:
            level -= 1
            continue
        many[level] -= 1
        g = todo[level, many[level]]
        size[level + 1] = 0
        for q in range(size[level]):
            v = members[level, q]
            if has(n, F, v, g):
                members[level + 1, size[level + 1]] = v
                size[level + 1] += 1
        if size[level + 1] > 0:
            level += 1
            entering = True
    factorial = 1.0
    for d in range(2, top + 1):
        factorial *= d
    added = (simplices + 8) * 2.0 * UNIT
    if want_first:
        for j in range(n):
            first[0, j] /= factorial
            first[1, j] = (first[1, j] / factorial + added * (total / factorial)) * SLACK
    return total / factorial, (error + added * total) / factorial * SLACK


@rounded
def bounded_cells(
    n: int,
    starts: Array,
    rows: Array,
    noise: Array,
    stack: CutStack,
    volume: Array,
    shadow: Array,
    box: Array,
    moment: Array,
    ok: Array,
) -> None:
    """Volumes (R, 2), shadows of path facets (E, 2) and of the cube's faces (R, 2 n, 2), each with a bound on its error.

    The cell r is cut from the cube by rows[starts[r]:starts[r + 1]], each a.u + c >= 0 as (a, c) with the largest |a_j| between
    1/4 and 1, whose coefficients err by at most `noise` in sum. A shadow is the (n - 1)-volume of a facet projected along the
    coordinate in which its row is largest. ``moment`` (R, 2 n, 2, n) receives integrals of the coordinates over the cube's faces.
    ``ok`` is false where nothing is proved.
    """
    cap = len(stack.value)
    D = np.empty(cap)
    members, size, apex = np.empty((n + 1, cap), np.int64), np.zeros(n + 1, np.int64), np.zeros(n + 1, np.int64)
    M, A, W, B, far = np.empty((n, n)), np.empty((n, n + 1)), np.empty((n, n)), np.empty((n, n)), np.empty((3, n + 1))
    centre, first = np.empty(n), np.empty((2, n))
    Q, slips, lengths = np.empty((n, n)), np.empty(n), np.empty(n)
    most = 2 * n
    for r in range(len(starts) - 1):
        most = max(most, 2 * n + starts[r + 1] - starts[r])
    todo, many = np.empty((n + 1, most), np.int64), np.zeros(n + 1, np.int64)
    for r in range(len(starts) - 1):
        begin, end = starts[r], starts[r + 1]
        ok[r] = False
        if not cut_along(n, stack, rows, starts[max(r - 1, 0)], begin, end):
            continue
        at, nv = stack.at[stack.level[0]], stack.size[stack.level[0]]
        X, F, NB = stack.X[at : at + nv], stack.F[at : at + nv], stack.NB[at : at + nv]
        if not proved_vertices(n, X, F, NB, nv, D, rows, noise, begin, end, A, W, B, far):
            continue
        ok[r] = True
        for j in range(n):
            centre[j] = 0.0
            for v in range(nv):
                centre[j] += X[v, j]
            centre[j] = min(1.0, max(-1.0, centre[j] / nv))
        total, sizes, error = 0.0, 0.0, 0.0
        for e in range(begin, end):
            shadow[e, 0] = 0.0
            shadow[e, 1] = 0.0
            drop = 0
            z, size_z = rows[e, n], abs(rows[e, n])
            for j in range(n):
                z += rows[e, j] * centre[j]
                size_z += abs(rows[e, j] * centre[j])
                if abs(rows[e, j]) > abs(rows[e, drop]):
                    drop = j
            s, ds = _shadow(n, X, F, nv, D, e - begin, drop, members, size, apex, todo, many, M, Q, slips, lengths, first, False)
            if s == 0.0 and ds == 0.0:
                continue
            shadow[e, 0] = s
            shadow[e, 1] = ds
            lead = abs(rows[e, drop])
            if not lead > 2.0 * noise[e]:
                ok[r] = False
                break
            height = z / lead
            steep = abs(height)
            doubt = (noise[e] + 4.0 * (n + 2) * UNIT * size_z + steep * noise[e]) / (lead - noise[e]) + 4.0 * UNIT * steep
            total += s * height
            sizes += s * steep
            error += s * doubt + ds * (steep + doubt)
        if not ok[r]:
            continue
        for j in range(n):
            for side in range(2):
                s, ds = _shadow(n, X, F, nv, D, -2 * j - 1 - side, j, members, size, apex, todo, many, M, Q, slips, lengths, first, True)
                box[r, 2 * j + side, 0] = s
                box[r, 2 * j + side, 1] = ds
                for i in range(n):
                    moment[r, 2 * j + side, 0, i] = first[0, i] if s > 0 or ds > 0 else 0.0
                    moment[r, 2 * j + side, 1, i] = first[1, i] if s > 0 or ds > 0 else 0.0
                height = 1.0 - centre[j] if side else 1.0 + centre[j]
                total += s * height
                sizes += s * height
                error += ds * height + 4.0 * UNIT * s
        volume[r, 0] = total / n
        volume[r, 1] = (error + 4.0 * (end - begin + 2 * n + 8) * UNIT * sizes) / n * SLACK + LOST
