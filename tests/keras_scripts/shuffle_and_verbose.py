"""ArtemBurenok/Machine-Learning, deeplearning/TensorFlow/imdb.py: what compile takes, put in variables first."""

import npcnn as keras
from npcnn import layers, models
from npcnn.datasets import mnist

(x_train, y_train), (x_test, y_test) = mnist.load_data()
x_train, y_train = x_train[:256] / 255.0, y_train[:256]
x_test = x_test / 255.0

model = models.Sequential()
model.add(layers.Flatten(input_shape=(28, 28)))
model.add(layers.Dense(32, activation="relu"))
model.add(layers.Dense(10))
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
optimizer = keras.optimizers.Adam(learning_rate=0.001)
metrics = ["accuracy"]
model.compile(optimizer=optimizer, loss=loss, metrics=metrics)
batch_size = 64
history = model.fit(x_train, y_train, batch_size=batch_size, epochs=2, shuffle=True, verbose=2)
model.evaluate(x_test, y_test, batch_size=batch_size, verbose=2)
