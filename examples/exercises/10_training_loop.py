"""Exercise 10: training without `fit`.

TODO: write `train`. For every epoch, for every batch of `batch_size` examples in their order (the last may be smaller):

    forward through the layers                          exercise 8
    L, cache = loss.forward(y, output)
    dy = loss.backward(cache)
    backward through the layers                         exercise 8
    optimizer.update(params, grads)                     changes the arrays of params in place

params and grads are two dictionaries with the same keys; let the keys be (number of the layer, name of the parameter).
`fit` does no more than that, but for shuffling, metrics and callbacks; so, without shuffling, it must come to the same
weights.

Read first: npcnn/training.py, `train_step`; examples/train_mnist.py for how it is called.

    python examples/exercises/mark.py 10
"""


def train(layers, loss, optimizer, x, y, epochs, batch_size):
    """Train the layers, in place; return the loss of every batch, in order."""
    raise NotImplementedError("TODO")
