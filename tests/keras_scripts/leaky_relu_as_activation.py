"""Vicman2/Learning-Python, june-13/index.py: one LeakyReLU layer is the activation of two convolutions.

The source builds the model; here it is trained as well.
"""

import npcnn as keras

(x_train, y_train), (x_test, y_test) = keras.datasets.mnist.load_data()
x_train, x_test = x_train[:256] / 255.0, x_test / 255.0
y_train = y_train[:256]
x_train = x_train.reshape(*(x_train.shape), 1)
x_test = x_test.reshape(*(x_test.shape), 1)
leaky = keras.layers.LeakyReLU()

model = keras.models.Sequential()
model.add(keras.layers.Input(shape=(28, 28, 1)))
model.add(keras.layers.Dropout(0.1))
model.add(keras.layers.Conv2D(filters=16, kernel_size=(3, 3), activation=leaky))
model.add(keras.layers.MaxPooling2D())
model.add(keras.layers.Conv2D(filters=8, kernel_size=(3, 3), activation=leaky))
model.add(keras.layers.MaxPooling2D())
model.add(keras.layers.Flatten())
model.add(keras.layers.Dense(10, activation="softplus"))
model.compile(optimizer="adam", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
history = model.fit(x_train, y_train, epochs=1)
