"""Is the backward pass right? Compare it with slopes that are measured by moving the inputs of the forward pass.

    print(check_layer(layers.Conv2D(4, 3), x, method="complex"))

A gradient belongs to a single number, so the check makes one of everything that a layer returns: L = sum of dy * y. By
the chain rule, `backward(dy, cache)` must return the gradient of exactly this L, with respect to x and to each
parameter. dy is random, never all ones: with those L is the sum of y, which for a softmax is always 1, and a backward
pass that returns nothing but zeros would pass.

The dot product of the gradient with a direction u is the directional derivative of L: its slope along u. There are four
ways to measure it. u is a single entry of an argument or, for "adjoint", random in all entries at once.

    central   (L(x + h u) - L(x - h u)) / 2h, h = 1e-5 (for larger numbers, 1e-5 of their size). Works for everything.
              Too large an h bends away from the slope, too small an h drowns in rounding: ten digits at best.
    exact     the same with h = 1, for what is linear in each argument on its own (convolution, dense, flatten, and
              pooling as long as the winners stay): a straight line has no bend, so a wide step costs nothing.
    complex   Im L(x + i h u) / h, h = 1e-30. For smooth L, L(x + i h u) = L(x) + i h L'(x) u - ...: the slope stands
              alone in the imaginary part. Nothing is subtracted, so nothing is lost: sixteen digits. The forward pass
              must take complex numbers (the one that fuses three layers does not) and be analytic: no abs, var or
              norm, which are real, and branches on real parts only
              (Squire and Trapp, "Using complex variables to estimate derivatives of real functions", 1998).
    adjoint   <J u, dy> = <u, J^T dy>: on the left the slope, by a complex step (where three layers are fused, by a
              central difference), on the right backward. A whole model takes a second, but it cannot say where.

An error is |analytic - measured|, divided by the larger of the two, but by no less than the array's typical (root mean
square) gradient, a tenth of the largest such one of all arrays, and 1e-3: rounding does not shrink with a gradient that
cancels, as does that of a bias in front of a BatchNormalization, which takes it out again.

A kink is a corner of y, as ReLU has at 0, and a pool where its winner changes. There is no derivative at a kink, so
nothing is right or wrong there; `compare` in slopes.py tells a kink from a mistake. The complex step meets none: the
real part stands still.
"""

import copy
from collections import ChainMap
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np

from npcnn.checks import as_array, check_count, check_flag, check_positive
from npcnn.gradient_check.contract import broken_promises
from npcnn.gradient_check.report import GradientError, Result, Row
from npcnn.gradient_check.slopes import COMPLEX_STEP, METHODS, Arrays, Subject, compare, directions, rms
from npcnn.layers.conv_relu_max_pool import ConvReLUMaxPool
from npcnn.losses import get as loss_named
from npcnn.planning import make_plan
from npcnn.threads import Workers
from npcnn.training import Plan, pair, train_step

__all__ = ["METHODS", "GradientError", "Result", "Row", "check_layer", "check_loss", "check_model"]


