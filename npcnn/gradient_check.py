"""Is the backward pass right? Compare it with slopes measured by moving the inputs of the forward pass.

    print(check_layer(layers.Conv2D(4, 3), x, method="complex"))

A layer is checked through the number L = sum of dy * y, where dy is random: L's gradient by each argument (x and every
parameter) is what `backward(dy, cache)` promises to return. Why random, and never all ones: ones only ask for the sum
of y, and many mistakes leave a sum alone. A softmax always adds up to 1, so with ones a backward pass that returns
nothing but zeros would pass.

Four ways to measure the slope of L along a direction u (one entry of an argument, or for "adjoint" all at once):

    central   (L(x + h u) - L(x - h u)) / 2h, h = 1e-5. Works for everything. Too large an h bends away from the slope,
              too small an h drowns in rounding: ten correct digits are the best there is.
    exact     the same with h = 1, for what is linear in each argument on its own (convolution, dense, flatten, and
              pooling as long as the winners stay): a straight line has no bend, so a wide step costs nothing.
    complex   Im L(x + i h u) / h, h = 1e-30. For smooth L, L(x + i h u) = L(x) + i h L'(x) u - ...: the slope stands
              alone in the imaginary part. Nothing is subtracted, so nothing is lost: sixteen digits. The forward pass
              must take complex numbers, which all rungs but fused do, and branch on their real parts only
              (Squire and Trapp, "Using complex variables to estimate derivatives of real functions", 1998).
    adjoint   one random direction u an argument: <J u, dy> = <u, J^T dy>, J u as above, J^T dy from backward. One or
              two forward passes however large the array is: a whole model takes a second. But it cannot say where.

An error is |analytic - measured|, divided by the larger of the two, but by no less than the array's typical (root mean
square) gradient and 1e-3: rounding does not shrink with the gradient that happens to cancel.

Kinks. A difference across ReLU's corner, or across a change of a pool's winner, is no derivative. An entry that
disagrees is measured again with a much smaller h; if it agrees then, or if left and right slope differ however small
h is, the entry is counted as a kink and not as an error. (The complex step never crosses one: the real part stands
still.)
"""

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from npcnn.contract_check import Arrays, Backward, Forward, broken_promises
from npcnn.gradient_report import GradientError, Result, Row
from npcnn.losses import get as loss_named
from npcnn.training import Workers, make_plan, train_step

__all__ = ["GradientError", "Result", "Row", "check_layer", "check_loss", "check_model"]

# (h, tolerance) of each method. A right gradient is far below the tolerance, a wrong one far above it.
METHODS = {"central": (1e-5, 1e-7), "exact": (1.0, 1e-12), "complex": (1e-30, 1e-12), "adjoint": (1e-30, 1e-12)}
ADJOINT_BY_DIFFERENCE = (1e-6, 1e-7)  # where the forward pass takes real numbers only
COMPLEX_RUNGS = (None, "loops", "im2col", "jit")
SMALL = 1e-3  # a gradient below this is compared absolutely
ROUNDING_ONLY = 5e-9  # a difference over less than this measures rounding


@dataclass
class Subject:
    """What is checked: y = forward(arguments) with its backward pass, and L = sum of dy * y."""

    title: str
    arguments: Arrays
    forward: Forward
    backward: Backward
    rungs: set[str | None] = field(default_factory=set)
    y: Any = None
    dy: Any = None

    def moved(self, name: str, step: np.ndarray) -> Any:
        """Return y after the argument `name` has been moved by `step`."""
        return self.forward({**self.arguments, name: self.arguments[name] + step})[0]

    def central_slope(self, name: str, u: np.ndarray, h: float) -> tuple[float, Any]:
        """Return (L(x + h u) - L(x - h u)) / 2h, and by how much the right and left slope of each output differ."""
        right, left = self.moved(name, h * u), self.moved(name, -h * u)
        return float((self.dy * (right - left)).sum()) / (2 * h), (right - 2 * self.y + left) / h

    def complex_slope(self, name: str, u: np.ndarray, h: float) -> float:
        """Return Im L(x + i h u) / h."""
        y = self.moved(name, 1j * h * u)
        if not np.iscomplexobj(y):
            raise TypeError(f"{self.title}: forward drops the imaginary part of {name}; use method='central'")
        return float((self.dy * y.imag).sum()) / h


