"""aiskapnz/ml_digits, learn_digits/tf_learn_digits.py: logits in training, then a model of the model and a Softmax."""

import numpy as np

import npcnn as keras

(x_train, y_train), (x_test, y_test) = keras.datasets.mnist.load_data()
x_train, y_train = x_train[:256] / 255.0, y_train[:256]
x_test = x_test / 255.0

model = keras.Sequential(
    [
        keras.layers.Flatten(input_shape=(28, 28)),
        keras.layers.Dense(32, activation="relu"),
        keras.layers.Dense(10),
    ]
)
model.compile(optimizer="adam", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
history = model.fit(x_train, y_train, epochs=2)
probability_model = keras.Sequential([model, keras.layers.Softmax()])
predictions = probability_model.predict(x_test)
np.testing.assert_allclose(predictions.sum(axis=1), 1, rtol=1e-5)
probability_model.save("digits.keras")
np.testing.assert_allclose(keras.models.load_model("digits.keras").predict(x_test), predictions, rtol=1e-4)
