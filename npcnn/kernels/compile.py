"""What the compiled rungs share: numba, imported late and told what these kernels need.

A kernel is a plain serial loop. `jit` compiles it at its first call, or fetches it from numba's cache on
disk; until then numba is not even imported. With NUMBA_DISABLE_JIT=1 it stays Python, to step through.
"""

import functools
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
        njit, no_alias = _numba()
        # nogil: other shards run meanwhile. error_model: no look-out for zero before every division.
        options = {"nogil": True, "error_model": "numpy", "pipeline_class": no_alias}
        options["fastmath"] = {"contract"} if contract else False
        try:
            return njit(cache=True, **options)(function)
        except RuntimeError:  # no directory can be written to
            return njit(**options)(function)

    @functools.wraps(function)
    def call(*arguments: Any) -> Any:
        return compiled()(*arguments)

    return call


@cached
def _import_numba() -> tuple[Any, Any, Any, Any]:
    import numba  # behind one lock: threads that import it together can find it half initialised
    from numba.core import codegen, compiler, event

    return numba, codegen, compiler, event


@cached
def _numba() -> tuple[Callable, type]:
    numba, _, compiler, event = _import_numba()

    class NoAlias(compiler.Compiler):  # type: ignore[name-defined]
        def define_pipelines(self) -> list:
            # Else every store might change what was read before, and no sum could stay in a register.
            self.state.flags.noalias = True
            return super().define_pipelines()

    class Announcement(event.Listener):  # type: ignore[name-defined]
        say_once = staticmethod(functools.cache(print))

        def on_start(self, event: Any) -> None:
            if str(event.data["dispatcher"].py_func.__module__).startswith("npcnn."):
                self.say_once("npcnn: compiling kernels, once; numba keeps them on disk", file=sys.stderr)

        def on_end(self, event: Any) -> None:
            pass

    event.register("numba:compile", Announcement())  # a kernel found on disk is not compiled
    config: Any = numba.config
    if has_avx512() and config.CPU_NAME is None and config.CPU_FEATURES is None:
        # LLVM fills half of a 512-bit register unless told otherwise: the first CPUs with them slowed down.
        config.CPU_FEATURES = _cpu_features() + ",-prefer-256-bit"
    return numba.njit, NoAlias


@cached
def has_avx512() -> bool:
    """Whether kernels are compiled for AVX-512, which has 32 registers of 16 float32 each."""
    return "+avx512f" in _cpu_features().split(",")


def _cpu_features() -> str:
    numba, codegen, _, _ = _import_numba()
    config: Any = numba.config
    return codegen.get_host_cpu_features() if config.CPU_FEATURES is None else config.CPU_FEATURES
