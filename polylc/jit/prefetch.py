"""A hint to the processor, for kernels that look into tables beyond its caches: fetch an entry that will be read
soon.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from polylc.jit.decorators import Kernel


def _nothing(array: Any, index: Any) -> None:
    """In plain Python there is nothing to fetch ahead, but the index has to be one of the array's."""
    array[index]


def _by_instruction(_: Callable[..., Any]) -> Any:
    import numba
    from llvmlite import ir
    from numba.core import types
    from numba.extending import intrinsic

    @intrinsic
    def hinted(typing: Any, array: Any, index: Any) -> Any:
        """Have entry `index` along the first axis of an array fetched; no bounds are checked, and nothing happens but
        that.
        """

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            whole = context.make_array(signature.args[0])(context, builder, arguments[0])
            step = builder.extract_value(whole.strides, 0)
            byte, word = ir.IntType(8).as_pointer(), ir.IntType(32)
            place = builder.inttoptr(builder.add(builder.ptrtoint(whole.data, step.type), builder.mul(step, arguments[1])), byte)
            hint = builder.module.declare_intrinsic("llvm.prefetch", [byte], ir.FunctionType(ir.VoidType(), [byte, word, word, word]))
            builder.call(hint, [place, *(ir.Constant(word, v) for v in (0, 3, 1))])  # to read, to keep in all caches, data

        return types.void(array, types.int64), generate

    def prefetch(array, index):  # type: ignore[no-untyped-def]
        hinted(array, index)

    return numba.njit(forceinline=True, _nrt=False)(prefetch)


prefetch: Any = Kernel(_nothing, _by_instruction)
