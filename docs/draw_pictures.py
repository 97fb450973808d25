"""Draw the pictures of the lesson: what happens inside, in numbers that npcnn computes.

python docs/draw_pictures.py
"""

import argparse
from pathlib import Path

import numpy as np
from draw.paper import BLUE_TINT, DARK_GREY, GREY_TINT, ORANGE_TINT, WHITE, YELLOW_TINT, Picture, number, use_style

from npcnn import Sequential, layers, losses
from npcnn.datasets import mnist
from npcnn.kernels import conv_relu_max_pool, sharing
from npcnn.kernels.conv2d import im2col as copy_patches
from npcnn.kernels.windows import NO_PADS
from npcnn.plots import BLUE, GREY, ORANGE

# The image and the filter of all pictures of a Conv2D. Its four outputs are the tile of the max pool.
X = np.array([[0, 2, 1, 2], [2, 3, 3, 3], [3, 2, 1, 2], [3, 0, 0, 1]])
W = np.array([[2, -1, -1], [1, 1, 0], [0, 0, -1]])
DY = np.array([[1, 2], [-1, 3]])
X_1D, W_1D, DY_1D = np.array([1, 2, 0, -1, 3]), np.array([2, -1, 1]), np.array([1, -1, 2])


def built(layer, input_shape, **params):
    """Return the layer, built for examples of `input_shape`, with these params; the others are zero."""
    layer.dtype = "float64"
    layer.build(input_shape)
    for key, array in layer.params.items():
        array[...] = np.reshape(params.get(key, np.zeros(array.shape)), array.shape)
    return layer


def conv(x, w, dy):
    """Return y and dx of a convolution of one image (H, W) with one filter (KH, KW)."""
    layer = built(layers.Conv2D(1, w.shape), (*x.shape, 1), kernel=w)
    y, cache = layer.forward(x[None, :, :, None])
    dx, _ = layer.backward(dy[None, :, :, None], cache)
    return y[0, :, :, 0], dx[0, :, :, 0]


def added(values, found):
    """Return a sum and its result, as "2 + 1 − 3 = 0", where npcnn has found the same."""
    assert np.isclose(sum(values), found), f"{values} do not add up to {found}"
    rest = "".join(f" {'−' if value < 0 else '+'} {number(abs(value))}" for value in values[1:])
    return f"{number(values[0])}{rest} = {number(found)}"


def image(p, at, first, size, edge=BLUE):
    """Draw x with the patch that starts at the pixel `first`."""
    grid = p.grid(at, X, size, edge=edge, fills={tuple(np.add(first, k)): BLUE_TINT for k in np.ndindex(W.shape)})
    p.frame(grid.box(first, W.shape), BLUE, 3.5)
    return grid


def chain_rule():
    """L = (a * b + c)²: a dense layer of one input and one unit, and a squared error whose target is 0."""
    a, b, c = 2, -3, 10
    d = built(layers.Dense(1, use_bias=False), (1,), kernel=b).forward(np.array([[a]]))[0].item()
    dense, loss = built(layers.Dense(1), (1,), kernel=b, bias=c), losses.MeanSquaredError()
    y, cache = dense.forward(np.array([[a]]))
    L, loss_cache = loss.forward(np.zeros((1, 1)), y)
    dy = loss.backward(loss_cache)
    dx, gradients = dense.backward(dy, cache)
    e, de, da, db, dc = (z.item() for z in (y, dy, dx, gradients["kernel"], gradients["bias"]))
    dd = de * 1  # within the layer, where nothing shows it: the slope of d + c is 1

    p = Picture("Values go forward, gradients come back", 392)
    wires = [  # from and to, height, name, value, and its gradient: that behind the box times the slope of the box
        (24, 216, 100, "a", a, de, b, da),
        (24, 216, 196, "b", b, de, a, db),
        (24, 438, 280, "c", c, de, 1, dc),
        (268, 438, 148, "d", d, de, 1, dd),
        (490, 654, 214, "e", e, 1, 2 * e, de),
    ]
    for left, right, y, name, value, behind, slope, found in wires:
        assert behind * slope == found
        p.arrow((left, y), (right, y), BLUE)
        p.arrow((right, y + 12), (left, y + 12), ORANGE, dashed=True)
        p.text((left + 4, y - 16), f"{name} = {number(value)}", 19, BLUE, ha="left", weight="bold")
        calculation = f"dL/d{name} = {number(behind)} * {number(slope)} = {number(found)}"
        p.text((left + 4, y + 30), calculation, 15, ORANGE, ha="left", code=True)
    p.arrow((694, 214), (786, 214), BLUE)
    p.arrow((786, 226), (694, 226), ORANGE, dashed=True)
    p.text((698, 198), f"L = {number(L)}", 19, BLUE, ha="left", weight="bold")
    p.text((698, 244), "dL/dL = 1", 15, ORANGE, ha="left", code=True)
    boxes = (216, 268, 80, 228, "a * b"), (438, 490, 128, 312, "d + c"), (654, 694, 184, 258, "e²")
    for left, right, top, bottom, operation in boxes:
        p.frame((left, top, right - left, bottom - top), width=1.5, fill=GREY_TINT)
        p.text(((left + right) / 2, (top + bottom) / 2), operation, 16)
    p.text((24, 344), "Solid, above: the values.", 16, BLUE, ha="left")
    text = "Dashed, below: the gradients. Each is the one on the right of its box * the slope of the box."
    p.text((24, 370), text, 16, ORANGE, ha="left")
    return p


