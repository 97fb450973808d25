"""nikhilkulkarni2003/nikhil, nikhil_app.py: three callbacks at once, one of which makes the rate smaller.

The source is three callbacks without a network; the one here is ours.
"""

import npcnn as keras
from npcnn.callbacks import EarlyStopping, ModelCheckpoint, ReduceLROnPlateau

(x_train, y_train), (x_test, y_test) = keras.datasets.mnist.load_data()
x_train, y_train, x_test = x_train[:256] / 255.0, y_train[:256], x_test / 255.0

model = keras.Sequential()
model.add(keras.layers.Flatten(input_shape=(28, 28)))
model.add(keras.layers.Dense(16, activation="sigmoid"))
model.add(keras.layers.Dense(10, activation="softmax"))
model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
early_stopping = EarlyStopping(monitor="val_accuracy", patience=10, restore_best_weights=True)
checkpoint = ModelCheckpoint(filepath="./cp.weights.h5", save_weights_only=True, verbose=1)
plateau = ReduceLROnPlateau(monitor="val_loss", factor=0.3, patience=1, min_delta=10, min_lr=1e-5, verbose=True)
history = model.fit(
    x_train, y_train, epochs=3, validation_split=0.2, callbacks=[early_stopping, checkpoint, plateau], verbose=2
)
rates = history.history["learning_rate"]
assert rates[2] < rates[0]
model.load_weights("cp.weights.h5")
