"""What the compiled rungs share: numba, imported late and told what these kernels need.

A compiled kernel is a plain serial loop; `sharing.py` has threads run it on one part of a batch each. `jit` compiles it
at its first call, or fetches it from numba's cache on disk; until then numba is not even imported. With
NUMBA_DISABLE_JIT=1 it stays plain Python, to step through.
What numba is told here holds for these kernels alone: a user's own functions are compiled as they were before.
"""

import contextlib
import functools
import hashlib
import sys
import threading
from collections.abc import Callable
from typing import Any


def cached(make: Callable) -> Callable:
    """functools.cache, but among threads too `make` runs only once for the same arguments.

    For a factory of kernels that close over sizes: numba takes a closed-over number for a constant, and a
    loop of known length can keep its sums in registers. (Close over numbers and types only: with a compiled function
    among them, numba never finds the kernel on disk again.)
    """
    make, lock = functools.cache(make), threading.RLock()

    @functools.wraps(make)
    def get(*arguments: Any) -> Any:
        with lock:
            return make(*arguments)

    return get


def jit(function: Callable, contract: bool = True) -> Callable:
    """Return `function`, to be compiled by numba when it is first called.

    An array that it writes to must not overlap another argument. `contract` allows a * b + c to be one
    instruction that rounds once; without it the result has NumPy's bits.
    """

    @cached
    def compiled() -> Callable:
        numba, compiler, cache, _ = _numba()
        if numba.config.DISABLE_JIT:
            return function
        # nogil: other threads run meanwhile. error_model: x / 0 is inf, so no divisor need be compared with 0 first.
        options = {"nogil": True, "error_model": "numpy", "fastmath": {"contract"} if contract else False}
        kernel = numba.njit(pipeline_class=compiler, **options)(function)
        with contextlib.suppress(RuntimeError):  # no directory can be written to
            kernel.enable_caching()
            if cache:
                kernel._cache = cache(function, contract)
        return kernel

    @functools.wraps(function)
    def call(*arguments: Any) -> Any:
        return compiled()(*arguments)

    return call


@cached
def has_avx512() -> bool:
    """Whether kernels use the registers of AVX-512: 32 of them, for 16 float32 each."""
    return _numba()[-1]


@cached
def _numba() -> tuple[Any, type | None, type | None, bool]:
    import numba  # behind one lock: threads that import it together can find it half initialised

    try:
        return numba, *_private_parts()
    except (ImportError, AttributeError):  # a later numba: right all the same, but training takes 2.5 times as long
        return numba, None, None, False


def _private_parts() -> tuple[type, type, bool]:
    """Return what depends on parts private to numba: a compiler, a cache, and whether that compiler uses AVX-512."""
    from llvmlite.ir.values import FunctionAttributes
    from numba.core import caching, compiler, cpu, registry

    # All that is used below, so that a numba without it fails here.
    _ = compiler.Flags.noalias, cpu.CPUContext.post_lowering, FunctionAttributes.update, caching.Cache._index_key

    class Compiler(compiler.Compiler):  # type: ignore[name-defined]
        say_once = staticmethod(functools.cache(print))

        def define_pipelines(self) -> list:  # called when there is something to compile
            text = "npcnn: compiling kernels for new layer sizes; numba caches them on disk if it can"
            self.say_once(text, file=sys.stderr)
            context = self.state.targetctx  # like the flags, of this kernel alone
            # Else every store might change what was read before, and no sum could stay in a register.
            self.state.flags.noalias = True
            context.post_lowering = functools.partial(self.fill_registers, context.post_lowering)
            return super().define_pipelines()

        def fill_registers(self, post_lowering: Callable, module: Any, library: Any) -> None:
            # LLVM prefers vectors of 256 bits, as the first CPUs with AVX-512 lowered their clock for wider ones.
            for function in module.functions:
                function.attributes.update(['"prefer-vector-width"="512"'])
            post_lowering(module, library)

    source = hashlib.sha256((__spec__.loader.get_source(__name__) or "").encode()).digest()  # type: ignore[attr-defined]

    class Cache(caching.FunctionCache):  # type: ignore[name-defined]
        def __init__(self, function: Callable, contract: bool) -> None:
            super().__init__(function)
            self.contract = contract

        def _index_key(self, *arguments: Any) -> tuple:
            # numba's own key leaves the options out: after a change to one, the old machine code would still be run.
            return (*super()._index_key(*arguments), self.contract, source)

    features = registry.cpu_target.target_context.codegen().magic_tuple()[2]
    return Compiler, Cache, "+avx512f" in features.split(",")
