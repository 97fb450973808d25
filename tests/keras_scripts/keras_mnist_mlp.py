"""keras-team/keras, examples/mnist_mlp.py: dense layers on flat pixels, RMSprop with its defaults."""

from npcnn.datasets import mnist
from npcnn.layers import Dense, Dropout
from npcnn.models import Sequential
from npcnn.optimizers import RMSprop
from npcnn.utils import to_categorical

(x_train, y_train), (x_test, y_test) = mnist.load_data()
x_train = x_train[:256].reshape(256, 784).astype("float32") / 255
x_test = x_test.reshape(len(x_test), 784).astype("float32") / 255
y_train = to_categorical(y_train[:256], 10)
y_test = to_categorical(y_test, 10)

model = Sequential()
model.add(Dense(64, activation="relu", input_shape=(784,)))
model.add(Dropout(0.2))
model.add(Dense(64, activation="relu"))
model.add(Dropout(0.2))
model.add(Dense(10, activation="softmax"))
model.summary()
model.compile(loss="categorical_crossentropy", optimizer=RMSprop(), metrics=["accuracy"])
history = model.fit(x_train, y_train, batch_size=128, epochs=2, verbose=1, validation_data=(x_test, y_test))
loss, accuracy = model.evaluate(x_test, y_test, verbose=0)
print(f"{loss:.3f} {accuracy:.1%}")
