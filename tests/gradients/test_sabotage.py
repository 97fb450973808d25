"""Would the tests notice? Bugs that people really make are planted in npcnn, one at a time; each must make a test fail.

Each line of BUGS says where, what is replaced by what, and which test has to fail. That the case that fails passes
without the bug, and that every replacement really found its place, is tested too.
"""

import functools

import pytest
from planting import failure, first_failure, planted, replaced

COMPLEX, EXACT, TIES = "test_complex_step", "test_exact_and_adjoint", "test_ties_and_corners"
SECOND, GOLDEN = "test_second_order", "test_golden_values"
CONV, POOL, DENSE = f"{EXACT}::test_conv2d", f"{COMPLEX}::test_max_pool2d", f"{EXACT}::test_dense"
MODEL = f"{COMPLEX}::test_every_weight_of_a_model_as_a_training_step_sees_it"
MEAN = f"{COMPLEX}::test_the_mean_over_the_batch_is_taken_once_whatever_the_parts"
FUSED = f"{EXACT}::test_conv_relu_pool_on_whole_numbers_equals_the_definition_bit_for_bit"
PARTS = f"{EXACT}::test_the_parts_of_a_batch_add_up_to_the_definition_bit_for_bit"
BLOCKS = f"{EXACT}::test_the_blocks_of_a_dense_layer_make_up_the_product_bit_for_bit"
WEIGHTED = f"{COMPLEX}::test_cross_entropies_with_weights_and_smoothed_labels"
ANY_SHAPE = f"{COMPLEX}::test_losses_of_outputs_of_any_shape"
PENALTY = f"{COMPLEX}::test_every_weight_of_a_model_that_pays_for_large_weights"
OPTIMIZER = f"{GOLDEN}::test_fifty_steps_of_an_optimizer"
GOLDEN_CONV, GOLDEN_POOL = f"{GOLDEN}::test_conv2d", f"{GOLDEN}::test_max_pool2d_full_of_ties"
GOLDEN_LOSS, ACTIVATIONS = f"{GOLDEN}::test_losses", f"{GOLDEN}::test_activations"

OTHERS, WORKED = f"{COMPLEX}::test_all_other_layers", f"{TIES}::test_what_was_worked_out_by_hand"
FREEZING = "test_frozen_layers"
FROZEN = f"{FREEZING}::test_a_frozen_layer_keeps_its_bits_and_the_others_learn_as_if_it_were_put_back_after_each_step"
NORMALIZED_FROZEN = f"{FREEZING}::test_a_frozen_normalization_does_in_training_what_it_does_to_predict"
NORMALIZED = f"{TIES}::test_batch_normalization_worked_out_by_hand"
DROPPED = "test_dropout_keeps_its_share_makes_up_for_the_rest_and_does_nothing_to_predict"

