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


unchanged: dict[str, object] = {}  # npcnn and the tests as they are, once `planted()` has imported them


@contextmanager
def planted(module=None, source=None):
    """For a while, `import npcnn` gives npcnn with `source` in place of the source of `module`; or without a bug.

    Compiled kernels run as the Python they are written in, so that nothing wrong is compiled or cached.
    """
    import numba

    kept = taken_out()
    sys.modules.update({} if module else unchanged)
    planter = Planter(module, source)
    sys.meta_path.insert(0, planter)
    jit_was_disabled, numba.config.DISABLE_JIT = numba.config.DISABLE_JIT, True
    try:
        yield
    finally:
        numba.config.DISABLE_JIT = jit_was_disabled
        sys.meta_path.remove(planter)
        imported = taken_out()
        unchanged.update({} if module else imported)
        sys.modules.update(kept)


def taken_out():
    """Take all that is imported afresh out of sys.modules, and return it."""
    mine = [name for name in sys.modules if name.split(".")[0] in OURS and name != __name__]
    return {name: sys.modules.pop(name) for name in mine}


def source_of(module):
    """Return the source of a module of npcnn."""
    return file_of(module).read_text(encoding="utf-8")


def replaced(module, old, new):
    """Return the source of `module` with `old`, which must be there exactly once, replaced by `new`."""
    source = source_of(module)
    assert source.count(old) == 1, f"{module} has {source.count(old)} times, not once:\n{old}"
    return source.replace(old, new)


def first_failure(test, argument=None):
    """Run "file::function" for all its cases, or those with `argument` among theirs, until one fails.

    Return its number and the failure's text, or None.
    """
    cases = [i for i, case in enumerate(parameters(function_of(test))) if argument in (None, *map(str, case.values()))]
    assert cases, f"{test} has no case with {argument}"
    return next(((i, text) for i in cases if (text := failure(test, i))), None)


def failure(test, i):
    """Run the i-th case of "file::function"; return the failure's text, or None."""
    try:
        function_of(test)(**list(parameters(function_of(test)))[i])
    except (SyntaxError, NameError, AttributeError, TypeError, ImportError):
        raise  # that is no bug that people ship, but a slip in planting it
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


def function_of(test):
    """Return the function "file::function", imported afresh if need be."""
    file, function = test.split("::")
    return getattr(importlib.import_module(file), function)


def parameters(function):
    """Yield the arguments of every case of a test that pytest.mark.parametrize has marked."""
    choices = []
    for mark in getattr(function, "pytestmark", []):
        names, values = mark.args
        names = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
        choices.append([dict(zip(names, value if len(names) > 1 else [value], strict=True)) for value in values])
    for choice in itertools.product(*choices):
        yield {name: value for part in choice for name, value in part.items()}
