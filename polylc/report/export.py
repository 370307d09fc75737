"""A complex for others: a table of regions, a networkx graph, GraphML and npz files."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from polylc.complex.complex import Complex
from polylc.complex.graph import RegionGraph
from polylc.complex.pieces import pieces
from polylc.errors import UsageError, needs
from polylc.exact.quantity import Quantity
from polylc.measures.by_volume.variation import facet_areas, jumps, spectral_norms
from polylc.measures.measure import Cost, Measure, Number
from polylc.measures.registry import ROWS
from polylc.report.record import Record, Refusal


def region_table(complex_: Complex, graph: RegionGraph | None) -> dict[str, np.ndarray]:
    """Columns with one row per region.

    `pattern` (a string of bits, first neuron first), `x0`, `x1`, ... (a point inside), `gradient` (spectral norm of the
    Jacobian), `volume` (dimension <= 6, and doubles hold it), and with a graph, if no region may be missing,
    `neighbours` and `piece`.
    """
    count = len(complex_)
    columns: dict[str, np.ndarray] = {"region": np.arange(count)}
    bits = complex_.patterns().astype(np.uint8) + ord("0")
    columns["pattern"] = np.array([row.tobytes().decode() for row in bits], dtype=object)
    points = complex_.points
    columns |= {f"x{j}": points[:, j] for j in range(points.shape[1])}
    gradient = np.empty(count)
    for rows, jacobian in complex_.jacobians():
        gradient[rows] = spectral_norms(jacobian)
    columns["gradient"] = gradient
    if complex_.has_geometry and complex_.volume_in_doubles:
        columns["volume"] = complex_.geometry.volume
    if graph is not None and complex_.complete:  # a region that was not reached may be a neighbour, and join pieces
        columns["neighbours"] = np.bincount(np.concatenate([graph.first, graph.second]), minlength=count)
        columns["piece"] = pieces(complex_, graph)
    return columns


def edge_table(complex_: Complex, graph: RegionGraph) -> dict[str, np.ndarray]:
    """Columns with one row per edge: `first`, `second`, `neuron`, `flips`, and for dimension <= 6 `area`; `jump`."""
    columns = {"first": graph.first, "second": graph.second, "neuron": graph.neurons(complex_), "flips": graph.flips}
    if complex_.has_geometry and complex_.volume_in_doubles:
        columns["area"] = facet_areas(complex_, graph)
    columns["jump"] = jumps(complex_, graph)
    return columns


def summary_rows(entries: Sequence[Record | Refusal]) -> dict[str, list[Any]]:
    """Columns with one row per neighbourhood; of intervals the lower ends, None where only the upper one is known.

    Measures that are computed only where they are named have columns for all their numbers, where any row has them.
    """
    found = [e for e in entries if isinstance(e, Record)]
    named = {row.name: list(dict.fromkeys(name for e in found for name in _numbers(e, row))) for row in ROWS if row.cost is Cost.BY_NAME}
    rows = [_summary_row(entry, named) for entry in entries]
    return {name: [row[name] for row in rows] for name in rows[0]} if rows else {}


def _numbers(record: Record | None, row: Measure[Any]) -> Mapping[str, Number]:
    value = record and record.answers.value(row.name)
    return {} if value is None else row.numbers(value)


def _summary_row(entry: Record | Refusal, named: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    record = None if isinstance(entry, Refusal) else entry
    cells: dict[str, Any] = {"index": entry.index, "status": str(entry.status), "regions": record and record.regions}
    for row in ROWS:
        numbers = _numbers(record, row)
        for name in (*row.frame, *named.get(row.name, ())):
            found = numbers.get(name)
            cells[name.replace(".", "_")] = _cell(found, record is not None and record.complete)
    return cells | {"seconds": 0.0 if record is None else round(record.seconds, 6)}


def _cell(found: Number, complete: bool) -> Number | float:
    """A number of a measure; of an interval the lower end, None if work that was stopped left it known from above
    only.
    """
    if not isinstance(found, Quantity):
        return found
    return None if not complete and found.lower == 0.0 != found.upper else found.lower


def data_frame(columns: Any) -> Any:
    """A pandas DataFrame of columns.

    Raises
    ------
    UsageError
        If pandas is not installed.
    """
    try:
        import pandas
    except ImportError:
        raise UsageError("to_frame needs pandas; install it with: pip install 'polylc[frame]'") from None
    return pandas.DataFrame(columns)


def to_networkx(complex_: Complex, graph: RegionGraph) -> Any:
    """The region graph as a networkx.Graph with the columns of both tables as attributes."""
    import networkx

    result = networkx.Graph()
    regions, edges = region_table(complex_, graph), edge_table(complex_, graph)
    names = [name for name in regions if name != "region"]
    values = [regions[name].tolist() for name in names]
    result.add_nodes_from((r, dict(zip(names, row, strict=True))) for r, row in enumerate(zip(*values, strict=True)))
    names = [name for name in edges if name not in ("first", "second")]
    values = [edges[name].tolist() for name in names]
    ends = zip(edges["first"].tolist(), edges["second"].tolist(), strict=True)
    result.add_edges_from((a, b, dict(zip(names, row, strict=True))) for (a, b), row in zip(ends, zip(*values, strict=True), strict=True))
    return result


def positions(complex_: Complex, graph: RegionGraph) -> dict[str, np.ndarray]:
    """Where the nodes of the region graph are drawn: `x`, `y` and `z`, the coordinates of the inner points in up to
    three dimensions; above, `x` and `y` from forces between neighbours, which mean nothing.
    """
    domain = complex_.domain
    if domain.dimension <= 3:
        at = domain.measured_middle + complex_.unit * domain.half
        return {name: at[:, j] for j, name in zip(range(domain.dimension), "xyz", strict=False)}
    import networkx

    net = networkx.Graph()
    net.add_nodes_from(range(len(complex_)))
    net.add_edges_from(zip(graph.first.tolist(), graph.second.tolist(), strict=True))
    laid = networkx.spring_layout(net, seed=0)
    at = np.array([laid[r] for r in range(len(complex_))]).reshape(-1, 2)
    return {"x": at[:, 0], "y": at[:, 1]}


TABLES = (".csv", ".parquet")


def write_table(path: Path, columns: Mapping[str, Any]) -> None:
    """Write columns as .csv, or as .parquet, which keeps their types.

    Raises
    ------
    UsageError
        If the ending is neither.
    MissingPackageError
        If .parquet is asked for and pyarrow is not installed.
    """
    listed = {name: column.tolist() if isinstance(column, np.ndarray) else [_plain(v) for v in column] for name, column in columns.items()}
    if path.suffix == ".csv":
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(listed)
            writer.writerows(zip(*listed.values(), strict=True))
    elif path.suffix == ".parquet":
        needs("pyarrow", "parquet", f"{path}:")
        import pyarrow
        from pyarrow import parquet

        parquet.write_table(pyarrow.table(listed), path)
    else:
        raise UsageError(f"{path}: tables are written as .csv or .parquet")


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def write_graph(path: Path, complex_: Complex, graph: RegionGraph) -> None:
    """Write the region graph as .graphml, with `x` and `y` of each node where to draw it, or .npz.

    The .npz holds `patterns` (packed uint64 words), `points`, `maps` (regions x outputs x (n + 1), v -> A v + b in the
    free coordinates, or along the axes of a plane), the columns of the edges, and `volumes` where they are known.
    """
    if path.suffix == ".graphml":
        import networkx

        found = to_networkx(complex_, graph)
        for name, column in positions(complex_, graph).items():
            networkx.set_node_attributes(found, dict(enumerate(column.tolist())), name)
        networkx.write_graphml(found, path)
    elif path.suffix == ".npz":
        regions = {"patterns": complex_.bits, "points": complex_.points}
        if complex_.has_geometry and complex_.volume_in_doubles:
            regions["volumes"] = complex_.geometry.volume
        arrays = {**regions, "maps": affine_maps(complex_), **edge_table(complex_, graph)}
        np.savez_compressed(path, **arrays)  # type: ignore[arg-type]
    else:
        raise UsageError(f"{path}: graphs are written as .graphml or .npz")


def affine_maps(complex_: Complex) -> np.ndarray:
    """Affine maps f(v) = A v + b of all regions in coordinates v along the axes, of a box the free coordinates; shape
    (R, outputs, k + 1).
    """
    domain = complex_.domain
    result = np.empty((len(complex_), complex_.network.outputs, domain.dimension + 1))
    for rows in complex_.batches():
        maps = complex_.maps(rows).map
        gradient = domain.gradients(maps)
        result[rows, :, :-1] = gradient
        result[rows, :, -1] = maps[:, :, -1] - gradient @ domain.measured_middle
    return result
