"""`python -m polylc`."""

from polylc.cli import main

main()
