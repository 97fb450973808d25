"""What a user may get wrong, one row a mistake: each raises one clear error and leaves the model as it was.

A row is a call, the type of the error, and what its message must say: who was asked (the layer or the argument), what
it got, and what would have worked. The call is given a small compiled model and data that would have suited it.
"""

from types import SimpleNamespace

import numpy as np
import pytest

from npcnn import Sequential, load_model, losses, metrics, optimizers
from npcnn.layers import Conv2D, Dense, Flatten, Input, MaxPool2D, ReLU, Softmax

SPARSE = "sparse_categorical_crossentropy"
NAN_AT = (3, 0, 2, 0)


def built(layer, *shape):
    layer.build(shape, 0)
    return layer


def with_value(array, index, value):
    array = array.copy()
    array[index] = value
    return array


def backward(layer, shape, dy_shape):
    """Forward zeros of one shape, then backward zeros of another."""
    _, cache = layer.forward(np.zeros(shape))
    return layer.backward(np.zeros(dy_shape), cache)


def not_compiled():
    return Sequential([Input((8, 8, 1)), Flatten(), Dense(3)])


def not_built():
    model = Sequential([Flatten(), Dense(3)])
    model.compile("sgd", SPARSE)
    return model


def model_of_images():
    model = Sequential([Input((8, 8, 1)), Conv2D(3, 3, activation="softmax")])
    model.compile("sgd", SPARSE)
    return model


def compiled_wrongly():
    model = not_compiled()
    with pytest.raises(ValueError, match="optimizer"):
        model.compile("adamm", SPARSE)
    return model


def built_wrongly():
    model = Sequential([Conv2D(3, 3), Dense(3)])
    with pytest.raises(ValueError, match="Flatten"):
        model.build((8, 8, 1))
    return model


# Rows are (call, error, words); a call takes m, with m.model, m.x (20, 8, 8, 1) and m.y (20,) of labels 0 to 2.
MAKING_A_LAYER = {
    "no filters": (lambda m: Conv2D(0, 3), ValueError, ["Conv2D", "filters", "at least 1", "got 0"]),
    "negative filters": (lambda m: Conv2D(-8, 3), ValueError, ["Conv2D", "filters", "at least 1", "-8"]),
    "fractional filters": (lambda m: Conv2D(2.5, 3), ValueError, ["Conv2D", "filters", "integer", "2.5"]),
    "kernel of zero": (lambda m: Conv2D(8, 0), ValueError, ["Conv2D", "kernel_size", "positive", "got 0"]),
    "kernel in 3-D": (lambda m: Conv2D(8, (3, 3, 3)), ValueError, ["Conv2D", "kernel_size", "pair", "(3, 3, 3)"]),
    "negative stride": (lambda m: Conv2D(8, 3, strides=-1), ValueError, ["Conv2D", "strides", "positive", "-1"]),
    "dilation of zero": (lambda m: Conv2D(8, 3, dilation_rate=(1, 0)), ValueError, ["dilation_rate", "(1, 0)"]),
    "unknown padding": (lambda m: Conv2D(8, 3, padding="full"), ValueError, ["padding", "'valid' or 'same'", "'full'"]),
    "padding as a number": (lambda m: Conv2D(8, 3, padding=1), ValueError, ["padding", "'same'", "got 1"]),
    "unknown activation": (
        lambda m: Conv2D(8, 3, activation="tanh", name="c"),
        ValueError,
        ["Conv2D 'c'", "activation", "'relu'", "'softmax'", "'tanh'"],
    ),
    "activation as a list": (lambda m: Dense(8, activation=["relu"]), ValueError, ["Dense", "activation", "['relu']"]),
    "activation as a class": (lambda m: Dense(8, activation=ReLU), ValueError, ["Dense", "activation", "ReLU"]),
    "use_bias in words": (
        lambda m: Dense(8, use_bias="no"),
        ValueError,
        ["Dense", "use_bias", "True or False", "'no'"],
    ),
    "unknown initializer": (
        lambda m: Dense(8, kernel_initializer="glorot"),
        ValueError,
        ["Dense", "kernel_initializer", "'glorot'", "glorot_uniform"],
    ),
    "initializer as a list": (
        lambda m: Dense(8, bias_initializer=[0]),
        ValueError,
        ["Dense", "bias_initializer", "[0]", "zeros"],
    ),
    "negative units": (lambda m: Dense(-1), ValueError, ["Dense", "units", "at least 1", "-1"]),
    "units as a string": (lambda m: Dense("10"), ValueError, ["Dense", "units", "integer", "'10'"]),
    "units as True": (lambda m: Dense(True), ValueError, ["Dense", "units", "integer", "True"]),
    "pool of zero": (lambda m: MaxPool2D(0), ValueError, ["MaxPool2D", "pool_size", "positive", "got 0"]),
    "pool stride of zero": (lambda m: MaxPool2D(2, strides=0), ValueError, ["MaxPool2D", "strides", "got 0"]),
    "unknown rung": (lambda m: Conv2D(8, 3, kernels="cuda"), ValueError, ["Conv2D", "kernels", "'im2col'", "'cuda'"]),
    "unknown dtype": (lambda m: Dense(8, dtype="float16"), ValueError, ["Dense", "dtype", "'float32'", "'float16'"]),
    "dtype that is none": (lambda m: Dense(8, dtype="fast"), ValueError, ["Dense", "dtype", "'float64'", "'fast'"]),
    "empty name": (lambda m: Dense(8, name=""), ValueError, ["Dense", "name", "non-empty", "''"]),
    "name with a slash": (lambda m: ReLU(name="a/b"), ValueError, ["ReLU", "name", "'/'", "'a/b'"]),
    "Input with the batch axis": (lambda m: Input((None, 28, 28, 1)), ValueError, ["Input", "shape", "batch", "None"]),
    "Input with one number": (lambda m: Input(28), ValueError, ["Input", "shape", "got 28"]),
}

