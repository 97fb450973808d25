"""The examples in docstrings print what they say, and where a learner looks for one there is one."""

import doctest
import importlib
import pkgutil

import pytest

import npcnn

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
