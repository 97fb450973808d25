"""keras-team/keras, examples/mnist_cnn.py: the network everyone copies; asks the backend where the channels are."""

import npcnn as keras
from npcnn import backend as K
from npcnn.datasets import mnist
from npcnn.layers import Conv2D, Dense, Dropout, Flatten, MaxPooling2D
from npcnn.models import Sequential

num_classes, rows, cols = 10, 28, 28
(x_train, y_train), (x_test, y_test) = mnist.load_data()
x_train, y_train = x_train[:256], y_train[:256]
if K.image_data_format() == "channels_first":
    input_shape = (1, rows, cols)
else:
    input_shape = (rows, cols, 1)
x_train = x_train.reshape(x_train.shape[0], *input_shape).astype("float32")
x_test = x_test.reshape(x_test.shape[0], *input_shape).astype("float32")
x_train /= 255
x_test /= 255
y_train = keras.utils.to_categorical(y_train, num_classes)
y_test = keras.utils.to_categorical(y_test, num_classes)

model = Sequential()
model.add(Conv2D(8, kernel_size=(3, 3), activation="relu", input_shape=input_shape))
model.add(Conv2D(16, (3, 3), activation="relu"))
model.add(MaxPooling2D(pool_size=(2, 2)))
model.add(Dropout(0.25))
model.add(Flatten())
model.add(Dense(32, activation="relu"))
model.add(Dropout(0.5))
model.add(Dense(num_classes, activation="softmax"))
model.compile(loss=keras.losses.categorical_crossentropy, optimizer=keras.optimizers.Adadelta(), metrics=["accuracy"])
history = model.fit(x_train, y_train, batch_size=64, epochs=2, verbose=1, validation_data=(x_test, y_test))
score = model.evaluate(x_test, y_test, verbose=0)
print("loss", score[0], "accuracy", score[1])
