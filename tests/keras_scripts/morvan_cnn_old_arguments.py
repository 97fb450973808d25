"""MorvanZhou/tutorials, kerasTUT/6-CNN_example.py: OLD ARGUMENTS that Keras 3 refuses, batch_input_shape= and lr=.

It must run here, but not in Keras.
"""

from npcnn.datasets import mnist
from npcnn.layers import Activation, Convolution2D, Dense, Flatten, MaxPooling2D
from npcnn.models import Sequential
from npcnn.optimizers import Adam
from npcnn.utils import to_categorical

(x_train, y_train), (x_test, y_test) = mnist.load_data()
x_train = x_train[:256].reshape(-1, 28, 28, 1) / 255.0
x_test = x_test.reshape(-1, 28, 28, 1) / 255.0
y_train = to_categorical(y_train[:256], num_classes=10)
y_test = to_categorical(y_test, num_classes=10)

model = Sequential()
model.add(Convolution2D(batch_input_shape=(None, 28, 28, 1), filters=8, kernel_size=5, strides=1, padding="same"))
model.add(Activation("relu"))
model.add(MaxPooling2D(pool_size=2, strides=2, padding="same"))
model.add(Convolution2D(16, 5, strides=1, padding="same"))
model.add(Activation("relu"))
model.add(MaxPooling2D(2, 2, "same"))
model.add(Flatten())
model.add(Dense(32))
model.add(Activation("relu"))
model.add(Dense(10))
model.add(Activation("softmax"))
model.compile(optimizer=Adam(lr=1e-4), loss="categorical_crossentropy", metrics=["accuracy"])
history = model.fit(x_train, y_train, epochs=1, batch_size=64)
loss, accuracy = model.evaluate(x_test, y_test)
