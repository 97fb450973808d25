"""agapeuni/python_bk_dl, bk_self_ml/p408.py: the best model kept in a file, and training that stops and goes back."""

import npcnn as keras

(x_train, y_train), (x_test, y_test) = keras.datasets.fashion_mnist.load_data()
x_train, x_valid = x_train[:256] / 255.0, x_train[256:320] / 255.0
y_train, y_valid = y_train[:256], y_train[256:320]
x_test = x_test / 255.0


def model_fn(a_layer=None):
    model = keras.Sequential()
    model.add(keras.layers.Flatten(input_shape=(28, 28)))
    model.add(keras.layers.Dense(50, activation="relu"))
    if a_layer:
        model.add(a_layer)
    model.add(keras.layers.Dense(10, activation="softmax"))
    return model


model = model_fn(keras.layers.Dropout(0.3))
model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
checkpoint_cb = keras.callbacks.ModelCheckpoint("best-model.keras", save_best_only=True)
early_stopping_cb = keras.callbacks.EarlyStopping(patience=2, restore_best_weights=True)
history = model.fit(
    x_train,
    y_train,
    epochs=2,
    verbose=0,
    validation_data=(x_valid, y_valid),
    callbacks=[checkpoint_cb, early_stopping_cb],
)
print(early_stopping_cb.stopped_epoch)
best = keras.models.load_model("best-model.keras").evaluate(x_valid, y_valid, verbose=0)
assert abs(best[0] - min(history.history["val_loss"])) < 1e-4