def check_layer(
    layer: Any, x: np.ndarray, method: str = "central", *, training: bool = False, **options: Any
) -> Result:
    """Check the gradients of a layer by x and by each of its parameters.

    The layer may be of your own making: `build`, `forward`, `backward` and `params` are all that is used.

    Args:
        layer: the layer; if it is not built yet, a copy is built for x's shape, in float64 unless it names a dtype.
        x: a batch of inputs (N, ...). For layers with kinks, space the values wider than h and keep them off zero.
        method: "central", "exact", "complex" or "adjoint", as explained at the top of this file.
        training: passed on to `forward`.
        options: `entries`, at most how many entries of an array are measured (500; more are sampled); `tolerance`, in
            place of the method's own; `seed`, of dy, of the directions and of the samples.

    Raises:
        ValueError: the method is unknown, does not suit the rung, or something is float32.
    """
    x = np.asarray(x)
    x = x.astype(np.float64) if x.dtype.kind in "biu" else x.copy()
    layer = copy.deepcopy(layer)  # a check leaves the layer as it was, whatever the layer does
    if getattr(layer, "input_shape", None) is None and not getattr(layer, "params", None):
        layer.dtype = getattr(layer, "dtype", None) or "float64"
        layer.build(x.shape[1:], np.random.default_rng(options.get("seed", 0)))
    params = layer.params

    def forward(arguments: Arrays) -> tuple[np.ndarray, Any]:
        layer.params = {key: arguments[key] for key in params}
        return layer.forward(arguments["x"], training)

    def backward(dy: np.ndarray, cache: Any) -> Arrays:
        layer.params = params
        dx, grads = layer.backward(dy, cache)
        return {"x": dx, **grads}

    rung = getattr(layer, "rung", None)
    title = f"{type(layer).__name__} on {rung}" if rung else type(layer).__name__
    return check(Subject(title, {"x": x, **params}, forward, backward, {rung}), method, **options)


def check_loss(loss: Any, y_true: np.ndarray, y_pred: np.ndarray, method: str = "central", **options: Any) -> Result:
    """Check the gradient of a loss, given by name or as an object, by y_pred; arguments as for `check_layer`."""
    loss = loss_named(loss)

    def forward(arguments: Arrays) -> tuple[Any, Any]:
        return loss.forward(y_true, arguments["y_pred"])

    def backward(dy: Any, cache: Any) -> Arrays:
        return {"y_pred": loss.backward(cache)}

    return check(Subject(type(loss).__name__, {"y_pred": np.array(y_pred)}, forward, backward), method, **options)


def check_model(model: Any, x: np.ndarray, y: np.ndarray, method: str = "adjoint", **options: Any) -> Result:
    """Check the gradient of a compiled model's loss by every weight, exactly as a training step computes it.

    "As a training step": the real `train_step` runs, with its shards, its joined softmax and loss and its threads; in
    place of an optimizer stands an object that keeps the gradients. Give it more than one image to see the
    sum over shards checked too. Other arguments as for `check_layer`.

    Raises:
        RuntimeError: the model is not built or not compiled.
        ValueError: as for `check_layer`.
    """
    if model.input_shape is None or model.loss is None:
        raise RuntimeError("check_model: the model must be built and compiled first; call compile(...), and build(...)")
    x, y = np.asarray(x), np.asarray(y)

    def forward(arguments: Arrays) -> tuple[Any, Any]:
        layers = [copy.copy(layer) for layer in model.layers]
        for layer in layers:
            layer.params = {key: arguments[f"{layer.name}/{key}"] for key in layer.params}
        steps = make_plan(layers, model.dtype, model.loss)
        return steps.loss.forward(y, steps.forward(x, training=True)[0])

    def backward(dy: Any, cache: Any) -> Arrays:
        keeper, steps = GradientKeeper(), make_plan(model.layers, model.dtype, model.loss)
        with Workers(model.threads) as workers:
            train_step(steps, keeper, model.params, x, y, np.arange(len(x)), workers)
        return keeper.grads

    rungs = {getattr(layer, "rung", None) for layer in model.layers}
    title = f"Sequential {model.name!r} on {model.kernels}"
    return check(Subject(title, dict(model.params), forward, backward, rungs), method, **options)


class GradientKeeper:
    """Stands where the optimizer stands, and keeps the gradients instead of following them."""

    def update(self, params: Arrays, grads: Arrays) -> None:
        """Keep grads."""
        self.grads = grads


