"""`track`: a callback for a training loop; every so many steps the network is measured on fixed neighbourhoods, exactly
where it can be.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from polylc.api.neighbourhoods import make_tasks
from polylc.engines.choose import check_engine
from polylc.errors import UsageError
from polylc.estimators.study import Sampling
from polylc.readers.load import load
from polylc.report.record import Refusal
from polylc.report.shading import COLOURS, Colour
from polylc.report.training.history import KINDS, check_path
from polylc.run.tracker import Tracker
from polylc.run.watch import Watch
from polylc.search.task import Settings, Task, parse_measures

MEASURES = ("counts", "local_complexity", "total_variation", "local_rank")
FIGURES = (".png", ".pdf", ".svg")


def track(
    model: Any,
    points: Any = None,
    radius: Any = None,
    *,
    box: tuple[Any, Any] | None = None,
    clip: tuple[Any, Any] | None = None,
    labels: Sequence[int] | None = None,
    every: int = 1,
    measures: str | Iterable[str] = MEASURES,
    sigma: float | None = None,
    draws: int = 0,
    table: str | Path | None = None,
    figure: str | Path | None = None,
    report: str | Path | None = None,
    frames: bool | str = False,
    append: bool = False,
    exact: bool = True,
    certified: bool = True,
    engine: str = "auto",
    max_regions: int | None = 10_000,
    time_limit: float | None = None,
    input_shape: Sequence[int] | None = None,
    **sampling: Any,
) -> Tracker:
    """Watch a network while it is trained.

    The tracker is called once in every step of a loop, ``tracker(step, loss=loss.item())``. Every `every` steps it
    copies the weights, enumerates the neighbourhoods and adds a row for each of them to the table. It leaves the model,
    its mode, its gradients and all random states as they are.

    Parameters
    ----------
    model : torch.nn.Module
        Any that `polylc.load` reads; taken in evaluation mode.
    points, radius, box, clip, labels
        The neighbourhoods, as in `certify`. With labels, "robust" says that the label is right on the whole
        neighbourhood; without, that the class at the centre, whichever it is in that step, is constant.
    every : int
        Steps divisible by this are measured.
    measures : str or iterable of str
        As in `certify`; by default counts, local_complexity, total_variation and local_rank.
    sigma : float, optional
        Also the local complexity averaged over N(0, sigma^2) noise on the hidden biases: sampled by the co-area
        formula, or, with `draws` of at least 2, the mean of exact local complexities over so many draws of the noise.
        An estimate in both cases.
    table : path, optional
        A .csv or .json file, written anew after every measurement, whole or not at all.
    figure : path, optional
        A .png, .pdf or .svg file, drawn anew after every measurement.
    report : path, optional
        An .html file to look at, with charts and the table, written anew after every measurement.
    frames : bool or str
        Keep a picture of the regions of the first neighbourhood, which has one or two free coordinates, for every
        measurement; `Tracker.film` writes them. A string says what its colours stand for, as in `Result.plot`.
    append : bool
        Go on with the table that is there; otherwise it is replaced. Rows at the first new step and later are dropped.
    exact : bool
        False leaves the enumeration out: everything is estimated.
    certified, engine, max_regions, time_limit
        As in `certify`. A neighbourhood that meets a limit gets estimates in place of what is missing.
    input_shape : sequence of int, optional
        As in `load`.
    **sampling
        Fields of `polylc.estimators.study.Sampling` for estimates. The same random numbers are used in every step.

    Returns
    -------
    Tracker

    Raises
    ------
    UsageError, ModelError, NeighbourhoodError, DataError
        If arguments contradict each other, or the model, a neighbourhood or the table cannot be used.

    Examples
    --------
    >>> import torch
    >>> net = torch.nn.Sequential(torch.nn.Linear(1, 1), torch.nn.ReLU(), torch.nn.Linear(1, 1))
    >>> _ = torch.nn.init.zeros_(net[0].bias)
    >>> tracker = track(net, [[0.0], [9.0]], radius=0.5, every=10)
    >>> for step in range(11):
    ...     found = tracker(step, loss=1.0)  # None between
    >>> [(row["step"], row["neighbourhood"], row["regions"]) for row in tracker.rows]
    [(0, 0, 2), (0, 1, 1), (10, 0, 2), (10, 1, 1)]
    >>> found["local_complexity_activation"]  # the mean: one point in length 1, and none
    0.5
    """
    if every < 1:
        raise UsageError(f"every: {every} is not a number of steps; give 1 or more")
    if draws == 1 or draws < 0 or (draws and sigma is None):
        raise UsageError(f"draws: {draws} draws of the bias noise are not possible; give sigma, and 0 draws or at least 2")
    if "sigma" not in sampling and sigma is not None:
        sampling["sigma"] = sigma
    settings = Settings(parse_measures(measures), time_limit, max_regions, keep=False, certify=certified)
    network = load(model, input_shape=input_shape)
    tasks: list[Task] = []
    for task in make_tasks(network, points, radius, box, clip, labels, check_engine(engine)):
        if isinstance(task, Refusal):
            raise UsageError(f"points: row {task.index}: {task.reason}")
        tasks.append(task)
    noise = None if sigma is None else "exact_draws" if draws else "coarea"
    watch = Watch(tuple(tasks), settings, engine, Sampling(**sampling, draws=draws or Sampling.draws), noise, exact)
    files = _path(table, KINDS, "table"), _path(figure, FIGURES, "figure"), _path(report, (".html",), "report")
    return Tracker(model, input_shape, watch, every, *files, append, _colour(frames, tasks))


def _colour(frames: bool | str, tasks: Sequence[Task]) -> Colour | None:
    """What the colours of a film stand for; None for no film."""
    if frames is False:
        return None
    if not tasks or tasks[0].domain.dimension > 2:
        raise UsageError("frames: pictures need one or two free coordinates; fix the others with 0 in the radius")
    wanted = "gradient" if frames is True else frames
    colour = next((known for known in COLOURS if known == wanted), None)
    if colour is None:
        raise UsageError(f"frames: colour {wanted!r} is unknown; choose {', '.join(COLOURS)}")
    return colour


def _path(path: str | Path | None, kinds: Sequence[str], what: str) -> Path | None:
    if path is None:
        return None
    check_path(Path(path), kinds, what)
    return Path(path)
