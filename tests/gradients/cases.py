"""What the gradient tests are run on: shapes that leave a mistake nowhere to hide, and the kernels' rungs.

Height and width always differ, and so do KH and KW, SH and SW: a check on squares cannot see the two confused.
"""

import itertools
from functools import partial
from types import SimpleNamespace

import numpy as np

from npcnn import Sequential, layers
from npcnn.kernels import RUNGS
from npcnn.layers.elementwise import FUNCTIONS
from npcnn.layers.layer import Layer
from npcnn.planning import make_plan
from npcnn.threads import Workers
from npcnn.training import train_step

COMPLEX_RUNGS = [rung for rung in RUNGS if rung != "fused"]  # fused takes real numbers only
LAYER_RUNGS = [rung for rung in RUNGS if rung != "fused"]  # fused is three layers at once: it needs a model

# (N, H, W, C), F, kernel_size, strides, padding, dilation_rate
CONVOLUTIONS = [
    ((2, 5, 4, 2), 3, (3, 2), (1, 1), "valid", (1, 1)),
    ((2, 5, 4, 2), 3, (3, 2), (1, 1), "same", (1, 1)),
    ((2, 4, 7, 1), 2, (2, 3), (2, 1), "valid", (1, 1)),
    ((1, 7, 5, 2), 1, (3, 2), (2, 3), "same", (1, 1)),
    ((2, 6, 4, 3), 2, (2, 2), (1, 2), "same", (1, 1)),  # an odd padding: the extra zero goes behind
    ((1, 7, 6, 2), 2, (3, 2), (1, 1), "valid", (2, 3)),
    ((2, 6, 7, 1), 2, (2, 3), (1, 1), "same", (1, 2)),
    ((1, 8, 7, 1), 2, (3, 2), (2, 1), "valid", (1, 3)),
    ((2, 3, 4, 3), 2, (1, 1), (1, 1), "valid", (1, 1)),
    ((1, 3, 2, 2), 2, (3, 2), (1, 1), "valid", (1, 1)),  # the filter covers the whole image
    ((2, 5, 3, 1), 2, (2, 1), (3, 2), "valid", (1, 1)),  # strides beyond the filter: some pixels take part in nothing
    ((1, 2, 3, 1), 1, (5, 4), (1, 1), "same", (1, 1)),  # more padding than image
    ((1, 1, 5, 1), 1, (1, 3), (1, 2), "same", (1, 1)),
]

# (N, H, W, C), pool_size, strides, padding
POOLS = [
    ((2, 4, 6, 2), (2, 2), None, "valid"),
    ((2, 7, 5, 2), (2, 3), None, "valid"),  # what fills no window is dropped
    ((2, 5, 4, 1), (3, 2), (1, 1), "valid"),  # overlapping: one pixel may win several windows
    ((1, 6, 7, 2), (2, 3), (1, 2), "valid"),
    ((2, 5, 7, 2), (3, 2), (2, 1), "same"),
    ((1, 5, 4, 3), (2, 3), (2, 2), "same"),
    ((1, 5, 7, 1), (1, 2), (2, 3), "valid"),  # strides beyond the window
    ((1, 3, 2, 2), (3, 2), None, "valid"),
]

