"""Prove the backward passes right: every layer on every rung, a layer of your own, and what a wrong one looks like.

python examples/check_gradients.py
python examples/check_gradients.py my_layer.py:MyLayer --shape 6,7,1

The first prints a row of errors for each layer, loss and rung, then two layers in detail, a right one and a wrong one,
in about a minute. The second checks a layer of yours, by every method that applies, and draws where a gradient is
wrong. Behind the colon stands the name of a class; or, if it takes arguments, of a layer in the file, as in
my_layer = MyLayer(3). A class with the arguments pool_size and strides, a pool, is checked with windows side by side
and with windows that overlap.
"""

import argparse
import importlib.util
import inspect
import re
import sys
import traceback
from pathlib import Path

import numpy as np

from npcnn import Sequential, layers, losses
from npcnn.gradient_check import METHODS, Result, check_layer, check_loss, check_model
from npcnn.kernels import RUNGS
from npcnn.kernels.windows import offsets

F64 = {"dtype": "float64"}


class Swish(layers.Layer):
    """A layer that npcnn does not have: y = x s(b x), where s(z) = 1 / (1 + exp(-z)), with one b a channel."""

    def build(self, input_shape, rng=None):
        """Allocate b, all ones."""
        super().build(input_shape)
        self.params = {"b": np.ones(input_shape[-1], self.dtype)}

    def forward(self, x, training=False):
        """Return y, and what backward needs."""
        b = self.params["b"]
        s = 1 / (1 + np.exp(-b * x))
        return x * s, (x, b, s)

    def backward(self, dy, cache):
        """Return dx = dy (s + x b s (1 - s)) and db = the sum over each channel of dy x^2 s (1 - s)."""
        x, b, s = cache
        dx = dy * (s + x * b * s * (1 - s))
        db = (dy * x * x * s * (1 - s)).reshape(-1, len(b)).sum(axis=0)
        return dx, {"b": db}


class WrongConv2D(layers.Conv2D):
    """A convolution with a famous mistake: where patches overlap, their gradients overwrite each other."""

    def backward(self, dy, cache):
        """Return a wrong dx."""
        _, grads = super().backward(dy, cache)
        dpatches = np.einsum("nijf,hwcf->nijhwc", dy, self.params["kernel"])
        dx = np.zeros((len(dy), *self.input_shape))
        for kh, kw, rows, columns in offsets(dy.shape[1:3], self.kernel_size, self.strides):
            dx[:, rows, columns] = dpatches[:, :, :, kh, kw]  # += would be right
        return dx, grads


def subjects(rng):
    """Yield (name, rungs, methods, check), where check(rung, method) returns a result."""
    x, logits = rng.standard_normal((2, 7, 6, 3)), rng.standard_normal((20, 5))
    spaced = (rng.permutation(x.size) - (x.size - 1) / 2).reshape(x.shape) * 3  # no step of 1 makes another winner
    images, labels = rng.standard_normal((20, 5, 4, 1)), rng.integers(0, 5, 20)
    probabilities, distributions = rng.dirichlet(np.full(5, 5.0), 20), rng.dirichlet(np.full(5, 5.0), 20)
    every, smooth = tuple(METHODS), ("central", "complex", "adjoint")

    def layer(make, x):
        return lambda rung, method: check_layer(make(rung), x, method)

    def conv(**options):
        return layer(lambda rung: layers.Conv2D(4, (3, 2), kernels=rung, **options, **F64), x)

    def pool(*options):
        return layer(lambda rung: layers.MaxPool2D(*options, kernels=rung), spaced)

    def loss(name, y_true, y_pred, **options):
        return lambda rung, method: check_loss(getattr(losses, name)(**options), y_true, y_pred, method)

    def model(rung, method):
        stack = [layers.Conv2D(2, (2, 3), activation="relu"), layers.MaxPool2D(2)]
        stack += [layers.Flatten(), layers.Dense(5, activation="softmax")]
        model = Sequential([layers.Input((5, 4, 1)), *stack], kernels=rung, **F64)
        model.compile(loss="sparse_categorical_crossentropy")
        return check_model(model, images, labels, method)

    yield "Conv2D", RUNGS, every, conv()
    yield "  strides, same", RUNGS, every, conv(strides=(1, 2), padding="same")
    yield "  dilation", RUNGS, every, conv(dilation_rate=(2, 3))
    yield "  ReLU, no bias", RUNGS, smooth, conv(activation="relu", use_bias=False)
    yield "MaxPool2D", RUNGS, every, pool(2)
    yield "  overlapping, same", RUNGS, every, pool((3, 2), (2, 1), "same")
    yield "Dense", RUNGS, every, layer(lambda rung: layers.Dense(4, kernels=rung, **F64), logits)
    yield "  softmax", RUNGS, smooth, layer(lambda rung: layers.Dense(4, "softmax", kernels=rung, **F64), logits)
    yield "Input", [None], every, layer(lambda rung: layers.Input(x.shape[1:]), x)
    yield "Flatten", [None], every, layer(lambda rung: layers.Flatten(), x)
    yield "ReLU", [None], every, layer(lambda rung: layers.ReLU(), spaced)
    yield "Softmax", [None], smooth, layer(lambda rung: layers.Softmax(), logits)
    sparse, dense = "SparseCategoricalCrossentropy", "CategoricalCrossentropy"
    yield "Sparse cross-entropy", [None], smooth, loss(sparse, labels, probabilities)
    yield "  from logits", [None], smooth, loss(sparse, labels, logits, from_logits=True)
    yield "Cross-entropy", [None], smooth, loss(dense, distributions, probabilities)
    yield "  from logits", [None], smooth, loss(dense, distributions, logits, from_logits=True)
    yield "conv relu pool dense", RUNGS, smooth, model


