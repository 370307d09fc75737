"""The command line: words in, text out. `command` is the entry point of the `polylc` command, `main` the same for a
process that goes on afterwards.
"""

from __future__ import annotations

import gc
import os
import sys

from polylc.cli.leave import leave
from polylc.jit.mode import mode


def command() -> None:
    """Run the command line in a process of its own, which ends with it."""
    try:
        main()
    except SystemExit as end:
        leave(end.code)
        raise


def main() -> None:
    """Run the command line.

    Raises
    ------
    SystemExit
        Always, with the exit code.
    """
    if sys.argv[1:2] != ["verify"]:  # bounds of large networks are large products; all else are small ones,
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # whose threads would wait for one another: cores are for --jobs
    mode.own_process = True
    gc.set_threshold(500_000)  # hardly a collection while modules are loaded; jit/decorators.py sees to those after that
    try:
        from polylc.cli.main import app
    except KeyboardInterrupt:
        print("polylc: interrupted before a result was there", file=sys.stderr)
        sys.exit(130)
    app()
