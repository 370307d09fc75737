"""Closed forms as a LaTeX document that fits its pages, however long the numbers are.

Everything stands in paragraphs of tables that go on over pages. Formulas are within the line, fractions and roots are
written so that they can be broken, and long numbers break between groups of digits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

GROUP = 10  # digits between two places where a number may be broken
HEAD = r"""\documentclass{article}
\usepackage[margin=2cm]{geometry}
\usepackage{amsmath,longtable,array}
\newcommand{\s}{\allowbreak}
\setlength{\parindent}{0pt}
\begin{document}
\sloppy\raggedright\small"""


def document(symbolic: Any) -> str:
    """The document: where the regions are, the outputs on each of them, and the measures."""
    names = [_name(str(v)) for v in symbolic.variables]
    lines = [HEAD, rf"\section*{{{len(symbolic.regions)} regions}}"]
    where = [
        [", ".join(f"${condition_text(c, symbolic.variables, names)}$" for c in region.conditions) or "everywhere"] for region in symbolic.regions
    ]
    lines += _table(("region", "where"), where)
    outputs = len(symbolic.regions[0].offset) if symbolic.regions else 0
    for i in range(outputs):
        lines.append(rf"\section*{{$f_{{{i}}}$}}")
        values = [[f"${affine_text([*list(region.matrix.row(i)), region.offset[i]], names)}$"] for region in symbolic.regions]
        lines += _table(("region", f"$f_{{{i}}}$"), values)
    lines.append(r"\section*{Measures}")
    for name, value in symbolic.measures().items():
        lines.append(rf"\paragraph{{{name.replace('_', ' ')}}} $\approx {value.evalf(15)}$, exactly ${sum_text(value)}$")
    return "\n".join([*lines, r"\end{document}"])


def _table(heads: tuple[str, str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield r"\begin{longtable}{@{}r>{\raggedright\arraybackslash}p{0.88\textwidth}@{}}"
    yield rf"{heads[0]} & {heads[1]} \\ \hline \endhead"
    for at, cells in enumerate(rows):
        yield rf"{at} & {' & '.join(cells)} \\[2pt]"
    yield r"\end{longtable}"


def _name(variable: str) -> str:
    letter, number = variable[0], variable[1:]
    return f"{letter}_{{{number}}}" if number else letter


def integer_text(value: int) -> str:
    """An integer that can be broken between groups of digits."""
    digits = str(abs(value))
    first = len(digits) % GROUP or GROUP
    groups = [digits[:first], *(digits[k : k + GROUP] for k in range(first, len(digits), GROUP))]
    return ("-" if value < 0 else "") + r"\s ".join(groups)


def rational_text(value: Any) -> str:
    """A sympy Rational: a small fraction in two lines, a long one in one that can be broken; powers of two as such."""
    p, q = int(value.p), int(value.q)
    if q == 1:
        return integer_text(p)
    if len(str(p)) + len(str(q)) <= GROUP:
        return rf"{'-' if p < 0 else ''}\tfrac{{{abs(p)}}}{{{q}}}"
    if q & (q - 1) == 0:
        return rf"{integer_text(p)}\s\cdot 2^{{-{q.bit_length() - 1}}}"
    return rf"{integer_text(p)}\s /\s {integer_text(q)}"


def affine_text(row: Sequence[Any], names: Sequence[str]) -> str:
    """a.x + c as a sum that can be broken."""
    parts = [(a, name) for a, name in zip(row, names, strict=False) if a != 0]
    if row[-1] != 0 or not parts:
        parts.append((row[-1], ""))
    text = ""
    for a, name in parts:
        size = "" if name and abs(a) == 1 else rational_text(abs(a))
        text += ("-" if a < 0 else "+" if text else "") + size + (r"\, " if size and name else "") + name
    return text


def condition_text(condition: Any, variables: Sequence[Any], names: Sequence[str]) -> str:
    """A relation a.x + c >= 0 of sympy."""
    if not hasattr(condition, "lhs"):
        return str(condition)
    difference = (condition.lhs - condition.rhs).as_poly(*variables)
    row = [difference.coeff_monomial(v) for v in variables] + [difference.coeff_monomial(1)]
    sign = 1 if condition.rel_op in (">=", ">") else -1
    return affine_text([sign * v for v in row], names) + r" \geq 0"


def sum_text(value: Any) -> str:
    """A sum of products of rationals and roots, nested or not, that can be broken everywhere; what is no such sum as
    sympy writes it.
    """
    import sympy

    text = ""
    for term in sympy.Add.make_args(value):
        factor, rest = term.as_coeff_Mul()
        text += "-" if factor < 0 else "+" if text else ""
        size = abs(factor)
        parts = [] if rest == 1 else [_factor_text(part) for part in sympy.Mul.make_args(rest)]
        text += r"\s\cdot ".join([*([] if size == 1 and parts else [rational_text(size)]), *parts])
    return text


def _factor_text(factor: Any) -> str:
    """A root, or anything else."""
    import sympy

    if factor.is_Pow and factor.exp == sympy.Rational(1, 2):
        return root_text(int(factor.base)) if factor.base.is_Integer else f"({sum_text(factor.base)})^{{1/2}}"
    return f"({sum_text(factor)})" if factor.is_Add else str(sympy.latex(factor))


def root_text(number: int) -> str:
    """A square root: under its sign if it is short, else a power of one half, which can be broken."""
    return rf"\sqrt{{{number}}}" if len(str(number)) <= 2 * GROUP else rf"({integer_text(number)})^{{1/2}}"
