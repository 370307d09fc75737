"""How poolings say their windows, the same for means and maxima."""

from __future__ import annotations

from dataclasses import replace

from polylc.network.builder import Value
from polylc.network.convolutions import Window
from polylc.readers.operators.call import Call, show


def axes_named(call: Call) -> int:
    """The axes of an image, as the name of a layer or function of torch tells them; in ONNX, as the value has them."""
    digit = call.kind.removesuffix("d")[-1]
    return int(digit) if digit.isdigit() else len(call.image().shape) - 1


def adaptive(call: Call) -> tuple[Value, tuple[int, ...]]:
    """The image of an adaptive pooling, and how many windows it cuts each axis into."""
    axes, told = axes_named(call), call.setting("output_size")
    image = call.image(axes)
    asked = tuple(told) if isinstance(told, tuple | list) else (told,)
    asked = asked * axes if len(asked) == 1 else asked
    if len(asked) != axes or len(image.shape) != axes + 1:
        raise call.error(f"makes {len(asked)} axes of a value of shape {show(image.shape)}")
    return image, tuple(w if isinstance(w, int) else size for w, size in zip(asked, image.shape[1:], strict=True))


def pooling(call: Call, partial: bool = False) -> tuple[Value, Window]:
    """The image and the window of a pooling over full windows; with `partial`, over those too that ceil_mode adds,
    which begin before the padding at the end and reach beyond it.
    """
    axes, setting = axes_named(call), call.setting("kernel_size", "kernel_shape")
    kernel = tuple(setting) if isinstance(setting, tuple | list) else (call.whole("kernel_size"),) * axes
    kernel = kernel * axes if len(kernel) == 1 and call.in_torch else kernel
    image = call.image(axes)
    if len(kernel) != axes or len(image.shape) != axes + 1:
        raise call.error(f"has a window of {len(kernel)} axes on a value of shape {show(image.shape)}")
    window, sizes = call.window(kernel, image.shape[1:]), image.shape[1:]
    reach = window.reach()
    if any(max(ends) >= r for r, *ends in zip(reach, window.before, window.after, strict=True)):
        raise call.error("has more padding than its window is large; the model is damaged")
    rest = [(s + b + a - r) % t for s, b, a, r, t in zip(sizes, window.before, window.after, reach, window.stride, strict=True)]
    if call.flag("ceil_mode") and any(rest):
        if partial:
            more = [
                t - left if left and (s + b + a - r) // t * t + t < s + b else 0
                for s, b, a, r, t, left in zip(sizes, window.before, window.after, reach, window.stride, rest, strict=True)
            ]
            return image, replace(window, after=tuple(a + m for a, m in zip(window.after, more, strict=True)))
        raise call.error(f"uses ceil_mode on {' x '.join(map(str, sizes))} entries; polylc reads only full windows")
    return image, window
