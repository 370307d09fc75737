"""All that measures of one neighbourhood are computed from, each part once: the complex, its graph, volumes, gradients,
noise.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from polylc.complex.ball_edges import edges_in_ball
from polylc.complex.complex import Complex
from polylc.complex.graph import RegionGraph, build_graph
from polylc.domains.box import norm_of
from polylc.errors import SolverError
from polylc.exact.quantity import Quantity, floating
from polylc.geometry.skeleton import MOST_DIMENSION, CellSizes
from polylc.measures.answers import NOT_COMPLETE, Answer, missing
from polylc.measures.by_volume.l1_volumes import REGIONS, L1Volumes
from polylc.measures.by_volume.noise import decoupled, noisy_terms
from polylc.measures.by_volume.volumes import Volumes
from polylc.measures.gradient.norms import Gradients
from polylc.measures.margin.exact_robustness import CertifiedRobustness, certified_robustness
from polylc.measures.rank import region_ranks

if TYPE_CHECKING:
    from polylc.measures.by_volume.found_part import FoundPart
    from polylc.measures.by_volume.in_cut_balls import InCutBall
    from polylc.measures.by_volume.many_dimensions import ManyDimensions
    from polylc.measures.by_volume.many_noise import ManyNoise
    from polylc.measures.by_volume.sampled import Sampled
    from polylc.measures.rest import Rest

VOLUME_TOLERANCE = 1e-9
# by dimension: rational volumes of so many regions take some milliseconds
EXACT_REGIONS = {1: 12, 2: 4, 3: 2, 4: 1}


class Noise(NamedTuple):
    """LC^dec by the name of its standard deviation, and for each what inequalities need besides (G restricted to |z| <=
    sigma).
    """

    complexity: dict[str, Quantity]
    strips: list[np.ndarray]


class Scene:
    """One neighbourhood, as measures see it.

    Parameters
    ----------
    complex_ : Complex
    asked : collection of str
        Names of all measures that are asked for.
    label : int or None
        The class whose robustness is asked.
    certified : bool
        Whether the regions are proved, so that what follows from them exactly is proved too.
    keep : bool
        Whether what proves the answers is kept for a certificate.
    exact_volumes : bool
        Whether all volumes and areas are computed as rationals, however many regions there are.
    threads : int
        How many threads may share the work; answers do not depend on it.
    sigmas : tuple of (str, float)
        Standard deviations of bias noise, by name.
    on_graph : callable, optional
        Told whether the region graph is being built: True when it begins, False at its end.
    searched : mapping, optional
        What a search found, by the name of the measure that it answers; it takes the place of what regions tell.
    """

    def __init__(
        self,
        complex_: Complex,
        asked: Collection[str],
        label: int | None,
        *,
        certified: bool,
        keep: bool = False,
        exact_volumes: bool = False,
        threads: int = 1,
        sigmas: tuple[tuple[str, float], ...] = (),
        on_graph: Callable[[bool], None] | None = None,
        searched: Mapping[str, Any] | None = None,
    ) -> None:
        self.complex, self.asked, self.label, self.certified = complex_, frozenset(asked), label, certified
        self.keep, self.exact_volumes, self.threads, self.sigmas = keep, exact_volumes, threads, sigmas
        self.built: RegionGraph | None = None
        self._on_graph = on_graph or (lambda _: None)
        self.searched = searched or {}
        self.answers: dict[str, Answer[Any]] = {}  # of the measures computed so far

    @property
    def margins(self) -> int | None:
        """The class whose margins are measured: the label, if there are several outputs."""
        return self.label if self.complex.network.outputs > 1 else None

    @property
    def graph(self) -> RegionGraph:
        """The region graph; of an incomplete complex, the adjacencies that cost no linear program."""
        if self.built is None:
            complete = self.complex.complete
            self._on_graph(True)
            found = build_graph(self.complex, keep=self.keep and complete, threads=self.threads if complete else 1, programs=complete)
            self.built = edges_in_ball(self.complex, found) if self.complex.round else found
            self._on_graph(False)
        return self.built

    @cached_property
    def ranks(self) -> np.ndarray:
        """Local ranks of all regions, exactly; shape (R, L)."""
        return region_ranks(self.complex)

    @cached_property
    def gradients(self) -> Gradients:
        """Jacobians with bounds on their error."""
        return Gradients(self.complex)

    @cached_property
    def robustness(self) -> CertifiedRobustness:
        """Robustness for the label, exactly."""
        assert self.label is not None
        return certified_robustness(self.complex, self.label, keep=self.keep)

    # ---- volumes ---------------------------------------------------------------------------------------------------
    @cached_property
    def out_of_reach(self) -> str | None:
        """Why volumes cannot weigh anything here, if so."""
        complex_ = self.complex
        if complex_.round:
            return self._out_of_reach_in_ball()
        if not complex_.has_geometry:
            return f"dimension {complex_.domain.dimension} > {MOST_DIMENSION}: volumes are out of reach"
        return self.beyond_doubles

    def _out_of_reach_in_ball(self) -> str | None:
        norm, dimension = norm_of(self.complex.domain), self.complex.domain.dimension
        if norm != "l1":
            return f"null: of {norm} balls volumes are not measured"
        if dimension not in REGIONS:
            return f"null: of {norm} balls volumes are not measured beyond dimension {max(REGIONS)}"
        if len(self.complex) > REGIONS[dimension] and not self.exact_volumes:
            return f"null: volumes of more than {REGIONS[dimension]} regions of an l1 ball are measured with --exact-volumes"
        return None

    @cached_property
    def beyond_doubles(self) -> str | None:
        """Why doubles cannot hold what is weighed, if so."""
        if self.complex.has_geometry and not self.complex.volume_in_doubles:
            return "the volume of the neighbourhood is beyond the range of doubles"
        if not all(np.isfinite(jacobian).all() for _, jacobian in self.complex.jacobians()):
            return "gradients are beyond the range of doubles"
        return None

    @cached_property
    def volumes(self) -> Answer[Volumes]:
        """Proved volumes and areas."""
        if self.out_of_reach is not None:
            return missing(self.out_of_reach)
        few = len(self.complex) <= EXACT_REGIONS.get(self.complex.domain.dimension, 0)
        try:
            found = L1Volumes(self.complex) if self.complex.round else Volumes(self.complex, self.exact_volumes or few)
        except SolverError as error:
            return missing(f"null: {error}")
        return Answer(found, notes={"volumes": found.summary()})

    @cached_property
    def found_part(self) -> Answer[FoundPart]:
        """Proved volumes and areas of regions, where others may be missing."""
        from polylc.measures.by_volume.found_part import FoundPart

        why = self._not_bounded or self.out_of_reach
        return missing(why) if why is not None else Answer(FoundPart(self.complex))

    @cached_property
    def rest(self) -> Answer[Rest]:
        """What regions that are missing can add."""
        from polylc.measures.rest import UNBOUNDED, Rest

        if self._not_bounded is not None:
            return missing(self._not_bounded)
        found = Rest.of(self.complex, self.margins, self.searched.get("lipschitz", ()))
        return missing(f"null: {UNBOUNDED}") if found is None else Answer(found)

    @property
    def _not_bounded(self) -> str | None:
        """Why nothing is enclosed of an enumeration that was stopped, if so."""
        if not self.certified:
            return f"{NOT_COMPLETE}, and without certification nothing is enclosed"
        if self.complex.round:
            return f"{NOT_COMPLETE}; in {norm_of(self.complex.domain)} balls the rest is not bounded"
        return None if len(self.complex) else "null: no region was found"

    @cached_property
    def sizes(self) -> Answer[CellSizes]:
        """Volumes and areas in floats."""
        if self.out_of_reach is not None:
            return missing(self.out_of_reach)
        found = self.complex.geometry
        if not found.ok.all():
            return missing(f"rounding left no consistent vertices for {int((~found.ok).sum())} regions")
        total = self.complex.domain.size
        error = abs(float(found.volume.sum()) - total) / total
        note = f"the regions' volumes sum to that of the neighbourhood within {error:.1e}, relative"
        if error > VOLUME_TOLERANCE:
            note += "; that is too far: regions are missing or overlap, and the measures below are wrong"
        return Answer(found, notes={"volumes": note})

    @cached_property
    def many(self) -> ManyDimensions | None:
        """Sections and shares, enclosed, of a box, or an l2 ball that no box cuts, where volumes are out of reach and
        facets are not too many.
        """
        from polylc.measures.by_volume.in_l2_balls import InBall, is_whole_l2_ball
        from polylc.measures.by_volume.many_dimensions import MOST_FACETS, ManyDimensions

        if len(self.graph) > MOST_FACETS:
            return None
        if self.complex.round:  # a ball is not the cube of its coordinates
            return InBall(self.complex, self.graph, self.gradients) if is_whole_l2_ball(self.complex) else None
        return ManyDimensions(self.complex, self.graph, self.gradients)

    @cached_property
    def cut_ball(self) -> InCutBall | None:
        """What is estimated of an l2 ball that a box cuts, where facets are not too many."""
        from polylc.measures.by_volume.in_cut_balls import InCutBall, is_l2_ball
        from polylc.measures.by_volume.many_dimensions import MOST_FACETS

        if self.many is not None or not is_l2_ball(self.complex) or len(self.graph) > MOST_FACETS:
            return None
        return InCutBall(self.complex, self.graph, self.gradients)

    @cached_property
    def many_noise(self) -> ManyNoise | None:
        """LC^dec there."""
        from polylc.measures.by_volume.many_noise import ManyNoise

        return None if self.many is None or self.complex.round else ManyNoise(self.complex, self.graph, [sigma for _, sigma in self.sigmas])

    @cached_property
    def lines(self) -> Sampled:
        """Local and kink variation along random lines, where volumes are out of reach."""
        from polylc.measures.by_volume.sampled import by_lines

        return by_lines(self.complex)

    # ---- noise -----------------------------------------------------------------------------------------------------
    @cached_property
    def noise(self) -> Answer[Noise]:
        """The local complexity averaged over noise on the biases, where volumes are within reach."""
        if self.out_of_reach is not None:
            return missing(self.out_of_reach)
        values = [sigma for _, sigma in self.sigmas]
        try:
            if "bounds" in self.asked:
                terms = noisy_terms(self.complex, values)
            else:
                terms = [(q, np.zeros(2)) for q in decoupled(self.complex, values)]
        except SolverError as error:
            return missing(f"null: {error}")
        names = [name for name, _ in self.sigmas]
        complexity = {name: q if self.certified else floating(q.value) for name, (q, _) in zip(names, terms, strict=True)}
        return Answer(Noise(complexity, [strip for _, strip in terms]))
