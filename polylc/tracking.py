"""A callback for a training loop: every so many steps the network is measured on fixed neighbourhoods, exactly where it can be."""

from __future__ import annotations

import io
import operator
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from polylc.answer import Settings, Task, answer
from polylc.engines.tree import Outcome
from polylc.enumerate import check_engine
from polylc.errors import PolylcError, UsageError
from polylc.estimating import EVERY
from polylc.estimators.estimate import Estimate
from polylc.estimators.methods import run_methods
from polylc.estimators.study import Sampling, Study
from polylc.exact.quantity import Quantity
from polylc.measures.rank import LocalRank
from polylc.network.form import Network
from polylc.readers import load
from polylc.report.history import ERROR, FIRST, KINDS, LAST, WORDS, History, Row, check_path, read_history, replace_file
from polylc.report.result import Refusal, Result
from polylc.run import make_tasks, parse_measures

MEASURES = ("counts", "local_complexity", "total_variation", "local_rank")
FIGURES = (".png", ".pdf", ".svg")


class Instead(NamedTuple):
    """What stands for a measure that is out of reach: the estimator to run, and which of its estimates to take."""

    run: str
    method: str
    target: str


INSTEAD = {
    "counts": Instead("patterns", "chao1", "regions"),
    "local_complexity": Instead("lines", "lines", "local_complexity"),
    "total_variation": Instead("jacobian_norm", "jacobian_norm", "total_variation"),
    "kink_variation": Instead("lines", "lines", "kink_variation"),
    "local_rank": Instead("local_rank", "local_rank", "local_rank"),
    "lipschitz": Instead("lipschitz", "sampled_lipschitz", "lipschitz.jacobian"),
}
SIGMA = "local_complexity_sigma"
RESERVED = (*FIRST, *LAST, *WORDS, "regions", "pieces", "affine_functions", "adjacencies", "robust", "distance")
FAMILIES = ("local_complexity", "total_variation", "kink_variation", "local_rank", "lipschitz")


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

    The tracker is called once in every step of a loop, ``tracker(step, loss=loss.item())``. Every `every` steps it copies the weights,
    enumerates the neighbourhoods and adds a row for each of them to the table. It leaves the model, its mode, its gradients and
    all random states as they are.

    Parameters
    ----------
    model : torch.nn.Module
        Any that `polylc.load` reads; taken in evaluation mode.
    points, radius, box, clip, labels
        The neighbourhoods, as in `certify`. With labels, "robust" says that the label is right on the whole neighbourhood; without, that
        the class at the centre, whichever it is in that step, is constant.
    every : int
        Steps divisible by this are measured.
    measures : str or iterable of str
        As in `certify`; by default counts, local_complexity, total_variation and local_rank.
    sigma : float, optional
        Also the local complexity averaged over N(0, sigma^2) noise on the hidden biases: sampled by the co-area formula, or, with
        `draws` of at least 2, the mean of exact local complexities over so many draws of the noise. An estimate in both cases.
    table : path, optional
        A .csv or .json file, written anew after every measurement, whole or not at all.
    figure : path, optional
        A .png, .pdf or .svg file, drawn anew after every measurement.
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
    settings = Settings(parse_measures(measures), check_engine(engine), time_limit, max_regions, keep=False, certify=certified)
    network = load(model, input_shape=input_shape)
    tasks: list[Task] = []
    for task in make_tasks(network, points, radius, box, clip, labels):
        if isinstance(task, Refusal):
            raise UsageError(f"points: row {task.index}: {task.reason}")
        tasks.append(task)
    noise = None if sigma is None else "exact_draws" if draws else "coarea"
    watch = Watch(tuple(tasks), settings, Sampling(**sampling, draws=draws or Sampling.draws), noise, exact)
    return Tracker(model, input_shape, watch, every, _path(table, KINDS, "table"), _path(figure, FIGURES, "figure"), append)


