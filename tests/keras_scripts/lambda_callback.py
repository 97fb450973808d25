"""tensorflow/tensorboard, docs/image_summaries.ipynb: a LambdaCallback that predicts after every epoch."""

import numpy as np

import npcnn as keras

(x_train, y_train), (x_test, y_test) = keras.datasets.fashion_mnist.load_data()
x_train = x_train[:256].reshape(-1, 28, 28, 1) / 255.0
y_train = y_train[:256]
x_test = x_test.reshape(-1, 28, 28, 1) / 255.0

model = keras.models.Sequential(
    [
        keras.layers.Conv2D(8, (3, 3), activation="relu", input_shape=(28, 28, 1)),
        keras.layers.MaxPooling2D((2, 2)),
        keras.layers.Flatten(),
        keras.layers.Dense(32, activation="relu"),
        keras.layers.Dense(10, activation="softmax"),
    ]
)
model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
confusions = []


def confusion_matrix(epoch, logs):
    guesses = np.argmax(model.predict(x_test, verbose=0), axis=1)
    confusions.append(np.histogram2d(y_test, guesses, bins=10)[0])


callback = keras.callbacks.LambdaCallback(on_epoch_end=confusion_matrix)
history = model.fit(x_train, y_train, epochs=2, verbose=0, callbacks=[callback], validation_data=(x_test, y_test))
assert [matrix.sum() for matrix in confusions] == [len(x_test)] * 2
