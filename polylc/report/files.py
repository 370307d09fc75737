"""Files written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def written_beside(path: Path) -> Iterator[Path]:
    """A new file to write, which takes the place of `path` when the block ends, and is gone if it raises.

    So no reader ever sees half of a file, and a full disk costs nothing that was there before. What is no regular file
    (/dev/stdout, a pipe) is written as it is.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    if path.exists() and not path.is_file():
        yield path
        return
    target = path.resolve()  # a link stays a link
    handle, name = tempfile.mkstemp(prefix=f".{path.name}-", suffix=path.suffix, dir=target.parent)
    os.close(handle)
    try:
        yield Path(name)
        # mkstemp gives it to its owner alone
        os.chmod(name, target.stat().st_mode & 0o777 if target.exists() else 0o666 & ~_umask())
        os.replace(name, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
