"""Ask Keras on TensorFlow for the outputs, gradients and training steps that npcnn's are compared with."""

import contextlib
import os

# Before anything imports TensorFlow, which reads them then only: take `keras` from here.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # plain sums: oneDNN's convolutions round differently each time

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402


@contextlib.contextmanager
def floatx(dtype):
    """Set Keras' float type for a while, of layers and of what its optimizers keep, as the learning rate."""
    before, policy = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx(dtype)
    keras.config.set_dtype_policy(dtype)
    try:
        yield
    finally:
        keras.config.set_floatx(before)
        keras.config.set_dtype_policy(policy)


def conv2d(case):
    """Return the Keras layer of one of `cases.CONVOLUTIONS`."""
    _, filters, kernel, strides, padding, dilation = case
    return keras.layers.Conv2D(filters, kernel, strides, padding, dilation_rate=dilation, dtype="float64")


def max_pool2d(case):
    """Return the Keras layer of one of `cases.POOLS`."""
    return keras.layers.MaxPooling2D(*case[1:], dtype="float64")


def layer_gradients(layer, x, dy, params=(), training=False):
    """Return (y, dx, dparams) of a Keras layer with the given weights, where L = sum of dy * y."""
    layer.build(x.shape)
    layer.set_weights(params)
    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x, training=training) if training else layer(x)
        L = tf.reduce_sum(y * dy)
    dx, dparams = tape.gradient(L, [x, [v.value for v in layer.trainable_variables]])
    return y.numpy(), dx.numpy(), [g.numpy() for g in dparams]


def loss_gradient(loss, y_true, y_pred):
    """Return the value of a Keras loss and its gradient with respect to y_pred."""
    y_pred = tf.constant(y_pred)
    with tf.GradientTape() as tape:
        tape.watch(y_pred)
        value = loss(y_true, y_pred)
    return value.numpy(), tape.gradient(value, y_pred).numpy()


def model_gradients(model, loss, x, y):
    """Return the loss of a Keras model and its gradient with respect to every weight."""
    with tf.GradientTape() as tape:
        value = loss(y, model(x, training=True))
    return value.numpy(), [g.numpy() for g in tape.gradient(value, [v.value for v in model.trainable_variables])]


def optimizer_steps(optimizer, w, gradients):
    """Yield the parameters, which start as the list w, after each step of a Keras optimizer."""
    variables = [keras.Variable(array, dtype=array.dtype) for array in w]
    for step in gradients:
        optimizer.apply([tf.constant(g) for g in step], variables)
        yield [v.numpy() for v in variables]


def twin(model):
    """Return the Keras model with the layers, weights and float type of an npcnn model."""
    classes = {
        "Conv2D": keras.layers.Conv2D,
        "MaxPool2D": keras.layers.MaxPooling2D,
        "Dense": keras.layers.Dense,
        "Flatten": keras.layers.Flatten,
    }
    stack = [keras.layers.Input(model.input_shape, dtype=model.dtype)]
    for layer in model.layers:
        stack.append(classes[type(layer).__name__](**layer.get_config(), dtype=model.dtype))
    twin = keras.Sequential(stack)
    twin.set_weights(model.get_weights())
    return twin
