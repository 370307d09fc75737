"""Ctrl-C and SIGTERM: the first ends the work with what was found, the second ends the program."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from polylc.exact.checkpoint import is_unbroken

PATIENCE = 1.0  # seconds that work has to come to its end by itself, before it is broken off
AGAIN = 0.25  # seconds after which it is broken off again, if somebody took the first for his own
ECHO = 0.2  # seconds in which a signal may come twice, from the terminal and from a parent that passes it on

_received: list[int] = []


def exit_code() -> int:
    """128 and the number of the signal that ended the work: 130 for Ctrl-C, 143 for SIGTERM."""
    return 128 + (_received[0] if _received else signal.SIGINT)


class Stop:
    """Whether the user wants the work to end; work asks it now and then."""

    def __init__(self) -> None:
        self.asked: float | None = None  # on the clock of time.monotonic
        self.at_once = False  # asked twice
        self._patience: float | None = None  # of the work that is going on
        self._broken = False  # work was broken off, whatever became of that

    def __call__(self) -> bool:
        return self.asked is not None

    @contextmanager
    def breaking_off(self, patience: float | None = None) -> Iterator[None]:
        """Have work within the block broken off by KeyboardInterrupt, which it takes for the end, if it has not ended
        by itself so many seconds after it was asked to, unless it puts together what was found (`unbroken`); PATIENCE
        of them by default.
        """
        self._patience, self._broken = PATIENCE if patience is None else patience, False
        try:
            if self() and not _alarm(self._patience):
                raise KeyboardInterrupt
            yield
        except Exception as error:
            if self._broken:  # and lost on its way, as in callbacks from compiled code: what called them failed instead
                raise KeyboardInterrupt from error
            raise
        finally:
            self._patience = None
            if hasattr(signal, "setitimer") and self():
                signal.setitimer(signal.ITIMER_REAL, 0.0)

    def signalled(self, number: int, _: FrameType | None) -> None:
        """Take a signal."""
        now = time.monotonic()
        if self.asked is not None:
            if now - self.asked < ECHO:
                return
            self.at_once = True
            raise KeyboardInterrupt
        _received.append(number)
        self.asked = now
        if self._patience is not None and not _alarm(self._patience) and not is_unbroken():
            raise KeyboardInterrupt

    def rung(self, *_: object) -> None:
        """The time to come to an end is over."""
        if self._patience is not None and not is_unbroken():
            self._broken = True
            raise KeyboardInterrupt


def _alarm(seconds: float) -> bool:
    """Set the alarm; whether there is one, which Windows has not."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        return False
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 1e-3), AGAIN)
    return True


@contextmanager
def heeded() -> Iterator[Stop]:
    """Have signals within the block ask the work to stop, instead of breaking off whatever goes on."""
    stop = Stop()
    with _handled(stop.signalled), _handler(getattr(signal, "SIGALRM", None), stop.rung):
        yield stop


@contextmanager
def interrupting() -> Iterator[None]:
    """Have SIGTERM within the block interrupt like Ctrl-C."""

    def interrupt(number: int, _: FrameType | None) -> None:
        _received.append(number)
        raise KeyboardInterrupt

    _received.clear()
    with _handled(interrupt):
        yield


@contextmanager
def _handled(handler: object) -> Iterator[None]:
    with _handler(signal.SIGINT, handler), _handler(signal.SIGTERM, handler):
        yield


@contextmanager
def _handler(number: int | None, handler: object) -> Iterator[None]:
    """A handler for a signal, unless it is ignored, as it is in the background of a shell; only the main thread may."""
    if number is None or threading.current_thread() is not threading.main_thread() or signal.getsignal(number) is signal.SIG_IGN:
        yield
        return
    before = signal.signal(number, handler)  # type: ignore[arg-type]
    try:
        yield
    finally:
        if before is not None:  # None: not a handler of Python's
            signal.signal(number, before)
