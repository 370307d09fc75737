"""`distance`: a network and points in, the nearest adversarial points and their distances out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from polylc.api.neighbourhoods import Watch, Watching, make_tasks, one_by_one, proof_of_one
from polylc.api.notebook import searched
from polylc.domains.box import as_box
from polylc.domains.within import as_norm
from polylc.measures.margin.distance import Distance
from polylc.network.form import Network
from polylc.readers.load import as_network
from polylc.report.lists import Distances, centers_of
from polylc.report.record import Refusal
from polylc.run.distance import nearest_adversarial
from polylc.run.points import points_kept, take
from polylc.run.points_apart import Apart
from polylc.search.cores import as_jobs
from polylc.search.crew import ProcessCrew
from polylc.search.task import Task


def distance(
    network: Any,
    points: Any,
    radius: Any = 1,
    *,
    clip: tuple[Any, Any] | None = None,
    labels: Sequence[int] | None = None,
    target: int | None = None,
    norm: str = "linf",
    timeout: float | None = None,
    proof: str | Path | None = None,
    jobs: int | str = 1,
    stop: Callable[[], bool] | None = None,
    watch: Callable[[dict[str, float]], None] | None = None,
    executor: Executor | None = None,
    run: str | Path | None = None,
    progress: bool | None = None,
) -> Distances:
    """The exact distance of points to the nearest input that is classified otherwise.

    Ties count: a point is adversarial if some other class is at least as high as the label.

    Parameters
    ----------
    network : Network, path, or torch.nn.Module
        As for `certify`.
    points : array_like, shape (n,) or (N, n), or images of the model's own shape
        Centres. Floats are taken as the rationals they are, strings as exact decimals.
    radius : number
        Adversarial points farther away do not count; a large one costs nothing where there is a nearer point.
    clip : pair of numbers or sequences, optional
        Adversarial points have to lie in this box.
    labels : sequence of int, optional
        One for each point; by default the class at the point.
    target : int, optional
        Only points where this class is at least as high count.
    norm : str
        "linf", "l2" or "l1". In l2 `lower` and `upper` of what is returned are squares, which are rational.
    timeout : float, optional
        Seconds for each point; what is known then is returned: a proved lower bound, and an attained upper one.
    proof : path, optional
        File that proves the lower bound; for one point.
    jobs : int or "auto"
        Processes: many points are spread whole, the searches of few are shared.
    stop, watch : callable, optional
        Asked whether to end; told statistics.
    executor : concurrent.futures.Executor, optional
        Takes the place of these processes.
    run : path, optional
        Folder for a journal: the same call goes on where it ended. `polylc show` reads it.
    progress : bool, optional
        Whether a notebook shows how far the search is; by default it does, unless `watch` is given.

    Returns
    -------
    Distances
        A list of `Distance` and `Refusal`, in the order of the points.

    Raises
    ------
    UsageError, NeighbourhoodError, ModelError
        As for `certify`; and for a proof of several points.
    """
    net = as_network(network)
    tasks = make_tasks(net, points, radius, None, clip, labels)
    with searched(tasks, progress, watch) as watching:
        found = distances_one_by_one(
            net,
            tasks,
            target=target,
            norm=norm,
            timeout=timeout,
            proof=proof,
            jobs=as_jobs(jobs),
            stop=stop,
            watching=watching,
            run=run,
            executor=executor,
        )
        return Distances(net, as_norm(norm), found, centers_of(tasks))


def distances_one_by_one(
    network: Network,
    tasks: Sequence[Task | Refusal],
    *,
    target: int | None,
    norm: str,
    timeout: float | None,
    proof: str | Path | None,
    jobs: int,
    stop: Callable[[], bool] | None,
    watching: Watching,
    run: str | Path | None = None,
    executor: Executor | None = None,
) -> Iterator[tuple[int, Distance | Refusal]]:
    """The distance of each task, with its index, as soon as it is found.

    Raises
    ------
    UsageError
        As for `distance`; for a proof of several points at once.
    """
    file = proof_of_one(proof, tasks, "point")
    place_of = {id(task): place for place, task in enumerate(tasks)}
    asked: dict[str, Any] = {"target": target, "norm": norm, "timeout": timeout}
    shared = jobs > 1 or executor is not None
    with (
        nullcontext() if run is None else points_kept(Path(run), network, tasks, target, norm, file is not None, timeout) as kept,
        ProcessCrew(jobs, executor) if shared else nullcontext() as crew,
    ):

        def keep(place: int, found: Distance) -> None:
            task = tasks[place]
            if kept is not None and isinstance(task, Task):
                take(kept, place, task, found, stop is not None and stop(), file is not None)

        apart = None if crew is None else Apart(crew, network, asked, stop, keep)

        def find(task: Task, watch: Watch | None) -> Distance:
            place = place_of[id(task)]
            if kept is not None and file is None and (known := kept.get(place)) is not None:
                found: Distance = known[1]
                return found
            if crew is not None and apart is not None:
                if not apart.begun and crew.ready():
                    left = {
                        p: t
                        for p, t in enumerate(tasks)
                        if p >= place and isinstance(t, Task) and (kept is None or not (kept.begun(p) or kept.get(p)))
                    }
                    if len(left) >= max(crew.jobs, 2):
                        apart.begin(left)
                elsewhere = apart.get(place)
                if elsewhere is not None:
                    return elsewhere
            domain, saved = as_box(task.domain, "distance"), None if kept is None else kept.saved(place)
            more: dict[str, Any] = {"proof": file, "jobs": jobs, "executor": executor, "saved": saved}
            found = nearest_adversarial(network, domain, task.label, **asked, stop=stop, watch=watch, **more)
            keep(place, found)
            return found

        yield from one_by_one(tasks, find, watching, stop)
