"""tensorflow/docs, site/en/tutorials/keras/save_and_load.ipynb: checkpoints, weights, whole models."""

import os

import npcnn as keras

(x_train, y_train), (x_test, y_test) = keras.datasets.mnist.load_data()
x_train, y_train = x_train[:256].reshape(-1, 28 * 28) / 255.0, y_train[:256]
x_test = x_test.reshape(-1, 28 * 28) / 255.0


def create_model():
    model = keras.Sequential(
        [
            keras.layers.Dense(32, activation="relu", input_shape=(784,)),
            keras.layers.Dropout(0.2),
            keras.layers.Dense(10),
        ]
    )
    model.compile(
        optimizer="adam",
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=[keras.metrics.SparseCategoricalAccuracy()],
    )
    return model


path = "training_2/cp-{epoch:04d}.weights.h5"
os.makedirs(os.path.dirname(path))
model = create_model()
model.save_weights(path.format(epoch=0))
callback = keras.callbacks.ModelCheckpoint(filepath=path, verbose=1, save_weights_only=True)
history = model.fit(x_train, y_train, epochs=2, batch_size=32, callbacks=[callback], verbose=0)
assert set(history.history) == {"loss", "sparse_categorical_accuracy"}
assert len(os.listdir("training_2")) == 3

fresh = create_model()
fresh.load_weights(path.format(epoch=2))
assert abs(fresh.evaluate(x_test, y_test, verbose=2)[0] - model.evaluate(x_test, y_test, verbose=2)[0]) < 1e-4
model.save("my_model.keras")
again = keras.models.load_model("my_model.keras")
again.summary()
again.fit(x_train, y_train, epochs=1)