def conv1d():
    """A convolution of one dimension, forward and backward, as two staircases."""
    y, dx = (array[0] for array in conv(X_1D[None], W_1D[None], DY_1D[None]))
    size, tops, right = 42, (152, 206, 260), 410
    p = Picture("A 1-D convolution, forward and backward", 486)
    p.text((24, 72), "Forward: x * w, summed by rows", 17, BLUE, ha="left", weight="bold")
    p.text((right, 72), "Backward: dy * w, summed by columns", 17, ORANGE, ha="left", weight="bold")
    x = p.grid((56, 92), X_1D, size, BLUE_TINT)
    w = p.grid((308, 97), W_1D, 32, YELLOW_TINT)
    p.text((36, x.middle[1]), "x", 19, code=True)
    p.text((290, w.middle[1]), "w", 19, code=True)
    for j, top in enumerate(tops):
        products = X_1D[j : j + 3] * W_1D
        assert products.sum() == y[j]
        row = p.grid((56 + j * size, top), products, size)
        p.arrow((row.right + 5, row.middle[1]), (290, row.middle[1]), BLUE)
        p.text((296, row.middle[1]), f"y[{j}] = {number(y[j])}", 17, code=True, ha="left")
        alone = np.where(np.arange(3) == j, DY_1D, 0)  # the gradient of this output only
        row = p.grid(
            (right + j * size, top),
            conv(X_1D[None], W_1D[None], alone[None])[1][0, j : j + 3],
            size,
            ORANGE_TINT,
            ORANGE,
        )
        p.arrow((664, row.middle[1]), (row.right + 5, row.middle[1]), ORANGE, dashed=True)
        p.text((670, row.middle[1]), f"dy[{j}] = {number(DY_1D[j])}", 17, code=True, ha="left")
    total = p.grid((right, 338), dx, size, ORANGE_TINT, ORANGE)
    column, _ = total.centre(0, 2)
    p.arrow((column, tops[2] + size + 6), (column, 335), ORANGE, dashed=True)
    p.frame((right + 2 * size, tops[0] - 5, size, tops[2] - tops[0] + size + 10))
    p.text((right - 20, total.middle[1]), "dx", 19, code=True)
    p.text((24, 414), "Scatter, a row:", 16, ha="left", weight="bold")
    p.text((192, 414), "dy[j] * w goes to the three inputs that y[j] saw.", 16, ha="left")
    p.text((24, 442), "Gather, a column:", 16, ha="left", weight="bold")
    p.text((192, 442), "dx[2] hears from the three outputs that saw x[2]:", 16, ha="left")
    heard = " + ".join(f"w[{2 - j}]*dy[{j}]" for j in range(3))
    result = added([W_1D[2 - j] * DY_1D[j] for j in range(3)], dx[2])
    p.text((192, 466), f"{heard} = {result}", 15, code=True, ha="left")
    return p


