"""The examples in docstrings print what they say, and where a learner looks for one there is one; so the README's."""

import doctest
import importlib
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import npcnn

ROOT = Path(__file__).parent.parent
MODULES = sorted(module.name for module in pkgutil.walk_packages(npcnn.__path__, "npcnn."))
EXAMPLES = {
    name: found
    for name in MODULES
    if (found := [test for test in doctest.DocTestFinder().find(importlib.import_module(name)) if test.examples])
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_what_a_docstring_shows_is_what_comes_out(name):
    runner = doctest.DocTestRunner(optionflags=doctest.FAIL_FAST)
    for test in EXAMPLES[name]:
        printed = []
        runner.run(test, out=printed.append)
        assert runner.summarize(verbose=False).failed == 0, "".join(printed)


def test_what_a_learner_reads_first_has_an_example_in_numbers():
    shown = {test.name.rpartition(".")[2] for tests in EXAMPLES.values() for test in tests}
    assert shown >= {"Layer", "Dense", "ReLU", "Conv2D", "MaxPool2D", "Softmax", "Adam"}
    assert shown >= {"SparseCategoricalCrossentropy", "CategoricalCrossentropy", "BinaryCrossentropy"}
    assert shown >= {"MeanSquaredError", "MeanAbsoluteError"}


@pytest.mark.parametrize("disabled", ["1", "0"])
def test_a_breakpoint_in_a_compiled_kernel_is_hit_as_the_readme_shows_and_only_without_the_compiler(disabled):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    session = readme[readme.index("$ NUMBA_DISABLE_JIT=1 python") :].partition("```")[0].splitlines()
    typed, shown = [], []
    for prompt, _, rest in (line.strip().partition(" ") for line in session[1:]):
        if prompt in (">>>", "(Pdb)"):
            typed.append(rest)
        elif prompt:
            shown.append(f"{prompt} {rest}")
    done = subprocess.run(
        [sys.executable, "-iq"],
        input="\n".join([*typed, "quit", ""]),
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ | {"NUMBA_DISABLE_JIT": disabled},
    )
    assert len(shown) == 2 and "Breakpoint 1 at" in done.stdout
    assert [line in done.stdout for line in shown] == [disabled == "1"] * 2, done.stdout
