"""A rectified linear unit that lets a little through below zero."""

from typing import Any

from npcnn.layers.relu import ReLU


class LeakyReLU(ReLU):
    """Keep what is positive, and a share s of what is negative, so that no unit is ever without a gradient.

    Forward:   y = x  where x > 0, else s x
    Backward:  dx = dy where x > 0, else s dy

    It is a ReLU with a negative_slope; `relu.py` has the code. (Maas, Hannun and Ng, "Rectifier nonlinearities improve
    neural network acoustic models", 2013.)

    Shapes: x and y alike, any.

    Args:
        negative_slope: s, from 0 up; `alpha` is its older name in Keras. (As `activation="leaky_relu"` it is 0.2.)
        name, dtype, kernels: see `npcnn/layers/bookkeeping.py`.

    Raises:
        ValueError: negative_slope is negative.
    """

    def __init__(self, negative_slope: float = 0.3, **common: Any) -> None:
        super().__init__(negative_slope=common.pop("alpha", negative_slope), **common)
