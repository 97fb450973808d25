"""YegDevLikeBoss/recurrent-nn, recurrent_train.py: the function save_model; uint8 pixels go in as they are."""

from npcnn.datasets import mnist
from npcnn.layers import Conv2D, Dense, Flatten
from npcnn.models import Sequential, save_model
from npcnn.utils import to_categorical

(x_train, y_train), (x_test, y_test) = mnist.load_data()
x_train, y_train = x_train[:256].reshape(256, 28, 28, 1), to_categorical(y_train[:256])
x_test, y_test = x_test.reshape(len(x_test), 28, 28, 1), to_categorical(y_test)

model = Sequential()
model.add(Conv2D(8, kernel_size=3, activation="relu", input_shape=(28, 28, 1)))
model.add(Conv2D(8, kernel_size=3, activation="relu"))
model.add(Flatten())
model.add(Dense(10, activation="softmax"))
model.compile(optimizer="adam", loss="categorical_crossentropy", metrics=["accuracy"])
history = model.fit(x_train, y_train, validation_data=(x_test, y_test), epochs=1)
print(history.history)
save_model(model, "./digit_model.keras")
