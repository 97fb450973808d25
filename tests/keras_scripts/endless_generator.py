"""burlamix/Deep_emotional_recognition, FFNN.py: a Python generator without an end; the steps of an epoch are said.

An early version of it calls fit_generator, which fit has taken over; the digits stand in for its sounds.
"""

import numpy as np

from npcnn.datasets import mnist
from npcnn.layers import Dense, Dropout
from npcnn.models import Sequential
from npcnn.optimizers import SGD
from npcnn.utils import to_categorical

(x_train, y_train), (x_test, y_test) = mnist.load_data()
x_train, y_train = x_train[:256].reshape(-1, 784) / 255.0, to_categorical(y_train[:256])
x_test, y_test = x_test.reshape(-1, 784) / 255.0, to_categorical(y_test)


def batches(x, y, size):
    while True:
        rows = np.random.choice(len(x), size)
        yield x[rows], y[rows]


model = Sequential()
model.add(Dense(64, activation="relu", input_dim=784))
model.add(Dropout(0.5))
model.add(Dense(64, activation="relu"))
model.add(Dropout(0.5))
model.add(Dense(10, activation="softmax"))
sgd = SGD(learning_rate=0.01, momentum=0.9, nesterov=True)
model.compile(loss="categorical_crossentropy", optimizer=sgd, metrics=["accuracy"])
history = model.fit(
    batches(x_train, y_train, 16),
    steps_per_epoch=10,
    epochs=2,
    validation_data=batches(x_test, y_test, 16),
    validation_steps=2,
)
