"""Mark the exercises: what is right, what is still wrong, and where.

python examples/exercises/mark.py 3             one exercise
python examples/exercises/mark.py               all of them
python examples/exercises/mark.py 3 --solution  its solution, marked alike
"""

import argparse
import importlib.util
import sys
import traceback
from pathlib import Path

import checks
import numpy as np

HERE = Path(__file__).parent
EXERCISES = sorted(HERE.glob("[0-9][0-9]_*.py"))


def mark(path: Path) -> tuple[bool, str]:
    """Return whether the exercise in this file is solved, and a sentence or two about it."""
    try:
        with np.errstate(all="ignore"):  # NaN is told as what is wrong, not as a warning
            return True, getattr(checks, path.stem[3:])(load(path))
    except checks.StillWrongError as wrong:
        return False, str(wrong)
    except Exception as error:  # of whatever kind: it is the learner's code that runs
        if isinstance(error, NotImplementedError):
            lines = path.read_text(encoding="utf-8").splitlines()
            todo = next((i for i, line in enumerate(lines, 1) if "NotImplementedError" in line), 1)
            progress = str(error) if str(error) != "TODO" else ""
            return False, f"{progress}still to do: {path.name}, line {todo}."
        return False, f"{type(error).__name__}{place(error, path)}: {error}"


def load(path: Path):
    """Run an exercise's file, and return it as a module."""
    spec = importlib.util.spec_from_file_location(f"{path.parent.name}_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where numba looks for it
    spec.loader.exec_module(module)
    return module


def place(error: Exception, path: Path) -> str:
    """Return where in this file an error happened, in words, if it was there."""
    if isinstance(error, SyntaxError):
        return f" in line {error.lineno}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename) == path]
    return f" in line {frames[-1].lineno}, `{frames[-1].line}`" if frames else ""


def main() -> None:
    """Mark the exercise that is asked for, or all; exit status 1 if one is not solved."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("number", nargs="?", type=int, help=f"of the exercise, 1 to {len(EXERCISES)} (default: all)")
    parser.add_argument("--solution", action="store_true", help="mark the solution in place of your file")
    arguments = parser.parse_args()
    chosen = [path for path in EXERCISES if arguments.number in (None, int(path.name[:2]))]
    if not chosen:
        parser.error(f"there is no exercise {arguments.number}, only 1 to {len(EXERCISES)}")
    solved = 0
    for path in chosen:
        right, sentence = mark(HERE / "solutions" / path.name if arguments.solution else path)
        solved += right
        print(
            f"{int(path.name[:2])}, {path.stem[3:].replace('_', ' ')}: {'right. ' if right else 'not yet. '}{sentence}"
        )
    if len(chosen) > 1:
        print(f"\n{solved} of {len(chosen)} solved")
    sys.exit(solved < len(chosen))


if __name__ == "__main__":
    main()