BUILDING_A_LAYER = {
    "convolution without channels": (
        lambda m: built(Conv2D(8, 3), 28, 28),
        ValueError,
        ["Conv2D", "input_shape", "(H, W, C)", "(28, 28)"],
    ),
    "convolution larger than its input": (
        lambda m: built(Conv2D(8, 5, dilation_rate=2, name="wide"), 8, 8, 1),
        ValueError,
        ["Conv2D 'wide'", "kernel_size (5, 5)", "dilation_rate (2, 2)", "8 x 8", "smaller", "same"],
    ),
    "pool larger than its input": (
        lambda m: built(MaxPool2D(9), 8, 8, 1),
        ValueError,
        ["MaxPool2D", "pool_size (9, 9)", "8 x 8", "smaller", "same"],
    ),
    "dense on images": (lambda m: built(Dense(8), 8, 8, 1), ValueError, ["Dense", "(8, 8, 1)", "Flatten"]),
    "negative size": (lambda m: built(Flatten(), 8, -8), ValueError, ["Flatten", "input_shape", "positive", "-8"]),
    "initializer of a wrong shape": (
        lambda m: built(Dense(8, kernel_initializer=lambda shape, rng: np.ones(3)), 4),
        ValueError,
        ["Dense", "kernel_initializer", "(3,)", "(4, 8)"],
    ),
    "bias from an initializer that needs two axes": (
        lambda m: built(Dense(8, bias_initializer="glorot_uniform"), 4),
        ValueError,
        ["Dense", "bias_initializer", "(8,)", "zeros"],
    ),
}

