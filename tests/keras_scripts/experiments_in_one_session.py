"""ryanshatch/Neural-Network-Deep-Q-Learning, README.md: one experiment after another, the session cleared between."""

import numpy as np

from npcnn import backend as K
from npcnn.datasets import mnist
from npcnn.layers import Activation, Dense
from npcnn.models import Sequential
from npcnn.optimizers import SGD
from npcnn.utils import to_categorical

np.random.seed(1671)
OPTIMIZER = SGD()
(x_train, y_train), (x_test, y_test) = mnist.load_data()
x_train = x_train[:256].reshape(256, 784).astype("float32") / 255
x_test = x_test.reshape(len(x_test), 784).astype("float32") / 255
y_train, y_test = to_categorical(y_train[:256], 10), to_categorical(y_test, 10)

for n_hidden, optimizer in [(32, OPTIMIZER), (64, SGD())]:
    K.clear_session()
    model = Sequential()
    model.add(Dense(n_hidden, input_shape=(784,)))
    model.add(Activation("relu"))
    model.add(Dense(n_hidden))
    model.add(Activation("relu"))
    model.add(Dense(10))
    model.add(Activation("softmax"))
    model.summary()
    model.compile(loss="categorical_crossentropy", optimizer=optimizer, metrics=["accuracy"])
    history = model.fit(x_train, y_train, batch_size=128, epochs=1, verbose=1, validation_split=0.2)
    score = model.evaluate(x_test, y_test, verbose=1)
    print("Test accuracy:", score[1])
