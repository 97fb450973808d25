"""ilitvinoff/tensorflow-learn, code/ciphers.py: an Input in the list, and GlobalAvgPool2D instead of a Flatten.

The source builds the model; here it is trained as well.
"""

import numpy as np

import npcnn as keras
from npcnn.layers import BatchNormalization, Conv2D, Dense, GlobalAvgPool2D, Input, MaxPool2D

model = keras.Sequential(
    [
        Input(shape=(28, 28, 1)),
        Conv2D(8, (3, 3), activation="relu"),
        Conv2D(8, (3, 3), activation="relu"),
        MaxPool2D(),
        BatchNormalization(),
        Conv2D(16, (3, 3), activation="relu"),
        MaxPool2D(),
        BatchNormalization(),
        GlobalAvgPool2D(),
        Dense(16, activation="relu"),
        Dense(10, activation="softmax"),
    ]
)
(x_train, y_train), (x_test, y_test) = keras.datasets.mnist.load_data()
x_train = np.expand_dims(x_train[:256].astype("float32") / 255, axis=-1)
x_test = np.expand_dims(x_test.astype("float32") / 255, axis=-1)
model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
history = model.fit(x_train, y_train[:256], batch_size=64, epochs=1)