RUNNING_A_LAYER = {
    "forward before build": (lambda m: Conv2D(8, 3).forward(m.x), RuntimeError, ["Conv2D", "not built", "build("]),
    "wrong rank": (
        lambda m: built(Conv2D(8, 3), 8, 8, 1).forward(m.x[0]),
        ValueError,
        ["Conv2D", "(N, 8, 8, 1)", "got (8, 8, 1)"],
    ),
    "wrong channels": (
        lambda m: built(Conv2D(8, 3, name="rgb"), 8, 8, 3).forward(m.x),
        ValueError,
        ["Conv2D 'rgb'", "(N, 8, 8, 3)", "got (20, 8, 8, 1)"],
    ),
    "channels first": (
        lambda m: built(MaxPool2D(2), 8, 8, 3).forward(np.zeros((1, 3, 8, 8))),
        ValueError,
        ["MaxPool2D", "(N, 8, 8, 3)", "got (1, 3, 8, 8)"],
    ),
    "wrong width": (
        lambda m: built(Dense(4), 3).forward(np.zeros((2, 5))),
        ValueError,
        ["Dense", "(N, 3)", "got (2, 5)"],
    ),
    "one row without the batch axis": (
        lambda m: built(Dense(4), 3).forward([1, 2, 3]),
        ValueError,
        ["Dense", "(N, 3)", "got (3,)"],
    ),
    "strings": (lambda m: built(Dense(4), 3).forward([["a", "b", "c"]]), TypeError, ["Dense", "numbers", "<U1"]),
    "gradient of another shape": (
        lambda m: backward(built(Conv2D(2, 3), 8, 8, 1), (4, 8, 8, 1), (4, 8, 8, 2)),
        ValueError,
        ["Conv2D", "dy must", "(N, 6, 6, 2)", "got (4, 8, 8, 2)"],
    ),
    "gradient of fewer images": (
        lambda m: backward(built(MaxPool2D(2), 8, 8, 1), (4, 8, 8, 1), (1, 4, 4, 1)),
        ValueError,
        ["MaxPool2D", "dy must", "each of the 4", "got 1"],
    ),
    "gradient of more images": (
        lambda m: backward(built(Conv2D(2, 3, kernels="jit"), 8, 8, 1), (4, 8, 8, 1), (5, 6, 6, 2)),
        ValueError,
        ["Conv2D", "dy must", "each of the 4", "got 5"],
    ),
    "gradient of strings": (
        lambda m: built(Flatten(), 2, 2).backward([["a"] * 4], 1),
        TypeError,
        ["Flatten", "dy must", "numbers", "<U1"],
    ),
    "rows of unequal lengths": (
        lambda m: built(Dense(4), 3).forward([[1, 2, 3], [4, 5]]),
        ValueError,
        ["Dense", "x must", "unequal lengths"],
    ),
    "gradient of another rank": (
        lambda m: backward(built(Softmax(), 3), (4, 3), (3,)),
        ValueError,
        ["Softmax", "dy", "(N, 3)", "got (3,)"],
    ),
}

MAKING_A_MODEL = {
    "no layers": (lambda m: Sequential([]), ValueError, ["Sequential", "empty", "at least one layer"]),
    "nothing behind the Input": (lambda m: Sequential([Input((3,))]), ValueError, ["Sequential", "behind its Input"]),
    "a layer without its list": (lambda m: Sequential(Dense(3)), TypeError, ["Sequential", "layers", "list", "Dense"]),
    "a class for a layer": (lambda m: Sequential([Flatten, Dense(3)]), TypeError, ["Sequential", "layers", "Flatten"]),
    "a string for a layer": (lambda m: Sequential(["dense"]), TypeError, ["Sequential", "npcnn.layers", "'dense'"]),
    "one layer twice": (
        lambda m: (lambda layer: Sequential([layer, layer]))(Dense(3)),
        ValueError,
        ["Sequential", "same layer", "twice"],
    ),
    "duplicate names": (
        lambda m: Sequential([Dense(3, name="d"), Dense(3, name="d")]),
        ValueError,
        ["Sequential", "same name", "'d'"],
    ),
    "layers that do not fit": (
        lambda m: Sequential([Input((8, 8, 1)), Conv2D(4, 3), Dense(3)]),
        ValueError,
        ["Dense 'dense'", "(6, 6, 4)", "Flatten"],
    ),
    "pools until nothing is left": (
        lambda m: Sequential([Input((8, 8, 1)), MaxPool2D(4), MaxPool2D(4)]),
        ValueError,
        ["MaxPool2D 'max_pooling2d_1'", "pool_size (4, 4)", "2 x 2"],
    ),
    "model on an unknown rung": (lambda m: Sequential([Dense(3)], kernels="gpu"), ValueError, ["kernels", "'gpu'"]),
    "model of an unknown dtype": (lambda m: Sequential([Dense(3)], dtype="int8"), ValueError, ["dtype", "'int8'"]),
    "no threads": (lambda m: Sequential([Dense(3)], threads=0), ValueError, ["threads", "at least 1", "got 0"]),
    "negative seed": (lambda m: Sequential([Dense(3)], seed=-1), ValueError, ["seed", "-1"]),
    "seed in words": (lambda m: Sequential([Dense(3)], seed="zero"), ValueError, ["seed", "'zero'"]),
    "build with an unknown width": (
        lambda m: not_built().build((8, None, 1)),
        ValueError,
        ["shape", "without the batch axis", "None"],
    ),
}