def patch():
    """One output of a Conv2D."""
    i, j = 0, 1
    y, _ = conv(X, W, DY)
    p = Picture("One output: a patch of x times the filter, summed", 336)
    x = image(p, (40, 90), (i, j), 44)
    w = p.grid((266, 90), W, fill=YELLOW_TINT)
    products = p.grid((448, 90), X[i : i + 3, j : j + 3] * W)
    out = p.grid((664, 132), y, fills={(i, j): BLUE_TINT})
    p.frame(out.box((i, j), (1, 1)), BLUE, 3.5)
    p.text((241, w.middle[1]), "*", 26)
    p.text((423, w.middle[1]), "=", 26)
    p.arrow((products.right + 6, 112), (out.centre(i, j)[0], out.top - 5), BLUE, bend=-0.35)
    p.text((640, 78), "sum", 16)
    for grid, name in ((x, "x"), (w, "w"), (products, "products")):
        p.text((grid.middle[0], 72), name, 19, code=name != "products")
    p.text((out.middle[0], out.bottom + 20), "y", 19, code=True)
    p.text((40, 292), "y[i, j] = b + sum over kh, kw of x[i + kh, j + kw] * w[kh, kw]", 15, code=True, ha="left")
    summed = added([0, *(X[i : i + 3, j : j + 3] * W).ravel()], y[i, j])
    p.text((40, 316), f"y[{i}, {j}] = {summed}", 15, code=True, ha="left")
    return p


def overlap():
    """How many outputs saw each pixel, and the gradient of one that all four saw."""
    r, q = 1, 1
    _, dx = conv(X, W, DY)
    _, counts = conv(X, np.ones_like(W), np.ones_like(DY))
    p = Picture(f"Patches overlap: four outputs saw the pixel x[{r}, {q}]", 500)
    p.text((232, 316), "So its gradient hears from all four, through the same w:", 16, ORANGE, ha="left", weight="bold")
    heard = []
    for k, (i, j) in enumerate(np.ndindex(DY.shape)):
        grid = image(p, (40 + 192 * k, 88), (i, j), 36, GREY)
        p.ring(grid.centre(r, q), 15)
        p.text((grid.middle[0], 70), f"y[{i}, {j}] saw it", 16, BLUE)
        p.text((grid.middle[0], 250), f"through w[{r - i}, {q - j}]", 16)
        weight, gradient = W[r - i, q - j], DY[i, j]
        start = f"dx[{r}, {q}] =" if k == 0 else "         +"
        product = f"{number(weight):>2} * {number(gradient):>2} = {number(weight * gradient):>2}"
        line = f"{start} w[{r - i}, {q - j}] * dy[{i}, {j}]    {product}"
        p.text((232, 348 + 26 * k), line, 16, code=True, ha="left")
        heard.append(weight * gradient)
    p.text((232, 452), f"         = {added(heard, dx[r, q])}", 16, code=True, ha="left")
    shades = {tuple(cell): BLUE_TINT for cell in np.argwhere(counts == counts.max())}
    grid = p.grid((40, 300), counts, 36, edge=GREY, fills=shades)
    p.ring(grid.centre(r, q), 15)
    p.text((grid.middle[0], 460), "how many outputs", 15)
    p.text((grid.middle[0], 478), "saw each pixel", 15)
    return p


