"""ubiratantavares/machine_learning_mastery, ebooks/2023_deep_learning_with_pytorch/code/chapter_01/06_fit.py:
LeNet-5 with average pooling and tanh, on pixels from 0 to 255."""

from npcnn.datasets import mnist
from npcnn.layers import AveragePooling2D, Conv2D, Dense, Flatten
from npcnn.models import Sequential
from npcnn.utils import to_categorical

(x_train, y_train), (x_test, y_test) = mnist.load_data()
x_train, y_train = x_train[:256].reshape(-1, 28, 28, 1), to_categorical(y_train[:256])
x_test, y_test = x_test.reshape(-1, 28, 28, 1), to_categorical(y_test)

model = Sequential(
    [
        Conv2D(6, (5, 5), input_shape=(28, 28, 1), padding="same", activation="tanh"),
        AveragePooling2D((2, 2), strides=2),
        Conv2D(16, (5, 5), activation="tanh"),
        AveragePooling2D((2, 2), strides=2),
        Conv2D(24, (5, 5), activation="tanh"),
        Flatten(),
        Dense(84, activation="tanh"),
        Dense(10, activation="softmax"),
    ]
)
model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
history = model.fit(x_train, y_train, validation_data=(x_test, y_test), epochs=1, batch_size=32)
