"""What the marker asks of each exercise: a function of its name, which returns praise or raises `StillWrongError`.

Reading a check before its exercise gives no solution away, but spoils some of the fun.
"""

import contextlib
import itertools
import math
import numbers

import numba
import numpy as np

from npcnn import Sequential, layers, losses, optimizers
from npcnn.gradient_check import Result, check_layer, check_loss
from npcnn.kernels import conv2d


class StillWrongError(AssertionError):
    """What is still wrong, in a sentence."""


def normal(*shape):
    """Return random numbers, the same each time."""
    return np.random.default_rng(0).standard_normal(shape)


@contextlib.contextmanager
def after(progress):
    """Put in front of what is still wrong, or still to do, what has been done already."""
    try:
        yield
    except StillWrongError as wrong:
        raise StillWrongError(f"{progress}{wrong}") from None
    except NotImplementedError:
        raise NotImplementedError(progress) from None


def ask(condition, sentence) -> None:
    """Raise StillWrongError, with this sentence, unless the condition holds."""
    if not condition:
        raise StillWrongError(sentence)


def ask_number(what, got) -> None:
    """Ask for a number."""
    ask(isinstance(got, numbers.Real), f"{what} must be a number, got {type(got).__name__}.")


def ask_equal(what, got, wanted, **tolerance) -> None:
    """Ask for an array of the right shape, and the right numbers."""
    ask(got is not None, f"{what}: nothing is returned.")
    got, wanted = np.asarray(got), np.asarray(wanted)
    ask(got.shape == wanted.shape, f"{what} must have shape {wanted.shape}, got {got.shape}.")
    wrong = ~np.isclose(got, wanted, **{"rtol": 1e-9, "atol": 1e-12, **tolerance})
    if wrong.any():
        where = tuple(int(i) for i in np.argwhere(wrong)[0])
        at = f" in {wrong.sum()} of {wrong.size} places, first at {where}: there it" if wrong.ndim else ": it"
        raise StillWrongError(f"{what} is wrong{at} is {got[where]:.6g} and should be {wanted[where]:.6g}.")


def ask_gradients(result: Result) -> None:
    """Ask that a check has passed; if not, say which gradient is wrong, where and by how much, and draw it."""
    if result.passed:
        return
    found = []
    for row in result.rows:
        if row.wrong:
            most = f"most at {row.where}" if row.where else "along a random direction"
            slopes = f"{row.analytic:.4g} where {row.numeric:.4g} would be right{ratio(row)}"
            places = f"{len(row.wrong)} of {row.measured} places, {most}"
            found.append(f"the gradient of {row.argument} is wrong in {places}: {slopes}")
    right = [row.argument for row in result.rows if not row.wrong]
    found += [f"that of {' and of '.join(right)} is right"] if found and right else []
    raise StillWrongError(f"{result.title}: {'; '.join(found + result.problems)}.\n{result.drawing()}".rstrip())


def ratio(row) -> str:
    """Say how many times too large the wrong slope is, if that is a number that tells something."""
    if row.numeric == 0 or not math.isfinite(row.analytic) or row.analytic == 0:
        return ""
    times = row.analytic / row.numeric
    return f" ({times:.3g} times that)" if abs(times - round(times, 1)) < 1e-6 else ""


def chain_rule(exercise):
    """L = (a b + c) a."""
    for a, b, c in [(2.0, -3.0, 10.0), (-1.5, 0.5, 4.0)]:
        got, q = exercise.gradients(a, b, c), a * b + c
        ask(np.ndim(got) == 1 and len(got) == 3, "gradients must return three numbers, dL/da, dL/db, dL/dc.")
        for name, found in zip("abc", got, strict=True):
            ask_number(f"dL/d{name}", found)
        at = f"at a = {a:g}, b = {b:g}, c = {c:g}"
        hint = "a is used twice, in p and in L: add what comes back by both ways. "
        only_one_way = math.isclose(got[0], a * b) or math.isclose(got[0], q)
        for name, found, wanted in zip("abc", got, (q + a * b, a * a, a), strict=True):
            more = hint if name == "a" and only_one_way else ""
            ask(math.isclose(found, wanted), f"{more}{at}, dL/d{name} is {wanted:g}, got {found:g}.")
    return "You have just done by hand what every backward pass does."


