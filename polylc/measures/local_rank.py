"""Local rank: the rank of each hidden layer's Jacobian, smallest, largest, and mean."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from polylc.errors import SolverError
from polylc.exact.quantity import Kind, Quantity
from polylc.measures.answers import Answer, missing
from polylc.measures.by_volume.enclosures import mean_ranks
from polylc.measures.measure import Cost, Field, FormModel, Instead, Measure, Need, Number, Pair, pair, unless_proved
from polylc.measures.rank import LocalRank, extremes, local_rank
from polylc.measures.rest import aside, plus_up, times_up
from polylc.measures.scene import Scene
from polylc.measures.sums import product, total

Ranks = list[LocalRank]


class LocalRankForm(FormModel):
    """Rank of one layer's Jacobian; where regions may be missing, bounds of the smallest and the largest, which are
    null unless these agree.
    """

    layer: int
    min: int | None
    max: int | None
    mean: Pair | None
    min_between: tuple[int, int] | None = None
    max_between: tuple[int, int] | None = None


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


def _partial(scene: Scene) -> Answer[Ranks]:
    """Ranks of the regions found, with bounds from which units are open; means with either in the rest."""
    rest, part = scene.rest.value, scene.found_part.value
    if rest is None:
        return missing(str(scene.rest.reason))
    try:
        known = extremes(scene.ranks, None)
    except SolverError as error:
        return missing(f"null: {error}")
    found = []
    for index, (rank, (cap, same)) in enumerate(zip(known, rest.ranks(), strict=True)):
        if same:
            found.append(rank)
            continue
        mean = None
        if part is not None:
            column = scene.ranks[:, index].astype(np.float64)
            low, high = total(product(part.share, np.stack([column, column], axis=1)))
            mean = aside(low, plus_up(high, times_up(part.rest[1], float(cap))), most=float(cap))
        found.append(replace(rank, mean=mean, floor=0, cap=cap))
    return Answer(found, None if part is None else part.note())


def _form(value: Ranks) -> list[LocalRankForm]:
    return [_row(r) for r in value]


def _row(rank: LocalRank) -> LocalRankForm:
    (low, least), (most, high) = rank.least_between, rank.most_between
    open_ = rank.floor is not None or rank.cap is not None
    return LocalRankForm(
        layer=rank.layer,
        min=least if low == least else None,
        max=most if most == high else None,
        mean=pair(rank.mean),
        min_between=(low, least) if open_ else None,
        max_between=(most, high) if open_ else None,
    )


def _text(rank: LocalRank) -> str:
    (low, least), (most, high) = rank.least_between, rank.most_between
    if low < least or most < high:
        smallest = f"{least}" if low == least else f"<= {least}"
        largest = f"{most}" if most == high else f"in [{most}, {high}]"
        mean = "" if rank.mean is None else f", mean {rank.mean.show(5)}"
        return f"layer {rank.layer}: smallest {smallest}, largest {largest}{mean}"
    extent = f"{rank.least}" if rank.least == rank.most else f"{rank.least} to {rank.most}"
    return f"layer {rank.layer}: {extent}" + ("" if rank.mean is None or rank.least == rank.most else f" (mean {rank.mean.show(5)})")


def _numbers(value: Ranks) -> dict[str, Number]:
    """The means; that of a rank which is the same everywhere is known without volumes."""
    return {f"local_rank.{r.layer}": _constant(r) if r.least_between[0] == r.most_between[1] else r.mean for r in value}


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
    partial=_partial,
    unmeasured=_extremes,
    attributes={"local_rank": lambda v: v},
    fields=(Field("local_rank", list[LocalRankForm], _form),),
    numbers=_numbers,
    lines=lambda v: [("local rank", ", ".join(_text(r) for r in v))],
    instead=Instead("local_rank", "local_rank", "local_rank"),
)