def im2col():
    """A convolution with two filters as one matrix product."""
    w = np.stack([W, [[0, 0, 0], [1, 0, -1], [0, 0, 0]]], axis=-1)
    y, _ = built(layers.Conv2D(2, 3), (4, 4, 1), kernel=w).forward(X[None, :, :, None])
    patches = copy_patches(X[None, :, :, None], (3, 3), (1, 1), (1, 1))
    p = Picture("im2col: patches are rows, filters are columns, y is one product", 444)
    shown, (r, q), size = 1, (1, 1), 32
    row = {(shown, m): BLUE_TINT for m in range(9)}
    x = image(p, (36, 164), (0, shown), size)
    matrix = p.grid((258, 164), patches.reshape(4, 9), size, fills=row)
    filters = p.grid((588, 86), w.reshape(9, 2), size, YELLOW_TINT)
    out = p.grid((696, 164), y.reshape(4, 2), size, fills=row)
    p.frame(matrix.box((shown, 0), (1, 9)), BLUE, 3.5)
    p.frame(out.box((shown, 0), (1, 2)), BLUE, 3.5)
    p.ring(x.centre(r, q), 13)
    for n, (i, j) in enumerate(np.ndindex(2, 2)):
        p.ring(matrix.centre(n, 3 * (r - i) + q - j), 13)
        p.text((250, matrix.centre(n, 0)[1]), f"{i}, {j}", 15, DARK_GREY, ha="right")
    p.text((236, 146), "i, j", 15, DARK_GREY)
    p.arrow((x.right + 8, x.centre(shown, 0)[1]), (212, x.centre(shown, 0)[1]), BLUE)
    p.text((567, x.middle[1]), "@", 24)
    p.text((674, x.middle[1]), "=", 26)
    for grid, name in ((x, "x"), (matrix, "patches"), (filters, "w"), (out, "y")):
        p.text((grid.middle[0], grid.top - 18), name, 18, code=True)
    p.text((36, 398), "The ringed pixel is copied four times: once into each patch that contains it.", 16, ha="left")
    p.text((36, 422), "Each column of w is a filter, and gives a column of y.", 16, ha="left")
    return p


def tile():
    """A max pool alone, forward and backward: the tile that `winner` gets from a convolution."""
    x, dy = conv(X, W, DY)[0], np.full((1, 1, 1, 1), 7.0)
    pool = built(layers.MaxPool2D(2), (2, 2, 1))
    y, cache = pool.forward(x[None, :, :, None])
    dx = pool.backward(dy, cache)[0][0, :, :, 0]
    best = tuple(np.argwhere(dx)[0])
    p = Picture("The maximum: the winner takes it all", 268)
    size, level = 60, 152
    p.text((24, 72), "Forward", 17, BLUE, ha="left", weight="bold")
    p.text((424, 72), "Backward", 17, ORANGE, ha="left", weight="bold")
    four = p.grid((72, level - size), x, size, fills={best: BLUE_TINT})
    p.frame(four.box(best, (1, 1)), BLUE, 3.5)
    one = p.grid((292, level - size / 2), y[0, :, :, 0], size, BLUE_TINT)
    p.arrow((four.right + 10, level), (one.left - 10, level), BLUE)
    p.text(((four.right + one.left) / 2, level - 18), "max", 16)
    dfour = p.grid((472, level - size), dx, size, ORANGE_TINT, ORANGE, hatched=dx == 0)
    p.frame(dfour.box(best, (1, 1)), ORANGE, 3.5, dashed=True)
    done = p.grid((716, level - size / 2), dy[0, :, :, 0], size, ORANGE_TINT, ORANGE)
    p.arrow((done.left - 10, level), (dfour.right + 10, level), ORANGE, dashed=True)
    p.text(((done.left + dfour.right) / 2, level - 18), "to the winner", 16)
    for grid, name in ((four, "x"), (one, "y"), (dfour, "dx"), (done, "dy")):
        p.text((grid.middle[0], grid.bottom + 20), name, 18, code=True)
    return p


