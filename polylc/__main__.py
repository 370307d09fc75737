"""`python -m polylc`."""

from polylc.cli.commands import main

main()
