"""What a model is made of; one class a file. `layer.py` says what a layer is; `dense.py` is the simplest with weights.

One alphabet, in every docstring and comment of the package:

    N   images in a batch           KH KW   height and width of a filter or a pooling window
    H W height and width of an input OH OW   height and width of an output
    C   channels in                 SH SW   strides, down and across
    F   filters: channels out       DH DW   dilation, down and across
    U   units of a dense layer      K       classes that a loss or a metric tells apart
    x   input of a layer            w, b    its weights: the parameters "kernel" and "bias"
    y   output of a layer           L       the loss, one number

A small letter is an index from 0: n < N, i < OH, j < OW, kh < KH, kw < KW, c < C, f < F, u < U, k < K.
"kernel" is Keras' name for w; kernels, in the plural, are the functions in `npcnn.kernels` that do the arithmetic.
The gradient of L with respect to x, dL/dx, is written dx and has the shape of x; so dy, dw, db.
Images are (N, H, W, C): channels last, everywhere. The w of a convolution is (KH, KW, C, F), as in Keras.
(`fit` and the losses call the labels y, as Keras does.)
"""

from npcnn.layers.activation import Activation
from npcnn.layers.average_pooling2d import AveragePooling2D, AvgPool2D
from npcnn.layers.batch_normalization import BatchNormalization
from npcnn.layers.conv2d import Conv2D, Convolution2D
from npcnn.layers.dense import Dense
from npcnn.layers.dropout import Dropout, SpatialDropout2D
from npcnn.layers.elu import ELU
from npcnn.layers.flatten import Flatten
from npcnn.layers.gaussian_noise import GaussianNoise
from npcnn.layers.global_average_pooling2d import GlobalAveragePooling2D, GlobalAvgPool2D
from npcnn.layers.global_max_pooling2d import GlobalMaxPool2D, GlobalMaxPooling2D
from npcnn.layers.input import Input, InputLayer
from npcnn.layers.layer import Layer
from npcnn.layers.leaky_relu import LeakyReLU
from npcnn.layers.max_pool2d import MaxPool2D, MaxPooling2D
from npcnn.layers.relu import ReLU
from npcnn.layers.rescaling import Rescaling
from npcnn.layers.reshape import Reshape
from npcnn.layers.softmax import Softmax
from npcnn.layers.zero_padding2d import ZeroPadding2D

__all__ = [
    "ELU",
    "Activation",
    "AveragePooling2D",
    "AvgPool2D",
    "BatchNormalization",
    "Conv2D",
    "Convolution2D",
    "Dense",
    "Dropout",
    "Flatten",
    "GaussianNoise",
    "GlobalAveragePooling2D",
    "GlobalAvgPool2D",
    "GlobalMaxPool2D",
    "GlobalMaxPooling2D",
    "Input",
    "InputLayer",
    "Layer",
    "LeakyReLU",
    "MaxPool2D",
    "MaxPooling2D",
    "ReLU",
    "Rescaling",
    "Reshape",
    "Softmax",
    "SpatialDropout2D",
    "ZeroPadding2D",
]
