"""Change npcnn in every small way a program can be wrong, one at a time, and count how many changes the tests notice.

    python tests/mutation.py                       all of kernels/, layers/, losses/, checks.py and so on
    python tests/mutation.py npcnn/losses          some of it

A mutant is one module with one operator, comparison or constant changed (+ for -, < for <=, 0 for 1, "not" in front of
a condition), or with one statement left out: a sum, a call, an error that is raised, what is written into an array or
onto an object. (Not `x = ...`: nearly any program fails without, which would test nothing.) It is "killed" if
a test fails (or never ends), and "survives" if all pass: then either the change makes no difference, or a test is
missing. Compiled kernels run as plain Python (NUMBA_DISABLE_JIT). Nothing on disk changes.
"""

import argparse
import ast
import math
import os
import signal
import sys
import time
from pathlib import Path

os.environ["NUMBA_DISABLE_JIT"] = "1"
os.environ["OPENBLAS_NUM_THREADS"] = "1"

import pytest  # noqa: E402  (imported once here, so that every forked child has it)

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path[:0] = [str(ROOT), str(HERE / "gradients")]
from planting import Planter, source_of  # noqa: E402

TARGETS = ["npcnn/kernels", "npcnn/layers", "npcnn/checks.py", "npcnn/losses", "npcnn/optimizers"]
TARGETS += ["npcnn/regularizers.py", "npcnn/metrics.py"]
TESTS = [  # those that kill most, and fastest, first; a module's own before them all
    "gradients/test_golden_values.py",
    "test_layers.py",
    "test_losses.py",
    "test_registers.py",
    "test_optimizers.py",
    "gradients/test_ties_and_corners.py",
    "gradients/test_complex_step.py",
    "gradients/test_second_order.py",
]
MORE = {  # those that take longer, where they see what the others do not
    "npcnn.kernels.conv_relu_max_pool": [
        "test_fused_kernel.py",
        "test_sharing.py",
        "gradients/test_exact_and_adjoint.py::test_conv_relu_pool_on_whole_numbers_equals_the_definition_bit_for_bit",
        "gradients/test_exact_and_adjoint.py::test_the_parts_of_a_batch_add_up_to_the_definition_bit_for_bit",
    ],
    "npcnn.kernels.dense": [
        "test_sharing.py",
        "gradients/test_exact_and_adjoint.py::test_the_blocks_of_a_dense_layer_make_up_the_product_bit_for_bit",
    ],
    "npcnn.kernels.sharing": [
        "test_sharing.py",
        "gradients/test_exact_and_adjoint.py::test_the_parts_of_a_batch_add_up_to_the_definition_bit_for_bit",
    ],
    **dict.fromkeys(["npcnn.layers", "npcnn.checks", "npcnn.losses", "npcnn.optimizers"], ["test_wrong_calls.py"]),
    **{f"npcnn.{name}": [f"test_{name}.py", "test_wrong_calls.py"] for name in ("regularizers", "metrics")},
    "npcnn.optimizers.schedules": ["test_schedules.py", "test_wrong_calls.py"],
}
PATIENCE = 4  # a mutant that takes so many times as long as the tests do without it has lost its way

SWAPS = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.Pow: ast.Mult, ast.Mod: ast.Mult, ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr,
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.And: ast.Or, ast.Or: ast.And,
}  # fmt: skip


def mutations(tree):
    """Yield (node, field, new value, line, description) for every change; types and messages are left alone."""
    negated = {id(node.operand) for node in ast.walk(tree) if isinstance(node, ast.UnaryOp)}  # -1 becomes 1, not -2
    for node in relevant(tree):
        if isinstance(node, (ast.BinOp, ast.BoolOp, ast.AugAssign)) and type(node.op) in SWAPS:
            swap = SWAPS[type(node.op)]
            yield node, "op", swap(), node.lineno, f"{type(node.op).__name__} -> {swap.__name__}"
        if isinstance(node, ast.Compare):
            for i, op in enumerate(node.ops):
                ops = [*node.ops[:i], SWAPS[type(op)](), *node.ops[i + 1 :]]
                yield node, "ops", ops, node.lineno, f"{type(op).__name__} -> {SWAPS[type(op)].__name__}"
        if isinstance(node, (ast.If, ast.IfExp, ast.While)):
            yield node, "test", ast.UnaryOp(ast.Not(), node.test), node.lineno, "condition negated"
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            yield node, "op", ast.UAdd(), node.lineno, "minus dropped"
        if isinstance(node, ast.Constant) and id(node) not in negated and isinstance(node.value, (bool, int, float)):
            value = not node.value if isinstance(node.value, bool) else node.value + 1
            yield node, "value", value, node.lineno, f"{node.value!r} -> {value!r}"
        for field in ("body", "orelse", "finalbody"):
            statements = getattr(node, field, None)
            for i, statement in enumerate(statements if isinstance(statements, list) else []):
                if worth_leaving_out(statement):
                    new = [*statements[:i], ast.copy_location(ast.Pass(), statement), *statements[i + 1 :]]
                    yield node, field, new, statement.lineno, f"left out: {ast.unparse(statement)[:60]}"


