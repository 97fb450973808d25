"""tensorflow/docs, site/en/tutorials/images/transfer_learning.ipynb: layers thawed, recompiled, and initial_epoch.

A small convolution trained here stands in for its large one.
"""

import npcnn as keras

(x_train, y_train), (x_test, y_test) = keras.datasets.mnist.load_data()
x_train, y_train = x_train[:256].reshape(-1, 28, 28, 1) / 255.0, y_train[:256]
x_test = x_test.reshape(-1, 28, 28, 1) / 255.0
base_model = keras.Sequential(
    [
        keras.Input(shape=(28, 28, 1)),
        keras.layers.Conv2D(8, 3, activation="relu"),
        keras.layers.Conv2D(8, 3, activation="relu"),
    ]
)
base_model.trainable = False
model = keras.Sequential([base_model, keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(10)])
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
model.compile(optimizer=keras.optimizers.Adam(learning_rate=0.001), loss=loss, metrics=["accuracy"])
assert len(model.trainable_variables) == 2
history = model.fit(x_train, y_train, epochs=1, validation_data=(x_test, y_test))
accuracy = history.history["accuracy"]

base_model.trainable = True
for layer in base_model.layers[:1]:
    layer.trainable = False
model.compile(optimizer=keras.optimizers.RMSprop(learning_rate=0.0001), loss=loss, metrics=["accuracy"])
assert len(model.trainable_variables) == 4
history = model.fit(x_train, y_train, epochs=2, initial_epoch=len(history.epoch), validation_data=(x_test, y_test))
assert list(history.epoch) == [1]
accuracy += history.history["accuracy"]
