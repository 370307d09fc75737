"""A small complex in closed form: the network as a sympy Piecewise, its measures as sums of radicals, LaTeX."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np

from polylc.complex.graph import RegionGraph
from polylc.domains.domain import Domain
from polylc.errors import UsageError, needs
from polylc.exact.numbers import as_fraction
from polylc.geometry.exact_volume import RationalCell
from polylc.measures.by_volume.local_complexity import weights
from polylc.measures.by_volume.volumes import Volumes
from polylc.measures.gradient.norms import Gradients

MOST_REGIONS = 500  # beyond that nobody reads the formulas
Form = tuple[Fraction, ...]


@dataclass(frozen=True)
class SymbolicRegion:
    """One region in closed form.

    Attributes
    ----------
    conditions : tuple of sympy relations
        Its facets, c + a.x >= 0 with integers, and none besides.
    matrix, offset : sympy Matrix of Rationals, (m, k) and (m, 1)
        The affine map x -> matrix x + offset there.
    volume : sympy Rational, or the root of one
    """

    conditions: tuple[Any, ...]
    matrix: Any
    offset: Any
    volume: Any


class Symbolic:
    """The network on a neighbourhood in closed form, exactly; see `Result.symbolic`.

    Attributes
    ----------
    variables : tuple of sympy Symbol
        The free coordinates x0, x1, ..., by their number among the inputs; in a plane or line the parameters s1, s2.
    regions : list of SymbolicRegion
    """

    def __init__(self, volumes: Volumes, graph: RegionGraph) -> None:
        """From proved volumes; computes what is not rational yet."""
        needs("sympy", "symbolic", "symbolic:")
        import sympy

        complex_ = volumes.complex
        if len(complex_) > MOST_REGIONS:
            raise UsageError(f"symbolic: {len(complex_)} regions are too many for closed forms; at most {MOST_REGIONS}")
        volumes.refine_all(range(len(complex_)))
        self._volumes, self._graph, self._gradients = volumes, graph, Gradients(complex_)
        self.variables = tuple(sympy.Symbol(one.name, real=True) for one in complex_.domain.parameters)
        self.regions = [self._region(r, volumes.exact[r]) for r in range(len(complex_))]

    def _region(self, region: int, cell: RationalCell) -> SymbolicRegion:
        import sympy

        complex_, domain = self._volumes.complex, self._volumes.complex.domain
        rows = self._volumes.half_spaces(region)
        facets = [in_coordinates(row, domain) for e, (row, s) in enumerate(zip(rows, cell.shadow, strict=True)) if s and cell.carrier[e] == e]
        k = domain.dimension
        walls = [(*(Fraction((1, -1)[f & 1] * (i == f >> 1)) for i in range(k)), Fraction(1)) for f in range(2 * k)]
        facets += [in_coordinates(wall, domain) for wall, s in zip(walls, cell.box, strict=True) if s]
        scale = complex_.exact_forms.scale
        forms = complex_.exact_forms.output(complex_.patterns(np.array([region]))[0])
        maps = [in_coordinates([Fraction(v, scale) for v in form], domain) for form in forms]
        return SymbolicRegion(
            tuple(sympy.Ge(self._affine(_whole(form)), 0) for form in facets),
            sympy.Matrix([[_rational(v) for v in form[:-1]] for form in maps]),
            sympy.Matrix([_rational(form[-1]) for form in maps]),
            _rational(self._volumes.exact_share(region)) * sympy.sqrt(_rational(domain.squared_volume)),
        )

    def _affine(self, form: Form) -> Any:
        import sympy

        return sympy.Add(*(_rational(a) * x for a, x in zip(form, self.variables, strict=False)), _rational(form[-1]))

    @cached_property
    def function(self) -> list[Any]:
        """One sympy Piecewise per output; undefined outside the neighbourhood."""
        import sympy

        x = sympy.Matrix(self.variables)
        values = [region.matrix * x + region.offset for region in self.regions]
        return [
            sympy.Piecewise(*((value[i], sympy.And(*region.conditions)) for value, region in zip(values, self.regions, strict=True)), evaluate=False)
            for i in range(self._volumes.complex.network.outputs)
        ]

    def value(self, point: Sequence[Any]) -> list[Fraction]:
        """Outputs at a point of the neighbourhood, given by these: the first region whose conditions
        hold there.
        """
        import sympy

        at = {x: _rational(as_fraction(v)) for x, v in zip(self.variables, point, strict=True)}
        for region in self.regions:
            if all(c.subs(at) is sympy.true for c in region.conditions):
                found = region.matrix * sympy.Matrix([at[x] for x in self.variables]) + region.offset
                return [Fraction(int(v.p), int(v.q)) for v in found]
        raise UsageError("symbolic: the point is outside the neighbourhood")

    @cached_property
    def total_variation(self) -> dict[str, Any]:
        """`frobenius`, and `operator` where one of the two sizes of the Jacobian is at most 2, as sums of radicals."""
        import sympy

        rows = [self._gradients.exact(r) for r in range(len(self.regions))]
        shares = [self._volumes.exact_share(r) for r in range(len(self.regions))]
        squares = [self._gradients.squared(some) for some in rows]
        result = {"frobenius": radicals(zip(shares, squares, strict=True))}
        small = min(len(rows[0]), len(rows[0][0]))
        if small == 1:
            result["operator"] = result["frobenius"]
        elif small == 2:
            result["operator"] = sympy.Add(*(_rational(s) * self._largest(some) for s, some in zip(shares, rows, strict=True)))
        return result

    @cached_property
    def local_complexity(self) -> dict[str, Any]:
        """The four versions, as sums of radicals."""
        entries = self._graph.entry().tolist()
        parts = [self._volumes.exact_density(e) for e in entries]
        counted = weights(self._volumes.complex, self._graph)
        return {name: radicals((int(w) * s, q) for w, (s, q) in zip(weight.tolist(), parts, strict=True)) for name, weight in counted.items()}

    @cached_property
    def kink_variation(self) -> Any:
        """A sum of radicals; for one output a rational number."""
        parts = []
        for e, entry in enumerate(self._graph.entry().tolist()):
            share, squared = self._volumes.exact_density(entry)
            jump = self._gradients.exact_jump(int(self._graph.first[e]), int(self._graph.second[e]))
            parts.append((share, squared * self._gradients.squared(jump)))
        return radicals(parts)

    def _largest(self, rows: list[list[int]]) -> Any:
        """The largest singular value of a Jacobian with two rows or two columns."""
        import sympy

        products, denominator = self._gradients.gram(rows)
        trace = sum(row[i] for i, row in enumerate(products))
        squares = sum(v * v for row in products for v in row)  # of the sum and of the difference of the two eigenvalues
        inner = sympy.sqrt(sympy.Integer(2 * squares - trace**2))
        return sympy.sqrt((trace + inner) / 2 / denominator)

    def measures(self) -> dict[str, Any]:
        """All measures by name."""
        result = {f"total variation, {name}": value for name, value in self.total_variation.items()}
        result |= {f"local complexity, {name}": value for name, value in self.local_complexity.items()}
        return result | {"kink variation": self.kink_variation}

    def latex(self) -> str:
        """A LaTeX document: where the regions are, the outputs on each, the measures; it fits its pages."""
        from polylc.report.typeset import document

        return document(self)

    def text(self) -> str:
        """Lines `name = expression`, which sympy reads."""
        lines = [f"f{i} = {piecewise}" for i, piecewise in enumerate(self.function)]
        return "\n".join([*lines, *(f"{name} = {value}" for name, value in self.measures().items())])


def in_coordinates(form: Sequence[int | Fraction], domain: Domain) -> Form:
    """A form in unit coordinates as one in the domain's rational parameters: u = (s - middle) / half."""
    a = [Fraction(v) / one.half for v, one in zip(form, domain.parameters, strict=False)]
    return (*a, Fraction(form[-1]) - sum((v * one.middle for v, one in zip(a, domain.parameters, strict=True)), Fraction(0)))


def radicals(terms: Any) -> Any:
    """The sum of s sqrt(q) over pairs (s, q) of rationals, like radicals joined: those whose product is a square."""
    import sympy

    sums: dict[int, Fraction] = {}
    for s, q in terms:
        if not s or not q:
            continue
        whole = q.numerator * q.denominator
        coefficient = Fraction(s) / q.denominator
        for known in sums:
            root = math.isqrt(whole * known)
            if root * root == whole * known:
                sums[known] += coefficient * Fraction(root, known)
                break
        else:
            sums[whole] = coefficient
    return sympy.Add(*(_rational(c) * sympy.sqrt(sympy.Integer(whole)) for whole, c in sums.items()))


def _whole(form: Form) -> Form:
    """A form times the positive number that makes it integers without a common divisor."""
    scale = math.lcm(*(v.denominator for v in form))
    divisor = math.gcd(*(int(v * scale) for v in form)) or 1
    return tuple(v * scale / divisor for v in form)


def _rational(value: Fraction | int) -> Any:
    import sympy

    fraction = Fraction(value)
    return sympy.Rational(fraction.numerator, fraction.denominator)
