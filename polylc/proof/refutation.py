"""Proofs by search as lines of a proof file (docs/certificate-format.md, "A query")."""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from polylc.bounds.ascent import SHARES, SLOPES
from polylc.bounds.sharpen import Claims
from polylc.domains.alternatives import Root, outward
from polylc.domains.question import And, Formula, Row
from polylc.domains.within import Within
from polylc.network.form import Network
from polylc.proof.certificate import FORMAT, ball_words, network_line
from polylc.proof.tree import Closing, End, Event, Exact, Node


def query_line(
    index: int, source: str, sha256: str, names: Sequence[str], formula: Formula, roots: int, within: Within | None = None
) -> dict[str, Any]:
    """The opening line of a query."""
    said: dict[str, Any] = {"query": index, "source": source, "query_sha256": sha256, "semantics": "real"}
    return {**said, **ball_words(within), "names": list(names), "formula": formula_text(formula), "roots": roots}


def plain_names(names: Sequence[str], inputs: int) -> list[str]:
    """Names of inputs and outputs, if they are distinct words; otherwise x0, x1, ..., and y0, y1, ..."""
    if len(set(names)) == len(names) and all(map(_NAME.fullmatch, names)):
        return list(names)
    return [f"x{i}" if i < inputs else f"y{i - inputs}" for i in range(len(names))]


_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.,:!\[\]]*")


def formula_text(formula: Formula) -> list[Any]:
    """A formula as a JSON value."""
    if isinstance(formula, Row):
        return ["row", [[v, str(c)] for v, c in formula.terms], str(formula.constant), formula.strict]
    return ["and" if isinstance(formula, And) else "or", *(formula_text(part) for part in formula.parts)]


def root_lines(root: Root, tree: Node) -> Iterator[Any]:
    """The lines of one root: its box and alternatives, and its tree in preorder."""
    low, high = outward(root.lower, root.upper)
    yield {"lower": low.tolist(), "upper": high.tolist(), "alternatives": [[list(c) for c in a.choices] for a in root.alternatives]}
    yield from sheets(tree)


def sheets(tree: Node) -> Iterator[Any]:
    """The lines of a tree, in preorder, of which many plain cells in a row are a sheet."""
    layers = _layers(tree)
    run: list[list[Any]] = []
    for line in tree_lines(tree):
        plain = is_plain(line, layers)
        if not plain or len(run) == MOST_IN_SHEET:
            yield from _run(run)
            run = []
        if plain:
            run.append(line)
        else:
            yield line
    yield from _run(run)


def _layers(tree: Node) -> int:
    """What `refined` is where nothing was bounded anew."""
    most, stack = 1, [tree]
    while stack:
        node = stack.pop()
        most = max(most, node.refined)
        stack += node.children
    return most


def tree_lines(tree: Node) -> Iterator[list[Any]]:
    """The lines of a tree, in preorder."""
    stack = [tree]
    while stack:
        node = stack.pop()
        moved = [] if node.moved is None else [_ends(node.moved)]
        ends, events = _ends(node.ends), [_event(e) for e in node.events]
        yield [node.refined, ends, _claims(node.claims), events, node.kind, max(node.at, 0), *moved]
        stack += reversed(node.children)


def _run(run: list[list[Any]]) -> Iterator[Any]:
    if len(run) >= FEWEST_IN_SHEET:
        yield sheet(run)
    else:
        yield from run


def _ends(ends: Sequence[End]) -> list[Any]:
    return [end if isinstance(end, int) else list(end) for end in ends]


def _claims(claims: list[Claims]) -> list[list[Any]]:
    found = []
    for layer in claims:
        for neuron, side, end, slopes in zip(layer.neurons.tolist(), layer.sides.tolist(), layer.ends.tolist(), layer.slopes, strict=True):
            found.append([neuron, side, end, _slopes(slopes, layer.rule)])
    return found


def _event(event: object) -> list[Any]:
    if isinstance(event, Event):
        return event.words()
    if isinstance(event, Closing):
        shares = np.rint(event.shares * SHARES).astype(int).tolist()
        little = [event.little, _ends(event.ends)] if event.little >= 0 else []
        return ["bound", event.place, shares, _slopes(event.slopes, event.rule), event.betas.tolist(), *little]
    if isinstance(event, Exact):
        found = event.combination
        ball = [str(found.ball)] if found.ball else []
        return ["exact", event.place, [[r, str(y)] for r, y in found.rows], [[i, str(y)] for i, y in found.neurons], *ball]
    return ["choose", event]


