"""Every layer against numbers worked out by hand: a lesson to read beside npcnn/layers/.

A test that takes a `rung` runs on every rung of the ladder. Numbers are small integers, so that every sum is exact and
the comparisons are for equality. Backward is worked out once for each kind of layer, and where there is a choice (ties,
corners); that it is the derivative of forward in every case, tests/gradients proves.
"""

from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from npcnn import Sequential, activations, kernels, layers
from npcnn.kernels import RUNGS
from npcnn.kernels.windows import NO_PADS
from npcnn.layers import elementwise
from npcnn.planning import make_plan


def one_image(rows):
    """Rows of numbers as a batch of one image with one channel: (1, H, W, 1)."""
    return np.array(rows, "float32")[None, :, :, None]


def plane(images):
    """The only channel of the only image: (H, W)."""
    assert images.shape[0] == images.shape[3] == 1
    return images[0, :, :, 0]


def conv(w, input_shape, rung, bias=0, **arguments):
    """A built Conv2D with the kernel w (KH, KW), or (KH, KW, C, F)."""
    w = np.array(w, "float32")
    w = w[:, :, None, None] if w.ndim == 2 else w
    layer = layers.Conv2D(w.shape[3], w.shape[:2], kernels=rung, **arguments)
    layer.build(input_shape)
    layer.params["kernel"][...] = w
    if layer.use_bias:
        layer.params["bias"][...] = bias
    return layer


def pool(x, rung, *arguments, **options):
    """y and dx for dy counting 1, 2, 3, ... in row-major order, of a MaxPool2D on one image."""
    layer = layers.MaxPool2D(*arguments, kernels=rung, **options)
    layer.build(x.shape[1:])
    y, cache = layer.forward(x)
    dy = np.arange(1, y.size + 1, dtype="float32").reshape(y.shape)
    return plane(y), plane(layer.backward(dy, cache)[0])


# ------------------------------------------------------------------ Conv2D


def test_a_convolution_is_a_dot_product_with_every_patch(rung):
    layer = conv([[1, 2], [3, 4]], (3, 3, 1), rung, bias=10)
    y, _ = layer.forward(one_image([[1, 2, 3], [4, 5, 6], [7, 8, 9]]))
    # Top left: 1*1 + 2*2 + 4*3 + 5*4 = 37, and 10 for the bias. The filter is not flipped.
    assert_array_equal(plane(y), [[37 + 10, 47 + 10], [67 + 10, 77 + 10]])


def test_the_gradients_of_a_convolution_collect_from_every_output(rung):
    layer = conv([[1, 2], [3, 4]], (3, 3, 1), rung)
    _, cache = layer.forward(one_image([[1, 2, 3], [4, 5, 6], [7, 8, 9]]))
    dx, grads = layer.backward(one_image([[1, 0], [0, 2]]), cache)
    # Output (0, 0) saw the patch 1 2 / 4 5 and counts once; output (1, 1) saw 5 6 / 8 9 and counts twice.
    dw = [[1 + 2 * 5, 2 + 2 * 6], [4 + 2 * 8, 5 + 2 * 9]]
    assert_array_equal(grads["kernel"][:, :, 0, 0], dw)
    # The filter, laid down once at the top left and twice at the bottom right; they meet in the centre.
    assert_array_equal(plane(dx), [[1, 2, 0], [3, 4 + 2 * 1, 2 * 2], [0, 2 * 3, 2 * 4]])
    assert_array_equal(grads["bias"], [1 + 2])


def test_a_convolution_sums_over_channels_and_has_a_filter_for_each_output_channel(rung):
    layer = conv([[[[1, 10], [100, 1000]]]], (1, 1, 2), rung, bias=[5, 6])  # a 1 x 1 filter: a dense layer per pixel
    y, _ = layer.forward(np.array([[[[2, 3]]], [[[4, 0]]]], "float32"))  # two images of one pixel
    assert_array_equal(y[:, 0, 0], [[2 * 1 + 3 * 100 + 5, 2 * 10 + 3 * 1000 + 6], [4 * 1 + 5, 4 * 10 + 6]])


