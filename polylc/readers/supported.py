"""What polylc does not read, told apart: layers that are not piecewise linear, and layers that are but are not supported yet."""

from __future__ import annotations

from polylc.errors import UnsupportedLayerError

# lower case without underscores: torch layers, torch functions and ONNX operators share their names
_NOT_PIECEWISE_LINEAR = """
    sigmoid logsigmoid tanh tanhshrink softplus softsign gelu silu elu celu selu mish glu swish hardswish hardshrink
    softmax softmax2d logsoftmax softmin layernorm groupnorm instancenorm1d instancenorm2d instancenorm3d rmsnorm
    localresponsenorm crossmaplrn2d lrn instancenormalization layernormalization meanvariancenormalization lpnormalization
    lstm gru rnn lstmcell grucell rnncell bilinear multiheadattention attention cosinesimilarity pairwisedistance lppool1d lppool2d
    normalize exp log sqrt rsqrt pow reciprocal sin cos tan sinh cosh asin acos atan asinh acosh atanh erf sign sgn floor ceil round
    reducel2 reducelogsum reducelogsumexp logsumexp reduceprod reducesumsquare norm cumprod prod var std
"""
_NOT_YET = """
    maxpool maxpool1d maxpool2d maxpool3d adaptivemaxpool1d adaptivemaxpool2d adaptivemaxpool3d globalmaxpool fractionalmaxpool2d
    adaptiveavgpool1d adaptiveavgpool2d adaptiveavgpool3d avgpool1d avgpool3d globalaveragepool
    conv1d conv3d convtranspose convtranspose1d convtranspose2d convtranspose3d batchnorm3d syncbatchnorm
    prelu rrelu relu6 hardtanh hardsigmoid threshold thresholdedrelu softshrink shrink abs absolute clip clamp clampmin clampmax
    max min maximum minimum amax amin maxout reducemax reducemin where
    cat concat concatenate stack split chunk slice gather pad sum mean averagepool reducesum reducemean cumsum
    zeropad1d zeropad2d constantpad1d constantpad2d constantpad3d reflectionpad1d reflectionpad2d replicationpad1d replicationpad2d
    circularpad1d circularpad2d pixelshuffle pixelunshuffle channelshuffle upsample upsamplingnearest2d upsamplingbilinear2d resize fold unfold
    depthtospace spacetodepth expand tile einsum cast getitem matmul mm bmm addmm
"""


def unsupported(source: str, place: str, kind: str) -> UnsupportedLayerError:
    """The error that names a layer and says whether it can ever be read.

    Parameters
    ----------
    source : str
        The model.
    place : str
        Where in the model, such as ``layer 3`` or ``node relu_1``.
    kind : str
        Class, function or operator, such as ``Sigmoid``.
    """
    name = kind.lower().replace("_", "")
    if name in _NOT_PIECEWISE_LINEAR.split():
        what = "is not piecewise linear; replace it by ReLU or LeakyReLU units, or leave it out if it comes last"
    elif name in _NOT_YET.split():
        what = "is not supported yet; polylc reads affine layers, convolutions, average pooling, batch norm, ReLU and LeakyReLU"
    else:
        what = "is not known to polylc; it reads affine layers, convolutions, average pooling, batch norm, ReLU and LeakyReLU"
    return UnsupportedLayerError(f"{source}: {place} ({kind}) {what}")


def softmax_inside(source: str, place: str, kind: str) -> UnsupportedLayerError:
    """The error for a softmax that is not the end of the model."""
    return UnsupportedLayerError(f"{source}: {place} ({kind}) is not the last layer; only a final softmax over the outputs can be stripped")
