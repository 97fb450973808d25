"""frimpz/tutorials, GENERATOR/script1.py: fit(x=...) and validation from a Sequence that shuffles after each epoch."""

import numpy as np

import npcnn as keras

(x_train, y_train), (x_test, y_test) = keras.datasets.mnist.load_data()
x_train = x_train[:256].reshape(-1, 784).astype("float32") / 255
x_test = x_test.reshape(-1, 784).astype("float32") / 255


class Shuffled(keras.utils.Sequence):
    def __init__(self, x, y, batch_size=64):
        super().__init__()
        self.x, self.y, self.batch_size, self.epochs = x, y, batch_size, -1
        self.on_epoch_end()

    def __len__(self):
        return len(self.x) // self.batch_size

    def __getitem__(self, index):
        rows = self.order[index * self.batch_size : (index + 1) * self.batch_size]
        return self.x[rows], keras.utils.to_categorical(self.y[rows], num_classes=10)

    def on_epoch_end(self):
        self.epochs += 1
        self.order = np.random.permutation(len(self.x))


training, validation = Shuffled(x_train, y_train), Shuffled(x_test, y_test, 16)
model = keras.Sequential(
    [
        keras.layers.Dense(32, input_dim=784, activation="relu"),
        keras.layers.Dropout(0.2),
        keras.layers.Dense(10, activation="softmax"),
    ]
)
model.compile(loss=keras.losses.CategoricalCrossentropy(), optimizer="adam", metrics=["accuracy"])
history = model.fit(x=training, validation_data=validation, verbose=1, epochs=2)
assert training.epochs >= 1
