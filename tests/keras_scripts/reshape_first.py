"""afsa/SF2522, cnn.py: a Reshape that adds the channel comes first, and the input's shape is said too late.

The shape is learnt in fit, from images without a channel.
"""

import npcnn as keras

mnist = keras.datasets.mnist
(x_train, y_train), (x_test, y_test) = mnist.load_data()
x_train, x_test = x_train[:256] / 255.0, x_test / 255.0
y_train = y_train[:256]

model = keras.models.Sequential(
    [
        keras.layers.Reshape((28, 28, 1)),
        keras.layers.Conv2D(8, kernel_size=(5, 5), activation="relu", input_shape=(28, 28, 1)),
        keras.layers.MaxPool2D(pool_size=(2, 2)),
        keras.layers.Conv2D(16, kernel_size=(5, 5), activation="relu", input_shape=(28, 28, 1)),
        keras.layers.MaxPool2D(pool_size=(2, 2)),
        keras.layers.Dropout(0.5),
        keras.layers.Flatten(),
        keras.layers.Dense(64, activation=keras.activations.relu),
        keras.layers.Dropout(0.5),
        keras.layers.Dense(10, activation=keras.activations.softmax),
    ]
)
model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
history = model.fit(x_train, y_train, epochs=1)
model.evaluate(x_test, y_test)
