"""What a user may get wrong, one row a mistake: each raises one clear error and leaves the model as it was.

A row is a call and what its message says: who was asked (the layer or the argument), what it got, and what would have
worked; " ... " stands for the words between. A call may use `model`, small and trained, its `params` and `weights`,
and data that suits it, x (20, 8, 8, 1) and labels y from 0 to 2. One table for each type of error.
"""

import re

import numpy as np
import pytest

import npcnn
from npcnn import (  # noqa: F401 (the rows use them)
    Sequential,
    explorer,
    initializers,
    layers,
    losses,
    metrics,
    optimizers,
    plots,
    regularizers,
)
from npcnn.augmentation import augment  # noqa: F401
from npcnn.gradient_check import check_layer, check_model  # noqa: F401
from npcnn.layers import Dense, Flatten, Input

SPARSE = "sparse_categorical_crossentropy"
sparse, categorical = losses.SparseCategoricalCrossentropy(), losses.CategoricalCrossentropy()


def built(layer, *shape):
    layer.build(shape, 0)
    return layer


def backward(layer, dy_shape):
    """Forward four examples of zeros, then backward zeros of another shape."""
    _, cache = layer.forward(np.zeros((4, *layer.input_shape)))
    return layer.backward(np.zeros(dy_shape), cache)


def with_value(array, index, value):
    array = array.copy()
    array[index] = value
    return array


def not_compiled():
    return Sequential([Input((8, 8, 1)), Flatten(), Dense(3)])


def compiled(*stack):
    model = Sequential(stack)
    model.compile("sgd", SPARSE)
    return model


def not_built():
    return compiled(Flatten(), Dense(3))


def compiled_wrongly():
    model = not_compiled()
    with pytest.raises(ValueError, match="optimizer"):
        model.compile("adamm", SPARSE)
    return model


class StepsOfItsOwn(Sequential):
    loss = "compiled"

    def train_step(self, data):
        return {}


class LossOfKeras(losses.Loss):
    def call(self, y_true, y_pred):
        return 0.0


class HalfALoss:
    def forward(self, y_true, y_pred):
        return 0.0, None


