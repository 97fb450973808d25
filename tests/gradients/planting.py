"""Plant a bug: import npcnn and the tests afresh, with one module's source changed, and see which test notices.

Nothing on disk is touched, and when the `with` block ends everything imported is as it was before.
"""

import importlib.abc
import importlib.util
import itertools
import sys
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parent
PACKAGE = Path(importlib.util.find_spec("npcnn").origin).parent
OURS = ("npcnn", *(path.stem for path in HERE.glob("*.py")))  # what is imported afresh, this file apart


class Planter(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Finds one module, and gives it another source."""

    def __init__(self, module, source):
        self.module, self.source = module, source

    def find_spec(self, name, path=None, target=None):
        if name != self.module:
            return None
        spec = importlib.util.spec_from_loader(name, self)
        if self.is_package(name):
            spec.submodule_search_locations = [str(file_of(name).parent)]
        return spec

    def get_source(self, name):
        return self.source

    def is_package(self, name):
        return file_of(name).name == "__init__.py"


def file_of(module):
    """Return where the source of a module of npcnn is."""
    path = PACKAGE.joinpath(*module.split(".")[1:])
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@contextmanager
def planted(module, source):
    """For a while, `import npcnn` gives npcnn with `source` in place of the source of `module`.

    Compiled kernels run as the Python they are written in, so that nothing wrong is compiled or cached.
    """
    import numba

    mine = [name for name in sys.modules if name.split(".")[0] in OURS and name != __name__]
    kept = {name: sys.modules.pop(name) for name in mine}
    planter = Planter(module, source)
    sys.meta_path.insert(0, planter)
    jit_was_disabled, numba.config.DISABLE_JIT = numba.config.DISABLE_JIT, True
    try:
        yield
    finally:
        numba.config.DISABLE_JIT = jit_was_disabled
        sys.meta_path.remove(planter)
        for name in [name for name in sys.modules if name.split(".")[0] in OURS and name != __name__]:
            del sys.modules[name]
        sys.modules.update(kept)


def source_of(module):
    """Return the source of a module of npcnn."""
    return file_of(module).read_text(encoding="utf-8")


def replaced(module, old, new):
    """Return the source of `module` with `old`, which must be there exactly once, replaced by `new`."""
    source = source_of(module)
    assert source.count(old) == 1, f"{module} has {source.count(old)} times, not once:\n{old}"
    return source.replace(old, new)


def first_failure(test, rung=None):
    """Run "file::function" for all its parameters, or those with `rung`; return the first failure's text, or None."""
    file, function = test.split("::")
    function = getattr(importlib.import_module(file), function)
    ran = False
    for arguments in parameters(function):
        if rung is None or arguments.get("rung", rung) == rung:
            ran = True
            try:
                function(**arguments)
            except (SyntaxError, NameError, AttributeError, TypeError, ImportError):
                raise  # that is no bug that people ship, but a slip in planting it
            except Exception as error:
                return f"{type(error).__name__}: {error}"
    assert ran, f"{test} has no case with rung {rung}"
    return None


def parameters(function):
    """Yield the arguments of every case of a test that pytest.mark.parametrize has marked."""
    choices = []
    for mark in getattr(function, "pytestmark", []):
        names, values = mark.args
        names = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
        choices.append([dict(zip(names, value if len(names) > 1 else [value], strict=True)) for value in values])
    for choice in itertools.product(*choices):
        yield {name: value for part in choice for name, value in part.items()}
