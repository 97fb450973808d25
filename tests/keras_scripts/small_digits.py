"""shuhei23/ml-start-up-series-rl-shakyo, FN/nn_tutorial/explanation_keras_mnist.py: no metrics, kernels of 2 by 2.

Every second pixel of MNIST stands in for the small digits of scikit-learn.
"""

import numpy as np

import npcnn as K

(x_train, y_train), (x_test, y_test) = K.datasets.mnist.load_data()
image_shape = (14, 14, 1)
x_train = np.array([image[::2, ::2].reshape(image_shape) for image in x_train[:256]])
x_test = np.array([image[::2, ::2].reshape(image_shape) for image in x_test])
y_train, y_test = K.utils.to_categorical(y_train[:256], 10), K.utils.to_categorical(y_test, 10)

model = K.Sequential(
    [
        K.layers.Conv2D(8, kernel_size=3, strides=1, padding="same", input_shape=image_shape, activation="relu"),
        K.layers.Conv2D(8, kernel_size=2, strides=1, padding="same", activation="relu"),
        K.layers.Flatten(),
        K.layers.Dense(units=10, activation="softmax"),
    ]
)
model.compile(loss="categorical_crossentropy", optimizer="sgd")
history = model.fit(x_train, y_train, epochs=1)
predicts = np.argmax(model.predict(x_test), axis=1)
actual = np.argmax(y_test, axis=1)
print("right:", (predicts == actual).mean())