def check_layer(
    layer: Any, x: np.ndarray, method: str = "central", *, training: bool = False, **options: Any
) -> Result:
    """Check the gradients of a layer with respect to x and to each of its parameters.

    The layer may be of your own making: `build`, `forward`, `backward`, `params` and `output_shape` are all it needs.

    Args:
        layer: the layer; if it is not built yet, a copy is built for x's shape, in float64 unless it names a dtype.
        x: a batch of inputs (N, ...). For layers with kinks, space the values wider than h and keep them off zero.
        method: "central", "exact", "complex" or "adjoint", as explained at the top of this file.
        training: passed on to `forward`.
        options: `entries`, at most how many entries of an array are measured one by one (500; of larger arrays, a
            sample, and then all entries at once in one random direction); `tolerance`, in place of the method's own;
            `seed`, of dy, of the directions and of the samples.

    Raises:
        ValueError: the method is unknown or does not suit the layer; x, a parameter or what forward returns is not
            float64, is empty or holds NaN.
        TypeError: the layer's methods do not return what a layer's methods return.
    """
    check_flag("check_layer: training", training)
    if "seed" in options:
        check_count("seed", options["seed"], least=0)
    x = np.array(as_array("check_layer: x", x))
    x = x.astype(np.float64) if x.dtype.kind in "biu" else x
    if isinstance(layer, type) or not callable(getattr(layer, "forward", None)):
        raise TypeError(f"check_layer: takes a layer, an object with build, forward and backward, got {layer!r}")
    if x.ndim == 0:
        raise ValueError(f"check_layer: x must be a batch of inputs (N, ...), got {x}")
    layer = copy.deepcopy(layer)  # a check leaves the layer as it was, whatever the layer does
    is_built = getattr(layer, "input_shape", None) is not None or getattr(layer, "params", None)
    if not is_built and hasattr(layer, "build"):
        layer.dtype = getattr(layer, "dtype", None) or "float64"
        layer.build(x.shape[1:], np.random.default_rng(options.get("seed", 0)))
    rung, params = getattr(layer, "kernels", None), getattr(layer, "params", {})
    title = f"{type(layer).__name__} on {rung}" if rung else type(layer).__name__
    if "x" in params:
        raise ValueError(f"{title}: 'x' is what the input is called here; give the parameter another name")

    def forward(arguments: Arrays) -> tuple[Any, Any]:
        layer.params = {key: arguments[key] for key in params}
        still = (
            {"rng": np.random.default_rng(0)} if getattr(layer, "draws", False) else {}
        )  # the same numbers each time
        y, cache = pair(title, "forward must return (y, cache)", layer.forward(arguments["x"], training, **still))
        return y, (layer.params, cache)

    def backward(dy: Any, cache: Any) -> ChainMap:
        layer.params, cache = cache
        dx, grads = pair(title, "backward must return (dx, grads)", layer.backward(dy, cache))
        if not isinstance(grads, dict) or "x" in grads:
            raise TypeError(f"{title}: grads must be a dictionary with the keys of params, got {grads!r}")
        return ChainMap({"x": dx}, grads)  # grads itself, so that it is seen if a later call changes it

    subject = Subject(title, {"x": x, **params}, ["x", *params], ["x"], forward, backward)
    result = check(subject, method, **options)
    shape, wanted = getattr(layer, "output_shape", None), subject.y.shape[1:]
    if shape != wanted and (hasattr(layer, "output_shape") or (hasattr(layer, "build") and not is_built)):
        result.problems.append(f"build must set output_shape to {wanted}, the shape of one output; it is {shape}")
    return result


def check_loss(
    loss: Any,
    y_true: np.ndarray,
    y_pred: np.ndarray,
    method: str = "central",
    *,
    weights: np.ndarray | None = None,
    **options: Any,
) -> Result:
    """Check the gradient of a loss, a name or an object, with respect to y_pred; the rest is as for `check_layer`.

    `weights`, if given, say how much each example counts, and are passed on to the loss.
    """
    loss, more = copy.deepcopy(loss_named(loss)), {} if weights is None else {"weights": np.array(weights)}
    title = type(loss).__name__

    def forward(arguments: Arrays) -> tuple[Any, Any]:
        found = loss.forward(arguments["y_true"], arguments["y_pred"], *(arguments[name] for name in more))
        value, cache = pair(title, "forward must return (value, cache)", found)
        if np.ndim(value):
            raise TypeError(f"{title}: a loss is one number, got an array of shape {np.shape(value)}")
        return value, cache

    def backward(dy: Any, cache: Any) -> Arrays:
        return {"y_pred": loss.backward(cache)}

    arguments = {"y_pred": np.array(y_pred), "y_true": np.array(y_true), **more}
    batches = [name for name, array in arguments.items() if array.shape[:1] == np.shape(y_pred)[:1] != ()]
    return check(Subject(title, arguments, ["y_pred"], batches, forward, backward), method, **options)