def check_everything(rng) -> list:
    """Check all that npcnn has; print a table, and return what failed."""
    print("Largest relative error of any gradient, and what it has to stay below; '-': the method does not apply.\n")
    print(f"{'':22}{'kernels':9}" + "".join(f"{method:>20}" for method in METHODS))
    failures = []
    for name, rungs, methods, check in subjects(rng):
        for rung in rungs:
            cells = []
            for method in METHODS:
                fused = name.startswith("conv relu pool") and rung == "fused"  # three layers at once, in real numbers
                if method not in methods or (method == "complex" and fused):
                    cells.append("-")
                    continue
                try:
                    result = check(rung, method)
                except Exception as error:  # one broken layer does not hide the next
                    where = f"{name.strip()} on {rung}" if rung else name.strip()
                    failures.append(f"{where}, {method}: {type(error).__name__}: {error}")
                    cells.append("FAIL")
                    continue
                cells.append(f"{result.max_error:.1e} < {result.tolerance:.0e}" if result.passed else "FAIL")
                if not result.passed:
                    failures.append(explain(result))
            print(f"{name:22}{rung or '':9}" + "".join(f"{cell:>20}" for cell in cells))
    return failures


def explain(result: Result) -> str:
    """Return the table of a check, and a drawing of what is wrong in it."""
    return f"{result}\n{result.drawing()}".rstrip()


def show_what_right_and_wrong_look_like(rng) -> None:
    """Check a layer that npcnn does not have, and one with a mistake."""
    print("\nA layer of your own, smooth, so that the complex step proves it to sixteen digits:\n")
    print(check_layer(Swish(**F64), rng.standard_normal((2, 3, 4)), "complex"))

    print("\nA wrong one: Conv2D(2, 3) whose backward pass writes dx[...] = where += is needed:\n")
    result = check_layer(WrongConv2D(2, 3, **F64), rng.standard_normal((1, 6, 7, 1)), "exact")
    print(result)
    print("\n  dx by pixel, x where it is wrong: everywhere but in the corners, each in one patch. Kernel and")
    print("  bias are right. So the mistake is in how dx is put together where patches overlap:\n")
    print(result.drawing().partition("\n")[2])


