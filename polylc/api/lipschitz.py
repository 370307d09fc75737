"""`lipschitz`: a network and neighbourhoods in, exact local Lipschitz constants out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, get_args

from polylc.api.check import check
from polylc.api.neighbourhoods import Watch, Watching, make_tasks, one_by_one, proof_of_one
from polylc.api.notebook import searched
from polylc.domains.box import as_box
from polylc.domains.frame import Frame
from polylc.errors import ProofRefused, ProofUnreadable, UsageError
from polylc.network.form import Network
from polylc.readers.load import as_network
from polylc.report.lipschitz import LipschitzConstants, NormName
from polylc.report.lists import LipschitzRun
from polylc.report.record import Refusal
from polylc.run.constants import constants_kept, take
from polylc.run.lipschitz import lipschitz_constants
from polylc.run.neighbourhood import label_of
from polylc.search.task import Task


def lipschitz(
    network: Any,
    points: Any = None,
    *,
    radius: Any = None,
    box: tuple[Any, Any] | None = None,
    clip: tuple[Any, Any] | None = None,
    labels: Sequence[int] | None = None,
    norm: str | Iterable[str] = "all",
    ball: str = "linf",
    output: int | None = None,
    largest: bool = False,
    jacobian: str | None = None,
    method: str = "auto",
    timeout: float | None = None,
    proof: str | Path | None = None,
    stop: Callable[[], bool] | None = None,
    watch: Callable[[dict[str, float]], None] | None = None,
    run: str | Path | None = None,
    progress: bool | None = None,
) -> LipschitzRun:
    """Exact local Lipschitz constants of outputs or margins, without a list of all regions where that is quicker.

    Parameters
    ----------
    network : Network, path, or torch.nn.Module
        As for `certify`.
    points : array_like, shape (n,) or (N, n), or images of the model's own shape
        Centres of balls; or the view of `polylc.plane` or `polylc.line`, with no radius, where lengths are l2.
    radius, box, clip
        As for `certify`.
    labels : sequence of int, optional
        One for each neighbourhood; by default the class at the centre. The targets are its margins over every other
        class; those of a box without a label, or of a network with one output, are the outputs.
    norm : str or iterable of str
        "linf", "l2" or "l1": how inputs are measured; the gradient is measured in the dual norm. "all" for all three.
    ball : str
        "linf", "l2" or "l1": the norm whose balls the neighbourhoods are.
    output : int, optional
        The constants of this output alone.
    largest : bool
        The largest of the margins alone, which is quicker than each of them.
    jacobian : str, optional
        "linf": the operator norms of the whole map alone, from `norm` to linf of all outputs.
    method : str
        "search", which lists regions where that is cheaper; "enumeration"; or "auto": search, and
        enumeration where values are too large for doubles.
    timeout : float, optional
        Seconds for each neighbourhood; what is known then is returned: an attained lower and a proved upper bound.
    proof : path, optional
        File that proves the constants of one neighbourhood, if all of them are found, as `polylc.check` verifies. Where
        regions were listed it proves the constants themselves, else narrow brackets: see docs/lipschitz.md.
    stop, watch : callable, optional
        Asked whether to end; told statistics.
    run : path, optional
        Folder for a journal: the same call goes on where it ended. `polylc show` reads it.
    progress : bool, optional
        Whether a notebook shows how far the search is; by default it does, unless `watch` is given.

    Returns
    -------
    LipschitzRun
        A list of `LipschitzConstants` and `Refusal`, in the order of the neighbourhoods.

    Raises
    ------
    UsageError, NeighbourhoodError, ModelError
        As for `certify`; and if there is no such norm, output or method, or for a proof of several neighbourhoods.

    Examples
    --------
    >>> from polylc.network.form import chain
    >>> net = chain([[[1.0, 0.0], [1.0, 1.0]], [[1.0, 1.0]]], [[0.0, 0.0], [0.0]])
    >>> (found,) = lipschitz(net, [0.0, 0.0], radius=1, norm="linf")
    >>> found.constants[0].lower, found.exact
    (Fraction(3, 1), True)
    """
    net = as_network(network)
    norms = parse_norms(norm)
    tasks = make_tasks(net, points, radius, box, clip, labels, frames=True, norm=ball)
    search = partial(lipschitz_constants, norms=norms, output=output, largest=largest, jacobian=jacobian, method=method, timeout=timeout)
    with searched(tasks, progress, watch) as watching:
        return LipschitzRun(net, constants_one_by_one(net, tasks, search, proof=proof, stop=stop, watching=watching, run=run))


def constants_one_by_one(
    network: Network,
    tasks: Sequence[Task | Refusal],
    search: partial[LipschitzConstants],
    *,
    proof: str | Path | None,
    stop: Callable[[], bool] | None,
    watching: Watching,
    run: str | Path | None = None,
) -> Iterator[tuple[int, LipschitzConstants | Refusal]]:
    """The constants of each task, with its index, as soon as they are found.

    Parameters
    ----------
    search : partial
        `run.lipschitz.lipschitz_constants`, with what is asked of every task.
    run : path, optional
        Folder for a journal.

    Raises
    ------
    UsageError
        As for `lipschitz`; for a proof of several neighbourhoods at once.
    """
    file = proof_of_one(proof, tasks, "neighbourhood")
    place_of = {id(task): place for place, task in enumerate(tasks)}
    asked = dict(search.keywords)
    timeout = asked.pop("timeout", None)
    with nullcontext() if run is None else constants_kept(Path(run), network, tasks, asked, file is not None, timeout) as kept:

        def find(task: Task, watch: Watch | None) -> LipschitzConstants:
            place = place_of[id(task)]
            if kept is not None and file is None and (known := kept.get(place)) is not None:
                found: LipschitzConstants = known[1]
                return found
            label, _ = label_of(network, task)
            domain = task.domain if isinstance(task.domain, Frame) else as_box(task.domain, "lipschitz")
            saved = None if kept is None else kept.saved(place)
            found = _confirmed(search(network, domain, label, proof=file, stop=stop, watch=watch, saved=saved))
            if kept is not None:
                take(kept, place, task.index, found, stop is not None and stop(), file is not None)
            return found

        yield from one_by_one(tasks, find, watching, stop)


def _confirmed(found: LipschitzConstants) -> LipschitzConstants:
    """The same, with a proof by search only if it checks, else with the reason: it is rounded in other arithmetic than
    what found it, so it is looked at once.
    """
    if found.proof is None or any(c.method == "enumeration" for c in found.constants):
        return found
    try:
        check(found.proof)
    except (ProofRefused, ProofUnreadable) as error:
        Path(found.proof).unlink()
        return replace(found, proof=None, notes={"proof": f"not kept: it was written, and does not check: {error}"})
    return found


def parse_norms(norm: str | Iterable[str]) -> tuple[NormName, ...]:
    """Names of norms: "all", or some of linf, l2 and l1, separated by commas.

    Raises
    ------
    UsageError
        If a name is unknown.
    """
    known: tuple[NormName, ...] = get_args(NormName)
    names = [name.strip() for name in norm.split(",")] if isinstance(norm, str) else list(norm)
    for name in names:
        if name not in {"all", *known}:
            raise UsageError(f"norm: {name!r} is unknown; choose all, or some of {', '.join(known)}")
    return tuple(name for name in known if name in names or "all" in names)
