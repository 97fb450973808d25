"""ThirdAILabs/Universe, bolt/tf_conversions/keras_dense_model.py: fit called again and again goes on training."""

import npcnn as keras

mnist = keras.datasets.mnist
(x_train, y_train), (x_test, y_test) = mnist.load_data()
x_train, y_train = x_train[:256] / 255, y_train[:256]
x_test = x_test / 255

model = keras.models.Sequential(
    [
        keras.layers.Flatten(input_shape=(28, 28)),
        keras.layers.Dense(100, activation="relu"),
        keras.layers.Dense(10),
    ]
)
loss_fn = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
model.compile(optimizer="adam", loss=loss_fn, metrics=["accuracy"])
losses = []
for _ in range(3):
    history = model.fit(x_train, y_train, epochs=1, batch_size=64)
    losses += history.history["loss"]
    model.evaluate(x_test, y_test, verbose=2)
assert losses[-1] < losses[0]
