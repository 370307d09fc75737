"""Local rank: the rank of each hidden layer's Jacobian, smallest, largest, and mean."""

from __future__ import annotations

from dataclasses import replace

from polylc.errors import SolverError
from polylc.exact.quantity import Kind, Quantity
from polylc.measures.answers import Answer, missing
from polylc.measures.by_volume.enclosures import mean_ranks
from polylc.measures.measure import Cost, Field, FormModel, Instead, Measure, Need, Number, Pair, pair, unless_proved
from polylc.measures.rank import LocalRank, extremes, local_rank
from polylc.measures.scene import Scene

Ranks = list[LocalRank]


class LocalRankForm(FormModel):
    """Rank of one layer's Jacobian."""

    layer: int
    min: int
    max: int
    mean: Pair | None


def _exact(scene: Scene) -> Answer[Ranks]:
    """The extremes need no volumes, the means do."""
    volumes = scene.volumes.value
    return Answer(extremes(scene.ranks, None if volumes is None else mean_ranks(volumes, scene.ranks)))


def _floating(scene: Scene) -> Answer[Ranks]:
    return _extremes(scene) if scene.sizes.value is None else Answer(local_rank(scene.complex))


def _extremes(scene: Scene) -> Answer[Ranks]:
    """Without volumes a mean is known where the rank is the same everywhere."""
    try:
        found = extremes(scene.ranks, None)
    except SolverError as error:
        return missing(f"null: {error}")
    return Answer([replace(r, mean=None if r.mean is None else unless_proved(r.mean, scene)) for r in found])


def _form(value: Ranks) -> list[LocalRankForm]:
    return [LocalRankForm(layer=r.layer, min=r.least, max=r.most, mean=pair(r.mean)) for r in value]


def _text(rank: LocalRank) -> str:
    extent = f"{rank.least}" if rank.least == rank.most else f"{rank.least} to {rank.most}"
    return f"layer {rank.layer}: {extent}" + ("" if rank.mean is None or rank.least == rank.most else f" (mean {rank.mean.show(5)})")


def _numbers(value: Ranks) -> dict[str, Number]:
    """The means; that of a rank which is the same everywhere is known without volumes."""
    return {f"local_rank.{r.layer}": _constant(r) if r.least == r.most else r.mean for r in value}


def _constant(rank: LocalRank) -> Quantity:
    return Quantity(float(rank.least), float(rank.least), Kind.EXACT if rank.mean is None else rank.mean.kind)


LOCAL_RANK: Measure[Ranks] = Measure(
    name="local_rank",
    about="rank of each hidden layer's Jacobian",
    cost=Cost.FEW_TIMES,
    needs=frozenset({Need.VOLUMES}),
    exact=_exact,
    floating=_floating,
    sampled=_extremes,
    unmeasured=_extremes,
    attributes={"local_rank": lambda v: v},
    fields=(Field("local_rank", list[LocalRankForm], _form),),
    numbers=_numbers,
    lines=lambda v: [("local rank", ", ".join(_text(r) for r in v))],
    instead=Instead("local_rank", "local_rank", "local_rank"),
)
