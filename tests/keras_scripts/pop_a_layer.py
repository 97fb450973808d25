"""robbertzhou/deepstudyquanshu, chapter04/sequentialmodeltest.py: the last layer taken off and another put on.

The source stops there; here it is trained as well.
"""

import npcnn as keras

(x_train, y_train), (x_test, y_test) = keras.datasets.mnist.load_data()
x_train, y_train, x_test = x_train[:256] / 255.0, y_train[:256], x_test / 255.0

model = keras.models.Sequential(
    [
        keras.layers.Flatten(),
        keras.layers.Dense(32, activation="relu"),
        keras.layers.Dropout(0.2),
        keras.layers.Dense(10, activation="softmax"),
    ]
)
model.pop()
assert len(model.layers) == 3
model.add(keras.layers.Dense(10))
print(model.layers)
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
model.compile(optimizer="adam", loss=loss, metrics=["sparse_categorical_accuracy"])
history = model.fit(x_train, y_train, epochs=1)
