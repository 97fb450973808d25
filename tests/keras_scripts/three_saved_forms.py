"""Tony607/keras_mnist, train-minst.py: MaxPool2D without arguments; the model saved in three forms, and loaded."""

import numpy as np

from npcnn import layers, models
from npcnn.datasets import mnist
from npcnn.models import load_model
from npcnn.utils import to_categorical

(x_train, y_train), (x_test, y_test) = mnist.load_data()
x_train = (x_train[:256].astype("float32") / 255).reshape(-1, 28, 28, 1)
x_test = (x_test.astype("float32") / 255).reshape(-1, 28, 28, 1)
y_train, y_test = to_categorical(y_train[:256]), to_categorical(y_test)

model = models.Sequential()
model.add(layers.Conv2D(8, 3, activation="relu", input_shape=(28, 28, 1)))
model.add(layers.MaxPool2D())
model.add(layers.Conv2D(8, 3, activation="relu"))
model.add(layers.MaxPool2D())
model.add(layers.Conv2D(8, 3, activation="relu"))
model.add(layers.MaxPool2D())
model.add(layers.Flatten())
model.add(layers.Dense(32, activation="relu"))
model.add(layers.Dropout(0.5))
model.add(layers.Dense(10, activation="softmax"))
model.summary()
model.compile(optimizer="adam", metrics=["accuracy"], loss="categorical_crossentropy")
history = model.fit(x_train, y_train, epochs=2, batch_size=128)
print(model.evaluate(x_test, y_test))
model.save_weights("model.weights.h5")
for name in ["model.h5", "model.keras"]:
    model.save(name)
    again = load_model(name)
    np.testing.assert_allclose(again.predict(x_test), model.predict(x_test), rtol=1e-4, atol=1e-5)
