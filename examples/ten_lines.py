"""Train a network on digits without `fit`: the loop written out, on layers, a loss and an optimizer alone.

python examples/ten_lines.py

Prints the accuracy on digits it has not seen after each of three epochs, 87.2%, 92.3% and 92.7%, in about a minute.
"""

import argparse

import numpy as np

from npcnn import layers, losses, optimizers
from npcnn.datasets import mnist

argparse.ArgumentParser(description="Train on digits, with the training loop written out.").parse_args()

(x_train, y_train), (x_test, y_test) = mnist.load_data("sample")  # the 5,000 digits that come with npcnn
x_train, x_test = (x[..., None] / np.float32(255) for x in (x_train, x_test))  # (N, 28, 28, 1), from 0 to 1

# Seven layers in a row. `build` makes the weights of each, for inputs of the shape that the one before puts out.
net = [layers.Conv2D(16, 3), layers.ReLU(), layers.MaxPool2D(2), layers.Flatten()]
net += [layers.Dense(64), layers.ReLU(), layers.Dense(10)]
shape, rng = (28, 28, 1), np.random.default_rng(0)
for layer in net:
    layer.build(shape, rng)
    shape = layer.output_shape

# Every array of weights under a name of its own. The optimizer changes them in place: they stay the layers' arrays.
params = {(i, key): w for i, layer in enumerate(net) for key, w in layer.params.items()}
loss = losses.SparseCategoricalCrossentropy(from_logits=True)  # softmax and cross-entropy in one
optimizer = optimizers.Adam()


def predict(x):
    """Return the class with the highest score, for each image."""
    for layer in net:
        x, _ = layer.forward(x)
    return x.argmax(axis=1)


for epoch in range(3):
    order = rng.permutation(len(x_train))  # new in each epoch, so that the batches are other mixtures each time
    # About 64 digits at a time: a rough gradient is enough for a step, and many cheap steps get further than few good.
    for batch in np.array_split(order, len(order) // 64):
        # The ten lines. Forward: what a layer puts out, y, is what the next one takes in.
        y, caches, grads = x_train[batch], [], {}
        for layer in net:
            y, cache = layer.forward(y, training=True)
            caches.append(cache)  # what its backward will need, such as its x
        L, cache = loss.forward(y_train[batch], y)  # one number: how wrong the scores y are
        # Backward: what L does when the scores change, then layer by layer the chain rule: dx of one is dy of the next.
        dy = loss.backward(cache)
        for i in reversed(range(len(net))):
            dy, of_params = net[i].backward(dy, caches[i])
            grads |= {(i, key): g for key, g in of_params.items()}
        # Downhill: every weight goes a little against its gradient.
        optimizer.update(params, grads)
    print(f"Epoch {epoch + 1}: loss {L:.3f} in the last batch, accuracy {np.mean(predict(x_test) == y_test):.1%}")
