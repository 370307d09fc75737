"""Linear algebra on matrices of integers. This file, `matrix.py` and `caps.py` alone know python-flint."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from operator import mul

from polylc.exact.elimination import is_sparse, solve_sparse

Matrix = Sequence[Sequence[int]]


def rank(rows: Matrix) -> int:
    """Rank of a matrix of integers.

    Elimination takes long where one side is longer than the other; a real matrix A has the rank of A A^T.

    Examples
    --------
    >>> rank([[1, 2], [2, 4]])
    1
    """
    if not rows or not rows[0]:
        return 0
    import flint

    matrix = flint.fmpz_mat([[int(v) for v in row] for row in rows])
    if matrix.ncols() > matrix.nrows():
        matrix = matrix * matrix.transpose()
    elif matrix.nrows() > matrix.ncols():
        matrix = matrix.transpose() * matrix
    return int(matrix.rank())


def solve(matrix: Matrix, right: Sequence[int]) -> list[Fraction] | None:
    """The solution of a square system of integers, None if it is singular.

    Examples
    --------
    >>> solve([[2, 0], [1, 1]], [1, 0])
    [Fraction(1, 2), Fraction(-1, 2)]
    >>> solve([[1, 1], [2, 2]], [0, 1])
    """
    return solve_sparse(matrix, right, _solve_dense) if is_sparse(matrix) else _solve_dense(matrix, right)


def _solve_dense(matrix: Matrix, right: Sequence[int]) -> list[Fraction] | None:
    import flint

    size = len(matrix)
    try:
        found = flint.fmpz_mat(size, size, [v for row in matrix for v in row]).solve(flint.fmpz_mat(size, 1, list(right)))
    except ZeroDivisionError:
        return None
    return [Fraction(int(found[i, 0].p), int(found[i, 0].q)) for i in range(size)]


def determinant(matrix: Matrix) -> int:
    """Determinant of a square matrix of integers.

    Examples
    --------
    >>> determinant([[1, 2], [3, 4]]), determinant([[7]])
    (-2, 7)
    """
    size = len(matrix)
    if size == 2:  # in the plane nobody waits for the library
        (a, b), (c, d) = matrix
        return int(a) * int(d) - int(b) * int(c)
    if size < 2:
        return int(matrix[0][0]) if size else 1
    import flint

    return int(flint.fmpz_mat(size, size, [v for row in matrix for v in row]).det())


def gram(rows: Matrix) -> list[list[int]]:
    """The matrix of inner products of the rows; of the columns where there are fewer (it has the same non-zero
    spectrum).
    """
    vectors = rows if len(rows) <= len(rows[0]) else list(zip(*rows, strict=True))
    product = [[sum(map(mul, u, v)) for v in vectors[: i + 1]] for i, u in enumerate(vectors)]
    return [[product[max(i, j)][min(i, j)] for j in range(len(vectors))] for i in range(len(vectors))]


def is_positive_semidefinite(matrix: Matrix) -> bool:
    """Whether a symmetric matrix of integers is positive semidefinite.

    Fraction-free LDL^T with diagonal pivots (Bareiss 1968): after each step the remaining entries are minors, so every
    division is exact. A matrix with a zero on the diagonal is semidefinite only if that row is zero.

    Examples
    --------
    >>> [is_positive_semidefinite(m) for m in ([[1, 2], [2, 4]], [[1, 2], [2, 3]], [[0, 1], [1, 9]])]
    [True, False, False]
    """
    rest = [list(row) for row in matrix]
    previous = 1
    while rest:
        if any(row[i] < 0 for i, row in enumerate(rest)):
            return False
        if any(row[i] == 0 and any(row) for i, row in enumerate(rest)):
            return False
        kept = [i for i, row in enumerate(rest) if row[i]]
        if not kept:
            return True
        first, others = kept[0], kept[1:]
        pivot, top = rest[first][first], rest[first]
        rest = [[(pivot * rest[i][j] - rest[i][first] * top[j]) // previous for j in others] for i in others]
        previous = pivot
    return True


def sum_of_quotients(numerators: Sequence[int], denominators: Sequence[int]) -> Fraction:
    """The sum of p / q, added in pairs so that large numbers stay few.

    Examples
    --------
    >>> sum_of_quotients([1, 1, 1], [2, 3, 6])
    Fraction(1, 1)
    """
    if len(numerators) == 1 == len(denominators):
        return Fraction(numerators[0], denominators[0])
    import flint

    terms = [flint.fmpq(p, q) for p, q in zip(numerators, denominators, strict=True)]
    while len(terms) > 1:
        terms = [a + b for a, b in zip(terms[::2], terms[1::2], strict=False)] + (terms[-1:] if len(terms) % 2 else [])
    return Fraction(int(terms[0].p), int(terms[0].q)) if terms else Fraction(0)


def sums_to(terms: Sequence[Fraction], total: Fraction) -> bool:
    """Whether rational numbers have the sum `total`, exactly; without a common divisor of the large numbers in between.

    Examples
    --------
    >>> sums_to([Fraction(1, 3), Fraction(1, 6)], Fraction(1, 2)), sums_to([Fraction(1, 3)], Fraction(1, 2))
    (True, False)
    """
    import flint

    pairs = [(flint.fmpz(v.numerator), flint.fmpz(v.denominator)) for v in (*terms, -total)]
    while len(pairs) > 1:
        joined = [(a * d + b * c, c * d) for (a, c), (b, d) in zip(pairs[::2], pairs[1::2], strict=False)]
        pairs = joined + (pairs[-1:] if len(pairs) % 2 else [])
    return bool(pairs[0][0] == 0)
