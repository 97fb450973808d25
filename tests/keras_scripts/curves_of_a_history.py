"""amirhd4/ai, neural_network/cnn/cnn_3.py: batch normalization after a convolution; curves read from the history."""

import npcnn as keras
from npcnn.datasets import mnist

(x_train, y_train), (x_test, y_test) = mnist.load_data()
x_train = x_train[:256].reshape(-1, 28, 28, 1).astype("float32") / 255
x_test = x_test.reshape(-1, 28, 28, 1).astype("float32") / 255

model = keras.Sequential()
model.add(keras.layers.Conv2D(8, (3, 3), input_shape=(28, 28, 1)))
model.add(keras.layers.BatchNormalization())
model.add(keras.layers.Activation("relu"))
model.add(keras.layers.MaxPooling2D((2, 2)))
model.add(keras.layers.Flatten())
model.add(keras.layers.Dense(32, activation="relu"))
model.add(keras.layers.Dense(10, activation=keras.activations.softmax))
model.compile(optimizer="adam", loss=keras.losses.sparse_categorical_crossentropy, metrics=["accuracy"])
history = model.fit(x_train, y_train[:256], epochs=2, batch_size=256, validation_data=(x_test, y_test))
curves = [history.history["accuracy"], history.history["val_accuracy"]]
assert [len(curve) for curve in curves] == [2, 2]
