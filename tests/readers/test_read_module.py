"""Modules in memory: the network must compute what the module computes, in double precision, or be refused by name."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from polylc.errors import ModelError, UnsupportedLayerError, UsageError
from polylc.network.form import Network
from polylc.readers.load import load
from polylc.readers.torch.lines import line_of


def assert_same(network: Network, module: nn.Module, shape: tuple[int, ...], seed: int = 0) -> None:
    """Agreement with the module in double precision, at points that conversion has not seen."""
    points = torch.from_numpy(np.random.default_rng(seed + 1).standard_normal((20, *shape)) * 2)
    with torch.no_grad():
        wanted = copy.deepcopy(module).double().eval()(points).reshape(20, -1).numpy()
    got = network(points.reshape(20, -1).numpy())
    assert network.outputs == wanted.shape[1]
    assert np.abs(got - wanted).max() <= 1e-10 * max(1.0, np.abs(wanted).max())


def trained(module: nn.Module) -> nn.Module:
    """Give batch norms statistics other than the initial ones."""
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            layer.running_mean = torch.randn_like(layer.running_mean)
            layer.running_var = torch.rand_like(layer.running_var) + 0.2
            if layer.affine:
                nn.init.normal_(layer.weight)
                nn.init.normal_(layer.bias)
    return module


@st.composite
def flat_models(draw: st.DrawFn) -> tuple[nn.Module, int]:
    """Random nested Sequentials of layers on flat values."""
    torch.manual_seed(draw(st.integers(0, 2**31)))
    width = inputs = draw(st.integers(1, 5))
    layers: list[nn.Module] = []
    for kind in draw(st.lists(st.sampled_from(["linear", "relu", "leaky", "norm", "dropout", "nested", "identity"]), max_size=7)):
        if kind == "linear":
            following = draw(st.integers(1, 6))
            layers.append(nn.Linear(width, following, bias=draw(st.booleans())))
            width = following
        elif kind == "nested":
            layers.append(nn.Sequential(nn.Linear(width, 3), nn.Sequential(nn.ReLU(inplace=True), nn.Linear(3, width))))
        else:
            layers.append(
                {
                    "relu": nn.ReLU(),
                    "leaky": nn.LeakyReLU(draw(st.sampled_from([0.01, -1.0, 0.0, 1.0, 2.5]))),
                    "norm": nn.BatchNorm1d(width, affine=draw(st.booleans())),
                    "dropout": nn.Dropout(0.5),
                    "identity": nn.Identity(),
                }[kind]
            )
    return trained(nn.Sequential(*layers, nn.Linear(width, draw(st.integers(1, 4))))), inputs


@settings(max_examples=40, deadline=None)
@given(flat_models())
def test_flat_models_agree(model: tuple[nn.Module, int]) -> None:
    module, inputs = model
    assert_same(load(module, input_shape=(inputs,)), module, (inputs,))


@st.composite
def image_models(draw: st.DrawFn) -> tuple[nn.Module, tuple[int, ...]]:
    """Random stacks of convolutions, poolings and batch norms on images, all settings drawn."""
    torch.manual_seed(draw(st.integers(0, 2**31)))
    shape = (draw(st.integers(1, 4)), draw(st.integers(5, 8)), draw(st.integers(5, 8)))
    layers: list[nn.Module] = []
    for _ in range(draw(st.integers(1, 3))):
        with torch.no_grad():
            channels, height, width = nn.Sequential(*layers).eval()(torch.zeros(1, *shape)).shape[1:]
        kernel = (draw(st.integers(1, min(3, height))), draw(st.integers(1, min(3, width))))
        match draw(st.sampled_from(["conv", "conv", "pool", "norm"])):
            case "conv":
                groups = draw(st.sampled_from([1, channels]))
                same = draw(st.booleans())
                layers.append(
                    nn.Conv2d(
                        channels,
                        groups * draw(st.integers(1, 2)),
                        kernel,
                        stride=1 if same else (draw(st.integers(1, 2)), draw(st.integers(1, 2))),
                        padding=draw(st.sampled_from(["same", "valid"])) if same else (draw(st.integers(0, 1)), draw(st.integers(0, 1))),
                        dilation=draw(st.integers(1, 2)) if same and max(kernel) * 2 < min(height, width) else 1,
                        groups=groups,
                        bias=draw(st.booleans()),
                    )
                )
                layers.append(nn.ReLU())
            case "pool":
                pad = tuple(min(1, k // 2) for k in kernel) if draw(st.booleans()) else 0
                layers.append(nn.AvgPool2d(kernel, stride=draw(st.sampled_from([None, 1, 2])), padding=pad, count_include_pad=draw(st.booleans())))
            case "norm":
                layers.append(nn.BatchNorm2d(channels))
    with torch.no_grad():
        size = nn.Sequential(*layers).eval()(torch.zeros(1, *shape)).numel()
    return trained(nn.Sequential(*layers, nn.Flatten(), nn.Linear(size, 2))), shape


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths:UserWarning")
@settings(max_examples=30, deadline=None)
@given(image_models())
def test_image_models_agree(model: tuple[nn.Module, tuple[int, ...]]) -> None:
    module, shape = model
    assert_same(load(module, input_shape=shape), module, shape)


class Residual(nn.Module):
    """Most of what forward may say."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.last = nn.Linear(4, 6), nn.Linear(6, 6), nn.Linear(6, 3)
        self.register_buffer("mean", torch.randn(4))
        self.scale = nn.Parameter(torch.rand(6) + 0.5)

    def forward(self, x: torch.Tensor, factor: float = 0.5) -> torch.Tensor:
        x = (x.view(x.size(0), -1) - self.mean) / 2.5
        y = functional.relu(self.first(x))
        z = torch.flatten(functional.leaky_relu(self.second(y), 0.1) * self.scale + y, 1)
        z += y.reshape(x.shape[0], 2, 3).flatten(1)
        z = functional.dropout(1 - z, 0.3, training=self.training)
        return self.last(torch.relu(z) * factor) - functional.linear(y, self.last.weight, self.last.bias).neg()


