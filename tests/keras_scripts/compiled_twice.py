"""yyoungtao/python_final_project, tensorflow_1.py: compiled by names, then by objects; train_on_batch."""

import npcnn as keras
from npcnn.datasets import mnist
from npcnn.layers import Dense
from npcnn.models import Sequential
from npcnn.utils import to_categorical

(x_train, y_train), (x_test, y_test) = mnist.load_data()
x_train = x_train[:256].reshape(256, 784).astype("float32") / 255
x_test = x_test.reshape(len(x_test), 784).astype("float32") / 255
y_train, y_test = to_categorical(y_train[:256], 10), to_categorical(y_test, 10)

model = Sequential()
model.add(Dense(units=64, activation="relu", input_dim=784))
model.add(Dense(units=10, activation="softmax"))
model.compile(loss="categorical_crossentropy", optimizer="sgd", metrics=["accuracy"])
model.compile(
    loss=keras.losses.categorical_crossentropy,
    optimizer=keras.optimizers.SGD(learning_rate=0.01, momentum=0.9, nesterov=True),
)
history = model.fit(x_train, y_train, epochs=2, batch_size=32)
model.train_on_batch(x_train[:32], y_train[:32])
loss_and_metrics = model.evaluate(x_test, y_test, batch_size=128)
classes = model.predict(x_test, batch_size=128)
assert classes.shape == (len(x_test), 10)
