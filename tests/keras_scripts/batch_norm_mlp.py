"""ftoshimichi/aiprog_keras, src/02/06_batchnorm.py: batch normalization before activations; epochs left out."""

from npcnn.datasets import mnist
from npcnn.layers import Activation, BatchNormalization, Dense
from npcnn.models import Sequential
from npcnn.utils import to_categorical

(x_train, y_train), (x_test, y_test) = mnist.load_data()
x_train = x_train[:256].reshape(256, 784).astype("float32")
x_test = x_test.reshape(len(x_test), 784).astype("float32")
x_train /= 255
x_test /= 255
y_train, y_test = to_categorical(y_train[:256], 10), to_categorical(y_test, 10)

model = Sequential()
model.add(Dense(50, input_dim=784))
model.add(BatchNormalization())
model.add(Activation("relu"))
model.add(Dense(20))
model.add(BatchNormalization())
model.add(Activation("relu"))
model.add(Dense(10))
model.add(Activation("softmax"))
model.compile(optimizer="sgd", loss="categorical_crossentropy", metrics=["accuracy"])
history = model.fit(x_train, y_train, batch_size=32, validation_data=(x_test, y_test))
assert len(history.history["val_loss"]) == 1
