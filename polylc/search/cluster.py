"""A cluster of dask.distributed as an executor: what is large is sent to each worker once, lost workers cost time."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future
from importlib import import_module
from types import TracebackType
from typing import Any

from polylc.errors import UsageError, needs
from polylc.network.form import Network

RETRIES = 3  # of a unit whose worker died, beside those that the scheduler allows
LARGE = 2**14  # bytes from which an argument is sent ahead, once for each worker
SECONDS = 10.0  # until a scheduler has to answer


class ClusterExecutor(Executor):
    """The workers of a dask scheduler.

    Parameters
    ----------
    address : str
        Of the scheduler, "tcp://HOST:8786"; or a `distributed.Client` that is there.

    Raises
    ------
    UsageError
        If distributed is not installed, or no scheduler with a worker answers.
    """

    def __init__(self, address: Any) -> None:
        needs("distributed", "cluster", "a cluster")
        distributed: Any = import_module("distributed")
        self._killed = distributed.KilledWorker
        self._own = isinstance(address, str)
        try:
            self._client = distributed.Client(address, timeout=SECONDS, set_as_default=False) if self._own else address
        except (OSError, ValueError) as error:
            said = " ".join(str(error).split())
            raise UsageError(f"cluster: no scheduler at {address}: {said}; start one with: dask scheduler, dask worker ADDRESS") from None
        workers = self._client.scheduler_info(n_workers=-1)["workers"]
        self.jobs = sum(worker["nthreads"] for worker in workers.values())
        if not workers:
            self.shutdown()
            raise UsageError(f"cluster: the scheduler at {address} has no workers; start some with: dask worker {address}")
        self._numbers = itertools.count()
        self._sent: dict[int, tuple[Any, Any]] = {}  # what was sent ahead, by its identity

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        """Have function(*arguments) called by a worker; BrokenExecutor if several of them died of it."""
        given = [self._ahead(argument) for argument in arguments]
        theirs = self._client.submit(function, *given, **named, pure=False, retries=RETRIES, key=f"polylc-{id(self)}-{next(self._numbers)}")
        ours: Future[Any] = Future()
        ours.add_done_callback(lambda one: theirs.cancel() if one.cancelled() else None)
        theirs.add_done_callback(lambda one: self._hand_on(one, ours))
        return ours

    def _hand_on(self, theirs: Any, ours: Future[Any]) -> None:
        if not ours.set_running_or_notify_cancel():
            return
        try:
            if theirs.status == "finished":
                ours.set_result(theirs.result())
            elif theirs.status == "error":
                error = theirs.exception()
                ours.set_exception(BrokenExecutor(str(error)) if isinstance(error, self._killed) else error)
            else:
                ours.set_exception(CancelledError())
        except Exception as error:  # the scheduler went away, say
            ours.set_exception(BrokenExecutor(str(error)))

    def _ahead(self, argument: Any) -> Any:
        """A network, or many bytes, sent to every worker that there is; others have it from these."""
        if not isinstance(argument, Network) and not (isinstance(argument, bytes) and len(argument) > LARGE):
            return argument
        if id(argument) not in self._sent:
            self._sent[id(argument)] = argument, self._client.scatter(argument, broadcast=True, hash=False)
        return self._sent[id(argument)][1]

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Leave the cluster, which goes on."""
        if self._own:
            self._client.close()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.shutdown()
