"""The command line: words in, text out. `main` is the entry point of the `polylc` command."""

from __future__ import annotations

import os
import sys

from polylc.jit.mode import mode


def main() -> None:
    """Run the command line."""
    # products of small matrices, region by region: threads would wait for one another, and cores are for --jobs
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    mode.own_process = True
    try:
        from polylc.cli.main import app
    except KeyboardInterrupt:
        print("polylc: interrupted before a result was there", file=sys.stderr)
        sys.exit(130)
    app()