# what went wrong: (module, old, new, the test that notices, an argument that its case must have, as a rung, or None)
# fmt: off
BUGS = {
    # ------------------------------------------------------------ convolution, loops
    "the bias is forgotten": (
        "kernels.conv2d", "            total = b[f]".strip(), "total = 0 * b[f]", GOLDEN_CONV, "loops"),
    "strides are swapped": (
        "kernels.conv2d", "(KH, KW, C, F), (SH, SW), (DH, DW) = w.shape, strides, dilation",
        "(KH, KW, C, F), (SW, SH), (DH, DW) = w.shape, strides, dilation", GOLDEN_CONV, "loops"),
    "the filter is flipped, forward only": (
        "kernels.conv2d", "total = total + xp[n, i * SH + kh * DH, j * SW + kw * DW, c] * w[kh, kw, c, f]",
        "total = total + xp[n, i * SH + kh * DH, j * SW + kw * DW, c] * w[-1 - kh, -1 - kw, c, f]", CONV, "loops"),
    "dw is assigned, not accumulated": (
        "kernels.conv2d", "dw[kh, kw, c, f] += xp[", "dw[kh, kw, c, f] = xp[", CONV, "loops"),
    "dx is assigned where patches overlap": (
        "kernels.conv2d", "dxp[n, row, column, c] += w[", "dxp[n, row, column, c] = w[", CONV, "loops"),
    "db only of the last output": (
        "kernels.conv2d", "        db[f] += dy[n, i, j, f]", "        db[f] = dy[n, i, j, f]", CONV, "loops"),
    "the stride is forgotten in backward": (
        "kernels.conv2d", "row, column = i * SH + kh * DH, j * SW + kw * DW\n                    dw",
        "row, column = i + kh * DH, j + kw * DW\n                    dw", CONV, "loops"),
    "dilation is ignored in backward": (
        "kernels.conv2d", "row, column = i * SH + kh * DH, j * SW + kw * DW\n                    dw",
        "row, column = i * SH + kh, j * SW + kw\n                    dw", CONV, "loops"),
    "the padding is not cropped off dx": (
        "kernels.conv2d", "return crop(dxp, pads) if need_dx else None, dw, db",
        "return dxp[:, : dxp.shape[1] - sum(pads[0]), : dxp.shape[2] - sum(pads[1])] if need_dx else None, dw, db",
        CONV, "loops"),
    # ------------------------------------------------------------ convolution, im2col
    "col2im overwrites where patches overlap": (
        "kernels.conv2d", "x[:, rows, columns] += patches[", "x[:, rows, columns] = patches[",
        f"{TIES}::test_col2im_adds_overlaps_as_its_docstring_draws_it", None),
    "the bias is added before the product": (
        "kernels.conv2d", "@ w.reshape(-1, F) + b", "@ (w.reshape(-1, F) + b)", GOLDEN_CONV, "im2col"),
    "the bias' gradient is a mean": (
        "kernels.conv2d", "db = dy.sum(axis=0)", "db = dy.mean(axis=0)", CONV, "im2col"),
    "the filter's gradient is transposed where it does not show in its shape": (
        "kernels.conv2d", "(patches.reshape(-1, KH * KW * C).T @ dy).reshape(w.shape)",
        "(dy.T @ patches.reshape(-1, KH * KW * C)).reshape(w.shape)", CONV, "im2col"),
    "the patches are laid out channel first, the filter channel last": (
        "kernels.conv2d", "y = patches.reshape(-1, KH * KW * C)",
        "y = patches.transpose(0, 1, 2, 5, 3, 4).reshape(-1, KH * KW * C)", CONV, "im2col"),
    "dilation is forgotten on the way back": (
        "kernels.conv2d", "crop(col2im(dpatches, size, strides, dilation), pads)",
        "crop(col2im(dpatches, size, strides), pads)", CONV, "im2col"),
    "height and width of the filter are mixed up on the way back": (
        "kernels.conv2d", "dpatches = (dy @ w.reshape(-1, F).T).reshape(patches.shape)",
        "dpatches = (dy @ w.transpose(1, 0, 2, 3).reshape(-1, F).T).reshape(patches.shape)", CONV, "im2col"),
    # ------------------------------------------------------------ windows
    "the odd zero of the padding goes in front": (
        "kernels.windows", "(rows // 2, rows - rows // 2)", "(rows - rows // 2, rows // 2)", GOLDEN_CONV, "im2col"),
    "the padding is off by one": (
        "kernels.windows", "DH * (KH - 1) + 1 - H, 0)", "DH * (KH - 1) - H, 0)", GOLDEN_CONV, "im2col"),
    "padding does not know of dilation": (
        "kernels.windows", "max((-(-W // SW) - 1) * SW + DW * (KW - 1) + 1 - W, 0)",
        "max((-(-W // SW) - 1) * SW + KW - W, 0)", GOLDEN_CONV, "im2col"),
    "the height is used for the width": (
        "kernels.windows", "columns = slice(kw * DW, kw * DW + (OW - 1) * SW + 1, SW)",
        "columns = slice(kw * DW, kw * DW + (OH - 1) * SW + 1, SW)", CONV, "im2col"),
    "dilation is counted for the rows only": (
        "kernels.windows", "columns = slice(kw * DW, kw * DW", "columns = slice(kw * DH, kw * DH",
        GOLDEN_CONV, "im2col"),
    "cropped above by what was padded below": (
        "kernels.windows", "dx[:, top : dx.shape[1] - bottom", "dx[:, bottom : dx.shape[1] - top", CONV, "im2col"),
    # ------------------------------------------------------------ pooling
    "a tie goes to the last": (
        "kernels.max_pool2d", "(comparable(value) > comparable(best))", "(comparable(value) >= comparable(best))",
        GOLDEN_POOL, None),
    "the smallest is pooled": (
        "kernels.max_pool2d", "(comparable(value) > comparable(best))", "(comparable(value) < comparable(best))",
        GOLDEN_POOL, None),
    "padded zeros may win a window": (
        "kernels.max_pool2d", """    xp = pad(x, pads, -np.inf)
    windows =""", """    xp = pad(x, pads, 0)
    windows =""", GOLDEN_POOL, "im2col"),
    "a pixel that wins twice is paid once": (
        "kernels.max_pool2d", "dxp[:, rows, columns] += np.where", "dxp[:, rows, columns] = np.where", POOL, "im2col"),
    "a pixel that wins twice is paid once, in loops": (
        "kernels.max_pool2d", """j * SW + kw, c] += dy[n, i, j, c]
    return""", """j * SW + kw, c] = dy[n, i, j, c]
    return""", POOL, "loops"),
    "every pixel of the window gets the gradient": (
        "kernels.max_pool2d", "np.where(winner == kh * pool_size[1] + kw, dy, 0)", "dy", POOL, "im2col"),
    "all that are tied get the gradient": (
        "kernels.max_pool2d", """    return y, (winner, xp.shape, pool_size, strides, pads)


def backward_im2col(dy: np.ndarray, cache: Any) -> np.ndarray:
    \"\"\"Give each offset the gradients of the windows that it won; added, because windows may overlap.\"\"\"
    winner, padded_shape, pool_size, strides, pads = cache
    dxp = np.zeros(padded_shape, dy.dtype)
    for kh, kw, rows, columns in offsets(dy.shape[1:3], pool_size, strides):
        dxp[:, rows, columns] += np.where(winner == kh * pool_size[1] + kw, dy, 0)""",
        """    return y, (xp, y, pool_size, strides, pads)


def backward_im2col(dy: np.ndarray, cache: Any) -> np.ndarray:
    xp, y, pool_size, strides, pads = cache
    dxp = np.zeros(xp.shape, dy.dtype)
    for _, _, rows, columns in offsets(dy.shape[1:3], pool_size, strides):
        dxp[:, rows, columns] += np.where(xp[:, rows, columns] == y, dy, 0)""", GOLDEN_POOL, "im2col"),
    "the winner is numbered down the columns, and read along the rows": (
        "kernels.max_pool2d", "np.copyto(winner, kh * pool_size[1] + kw, where=better)",
        "np.copyto(winner, kw * pool_size[0] + kh, where=better)", POOL, "im2col"),
    "the window's height divides the winner's number": (
        "kernels.max_pool2d", "winner, padded_shape, (_, KW), (SH, SW), pads = cache",
        "winner, padded_shape, (KW, _), (SH, SW), pads = cache", POOL, "loops"),
    "pooling strides are the window's, whatever was asked": (
        "layers.pool", "self.strides = self.pool_size if strides is None else",
        "self.strides = self.pool_size if strides is None or strides else", GOLDEN_POOL, None),
    # ------------------------------------------------------------ dense
    "the weights are transposed, which a square does not show": (
        "kernels.dense", "dy, w[rows].T,", "dy, w if w.shape[0] == w.shape[1] else w[rows].T,", DENSE, "im2col"),
    "dw is transposed where it is square": (
        "kernels.dense", "dw, dy.sum(axis=0)", "dw.T if x.shape[1] == dy.shape[1] else dw, dy.sum(axis=0)", DENSE,
        "im2col"),
    "the bias is summed over the units": (
        "kernels.dense", "dw, dy.sum(axis=0)", "dw, np.resize(dy.sum(axis=1), dy.shape[1])", DENSE, "im2col"),
    "db is the first example's": (
        "kernels.dense", "dw, dy.sum(axis=0)", "dw, dy[0]", DENSE, "im2col"),
    "dw sees the last example only": (
        "kernels.dense", "dw[c, u] += x[n, c]", "dw[c, u] = x[n, c]", DENSE, "loops"),
    "dx sees the last unit only": (
        "kernels.dense", "dx[n, c] += w[c, u]", "dx[n, c] = w[c, u]", DENSE, "loops"),
    # ------------------------------------------------------------ jit
    "the compiled convolution forgets the bias": (
        "kernels.conv2d", "z0[f] = z1[f] = z2[f] = z3[f] = b[first + f]", "z0[f] = z1[f] = z2[f] = z3[f] = 0",
        GOLDEN_CONV, "jit"),
    "the compiled dw is the last image's": (
        "kernels.conv2d", "z0[f], z1[f] = dw[kh, kw, c, first + f], dw[kh, kw, c1, first + f]", "z0[f], z1[f] = 0, 0",
        CONV, "jit"),
    "the compiled dw leaves out the channels behind the last four": (
        "kernels.conv2d", "range((C + 3) // 4)", "range(C // 4)", CONV, "jit"),
    "the compiled dx is assigned where patches overlap": (
        "kernels.conv2d", "z0[c], z1[c] = p0[first + c], p1[first + c]", "z0[c], z1[c] = 0, 0", CONV, "jit"),
    "the compiled dx meets the filter upside down": (
        "kernels.conv2d", "w.transpose(0, 1, 3, 2)", "w[::-1].transpose(0, 1, 3, 2)", CONV, "jit"),
    "the compiled tie goes to the last": (
        "kernels.max_pool2d", "values[c].real > best[c].real or", "values[c].real >= best[c].real or",
        GOLDEN_POOL, "jit"),
    "the compiled winner is numbered down the columns": (
        "kernels.max_pool2d", "winners[c] = kh * KW + kw", "winners[c] = kw * KH + kh", GOLDEN_POOL, "jit"),
    "a dense layer takes the examples in reverse": (
        "kernels.dense", "x[:, rows].T, dy,", "x[::-1, rows].T, dy,", DENSE, "jit"),
    # ------------------------------------------------------------ fused
    "fused: a tie goes to the last": (
        "kernels.conv_relu_max_pool", "if z3[f] > top or", "if z3[f] >= top or", FUSED, "fused"),
    "fused: ReLU's gate is open at 0": (
        "kernels.conv_relu_max_pool", "p if top > 0 else NO_WINNER", "p if top >= 0 else NO_WINNER", FUSED, "fused"),
    "fused: ReLU's gate is forgotten in backward": (
        "kernels.conv_relu_max_pool", "p if top > 0 else NO_WINNER", "p", FUSED, "fused"),
    "fused: positions are numbered down, and read across": (
        "kernels.conv_relu_max_pool", "(p >> 1)) * image_row + (2 * j + (p & 1))",
        "(p & 1)) * image_row + (2 * j + (p >> 1))", FUSED, "fused"),
    "fused: dx is assigned where patches overlap": (
        "kernels.conv_relu_max_pool", "dimage[start + m] += g[e]", "dimage[start + m] = g[e]", FUSED, "fused"),
    "fused: dw sees the last winner only": (
        "kernels.conv_relu_max_pool", "first + m] += g[e] * im", "first + m] = g[e] * im", FUSED, "fused"),
    "fused, few channels: the second position's gradient goes to the third": (
        "kernels.conv_relu_max_pool", "g1[f] = g if p == 1", "g1[f] = g if p == 2", FUSED, "fused"),
    "fused, few channels: the bias hears of windows without a winner": (
        "kernels.conv_relu_max_pool", "db[part, f] += zero if p == NO_WINNER else g", "db[part, f] += g", FUSED,
        "fused"),
    "fused: a pool that overlaps is taken for one that does not": (
        "layers.conv_relu_max_pool", "pool.pool_size == pool.strides == (2, 2)", "pool.pool_size == (2, 2)",
        f"{EXACT}::test_what_does_not_fit_the_fused_rung_is_computed_all_the_same", None),
    # ------------------------------------------------------------ layers
    "ReLU's gate is on the wrong side": (
        "layers.relu", "np.where(comparable(y) > 0, dy, 0)", "np.where(comparable(y) <= 0, dy, 0)",
        f"{COMPLEX}::test_layers_without_parameters", None),
    "ReLU's derivative at 0 is 1": (
        "layers.relu", "np.where(comparable(y) > 0", "np.where(comparable(y) >= 0", ACTIVATIONS, None),
    "ReLU leaks": (
        "layers.relu", "np.where(comparable(y) > 0, dy, 0)", "np.where(comparable(y) > 0, dy, 0.01 * dy)", MODEL, None),
    "the slope is measured from 0, not from the threshold": (
        "layers.relu", "self.negative_slope * (x - self.threshold)", "self.negative_slope * x", WORKED, None),
    "the end has a gradient": (
        "layers.relu", "np.where(comparable(y) < self.max_value, dx, 0)", "dx", WORKED, None),
    "leaky relu has the slope of the name": (
        "layers.activation", "lambda: LeakyReLU(0.2)", "LeakyReLU", WORKED, None),
    "leaky relu leaks forward only": (
        "layers.relu", "low = self.negative_slope * dy if self.negative_slope else 0", "low = 0", OTHERS,
        "relu with a slope, a threshold and an end"),
    "ELU's slope forgets the share": ("layers.elu", "dy * (y + self.alpha)", "dy * (y + 1)", OTHERS,
        "ELU with a slope"),
    "ELU's share is forgotten": ("layers.elu", "self.alpha * np.expm1(", "np.expm1(", OTHERS, "ELU with a slope"),
    "ELU's slope is its value": ("layers.elu", "dy * (y + self.alpha)", "dy * y", OTHERS, "ELU"),
    "sigmoid's slope is taken for tanh's": ("layers.sigmoid", "dy * y * (1 - y)", "dy * (1 - y * y)", OTHERS,
        "sigmoid"),
    "sigmoid is taken on the other side": (
        "layers.sigmoid", "np.where(is_positive, 1, exponentials)", "np.where(is_positive, exponentials, 1)",
        WORKED, None),
    "sigmoid overflows": (
        "layers.sigmoid", "np.exp(np.where(is_positive, -x, x))", "np.exp(np.where(is_positive, x, -x))", WORKED, None),
    "SELU forgets its scale": ("layers.elementwise", "return SELU_SCALE * np.where(is_positive(x), x,",
        "return np.where(is_positive(x), x,", OTHERS, "selu"),
    "softplus overflows": ("layers.elementwise", "np.exp(-magnitude(x))", "np.exp(magnitude(x))", WORKED, None),
    "silu's slope is half of it": ("layers.elementwise", "s + x * s * (1 - s)", "s", OTHERS, "silu"),
    "softsign's slope is its value's": ("layers.elementwise", "(1 + magnitude(x)) ** 2", "(1 + magnitude(x))", OTHERS,
        "softsign"),
    "the hard sigmoid's slope has no end": ("layers.elementwise", "(abs(x) < 3).astype", "(abs(x) < 9).astype", WORKED,
        None),
    "tanh's slope is taken for sigmoid's": ("layers.tanh", "dy * (1 - y * y)", "dy * y * (1 - y)", OTHERS, "tanh"),
    "tanh's slope is not squared": ("layers.tanh", "dy * (1 - y * y)", "dy * (1 - y)", OTHERS, "tanh"),
    "an activation of its own is forgotten in backward": (
        "layers.activation", "return self.activation.backward(dy, cache) if self.activation else",
        "return (dy, {}) if self.activation else", OTHERS, "sigmoid"),
    # ------------------------------------------------------------ pools that average, and those of the whole image
    "what is padded is counted in the mean": (
        "layers.average_pooling2d", "self._sum(x) / self._count(x)", "self._sum(x) / np.prod(self.pool_size)", WORKED,
        None),
    "the mean is not taken in a pool's backward": (
        "layers.average_pooling2d", "share = dy / self._count(dy)", "share = dy", OTHERS, "average pool"),
    "a pixel in two windows is paid once": (
        "layers.average_pooling2d", "dxp[:, rows, columns] += share", "dxp[:, rows, columns] = share", OTHERS,
        "average pool, overlapping"),
    "a pool's padding is not cropped off": (
        "layers.average_pooling2d", "return crop(dxp, self.pads), {}", "return dxp[:, :H, :W], {}", OTHERS,
        "average pool, padded"),
    "the mean over the image is a sum on the way back": (
        "layers.global_average_pooling2d", "dy / (H * W)", "dy", OTHERS, "global average pool"),
    "the mean over the image is over its rows": (
        "layers.global_average_pooling2d", "dy / (H * W)", "dy / H", OTHERS, "global average pool"),
    "all that tie for the largest get all": (
        "layers.global_max_pooling2d", "dy.real.dtype)", "dy.real.dtype) ** 0", WORKED, None),
    "the smallest of the image is pooled": (
        "layers.global_max_pooling2d", "argmax(axis=1)", "argmin(axis=1)", WORKED, None),
    # ------------------------------------------------------------ shapes
    "the frame is cut off at the wrong side": (
        "layers.zero_padding2d", "crop(self.check_gradient(dy, cache), self.padding)",
        "crop(self.check_gradient(dy, cache), tuple(side[::-1] for side in self.padding))", OTHERS,
        "zero padding of four sides"),
    "rows are padded as columns": (
        "layers.zero_padding2d", "for side in (rows, columns)", "for side in (columns, rows)",
        WORKED, None),
    "reshape reads the columns first": (
        "layers.reshape", "x.reshape(len(x), *self.output_shape)", 'x.reshape(len(x), *self.output_shape, order="F")',
        WORKED, None),
    "rescaling forgets its scale on the way back": (
        "layers.rescaling", "self.scale * self.check_gradient(dy, cache)", "self.check_gradient(dy, cache)",
        OTHERS, "rescaling"),
    "the offset is scaled too": (
        "layers.rescaling", "self.scale * x + self.offset", "self.scale * (x + self.offset)", WORKED, None),
    # ------------------------------------------------------------ dropout
    "what is kept is not made larger": (
        "layers.dropout", "x.real.dtype) / (1 - self.rate if self.rate < 1 else 1)", "x.real.dtype)",
        f"{TIES}::{DROPPED}", None),
    "the rate is the share that is kept": (
        "layers.dropout", '"float32") >= self.rate', '"float32") < self.rate', f"{TIES}::{DROPPED}", None),
    "numbers are dropped to predict, too": (
        "layers.dropout", "if not training or self.rate == 0:", "if self.rate == 0:", f"{TIES}::{DROPPED}", None),
    "the gradient goes by other draws": (
        "layers.dropout", "dy * mask, {}", "dy * mask[::-1], {}", OTHERS, "dropout"),
    "what was dropped has a gradient": (
        "layers.dropout", "dy if mask is None else dy * mask, {}", "dy, {}", OTHERS, "dropout"),
    "each step drops the same": (
        "layers.dropout", "self.steps += 1", "pass",

               f"{TIES}::test_dropout_with_a_seed_of_its_own_draws_the_same_whatever_it_is_given_and_other_numbers_at_each_step",
        None),
    "all images drop the same channels": (
        "layers.dropout", "(None, 1, 1, None), seed", "(1, 1, 1, None), seed",
        f"{TIES}::test_dropout_of_channels_leaves_all_of_a_channel_or_none", None),
    # ------------------------------------------------------------ batch normalization
    "mean and variance are taken for constants": (
        "layers.batch_normalization", "dy - mean_dy - z * mean_dy_z if training else dy", "dy", OTHERS,
        "batch normalization"),
    "the mean is taken for a constant": (
        "layers.batch_normalization", "dy - mean_dy - z * mean_dy_z if", "dy - z * mean_dy_z if", OTHERS,
        "batch normalization"),
    "the variance is taken for a constant": (
        "layers.batch_normalization", "dy - mean_dy - z * mean_dy_z if", "dy - mean_dy if", OTHERS,
        "batch normalization"),
    "what holds in training is done to predict": (
        "layers.batch_normalization", "z * mean_dy_z if training else dy", "z * mean_dy_z", OTHERS,
        "batch normalization"),
    "gamma's gradient is a mean": (
        "layers.batch_normalization", '"gamma": M * mean_dy_z', '"gamma": mean_dy_z', OTHERS, "batch normalization"),
    "gamma is forgotten in backward": (
        "layers.batch_normalization", 'self.params["gamma"] / s if self.scale else 1 / s', "1 / s", OTHERS,
        "batch normalization"),
    "epsilon is outside of the root": (
        "layers.batch_normalization", "np.sqrt(variance + self.epsilon)", "np.sqrt(variance) + self.epsilon",
        NORMALIZED,
        None),
    "the variance is divided by M - 1": (
        "layers.batch_normalization", "variance = self.channel_mean(z * z) if",
        "variance = self.channel_mean(z * z) * len(x) / (len(x) - 1) if", NORMALIZED, None),
    "each image is standardized on its own": (
        "layers.batch_normalization", "mean = self.channel_mean(x) if", "mean = x.mean(axis=-1, keepdims=True) if",
        NORMALIZED,
        None),
    "momentum is how much is new": (
        "layers.batch_normalization", "self.momentum * moving + (1 - self.momentum) * of_batch",
        "(1 - self.momentum) * moving + self.momentum * of_batch", NORMALIZED, None),
    "the moving averages are not used": (
        "layers.batch_normalization", "mean = self.channel_mean(x) if training else moving_mean",
        "mean = self.channel_mean(x)",
        NORMALIZED, None),
    "moving averages move only in a copy": (
        "layers.batch_normalization", "moving[...] = ", "moving = ", NORMALIZED, None),
    "softmax forgets that its outputs hang together": (
        "layers.softmax", "y * (dy - (dy * y).sum(axis=-1, keepdims=True))", "y * (1 - y) * dy",
        f"{COMPLEX}::test_layers_without_parameters", None),
    "softmax's backward returns nothing": (
        "layers.softmax", "y * (dy - (dy * y).sum(axis=-1, keepdims=True))", "0 * dy",
        f"{COMPLEX}::test_layers_without_parameters", None),
    "softmax sums over the batch": (
        "layers.softmax", "exponentials.sum(axis=-1, keepdims=True)", "exponentials.sum(axis=0, keepdims=True)",
        ACTIVATIONS, None),
    "the activation is forgotten in backward": (
        "layers.weighted", "dy, _ = self.activation.backward(dy, cache)", "pass",
        f"{COMPLEX}::test_conv2d_with_an_activation_and_without_a_bias", None),
    "the gradients are under each other's names": (
        "layers.weighted", '{"kernel": dw, "bias": db} if', '{"kernel": dw, "bias": dw.sum(axis=0)} if', DENSE, None),
    "flatten reads the columns first": (
        "layers.reshape", ".reshape(cache, *self.input_shape)", '.reshape(cache, *self.input_shape, order="F")',
        f"{EXACT}::test_layers_without_parameters", None),
    # ------------------------------------------------------------ losses
    "the mean is not taken in backward": (
        "losses.loss", "self.backward_each(cache) / count", "self.backward_each(cache)",
        f"{COMPLEX}::test_cross_entropy_of_class_numbers", None),
    "the mean is taken over the classes": (
        "losses.loss", "self.backward_each(cache) / count", "self.backward_each(cache) / cache[0].shape[-1]",
        f"{COMPLEX}::test_cross_entropy_of_class_numbers", None),
    "the mean is taken twice": (
        "training", "plan.loss.backward(cache)", "plan.loss.backward(cache) / len(x)", MEAN, None),
    "the parts are mixed up": (
        "kernels.sharing", "zip(parts(len(dy)), caches, strict=True)", "zip(parts(len(dy)), caches[::-1])", MEAN, None),
    "only the last part counts": (
        "kernels.sharing", "sum(dw), sum(db)", "dw[-1], sum(db)", MEAN, None),
    "fused: only the last part counts": (
        "kernels.conv_relu_max_pool", "dw_by_f.sum(axis=0)", "dw_by_f[-1]", PARTS, "fused"),
    "fused, few channels: only the last part counts": (
        "kernels.conv_relu_max_pool", "dw.sum(axis=0), db", "dw[-1], db", PARTS, "fused"),
    "a block of a dense layer's rows is left out": (
        "kernels.dense", "blocks(len(x), w))", "blocks(len(x), w)[1:])", BLOCKS, None),
    "the label's own class is not subtracted": (
        "losses.cross_entropy", "dz[np.arange(len(labels)), labels] -= 1", "dz[np.arange(len(labels)), labels] -= 0",
        f"{COMPLEX}::test_cross_entropy_of_class_numbers", None),
    "one example for all labels": (
        "losses.cross_entropy", "dz[np.arange(len(labels)), labels] -= 1", "dz[0, labels] -= 1",
        f"{COMPLEX}::test_cross_entropy_of_class_numbers", None),
    "the sign of the loss": (
        "losses.cross_entropy", "return -log_q[np.arange(len(y_true)), y_true]",
        "return log_q[np.arange(len(y_true)), y_true]",
        GOLDEN_LOSS, None),
    "clipped probabilities still have a gradient": (
        "losses.cross_entropy", "np.where(inside, dz / p, 0)", "dz / p", GOLDEN_LOSS, None),
    "the maximum is not subtracted": (
        "losses.cross_entropy", "z = z - comparable(z).max(axis=1, keepdims=True)", "z = z + 0",
        f"{TIES}::test_logits_of_a_thousand_neither_overflow_nor_lose_the_gradient", None),
    "probabilities are not brought to the sum 1": (
        "losses.cross_entropy", "q = y_pred / total", "q = y_pred / 1",
        f"{COMPLEX}::test_cross_entropy_of_distributions", None),
    "the gradient does not know of the weights of examples": (
        "losses.loss", "return dy_pred if weights is None else dy_pred * weights[..., None]", "return dy_pred",
        WEIGHTED, None),
    "the mean is taken over the weights": (
        "losses.loss", "return each.mean(), (cache, each.size, weights)",
        "return each.mean() if weights is None else each.sum() / weights.sum(), (cache, each.size, weights)",
        WEIGHTED, None),
    "labels are smoothed in the loss, not in its gradient": (
        "losses.cross_entropy", "return -(t * log_q).sum(axis=1), (q, t, quotient)",
        "return -(t * log_q).sum(axis=1), (q, y_true, quotient)", WEIGHTED, None),
    "binary: a yes costs, a no does not": (
        "losses.binary_cross_entropy", "each = -(t * np.log(p) + (1 - t) * np.log(1 - p))",
        "each = -(t * np.log(p))", WEIGHTED, None),
    "the squared error's gradient lacks the 2": (
        "losses.mean_errors", "return 2 * cache / cache.shape[-1]", "return cache / cache.shape[-1]", ANY_SHAPE, None),
    # ------------------------------------------------------------ penalties on weights
    "the penalty is not in the gradient": (
        "training", "step_grads[key] + pull", "step_grads[key]", PENALTY, None),
    "the bias pays in the loss alone": (
        "training", "in penalties(step).items()}", 'in penalties(step).items() if key == "kernel"}', PENALTY, None),
    "the penalty's gradient lacks the 2": (
        "regularizers", "2 * self.l2 * w", "self.l2 * w", PENALTY, None),
    "only the first layer pays": (
        "training", "for step in self.steps for key", "for step in self.steps[:1] for key", PENALTY, None),
    "a layer that is fused pays nothing": (
        "layers.conv_relu_max_pool", "conv.kernel_regularizer, conv.bias_regularizer",
        "None, conv.bias_regularizer", f"{GOLDEN}::test_the_penalty_is_part_of_the_loss_on_every_rung", None),
    # ------------------------------------------------------------ frozen layers
    "the optimizer gets frozen parameters too": (
        "layers.bookkeeping", "return self.params if self.trainable else {}", "return self.params", FROZEN, None),
    "a layer in a frozen model is not frozen": (
        "model", "            inner.trainable = inner.trainable and self.trainable\n", "",
        f"{FREEZING}::test_a_model_or_layer_may_be_made_frozen", None),
    "a frozen normalization looks at the batch": (
        "layers.batch_normalization", "training and self.trainable", "training", NORMALIZED_FROZEN, None),
    "the moving averages of a frozen normalization move": (
        "training", "if step.trainable or step.draws:", "if True:", NORMALIZED_FROZEN, None),
    "a frozen layer pays for large weights": (
        "training", "key in step.params and step.trainable}", "key in step.params}", FROZEN, None),
    "a layer that is fused cannot be frozen": (
        "layers.conv_relu_max_pool", "self.trainable = conv.trainable", "self.trainable = True", FROZEN, "fused"),
    "backward ends at the first layer that is frozen": (
        "planning", "if step.params and step.trainable)", "if step.params and not step.trainable)", FROZEN, None),
    # ------------------------------------------------------------ optimizers
    "RMSprop's epsilon is outside the root": (
        "optimizers.rmsprop", "g / np.sqrt(variance + self.epsilon)", "g / (np.sqrt(variance) + self.epsilon)",
        OPTIMIZER, "im2col"),
    "RMSprop does not square its centre": (
        "optimizers.rmsprop", "variance = v - a * a", "variance = v - abs(a)", OPTIMIZER, "im2col"),
    "RMSprop's momentum forgets": (
        "optimizers.rmsprop", "m[...] = self.momentum * m + step", "m[...] = step", OPTIMIZER, "im2col"),
    "Adadelta remembers the step with the learning rate in it": (
        "optimizers.adadelta", "(1 - rho) * (step * step)",
        "(1 - rho) * (self.learning_rate * step) ** 2", OPTIMIZER, "im2col"),
    "Adadelta's epsilon stands in one root only": (
        "optimizers.adadelta", "np.sqrt(d + self.epsilon) / np.sqrt(v + self.epsilon)",
        "np.sqrt(d + self.epsilon) / np.sqrt(v)", OPTIMIZER, "im2col"),
    "weight decay is not in proportion to the learning rate": (
        "optimizers.optimizer", "w -= w * self.weight_decay * self.learning_rate",
        "w -= w * self.weight_decay", OPTIMIZER, "im2col"),
    "clipping lengthens short gradients": (
        "optimizers.optimizer", "g * (limit / np.maximum(norms[key], limit))",
        "g * (limit / norms[key])", OPTIMIZER, "im2col"),
    "Adam's epsilon is inside the bias correction": (
        "optimizers.adam", "number(1 - self.beta_2), number(self.epsilon))",
        "number(1 - self.beta_2), number(self.epsilon * np.sqrt(1 - beta_2_power)))", OPTIMIZER, "im2col"),
    "Adam's epsilon is under the root": (
        "kernels.adam", "(np.sqrt(v) + epsilon)", "np.sqrt(v + epsilon)", OPTIMIZER, "im2col"),
    "Adam's bias correction is at t - 1": (
        "optimizers.adam", "number, t = w.dtype.type, self.iterations + 1",
        "number, t = w.dtype.type, max(1, self.iterations)",
        OPTIMIZER, "im2col"),
    "Adam has no bias correction": (
        "optimizers.adam", " * np.sqrt(1 - beta_2_power) / (1 - beta_1_power)", "", OPTIMIZER, "im2col"),
    "Adam's betas are swapped": (
        "optimizers.adam", "alpha, number(1 - self.beta_1), number(1 - self.beta_2)",
        "alpha, number(1 - self.beta_2), number(1 - self.beta_1)", OPTIMIZER, "im2col"),
    "Adam forgets to square the gradient": (
        "kernels.adam", "v += (g * g - v)", "v += (abs(g) - v)", OPTIMIZER, "im2col"),
    "momentum is added, not subtracted": (
        "optimizers.sgd", "m[...] = momentum * m - lr * g", "m[...] = momentum * m + lr * g", OPTIMIZER, "im2col"),
    "Nesterov is plain momentum": (
        "optimizers.sgd", "w += momentum * m - lr * g if self.nesterov else m", "w += m", OPTIMIZER, "im2col"),
    "momentum is forgotten between steps": (
        "optimizers.sgd", ' (m,) = remembered\n', " m = np.zeros_like(w)\n", OPTIMIZER, "im2col"),
    "all parameters share one slot": (
        "optimizers.optimizer", "remembered = self.slots.setdefault(name, {})",
        "remembered, key = self.slots.setdefault(name, {}), 0",
        f"{GOLDEN}::test_an_optimizer_remembers_each_parameter_on_its_own", None),
}
# fmt: on


def module_of(bug):
    return f"npcnn.{BUGS[bug][0]}"


@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_is_noticed_by_a_case_that_passes_without_it(bug):
    _, old, new, test, argument = BUGS[bug]
    with planted(module_of(bug), replaced(module_of(bug), old, new)):
        found = first_failure(test, argument)
    assert found, f"{test} passes with this bug in {module_of(bug)}:\n{new}"
    assert failure_without_a_bug(test, found[0]) is None


@functools.cache
def failure_without_a_bug(test, i):
    """Many bugs are noticed by the same case: without them it runs once."""
    with planted():
        return failure(test, i)


def test_there_are_at_least_forty_bugs_no_two_the_same():
    assert len(BUGS) >= 40
    assert len({bug[:3] for bug in BUGS.values()}) == len(BUGS)
