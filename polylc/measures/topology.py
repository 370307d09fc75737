"""Topology: parts and holes of decision regions, how firmly they hold, and parts of the decision boundary."""

from __future__ import annotations

from fractions import Fraction

from polylc.errors import SolverError
from polylc.exact.enclose import enclose
from polylc.exact.quantity import Kind, Quantity
from polylc.measures.answers import Answer, missing
from polylc.measures.decision.persistence import Bar
from polylc.measures.decision.whole import MOST_BETTI, MOST_PERSISTENCE, ClassTopology, Topology, topology
from polylc.measures.measure import Block, Cost, Field, FormModel, Measure, Need, Number, Pair, pair
from polylc.measures.scene import Scene


class BarForm(FormModel):
    """A part (dimension 0), loop (1) or void (2) of {margin > t}, there for death <= t < birth."""

    dimension: int
    birth: Pair
    death: Pair | None


class ClassTopologyForm(FormModel):
    """The decision region of one class."""

    label: int
    components: int
    betti: list[int] | None
    euler: int | None
    stability: Pair | None
    persistence: list[BarForm] | None


class TopologyForm(FormModel):
    """Decision regions and decision boundary."""

    dimension: int
    boundary_components: int
    classes: list[ClassTopologyForm]


def _exact(scene: Scene) -> Answer[Topology]:
    if scene.complex.round:
        return missing("null: topology is of boxes and planes, not of l1 and l2 balls")
    try:
        found = topology(scene.complex, scene.graph)
    except SolverError as error:
        return missing(f"null: {error}")
    notes = {}
    if found.dimension > MOST_BETTI:
        notes["betti"] = f"dimension {found.dimension} > {MOST_BETTI}: parts alone, no Betti numbers, Euler characteristic, stability or persistence"
    elif found.dimension > MOST_PERSISTENCE:
        notes["persistence"] = f"dimension {found.dimension} > {MOST_PERSISTENCE}: no stability, no persistence"
    return Answer(found, notes=notes)


def _floating(_: Scene) -> Answer[Topology]:
    return missing("null: topology is exact or not given; it needs regions that are proved")


def _quantity(value: Fraction | None) -> Quantity | None:
    return None if value is None else Quantity(*enclose(value), Kind.EXACT)


def _exact_pair(value: Fraction) -> Pair:
    return enclose(value)


def _bar(bar: Bar) -> BarForm:
    return BarForm(dimension=bar.dimension, birth=_exact_pair(bar.birth), death=None if bar.death is None else _exact_pair(bar.death))


def _class_form(value: ClassTopology) -> ClassTopologyForm:
    return ClassTopologyForm(
        label=value.label,
        components=value.components,
        betti=None if value.betti is None else list(value.betti),
        euler=value.euler,
        stability=pair(_quantity(value.stability)),
        persistence=None if value.bars is None else [_bar(bar) for bar in value.bars],
    )


def _form(value: Topology) -> TopologyForm:
    return TopologyForm(dimension=value.dimension, boundary_components=value.boundary, classes=[_class_form(one) for one in value.classes])


def _lines(value: Topology) -> list[tuple[str, str]]:
    there = [f"class {one.label}: {one.components}" for one in value.classes if one.components]
    return [("parts of decision regions", ", ".join(there) or "none"), ("parts of the decision boundary", f"{value.boundary}")]


def _cells(value: Topology) -> dict[str, str]:
    return {"parts": f"{sum(one.components for one in value.classes)}", "boundary parts": f"{value.boundary}"}


def _block(value: Topology) -> Block | None:
    there = [one for one in value.classes if one.components]
    if value.dimension > MOST_BETTI or not there:
        return None
    return Block("topology", (("class", True), ("Betti numbers", False), ("Euler", True), ("stability", True)), [_row(one) for one in there])


def _row(value: ClassTopology) -> tuple[str, ...]:
    known = _quantity(value.stability)
    return f"{value.label}", ", ".join(map(str, value.betti or ())), f"{value.euler}", "-" if known is None else known.show(5)


def _numbers(value: Topology) -> dict[str, Number]:
    found: dict[str, Number] = {"topology.parts": sum(one.components for one in value.classes), "topology.boundary": value.boundary}
    for one in value.classes:
        found[f"topology.{one.label}.components"] = one.components
        for d, b in enumerate(one.betti or ()):
            found[f"topology.{one.label}.betti.{d}"] = b
        if one.euler is not None:
            found[f"topology.{one.label}.euler"] = one.euler
        if (stable := _quantity(one.stability)) is not None:
            found[f"topology.{one.label}.stability"] = stable
    return found


TOPOLOGY: Measure[Topology] = Measure(
    name="topology",
    about="parts and holes of decision regions, and parts of the decision boundary",
    cost=Cost.BY_NAME,
    needs=frozenset({Need.GRAPH}),
    exact=_exact,
    floating=_floating,
    attributes={"topology": lambda v: v},
    fields=(Field("topology", TopologyForm, _form),),
    numbers=_numbers,
    lines=_lines,
    block=_block,
    cells=_cells,
)
