"""ezhilthiaga/data_science, machine_learning/mnist.py: no activation until the end; the data under another name."""

import npcnn as keras

model = keras.models.Sequential()
model.add(keras.layers.Conv2D(filters=4, kernel_size=(3, 3), input_shape=(28, 28, 1)))
model.add(keras.layers.Conv2D(filters=4, kernel_size=(3, 3)))
model.add(keras.layers.Conv2D(filters=4, kernel_size=(3, 3)))
model.add(keras.layers.Flatten())
model.add(keras.layers.Dense(units=32))
model.add(keras.layers.Dense(units=10, activation="softmax"))
data = keras.datasets.mnist
model.compile(loss=keras.losses.categorical_crossentropy, optimizer=keras.optimizers.Adam(), metrics=["accuracy"])
(x_train, y_train), (x_test, y_test) = data.load_data()
x_train = x_train[:256].reshape(256, 28, 28, 1)
x_test = x_test.reshape(len(x_test), 28, 28, 1)
y_train = keras.utils.to_categorical(y_train[:256], 10)
y_test = keras.utils.to_categorical(y_test, 10)
print(x_train.shape, y_train.shape)
history = model.fit(x_train, y_train, validation_data=(x_test, y_test), batch_size=1000, epochs=2)
