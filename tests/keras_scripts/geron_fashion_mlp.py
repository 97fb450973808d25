"""ageron/handson-ml2, 10_neural_nets_with_keras.ipynb: Fashion-MNIST; what a model, its layers and a history tell."""

import numpy as np

import npcnn as keras

(x_full, y_full), (x_test, y_test) = keras.datasets.fashion_mnist.load_data()
x_valid, x_train = x_full[:64] / 255.0, x_full[64:320] / 255.0
y_valid, y_train = y_full[:64], y_full[64:320]
x_test = x_test / 255.0
keras.backend.clear_session()
keras.utils.set_random_seed(42)

model = keras.models.Sequential()
model.add(keras.layers.Flatten(input_shape=[28, 28]))
model.add(keras.layers.Dense(30, activation="relu"))
model.add(keras.layers.Dense(20, activation="relu"))
model.add(keras.layers.Dense(10, activation="softmax"))
model.summary()
hidden = model.layers[1]
assert model.get_layer(hidden.name) is hidden
weights, biases = hidden.get_weights()
assert weights.shape == (784, 30) and biases.shape == (30,)

model.compile(loss="sparse_categorical_crossentropy", optimizer="sgd", metrics=["accuracy"])
history = model.fit(x_train, y_train, epochs=2, validation_data=(x_valid, y_valid))
assert set(history.params) >= {"epochs", "steps", "verbose"} and list(history.epoch) == [0, 1]
assert set(history.history.keys()) == {"loss", "accuracy", "val_loss", "val_accuracy"}
model.evaluate(x_test, y_test)
probabilities = model.predict(x_test[:3])
print(probabilities.round(2), np.argmax(probabilities, axis=-1))
