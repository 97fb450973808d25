"""jimmcgaw/deeplearning, tensorflow-developer-course/convnets.py: uint8 without a channel axis, scaled in the model."""

import npcnn as keras

(x_train, y_train), (x_test, y_test) = keras.datasets.fashion_mnist.load_data()
x_train, y_train = x_train[:256], y_train[:256]
relu, softmax = keras.activations.relu, keras.activations.softmax

model = keras.Sequential(
    [
        keras.layers.Input(shape=(28, 28, 1)),
        keras.layers.Rescaling(1.0 / 255),
        keras.layers.Conv2D(8, (3, 3), activation=relu),
        keras.layers.MaxPooling2D(2, 2),
        keras.layers.Conv2D(8, (3, 3), activation=relu),
        keras.layers.MaxPooling2D(2, 2),
        keras.layers.Flatten(),
        keras.layers.Dense(32, activation=relu),
        keras.layers.Dense(10, activation=softmax),
    ]
)
model.compile(optimizer=keras.optimizers.Adam(), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
model.summary()
history = model.fit(x_train, y_train, epochs=1)
model.evaluate(x_test, y_test, batch_size=128)
