"""How much memory this process has, and whether it has reached what it may have."""

from __future__ import annotations

import os
import resource
import sys
import time
from collections.abc import Callable

from polylc.exact.mapped import give_back, is_mapping
from polylc.jit.heap import trim

SHARE = 0.8  # of what is free when work begins, where no limit is given
KEPT = 0.5  # of what may be added: for graph and measures of what an enumeration has found
KEPT_OF_MAPPED = 0.25  # the same where large arrays are mapped
LOOK = 0.05  # seconds between two looks
_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
_CGROUPS = (("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
            ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"))  # fmt: skip


def _read(name: str) -> bytes:
    """A short file of the system, without what objects for files and paths cost: small jobs ask several times each."""
    file = os.open(name, os.O_RDONLY)
    try:
        return os.read(file, 2**14)
    finally:
        os.close(file)


def resident() -> int:
    """Bytes of this process that are in memory; where the system does not say, the most that there were."""
    try:
        return int(_read("/proc/self/statm").split()[1]) * _PAGE
    except (OSError, ValueError, IndexError):
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024


def free() -> int | None:
    """Bytes that this machine, and the container that the process is in, have left; None where they do not say."""
    found = []
    try:
        lines = _read("/proc/meminfo").splitlines()
        found += [int(line.split()[1]) * 1024 for line in lines if line.startswith(b"MemAvailable:")]
    except (OSError, ValueError, IndexError):
        pass
    for limit, used in _CGROUPS:
        try:
            found.append(int(_read(limit)) - int(_read(used)))
        except (OSError, ValueError):  # no such group, or "max"
            continue
    return max(0, min(found)) if found else None


class Memory:
    """A limit on the memory of this process, which is looked at now and then; once it was reached, it stays so.

    Parameters
    ----------
    most : int
        Bytes.
    """

    def __init__(self, most: int) -> None:
        self.most, self.reached = most, False
        self._next = 0.0

    def __call__(self) -> bool:
        """Whether it was reached."""
        now = time.monotonic()
        if not self.reached and now >= self._next:
            self._next = now + LOOK
            self.reached = self._is_over() and not any(give() and not self._is_over() for give in (give_back, trim))
        return self.reached

    def _is_over(self) -> bool:
        return resident() >= self.most


def share_of(most: int | None, processes: int) -> int | None:
    """Bytes for each of some processes: of what was given for all of them, or of what is free now besides what this
    process has; None where that is not known.
    """
    if most is None:
        left = free()
        most = None if left is None else int(SHARE * left) + resident()
    return None if most is None else most // max(processes, 1)


def bytes_for_each(mebibytes: float | None, jobs: int) -> int | None:
    """Bytes for each process, where one asks and others work if there are several; None where no limit is given."""
    return None if mebibytes is None else int(mebibytes * 2**20) // (1 if jobs == 1 else jobs + 1)


def for_regions(most: int | None) -> Memory | None:
    """The limit at which an enumeration ends, so that what it found can be measured within `most` bytes."""
    if most is None:
        return None
    now = resident()
    kept = KEPT_OF_MAPPED if is_mapping() else KEPT
    return Memory(most if most <= now else now + int((1.0 - kept) * (most - now)))


def either(stop: Callable[[], bool] | None, full: Callable[[], bool] | None) -> Callable[[], bool] | None:
    """Whether one of the two says so."""
    if stop is None or full is None:
        return stop or full
    return lambda: stop() or full()
