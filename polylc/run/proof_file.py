"""The proof file of a run: blocks written beside it while neighbourhoods are done, put together at the end."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from polylc._version import __version__
from polylc.errors import CertificateError
from polylc.proof.certificate import assemble
from polylc.report.files import written_beside
from polylc.report.run import Run
from polylc.report.status import Status


@contextmanager
def proof_blocks(proof: Path) -> Iterator[Path]:
    """A folder beside the proof file for its blocks, removed at the end."""
    with tempfile.TemporaryDirectory(prefix=f".{proof.name}-", dir=proof.parent) as folder:
        yield Path(folder)


def write_proof(path: Path, run: Run) -> int:
    """Write the proof file of a run's certified neighbourhoods; its size in bytes.

    Raises
    ------
    CertificateError
        If there are none, or the file cannot be written.
    """
    blocks = [r.block for r in run.results if r.block is not None]
    if not blocks:
        lost = next((f"row {r.index}: {r.notes['proof']}" for r in run.results if r.status is Status.CERTIFIED), None)
        raise CertificateError(f"{path}: no proof written, {lost or 'no neighbourhood was certified'}")
    try:
        with written_beside(path) as beside:
            return assemble(beside, run.network, blocks, f"polylc {__version__}")
    except OSError as error:
        raise CertificateError(f"{path}: the proof cannot be written: {error.strerror}") from None
