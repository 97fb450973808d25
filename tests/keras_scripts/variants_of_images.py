"""RParedesPalacios/DeepLearningLab, MNIST/Keras/5_mlp_BN_GN_LRA_DA.py: shifted images, noise, the rate in three stages.

It says the steps of an epoch with "/", as Keras 2 took them; here, with "//".
"""

import npcnn as keras
from npcnn.callbacks import LearningRateScheduler as LRS
from npcnn.datasets import mnist
from npcnn.layers import Activation, Dense, Reshape
from npcnn.layers import BatchNormalization as BN
from npcnn.layers import GaussianNoise as GN
from npcnn.models import Sequential
from npcnn.optimizers import SGD
from npcnn.preprocessing.image import ImageDataGenerator

batch_size, epochs, num_classes = 64, 3, 10
(x_train, y_train), (x_test, y_test) = mnist.load_data()
x_train = x_train.reshape(-1, 28, 28, 1).astype("float32") / 255
x_test = x_test.reshape(-1, 28, 28, 1).astype("float32") / 255
y_train = keras.utils.to_categorical(y_train, num_classes)
y_test = keras.utils.to_categorical(y_test, num_classes)

datagen = ImageDataGenerator(width_shift_range=0.1, height_shift_range=0.1, horizontal_flip=False)

model = Sequential()
model.add(Reshape(target_shape=(784,), input_shape=(28, 28, 1)))
model.add(GN(0.3))
for units in (64, 32):
    model.add(Dense(units))
    model.add(BN())
    model.add(GN(0.3))
    model.add(Activation("relu"))
model.add(Dense(num_classes, activation="softmax"))
model.summary()


def scheduler(epoch):
    if epoch < 1:
        return 0.1
    elif epoch < 2:
        return 0.01
    return 0.001


set_lr = LRS(scheduler)
model.compile(loss="categorical_crossentropy", optimizer=SGD(learning_rate=0.1, momentum=0.0), metrics=["accuracy"])
history = model.fit(
    datagen.flow(x_train, y_train, batch_size=batch_size),
    steps_per_epoch=len(x_train) // batch_size,
    epochs=epochs,
    validation_data=(x_test, y_test),
    callbacks=[set_lr],
    verbose=1,
)
score = model.evaluate(x_test, y_test, verbose=0)
