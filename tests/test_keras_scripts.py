"""Public Keras scripts train with nothing but their imports changed.

`keras_scripts/` has short forms of programs that people have published: each keeps the sequence of Keras calls of one,
and how their arguments are given, and names it in its first line. `keras` is called `npcnn` in them, in the imports
alone. That they are honest Keras code is shown by Keras, which runs them too where NPCNN_SCRIPTS_WITH_KERAS is set.
"""

import ast
import os
import re
import runpy
from pathlib import Path

import numpy as np
import pytest

from npcnn import defaults
from npcnn.datasets.mnist import load_data

SCRIPTS = sorted(Path(__file__).with_name("keras_scripts").glob("*.py"))
OLD = {"morvan_cnn_old_arguments"}  # lr= and batch_input_shape=, which Keras took for years and takes no more
every_script = pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)


@pytest.fixture
def in_a_small_world(tmp_path, monkeypatch):
    """An empty folder to write to, and data sets of a few hundred digits: a function of the package's name."""
    (x_train, y_train), (x_test, y_test) = load_data("sample")

    def few(path="data.npz"):
        return (x_train[:320].copy(), y_train[:320].copy()), (x_test[:80].copy(), y_test[:80].copy())

    def enter(package):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(defaults, "seed", defaults.seed)  # a script may call set_random_seed
        for name in ("mnist", "fashion_mnist"):
            monkeypatch.setattr(f"{package}.datasets.{name}.load_data", few)
        np.random.seed(0)
        return tmp_path

    return enter


def check(result):
    """The names that a script has left: training went well, and the model predicts numbers."""
    losses = result["history"].history["loss"]
    assert len(losses) > 0 and np.isfinite(losses).all(), losses
    predictions = np.asarray(result["model"].predict(result["x_test"], verbose=0))
    assert len(predictions) == len(result["x_test"]) and np.isfinite(predictions).all()


def in_keras(source):
    """The script with its own imports back; ImageDataGenerator is in tensorflow.keras alone."""
    source = source.replace("from npcnn.preprocessing", "from tensorflow.keras.preprocessing")
    return re.sub(r"^(from|import) npcnn\b", r"\1 keras", source, flags=re.MULTILINE)


@every_script
def test_a_public_script_trains_and_predicts(script, in_a_small_world):
    in_a_small_world("npcnn")
    check(runpy.run_path(str(script)))


@pytest.mark.skipif(not os.environ.get("NPCNN_SCRIPTS_WITH_KERAS"), reason="NPCNN_SCRIPTS_WITH_KERAS is not set")
@every_script
def test_keras_itself_runs_the_script(script, in_a_small_world):
    if script.stem in OLD:
        pytest.skip("its arguments are refused by Keras 3")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    keras, tensorflow = pytest.importorskip("keras"), pytest.importorskip("tensorflow")
    tensorflow.config.run_functions_eagerly(True)  # a few steps are too few to compile for
    keras.utils.set_random_seed(0)
    keras.utils.clear_session()
    copy = in_a_small_world("keras") / script.name
    copy.write_text(in_keras(script.read_text(encoding="utf-8")), encoding="utf-8")
    try:
        check(runpy.run_path(str(copy)))
    finally:
        tensorflow.config.run_functions_eagerly(False)


def test_a_script_names_its_source_and_no_two_have_the_same():
    sources = set()
    for path in SCRIPTS:
        docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))).replace("\n", " ")
        found = re.match(r"([\w.-]+/[\w.-]+, [\w./-]+\.(py|ipynb|md)): ", docstring)
        assert found, f"{path.name} must begin with OWNER/REPOSITORY, PATH and a colon"
        sources.add(found[1])
    assert len(sources) == len(SCRIPTS) == 69


def test_only_imports_know_the_package():
    for path in SCRIPTS:
        lines = path.read_text(encoding="utf-8").splitlines()
        others = [line for line in lines if "npcnn" in line and not line.startswith(("from npcnn", "import npcnn"))]
        assert not others, f"{path.name}: {others}"