def test_custom_module_with_residual_sums() -> None:
    torch.manual_seed(1)
    module = Residual()
    network = load(module)
    assert network.source == "Residual"
    assert network.widths == (6, 6, 6)
    assert_same(network, module, (4,))


class ImageBlock(nn.Module):
    """A residual block of convolutions, with reshaping before and after."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(2, 2, 3, padding="same"), nn.BatchNorm2d(2), nn.ReLU())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        image = x.view(-1, 2, 4, 4)
        return functional.avg_pool2d(self.body(image) + image, 2, stride=2).squeeze().unsqueeze(1).flatten(start_dim=1)


def test_residual_convolution_and_inferred_shape() -> None:
    torch.manual_seed(2)
    module = trained(nn.Sequential(ImageBlock(), nn.Linear(8, 2)))
    network = load(module)
    assert network.inputs == 32
    assert_same(network, module, (2, 4, 4))


def test_products_with_constant_matrices_and_lists_of_layers() -> None:
    torch.manual_seed(3)

    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ModuleList([nn.Linear(4, 4) for _ in range(3)])
            self.matrix = nn.Parameter(torch.randn(4, 2))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            for layer in self.layers:
                x = layer(x).relu()
            return torch.matmul(x, self.matrix) + x @ self.matrix

    module = Own()
    network = load(module)
    assert network.widths == (4, 4, 4)
    assert_same(network, module, (4,))


def test_wrappers_are_looked_into() -> None:
    module = nn.Sequential(nn.Linear(3, 2))
    for wrapped in (torch.compile(module), nn.DataParallel(module)):
        network = load(wrapped)
        assert network.source == "Sequential"
        assert_same(network, module, (3,))


def test_weights_of_any_float_format_are_widened_exactly() -> None:
    for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
        layer = nn.Linear(3, 2).to(dtype)
        weight = load(layer).output.terms[0][1]
        assert weight.dtype == np.float64
        assert (weight == layer.weight.detach().double().numpy()).all()


def test_the_module_is_left_as_it_is() -> None:
    module = nn.Sequential(nn.Linear(2, 3), nn.Dropout(), nn.Linear(3, 1))
    load(module)
    assert module.training
    assert module[0].weight.dtype == torch.float32
    assert module[0].weight.requires_grad


def test_training_mode_is_logged() -> None:
    module = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Dropout())
    assert "the model was in training mode; BatchNorm1d, Dropout taken in evaluation mode" in load(module).log
    assert not any("training" in line for line in load(module.eval()).log)
    assert any("batch normalisation (evaluation mode) folded" in line for line in load(module).log)


# ---- softmax ---------------------------------------------------------------------------------------------------
class LogSoftmaxInForward(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.log_softmax(self.layer(x), dim=1).contiguous()


@pytest.mark.parametrize("last", [nn.Softmax(dim=1), nn.LogSoftmax(-1), nn.Sequential(nn.Softmax(dim=-1), nn.Identity()), nn.Softmax()])
def test_final_softmax_is_stripped(last: nn.Module) -> None:
    linear = nn.Linear(2, 3)
    network = load(nn.Sequential(linear, nn.ReLU(), last))
    assert any("final softmax stripped" in line for line in network.log)
    assert_same(network, nn.Sequential(linear, nn.ReLU()), (2,))


def test_final_softmax_in_forward_is_stripped() -> None:
    module = LogSoftmaxInForward()
    assert_same(load(module), module.layer, (2,))


def test_softmax_elsewhere_is_refused() -> None:
    with pytest.raises(UnsupportedLayerError, match=r"layer 1 \(Softmax\) is not the last layer; only a final softmax"):
        load(nn.Sequential(nn.Linear(2, 3), nn.Softmax(dim=1), nn.Linear(3, 1)))
    with pytest.raises(UnsupportedLayerError, match=r"layer 1 \(Softmax\) works over axis 0"):
        load(nn.Sequential(nn.Linear(2, 3), nn.Softmax(dim=0)))


# ---- refusals --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("layer", "wording"),
    [
        (nn.Sigmoid(), r"layer 1 \(Sigmoid\) is not piecewise linear; replace it"),
        (nn.GELU(), r"layer 1 \(GELU\) is not piecewise linear"),
        (nn.Tanh(), r"layer 1 \(Tanh\) is not piecewise linear"),
        (nn.LayerNorm(4), r"layer 1 \(LayerNorm\) is not piecewise linear"),
        (nn.Sequential(nn.Identity(), nn.ELU()), r"layer 1\.1 \(ELU\) is not piecewise linear"),
        (nn.ModuleList([nn.ReLU()]), r"layer 1 \(ModuleList\) is not known to polylc"),
    ],
)
def test_layers_are_refused_by_name_and_place(layer: nn.Module, wording: str) -> None:
    with pytest.raises(ModelError, match=wording):
        load(nn.Sequential(nn.Linear(3, 4), layer, nn.Linear(4, 1)))


def test_unsupported_layer_is_named_before_shapes_are_asked_for() -> None:
    module = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Softmax2d(), nn.Flatten())
    with pytest.raises(UnsupportedLayerError, match=r"layer 2 \(Softmax2d\) is not piecewise linear; leave it out"):
        load(module)


class Scripted(nn.Module):
    """Runs a function given in the test."""

    def __init__(self, function: object) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)
        self.function = function

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(self.layer(x))


@pytest.mark.parametrize(
    ("function", "wording"),
    [
        (torch.sigmoid, r"step sigmoid \(sigmoid\) is not piecewise linear"),
        (lambda x: x.tanh(), r"step tanh \(tanh\) is not piecewise linear"),
        (lambda x: x > 0, r"step gt \(gt\) is discontinuous; compare the outputs outside the model"),
        (lambda x: functional.layer_norm(x, (4,)), r"step layer_norm \(layer_norm\) is not piecewise linear"),
        (lambda x: torch.mean(x, 1, dtype=torch.float32), r"step mean \(mean\) is called with dtype, which polylc does not read"),
        (lambda x: x @ x, r"step matmul \(matmul\) multiplies two values that depend on the input, which is not piecewise linear"),
        (lambda x: torch.ones(4, 4) @ x, r"step matmul \(matmul\) multiplies a constant by a batch of inputs"),
        (lambda x: x.reshape(x), r"step reshape \(reshape\) fails on a batch of inputs"),
        (lambda x: functional.linear(x, x), r"step linear \(linear\) needs a constant as its weight; weights that depend on the input"),
        (lambda x: x * x, r"combines two values that depend on the input, which is not piecewise linear"),
        (lambda x: 1 / (x + 7), r"divides by a value that depends on the input"),
        (lambda x: x / 0, r"divides by zero"),
        (lambda x: x + torch.full((4,), float("nan")), r"the constant of step add \(add\) contains NaN"),
        (lambda x: x + float("inf"), r"combines a value with inf"),
        (lambda x: x + torch.ones(2, 4), r"combines a value of shape \(4,\) with a constant of shape \(2, 4\)"),
        (lambda x: x.t(), r"step t \(t\) changes the batch axis"),
        (lambda x: x.cummax(1)[0], r"step cummax \(cummax\) is not known to polylc"),
        (lambda x: x.transpose(0, 1), r"step transpose \(transpose\) changes the batch axis"),
        (lambda x: x.view(1, -1), r"step view \(view\) changes the batch axis"),
        (lambda x: x.flip(0), r"step flip \(flip\) changes the batch axis"),
        (lambda x: x[:2], r"step getitem \(getitem\) changes the batch axis"),
        (lambda x: x.sum(), r"step sum_1 \(sum\) runs over all axes, the batch among them"),
        (lambda x: x.mean(0), r"step mean \(mean\) runs over the batch axis"),
        (lambda x: torch.cat([x, torch.ones(3, 4)], 1), r"step cat \(cat\) changes the batch axis, or joins the data with constants"),
        (lambda x: functional.threshold(x, 1, 0), r"jumps from 0 to 1, which is discontinuous"),
        (lambda x: functional.dropout(x), r"step dropout \(dropout\) is random even in evaluation mode"),
        (lambda x: x if x.sum() > 0 else -x, r"forward cannot be traced \(symbolically traced variables cannot be used as inputs to control flow"),
        (lambda x: (x, x), r"returns a tuple, not one tensor"),
        (lambda x: {"y": x}, r"returns a dict, not one tensor"),
    ],
)
def test_steps_are_refused_by_name(function: object, wording: str) -> None:
    with pytest.raises(ModelError, match=wording):
        load(Scripted(function))


class Lines(nn.Module):
    """What is refused, in lines of their own."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how, self.inner = how, nn.Sequential(nn.Linear(4, 4), nn.Tanh() if how == "inner" else nn.ReLU())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.inner(x)
        if self.how == "function":
            return torch.sin(h)
        if self.how == "settings":
            h = functional.threshold(h, 1, 0)
        return h


