"""keras-team/keras, tests/test_loss_weighting.py: weights of classes and of samples, in fit, on a batch, in validation.

The digits stand in for its random vectors.
"""

import numpy as np

from npcnn.datasets import mnist
from npcnn.layers import Activation, Dense
from npcnn.models import Sequential
from npcnn.utils import to_categorical

(x_train, labels), (x_test, y_test) = mnist.load_data()
x_train = x_train[:256].reshape(-1, 784) / 255.0
x_test = x_test.reshape(-1, 784) / 255.0
labels = labels[:256]
y_train, y_test = to_categorical(labels, 10), to_categorical(y_test, 10)
class_weight = dict.fromkeys(range(10), 1)
class_weight[5] = 10
sample_weight = np.ones(len(labels))
sample_weight[labels == 5] = 10

model = Sequential()
model.add(Dense(32, input_shape=(784,)))
model.add(Activation("relu"))
model.add(Dense(10))
model.add(Activation("softmax"))
model.compile(loss="mse", optimizer="rmsprop")
model.fit(x_train, y_train, batch_size=128, epochs=1, verbose=0, class_weight=class_weight, validation_split=0.1)
history = model.fit(
    x_train,
    y_train,
    batch_size=128,
    epochs=1,
    verbose=0,
    sample_weight=sample_weight,
    validation_data=(x_train, y_train, sample_weight),
)
model.train_on_batch(x_train[:32], y_train[:32], class_weight=class_weight)
model.train_on_batch(x_train[:32], y_train[:32], sample_weight=sample_weight[:32])
model.test_on_batch(x_train[:32], y_train[:32], sample_weight=sample_weight[:32])
print(model.evaluate(x_test, y_test, sample_weight=np.ones(len(y_test)), verbose=0))
