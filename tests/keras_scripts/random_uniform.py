"""paperrune/deeplearning-study, tanh/Keras.py: an initializer with limits; an input_shape on every layer."""

from npcnn.datasets import mnist
from npcnn.initializers import RandomUniform
from npcnn.layers import Dense
from npcnn.models import Sequential
from npcnn.optimizers import SGD
from npcnn.utils import to_categorical

(x_train, y_train), (x_test, y_test) = mnist.load_data()
x_train, y_train = x_train[:256], to_categorical(y_train[:256], 10)
x_train = x_train.reshape([x_train.shape[0], -1]).astype("float32") / 255
x_test = x_test.reshape([x_test.shape[0], -1]).astype("float32") / 255
y_test = to_categorical(y_test, 10)

model = Sequential()
for units, activation in [(64, "tanh"), (64, "tanh"), (10, "softmax")]:
    initializer = RandomUniform(minval=-0.01, maxval=0.01)
    model.add(Dense(units, activation=activation, input_shape=(784,), kernel_initializer=initializer))
model.summary()
model.compile(loss="categorical_crossentropy", optimizer=SGD(learning_rate=0.5), metrics=["accuracy"])
history = model.fit(x_train, y_train, batch_size=128, epochs=2, validation_data=(x_test, y_test))
