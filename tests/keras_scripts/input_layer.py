"""tensorflow/model-optimization, tensorflow_model_optimization/g3doc/guide/pruning/pruning_with_keras.ipynb: the
model before pruning, with an InputLayer; saved without its optimizer."""

import npcnn as keras

mnist = keras.datasets.mnist
(x_train, y_train), (x_test, y_test) = mnist.load_data()
x_train, y_train = x_train[:256] / 255.0, y_train[:256]
x_test = x_test / 255.0

model = keras.Sequential(
    [
        keras.layers.InputLayer(input_shape=(28, 28)),
        keras.layers.Reshape(target_shape=(28, 28, 1)),
        keras.layers.Conv2D(filters=8, kernel_size=(3, 3), activation="relu"),
        keras.layers.MaxPooling2D(pool_size=(2, 2)),
        keras.layers.Flatten(),
        keras.layers.Dense(10),
    ]
)
model.compile(optimizer="adam", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
history = model.fit(x_train, y_train, epochs=1, validation_split=0.1)
_, baseline = model.evaluate(x_test, y_test, verbose=0)
keras.models.save_model(model, "baseline.h5", include_optimizer=False)
again = keras.models.load_model("baseline.h5", compile=False)
assert abs(again.predict(x_test) - model.predict(x_test)).max() < 1e-4
