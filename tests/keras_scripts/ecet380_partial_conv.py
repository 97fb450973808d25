"""Onlee97/ECET380, Code/CNN.py: a partial Conv2D with padding="SAME", lists where tuples are usual."""

from functools import partial

import numpy as np

import npcnn as keras

(x_full, y_full), (x_test, y_test) = keras.datasets.fashion_mnist.load_data()
x_train, x_valid = x_full[:256], x_full[256:320]
y_train, y_valid = y_full[:256], y_full[256:320]
mean, std = x_train.mean(axis=0, keepdims=True), x_train.std(axis=0, keepdims=True) + 1e-7
x_train, x_valid, x_test = (((x - mean) / std)[..., np.newaxis] for x in (x_train, x_valid, x_test))

DefaultConv2D = partial(keras.layers.Conv2D, kernel_size=3, activation="relu", padding="SAME")
model = keras.models.Sequential(
    [
        DefaultConv2D(filters=8, kernel_size=7, input_shape=[28, 28, 1]),
        keras.layers.MaxPooling2D(pool_size=2),
        DefaultConv2D(filters=16),
        keras.layers.MaxPooling2D(pool_size=2),
        keras.layers.Flatten(),
        keras.layers.Dense(units=32, activation="relu"),
        keras.layers.Dropout(0.5),
        keras.layers.Dense(units=10, activation="softmax"),
    ]
)
model.compile(loss="sparse_categorical_crossentropy", optimizer="nadam", metrics=["accuracy"])
history = model.fit(x_train, y_train, epochs=1, validation_data=[x_valid, y_valid])
score = model.evaluate(x_test, y_test)
