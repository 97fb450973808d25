"""Train the same model from the same weights on the same batches, here and in Keras."""

import functools

import keras_reference
import numpy as np
from keras_reference import keras

from npcnn import Sequential, layers, optimizers
from npcnn.datasets import mnist

# Held exactly by float32, to which Keras rounds them even when it computes in float64.
EXACT_BETAS = {"beta_1": 0.875, "beta_2": 1 - 2**-10}


def seed_model(rung, dtype, seed=0):
    """The model of examples/train_mnist.py."""
    stack = [
        layers.Input((28, 28, 1)),
        layers.Conv2D(32, 3, activation="relu"),
        layers.MaxPool2D(2),
        layers.Conv2D(64, 3, activation="relu"),
        layers.MaxPool2D(2),
        layers.Flatten(),
        layers.Dense(128, activation="relu"),
        layers.Dense(10, activation="softmax"),
    ]
    return Sequential(stack, kernels=rung, dtype=dtype, seed=seed)


def tiny_model(rung, dtype, seed=0):
    """The same in small, for the slowest rung: the digits at a quarter of their size."""
    stack = [
        layers.Input((7, 7, 1)),
        layers.Conv2D(4, (3, 2), activation="relu"),
        layers.MaxPool2D(2),
        layers.Flatten(),
        layers.Dense(10, activation="softmax"),
    ]
    return Sequential(stack, kernels=rung, dtype=dtype, seed=seed)


def digits(steps, size, dtype):
    """Return `steps` batches of real digits, from 0 to 1, in an order that is always the same."""
    (x, y), _ = mnist.load_data("sample")
    x, rng = (x / 255).astype(dtype)[..., None], np.random.default_rng(0)
    order = np.concatenate([rng.permutation(len(x)) for _ in range(-(-steps * size // len(x)))])
    return [(x[i], y[i]) for i in order[: steps * size].reshape(steps, size)]


def batches_for(make_model, dtype, steps=200):
    """Return 8 digits a step; for the tiny model 4 of them, each pixel the mean of 4 x 4."""
    if make_model is seed_model:
        return digits(steps, 8, dtype)
    return [(x.reshape(4, 7, 4, 7, 4, 1).mean(axis=(2, 4)), y) for x, y in digits(steps, 4, dtype)]


def train_here(make_model, rung, dtype, seed=0, optimizer="Adam", steps=200, watch=None, **options):
    """Return [loss, accuracy] before every step, and the weights at the end; `watch(x, y, weights)` sees every step."""
    model, values = make_model(rung, dtype, seed), []
    model.compile(getattr(optimizers, optimizer)(**options), "sparse_categorical_crossentropy", metrics=["accuracy"])
    for x, y in batches_for(make_model, dtype, steps):
        if watch:
            watch(x, y, model.get_weights())
        history = model.fit(x, y, batch_size=len(x), shuffle=False, verbose=0).history
        values.append([history["loss"][0], history["accuracy"][0]])
    return np.array(values), model.get_weights()


@functools.cache
def train_in_keras(make_model, dtype, seed=0, optimizer="Adam", steps=200, **options):
    """Return the same of Keras, from its own train_on_batch; it is the same for every rung, and so kept."""
    with keras_reference.floatx(dtype):
        model, values = keras_reference.twin(make_model("im2col", dtype, seed)), []
        optimizer = getattr(keras.optimizers, optimizer)(**options)
        model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"], jit_compile=False)
        for x, y in batches_for(make_model, dtype, steps):
            model.reset_metrics()
            values.append([float(value) for value in model.train_on_batch(x, y)])
        return np.array(values), model.get_weights()