IMAGES = (2, 5, 4, 3)
# All other layers. Each is made by a function of a module, `npcnn.layers` or `keras.layers`, for x of shape IMAGES.
SMOOTH = {
    "sigmoid": lambda kind: kind.Activation("sigmoid"),
    "tanh": lambda kind: kind.Activation("tanh"),
    "softmax": lambda kind: kind.Activation("softmax"),
    **{name: partial(lambda name, kind: kind.Activation(name), name) for name in FUNCTIONS},
    "ELU": lambda kind: kind.ELU(),
    "ELU with a slope": lambda kind: kind.ELU(0.5),
    "batch normalization": lambda kind: kind.BatchNormalization(epsilon=0.5, momentum=0.75),
    "batch normalization without gamma": lambda kind: kind.BatchNormalization(scale=False),
    "batch normalization without beta": lambda kind: kind.BatchNormalization(center=False),
    "batch normalization without both": lambda kind: kind.BatchNormalization(center=False, scale=False),
    "dense with an activation, on each pixel": lambda kind: kind.Dense(2, activation="tanh"),
    "convolution with an activation": lambda kind: kind.Conv2D(2, (3, 2), activation="elu"),
}
STRAIGHT = {
    "relu": lambda kind: kind.Activation("relu"),
    "relu with a slope, a threshold and an end": lambda kind: kind.ReLU(7.5, 0.25, 2.5),
    "relu with an end": lambda kind: kind.ReLU(6.0),
    "leaky relu": lambda kind: kind.LeakyReLU(0.25),
    "leaky relu by name": lambda kind: kind.Activation("leaky_relu"),
    "leaky relu in a convolution": lambda kind: kind.Conv2D(2, (3, 2), activation=kind.LeakyReLU()),
    "linear": lambda kind: kind.Activation("linear"),
    "average pool": lambda kind: kind.AveragePooling2D((2, 3)),
    "average pool, overlapping": lambda kind: kind.AveragePooling2D((3, 2), (2, 1)),
    "average pool, padded": lambda kind: kind.AveragePooling2D((3, 2), (1, 2), padding="same"),
    "average pool, more padding than image": lambda kind: kind.AveragePooling2D((7, 6), 1, padding="same"),
    "global average pool": lambda kind: kind.GlobalAveragePooling2D(),
    "global average pool with axes": lambda kind: kind.GlobalAveragePooling2D(keepdims=True),
    "global max pool": lambda kind: kind.GlobalMaxPooling2D(),
    "global max pool with axes": lambda kind: kind.GlobalMaxPooling2D(keepdims=True),
    "zero padding": lambda kind: kind.ZeroPadding2D(),
    "zero padding of rows and columns": lambda kind: kind.ZeroPadding2D((2, 1)),
    "zero padding of four sides": lambda kind: kind.ZeroPadding2D(((1, 0), (2, 3))),
    "reshape": lambda kind: kind.Reshape((4, -1, 1)),
    "reshape to a row": lambda kind: kind.Reshape((60,)),
    "flatten": lambda kind: kind.Flatten(),
    "rescaling": lambda kind: kind.Rescaling(0.5, -3.0),
    "dense, on each pixel": lambda kind: kind.Dense(2),
    "dropout": lambda kind: kind.Dropout(0.4),
    "dropout with a seed": lambda kind: kind.Dropout(0.4, seed=3),
    "dropout of whole rows": lambda kind: kind.Dropout(0.4, (None, None, 1, 1)),
    "dropout of nothing": lambda kind: kind.Dropout(0.0),
    "noise": lambda kind: kind.GaussianNoise(0.5),
    "dropout of channels": lambda kind: kind.SpatialDropout2D(0.4),
}
OTHERS = {**SMOOTH, **STRAIGHT}

# x's shape (N, C), and U
DENSE = [((3, 4), 2), ((1, 5), 3), ((4, 1), 3), ((2, 3), 1), ((3, 3), 3)]


def every_convolution():
    """Yield every combination of padding, strides, dilation and kernel size that fits, as in CONVOLUTIONS."""
    pairs = [(1, 1), (2, 1), (1, 3)], [(1, 1), (1, 2), (2, 1)], [(1, 1), (3, 2), (1, 4)]
    for padding, strides, dilation, kernel in itertools.product(("valid", "same"), *pairs):
        if strides == (1, 1) or dilation == (1, 1):  # Keras refuses the two together
            yield (2, 7, 9, 2), 3, kernel, strides, padding, dilation


def conv2d(case, rung=None, **arguments):
    shape, filters, kernel, strides, padding, dilation = case
    arguments = {"bias_initializer": random_bias, "dtype": "float64", "kernels": rung, **arguments}
    layer = layers.Conv2D(filters, kernel, strides, padding, dilation_rate=dilation, **arguments)
    layer.build(shape[1:], 0)
    return layer


def max_pool2d(case, rung=None, **arguments):
    shape, pool_size, strides, padding = case
    layer = layers.MaxPool2D(pool_size, strides, padding, kernels=rung, **arguments)
    layer.build(shape[1:])
    return layer


def dense(case, rung=None, **arguments):
    shape, units = case
    arguments = {"bias_initializer": random_bias, "dtype": "float64", "kernels": rung, **arguments}
    layer = layers.Dense(units, **arguments)
    layer.build(shape[1:], 0)
    return layer


def other(name):
    """The layer OTHERS[name], built for IMAGES in float64, with random parameters and state."""
    layer = OTHERS[name](layers)
    layer.dtype = "float64"
    layer.build(IMAGES[1:], 0)
    for i, array in enumerate(layer.variables.values()):
        array[...] = 0.5 + normal(array.shape, seed=i) ** 2 / 2
    return layer


