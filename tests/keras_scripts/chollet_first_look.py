"""fchollet/deep-learning-with-python-notebooks, chapter02_mathematical-building-blocks.ipynb: a book's first net."""

import npcnn as keras
from npcnn import layers
from npcnn.datasets import mnist

(x_train, y_train), (x_test, y_test) = mnist.load_data()
model = keras.Sequential([layers.Dense(64, activation="relu"), layers.Dense(10, activation="softmax")])
model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
x_train = x_train[:256].reshape((256, 28 * 28)).astype("float32") / 255
x_test = x_test.reshape((len(x_test), 28 * 28)).astype("float32") / 255
history = model.fit(x_train, y_train[:256], epochs=2, batch_size=128)
predictions = model.predict(x_test[0:10])
print(predictions[0].argmax(), predictions[0][7], y_test[0])
test_loss, test_acc = model.evaluate(x_test, y_test)
print(f"test_acc: {test_acc}")
