"""Asking for memory before it is needed, in LLVM's terms."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic


def _asking(writes: bool) -> Any:
    """Make the step that asks for a cache line, to read it or to write it.

    Asked for to be written, a line is taken from all other cores, and they have to fetch it again.
    """

    def typed(typingctx: Any, array: Any, at: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            start = context.make_array(signature.args[0])(context, builder, args[0]).data
            pointer, flag = ir.IntType(8).as_pointer(), ir.IntType(32)
            kind = ir.FunctionType(ir.VoidType(), [pointer, flag, flag, flag])
            function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
            place = builder.bitcast(builder.gep(start, [args[1]]), pointer)
            builder.call(function, [place, flag(int(writes)), flag(3), flag(1)])
            return context.get_dummy_value()

        return types.void(array, types.intp), codegen

    return intrinsic(typed)


ask_for: Any = _asking(writes=False)
"""(array, at): ask for the cache line of an element, counted from the array's start, that is
about to be read; nothing happens if there is no such element."""

ask_to_write: Any = _asking(writes=True)
"""The same for an element that is about to be written."""
