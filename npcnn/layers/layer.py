"""What a layer is, and what its backward pass returns. Everything else that layers share is in `bookkeeping.py`."""

from typing import Any

import numpy as np

from npcnn.layers.bookkeeping import Bookkeeping, Shape


class Layer(Bookkeeping):
    """A function of an array, with parameters, that knows its own derivative.

    A subclass writes three methods:

        build(input_shape, rng)             allocates `params`, sets `output_shape`
        forward(x, training)  -> y, cache   y = f(x; params)
        backward(dy, cache)   -> dx, grads  dx = dL/dx and grads[key] = dL/dparams[key], given dy = dL/dy

    L is the loss, one number. dL/dy, the gradient of L with respect to y, has the shape of y, and says for each of its
    numbers how much L changes with it: if y[3] grows by a tiny amount e, L grows by dy[3] e.

    Backward is the chain rule. x[k] reaches L only through the numbers of y, so it moves L by the sum of what it does
    through each:

        dx[k] = sum over m of  dy[m] * (derivative of y[m] with respect to x[k])

    The dx of a layer is the dy of the layer before, whose output x was. So a model goes through its layers from the
    last to the first, and each layer gets as its dy the dx that the layer after it has just returned: this is
    backpropagation (the loop is in `npcnn/training.py`; `docs/backward.md` derives it with numbers).

    A whole layer, with one parameter a:

    >>> class Scale(Layer):  # y = a x, number by number
    ...     def build(self, input_shape, rng=None):
    ...         self.input_shape = self.output_shape = input_shape
    ...         self.params = {"a": np.array([3.0])}
    ...     def forward(self, x, training=False):
    ...         return self.params["a"] * x, x
    ...     def backward(self, dy, cache):
    ...         x = cache
    ...         return self.params["a"] * dy, {"a": np.array([(x * dy).sum()])}

    Each y[m] changes a times as fast as its own x[m], and x[m] times as fast as a, which is in all of them. With
    x = (1, 2) and a loss that grows by 10 with y[0] and falls by 1 with y[1]:

    >>> layer = Scale()
    >>> layer.build((2,))
    >>> y, cache = layer.forward(np.array([[1.0, 2.0]]))
    >>> y
    array([[3., 6.]])
    >>> dx, grads = layer.backward(np.array([[10.0, -1.0]]), cache)
    >>> dx, grads["a"]  # 3 * 10 and 3 * -1;  1 * 10 + 2 * -1
    (array([[30., -3.]]), array([8.]))

    forward and backward keep nothing on the layer: what backward needs travels in the cache. So a layer may run
    in several threads at once, and be checked by calling the two.

    Two kinds of layer need a little more. One that draws random numbers, as Dropout does, says so with `draws = True`,
    and its forward takes `rng` as a third argument: the generator to draw from. One that learns something without a
    gradient, as BatchNormalization does, keeps it in `state`, a dictionary of arrays like `params`, and changes it in
    `update_state(cache)`, which training calls once a step.

    The arguments that every layer takes, `name`, `dtype`, `kernels`, `trainable` and `input_shape`, are explained in
    `bookkeeping.py`.
    """

    def build(self, input_shape: Shape, rng: np.random.Generator | int | None = None) -> None:
        """Allocate `params` for inputs of `input_shape` (without the batch axis) and set `output_shape`."""
        self.input_shape = self.output_shape = self.check_input_shape(input_shape)

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Any]:
        """Return y = f(x; params) and whatever `backward` will need."""
        raise NotImplementedError

    def backward(self, dy: np.ndarray, cache: Any) -> tuple[np.ndarray | None, dict[str, np.ndarray]]:
        """Return dL/dx and the gradients of the parameters, given dy = dL/dy."""
        raise NotImplementedError

    def update_state(self, cache: Any) -> None:
        """Change `state` in place, given forward's cache."""