CONVOLUTIONS = {
    "a stride of two may leave a column unseen": ([[10, 1]], {"strides": (1, 2)}, [[1, 2, 3, 4, 5]], [[12, 34]]),
    "strides go down and across": ([[1]], {"strides": (2, 3)}, np.arange(24).reshape(4, 6), [[0, 3], [12, 15]]),
    "a dilation leaves a gap": ([[10, 1]], {"dilation_rate": (1, 2)}, [[1, 2, 3, 4, 5]], [[13, 24, 35]]),
    "same padding puts the odd zero behind": ([[10, 1]], {"padding": "same"}, [[1, 2, 3]], [[12, 23, 30]]),
    "and below": ([[10], [1]], {"padding": "same"}, [[1], [2], [3]], [[12], [23], [30]]),
    # ceil(4 / 2) = 2 windows of 3 reach to (2 - 1) * 2 + 3 = 5: one zero is missing, and it goes behind.
    "with a stride": ([[100, 10, 1]], {"padding": "same", "strides": (1, 2)}, [[1, 2, 3, 4]], [[123, 340]]),
    "an activation comes last": ([[1]], {"bias": -2, "activation": "relu"}, [[1, 2, 5]], [[0, 2 - 2, 5 - 2]]),
}


@pytest.mark.parametrize(("w", "arguments", "x", "y"), CONVOLUTIONS.values(), ids=CONVOLUTIONS)
def test_what_the_arguments_of_a_convolution_do(w, arguments, x, y, rung):
    x = one_image(x)
    assert_array_equal(plane(conv(w, x.shape[1:], rung, **arguments).forward(x)[0]), y)


@pytest.mark.parametrize(
    ("arguments", "input_size", "output_size"),
    [
        ({"kernel_size": 3}, (28, 28), (26, 26)),
        ({"kernel_size": (3, 5)}, (28, 20), (26, 16)),
        ({"kernel_size": 3, "strides": (2, 3)}, (28, 20), (13, 6)),
        ({"kernel_size": 3, "dilation_rate": (2, 3)}, (28, 20), (24, 14)),
        ({"kernel_size": (2, 5), "strides": (2, 3), "padding": "same"}, (7, 20), (4, 7)),
        ({"kernel_size": 7, "padding": "same"}, (3, 2), (3, 2)),
    ],
)
def test_the_output_size_of_a_convolution(arguments, input_size, output_size):
    layer = layers.Conv2D(4, **arguments)
    layer.build((*input_size, 3))
    assert layer.output_shape == (*output_size, 4)
    assert layer.forward(np.zeros((2, *input_size, 3)))[0].shape == (2, *output_size, 4)


def test_without_a_bias_there_is_no_such_parameter_and_nothing_is_added(rung):
    layer = conv([[2]], (1, 2, 1), rung, use_bias=False)
    assert list(layer.params) == ["kernel"]
    assert_array_equal(plane(layer.forward(one_image([[3, 4]]))[0]), [[6, 8]])


# ------------------------------------------------------------------ MaxPool2D


def test_the_largest_of_each_window_goes_on_and_gets_the_gradient(rung):
    y, dx = pool(one_image([[1, 3, 0, 2], [2, 0, 5, 4], [7, 1, 1, 1], [0, 6, 8, 1]]), rung, 2)
    assert_array_equal(y, [[3, 5], [7, 8]])
    assert_array_equal(dx, [[0, 1, 0, 0], [0, 0, 2, 0], [3, 0, 0, 0], [0, 0, 4, 0]])


POOLS = {
    "a tie goes to the first": ([[0, 0, 1, 5], [0, 0, 5, 5]], (2,), [[0, 5]], [[1, 0, 0, 2], [0, 0, 0, 0]]),
    "a tie is settled in each of overlapping windows": ([[7, 7, 7]], ((1, 2), 1), [[7, 7]], [[1, 2, 0]]),
    "what does not fill a window is dropped": ([[1, 2, 9]], ((1, 2),), [[2]], [[0, 1, 0]]),
    "same padding never wins": ([[-1, -2, -3]], ((1, 2), None, "same"), [[-1, -3]], [[1, 0, 2]]),
    "nor does it above": ([[-1], [-2], [-3]], ((3, 1), 1, "same"), [[-1], [-1], [-2]], [[1 + 2], [3], [0]]),
    "a NaN wins, and is seen": ([[1, np.nan, 3, 4], [np.nan, 9, 1, 2]], (2,), [[np.nan, 4]], [[0, 1, 0, 2], [0] * 4]),
}


