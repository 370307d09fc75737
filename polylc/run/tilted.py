"""Local complexity and kink variation by tilted sampling: the regions are enumerated in floating point, and the
sections that carry their facets sampled, each from the law under which it is not rare.

Unlike random lines, sections that cut off a corner cost no more than others, and the intervals need no central limit
theorem (docs/theory.md, "Many dimensions").
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from polylc.engines.contract import Outcome
from polylc.errors import UsageError
from polylc.estimators.estimate import LEVEL, Estimate
from polylc.estimators.study import Sampling, Study
from polylc.measures.by_volume.local_complexity import once_each, weights
from polylc.measures.by_volume.slicing import sliced
from polylc.measures.by_volume.tilted_sampling import Mixture, betting
from polylc.measures.scene import Scene
from polylc.run.neighbourhood import answer
from polylc.search.task import Settings, make_task

MOST_REGIONS = 100_000
PILOT = 1000  # draws that say how many it takes to a width asked for
MOST_TIMES = 256  # so many times the samples, at most


def tilted(study: Study) -> list[Estimate]:
    """E17: area of facets by volume, and times the jump of the Jacobian, from tilted laws on the sections.

    Raises
    ------
    UsageError
        In balls, and where the regions are too many.
    """
    domain, settings = study.only_box("tilted", "lines samples balls"), study.settings
    task = make_task(study.network, 0, domain, study.label)
    result = answer(study.network, task, Settings((), max_regions=MOST_REGIONS, certify=False))
    if result.outcome is Outcome.INTERRUPTED:  # the user means the run, not this method
        raise KeyboardInterrupt
    if not result.complete or result.complex is None:
        raise UsageError(f"tilted: more than {MOST_REGIONS} regions; lines needs no enumeration")
    scene = Scene(result.complex, (), study.label, certified=False)
    if scene.many is None:
        raise UsageError(f"tilted: {len(scene.graph)} facets are too many; lines needs no enumeration")
    rng = np.random.default_rng(study.entropy("tilted"))
    many, limit = scene.many, float(sliced(result.complex)[1])

    def value(weight: np.ndarray) -> Estimate:
        return _estimate("", many.mixture(weight), limit * float(weight.max(initial=0.0)), settings, rng)

    return [replace(estimate, target=target) for target, estimate in once_each(dict(_targets(scene)), value).items()]


def _targets(scene: Scene) -> Iterator[tuple[str, np.ndarray]]:
    """What is estimated, and what it weighs every facet with."""
    for version, weight in weights(scene.complex, scene.graph).items():
        yield f"local_complexity.{version}", weight.astype(np.float64)
    assert scene.many is not None
    yield "kink_variation", scene.many.jumps.mean(axis=1)


def _estimate(target: str, mixture: Mixture, limit: float, settings: Sampling, rng: np.random.Generator) -> Estimate:
    """The mean of draws, at most `limit` (C8 times the largest weight); a pilot says how many a width takes."""
    if not mixture.scale:
        return Estimate("tilted", target, 0.0, 0.0, 0.0, 0.0, settings.samples, assumptions="no facets")
    count = settings.samples
    if settings.width is not None:
        count = _enough(mixture.draw(PILOT, rng), settings.width, count)
    values = mixture.draw(count, rng)
    low, high = (min(mixture.scale * end, limit) for end in betting(values, 1.0 - LEVEL))
    mean, error = (mixture.scale * float(v) for v in (values.mean(), values.std(ddof=1) / math.sqrt(count)))
    assumptions = "independent tilted samples in [0, 1] (betting interval, valid at every sample size); regions enumerated in floating point"
    return Estimate("tilted", target, mean, error, low, high, count, assumptions=assumptions)


def _enough(pilot: np.ndarray, width: float, least: int) -> int:
    """How many fresh draws make an interval of this relative width, by the variance of a pilot."""
    mean = (0.5 + float(pilot.sum())) / (len(pilot) + 1)
    variance = (0.25 + float(((pilot - mean) ** 2).sum())) / (len(pilot) + 1)
    level = 2.0 * math.log(2.0 / (1.0 - LEVEL))
    need = 1.3 * 4.0 * level * variance / (width * mean) ** 2
    return int(min(max(need, 100.0), float(MOST_TIMES * max(least, PILOT))))
