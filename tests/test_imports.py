"""`import npcnn` is quick because what is slow to load is loaded where it is first needed."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import npcnn

PACKAGE = Path(npcnn.__file__).parent
SLOW = "numba llvmlite matplotlib h5py tensorflow keras PIL skimage tqdm pooch threadpoolctl".split()


def loaded_after(statement):
    """The slow packages that a fresh interpreter has loaded after a statement."""
    program = f"{statement}; import sys; print(*[name for name in {SLOW!r} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=PACKAGE.parent)
    assert run.returncode == 0, run.stderr
    return run.stdout.split()


@pytest.mark.parametrize(
    "statement",
    [
        "import npcnn",
        "from npcnn import Sequential, layers, losses, optimizers, load_model",
        "import npcnn as keras; keras.utils.to_categorical([1]); keras.backend.clear_session(); keras.datasets",
        "import npcnn as keras; hasattr(keras.layers, 'LSTM'); hasattr(keras, 'applications')",
    ],
)
def test_importing_npcnn_loads_nothing_slow(statement):
    assert loaded_after(statement) == []


def test_making_a_model_that_needs_no_compiler_loads_none():
    make = "from npcnn import Sequential, layers; Sequential([layers.Input((4,)), layers.Dense(2)], kernels='im2col')"
    assert loaded_after(make) == []


def imports_of(file):
    """The top-level names of every module that a file imports, wherever in the file."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module
            yield from (f"{node.module}.{name.name}" for name in node.names)


@pytest.mark.parametrize("file", sorted((PACKAGE / "layers").glob("*.py")), ids=lambda file: file.name)
def test_layers_never_import_numba(file):
    assert not [name for name in imports_of(file) if name.split(".")[0] == "numba"]


@pytest.mark.parametrize("file", sorted((PACKAGE / "kernels").glob("*.py")), ids=lambda file: file.name)
def test_kernels_do_not_know_what_a_layer_is(file):
    ours = {name for name in imports_of(file) if name.startswith("npcnn.")}
    assert {name.split(".")[1] for name in ours} <= {"kernels", "complex_step", "threads"}


def test_no_modules_import_one_another_in_a_circle_not_even_late():
    files = {".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts): file for file in PACKAGE.rglob("*.py")}
    files = {name.removesuffix(".__init__"): file for name, file in files.items()}
    # A package and what it collects are one: `from npcnn import layers` in a file is an import of npcnn.layers.
    graph = {
        name: {found for found in imports_of(file) if found in files} - {"npcnn", name} for name, file in files.items()
    }
    while leaves := [name for name in graph if not graph[name] & graph.keys()]:
        for name in leaves:
            del graph[name]
    assert not graph, f"a circle runs through {sorted(graph)}"


def test_nothing_imports_the_model_but_the_front_doors():
    importers = {file.name for file in PACKAGE.rglob("*.py") if "npcnn.model" in set(imports_of(file))}
    assert importers == {"__init__.py", "models.py"}
