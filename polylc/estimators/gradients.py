"""Averages of the Jacobian: total variation and local rank."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from polylc.estimators.estimate import Estimate, Moments
from polylc.estimators.study import Study, to_numpy
from polylc.network.compose import batches
from polylc.network.patterns import pack, unpack
from polylc.network.residues import Residues, primes, ranks

if TYPE_CHECKING:
    from torch import Tensor

TOLERANCE = 0.01  # of the published code


def jacobian_norm(study: Study) -> list[Estimate]:
    """E9: mean Frobenius and operator norm of the Jacobian; and of that of the softmax probabilities (Novak et al.)."""
    stream, moments, net = study.stream("jacobian_norm"), Moments(), study.net
    for size in study.chunks(study.settings.samples):
        moments.add(to_numpy(net.torch.stack(jacobian_norms(study, study.uniform(size, stream)), dim=1)))
    found = [moments.estimate("jacobian_norm", f"total_variation.{norm}", column) for column, norm in enumerate(("frobenius", "operator"))]
    if study.network.outputs > 1:
        found.append(moments.estimate("jacobian_norm", "softmax_variation", 2, bias="of the softmax probabilities, not of the network"))
    return found


def jacobian_norms(study: Study, points: Tensor) -> list[Tensor]:
    """Frobenius and operator norm of the Jacobian at points (B, n), and the Frobenius norm of that of the softmax; each
    (B,).
    """
    net, torch = study.net, study.net.torch
    jacobian = net.output_jacobian(net.slopes_at(points)).expand(len(points), -1, -1)
    shares = torch.softmax(net.outputs(points), dim=1)
    after = (jacobian - (jacobian * shares[:, None, :]).sum(dim=2, keepdim=True)) * shares[:, None, :]
    norm = torch.linalg.vector_norm
    return [norm(jacobian, dim=(1, 2)), torch.linalg.matrix_norm(jacobian, ord=2), norm(after, dim=(1, 2))]


def local_rank(study: Study) -> list[Estimate]:
    """E10: mean number of singular values of dz_l/dx above 0.01, as published; and the mean rank itself."""
    stream, net = study.stream("local_rank"), study.net
    counted, true = Moments(), Moments()
    samples = max(64, study.settings.samples // 8)
    for size in study.chunks(samples):
        points = study.uniform(size, stream)
        _, z = net.preactivations(points)
        slopes = [net.slope(i, v) for i, v in enumerate(z)]
        columns = [
            (net.torch.linalg.svdvals(jacobian) > TOLERANCE).sum(dim=1).expand(size)
            for jacobian, _ in zip(net.jacobians(slopes), net.layers, strict=False)
        ]
        counted.add(to_numpy(net.torch.stack(columns, dim=1)) if columns else np.zeros((size, 0)))
        bits = net.torch.cat([v > 0 for v in z], dim=1).cpu().numpy() if z else np.zeros((size, 0), dtype=bool)
        true.add(rank_of_patterns(study, bits))
    found = []
    for layer in range(len(net.layers)):
        where = f"local_rank.{layer + 1}"
        found.append(
            counted.estimate("local_rank_atol", where, layer, bias="singular values above .01, not the rank", parameters={"atol": TOLERANCE})
        )
        found.append(
            true.estimate(
                "local_rank", where, layer, assumptions="independent samples (t-interval); ranks modulo a prime, too small with negligible chance"
            )
        )
    return found


def rank_of_patterns(study: Study, bits: np.ndarray) -> np.ndarray:
    """Rank of dz_l/dx along patterns (B, neurons), modulo a prime; shape (B, L). Never more than the rank.

    Where a single layer reads the input, its derivatives in as many random directions as it has neurons have the rank
    of all of them but for a negligible chance.
    """
    network, domain = study.network, study.domain
    distinct, which = np.unique(pack(bits), axis=0, return_inverse=True)
    known = unpack(distinct, network.neurons)
    prime = next(primes(network, domain.exact_embedding))
    residues = Residues(network, domain.exact_embedding, prime)
    result = np.zeros((len(known), len(network.layers)), dtype=np.int64)
    reading = [a.size for a in (*(layer.affine for layer in network.layers), network.output) if any(s == 0 for s, _ in a.terms)]
    k = domain.dimension
    many = reading[0] if len(reading) == 1 and reading[0] < k else k
    half = prime // 2
    directions = np.eye(k) if many == k else np.random.default_rng(0).integers(-half, half + 1, size=(k, many)).astype(np.float64)
    for part in batches(len(known), network.neurons * many, 4_000_000):
        for index, matrices in enumerate(residues.derivatives(known[part], directions)):
            result[part, index] = ranks(matrices, prime, np.full(len(matrices), min(network.widths[index], k)))
    return result[which.reshape(-1)]