@pytest.mark.parametrize(("x", "arguments", "y", "dx"), POOLS.values(), ids=POOLS)
def test_which_pixel_of_a_window_goes_on_and_gets_the_gradient(x, arguments, y, dx, rung):
    found_y, found_dx = pool(one_image(x), rung, *arguments)
    assert_array_equal(found_y, y)
    assert_array_equal(found_dx, dx)


def test_a_pixel_that_wins_in_overlapping_windows_collects_from_each(rung):
    y, dx = pool(one_image([[1, 2, 3], [4, 9, 5], [6, 7, 8]]), rung, 2, strides=1)
    assert_array_equal(y, [[9, 9], [9, 9]])
    assert_array_equal(dx, [[0, 0, 0], [0, 1 + 2 + 3 + 4, 0], [0, 0, 0]])


def test_the_window_is_rows_by_columns_and_so_are_the_strides(rung):
    x = np.arange(24, dtype="float32").reshape(1, 4, 6, 1)
    assert_array_equal(pool(x, rung, (1, 2), strides=(2, 3))[0], [[1, 4], [13, 16]])
    assert_array_equal(pool(x, rung, (4, 3))[0], [[20, 23]])


def test_each_channel_and_each_image_is_pooled_on_its_own(rung):
    layer = layers.MaxPool2D((1, 2), kernels=rung)
    layer.build((1, 2, 2))
    y, cache = layer.forward(np.array([[[[1, 8], [2, 7]]], [[[4, 5], [3, 6]]]], "float32"))
    assert_array_equal(y[:, 0, 0], [[2, 8], [4, 6]])
    dx, grads = layer.backward(np.array([[[[1, 2]]], [[[3, 4]]]], "float32"), cache)
    assert_array_equal(dx[:, 0], [[[0, 2], [1, 0]], [[3, 0], [0, 4]]])
    assert grads == {}


# ------------------------------------------------------------------ Dense


def test_a_dense_layer_is_a_matrix_product_and_a_bias(rung):
    layer = layers.Dense(3, kernels=rung)
    layer.build((2,))
    layer.params["kernel"][...] = [[1, 2, 3], [4, 5, 6]]
    layer.params["bias"][...] = [10, 20, 30]
    y, cache = layer.forward(np.array([[1, 2], [0, 1]], "float32"))
    assert_array_equal(y, [[1 + 8 + 10, 2 + 10 + 20, 3 + 12 + 30], [4 + 10, 5 + 20, 6 + 30]])
    dx, grads = layer.backward(np.array([[1, 0, 2], [0, 3, 0]], "float32"), cache)
    assert_array_equal(dx, [[1 + 2 * 3, 4 + 2 * 6], [3 * 2, 3 * 5]])
    assert_array_equal(grads["kernel"], [[1, 0, 2], [2, 3 * 1, 4]])
    assert_array_equal(grads["bias"], [1, 3, 2])


# ------------------------------------------------------------------ the layers without weights


def test_relu_keeps_what_is_positive_and_its_derivative_at_zero_is_zero():
    layer = layers.ReLU()
    layer.build((4,))
    y, cache = layer.forward(np.array([[-2.0, 0.0, 3.0, np.nan]]))
    assert_array_equal(y, [[0, 0, 3, np.nan]])
    assert_array_equal(layer.backward(np.array([[5.0, 6.0, 7.0, 8.0]]), cache)[0][0, :3], [0, 0, 7])


def test_softmax_of_0_and_log_3_is_one_quarter_and_three_quarters():
    layer = layers.Softmax()
    layer.build((2,))
    y, cache = layer.forward(np.array([[0, np.log(3)], [1000, 1000 + np.log(3)], [-1000, -1000]]))
    # The second row would overflow and the third vanish, if the maximum were not subtracted first. 1000 + log(3)
    # has lost 10 of its 53 bits to the 1000, which leaves 13 digits.
    assert_allclose(y, [[0.25, 0.75], [0.25, 0.75], [0.5, 0.5]], rtol=1e-12)
    dy = np.array([[1.0, 0], [4, 0], [3, 1]])
    dx, _ = layer.backward(dy, cache)
    # y0 (dy0 - dy0 y0) = 1/4 (1 - 1/4), and so on.
    assert_allclose(dx, [[0.1875, -0.1875], [0.75, -0.75], [0.5, -0.5]], rtol=1e-12)


def test_flatten_reads_rows_then_columns_then_channels_and_back():
    layer = layers.Flatten()
    layer.build((2, 3, 2))
    x = np.arange(24.0).reshape(2, 2, 3, 2)
    y, cache = layer.forward(x)
    assert_array_equal(y, [range(12), range(12, 24)])
    assert_array_equal(layer.backward(y, cache)[0], x)