def winner():
    """The tile of four under a max pool, forward and backward."""
    x, w, dy = X[None, :, :, None].astype(float), W[:, :, None, None].astype(float), np.full((1, 1, 1, 1), 7.0)
    z, pool = conv(X, W, DY)[0], built(layers.MaxPool2D(2), (2, 2, 1))
    dz = pool.backward(dy, pool.forward(z[None, :, :, None])[1])[0][0, :, :, 0]
    y, cache = conv_relu_max_pool.forward(x, w, np.zeros(1), NO_PADS)
    dx, won = conv_relu_max_pool.backward(dy, cache)[0][0, :, :, 0], cache[2].item()
    best = divmod(won, 2)
    assert (W[dx[best[0] : best[0] + 3, best[1] : best[1] + 3] == 0] == 0).all()  # as the last line says
    p = Picture("A max pool: one of four wins, and only it gets a gradient", 572)
    p.text((24, 72), "Forward", 17, BLUE, ha="left", weight="bold")
    p.text((24, 314), "Backward", 17, ORANGE, ha="left", weight="bold")
    level, back, tile = 172, 412, 60
    seen = image(p, (124, level - 80), best, 40)
    filter_ = p.grid((322, 192), W, 28, YELLOW_TINT)
    p.text((304, filter_.middle[1]), "w", 18, code=True)
    four = p.grid((424, level - tile), z, tile, fills={best: BLUE_TINT})
    p.frame(four.box(best, (1, 1)), BLUE, 3.5)
    one = p.grid((674, level - tile / 2), y[0, :, :, 0], tile, BLUE_TINT)
    for n, cell in enumerate(np.ndindex(z.shape)):
        left, top, _, _ = four.box(cell, (1, 1))
        p.text((left + 6, top + 12), f"p={n}", 13, DARK_GREY, ha="left")
    untouched = np.ones(dx.shape, bool)
    untouched[best[0] : best[0] + 3, best[1] : best[1] + 3] = False
    dseen = p.grid((124, back - 80), dx, 40, ORANGE_TINT, ORANGE, hatched=untouched)
    p.frame(dseen.box(best, W.shape), ORANGE, 3.5, dashed=True)
    dfour = p.grid((424, back - tile), dz, tile, ORANGE_TINT, ORANGE, hatched=dz == 0)
    done = p.grid((674, back - tile / 2), dy[0, :, :, 0], tile, ORANGE_TINT, ORANGE)
    for a, b, da, db, forth, home in (
        (seen, four, dseen, dfour, "convolution", f"{number(dy.item())} * w"),
        (four, one, dfour, done, "ReLU, max", "to the winner"),
    ):
        p.arrow((a.right + 10, level), (b.left - 10, level), BLUE)
        p.arrow((db.left - 10, back), (da.right + 10, back), ORANGE, dashed=True)
        p.text(((a.right + b.left) / 2, level - 18), forth, 16)
        p.text(((a.right + b.left) / 2, back - 18), home, 16)
    for grid, name in ((seen, "x"), (four, "z"), (one, "y")):
        p.text((grid.middle[0], grid.top - 18), name, 18, code=True)
    for grid, name in ((dfour, "dz"), (done, "dy")):
        p.text((grid.middle[0], grid.bottom + 20), name, 18, code=True)
    p.text((104, back), "dx", 18, code=True)
    p.text((one.middle[0], 222), f"winner: p = {won}", 16, weight="bold")
    p.arrow((one.middle[0], 240), (one.middle[0], 336), GREY)
    p.text((one.middle[0] - 12, 276), "kept for the", 15, ha="right")
    p.text((one.middle[0] - 12, 296), "backward pass", 15, ha="right")
    assert z[best] > 0
    p.text(((four.right + one.left) / 2, level + 18), f"{number(z[best])} > 0: it stays", 13)
    text = "Hatched: zero, for it had no part in y. A 0 within the dashed patch: there w is 0."
    p.text((24, 522), text, 16, ha="left")
    p.text((24, 548), "The fused kernel visits the winner only.", 16, ha="left")
    return p


