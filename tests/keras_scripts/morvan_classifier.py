"""MorvanZhou/tutorials, kerasTUT/5-classifier_example.py: input_dim, activations as layers, RMSprop spelled out."""

from npcnn.datasets import mnist
from npcnn.layers import Activation, Dense
from npcnn.models import Sequential
from npcnn.optimizers import RMSprop
from npcnn.utils import to_categorical

(x_train, y_train), (x_test, y_test) = mnist.load_data()
x_train, y_train = x_train[:256], y_train[:256]
x_train = x_train.reshape(x_train.shape[0], -1) / 255.0
x_test = x_test.reshape(x_test.shape[0], -1) / 255.0
y_train = to_categorical(y_train, num_classes=10)
y_test = to_categorical(y_test, num_classes=10)

model = Sequential([Dense(32, input_dim=784), Activation("relu"), Dense(10), Activation("softmax")])
rmsprop = RMSprop(learning_rate=0.001, rho=0.9, epsilon=1e-08)
model.compile(optimizer=rmsprop, loss="categorical_crossentropy", metrics=["accuracy"])
history = model.fit(x_train, y_train, epochs=2, batch_size=32)
loss, accuracy = model.evaluate(x_test, y_test)
print(loss, accuracy)
