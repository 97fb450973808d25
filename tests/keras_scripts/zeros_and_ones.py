"""dataset-code/GUIDER, Dataset/bugs/56545687/bug.py: two classes and one output; its softmax is a sigmoid here."""

import numpy as np

from npcnn.datasets import mnist
from npcnn.layers import Conv2D, Dense, Flatten, MaxPooling2D
from npcnn.models import Sequential

(x_train, y_train), (x_test, y_test) = mnist.load_data()
train_filter = np.where((y_train == 0) | (y_train == 1))
test_filter = np.where((y_test == 0) | (y_test == 1))
x_train, y_train = x_train[train_filter][:64], y_train[train_filter][:64]
x_test, y_test = x_test[test_filter], y_test[test_filter]
x_train = x_train.reshape(-1, 28, 28, 1).astype("float32") / 255.0
x_test = x_test.reshape(-1, 28, 28, 1).astype("float32") / 255.0

model = Sequential()
model.add(Conv2D(8, (3, 3), activation="relu", input_shape=(28, 28, 1)))
model.add(MaxPooling2D((2, 2)))
model.add(Conv2D(8, (3, 3), activation="relu"))
model.add(Flatten())
model.add(Dense(1, activation="sigmoid"))
model.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])
history = model.fit(x_train, y_train, epochs=2)
loss, accuracy = model.evaluate(x_test, y_test)
assert 0 <= accuracy <= 1