VALUE_ERRORS = {
    # making a layer
    "Conv2D(0, 3)": "Conv2D: filters ... at least 1, got 0",
    "Conv2D(-8, 3)": "Conv2D: filters ... at least 1, got -8",
    "Conv2D(2.5, 3)": "Conv2D: filters ... integer ... got 2.5",
    "Conv2D(8, 0)": "Conv2D: kernel_size ... positive ... got 0",
    "Conv2D(8, (3, 3, 3))": "Conv2D: kernel_size ... pair ... (3, 3, 3)",
    "Conv2D(8, (True, 2))": "Conv2D: kernel_size ... integer ... (True, 2)",
    "Conv2D(8, (2, True))": "Conv2D: kernel_size ... integer ... (2, True)",
    "Conv2D(8, 3, strides=-1)": "Conv2D: strides ... positive ... -1",
    "Conv2D(8, 3, dilation_rate=(1, 0))": "Conv2D: dilation_rate ... (1, 0)",
    "Conv2D(8, 3, padding='full')": "Conv2D: padding ... 'valid' or 'same', got 'full'",
    "Conv2D(8, 3, padding=1)": "Conv2D: padding ... 'same', got 1",
    "Conv2D(8, 3, activation='celu', name='c')": "Conv2D 'c': activation ... 'relu', 'softmax' ... 'celu'",
    "Activation('glu')": "Activation: activation ... 'relu', 'softmax' ... 'glu'",
    "Activation(abs)": "Activation: activation ... LeakyReLU(0.1), got <built-in function abs>",
    "ReLU(0)": "ReLU: max_value ... positive ... got 0",
    "ReLU(2, threshold=2)": "ReLU: max_value must be above threshold 2.0, got 2.0",
    "ReLU(negative_slope=-1)": "ReLU: negative_slope ... at least 0, got -1",
    "LeakyReLU(None)": "LeakyReLU: negative_slope ... number ... got None",
    "ELU(alpha='a')": "ELU: alpha ... number ... got 'a'",
    "Dropout(1.5)": "Dropout: rate ... 0 to 1, got 1.5",
    "layers.GaussianNoise(-0.5)": "GaussianNoise: stddev ... from 0 up, got -0.5",
    "built(layers.GaussianNoise(0.5), 3).forward(np.ones((2, 3)), True)": "GaussianNoise: in training ... needs rng",
    "Dropout(0.5, seed=-1)": "Dropout: seed ... at least 0, got -1",
    "Dropout(0.5, 3)": "Dropout: noise_shape ... like (None, 1, 1, 32), got 3",
    "Dropout(0.5, (None, 0))": "Dropout: noise_shape ... at least 1, got 0",
    "BatchNormalization(momentum=1)": "BatchNormalization: momentum ... below 1, got 1",
    "BatchNormalization(epsilon=0)": "BatchNormalization: epsilon ... positive ... got 0",
    "BatchNormalization(scale=2)": "BatchNormalization: scale must be True or False, got 2",
    "BatchNormalization(gamma_initializer='two')": "BatchNormalization: gamma_initializer ... ones ... 'two'",
    "BatchNormalization(renorm=True)": "BatchNormalization: npcnn has no renorm=True; leave it out",
    "AveragePooling2D(0)": "AveragePooling2D: pool_size ... positive ... got 0",
    "GlobalMaxPooling2D(keepdims=2)": "GlobalMaxPooling2D: keepdims must be True or False, got 2",
    "GlobalAveragePooling2D('channels_first')": "GlobalAveragePooling2D: npcnn has no data_format=",
    "ZeroPadding2D(-1)": "ZeroPadding2D: padding ... ((top, bottom), (left, right)), got -1",
    "ZeroPadding2D((1, 2, 3))": "ZeroPadding2D: padding ... got (1, 2, 3)",
    "Reshape((-1, -1))": "Reshape: target_shape ... one -1, got (-1, -1)",
    "Reshape((3, 0))": "Reshape: target_shape ... positive ... 0",
    "Rescaling('1/255')": "Rescaling: scale must be a number, got '1/255'",
    "Rescaling(1, np.inf)": "Rescaling: offset must be a number, got inf",
    "InputLayer()": "Input: shape ... positive sizes ... None",
    "Dense(8, activation=['relu'])": "Dense: activation ... ['relu']",
    "Dense(8, activation=ReLU)": "Dense: activation ... ReLU",
    "Dense(8, use_bias='no')": "Dense: use_bias ... True or False, got 'no'",
    "Dense(8, kernel_initializer='glorot')": "Dense: kernel_initializer ... glorot_uniform ... got 'glorot'",
    "Dense(8, bias_initializer=[0])": "Dense: bias_initializer ... zeros ... got [0]",
    "Dense(-1)": "Dense: units ... at least 1, got -1",
    "Dense('10')": "Dense: units ... integer ... got '10'",
    "Dense(True)": "Dense: units ... integer ... got True",
    "MaxPool2D(0)": "MaxPool2D: pool_size ... positive ... got 0",
    "MaxPool2D(2, strides=0)": "MaxPool2D: strides ... got 0",
    "Conv2D(8, 3, kernels='cuda')": "Conv2D: kernels must be one of 'loops', 'im2col', 'jit', 'fused', got 'cuda'",
    "Dense(8, dtype='float16')": "Dense: dtype ... 'float32' ... 'float16'",
    "Dense(8, dtype='fast')": "Dense: dtype ... 'float64' ... 'fast'",
    "Dense(8, name='')": "Dense: name must be letters ... got ''",
    "ReLU(name='a/b')": "ReLU 'a/b': name ... '/'",
    "Input((None, 28, 28, 1))": "Input: shape ... without the batch axis ... None",
    "Input(28)": "Input: shape ... got 28",
    # building a layer
    "built(Conv2D(8, 3), 28, 28)": "Conv2D: input_shape ... (H, W, C) ... (28, 28)",
    "built(Conv2D(8, 5, dilation_rate=2), 8, 8, 1)": "Conv2D: kernel_size (5, 5) at dilation_rate (2, 2) ... 8 x 8",
    "built(Conv2D(8, 4, name='wide'), 3, 9, 1)": "Conv2D 'wide': kernel_size (4, 4) ... 3 x 9 ... smaller ... same",
    "built(Conv2D(8, 4, name='tall'), 9, 3, 1)": "Conv2D 'tall': kernel_size (4, 4) ... 9 x 3 ... smaller ... same",
    "built(MaxPool2D(4), 3, 9, 1)": "MaxPool2D: pool_size (4, 4) ... 3 x 9 ... smaller ... same",
    "built(MaxPool2D(4), 9, 3, 1)": "MaxPool2D: pool_size (4, 4) ... 9 x 3 ... smaller ... same",
    "built(AveragePooling2D(4), 3, 9, 1)": "AveragePooling2D: pool_size (4, 4) ... 3 x 9 ... smaller ... same",
    "built(GlobalMaxPooling2D(), 9)": "GlobalMaxPooling2D: input_shape ... (H, W, C) ... (9,)",
    "built(Reshape((7, -1)), 8, 8, 1)": "Reshape: target_shape (7, -1) ... 64 numbers of (8, 8, 1)",
    "built(BatchNormalization(1), 8, 8, 1)": "BatchNormalization: axis must be the last, -1 or 3 ... got 1",
    "built(Softmax(1), 8, 8, 1)": "Softmax: axis must be the last, -1 or 3 ... got 1",
    "built(SpatialDropout2D(0.1), 8)": "SpatialDropout2D: input_shape ... (H, W, C) ... (8,)",
    "built(Flatten(), 8, -8)": "Flatten: input_shape ... positive ... -8",
    "built(Dense(8, kernel_initializer=lambda *_: np.ones(3)), 4)": "Dense: kernel_initializer ... (3,) ... (4, 8)",
    "built(Dense(8, bias_initializer='glorot_uniform'), 4)": "Dense: bias_initializer ... (8,) ... zeros",
    # running a layer
    "built(Conv2D(8, 3), 8, 8, 1).forward(x[0])": "Conv2D: x must ... (N, 8, 8, 1), got (8, 8, 1)",
    "built(Conv2D(8, 3, name='rgb'), 8, 8, 3).forward(x)": "Conv2D 'rgb' ... (N, 8, 8, 3), got (20, 8, 8, 1)",
    "built(MaxPool2D(2), 8, 8, 3).forward(np.zeros((1, 3, 8, 8)))": "MaxPool2D ... (N, 8, 8, 3), got (1, 3, 8, 8)",
    "built(Dense(4), 3).forward(np.zeros((2, 5)))": "Dense ... (N, 3), got (2, 5)",
    "built(Dense(4), 3).forward([1, 2, 3])": "Dense ... (N, 3), got (3,)",
    "built(Dense(4), 3).forward([[1, 2, 3], [4, 5]])": "Dense: x must ... examples of unequal shapes",
    "backward(built(Conv2D(2, 3), 8, 8, 1), (4, 8, 8, 2))": "Conv2D: dy must ... (N, 6, 6, 2), got (4, 8, 8, 2)",
    "backward(built(MaxPool2D(2), 8, 8, 1), (1, 4, 4, 1))": "MaxPool2D: dy must ... each of the 4 ... got 1",
    "backward(built(Conv2D(2, 3, kernels='jit'), 8, 8, 1), (5, 6, 6, 2))": "Conv2D: dy ... each of the 4 ... got 5",
    "backward(built(Softmax(), 3), (3,))": "Softmax: dy ... (N, 3), got (3,)",
    "built(Dropout(0.5), 3).forward(np.ones((2, 3)), True)": "Dropout: in training, forward needs rng",
    "built(Dropout(0.5, (5, 1), 7), 3).forward(np.ones((2, 3)), True)": "Dropout: noise_shape (5, 1) ... (2, 3)",
    "built(Dropout(0.5, (1,), 7), 3).forward(np.ones((2, 3)), True)": "Dropout: noise_shape (1,) ... (2, 3)",
    # making a model
    "Sequential([Flatten(), Input((3,))])": "Sequential ... Input ... first layer",
    "Sequential([Input((3,)), Input((3,))])": "Sequential ... Input ... only be one",
    "Sequential(trainable=2)": "Sequential: trainable ... True or False, got 2",
    "Sequential().build((3,))": "Sequential ... no layers ... add(layer)",
    "Sequential().pop()": "pop: the model has no layers",
    "model.add(Dense(3, name='dense'))": "Sequential ... same name ... 'dense'",
    "model.add(Conv2D(4, 3))": "Conv2D 'conv2d_1' ... (H, W, C) ... (3,)",
    "model.add(model.layers[0])": "Sequential ... same layer ... twice",
    "model.get_layer()": "get_layer ... name or an index ... None",
    "model.get_layer('dense_9')": "get_layer ... 'dense_9', only ['conv2d', ... 'dense']",
    "model.get_layer(index=4)": "get_layer ... no layer 4 ... 4 layers",
    "setattr(model.layers[0], 'trainable', 'no')": "Conv2D 'conv2d': trainable ... True or False, got 'no'",
    "Dense(3, trainable=None)": "Dense: trainable ... True or False, got None",
    "Sequential([Flatten()] * 2)": "Sequential ... same layer ... twice",
    "Sequential([Dense(3, name='d'), Dense(3, name='d')])": "Sequential ... same name ... 'd'",
    "Sequential([MaxPool2D(4), MaxPool2D(4)]).build((8, 8, 1))": "MaxPool2D 'max_pooling2d_1': pool_size ... 2 x 2",
    "Sequential([Dense(3)], kernels='gpu')": "Sequential: kernels ... 'gpu'",
    "Sequential([Dense(3)], dtype='int8')": "Sequential: dtype ... 'int8'",
    "Sequential([Dense(3)], threads=0)": "Sequential: threads ... at least 1, got 0",
    "Sequential([Dense(3)], seed=-1)": "Sequential: seed ... -1",
    "Sequential([Dense(3)], seed='zero')": "Sequential: seed ... 'zero'",
    "not_built().build((8, None, 1))": "shape ... without the batch axis ... None",
    # compiling
    "model.compile('ftrl', SPARSE)": "optimizer ... 'adam', 'sgd' ... 'adamax'",
    "model.compile(Adam, SPARSE)": "optimizer ... object ... Adam",
    "model.compile('adam', 'hinge')": f"loss ... {SPARSE} ... 'hinge'",
    "model.compile('adam')": f"loss ... {SPARSE} ... None",
    "model.compile('adam', HalfALoss)": "loss ... object ... HalfALoss",
    "model.compile('adam', SPARSE, ['accuracy'])": "compile ... third argument is loss_weights ... metrics=[",
    "model.compile('adam', SPARSE, [1.0], ['accuracy'])": "compile: npcnn has no loss_weights=[1.0]",
    "model.compile('adam', SPARSE, weighted_metrics=['precision_'])": "metrics ... 'accuracy' ... 'precision_'",
    "model.compile('adam', SPARSE, weighted_metrics=['precision'])": "weighted_metrics: 'precision' is no mean",
    "model.compile('adam', SPARSE, weighted_metrics=1)": "weighted_metrics must be a list ... got 1",
    "model.compile('adam', HalfALoss())": "loss must be ... HalfALoss",
    "model.compile('adam', SPARSE, metrics=['auc'])": "metrics ... 'accuracy' ... 'auc'",
    "model.compile('adam', SPARSE, metrics={'accuracy'})": "metrics ... list ... ['accuracy']",
    "model.compile('adam', SPARSE, metrics=Accuracy())": "metrics ... list ... Accuracy",
    "Adam(-1)": "Adam: learning_rate ... from 0 up, got -1",
    "SGD(np.nan)": "SGD: learning_rate ... nan",
    "SGD(np.inf)": "SGD: learning_rate ... inf",
    "SGD('fast')": "SGD: learning_rate ... 'fast'",
    "Adam(beta_1=1)": "Adam: beta_1 ... below 1, got 1",
    "Adam(beta_2=-0.1)": "Adam: beta_2 ... from 0 ... -0.1",
    "Adam(epsilon=0)": "Adam: epsilon ... positive ... got 0",
    "SGD(momentum=1.0)": "SGD: momentum ... from 0 to below 1, got 1.0",
    "SGD(momentum=1.5)": "SGD: momentum ... below 1, got 1.5",
    "SGD(nesterov='no')": "SGD: nesterov ... True ... 'no'",
    "Adam(kernels='c')": "Adam: kernels ... 'c'",
    "Adam(amsgrad=True)": "Adam: npcnn has no amsgrad=True; leave it out",
    "SGD(0.1, use_ema=True)": "SGD: npcnn has no use_ema=True",
    "SGD(clipnorm=1.0, clipvalue=0.5)": "SGD: only one of clipnorm, clipvalue and global_clipnorm ... 0.5",
    "SGD(clipnorm=0)": "SGD: clipnorm ... positive ... got 0",
    "AdamW(weight_decay=-1)": "AdamW: weight_decay ... from 0 up, got -1",
    "RMSprop(rho=1)": "RMSprop: rho ... below 1, got 1",
    "RMSprop(momentum=-0.5)": "RMSprop: momentum ... -0.5",
    "RMSprop(epsilon=0)": "RMSprop: epsilon ... positive",
    "RMSprop(centered=2)": "RMSprop: centered ... True or False, got 2",
    "Adadelta(rho=-1)": "Adadelta: rho ... -1",
    "Adadelta(epsilon='tiny')": "Adadelta: epsilon ... 'tiny'",
    "setattr(Adam(), 'learning_rate', -1)": "Adam: learning_rate ... from 0 up, got -1",
    "ExponentialDecay(0, 1, 0.9)": "ExponentialDecay: initial_learning_rate ... positive ... 0",
    "ExponentialDecay(0.1, 0, 0.9)": "ExponentialDecay: decay_steps ... positive ... 0",
    "ExponentialDecay(0.1, 10, -1)": "ExponentialDecay: decay_rate ... positive ... -1",
    "InverseTimeDecay(0.1, 10, 1, staircase=2)": "InverseTimeDecay: staircase ... True or False, got 2",
    "CosineDecay(-0.1, 10)": "CosineDecay: initial_learning_rate ... from 0 up, got -0.1",
    "CosineDecay(0.1, -1)": "CosineDecay: decay_steps ... -1",
    "CosineDecay(0.1, 10, alpha=2)": "CosineDecay: alpha ... below 1, got 2",
    "CosineDecay(0.1, 10, warmup_target=0)": "CosineDecay: warmup_target ... positive",
    "CosineDecay(0.1, 10, warmup_steps=1.5)": "CosineDecay: warmup_steps ... integer ... 1.5",
    "PiecewiseConstantDecay([1], [0.1])": "PiecewiseConstantDecay: ... one value more ... [1] and [0.1]",
    "PiecewiseConstantDecay([2, 1], [3, 2, 1])": "PiecewiseConstantDecay: ... ascending ... [2, 1]",
    "PiecewiseConstantDecay([1], [0.1, -1])": "PiecewiseConstantDecay: values ... from 0 up, got -1",
    "L2(-0.1)": "L2: l2 ... from 0 up, got -0.1",
    "L1L2(l1=True)": "L1L2: l1 ... got True",
    "Dense(3, kernel_regularizer='l3')": "Dense: kernel_regularizer ... 'l2' ... L2(0.001); got 'l3'",
    "Dense(3, kernel_regularizer=0.1)": "Dense: kernel_regularizer ... got 0.1",
    "CategoricalCrossentropy(from_logits='yes')": "categorical_crossentropy: from_logits ... True or False ... 'yes'",
    "CategoricalCrossentropy(label_smoothing=1)": "categorical_crossentropy: label_smoothing ... below 1, got 1",
    "BinaryCrossentropy(label_smoothing=-1)": "binary_crossentropy: label_smoothing ... from 0 ... -1",
    "SparseCategoricalCrossentropy(from_logits=2)": f"{SPARSE}: from_logits ... got 2",
    "SparseCategoricalCrossentropy(ignore_class=255)": f"{SPARSE}: npcnn has no ignore_class=255",
    "CategoricalCrossentropy(reduction='sum')": "categorical_crossentropy: npcnn has no reduction='sum'",
    "CategoricalCrossentropy(axis=1)": "categorical_crossentropy: axis ... -1 ... got 1",
    "TopKCategoricalAccuracy(k=0)": "top_k_categorical_accuracy: k ... at least 1, got 0",
    # images
    "model.predict(x[0])": "x must ... (N, 8, 8, 1), got (8, 8, 1); x[None]",
    "model.predict(x[0, ..., 0])": "x must ... (N, 8, 8, 1), got (8, 8); x[None, ..., None]",
    "model.fit(np.repeat(x, 3, axis=-1), y)": "x must ... (N, 8, 8, 1), got (20, 8, 8, 3)",
    "model.evaluate(x[:, 1:], y)": "x must ... (N, 8, 8, 1), got (20, 7, 8, 1)",
    "model.predict(x.reshape(20, 64))": "x must ... (N, 8, 8, 1), got (20, 64)",
    "model.fit(x[:0], y[:0])": "x is empty ... at least one",
    "model.predict(x[:0])": "x is empty ... at least one",
    "model.fit(with_value(x, (3, 0, 2, 0), np.nan), y)": "x must be finite ... nan ... (3, 0, 2, 0)",
    "model.predict(with_value(x, (3, 0, 2, 0), -np.inf))": "x must be finite ... -inf ... (3, 0, 2, 0)",
    "model.fit(x, y, validation_data=(with_value(x, 0, np.inf), y))": "validation_data: x ... got inf ... (0, 0, 0, 0)",
    "model.predict([x[0].tolist(), x[0, 1:].tolist()])": "x must ... one shape ... unequal",
    # labels and predictions
    "model.fit(x, with_value(y, 5, 3))": f"{SPARSE} ... from 0 to 2 ... 3 outputs; got 3",
    "model.evaluate(x, with_value(y, 5, -1))": f"{SPARSE} ... from 0 to 2 ... got -1",
    "model.fit(x, y + 0.5)": f"{SPARSE} ... whole numbers from 0 to 2",
    "model.fit(x, y * np.nan)": f"{SPARSE} ... whole numbers ... nan",
    "model.fit(x, ['a'] * 20)": f"{SPARSE} ... whole numbers ... <U1",
    "model.fit(x, y[:-1])": "y must ... 20 examples ... 19 labels",
    "model.fit(x, 1)": "y must ... 20 examples, got 1",
    "model.evaluate(x, None)": "y must ... 20 examples ... None",
    "model.fit(x, np.eye(3)[y])": f"{SPARSE} ... (20,) ... (20, 3) ... 'categorical_crossentropy'",
    "categorical.forward(y, np.ones((20, 3)))": f"categorical_crossentropy ... (20, 3) ... (20,) ... '{SPARSE}'",
    "categorical.forward(np.eye(2), np.ones((2, 3)))": "categorical_crossentropy ... (2, 3) ... of shape (2, 2)",
    "categorical.forward(np.ones((2, 3)), np.ones((2, 3)))": "categorical_crossentropy ... add up to 1 ... one-hot",
    "categorical.forward([[0.5, 1.0]], np.ones((1, 2)))": "categorical_crossentropy ... add up to 1",
    "categorical.forward([[0.4, 0.5]], np.ones((1, 2)))": "categorical_crossentropy ... add up to 1",
    "categorical.forward([1, 0], np.array([0.5, 0.5]))": "categorical_crossentropy: y_pred ... (N, K) ... (2,)",
    "sparse.forward([0, 1], np.array([0.5, 0.5]))": f"{SPARSE}: y_pred ... (N, K) ... (2,)",
    "sparse.forward([0], np.ones((1, 3, 2)))": f"{SPARSE}: y_pred ... (N, K) ... (1, 3, 2)",
    "sparse.forward([0, 0], np.ones((2, 3), int))": f"{SPARSE}: y_pred must be a float array ... int64",
    "sparse.forward([], np.ones((0, 3)))": f"{SPARSE}: y_pred must be a float array ... at least 1 ... (0, 3)",
    "compiled(Input((8, 8, 1)), Conv2D(3, 3)).fit(x, y)": f"{SPARSE} ... (N, K) ... (20, 6, 6, 3) ... Flatten",
    "Accuracy()([0, 1], np.eye(3))": "accuracy ... y_true ... (2,) ... (3, 3)",
    "SparseCategoricalAccuracy()(np.eye(3), np.eye(3))": "sparse_categorical_accuracy ... y_true (3, 3) ... (3, 3)",
    "CategoricalAccuracy()([0, 1, 2], np.eye(3))": "categorical_accuracy ... one shape ... (3,) ... (3, 3)",
    "losses.mse([1, 2], np.ones((2, 3)))": "mean_squared_error: y must be numbers of shape (2, 3) ... (2,)",
    "losses.mse(['a'], np.ones((1, 1)))": "mean_squared_error: y must be numbers ... <U1",
    "losses.mse(1.0, 1.0)": "mean_squared_error: y_pred must be a float array ... shape ()",
    "losses.binary_crossentropy([[2]], np.ones((1, 1)))": "binary_crossentropy: y must be from 0 to 1, got 2",
    "losses.binary_crossentropy([[-1]], np.ones((1, 1)))": "binary_crossentropy: y must be from 0 to 1, got -1",
    "sparse.forward([0, 1], np.ones((2, 3)), [1])": f"{SPARSE}: weights ... each of the 2 examples, got shape (1,)",
    # training
    "not_built().fit(7, y)": "x must ... shape",
    "model.fit(x, y, batch_size=0)": "batch_size ... at least 1, got 0",
    "model.predict(x, batch_size=2.5)": "batch_size ... integer ... 2.5",
    "model.fit(x, y, epochs=-1)": "epochs ... at least 1 ... -1",
    "model.fit(x, y, epochs='ten')": "epochs ... integer ... 'ten'",
    "model.fit(x, y, verbose='loud')": "verbose ... 'auto', 0, 1 or 2 ... 'loud'",
    "model.evaluate(x, y, verbose=3)": "verbose ... 0, 1 or 2, got 3",
    "model.fit(x, y, validation_split=1.5)": "validation_split ... below 1 ... 1.5",
    "model.fit(x, y, validation_split=-0.1)": "validation_split ... from 0 ... -0.1",
    "model.fit(x[:2], y[:2], validation_split=0.9)": "validation_split=0.9 of 2 examples ... none to train on",
    "model.fit(x, y, validation_data=x)": "validation_data ... (x, y) or (x, y, sample_weight) ... ndarray",
    "model.fit(x, y, validation_data=(x, y, y, y))": "validation_data ... (x, y) or ... tuple of 4",
    "model.fit(x, y, validation_data=(x, y, y[1:]))": "validation_data: sample_weight ... each of the 20 ... (19,)",
    "model.fit(x, y, sample_weight=y[1:])": "sample_weight ... each of the 20 examples ... (19,)",
    "model.evaluate(x, y, sample_weight=y * np.nan)": "sample_weight ... finite number",
    "model.fit(x, y, class_weight=[1, 2, 3])": "class_weight ... dictionary like {0: 1.0, 1: 5.0}, got [1, 2, 3]",
    "model.fit(x, y, class_weight={'a': 1})": "class_weight ... dictionary ... {'a': 1}",
    "model.fit(x, y, initial_epoch=-1)": "initial_epoch ... at least 0, got -1",
    "model.fit(x, y, steps_per_epoch=0)": "steps_per_epoch ... at least 1, got 0",
    "model.fit(x, y, steps_per_epoch=np.inf)": "steps_per_epoch ... integer of at least 1, got inf",
    "model.fit(x, y, validation_freq=0)": "validation_freq ... at least 1, got 0",
    "model.fit(x, y, callbacks=['stop'])": "callbacks ... EarlyStopping() ... 'stop'",
    "model.fit(x, y, callbacks=callbacks.EarlyStopping)": "callbacks ... EarlyStopping(), got <class",
    "model.fit(iter([(x, y)]), y)": "x yields batches, so y and sample_weight ... (x, y, sample_weight)",
    "model.fit(iter([(x, y)]), validation_split=0.5)": "validation_split needs arrays ... validation_data",
    "model.fit(iter([x]))": "batch 0 must be (x, y) or (x, y, sample_weight), got ndarray",
    "model.fit(iter([(x, y + 9)]))": "batch 0: sparse ... from 0 to 2",
    "model.evaluate(iter([]))": "x yields no batches",
    "model.predict(iter([]))": "no batch to predict",
    "not_built().fit(iter([]))": "x yields no batches",
    "model.fit(x, y, validation_data=(x, y + 9))": "validation_data ... from 0 to 2",
    "model.fit(x, y, seed=-1)": "seed ... -1",
    # keeping
    "model.set_weights(weights[:-1])": "set_weights ... 4 arrays ... got 3",
    "model.set_weights([w.T + 1 for w in weights])": "set_weights: conv2d/kernel ... (3, 3, 1, 4) ... (4, 1, 3, 3)",
    "model.set_weights([*(w + 1 for w in weights[:-1]), np.zeros(4)])": "set_weights: dense/bias ... (3,) ... (4,)",
    "model.optimizer.update(params, {})": "Adam: grads ... conv2d/kernel",
    "model.optimizer.update(params, params | {'dense/bias': np.ones(4)})": "Adam ... 'dense/bias' ... (4,) ... (3,)",
    "model.save('model.tf')": ".keras ... model.tf",
    "load_model('m.keras', kernels='cuda')": "load_model ... 'cuda'",
    "load_model('m.keras', threads=0)": "load_model: threads ... got 0",
    "load_model('m.keras', seed='old')": "load_model: seed ... 'old'",
    # what was taken silently, or failed with a message that named nothing
    "model.fit(x, y, shuffle='batch')": "shuffle must be True or False, got 'batch'",
    "model.fit(x, y, shuffle=None)": "shuffle must be True or False, got None",
    "model.fit(x, y, shuffle=2)": "shuffle must be True or False, got 2",
    "Sequential(threads=10**6)": "Sequential: threads ... at most 1024, got 1000000",
    "setattr(model, 'threads', 0)": "Sequential: threads ... at least 1, got 0",
    "setattr(model, 'threads', 10**6)": "Sequential: threads ... at most 1024",
    "load_model('m.keras', threads=10**6)": "load_model: threads ... at most 1024",
    "augment(x, threads=10**6)": "augment: threads ... at most 1024",
    "augment(x, elastic=1e300)": "augment: elastic ... at most 3.4e+38",
    "setattr(model.optimizer, 'learning_rate', -1)": "Adam: learning_rate ... from 0 up, got -1",
    "setattr(model.optimizer, 'learning_rate', 1e300)": "Adam: learning_rate ... at most 3.4e+38 ... got 1e+300",
    "Adam(1e300)": "Adam: learning_rate ... at most 3.4e+38, the largest number of float32; got 1e+300",
    "Adam(epsilon=1e300)": "Adam: epsilon ... at most 3.4e+38",
    "ExponentialDecay(1e300, 1, 0.9)": "ExponentialDecay: initial_learning_rate ... at most 3.4e+38",
    "L2(1e300)": "L2: l2 ... at most 3.4e+38",
    "Rescaling(1e300)": "Rescaling: scale ... at most 3.4e+38",
    "PiecewiseConstantDecay(['a'], [1, 2])": "PiecewiseConstantDecay: boundaries ... from 0 up, got 'a'",
    "PiecewiseConstantDecay([np.nan], [1, 2])": "PiecewiseConstantDecay: boundaries ... got nan",
    "PiecewiseConstantDecay(5, [1])": "PiecewiseConstantDecay: boundaries ... list of numbers, got 5",
    "initializers.RandomUniform(1, -1)": "RandomUniform: maxval ... at least 1.0, got -1",
    "built(Dense(2, kernel_initializer=lambda s, r: np.full(s, np.nan)), 3)": "Dense: kernel_initializer ... finite",
    "Dense(10**12).build((4,))": "Dense: kernel of shape (4, 1000000000000) needs more memory ... smaller",
    "built(Conv2D(10**11, 3), 8, 8, 1)": "Conv2D: kernel of shape ... more memory than there is",
    "not_built().build((3,), rng='x')": "build: rng must be a Generator or a seed ... got 'x'",
    "Dense(3).build((4,), 'x')": "Dense: rng must be a Generator or a seed ... got 'x'",
    "Dense(3).build((4,), -1)": "Dense: rng must be a Generator or a seed ... at least 0, got -1",
    "Dense(3, batch_input_shape=5)": "Dense: batch_input_shape ... like (None, 28, 28, 1), got 5",
    "Input(batch_shape=5)": "Input: batch_shape ... like (None, 28, 28, 1), got 5",
    "Input((3,), batch_size=-1)": "Input: batch_size ... at least 1, got -1",
    "Input((3,), batch_shape=(None, 4))": "Input: give shape or batch_shape, got (3,) and (None, 4)",
    "Dense(3, name='top_level_model_weights')": "Dense ... name must not be 'top_level_model_weights'",
    "Adam(name=5)": "Adam: name ... printable characters, got 5",
    "Adam(name='')": "Adam: name ... printable characters, got ''",
    r"Adam(name='a\0b')": "Adam: name ... printable characters",
    "losses.MeanSquaredError(name=5)": "MeanSquaredError: name ... printable characters, got 5",
    "metrics.SparseCategoricalAccuracy(name='')": "SparseCategoricalAccuracy: name ... printable characters, got ''",
    "Accuracy(name='right')": "Accuracy: name must be 'accuracy' or 'acc', got 'right'; Sparse",
    "Accuracy()(['a'], [[0.1]])": "binary_accuracy: y_true must be numbers ... <U1",
    "Accuracy()([np.nan], [[0.1, 0.2]])": "accuracy: y_true must be numbers, got NaN",
    "Accuracy()([], np.zeros((0, 3)))": "accuracy: y_true must be numbers, one at least, got float64 (0,)",
    "Accuracy()([0, 1], [[1, 2], [3]])": "accuracy: y_pred ... unequal shapes",
    "SparseCategoricalAccuracy()([9], np.ones((1, 3)))": "sparse_categorical_accuracy: y_true ... 0 to 2, got [9]",
    "SparseCategoricalAccuracy()([0.5], np.ones((1, 3)))": "sparse_categorical_accuracy: y_true ... whole ... [0.5]",
    "SparseTopKCategoricalAccuracy(2)([-1], np.ones((1, 3)))": "accuracy: y_true ... from 0 to 2, got [-1]",
    "metrics.BinaryAccuracy(threshold='a')": "binary_accuracy: threshold ... number, got 'a'",
    "metrics.MeanMetricWrapper(5)": "MeanMetricWrapper: fn must be a function (y_true, y_pred), got 5",
    "metrics.Precision()(['a'], ['b'])": "precision: y_true must be numbers ... <U1",
    "losses.mse([[np.nan]], [[1.0]])": "mean_squared_error: y must be finite numbers",
    "losses.binary_crossentropy([[np.nan]], [[1.0]])": "binary_crossentropy: y must be finite numbers",
    "losses.MeanSquaredError()([[1.0]], [[1.0], [2.0, 3.0]])": "mean_squared_error: y_pred ... unequal shapes",
    "model.summary('x')": "summary: line_length ... integer ... got 'x'",
    "model.summary(expand_nested='yes')": "summary: expand_nested must be True or False, got 'yes'",
    "model.get_layer(index='a')": "get_layer: index must be an integer, got 'a'",
    "model.save('m.keras', overwrite='no')": "save: overwrite must be True or False, got 'no'",
    "model.save('m.keras', include_optimizer='no')": "save: include_optimizer must be True or False, got 'no'",
    "model.save_weights('m.weights.h5', overwrite='no')": "save_weights: overwrite must be True or False, got 'no'",
    "model.set_weights([[[1, 2], [3]]] * 4)": "set_weights: weights[0] ... unequal shapes",
    "model.set_weights([w * np.nan for w in weights])": "set_weights: conv2d/kernel ... finite ... float32, got NaN",
    "model.set_weights([w.astype(float) + 1e300 for w in weights])": "set_weights: conv2d/kernel ... finite",
    "model.compile('adam', SPARSE, run_eagerly='no')": "compile: run_eagerly must be True or False, got 'no'",
    "model.compile('adam', SPARSE, steps_per_execution=0)": "compile: steps_per_execution ... at least 1, got 0",
    "model.compile('adam', SPARSE, jit_compile='always')": "compile: jit_compile must be True or False, got 'always'",
    "model.fit(x, y, verbose=np.array([1, 2]))": "verbose ... 'auto', 0, 1 or 2, got array",
    "model.fit(x, y, validation_freq=[])": "validation_freq ... a list of one or more, got []",
    "model.fit(x, y, validation_freq=['a'])": "validation_freq: each ... integer ... got 'a'",
    "model.fit(x, y, validation_steps=0)": "validation_steps ... at least 1, got 0",
    "model.fit(x, y, validation_batch_size=0)": "validation_batch_size ... at least 1, got 0",
    "model.fit(x, y, class_weight={0: -1.0})": "class_weight[0] ... from 0 up, got -1.0",
    "model.fit(x, y, class_weight={0: np.nan})": "class_weight[0] ... got nan",
    "model.fit(x, y, class_weight={True: 1.0})": "class_weight ... dictionary ... {True: 1.0}",
    "model.fit(x, y, class_weight={7: 1.0})": "class_weight ... classes from 0 to 2, got {7: 1.0}",
    "model.fit(x, y, class_weight={10**12: 1.0})": "class_weight ... classes from 0 to 2",
    "model.fit(x, y, sample_weight=np.full(20, 1e300))": "sample_weight ... finite numbers in float32, got 1e+300",
    "model.fit(x.astype(float) * 1e300, y)": "x ... finite numbers in float32, which ends at 3.4e+38, got ... at index",
    "model.predict(x.astype(float) + 1e39)": "x ... finite numbers in float32 ... got 1e+39 at index (0, 0, 0, 0)",
    "model.evaluate(x, y, return_dict='yes')": "return_dict must be True or False, got 'yes'",
    "model.train_on_batch(x, y, return_dict=2)": "return_dict must be True or False, got 2",
    "model.test_on_batch(5, 5)": "x must have shape (N, 8, 8, 1), got ()",
    "model(x, training='yes')": "training must be True or False, got 'yes'",
    "callbacks.EarlyStopping(patience=-1)": "EarlyStopping: patience ... at least 0, got -1",
    "callbacks.EarlyStopping(patience='3')": "EarlyStopping: patience ... number ... got '3'",
    "callbacks.EarlyStopping(5)": "EarlyStopping: monitor must be a text ... got 5",
    "callbacks.EarlyStopping(min_delta='a')": "EarlyStopping: min_delta ... number, got 'a'",
    "callbacks.EarlyStopping(baseline='x')": "EarlyStopping: baseline ... number, got 'x'",
    "callbacks.EarlyStopping(restore_best_weights='yes')": "EarlyStopping: restore_best_weights ... True or False",
    "callbacks.EarlyStopping(start_from_epoch=-1)": "EarlyStopping: start_from_epoch ... at least 0, got -1",
    "callbacks.ModelCheckpoint('m.keras', save_best_only='yes')": "ModelCheckpoint: save_best_only ... True or False",
    "callbacks.ModelCheckpoint('m{epoch.keras')": "ModelCheckpoint: filepath ... {epoch:02d} ... got 'm{epoch.keras'",
    "callbacks.ModelCheckpoint('m{epoch:q}.keras')": "ModelCheckpoint: filepath ... {epoch:02d} ... got 'm{epoch:q}",
    "callbacks.ReduceLROnPlateau(patience=-1)": "ReduceLROnPlateau: patience ... at least 0, got -1",
    "callbacks.ReduceLROnPlateau(cooldown=-1)": "ReduceLROnPlateau: cooldown ... at least 0, got -1",
    "callbacks.ReduceLROnPlateau(min_lr='a')": "ReduceLROnPlateau: min_lr ... from 0 up, got 'a'",
    "callbacks.CSVLogger('a.csv', separator='ab')": "CSVLogger: separator must be one character, got 'ab'",
    "callbacks.CSVLogger('a.csv', append='yes')": "CSVLogger: append must be True or False, got 'yes'",
    "callbacks.TerminateOnNaN(raise_error='yes')": "TerminateOnNaN: raise_error must be True or False, got 'yes'",
    "utils.to_categorical([10**30])": "to_categorical: x must be whole numbers, got dtype object",
    "utils.to_categorical([10**13])": "to_categorical: 10,000,000,000,001 classes need more memory",
    "utils.to_categorical([1 + 2j])": "to_categorical: x must be whole numbers, got (1+2j)",
    "utils.to_categorical([-1])": "to_categorical: x must be from 0 up, got -1",
    "utils.normalize([['a']])": "normalize: x must be numbers with an axis -1, got <U1 of shape (1, 1)",
    "utils.normalize([1, 2], axis=5)": "normalize: x must be numbers with an axis 5 ... (2,)",
    "utils.normalize([1, 2], order='a')": "normalize: order must be a number, got 'a'",
    "utils.set_random_seed(2**40)": "set_random_seed: seed must be below 2**32 ... got 1099511627776",
    "check_layer(Dense(3), np.ones((2, 3)), seed='a')": "seed ... integer ... got 'a'",
    "check_layer(Dense(3), np.ones((2, 3)), training='yes')": "check_layer: training must be True or False, got 'yes'",
    "plots.accuracy_curves({'loss': [1.0]}, path='a.xyz')": "path must end in one of ... .png ... got 'a.xyz'",
    "plots.confusion_matrix([10**6], [0])": "y_true and y_pred ... class numbers below 200, got 1000000",
    "plots.mistakes(x, y, np.ones((20, 3)), count='a')": "count ... at least 1, got 'a'",
    "plots.mistakes(x, y, np.full((20, 3), np.nan))": "probabilities must be numbers ... NaN",
    "plots.digit(x[0, ..., 0], x[0, ..., 0], [])": "digit: prepared and probabilities ... (H, W) and (K,), got (8, 8)",
}
TYPE_ERRORS = {
    "Adam(learnin_rate=0.1)": "Adam: there is no argument 'learnin_rate'",
    "setattr(Adam(CosineDecay(0.1, 9)), 'learning_rate', 0.2)": "Adam: ... from a schedule ... set to 0.2",
    # arguments and attributes of older versions of Keras, and those that are symbols there
    "Conv2D(nb_filter=8, nb_row=3, nb_col=3)": "Conv2D: there is no argument 'nb_filter'; write filters= instead",
    "Conv2D(8, 3, border_mode='same')": "Conv2D: there is no argument 'border_mode'; write padding= instead",
    "Conv2D(8, 3, subsample=2)": "Conv2D: there is no argument 'subsample'; write strides= instead",
    "Dense(output_dim=8)": "Dense: there is no argument 'output_dim'; write units= instead",
    "Dense(8, init='uniform')": "Dense: there is no argument 'init'; write kernel_initializer= instead",
    "Dropout(p=0.5)": "Dropout: there is no argument 'p'; write rate= instead",
    "model.fit(x, y, nb_epoch=2)": "fit: there is no argument 'nb_epoch'; write epochs= instead, as in Keras 3",
    "model.fit(x, y, epoch=2)": "fit: there is no argument 'epoch'",
    "model.fit(x, y, workers=2)": "fit: there is no argument 'workers'; leave it out, as in Keras 3",
    "model.evaluate(x, y, show_accuracy=True)": "evaluate: ... write compile(..., metrics=['accuracy']) instead",
    "model.predict(x, workers=2)": "predict: there is no argument 'workers'; leave it out",
    "model.compile('sgd', SPARSE, class_mode='categorical')": "compile: ... 'class_mode'; leave it out",
    "model.fit({'a': x}, y)": "x must be an array, got a dictionary with ['a']; the model has one input",
    "model.fit(x, {'a': y})": "y must be an array, got a dictionary with ['a']",
    "model.predict({'a': x})": "x must be an array, got a dictionary with ['a']",
    "StepsOfItsOwn([Dense(3)]).fit(x, y)": "fit: npcnn would not call StepsOfItsOwn.train_step; write a loss",
    "model.compile('sgd', LossOfKeras())": "loss: LossOfKeras has no forward_each; here a loss has ... its gradient",
    "CategoricalCrossentropy(from_logit=True)": "categorical_crossentropy: there is no argument 'from_logit'",
    "built(Dense(4), 3).forward([['a', 'b', 'c']])": "Dense: x must ... numbers ... <U1",
    "built(Flatten(), 2, 2).backward([['a'] * 4], 1)": "Flatten: dy must ... numbers ... <U1",
    "Sequential(Dense(3))": "Sequential: layers ... list ... Dense",
    "Sequential([Flatten, Dense(3)])": "Sequential: layers ... Flatten",
    "Sequential(['dense'])": "Sequential ... npcnn.layers ... 'dense'",
    "model.predict(x.astype(str))": "x must ... numbers ... <U",
    "model.predict(None)": "x must ... numbers ... object",
    "model.predict(x + 1j)": "x must ... numbers ... complex",
    "model.set_weights(None)": "set_weights ... list ... None",
    # what failed with a message that named nothing
    "model.fit(np.ma.masked_array(x, x > 0.5), y)": "x must have no masked entries ... x.filled(0)",
    "model.fit(x, np.ma.masked_array(y, y > 1))": "y must have no masked entries",
    "model.predict(np.ma.masked_array(x, x > 0.5))": "x must have no masked entries",
    "model.set_weights([np.ma.masked_array(w, w > -9) for w in weights])": "set_weights: weights[0] ... masked",
    "model.save(5)": "save: filepath must be a path, as 'model.keras', got 5",
    "load_model(5)": "load_model: filepath must be a path, as 'model.keras', got 5",
    "model.save_weights(5)": "save_weights: filepath must be a path ... got 5",
    "model.load_weights(None)": "load_weights: filepath must be a path ... got None",
    "model.summary(print_fn=5)": "summary: print_fn must be a function like print, got 5",
    "callbacks.ModelCheckpoint(5)": "ModelCheckpoint: filepath must be a path ... got 5",
    "callbacks.CSVLogger(5)": "CSVLogger: filename must be a path ... got 5",
    "callbacks.LearningRateScheduler(5)": "LearningRateScheduler: schedule must be a function ... got 5",
    "callbacks.LambdaCallback(on_epoch_end=5)": "LambdaCallback: on_epoch_end must be a function, got 5",
    "callbacks.LambdaCallback(set_model=print)": "LambdaCallback: callbacks have no 'set_model'",
    "models.clone_model(5)": "clone_model: takes a Sequential, got 5",
    "models.save_model(5, 'm.keras')": "save_model: takes a Sequential, got 5",
    "check_model(5, x, y)": "check_model: takes a model, got 5",
    "plots.accuracy_curves(5)": "history must be what fit returned ... got 5",
    "plots.accuracy_curves({'loss': [1.0]}, path=5)": "path must be a path ... got 5",
    "plots.confusion_matrix([0], [0], class_names=5)": "class_names must be a list of names, got 5",
    "plots.digit(5, x[0, ..., 0], np.ones(3))": "digit: original must be a path ... got 5",
    "npcnn.datasets.mnist.load_data(path=5)": "path must be a path, got 5",
    "explorer.write(5, 'a.html')": "explorer: model must be a Sequential, got int",
}
RUNTIME_ERRORS = {
    "Conv2D(8, 3).forward(x)": "Conv2D: not built ... build(",
    "not_compiled().fit(x, y)": "fit ... not compiled ... compile(",
    "not_compiled().evaluate(x, y)": "evaluate ... not compiled ... compile(",
    "compiled_wrongly().fit(x, y)": "fit ... not compiled ... compile(",
    "not_compiled().train_on_batch(x, y)": "train_on_batch ... not compiled",
    "not_built().set_weights([])": "set_weights ... no weights yet",
    "not_built().save('m.keras')": "save ... no weights yet",
}
ATTRIBUTE_ERRORS = {
    "model.layers[0].output": "'Conv2D' object ... 'output': there are no symbolic ... Sequential(model.layers[:n])",
    "model.output": "'Sequential' object ... 'output': ... Sequential(model.layers[:n]).predict(x)",
    "model.fit_generator(iter([]))": "'fit_generator': fit takes generators",
    "model.predict_classes(x)": "'predict_classes': np.argmax(model.predict(x), axis=-1)",
    "model.optimizer.apply_gradients([])": "'Adam' object ... 'apply_gradients': fit takes the steps",
    "model.layers[0].kernell": "'Conv2D' object has no attribute 'kernell'",
    "model.layers[1].kernel": "'MaxPool2D' object has no attribute 'kernel'",
}
TABLES = {
    ValueError: VALUE_ERRORS,
    TypeError: TYPE_ERRORS,
    RuntimeError: RUNTIME_ERRORS,
    AttributeError: ATTRIBUTE_ERRORS,
    FileNotFoundError: {
        "load_model('no_such_model.keras')": "no_such_model.keras",
        "plots.accuracy_curves({'loss': [1.0]}, path='no/such/a.png')": "path: there is no folder no/such",
    },
}
ROWS = [pytest.param(kind, *row, id=row[0]) for kind, table in TABLES.items() for row in table.items()]
MODULES = (npcnn, layers, regularizers, optimizers.schedules, metrics, losses, optimizers)
NAMES = {name: value for module in MODULES for name, value in vars(module).items()} | globals()


@pytest.mark.parametrize(("kind", "call", "words"), ROWS)
def test_a_wrong_call_raises_one_error_that_says_what_would_work(
    kind, call, words, make_model, make_images, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    model = make_model()
    model.fit(*make_images(8), batch_size=4, verbose=0)
    weights, iterations, finished = model.get_weights(), model.optimizer.iterations, model.history
    x, y = make_images(20)
    given = {"model": model, "params": model.params, "weights": model.get_weights(), "x": x, "y": y}

    message = ".*".join(map(re.escape, words.split(" ... ")))
    with pytest.raises(kind, match=message) as caught:
        eval(call, NAMES | given)

    error = caught.value
    assert type(error) is kind
    assert len(str(error)) < 300
    # One error, not one that happened "during handling of" another.
    assert error.__cause__ is None
    assert error.__context__ is None or error.__suppress_context__

    assert all(np.array_equal(w, same) for w, same in zip(weights, model.get_weights(), strict=True))
    assert model.optimizer.iterations == iterations
    assert model.history is finished
    assert not list(tmp_path.iterdir())
    model.fit(x, y, verbose=0)  # the model is as usable as before
