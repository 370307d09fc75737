"""Progress in a notebook: one line under the cell, which goes when the work is done."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from html import escape
from typing import Any

from polylc.api.neighbourhoods import Watch, Watching
from polylc.search.task import Task

EVERY = 0.2  # seconds between two changes


def in_notebook() -> bool:
    """Whether this is the kernel of a notebook."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return shell is not None and type(shell).__name__ == "ZMQInteractiveShell"


class _Line:
    """What is under the cell."""

    def __init__(self, count: int) -> None:
        from IPython.display import HTML, display

        self._html, self._count, self._last = HTML, count, 0.0
        self._row, self._found, self.done = "", "", 0
        self._handle = display(HTML(""), display_id=True)

    def show(self, text: str, share: float | None = None, at_once: bool = False) -> None:
        now = time.monotonic()
        if not at_once and now - self._last < EVERY:
            return
        self._last = now
        value = "" if share is None else f' value="{min(max(share, 0.0), 1.0):.4f}"'
        self._handle.update(self._html(f"<progress{value} max='1'></progress> {escape(text)}"))

    def close(self) -> None:
        self._handle.update(self._html(""))

    # ---- what a run tells ------------------------------------------------------------------------------------------
    def on_start(self, task: Any) -> None:
        self._row, self._found = f"{self.done} of {self._count} neighbourhoods done; row {task.index}: " if self._count > 1 else "", ""
        self.show(f"{self._row}set-up", None)

    def on_phase(self, phase: Any) -> None:
        self.show(f"{self._row}{phase}{self._found}", self.done / self._count if self._count > 1 else None)

    def on_regions(self, _: int, regions: int, share: float) -> None:
        self._found = f", {regions} regions"
        self.show(f"{self._row}exploring{self._found}", (self.done + share) / self._count)

    def on_result(self, _: Any) -> None:
        self.done += 1

    def tell(self, text: str) -> None:
        self.show(text, None, at_once=True)

    # ---- what a search tells, and what methods that sample do ------------------------------------------------------
    @contextmanager
    def watching(self) -> Iterator[Watch]:
        self._row = f"{self.done} of {self._count} done; " if self._count > 1 else ""
        self.show(f"{self._row}searching")

        def watch(counts: dict[str, float]) -> None:
            bound = f", lowest bound {counts['bound']:.3g}" if "bound" in counts else ""
            text = f"{self._row}{counts['cells']:.0f} cells, {counts.get('open', 0):.0f} open{bound}"
            self.show(text, (self.done + counts.get("share", 0.0)) / self._count)

        yield watch
        self.done += 1

    def on_method(self, method: str) -> None:
        self.show(f"{self.done} of {self._count} neighbourhoods done; {method}", self.done / self._count)

    def on_done(self, _: Any) -> None:
        self.done += 1
        self.show(f"{self.done} of {self._count} neighbourhoods done", self.done / self._count)


@contextmanager
def told(tasks: Sequence[Any], progress: bool | None) -> Iterator[dict[str, Any]]:
    """What a run is to call while it works: nothing outside a notebook, or where progress is not wanted."""
    with _line(tasks, progress) as line:
        if line is None:
            yield {}
        else:
            yield {
                "on_start": line.on_start,
                "on_regions": line.on_regions,
                "on_result": line.on_result,
                "on_phase": line.on_phase,
                "tell": line.tell,
            }


@contextmanager
def searched(tasks: Sequence[Any], progress: bool | None, watch: Watch | None = None) -> Iterator[Watching]:
    """What begins to show the search of a task: that of the caller, if there is one; else a notebook's line."""
    with nullcontext() if watch is not None else _line(tasks, progress) as line:

        def watching() -> AbstractContextManager[Watch | None]:
            return nullcontext(watch) if line is None else line.watching()

        yield watching


@contextmanager
def counted(tasks: Sequence[Any], progress: bool | None) -> Iterator[tuple[Callable[[Any], None] | None, Callable[[str], None] | None]]:
    """What is to be called when a neighbourhood is done, and when a method begins."""
    with _line(tasks, progress) as line:
        yield (None, None) if line is None else (line.on_done, line.on_method)


@contextmanager
def _line(tasks: Sequence[Any], progress: bool | None) -> Iterator[_Line | None]:
    """A line under the cell of a notebook, if it is wanted."""
    if progress is False or not in_notebook():
        yield None
        return
    line = _Line(max(sum(isinstance(task, Task) for task in tasks), 1))
    try:
        yield line
    finally:
        line.close()
