"""Progress in a notebook: one line under the cell, which goes when the work is done."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from html import escape
from typing import Any

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


@contextmanager
def told(tasks: Sequence[Any], progress: bool | None) -> Iterator[dict[str, Any]]:
    """What a run is to call while it works: nothing outside a notebook, or where progress is not wanted."""
    if not (in_notebook() if progress is None else progress and in_notebook()):
        yield {}
        return
    line = _Line(max(sum(isinstance(task, Task) for task in tasks), 1))
    try:
        yield {"on_start": line.on_start, "on_regions": line.on_regions, "on_result": line.on_result, "on_phase": line.on_phase, "tell": line.tell}
    finally:
        line.close()
