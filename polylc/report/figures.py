"""Pictures of a complex: curves along one axis, regions over two."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np

from polylc.complex.along import breakpoints
from polylc.complex.complex import Complex
from polylc.complex.graph import build_graph
from polylc.domains.frame import Frame
from polylc.errors import UsageError, needs
from polylc.measures.by_volume.variation import spectral_norms
from polylc.measures.decision.whole import topology
from polylc.network.backward import full_jacobians
from polylc.network.exact import ExactNetwork
from polylc.report.decisions import class_cells, decision_boundary
from polylc.report.export import affine_maps

Colour = Literal["gradient", "full", "class", "component"]
COLOURS: tuple[Colour, ...] = get_args(Colour)
FEW, MANY = 400, 5000  # regions: where lines between them are drawn thinner
NAMED = 12  # parts that the legend lists
LEAST_IMAGE = 64  # inputs, a square number, that are taken for an image where the model does not say what they are


def figure(complex_: Complex, points: Any = None, labels: Any = None, colour: Colour = "gradient") -> Any:
    """A matplotlib figure of a neighbourhood of dimension one or two: one or two free coordinates, a line or a plane.

    Parameters
    ----------
    complex_ : Complex
    points : array_like, shape (N, n), optional
        Data points to draw where they are in the neighbourhood, or where their feet in its span are. The points through
        which a plane or line was laid are drawn anyhow, with their classes, and in the margin where they are images.
    labels : array_like of int, shape (N,), optional
        Colours of the points.
    colour : str
        "gradient": the spectral norm of the gradient along the picture; "full": that of the gradient by all inputs;
        "class": the largest output; "component": the parts of the classes' decision regions, each of its own colour.

    Raises
    ------
    UsageError
        If the dimension is larger.
    """
    needs("matplotlib", "plot", "plot:")
    if colour not in COLOURS:
        raise UsageError(f"plot: colour {colour!r} is unknown; choose {', '.join(COLOURS)}")
    if colour == "component" and not complex_.complete:
        raise UsageError("plot: regions are missing, so parts are not known; colour by class, or raise the limit")
    if complex_.domain.dimension == 1:
        return _curve(complex_, points)
    if complex_.domain.dimension == 2:
        return _map(complex_, points, labels, colour)
    raise UsageError(
        f"plot: {complex_.domain.dimension} coordinates are free; a picture needs one or two "
        "(fix the others: equal bounds in --box, or 0 in a --radius per coordinate)"
    )


def _axes(width: float, height: float) -> tuple[Any, Any]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(drawn)  # no display is needed, and pyplot's global state is left alone
    return drawn, drawn.add_subplot()


def _inside(complex_: Complex, points: Any, labels: Any) -> tuple[np.ndarray, np.ndarray | None]:
    """Points that lie in the set, in the coordinates along its axes, and their labels."""
    domain = complex_.domain
    unit = domain.unit(np.asarray(points, dtype=np.float64).reshape(-1, domain.inputs))
    keep = (np.abs(unit) <= 1).all(axis=1)
    return domain.measured_middle + unit[keep] * domain.half, None if labels is None else np.asarray(labels)[keep]


def _title(complex_: Complex, what: str) -> str:
    return f"{len(complex_)} {what}" + ("" if complex_.complete else " (partial)")


def _class_colours(count: int) -> list[Any]:
    from matplotlib import colormaps

    palette = colormaps["tab10" if count <= 10 else "tab20" if count <= 20 else "hsv"]
    return [palette(j if count <= 20 else j / count) for j in range(count)]


# ---- one axis --------------------------------------------------------------------------------------------------------
def _curve(complex_: Complex, points: Any) -> Any:
    domain, outputs = complex_.domain, complex_.network.outputs
    drawn, axes = _axes(7.0, 4.2)
    middle, half = domain.measured_middle[0], domain.half[0]
    rows = np.concatenate([complex_.half_spaces(part)[0] for part in complex_.batches()])
    at = np.unique(np.clip(-rows[:, 1] / rows[:, 0], -1.0, 1.0))
    unit = np.unique(np.concatenate([[-1.0, 1.0], at]))
    values, xs = complex_.network(domain.points(unit[:, None])), middle + half * unit
    if isinstance(domain, Frame) and outputs > 1:
        _margins(complex_, drawn, axes, xs, values)
    else:
        for j in range(outputs):
            axes.plot(xs, values[:, j], lw=1.6, label=f"$f_{{{j}}}$")
        axes.set(ylabel="output")
    for x in middle + half * at:
        axes.axvline(x, color="0.85", lw=0.6, zorder=0)
    if points is not None:
        where, _ = _inside(complex_, points, None)
        axes.plot(where[:, 0], np.full(len(where), axes.get_ylim()[0]), "k|", ms=9, label="data")
    axes.set(xlabel=domain.axes[0], xlim=(middle - half, middle + half))
    axes.set_title(_title(complex_, "regions"), fontsize=10)
    if outputs > 1 or points is not None:
        axes.legend(frameon=False, fontsize=8, ncols=1 + outputs // 8)
    return drawn


def _margins(complex_: Complex, drawn: Any, axes: Any, xs: np.ndarray, values: np.ndarray) -> None:
    """What the class at the first point is ahead of the others by, and a band of the classes above it."""
    domain, colours = complex_.domain, _class_colours(complex_.network.outputs)
    assert isinstance(domain, Frame)
    classes = _classes(complex_, domain)
    first = classes[0]
    for j, shade in enumerate(colours):
        if j != first:
            axes.plot(xs, values[:, first] - values[:, j], lw=1.4, color=shade, label=f"$f_{{{first}}} - f_{{{j}}}$")
    axes.axhline(0.0, color="black", lw=0.8)
    axes.set(ylabel=f"margin of class {first}")
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + 0.06 * (high - low))  # for the band
    if complex_.complete:
        (only,) = domain.parameters
        scale = domain.half[0] / float(only.half)
        for low, high, best in breakpoints(complex_).classes:
            axes.axvspan(float(low) * scale, float(high) * scale, ymin=0.96, color=colours[best], lw=0)
    _show_marks(drawn, complex_, axes, classes, colours)


# ---- two axes --------------------------------------------------------------------------------------------------------
def _map(complex_: Complex, points: Any, labels: Any, colour: Colour) -> Any:
    from matplotlib.collections import LineCollection, PolyCollection

    domain, outputs = complex_.domain, complex_.network.outputs
    cells, maps = complex_.polygons(), affine_maps(complex_)
    drawn, axes = _axes(7.2, 6.0)
    width = 0.5 if len(cells) < FEW else 0.25 if len(cells) < MANY else 0.08
    colours = _class_colours(max(outputs, 2))
    if colour == "class":
        parts, best, _ = class_cells(cells, maps)
        axes.add_collection(PolyCollection(parts, facecolors=[colours[j] for j in best], edgecolors="none", alpha=0.75))
        axes.add_collection(PolyCollection(cells, facecolors="none", edgecolors="white", linewidths=width))
    elif colour == "component":
        _components(complex_, axes, cells, maps, width)
    else:
        norms = _norms(complex_, colour)
        collection = PolyCollection(cells, array=norms, cmap="viridis", edgecolors="white", linewidths=width)
        axes.add_collection(collection)
        drawn.colorbar(collection, ax=axes, label=f"norm of the {'gradient' if colour == 'gradient' else 'full gradient'} (spectral)", shrink=0.85)
    segments = decision_boundary(cells, maps)
    if len(segments):
        axes.add_collection(LineCollection(list(segments), colors="crimson", linewidths=2.0, label="decision boundary", zorder=3))
    if points is not None:
        where, classes = _inside(complex_, points, labels)
        shades = {"c": "white"} if classes is None else {"c": classes, "cmap": "coolwarm"}
        axes.scatter(where[:, 0], where[:, 1], s=16, edgecolors="black", linewidths=0.6, zorder=4, label="data", **shades)
    if colour == "class":
        _class_legend(axes, sorted(set(best)), colours)
    middle = domain.measured_middle
    (a, b), (x, y) = domain.axes, zip(middle - domain.half, middle + domain.half, strict=True)
    axes.set(xlim=x, ylim=y, xlabel=a, ylabel=b, aspect="equal")
    axes.set_title(_title(complex_, "linear regions"), fontsize=10)
    if len(segments) or points is not None or colour in ("class", "component"):
        axes.legend(loc="upper right", fontsize=8, framealpha=0.9)
    if isinstance(domain, Frame):
        _show_marks(drawn, complex_, axes, _classes(complex_, domain), colours)
    return drawn


def _norms(complex_: Complex, colour: Colour) -> np.ndarray:
    """Spectral norms of the regions' Jacobians, along the picture or by all inputs."""
    if colour == "gradient":
        return np.concatenate([spectral_norms(jacobian) for _, jacobian in complex_.jacobians()])
    squares = [np.linalg.eigvalsh(j @ j.swapaxes(1, 2))[:, -1] for j in full_jacobians(complex_.network, complex_.patterns())]
    norms: np.ndarray = np.sqrt(np.maximum(np.concatenate(squares), 0.0))
    return norms