def parts():
    """A batch cut into parts: who computes them changes with the threads, the order of the sum never."""
    N, left, wide = 64, 134, 75
    p = Picture("Parts of a batch: threads vary, the order of the sum does not", 512)
    cuts = sharing.parts(N)
    middles = [left + (k + 0.5) * wide for k in range(len(cuts))]
    p.text((24, 90), "images", 16, ha="left")
    for at, cut in zip(middles, cuts, strict=True):
        p.frame((at - wide / 2, 72, wide, 36), BLUE, 1.5, BLUE_TINT)
        p.text((at, 91), f"{cut.start}–{cut.stop - 1}", 16)
    # As it may go: thread a takes parts from the left, the others from the right (`Workers.map`), until all are taken.
    for top, taken in ((124, "aaaaaaaa"), (166, "aaabbbbb"), (208, "aaabcdcb")):
        threads = len(set(taken))
        p.text((24, top + 16), f"{threads} thread{'s' * (threads > 1)}", 16, ha="left")
        for at, thread in zip(middles, taken, strict=True):
            p.frame((at - wide / 2 + 3, top, wide - 6, 32), GREY, 1.5, GREY_TINT)
            p.text((at, top + 17), thread, 17, code=True)
    text = "For example: which thread takes which part is left to chance. Each part has a dw of its own:"
    p.text((24, 266), text, 16, ha="left")
    y = 372
    p.text((24, 308), "gradients", 16, ORANGE, ha="left")
    p.text((24, y - 9), "sum, always", 16, ORANGE, ha="left")
    p.text((24, y + 11), "from the left", 16, ORANGE, ha="left")
    for k, at in enumerate(middles):
        p.frame((at - 31, 290, 62, 36), ORANGE, 1.5, ORANGE_TINT)
        p.text((at, 309), f"dw_{k}", 16, code=True)
        if k == 0:
            p.line([(at, 327), (at, y), (at + 16, y)], ORANGE, dashed=True)
        else:
            p.arrow((at, 327), (at, y - 15), ORANGE, dashed=True)
            p.node((at, y), "+", 15)
        p.arrow((at + 16, y), (at + wide - (16 if at < middles[-1] else 22), y), ORANGE, dashed=True)
    p.text((middles[-1] + wide - 18, y), "dw", 18, ORANGE, code=True, ha="left")
    big, one = np.float32(1e8), np.float32(1)
    assert big + one == big
    p.text((24, 428), "Why the order counts: float32 has about seven digits, and each sum is rounded:", 16, ha="left")
    p.text((24, 460), f"(1e8 + 1) − 1e8 = {number((big + one) - big)}", 17, code=True, ha="left")
    p.text((24, 488), f"(1e8 − 1e8) + 1 = {number((big - big) + one)}", 17, code=True, ha="left")
    p.text((260, 460), "since 1e8 + 1 is rounded to 1e8", 16, ha="left")
    return p


def blocks():
    """The weights of a dense layer cut into blocks: the other way to share a backward pass."""
    N, C, U = 64, 1600, 128
    w_blocks = sharing.blocks(N, np.empty((C, U)))
    p = Picture("Blocks of a dense layer's weights: nothing to add up", 372)
    count, chosen = len(w_blocks), 1
    x, w, dy = (40, 128, 340, 64), (480, 92, 110, 136), (650, 128, 110, 64)
    for k, rows in enumerate(w_blocks):
        letter, tint = "abcd"[k], {chosen: BLUE_TINT}.get(k, WHITE)
        wide, high = x[2] / count, w[3] / count
        p.frame((x[0] + k * wide, x[1], wide, x[3]), BLUE, 1.5, tint)
        p.text((x[0] + (k + 0.5) * wide, x[1] + x[3] / 2), f"x_{letter}", 17, code=True)
        p.frame((w[0], w[1] + k * high, w[2], high), BLUE, 1.5, YELLOW_TINT if k == chosen else WHITE)
        p.text((w[0] + w[2] / 2, w[1] + (k + 0.5) * high), f"w_{letter}", 17, code=True)
        p.text((w[0] - 8, w[1] + (k + 0.5) * high), f"{rows.start}–{rows.stop - 1}", 13, DARK_GREY, ha="right")
    p.frame((x[0] + chosen * wide, x[1], wide, x[3]), BLUE, 3.5)
    p.frame((w[0], w[1] + chosen * high, w[2], high), BLUE, 3.5)
    p.frame(dy, ORANGE, 3.5, ORANGE_TINT, dashed=True)
    p.text((dy[0] + dy[2] / 2, dy[1] + dy[3] / 2), "dy", 17, code=True)
    for box, name in ((x, f"x ({N}, {C})"), (w, f"w ({C}, {U})"), (dy, f"dy ({N}, {U})")):
        p.text((box[0] + box[2] / 2, box[1] - 16), name, 16)
    letter = "abcd"[chosen]
    p.text((40, 268), f"Each thread takes blocks. For block {letter} it needs only what is framed:", 16, ha="left")
    p.text((40, 302), f"dw_{letter} = x_{letter}ᵀ dy", 17, ORANGE, code=True, ha="left")
    p.text((260, 302), f"rows {w_blocks[chosen].start} to {w_blocks[chosen].stop - 1} of dw", 16, ha="left")
    p.text((40, 334), f"dx_{letter} = dy w_{letter}ᵀ", 17, ORANGE, code=True, ha="left")
    p.text((260, 334), f"columns {w_blocks[chosen].start} to {w_blocks[chosen].stop - 1} of dx", 16, ha="left")
    return p