def test_input_passes_its_data_through_and_takes_no_other_shape_than_it_promises():
    layer = layers.Input((2, 3))
    with pytest.raises(ValueError, match=r"Input.*\(2, 3\).*\(3, 2\)"):
        layer.build((3, 2))
    assert layer.input_shape == layer.output_shape == (2, 3)
    x = np.arange(6.0).reshape(1, 2, 3)
    y, cache = layer.forward(x)
    assert_array_equal(y, x)
    assert_array_equal(layer.backward(y, cache)[0], x)


# ------------------------------------------------------------------ what all of them do alike

LAYERS = {
    "conv2d": (lambda **options: layers.Conv2D(2, (2, 3), padding="same", activation="relu", **options), (5, 4, 3)),
    "max_pool2d": (lambda **options: layers.MaxPool2D(2, strides=1, **options), (5, 4, 3)),
    "dense": (lambda **options: layers.Dense(4, activation="softmax", **options), (6,)),
    "flatten": (lambda **options: layers.Flatten(**options), (5, 4, 3)),
    "relu": (lambda **options: layers.ReLU(**options), (6,)),
    "softmax": (lambda **options: layers.Softmax(**options), (6,)),
    "input": (lambda **options: layers.Input((5, 4, 3), **options), (5, 4, 3)),
    "activation": (lambda **options: layers.Activation("sigmoid", **options), (6,)),
    "tanh": (lambda **options: layers.Activation("tanh", **options), (6,)),
    # exp(255) is no float32, and images of bytes are among what these are given.
    **{name: (partial(layers.Activation, name), (6,)) for name in elementwise.FUNCTIONS if name != "exponential"},
    "relu_with_arguments": (lambda **options: layers.ReLU(0.5, 0.25, 0.1, **options), (6,)),
    "leaky_relu": (lambda **options: layers.LeakyReLU(**options), (6,)),
    "elu": (lambda **options: layers.ELU(**options), (6,)),
    "average_pooling2d": (lambda **options: layers.AveragePooling2D(2, 1, "same", **options), (5, 4, 3)),
    "global_average_pooling2d": (lambda **options: layers.GlobalAveragePooling2D(**options), (5, 4, 3)),
    "global_max_pooling2d": (lambda **options: layers.GlobalMaxPooling2D(**options), (5, 4, 3)),
    "zero_padding2d": (lambda **options: layers.ZeroPadding2D((1, 2), **options), (5, 4, 3)),
    "reshape": (lambda **options: layers.Reshape((-1, 2), **options), (5, 4, 3)),
    "rescaling": (lambda **options: layers.Rescaling(1 / 255, -1, **options), (5, 4, 3)),
    "dropout": (lambda **options: layers.Dropout(0.5, **options), (6,)),
    "spatial_dropout2d": (lambda **options: layers.SpatialDropout2D(0.5, **options), (5, 4, 3)),
    "batch_normalization": (lambda **options: layers.BatchNormalization(**options), (5, 4, 3)),
    "dense_of_pixels": (lambda **options: layers.Dense(2, activation="elu", **options), (5, 4, 3)),
}
every_layer = pytest.mark.parametrize(("make", "shape"), LAYERS.values(), ids=LAYERS)


@every_layer
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("training", [True, False])
def test_arrays_keep_their_float_type_and_the_shape_that_build_promised(make, shape, rung, dtype, training, rng):
    layer = make(kernels=rung, dtype=dtype)
    layer.build(shape, rng)
    drawing = {"rng": rng} if layer.draws else {}
    for N in (1, 3):
        y, cache = layer.forward(rng.standard_normal((N, *shape)).astype(dtype), training, **drawing)
        assert y.shape == (N, *layer.output_shape)
        dx, grads = layer.backward(rng.standard_normal(y.shape).astype(dtype), cache)
        layer.update_state(cache)
        assert {a.dtype.name for a in (y, dx, *grads.values(), *layer.variables.values())} == {dtype}
        assert {key: array.shape for key, array in layer.params.items()} == layer.parameter_shapes(shape)
        assert {key: array.shape for key, array in layer.state.items()} == layer.state_shapes(shape)


