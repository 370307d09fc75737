"""`python -m polylc`."""

from polylc.cli import command

command()
