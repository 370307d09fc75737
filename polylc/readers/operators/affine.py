"""Affine operators on values of any shape: products with constant matrices, sums, and arithmetic with constants."""

from __future__ import annotations

import math
import string

import numpy as np

from polylc.network.builder import Value
from polylc.network.folded import largest_change, product_error
from polylc.readers.operators.call import Call, flat, show
from polylc.readers.operators.row import Kind, Operator


def linear(call: Call) -> Value:
    """weight @ value + bias along the last axis."""
    value, weight, bias = call.value, call.weight("weight"), call.array("bias")
    if len(value.shape) == 1:
        return call.builder.linear(value, weight, bias, call.name)
    rows = value.size // max(value.shape[-1], 1)
    if rows == 1:
        return call.builder.reshape(call.builder.linear(flat(call, value), weight, bias, call.name), (*value.shape[:-1], len(weight)), call.name)
    return _products(call, value, np.arange(value.size).reshape(value.shape), weight.T, None if bias is None else np.tile(bias, rows), left=True)


def gemm(call: Call) -> Value:
    """alpha * value @ B + beta * C, on one row."""
    builder, value, weight = call.builder, call.value, call.weight("B")
    if weight.ndim != 2 or len(value.shape) != 2:
        raise call.error(f"multiplies values of {len(value.shape)} and {weight.ndim} axes; a Gemm takes two")
    matrix = weight if call.flag("transB") else weight.T
    rows, inner = value.shape[::-1] if call.flag("transA") else value.shape
    if inner != matrix.shape[1]:
        raise call.error(f"multiplies a value of shape {show((rows, inner))} by a weight of shape {show(matrix.T.shape)}, which do not fit")
    matrix = _times(call, "alpha", matrix, "weight")
    bias = call.array("C")
    if bias is not None:
        try:
            bias = np.broadcast_to(_times(call, "beta", bias, "constant"), (rows, len(matrix))).ravel()
        except ValueError:
            raise call.error(f"has a constant of shape {show(bias.shape)} where {show((rows, len(matrix)))} is needed") from None
    if rows != 1:
        numbers = np.arange(value.size).reshape(value.shape)
        return _products(call, value, numbers.T if call.flag("transA") else numbers, matrix.T, bias, left=True)
    return builder.reshape(builder.linear(flat(call, value), matrix, bias, call.name), (1, len(matrix)), call.name)


def _times(call: Call, factor: str, array: np.ndarray, what: str) -> np.ndarray:
    """An array times a factor of a Gemm, logged if that is not 1."""
    number = call.number(factor)
    if number == 1.0:
        return array
    rows = np.atleast_1d(number * array)
    call.builder.note_folding(
        f"{call.name}: factor {factor} multiplied into the {what}", largest_change([product_error(np.array(number), np.atleast_1d(array))], [rows])
    )
    return number * array


def matmul(call: Call) -> Value:
    """A value times constant matrices, or constant matrices times a value."""
    left, right = call.arguments[:2]
    if isinstance(left, Value) and isinstance(right, Value):
        raise call.not_linear("multiplies two values that depend on the input")
    return _row_times_matrix(call, left) if isinstance(left, Value) else _matrix_times_column(call, right)


def _row_times_matrix(call: Call, row: Value) -> Value:
    weight = call.weight("B", "other", "mat2")
    if weight.ndim != 2 or row.size != row.shape[-1]:
        return _products(call, row, np.arange(row.size).reshape(row.shape), weight, None, left=True)
    product = call.builder.linear(flat(call, row), weight.T, None, call.name)
    return call.builder.reshape(product, (*row.shape[:-1], weight.shape[1]), call.name)


def _matrix_times_column(call: Call, column: object) -> Value:
    weight = call.weight("A", "input")
    if not isinstance(column, Value) or (call.batched and len(column.shape) < 2):  # the matrix would act on the batch
        raise call.error("multiplies a constant by a batch of inputs, which is not supported; write it as inputs times a matrix")
    rows = column.shape[-1] if len(column.shape) == 1 else column.shape[-2]
    if weight.ndim != 2 or column.size != rows:
        return _products(call, column, np.arange(column.size).reshape(column.shape), weight, None, left=False)
    shape = (len(weight),) if len(column.shape) == 1 else (*column.shape[:-2], len(weight), 1)
    return call.builder.reshape(call.builder.linear(flat(call, column), weight, None, call.name), shape, call.name)


