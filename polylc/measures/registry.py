"""The measures, one row each, in the order in which they are shown; and one neighbourhood measured by them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

from polylc.errors import LimitReached
from polylc.exact.checkpoint import checkpoint, unbroken
from polylc.measures.answers import NOT_ASKED, Answer, Answers, missing
from polylc.measures.bounds import BOUNDS
from polylc.measures.counts import COUNTS
from polylc.measures.kink_variation import KINK_VARIATION
from polylc.measures.lipschitz import LIPSCHITZ
from polylc.measures.local_complexity import LOCAL_COMPLEXITY
from polylc.measures.local_rank import LOCAL_RANK
from polylc.measures.measure import Cost, Measure, Need
from polylc.measures.robustness import ROBUSTNESS
from polylc.measures.scene import Scene
from polylc.measures.topology import TOPOLOGY
from polylc.measures.total_variation import TOTAL_VARIATION

ROWS: tuple[Measure[Any], ...] = (
    COUNTS,
    LOCAL_COMPLEXITY,
    TOTAL_VARIATION,
    KINK_VARIATION,
    LOCAL_RANK,
    LIPSCHITZ,
    ROBUSTNESS,
    TOPOLOGY,
    BOUNDS,  # reads the others' answers
)
MEASURES: dict[str, Measure[Any]] = {row.name: row for row in ROWS}
# cheap ones first, so that a time limit costs as little as can be; what reads others' answers is dear, and comes last
ORDER = sorted(ROWS, key=lambda row: list(Cost).index(row.cost))
# what costs at most a few times the enumeration
DEFAULT = tuple(row.name for row in ROWS if row.cost in (Cost.LOW, Cost.FEW_TIMES))
ALL = tuple(row.name for row in ROWS if row.cost is not Cost.BY_NAME)
ATTRIBUTES = {attribute: (row, read) for row in ROWS for attribute, read in row.attributes.items()}


class Measured(NamedTuple):
    """Answers, whether an interrupt fell into the measuring, and the measures that a limit, or the user's wish to stop,
    cut off.
    """

    answers: Answers
    interrupted: bool
    late: tuple[str, ...]


def needing(need: Need, names: Collection[str]) -> bool:
    """Whether one of the named measures has this need."""
    return any(need in MEASURES[name].needs for name in names)


def measure(scene: Scene) -> Measured:
    """Every measure's answer; what is missing always says why.

    Where a limit is set (`polylc.exact.checkpoint`), what it cuts off is missing.

    Raises
    ------
    ConsistencyError
        If an identity fails that holds of all volumes, areas and gradients.
    """
    interrupted, late = False, []
    for row in ORDER:
        if row.name not in scene.asked:
            scene.answers[row.name] = missing(NOT_ASKED)
            continue
        try:
            if row.name not in scene.searched:  # what is found already costs nothing
                checkpoint()
            with unbroken(False):
                scene.answers[row.name] = missing("interrupted before it was measured") if interrupted else _answer(row, scene)
        except LimitReached as reached:
            late.append(row.name)
            scene.answers[row.name] = missing(f"null: {reached} before it was measured")
        except KeyboardInterrupt:
            interrupted = True
            scene.answers[row.name] = missing("interrupted before it was measured")
    return Measured(Answers({row.name: scene.answers[row.name] for row in ROWS}), interrupted, tuple(late))


def _answer(row: Measure[Any], scene: Scene) -> Answer[Any]:
    complex_ = scene.complex
    if Need.CLASS in row.needs and scene.margins is None:
        one = complex_.network.outputs == 1
        return missing("one output: there is no class to keep" if one else "only a ball has a centre; give a label with --labels")
    if row.name in scene.searched and row.found is not None:
        return row.found(scene.searched[row.name], scene)
    if not complex_.complete:
        return row.partial(scene)
    if Need.VOLUMES in row.needs and complex_.round and scene.out_of_reach is not None:
        return row.unmeasured(scene)
    if Need.VOLUMES in row.needs and not (complex_.has_geometry or complex_.round):
        return missing(str(scene.out_of_reach)) if row.sampled is None else row.sampled(scene)
    return (row.exact if scene.certified else row.floating)(scene)


def volume_notes(scene: Scene) -> dict[str, str]:
    """What is to be said of the volumes, if any were computed."""
    said: dict[str, str] = {}
    for name in ("volumes", "sizes"):
        if name in vars(scene):  # computed because a measure asked for them
            said |= vars(scene)[name].notes
    return said