COMPILING = {
    "unknown optimizer": (
        lambda m: m.model.compile("adamax", SPARSE),
        ValueError,
        ["optimizer", "'adam'", "'sgd'", "'adamax'"],
    ),
    "optimizer class": (
        lambda m: m.model.compile(optimizers.Adam, SPARSE),
        ValueError,
        ["optimizer", "object", "Adam"],
    ),
    "unknown loss": (lambda m: m.model.compile("adam", "mse"), ValueError, ["loss", SPARSE, "'mse'"]),
    "no loss": (lambda m: m.model.compile("adam"), ValueError, ["loss", SPARSE, "None"]),
    "loss class": (
        lambda m: m.model.compile("adam", losses.CategoricalCrossentropy),
        ValueError,
        ["loss", "object", "CategoricalCrossentropy"],
    ),
    "unknown metric": (
        lambda m: m.model.compile("adam", SPARSE, metrics=["auc"]),
        ValueError,
        ["metrics", "'accuracy'", "'auc'"],
    ),
    "metrics as a string": (
        lambda m: m.model.compile("adam", SPARSE, metrics="accuracy"),
        ValueError,
        ["metrics", "list", "['accuracy']"],
    ),
    "one metric without its list": (
        lambda m: m.model.compile("adam", SPARSE, metrics=metrics.Accuracy()),
        ValueError,
        ["metrics", "list", "Accuracy"],
    ),
    "negative learning rate": (lambda m: optimizers.Adam(-1), ValueError, ["Adam", "learning_rate", "positive", "-1"]),
    "learning rate of NaN": (lambda m: optimizers.SGD(np.nan), ValueError, ["SGD", "learning_rate", "nan"]),
    "learning rate in words": (lambda m: optimizers.SGD("fast"), ValueError, ["SGD", "learning_rate", "'fast'"]),
    "beta_1 of one": (lambda m: optimizers.Adam(beta_1=1), ValueError, ["Adam", "beta_1", "below 1", "got 1"]),
    "beta_2 below zero": (lambda m: optimizers.Adam(beta_2=-0.1), ValueError, ["Adam", "beta_2", "from 0", "-0.1"]),
    "epsilon of zero": (lambda m: optimizers.Adam(epsilon=0), ValueError, ["Adam", "epsilon", "positive", "got 0"]),
    "momentum above one": (lambda m: optimizers.SGD(momentum=1.5), ValueError, ["SGD", "momentum", "below 1", "1.5"]),
    "nesterov in words": (lambda m: optimizers.SGD(nesterov="no"), ValueError, ["SGD", "nesterov", "True", "'no'"]),
    "optimizer on an unknown rung": (lambda m: optimizers.Adam(kernels="c"), ValueError, ["Adam", "kernels", "'c'"]),
    "from_logits in words": (
        lambda m: losses.CategoricalCrossentropy(from_logits="yes"),
        ValueError,
        ["categorical_crossentropy", "from_logits", "True or False", "'yes'"],
    ),
}