def _products(call: Call, value: Value, numbers: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, left: bool) -> Value:
    """Matrix products of the entries with these numbers and constants, batches and all, as numpy.matmul takes them; the
    value stands on the left or on the right.
    """
    first, second = (numbers, weight) if left else (weight, numbers)
    if first.ndim == 0 or second.ndim == 0 or first.shape[-1] != second.shape[max(second.ndim - 2, 0)]:
        raise call.error(f"multiplies shapes {show(first.shape)} and {show(second.shape)}, which do not fit")
    line, flat_row, flat_column = first.shape[-1], first.ndim == 1, second.ndim == 1
    first = first[None] if flat_row else first
    second = second[:, None] if flat_column else second
    one, two = first[..., :, None, :], np.swapaxes(second, -1, -2)[..., None, :, :]  # (..., rows, columns, inner)
    try:
        shape = np.broadcast_shapes(one.shape, two.shape)
    except ValueError:
        raise call.error(f"multiplies shapes {show(first.shape)} and {show(second.shape)}, which do not fit") from None
    call.builder.require_room(math.prod(shape), call.name)
    table, weights = (np.broadcast_to(a, shape).reshape(-1, line) for a in ((one, two) if left else (two, one)))
    result = list(shape[:-1])
    if flat_column:
        del result[-1]
    if flat_row:
        del result[-1 if flat_column else -2]
    return call.builder.weighted(value, table, weights, result, bias, call.name)


def added_product(call: Call) -> Value:
    """beta * before + alpha * (first @ second), as torch's addmm has it; one of the factors at most is a value."""
    before, first, second = call.arguments[:3]
    alpha, beta = call.number("alpha"), call.number("beta")
    product: Value | np.ndarray
    if isinstance(first, Value) and isinstance(second, Value):
        raise call.not_linear("multiplies two values that depend on the input")
    if isinstance(first, Value):
        product = _products(call, first, _numbers(first), call.float64(second, "second factor"), None, left=True)
    elif isinstance(second, Value):
        product = _products(call, second, _numbers(second), call.float64(first, "first factor"), None, left=False)
    else:
        product = call.float64(first, "first factor") @ call.float64(second, "second factor")
    if alpha != 1:
        product = alpha * product if isinstance(product, np.ndarray) else call.builder.scale_shift(product, np.array(alpha), None, call.name)
    if beta == 0 and isinstance(product, Value):
        return product
    return _sum(call, *call.broadcast(product, before if isinstance(before, Value) else call.float64(before, "bias")), beta)


def _numbers(value: Value) -> np.ndarray:
    return np.arange(value.size).reshape(value.shape)


def add(call: Call) -> Value:
    """The sum of two values, or of a value and a constant."""
    return _sum(call, *call.aligned(), _alpha(call))


def subtract(call: Call) -> Value:
    """The difference of two values, or of a value and a constant."""
    return _sum(call, *call.aligned(), -_alpha(call))


def subtract_from(call: Call) -> Value:
    """The second less the first."""
    left, right = call.aligned()
    return _sum(call, right, left, -_alpha(call))


def _alpha(call: Call) -> float:
    """The factor that torch allows for the second argument."""
    return 1.0 if call.setting("alpha") is None else call.number("alpha")


def _sum(call: Call, left: Value | np.ndarray, right: Value | np.ndarray, factor: float) -> Value:
    """left + factor * right."""
    if isinstance(right, Value):
        right = right if abs(factor) == 1 else call.builder.scale_shift(right, np.array(factor), None, call.name)
        sign = factor if abs(factor) == 1 else 1.0
        if isinstance(left, Value):
            return call.builder.add(left, right, call.name, sign)
        return call.builder.scale_shift(right, None if sign > 0 else np.array(-1.0), left, call.name)
    assert isinstance(left, Value)
    return call.builder.scale_shift(left, None, factor * right, call.name)


