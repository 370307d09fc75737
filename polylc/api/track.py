"""A callback for a training loop: every so many steps the network is measured on fixed neighbourhoods, exactly where it can be."""

from __future__ import annotations

import io
import operator
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from polylc.api.certify import make_tasks, parse_measures
from polylc.errors import PolylcError, UsageError
from polylc.estimators.study import Sampling
from polylc.readers.load import load
from polylc.report.result import Refusal
from polylc.report.training.history import ERROR, FIRST, KINDS, LAST, WORDS, History, Row, check_path, read_history, replace_file
from polylc.run.neighbourhood import Settings, Task
from polylc.run.watch import Watch
from polylc.search.enumerate import check_engine

MEASURES = ("counts", "local_complexity", "total_variation", "local_rank")
FIGURES = (".png", ".pdf", ".svg")
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
        from polylc.report.training.figure import history_figure

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
