"""Linear programs through HiGHS: one persistent warm-started model over a box, and one-shot dense programs.

Answers are floating-point proposals; nothing here decides anything exactly. The only place that knows highspy.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from polylc.errors import SolverError
from polylc.exact import simplex
from polylc.exact.checkpoint import checkpoint

FEASIBILITY = 1e-10  # the smallest tolerance HiGHS takes
DUAL, PRIMAL = 1, 4  # simplex strategies
ATTEMPTS = ((DUAL, FEASIBILITY), (PRIMAL, FEASIBILITY), (DUAL, 1e-9), (PRIMAL, 1e-8))


@functools.cache
def _highs() -> Any:
    import highspy

    return highspy


def _model() -> Any:
    model = _highs()._Highs()  # the plain binding: the Python subclass wraps run() in a thread
    for option, value in (
        ("output_flag", False),
        ("presolve", "off"),
        ("threads", 1),
        ("solver", "simplex"),
        ("simplex_strategy", PRIMAL),  # primal: a changed objective leaves the basis primal feasible
        ("simplex_scale_strategy", 0),  # rows have unit length already
        ("primal_feasibility_tolerance", FEASIBILITY),
        ("dual_feasibility_tolerance", FEASIBILITY),
    ):
        model.setOptionValue(option, value)
    return model


@dataclass(frozen=True)
class Optimum:
    """An optimal solution: objective value, point, and the multipliers of the rows (non-negative).

    `duals` are those of one-shot programs with their signs: positive on a lower bound of a row, negative on an upper
    one.
    """

    value: float
    point: np.ndarray
    multipliers: np.ndarray
    duals: np.ndarray | None = None
    basis: Basis | None = None


@dataclass(frozen=True)
class Basis:
    """The vertex that an optimum claims to be.

    Attributes
    ----------
    tight : ndarray of int
        Rows at their bound.
    sides : ndarray of int8, one per column
        -1 at the lower bound, 1 at the upper bound, 0 in between.
    """

    tight: np.ndarray
    sides: np.ndarray


class BoxProgram:
    """max c.v over v in [-1, 1]^k and rows a.v >= b that are pushed and popped like a stack.

    The basis of the last solve is kept, so that a changed objective or row starts from it.
    """

    def __init__(self, dimension: int, multipliers: bool = True) -> None:
        """An empty program; without `multipliers`, optima carry none (and come a little faster)."""
        highspy = _highs()
        self._multipliers = multipliers
        self._optimal = highspy.HighsModelStatus.kOptimal
        self._infinity = highspy.kHighsInf
        self._dimension = dimension
        self._columns = np.arange(dimension, dtype=np.int32)
        self.solves = 0
        self.failures = 0
        self.exact = 0
        self._build()

    def _build(self) -> None:
        self._h = _model()
        self._h.addVars(self._dimension, np.full(self._dimension, -1.0), np.ones(self._dimension))
        self._h.changeObjectiveSense(_highs().ObjSense.kMaximize)
        self._rows: list[tuple[np.ndarray, float]] = []

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self._rows)

    def clear(self) -> None:
        """Remove all rows, and forget the basis."""
        self._build()

    def push(self, row: np.ndarray, bound: float) -> None:
        """Add the row a.v >= bound."""
        self._h.addRow(bound, self._infinity, self._dimension, self._columns, row)
        self._rows.append((row, bound))

    def truncate(self, count: int) -> None:
        """Keep only the first `count` rows."""
        if count < len(self._rows):
            self._h.deleteRows(len(self._rows) - count, np.arange(count, len(self._rows), dtype=np.int32))
            del self._rows[count:]

    def maximise(self, cost: np.ndarray) -> Optimum | None:
        """An optimum: by HiGHS warm, cold, or with the dual simplex, else in exact arithmetic; None if there is no
        point.
        """
        self.solves += 1
        answer = self._solve(cost)
        for strategy in (PRIMAL, DUAL):  # a bad warm start, or a solver that gives up: from scratch
            if answer is not None:
                return answer
            rows = self._rows
            self._build()
            for row, bound in rows:
                self.push(row, bound)
            self._h.setOptionValue("simplex_strategy", strategy)
            answer = self._solve(cost)
            self._h.setOptionValue("simplex_strategy", PRIMAL)
        return answer if answer is not None else self._solve_exactly(cost)

    def _solve_exactly(self, cost: np.ndarray) -> Optimum | None:
        self.exact += 1
        rows = [[*map(Fraction, row.tolist()), -Fraction(bound)] for row, bound in self._rows]
        one = [Fraction(1)] * self._dimension
        found = simplex.minimise([*(-Fraction(v) for v in cost.tolist()), Fraction(0)], rows, [-v for v in one], one)
        if isinstance(found, simplex.Infeasible):  # rounding left the cell without a point
            self.failures += 1
            return None
        multipliers = np.array([float(found.multipliers.get(r, 0)) for r in range(len(rows))])
        return Optimum(float(-found.value), np.array([float(v) for v in found.point]), multipliers)

    def _solve(self, cost: np.ndarray) -> Optimum | None:
        self._h.changeColsCost(self._dimension, self._columns, cost)
        self._h.run()
        if self._h.getModelStatus() != self._optimal:
            return None
        solution = self._h.getSolution()
        point = np.array(solution.col_value)
        duals = np.abs(np.array(solution.row_dual)) if self._multipliers else np.zeros(0)
        return Optimum(float(cost @ point), point, duals)


class Sparse(NamedTuple):
    """A matrix in compressed rows. (To import scipy's takes longer than the programs of many a command.)"""

    start: np.ndarray  # of each row among the entries, and of what is behind the last
    column: np.ndarray
    value: np.ndarray
    columns: int


def minimise(
    cost: np.ndarray, matrix: np.ndarray | Sparse, row_lower: np.ndarray, row_upper: np.ndarray, lower: np.ndarray, upper: np.ndarray
) -> Optimum | None:
    """min cost.x subject to row_lower <= matrix x <= row_upper, lower <= x <= upper; None if infeasible.

    Raises
    ------
    SolverError
        If HiGHS ends neither optimal nor infeasible.
    """
    checkpoint()
    highspy = _highs()
    given = matrix if isinstance(matrix, Sparse) else compressed(matrix)
    rows, columns = len(given.start) - 1, given.columns
    program = highspy.HighsLp()
    program.num_col_, program.num_row_ = columns, rows
    program.col_cost_, program.col_lower_, program.col_upper_ = cost, lower, upper
    program.row_lower_, program.row_upper_ = row_lower, row_upper
    program.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    program.a_matrix_.start_, program.a_matrix_.index_, program.a_matrix_.value_ = given.start, given.column, given.value
    model = _one_shot_model()
    status = None
    for strategy, tolerance in ATTEMPTS:
        model.setOptionValue("simplex_strategy", strategy)
        model.setOptionValue("primal_feasibility_tolerance", tolerance)
        model.setOptionValue("dual_feasibility_tolerance", tolerance)
        model.passModel(program)
        model.run()
        status = model.getModelStatus()
        if status == highspy.HighsModelStatus.kOptimal:
            solution = model.getSolution()
            point = np.array(solution.col_value)
            duals = np.array(solution.row_dual)
            return Optimum(float(cost @ point), point, np.abs(duals), duals, _basis(model))
        if status == highspy.HighsModelStatus.kInfeasible:
            return None
    raise SolverError(f"HiGHS ended a linear program of {rows} rows and {columns} columns with status {model.modelStatusToString(status)}")


def compressed(matrix: np.ndarray) -> Sparse:
    """The non-zeros of a dense matrix."""
    filled = matrix != 0
    starts = np.concatenate([[0], np.cumsum(filled.sum(axis=1))]).astype(np.int32)
    return Sparse(starts, np.nonzero(filled)[1].astype(np.int32), matrix[filled], matrix.shape[1])


def with_distances(rows: np.ndarray, weight: np.ndarray) -> Sparse:
    """Rows over u, (m, k), as rows over (u, d), and below them w_i u_i + d and -w_i u_i + d of each coordinate: where
    these are not negative, d is at least the weighted distance of u from 0 in the largest coordinate.
    """
    k, first = len(weight), compressed(rows)
    last = first.start[-1] + 2 * np.arange(1, 2 * k + 1, dtype=np.int32)
    column, value = np.full((2 * k, 2), k, dtype=np.int32), np.ones((2 * k, 2))
    column[:, 0], value[:, 0] = np.tile(np.arange(k), 2), np.concatenate([weight, -weight])
    starts, columns = np.append(first.start, last), np.append(first.column, column.ravel())
    return Sparse(starts, columns, np.append(first.value, value.ravel()), k + 1)


def _basis(model: Any) -> Basis:
    basis = model.getBasis()
    status = _highs().HighsBasisStatus
    sides = {status.kLower: -1, status.kUpper: 1}
    tight = [r for r, s in enumerate(basis.row_status) if s != status.kBasic]
    return Basis(np.array(tight, dtype=np.int64), np.array([sides.get(s, 0) for s in basis.col_status], dtype=np.int8))


@functools.cache
def _one_shot_model() -> Any:
    return _model()


def infinity() -> float:
    """The number that stands for infinity in HiGHS."""
    return float(_highs().kHighsInf)
