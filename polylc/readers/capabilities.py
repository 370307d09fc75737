"""What polylc can be asked, in the words of VNN-LIB 2.0, section 5.4: `polylc supports`."""

from __future__ import annotations

from polylc.readers.onnx.file import NEWEST, OLDEST
from polylc.readers.operators.row import Kind
from polylc.readers.question import SOUND
from polylc.readers.supported import ONNX

_IN_PART = frozenset(
    [
        *("Mul", "Div"),  # by constants only, and to no power of the input
        *("Cast", "Where", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Not"),  # where the input decides, they jump
        *("Softmax", "LogSoftmax"),  # left out at the end, for comparisons
    ]
)
"""Operators that are read in some uses only: who asks shall not count on them."""


def operators() -> list[str]:
    """ONNX operators that are read in all their uses that are piecewise linear or constant, by name."""
    return sorted(name for name, (row, _) in ONNX.items() if name not in _IN_PART and (row.lower is not None or row.kind is Kind.CONSTANT))


def capabilities() -> dict[str, list[str]]:
    """Lines to print, by the name of the capability."""
    return {
        "onnx-opset-versions": [str(OLDEST), str(NEWEST)],
        "onnx-element-types": list(SOUND),
        "onnx-operators": operators(),
        "vnnlib-versions": ["1.0", "2.0"],
        "hidden-node-theories": ["NH", "H"],
        "multiple-input-output-theories": ["SIO", "MIO"],
        "multiple-network-theories": ["SNET", "MENET", "MINET", "MNET"],
        "multiple-node-comparison-theories": ["SNC", "MNC"],
        "arithmetic-complexity-theories": ["BND", "OUTC", "LIN"],
        "optimised-disjunctive-reasoning": ["true"],
        "serialise-assignments": ["true"],
        "unsat-proofs": ["false"],
    }