@every_layer
def test_arrays_may_be_laid_out_in_memory_in_any_way(make, shape, rung, rng):
    layer = make(kernels=rung)
    layer.build(shape, rng)
    x = rng.standard_normal((3, *shape), dtype="float32")
    y, cache = layer.forward(x)
    dy = rng.standard_normal(y.shape, dtype="float32")
    dx, grads = layer.backward(dy, cache)
    strange_y, cache = layer.forward(np.asfortranarray(x))
    strange_dx, strange_grads = layer.backward(np.repeat(dy, 2, axis=-1)[..., ::2], cache)
    # To the last few bits: BLAS may add in another order for another layout.
    assert_allclose(strange_y, y, rtol=1e-5, atol=1e-6)
    assert_allclose(strange_dx, dx, rtol=1e-5, atol=1e-6)
    for key in grads:
        assert_allclose(strange_grads[key], grads[key], rtol=1e-5, atol=1e-6)


@every_layer
def test_images_of_bytes_become_floats(make, shape):
    layer = make()
    layer.build(shape, 0)
    y, _ = layer.forward(np.full((2, *shape), 255, "uint8"))
    assert y.dtype == "float32"
    assert_array_equal(y, layer.forward(np.full((2, *shape), 255, "float32"))[0])


@every_layer
def test_a_layer_is_made_again_from_its_arguments(make, shape):
    config = make(name="made", dtype="float64").get_config()
    again = type(make())(**config)
    assert again.get_config() == config and config["name"] == "made"


def test_keras_other_names_for_layers():
    pairs = "AvgPool2D AveragePooling2D, GlobalAvgPool2D GlobalAveragePooling2D, GlobalMaxPool2D GlobalMaxPooling2D"
    for one, other in (pair.split() for pair in f"{pairs}, Convolution2D Conv2D, InputLayer Input".split(", ")):
        assert getattr(layers, one) is getattr(layers, other)
    for layer in (
        layers.InputLayer(input_shape=(3, 2)),
        layers.Input((3, 2), 32),
        layers.Input(batch_shape=(None, 3, 2)),
    ):
        assert layer.output_shape == (3, 2)


def test_a_dense_layer_takes_each_row_along_the_last_axis_for_an_example(rung):
    layer, flat = (layers.Dense(2, activation="relu", kernels=rung) for _ in range(2))
    layer.build((3, 4, 5), 0)
    flat.build((5,), 0)
    x = np.random.default_rng(0).standard_normal((2, 3, 4, 5))
    (y, cache), (rows, flat_cache) = layer.forward(x), flat.forward(x.reshape(-1, 5))
    assert_array_equal(y.reshape(-1, 2), rows)
    (dx, grads), (flat_dx, flat_grads) = layer.backward(y, cache), flat.backward(rows, flat_cache)
    assert_array_equal(dx.reshape(-1, 5), flat_dx)
    assert_array_equal(grads["kernel"], flat_grads["kernel"])
    assert layer.multiply_adds == 3 * 4 * flat.multiply_adds


# ------------------------------------------------------------------ activations: by name, as functions, as layers

FORMS = {
    "relu": (activations.relu, layers.ReLU()),
    "leaky_relu": (activations.leaky_relu, layers.LeakyReLU(0.2)),
    "elu": (activations.elu, layers.ELU()),
    "softmax": (activations.softmax, layers.Softmax()),
    "sigmoid": (activations.sigmoid, layers.Activation("sigmoid").activation),
    "tanh": (activations.tanh, layers.Activation("tanh").activation),
    **{name: (getattr(activations, name), layers.Activation(name).activation) for name in elementwise.FUNCTIONS},
}


@pytest.mark.parametrize("name", FORMS)
def test_an_activation_is_the_same_by_name_as_a_function_and_as_a_layer(name):
    x = np.random.default_rng(0).standard_normal((3, 4, 4, 2))
    function, instance = FORMS[name]
    expected = [function(x), None]
    for activation in (name, function, instance):
        dense = layers.Dense(2, activation=activation, kernel_initializer=lambda shape, rng: np.eye(2))
        for layer in (dense, layers.Activation(activation)):
            layer.build((4, 4, 2))
            y, cache = layer.forward(x)
            dx, _ = layer.backward(x, cache)
            assert_array_equal(y, expected[0])
            expected[1] = dx if expected[1] is None else expected[1]
            assert_array_equal(dx, expected[1])
            assert layer.get_config()["activation"] == name
    assert activations.get(name) is function
    assert instance.input_shape is None  # each layer has a copy of its own