@pytest.mark.parametrize(
    ("how", "code"), [("function", "return torch.sin(h)"), ("settings", "h = functional.threshold(h, 1, 0)"), ("inner", "h = self.inner(x)")]
)
def test_refusals_name_the_line_of_forward(how: str, code: str) -> None:
    lines = Path(__file__).read_text(encoding="utf-8").splitlines()
    number = next(index for index, line in enumerate(lines, 1) if line.strip() == code)
    with pytest.raises(UnsupportedLayerError) as caught:
        load(Lines(how))
    assert str(caught.value).endswith(f" (in forward, file test_read_module.py, line {number}: {code})")
    assert "\n" not in str(caught.value)


def test_no_line_is_named_where_there_is_none_of_the_users() -> None:
    with pytest.raises(UnsupportedLayerError) as caught:
        load(nn.Sequential(nn.Linear(4, 4), nn.Tanh()))
    assert "file" not in str(caught.value)
    assert line_of(None) == line_of("") == line_of("no trace") == ""
    frame = '  File "{}", line 3, in forward\n    return 1\n'
    own, other = frame.format("/home/net.py"), frame.format("/usr/lib/site-packages/torch/nn/modules/linear.py")
    assert line_of(own + other) == "in forward, file net.py, line 3: return 1"
    assert line_of(other) == ""
    assert line_of(own + frame.format(load.__code__.co_filename)) == ""


