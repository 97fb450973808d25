"""crellian/World-Model-Sim2Real, train_mnist.py: a Sequence, which makes its batches when they are asked for."""

import numpy as np

from npcnn.datasets import mnist
from npcnn.layers import Conv2D, Dense, Flatten, MaxPooling2D
from npcnn.models import Sequential
from npcnn.optimizers import SGD
from npcnn.utils import Sequence

(x_train, y_train), (x_test, y_test) = mnist.load_data()
x_train, y_train = x_train[:250].reshape((-1, 28, 28, 1)), y_train[:250]
x_test = x_test.reshape((-1, 28, 28, 1)) / 255.0


class Batches(Sequence):
    def __init__(self, x, y, batch_size):
        super().__init__()
        self.x, self.y, self.batch_size = x, y, batch_size

    def __len__(self):
        return int(np.ceil(len(self.x) / float(self.batch_size)))

    def __getitem__(self, index):
        rows = slice(index * self.batch_size, (index + 1) * self.batch_size)
        return self.x[rows] / 255.0, self.y[rows]


model = Sequential()
model.add(Conv2D(8, (3, 3), activation="relu", kernel_initializer="he_uniform", input_shape=(28, 28, 1)))
model.add(MaxPooling2D((2, 2)))
model.add(Flatten())
model.add(Dense(32, activation="relu", kernel_initializer="he_uniform"))
model.add(Dense(10, activation="softmax"))
optimizer = SGD(learning_rate=0.01, momentum=0.9)
model.compile(optimizer=optimizer, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
history = model.fit(Batches(x_train, y_train, 64), epochs=2)
