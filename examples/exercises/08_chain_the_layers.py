"""Exercise 8: backpropagation, the loop that chains the layers.

TODO: write `forward` and `backward` for a list of layers that are built. Every layer has

    y, cache  = layer.forward(x, training)
    dx, grads = layer.backward(dy, cache)          grads: a dictionary with the keys of layer.params

What one layer returns is what the next one takes: forward from the first to the last, backward from the last to the
first.

Read first: npcnn/layers/layer.py; docs/backward.md, "What dy and dx mean". docs/loss.md ends with this loop.

    python examples/exercises/mark.py 8
"""


def forward(layers, x):
    """Return the output of the last layer, and the caches of all."""
    raise NotImplementedError("TODO")


def backward(layers, dy, caches):
    """Return dx of the first layer, and the grads of all layers: a list, the first layer's first."""
    raise NotImplementedError("TODO")
