"""Pictures of a complex for a page: curves over one axis, regions over two, cells in three; a region graph above."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup

from polylc.complex.complex import Complex
from polylc.complex.graph import RegionGraph
from polylc.domains.box import norm_of
from polylc.domains.domain import Domain
from polylc.domains.frame import Frame
from polylc.measures.by_volume.variation import spectral_norms
from polylc.report.decisions import Cells, class_cells, decision_boundary
from polylc.report.export import affine_maps
from polylc.report.html.page import as_json
from polylc.report.html.raster import LEVELS, edges, filled, numbered, painted
from polylc.report.html.svg import COLOURS, Curve, chart, points_text, shade
from polylc.report.html.view import Drawing
from polylc.report.images import data_uri
from polylc.report.in_ball import drawn_cells, outline

MOST_CELLS = 6000  # that are drawn one by one: more would be slow to look at
MOST_PIXELLED = 200_000  # that are drawn in pixels
MOST_TOLD = 40_000  # of which a picture in pixels tells what they are
MOST_SOLIDS = 1500
MOST_NODES = 300
MAP_NUMBERS = 40_000  # of affine maps that are told in a picture
SIDE = 640.0
FINE = 1.5  # pixels of a picture in pixels by one of the page

Place = Callable[[np.ndarray], list[list[float]]]  # corners to where they are drawn


def pictures(complex_: Complex, graph: RegionGraph | None, room: int) -> list[Drawing]:
    """What can be drawn of a complex with at most `room` regions; nothing where there are more."""
    if room_of(complex_) > room or not len(complex_):
        return []
    dimension = complex_.domain.dimension
    if dimension == 1:
        return [_curves(complex_)]
    if dimension == 2 and len(complex_) <= MOST_PIXELLED:
        return [_map(complex_)]
    if dimension == 3 and len(complex_) <= MOST_SOLIDS:
        return [_solids(complex_)]
    if graph is not None and 1 < len(complex_) <= MOST_NODES:
        return [_graph(complex_, graph)]
    return []


def room_of(complex_: Complex) -> int:
    """How many regions' worth of a page's room the picture takes: in pixels it is as large as it is."""
    return min(len(complex_), MOST_CELLS) if complex_.domain.dimension == 2 else len(complex_)


def _norms(complex_: Complex) -> np.ndarray:
    return np.concatenate([spectral_norms(jacobian) for _, jacobian in complex_.jacobians()])


def _axes(complex_: Complex) -> list[str]:
    """What the axes are called, without the marks of TeX."""
    return [re.sub(r"[${}_]", "", name) for name in complex_.domain.axes]


def _shares(values: np.ndarray) -> np.ndarray:
    low, high = float(values.min()), float(values.max())
    shares: np.ndarray = (values - low) / (high - low) if high > low else np.full(len(values), 0.5)
    return shares


def _rounded(values: np.ndarray, digits: int = 6) -> Any:
    """Numbers as JSON has them, to so many digits."""
    return np.vectorize(lambda v: float(f"{v:.{digits}g}"), otypes=[object])(values).tolist() if values.size else []


def _told(complex_: Complex, norms: np.ndarray, hint: str) -> dict[str, Any]:
    """What a reader is told of each region: pattern by layer, gradient norm, class, and the map where it is short."""
    many = len(complex_) > MOST_CELLS
    found: dict[str, Any] = {"hint": hint, "norm": _rounded(norms, 4 if many else 6)}
    if not many:
        ends = np.cumsum(complex_.network.widths)[:-1]
        found["pattern"] = [" ".join("".join("01"[b] for b in part) for part in np.split(row.astype(int), ends)) for row in complex_.patterns()]
    found["class"] = _classes(complex_).tolist()
    maps = affine_maps(complex_)
    if maps.size <= MAP_NUMBERS and not many:
        names = ("s", "t") if isinstance(complex_.domain, Frame) and complex_.domain.dimension <= 2 else tuple(_axes(complex_))
        found |= {"map": _rounded(maps), "axes": list(names)}
    return found


def _classes(complex_: Complex) -> np.ndarray:
    """The class at the inner point of each region; of a single output, whether it is positive there."""
    values = complex_.network(complex_.points)
    found: np.ndarray = (np.argmax(values, axis=1) if values.shape[1] > 1 else (values[:, 0] > 0)).astype(int)
    return found


# ---- one axis --------------------------------------------------------------------------------------------------------
def _curves(complex_: Complex) -> Drawing:
    domain, outputs = complex_.domain, complex_.network.outputs
    middle, half = domain.measured_middle[0], domain.half[0]
    rows = np.concatenate([complex_.half_spaces(part)[0] for part in complex_.batches()])
    at = np.unique(np.clip(-rows[:, 1] / rows[:, 0], -1.0, 1.0)) if len(rows) else np.zeros(0)
    unit = np.unique(np.concatenate([[-1.0, 1.0], at]))
    values, xs = complex_.network(domain.points(unit[:, None])), (middle + half * unit).tolist()
    curves = [Curve(f"f{j}", xs, values[:, j].tolist()) for j in range(outputs)]
    said = f"{outputs} outputs over {_axes(complex_)[0]}, affine between {len(at)} breakpoints"
    return Drawing(
        chart(said, curves, _axes(complex_)[0], (middle + half * at).tolist(), 640, 340), f"{len(complex_)} regions: {said}, the grey lines."
    )


# ---- two axes --------------------------------------------------------------------------------------------------------
def _map(complex_: Complex) -> Drawing:
    domain = complex_.domain
    cells, maps, norms = drawn_cells(complex_), affine_maps(complex_), _norms(complex_)
    low, size = domain.measured_middle - domain.half, 2.0 * domain.half
    width, height = SIDE, SIDE * float(np.clip(size[1] / size[0], 0.2, 2.0))

    def place(corners: np.ndarray) -> list[list[float]]:
        shares = (corners - low) / size
        return np.column_stack([width * shares[:, 0], height * (1.0 - shares[:, 1])]).tolist()  # type: ignore[no-any-return]

    many = len(cells) > MOST_CELLS
    covered = _covered(cells, place, width, height) if many else None
    parts, best = class_cells(cells, maps)
    if covered is None:
        layers = _shapes(cells, parts, best, norms, place)
    else:
        classes = _covered(parts, place, width, height)
        layers = _pixels(covered, classes, best, norms, f'width="{width:.0f}" height="{height:.0f}" preserveAspectRatio="none"')
    borders = ["M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in place(segment)) for segment in decision_boundary(cells, maps)]
    marks = "".join(_marks(domain, place)) if isinstance(domain, Frame) else _outline(domain, place)
    a, b = _axes(complex_)
    said = f"{len(cells)} linear regions over {a} and {b}; gradient norms from {norms.min():.5g} to {norms.max():.5g}"
    svg = Markup('<svg class="regions" tabindex="0" role="img" aria-label="{}" viewBox="0 0 {:.0f} {:.0f}" width="{:.0f}">').format(
        said, width, height, width
    ) + Markup(f'{layers}<path class="border" pointer-events="none" d="{"".join(borders)}"/>{marks}</svg>')
    legend = [("class " + str(j), COLOURS[j % len(COLOURS)]) for j in sorted(set(best))]
    hint = "Point at a region, or use the arrow keys, to see its pattern, gradient norm and map."
    caption = Markup("{}. Across {}, from {:.5g} to {:.5g}; up {}, from {:.5g} to {:.5g}.{}").format(
        said, a, low[0], low[0] + size[0], b, low[1], low[1] + size[1], " Red: the decision boundary." if borders else ""
    )
    if covered is None:
        return Drawing(_tools(norms, legend) + svg + _data(_told(complex_, norms, hint)), caption)
    caption += " So many are drawn in pixels, without their edges where these crowd."
    if len(cells) > MOST_TOLD:
        return Drawing(_tools(norms, legend) + svg + _data({"hint": ""}), caption)
    hint = "Point at a region, or use the arrow keys, to see its number, gradient norm and class; --regions writes all that is known of each."
    at = _rounded(np.array(place(domain.measured_middle + complex_.unit * domain.half)), 4)
    told = _told(complex_, norms, hint) | {"ids": data_uri(numbered(covered)), "at": at}
    return Drawing(_tools(norms, legend) + svg + _data(told), caption)


def _shapes(cells: Cells, parts: Cells, best: Sequence[int], norms: np.ndarray, place: Place) -> str:
    """The cells one by one, in colours of their gradient norms, and those of the classes, which are hidden at first."""
    line = 0.8 if len(cells) < 400 else 0.4 if len(cells) < 2000 else 0.15
    shown, shares = [(r, corners) for r, corners in enumerate(cells) if len(corners) >= 3], _shares(norms)
    paths = [f'<path data-r="{r}" d="{points_text(place(corners))}" fill="{shade(shares[r])}"/>' for r, corners in shown]
    overlay = [f'<path d="{points_text(place(part))}" fill="{COLOURS[j % len(COLOURS)]}"/>' for part, j in zip(parts, best, strict=True)]
    return (
        f'<g class="cells" stroke-width="{line}">{"".join(paths)}</g>'
        f'<g class="layer" data-layer="class" style="display:none" pointer-events="none" stroke-width="{line}">{"".join(overlay)}</g>'
    )


def _covered(cells: Cells, place: Place, width: float, height: float) -> np.ndarray:
    """Which cell covers each pixel of a picture."""
    return filled([FINE * np.array(place(corners)) if len(corners) else corners for corners in cells], round(FINE * height), round(FINE * width))


def _pixels(covered: np.ndarray, classes: np.ndarray, best: Sequence[int], norms: np.ndarray, frame: str) -> str:
    """As `_shapes`, in pixels, with a spot for the region that is looked at."""
    line, steps = edges(covered), LEVELS // 2
    by_norm = painted(covered, np.rint(_shares(norms) * (steps - 1)).astype(int), [shade(k / (steps - 1)) for k in range(steps)], line)
    by_class = painted(classes, np.array(best) % len(COLOURS), COLOURS, line)
    return (
        f'<image {frame} href="{by_norm}"/>'
        f'<g class="layer" data-layer="class" style="display:none" pointer-events="none"><image {frame} href="{by_class}"/></g>'
        '<circle class="spot" r="7" pointer-events="none" visibility="hidden"/>'
    )


def _outline(domain: Domain, place: Any) -> str:
    """Of a ball in l2 or l1 its boundary."""
    if norm_of(domain) == "linf":
        return ""
    return f'<path class="ball" pointer-events="none" d="{points_text(place(outline(domain)))}"/>'


def _marks(domain: Frame, place: Any) -> Iterable[str]:
    """The points that a plane was laid through."""
    inputs = np.array([[float(v) for v in point] for point in domain.marks])
    where = place(domain.measured_middle + domain.unit(inputs) * domain.half)
    for (x, y), name in zip(where, domain.names, strict=True):
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="6" fill="#fff" stroke="#000" stroke-width="2" pointer-events="none"/>'
        yield Markup('<text x="{:.1f}" y="{:.1f}" font-size="15" pointer-events="none" class="mark">{}</text>').format(x + 10, y - 8, name)


def _tools(norms: np.ndarray, legend: Sequence[tuple[str, str]]) -> Markup:
    """Buttons that choose the colours, and what these mean."""
    steps = "".join(f'<rect x="{8 * k}" width="8" height="12" fill="{shade(k / 9)}"/>' for k in range(10))
    scale = Markup('<span>{:.4g} <svg class="inline" width="80" height="12" aria-hidden="true">{}</svg> {:.4g}</span>').format(
        norms.min(), Markup(steps), norms.max()
    )
    classes = Markup("").join(
        Markup('<span><svg class="inline" width="12" height="12" aria-hidden="true"><rect width="12" height="12" fill="{}"/></svg> {}</span>').format(
            colour, name
        )
        for name, colour in legend
    )
    return Markup(
        '<div class="tools"><button type="button" data-layer="gradient" aria-pressed="true">gradient norm</button>{}'
        '<button type="button" data-layer="class" aria-pressed="false">class</button>{}</div>'
    ).format(scale, classes)


def _data(told: dict[str, Any]) -> Markup:
    return Markup('<div class="told" aria-live="polite"></div><script type="application/json">{}</script>').format(as_json(told))


# ---- three axes ------------------------------------------------------------------------------------------------------
def _solids(complex_: Complex) -> Drawing:
    """The cells with their faces, in the box [-1, 1]^3 of the picture."""
    norms = _norms(complex_)
    corners: list[list[float]] = []
    faces: list[tuple[int, list[int]]] = []
    for region in range(len(complex_)):
        for face in _faces(complex_, region):
            faces.append((region, list(range(len(corners), len(corners) + len(face)))))
            corners += face.tolist()
    shares = _shares(norms)
    names = _axes(complex_)
    said = f"{len(complex_)} linear regions over {', '.join(names)}; gradient norms from {norms.min():.5g} to {norms.max():.5g}"
    told = _told(complex_, norms, "Drag, or use the arrow keys, to turn; point at a region to see its pattern, gradient norm and map.")
    told |= {
        "corners": _rounded(np.array(corners), 4),
        "faces": faces,
        "centres": _rounded(complex_.unit, 4),
        "colour": [shade(s) for s in shares],
    }
    content = Markup(
        '<div class="tools"><label>apart <input type="range" min="0" max="1.5" step="0.05" value="0.25"></label></div>'
        '<canvas class="complex" width="640" height="520" tabindex="0" role="img" aria-label="{}"></canvas>{}'
    ).format(said, _data(told))
    return Drawing(content, f"{said}. Colours: gradient norm, from blue to yellow.")


def _faces(complex_: Complex, region: int) -> list[np.ndarray]:
    """The corners of each face of a cell, in order around it, in unit coordinates; in doubles, for a picture."""
    rows, _ = complex_.half_spaces(slice(region, region + 1))
    sides = np.vstack([rows, *[np.array([[*sign * np.eye(3)[j], 1.0]]) for j in range(3) for sign in (1.0, -1.0)]])
    sides = sides / np.linalg.norm(sides[:, :3], axis=1, keepdims=True)
    triples = np.array(list(itertools.combinations(range(len(sides)), 3)))
    solvable = triples[np.abs(np.linalg.det(sides[triples][:, :, :3])) > 1e-9]
    meets = np.linalg.solve(sides[solvable][:, :, :3], -sides[solvable][:, :, 3:])[:, :, 0]
    inside = meets[(meets @ sides[:, :3].T + sides[:, 3] > -1e-7).all(axis=1)]
    found = []
    for row in sides:
        on = inside[np.abs(inside @ row[:3] + row[3]) < 1e-7]
        on = np.unique(np.round(on, 6), axis=0)
        if len(on) < 3:
            continue
        u = np.linalg.svd(on - on.mean(axis=0))[2]
        spread = (on - on.mean(axis=0)) @ u[:2].T
        found.append(on[np.argsort(np.arctan2(spread[:, 1], spread[:, 0]))])
    return found


# ---- more axes -------------------------------------------------------------------------------------------------------
def _graph(complex_: Complex, graph: RegionGraph) -> Drawing:
    """Regions as dots, shared facets as lines, laid out by forces."""
    import networkx

    net = networkx.Graph()
    net.add_nodes_from(range(len(complex_)))
    net.add_edges_from(zip(graph.first.tolist(), graph.second.tolist(), strict=True))
    laid = networkx.spring_layout(net, seed=0, iterations=80)
    at = np.array([laid[r] for r in range(len(complex_))])
    side = 460.0 if len(complex_) > 12 else 240.0
    at = 20.0 + (side - 40.0) * (at - at.min(axis=0)) / np.maximum(np.ptp(at, axis=0), 1e-12)
    norms = _norms(complex_)
    shares = _shares(norms)
    lines = "".join("M{:.1f} {:.1f}L{:.1f} {:.1f}".format(*at[a], *at[b]) for a, b in zip(graph.first, graph.second, strict=True))
    dots = "".join(
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{shade(shares[r])}" stroke="currentColor">'
        f"<title>region {r}: gradient norm {norms[r]:.6g}</title></circle>"
        for r, (x, y) in enumerate(at)
    )
    said = f"The region graph: {len(complex_)} regions, {len(graph)} shared facets"
    svg = Markup('<svg role="img" aria-label="{0}" viewBox="0 0 {2:.0f} {2:.0f}" width="{2:.0f}">{1}</svg>').format(
        said, Markup(f'<path d="{lines}" stroke="currentColor" opacity="0.35" fill="none"/>{dots}'), side
    )
    return Drawing(svg, f"{said}; gradient norms from {norms.min():.5g}, blue, to {norms.max():.5g}, yellow. Where dots are has no meaning.")
