"""Is the backward pass right? Compare it with slopes measured by moving the inputs of the forward pass.

    print(check_layer(layers.Conv2D(4, 3), x, method="complex"))

A layer is checked through the number L = sum of dy * y, where dy is random: L's gradient by each argument (x and every
parameter) is what `backward(dy, cache)` promises to return. Why random, and never all ones: ones only ask for the sum
of y, and many mistakes leave a sum alone. A softmax always adds up to 1, so with ones a backward pass that returns
nothing but zeros would pass.

Four ways to measure the slope of L along a direction u (one entry of an argument, or for "adjoint" all at once):

    central   (L(x + h u) - L(x - h u)) / 2h, h = 1e-5 (for larger numbers, 1e-5 of their size). Works for everything.
              Too large an h bends away from the slope, too small an h drowns in rounding: ten correct digits are
              the best there is.
    exact     the same with h = 1, for what is linear in each argument on its own (convolution, dense, flatten, and
              pooling as long as the winners stay): a straight line has no bend, so a wide step costs nothing. For
              numbers of about 1: those of a thousand round too much.
    complex   Im L(x + i h u) / h, h = 1e-30. For smooth L, L(x + i h u) = L(x) + i h L'(x) u - ...: the slope stands
              alone in the imaginary part. Nothing is subtracted, so nothing is lost: sixteen digits. The forward pass
              must take complex numbers (the one that fuses three layers does not) and be analytic: no abs, var or
              norm, which are real, and branches on real parts only
              (Squire and Trapp, "Using complex variables to estimate derivatives of real functions", 1998).
    adjoint   one random direction u an argument: <J u, dy> = <u, J^T dy>, J u as above, J^T dy from backward. One or
              two forward passes however large the array is: a whole model takes a second. But it cannot say where.

An error is |analytic - measured|, divided by the larger of the two, but by no less than the array's typical (root mean
square) gradient and 1e-3 (less for a small y): rounding does not shrink with the gradient that happens to cancel.

Kinks. A difference across ReLU's corner, or across a change of a pool's winner, is no derivative. An entry that
disagrees is measured again with smaller h; if it agrees then, or lies between the slopes on both sides of a corner
that is there however small h is, the entry is counted as a kink and not as an error. (The complex step never crosses
one: the real part stands still.) Where every entry stands at a corner nothing can be proved, and the check fails.
"""

import copy
import math
from typing import Any

import numpy as np

from npcnn.checks import check_count
from npcnn.contract_check import broken_promises, check_argument
from npcnn.gradient_report import GradientError, Result, Row
from npcnn.layers.conv_relu_max_pool import ConvReLUMaxPool
from npcnn.losses import get as loss_named
from npcnn.slopes import COMPLEX_STEP, Arrays, Subject, compare, directions, is_analytic, typical_slope
from npcnn.threads import Workers
from npcnn.training import Plan, make_plan, shards_of, train_step

__all__ = ["GradientError", "Result", "Row", "check_layer", "check_loss", "check_model"]

