"""A query and the models it is asked of, as one question: one network, one formula over its inputs and outputs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from polylc.domains.question import And, Formula, Or, Row, row, rows, simplified
from polylc.domains.within import Within
from polylc.errors import QueryError
from polylc.network.form import Network
from polylc.network.joined import joined
from polylc.readers.files import shown
from polylc.readers.load import load_model
from polylc.readers.model import Model, Tensor
from polylc.readers.vnnlib.query import REAL, Declared, Kind, Query, Variable

if TYPE_CHECKING:
    from polylc.readers.onnx.tape import Tape

FLOATS = ("float32", "float64")
"""Element types of the arithmetic of models, besides `REAL`."""

SOUND = (REAL, *FLOATS)
"""Those in which verdicts are proved."""


@dataclass(frozen=True)
class Place:
    """Where the entries of a variable are.

    Attributes
    ----------
    variable : Variable
    network : str
        The declared network that it belongs to.
    columns : tuple of int
        For each entry its number among the inputs and then the outputs of the question's network.
    softmax : str
        "Softmax" or "LogSoftmax" where the columns are what goes into it, else empty.
    """

    variable: Variable
    network: str
    columns: tuple[int, ...]
    softmax: str = ""


@dataclass(frozen=True)
class Evaluation:
    """A model of the query as its file has it, for questions about what floating point evaluates.

    Attributes
    ----------
    tape : callable
        Gives its nodes.
    inputs, outputs : tuple of int
        For each of its inputs, and of its outputs and hidden tensors, the number among those of the question's network.
    """

    tape: Callable[[], Tape]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True)
class Question:
    """Is there an input of a network for which a formula holds?

    Attributes
    ----------
    network : Network
        All networks of the query side by side, hidden tensors among the outputs.
    formula : Formula
        Over the inputs, then the outputs of the network; in its simplified form, to which proofs refer.
    names : tuple of str
        Of the network's inputs, as the query writes them.
    semantics : str
        The arithmetic that the verdict is about: `REAL`, or one of `FLOATS`.
    places : tuple of Place
        Of the variables, in the order of declaration.
    source, sha256, version : str
        Of the query.
    models : tuple of (str, Network)
        The networks as they were read, by the names that the query declares; without those that are equal to another.
    evaluations : tuple of Evaluation
        Where the semantics is one of `FLOATS`, the models.
    within : Within, optional
        A ball in which the input is to be.
    """

    network: Network
    formula: Formula
    names: tuple[str, ...]
    semantics: str = REAL
    places: tuple[Place, ...] = ()
    source: str = "memory"
    sha256: str = ""
    version: str = ""
    models: tuple[tuple[str, Network], ...] = field(default=())
    evaluations: tuple[Evaluation, ...] = ()
    within: Within | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "formula", simplified(self.formula))

    def holds(self, x: Sequence[Fraction], y: Sequence[Fraction]) -> bool:
        """Whether the formula holds for an input and its outputs."""
        return (self.within is None or self.within.contains(x)) and self.formula.holds((*x, *y))


def make_question(query: Query, networks: Mapping[str, Any] | Any, semantics: str | None = None) -> Question:
    """Ask a query of models.

    Parameters
    ----------
    query : Query
    networks : mapping, or one model
        Models (path, module or Network) by the names that the query declares; one model where it declares one network.
    semantics : str, optional
        `REAL` or one of `FLOATS`; by default what the query declares, `REAL` in VNN-LIB 1.0.

    Raises
    ------
    QueryError
        If models are missing, superfluous, or do not fit the declarations.
    ModelError
        If a model cannot be read.
    """
    return _Asked(query, networks, semantics).question()


@dataclass
class _Part:
    """A declared network with its model."""

    declared: Declared
    model: Model
    inputs: int  # number of its first input among those of all parts
    outputs: int
    hidden: tuple[str, ...]  # names of the hidden tensors of the model

    def placed(self) -> Iterator[tuple[Variable, Tensor, int]]:
        """Variables with their tensors, and where these begin: among all inputs, or all outputs."""
        if self.declared.inputs[0].apart:  # VNN-LIB 1.0 knows entries, no tensors
            (x,), (y,) = self.declared.inputs, self.declared.outputs
            softmax = next((t.softmax for t in self.model.outputs if t.softmax), "")
            yield x, Tensor("", "", x.shape), self.inputs
            yield y, Tensor("", "", y.shape, softmax), self.outputs
            return
        first = self.inputs
        for variable, tensor in zip(self.declared.inputs, self.model.inputs, strict=True):
            yield variable, tensor, first
            first += tensor.size
        starts = {}
        first = self.outputs
        for tensor in (*self.model.outputs, *self.model.hidden):
            starts[id(tensor)] = first
            first += tensor.size
        asked = dict(zip(self.hidden, self.model.hidden, strict=True))
        for variable in self.declared.hidden:
            yield variable, asked[variable.node], starts[id(asked[variable.node])]
        for variable, tensor in zip(self.declared.outputs, self.model.outputs, strict=True):
            yield variable, tensor, starts[id(tensor)]


class _Asked:
    """The models of a query, read and held against its declarations."""

    def __init__(self, query: Query, networks: Mapping[str, Any] | Any, semantics: str | None) -> None:
        self.query, self.wanted = query, semantics
        self.by_name = {declared.name: declared for declared in query.networks}
        self.owner = {declared.name: self._owner(declared) for declared in query.networks}
        self.given = self._given(networks)
        self.parts: list[_Part] = []
        read = {name: self._read(name) for name in self.given}
        inputs = outputs = 0
        for declared in query.networks:
            model, hidden = read[self.owner[declared.name]]
            part = _Part(declared, model, inputs, outputs, hidden)
            self._check(part)
            self.parts.append(part)
            inputs += model.network.inputs
            outputs += model.network.outputs
        self.inputs = inputs
        self.read = read
        for part in self.parts:
            if part.declared.isomorphic_to:
                self._check_isomorphic(part)

    # ---- which model is which ----------------------------------------------------------------------------------
    def error(self, what: str) -> QueryError:
        """An error about the query."""
        return QueryError(f"{self.query.source}: {what}")

    def _owner(self, declared: Declared) -> str:
        """The network whose model it has: itself, or what it is equal to."""
        seen = [declared.name]
        while declared.equal_to:
            if declared.equal_to not in self.by_name or declared.equal_to in seen:
                raise self.error(f"network {seen[0]} is equal to {declared.equal_to}, which is not declared before it")
            declared = self.by_name[declared.equal_to]
            seen.append(declared.name)
        return declared.name

    def _given(self, networks: Mapping[str, Any] | Any) -> dict[str, Any]:
        """Models by the names of the networks that need one, in the order of declaration."""
        given = dict(networks) if isinstance(networks, Mapping) else {"": networks}
        wanted = [name for name in self.by_name if self.owner[name] == name]
        if len(wanted) == 1 and len(given) == 1 and (wanted == [""] or list(given) == [""]):
            return {wanted[0]: next(iter(given.values()))}
        missing = [name for name in wanted if name not in given]
        extra = [name or "without a name" for name in given if name not in wanted]
        declares = f"{self.query.source} declares {', '.join(wanted) if wanted != [''] else 'one network'}"
        if missing:
            raise QueryError(f"no model for network {', '.join(missing) or 'one'}: {declares}; give each its model, --network NAME=MODEL")
        if extra:
            equal = [name for name in extra if name in self.by_name]
            why = f"; {equal[0]} is equal to {self.owner[equal[0]]} and has its model" if equal else ""
            raise QueryError(f"a model that no network needs, {', '.join(map(shown, extra))}: {declares}{why}")
        return {name: given[name] for name in wanted}

    def _read(self, name: str) -> tuple[Model, tuple[str, ...]]:
        """The model of a network, with the hidden tensors of all networks that have it."""
        users = [declared for declared in self.query.networks if self.owner[declared.name] == name]
        hidden = tuple(dict.fromkeys(variable.node for declared in users for variable in declared.hidden))
        inputs = self.by_name[name].inputs
        shapes = [variable.shape for variable in inputs] if not inputs[0].apart else [(1, *inputs[0].shape)]
        return load_model(self.given[name], hidden=hidden, shapes=shapes), hidden

    # ---- whether they fit --------------------------------------------------------------------------------------
    def _check(self, part: _Part) -> None:
        declared, model = part.declared, part.model
        source = model.network.source
        if declared.inputs[0].apart:
            for variable, tensors in ((declared.inputs[0], model.inputs), (declared.outputs[0], model.outputs)):
                size = sum(tensor.size for tensor in tensors)
                if variable.size != size:
                    names = f"{variable.name}_0 to {variable.name}_{variable.size - 1}"
                    raise self.error(f"it declares {variable.size} {variable.kind}s ({names}), but {source} has {size}")
            return
        for what, variables, tensors in (("input", declared.inputs, model.inputs), ("output", declared.outputs, model.outputs)):
            if len(variables) != len(tensors):
                raise self.error(f"network {declared.name} declares {len(variables)} {what}s, but {source} has {len(tensors)}")
        for variable, tensor, _ in part.placed():
            if _without_ones(variable.shape) != _without_ones(tensor.shape):
                where = f"{tensor.name} in {source}" if tensor.name else source
                raise self.error(f"{variable.kind} {variable.name} has shape {list(variable.shape)}, but {where} has {list(tensor.shape)}")
            if REAL in (variable.element, self.wanted):
                continue
            if not tensor.element and variable.kind is not Kind.HIDDEN:
                raise self.error(
                    f"{variable.kind} {variable.name} is declared {variable.element}, but {source} says no element types; declare it real"
                )
            if tensor.element and tensor.element != variable.element:
                raise self.error(
                    f"{variable.kind} {variable.name} is declared {variable.element}, but is {tensor.element} in {source}; "
                    f"declare it {tensor.element}, or real"
                )

    def _check_isomorphic(self, part: _Part) -> None:
        other = next((p for p in self.parts if p.declared.name == part.declared.isomorphic_to), None)
        if other is None:
            raise self.error(f"network {part.declared.name} is isomorphic to {part.declared.isomorphic_to}, which is not declared")
        one, two = part.model, other.model
        pairs = [(one.operators, two.operators), (_shapes(one.inputs), _shapes(two.inputs)), (_shapes(one.outputs), _shapes(two.outputs))]
        if any(a != b for a, b in pairs):
            raise self.error(
                f"network {part.declared.name} is declared isomorphic to {other.declared.name}, but {one.network.source} has other operators "
                f"or shapes than {two.network.source}"
            )

    # ---- one question ------------------------------------------------------------------------------------------
    def question(self) -> Question:
        """All of it, over one network."""
        entries: dict[int, int] = {}  # number among all inputs of all parts, by entry of the query
        after: dict[int, int] = {}  # the same for outputs
        softmax: dict[int, tuple[int, str]] = {}
        for part in self.parts:
            for variable, tensor, first in part.placed():
                where = entries if variable.kind is Kind.INPUT else after
                where.update((variable.first + i, first + i) for i in range(variable.size))
                if tensor.softmax:
                    softmax |= dict.fromkeys(range(variable.first, variable.first + variable.size), (variable.first, tensor.softmax))
        self._check_softmax(softmax)
        formula = simplified(self.query.formula)
        columns = self._columns(formula, entries)
        count = max(columns) + 1
        semantics = self._semantics(bool(softmax))
        network, shift = self._joined(columns, count, semantics)
        column = {entry: columns[number] for entry, number in entries.items()}
        column |= {entry: count + number - shift[number] for entry, number in after.items()}
        names: dict[int, str] = {}
        for entry, number in sorted(entries.items()):
            names.setdefault(columns[number], self.query.entries[entry])
        places = tuple(
            Place(v, part.declared.name, tuple(column[v.first + i] for i in range(v.size)), tensor.softmax)
            for part in self.parts
            for v, tensor, _ in sorted(part.placed(), key=lambda one: one[0].first)
        )
        return Question(
            network,
            _renamed(formula, column),
            tuple(names[c] for c in range(count)),
            semantics,
            places,
            self.query.source,
            self.query.sha256,
            self.query.version,
            tuple((name, model.network) for name, (model, _) in self.read.items()),
            () if semantics == REAL else tuple(self._evaluations(columns, shift)),
        )

    def _evaluations(self, columns: Sequence[int], shift: Sequence[int]) -> Iterator[Evaluation]:
        """The models, each on its inputs; one on the same inputs only once."""
        found: dict[tuple[int, ...], Evaluation] = {}
        for part in self.parts:
            assert part.model.tape is not None
            inputs, outputs = (
                range(part.inputs, part.inputs + part.model.network.inputs),
                range(part.outputs, part.outputs + part.model.network.outputs),
            )
            after = tuple(number - shift[number] for number in outputs)
            found[after] = Evaluation(part.model.tape, tuple(columns[i] for i in inputs), after)
        yield from found.values()

    def _columns(self, formula: Formula, entries: Mapping[int, int]) -> list[int]:
        """The column of each input of all parts: one for those that the formula says are equal, of several parts."""
        belongs = [k for k, part in enumerate(self.parts) for _ in range(part.model.network.inputs)]
        groups = {i: {i} for i in range(self.inputs)}
        if len(self.parts) > 1:
            for a, b in _equal(formula, entries):
                one, two = groups[a], groups[b]
                if one is not two and {belongs[i] for i in one}.isdisjoint(belongs[i] for i in two):
                    one |= two
                    groups |= dict.fromkeys(two, one)
        numbers: dict[int, int] = {}
        return [numbers.setdefault(min(groups[i]), len(numbers)) for i in range(self.inputs)]

    def _joined(self, columns: Sequence[int], count: int, semantics: str) -> tuple[Network, list[int]]:
        """All networks side by side, but one network on the same inputs only once; and how far each output of all parts
        moves forward. In floating point, one network is one model: others with the same weights may round otherwise.
        """
        kept: dict[tuple[object, tuple[int, ...]], int] = {}  # where its outputs are
        networks, owners, shift, outputs = [], [], [], 0
        for part in self.parts:
            network = part.model.network
            own = tuple(columns[part.inputs : part.inputs + network.inputs])
            key = (id(part.model) if semantics != REAL else network.weights_sha256 if len(self.parts) > 1 else "", own)
            if key not in kept:
                kept[key] = outputs
                outputs += network.outputs
                networks.append(network)
                owners.append(np.array(own))
            shift += [part.outputs - kept[key]] * network.outputs
        return joined(networks, owners, count), shift

    def _check_softmax(self, softmax: Mapping[int, tuple[int, str]]) -> None:
        """A comparison of two outputs of one softmax is one of what goes into it; all else is not linear."""
        for one in rows(self.query.formula) if softmax else ():
            inside = [(softmax[entry], c) for entry, c in one.terms if entry in softmax]
            if not inside:
                continue
            (_, kind), _ = inside[0]
            together = len({tensor for (tensor, _), _ in inside}) == 1 and sum(c for _, c in inside) == 0
            alone = len(inside) == 2 and len(one.terms) == 2 and one.constant == 0
            if not together or (kind == "Softmax" and not alone):
                name = self.query.entries[next(entry for entry, _ in one.terms if entry in softmax)]
                raise self.error(
                    f"{name} comes out of a {kind}, which is not piecewise linear; only two outputs of it can be compared with one another"
                )

    def _semantics(self, softmax: bool) -> str:
        found = self.wanted or self._declared_semantics()
        if found not in SOUND:
            raise self.error(f"semantics {shown(found)}: polylc proves verdicts in {', '.join(SOUND)}")
        if softmax and found != REAL:
            raise self.error(f"a softmax is analysed over the real numbers only, not in {found}; declare its network real")
        for part in self.parts if found != REAL else ():
            source = part.model.network.source
            if part.model.tape is None:
                raise self.error(f"verdicts in {found} are given for .onnx files, which say what is evaluated; {source} is none, ask for real")
            other = next((t for t in part.model.inputs if t.element != found), None)
            if other is not None:
                raise self.error(f"semantics {found}: {other.name} is {other.element} in {source}; ask for {other.element}, or real")
        return found

    def _declared_semantics(self) -> str:
        used: dict[str, str] = {}
        for part in self.parts:
            for variable, tensor, _ in part.placed():
                if variable.element != REAL and not tensor.constant:
                    used.setdefault(variable.element, variable.name)
        unsound = [element for element in used if element not in SOUND]
        if unsound:
            raise self.error(
                f"{used[unsound[0]]} is declared {unsound[0]}, in which polylc proves nothing; declare {' or '.join((*FLOATS, REAL))}, "
                "or ask over the real numbers with --semantics real"
            )
        if len(used) > 1:
            raise self.error(f"{' and '.join(used.values())} are declared {' and '.join(used)}; polylc takes one element type at a time, or real")
        return next(iter(used), REAL)


def _without_ones(shape: Sequence[int]) -> tuple[int, ...]:
    return tuple(size for size in shape if size != 1)


def _shapes(tensors: Iterable[Tensor]) -> list[tuple[int, ...]]:
    return [tensor.shape for tensor in tensors]


def _equal(formula: Formula, entries: Mapping[int, int]) -> Iterator[tuple[int, int]]:
    """Pairs of inputs, by their numbers among those of all parts, that are equal wherever the formula holds."""
    found: set[tuple[int, int]] = set()
    for part in formula.parts if isinstance(formula, And) else (formula,):
        if not isinstance(part, Row) or part.constant or len(part.terms) != 2:
            continue
        (a, c), (b, d) = part.terms
        if c + d or a not in entries or b not in entries:
            continue
        more, less = (a, b) if c > 0 else (b, a)
        found.add((more, less))
        if (less, more) in found:
            yield entries[a], entries[b]


def _renamed(formula: Formula, column: Mapping[int, int]) -> Formula:
    """The formula over columns."""
    if isinstance(formula, Row):
        terms: dict[int, Fraction] = {}
        for entry, c in formula.terms:
            terms[column[entry]] = terms.get(column[entry], Fraction(0)) + c
        return row(terms, formula.constant, formula.strict)
    kind = And if isinstance(formula, And) else Or
    return kind(tuple(_renamed(part, column) for part in formula.parts))
