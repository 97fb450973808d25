"""vipulrai91/tf-in-practice, TFinPractice/course1/handwriting_recog.py: a callback that ends training; fit(x=, y=)."""

import npcnn as keras

mnist = keras.datasets.mnist


class Enough(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs={}):
        if logs.get("accuracy") > 0.01:
            print("enough")
            self.model.stop_training = True


(x_train, y_train), (x_test, y_test) = mnist.load_data()
x_train, x_test = x_train[:256] / 255, x_test / 255
y_train = y_train[:256]
model = keras.Sequential(
    [
        keras.layers.Flatten(input_shape=(28, 28)),
        keras.layers.Dense(32, activation="relu"),
        keras.layers.Dense(10, activation="softmax"),
    ]
)
model.compile(
    optimizer=keras.optimizers.Adam(), loss=keras.losses.sparse_categorical_crossentropy, metrics=["accuracy"]
)
history = model.fit(x=x_train, y=y_train, epochs=5, callbacks=[Enough()])
assert len(history.history["loss"]) == 1
