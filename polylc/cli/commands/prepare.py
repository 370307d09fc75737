"""`polylc prepare`: kernels compiled ahead."""

from __future__ import annotations

from typing import Annotated

import typer

from polylc.cli.app import app, errors_in_one_line


@app.command()
def prepare(dimensions: Annotated[list[int], typer.Argument(min=1, help="Dimensions of the neighbourhoods.", show_default=False)]) -> None:
    """Compile ahead what neighbourhoods of these dimensions need, for an image or a shared installation: polylc prepare
    2 3.
    """
    with errors_in_one_line():
        from polylc.api.prepare import prepare as compile_all

        compile_all(dimensions)