def find_layer(file: str, name: str):
    """Return the layer that is called `name` in a Python file, or one of the class of that name."""
    path = Path(file).resolve()
    sys.path.insert(0, str(path.parent))  # for what the file itself imports
    spec = importlib.util.spec_from_file_location(f"{path.parent.name}_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where numba looks for it
    spec.loader.exec_module(module)
    if not hasattr(module, name):
        raise LookupError(f"{file} has no {name!r}")
    found = getattr(module, name)
    if not all(callable(getattr(found, method, None)) for method in ("build", "forward", "backward")):
        raise LookupError(f"{file}:{name} must be a layer, with build, forward and backward, got {found!r}")
    if not isinstance(found, type):
        return found
    try:
        inspect.signature(found).bind()
    except TypeError as error:
        hint = f"make one in the file, as my_layer = {name}(...), and give its name"
        raise LookupError(f"{name} cannot be made without arguments ({error}); {hint}") from None
    return found()


def variants(layer, name: str, shape: tuple) -> dict:
    """Return the layer by its title; and, if it was made from a class of pools, another whose windows overlap.

    Where windows lie side by side, = and += do the same in backward; where they are 2 x 2, so do KH KW and 4.
    """
    title, cls = str(layer), type(layer)
    if cls.__name__ != name or not {"pool_size", "strides"} <= set(inspect.signature(cls.__init__).parameters):
        return {title: layer}
    overlapping = {"pool_size": (3, 2), "strides": (2, 1)}
    try:
        cls(**overlapping).build(shape)
    except ValueError as error:
        print(f"Windows that overlap are not tried: {error}\n")
        return {title: layer}
    return {title: layer, f"{title}, window 3 x 2, strides 2 and 1": cls(**overlapping)}


def check_own(layer, title: str, shape: tuple, images: int, rng) -> bool:
    """Check a layer by every method that applies; print a verdict, a table, a line a method; return if all is right."""
    x, results, notes = rng.standard_normal((images, *shape)), [], []
    for method in METHODS:
        try:
            result = check_layer(layer, x, method)
        except TypeError as error:
            if "complex numbers" not in str(error):
                raise
            notes.append(f"{method}: does not apply: {str(error).partition('; ')[0]}")
            continue
        if any("analytic" in problem for problem in result.problems):
            why = "forward is not an analytic function, it has an abs, var, norm or the like"
            notes.append(f"{method}: does not apply: {why}")
            continue
        # A wide step is exact on a straight line only. Where the narrow one finds nothing wrong, y is bent.
        if method == "exact" and not result.passed and all(earlier.passed for earlier in results):
            notes.append("exact: does not apply: the layer is not linear")
            continue
        results.append(result)
    shown = next((result for result in results if not result.passed), results[0])
    print(f"{title}: {verdict(shown)}\n\n{explain(shown)}\n")
    print("\n".join([str(result).partition("\n")[0] for result in results if result is not shown] + notes), end="\n\n")
    return shown.passed


def verdict(result: Result) -> str:
    """Say in one line what is wrong and what is right."""
    words, found = {"ok": "right", "kinks only": "not compared, at kinks only"}, []
    for row in result.rows:
        places = f" in {len(row.wrong)} of {row.measured} places" if row.measured > 1 else ""
        found.append(f"of {row.argument} is {words.get(row.verdict, f'wrong{places}')}")
    return "; ".join(["the gradient " + ", that ".join(found), *result.problems])


def main() -> None:
    """Check everything, or a layer of one's own, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("layer", nargs="?", metavar="FILE:NAME", help="a layer of yours (default: all that npcnn has)")
    parser.add_argument("--shape", default="6,7,2", help="of one input to it, without the batch axis (default: 6,7,2)")
    parser.add_argument("--images", type=int, default=2, help="how many inputs (default: 2)")
    parser.add_argument("--seed", type=int, default=0, help="of inputs, weights and upstream gradients (default: 0)")
    arguments = parser.parse_args()
    if arguments.images < 1:
        parser.error(f"--images must be at least 1, got {arguments.images}")
    rng = np.random.default_rng(arguments.seed)

    if arguments.layer:
        file, _, name = arguments.layer.rpartition(":")
        path = Path(file).resolve()
        if not path.is_file():
            parser.error(f"FILE:NAME must be a file and a layer in it, as my_layer.py:MyLayer, got {arguments.layer!r}")
        if not re.fullmatch(r"[1-9]\d*(,[1-9]\d*)*", arguments.shape):
            parser.error(f"--shape must be positive numbers, as 6,7,2, got {arguments.shape!r}")
        shape = tuple(int(size) for size in arguments.shape.split(","))
        try:
            layer = find_layer(file, name)
        except LookupError as error:
            parser.error(str(error))
        try:
            layers_by_title = variants(layer, name, shape).items()
            right = [check_own(each, title, shape, arguments.images, rng) for title, each in layers_by_title]
        except Exception as error:  # of whatever kind: it is the layer's code that runs
            frames = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename) == path]
            line = f" in line {frames[-1].lineno}" if frames else ""
            what = f"{arguments.layer} fails{line} for inputs of --shape {arguments.shape}"
            parser.error(f"{what}: {type(error).__name__}: {error}")
        sys.exit(not all(right))
    failures = check_everything(rng)
    show_what_right_and_wrong_look_like(rng)
    if failures:
        print("\nFAILED\n\n" + "\n\n".join(failures))
        sys.exit(1)


if __name__ == "__main__":
    main()
