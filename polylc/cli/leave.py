"""How the process of a command ends: at once, without freeing one by one all objects and all code that it has loaded,
which takes a good part of a small command. What was written is flushed, and who asked to be called at the end is.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading

LOST = 120  # as Python ends where a stream cannot be flushed


def leave(code: object) -> None:
    """End the process, unless something may go on that only Python's own end waits for, or somebody measures it."""
    if not (code is None or isinstance(code, int)) or _is_watched() or _is_busy() or not _flushed():
        return  # what is wrong with a stream Python's own end says
    atexit._run_exitfuncs()
    os._exit((code or 0) & 0xFF if _flushed() else LOST)


def _flushed() -> bool:
    """Whether all that was written has gone out."""
    try:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
    except (AttributeError, OSError, ValueError):  # None, where it was closed before the command began
        return False
    return True


def _is_watched() -> bool:
    """Whether a debugger or profiler is at work, which has something to say afterwards."""
    tools = getattr(sys, "monitoring", None)  # since Python 3.12
    return bool(sys.gettrace() or sys.getprofile() or (tools and any(tools.get_tool(number) for number in range(6))))


def _is_busy() -> bool:
    """Whether there are threads or processes that have not ended."""
    processes = sys.modules.get("multiprocessing")
    threads = [one for one in threading.enumerate() if one is not threading.current_thread() and not one.daemon]
    return bool(threads or (processes and processes.active_children()))
