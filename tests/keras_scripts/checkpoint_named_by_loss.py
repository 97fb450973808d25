"""ftoshimichi/aiprog_keras, src/08/02_model_check_point.py: a file for every epoch, with the loss in its name."""

from pathlib import Path

from npcnn.callbacks import ModelCheckpoint
from npcnn.datasets import mnist
from npcnn.layers import Activation, Dense
from npcnn.models import Sequential, load_model
from npcnn.utils import to_categorical

(x_train, y_train), (x_test, y_test) = mnist.load_data()
x_train = x_train[:256].reshape(256, 784).astype("float32") / 255
x_test = x_test.reshape(len(x_test), 784).astype("float32") / 255
y_train, y_test = to_categorical(y_train[:256], 10), to_categorical(y_test, 10)

model = Sequential()
model.add(Dense(32, input_dim=784))
model.add(Activation("relu"))
model.add(Dense(10))
model.add(Activation("softmax"))
model.compile(optimizer="sgd", loss="categorical_crossentropy", metrics=["accuracy"])
checkpointer = ModelCheckpoint("my_model.{epoch:02d}-{val_loss:.2f}.keras")
history = model.fit(
    x_train, y_train, batch_size=64, epochs=2, validation_data=(x_test, y_test), callbacks=[checkpointer]
)
names = sorted(path.name for path in Path().glob("my_model.*"))
assert names == [f"my_model.{n:02d}-{loss:.2f}.keras" for n, loss in enumerate(history.history["val_loss"], 1)]
model = load_model(names[-1])