def check_model(model: Any, x: np.ndarray, y: np.ndarray, method: str = "adjoint", **options: Any) -> Result:
    """Check the gradient of a compiled model's loss, exactly as training computes it; the rest is as for `check_layer`.

    The real `train_step` runs, with its parts, its joined softmax and loss and its threads; in place of an optimizer
    stands an object that keeps the gradients. Give it more than eight images to see the sum over parts checked too.
    (Training needs no gradient with respect to x; it is checked as well, as it passes through every layer.)

    Raises:
        RuntimeError: the model is not built or not compiled.
    """
    if not hasattr(model, "input_shape") or not hasattr(model, "loss"):
        raise TypeError(f"check_model: takes a model, got {model!r}")
    if model.input_shape is None or model.loss is None:
        raise RuntimeError("check_model: the model must be built and compiled first; call compile(...), and build(...)")
    x, y = model._check_examples("", x, y)
    layers = copy.deepcopy([inner for layer in model.layers for inner in layer.in_line()])
    title = f"Sequential {model.name!r} on {model.kernels}"

    states = [layer.state for layer in layers]

    def plan_of(arguments: Arrays, stack: Any = layers) -> Plan:
        for layer, state in zip(stack, states, strict=True):
            layer.params = {key: arguments[f"{layer.name}/{key}"] for key in layer.params}
            layer.state = copy.deepcopy(state)
        return make_plan(stack, np.result_type(model.dtype, arguments["x"]).name, model.loss)

    def forward(arguments: Arrays) -> tuple[Any, Any]:
        plan = plan_of(arguments)
        output, of_plan = plan.forward(arguments["x"], training=True, rng=np.random.default_rng(0))
        L, of_loss = plan.loss.forward(arguments["y"], output)
        return L + plan.penalty(), (arguments, of_loss, of_plan)

    def backward(dy: Any, cache: Any) -> Arrays:
        arguments, of_loss, of_plan = cache
        plan, grads = plan_of(arguments), {}
        for step in plan.steps:
            step.needs_dx = True
        dx, _ = plan.backward(plan.loss.backward(of_loss), list(of_plan))
        keeper = SimpleNamespace(update=lambda _, found: grads.update(found))
        x, y, rng = arguments["x"], arguments["y"], np.random.default_rng(0)
        with Workers(model.threads):
            plan = plan_of(arguments, copy.deepcopy(layers))  # a step changes what is on a layer
            train_step(plan, keeper, model.trainable_params, x, y, rng)
        return {"x": dx, **grads}

    arguments = {"x": x.astype(np.float64), **copy.deepcopy(model.params), "y": y.copy()}
    subject = Subject(title, arguments, ["x", *model.trainable_params], ["x", "y"], forward, backward)
    subject.takes_complex = not any(isinstance(step, ConvReLUMaxPool) for step in plan_of(arguments).steps)
    return check(subject, method, **options)


def check(
    subject: Subject, method: str, *, entries: int = 500, tolerance: float | None = None, seed: int = 0
) -> Result:
    """Compare the backward pass of `subject` with measured slopes; `check_layer` explains the arguments."""
    if not isinstance(method, str) or method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(map(repr, METHODS))}, got {method!r}")
    check_count("entries", entries)
    check_count("seed", seed, least=0)
    if method == "complex" and not subject.takes_complex:
        hint = "use 'exact', 'adjoint' or 'central', or kernels='loops', 'im2col' or 'jit'"
        raise ValueError(f"{subject.title}: the fused kernels take no complex numbers; {hint}")
    h, usual = METHODS["central" if method == "adjoint" and not subject.takes_complex else method]
    tolerance = usual if tolerance is None else tolerance
    check_positive("tolerance", tolerance)

    rng = np.random.default_rng([seed, 1])  # of its own: x may well be what default_rng(seed) has given
    grads, problems = broken_promises(subject, rng)
    result = Result(subject.title, method, h, tolerance, problems=problems)
    sizes = {name: rms(gradient[np.isfinite(gradient)]) for name, gradient in grads.items()}
    for name, gradient in grads.items():
        size = max(1, rms(subject.arguments[name])) if h == METHODS["central"][0] else 1
        typical = max(sizes[name], 0.1 * max(sizes.values()), 1e-3)
        slopes = []
        for where, u in directions(gradient.shape, method, entries, rng):
            analytic = float((gradient * u).sum() if where is None else gradient[where])
            measure, least = partial(subject.slope, name, u), typical * float(np.linalg.norm(u))
            slopes.append((where, *compare(measure, h * size, analytic, least, tolerance)))
        row = Row(name, gradient.shape, slopes)
        if row.measured == 0 or slopes[-1][:2] == (None, "kink"):
            hint = "space the values of x, keep them off zero, raise entries, or use method='complex'"
            hint += "" if subject.takes_complex else " and kernels='jit'"
            problems.append(f"{name} is measured at {row.measured} places only, and the rest stands at kinks; {hint}")
        if h == COMPLEX_STEP and not subject.is_analytic(name, rng.standard_normal(gradient.shape)):
            hint = "a complex step does not see through abs, var, norm or conj; use method='central'"
            problems.append(f"forward is not an analytic function of {name}: {hint}")
        result.rows.append(row)
    return result