def test_activations_of_keras_take_lists_and_numbers_and_arguments():
    assert_array_equal(activations.relu([-2.0, 1, 9], 0.5, 6.0), [-1, 1, 6])
    assert activations.sigmoid(0.0) == 0.5 and activations.elu(np.float32(2)).dtype == "float32"
    assert_array_equal(activations.softmax([[0, 0], [5, 5]], axis=1), np.full((2, 2), 0.5))
    assert_array_equal(activations.leaky_relu([-1.0, 1], 0.5), [-0.5, 1])
    assert_array_equal(activations.relu6([-1.0, 1, 9]), [0, 1, 6])
    np.testing.assert_allclose(activations.gelu([1.0, -1, 0]), [0.8413447460685429, -0.15865525393145707, 0])
    np.testing.assert_allclose(activations.mish([1.0, 0]), [np.tanh(np.log(1 + np.e)), 0])
    with pytest.raises(ValueError, match="gelu: npcnn has the exact one only"):
        activations.gelu(1.0, approximate=True)
    assert (
        activations.get("swish") is activations.silu and layers.Dense(2, "swish").get_config()["activation"] == "silu"
    )
    assert activations.get(None) is activations.linear and activations.linear([1, 2]).tolist() == [1, 2]
    assert activations.get(layers.ReLU()).is_plain and activations.get(abs) is abs
    with pytest.raises(ValueError, match="'linear', 'relu', .*got 'glu'"):
        activations.get("glu")


def test_an_activation_with_arguments_is_kept_as_a_layer_in_the_configuration():
    kept = layers.Dense(2, activation=layers.LeakyReLU(0.1)).get_config()["activation"]
    assert type(kept) is layers.LeakyReLU and kept.negative_slope == 0.1
    assert layers.LeakyReLU(alpha=0.1).get_config() == kept.get_config()


def test_max_pooling_2d_is_max_pool_2d_and_takes_windows_of_two_by_two_side_by_side():
    assert layers.MaxPooling2D is layers.MaxPool2D
    layer = layers.MaxPool2D()
    layer.build((6, 9, 1))
    assert layer.output_shape == (3, 4, 1)


def test_a_layer_counts_its_parameters_and_multiply_adds():
    layer = layers.Conv2D(64, 3)
    layer.build((13, 13, 32))
    assert layer.count_params() == 3 * 3 * 32 * 64 + 64
    assert layer.multiply_adds == 11 * 11 * 64 * 3 * 3 * 32
    layer = layers.Dense(10, use_bias=False)
    layer.build((128,))
    assert layer.count_params() == layer.multiply_adds == 1280
    assert layers.Flatten().multiply_adds == layers.ReLU().count_params() == 0


def test_the_layer_without_its_activation_shares_its_parameters():
    layer = layers.Dense(2, activation="relu")
    layer.build((3,), 0)
    linear, relu = layer.split_activation()
    assert linear.params["kernel"] is layer.params["kernel"]
    x = np.array([[1.0, -2, 3], [-4, 5, -6]])
    assert (linear.forward(x)[0] < 0).any()
    assert_array_equal(relu.forward(linear.forward(x)[0])[0], layer.forward(x)[0])


# ------------------------------------------------------------------ rungs


def test_a_model_takes_the_last_rung_and_a_layer_on_its_own_the_one_that_needs_no_compiler():
    model = Sequential([layers.Input((4,)), layers.Dense(2)])
    assert model.layers[0].rung == kernels.DEFAULT == kernels.RUNGS[-1]
    assert kernels.find("dense", layers.Dense(2).rung) == kernels.find("dense", "im2col")
    assert kernels.rung_of("max_pool2d", None) == "im2col"


def test_where_an_operation_has_no_kernel_of_its_own_on_a_rung_it_says_whose_it_takes():
    assert [kernels.rung_of("conv2d", rung) for rung in RUNGS] == ["loops", "im2col", "jit", "jit"]
    assert [kernels.rung_of("dense", rung) for rung in RUNGS] == ["loops", "product", "product", "product"]


