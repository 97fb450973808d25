"""shiningrain/AUTOTRAINER, DL_tools/code/l_repair_tools/case_16_cnn_train.py: a loaded model is recompiled."""

import npcnn as keras
from npcnn.datasets import mnist
from npcnn.models import load_model

(x_train, y_train), (x_test, y_test) = mnist.load_data()
x_train = x_train[:256].reshape(256, 28, 28, 1).astype("float32") / 255
x_test = x_test.reshape(x_test.shape[0], 28, 28, 1).astype("float32") / 255
y_train = keras.utils.to_categorical(y_train[:256], 10)
y_test = keras.utils.to_categorical(y_test, 10)
saved = keras.Sequential(
    [
        keras.layers.Conv2D(8, 3, strides=(2, 2), activation="relu", input_shape=(28, 28, 1), name="first"),
        keras.layers.Flatten(),
        keras.layers.Dense(10, activation="softmax", name="last"),
    ]
)
saved.save("repair_mnist_cnn.h5")

model = load_model("repair_mnist_cnn.h5")
model.summary()
configs = {layer.name: layer.get_config() for layer in model.layers}
assert configs["first"]["filters"] == 8 and tuple(configs["first"]["strides"]) == (2, 2)
assert configs["last"]["units"] == 10 and configs["last"]["activation"] == "softmax"
opt = "adam"
model.compile(loss="categorical_crossentropy", optimizer=opt, metrics=["accuracy"])
history = model.fit(x_train, y_train, batch_size=32, epochs=1, verbose=1, validation_data=(x_test, y_test))
