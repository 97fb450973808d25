"""faruk-ahmad/handling-unbalanced-datasets-dl, mnist-digit-classification-using-class-weights.ipynb: rare digits weigh
more; what scikit-learn computes there is computed by hand."""

import numpy as np

from npcnn.datasets import mnist
from npcnn.layers import Conv2D, Dense, Dropout, Flatten, MaxPooling2D
from npcnn.models import Sequential
from npcnn.utils import to_categorical

(x_train, labels), (x_test, y_test) = mnist.load_data()
kept = np.flatnonzero((labels != 3) | (np.arange(len(labels)) % 3 == 0))[:256]
x_train, labels = x_train[kept].reshape((-1, 28, 28, 1)).astype("float32") / 255.0, labels[kept]
x_test = x_test.reshape((-1, 28, 28, 1)).astype("float32") / 255.0
y_train, y_test = to_categorical(labels), to_categorical(y_test)
weights = dict(enumerate(len(labels) / (10 * np.bincount(labels))))

model = Sequential()
model.add(Conv2D(8, (3, 3), activation="relu", input_shape=(28, 28, 1)))
model.add(MaxPooling2D(2, 2))
model.add(Dropout(0.5))
model.add(Conv2D(16, (3, 3), activation="relu"))
model.add(MaxPooling2D(2, 2))
model.add(Dropout(0.5))
model.add(Flatten())
model.add(Dense(32, activation="relu"))
model.add(Dense(10, activation="softmax"))
model.compile(optimizer="rmsprop", loss="categorical_crossentropy", metrics=["acc"])
history = model.fit(x_train, y_train, epochs=2, batch_size=56, validation_split=0.1, class_weight=weights)
assert set(history.history) == {"loss", "acc", "val_loss", "val_acc"}
model.evaluate(x_test, y_test)
