"""kiyan-rezaee/Drop-out, dropout.py: padding as layers of its own, the optimizer given by position, saved as .h5."""

import numpy as np

from npcnn.datasets import fashion_mnist
from npcnn.layers import Conv2D, Dense, Dropout, Flatten, MaxPool2D, ZeroPadding2D
from npcnn.models import Sequential
from npcnn.utils import to_categorical

(x_train, y_train), (x_test, y_test) = fashion_mnist.load_data()
x_train = np.expand_dims(x_train[:256], axis=3) / 255.0
x_test = np.expand_dims(x_test, axis=3) / 255.0
y_train, y_test = to_categorical(y_train[:256]), to_categorical(y_test)

model = Sequential(
    [
        ZeroPadding2D(padding=(1, 1), input_shape=(28, 28, 1)),
        Conv2D(8, 3, activation="relu"),
        Dropout(0.2),
        MaxPool2D(pool_size=2, strides=2),
        ZeroPadding2D(padding=(1, 1)),
        Conv2D(16, 3, activation="relu"),
        Dropout(0.2),
        MaxPool2D(pool_size=2, strides=2),
        Flatten(),
        Dense(32, activation="relu"),
        Dropout(0.5),
        Dense(10, activation="softmax"),
    ]
)
model.summary()
model.compile("adam", loss="categorical_crossentropy", metrics=["accuracy"])
history = model.fit(x_train, y_train, epochs=1, validation_data=(x_test, y_test), batch_size=64)
model.save("dropout.h5")
