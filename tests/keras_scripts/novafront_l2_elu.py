"""Mimic01/NovaFront, AGeronBook/11/l1l2Regularization.py: a penalty on kernels, elu with he_normal, Nadam by name."""

from functools import partial

import npcnn as keras

(x_full, y_full), (x_test, y_test) = keras.datasets.fashion_mnist.load_data()
x_full, x_test = x_full / 255.0, x_test / 255.0
x_valid, x_train = x_full[:64], x_full[64:320]
y_valid, y_train = y_full[:64], y_full[64:320]

RegularizedDense = partial(
    keras.layers.Dense,
    activation="elu",
    kernel_initializer="he_normal",
    kernel_regularizer=keras.regularizers.l2(0.01),
)
model = keras.models.Sequential(
    [
        keras.layers.Flatten(input_shape=[28, 28]),
        RegularizedDense(30),
        RegularizedDense(20, kernel_regularizer=keras.regularizers.l1_l2(0.001, 0.01)),
        RegularizedDense(10, activation="softmax", kernel_initializer="glorot_uniform"),
    ]
)
model.compile(loss="sparse_categorical_crossentropy", optimizer="nadam", metrics=["accuracy"])
history = model.fit(x_train, y_train, epochs=2, validation_data=(x_valid, y_valid))
