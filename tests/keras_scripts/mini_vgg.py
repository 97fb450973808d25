"""Rmsharks4/FashionMNIST, pyimagesearch/minivggnet.py: a class with a static build(), and the axis of the channels."""

import npcnn as keras
from npcnn import backend as K
from npcnn.layers import Activation, BatchNormalization, Conv2D, Dense, Dropout, Flatten, MaxPooling2D
from npcnn.models import Sequential


class MiniVGGNet:
    @staticmethod
    def build(width, height, depth, classes):
        model = Sequential()
        shape, axis = (height, width, depth), -1
        if K.image_data_format() == "channels_first":
            shape, axis = (depth, height, width), 1
        model.add(Conv2D(8, (3, 3), padding="same", input_shape=shape))
        for filters in [8, 16]:
            model.add(Activation("relu"))
            model.add(BatchNormalization(axis=axis))
            model.add(MaxPooling2D(pool_size=(2, 2)))
            model.add(Dropout(0.25))
            model.add(Conv2D(filters, (3, 3), padding="same"))
        model.add(Flatten())
        model.add(Dense(32))
        model.add(Activation("relu"))
        model.add(BatchNormalization())
        model.add(Dropout(0.5))
        model.add(Dense(classes))
        model.add(Activation("softmax"))
        return model


(x_train, y_train), (x_test, y_test) = keras.datasets.fashion_mnist.load_data()
x_train = x_train[:256].reshape((256, 28, 28, 1)).astype("float32") / 255.0
x_test = x_test.reshape((x_test.shape[0], 28, 28, 1)).astype("float32") / 255.0
y_train, y_test = keras.utils.to_categorical(y_train[:256], 10), keras.utils.to_categorical(y_test, 10)
model = MiniVGGNet.build(width=28, height=28, depth=1, classes=10)
optimizer = keras.optimizers.SGD(learning_rate=1e-2, momentum=0.9)
model.compile(loss="categorical_crossentropy", optimizer=optimizer, metrics=["accuracy"])
history = model.fit(x_train, y_train, validation_data=(x_test, y_test), batch_size=32, epochs=1)
