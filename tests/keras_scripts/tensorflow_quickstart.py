"""tensorflow/docs, site/en/tutorials/quickstart/beginner.ipynb: the model and the loss are called as functions."""

import numpy as np

import npcnn as keras

mnist = keras.datasets.mnist
(x_train, y_train), (x_test, y_test) = mnist.load_data()
x_train, x_test = x_train[:256] / 255.0, x_test / 255.0
y_train = y_train[:256]

model = keras.models.Sequential(
    [
        keras.layers.Flatten(input_shape=(28, 28)),
        keras.layers.Dense(32, activation="relu"),
        keras.layers.Dropout(0.2),
        keras.layers.Dense(10),
    ]
)
logits = model(x_train[:1])
assert np.array(logits).shape == (1, 10)
loss_fn = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
print("an untrained loss, near 2.3:", float(loss_fn(y_train[:1], logits)))

model.compile(optimizer="adam", loss=loss_fn, metrics=["accuracy"])
history = model.fit(x_train, y_train, epochs=2)
model.evaluate(x_test, y_test, verbose=2)
probability_model = keras.Sequential([model, keras.layers.Softmax()])
np.testing.assert_allclose(np.array(probability_model(x_test[:5])).sum(axis=1), 1, rtol=1e-5)
