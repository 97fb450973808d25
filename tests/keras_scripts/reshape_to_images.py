"""tjwei/HackNTU_Data_2017, Week06/q_keras_cnn.py: flat pixels made images, and flat again, by Reshape layers."""

from npcnn.datasets import mnist
from npcnn.layers import Conv2D, Dense, MaxPool2D, Reshape
from npcnn.models import Sequential
from npcnn.utils import to_categorical

(x_train, y_train), (x_test, y_test) = mnist.load_data()
x_train, x_valid = x_train[:256].reshape(-1, 784) / 255, x_train[256:320].reshape(-1, 784) / 255
y_train, y_valid = to_categorical(y_train[:256]), to_categorical(y_train[256:320])
x_test, y_test = x_test.reshape(-1, 784) / 255, to_categorical(y_test)

model = Sequential()
model.add(Reshape((28, 28, 1), input_shape=(784,)))
model.add(Conv2D(filters=8, kernel_size=(3, 3), padding="same", activation="relu"))
model.add(MaxPool2D())
model.add(Conv2D(filters=8, kernel_size=(3, 3), padding="same", activation="relu"))
model.add(MaxPool2D())
model.add(Reshape((-1,)))
model.add(Dense(units=32, activation="relu"))
model.add(Dense(units=10, activation="softmax"))
model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
history = model.fit(x_train, y_train, validation_data=(x_valid, y_valid), batch_size=128, epochs=2)
result = model.evaluate(x_test, y_test)
print("accuracy", result[1])
