"""wei19941111/PYKT0621, demo76.py: MaxPool2D(2, 2) three times, the last time on a map of 3 by 3."""

from npcnn.datasets import mnist
from npcnn.layers import Conv2D, Dense, Flatten, MaxPool2D
from npcnn.models import Sequential
from npcnn.utils import to_categorical

model = Sequential()
model.add(Conv2D(8, (3, 3), activation="relu", input_shape=(28, 28, 1)))
model.add(MaxPool2D(2, 2))
model.add(Conv2D(16, (3, 3), activation="relu"))
model.add(MaxPool2D(2, 2))
model.add(Conv2D(16, (3, 3), activation="relu"))
model.add(MaxPool2D(2, 2))
model.add(Flatten())
model.add(Dense(32, activation="relu"))
model.add(Dense(10, activation="softmax"))
model.summary()
model.compile(optimizer="rmsprop", loss="categorical_crossentropy", metrics=["accuracy"])
(x_train, y_train), (x_test, y_test) = mnist.load_data()
x_train = x_train[:256].reshape((256, 28, 28, 1)).astype("float32") / 255
x_test = x_test.reshape((len(x_test), 28, 28, 1)).astype("float32") / 255
y_train, y_test = to_categorical(y_train[:256]), to_categorical(y_test)
history = model.fit(x_train, y_train, epochs=1, batch_size=64, validation_data=(x_test, y_test))