def numerical_derivative(exercise):
    """Central differences, and the best power of ten."""
    found = exercise.slope(lambda x: x * x, 3.0, 0.5)
    ask_number("what slope returns", found)
    ask(not math.isclose(found, 6.5), "that is a step ahead only; the step back is missing.")
    ask(not math.isclose(found, 12.0), "that is twice the slope: between x - h and x + h lie 2h.")
    ask(math.isclose(found, 6.0), f"of x^2 at 3, with h = 0.5, the slope is 6 exactly, got {found:g}.")
    h = exercise.BEST_H
    ask(isinstance(h, float) and h > 0, "slope is right. Now run the file, and set BEST_H to the best power of ten.")
    errors = {10.0**-i: abs(exercise.slope(math.exp, 1.0, 10.0**-i) - math.e) for i in range(1, 16)}
    error = abs(exercise.slope(math.exp, 1.0, h) - math.e)
    better = "the curve bends within so wide a step" if h > 1e-5 else "f(x + h) and f(x - h) agree in too many digits"
    ask(error < 30 * min(errors.values()), f"BEST_H = {h:g} has an error of {error:.0e}: {better}.")
    return f'An error of {error:.0e} at h = {h:g}: the method "central" of npcnn\'s checker takes 1e-5.'


def relu(exercise):
    """max(x, 0)."""
    layer = exercise.MyReLU()
    ask_gradients(check_layer(layer, normal(2, 5, 4, 3)))
    x = np.array([[-1.0, 0.0, 1.0]])
    dx, _ = layer.backward(np.ones((1, 3)), layer.forward(x)[1])
    ask(dx[0, 1] == 0, f"right where x is not 0; at x = 0 dx must be 0 by convention, got {dx[0, 1]:g}.")
    return "Checked in 120 places, and at 0."


def dense(exercise):
    """The matrix products."""
    ask_gradients(check_layer(exercise.MyDense(), normal(5, 4), "exact"))
    return "All three gradients are right to twelve digits: a dense layer is a straight line in each argument."


def softmax_cross_entropy(exercise):
    """p minus one at the right class, over N."""
    loss, y_true = exercise.MyCrossEntropy(), np.array([0, 2, 1, 2, 2])
    ask_gradients(check_loss(loss, y_true, 2 * normal(5, 3)))
    dz = loss.backward(loss.forward(np.array([1]), np.array([[1000.0, -1000.0, 0.0]]))[1])
    hint = "right for common logits. Where p of the right class is 0, dz is not: do not divide by p"
    ask(
        np.allclose(dz, [[1, -1, 0]]), f"{hint}; for z = (1000, -1000, 0) and right class 1 dz is (1, -1, 0), got {dz}."
    )
    return "p minus what is right, over N; and it holds where p has underflowed."


def overlapping_patches(exercise):
    """The counts, and +=."""
    for H, W, KH, KW in [(3, 3, 2, 2), (6, 7, 3, 3), (4, 6, 1, 3)]:
        at = f"outputs_that_saw({H}, {W}, {KH}, {KW})"
        ask_equal(
            at,
            exercise.outputs_that_saw(H, W, KH, KW),
            conv2d.col2im(np.ones((1, H - KH + 1, W - KW + 1, KH, KW, 1)), (H, W), (1, 1))[0, :, :, 0],
        )
    layer = exercise.MyConv2D()
    with after("the counts are right. Now mend backward. "):
        ask_gradients(check_layer(layer, normal(1, 6, 7, 1), "exact"))
    return "Each pixel hears from every output that saw it."


def max_pool(exercise):
    """The first winner."""
    x = np.random.default_rng(0).permutation(96).reshape(2, 4, 6, 2) * 3.0
    ask_gradients(check_layer(exercise.MyMaxPool(), x, "exact"))
    layer = exercise.MyMaxPool()
    layer.build((2, 2, 1))
    dx, _ = layer.backward(np.full((1, 1, 1, 1), 7.0), layer.forward(np.zeros((1, 2, 2, 1)))[1])
    got = dx[0, :, :, 0].tolist()
    ask(
        got == [[7, 0], [0, 0]], f"right without ties. Of four zeros the first wins: dx is [[7, 0], [0, 0]], got {got}."
    )
    return "The winner takes all, and of equals the first."


