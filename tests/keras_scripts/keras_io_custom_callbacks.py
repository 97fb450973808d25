"""keras-team/keras-io, guides/writing_your_own_callbacks.py: hooks of a callback; weights and rate set from one."""

import numpy as np

import npcnn as keras

(x_train, y_train), (x_test, y_test) = keras.datasets.mnist.load_data()
x_train, y_train = x_train[:256].reshape(-1, 784).astype("float32") / 255.0, y_train[:256]
x_test = x_test.reshape(-1, 784).astype("float32") / 255.0
calls = []


class Spy(keras.callbacks.Callback):
    def on_train_begin(self, logs=None):
        self.best, self.best_weights = np.inf, None

    def on_epoch_begin(self, epoch, logs=None):
        rate = float(np.array(self.model.optimizer.learning_rate))
        self.model.optimizer.learning_rate = rate * 0.5

    def on_train_batch_end(self, batch, logs=None):
        calls.append((f"batch {batch} ends", logs["loss"]))

    def on_test_batch_end(self, batch, logs=None):
        calls.append(logs["loss"])

    def on_predict_batch_end(self, batch, logs=None):
        calls.append((f"prediction {batch} ends", logs["outputs"].shape))

    def on_epoch_end(self, epoch, logs=None):
        if np.less(logs.get("loss"), self.best):
            self.best, self.best_weights = logs["loss"], self.model.get_weights()
        calls.append((f"epoch {epoch} ends", logs["mean_absolute_error"]))

    def on_train_end(self, logs=None):
        self.model.set_weights(self.best_weights)


model = keras.Sequential()
model.add(keras.layers.Dense(1, input_dim=784))
optimizer = keras.optimizers.RMSprop(learning_rate=0.1)
model.compile(optimizer=optimizer, loss="mean_squared_error", metrics=["mean_absolute_error"])
history = model.fit(x_train, y_train, batch_size=64, steps_per_epoch=2, epochs=2, verbose=0, callbacks=[Spy()])
model.evaluate(x_test, y_test, batch_size=128, verbose=0, callbacks=[Spy()])
model.predict(x_test, batch_size=128, verbose=0, callbacks=[Spy()])
