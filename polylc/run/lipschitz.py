"""Lipschitz constants on a neighbourhood: by a search, which lists regions where that is cheaper once kernels for it
are there, or by an enumeration.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import get_args

import numpy as np

from polylc.domains.box import Neighbourhood
from polylc.domains.frame import Frame
from polylc.domains.within import as_norm
from polylc.engines.choose import choose_engine
from polylc.errors import LimitReached, SolverError, UsageError
from polylc.exact.checkpoint import until
from polylc.measures.gradient.lipschitz import Lipschitz
from polylc.network.form import Network
from polylc.report.lipschitz import Constant, LipschitzConstants, NormName
from polylc.report.result import Result
from polylc.report.run import Run
from polylc.run.compile_ahead import missing_kernels
from polylc.run.gradient_proof import write_gradient_proof
from polylc.run.neighbourhood import answer
from polylc.run.proof_file import proof_blocks, write_proof
from polylc.search.gradient_goals import NORMS, Goal, Target, usual_targets
from polylc.search.gradient_snapshot import Snapshot, restore, snapshot
from polylc.search.saved import Saved, saving
from polylc.search.steepest import Steepest, Watch
from polylc.search.task import Settings, Task

METHODS = ("auto", "search", "enumeration")
MARGINS = "margins"  # the target that is the largest of all margins
OPEN = "open"  # what is saved of a search
JACOBIAN = "jacobian->linf"  # the whole map, whose outputs are measured in linf: the largest of all outputs
PATIENCE, COMPILING = 10.0, 120.0  # seconds of search before kernels are compiled for listing regions, and what that may take


@dataclass(frozen=True)
class Asked:
    """One constant: the largest of several targets, in a norm."""

    name: str
    norm: NormName
    targets: tuple[Target, ...]


def targets_of(
    network: Network, label: int | None, output: int | None, largest: bool, jacobian: str | None = None
) -> list[tuple[str, tuple[Target, ...]]]:
    """What is asked for: an output, every margin of the label, the largest of these, every output, or the whole map.

    The operator norm of a matrix from any norm to linf is the largest dual norm of a row.

    Raises
    ------
    UsageError
        If there is no such output, or no margin, or the whole map is to be measured in another norm.
    """
    many = network.outputs
    if jacobian is not None:
        if as_norm(jacobian) != "linf":
            enumerated = "certify --measures lipschitz lists regions and has the constants from l1 to l1 and from l2 to l2"
            raise UsageError(f"lipschitz: a search bounds the Jacobian row by row, so outputs are measured in linf, not in {jacobian}; {enumerated}")
        if output is not None or largest:
            raise UsageError("lipschitz: the Jacobian is that of all outputs; leave out the output, or the largest of the margins")
        return [(JACOBIAN, tuple(Target(i) for i in range(many)))]
    if output is not None:
        if not 0 <= output < many:
            raise UsageError(f"lipschitz: output {output} is not one of the network's {many}, which are numbered from 0")
        return [(f"f{output}", (Target(output),))]
    if label is not None and not 0 <= label < many:
        raise UsageError(f"lipschitz: label {label} is not one of the network's {many} classes")
    if largest and (label is None or many == 1):
        raise UsageError("lipschitz: the largest of the margins needs several outputs, and a label or a centre")
    usual = usual_targets(many, label)
    return [(MARGINS, tuple(usual))] if largest else [(t.name, (t,)) for t in usual]


def lipschitz_constants(
    network: Network,
    domain: Neighbourhood | Frame,
    label: int | None,
    *,
    norms: Sequence[NormName] = get_args(NormName),
    output: int | None = None,
    largest: bool = False,
    jacobian: str | None = None,
    method: str = "auto",
    timeout: float | None = None,
    proof: Path | None = None,
    stop: Callable[[], bool] | None = None,
    watch: Watch | None = None,
    saved: Saved | None = None,
) -> LipschitzConstants:
    """Local Lipschitz constants, exactly, or as brackets where the time is over.

    Parameters
    ----------
    network : Network
    domain : Neighbourhood
        A box, a ball, a plane or a line.
    label : int or None
        The class whose margins are meant; None for outputs.
    norms : sequence of str
        Norms in which inputs are measured.
    output : int, optional
        That output alone.
    largest : bool
        The largest of the margins alone.
    jacobian : str, optional
        The operator norm of the whole map alone, outputs measured in this norm: "linf".
    method : str
        "search"; "enumeration"; or "auto": search, and enumeration where values are too large for doubles.
    timeout : float, optional
        Seconds after which what is known is returned.
    proof : Path, optional
        File for a proof of the constants, by search or by enumeration, as they were found.
    saved : Saved, optional
        What was found before, which is not searched again; what is found now is added.

    Raises
    ------
    UsageError
        If there is no such method or output.
    SolverError
        If only a search is wanted, and values are so large that doubles do not bound them.
    """
    if method not in METHODS:
        raise UsageError(f"lipschitz: method {method!r} is unknown; choose one of {', '.join(METHODS)}")
    targets = targets_of(network, label, output, largest, jacobian)
    if output is not None or jacobian is not None:
        label = None
    if isinstance(domain, Frame):
        norms, method = _in_frame(domain, norms, method)
    elif domain.norm != "linf":
        if method == "enumeration":
            raise UsageError(f"lipschitz: in {domain.norm} balls give method search; certify --norm {domain.norm} lists regions")
        method = "search"
    elif output is not None or jacobian is not None:  # an enumeration measures outputs where there is no label
        domain = replace(domain, center=None, radius=None)
    work = _Work(network, domain, label, norms, targets, stop, watch, saved)
    begin = time.monotonic()
    deadline = None if timeout is None else begin + timeout
    lost: str | None = None
    if proof is None:
        work.go(method, begin, deadline)
    else:
        with proof_blocks(proof) as work.blocks:
            work.go(method, begin, deadline)
            lost = work.write(proof, begin, deadline)
    norm = "linf" if isinstance(domain, Frame) else domain.norm
    file, notes = (None, {"proof": lost}) if lost is not None else (None if proof is None else str(proof), {})
    return LipschitzConstants(label, work.constants(), time.monotonic() - begin, work.statistics(), file, as_norm(norm), notes)


def _in_frame(domain: Frame, norms: Sequence[NormName], method: str) -> tuple[Sequence[NormName], str]:
    """The norms and the method in a plane or on a line: lengths are l2 there, and all regions are listed.

    Raises
    ------
    UsageError
        If others are wanted.
    """
    if method == "search":
        raise UsageError("lipschitz: in a plane or on a line regions are listed; give method enumeration, or auto")
    if set(norms) not in ({"l2"}, set(get_args(NormName))):
        raise UsageError("lipschitz: in a plane or on a line lengths are l2; give norm l2")
    return ("l2",), "enumeration"


class _Work:
    """What is known of all constants."""

    def __init__(
        self,
        network: Network,
        domain: Neighbourhood | Frame,
        label: int | None,
        norms: Sequence[NormName],
        targets: Sequence[tuple[str, tuple[Target, ...]]],
        stop: Callable[[], bool] | None,
        watch: Watch | None,
        saved: Saved | None = None,
    ) -> None:
        self.network, self.domain, self.label, self.stop, self.watch, self.saved = network, domain, label, stop, watch, saved
        self.asked = [Asked(name, norm, some) for name, some in targets for norm in norms]
        goals = [Goal(t, NORMS[a.norm], k) for k, a in enumerate(self.asked) for t in a.targets]
        self.goals = goals
        self.search: Steepest | None = None
        self.listed: dict[int, Constant] = {}  # by what is asked for, from an enumeration
        self.regions = 0
        self.blocks: Path | None = None
        self.result: Result | None = None  # of the last enumeration

    def go(self, method: str, begin: float, deadline: float | None) -> None:
        """Search, or enumerate, until everything is known or the time is over."""
        if method != "enumeration" and isinstance(self.domain, Neighbourhood):
            try:
                with until(deadline, self.stop), np.errstate(over="ignore", invalid="ignore"):
                    search = Steepest(self.network, self.domain, self.goals, len(self.asked), self.watch)
                    was = None if self.saved is None else self.saved.get(OPEN)
                    if isinstance(was, Snapshot):
                        restore(search, was)
                    else:
                        search.start()
                    self.search = search
            except LimitReached:
                return
            except SolverError:
                if method == "search":
                    raise
        if self.search is None:
            self._enumerate(None if deadline is None else max(0.0, deadline - time.monotonic()))
            return
        if missing_kernels([self._task()], self._settings(None)):
            self.search.lists = False
            if self._search(deadline, begin + PATIENCE):
                return
            self.search.lists = deadline is None or deadline - time.monotonic() > COMPILING
        self._search(deadline)

    def _search(self, deadline: float | None, pause: float = math.inf) -> bool:
        """Search until all is known or the time is over, and whether there is no more to do; or pause between two
        batches, so that the search is the same whenever that is.
        """
        search = self.search
        assert search is not None

        def between() -> bool:
            save(lambda: snapshot(search))
            return time.monotonic() < pause

        try:
            with until(deadline, self.stop), np.errstate(over="ignore", invalid="ignore"), saving(self.saved, OPEN) as save:
                search.run(between=between)
        except LimitReached:
            return True
        if not search.queue and self.saved is not None:  # for a proof that is still to be written
            self.saved.put(OPEN, snapshot(search))
        return not search.queue

    def _task(self) -> Task:
        return Task(0, self.domain, self.label, choose_engine("auto", self.domain))

    def _settings(self, seconds: float | None) -> Settings:
        return Settings(("lipschitz",), time_limit=seconds, blocks=self.blocks)

    def _enumerate(self, seconds: float | None) -> bool:
        """List regions for so long; whether these are all, and so everything is known."""
        self.result = result = answer(self.network, self._task(), self._settings(seconds), self.stop, saved=self.saved)
        self.regions = max(self.regions, result.regions or 0)
        found: list[Lipschitz] | None = result.answers.value("lipschitz")
        if found is None or not result.complete:
            return False
        assert result.complex is not None
        known = {(c.target, c.norm): c for c in found}
        for k, asked in enumerate(self.asked):
            parts = [known.get((t.name, asked.norm)) for t in asked.targets]
            if any(p is None or p.upper is None for p in parts):  # an output where margins were measured
                return False
            best = max((p for p in parts if p is not None), key=lambda p: p.lower or 0)
            assert best.lower is not None
            unit = result.exact_points.get(best.region) or [Fraction(v) for v in result.complex.unit[best.region].tolist()]
            self.listed[k] = Constant(asked.name, asked.norm, best.lower, best.upper, self.domain.lifted(unit), best.target, "enumeration")
        return True

    def write(self, proof: Path, begin: float, deadline: float | None) -> str | None:
        """Write what proves the constants, if all are known; else why that was not done."""
        if self.search is not None and self.search.lister.whole:  # the same again, with what proves it
            self._enumerate(None if deadline is None else max(0.0, deadline - time.monotonic()))
        if self.listed:
            if self.result is None or self.result.block is None:
                told = {} if self.result is None else self.result.notes
                return told.get("proof", "not written: the regions were not all listed again")
            write_proof(proof, Run(self.network, [self.result], time.monotonic() - begin))
            return None
        constants = self.constants()
        if not all(c.exact for c in constants):
            return "not written: not all constants were found"
        asked = [(c, target) for c, a in zip(constants, self.asked, strict=True) for target in a.targets]
        try:
            assert isinstance(self.domain, Neighbourhood)
            write_gradient_proof(proof, self.network, self.domain, asked, deadline, self.stop)
        except LimitReached as error:
            return f"not written: {error}"
        return None

    def constants(self) -> list[Constant]:
        """All that was asked for."""
        return [self.listed[k] if k in self.listed else self._searched(k) for k in range(len(self.asked))]

    def _searched(self, k: int) -> Constant:
        asked = self.asked[k]
        if self.search is None:
            return Constant(asked.name, asked.norm, Fraction(0), None, None, asked.name, "search")
        best, upper = self.search.bracket(k)
        name = asked.name if best.target is None else best.target.name
        return Constant(asked.name, asked.norm, best.value, upper, best.point, name, "search")

    def statistics(self) -> dict[str, float]:
        """How much work it was."""
        if self.search is None:
            return {"regions": float(self.regions)} if self.regions else {}
        found = {**self.search.counts, "open": float(len(self.search.queue))}
        listed, regions = self.search.lister.boxes, max(self.regions, self.search.lister.regions)
        return {**found, "listed": float(listed), "regions": float(regions)} if regions else found