class Chain(layers.Layer):
    """The learner's loops as one layer, so that the checker can check them."""

    def __init__(self, forward, backward, stack):
        super().__init__()
        self.loops, self.stack = (forward, backward), stack
        self.params = {f"{i}/{key}": p for i, layer in enumerate(stack) for key, p in layer.params.items()}
        self.input_shape, self.output_shape = stack[0].input_shape, stack[-1].output_shape

    def forward(self, x, training=False):
        """Run the learner's forward."""
        for i, layer in enumerate(self.stack):
            layer.params = {key: self.params[f"{i}/{key}"] for key in layer.params}
        return self.loops[0](self.stack, x)

    def backward(self, dy, cache):
        """Run the learner's backward."""
        found = self.loops[1](self.stack, dy, cache)
        ask(
            isinstance(found, tuple) and len(found) == 2,
            f"backward must return (dx, grads), dx and a list of grads, got {type(found).__name__}.",
        )
        dx, grads = found
        wanted = [{key: p.shape for key, p in layer.params.items()} for layer in self.stack]
        got = [{key: np.shape(g) for key, g in of_layer.items()} for of_layer in grads]
        ask(got == wanted, f"the grads must have, first layer first, the keys and shapes {wanted}; got {got}.")
        return dx, {f"{i}/{key}": g for i, of_layer in enumerate(grads) for key, g in of_layer.items()}


def chain_the_layers(exercise):
    """Five layers in a row."""
    stack = [layers.Conv2D(2, (2, 3), dtype="float64"), layers.ReLU(), layers.MaxPool2D(2), layers.Flatten()]
    stack.append(layers.Dense(3, dtype="float64"))
    model = Sequential([layers.Input((5, 6, 1)), *stack], dtype="float64", kernels="im2col")
    ask_gradients(check_layer(Chain(exercise.forward, exercise.backward, model.layers), normal(2, 5, 6, 1), "complex"))
    return "Convolution, ReLU, pool, flatten, dense: the gradients of all, through your loop."


def momentum_and_adam(exercise):
    """Five steps of each, beside npcnn's."""
    gradients = normal(5, 6) * 10.0 ** np.arange(6)
    for name, library in [("momentum_step", optimizers.SGD(0.1, 0.9)), ("adam_step", optimizers.Adam(0.001))]:
        w, params = np.ones(6), {"w": np.ones(6)}
        state = [np.zeros(6)] if name == "momentum_step" else [np.zeros(6), np.zeros(6)]
        for t, g in enumerate(gradients, 1):
            library.update(params, {"w": g})
            before = [w.copy(), g.copy(), *(array.copy() for array in state)]
            found = getattr(exercise, name)(w, g, *state, **({} if name == "momentum_step" else {"t": t}))
            ask(
                isinstance(found, tuple) and len(found) == 1 + len(state),
                f"{name} must return {1 + len(state)} arrays.",
            )
            ask(
                all(np.array_equal(a, b) for a, b in zip(before, [w, g, *state], strict=True)),
                f"{name} changes what it is given; return new arrays (w = w - ..., not w -= ...).",
            )
            w, *state = found
            ask_equal(f"{name}: w after step {t}", w, params["w"], rtol=1e-5)
    return "Both go where npcnn's go, five steps on."


def training_loop(exercise):
    """The same weights as fit."""
    x, y = normal(50, 6), np.random.default_rng(1).integers(0, 3, 50)

    def model():
        stack = [layers.Dense(8), layers.ReLU(), layers.Dense(3)]
        return Sequential([layers.Input((6,)), *stack], dtype="float64", kernels="im2col")

    fitted, mine = model(), model()
    fitted.compile(optimizers.SGD(0.1), losses.SparseCategoricalCrossentropy(from_logits=True))
    fitted.fit(x, y, batch_size=16, epochs=3, shuffle=False, verbose=0)
    loss = losses.SparseCategoricalCrossentropy(from_logits=True)
    found = exercise.train(mine.layers, loss, optimizers.SGD(0.1), x, y, 3, 16)
    ask(np.ndim(found) == 1, f"train must return a list of losses, one a batch, got {type(found).__name__}.")
    ask(len(found) == 12, f"50 examples in batches of 16 are 4 batches, 12 in three epochs; got {len(found)} losses.")
    for i, (a, b) in enumerate(zip(mine.get_weights(), fitted.get_weights(), strict=True)):
        ask_equal(f"array {i} of the weights after training", a, b)
    return f"The same weights as fit, to the ninth digit; the loss fell from {found[0]:.2f} to {found[-1]:.2f}."