def mean_of_several(call: Call) -> Value:
    """The mean of values and constants, entry by entry."""
    total, *others = (a if isinstance(a, Value) else call.float64(a, "data_0") for a in call.arguments)
    for other in others:
        left, right = call.broadcast(total, other)
        total = left + right if isinstance(left, np.ndarray) and isinstance(right, np.ndarray) else _sum(call, left, right, 1.0)
    assert isinstance(total, Value)
    return call.builder.divide(total, np.array(float(len(call.arguments))), call.name)


def multiply(call: Call) -> Value:
    """A value times a constant."""
    value, factor = _value_and_constant(call)
    return call.builder.scale_shift(value, factor, None, call.name)


def divide(call: Call) -> Value:
    """A value divided by a constant."""
    value, divisor = _value_and_constant(call)
    if not isinstance(call.arguments[0], Value):
        raise call.not_linear("divides by a value that depends on the input")
    if call.setting("rounding_mode") is not None:
        raise call.not_continuous("rounds the quotient")
    if not divisor.all():
        raise call.error("divides by zero")
    return call.builder.divide(value, divisor, call.name)


def _value_and_constant(call: Call) -> tuple[Value, np.ndarray]:
    if all(isinstance(argument, Value) for argument in call.arguments[:2]):
        raise call.not_linear("combines two values that depend on the input")
    left, right = call.aligned()
    if isinstance(left, Value):
        assert isinstance(right, np.ndarray)
        return left, right
    assert isinstance(right, Value)
    return right, left


def einsum(call: Call) -> Value:
    """Einstein's sums of a value times constants."""
    flat_arguments = [a for entry in call.arguments for a in (entry if isinstance(entry, tuple | list) else (entry,))]
    equation = "".join(str(next((a for a in (call.setting("equation"), *flat_arguments) if isinstance(a, str | bytes)), "")).split())
    operands = [a for a in flat_arguments if a is not None and not isinstance(a, str | bytes)]
    values = [a for a in operands if isinstance(a, Value)]
    if len(values) != 1:
        raise call.not_linear("multiplies values that depend on the input")
    (value,) = values
    terms, arrow, result = equation.partition("->")
    labels = terms.split(",")
    if len(labels) != len(operands) or equation.replace("->", "").replace(",", "").replace(".", "").strip(_LETTERS):
        raise call.error(f"has the equation {equation!r} for {len(operands)} operands, which polylc does not read")
    if not arrow:  # the labels that occur once, in alphabetical order
        result = ("..." if "..." in terms else "") + "".join(sorted(c for c in set(terms) - set(".,") if terms.count(c) == 1))
    own = next(term for term, operand in zip(labels, operands, strict=True) if operand is value)
    first = own[: 3 if own.startswith("...") else 1]
    if call.batched and (not first or not result.startswith(first) or sum(term.count(first) for term in labels) > 1):
        raise call.error("sums over the batch axis, or moves it; polylc reads only what acts on each input by itself")
    shape = (1, *value.shape) if call.batched else value.shape
    new = next(c for c in reversed(_LETTERS) if c not in equation)  # numbers the entries of the value
    unit = np.eye(value.size).reshape(*shape, value.size)
    arrays = [unit if a is value else call.float64(a, "Inputs") for a in operands]
    labels = [term + new if a is value else term for term, a in zip(labels, operands, strict=True)]
    call.builder.require_room(value.size * max(a.size for a in arrays), call.name)
    try:
        found = np.einsum(f"{','.join(labels)}->{result}{new}", *arrays, optimize=True)
    except ValueError as failure:
        raise call.error(f"cannot be computed from shapes {', '.join(show(a.shape) for a in operands)} ({failure})") from None
    matrix = found.reshape(-1, value.size)
    product = call.builder.linear(flat(call, value), matrix, None, call.name)
    return call.builder.reshape(product, found.shape[1 if call.batched else 0 : -1], call.name)


_LETTERS = string.ascii_letters


