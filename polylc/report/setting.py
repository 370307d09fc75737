"""How an answer came about: the command, and the versions of what computed it."""

from __future__ import annotations

import importlib.metadata
import platform
import shlex
import sys
from functools import cache

from polylc._version import __version__
from polylc.jit.mode import mode
from polylc.measures.measure import FormModel

PACKAGES = ("numpy", "scipy", "numba", "highspy", "python-flint", "onnx", "torch")


class Setting(FormModel):
    """How a report came about. `command` is null where a program called polylc; `versions` has what is installed."""

    command: str | None = None
    platform: str
    versions: dict[str, str]


@cache
def setting() -> Setting:
    """That of this process."""
    versions = {"polylc": __version__, "Python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return Setting(
        command=shlex.join(["polylc", *sys.argv[1:]]) if mode.own_process else None,
        platform=platform.platform(),
        versions=versions,
    )
