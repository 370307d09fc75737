"""How kernels run, all of them at once: compiled, or as the plain Python that they are written in.

Results are the same to the last bit; plain Python takes hundreds of times as long for the same work, and nothing at all
to load or to compile. So whoever has little to do may begin with it, and change over where no kernel is at work.
"""

from __future__ import annotations

import os
from collections.abc import Callable

Ready = Callable[[Callable[[], bool]], bool]  # told whether a limit was reached
DISABLED = os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0")


class Mode:
    """The setting.

    Attributes
    ----------
    plain : bool
        Whether kernels run as plain Python.
    loaded : bool
        Whether this process has run a compiled kernel.
    own_process : bool
        Whether this process is a command's, so that numba is not used by others.
    """

    def __init__(self) -> None:
        self.plain, self.loaded, self.own_process = DISABLED, False, False
        self._ready: Ready | None = None

    def begin_plain(self, ready: Ready) -> None:
        """Run kernels as plain Python until `ready` says, in a call of `settle`, that compiled ones shall take over."""
        self.plain, self._ready = True, ready

    def settle(self, reached: Callable[[], bool]) -> None:
        """To be called where work may last and no kernel runs: change over to compiled kernels if it is time.

        It may wait for them, until `reached` says that a limit was reached.
        """
        if self._ready is not None and self._ready(reached):
            self.end_plain()

    def end_plain(self) -> None:
        """Compiled kernels from now on."""
        self.plain, self._ready = DISABLED, None


mode = Mode()
