"""Affine operators on values of any shape: products with constant matrices, sums, and arithmetic with constants."""

from __future__ import annotations

import math

import numpy as np

from polylc.network.builder import Value
from polylc.network.folded import largest_change, product_error, reciprocal
from polylc.readers.operators.call import Call, flat, show
from polylc.readers.operators.row import Kind, Operator, not_yet


def linear(call: Call) -> Value:
    """weight @ value + bias along the last axis."""
    value, weight, bias = call.value, call.weight("weight"), call.array("bias")
    if len(value.shape) == 1:
        return call.builder.linear(value, weight, bias, call.name)
    rows = value.size // max(value.shape[-1], 1)
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
    weight = call.weight("B", "other")
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


def add(call: Call) -> Value:
    """The sum of two values, or of a value and a constant."""
    left, right = call.aligned()
    if isinstance(left, Value):
        return _sum(call, left, right, 1.0)
    assert isinstance(right, Value)
    return call.builder.scale_shift(right, None, left, call.name)


def subtract(call: Call) -> Value:
    """The difference of two values, or of a value and a constant."""
    left, right = call.aligned()
    if isinstance(left, Value):
        return _sum(call, left, right, -1.0)
    assert isinstance(right, Value)
    return call.builder.scale_shift(right, np.array(-1.0), left, call.name)


def _sum(call: Call, left: Value, right: Value | np.ndarray, sign: float) -> Value:
    if isinstance(right, Value):
        return call.builder.add(left, right, call.name, sign)
    return call.builder.scale_shift(left, None, right if sign > 0 else -right, call.name)


def multiply(call: Call) -> Value:
    """A value times a constant."""
    value, factor = _value_and_constant(call)
    return call.builder.scale_shift(value, factor, None, call.name)


def divide(call: Call) -> Value:
    """A value divided by a constant."""
    value, divisor = _value_and_constant(call)
    if not isinstance(call.arguments[0], Value):
        raise call.not_linear("divides by a value that depends on the input")
    if not divisor.all():
        raise call.error("divides by zero")
    factor, doubt = reciprocal(divisor)
    return call.builder.scale_shift(value, factor, None, call.name, doubt)


def _value_and_constant(call: Call) -> tuple[Value, np.ndarray]:
    if all(isinstance(argument, Value) for argument in call.arguments[:2]):
        raise call.not_linear("combines two values that depend on the input")
    left, right = call.aligned()
    if isinstance(left, Value):
        assert isinstance(right, np.ndarray)
        return left, right
    assert isinstance(right, Value)
    return right, left


def negate(call: Call) -> Value:
    """Minus a value."""
    return call.builder.scale_shift(call.value, np.array(-1.0), None, call.name)


def _binary(name: str, inplace: str) -> tuple[str, ...]:
    """The five ways in which Python code says an arithmetic operation."""
    python = "truediv" if name == "div" else name
    methods = (f"torch.Tensor.{name}(input, other)", f"torch.Tensor.{inplace}(input, other)")
    return (f"operator.{python}(input, other)", f"operator.i{python}(input, other)", f"torch.{name}(input, other)", *methods)


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
        ),
        lower=matmul,
    ),
    Operator(
        "Add",
        Kind.AFFINE,
        "two values of one shape (residual sums), or a value and a constant that broadcasts to its shape",
        onnx=("Add(A, B)",),
        torch=_binary("add", "add_"),
        lower=add,
    ),
    Operator(
        "Subtract",
        Kind.AFFINE,
        "as Add",
        onnx=("Sub(A, B)",),
        torch=_binary("sub", "sub_"),
        lower=subtract,
    ),
    Operator(
        "Multiply",
        Kind.AFFINE,
        "a value by a constant that broadcasts to its shape; two values are not piecewise linear",
        onnx=("Mul(A, B)",),
        torch=_binary("mul", "mul_"),
        lower=multiply,
    ),
    Operator(
        "Divide",
        Kind.AFFINE,
        "a value by a constant without zeros",
        onnx=("Div(A, B)",),
        torch=_binary("div", "div_"),
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
    not_yet("Mean of several", ("Mean",)),
    not_yet("Einsum", ("Einsum",), ("torch.einsum",)),
    not_yet("Batched products", (), ("torch.bmm", "torch.addmm")),
)
