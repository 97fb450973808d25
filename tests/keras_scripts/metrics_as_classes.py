"""MengOonLee/Deep_learning, TensorFlow2/Start/SequentialAPI/Metrics.ipynb: metrics, losses, activations as objects.

Its metric of its own, made with backend functions that Keras 3 has no more, is left out.
"""

import npcnn as keras

keras.utils.set_random_seed(42)
(x_train, y_train), (x_test, y_test) = keras.datasets.mnist.load_data()
x_train, y_train, x_test = x_train[:256] / 255.0, y_train[:256], x_test / 255.0

model = keras.Sequential()
model.add(keras.layers.Flatten(input_shape=(28, 28)))
model.add(keras.layers.Dense(units=32, activation=keras.activations.relu))
model.add(keras.layers.Dense(units=32, activation=keras.activations.tanh))
model.add(keras.layers.Dense(units=10, activation=keras.activations.softmax))
model.compile(
    optimizer=keras.optimizers.Adam(),
    loss=keras.losses.SparseCategoricalCrossentropy(),
    metrics=[keras.metrics.SparseCategoricalAccuracy(), keras.metrics.SparseTopKCategoricalAccuracy(k=5)],
)
model.summary()
history = model.fit(x_train, y_train, epochs=1, validation_data=(x_test, y_test))
assert set(history.history) == {
    "loss",
    "sparse_categorical_accuracy",
    "sparse_top_k_categorical_accuracy",
    "val_loss",
    "val_sparse_categorical_accuracy",
    "val_sparse_top_k_categorical_accuracy",
}
