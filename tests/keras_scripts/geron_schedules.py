"""ageron/handson-ml2, 11_training_deep_neural_networks.ipynb: selu with lecun_normal, and rates that fall.

One by a schedule counted in steps, one by a callback called with the epoch alone, one with the rate as well.
"""

import npcnn as keras

(x_full, y_full), _ = keras.datasets.fashion_mnist.load_data()
means, stds = x_full.mean(axis=0, keepdims=True), x_full.std(axis=0, keepdims=True) + 1e-7
x_full = (x_full - means) / stds
x_test, x_train = x_full[:64], x_full[64:320]
y_test, y_train = y_full[:64], y_full[64:320]


def build():
    return keras.models.Sequential(
        [
            keras.layers.Flatten(input_shape=[28, 28]),
            keras.layers.Dense(30, activation="selu", kernel_initializer="lecun_normal"),
            keras.layers.Dense(20, activation="selu", kernel_initializer="lecun_normal"),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )


def falling(epoch):
    return 0.01 * 0.1 ** (epoch / 20)


for schedule in [falling, lambda epoch, lr: lr * 0.1 ** (1 / 20)]:
    model = build()
    optimizer = keras.optimizers.SGD(learning_rate=0.01)
    model.compile(loss="sparse_categorical_crossentropy", optimizer=optimizer, metrics=["accuracy"])
    callback = keras.callbacks.LearningRateScheduler(schedule)
    history = model.fit(x_train, y_train, epochs=2, validation_data=(x_test, y_test), callbacks=[callback])
    assert len(history.history["learning_rate"]) == 2

model = build()
learning_rate = keras.optimizers.schedules.ExponentialDecay(0.01, 20 * len(x_train) // 32, 0.1)
optimizer = keras.optimizers.SGD(learning_rate)
model.compile(loss="sparse_categorical_crossentropy", optimizer=optimizer, metrics=["accuracy"])
history = model.fit(x_train, y_train, epochs=1, validation_data=(x_test, y_test))
