"""What a proof file carries of the answers."""

from __future__ import annotations

import math
from fractions import Fraction

from polylc.exact.quantity import Quantity
from polylc.judge.verdict import Verdict
from polylc.measures.answers import Answers
from polylc.measures.scene import Scene
from polylc.proof.certificate import Evidence

PROVED_DIMENSION = 4  # of volumes in a proof file
PROVED_VERSIONS = ("activation", "activation_set", "function")  # of the local complexity


def evidence_of(verdict: Verdict, scene: Scene, answers: Answers) -> Evidence:
    """What the certificate carries of the answers; of a ball neither robustness, which a search proves, nor volumes."""
    counted = answers.value("counts")
    counts = {name: None if counted is None else getattr(counted, name) for name in ("adjacencies", "affine_functions", "pieces")}
    constants, listed, in_ball = None, answers.value("lipschitz"), scene.complex.round
    if listed is not None:
        constants = [[c.target, c.norm, str(c.lower), str(c.upper), *([c.region, list(c.witness)] if c.witness is not None else [])] for c in listed]
    robust = None if in_ball else answers.value("robustness")
    claim = None
    if robust is not None:
        distance, point = robust.exact_distance, robust.exact_point
        claim = {
            "label": robust.label,
            "robust": robust.robust,
            "distance": None if distance is None else str(distance),
            "point": None if point is None else [str(v) for v in point],
        }
    edges = None if counted is None else scene.graph
    margins = None if robust is None else scene.robustness.entries
    vertices, weighed = (None, None) if in_ball else _weighed(scene, answers)
    return Evidence(verdict, scene.complex, edges, counts, constants, claim, margins or {}, vertices, weighed)


def _weighed(scene: Scene, answers: Answers) -> tuple[list[tuple[tuple[int, ...], ...]] | None, dict[str, dict[str, list[str]]] | None]:
    """Vertices of all regions, and bounds on what volumes weigh, where volumes are rational."""
    volumes = scene.volumes.value if "volumes" in vars(scene) else None
    if volumes is None or not volumes.rational or volumes.complex.domain.dimension > PROVED_DIMENSION:
        return None, None

    def bounds(values: dict[str, Quantity] | None, *left_out: str) -> dict[str, list[str]]:
        listed = {name: q for name, q in (values or {}).items() if name not in left_out}
        return {
            name: [str(Fraction(q.lower)), str(Fraction(q.upper))] for name, q in listed.items() if q.upper is not None and math.isfinite(q.upper)
        }

    kink, complexity = answers.value("kink_variation"), answers.value("local_complexity")
    weighed = {
        "total_variation": bounds(answers.value("total_variation"), "operator"),
        "local_complexity": bounds(None if complexity is None else complexity.versions, "open"),
        "kink_variation": bounds(None if kink is None else {"frobenius": kink}),
    }
    return [volumes.exact[r].vertices for r in range(len(volumes.complex))], weighed