def im2col(exercise):
    """Beside the definition."""
    x, w, b = normal(2, 5, 6, 3), normal(2, 3, 3, 4), normal(4)
    ask_equal("im2col(x, 2, 3)", exercise.im2col(x, 2, 3), conv2d.im2col(x, (2, 3), (1, 1), (1, 1)))
    y, _ = conv2d.forward_loops(x, w, b, (1, 1), ((0, 0), (0, 0)), (1, 1))
    with after("im2col is right. "):
        ask_equal("convolve(x, w, b)", exercise.convolve(x, w, b), y)
    return "A convolution without a loop: the same numbers as by the definition."


def rms_pool(exercise):
    """Forward by hand, backward by the checker, and a window of zeros."""
    for size, strides in [((2, 2), None), ((3, 2), (2, 1))]:
        pool, x = exercise.MyRMSPool(size, strides), normal(2, 7, 6, 2)
        pool.build(x.shape[1:])
        y, (SH, SW) = pool.forward(x)[0], pool.strides
        wanted = np.empty((2, *pool.output_shape))
        for i, j in np.ndindex(wanted.shape[1:3]):
            window = x[:, i * SH : i * SH + size[0], j * SW : j * SW + size[1]]
            wanted[:, i, j] = np.sqrt(np.mean(window**2, axis=(1, 2)))
        what = f"y of MyRMSPool({size}, {pool.strides})"
        ask_equal(what, y, wanted)
        with after(f"forward is right. Window {size}, strides {pool.strides}: "):
            ask_gradients(check_layer(exercise.MyRMSPool(size, strides), x))
    dx, _ = pool.backward(np.ones_like(y), pool.forward(np.zeros_like(x))[1])
    ask(np.all(dx == 0), f"right, but for a window that is zero all over: dx must be 0 there, got {dx.flat[0]}.")
    return "Forward, backward, overlapping windows and windows of zeros."


def three_bugs(exercise):
    """All three are right."""
    right, found = [], []
    for name in ("Loops", "Im2col", "Jit"):
        try:
            for shape in [(4, 7, 2), (3, 6, 1)]:
                ask_gradients(check_layer(getattr(exercise, name)(), normal(2, *shape), "exact"))
            right.append(name)
        except StillWrongError as wrong:
            found.append(str(wrong))
    so_far = f"{' and '.join(right) or 'None of the three'} {'are' if len(right) > 1 else 'is'} right so far. "
    ask(not found, so_far + "\n".join(found))
    return "All three are found."


def a_layer_of_your_own(exercise):
    """A curved function with parameters, proved."""
    cls, shape = exercise.MyLayer, tuple(exercise.SHAPE)
    own = all(getattr(cls, name).__module__ == exercise.__name__ for name in ("forward", "backward"))
    ask(own, "forward and backward must be your own, not inherited.")
    x = normal(3, *shape)
    layer = cls(dtype="float64")
    layer.build(shape)
    ask(layer.params, "your layer has no parameters; give it at least one.")
    a, b, both, zero = (layer.forward(z)[0] for z in (x, x[::-1], x + x[::-1], 0 * x))
    ask(not np.allclose(a + b, both + zero), "that is a straight line in x; choose something curved.")
    method = "complex"
    try:
        result = check_layer(cls(), x, method)
    except TypeError as error:
        if "complex numbers" not in str(error):
            raise
        result = None
    if result is None or any("analytic" in problem for problem in result.problems):
        method = "central"
        result = check_layer(cls(), x, method)
    ask_gradients(result)
    digits = "sixteen digits, by complex steps" if method == "complex" else "ten digits, by differences"
    return f"Proved to {digits}: x, {', '.join(layer.params)}."


