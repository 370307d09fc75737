"""How many processes, and how many threads each of them."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from polylc.errors import UsageError

AUTO = "auto"
# of OpenMP, and of the libraries that numpy, torch and HiGHS may be built with
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "NUMBA_NUM_THREADS")
_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def usable_cores() -> int:
    """Cores that this process may use: those that it is bound to, as many as the quota of its container is worth."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with suppress(OSError, ValueError):
        quota, period = _QUOTA.read_text().split()
        cores = min(cores, math.ceil(int(quota) / int(period)))
    return max(cores, 1)


def as_jobs(jobs: int | str) -> int:
    """A number of processes; "auto" for one each core that may be used.

    Raises
    ------
    UsageError
        If it is no positive integer.
    """
    if jobs == AUTO:
        return usable_cores()
    try:
        many = int(jobs)
    except ValueError:
        many = 0
    if many < 1 or isinstance(jobs, float):
        raise UsageError(f"jobs: {jobs!r} is no number of processes; give 1, 2, ... or auto")
    return many


@contextmanager
def few_threads(jobs: int) -> Iterator[None]:
    """Have processes that are started within the block use their share of the cores: so many of them go on at once.

    What the user has set is left as it is.
    """
    each = str(max(1, usable_cores() // jobs))
    ours = [name for name in _THREADS if name not in os.environ]
    os.environ.update(dict.fromkeys(ours, each))
    try:
        yield
    finally:
        for name in ours:
            os.environ.pop(name, None)
