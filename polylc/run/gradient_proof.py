"""Proofs of Lipschitz constants by search: a second search, that knows the values and keeps how cells are closed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

from polylc._version import __version__
from polylc.domains.box import Neighbourhood
from polylc.exact.checkpoint import until
from polylc.exact.enclose import enclose
from polylc.network.form import Network
from polylc.proof.gradients import ProvedGradient, gradient_lines
from polylc.proof.refutation import write_refutation
from polylc.report.files import written_beside
from polylc.report.lipschitz import Constant
from polylc.search.gradient_goals import NORMS, Goal, Target
from polylc.search.steepest import Steepest

MORE = Fraction(1, 2**20)  # by how much, relatively, what a proof claims is above the constant, or its square
LESS = Fraction(1, 2**50)  # and below: gradients are rounded there


def write_gradient_proof(
    path: Path,
    network: Network,
    domain: Neighbourhood,
    asked: Sequence[tuple[Constant, Target]],
    deadline: float | None,
    stop: Callable[[], bool] | None,
) -> int:
    """Search again, and write the proof of constants that are known exactly; the size of the file in bytes.

    Parameters
    ----------
    asked : sequence of (Constant, Target)
        Every target of a constant is proved not to exceed it.

    Raises
    ------
    LimitReached
        If there is no time for that.
    CertificateError
        If the file cannot be written.
    """
    most = [_double(c.lower * (1 + MORE)) for c, _ in asked]
    goals = [Goal(target, NORMS[c.norm], k) for k, (c, target) in enumerate(asked)]
    with until(deadline, stop), np.errstate(over="ignore", invalid="ignore"):
        search = Steepest(network, domain, goals, len(goals), aims=[float(v) * (1 - 2.0**-30) for v in most])
        search.start()
        search.run()
    proved = []
    for cell, (c, target), bound in zip(search.begun, asked, most, strict=True):
        assert cell.node is not None
        here = c.point is not None and c.attained == target.name
        least, point = (c.lower * (1 - LESS), c.point) if here else (Fraction(0), None)
        proved.append(ProvedGradient(f"{target.name} {c.norm}", target.outputs, c.norm, least, bound, point, search.numbers, cell.node))
    with written_beside(path) as beside:
        return write_refutation(beside, network, gradient_lines(domain, proved), f"polylc {__version__}", queries=len(proved))


def _double(value: Fraction) -> Fraction:
    """A double near a number, not below it; a tiny one for zero."""
    return Fraction(enclose(value)[1]) if value else Fraction(1, 2**40)
