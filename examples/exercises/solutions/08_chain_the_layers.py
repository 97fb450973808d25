"""Solution 8.

dL/dx of a layer is dL/dy of the layer before it, as its input is that layer's output: the chain rule, with arrays for
numbers. The same loop in npcnn is `Plan.backward`, which also stops as soon as no layer further down is trained.
"""


def forward(layers, x):
    """Return the output of the last layer, and the caches of all."""
    caches = []
    for layer in layers:
        x, cache = layer.forward(x, True)
        caches.append(cache)
    return x, caches


def backward(layers, dy, caches):
    """Return dx of the first layer, and the grads of all layers: a list, the first layer's first."""
    grads = []
    for layer, cache in zip(reversed(layers), reversed(caches), strict=True):
        dy, of_layer = layer.backward(dy, cache)
        grads.insert(0, of_layer)
    return dy, grads
