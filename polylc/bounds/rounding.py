"""How far the nodes of an ONNX graph, evaluated in floating point, are from the network analysed, on a box.

The rules of operators are in `rules.py`, the lemmas in docs/exactness.md, "What floating point evaluates".
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from polylc.bounds.analysed import Analysed
from polylc.bounds.floats import FORMATS, LOST, UP, Evaluated, Format, joined, plain, within
from polylc.bounds.rules import RULES, Reading
from polylc.errors import RoundingError
from polylc.exact.checkpoint import checkpoint
from polylc.network.builder import Value
from polylc.network.weights import identity
from polylc.readers.onnx.tape import Record, Tape


@dataclass(frozen=True)
class Enclosure:
    """What floating point evaluates on a box.

    Attributes
    ----------
    low, high : ndarray, shape (outputs and hidden tensors,)
        Ends of the evaluated values.
    own : ndarray
        With `shared`, how far they are from the values of the network analysed, for the same input: at most that, plus
        what the columns of `shared` make of errors of size 1.
    shared : ndarray, shape (outputs and hidden tensors, errors)
    """

    low: np.ndarray
    high: np.ndarray
    own: np.ndarray
    shared: np.ndarray

    @property
    def error(self) -> np.ndarray:
        """How far each value is from that of the network analysed."""
        found: np.ndarray = (self.own + np.abs(self.shared).sum(axis=1) * UP) * UP
        return found

    def of(self, weights: np.ndarray) -> float:
        """How far a weighted sum of the values is from that of the network analysed."""
        each = float(np.abs(weights) @ self.own)
        return (each + float(np.abs(weights @ self.shared).sum()) + float(np.abs(weights) @ np.abs(self.shared).sum(axis=1)) * 2.0**-36) * UP + LOST


def evaluated(tape: Tape, element: str, low: np.ndarray, high: np.ndarray) -> Enclosure:
    """Bound what a model evaluates for inputs that are numbers of a format.

    Parameters
    ----------
    tape : Tape
    element : str
        "float32" or "float64".
    low, high : ndarray, shape (inputs,)
        A box, rounded outward.

    Raises
    ------
    RoundingError
        If an operator has no rule, or something may overflow.
    """
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        return _Walk(tape, FORMATS[element], low, high).run()


class _Walk:
    """The nodes one after the other.

    Attributes
    ----------
    known : dict of Evaluated
        By tensor.
    value : dict of Value
        The same in the network analysed.
    """

    def __init__(self, tape: Tape, form: Format, low: np.ndarray, high: np.ndarray) -> None:
        self.tape, self.form, self.low, self.high = tape, form, low, high
        if set(tape.elements) != {form.name}:
            raise RoundingError(f"the model computes in {', '.join(sorted(set(tape.elements)))}, not in {form.name}")
        if tape.doubtful:
            raise RoundingError(f"{tape.doubtful} computes a constant, which may round; fold constants when exporting the model")
        if max(np.abs(low).max(), np.abs(high).max()) > form.largest:
            raise RoundingError(f"an input may be larger than all numbers of {form.name}")
        self.known: dict[str, Evaluated] = {}
        self.value: dict[str, Value] = {}
        self.analysed = Analysed(tape.network, low, high)

    def run(self) -> Enclosure:
        """All nodes, then the tensors asked for."""
        form, first = self.form, 0
        assert self.tape.builder is not None
        for name, shape in self.tape.inputs:
            size = math.prod(shape)
            span = slice(first, first + size)
            first += size
            self.known[name] = plain(self.low[span], self.high[span], np.zeros(size), form)
            self.value[name] = _part(span, self.tape.builder.inputs)
        for record in self.tape.records:
            checkpoint()
            self._node(record)
        found, ends = [], []
        for name in self.tape.wanted:
            if name in self.tape.constants:
                constant = self.tape.constants[name].astype(np.float64).ravel()
                found.append(plain(constant, constant, np.zeros(len(constant)), form))
                ends.append((found[-1].low, found[-1].high))
                continue
            if name not in self.known:
                raise RoundingError(f"the tensor {name} is no plain value")
            one = self.known[name]
            found.append(one)
            ends.append(within(one, form, self.analysed.ends(self.value[name])))
        whole = joined(found)
        low, high = (np.concatenate(side) for side in zip(*ends, strict=True))
        shared = np.concatenate([np.zeros((len(low), 0)), *whole.parts.values()], axis=1)
        return Enclosure(low, high, (whole.base + whole.rounding(form)) * UP, shared)

    def _node(self, record: Record) -> None:
        kind, name = record.node.kind, record.node.name
        if kind not in RULES:
            raise RoundingError(f"{name} has no bound on its rounding in {self.form.name}; ask over the real numbers, --semantics real")
        for argument in record.node.inputs:
            if isinstance(argument, np.ndarray) and argument.dtype.kind == "f" and (argument.astype(self.form.dtype) != argument).any():
                raise RoundingError(f"{name} has a constant that {self.form.name} cannot hold")
        missing = next((name for name in record.sources if name not in self.known), None)
        if missing is not None:
            raise RoundingError(f"{name} reads {missing}, which is no plain value")
        one = joined([self.known[source] for source in record.sources])
        at = Reading(self.form, self.analysed, record, one, [self.value[source] for source in record.sources])
        for place, (result, value) in enumerate(zip(record.results, record.values, strict=False)):
            found = RULES[kind](at, place)
            size = np.maximum(np.maximum(np.abs(found.low), np.abs(found.high)), found.total)
            if not (size * 1.01 + found.rounding(self.form) < self.form.largest).all():
                raise RoundingError(f"{name} may overflow {self.form.name}")
            if result:
                self.known[result], self.value[result] = found, value


def _part(span: slice, size: int) -> Value:
    """Some of the inputs of the network."""
    many = span.stop - span.start
    if many == size:
        return Value((size,), ((0, None),), np.zeros(size))
    return Value((many,), ((0, identity(size)[span]),), np.zeros(many))
