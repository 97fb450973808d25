"""lohithreddy2002/website, model.py: a callback that looks at the running accuracy after each batch, and saves."""

from npcnn import Sequential
from npcnn.callbacks import Callback
from npcnn.datasets import mnist
from npcnn.layers import BatchNormalization, Conv2D, Dense, Flatten, MaxPooling2D
from npcnn.utils import to_categorical

(x_train, y_train), (x_test, y_test) = mnist.load_data()
x_train = (x_train[:256] / 255.0).reshape(-1, 28, 28, 1)
x_test = (x_test / 255.0).reshape(-1, 28, 28, 1)
y_train = to_categorical(y_train[:256])

model = Sequential()
model.add(Conv2D(filters=8, kernel_size=(3, 3), activation="relu", input_shape=(28, 28, 1)))
model.add(MaxPooling2D(pool_size=(2, 2)))
model.add(BatchNormalization())
model.add(Conv2D(filters=8, kernel_size=(3, 3), activation="relu"))
model.add(MaxPooling2D(pool_size=(2, 2)))
model.add(Flatten())
model.add(BatchNormalization())
model.add(Dense(32, activation="relu"))
model.add(Dense(10, activation="softmax"))
model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])


class Back(Callback):
    def on_batch_end(self, batch, logs=None):
        if logs["accuracy"] > 0.98 or batch == 2:
            self.model.stop_training = True
            self.model.save("mnist_model.h5")


history = model.fit(x_train, y_train, epochs=3, batch_size=32, validation_split=0.15, callbacks=[Back()])