@pytest.mark.parametrize(
    ("operation", "x", "w", "geometry"),
    [("dense", (2, 3), (3, 4), ()), ("conv2d", (2, 1, 1, 3), (1, 1, 3, 4), ((1, 1), NO_PADS, (1, 1)))],
)
def test_a_kernel_returns_the_gradient_of_x_unless_it_is_told_that_nobody_needs_it(operation, x, w, geometry, rung):
    forward, backward = kernels.find(operation, rung)
    y, cache = forward(np.ones(x), np.ones(w), np.ones(4), *geometry)
    assert_array_equal(backward(y, cache)[0], np.full(x, 16))
    assert backward(y, cache, False)[0] is None


def test_arrays_of_the_wrong_shape_do_not_reach_the_compiled_loops_which_would_read_past_their_end():
    x, w, b = np.ones((2, 6, 6, 3)), np.ones((3, 3, 3, 32)), np.ones(32)
    forward, backward = kernels.find("conv2d", "jit")
    options = (1, 1), NO_PADS, (1, 1)
    for arrays in ((x, w[:, :, :2], b), (x, w, b[:1])):
        with pytest.raises(ValueError, match="conv2d: . must have shape"):
            forward(*arrays, *options)
    y, cache = forward(x, w, b, *options)
    with pytest.raises(ValueError, match="conv2d: dy must have shape"):
        backward(y[..., :1], cache)
    forward, backward = kernels.find("max_pool2d", "jit")
    y, cache = forward(x, (2, 2), (2, 2), NO_PADS)
    with pytest.raises(ValueError, match="max_pool2d: dy must have shape"):
        backward(np.ones((2, 3, 3, 4)), cache)


def test_a_file_cannot_name_an_activation_of_ones_own():
    class Leaky(layers.ReLU):
        pass

    assert layers.Dense(2, activation=layers.ReLU()).get_config()["activation"] == "relu"
    with pytest.raises(ValueError, match="activation Leaky is not npcnn's own"):
        layers.Dense(2, activation=Leaky()).get_config()


def test_three_layers_that_fit_become_one_step_on_the_last_rung_and_others_do_not():
    def steps(conv, pool, *between):
        model = Sequential([layers.Input((9, 9, 1)), conv, *between, pool])
        plan = make_plan(model.layers, model.dtype, "any loss, so that activations become steps")
        return [type(step).__name__ for step in plan.steps]

    relu, two = {"activation": "relu"}, layers.MaxPool2D(2)
    assert steps(layers.Conv2D(2, 3, **relu), two) == ["ConvReLUMaxPool"]
    assert steps(layers.Conv2D(2, 3), two, layers.ReLU()) == ["ConvReLUMaxPool"]
    assert steps(layers.Conv2D(2, 3), two, layers.Activation("relu")) == ["ConvReLUMaxPool"]
    assert steps(layers.Conv2D(2, 3, activation=activations.relu), two) == ["ConvReLUMaxPool"]
    assert steps(layers.Conv2D(2, 3, activation=layers.ReLU()), two) == ["ConvReLUMaxPool"]
    three = ["Conv2D", "ReLU", "MaxPool2D"]
    for option in ({"strides": 2}, {"strides": (1, 2)}, {"dilation_rate": (2, 1)}, {"kernels": "jit"}):
        assert steps(layers.Conv2D(2, 3, **relu, **option), layers.MaxPool2D(2)) == three
    for option in ({"pool_size": 3, "strides": 2}, {"strides": 1}, {"strides": (2, 1)}, {"padding": "same"}):
        pool = layers.MaxPool2D(**{"pool_size": 2, **option})
        assert steps(layers.Conv2D(2, 3, **relu), pool) == three
    assert steps(layers.Conv2D(2, 3, **relu), layers.MaxPool2D(2, kernels="jit")) == three
    for bent in (layers.ReLU(6.0), layers.ReLU(negative_slope=0.1), layers.ReLU(threshold=0.1)):
        assert steps(layers.Conv2D(2, 3, activation=bent), two) == three
    assert steps(layers.Conv2D(2, 3), layers.MaxPool2D(2)) == ["Conv2D", "MaxPool2D"]


@every_layer
def test_no_axis_of_an_image_may_be_empty(make, shape):
    for axis in range(len(shape)):
        with pytest.raises(ValueError, match="positive sizes without the batch axis"):
            make().build((*shape[:axis], 0, *shape[axis + 1 :]))


@pytest.mark.parametrize("method", ["forward", "backward"])
def test_a_layer_that_lacks_a_method_says_so(method):
    layer = layers.Layer()
    layer.build((3,))
    with pytest.raises(NotImplementedError):
        getattr(layer, method)(np.zeros((1, 3)), None)
