"""Random Sequential models, the same for npcnn and for Keras: a new layer joins by a line in a table."""

from typing import Any

import numpy as np

from npcnn import layers

Spec = tuple[str, dict[str, Any]]  # a layer's class and arguments; an argument may be such a pair, too


def pick(rng: np.random.Generator, *values: Any) -> Any:
    """Return one of the values."""
    return values[rng.integers(len(values))]


def activation(rng: np.random.Generator) -> Any:
    """Return what `activation=` may be: nothing, a name, a layer."""
    choices = [None, "linear", "relu", "softmax", ("ReLU", {}), ("Softmax", {"name": "probabilities"})]
    if hasattr(layers, "Activation"):
        choices += ["sigmoid", "tanh", "leaky_relu", "elu", ("LeakyReLU", {"negative_slope": 0.1}), ("ELU", {})]
        choices += [("ReLU", {"max_value": 2.0, "negative_slope": 0.1})]
    return pick(rng, *choices)


def weighted(rng: np.random.Generator) -> dict[str, Any]:
    """Return the arguments of a layer with weights."""
    initializer = pick(rng, "glorot_uniform", "glorot_normal", "he_uniform", "he_normal")
    return {"activation": activation(rng), "use_bias": pick(rng, True, False), "kernel_initializer": initializer}


def conv2d(rng: np.random.Generator) -> dict[str, Any]:
    """Return the arguments of a convolution; strides and dilation are not both more than 1, as in Keras."""
    steps = pick(rng, {}, {}, {"strides": 2}, {"strides": (1, 2)}, {"dilation_rate": (2, 1)})
    window = {"filters": pick(rng, 1, 2, 5), "kernel_size": pick(rng, 1, 2, 3, (3, 2))}
    return {**window, "padding": pick(rng, "valid", "same"), **steps, **weighted(rng)}


def pool(rng: np.random.Generator) -> dict[str, Any]:
    """Return the arguments of a pooling layer."""
    window = {"pool_size": pick(rng, 2, 3, (2, 1)), "strides": pick(rng, None, 1, 2)}
    return {**window, "padding": pick(rng, "valid", "same")}


# A layer's class, with the function that draws its arguments: for images (N, H, W, C) alone, and for rows (N, C) too.
FOR_ROWS = {
    "Dense": lambda rng: {"units": pick(rng, 2, 7), **weighted(rng)},
    "ReLU": lambda rng: {},
    "BatchNormalization": lambda rng: {"momentum": pick(rng, 0.5, 0.99), **pick(rng, {}, {}, {"scale": False})},
    "Dropout": lambda rng: {"rate": pick(rng, 0.0, 0.0, 0.5)},
    "Activation": lambda rng: {"activation": activation(rng)},
    "LeakyReLU": lambda rng: {"negative_slope": pick(rng, 0.1, 0.3)},
    "ELU": lambda rng: {"alpha": pick(rng, 0.5, 1.0)},
    "Rescaling": lambda rng: {"scale": 0.5, "offset": pick(rng, 0.0, 0.1)},
}
FOR_IMAGES = {
    **FOR_ROWS,
    "Conv2D": conv2d,
    "MaxPooling2D": pool,
    "AveragePooling2D": pool,
    "Softmax": lambda rng: {},
    "SpatialDropout2D": lambda rng: {"rate": pick(rng, 0.0, 0.0, 0.5)},
    "ZeroPadding2D": lambda rng: {"padding": pick(rng, 1, (1, 2), ((0, 1), (2, 0)))},
}
TO_ROWS = {
    "Flatten": lambda rng: {},
    "Reshape": lambda rng: {"target_shape": (-1,)},
    "GlobalAveragePooling2D": lambda rng: {},
    "GlobalMaxPooling2D": lambda rng: {},
}
for table in (FOR_ROWS, FOR_IMAGES, TO_ROWS):
    for name in [name for name in table if not hasattr(layers, name)]:
        del table[name]


def draw(rng: np.random.Generator) -> list[Spec]:
    """Return the layers of a random model behind its Input: some for images, some for rows, three classes."""
    images = [pick(rng, *FOR_IMAGES.items()) for _ in range(rng.integers(1, 5))]
    rows = [pick(rng, *FOR_ROWS.items()) for _ in range(rng.integers(0, 3))]
    stack = [(name, arguments(rng)) for name, arguments in [*images, pick(rng, *TO_ROWS.items()), *rows]]
    stack.append(("Dense", {"units": 3, "activation": pick(rng, "softmax", ("Softmax", {}))}))
    return [(name, {**arguments, "name": f"{name.lower()}_{i}"}) for i, (name, arguments) in enumerate(stack)]


def make(layer: Spec, kind: Any) -> Any:
    """Return the layer; `kind` is a module, `npcnn.layers` or `keras.layers`."""
    name, arguments = layer
    made = {key: make(value, kind) if is_spec(value) else value for key, value in arguments.items()}
    return getattr(kind, name)(**made)


def is_spec(value: Any) -> bool:
    """Whether an argument is a layer."""
    return isinstance(value, tuple) and isinstance(value[0], str)