def random_bias(shape, rng):
    """A bias of zeros would let a forgotten bias pass."""
    return rng.standard_normal(shape)


def normal(shape, seed=1):
    return np.random.default_rng(seed).standard_normal(shape)


def spaced(shape, gap=3.0, seed=1):
    """Random numbers at least `gap` apart and half of it from zero: no step of 1 meets a kink."""
    size = int(np.prod(shape))
    return (np.random.default_rng(seed).permutation(size) - (size // 2 - 0.5)).reshape(shape) * gap


def integers(shape, low=-4, high=5, seed=1):
    """Small whole numbers: their sums of products are exact, in float32 too, in whatever order they are added."""
    return np.random.default_rng(seed).integers(low, high, shape).astype(float)


class Made(Layer):
    """A layer made of two functions: y = f(x, *params), and (dx, *dparams) = backward(dy, x, *params)."""

    def __init__(self, f, backward, **shapes):
        super().__init__(dtype="float64")
        self.f, self.f_backward, self.shapes = f, backward, shapes

    def build(self, input_shape, rng=None):
        super().build(input_shape)
        self.params = {key: rng.standard_normal(shape) for key, shape in self.shapes.items()}
        self.output_shape = self.f(rng.random((1, *input_shape)), *self.params.values()).shape[1:]

    def forward(self, x, training=False):
        return self.f(x, *self.params.values()), x

    def backward(self, dy, x):
        dx, *grads = self.f_backward(dy, x, *self.params.values())
        return dx, dict(zip(self.params, grads, strict=True))


def elementwise(f, slope):
    """A layer y = f(x) with dx = dy slope(x)."""
    return Made(f, lambda dy, x: [dy * slope(x)])


class LinearLoss:
    """L = mean over n of <y_true[n], y_pred[n]>: makes y_true a random upstream gradient for a whole model."""

    name = "linear"

    def forward(self, y_true, y_pred):
        return (y_true * y_pred).reshape(len(y_pred), -1).sum(axis=1).mean(), (y_true, len(y_pred))

    def backward(self, cache):
        y_true, N = cache
        return y_true / N


def small_model(rung="im2col", seed=0, loss="sparse_categorical_crossentropy", **arguments):
    """Everything the MNIST model has, on images of 9 x 8: two convolutions, two pools, two dense layers."""
    stack = [
        layers.Input((9, 8, 1)),
        layers.Conv2D(3, (3, 2), activation="relu"),
        layers.MaxPool2D(2),
        layers.Conv2D(2, 2, activation="relu"),
        layers.MaxPool2D((2, 1)),
        layers.Flatten(),
        layers.Dense(4, activation="relu"),
        layers.Dense(3, activation="softmax"),
    ]
    model = Sequential(stack, kernels=rung, seed=seed, **{"dtype": "float64", **arguments})
    model.set_weights([w + 0.1 * normal(w.shape, seed=i) for i, w in enumerate(model.get_weights())])
    model.compile(loss=loss, metrics=["accuracy"])
    return model


def wide_model(seed=0, **arguments):
    """One of almost every other layer. (No bias in front of a BatchNormalization, which would take it out again.)"""
    stack = [
        layers.Input((9, 8, 1)),
        layers.Rescaling(0.5, 0.25),
        layers.ZeroPadding2D(1),
        layers.Conv2D(3, (3, 2), use_bias=False),
        layers.BatchNormalization(),
        layers.Activation("relu"),
        layers.AveragePooling2D(2),
        layers.SpatialDropout2D(0.2, seed=4),
        layers.Conv2D(4, 2, activation=layers.LeakyReLU(0.1)),
        layers.GlobalAveragePooling2D(),
        layers.Dropout(0.3),
        layers.Dense(5, activation="elu"),
        layers.BatchNormalization(),
        layers.Dense(3),
        layers.Activation("softmax"),
    ]
    model = Sequential(stack, seed=seed, **{"dtype": "float64", **arguments})
    model.compile(loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def small_batch(size=19):
    """More than one part, and a last one that is smaller."""
    return normal((size, 9, 8, 1)), np.random.default_rng(2).integers(0, 3, size)


def training_gradients(model, x, y):
    """Return the gradients by which a training step would change the parameters, without changing them."""
    kept = {}
    keeper = SimpleNamespace(update=lambda _, grads: kept.update(grads))
    with Workers(model.threads):
        train_step(make_plan(model.layers, model.dtype, model.loss), keeper, model.params, x, y)
    assert kept.keys() == model.params.keys()
    return kept