IMAGES = {
    "images without channels": (
        lambda m: m.model.fit(m.x[..., 0], m.y, verbose=0),
        ValueError,
        ["x must", "(N, 8, 8, 1)", "got (20, 8, 8)", "x[..., None]"],
    ),
    "one image": (
        lambda m: m.model.predict(m.x[0]),
        ValueError,
        ["x must", "(N, 8, 8, 1)", "got (8, 8, 1)", "x[None]"],
    ),
    "one image without channels": (
        lambda m: m.model.predict(m.x[0, ..., 0]),
        ValueError,
        ["x must", "(N, 8, 8, 1)", "got (8, 8)", "x[None, ..., None]"],
    ),
    "too many channels": (
        lambda m: m.model.fit(np.repeat(m.x, 3, axis=-1), m.y, verbose=0),
        ValueError,
        ["x must", "(N, 8, 8, 1)", "got (20, 8, 8, 3)"],
    ),
    "images of another size": (
        lambda m: m.model.evaluate(m.x[:, 1:], m.y, verbose=0),
        ValueError,
        ["x must", "(N, 8, 8, 1)", "got (20, 7, 8, 1)"],
    ),
    "flat images": (
        lambda m: m.model.predict(m.x.reshape(20, 64)),
        ValueError,
        ["x must", "(N, 8, 8, 1)", "got (20, 64)"],
    ),
    "no images": (lambda m: m.model.fit(m.x[:0], m.y[:0], verbose=0), ValueError, ["x is empty", "at least one"]),
    "no images to predict": (lambda m: m.model.predict(m.x[:0]), ValueError, ["x is empty", "at least one"]),
    "NaN pixel": (
        lambda m: m.model.fit(with_value(m.x, NAN_AT, np.nan), m.y, verbose=0),
        ValueError,
        ["x must be finite", "nan", str(NAN_AT)],
    ),
    "infinite pixel": (
        lambda m: m.model.predict(with_value(m.x, NAN_AT, -np.inf)),
        ValueError,
        ["x must be finite", "-inf", str(NAN_AT)],
    ),
    "NaN pixel to validate on": (
        lambda m: m.model.fit(m.x, m.y, validation_data=(with_value(m.x, NAN_AT, np.nan), m.y), verbose=0),
        ValueError,
        ["validation_data: x", "finite", str(NAN_AT)],
    ),
    "images of strings": (lambda m: m.model.predict(m.x.astype(str)), TypeError, ["x must", "numbers", "<U"]),
    "images of nothing": (lambda m: m.model.predict(None), TypeError, ["x must", "numbers", "object"]),
    "complex images": (lambda m: m.model.predict(m.x + 1j), TypeError, ["x must", "numbers", "complex"]),
    "images of unequal sizes": (
        lambda m: m.model.predict([m.x[0].tolist(), m.x[0, 1:].tolist()]),
        ValueError,
        ["x must", "one shape", "unequal"],
    ),
}

LABELS = {
    "label too large": (
        lambda m: m.model.fit(m.x, with_value(m.y, 5, 3), verbose=0),
        ValueError,
        [SPARSE, "from 0 to 2", "3 outputs", "got 3"],
    ),
    "negative label": (
        lambda m: m.model.evaluate(m.x, with_value(m.y, 5, -1), verbose=0),
        ValueError,
        [SPARSE, "from 0 to 2", "got -1"],
    ),
    "fractional label": (lambda m: m.model.fit(m.x, m.y + 0.5, verbose=0), ValueError, [SPARSE, "whole", "0 to 2"]),
    "NaN label": (lambda m: m.model.fit(m.x, m.y * np.nan, verbose=0), ValueError, [SPARSE, "whole numbers", "nan"]),
    "labels in words": (
        lambda m: m.model.fit(m.x, ["a"] * 20, verbose=0),
        ValueError,
        [SPARSE, "whole numbers", "<U1"],
    ),
    "too few labels": (
        lambda m: m.model.fit(m.x, m.y[:-1], verbose=0),
        ValueError,
        ["y must", "20 examples", "19 labels"],
    ),
    "one label for all": (lambda m: m.model.fit(m.x, 1, verbose=0), ValueError, ["y must", "20 examples", "got 1"]),
    "no labels": (lambda m: m.model.evaluate(m.x, None, verbose=0), ValueError, ["y must", "20 examples", "None"]),
    "one-hot for the sparse loss": (
        lambda m: m.model.fit(m.x, np.eye(3)[m.y], verbose=0),
        ValueError,
        [SPARSE, "(20,)", "(20, 3)", "'categorical_crossentropy'"],
    ),
    "class numbers for the other loss": (
        lambda m: losses.CategoricalCrossentropy().forward(m.y, np.full((20, 3), 1 / 3)),
        ValueError,
        ["categorical_crossentropy", "(20, 3)", "(20,)", f"'{SPARSE}'"],
    ),
    "one-hot of too few classes": (
        lambda m: losses.CategoricalCrossentropy().forward(np.eye(2), np.full((2, 3), 1 / 3)),
        ValueError,
        ["categorical_crossentropy", "(2, 3)", "got (2, 2)"],
    ),
    "rows that do not add up to one": (
        lambda m: losses.CategoricalCrossentropy().forward(np.ones((2, 3)), np.full((2, 3), 1 / 3)),
        ValueError,
        ["categorical_crossentropy", "add up to 1", "one-hot"],
    ),
    "predictions that are flat": (
        lambda m: losses.SparseCategoricalCrossentropy().forward([0, 1], np.array([0.5, 0.5])),
        ValueError,
        [SPARSE, "y_pred", "(N, K)", "(2,)"],
    ),
    "a loss for rows on a model of images": (
        lambda m: model_of_images().fit(m.x, m.y, verbose=0),
        ValueError,
        [SPARSE, "(N, K)", "(20, 6, 6, 3)", "Flatten"],
    ),
    "accuracy of unequal lengths": (
        lambda m: metrics.Accuracy()([0, 1], np.eye(3)),
        ValueError,
        ["accuracy", "y_true", "(2,)", "(3, 3)"],
    ),
}