def negate(call: Call) -> Value:
    """Minus a value."""
    return call.builder.scale_shift(call.value, np.array(-1.0), None, call.name)


def _binary(name: str, more: str = "") -> tuple[str, ...]:
    """The five ways in which Python code says an arithmetic operation; functions and methods have an argument more."""
    python = "truediv" if name == "div" else name
    functions = (f"{place}(input, other{more})" for place in (f"torch.{name}", f"torch.Tensor.{name}", f"torch.Tensor.{name}_"))
    return (f"operator.{python}(input, other)", f"operator.i{python}(input, other)", *functions)


ROWS = (
    Operator(
        "Linear",
        Kind.AFFINE,
        "fully connected layers along the last axis",
        torch=("torch.nn.Linear", "torch.nn.functional.linear(input, weight, bias=None)"),
        lower=linear,
        family="affine layers",
    ),
    Operator(
        "Gemm",
        Kind.AFFINE,
        "rows times a constant matrix; `alpha` other than 1 is multiplied into the weight, which rounds",
        onnx=("Gemm(A, B, C, alpha=1.0, beta=1.0, transA=0, transB=0)",),
        lower=gemm,
    ),
    Operator(
        "Matrix product",
        Kind.AFFINE,
        "a value by constant matrices on either side, with batches as numpy.matmul takes them",
        onnx=("MatMul(A, B)",),
        torch=(
            "operator.matmul(input, other)",
            "torch.matmul(input, other)",
            "torch.mm(input, other)",
            "torch.Tensor.matmul(input, other)",
            "torch.Tensor.mm(input, other)",
            "torch.bmm(input, mat2)",
            "torch.Tensor.bmm(input, mat2)",
        ),
        lower=matmul,
    ),
    Operator(
        "Add",
        Kind.AFFINE,
        "two values of one shape (residual sums), or a value and a constant that broadcasts to its shape",
        onnx=("Add(A, B)",),
        torch=_binary("add", ", alpha=1"),
        lower=add,
    ),
    Operator(
        "Subtract",
        Kind.AFFINE,
        "as Add",
        onnx=("Sub(A, B)",),
        torch=_binary("sub", ", alpha=1"),
        lower=subtract,
    ),
    Operator(
        "Multiply",
        Kind.AFFINE,
        "a value by a constant that broadcasts to its shape; two values are not piecewise linear",
        onnx=("Mul(A, B)",),
        torch=_binary("mul"),
        lower=multiply,
    ),
    Operator(
        "Divide",
        Kind.AFFINE,
        "a value by a constant without zeros",
        onnx=("Div(A, B)",),
        torch=_binary("div", ", rounding_mode=None"),
        lower=divide,
    ),
    Operator(
        "Negate",
        Kind.AFFINE,
        "any value",
        onnx=("Neg(X)",),
        torch=("operator.neg(input)", "torch.neg(input)", "torch.Tensor.neg(input)"),
        lower=negate,
    ),
    Operator(
        "Sum of several",
        Kind.AFFINE,
        "as Add, one after another",
        onnx=("Sum(data_0)",),
        lower=add,
    ),
    Operator(
        "Product added to",
        Kind.AFFINE,
        "a value by constant matrices on either side, with factors `alpha` and `beta`",
        torch=tuple(
            f"{place}{name}(input, {factors}, beta=1, alpha=1)"
            for name, factors in (("addmm", "mat1, mat2"), ("addmv", "mat, vec"), ("baddbmm", "batch1, batch2"))
            for place in ("torch.", "torch.Tensor.")
        ),
        lower=added_product,
    ),
    Operator("Difference turned round", Kind.AFFINE, "as Add", torch=("torch.rsub(input, other, alpha=1)",), lower=subtract_from),
    Operator("Mean of several", Kind.AFFINE, "as Add, its factor rounded to float64", onnx=("Mean(data_0)",), lower=mean_of_several),
    Operator(
        "Einsum",
        Kind.AFFINE,
        "of one value and constants, whose products are rounded to float64 where there are several",
        onnx=("Einsum(Inputs, equation='')",),
        torch=("torch.einsum",),
        lower=einsum,
    ),
)
