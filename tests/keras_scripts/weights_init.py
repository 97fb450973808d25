"""Alexey-Ershov/Machine-Learning, weights_init/weights_init.py: one architecture, initializers given by name."""

import npcnn as keras

(x_train, y_train), (x_test, y_test) = keras.datasets.mnist.load_data()
x_train = x_train[:256].reshape([-1, 28**2]) / 255
x_test = x_test.reshape([-1, 28**2]) / 255
y_train = keras.utils.to_categorical(y_train[:256], 10)
y_test = keras.utils.to_categorical(y_test, 10)
Sequential = keras.models.Sequential
Dense = keras.layers.Dense


def create(init):
    model = Sequential()
    model.add(Dense(32, input_shape=(28**2,), kernel_initializer=init, activation="tanh"))
    model.add(Dense(32, kernel_initializer=init, activation="tanh"))
    model.add(Dense(10, kernel_initializer=init, activation="softmax"))
    return model


for init in ["uniform", "glorot_normal"]:
    model = create(init)
    model.compile(loss="categorical_crossentropy", optimizer="sgd", metrics=["accuracy"])
    history = model.fit(x_train, y_train, batch_size=64, epochs=1, verbose=1, validation_data=(x_test, y_test))
