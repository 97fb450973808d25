"""The lesson in docs/ is true: its Python runs, its sums are right, and what it quotes stands in the code."""

import ast
import doctest
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from npcnn import callbacks, initializers, layers, losses, metrics, optimizers, regularizers, utils
from npcnn.layers.activation import ACTIVATIONS

ROOT = Path(__file__).parents[1]
LESSON = sorted(ROOT.glob("docs/*.md"))
CHAPTERS = [page for page in LESSON if page.name != "README.md"]

BIN = Path(sys.executable).parent  # where mpich puts mpiexec

each_page = pytest.mark.parametrize("page", LESSON, ids=lambda page: page.name)
each_chapter = pytest.mark.parametrize("page", CHAPTERS, ids=lambda page: page.name)


def blocks(page, language):
    """The contents of all code blocks in this language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)


@each_chapter
def test_python_in_the_lesson_prints_what_it_says(page):
    failed, tried = doctest.testfile(str(page), module_relative=False, encoding="utf-8")
    assert tried > 0 and failed == 0


@pytest.mark.skipif(not (BIN / "mpiexec").exists(), reason="there is no mpiexec beside this Python: npcnn[mpi]")
def test_commands_in_the_lesson_print_what_it_says(tmp_path):
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    console = "".join(text for page in LESSON for text in blocks(page, "console"))
    commands = re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", console, re.MULTILINE)
    assert len(commands) > 2
    for command, printed in commands:
        if command.startswith("cat "):
            (tmp_path / command.split()[1]).write_text(printed, encoding="utf-8")
        else:
            run = {"cwd": tmp_path, "env": environment, "capture_output": True, "text": True, "timeout": 300}
            done = subprocess.run(command.split(), **run)
            assert rounded(done.stdout) == rounded(printed), done.stderr


def rounded(text):
    """The text, its long fractions cut to five digits: the last ones differ between machines."""
    return re.sub(r"(\.\d{5})\d+", r"\1", text)


def test_sums_that_are_written_out_are_right():
    lines = "".join(text for page in LESSON for text in blocks(page, "text"))
    sums = re.findall(r"= +([-+*/(). \d]+?) += +(-?[\d.]+)(?=\s|$)", lines)  # as in "dx[0] = 1 * 2 + 3 = 5"
    assert len(sums) > 20
    for terms, total in sums:
        assert eval(terms) == float(total), terms


@each_page
def test_what_is_quoted_stands_in_the_function_that_is_named(page):
    for quoted in blocks(page, "python"):
        header, quoted = quoted.split("\n", 1)
        file, name = header.removeprefix("# ").split(", ")
        assert without_indent(quoted) in without_indent(source(ROOT / file, name)), header


def source(path, name):
    """The source of a function or method, as "f" or "Class.method"."""
    text = path.read_text("utf-8")
    node = ast.parse(text)
    for part in name.split("."):
        node = next(child for child in node.body if getattr(child, "name", None) == part)
    return ast.get_source_segment(text, node)


def without_indent(code):
    return "\n".join(line.strip() for line in code.splitlines() if line.strip())


@each_page
def test_every_test_that_is_named_exists(page):
    for file, name in re.findall(r"`(tests/\S+\.py)::(\w+)`", page.read_text("utf-8")):
        assert f"\ndef {name}(" in (ROOT / file).read_text("utf-8")


@each_chapter
def test_numbers_with_a_decimal_point_are_in_the_python_of_the_same_page(page):
    prose = re.sub(r"^```(pycon|python|console)\n.*?^```$", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    assert decimals(prose) <= decimals("".join(blocks(page, "pycon")))


def decimals(text):
    return set(re.findall(r"(?<![\w.])\d+\.\d+(?![\w.]*\w)", text))


def test_every_class_and_every_activation_is_named_on_the_page_about_keras():
    named = set(re.findall(r"`(\w+)`", (ROOT / "docs/keras.md").read_text("utf-8")))
    modules = [layers, optimizers, optimizers.schedules, losses, metrics, callbacks, initializers, regularizers, utils]
    missing = []
    for module in modules:
        public = getattr(module, "__all__", [name for name in vars(module) if not name.startswith("_")])
        classes = [found for name in public if isinstance(found := getattr(module, name), type)]
        assert len(classes) > 1
        missing += [cls for cls in classes if cls.__module__.startswith("npcnn") and cls.__name__ not in named]
    assert missing == [metrics.WeightedMean]  # what weighted_metrics are made into
    assert {"linear", *ACTIVATIONS} - named <= {"swish"}  # another name for silu
