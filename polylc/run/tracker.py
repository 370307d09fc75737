"""A network measured again and again while it is trained."""

from __future__ import annotations

import io
import operator
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from polylc.errors import PolylcError, UsageError
from polylc.measures.registry import ROWS
from polylc.network.form import Network
from polylc.readers.load import load
from polylc.report.export import data_frame
from polylc.report.files import written_beside
from polylc.report.shading import Colour
from polylc.report.training.figure import history_figure
from polylc.report.training.film import Film
from polylc.report.training.history import ERROR, FIRST, LAST, WORDS, History, Row, read_history, replace_file
from polylc.run.neighbourhood import answer
from polylc.run.watch import Watch
from polylc.search.task import Settings

# names of columns: whole ones, and the first words of families
RESERVED = (*FIRST, *LAST, *WORDS, "regions", *(name for row in ROWS for name in row.frame if "." not in name))
FAMILIES = tuple(row.name for row in ROWS if row.instead is not None and row.name != "counts")


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
        self,
        model: Any,
        input_shape: Sequence[int] | None,
        watch: Watch,
        every: int,
        table: Path | None,
        figure: Path | None,
        report: Path | None,
        append: bool,
        colour: Colour | None = None,
    ) -> None:
        self._model, self._shape, self._watch, self._every = model, input_shape, watch, every
        self._table, self._figure, self._report = table, figure, report
        many = len(watch.tasks)
        self._history = read_history(table, many) if append and table is not None and table.exists() else History(many)
        self._last = -1
        self._colour, self._film = colour, None if colour is None else Film()
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
            for row in self._rows(step):
                self._history.add({"step": step, "neighbourhood": row[0], **beside, **row[1]})
        finally:  # also if the user interrupts: what was found is kept
            self._save()
            self.seconds += time.monotonic() - begin
        return self._history.last_mean()

    def _rows(self, step: int) -> Iterator[tuple[int, Row]]:
        try:
            network = load(self._model, input_shape=self._shape)
        except PolylcError as error:  # weights that are no longer finite, say: training goes on
            yield from ((task.index, _refused(error)) for task in self._watch.tasks)
            return
        self._frame(network, step)
        for task in self._watch.tasks:
            try:
                row = self._watch.row(network, task)
            except PolylcError as error:
                row = _refused(error)
            yield task.index, row

    def _frame(self, network: Network, step: int) -> None:
        """A picture of the first neighbourhood, in floating point."""
        if self._film is None or self._colour is None:
            return
        from polylc.report.figures import Style, figure

        settings = Settings((), self._watch.settings.time_limit, self._watch.settings.max_regions, certify=False)
        result = answer(network, self._watch.tasks[0], settings)
        if result.complex is not None and len(result.complex):
            self._film.add(figure(result.complex, style=Style(self._colour, size=(6.4, 5.4))), f"step {step}")

    def film(self, path: str | Path, seconds: float = 0.2) -> None:
        """Write the pictures that were kept, with `frames`, as a film: .gif, or .mp4 where ffmpeg is installed.

        Raises
        ------
        UsageError
            If there are none, or such a film cannot be written.
        """
        if self._film is None:
            raise UsageError("film: no pictures were kept; call track with frames=True")
        self._film.write(Path(path), seconds)

    def _save(self) -> None:
        """Write the files; where that fails, a warning, and training goes on."""
        try:
            if self._table is not None:
                self._history.write(self._table, self._settings())
            if self._figure is not None:
                self._draw(self._figure)
            if self._report is not None:
                self.write_report(self._report)
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
        return data_frame(self.rows if each else self.means())

    def plot(self, path: str | Path | None = None) -> Any:
        """A matplotlib figure of what was found; saved to `path` if one is given."""
        drawn = history_figure(self._history)
        if path is not None:
            with written_beside(Path(path)) as beside:
                drawn.savefig(beside, dpi=150)
        return drawn

    def write_report(self, path: str | Path) -> None:
        """Write a report to look at: one HTML file that opens from disk, with charts and the table of means."""
        from polylc.report.html.page import write_page
        from polylc.report.html.track import track_page

        write_page(track_page(self._history, self._settings(), self.seconds), Path(path))

    def _repr_html_(self) -> str:
        from polylc.report.html.page import cell_of
        from polylc.report.html.track import track_page

        return cell_of(track_page(self._history, self._settings(), self.seconds), ("curves",))

    def _settings(self) -> dict[str, Any]:
        return self._watch.settings_used() | {"every": self._every}

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
