"""From the words of the command line to tasks: neighbourhoods, data rows, labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import typer

from polylc.domains import box as shapes
from polylc.domains.ball import ball, in_norm
from polylc.domains.box import Bounds
from polylc.domains.domain import Domain
from polylc.domains.frame import Frame, spanned, through
from polylc.domains.within import as_norm
from polylc.errors import DataError, NeighbourhoodError, PolylcError, UsageError
from polylc.exact.numbers import parse_number, parse_vector
from polylc.network.form import Network
from polylc.report.record import Refusal
from polylc.search.task import Task, make_task

if TYPE_CHECKING:
    from polylc.readers.data.points import DataTable


@dataclass(frozen=True)
class Where:
    """The options that say which neighbourhoods are meant, as they were typed."""

    data: str | None = None
    rows: str | None = None
    center: str | None = None
    box: tuple[str, str] | None = None
    radius: str | None = None
    clip: tuple[str, str] | None = None
    labels: str | None = None
    label_column: int | None = None
    scale: str | None = None
    array: str | None = None
    plane: str | None = None
    line: str | None = None
    margin: str | None = None
    norm: str = "linf"
    frame: tuple[str, str] | None = None


def make_tasks(network: Network, where: Where, engine: str = "auto") -> list[Task | Refusal]:
    """The neighbourhoods that the options name, bad rows as refusals.

    Raises
    ------
    UsageError
        If options contradict each other or are malformed.
    DataError
        If the data file cannot be read, or no chosen row can be used.
    NeighbourhoodError
        If the one neighbourhood asked for has no interior.
    """
    as_norm(where.norm)
    if where.plane is not None or where.line is not None or where.frame is not None:
        frame = _spanned(where, network) if where.plane is None and where.line is None else _frame(where, network)
        return [make_task(network, 0, in_norm(frame, where.norm), _only_label(where), engine)]
    if where.margin is not None:
        raise UsageError("--margin belongs to --plane or --line")
    clip = _clip(where)
    given = [name for name, value in (("--data", where.data), ("--center", where.center), ("--box", where.box)) if value is not None]
    if len(given) > 1:
        raise UsageError(f"{' and '.join(given)} exclude each other; give one of them")
    if not given:
        raise UsageError(
            "no neighbourhood: give --data FILE or --center with --radius, --box LOWER UPPER, or --data FILE with --plane, --line or --frame"
        )
    if where.data is None and (where.rows is not None or where.label_column is not None or where.scale is not None or where.array is not None):
        raise UsageError("--rows, --label-column, --scale and --array belong to --data FILE")
    if where.box is not None:
        if where.radius is not None:
            raise UsageError("--radius belongs to --data or --center; a --box has none")
        lower, upper = (_fit(_numbers(text, f"--box, {end} corner"), network) for end, text in zip(("lower", "upper"), where.box, strict=True))
        return [make_task(network, 0, in_norm(shapes.box(lower, upper, clip), where.norm), _only_label(where), engine)]
    if where.radius is None:
        raise UsageError(f"{given[0]} needs --radius R")
    radius = _numbers(where.radius, "--radius")
    if where.center is not None:
        domain = _ball(where, _fit(_numbers(where.center, "--center"), network), radius, clip)
        return [make_task(network, 0, domain, _only_label(where), engine)]
    return _from_table(network, where, radius, clip, engine)


def _from_table(network: Network, where: Where, radius: tuple[Fraction, ...], clip: Bounds | None, engine: str) -> list[Task | Refusal]:
    from polylc.readers.data.points import load_labels, parse_rows

    table = read_table(where, network.inputs)
    chosen = parse_rows(where.rows, len(table)) if where.rows is not None else list(range(len(table)))
    repeated = [index for index, times in Counter(chosen).items() if times > 1]
    labels: Sequence[int] | None = None if where.labels is None else load_labels(where.labels)
    if labels is None and where.label_column is None and table.labels is not None:
        typer.echo(f"polylc: {where.data}: the labels beside the points are not used; give --labels {where.data} to use them", err=True)
    elif labels is None and where.label_column is None and table.words is not None:
        classes = "number the classes 0, 1, 2, ... in the order of the network's outputs"
        typer.echo(f"polylc: {where.data}: {table.words} beside the points holds no integers and is not used; to use it, {classes}", err=True)
    if labels is not None and len(labels) not in (len(chosen), len(table)):
        raise DataError(f"{where.labels}: {len(labels)} labels for {len(table)} rows, {len(chosen)} of them chosen")
    tasks: list[Task | Refusal] = []
    asked: dict[int, int | None] = {}  # labels of the rows, each once
    for place, index in enumerate(chosen):
        label = table.label(index) if where.label_column is not None else None
        if labels is not None:
            label = labels[index if len(labels) == len(table) else place]
        if index in asked:
            if asked[index] != label:
                raise UsageError(f"row {index} is chosen twice, with the labels {asked[index]} and {label}; choose it once in each run")
            continue
        asked[index] = label
        row = table.row(index)
        if isinstance(row, str):
            tasks.append(Refusal(index, row))
            continue
        try:
            tasks.append(make_task(network, index, _ball(where, row, radius, clip), label, engine))
        except PolylcError as error:
            tasks.append(Refusal(index, str(error)))
    refused = [t for t in tasks if isinstance(t, Refusal)]
    if refused and len(refused) == len(tasks):
        others = "" if len(refused) == 1 else f" (and {len(refused) - 1} more rows; none can be used)"
        raise DataError(f"{where.data}: row {refused[0].index}: {refused[0].reason}{others}")
    if repeated:
        named = ", ".join(map(str, repeated[:5])) + (", ..." if len(repeated) > 5 else "")
        said = f"row {named} is chosen more than once; it is" if len(repeated) == 1 else f"rows {named} are chosen more than once; each is"
        typer.echo(f"{said} done once", err=True)
    return tasks


def _frame(where: Where, network: Network) -> Frame:
    """The plane or line through rows of the data file."""
    option, spec, many = ("--plane", where.plane, 3) if where.plane is not None else ("--line", where.line, 2)
    _alone(option, {"--line": where.line if option == "--plane" else None, "--frame": where.frame, "--rows": where.rows}, where, "see --margin")
    chosen, points = _exact_rows(where, network, option, spec)
    if len(chosen) != many:
        raise UsageError(f"{option}: {len(chosen)} rows; give {many}, such as {','.join(map(str, range(many)))}")
    margin = None if where.margin is None else parse_number(where.margin, "--margin")
    return through(points, tuple(f"row {index}" for index in chosen), margin)


def _spanned(where: Where, network: Network) -> Frame:
    """The frame whose origin is the first of the rows, and whose directions are the others."""
    assert where.frame is not None
    _alone("--frame", {"--margin": where.margin}, where, "LO and HI")
    chosen, points = _exact_rows(where, network, "--frame", where.rows)
    if not 2 <= len(chosen) <= network.inputs + 1:
        most = f"to {network.inputs + 1} rows" if network.inputs > 1 else "rows"
        raise UsageError(f"--frame: {len(chosen)} rows; its origin and its directions are 2 {most} of --data, choose them with --rows")
    low, high = (_numbers(text, f"--frame, {end}") for text, end in zip(where.frame, ("LO", "HI"), strict=True))
    return spanned(points[0], points[1:], *(ends[0] if len(ends) == 1 else ends for ends in (low, high)))


def _alone(option: str, others: dict[str, object], where: Where, see: str) -> None:
    """What goes with balls and boxes does not go with planes."""
    others = others | {"--center": where.center, "--box": where.box, "--radius": where.radius, "--clip": where.clip}
    excluded = [name for name, value in others.items() if value is not None]
    if excluded:
        raise UsageError(f"{option} and {' and '.join(excluded)} exclude each other: it has its own bounds, {see}")


def _exact_rows(where: Where, network: Network, option: str, spec: str | None) -> tuple[list[int], list[tuple[Fraction, ...]]]:
    """Rows of the data file, none of them bad; all of them where none are named."""
    from polylc.readers.data.points import parse_rows

    if where.data is None:
        raise UsageError(f"{option} names rows of --data FILE, which is missing")
    table = read_table(where, network.inputs)
    chosen = list(range(len(table))) if spec is None else parse_rows(spec, len(table))
    points = []
    for index in chosen:
        row = table.row(index)
        if isinstance(row, str):
            raise DataError(f"{where.data}: row {index}: {row}")
        points.append(row)
    return chosen, points


def read_table(where: Where, width: int) -> DataTable:
    """The data file of the options."""
    from polylc.readers.data.points import load_points

    if where.data is None:
        raise UsageError("--data FILE is missing")
    scale = None if where.scale is None else parse_number(where.scale, "--scale")
    if scale == 0:
        raise UsageError("--scale: 0 makes all rows equal; give a factor such as 1/255")
    return load_points(where.data, array=where.array, label_column=where.label_column, scale=scale, width=width)


_LARGEST = Fraction(np.finfo(np.float64).max)


def _numbers(text: str, what: str) -> tuple[Fraction, ...]:
    """The numbers of an option, exact, and each within the range of doubles."""
    numbers = parse_vector(text, what)
    for index, number in enumerate(numbers):
        if abs(number) > _LARGEST:
            raise UsageError(f"{what}, entry {index}: the number is too large for a double")
    return numbers


def _ball(where: Where, center: Sequence[Fraction], radius: tuple[Fraction, ...], clip: Bounds | None) -> Domain:
    return in_norm(ball(center, radius[0] if len(radius) == 1 else radius, clip), where.norm)


def _clip(where: Where) -> Bounds | None:
    if where.clip is None:
        return None
    return shapes.clip_bounds(_numbers(where.clip[0], "--clip, LO"), _numbers(where.clip[1], "--clip, HI"))


def _fit(vector: tuple[Fraction, ...], network: Network) -> tuple[Fraction, ...]:
    """A vector of the network's inputs; a single number stands for every coordinate."""
    if len(vector) == 1:
        return vector * network.inputs
    if len(vector) != network.inputs:
        raise NeighbourhoodError(f"neighbourhood: {len(vector)} coordinates given, but the network has {network.inputs} inputs")
    return vector


def _only_label(where: Where) -> int | None:
    if where.labels is None:
        return None
    from polylc.readers.data.points import load_labels

    labels = load_labels(where.labels)
    if len(labels) != 1:
        raise DataError(f"{where.labels}: {len(labels)} labels for one neighbourhood")
    return labels[0]
