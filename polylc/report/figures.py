"""Pictures of a complex: a curve over one free coordinate, regions over two."""

from __future__ import annotations

from typing import Any

import numpy as np

from polylc.complex.complex import Complex
from polylc.errors import UsageError, needs
from polylc.measures.by_volume.variation import spectral_norms
from polylc.report.export import affine_maps


def figure(complex_: Complex, points: Any = None, labels: Any = None) -> Any:
    """A matplotlib figure of a neighbourhood with one or two free coordinates.

    Parameters
    ----------
    complex_ : Complex
    points : array_like, shape (N, n), optional
        Data points to draw, by their free coordinates; those whose free coordinates leave the neighbourhood are left
        out.
    labels : array_like of int, shape (N,), optional
        Colours of the points.

    Raises
    ------
    UsageError
        If more than two coordinates are free.
    """
    needs("matplotlib", "plot", "plot:")
    if complex_.domain.dimension == 1:
        return _curve(complex_, points)
    if complex_.domain.dimension == 2:
        return _map(complex_, points, labels)
    raise UsageError(
        f"plot: {complex_.domain.dimension} coordinates are free; a picture needs one or two "
        "(fix the others: equal bounds in --box, or 0 in a --radius per coordinate)"
    )


def _axes(width: float, height: float) -> tuple[Any, Any]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(width, height))
    FigureCanvasAgg(drawn)  # no display is needed, and pyplot's global state is left alone
    return drawn, drawn.add_subplot()


def _inside(complex_: Complex, points: Any, labels: Any) -> tuple[np.ndarray, np.ndarray | None]:
    """Points that lie in the set, in the coordinates along its axes, and their labels."""
    domain = complex_.domain
    unit = domain.unit(np.asarray(points, dtype=np.float64).reshape(-1, domain.inputs))
    keep = (np.abs(unit) <= 1).all(axis=1)
    return domain.measured_middle + unit[keep] * domain.half, None if labels is None else np.asarray(labels)[keep]


def _curve(complex_: Complex, points: Any) -> Any:
    domain = complex_.domain
    drawn, axes = _axes(7.0, 4.2)
    middle, half = domain.measured_middle[0], domain.half[0]
    rows = np.concatenate([complex_.half_spaces(part)[0] for part in complex_.batches()])
    at = np.unique(np.clip(-rows[:, 1] / rows[:, 0], -1.0, 1.0))
    unit = np.unique(np.concatenate([[-1.0, 1.0], at]))
    values, xs = complex_.network(domain.points(unit[:, None])), middle + half * unit
    for j in range(complex_.network.outputs):
        axes.plot(xs, values[:, j], lw=1.6, label=f"$f_{{{j}}}$")
    for x in middle + half * at:
        axes.axvline(x, color="0.85", lw=0.6, zorder=0)
    if points is not None:
        where, _ = _inside(complex_, points, None)
        axes.plot(where[:, 0], np.full(len(where), axes.get_ylim()[0]), "k|", ms=9, label="data")
    axes.set(xlabel=domain.axes[0], ylabel="output", xlim=(middle - half, middle + half))
    axes.set_title(_title(complex_, "regions"), fontsize=10)
    if complex_.network.outputs > 1 or points is not None:
        axes.legend(frameon=False, fontsize=8)
    drawn.tight_layout()
    return drawn


def _title(complex_: Complex, what: str) -> str:
    return f"{len(complex_)} {what}" + ("" if complex_.complete else " (partial)")


def _map(complex_: Complex, points: Any, labels: Any) -> Any:
    from matplotlib.collections import LineCollection, PolyCollection

    domain = complex_.domain
    cells = complex_.polygons()
    norms = np.concatenate([spectral_norms(jacobian) for _, jacobian in complex_.jacobians()])
    drawn, axes = _axes(7.2, 6.0)
    width = 0.5 if len(cells) < 400 else 0.25 if len(cells) < 5000 else 0.08
    collection = PolyCollection(cells, array=norms, cmap="viridis", edgecolors="white", linewidths=width)
    axes.add_collection(collection)
    drawn.colorbar(collection, ax=axes, label="gradient norm (spectral)", shrink=0.85)
    segments = decision_boundary(cells, affine_maps(complex_))
    if len(segments):
        axes.add_collection(LineCollection(list(segments), colors="crimson", linewidths=2.0, label="decision boundary", zorder=3))
    if points is not None:
        where, classes = _inside(complex_, points, labels)
        colours = {"c": "white"} if classes is None else {"c": classes, "cmap": "coolwarm"}
        axes.scatter(where[:, 0], where[:, 1], s=16, edgecolors="black", linewidths=0.6, zorder=4, label="data", **colours)
    middle = domain.measured_middle
    (a, b), (x, y) = domain.axes, zip(middle - domain.half, middle + domain.half, strict=True)
    axes.set(xlim=x, ylim=y, xlabel=a, ylabel=b, aspect="equal")
    axes.set_title(_title(complex_, "linear regions"), fontsize=10)
    if len(segments) or points is not None:
        axes.legend(loc="upper right", fontsize=8, framealpha=0.9)
    drawn.tight_layout()
    return drawn


def decision_boundary(cells: list[np.ndarray], maps: np.ndarray) -> np.ndarray:
    """Segments where the largest output changes (where the only output is zero); shape (S, 2, 2).

    Parameters
    ----------
    cells : list of ndarray, shape (v, 2)
        Corners of the regions, in order around each.
    maps : ndarray, shape (R, outputs, 3)
        Affine maps x -> A x + b of the regions.
    """
    outputs = maps.shape[1]
    pairs = [(0, None)] if outputs == 1 else [(i, j) for i in range(outputs) for j in range(i + 1, outputs)]
    segments = []
    for corners, rows in zip(cells, maps, strict=True):
        values = corners @ rows[:, :2].T + rows[:, 2]
        for i, j in pairs:
            margin = values[:, i] - (0.0 if j is None else values[:, j])
            if len(margin) < 3 or not (margin.min() < 0 < margin.max()):
                continue
            ends = []
            for k in range(len(corners)):
                u, v = margin[k], margin[(k + 1) % len(corners)]
                if (u > 0) != (v > 0):
                    ends.append(corners[k] + u / (u - v) * (corners[(k + 1) % len(corners)] - corners[k]))
            if len(ends) != 2:
                continue
            segment = _where_largest(np.array(ends), rows, i) if j is not None else np.array(ends)
            if segment is not None:
                segments.append(segment)
    return np.array(segments).reshape(-1, 2, 2)


def _where_largest(segment: np.ndarray, rows: np.ndarray, i: int) -> np.ndarray | None:
    """The part of a segment on which output i is no smaller than any other."""
    at = segment @ rows[:, :2].T + rows[:, 2]
    low, high = 0.0, 1.0
    slack = 1e-9 * np.abs(at).max()
    for u, v in zip(at[0, i] - at[0] + slack, at[1, i] - at[1] + slack, strict=True):
        if u < 0 and v < 0:
            return None
        if u < 0:
            low = max(low, u / (u - v))
        elif v < 0:
            high = min(high, u / (u - v))
    if low >= high:
        return None
    along = segment[1] - segment[0]
    return np.array([segment[0] + low * along, segment[0] + high * along])
