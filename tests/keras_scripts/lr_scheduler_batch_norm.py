"""mKangSH/real-time-mosaic-program, 2022-1/study/4.keras_basic/4.3.3_callback_LRS.py: rate from epoch and rate,
batch normalization between a Dense and its activation, and the rate read from the optimizer afterwards."""

import math

import numpy as np

import npcnn as keras

(x_train, y_train), (x_test, y_test) = keras.datasets.mnist.load_data()
x_train, y_train = x_train[:256] / x_train.max(), y_train[:256]
x_test = x_test / x_test.max()


def scheduler(epoch, lr):
    return lr if epoch < 1 else lr * math.exp(-0.1)


model = keras.Sequential([keras.layers.Flatten(input_shape=(28, 28))])
for units in [64, 32]:
    model.add(keras.layers.Dense(units))
    model.add(keras.layers.BatchNormalization())
    model.add(keras.layers.Activation("relu"))
model.add(keras.layers.Dense(10, activation="softmax"))
model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
before = float(np.array(model.optimizer.learning_rate))
callback = keras.callbacks.LearningRateScheduler(scheduler)
history = model.fit(x_train, y_train, validation_data=(x_test, y_test), epochs=2, callbacks=[callback])
after = float(np.array(model.optimizer.learning_rate))
assert math.isclose(after, before * math.exp(-0.1), rel_tol=1e-5)
