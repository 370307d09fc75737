"""Numbers of regions from the patterns of sampled points: distinct ones, Chao's estimate, HyperLogLog."""

from __future__ import annotations

import math

import numpy as np

from polylc.estimators.estimate import Estimate
from polylc.estimators.study import Study
from polylc.network.patterns import pack

REGISTERS = 12  # binary digits of the hash that choose a register


def patterns(study: Study) -> list[Estimate]:
    """E8 and E14: distinct patterns among N points, Chao1, and the distinct count in constant memory."""
    stream, registers = study.stream("patterns"), np.zeros(2**REGISTERS, dtype=np.uint8)
    parts = []
    for size in study.chunks(study.settings.samples):
        packed = pack(study.net.patterns(study.uniform(size, stream)).cpu().numpy())
        parts.append(packed)
        add_to_registers(registers, packed)
    samples = study.settings.samples
    _, times = np.unique(np.concatenate(parts), axis=0, return_counts=True)
    distinct, once, twice = len(times), int((times == 1).sum()), int((times == 2).sum())
    value, error, lower, upper = chao1(distinct, once, twice)
    sketched = cardinality(registers)
    spread = 1.04 / math.sqrt(2**REGISTERS)
    points = f"{samples} independent uniform points"
    return [
        Estimate("patterns", "regions", distinct, None, distinct, None, samples, "counts only regions that were hit: from below, strongly", points),
        Estimate(
            "chao1", "regions", value, error, lower, upper, samples, "estimates a lower bound of the number of regions",
            f"{points}; log-normal interval of Chao (1987), which holds if the regions that were missed are like those seen once or twice",
        ),
        Estimate(
            "hyperloglog", "regions", sketched, spread * sketched, sketched * (1 - 1.96 * spread), sketched * (1 + 1.96 * spread), samples,
            "estimates the number of distinct patterns among the points, not of regions",
            f"{points}; hash values uniform: relative error 1.04 / sqrt({2**REGISTERS})",
        ),
    ]  # fmt: skip


def chao1(distinct: int, once: int, twice: int) -> tuple[float, float | None, float, float]:
    """Chao's estimate of the number of classes from how many were seen at all, once and twice.

    Returns
    -------
    value, standard_error, lower, upper : float
        The bias-corrected form, its error, and the log-normal interval.

    Notes
    -----
    A. Chao, Biometrics 43 (1987) 783-791; the variance is that of the bias-corrected form in EstimateS.
    """
    missed = once * (once - 1) / (2.0 * (twice + 1))
    if missed == 0:
        return float(distinct), None, float(distinct), float(distinct)
    variance = missed + once * (2 * once - 1) ** 2 / (4.0 * (twice + 1) ** 2) + once**2 * twice * (once - 1) ** 2 / (4.0 * (twice + 1) ** 4)
    spread = math.exp(1.959963984540054 * math.sqrt(math.log1p(variance / missed**2)))
    return distinct + missed, math.sqrt(variance), distinct + missed / spread, distinct + missed * spread


def hashed(packed: np.ndarray) -> np.ndarray:
    """64-bit hashes of packed patterns (R, words); splitmix64 folded over the words."""
    state = np.zeros(len(packed), dtype=np.uint64)
    for word in packed.T:
        state = state + word + np.uint64(0x9E3779B97F4A7C15)
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        state = state ^ (state >> np.uint64(31))
    return state


def add_to_registers(registers: np.ndarray, packed: np.ndarray) -> None:
    """Enter patterns into HyperLogLog registers (2^p of them), in place."""
    digits = len(registers).bit_length() - 1
    codes = hashed(packed)
    place = (codes >> np.uint64(64 - digits)).astype(np.int64)
    rest = (codes << np.uint64(digits)) | np.uint64(1 << (digits - 1))  # a sentinel ends the run of zeros
    _, exponent = np.frexp(rest.astype(np.float64))
    np.maximum.at(registers, place, (65 - exponent).astype(np.uint8))


def cardinality(registers: np.ndarray) -> float:
    """Number of distinct entries of HyperLogLog registers.

    Notes
    -----
    P. Flajolet, E. Fusy, O. Gandouet, F. Meunier, AofA 2007, with linear counting for few entries; 64-bit hashes need
    no correction above.
    """
    many = len(registers)
    raw = 0.7213 / (1.0 + 1.079 / many) * many**2 / float(np.sum(2.0 ** -registers.astype(np.float64)))
    empty = int((registers == 0).sum())
    return many * math.log(many / empty) if raw <= 2.5 * many and empty else raw
