"""Operators that no exact answer of polylc can be about: smooth ones, and those that jump."""

from __future__ import annotations

from polylc.readers.operators.row import Kind, Operator

_USE_BATCH_NORM = "train the model with batch normalisation instead, which is affine in evaluation mode"
_NO_WAY = "analyse the part of the model before it"


def _smooth(name: str, onnx: tuple[str, ...] = (), torch: tuple[str, ...] = (), instead: str = "") -> Operator:
    return Operator(name, Kind.SMOOTH, onnx=onnx, torch=torch, instead=instead)


def _jumps(name: str, onnx: tuple[str, ...] = (), torch: tuple[str, ...] = (), instead: str = "") -> Operator:
    return Operator(name, Kind.DISCONTINUOUS, onnx=onnx, torch=torch, instead=instead)


def _layers(*names: str) -> tuple[str, ...]:
    return tuple(f"torch.nn.{name}" for name in names)


def _functions(*names: str) -> tuple[str, ...]:
    return tuple(f"torch.{name}" for name in names)


ROWS = (
    # ---- activations
    _smooth("Sigmoid", ("Sigmoid",), _layers("Sigmoid", "LogSigmoid")),
    _smooth("Tanh", ("Tanh",), _layers("Tanh", "Tanhshrink")),
    _smooth("Softplus", ("Softplus",), _layers("Softplus")),
    _smooth("Softsign", ("Softsign",), _layers("Softsign")),
    _smooth("GELU", ("Gelu",), _layers("GELU")),
    _smooth("SiLU (Swish)", ("Swish",), _layers("SiLU")),
    _smooth("ELU", ("Elu", "Celu", "Selu"), _layers("ELU", "CELU", "SELU")),
    _smooth("Mish", ("Mish",), _layers("Mish")),
    _smooth("HardSwish", ("HardSwish",), _layers("Hardswish")),
    _smooth("Gated linear unit", (), _layers("GLU")),
    _smooth("Softmax over channels, softmin", (), _layers("Softmax2d", "Softmin"), "leave it out if it comes last"),
    # ---- normalisation
    _smooth("Layer and group normalisation", ("LayerNormalization", "GroupNormalization"), _layers("LayerNorm", "GroupNorm"), _USE_BATCH_NORM),
    _smooth("RMS normalisation", ("RMSNormalization",), _layers("RMSNorm"), _USE_BATCH_NORM),
    _smooth("Instance normalisation", ("InstanceNormalization",), _layers("InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d"), _USE_BATCH_NORM),
    _smooth("Local response normalisation", ("LRN",), _layers("LocalResponseNorm", "CrossMapLRN2d"), _USE_BATCH_NORM),
    _smooth(
        "Normalisation by mean, variance or norm",
        ("MeanVarianceNormalization", "LpNormalization"),
        ("torch.nn.functional.normalize",),
        _USE_BATCH_NORM,
    ),
    # ---- products of values
    _smooth("Recurrent layers", ("LSTM", "GRU", "RNN"), _layers("LSTM", "GRU", "RNN", "LSTMCell", "GRUCell", "RNNCell"), _NO_WAY),
    _smooth("Attention", ("Attention",), _layers("MultiheadAttention"), _NO_WAY),
    _smooth("Bilinear", (), _layers("Bilinear"), _NO_WAY),
    _smooth("Distances and angles", (), _layers("CosineSimilarity", "PairwiseDistance"), _NO_WAY),
    _smooth("Pooling by a norm", ("LpPool", "GlobalLpPool"), _layers("LPPool1d", "LPPool2d"), "use average pooling instead"),
    # ---- functions of entries, and reductions
    _smooth("Exponential and logarithm", ("Exp", "Log"), _functions("exp", "log")),
    _smooth("Square root", ("Sqrt",), _functions("sqrt", "rsqrt")),
    _smooth("Power", ("Pow",), _functions("pow")),
    _smooth("Reciprocal", ("Reciprocal",), _functions("reciprocal")),
    _smooth("Circular functions", ("Sin", "Cos", "Tan", "Asin", "Acos", "Atan"), _functions("sin", "cos", "tan", "asin", "acos", "atan")),
    _smooth("Hyperbolic functions", ("Sinh", "Cosh", "Asinh", "Acosh", "Atanh"), _functions("sinh", "cosh", "asinh", "acosh", "atanh")),
    _smooth("Error function", ("Erf",), _functions("erf")),
    _smooth(
        "Reductions by norms and logarithms",
        ("ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceSumSquare"),
        _functions("norm", "logsumexp", "var", "std"),
    ),
    _smooth("Product over axes", ("ReduceProd",), _functions("prod", "cumprod")),
    # ---- jumps
    _jumps("Sign", ("Sign",), _functions("sign", "sgn", "heaviside")),
    _jumps("Floor", ("Floor",), _functions("floor")),
    _jumps("Rounding", ("Ceil", "Round", "QuantizeLinear", "DynamicQuantizeLinear"), _functions("ceil", "round", "trunc", "frac")),
    _jumps("Hardshrink", (), _layers("Hardshrink")),
    _jumps(
        "Equality",
        ("Equal",),
        ("operator.eq", "operator.ne"),
        "compare the outputs outside the model",
    ),
    _jumps(
        "Index of the largest entry",
        ("ArgMax", "ArgMin", "Hardmax"),
        _functions("argmax", "argmin"),
        "leave it out: polylc compares the outputs itself",
    ),
)
