"""calliday/ambereye, amber/cnnExample.py: the architecture to JSON and back, the weights to a file of their own."""

from npcnn import layers, models
from npcnn.datasets import mnist
from npcnn.models import model_from_json
from npcnn.utils import to_categorical

(x_train, y_train), (x_test, y_test) = mnist.load_data()
x_train = x_train[:256].reshape((256, 28, 28, 1)).astype("float32") / 255
x_test = x_test.reshape((len(x_test), 28, 28, 1)).astype("float32") / 255
y_train, y_test = to_categorical(y_train[:256]), to_categorical(y_test)

network = models.Sequential()
network.add(layers.Conv2D(8, (5, 5), activation="relu", input_shape=(28, 28, 1)))
network.add(layers.MaxPooling2D((2, 2)))
network.add(layers.Conv2D(16, (5, 5), activation="relu"))
network.add(layers.MaxPooling2D((2, 2)))
network.add(layers.Flatten())
network.add(layers.Dense(10, activation="softmax"))
network.compile(loss="categorical_crossentropy", optimizer="sgd", metrics=["accuracy"])
history = network.fit(x_train, y_train, batch_size=100, epochs=1, verbose=1)
with open("model.json", "w") as file:
    file.write(network.to_json())
network.save_weights("model.weights.h5")

with open("model.json") as file:
    model = model_from_json(file.read())
model.load_weights("model.weights.h5")
model.compile(loss="categorical_crossentropy", optimizer="sgd", metrics=["accuracy"])
assert abs(model.evaluate(x_test, y_test)[0] - network.evaluate(x_test, y_test)[0]) < 1e-4