def _components(complex_: Complex, axes: Any, cells: Sequence[np.ndarray], maps: np.ndarray, width: float) -> None:
    """Parts of decision regions, each in a colour of its own; grey where classes are level on a whole region."""
    from matplotlib.collections import PolyCollection

    part = topology(complex_, build_graph(complex_)).parts.part
    found = sorted({(c, p) for c in range(part.shape[1]) for p in part[:, c].tolist() if p >= 0})
    shades = dict(zip(found, _class_colours(len(found)), strict=True))
    drawn, best, regions = class_cells(cells, maps)
    faces = [shades.get((c, int(part[r, c])), "0.8") for r, c in zip(regions, best, strict=True)]
    axes.add_collection(PolyCollection(drawn, facecolors=faces, edgecolors="none", alpha=0.75))
    axes.add_collection(PolyCollection(cells, facecolors="none", edgecolors="white", linewidths=width))
    for c, p in found if len(found) <= NAMED else []:
        axes.scatter([], [], marker="s", color=shades[c, p], label=f"class {c}, part {p + 1}")


def _class_legend(axes: Any, there: Sequence[int], colours: Sequence[Any]) -> None:
    for j in there:
        axes.scatter([], [], marker="s", color=colours[j], label=f"class {j}")


# ---- what a frame was laid through -----------------------------------------------------------------------------------
def _classes(complex_: Complex, domain: Frame) -> list[int]:
    """The largest output at each of these points, exactly; the lowest number where several are. Of a network with one
    output: whether it is positive.
    """
    exact = ExactNetwork(complex_.network)
    found = [exact.outputs(point) for point in domain.marks]
    return [int(values[0] > 0) if len(values) == 1 else values.index(max(values)) for values in found]


