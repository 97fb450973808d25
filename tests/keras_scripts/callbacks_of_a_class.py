"""yuanjie-ai/DNN, 1_Keras/9_models/2_CNN.md: a class around the model; batch size and epochs by position in fit."""

import npcnn as keras
from npcnn.callbacks import EarlyStopping, LearningRateScheduler, ModelCheckpoint
from npcnn.layers import Conv2D, Dense, Dropout, Flatten, MaxPooling2D
from npcnn.models import Sequential
from npcnn.optimizers import Adam


class KerasCNN:
    def __init__(self, x, y, optimizer, batch_size=128, epochs=2):
        self.model = Sequential()
        self.model.add(Conv2D(8, kernel_size=(3, 3), activation="relu", input_shape=x.shape[1:]))
        self.model.add(MaxPooling2D(pool_size=(2, 2)))
        self.model.add(Dropout(0.25))
        self.model.add(Flatten())
        self.model.add(Dense(y.shape[1], activation="softmax"))
        self.model.compile(optimizer, loss="categorical_crossentropy", metrics=["accuracy"])
        callbacks = [
            ModelCheckpoint("best_model.weights.h5", verbose=1, save_best_only=True, save_weights_only=True),
            LearningRateScheduler(lambda epoch: 0.01 * 0.9**epoch),
            EarlyStopping(patience=2, verbose=1),
        ]
        self.history = self.model.fit(x, y, batch_size, epochs, verbose=1, callbacks=callbacks, validation_split=0.2)


(x_train, y_train), (x_test, y_test) = keras.datasets.mnist.load_data()
x_train = x_train[:256].reshape(256, 28, 28, 1) / 255
x_test = x_test.reshape(x_test.shape[0], 28, 28, 1) / 255
network = KerasCNN(x_train, keras.utils.to_categorical(y_train[:256], 10), Adam(learning_rate=0.01))
model, history = network.model, network.history
model.load_weights("best_model.weights.h5")
