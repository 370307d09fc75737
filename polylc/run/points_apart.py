"""Points searched whole, side by side, where there are as many as there are processes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Future, wait
from typing import Any

from polylc.domains.box import as_box
from polylc.measures.margin.distance import Distance
from polylc.network.form import Network
from polylc.run.distance import nearest_adversarial
from polylc.search.crew import Crew
from polylc.search.task import Task
from polylc.search.units import LOOK


class Apart:
    """Searches that a crew has been given.

    Parameters
    ----------
    crew : Crew
    network : Network
    asked : mapping
        What is asked of each point, as `run.distance.nearest_adversarial` takes it.
    stop : callable or None
        Whether the work should end.
    take : callable
        Told of each distance that is found, and its place, as soon as it is.
    """

    def __init__(
        self,
        crew: Crew,
        network: Network,
        asked: Mapping[str, Any],
        stop: Callable[[], bool] | None,
        take: Callable[[int, Distance], None],
    ) -> None:
        self._crew, self._network, self._asked, self._stop, self._take = crew, network, dict(asked), stop, take
        self._waiting: dict[Future[Any], int] = {}
        self._found: dict[int, Distance] = {}
        self.begun = False

    def begin(self, tasks: Mapping[int, Task]) -> None:
        """Give these points to the crew."""
        self.begun = True
        self._waiting = {self._crew.submit(_searched, self._network, task, self._asked): place for place, task in tasks.items()}

    def get(self, place: int) -> Distance | None:
        """The distance of a point, when it is there; None if the crew was not given it, or has lost it, or the end is
        wanted.
        """
        while place not in self._found and place in self._waiting.values():
            if self._stopped():
                self._crew.stop()
                for future in self._waiting:
                    future.cancel()
            done, _ = wait(self._waiting, LOOK, FIRST_COMPLETED)
            if not done and not self._crew.alive():
                self._waiting.clear()
            for future in done:
                self._keep(self._waiting.pop(future), future)
        return self._found.pop(place, None)

    def _stopped(self) -> bool:
        return self._stop is not None and self._stop()

    def _keep(self, place: int, future: Future[Any]) -> None:
        try:
            found, cut = future.result()
        except (BrokenExecutor, CancelledError):  # a process has died, or was told to stop before it began
            self._crew.alive()
            return
        if not cut or self._stopped():  # else by a process that was told to go by somebody else
            self._found[place] = found
            self._take(place, found)


def _searched(network: Network, task: Task, asked: Mapping[str, Any], stop: Callable[[], bool] | None = None) -> tuple[Distance, bool]:
    """A distance, in another process, and whether that was told to stop."""
    found = nearest_adversarial(network, as_box(task.domain, "distance"), task.label, stop=stop, **asked)
    return found, stop is not None and stop()
