"""Pictures of a complex: curves along one axis, regions over two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from polylc.complex.along import breakpoints
from polylc.complex.complex import Complex
from polylc.complex.graph import RegionGraph, build_graph
from polylc.domains.frame import Frame
from polylc.errors import UsageError, needs
from polylc.measures.decision.whole import topology
from polylc.network.exact import ExactNetwork
from polylc.report.decisions import class_cells, class_cells_of_regions, decision_boundary
from polylc.report.export import affine_maps
from polylc.report.images import image_shape
from polylc.report.in_ball import drawn_cells, in_ball, outline
from polylc.report.shading import COLOURS, Colour, boundaries, shading

NAMED = 12  # parts that the legend lists
FEW, MANY = 400, 5000  # regions: where lines between them are drawn thinner


@dataclass(frozen=True)
class Style:
    """What a picture looks like.

    Attributes
    ----------
    colour : str
        What the colours of regions stand for, one of `COLOURS`.
    colormap : str
        Of matplotlib, for numbers.
    size : (float, float) or None
        Width and height in inches, without the margin of images.
    """

    colour: Colour = "gradient"
    colormap: str = "viridis"
    size: tuple[float, float] | None = None

    def check(self) -> None:
        """Whether it can be drawn.

        Raises
        ------
        UsageError
            If a name is unknown, or a size is none.
        """
        from matplotlib import colormaps

        if self.colour not in COLOURS:
            raise UsageError(f"plot: colour {self.colour!r} is unknown; choose {', '.join(COLOURS)}")
        if self.colormap not in colormaps:
            raise UsageError(f"plot: colormap {self.colormap!r} is unknown to matplotlib; choose viridis, cividis, magma, Greys, ...")
        if self.size is not None and not all(0.5 <= v <= 100 for v in self.size):
            raise UsageError(f"plot: a size of {self.size[0]:g} x {self.size[1]:g} inches is out of range; give 0.5 to 100")


def figure(
    complex_: Complex,
    points: Any = None,
    labels: Any = None,
    style: Style | None = None,
    ax: Any = None,
    graph: RegionGraph | None = None,
) -> Any:
    """A matplotlib figure of a neighbourhood of dimension one or two: one or two free coordinates, a line or a plane.

    Parameters
    ----------
    complex_ : Complex
    points : array_like, shape (N, n), optional
        Data points to draw where they are in the neighbourhood, or where their feet in its span are. The points through
        which a plane or line was laid are drawn anyhow, with their classes, and in the margin where they are images.
    labels : array_like of int, shape (N,), optional
        Colours of the points.
    style : Style, optional
        Colours and size. "gradient": the spectral norm of the gradient along the picture; "full": that of the gradient
        by all inputs; "class": the largest output; "component": the parts of decision regions; "piece": pieces of the
        function; "rank": the rank of the last hidden layer's Jacobian; "depth": regions are grey, and lines have the
        colour of the layer whose neuron changes there.
    ax : matplotlib axes, optional
        To draw into; then there is no margin of images.
    graph : RegionGraph, optional
        The region graph, if it is known.

    Raises
    ------
    UsageError
        If the dimension is larger.
    """
    needs("matplotlib", "plot", "plot:")
    style = style or Style()
    style.check()
    if style.colour == "component" and not complex_.complete:
        raise UsageError("plot: regions are missing, so parts are not known; colour by class, or raise the limit")
    if style.colour == "component" and complex_.round:
        raise UsageError("plot: parts are those of decision regions in boxes, not in l1 and l2 balls; colour by class")
    if complex_.domain.dimension == 1:
        return _curve(complex_, points, style, ax)
    if complex_.domain.dimension == 2:
        return _map(complex_, points, labels, style, ax, graph)
    raise UsageError(
        f"plot: {complex_.domain.dimension} coordinates are free; a picture needs one or two "
        "(fix the others: equal bounds in --box, or 0 in a --radius per coordinate)"
    )


def _axes(width: float, height: float, style: Style, ax: Any) -> tuple[Any, Any]:
    if ax is not None:
        return ax.figure, ax
    from polylc.report.picture import Picture

    drawn = Picture(figsize=style.size or (width, height), layout="constrained")
    return drawn, drawn.add_subplot()


def _inside(complex_: Complex, points: Any, labels: Any) -> tuple[np.ndarray, np.ndarray | None]:
    """Points that lie in the set, in the coordinates along its axes, and their labels."""
    domain = complex_.domain
    unit = domain.unit(np.asarray(points, dtype=np.float64).reshape(-1, domain.inputs))
    where = domain.measured_middle + unit * domain.half
    keep = (np.abs(unit) <= 1).all(axis=1) & in_ball(domain, where)
    return where[keep], None if labels is None else np.asarray(labels)[keep]


def _title(complex_: Complex, what: str) -> str:
    return f"{len(complex_)} {what}" + ("" if complex_.complete else " (partial)")


def _class_colours(count: int) -> list[Any]:
    from matplotlib import colormaps

    palette = colormaps["tab10" if count <= 10 else "tab20" if count <= 20 else "hsv"]
    return [palette(j if count <= 20 else j / count) for j in range(count)]


# ---- one axis --------------------------------------------------------------------------------------------------------
def _curve(complex_: Complex, points: Any, style: Style, ax: Any) -> Any:
    domain, outputs = complex_.domain, complex_.network.outputs
    drawn, axes = _axes(7.0, 4.2, style, ax)
    middle, half = domain.measured_middle[0], domain.half[0]
    rows = np.concatenate([complex_.half_spaces(part)[0] for part in complex_.batches()])
    at = np.unique(np.clip(-rows[:, 1] / rows[:, 0], -1.0, 1.0))
    unit = np.unique(np.concatenate([[-1.0, 1.0], at]))
    values, xs = complex_.network(domain.points(unit[:, None])), middle + half * unit
    if isinstance(domain, Frame) and outputs > 1:
        _margins(complex_, drawn, axes, xs, values, ax is None)
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


def _margins(complex_: Complex, drawn: Any, axes: Any, xs: np.ndarray, values: np.ndarray, beside: bool) -> None:
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
    _show_marks(drawn, complex_, axes, classes, colours, beside)


# ---- two axes --------------------------------------------------------------------------------------------------------
def _map(complex_: Complex, points: Any, labels: Any, style: Style, ax: Any, graph: RegionGraph | None) -> Any:
    from matplotlib.collections import LineCollection, PolyCollection
    from matplotlib.patches import Polygon

    domain, outputs = complex_.domain, complex_.network.outputs
    cells, maps = drawn_cells(complex_), affine_maps(complex_)
    drawn, axes = _axes(7.2, 6.0, style, ax)
    width = 0.5 if len(cells) < FEW else 0.25 if len(cells) < MANY else 0.08
    legend = False
    colours = _class_colours(max(outputs, 2))
    found = shading(complex_, style.colour, graph)
    if style.colour == "class":
        parts, best = class_cells(cells, maps)
        axes.add_collection(PolyCollection(parts, facecolors=[colours[j] for j in best], edgecolors="none", alpha=0.75))
        axes.add_collection(PolyCollection(cells, facecolors="none", edgecolors="white", linewidths=width))
        _legend_of(axes, {f"class {j}": colours[j] for j in sorted(set(best))})
        legend = True
    elif style.colour == "component":
        _by_component(complex_, axes, cells, maps, width, graph)
        legend = True
    elif found is None:
        legend = _by_layer(complex_, axes, cells, style, width)
    elif found.whole:
        palette = _whole_colours(sorted(set(found.values.tolist())), style.colormap, found.named)
        axes.add_collection(PolyCollection(cells, facecolors=[palette[v] for v in found.values.tolist()], edgecolors="white", linewidths=width))
        _legend_of(axes, {f"{found.label}: {v}": shade for v, shade in palette.items()} if found.named else {found.label: "none"})
        legend = True
    else:
        collection = PolyCollection(cells, array=found.values, cmap=style.colormap, edgecolors="white", linewidths=width)
        axes.add_collection(collection)
        drawn.colorbar(collection, ax=axes, label=found.label, shrink=0.85)
    segments = decision_boundary(cells, maps)
    if len(segments):
        axes.add_collection(LineCollection(list(segments), colors="crimson", linewidths=2.0, label="decision boundary", zorder=3))
    if complex_.round:
        axes.add_patch(Polygon(outline(domain), closed=True, fill=False, edgecolor="black", linewidth=0.8, zorder=3))
    if points is not None:
        where, classes = _inside(complex_, points, labels)
        shades = {"c": "white"} if classes is None else {"c": classes, "cmap": "coolwarm"}
        axes.scatter(where[:, 0], where[:, 1], s=16, edgecolors="black", linewidths=0.6, zorder=4, label="data", **shades)
    middle = domain.measured_middle
    (a, b), (x, y) = domain.axes, zip(middle - domain.half, middle + domain.half, strict=True)
    axes.set(xlim=x, ylim=y, xlabel=a, ylabel=b, aspect="equal")
    axes.set_title(_title(complex_, "linear regions"), fontsize=10)
    if len(segments) or points is not None or legend:
        axes.legend(loc="upper right", fontsize=8, framealpha=0.9)
    if isinstance(domain, Frame):
        _show_marks(drawn, complex_, axes, _classes(complex_, domain), colours, ax is None)
    return drawn


def _by_component(complex_: Complex, axes: Any, cells: Sequence[np.ndarray], maps: np.ndarray, width: float, graph: RegionGraph | None) -> None:
    """Parts of decision regions, each in a colour of its own; grey where classes are level on a whole region."""
    from matplotlib.collections import PolyCollection

    part = topology(complex_, build_graph(complex_) if graph is None else graph).parts.part
    there = sorted({(c, p) for c in range(part.shape[1]) for p in part[:, c].tolist() if p >= 0})
    shades = dict(zip(there, _class_colours(len(there)), strict=True))
    drawn, best, regions = class_cells_of_regions(cells, maps)
    faces = [shades.get((c, int(part[r, c])), "0.8") for r, c in zip(regions, best, strict=True)]
    axes.add_collection(PolyCollection(drawn, facecolors=faces, edgecolors="none", alpha=0.75))
    axes.add_collection(PolyCollection(cells, facecolors="none", edgecolors="white", linewidths=width))
    _legend_of(axes, {f"class {c}, part {p + 1}": shades[c, p] for c, p in there[:NAMED]})


def _by_layer(complex_: Complex, axes: Any, cells: Sequence[np.ndarray], style: Style, width: float) -> bool:
    """Grey regions, and lines in the colours of the layers whose neurons change there; whether there are any."""
    from matplotlib.collections import LineCollection, PolyCollection

    axes.add_collection(PolyCollection(cells, facecolors="0.94", edgecolors="none"))
    segments, layers = boundaries(complex_, cells)
    palette = _whole_colours(list(range(1, len(complex_.network.layers) + 1)), style.colormap, True)
    for layer in sorted(set(layers.tolist()), reverse=True):  # the first layer's lines, which are straight, on top
        some = list(segments[layers == layer])
        axes.add_collection(LineCollection(some, colors=[palette[layer]], linewidths=max(2.4 * width, 0.25), zorder=2))
    _legend_of(axes, {f"layer {layer}": palette[layer] for layer in sorted(set(layers.tolist()))})
    return bool(len(segments))


def _whole_colours(values: Sequence[int], colormap: str, ordered: bool) -> dict[int, Any]:
    """A colour for each whole number: along the map if their order means something, else far apart."""
    from matplotlib import colormaps

    if not ordered:
        return {v: colormaps["tab20"](v % 20) for v in values}
    return {v: colormaps[colormap](0.1 + 0.8 * at / max(len(values) - 1, 1)) for at, v in enumerate(values)}


def _legend_of(axes: Any, named: Mapping[str, Any]) -> None:
    for name, shade in named.items():
        axes.scatter([], [], marker="s", color=shade, label=name)


# ---- what a frame was laid through -----------------------------------------------------------------------------------
def _classes(complex_: Complex, domain: Frame) -> list[int]:
    """The largest output at each of these points, exactly; the lowest number where several are. Of a network with one
    output: whether it is positive.
    """
    exact = ExactNetwork(complex_.network)
    found = [exact.outputs(point) for point in domain.marks]
    return [int(values[0] > 0) if len(values) == 1 else values.index(max(values)) for values in found]


def _show_marks(drawn: Any, complex_: Complex, axes: Any, classes: Sequence[int], colours: Sequence[Any], beside: bool) -> None:
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
    if shape is None or not beside:
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