@pytest.mark.parametrize(
    ("module", "wording"),
    [
        (nn.AvgPool2d(2, ceil_mode=True), r"layer 0 \(AvgPool2d\) uses ceil_mode on 5 x 5 entries"),
        (nn.AvgPool2d(2, divisor_override=3), r"overrides its divisor"),
        (nn.BatchNorm2d(1, track_running_stats=False), r"has track_running_stats=False, so it depends on the batch"),
        (nn.Conv2d(1, 1, 7), r"its window of 7 does not fit into 5 entries"),
        (nn.Conv2d(3, 1, 3), r"expects 3 channels but gets 1"),
        (nn.Linear(4, 2), r"multiplies shapes 1x5x5 and 4x2, which do not fit"),
        (nn.Flatten(0), r"changes the batch axis"),
    ],
)
def test_settings_are_refused(module: nn.Module, wording: str) -> None:
    with pytest.raises(ModelError, match=wording):
        load(module, input_shape=(1, 5, 5))


def test_ceil_mode_that_makes_no_difference_is_read() -> None:
    module = nn.Sequential(nn.AvgPool2d(2, ceil_mode=True), nn.Flatten())
    assert_same(load(module, input_shape=(1, 4, 4)), module, (1, 4, 4))


@pytest.mark.parametrize(("value", "wording"), [(float("nan"), "NaN"), (float("-inf"), "infinity")])
def test_weights_that_are_not_finite_are_named(value: float, wording: str) -> None:
    module = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    with torch.no_grad():
        module[2].weight[0, 1] = value
    with pytest.raises(ModelError, match=rf"the weight of layer 2 \(Linear\) contains {wording}; polylc needs finite weights"):
        load(module)