FITTING = {
    "fit before compile": (lambda m: not_compiled().fit(m.x, m.y), RuntimeError, ["fit", "not compiled", "compile("]),
    "evaluate before compile": (
        lambda m: not_compiled().evaluate(m.x, m.y),
        RuntimeError,
        ["evaluate", "not compiled", "compile("],
    ),
    "fit after a compile that failed": (
        lambda m: compiled_wrongly().fit(m.x, m.y),
        RuntimeError,
        ["fit", "not compiled", "compile("],
    ),
    "predict before build": (lambda m: not_built().predict(m.x), RuntimeError, ["predict", "no weights yet", "Input"]),
    "evaluate before build": (
        lambda m: not_built().evaluate(m.x, m.y),
        RuntimeError,
        ["evaluate", "no weights yet", "build"],
    ),
    "summary before build": (lambda m: not_built().summary(), RuntimeError, ["summary", "no weights yet", "Input"]),
    "predict after a build that failed": (
        lambda m: built_wrongly().predict(m.x),
        RuntimeError,
        ["predict", "no weights yet"],
    ),
    "fit without Input on a single number": (lambda m: not_built().fit(7, m.y), ValueError, ["x must", "shape"]),
    "batch size of zero": (
        lambda m: m.model.fit(m.x, m.y, batch_size=0),
        ValueError,
        ["batch_size", "at least 1", "got 0"],
    ),
    "fractional batch size": (
        lambda m: m.model.predict(m.x, batch_size=2.5),
        ValueError,
        ["batch_size", "integer", "2.5"],
    ),
    "negative epochs": (lambda m: m.model.fit(m.x, m.y, epochs=-1), ValueError, ["epochs", "at least 1", "-1"]),
    "epochs in words": (lambda m: m.model.fit(m.x, m.y, epochs="ten"), ValueError, ["epochs", "integer", "'ten'"]),
    "verbose in words": (
        lambda m: m.model.fit(m.x, m.y, verbose="loud"),
        ValueError,
        ["verbose", "'auto', 0, 1 or 2", "'loud'"],
    ),
    "verbose of three": (
        lambda m: m.model.evaluate(m.x, m.y, verbose=3),
        ValueError,
        ["verbose", "0, 1 or 2", "got 3"],
    ),
    "validation split above one": (
        lambda m: m.model.fit(m.x, m.y, validation_split=1.5),
        ValueError,
        ["validation_split", "below 1", "1.5"],
    ),
    "negative validation split": (
        lambda m: m.model.fit(m.x, m.y, validation_split=-0.1),
        ValueError,
        ["validation_split", "from 0", "-0.1"],
    ),
    "validation split that takes all": (
        lambda m: m.model.fit(m.x[:2], m.y[:2], validation_split=0.9),
        ValueError,
        ["validation_split", "0.9", "2 examples", "none to train on"],
    ),
    "validation data without labels": (
        lambda m: m.model.fit(m.x, m.y, validation_data=m.x),
        ValueError,
        ["validation_data", "pair (x, y)", "ndarray"],
    ),
    "validation data with weights": (
        lambda m: m.model.fit(m.x, m.y, validation_data=(m.x, m.y, m.y)),
        ValueError,
        ["validation_data", "pair (x, y)", "3"],
    ),
    "validation labels out of range": (
        lambda m: m.model.fit(m.x, m.y, validation_data=(m.x, m.y + 9)),
        ValueError,
        ["validation_data", "from 0 to 2"],
    ),
    "negative seed of fit": (lambda m: m.model.fit(m.x, m.y, seed=-1), ValueError, ["seed", "-1"]),
}

