"""donutloop/machine_learning_examples, tensorflow/tensorflow_keras/deep_learning_mnist/main.py: utils.normalize,
a model that learns its input's shape in fit, and prediction from a list of one array."""

import numpy as np

import npcnn as keras

mnist = keras.datasets.mnist
(x_train, y_train), (x_test, y_test) = mnist.load_data()
x_train = keras.utils.normalize(x_train[:256], axis=1)
x_test = keras.utils.normalize(x_test, axis=1)

model = keras.models.Sequential()
model.add(keras.layers.Flatten())
model.add(keras.layers.Dense(32, activation=keras.activations.relu))
model.add(keras.layers.Dense(32, activation=keras.activations.relu))
model.add(keras.layers.Dense(10, activation=keras.activations.softmax))
model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
history = model.fit(x_train, y_train[:256], epochs=2)
val_loss, val_acc = model.evaluate(x_test, y_test)
model.save("epic_num_reader.keras")
new_model = keras.models.load_model("epic_num_reader.keras")
predictions = new_model.predict([x_test])
print(np.argmax(predictions[0]))