@pytest.mark.filterwarnings("ignore::Warning")  # torch deprecates the old functions
@pytest.mark.parametrize(
    "made",
    [
        nn.utils.parametrizations.weight_norm,
        nn.utils.parametrizations.spectral_norm,
        nn.utils.parametrizations.orthogonal,
        nn.utils.weight_norm,
        nn.utils.spectral_norm,
        lambda layer: nn.utils.prune.l1_unstructured(layer, "weight", 2),
    ],
)
@pytest.mark.parametrize("called", [False, True])
def test_weights_computed_from_others_are_those_that_the_module_uses(made: Callable[..., nn.Module], called: bool) -> None:
    """In the module's own format, single precision here."""
    module = nn.Sequential(made(nn.Linear(3, 3)), nn.ReLU(), nn.Linear(3, 2))
    point = torch.randn(1, 3)
    if called:
        module(point)
    module.eval()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    network = load(module)
    module(point)  # computes the weight, from the same numbers
    weight = module[0].weight.detach()
    np.testing.assert_array_equal(network.layers[0].affine.terms[0][1], weight.double().numpy())
    assert any("which it computes from others" in line for line in network.log)
    after = module.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_module_that_computes_something_else_is_refused() -> None:
    module = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    module[2].register_forward_hook(lambda layer, arguments, result: result + 1e-6)
    with pytest.raises(ModelError, match=r"does not compute what the module computes \(hooks"):
        load(module)


def test_weight_changed_in_place_by_the_model_is_refused() -> None:
    with pytest.raises(ModelError, match="does not compute what the module computes"):
        load(Scripted(lambda x: functional.relu(x, inplace=True) + x))