# ------------------------------------------------------------------ the check itself


def check(
    subject: Subject, method: str, *, entries: int = 500, tolerance: float | None = None, seed: int = 0
) -> Result:
    """Compare the backward pass of `subject` with measured slopes; `check_layer` explains the arguments."""
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(map(repr, METHODS))}, got {method!r}")
    for name, array in subject.arguments.items():
        if array.dtype != np.float64:
            raise ValueError(
                f"{subject.title}: {name} is {array.dtype}; gradients are checked in float64, because {array.dtype} "
                'cannot tell a wrong gradient from rounding. Use dtype="float64" for layer, model and data'
            )
    real_only = not subject.rungs <= set(COMPLEX_RUNGS)
    if method == "complex" and real_only:
        hint = "use 'exact', 'adjoint' or 'central', or kernels='loops', 'im2col' or 'jit'"
        raise ValueError(f"{subject.title}: the fused kernels take no complex numbers; {hint}")
    h, usual = ADJOINT_BY_DIFFERENCE if method == "adjoint" and real_only else METHODS[method]

    rng = np.random.default_rng(seed)
    subject.y = subject.forward(subject.arguments)[0]
    subject.dy = rng.standard_normal(np.shape(subject.y)) if np.ndim(subject.y) else 1.0  # a loss is its own L
    grads, problems = broken_promises(subject.forward, subject.backward, subject.arguments, subject.dy)
    result = Result(subject.title, method, h, usual if tolerance is None else tolerance, problems=problems)
    for name, array in subject.arguments.items():
        if np.shape(grads.get(name)) == array.shape:  # otherwise it is among the problems already
            row = Row(name, array.shape)
            for where, u in directions(array.shape, method, entries, rng):
                compare(row, where, u, grads[name], subject, result)
            result.rows.append(row)
    return result


def directions(shape: tuple[int, ...], method: str, entries: int, rng: np.random.Generator) -> Iterator[tuple]:
    """Yield (where, u): one entry at a time, or for "adjoint" one random direction through all of them."""
    if method == "adjoint":
        yield None, rng.standard_normal(shape)
        return
    size = math.prod(shape)
    for number in range(size) if size <= entries else np.sort(rng.choice(size, entries, replace=False)):
        where = tuple(int(i) for i in np.unravel_index(number, shape))
        u = np.zeros(shape)
        u[where] = 1
        yield where, u


def compare(row: Row, where: Any, u: np.ndarray, gradient: np.ndarray, subject: Subject, result: Result) -> None:
    """Compare the analytic slope along u with the measured one, and note it in `row`."""
    analytic = float((gradient * u).sum())
    complex_step = result.h == METHODS["complex"][0]
    if complex_step:
        numeric = subject.complex_slope(row.argument, u, result.h)
    else:
        numeric, _ = subject.central_slope(row.argument, u, result.h)
    # A random direction meets the whole array: its slope is typically the norm, which is sqrt(size) times the rms.
    typical = float(np.linalg.norm(gradient)) / (1 if where is None else math.sqrt(gradient.size))
    scale = max(abs(analytic), abs(numeric), typical, SMALL)
    error = abs(analytic - numeric) / scale
    right = error <= result.tolerance  # False for NaN
    row.checked += 1
    if not right and not complex_step and at_a_kink(analytic, scale, row.argument, u, subject, result):
        row.kinks += 1
        return
    if not right:
        row.wrong.append(where)
    if row.checked == row.kinks + 1 or not error <= row.error:
        row.error, row.where, row.analytic, row.numeric = error, where, analytic, numeric


def at_a_kink(analytic: float, scale: float, name: str, u: np.ndarray, subject: Subject, result: Result) -> bool:
    """Whether smaller steps agree with the analytic slope, but for what left and right differ by however small h is."""
    for h in (result.h / 100, result.h / 10_000):
        if h < ROUNDING_ONLY:
            break
        _, bend = subject.central_slope(name, u, h)
        slope, half_bend = subject.central_slope(name, u, h / 2)
        # Extrapolated from h and h / 2 to h = 0: the bend of a curve is gone there, a corner at x itself is left.
        corner = float((np.abs(subject.dy) * np.abs(2 * half_bend - bend)).sum()) / 2
        if abs(analytic - slope) <= 10 * result.tolerance * scale + corner:
            return True
    return False
