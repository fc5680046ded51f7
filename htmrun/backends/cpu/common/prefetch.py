"""Asking for memory before it is read, in LLVM's terms."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic


def _asking(write: bool) -> Any:
    def ask(typingctx: Any, array: Any, at: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            start = context.make_array(signature.args[0])(context, builder, args[0]).data
            pointer, flag = ir.IntType(8).as_pointer(), ir.IntType(32)
            kind = ir.FunctionType(ir.VoidType(), [pointer, flag, flag, flag])
            function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
            place = builder.bitcast(builder.gep(start, [args[1]]), pointer)
            builder.call(function, [place, flag(int(write)), flag(3), flag(1)])
            return context.get_dummy_value()

        return types.void(array, types.intp), codegen

    return intrinsic(ask)


ask_for: Any = _asking(False)
"""(array, at): ask for the cache line of an element, counted from the array's start, that is
about to be read; nothing happens if there is no such element."""

ask_to_write: Any = _asking(True)
"""(array, at): the same of an element that is about to be written."""
