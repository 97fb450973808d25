"""PavelK6896/10826Surface1Python, mode.py: SpatialDropout2D, pooling that pads, an untrained model saved.

The source stops there; here it is loaded and trained as well.
"""

from npcnn.datasets import mnist
from npcnn.layers import BatchNormalization, Conv2D, Dense, Dropout, Flatten, MaxPooling2D, SpatialDropout2D
from npcnn.models import Sequential, load_model
from npcnn.optimizers import Adam
from npcnn.utils import to_categorical

(x_train, y_train), (x_test, y_test) = mnist.load_data()
x_train, y_train = x_train[:256].reshape(-1, 28, 28, 1) / 255, to_categorical(y_train[:256])
x_test = x_test.reshape(-1, 28, 28, 1) / 255

model = Sequential()
model.add(Conv2D(8, (3, 3), activation="relu", input_shape=(28, 28, 1)))
model.add(MaxPooling2D(pool_size=(2, 2), padding="same"))
model.add(SpatialDropout2D(0.25))
model.add(BatchNormalization())
model.add(Conv2D(8, (3, 3), activation="relu"))
model.add(MaxPooling2D(pool_size=(2, 2), padding="same"))
model.add(SpatialDropout2D(0.25))
model.add(BatchNormalization())
model.add(Flatten())
model.add(Dense(32, activation="relu"))
model.add(Dropout(0.25))
model.add(Dense(10, activation="softmax"))
model.summary()
model.compile(loss="categorical_crossentropy", optimizer=Adam(), metrics=["accuracy"])
model.save("mnist-1.keras")
model = load_model("mnist-1.keras")
history = model.fit(x_train, y_train, batch_size=64)
