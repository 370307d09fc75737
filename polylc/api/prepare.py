"""`prepare`: kernels compiled ahead of their first use, for an image or a shared installation."""

from __future__ import annotations

from collections.abc import Iterable

from polylc.domains.ball import ball
from polylc.engines.choose import choose_engine
from polylc.errors import UsageError
from polylc.measures.registry import ALL
from polylc.run.compile_ahead import pieces, processors, run_all


def prepare(dimensions: Iterable[int]) -> None:
    """Compile all kernels that neighbourhoods of these dimensions need, side by side in processes of their own.

    Parameters
    ----------
    dimensions : iterable of int
        Numbers of free coordinates; beyond 6 all share theirs.

    Raises
    ------
    UsageError
        If one is not positive, or none is given.
    """
    each = sorted(set(dimensions))
    if not each or each[0] < 1:
        raise UsageError("prepare: name the dimensions of the neighbourhoods, whole numbers from 1 on, such as 2 3 5")
    needed = {(choose_engine("auto", ball([0] * n, 1)), n) for n in each}
    run_all(pieces(needed, ALL, True), processors())