def ring():
    """A ring allreduce of four ranks, step by step: rank r begins with 2^r in every chunk, so a sum tells its terms."""
    P, size, gap, left = 4, 38, 26, 82
    values = np.repeat(2 ** np.arange(P)[:, None], P, axis=1)
    p = Picture("A ring allreduce: six times, a chunk goes to the next rank", 632)
    p.text((24, 66), "Steps 1 to 3, add: each rank adds the chunk that it gets to its own.", 16, ha="left")
    p.text((24, 312), "Steps 4 to 6, copy: the chunk that a rank gets replaces its own.", 16, ha="left")
    arrived: set[tuple[int, int]] = set()
    for step in range(2 * P - 1):
        row, column = divmod(step, P)
        at = left + (column + row * 0.5) * (P * size + gap), 120 + 246 * row
        fills = {cell: ORANGE_TINT if cell in arrived else WHITE for cell in np.ndindex(P, P)}
        grid = p.grid(at, values, size, edge=GREY, fills=fills)
        for cell in arrived:
            p.frame(grid.box(cell, (1, 1)), ORANGE, 2.5)
        p.text((grid.middle[0], grid.top - 22), f"after step {step}" if step else "at first", 15)
        if column == 0:
            for r in range(P):
                p.text((at[0] - 10, grid.centre(r, 0)[1]), f"rank {r}", 15, ha="right")
        if step == 2 * P - 2:
            break
        sent = {(r, (r - step) % P): values[r, (r - step) % P] for r in range(P)}
        arrived = {((r + 1) % P, chunk) for r, chunk in sent}
        for (r, chunk), message in sent.items():
            x, y = grid.left + (chunk + 1) * size - 6, grid.centre(r, chunk)[1]
            p.arrow((x, y + 10), (x, y + size - 9), ORANGE)
            if r == P - 1:  # the last sends to the first: in again at the top
                p.arrow((x, grid.top - 9), (x, grid.top + 10), ORANGE)
            values[(r + 1) % P, chunk] = message + (step < P - 1) * values[(r + 1) % P, chunk]
    assert (values == 2**P - 1).all()
    legend = (
        "A row: the gradient of a rank, cut into four chunks. The ranks begin with 1, 2, 4 and 8 everywhere,",
        f"so a sum tells who is in it: 3 = 1 + 2. Complete is {2**P - 1}. Framed: what has just arrived.",
        "Arrows: the four messages of the next step, each to the next rank. The next after rank 3 is rank 0:",
        "the arrow that leaves at the bottom and the one that enters above it at the top are one message.",
    )
    for k, line in enumerate(legend):
        p.text((24, 548 + 21 * k), line, 15, ha="left")
    return p


def doubling():
    """Recursive doubling of four ranks: whole gradients, pairwise, and on all ranks the same brackets."""
    P, high, top = 4, 40, 96
    lefts, widths = (92, 292, 522), (80, 150, 246)
    p = Picture("Recursive doubling: the same brackets on every rank", 356)
    sums = [f"g{r}" for r in range(P)]
    for k, title in enumerate(("at first", "after round 1", "after round 2")):
        p.text((lefts[k] + widths[k] / 2, 74), title, 15)
        for r in range(P):
            y = top + r * 52
            p.frame((lefts[k], y, widths[k], high), ORANGE, 1.5, ORANGE_TINT)
            p.text((lefts[k] + widths[k] / 2, y + high / 2 + 1), sums[r] if k < 2 else sums[r][1:-1], 15, code=True)
            if k == 0:
                p.text((lefts[k] - 10, y + high / 2), f"rank {r}", 15, ha="right")
            if k < 2:
                for other in (r, r ^ (1 << k)):
                    ends = [(lefts[k] + widths[k] + 3, y + high / 2), (lefts[k + 1] - 3, top + other * 52 + high / 2)]
                    p.arrow(*ends, ORANGE if other != r else GREY, dashed=other != r)
        sums = ["({} + {})".format(*sorted((sums[r], sums[r ^ (1 << k)]))) for r in range(P)] if k < 2 else sums
    assert len(set(sums)) == 1
    text = "Dashed: messages. Each is the whole sum so far, to the rank whose number differs in one bit."
    p.text((24, 324), text, 16, ha="left")
    return p