def _slopes(slopes: np.ndarray, rule: np.ndarray) -> str:
    """Slopes in words: "." for the rule's, else "0", "1", or two digits to the base 16; those of the rule at the end
    left out.
    """
    if not len(slopes):
        return ""
    words = [_WORDS[value] for value in np.rint(slopes * SLOPES).astype(int).tolist()]
    return "".join("." if same else word for word, same in zip(words, (slopes == rule).tolist(), strict=True)).rstrip(".")


MOST_IN_SHEET, FEWEST_IN_SHEET = 2**15, 8  # cells
_SIDES, _SHIFTS = "abcdefghijklmnopqrstuvwxyz", "0123456789abc"


def is_plain(line: list[Any], layers: int) -> bool:
    """Whether a cell's line may be part of a sheet."""
    first, _, claims, events, kind, at, *_ = line
    side = kind in (-1, 1) or (kind == 0 and at < len(_SIDES))
    return first in (0, layers) and not claims and side and all(event[1:2] < [10] for event in events if event[0] == "bound")


def sheet(run: Sequence[list[Any]]) -> dict[str, Any]:
    """Lines of cells, column by column: what is alike is next to each other, so that it becomes short."""
    others = {i: line[3] for i, line in enumerate(run) if any(event[0] != "bound" for event in line[3])}
    bounds = [event for i, line in enumerate(run) if i not in others for event in line[3]]
    places = ["".join(str(event[1]) for event in line[3] if i not in others) for i, line in enumerate(run)]
    closed = ["" if some == ("0" if line[4] == -1 else "") or i in others else some for i, (some, line) in enumerate(zip(places, run, strict=True))]
    return {
        "cells": "".join("-" if line[4] == -1 else "+" if line[4] == 1 else _SIDES[line[5]] for line in run),
        "first": "".join(("0." if len(line) == 6 else "Mm")[line[0] > 0] for line in run),
        "moved": [[i, line[6]] for i, line in enumerate(run) if line[6:] not in ([], [[]])],
        "ends": [[i, line[1]] for i, line in enumerate(run) if line[1]],
        "places": ",".join(closed) if any(closed) else "",
        "events": [[i, some] for i, some in others.items()],
        "neurons": [line[5] for line in run if line[4] == 1],
        "shares": [event[2] for event in bounds],
        "slopes": ",".join(event[3] for event in bounds),
        "betas": [[k, event[4]] for k, event in enumerate(bounds) if event[4]],
        "shifts": "".join(_SHIFTS[event[5]] if len(event) > 5 else "." for event in bounds),
        "more": [[k, event[6]] for k, event in enumerate(bounds) if event[6:] not in ([], [[]])],
    }


_WORDS = ["0", *(f"~{value:02x}" for value in range(1, int(SLOPES))), "1"]


def compact_network(network: Network) -> dict[str, Any]:
    """The line of a network; matrices of single precision are written as such."""

    def singles(weight: np.ndarray) -> Any:
        with np.errstate(over="ignore"):
            single = weight.astype("<f4")
        if weight.size and (single == weight).all():
            planes = single.reshape(-1).view(np.uint8).reshape(-1, 4).T
            return {"float32": base64.b64encode(planes.tobytes()).decode()}
        return weight.tolist()

    return network_line(network, singles)


def write_refutation(path: Path, network: Network, lines: Iterable[Any], producer: str, embedded: bool = True, queries: int = 1) -> int:
    """Write the proof file of one query, or several, from its opening line on; its size in bytes. Where the network is
    not to be embedded, its hash stands for it.
    """
    said = compact_network(network) if embedded else {"weights_sha256": network.weights_sha256}
    with path.open("wb") as raw, gzip.GzipFile(filename="", fileobj=raw, mode="wb", compresslevel=9, mtime=0) as file:
        for line in chain(({"format": FORMAT, "producer": producer, "queries": queries}, {"network": said}), lines, (["end of file"],)):
            file.write(json.dumps(line, separators=(",", ":")).encode() + b"\n")
    return path.stat().st_size
