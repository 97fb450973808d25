"""What numba is told about the kernels holds for them alone, is known to its cache, and changes no result."""

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import npcnn
from npcnn.kernels.compile import jit

PACKAGE = Path(npcnn.__file__).parent
SAID = "npcnn: compiling kernels for new layer sizes; numba caches them on disk if it can\n"

pytestmark = pytest.mark.skipif(os.environ.get("NUMBA_DISABLE_JIT") == "1", reason="nothing is compiled now")


def run(program, directory, **environment):
    """What a program writes, to stdout as words and to stderr, in a process of its own with a cache of its own."""
    environment = {"PYTHONPATH": os.pathsep.join([str(directory), str(PACKAGE.parent)])} | environment
    environment |= {"NUMBA_CACHE_DIR": str(directory / "cache"), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=os.environ | environment, cwd=directory, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.split(), done.stderr


# ------------------------------------------------------------------ for the kernels alone

# numba takes the CPU for one with AVX-512. What it compiles is looked at, and never run: the CPU may have none.
COMPILE = """
import inspect
import llvmlite.binding as llvm

features = llvm.get_host_cpu_features()
features.update(dict.fromkeys(["avx", "avx2", "fma", "avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"], True))
llvm.get_host_cpu_features, llvm.get_host_cpu_name = lambda: features, lambda: "skylake-avx512"

import numba
from npcnn.kernels.compile import has_avx512
from npcnn.kernels.conv_relu_max_pool import _forward_kernel

numbers, images, winner = numba.float32[::1], numba.float32[:, :, :, ::1], numba.uint8[:, :, :, ::1]

def compile_mine():
    import mine
    mine.double.compile((numbers,))
    print("found" if mine.double.stats.cache_hits else "compiled")

def compile_ours():
    kernel = inspect.getclosurevars(_forward_kernel(2, 64)).nonlocals["compiled"]()
    kernel.compile((images, images, numbers, images, winner, numbers, numbers, numbers, numbers))
    [assembly] = kernel.inspect_asm().values()
    print("512 bits" if "%zmm" in assembly else "fewer", has_avx512())
"""
MINE = "import numba\n\n@numba.njit(cache=True)\ndef double(x):\n    return 2 * x\n"
on_x86 = pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="AVX-512 is a part of x86")


@on_x86
@pytest.mark.parametrize(
    ("order", "printed"),
    [
        ("compile_mine(); compile_ours()", "found 512 bits True"),
        ("compile_ours(); compile_mine()", "512 bits True found"),
    ],
)
def test_kernels_and_a_users_own_functions_are_compiled_alike_whichever_is_first(order, printed, tmp_path):
    (tmp_path / "mine.py").write_text(MINE)
    assert run(f"{COMPILE}\ncompile_mine()", tmp_path)[0] == ["compiled"]
    assert run(f"{COMPILE}\n{order}", tmp_path)[0] == printed.split()


@on_x86
@pytest.mark.parametrize(
    ("cpu", "features", "printed"), [("skylake-avx512", "+avx512f", "512 bits True"), ("haswell", "", "fewer False")]
)
def test_kernels_are_laid_out_for_the_registers_that_numba_is_set_to_use(cpu, features, printed, tmp_path):
    settings = {"NUMBA_CPU_NAME": cpu, "NUMBA_CPU_FEATURES": features}
    assert run(f"{COMPILE}\ncompile_ours()", tmp_path, **settings)[0] == printed.split()


# ------------------------------------------------------------------ what is cached, and what is said

OURS = """
from npcnn.kernels.compile import cached, jit

@cached
def multiply(C):
    def kernel(x, y):
        for i in range(len(x)):
            y[i] = C * x[i]

    return jit(kernel)
"""
MULTIPLY = """
import numpy as np
from ours import multiply

def use(C):
    y = np.empty(3)
    multiply(C)(np.arange(3.0), y)
    print(*y)
"""


@pytest.fixture
def directory(tmp_path):
    (tmp_path / "ours.py").write_text(OURS)
    return tmp_path


def test_compiling_is_announced_when_it_happens_and_only_then(directory):
    assert run(f"{MULTIPLY}\nuse(2)", directory) == (["0.0", "2.0", "4.0"], SAID)
    found, then = "use(2); print('found', file=sys.stderr)", "use(3); use(4)"
    assert run(f"import sys\n{MULTIPLY}\n{found}; {then}", directory)[1] == f"found\n{SAID}"


def test_where_numba_can_write_nothing_to_disk_kernels_are_compiled_all_the_same(directory):
    nowhere = "import numba.core.caching; numba.core.caching.CacheImpl._locator_classes = []\n"
    assert run(f"{nowhere}{MULTIPLY}\nuse(2)", directory) == (["0.0", "2.0", "4.0"], SAID)
    assert not (directory / "cache").exists()


def multiply_and_add(a, b, c, sums):
    for i in range(len(sums)):
        sums[i] = a[i] * b[i] + c[i]


def test_the_same_function_with_other_options_does_not_get_the_cached_machine_code(tmp_path, monkeypatch):
    import numba

    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    a, c, sums = np.float32([1 + 2**-12]), np.float32([-1 - 2**-11]), np.float32([0])
    jit(multiply_and_add)(a, a, c, sums)
    contracted = sums.item()
    jit(multiply_and_add, contract=False)(a, a, c, sums)
    assert (contracted, sums.item()) in [(2**-24, 0), (0, 0)]  # the last on a CPU that has no such instruction


def test_whoever_changes_how_kernels_are_compiled_gets_them_compiled_anew(directory):
    shutil.copytree(PACKAGE, directory / "npcnn", ignore=shutil.ignore_patterns("__pycache__", "*.npz"))
    file = directory / "npcnn" / "kernels" / "compile.py"
    source = file.read_text(encoding="utf-8")
    assert run(f"{MULTIPLY}\nuse(2)", directory)[1] == SAID
    assert "noalias = True" in source
    file.write_text(source.replace("noalias = True", "noalias = False"), encoding="utf-8")
    assert run(f"{MULTIPLY}\nuse(2)", directory)[1] == SAID


# ------------------------------------------------------------------ without them

FORWARD = """
import numpy as np
from npcnn.kernels import conv_relu_max_pool as fused
from npcnn.kernels.compile import has_avx512

x, w = np.arange(-30, 70).reshape(2, 5, 5, 2) % 7.0 - 3, np.arange(-18, 18).reshape(3, 3, 2, 2) % 5.0 - 2
print(fused.forward(x, w, np.zeros(2), ((0, 0), (1, 1)))[0])
"""


@pytest.mark.parametrize("part", ["numba.core.caching.Cache", "numba.core.cpu.CPUContext"])
def test_with_a_numba_that_lacks_a_private_part_kernels_are_right_all_the_same(part, tmp_path, capsys):
    lacking = f"import numba.core.registry; numba.core.registry.cpu_target.target_context; del {part}"
    exec(FORWARD)
    expected = capsys.readouterr().out.split()
    assert run(f"{lacking}\n{FORWARD}\nprint(has_avx512())", tmp_path) == ([*expected, "False"], "")
