"""examples/check_gradients.py: it checks a layer of one's own, draws what is wrong, and goes on after a failure."""

import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

from npcnn import layers

EXAMPLES = Path(__file__).parent.parent / "examples"

OWN = """
import numpy as np
from pathlib import Path
from npcnn import losses
from npcnn.layers import Conv2D, Layer


class Cube(Layer):
    def forward(self, x, training=False):
        return x**3, x

    def backward(self, dy, cache):
        return 3 * cache**2 * dy, {}


class Forgets(Cube):
    def backward(self, dy, cache):
        dx = 3 * cache**2 * dy
        dx[:, 1] = 0
        return dx, {}


class Size(Layer):
    def forward(self, x, training=False):
        return np.hypot(x, 1), x

    def backward(self, dy, cache):
        return dy * cache / np.hypot(cache, 1), {}


class Magnitude(Layer):
    def forward(self, x, training=False):
        return abs(x), x

    def backward(self, dy, cache):
        return dy * np.sign(cache), {}


class Takes(Conv2D):
    pass


takes = Takes(2, 3)
loss = losses.MeanSquaredError()


class Flat(Layer):
    def build(self, input_shape, rng=None):
        super().build(input_shape)
        self.params = {"w": np.ones((3, 2))}

    def forward(self, x, training=False):
        return x @ self.params["w"], x
"""


@pytest.fixture
def check(tmp_path, monkeypatch, capsys):
    """A function (*arguments) -> exit status and what was printed by the example run with these arguments."""
    (tmp_path / "own.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["check_gradients.py", *arguments])
        status = 0
        try:
            runpy.run_path(str(EXAMPLES / "check_gradients.py"), run_name="__main__")
        except SystemExit as end:
            status = end.code
        return status, "".join(capsys.readouterr())

    return run


def test_a_right_layer_of_ones_own_passes_by_every_method_that_applies(check):
    status, printed = check("own.py:Cube", "--shape", "3,4")
    assert status == 0 and "FAIL" not in printed
    assert all(f"Cube, {method}, h = " in printed for method in ("central", "complex", "adjoint"))
    assert "exact: does not apply: the layer is not linear" in printed


@pytest.mark.parametrize(
    ("name", "why"), [("Size", "takes no complex numbers (ufunc"), ("Magnitude", "not an analytic")]
)
def test_where_a_method_does_not_apply_it_says_why_and_uses_the_others(check, name, why):
    status, printed = check(f"own.py:{name}", "--shape", "3,4")
    assert status == 0 and f"{name}, central" in printed
    assert all(f"{method}: does not apply: " in printed for method in ("complex", "adjoint")) and why in printed


def test_a_layer_that_takes_arguments_is_made_in_the_file(check):
    status, printed = check("own.py:takes", "--shape", "4,5,1", "--images", "1")
    assert status == 0 and "Takes on im2col, exact" not in printed and "Takes, exact, h = 1: ok" in printed
    assert "(1, 4, 5, 1)" in printed


def test_a_wrong_layer_is_drawn_once_and_the_status_says_so(check):
    status, printed = check("own.py:Forgets", "--shape", "3,4")
    assert status == 1
    assert printed.count("    . . . .\n    x x x x\n    . . . .\n") == 1
    assert printed.endswith("Forgets, central\n\nForgets, exact\n\nForgets, complex\n\nForgets, adjoint\n")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere.py:Cube"], "FILE:NAME must be a file and a layer in it, as my_layer.py:MyLayer"),
        (["own.py"], "FILE:NAME must be"),
        (["own.py:Cube", "--shape", "3,x"], "--shape must be positive numbers, as 6,7,2, got '3,x'"),
        (["own.py:Cube", "--shape", "0"], "--shape must be positive"),
        (["own.py:Cube", "--images", "0"], "--images must be at least 1, got 0"),
        (["own.py:Square"], "own.py has no 'Square'"),
        (["own.py:loss"], "own.py:loss must be a layer, with build, forward and backward, got <"),
        (["own.py:Path"], "own.py:Path must be a layer"),
        (["own.py:Flat"], "own.py:Flat fails in line 53 for inputs of --shape 6,7,2: ValueError: matmul"),
        (["own.py:takes", "--shape", "3"], "own.py:takes fails for inputs of --shape 3: ValueError: Takes"),
        (["own.py:Takes"], "make one in the file, as my_layer = Takes(...), and give its name"),
    ],
)
def test_a_wrong_argument_ends_in_one_line_that_names_it(check, arguments, words):
    status, printed = check(*arguments)
    assert status == 2 and words in printed


def test_one_wrong_layer_of_the_library_does_not_hide_the_others_and_is_drawn_at_the_end(monkeypatch, capsys):
    def wrong(self, dy, cache):
        dx, grads = right(self, dy, cache)
        dx[:, 0] = 0
        return dx, grads

    def broken(self, x, training=False):
        raise RuntimeError("out of order")

    right = layers.MaxPool2D.backward
    monkeypatch.setattr(layers.MaxPool2D, "backward", wrong)
    monkeypatch.setattr(layers.Flatten, "forward", broken)
    example = runpy.run_path(str(EXAMPLES / "check_gradients.py"))
    rng, check = np.random.default_rng(0), example["check_everything"]
    quick = [case for case in example["subjects"](rng) if case[0] in ("MaxPool2D", "Flatten", "Dense", "ReLU")]
    check.__globals__["subjects"] = lambda rng: quick
    failures = check(rng)
    lines = [line for line in capsys.readouterr().out.splitlines() if line and line[0] in "MFDR"]
    assert [(line.split()[0], line.count("FAIL")) for line in lines] == [
        *4 * [("MaxPool2D", 4)],
        *4 * [("Dense", 0)],
        ("Flatten", 4),
        ("ReLU", 0),
    ]
    assert len(failures) == 20 and failures[-1] == "Flatten, adjoint: RuntimeError: out of order"
    assert failures[0].startswith("MaxPool2D on loops, central") and "    x x x x x x\n    . . . . . .\n" in failures[0]
