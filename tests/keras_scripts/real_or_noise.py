"""eriklindernoren/Keras-GAN, dcgan/dcgan.py: its discriminator alone, trained on digits against noise.

ZeroPadding2D on two sides only, LeakyReLU(alpha=), BatchNormalization(momentum=), Adam by position, train_on_batch.
"""

import numpy as np

from npcnn.datasets import mnist
from npcnn.layers import BatchNormalization, Conv2D, Dense, Dropout, Flatten, LeakyReLU, ZeroPadding2D
from npcnn.models import Sequential
from npcnn.optimizers import Adam

(x_train, _), (x_test, _) = mnist.load_data()
x_train = np.expand_dims(x_train[:128] / 127.5 - 1.0, axis=3)
x_test = np.expand_dims(x_test / 127.5 - 1.0, axis=3)
noise = np.random.normal(0, 1, x_train.shape)
valid, fake = np.ones((len(x_train), 1)), np.zeros((len(noise), 1))

model = Sequential()
model.add(Conv2D(8, kernel_size=3, strides=2, input_shape=(28, 28, 1), padding="same"))
model.add(LeakyReLU(alpha=0.2))
model.add(Dropout(0.25))
model.add(Conv2D(16, kernel_size=3, strides=2, padding="same"))
model.add(ZeroPadding2D(padding=((0, 1), (0, 1))))
model.add(BatchNormalization(momentum=0.8))
model.add(LeakyReLU(alpha=0.2))
model.add(Dropout(0.25))
model.add(Flatten())
model.add(Dense(1, activation="sigmoid"))
model.summary()
model.compile(loss="binary_crossentropy", optimizer=Adam(0.0002, 0.5), metrics=["accuracy"])
loss_real = model.train_on_batch(x_train, valid)
loss_fake = model.train_on_batch(noise, fake)
print(0.5 * np.add(loss_real, loss_fake))
history = model.fit(np.concatenate([x_train, noise]), np.concatenate([valid, fake]), batch_size=64)
