"""ducanhnguyen/HelloTensorflow, src/CallBack_CSVLogger.py: a log with a row for every epoch; verbose=True."""

import csv

import npcnn as keras
from npcnn.callbacks import CSVLogger

mnist = keras.datasets.fashion_mnist
(x_train, y_train), (x_test, y_test) = mnist.load_data()
x_train, y_train = x_train[:256] / 255.0, y_train[:256]
x_test = x_test / 255.0

model = keras.models.Sequential(
    [
        keras.layers.Flatten(input_shape=(28, 28)),
        keras.layers.Dense(32),
        keras.layers.Dense(10, activation="softmax"),
    ]
)
model.compile(optimizer="sgd", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
history = model.fit(
    x_train, y_train, epochs=2, verbose=True, validation_data=(x_test, y_test), callbacks=[CSVLogger("log.csv")]
)
with open("log.csv", newline="") as file:
    rows = list(csv.DictReader(file))
assert [row["epoch"] for row in rows] == ["0", "1"]
assert set(rows[0]) >= {"accuracy", "loss", "val_accuracy", "val_loss"}