def model():
    """The MNIST model: what goes from layer to layer."""
    network = Sequential(
        [
            layers.Input((28, 28, 1)),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPool2D(2),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPool2D(2),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )
    images, flatten, dense = network.layers[:4], network.layers[4], network.layers[5:]
    p = Picture("The MNIST model: an image becomes ten probabilities", 476)
    pixel, gap, level, left = 3.1, 96, 142, 30.0
    for k, (H, W, C) in enumerate([network.input_shape, *(layer.output_shape for layer in images)]):
        sheets = max(1, C // 8)
        top = level - (H * pixel + 4 * sheets) / 2
        for sheet in reversed(range(sheets)):
            box = left + 4 * sheet, top + 4 * sheet, W * pixel, H * pixel
            p.frame(box, BLUE, 1.2, BLUE_TINT if k else WHITE)
        right = left + W * pixel + 4 * (sheets - 1)
        middle = (left + right) / 2
        p.text((middle, 216), f"{H} × {W} × {C}", 15)
        if k == 0:
            digit(p, (left, top), pixel)
        if k == 1:
            p.text((middle, 76), "one sheet: 8 channels", 13, DARK_GREY)
        if k < len(images):
            operation(p, images[k], right + 8, right + gap - 8, level)
            left = right + gap
    p.line([(middle, 232), (middle, 262), (78, 262)], BLUE)
    p.arrow((78, 262), (78, 284), BLUE)
    p.text((400, 249), type(flatten).__name__, 15)
    level = 366
    for k, (layer, high) in enumerate(zip([flatten, *dense], (150, 100, 150), strict=True)):
        (U,), left = layer.output_shape, 68 + 250 * k
        p.frame((left, level - high / 2, 20, high), BLUE, 1.2, BLUE_TINT)
        p.text((left + 10, level + high / 2 + 16), str(U), 15)
        if k < len(dense):
            operation(p, dense[k], left + 30, left + 240, level)
    for k in range(U):
        p.frame((left, level - high / 2 + k * high / U, 20, high / U), BLUE, 1.2)
        p.text((left + 32, level - high / 2 + (k + 0.5) * high / U + 1), str(k), 13)
    p.text((626, level), "probabilities", 15, ha="left")
    p.text((776, 457), f"{network.count_params():,} parameters", 15, ha="right")
    return p


def operation(p, layer, left, right, level):
    """Draw what a layer does: an arrow with its name, its window and its activation."""
    window = getattr(layer, "kernel_size", getattr(layer, "pool_size", None))
    middle = (left + right) / 2
    p.arrow((left, level), (right, level), BLUE)
    p.text((middle, level - (36 if window else 16)), type(layer).__name__, 15)
    if window:
        p.text((middle, level - 16), "{} × {}".format(*window), 15)
    if getattr(layer, "activation", None):
        p.text((middle, level + 18), type(layer.activation).__name__, 15)


def digit(p, at, pixel):
    """Draw the first digit of the data that come with npcnn."""
    (images, _), _ = mnist.load_data("sample")
    for i, j in np.argwhere(images[0]):
        box = at[0] + j * pixel, at[1] + i * pixel, pixel, pixel
        p.frame(box, "none", 0, str(1 - images[0, i, j] / 255))


PICTURES = (chain_rule, conv1d, patch, overlap, im2col, tile, winner, parts, blocks, ring, doubling, model)

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Draw the pictures of the lesson.")
    folder = Path(__file__).with_name("pictures")
    parser.add_argument("--output", type=Path, default=folder, help="a folder (default: docs/pictures)")
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    use_style()
    for draw in PICTURES:
        draw().save(args.output / f"{draw.__name__}.svg")