class Watch:
    """What is measured, and how."""

    def __init__(self, tasks: tuple[Task, ...], settings: Settings, sampling: Sampling, noise: str | None, exact: bool) -> None:
        self.tasks, self.settings, self.sampling, self.noise, self.exact = tasks, settings, sampling, noise, exact

    def settings_used(self) -> dict[str, Any]:
        """What a reader of the table has to know."""
        settings = self.settings
        neighbourhoods = [{"lower": [float(v) for v in task.domain.lower], "upper": [float(v) for v in task.domain.upper]} for task in self.tasks]
        limits = {"max_regions": settings.max_regions, "time_limit": settings.time_limit}
        known = {"measures": list(settings.measures), "exact": self.exact, "certified": settings.certify, "engine": settings.engine, **limits}
        return known | {"noise": self.noise, "sampling": self.sampling.as_dict(), "neighbourhoods": neighbourhoods}

    def row(self, network: Network, task: Task) -> Row:
        """Status and values for one neighbourhood.

        Raises
        ------
        KeyboardInterrupt
            If the user interrupts, whether or not the engine noticed first.
        """
        begin = time.monotonic()
        values: Row = {}
        status, missing = "estimated", [name for name in INSTEAD if name in self.settings.measures]
        if self.exact:
            result = answer(network, task, self.settings)
            if result.outcome == Outcome.INTERRUPTED.value:
                raise KeyboardInterrupt
            status, values = result.status, exact_values(result)
            missing = [name for name in INSTEAD if name in (*missing, "counts") and _is_missing(name, result)]
        estimates, notes = self._estimates(network, task, missing)
        errors: Row = {}
        for name, estimate in estimates.items():
            found = values.get(name)
            if isinstance(found, int) and found > estimate.value:  # regions found before a limit are a lower bound
                continue
            values[name], errors[name + ERROR] = estimate.value, estimate.standard_error
        estimated = {"estimated": " ".join(estimates)}  # the lower bound counts as one, too
        return {"status": status, **values, **errors, **estimated, "seconds": time.monotonic() - begin, "note": "; ".join(notes)}

    def _estimates(self, network: Network, task: Task, missing: Sequence[str]) -> tuple[dict[str, Estimate], list[str]]:
        """Estimates by column, and why others could not be had."""
        study = Study(network, task.domain, self.sampling, task.label, task.index)
        names = dict.fromkeys(INSTEAD[measure].run for measure in missing)
        found, skipped = run_methods(study, [*names, *([self.noise] if self.noise else [])], EVERY)
        columns: dict[str, Estimate] = {}
        for measure in missing:
            instead = INSTEAD[measure]
            columns |= {e.target.replace(".", "_"): e for e in found if e.method == instead.method and e.target.startswith(instead.target)}
        columns.update((SIGMA, e) for e in found if e.method == self.noise and e.target == "local_complexity.activation")
        return columns, [f"{s.method}: {s.reason}" for s in skipped]


def exact_values(result: Result) -> Row:
    """The values of a result by column, as plain numbers: an enclosure by its middle, None where a value is out of reach.

    Of a partial result only what holds whatever was missed: so many regions at least, and that the label is not constant.
    """
    answers = result.answers
    row: Row = {"regions": result.regions}
    if result.complete and answers.adjacencies is not None:
        row |= {"pieces": answers.pieces, "affine_functions": answers.affine_functions, "adjacencies": answers.adjacencies}
    for name in ("local_complexity", "total_variation"):
        row |= {f"{name}_{version}": _number(value) for version, value in (getattr(answers, name) or {}).items()}
    if answers.kink_variation is not None:
        row["kink_variation"] = _number(answers.kink_variation)
    row |= {f"local_rank_{rank.layer}": _mean_rank(rank) for rank in answers.local_rank or ()}
    row |= {f"lipschitz_jacobian_{c.norm}": _number(c.quantity) for c in answers.lipschitz or () if c.target == "jacobian"}
    robust = answers.robustness
    if robust is not None and (result.complete or not robust.robust):
        row |= {"robust": int(robust.robust), "distance": _number(robust.distance) if result.complete else None}
    return row


def _number(value: Any) -> float | None:
    """A float, or the middle of a quantity."""
    return None if value is None else float(value.value if isinstance(value, Quantity) else value)


def _mean_rank(rank: LocalRank) -> float | None:
    """The mean, which needs no volumes where the rank is the same everywhere."""
    return rank.least if rank.least == rank.most else _number(rank.mean)


def _is_missing(measure: str, result: Result) -> bool:
    """Whether a result does not have a measure that was asked for."""
    if not result.complete:
        return True
    if measure == "local_rank":
        return any(_mean_rank(rank) is None for rank in result.answers.local_rank or ())
    return measure != "counts" and getattr(result.answers, measure) is None


