"""The command line: words in, text out. `main` is the entry point of the `polylc` command."""

from __future__ import annotations

import os
import sys

from polylc.jit.mode import mode


def main() -> None:
    """Run the command line."""
    if sys.argv[1:2] != ["verify"]:  # bounds of large networks are large products; all else are small ones,
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # whose threads would wait for one another: cores are for --jobs
    mode.own_process = True
    try:
        from polylc.cli.main import app
    except KeyboardInterrupt:
        print("polylc: interrupted before a result was there", file=sys.stderr)
        sys.exit(130)
    app()
