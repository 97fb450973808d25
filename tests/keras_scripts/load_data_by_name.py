"""WinstonQian7/ml-learning-repo, mnist_2.py: load_data imported by name; a class predicted for one image."""

from numpy import argmax, asarray, unique

from npcnn import Sequential
from npcnn.datasets.mnist import load_data
from npcnn.layers import Conv2D, Dense, Dropout, Flatten, MaxPool2D

(x_train, y_train), (x_test, y_test) = load_data()
x_train, y_train = x_train[:256], y_train[:256]
x_train = x_train.reshape((x_train.shape[0], x_train.shape[1], x_train.shape[2], 1)).astype("float32") / 255.0
x_test = x_test.reshape((x_test.shape[0], x_test.shape[1], x_test.shape[2], 1)).astype("float32") / 255.0
in_shape = x_train.shape[1:]
n_classes = len(unique(y_train))

model = Sequential()
model.add(Conv2D(8, (3, 3), activation="relu", kernel_initializer="he_uniform", input_shape=in_shape))
model.add(MaxPool2D((2, 2)))
model.add(Flatten())
model.add(Dense(32, activation="relu", kernel_initializer="he_uniform"))
model.add(Dropout(0.5))
model.add(Dense(n_classes, activation="softmax"))
model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
history = model.fit(x_train, y_train, epochs=2, batch_size=128, verbose=0)
loss, acc = model.evaluate(x_test, y_test, verbose=0)
image = x_train[0]
yhat = model.predict(asarray([image]))
print("accuracy", acc, "class", argmax(yhat))
