"""Proof files: what was decided, written so that anyone can check it (docs/certificate-format.md).

A file is a header, the network, and one block for each neighbourhood. Blocks are gzip members of their own, written as
soon as a neighbourhood is done; `assemble` puts them behind the header and reads the file back.
"""

from __future__ import annotations

import gzip
import hashlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from polylc.complex.complex import Complex
from polylc.complex.graph import RegionGraph
from polylc.domains.ball import within
from polylc.domains.box import as_box
from polylc.domains.domain import Domain
from polylc.domains.frame import Frame
from polylc.domains.within import Within
from polylc.errors import CertificateError
from polylc.exact.checkpoint import checkpoint
from polylc.judge.verdict import Verdict
from polylc.network.form import Affine, Network
from polylc.network.weights import Weight, sparse_rows
from polylc.proof.claim_text import claims_by_node
from polylc.proof.integer_text import as_json
from polylc.proof.point_text import FacetText, region_points

FORMAT = "polylc-proof/1"
PARTS = ("graph", "maps", "lipschitz", "robustness", "volumes")
LEVEL = 4  # of compression: half the time of 6, files 5 % larger
LINES = 1024  # written at once


@dataclass(frozen=True)
class Evidence:
    """Everything a block is made of; parts that were not asked for are None.

    Attributes
    ----------
    verdict : Verdict
        The judge's, with the claims kept.
    complex : Complex
        Of the verdict's exploration.
    graph : RegionGraph or None
        With proofs kept.
    counts : dict
        adjacencies, affine_functions, pieces.
    lipschitz : list or None
        Rows [target, norm, lower, upper] with rationals, for jacobian/l2 also region and witness.
    robustness : dict or None
        label, robust, distance, point.
    margins : dict of int to list
        Robustness entries by region.
    vertices : sequence or None
        By region, its vertices (x_1, ..., x_k, w) in unit coordinates, integers that stand for x / w.
    weighed : dict or None
        total_variation, local_complexity, kink_variation: bounds by name, as pairs of rationals.
    """

    verdict: Verdict
    complex: Complex
    graph: RegionGraph | None
    counts: dict[str, int | None]
    lipschitz: list[list[Any]] | None
    robustness: dict[str, Any] | None
    margins: dict[int, list[Any]]
    vertices: Sequence[Sequence[tuple[int, ...]]] | None = None
    weighed: dict[str, dict[str, Any]] | None = None

    def parts(self) -> list[str]:
        """Names of the format's parts that are there."""
        there = {
            "graph": self.graph is not None,
            "maps": self.counts.get("affine_functions") is not None,
            "lipschitz": self.lipschitz is not None,
            "robustness": self.robustness is not None,
            "volumes": self.graph is not None and self.weighed is not None,
        }
        return [name for name in PARTS if there[name]]

    def carried(self) -> list[str]:
        """The report's keys that the proof covers."""
        parts = self.parts()
        keys = {
            "adjacencies": "graph" in parts,
            "affine_functions": "maps" in parts,
            "pieces": {"graph", "maps"} <= set(parts),
            "lipschitz": "lipschitz" in parts,
            "robustness": "robustness" in parts,
            "volumes": "volumes" in parts,
        }
        weighed = self.weighed if self.weighed is not None and "volumes" in parts else {}
        keys |= {f"{name} ({', '.join(found)})": bool(found) for name, found in weighed.items()}
        return ["regions", *(key for key, there in keys.items() if there)]


def write_block(path: Path, index: int, evidence: Evidence) -> str:
    """Write the block of one neighbourhood as a gzip member; the SHA-256 of its text."""
    digest = hashlib.sha256()
    with path.open("wb") as raw, gzip.GzipFile(filename="", fileobj=raw, mode="wb", compresslevel=LEVEL, mtime=0) as file:
        for text in block_lines(index, evidence):
            checkpoint()
            digest.update(text)
            file.write(text)
    return digest.hexdigest()


def assemble(path: Path, network: Network, blocks: Sequence[tuple[Path, str]], producer: str) -> int:
    """Put blocks behind the header and the network, and read the file back; its size in bytes.

    Raises
    ------
    CertificateError
        If what is read back is not what was written.
    """
    header = _text({"format": FORMAT, "producer": producer, "neighbourhoods": len(blocks)}) + _text({"network": network_line(network)})
    end = _text(["end of file"])
    with path.open("wb") as file:
        file.write(gzip.compress(header, LEVEL, mtime=0))
        for block, _ in blocks:
            with block.open("rb") as part:
                shutil.copyfileobj(part, file)
        file.write(gzip.compress(end, LEVEL, mtime=0))
    _read_back(path, header, [digest for _, digest in blocks], end)
    return path.stat().st_size


def _read_back(path: Path, header: bytes, digests: Sequence[str], end: bytes) -> None:
    found: list[str] = []
    digest = hashlib.sha256()
    try:
        with gzip.open(path, "rb") as file:
            same = file.read(len(header)) == header
            for line in file:
                if line.startswith(b'{"neighbourhood"') or line == end:
                    found.append(digest.hexdigest())
                    digest = hashlib.sha256()
                digest.update(line)
            same &= digest.digest() == hashlib.sha256(end).digest()
    except (OSError, EOFError) as error:
        raise CertificateError(f"{path}: the proof file cannot be read back: {error}") from None
    if not same or found[1:] != list(digests):
        raise CertificateError(f"{path}: the proof file does not read back as it was written; is the disk full or failing?")


