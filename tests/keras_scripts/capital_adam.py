"""knightofl/coding, python/test/test2401.py: the optimizer's name with a capital; EarlyStopping on the training set."""

import numpy as np

import npcnn as keras

(x_train, y_train), (x_test, y_test) = keras.datasets.mnist.load_data()
x_train, y_train = x_train[:256].reshape(-1, 28, 28, 1) / 255.0, y_train[:256]
x_test = x_test.reshape(-1, 28, 28, 1) / 255.0
callbacks = [keras.callbacks.EarlyStopping(patience=3, monitor="val_loss")]

model = keras.Sequential()
model.add(keras.layers.Conv2D(8, kernel_size=(3, 3), input_shape=(28, 28, 1)))
model.add(keras.layers.MaxPooling2D(pool_size=(2, 2)))
model.add(keras.layers.Flatten())
model.add(keras.layers.Dense(32, activation="relu"))
model.add(keras.layers.Dense(10, activation="softmax"))
model.compile(optimizer="Adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
history = model.fit(x_train, y_train, batch_size=100, epochs=2, validation_data=(x_train, y_train), callbacks=callbacks)
guesses = np.round(model.predict(x_test)).argmax(axis=1)
print("missed:", np.where(guesses != y_test)[0][:5])
