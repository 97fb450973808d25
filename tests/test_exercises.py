"""The exercises for learners: every solution is marked right, and what is not solved, or solved wrong, is told so."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXERCISES = Path(__file__).parent.parent / "examples" / "exercises"
sys.path.insert(0, str(EXERCISES))

from mark import mark  # noqa: E402

PATHS = sorted(EXERCISES.glob("[0-9][0-9]_*.py"))
NAMES = [path.stem for path in PATHS]


def run(*command):
    """Run Python in the root of the repository; return its exit status and what it printed."""
    root = EXERCISES.parent.parent
    environment = os.environ | {"PYTHONPATH": str(root), "PYTHONUTF8": "1"}
    done = subprocess.run([sys.executable, *command], cwd=root, env=environment, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def changed(tmp_path, name, old, new):
    """Return the path of a copy of a solution in which `old`, which is there once, is replaced by `new`."""
    source = (EXERCISES / "solutions" / f"{name}.py").read_text()
    assert source.count(old) == 1, (old, source.count(old))
    path = tmp_path / f"{name}.py"
    path.write_text(source.replace(old, new))
    return path


@pytest.mark.parametrize("name", NAMES)
def test_every_solution_is_right(name):
    solved, sentence = mark(EXERCISES / "solutions" / f"{name}.py")
    assert solved, sentence


@pytest.mark.parametrize("path", PATHS, ids=NAMES)
def test_every_exercise_is_unsolved_and_the_marker_says_where_to_begin(path):
    solved, sentence = mark(path)
    assert not solved
    if path.stem == "13_three_bugs":
        assert "None of the three is right so far" in sentence
        assert all(f"{name}: the gradient of" in sentence for name in ("Loops", "Im2col", "Jit"))
        return
    line = re.search(r"still to do: \S+, line (\d+)", sentence)
    assert "TODO" in path.read_text().splitlines()[int(line[1]) - 1]


WRONG = {
    "one way only": ("01_chain_rule", "q + dp * b", "q", "a is used twice"),
    "a None": ("01_chain_rule", "return q + dp * b,", "return None,", "dL/da must be a number, got NoneType"),
    "another number": ("01_chain_rule", "dp * a, dc", "dp * b, dc", "dL/db is 4, got -6"),
    "a step ahead only": ("02_numerical_derivative", "f(x - h)) / (2 * h)", "f(x)) / h", "a step ahead only"),
    "h for 2h": ("02_numerical_derivative", "/ (2 * h)", "/ h", "twice the slope"),
    "h too large": ("02_numerical_derivative", "BEST_H = 1e-5", "BEST_H = 1e-2", "the curve bends"),
    "h too small": ("02_numerical_derivative", "BEST_H = 1e-5", "BEST_H = 1e-9", "agree in too many digits"),
    "h not chosen": ("02_numerical_derivative", "BEST_H = 1e-5", "BEST_H = None", "run the file"),
    "no gate": ("03_relu", "np.where(x > 0, dy, 0)", "dy", "gradient of x is wrong in"),
    "one at zero": ("03_relu", "(x > 0", "(x >= 0", "at x = 0 dx must be 0"),
    "dy changed": ("03_relu", "np.where(x > 0, dy, 0)", "dy; dy[x < 0] = 0", "changed its input dy"),
    "transposed": ("04_dense", "x.T @ dy", "(dy.T @ x).reshape(w.shape)", "the gradient of w is wrong"),
    "a mean of its own": ("04_dense", "dy.sum(axis=0)", "dy.mean(axis=0)", "(0.2 times that)"),
    "no one": ("05_softmax_cross_entropy", "-= 1", "-= 0", "gradient of y_pred is wrong in 5 of 15"),
    "no mean": ("05_softmax_cross_entropy", "dz /= len(p)", "", "(5 times that)"),
    "wrong counts": ("06_overlapping_patches", "+= 1", "= 1", "outputs_that_saw(3, 3, 2, 2) is wrong in 5 of 9"),
    "no plus": ("06_overlapping_patches", "0] += dy", "0] = dy", "    . x x x x x .\n    x x"),
    "all that tie": (
        "07_max_pool",
        "dx[n, 2 * i + row, 2 * j + column, c] += dy[n, i, j, c]",
        "dx[n, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2, c] += dy[n, i, j, c] * (window == window.max())",
        "Of four zeros the first wins",
    ),
    "last grads first": (
        "08_chain_the_layers",
        "grads.insert(0, of_layer)",
        "grads.append(of_layer)",
        "first layer first",
    ),
    "a list": ("08_chain_the_layers", "return dy, grads", "return [dy, grads]", "and a list of grads, got list."),
    "no chain": ("08_chain_the_layers", "dy, of_layer =", "_, of_layer =", "ValueError in line 21, `_, of_layer ="),
    "uphill": ("09_momentum_and_adam", "- lr * g", "+ lr * g", "momentum_step: w after step 1"),
    "uncorrected": (
        "09_momentum_and_adam",
        "m_hat, v_hat =",
        "m_hat, v_hat = m, v\n    _ =",
        "adam_step: w after step 1",
    ),
    "in place": (
        "09_momentum_and_adam",
        "    m = momentum * m - lr * g",
        "    m *= momentum\n    m -= lr * g",
        "new arrays",
    ),
    "a batch lost": ("10_training_loop", "range(0, len(x), batch", "range(0, len(x) - 3, batch", "got 9 losses"),
    "one loss only": ("10_training_loop", "return losses", "return 3", "a list of losses, one a batch, got int"),
    "one layer idle": ("10_training_loop", "for key, gradient in", "for key, gradient in [] and", "grads has keys []"),
    "shifted": ("11_im2col", "x[:, kh : kh + OH, kw", "x[:, 0:OH, kw", "im2col(x, 2, 3) is wrong"),
    "no bias": ("11_im2col", " + b\n", "\n", "im2col is right. convolve(x, w, b) is wrong"),
    "a sum for a mean": ("12_rms_pool", "np.sqrt(total / (KH * KW))", "np.sqrt(total)", "y of MyRMSPool"),
    "overwritten": ("12_rms_pool", "columns] += share", "columns] = share", "Window (3, 2), strides (2, 1): "),
    "zero by zero": ("12_rms_pool", "np.where(y == 0, 1, KH * KW * y)", "(KH * KW * y)", "zero all over"),
    "two found": ("13_three_bugs", "range((F + 1) // 2)", "range(F // 2)", "Loops and Im2col are right so far. Jit:"),
    "a sign": ("14_a_layer_of_your_own", '"m": -dx', '"m": dx', "(-1 times that)"),
    "no parameter": ("14_a_layer_of_your_own", "self.params = {", "self.params = {} and {", "no parameters"),
    "a straight line": ("14_a_layer_of_your_own", "y = np.exp(-(d**2) / s**2)", "y = d / s", "a straight line"),
    "still in order": ("15_lost_determinism", "in arrivals.permutation(8)", "in range(8)", "the same bits"),
    "a part twice": ("15_lost_determinism", "arrivals.permutation(8)", "arrivals.integers(0, 8, 8)", "exactly once"),
    "another reason": ("15_lost_determinism", 'WHY = "c"', 'WHY = "d"', "ran in one thread"),
    "a sum without rounding": ("15_lost_determinism", "np.float32(1)", "np.float32(0)", "are both 0.0"),
    "no time": ("16_loop_order", "MEASURED = 61.3", "MEASURED = None", "Now run the file"),
    "down the columns": (
        "16_loop_order",
        "        for c in range(C):\n            for u in range(U):\n                y[n, u]",
        "        for u in range(U):\n            for c in range(C):\n                y[n, u]",
        "reads w[0, 0], then w[1, 0]",
    ),
    "down the columns, row by row": (
        "16_loop_order",
        "        for c in range(C):\n            for u in range(U):\n                y[n, u] += x[n, c] * w[c, u]",
        "        for u in range(U):\n            for c in range(C):\n                y[n, u] += x[n, c] * w[c][u]",
        "reads w[0, 0], then w[1, 0]",
    ),
    "no loops": (
        "16_loop_order",
        "    for n in range(N):\n        for c in range(C):\n            for u in range(U):\n                "
        "y[n, u] += x[n, c] * w[c, u]",
        "    y += x @ w",
        "reads a number of w 35 times, three loops do 105 times",
    ),
    "slower": ("16_loop_order", "MEASURED = 61.3", "MEASURED = 0.001", "0.001 times as fast is slower"),
    "no number": ("16_loop_order", "MEASURED = 61.3", "MEASURED = True", "Now run the file"),
    "no ReLU": ("17_fused_average_pool", "if z > 0:", "if True:", "y is wrong in"),
    "half done": (
        "17_fused_average_pool",
        "    N, OH, OW, F = dy.shape\n",
        "    raise NotImplementedError\n",
        "is right. still",
    ),
    "not shared": ("17_fused_average_pool", "f] / 4\n", "f]\n", "(4 times that)"),
    "not compiled": (
        "17_fused_average_pool",
        "@njit\ndef forward",
        "def forward",
        "put @njit in front of forward_kernel",
    ),
    "an error": ("04_dense", "dy @ w.T", "dy @ w", "ValueError in line"),
    "not Python": ("04_dense", "dx, dw, db = ", "dx dw db = ", "SyntaxError in line"),
    "nothing returned": ("04_dense", 'return dx, {"w": dw, "b": db}', "pass", "backward must return (dx, grads)"),
}


@pytest.mark.parametrize(("name", "old", "new", "words"), WRONG.values(), ids=WRONG)
def test_a_wrong_solution_is_told_what_is_wrong(tmp_path, name, old, new, words):
    solved, sentence = mark(changed(tmp_path, name, old, new))
    assert not solved and words in sentence, sentence


def test_the_marker_prints_a_sentence_each_and_its_status_says_whether_all_are_solved():
    assert run("examples/exercises/mark.py", "3") == (1, "3, relu: not yet. still to do: 03_relu.py, line 31.\n")
    status, printed = run("examples/exercises/mark.py", "4", "--solution")
    assert status == 0 and printed.startswith("4, dense: right. ")
    status, printed = run("examples/exercises/mark.py", "99")
    assert status == 2 and f"only 1 to {len(PATHS)}" in printed


def test_the_marker_says_what_the_readme_quotes(tmp_path):
    _, sentence = mark(changed(tmp_path, "06_overlapping_patches", "0] += dy", "0] = dy"))
    assert f"```\n6, overlapping patches: not yet. {sentence}\n```" in (EXERCISES / "README.md").read_text()


def test_pytest_marks_an_exercise_too():
    status, printed = run("-m", "pytest", "examples/exercises", "-k", "03", "-p", "no:cacheprovider")
    assert status == 1 and "still to do: 03_relu.py" in printed and "1 failed" in printed


def test_the_file_about_the_best_step_prints_its_errors():
    status, printed = run("examples/exercises/solutions/02_numerical_derivative.py")
    assert status == 0 and printed.count("error") == 15


def test_the_file_about_lost_determinism_prints_how_far_two_runs_are_apart():
    status, printed = run("examples/exercises/solutions/15_lost_determinism.py")
    assert status == 0 and re.search(r"^[1-9]\d* of 64 weights differ", printed)


def test_the_file_about_the_order_of_loops_prints_a_ratio():
    status, printed = run("examples/exercises/solutions/16_loop_order.py")
    assert status == 0 and re.search(r"given: .* ms, reordered: .* ms, .* times as fast", printed)


@pytest.mark.parametrize(
    "path",
    [*PATHS, *sorted((EXERCISES / "solutions").glob("*.py"))],
    ids=lambda path: f"{path.parent.name}-{path.stem}",
)
def test_every_file_that_an_exercise_or_a_solution_names_is_there(path):
    for named in re.findall(r"\b(?:docs|npcnn|tests|benchmarks|examples)/[\w/]+\.(?:py|md)\b", path.read_text()):
        assert (EXERCISES.parent.parent / named).is_file(), named


def test_the_table_of_exercises_lists_each_with_its_title_and_each_has_a_solution():
    table = (EXERCISES / "README.md").read_text()
    assert sorted(path.name for path in (EXERCISES / "solutions").glob("*.py")) == [path.name for path in PATHS]
    for number, path in enumerate(PATHS, 1):
        assert path.read_text().startswith(f'"""Exercise {number}: ')
        assert f"| {number} | [" in table and f"]({path.name})" in table
