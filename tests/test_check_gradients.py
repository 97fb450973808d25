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
from npcnn.kernels.windows import offsets
from npcnn.layers import AveragePooling2D, Conv2D, Dense, Layer


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


class Scaled(Dense):
    def backward(self, dy, cache):
        dx, grads = super().backward(dy, cache)
        return dx, {"kernel": 2 * grads["kernel"], "bias": grads["bias"]}


scaled = Scaled(3)


class Mean(AveragePooling2D):
    pass


class Overwrites(Mean):
    def backward(self, dy, cache):
        dx = np.zeros((len(dy), *self.input_shape))
        for _, _, rows, columns in offsets(dy.shape[1:3], self.pool_size, self.strides):
            dx[:, rows, columns] = dy / np.prod(self.pool_size)
        return dx, {}


class Four(Mean):
    def backward(self, dy, cache):
        return super().backward(dy * np.prod(self.pool_size) / 4, cache)


side_by_side = Overwrites(2)


class Refuses(Mean):
    def __init__(self, pool_size=2, strides=None):
        super().__init__(pool_size, strides)
        if self.strides != self.pool_size:
            raise ValueError("side by side only")
loss = losses.MeanSquaredError()


class Flat(Layer):
    def build(self, input_shape, rng=None):
        super().build(input_shape)
        self.params = {"w": np.ones((3, 2))}

    def forward(self, x, training=False):
        return x @ self.params["w"], x
"""


FLAT = OWN[: OWN.index('return x @ self.params["w"]')].count("\n") + 1  # the line that fails in Flat


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
    assert printed.startswith("Forgets: the gradient of x is wrong in 8 of 24 places\n\n")
    assert printed.count("  argument ") == 1  # one table, and of each other method one line
    for method in ("central", "exact", "complex", "adjoint"):
        assert printed.count(f"\nForgets, {method}, h = ") == 1


def test_the_verdict_names_what_is_right_beside_what_is_wrong(check):
    status, printed = check("own.py:scaled", "--shape", "4")
    assert status == 1
    assert printed.startswith(
        "Scaled: the gradient of x is right, that of kernel is wrong in 12 of 12 places, that of b"
    )


@pytest.mark.parametrize("name", ["Overwrites", "Four"])
def test_a_pool_of_ones_own_is_wrong_where_only_overlapping_oblong_windows_show_it(check, name):
    status, printed = check(f"own.py:{name}")
    assert status == 1 and f"{name}: the gradient of x is right\n" in printed
    assert f"{name}, window 3 x 2, strides 2 and 1: the gradient of x is wrong in " in printed


def test_a_right_pool_of_ones_own_passes_with_both_windows(check):
    status, printed = check("own.py:Mean")
    assert status == 0 and printed.count("the gradient of x is right") == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["own.py:Refuses"], "Windows that overlap are not tried: side by side only"),
        (["own.py:Mean", "--shape", "2,3,1"], "Windows that overlap are not tried: Mean: pool_size (3, 2) is larger"),
        (["own.py:side_by_side"], "Overwrites: the gradient of x is right"),  # a layer made in the file is as it is
    ],
)
def test_a_pool_is_checked_side_by_side_only_where_its_windows_cannot_or_may_not_overlap(check, arguments, words):
    status, printed = check(*arguments)
    assert status == 0 and words in printed and printed.count("the gradient of x is right") == 1


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
        (["own.py:Flat"], f"own.py:Flat fails in line {FLAT} for inputs of --shape 6,7,2: ValueError: matmul"),
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