def worth_leaving_out(statement):
    """Whether a program without this statement may still run."""
    if isinstance(statement, ast.Expr):
        return not isinstance(statement.value, ast.Constant)  # not a docstring
    if isinstance(statement, ast.Assign):
        return all(isinstance(target, (ast.Subscript, ast.Attribute)) for target in statement.targets)
    return isinstance(statement, (ast.AugAssign, ast.Raise, ast.Continue, ast.Break))


def relevant(node):
    """Yield the nodes of a tree, without annotations, f-strings, which are messages, and zip's strict, a safeguard."""
    yield node
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns"):
            continue
        for child in value if isinstance(value, list) else [value]:
            safeguard = isinstance(child, ast.keyword) and child.arg == "strict"
            if isinstance(child, ast.AST) and not isinstance(child, ast.JoinedStr) and not safeguard:
                yield from relevant(child)


def mutants(path):
    """Yield (line, description, source) for every mutant of a file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node, name, value, line, description in list(mutations(tree)):
        before = getattr(node, name)
        setattr(node, name, value)
        yield line, description, ast.unparse(ast.fix_missing_locations(tree))
        setattr(node, name, before)


def tests_of(module):
    """Return the tests that a mutant of this module has to pass, those that are likely to notice it first."""
    own = [f"test_{part}.py" for part in module.split(".")]
    more = [name for part, names in MORE.items() for name in names if f"{module}.".startswith(f"{part}.")]
    first = [*own, *more] if "layers" in module else own
    return tuple(sorted([*TESTS, *more], key=lambda name: name not in first))


def run(tests, module, source, seconds=0):
    """Fork; in the child, run these tests with `source` as `module`. Return the child's process number."""
    child = os.fork()
    if child:
        return child
    signal.alarm(seconds)  # ends this process if nothing else does; 0 is never
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1), os.dup2(silent, 2)
    sys.dont_write_bytecode = True
    sys.meta_path.insert(0, Planter(module, source))
    options = ["-x", "-q", "-p", "no:cacheprovider", "-W", "ignore::RuntimeWarning", "--rootdir", str(ROOT)]
    os._exit(int(pytest.main([*options, *(str(HERE / name) for name in tests)])))


def seconds_without_mutation(tests):
    """Return how long the tests take if nothing is wrong."""
    started = time.time()
    _, status = os.waitpid(run(tests, "npcnn.losses", source_of("npcnn.losses")), 0)
    if status:
        sys.exit(f"{', '.join(tests)} fail without any mutation; nothing to learn from mutants")
    return time.time() - started


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="*", default=TARGETS, help="files or folders (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=2, help="how many mutants are tested at a time (default: 2)")
    parser.add_argument("--every", type=int, default=1, help="test only every n-th mutant (default: 1, all)")
    arguments = parser.parse_args()

    files = [file for path in arguments.paths for file in sorted((ROOT / path).rglob("*.py")) or [ROOT / path]]
    modules = {file: ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for file in files}
    work = [(file, *mutant) for file in files for mutant in mutants(file)][:: arguments.every]
    patience = PATIENCE * max(1, arguments.jobs / os.cpu_count())
    limits = {
        tests: math.ceil(patience * seconds_without_mutation(tests)) for tests in set(map(tests_of, modules.values()))
    }
    print(f"{len(work)} mutants of {len(files)} files; each may take {min(limits.values())} s or more", flush=True)
    started, running, survivors, endless = time.time(), {}, 0, 0
    for number, mutant in enumerate([*work, *[None] * arguments.jobs]):
        if len(running) == arguments.jobs or (running and not mutant):
            process, status = os.wait()
            file, line, description, _ = running.pop(process)
            endless += os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGALRM
            if status == 0:
                survivors += 1
                print(f"survives: {file.relative_to(ROOT)}:{line}: {description}", flush=True)
        if mutant:
            module = modules[mutant[0]]
            running[run(tests_of(module), module, mutant[-1], limits[tests_of(module)])] = mutant
            if number % 100 == 99:
                print(f"{number + 1} begun", flush=True)
    killed, minutes = len(work) - survivors, (time.time() - started) / 60
    print(f"{killed} of {len(work)} mutants killed: {killed / max(len(work), 1):.1%}, in {minutes:.0f} minutes")
    print(f"{endless} of these never came to an end")


if __name__ == "__main__":
    main()