class Tracker:
    """Measures a network while it is trained; made by `track`, called in every step.

    Attributes
    ----------
    rows : list of dict
        One for every step that was measured and every neighbourhood.
    seconds : float
        Time spent in measuring, so far.
    """

    def __init__(
        self, model: Any, input_shape: Sequence[int] | None, watch: Watch, every: int, table: Path | None, figure: Path | None, append: bool
    ) -> None:
        self._model, self._shape, self._watch, self._every = model, input_shape, watch, every
        self._table, self._figure = table, figure
        many = len(watch.tasks)
        self._history = read_history(table, many) if append and table is not None and table.exists() else History(many)
        self._last = -1
        self.seconds = 0.0
        if append and table is None:
            raise UsageError("append: there is no table to go on with; give one")

    @property
    def rows(self) -> list[Row]:
        """One row for every step that was measured and every neighbourhood, the columns of the table as keys."""
        return self._history.rows

    def __call__(self, step: int | None = None, /, **logged: Any) -> Row | None:
        """Measure, if the step is due; otherwise do nothing.

        Parameters
        ----------
        step : int, optional
            Steps must increase from call to call. By default the number of calls before this one.
        **logged
            Numbers to put beside, such as the loss.

        Returns
        -------
        dict or None
            The means over the neighbourhoods, None if the step was not due.

        Raises
        ------
        UsageError
            If the step does not increase, or a logged value is no number.
        """
        current = self._advance(step)
        return self._measure(current, logged) if current % self._every == 0 else None

    def record(self, step: int | None = None, /, **logged: Any) -> Row:
        """Measure, whether or not the step is due; for the end of the training, say."""
        return self._measure(self._advance(step), logged)

    def _advance(self, step: int | None) -> int:
        try:
            current = self._last + 1 if step is None else operator.index(step)
        except TypeError:
            raise UsageError(f"step: {step!r} is not a whole number") from None
        if current <= self._last:
            raise UsageError(f"step: {current} comes after {self._last}; steps must increase (leave the step out, and calls are counted)")
        self._last = current
        return current

    def _measure(self, step: int, logged: Mapping[str, Any]) -> Row:
        begin = time.monotonic()
        beside = _numbers(logged)
        self._history.drop_from(step)
        try:
            for row in self._rows():
                self._history.add({"step": step, "neighbourhood": row[0], **beside, **row[1]})
        finally:  # also if the user interrupts: what was found is kept
            self._save()
            self.seconds += time.monotonic() - begin
        return self._history.last_mean()

    def _rows(self) -> Iterator[tuple[int, Row]]:
        try:
            network = load(self._model, input_shape=self._shape)
        except PolylcError as error:  # weights that are no longer finite, say: training goes on
            yield from ((task.index, _refused(error)) for task in self._watch.tasks)
            return
        for task in self._watch.tasks:
            try:
                row = self._watch.row(network, task)
            except PolylcError as error:
                row = _refused(error)
            yield task.index, row

    def _save(self) -> None:
        """Write the files; where that fails, a warning, and training goes on."""
        try:
            if self._table is not None:
                self._history.write(self._table, self._watch.settings_used() | {"every": self._every})
            if self._figure is not None:
                self._draw(self._figure)
        except OSError as error:
            warnings.warn(f"polylc.track: a file could not be written ({error}); what was found is kept in memory", stacklevel=4)

    def _draw(self, path: Path) -> None:
        buffer = io.BytesIO()
        self.plot().savefig(buffer, format=path.suffix[1:], dpi=120)
        replace_file(path, buffer.getvalue())

    def means(self) -> list[Row]:
        """For each step the means over the neighbourhoods."""
        return self._history.means()

    def to_frame(self, each: bool = False) -> Any:
        """A pandas DataFrame with the means of every step, or, with `each`, one row for every step and neighbourhood.

        Raises
        ------
        UsageError
            If pandas is not installed (``pip install 'polylc[frame]'``).
        """
        from polylc.report.export import data_frame

        return data_frame(self.rows if each else self.means())

    def plot(self, path: str | Path | None = None) -> Any:
        """A matplotlib figure of what was found; saved to `path` if one is given."""
        from polylc.report.history_figure import history_figure

        drawn = history_figure(self._history)
        if path is not None:
            drawn.savefig(path, dpi=150)
        return drawn

    def __repr__(self) -> str:
        return f"Tracker(neighbourhoods={len(self._watch.tasks)}, every={self._every}, rows={len(self.rows)})"


def _refused(error: PolylcError) -> Row:
    return {"status": "refused", "seconds": 0.0, "note": str(error)}


def _numbers(logged: Mapping[str, Any]) -> Row:
    """Logged values as numbers.

    Raises
    ------
    UsageError
        If one is no number, or its name is that of a column.
    """
    result: Row = {}
    for name, value in logged.items():
        if name in RESERVED or name.startswith(FAMILIES) or name.endswith(ERROR):
            raise UsageError(f"{name}: the table has a column of this name; give the value another")
        try:
            result[name] = value if type(value) is int else float(value)
        except (TypeError, ValueError):
            raise UsageError(f"{name}: {value!r} is not a number; log numbers, such as loss.item()") from None
    return result


def _path(path: str | Path | None, kinds: Sequence[str], what: str) -> Path | None:
    if path is None:
        return None
    check_path(Path(path), kinds, what)
    return Path(path)