def _text(line: Any) -> bytes:
    return (as_json(line) + "\n").encode()


def network_line(network: Network, plain: Callable[[np.ndarray], Any] = np.ndarray.tolist) -> dict[str, Any]:
    """The embedded network: every weight as the double that it is; `plain` puts matrices with all entries, and biases,
    into words.
    """

    def matrix(weight: Weight) -> Any:
        if isinstance(weight, np.ndarray):
            return plain(weight)
        return dict(zip(("lengths", "columns", "weights"), (column.tolist() for column in sparse_rows(weight)), strict=True))

    def affine(value: Affine) -> dict[str, Any]:
        return {"terms": [[source, matrix(weight)] for source, weight in value.terms], "bias": plain(value.bias)}

    return {
        "source": network.source,
        "model_sha256": network.sha256,
        "weights_sha256": network.weights_sha256,
        "inputs": network.inputs,
        "layers": [{**affine(layer.affine), "negative": layer.negative.tolist(), "positive": layer.positive.tolist()} for layer in network.layers],
        "output": affine(network.output),
    }


def block_lines(index: int, evidence: Evidence) -> Iterator[bytes]:
    """The lines of one neighbourhood, some of them at a time."""
    yield _text(_opening(index, evidence))
    verdict = evidence.verdict
    found, facets = verdict.exploration, FacetText(evidence.complex, evidence.graph)
    parent, nodes = found.parent[1:], len(found.parent)
    split, side = np.zeros((2, nodes), dtype=np.int64)
    split[parent], side[parent] = found.neuron[1:], found.side[1:]
    sides, splits = np.where(np.bincount(parent, minlength=nodes) == 2, 2, side).tolist(), split.tolist()
    region_of = np.full(nodes, -1, dtype=np.int64)
    region_of[found.leaf] = np.arange(len(found.leaf))
    patterns = np.ascontiguousarray(found.bits, dtype="<u8").tobytes()
    width = 8 * found.bits.shape[1]
    vertices = evidence.vertices if "volumes" in evidence.parts() else None
    assert verdict.kept is not None
    texts = claims_by_node(verdict.kept, found.parent)
    for first in range(0, nodes, LINES):
        regions = region_of[first : first + LINES]
        leaves = regions[regions >= 0]
        points, entries = iter(region_points(verdict.points, leaves)), iter(facets.of(leaves))
        lines: list[str] = []
        for node, region in enumerate(regions.tolist(), first):
            claims = next(texts)
            if region < 0:
                lines.append(f'["S",{splits[node]},{sides[node]},{claims}]\n')
                continue
            pattern = int.from_bytes(patterns[width * region : width * (region + 1)], "little")
            margins = evidence.margins.get(region)
            rest = f"{next(entries)},{as_json(margins) if margins else '[]'}"
            if vertices is not None:
                rest += f",{as_json([[v[-1], *v[:-1]] for v in vertices[region]])}"
            lines.append(f'["R","{pattern:x}",{next(points)},{claims},{rest}]\n')
        yield "".join(lines).encode()


def _place(domain: Domain) -> dict[str, Any]:
    """Where the neighbourhood is: corners of a box, with the ball that cuts it if there is one; or a frame."""
    if isinstance(domain, Frame):
        directions = [_words(direction) for direction in domain.directions]
        return {"frame": {"origin": _words(domain.origin), "directions": directions, "low": _words(domain.low), "high": _words(domain.high)}}
    box = as_box(domain, "proof")
    center = None if box.center is None else _words(box.center)
    return {"lower": _words(box.lower), "upper": _words(box.upper), "center": center, **ball_words(within(box))}


def ball_words(within: Within | None) -> dict[str, Any]:
    """The key that an opening line has where there is a ball."""
    if within is None:
        return {}
    bound = {"radius" if within.norm == "l1" else "square": str(within.bound)}
    return {"ball": {"norm": within.norm, "center": [str(c) for c in within.center], **bound, "open": within.strict}}


def _words(values: Sequence[Fraction]) -> list[str]:
    return [str(v) for v in values]


def _opening(index: int, evidence: Evidence) -> dict[str, Any]:
    domain: Domain = evidence.complex.domain
    parts = evidence.parts()
    return {
        "neighbourhood": index,
        **_place(domain),
        "parts": parts,
        "counts": {
            "regions": len(evidence.complex),
            "adjacencies": evidence.counts.get("adjacencies") if "graph" in parts else None,
            "affine_functions": evidence.counts.get("affine_functions"),
            "pieces": evidence.counts.get("pieces") if {"graph", "maps"} <= set(parts) else None,
        },
        "lipschitz": evidence.lipschitz,
        "robustness": evidence.robustness,
        **({"volumes": evidence.weighed} if "volumes" in parts else {}),
    }
