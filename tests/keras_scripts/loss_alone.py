"""KoderFPV/mlcourse, mnist.py: without metrics, evaluate returns one number and not a list."""

import npcnn as keras
from npcnn.datasets import mnist
from npcnn.optimizers import Adam

(x_train, y_train), (x_test, y_test) = mnist.load_data()
x_train, y_train = x_train[:256] / 255.0, y_train[:256]
x_test = x_test / 255.0
model = keras.Sequential(
    [
        keras.layers.Flatten(input_shape=(28, 28)),
        keras.layers.Dense(32, activation=keras.activations.relu),
        keras.layers.Dense(10, activation=keras.activations.softmax),
    ]
)
model.compile(optimizer=Adam(), loss="sparse_categorical_crossentropy")
history = model.fit(x_train, y_train, epochs=1)
result = model.evaluate(x_test, y_test)
assert isinstance(result, float)
classifications = model.predict(x_test)
print(classifications[0], y_test[0])
