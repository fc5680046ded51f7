"""Words that several threads of compiled code share: sequentially consistent, in LLVM's terms."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

_ORDER = "seq_cst"


def _place(context: Any, builder: Any, signature: Any, array: Any, at: Any) -> Any:
    start = context.make_array(signature.args[0])(context, builder, array).data
    return builder.gep(start, [at])


def _fetch_add(typingctx: Any, words: Any, at: Any, amount: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = _place(context, builder, signature, args[0], args[1])
        return builder.atomic_rmw("add", place, args[2], _ORDER)

    return types.int64(words, types.intp, types.int64), codegen


def _read(typingctx: Any, words: Any, at: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = _place(context, builder, signature, args[0], args[1])
        return builder.load_atomic(place, _ORDER, 8)

    return types.int64(words, types.intp), codegen


def _write(typingctx: Any, words: Any, at: Any, value: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = _place(context, builder, signature, args[0], args[1])
        builder.store_atomic(args[2], place, _ORDER, 8)
        return context.get_dummy_value()

    return types.void(words, types.intp, types.int64), codegen


def _let_others_run(typingctx: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = ir.FunctionType(ir.IntType(32), [])
        function = builder.module.globals.get("sched_yield")
        if function is None:
            function = ir.Function(builder.module, kind, "sched_yield")
        builder.call(function, [])
        return context.get_dummy_value()

    return types.void(), codegen


fetch_add: Any = intrinsic(_fetch_add)
"""(words, at, amount): add to an int64 that other threads add to as well; return what it was."""

read: Any = intrinsic(_read)
"""(words, at): the int64 as it is now, with everything that was written before it was."""

write: Any = intrinsic(_write)
"""(words, at, value): set an int64, after everything that was written before."""

let_others_run: Any = intrinsic(_let_others_run)
"""(): give the core to another thread that waits for one (POSIX `sched_yield`)."""