# (h, tolerance) of each method. A right gradient is far below the tolerance, a wrong one far above it.
METHODS = {
    "central": (1e-5, 1e-7),
    "exact": (1.0, 1e-12),
    "complex": (COMPLEX_STEP, 1e-12),
    "adjoint": (COMPLEX_STEP, 1e-12),
}
ADJOINT_BY_DIFFERENCE = (1e-6, 1e-7)  # where the forward pass takes real numbers only


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
        options: `entries`, at most how many entries of an array are measured one by one (500; of larger arrays, a
            sample, and then all entries at once in one random direction); `tolerance`, in place of the method's own;
            `seed`, of dy, of the directions and of the samples.

    Raises:
        ValueError: the method is unknown or does not suit the layer; x or a parameter is not float64, is empty or
            holds NaN; or forward returns such.
        TypeError: the layer's methods do not return what a layer's methods return.
    """
    x = np.array(x)
    x = x.astype(np.float64) if x.dtype.kind in "biu" else x
    if isinstance(layer, type) or not callable(getattr(layer, "forward", None)):
        raise TypeError(f"check_layer: takes a layer, an object with build, forward and backward, got {layer!r}")
    if x.ndim == 0:
        raise ValueError(f"check_layer: x must be a batch of inputs (N, ...), got {x}")
    layer = copy.deepcopy(layer)  # a check leaves the layer as it was, whatever the layer does
    if getattr(layer, "input_shape", None) is None and not getattr(layer, "params", None):
        layer.dtype = getattr(layer, "dtype", None) or "float64"
        layer.build(x.shape[1:], np.random.default_rng(options.get("seed", 0)))
    rung, params = getattr(layer, "rung", None), getattr(layer, "params", {})
    title = f"{type(layer).__name__} on {rung}" if rung else type(layer).__name__
    if "x" in params:
        raise ValueError(f"{title}: 'x' is what the input is called here; give the parameter another name")

    seen: list[dict] = []

    def forward(arguments: Arrays) -> tuple[Any, Any]:
        layer.params = {key: arguments[key] for key in params}
        y, cache = pair(f"{title}: forward must return (y, cache)", layer.forward(arguments["x"], training))
        return y, (arguments, cache)

    def backward(dy: Any, cache: Any) -> Arrays:
        arguments, cache = cache
        layer.params = {key: arguments[key] for key in params}
        dx, grads = pair(f"{title}: backward must return (dx, grads)", layer.backward(dy, cache))
        if not isinstance(grads, dict):
            raise TypeError(f"{title}: grads must be a dictionary with the keys of params, got {grads!r}")
        if any(grads is earlier for earlier in seen):
            raise RuntimeError("grads is the same dictionary as before; another thread would overwrite it")
        seen.append(grads)
        return {"x": dx, **{key if key != "x" else "'x'": g for key, g in grads.items()}}

    return check(Subject(title, {"x": x, **params}, ["x", *params], ["x"], forward, backward), method, **options)


def check_loss(loss: Any, y_true: np.ndarray, y_pred: np.ndarray, method: str = "central", **options: Any) -> Result:
    """Check the gradient of a loss, given by name or as an object, by y_pred; other arguments as for `check_layer`.

    Raises:
        ValueError, TypeError: as for `check_layer`.
    """
    loss = copy.deepcopy(loss_named(loss))
    title = type(loss).__name__

    def forward(arguments: Arrays) -> tuple[Any, Any]:
        found = loss.forward(arguments["y_true"], arguments["y_pred"])
        value, cache = pair(f"{title}: forward must return (value, cache)", found)
        if np.ndim(value):
            raise TypeError(f"{title}: a loss is one number, got an array of shape {np.shape(value)}")
        return value, cache

    def backward(dy: Any, cache: Any) -> Arrays:
        return {"y_pred": loss.backward(cache)}

    arguments = {"y_pred": np.array(y_pred), "y_true": np.array(y_true)}
    batches = [name for name, array in arguments.items() if array.shape[:1] == np.shape(y_pred)[:1] != ()]
    return check(Subject(title, arguments, ["y_pred"], batches, forward, backward), method, **options)


def check_model(model: Any, x: np.ndarray, y: np.ndarray, method: str = "adjoint", **options: Any) -> Result:
    """Check the gradient of a compiled model's loss by every weight, exactly as a training step computes it, and by x.

    "As a training step": the real `train_step` runs, with its shards, its joined softmax and loss and its threads; in
    place of an optimizer stands an object that keeps the gradients. Give it more than one image to see the
    sum over shards checked too. (Training needs no gradient by x. Here it shows that every layer passes on a right one,
    the first layer too.) Other arguments as for `check_layer`.

    Raises:
        RuntimeError: the model is not built or not compiled.
        ValueError, TypeError: as for `check_layer`.
    """
    if model.input_shape is None or model.loss is None:
        raise RuntimeError("check_model: the model must be built and compiled first; call compile(...), and build(...)")
    x, y = model._check_examples("", x, y)
    layers, title = copy.deepcopy(model.layers), f"Sequential {model.name!r} on {model.kernels}"

    def plan_of(arguments: Arrays) -> Plan:
        for layer in layers:
            layer.params = {key: arguments[f"{layer.name}/{key}"] for key in layer.params}
        return make_plan(layers, np.result_type(model.dtype, arguments["x"]).name, model.loss)

    def forward(arguments: Arrays) -> tuple[Any, Any]:
        plan, L, caches = plan_of(arguments), 0.0, []
        for shard in shards_of(np.arange(len(arguments["x"]))):
            output, cache = plan.forward(arguments["x"][shard], training=True)
            value, loss_cache = plan.loss.forward(arguments["y"][shard], output)
            L += value * (len(shard) / len(arguments["x"]))
            caches.append((shard, cache, loss_cache))
        return L, (arguments, caches)

    def backward(dy: Any, cache: Any) -> Arrays:
        arguments, caches = cache
        x, y, plan = arguments["x"], arguments["y"], plan_of(arguments)
        for step in plan.steps:
            step.needs_dx = True
        dx = np.empty_like(x)
        for shard, cache, loss_cache in caches:
            dy = plan.loss.backward(loss_cache) * (len(shard) / len(x))
            try:
                dx[shard], _ = plan.backward(dy, cache)
            except Exception as error:
                hint = "if it works for one example alone, a layer keeps what belongs into the cache"
                raise RuntimeError(f"{title}: backward fails ({error}); {hint}") from error
        keeper, params = GradientKeeper(), {name: arguments[name] for name in model.params}
        with Workers(model.threads) as workers:
            train_step(plan_of(arguments), keeper, params, x, y, np.arange(len(x)), workers)
        return {"x": dx, **keeper.grads}

    weights = {name: p.copy() for name, p in model.params.items()}
    arguments = {"x": x.astype(np.float64), **weights, "y": y.copy()}
    measured = ["x", *model.params]
    steps = make_plan(layers, model.dtype, model.loss).steps
    takes_complex = not any(isinstance(step, ConvReLUMaxPool) for step in steps)
    subject = Subject(title, arguments, measured, ["x", "y"], forward, backward, takes_complex, True)
    return check(subject, method, **options)


class GradientKeeper:
    """Stands where the optimizer stands, and keeps the gradients instead of following them."""

    def update(self, params: Arrays, grads: Arrays) -> None:
        """Keep grads."""
        self.grads = grads


def pair(promise: str, value: Any) -> Any:
    """Return value if it is a pair, or raise a TypeError that says what was promised."""
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise TypeError(f"{promise}, got {type(value).__name__}")
    return value


# ------------------------------------------------------------------ the check itself


def check(
    subject: Subject, method: str, *, entries: int = 500, tolerance: float | None = None, seed: int = 0
) -> Result:
    """Compare the backward pass of `subject` with measured slopes; `check_layer` explains the arguments."""
    if not isinstance(method, str) or method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(map(repr, METHODS))}, got {method!r}")
    check_count("entries", entries)
    if tolerance is not None and not (isinstance(tolerance, (int, float)) and 0 < tolerance < math.inf):
        raise ValueError(f"tolerance must be a positive number, got {tolerance!r}")
    for name in subject.measured:
        check_argument(subject.title, name, subject.arguments[name])
    if method == "complex" and not subject.takes_complex:
        hint = "use 'exact', 'adjoint' or 'central', or kernels='loops', 'im2col' or 'jit'"
        raise ValueError(f"{subject.title}: the fused kernels take no complex numbers; {hint}")
    by_difference = method == "adjoint" and not subject.takes_complex
    h, usual = ADJOINT_BY_DIFFERENCE if by_difference else METHODS[method]

    subject.is_straight = method == "exact"
    rng = np.random.default_rng([seed, 1])  # of its own: x may well be what default_rng(seed) has given
    grads, problems = broken_promises(subject, rng)
    result = Result(subject.title, method, h, usual if tolerance is None else tolerance, problems=problems)
    for name, gradient in grads.items():
        row = Row(name, gradient.shape)
        typical = typical_slope(name, gradient, subject)
        for where, u in directions(gradient.shape, method, entries, rng):
            # A direction meets the whole array: its slope is typically sqrt(size) times that of one entry.
            size = typical if where is not None else typical * math.sqrt(gradient.size)
            compare(row, where, u, gradient, size, subject, result)
        if h == COMPLEX_STEP and not is_analytic(name, typical * math.sqrt(gradient.size), subject):
            hint = "a complex step does not see through abs, var, norm or conj; use method='central'"
            result.problems.append(f"forward is no analytic function of {name}: {hint}")
        if row.measured == 0:
            hint = "space the values of x further apart and keep them off zero, or use method='complex'"
            hint += "" if subject.takes_complex else " and kernels='jit'"
            result.problems.append(f"{name} stands at kinks only, where nothing can be measured; {hint}")
        elif row.unproved:
            hint = "raise entries, or use method='complex'"
            result.problems.append(f"{name} is checked at {entries} places only; all at once they meet kinks; {hint}")
        result.rows.append(row)
    return result