KEEPING = {
    "too few arrays": (
        lambda m: m.model.set_weights(m.model.get_weights()[:-1]),
        ValueError,
        ["set_weights", "4 arrays", "got 3"],
    ),
    "array of a wrong shape": (
        lambda m: m.model.set_weights([w.T + 1 for w in m.model.get_weights()]),
        ValueError,
        ["set_weights", "conv2d/kernel", "(3, 3, 1, 4)", "(4, 1, 3, 3)"],
    ),
    "only the last array is wrong": (
        lambda m: m.model.set_weights([*(w + 1 for w in m.model.get_weights()[:-1]), np.zeros(4)]),
        ValueError,
        ["set_weights", "dense/bias", "(3,)", "(4,)"],
    ),
    "weights of nothing": (lambda m: m.model.set_weights(None), TypeError, ["set_weights", "list", "None"]),
    "weights before build": (lambda m: not_built().set_weights([]), RuntimeError, ["set_weights", "no weights yet"]),
    "gradient missing": (
        lambda m: m.model.optimizer.update(m.model.params, {}),
        ValueError,
        ["Adam", "grads", "conv2d/kernel"],
    ),
    "gradient of a wrong shape": (
        lambda m: m.model.optimizer.update(m.model.params, {key: np.ones(3) for key in m.model.params}),
        ValueError,
        ["Adam", "conv2d/kernel", "(3,)", "(3, 3, 1, 4)"],
    ),
    "save before build": (lambda m: not_built().save("m.keras"), RuntimeError, ["save", "no weights yet"]),
    "save under another ending": (lambda m: m.model.save("model.h5"), ValueError, ["model.h5", ".keras"]),
    "load what is not there": (lambda m: load_model("no_such_model.keras"), FileNotFoundError, ["no_such_model.keras"]),
    "load on an unknown rung": (lambda m: load_model("m.keras", kernels="cuda"), ValueError, ["load_model", "'cuda'"]),
    "load for no threads": (lambda m: load_model("m.keras", threads=0), ValueError, ["load_model: threads", "got 0"]),
    "load seed in words": (lambda m: load_model("m.keras", seed="old"), ValueError, ["load_model", "seed", "'old'"]),
}

TABLES = [
    MAKING_A_LAYER,
    BUILDING_A_LAYER,
    RUNNING_A_LAYER,
    MAKING_A_MODEL,
    COMPILING,
    IMAGES,
    LABELS,
    FITTING,
    KEEPING,
]
ROWS = {name: row for table in TABLES for name, row in table.items()}


@pytest.mark.parametrize("name", ROWS)
def test_a_wrong_call_raises_one_error_that_says_what_would_work(name, make_model, make_images, tmp_path, monkeypatch):
    call, kind, words = ROWS[name]
    monkeypatch.chdir(tmp_path)
    model = make_model()
    model.fit(*make_images(8), batch_size=4, verbose=0)
    before, iterations, finished = model.get_weights(), model.optimizer.iterations, model.history
    x, y = make_images(20)

    with pytest.raises(kind) as caught:
        call(SimpleNamespace(model=model, x=x, y=y))

    error = caught.value
    assert type(error) is kind
    missing = [word for word in words if word not in str(error)]
    assert not missing, f"{missing} not in: {error}"
    assert len(str(error)) < 300
    # One error, not one that happened "during handling of" another.
    assert error.__cause__ is None
    assert error.__context__ is None or error.__suppress_context__

    assert all(np.array_equal(w, same) for w, same in zip(before, model.get_weights(), strict=True))
    assert model.optimizer.iterations == iterations
    assert model.history is finished
    assert not list(tmp_path.iterdir())
    model.fit(x, y, verbose=0)  # the model is as usable as before


def test_the_table_has_no_two_rows_of_one_name():
    assert sum(map(len, TABLES)) == len(ROWS) >= 60
