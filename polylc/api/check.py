"""Proof files from Python: `polylc.check`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from polylc.errors import ProofRefused, ProofUnreadable

if TYPE_CHECKING:
    from polylc.checker import Bounded, Refuted, Verified


def check(proof: str | Path, model: Any = None) -> list[Verified | Refuted | Bounded]:
    """Check a proof file, exactly and independently of what wrote it.

    Parameters
    ----------
    proof : path
    model : Network, path or torch.nn.Module, optional
        A model whose weights must be those of the proof; a proof that has only their hash needs it.

    Returns
    -------
    list of Verified, Refuted or Bounded
        What was verified, one entry for each neighbourhood, query or Lipschitz constant.

    Raises
    ------
    ProofRefused
        If a claim of the file is false or not proved, or the weights are another model's.
    ProofUnreadable
        If the file is not a proof file, or damaged.
    """
    from polylc import checker

    network: Network | None = None
    if model is not None:
        from polylc.network.form import Network
        from polylc.proof.refutation import compact_network
        from polylc.readers.load import load

        network = model if isinstance(model, Network) else load(model)
    try:
        verified = checker.check_file(str(proof), None if network is None else compact_network(network))
    except checker.Refused as error:
        raise ProofRefused(f"{proof}: refused: {error}") from None
    except checker.Unreadable as error:
        raise ProofUnreadable(f"{proof}: {error}") from None
    if network is not None and any(v.weights_sha256 != network.weights_sha256 for v in verified):
        raise ProofRefused(f"{proof}: refused: it is about other weights than those of {network.source}")
    return verified
