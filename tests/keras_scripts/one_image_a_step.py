"""diana-dr/Artificial-Intelligence, CNN/Main.py: no biases in the convolution; batches of one image."""

import numpy as np

from npcnn.datasets import mnist
from npcnn.layers import Conv2D, Dense, Flatten, MaxPooling2D
from npcnn.models import Sequential
from npcnn.optimizers import SGD
from npcnn.utils import to_categorical

(x_train, y_train), (x_test, y_test) = mnist.load_data()
x_train = np.expand_dims(x_train[:64] / 255 - 0.5, axis=3)
x_test = np.expand_dims(x_test / 255 - 0.5, axis=3)

model = Sequential(
    [
        Conv2D(8, 3, input_shape=(28, 28, 1), use_bias=False),
        MaxPooling2D(pool_size=2),
        Flatten(),
        Dense(10, activation="softmax"),
    ]
)
assert len(model.layers[0].get_weights()) == 1
model.compile(SGD(learning_rate=0.005), loss="categorical_crossentropy", metrics=["accuracy"])
history = model.fit(
    x_train, to_categorical(y_train[:64]), batch_size=1, epochs=1, validation_data=(x_test, to_categorical(y_test))
)