@pytest.mark.filterwarnings("ignore::Warning")  # torch deprecates what is refused here
def test_other_objects_are_refused() -> None:
    with pytest.raises(ModelError, match=r"cannot load a model from a dict; give the path of a model file, a torch\.nn\.Module or an"):
        load({"0.weight": 1})
    with pytest.raises(ModelError, match="this is a TorchScript module, which polylc cannot look into"):
        load(torch.jit.trace(nn.Linear(2, 2), torch.zeros(1, 2)))


# ---- input shapes ----------------------------------------------------------------------------------------------
def convolutional(pinned: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Conv2d(2, 1, 3, padding=1), nn.Flatten(), nn.Linear(pinned, 2))


def test_square_images_are_inferred_and_logged() -> None:
    network = load(convolutional(36))
    assert network.inputs == 64
    assert "input shape (1, 8, 8) inferred: the only square image up to 64 x 64 that fits all layers" in network.log
    assert load(nn.Sequential(nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(75, 1))).inputs == 75


@pytest.mark.parametrize(
    ("module", "wording"),
    [
        (convolutional(37), r"no square image up to 64 x 64 fits its layers .*; pass the shape of one input \(--input-shape C,H,W\)"),
        (
            nn.Sequential(nn.Conv2d(1, 1, 2, stride=2), nn.Flatten(), nn.Linear(4, 1)),
            r"images of several shapes fit its layers \(1x4x4, 1x5x5\); pass the shape",
        ),
        (nn.Sequential(nn.Conv2d(1, 1, 3), nn.Flatten()), r"images of several shapes fit its layers \(1x3x3, 1x4x4, 1x5x5, \.\.\.\)"),
        (nn.Sequential(nn.ReLU()), r"the size of its input cannot be read off its layers; pass the shape"),
    ],
)
def test_open_shapes_are_asked_for(module: nn.Module, wording: str) -> None:
    with pytest.raises(ModelError, match=wording):
        load(module)


@pytest.mark.parametrize("shape", [(), (0, 3), (-1,)])
def test_senseless_input_shapes(shape: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match="give positive sizes without a batch dimension"):
        load(nn.ReLU(), input_shape=shape)


@pytest.mark.parametrize("shape", ["1,2", (1.5, 2), 3])
def test_input_shapes_that_are_no_whole_numbers(shape: object) -> None:
    with pytest.raises(UsageError, match="give whole numbers without a batch dimension"):
        load(nn.ReLU(), input_shape=shape)


def test_oversized_layers_are_refused() -> None:
    with pytest.raises(ModelError, match=r"layer 0 \(Conv2d\) unrolls into a matrix of 145154304 weights, which is too large"):
        load(nn.Conv2d(1, 64, 6), input_shape=(1, 256, 256))
    assert load(nn.Conv2d(1, 4, 3), input_shape=(1, 256, 256)).outputs == 4 * 254**2


# ---- formats, hooks, quantisation ------------------------------------------------------------------------------
class Cast(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.layer(x.float())).double().float()


def test_a_change_of_format_is_the_identity() -> None:
    module = Cast()
    network = load(module, input_shape=(2,))
    assert "step float_1 (float), step double (double), step float_2 (float) left out" in network.log[0]
    points = torch.randn(20, 2)
    with torch.no_grad():
        assert np.abs(network(points.double().numpy()) - module(points).numpy()).max() < 1e-5


class Column(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.layer.weight @ x.unsqueeze(-1)).squeeze(-1)


def test_a_matrix_times_columns() -> None:
    module = Column()
    assert_same(load(module, input_shape=(2,)), module, (2,))


@pytest.mark.filterwarnings("ignore")  # torch deprecates them
def test_quantised_layers_are_called_so() -> None:
    module = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    with pytest.raises(UnsupportedLayerError, match=r"layer 0 is a quantised Linear; give the model from before its quantisation"):
        load(torch.ao.quantization.quantize_dynamic(module, {nn.Linear}, torch.qint8))
