"""From the arguments of the public functions to tasks."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

from polylc.domains import box as shapes
from polylc.domains.ball import ball, in_norm
from polylc.domains.frame import Frame
from polylc.domains.within import as_norm
from polylc.errors import PolylcError, UsageError
from polylc.exact.numbers import as_fractions
from polylc.network.form import Network
from polylc.report.record import Refusal
from polylc.search.task import Task, make_task

Found = TypeVar("Found")
Watch = Callable[[dict[str, float]], None]
Watching = Callable[[], AbstractContextManager[Watch | None]]  # begins to show a search


def make_tasks(
    network: Network,
    points: Any,
    radius: Any,
    box: tuple[Any, Any] | None,
    clip: tuple[Any, Any] | None,
    labels: Sequence[int] | None,
    engine: str = "auto",
    frames: bool = False,
    norm: str = "linf",
) -> list[Task | Refusal]:
    """Tasks for the arguments of `certify`; a point that makes no neighbourhood becomes a refusal.

    With `frames`, a plane or line may take the place of points; `norm` is that of the balls.
    """
    as_norm(norm)
    if isinstance(points, Frame):
        if not frames:
            raise UsageError("points: planes and lines belong to certify; give points, or a box")
        if box is not None or radius is not None or clip is not None:
            raise UsageError("a plane or line has its own bounds: radius, box and clip do not belong to it")
        if labels is not None and len(labels) != 1:
            raise UsageError(f"labels: {len(labels)} labels for 1 neighbourhood")
        return [make_task(network, 0, in_norm(points, norm), None if labels is None else int(labels[0]), engine)]
    points = _rows_of_frame(points)
    bounds = None if clip is None else shapes.clip_bounds(_entries(clip[0], "clip"), _entries(clip[1], "clip"))
    if box is not None:
        if points is not None or radius is not None:
            raise UsageError("give either a box, or points and a radius")
        rows: list[Any] = [box]
    elif points is None or radius is None:
        raise UsageError("give points and a radius, or a box")
    else:
        rows = _rows(points, network)
    if labels is not None and len(labels) != len(rows):
        raise UsageError(f"labels: {len(labels)} labels for {len(rows)} neighbourhoods")
    tasks: list[Task | Refusal] = []
    for index, row in enumerate(rows):
        label = None if labels is None else int(labels[index])
        try:
            domain = shapes.box(row[0], row[1], bounds) if box is not None else ball(row, radius, bounds)
            tasks.append(make_task(network, index, in_norm(domain, norm), label, engine))
        except PolylcError as error:
            if len(rows) == 1:
                raise
            tasks.append(Refusal(index, str(error)))
    return tasks


def proof_of_one(proof: str | Path | None, tasks: Sequence[Task | Refusal], what: str) -> Path | None:
    """The file for a proof.

    Raises
    ------
    UsageError
        If there is more than one task.
    """
    if proof is not None and len(tasks) != 1:
        raise UsageError(f"proof: a proof file is for one {what}, {len(tasks)} are given; choose one (on the command line with --rows)")
    return None if proof is None else Path(proof)


def one_by_one(
    tasks: Sequence[Task | Refusal], find: Callable[[Task, Watch | None], Found], watching: Watching, stop: Callable[[], bool] | None
) -> Iterator[tuple[int, Found | Refusal]]:
    """What is found for each task, with its index, as soon as it is, until somebody stops it."""
    for task in tasks:
        if isinstance(task, Refusal):
            yield task.index, task
            continue
        with watching() as watch:
            found = find(task, watch)
        yield task.index, found
        if stop is not None and stop():
            return


def one_point(point: Any, network: Network, name: str) -> Any:
    """A single input, flat.

    Raises
    ------
    UsageError
        If it is not one.
    """
    rows = _rows(point, network)
    if len(rows) != 1:
        raise UsageError(f"point {name}: one input is needed, not {len(rows)}")
    return rows[0]


def _rows_of_frame(points: Any) -> Any:
    """The rows of a pandas DataFrame, its columns in their order; anything else as it is."""
    pandas = sys.modules.get("pandas")  # a frame means that pandas is imported already
    if pandas is None or not isinstance(points, pandas.DataFrame):
        return points
    other = [str(name) for name, kind in points.dtypes.items() if not pandas.api.types.is_numeric_dtype(kind)]
    if other:
        columns = ", ".join(other[:8]) + (", ..." if len(other) > 8 else "")
        raise UsageError(f"points: columns of the DataFrame that are not numbers: {columns}; leave them out, labels go to labels=")
    return [list(row) for row in points.itertuples(index=False, name=None)]


def _rows(points: Any, network: Network) -> list[Any]:
    """Points as flat rows; images come in the model's own shape, one, or many along a first axis.

    Raises
    ------
    UsageError
        If images have another shape than the model's inputs.
    """
    shape = _shape(points)
    if len(shape) < 3:
        return [points] if len(points) and not _is_vector(points[0]) else list(points)
    own = network.input_shape or (network.inputs,)
    if shape == own or (len(own) == 1 and math.prod(shape) == network.inputs):
        return [_flat(points)]
    if shape[1:] == own or (len(own) == 1 and math.prod(shape[1:]) == network.inputs):
        return [_flat(point) for point in points]
    one = f"{own[0]} coordinates" if len(own) == 1 else f"shape {_times(own)}"
    raise UsageError(f"points: shape {_times(shape)} does not fit inputs of {one}; give one input, or several along a first axis")


def _shape(values: Any) -> tuple[int, ...]:
    """The shape of an array, or of nested sequences as their first entries tell it."""
    found = getattr(values, "shape", None)
    if found is not None:
        return tuple(int(size) for size in found)
    if not (_is_vector(values) and isinstance(values, Sequence)):
        return ()
    return (len(values), *(_shape(values[0]) if len(values) else ()))


def _flat(values: Any) -> list[Any]:
    """All entries in the order in which a model flattens them."""
    if hasattr(values, "reshape"):
        return list(values.reshape(-1))
    return [entry for value in values for entry in _flat(value)] if _is_vector(values) else [values]


def _times(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape))


def _is_vector(row: Any) -> bool:
    return isinstance(row, Iterable) and not isinstance(row, str)


def _entries(bound: Any, what: str) -> tuple[Fraction, ...]:
    return as_fractions(bound if _is_vector(bound) else [bound], what)
