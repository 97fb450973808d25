"""keras-team/keras, examples/mnist_transfer_cnn.py: lists of layers added up, frozen, and the model compiled again."""

import npcnn as keras
from npcnn.datasets import mnist
from npcnn.layers import Activation, Conv2D, Dense, Dropout, Flatten, MaxPooling2D
from npcnn.models import Sequential

(x_train, y_train), (x_test, y_test) = mnist.load_data()
x_train, y_train = x_train[:320], y_train[:320]


def pick(images, labels, wanted):
    images = images[wanted].reshape((-1, 28, 28, 1)).astype("float32") / 255
    return images, keras.utils.to_categorical(labels[wanted] % 5, 5)


def train(model, train_set, test_set):
    model.compile(loss="categorical_crossentropy", optimizer="adadelta", metrics=["accuracy"])
    history = model.fit(*train_set, batch_size=64, epochs=1, verbose=1, validation_data=test_set)
    print(model.evaluate(*test_set, verbose=0))
    return history


feature_layers = [
    Conv2D(8, 3, padding="valid", input_shape=(28, 28, 1)),
    Activation("relu"),
    Conv2D(8, 3),
    Activation("relu"),
    MaxPooling2D(pool_size=2),
    Dropout(0.25),
    Flatten(),
]
classification_layers = [Dense(32), Activation("relu"), Dropout(0.5), Dense(5), Activation("softmax")]
model = Sequential(feature_layers + classification_layers)
train(model, pick(x_train, y_train, y_train < 5), pick(x_test, y_test, y_test < 5))

for layer in feature_layers:
    layer.trainable = False
history = train(model, pick(x_train, y_train, y_train >= 5), pick(x_test, y_test, y_test >= 5))
x_test, y_test = pick(x_test, y_test, y_test >= 5)
