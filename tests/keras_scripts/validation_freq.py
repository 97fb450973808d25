"""wusanshou2017/Tensorflow_2.0, dive_into_dl_practice/3.10_mlp.py: validation_freq, and the rate by position."""

import npcnn as keras

fashion_mnist = keras.datasets.fashion_mnist
model = keras.models.Sequential(
    [
        keras.layers.Flatten(input_shape=(28, 28)),
        keras.layers.Dense(
            32,
            activation="relu",
        ),
        keras.layers.Dense(10, activation="softmax"),
    ]
)
(x_train, y_train), (x_test, y_test) = fashion_mnist.load_data()
x_train, y_train = x_train[:256] / 255.0, y_train[:256]
x_test = x_test / 255.0
model.compile(optimizer=keras.optimizers.SGD(0.5), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
history = model.fit(x_train, y_train, epochs=2, batch_size=256, validation_data=(x_test, y_test), validation_freq=1)
assert len(history.history["val_accuracy"]) == 2
