"""A small part of what `python tests/fuzz_files.py` does: a few hundred changed files, each in a limited process."""

import sys

import pytest
from fuzz_files import FAILURES, WAYS, good_files, run, table

FEW = {"keras-crc": 200, "h5": 100, "weights": 100, "gz-crc": 40, "png-crc": 20}


@pytest.mark.parametrize("kind", FEW)
def test_a_changed_file_is_refused_by_one_error_that_names_it_or_read_as_other_numbers(kind):
    row = run(kind, 1, range(FEW[kind]))  # number 0 is the good file
    assert row.failures == []
    assert sum(row.counts.values()) == FEW[kind] and row.counts["refused"] > 5 and row.counts["equal"] > 0


def test_files_of_a_folder_are_refused_unless_they_are_good_and_fit(tmp_path):
    (tmp_path / "good.h5").write_bytes(good_files()["good.weights.h5"])
    (tmp_path / "text").write_bytes(b"\x89HDF\r\n\x1a\n" + b"\xff" * 2000)
    rows = {way: run(way, 0, [1, 2], tmp_path) for way in (WAYS[1], WAYS[4])}
    assert [row.counts["refused"] for row in rows.values()] == [1, 2]
    assert not any(row.failures for row in rows.values()) and table(rows).count("\n") == 4


# What stands for a reader that fails, in the child's process, after the good file was read three times.
FAILING = """
import sys
sys.argv[0] = {script!r}
sys.path.insert(0, {folder!r})
import fuzz_files
good = fuzz_files.read
def read(path):
    if path.name.startswith("npz-3"):
        {what}
    return good(path)
fuzz_files.read = read
fuzz_files.main()
"""
WRONG = {
    "other exception": "raise KeyError('x')",
    "crash": "import os; os.abort()",
    "hang": "while True: pass",
    "memory": "import numpy; numpy.ones(30_000_000)",
}


@pytest.mark.skipif(sys.platform == "win32", reason="there are no limits of this kind")
@pytest.mark.parametrize("outcome", FAILURES)
def test_a_reader_that_fails_is_caught_and_the_files_after_it_are_read(outcome, tmp_path, monkeypatch):
    import fuzz_files

    script = tmp_path / "failing.py"
    folder = fuzz_files.__file__.rpartition("/")[0]
    script.write_text(FAILING.format(script=str(script), folder=folder, what=WRONG[outcome]))
    monkeypatch.setattr(fuzz_files, "SCRIPT", script)
    row = run("npz", 0, range(1, 6))
    assert [(line["number"], line["outcome"]) for line in row.failures] == [(3, outcome)]
    assert sum(row.counts.values()) == 5