def lost_determinism(exercise):
    """Other bits, nearly the same numbers."""
    found = exercise.three_numbers()
    ask(np.shape(found) == (3,), "three_numbers must return three numbers.")
    a, b, c = found
    ask(all(isinstance(number, np.float32) for number in found), f"three_numbers must return np.float32, got {found}.")
    one, other = (a + b) + c, a + (b + c)
    ask(np.isfinite(one) and one != other, f"({a} + {b}) + {c} and {a} + ({b} + {c}) are both {one}.")
    first, again, second = (exercise.train(seed) for seed in (1, 1, 2))
    ask(
        np.array_equal(first, again),
        "with the same arrivals twice, the weights differ: draw them from `arrivals` alone.",
    )
    ask(
        not np.array_equal(first, second), "the numbers are right. Training still gives the same bits for any arrivals."
    )
    apart = np.abs(first - second).max() / np.abs(first).max()
    ask(apart < 1e-4, f"the weights are {apart:.0e} apart, more than rounding makes: is each part added exactly once?")
    ask(
        exercise.accuracy(first) > 0.9, "the weights differ in their last digits, but no longer tell the classes apart."
    )
    ask(exercise.WHY is not None, "training has lost its determinism. Now set WHY.")
    why = {
        "a": "each part has the same images whatever the order",
        "b": "float32 goes up to 3e38",
        "d": "all of this ran in one thread",
    }
    ask(
        exercise.WHY == "c",
        f"WHY = {exercise.WHY!r} is not the reason: {why.get(exercise.WHY, 'it is one of a to d')}.",
    )
    return f"The weights of two runs are {apart:.0e} apart: the last digit, kept alive for 50 steps."


def is_compiled(function) -> bool:
    """Whether @njit stands in front of a function."""
    return hasattr(function, "py_func") or numba.config.DISABLE_JIT


class Rows:
    """An array w that notes in which order its numbers are read, as w[c, u], w[c][u] or a row at a time."""

    def __init__(self, array, places, read):
        self.array, self.shape, self.places, self.read = array, array.shape, places, read

    def __len__(self):
        return len(self.array)

    def __getitem__(self, index):
        found, places = self.array[index], self.places[index]
        if np.ndim(found):
            return Rows(found, places, self.read)
        self.read.append(places)
        return found


def loop_order(exercise):
    """The same sums, along the rows of w, and a time."""
    rng = np.random.default_rng(0)
    x, w = rng.integers(-4, 5, (3, 5)).astype("float32"), rng.integers(-4, 5, (5, 7)).astype("float32")
    ask(
        is_compiled(exercise.reordered),
        "keep @njit in front of reordered: Python's own loops are not the race.",
    )
    y, read = np.zeros((3, 7), "float32"), []
    getattr(exercise.reordered, "py_func", exercise.reordered)(x, Rows(w, np.arange(35).reshape(5, 7), read), y)
    ask_equal("y, in plain Python,", y, x @ w)
    times = f"it reads a number of w {len(read)} times, three loops do 105 times"
    ask(len(read) == 105, f"the sums are right, but {times}.")
    first, then = ("w[{}, {}]".format(*divmod(place, 7)) for place in read[:2])
    hint = "the sums are right, but the innermost loop does not go along a row of w"
    along = sum(place + 1 == following for place, following in itertools.pairwise(read))
    ask(along > len(read) / 2, f"{hint}: it reads {first}, then {then}.")
    y = np.zeros((3, 7), "float32")
    exercise.reordered(x, w, y)
    ask_equal("y, compiled,", y, x @ w)
    ratio = exercise.MEASURED
    run_it = "the loops are right. Now run the file, and set MEASURED to its ratio"
    ask(isinstance(ratio, int | float) and not isinstance(ratio, bool), f"{run_it}.")
    ask(ratio > 1, f"{run_it}; {ratio:g} times as fast is slower.")
    return f"The same sums, {ratio:g} times as fast on your machine."


def fused_average_pool(exercise):
    """Three layers in one."""
    x, layer = normal(2, 6, 7, 2), exercise.FusedAveragePool()
    layer.build((6, 7, 2))
    conv = layers.Conv2D(3, (3, 2), activation="relu", dtype="float64", kernels="loops")
    conv.build((6, 7, 2))
    conv.set_weights(list(layer.params.values()))
    ask_equal("y", layer.forward(x)[0], layers.AveragePooling2D(2)(conv(x)))
    with after("forward is right. "):
        ask_gradients(check_layer(exercise.FusedAveragePool(), x))
    plain = [name for name in ("forward_kernel", "backward_kernel") if not is_compiled(getattr(exercise, name))]
    ask(not plain, f"all numbers are right. Now put @njit in front of {' and '.join(plain)}.")
    return "Three layers in one pass, compiled, the same numbers."
