"""The command line: words in, text out. `main` is the entry point of the `polylc` command."""

from __future__ import annotations


def main() -> None:
    """Run the command line."""
    from polylc.cli.main import app

    app()