def _show_marks(drawn: Any, complex_: Complex, axes: Any, classes: Sequence[int], colours: Sequence[Any]) -> None:
    """Mark the points, with their names and classes; where they are images, show these beside the picture."""
    domain = complex_.domain
    assert isinstance(domain, Frame)
    inputs = np.array([[float(v) for v in point] for point in domain.marks])
    where = domain.measured_middle + domain.unit(inputs) * domain.half
    for place, name, best in zip(where, domain.names, classes, strict=True):
        if domain.dimension == 1:
            axes.axvline(place[0], color="black", lw=1.0, ls=":")
            continue
        axes.plot(*place, "o", ms=8, mfc=colours[best], mec="black", mew=1.2, zorder=5)
        text = {"xytext": (7, 6), "textcoords": "offset points", "fontsize": 8, "zorder": 6}
        axes.annotate(f"{name}: {best}", place, bbox={"boxstyle": "round,pad=0.2", "fc": "white", "alpha": 0.85, "lw": 0}, **text)
    shape = image_shape(complex_.network.input_shape, domain.inputs)
    if shape is None:
        return
    pictures = inputs.reshape(-1, *shape)
    low, high = pictures.min(), pictures.max()
    width, height = drawn.get_size_inches()
    drawn.set_size_inches(width + 1.5, height)
    drawn.get_layout_engine().set(rect=(0, 0, width / (width + 1.5), 1))
    share = 1.0 / len(pictures)
    for at, (picture, name, best) in enumerate(zip(pictures, domain.names, classes, strict=True)):
        side = min(1.2 / (width + 1.5), (share - 0.06) * height / (width + 1.5))
        tall = side * (width + 1.5) / height
        small = drawn.add_axes((1 - side - 0.01, 1 - (at + 0.5) * share - tall / 2 - 0.01, side, tall))
        seen = (picture - low) / (high - low)
        if len(shape) == 3:
            seen = np.moveaxis(seen, 0, -1)
        small.imshow(seen, cmap="gray", vmin=0.0, vmax=1.0)
        small.set(xticks=[], yticks=[])
        small.set_title(f"{name}: class {best}", fontsize=8)
        for spine in small.spines.values():
            spine.set(color=colours[best], linewidth=2.5)


def image_shape(known: tuple[int, ...], inputs: int) -> tuple[int, ...] | None:
    """The shape in which an input is drawn, (H, W) or (3, H, W); None if it is no image.

    Where the model takes a flat vector of 64 inputs or more, a square number, it is taken for a square image.
    """
    sizes = tuple(size for size in known if size != 1)
    if len(sizes) == 2 or (len(sizes) == 3 and sizes[0] == 3):
        return sizes
    side = round(inputs**0.5)
    return (side, side) if len(sizes) < 2 and inputs >= LEAST_IMAGE and side * side == inputs else None
