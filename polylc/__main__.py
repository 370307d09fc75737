"""`python -m polylc`."""

import sys

from polylc.cli import command, main

if vars(sys.modules["__main__"]) is globals():
    command()
else:  # run by a program that goes on, as runpy does
    main()
