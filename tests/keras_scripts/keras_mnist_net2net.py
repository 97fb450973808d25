"""keras-team/keras, examples/mnist_net2net.py: layers fetched by name; their weights moved to a wider model."""

import numpy as np

from npcnn.datasets import mnist
from npcnn.layers import Conv2D, Dense, Flatten, MaxPooling2D
from npcnn.models import Sequential
from npcnn.optimizers import SGD
from npcnn.utils import to_categorical

(x_train, y_train), (x_test, y_test) = mnist.load_data()
x_train, x_test = (x.reshape((-1, 28, 28, 1)) / 255.0 for x in (x_train[:256], x_test))
y_train, y_test = map(to_categorical, (y_train[:256], y_test))


def build(width, learning_rate):
    model = Sequential()
    model.add(Conv2D(8, 3, input_shape=(28, 28, 1), padding="same", name="conv1"))
    model.add(MaxPooling2D(2, name="pool1"))
    model.add(Conv2D(8, 3, padding="same", name="conv2"))
    model.add(MaxPooling2D(2, name="pool2"))
    model.add(Flatten(name="flatten"))
    model.add(Dense(width, activation="relu", name="fc1"))
    model.add(Dense(10, activation="softmax", name="fc2"))
    optimizer = SGD(learning_rate=learning_rate, momentum=0.9)
    model.compile(loss="categorical_crossentropy", optimizer=optimizer, metrics=["accuracy"])
    return model


teacher = build(16, 0.01)
teacher.fit(x_train, y_train, epochs=1, validation_data=(x_test, y_test))
model = build(24, 0.001)
for name in ["conv1", "conv2"]:
    model.get_layer(name=name).set_weights(teacher.get_layer(name=name).get_weights())
(w1, b1), (w2, b2) = teacher.get_layer("fc1").get_weights(), teacher.get_layer("fc2").get_weights()
model.get_layer("fc1").set_weights([np.concatenate([w1, w1[:, :8]], axis=1), np.concatenate([b1, b1[:8]])])
model.get_layer("fc2").set_weights([np.concatenate([w2, 0 * w2[:8]], axis=0), b2])
history = model.fit(x_train, y_train, epochs=1, validation_data=(x_test, y_test))
