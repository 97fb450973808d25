"""JMOriggi/Multimodal-Emotion-Recognition-RNN-BLSTM, ModelToCheck.py: saved half-trained, loaded, trained on."""

from npcnn.datasets import mnist
from npcnn.layers import Dense
from npcnn.models import Sequential, load_model
from npcnn.utils import to_categorical

(x_train, y_train), (x_test, y_test) = mnist.load_data()
num_pixels = x_train.shape[1] * x_train.shape[2]
x_train = x_train[:256].reshape(256, num_pixels).astype("float32") / 255
x_test = x_test.reshape(x_test.shape[0], num_pixels).astype("float32") / 255
y_train, y_test = to_categorical(y_train[:256]), to_categorical(y_test)
num_classes = y_test.shape[1]


def baseline_model():
    model = Sequential()
    model.add(Dense(64, input_dim=num_pixels, kernel_initializer="normal", activation="relu"))
    model.add(Dense(num_classes, kernel_initializer="normal", activation="softmax"))
    model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
    return model


model = baseline_model()
model.fit(x_train[:128], y_train[:128], epochs=1, batch_size=32, verbose=2)
scores = model.evaluate(x_test, y_test, verbose=0)
print("Error:", 100 - scores[1] * 100)
model.save("partly_trained.keras")
del model

model = load_model("partly_trained.keras")
history = model.fit(x_train[128:], y_train[128:], epochs=1, batch_size=32, verbose=2)
