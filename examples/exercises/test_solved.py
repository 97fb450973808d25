"""The exercises as tests: python -m pytest examples/exercises -k 03. Each fails until it is solved."""

import pytest
from mark import EXERCISES, mark


@pytest.mark.parametrize("path", EXERCISES, ids=lambda path: path.stem)
def test_exercise(path):
    """The marker finds nothing wrong any more."""
    solved, sentence = mark(path)
    if not solved:
        pytest.fail(sentence, pytrace=False)
