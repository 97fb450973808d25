"""What a model is made of; one class a file. Start reading at `conv2d.py`.

One alphabet of shapes, in every docstring and comment:

    N   images in a batch           KH KW   height and width of a filter or a pooling window
    H W height and width            OH OW   height and width of an output
    C   channels in                 SH SW   strides, down and across
    F   filters: channels out       DH DW   dilation, down and across
    U   units of a dense layer

Images are (N, H, W, C): channels last, everywhere. Convolution kernels are (KH, KW, C, F), as in Keras.
The gradient of the loss L by x is written dx, by w dw, and so on.
"""

from npcnn.layers.conv2d import Conv2D
from npcnn.layers.dense import Dense
from npcnn.layers.flatten import Flatten
from npcnn.layers.input import Input
from npcnn.layers.layer import Layer
from npcnn.layers.max_pool2d import MaxPool2D, MaxPooling2D
from npcnn.layers.relu import ReLU
from npcnn.layers.softmax import Softmax

__all__ = ["Conv2D", "Dense", "Flatten", "Input", "Layer", "MaxPool2D", "MaxPooling2D", "ReLU", "Softmax"]
