"""Prove the backward passes right: every layer on every rung, a layer of your own, and what a wrong one looks like.

python examples/check_gradients.py
"""

import argparse

import numpy as np

from npcnn import Sequential, layers, losses
from npcnn.gradient_check import METHODS, check_layer, check_loss, check_model
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


def main() -> None:
    """Check everything, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0, help="of inputs, weights and upstream gradients (default: 0)")
    rng = np.random.default_rng(parser.parse_args().seed)

    print("Largest relative error of any gradient, and what it has to stay below; '-': the method does not apply.\n")
    print(f"{'':22}{'kernels':9}" + "".join(f"{method:>20}" for method in METHODS))
    for name, rungs, methods, check in subjects(rng):
        for rung in rungs:
            cells = []
            for method in METHODS:
                fused = name.startswith("conv relu pool") and rung == "fused"  # three layers at once, in real numbers
                if method not in methods or (method == "complex" and fused):
                    cells.append("-")
                    continue
                result = check(rung, method)
                result.raise_on_failure()
                cells.append(f"{result.max_error:.1e} < {result.tolerance:.0e}")
            print(f"{name:22}{rung or '':9}" + "".join(f"{cell:>20}" for cell in cells))

    print("\nA layer of your own, smooth, so that the complex step proves it to sixteen digits:\n")
    print(check_layer(Swish(**F64), rng.standard_normal((2, 3, 4)), "complex"))

    print("\nA wrong one: Conv2D(2, 3) whose backward pass writes dx[...] = where += is needed:\n")
    result = check_layer(WrongConv2D(2, 3, **F64), rng.standard_normal((1, 6, 7, 1)), "exact")
    print(result)
    wrong = {where[1:3] for where in result.rows[0].wrong}
    print("\n  dx by pixel, x where it is wrong: everywhere but in the corners, each in one patch. Kernel and")
    print("  bias are right. So the mistake is in how dx is put together where patches overlap:\n")
    for i in range(6):
        print("    " + " ".join("x" if (i, j) in wrong else "." for j in range(7)))


if __name__ == "__main__":
    main()
