"""The page in which a model runs: written by Python, and used in a real browser as people use it.

The page computes in JavaScript what npcnn computes, so npcnn is its reference.
"""

import base64
import copy
import functools
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from npcnn import Sequential, explorer, layers, losses, optimizers
from npcnn.datasets import mnist
from npcnn.digit_image import prepare_digit
from npcnn.training import train_step

ROOT = Path(__file__).parent.parent
FILES = ["page.html", "page.css", "engine.js", "digit.js", "explain.js", "pictures.js", "view.js", "events.js"]


def make_model(*between, **options):
    return Sequential([layers.Input((28, 28, 1)), *between, layers.Dense(10, activation="softmax")], seed=0, **options)


@functools.cache
def first_example():
    """The model of the first example, trained for one epoch on the sample: it still reads some digits wrong."""
    model = make_model(
        layers.Conv2D(32, 3, activation="relu"),
        layers.MaxPool2D(2),
        layers.Conv2D(64, 3, activation="relu"),
        layers.MaxPool2D(2),
        layers.Flatten(),
        layers.Dense(128, activation="relu"),
        name="mnist_model",
    )
    (x, y), _ = mnist.load_data("sample")
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(x[..., None] / np.float32(255), y, epochs=1, verbose=0)
    return model


def other_shapes():
    """Strides, both paddings, dilation, overlapping windows, no bias, a frozen layer, a model within the model."""
    inner = Sequential([layers.Conv2D(5, (2, 3), padding="same", dilation_rate=(2, 3), use_bias=False)], name="inner")
    model = make_model(
        layers.Conv2D(4, (5, 4), strides=(2, 1), padding="same", activation="relu"),
        layers.MaxPool2D((3, 2), strides=(2, 1), padding="same"),
        inner,
        layers.Activation("linear"),
        layers.Activation("relu"),
        layers.MaxPool2D(3, strides=2),
        layers.SpatialDropout2D(0.25),
        layers.Conv2D(3, 2, strides=2, trainable=False),
        layers.Dropout(0.5),
        layers.Flatten(),
        layers.Dense(7, use_bias=False),
        layers.ReLU(),
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


@pytest.fixture(scope="module", params=[first_example, other_shapes], ids=lambda make: make.__name__)
def model(request):
    return request.param()


@pytest.fixture(scope="module")
def test_digits():
    _, (images, labels) = mnist.load_data("sample")
    return images, labels


# ------------------------------------------------------------------ the file


def data_of(page):
    return json.loads(re.search(r'<script id="data".*?>(.*?)</script>', page, re.DOTALL)[1])


@pytest.fixture(scope="module")
def plain_model():
    return make_model(layers.Conv2D(2, 3), layers.Flatten(), name="plain")


def test_the_page_of_the_first_example_is_small_and_loads_nothing(test_digits):
    model = make_model(
        *(layers.Conv2D(32, 3, activation="relu"), layers.MaxPool2D(2), layers.Conv2D(64, 3, activation="relu")),
        *(layers.MaxPool2D(2), layers.Flatten(), layers.Dense(128, activation="relu")),
    )
    page = explorer.make_page(model, *test_digits)
    assert len(page.encode()) < 3e6
    assert not re.search(r"https?://|\bimport\b|\bfetch\b|\bsrc=|url\(", page)
    assert re.findall(r'href="(.*?)"', page) == ["data:,"]
    assert page.isascii() or '<meta charset="utf-8">' in page[:200]


def test_the_same_model_gives_the_same_page(plain_model, test_digits):
    assert explorer.make_page(plain_model, *test_digits) == explorer.make_page(plain_model, *test_digits)


def test_write_takes_the_sample_where_no_digits_are_given(plain_model, test_digits, tmp_path):
    explorer.write(plain_model, str(tmp_path / "page.html"))
    assert (tmp_path / "page.html").read_text("utf-8") == explorer.make_page(plain_model, *test_digits)


@pytest.mark.parametrize("given", ["images", "labels"])
def test_images_without_labels_and_labels_without_images_are_refused(given, plain_model, test_digits, tmp_path):
    digits = dict(zip(("images", "labels"), test_digits, strict=True))
    with pytest.raises(ValueError, match="images and labels go together"):
        explorer.write(plain_model, tmp_path / "page.html", **{given: digits[given]})
    assert not (tmp_path / "page.html").exists()


def test_a_page_of_more_than_3_mb_is_written_with_a_warning_that_says_how_large_it_is(test_digits, tmp_path):
    model = make_model(layers.Flatten(), layers.Dense(1000))
    with pytest.warns(UserWarning, match=r"the page has 4\.\d MB"):
        explorer.write(model, tmp_path / "page.html", *test_digits)
    assert (tmp_path / "page.html").stat().st_size > 4e6


def test_no_text_in_the_data_can_end_the_script_it_is_in(plain_model, test_digits, monkeypatch):
    monkeypatch.setattr(explorer, "equations_of", lambda cls: "y = x </script> <!-- <script>")
    page = explorer.make_page(plain_model, *test_digits)
    assert page.count("</script>") == 1 + sum(name.endswith(".js") for name in FILES)
    assert "<" not in re.search(r'<script id="data".*?>(.*?)</script>', page, re.DOTALL)[1]
    assert data_of(page)["steps"][0]["equations"] == "y = x </script> <!-- <script>"


def test_weights_and_digits_in_the_page_are_those_of_the_model(plain_model, test_digits):
    images, labels = test_digits
    data = data_of(explorer.make_page(plain_model, *test_digits))
    for step in (step for step in data["steps"] if "w" in step):
        w, b = plain_model.get_layer(step["name"]).get_weights()
        assert np.array_equal(np.frombuffer(base64.b64decode(step["w"]), "<f4").reshape(step["wShape"]), w)
        assert np.array_equal(np.frombuffer(base64.b64decode(step["b"]), "<f4"), b)
    pictures = np.frombuffer(base64.b64decode(data["digits"]), np.uint8).reshape(-1, 28, 28)
    assert len(pictures) >= 100 and np.array_equal(pictures, images[data["numbers"]])
    assert data["labels"] == labels[data["numbers"]].tolist()


def test_digits_that_are_read_wrong_are_among_those_to_choose(test_digits):
    _, labels = test_digits
    read = labels.copy()
    read[990:] = (labels[990:] + 1) % 10
    chosen = explorer.choose_digits(labels, read)
    assert set(range(990, 1000)) <= set(chosen) and len(chosen) == 110
    assert all((labels[chosen] == label).sum() >= 10 for label in range(10))


def test_each_layer_has_its_equation_and_the_lines_that_compute_it(plain_model, test_digits):
    data = data_of(explorer.make_page(plain_model, *test_digits))
    described = [*data["steps"], data["loss"], *data["optimizers"].values()]
    places = [place for each in described for found in each["places"].values() for place in found]
    for place in places:
        file, line = place["place"].split(":")
        name = place["name"].split(".")[-1]
        assert f"def {name}(" in (ROOT / file).read_text().splitlines()[int(line) - 1]
    assert "npcnn/kernels/conv2d.py" in {place["place"].split(":")[0] for place in places}
    assert all("=" in each["equations"] and "Args:" not in each["equations"] for each in described)


def test_examples_in_a_docstring_are_no_equations():
    class WithExamples:
        """Double it.

        Forward: y = 2 x. Backward: dx = 2 dy.

        With small numbers:

        >>> 2 * 3
        6

        This is linear.

        Args:
            none.
        """

    expected = "Double it.\n\nForward: y = 2 x. Backward: dx = 2 dy.\n\nThis is linear."
    assert explorer.equations_of(WithExamples) == expected


def test_the_softmax_says_that_its_gradient_is_that_of_the_loss(plain_model, test_digits):
    data = data_of(explorer.make_page(plain_model, *test_digits))
    softmax = data["steps"][-1]
    assert softmax["places"]["backward"] == data["loss"]["places"]["backward"]
    assert softmax["equations"].startswith("Exponentials") and softmax["equations"].endswith(data["loss"]["equations"])


@pytest.mark.parametrize(
    ("between", "message"),
    [
        (
            [layers.Flatten(), layers.Dense(4, activation="tanh", name="mine")],
            "layer 'mine': it is a Tanh; it knows Conv2D",
        ),
        ([layers.BatchNormalization(), layers.Flatten()], "layer 'batch_normalization': it is a BatchNorm"),
        ([layers.Flatten(), layers.ReLU(max_value=6)], "layer 're_lu': it is a ReLU with max_value"),
        ([layers.Dense(3), layers.Flatten()], r"layer 'dense': it is a Dense on \(28, 28, 1\); put a Flatten"),
        ([layers.Flatten(), layers.Dense(3, kernel_regularizer="l2")], "layer 'dense': it has a regularizer"),
        ([layers.Flatten(), layers.Dense(10, activation="softmax")], "layer 'dense': it is a softmax before the end"),
        ([layers.Conv2D(3, 3, activation="softmax"), layers.Flatten()], "layer 'conv2d': it is a softmax before the"),
    ],
)
def test_a_layer_that_the_page_cannot_show_is_named(between, message, test_digits):
    with pytest.raises(ValueError, match=message):
        explorer.make_page(make_model(*between), *test_digits)


@pytest.mark.parametrize(
    "all_layers",
    [
        [layers.Input((8,)), layers.Dense(10, activation="softmax")],
        [layers.Input((28, 28, 1)), layers.Flatten(), layers.Dense(10)],
        [layers.Input((28, 28, 1)), layers.Flatten(), layers.Dense(3, activation="softmax")],
    ],
    ids=["no image", "no softmax", "three classes"],
)
def test_a_model_that_does_not_read_digits_is_refused(all_layers, test_digits):
    with pytest.raises(ValueError, match=r"the page is for models of digits, \(28, 28, 1\) to 10 by softmax; this one"):
        explorer.make_page(Sequential(all_layers), *test_digits)


def test_a_model_without_weights_and_digits_of_another_form_are_refused(plain_model, test_digits):
    with pytest.raises(RuntimeError, match="no weights yet"):
        explorer.make_page(Sequential([layers.Dense(10)]), *test_digits)
    images, labels = test_digits
    with pytest.raises(ValueError, match=r"images must be uint8 \(N, 28, 28\), got float64 \(1000, 28, 28\)"):
        explorer.make_page(plain_model, images / 255, labels)
    with pytest.raises(TypeError, match="model must be a Sequential, got int"):
        explorer.make_page(3, images, labels)


@pytest.mark.parametrize(
    ("change", "got"),
    [
        (lambda labels: labels[:, None], r"(1000, 1)"),
        (lambda labels: np.eye(10)[labels], r"float64 (1000, 10)"),
        (lambda labels: labels[0], "()"),
        (lambda labels: labels[1:], "(999,)"),
        (lambda labels: labels.astype(float), "float64 (1000,)"),
        (lambda labels: labels.astype(int) + 7, "int64 (1000,) from 7 to 16"),
        (lambda labels: labels.astype(int) - 1, "int64 (1000,) from -1 to 8"),
    ],
    ids=["a column", "one-hot", "a scalar", "one too few", "fractions", "above 9", "below 0"],
)
def test_labels_that_are_no_row_of_digits_are_refused(change, got, plain_model, test_digits):
    images, labels = test_digits
    with pytest.raises(ValueError, match=rf"labels must be integers from 0 to 9, \(1000,\).*{re.escape(got)}$"):
        explorer.make_page(plain_model, images, change(labels))


def test_the_example_writes_the_page_beside_the_model_and_names_the_layer_it_cannot_show(tmp_path):
    make_model(layers.Flatten()).save(tmp_path / "good.keras")
    make_model(layers.Flatten(), layers.ELU()).save(tmp_path / "bad.keras")

    def run(*arguments):
        command = [sys.executable, str(ROOT / "examples" / "explore.py"), *arguments, "--data", "sample", "--no-open"]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)

    good, bad = run("good.keras"), run("bad.keras")
    assert good.returncode == 0 and (tmp_path / "good.html").stat().st_size > 100_000, good.stderr
    assert bad.returncode == 2 and "layer 'elu'" in bad.stderr and not (tmp_path / "bad.html").exists()
    folder, new = run("good.keras", "--out", "."), run("good.keras", "--out", "new/folder/page.html")
    assert folder.returncode == 2 and f"--out must be a file, got the folder {tmp_path}" in folder.stderr
    assert new.returncode == 0 and (tmp_path / "new/folder/page.html").is_file(), new.stderr


def test_the_files_of_the_page_are_part_of_the_package():
    patterns = re.search(r"npcnn.explorer = (.*)", (ROOT / "setup.cfg").read_text())[1].split(", ")
    folder = ROOT / "npcnn" / "explorer"
    found = {file.name for pattern in patterns for file in folder.glob(pattern)}
    assert found == set(FILES) == {file.name for file in folder.iterdir() if file.suffix not in ("", ".py")}


# ------------------------------------------------------------------ in a browser


@pytest.fixture(scope="module")
def file(model, test_digits, tmp_path_factory):
    """The page of the model, as a file."""
    path = tmp_path_factory.mktemp("page") / "page.html"
    explorer.write(model, path, *test_digits)
    return path


@pytest.fixture(scope="module")
def first_file(test_digits, tmp_path_factory):
    """The page of the first example's model."""
    path = tmp_path_factory.mktemp("first") / "page.html"
    explorer.write(first_example(), path, *test_digits)
    return path


@pytest.fixture
def open_page(browser):
    """A function (file, **options of the browser) -> page. In the end, no page has complained or loaded anything."""
    contexts, complaints, requests = [], [], []

    def opened(path, **options):
        context = browser.new_context(**{"viewport": {"width": 1440, "height": 900}} | options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(path.as_uri())
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []
    assert {url.split(":")[0] for url in requests} <= {"file"}


def wait_until(page, expression, argument=None):
    """Wait until an expression is true. (The page's policy lets Playwright's own wait evaluate it only once.)"""
    for _ in range(200):
        if page.evaluate(expression, argument):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"never true: {expression}")


# In the page, the weights of all layers or their gradients, in the order of get_weights.
WEIGHTS = "network.steps.filter((s) => s.w).flatMap((s) => (s.useBias ? [{0}, {1}] : [{0}]))"


def arrays_in(page, expression):
    """The Float32Arrays that an expression in the page lists, as flat arrays."""
    to_text = "btoa(Array.from(new Uint8Array(a.buffer), (byte) => String.fromCharCode(byte)).join(''))"
    texts = page.evaluate(f"({expression}).map((a) => {to_text})")
    return [np.frombuffer(base64.b64decode(text), "<f4") for text in texts]


def digits_in(page):
    """x (N, 28, 28, 1) and labels of the test digits in the page."""
    pixels, labels = page.evaluate("[Array.from(testDigits), data.labels]")
    return np.reshape(pixels, (-1, 28, 28, 1)).astype(np.uint8) / np.float32(255), np.array(labels)


def reference_gradients(model, x, label):
    """The gradients of the loss: with respect to x and the output of each step but the softmax; and to the weights.

    In float64: where the network is sure of the right answer, p - 1 in float32 keeps few digits, or none.
    """
    steps = [part for layer in model.layers for inner in layer.in_line() for part in inner.split_activation()]
    steps = [step for step in steps if not (type(step) is layers.Activation and step.activation is None)][:-1]
    caches, y = [], x.astype(np.float64)
    steps = [copy.copy(step) for step in steps]
    for step in steps:
        step.params = {key: w.astype(np.float64) for key, w in step.params.items()}
        y, cache = step.forward(y)
        caches.append(cache)
    loss = losses.SparseCategoricalCrossentropy(from_logits=True)
    dys, of_weights = [loss.backward(loss.forward(np.array([label]), y)[1])], []
    for step, cache in zip(reversed(steps), reversed(caches), strict=True):
        dx, grads = step.backward(dys[0], cache)
        dys.insert(0, dx)
        of_weights = [*grads.values(), *of_weights]
    return dys, of_weights


def assert_near(got, wanted, share):
    """Every number is right to within a share of the largest."""
    assert np.max(np.abs(np.reshape(got, wanted.shape) - wanted)) <= share * max(np.abs(wanted).max(), 1e-12)


def test_the_page_gives_the_probabilities_of_predict(model, file, open_page):
    page = open_page(file)
    x, _ = digits_in(page)
    got = arrays_in(page, "data.labels.map((_, n) => (takeTestDigit(n), network.ys.at(-1)))")
    assert len(got) >= 100
    np.testing.assert_allclose(got, model.predict(x, verbose=0), rtol=0, atol=1e-5)


def test_the_page_gives_the_gradients_of_the_library(model, file, open_page):
    page = open_page(file)
    x, labels = digits_in(page)
    page.check("input[value=dy]")
    for n in range(0, len(x), 10):
        page.evaluate("n => takeTestDigit(n)", n)
        dys, of_weights = reference_gradients(model, x[n : n + 1], labels[n])
        got = arrays_in(page, "network.dys.slice(0, -1)")
        assert len(got) == len(dys)
        for mine, wanted in zip(got, dys, strict=True):
            assert_near(mine, wanted, 1e-4)
        for mine, wanted in zip(arrays_in(page, WEIGHTS.format("s.dw", "s.db")), of_weights, strict=True):
            assert_near(mine, wanted, 1e-4)


@pytest.mark.parametrize(("name", "rate"), [("SGD", 0.01), ("Adam", 0.001)])
def test_ten_steps_in_the_page_leave_the_weights_that_train_step_leaves(
    name, rate, model, file, open_page, monkeypatch
):
    page = open_page(file)
    x, labels = digits_in(page)
    n = int(page.input_value("#digits"))  # the first that is read wrong
    page.select_option("#optimizer", name)
    page.select_option("#rate", str(rate))
    before = model.get_weights()
    plan, optimizer = model._plan(), getattr(optimizers, name)(rate)
    for step in plan.steps:
        if isinstance(step, layers.Dropout):
            monkeypatch.setattr(step, "rate", 0.0)  # it does nothing in the page
    try:
        for _ in range(10):
            train_step(plan, optimizer, model.trainable_params, x[n : n + 1], labels[n : n + 1])
            page.click("#step")
        got, moved = arrays_in(page, WEIGHTS.format("s.w", "s.b")), 0
        for mine, wanted, was in zip(got, model.get_weights(), before, strict=True):
            np.testing.assert_allclose(np.reshape(mine, wanted.shape), wanted, rtol=0, atol=1e-5)
            moved = max(moved, np.abs(wanted - was).max())
        assert moved > 1e-3
    finally:
        model.set_weights(before)


def test_every_number_in_the_pictures_is_the_sum_that_the_page_says_it_is(file, open_page):
    page = open_page(file)
    page.check("input[value=dw]")
    wrong = page.evaluate("""() => {
      const wrong = [];
      const sum = (products) => products.reduce((total, [, a, , b]) => total + a * b, 0);
      for (let k = 0; k <= network.steps.length; k++)
        for (const show of ["y", "dy", "w", "dw", "change"]) {
          page.show = show;
          const { values } = content(k), largest = values ? largestMagnitude(values) : 0;
          for (let at = 0; values && at < values.length; at += 1 + Math.floor(values.length / 50)) {
            const found = explain(network, k, show, at, page.label), step = network.steps[k - 1];
            const bias = show === "y" && step?.b ? step.b[at % step.b.length] : 0;
            if (show !== "change" && found.value !== values[at]) wrong.push([k, show, at, found.value, values[at]]);
            const error = found.products ? Math.abs(sum(found.products) + bias - values[at]) : 0;
            if (!(error <= 1e-5 * largest)) wrong.push([k, show, at, error, found.text]);
          }
        }
      return wrong;
    }""")
    assert wrong == []


def test_the_first_nan_of_a_window_wins_as_in_the_library(first_file, open_page):
    x = np.zeros((28, 28, 1), "float32")
    x[0, 1] = x[1, 0] = x[3, 3] = np.nan
    x[2:4, 2] = x[0, 0] = 7
    pool = layers.MaxPool2D(2)
    pool.build(x.shape)
    y, cache = pool.forward(x[None])
    dx, _ = pool.backward(np.ones_like(y), cache)
    found = open_page(first_file).evaluate(
        """x => {
          const kept = { input: [28, 28, 1], output: [14, 14, 1], window: [2, 2], strides: [2, 2] };
          const step = { ...kept, dilation: [1, 1], pads: [0, 0] }, pool = LAYERS.MaxPool2D;
          x = Float32Array.from(x, (value) => value ?? NaN);
          const y = pool.forward(step, x), { dx } = pool.backward(step, x, y, new Float32Array(196).fill(1));
          return [y, dx].map((array) => Array.from(array, (value) => (Number.isNaN(value) ? null : value)));
        }""",
        [None if np.isnan(value) else float(value) for value in x.flat],
    )
    for mine, wanted in zip(found, (y, dx), strict=True):
        np.testing.assert_array_equal(np.array(mine, "float32").reshape(wanted.shape), wanted)


def cell_of(page, k, tile, row, column):
    """Where on the screen a cell of layer k's picture is."""
    page.evaluate("k => sections[k].canvas.scrollIntoView({ block: 'center' })", k)
    return page.evaluate(
        """([k, tile, row, column]) => {
          const { canvas, layout } = sections[k], box = canvas.getBoundingClientRect();
          const { x, y } = layout.place({ tile, row, column }), scale = box.width / layout.width;
          return [box.left + (x + 0.5) * scale, box.top + (y + 0.5) * scale];
        }""",
        [k, tile, row, column],
    )


def test_pointing_at_a_cell_shows_its_patch_and_the_sum(first_file, open_page):
    page = open_page(first_file)
    page.mouse.move(*cell_of(page, 1, 5, 12, 8))
    text = page.inner_text("#cell-text")
    assert re.fullmatch(r"y\[12, 8, 5\] = b \S+ \+ sum of 9 products x · w \S+ = \S+", text)
    assert page.locator("#cell-products tbody tr").count() == 10
    assert "npcnn/kernels/conv2d.py:" in page.inner_text("#cell-source")
    patch = page.evaluate("sections[0].overlay.querySelector('rect').outerHTML")
    assert 'x="9" y="13" width="3" height="3"' in patch  # rows 12 to 14, columns 8 to 10, behind the line around it
    page.mouse.move(*cell_of(page, 3, 5, 6, 4))
    assert re.fullmatch(
        r"y\[6, 4, 5\] = max\((\S+, ){3}\S+\) = \S+; x\[1[23], [89], 5\] won", page.inner_text("#cell-text")
    )


def test_under_a_pool_three_of_four_gradients_are_zero(first_file, open_page):
    page = open_page(first_file)
    page.check("input[value=dy]")
    texts = []
    for row, column in [(12, 8), (12, 9), (13, 8), (13, 9)]:
        page.mouse.move(*cell_of(page, 2, 7, row, column))
        texts.append(page.inner_text("#cell-text"))
    assert sum("won the window" in text for text in texts) == 1
    assert sum("= 0: x lost the window of y[6, 4, 7]" in text for text in texts) == 3
    dx = page.evaluate("Array.from(network.dys[2])")
    tiles = np.reshape(dx, (13, 2, 13, 2, 32)).transpose(0, 2, 4, 1, 3).reshape(-1, 4)
    assert ((tiles != 0).sum(axis=1) <= 1).all() and tiles.any()


def draw(page, *points):
    """Draw a line through the points with the mouse; they are shares of the paper."""
    page.evaluate("scrollTo(0, 0)")
    box = page.locator("#paper").bounding_box()
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=8)
    page.mouse.up()
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


SEVEN = [(0.2, 0.15), (0.75, 0.15), (0.45, 0.85)]


def test_a_digit_drawn_with_the_mouse_is_prepared_as_mnist_was_and_read(first_file, open_page):
    page = open_page(first_file)
    page.click("#clear")
    draw(page, *SEVEN)
    assert page.inner_text("#answer").startswith("It reads 7")
    assert page.input_value("#label") == "7" and page.input_value("#digits") == ""
    ink = page.evaluate("Array.from(ink.getImageData(0, 0, 280, 280).data.filter((_, k) => k % 4 === 0))")
    seen = 255 * np.reshape(page.evaluate("Array.from(page.x)"), (28, 28))
    wanted = prepare_digit(np.reshape(ink, (280, 280)).astype(np.uint8)).astype(float)
    # Pillow rounds, and Python looks for the ink first: at the edges of a line they may differ a little.
    assert np.abs(seen - wanted).mean() < 2 and np.corrcoef(seen.ravel(), wanted.ravel())[0, 1] > 0.99
    page.click("#clear")
    wait_until(page, "page.x.every((value) => value === 0)")
    assert page.inner_text("#answer") == "Nothing drawn yet"


def test_a_finger_draws_and_points(first_file, open_page):
    page = open_page(first_file, viewport={"width": 360, "height": 640}, has_touch=True, is_mobile=True)
    page.tap("#clear")
    page.tap("#paper")
    wait_until(page, "page.x.some((value) => value > 0)")
    page.touchscreen.tap(*cell_of(page, 1, 3, 10, 10))
    assert page.inner_text("#cell-text").startswith("y[10, 10, 3] = ")
    page.evaluate("scrollTo(0, 0)")
    paper, cell = page.locator("#paper").bounding_box(), page.locator("#cell").bounding_box()
    assert paper["y"] + paper["height"] <= cell["y"]  # the panel, which stays in view, leaves room to draw


def test_the_right_button_holds_no_cell(first_file, open_page):
    page = open_page(first_file)
    place = cell_of(page, 1, 5, 12, 8)
    page.mouse.click(*place, button="right")
    assert page.evaluate("page.held") is False
    page.mouse.click(*place)
    assert page.evaluate("page.held") is True


def test_the_pen_of_the_keyboard_follows_the_mouse_and_is_lifted_when_the_paper_loses_the_focus(first_file, open_page):
    page = open_page(first_file)
    page.click("#clear")
    draw(page, *SEVEN)
    left, top = page.evaluate("[element('pen').style.left, element('pen').style.top].map(parseFloat)")
    assert abs(left - 45) < 1 and abs(top - 85) < 1
    page.focus("#paper")
    page.keyboard.press(" ")
    assert page.inner_text("#pen-text").startswith("Pen down")
    page.keyboard.press("Tab")
    assert page.evaluate("pen.down") is False and page.inner_text("#pen-text") == ""


def test_the_image_is_grey_from_background_to_ink_in_light_and_in_dark(first_file, open_page):
    for scheme in ["light", "dark"]:
        page = open_page(first_file, color_scheme=scheme)
        page.evaluate("page.x = page.x.map((value, k) => (k === 0 ? 1 : k === 1 ? 0 : value)); render()")
        pixels = page.evaluate("Array.from(sections[0].canvas.getContext('2d').getImageData(1, 1, 2, 1).data)")
        assert pixels == [255, 255, 255, 255, 0, 0, 0, 255]
        legend = page.locator(".layer").first.locator(".legend")
        assert legend.inner_text().split() == ["0", "1"]
        page.check("input[value=dy]")
        assert legend.inner_text().startswith("−")


def test_undo_gives_back_the_learning_rate_and_says_again_only_of_the_digit_that_was_learned(first_file, open_page):
    page = open_page(first_file)
    page.click("#step")
    page.select_option("#optimizer", "SGD")
    assert page.input_value("#rate") == "0.01"
    page.click("#undo")
    assert (page.input_value("#optimizer"), page.input_value("#rate")) == ("Adam", "0.001")
    assert page.inner_text("#learned") == f"Undone: the loss is {page.inner_text('#loss')} again."
    page.click("#step")
    page.select_option("#digits", index=3)
    page.click("#undo")
    assert page.inner_text("#learned") == f"Undone: the loss is {page.inner_text('#loss')}."


def test_every_control_does_what_it_says(first_file, open_page):
    page = open_page(first_file)
    assert page.inner_text("#model").startswith("mnist_model: 225,034 weights")
    assert page.is_disabled("#undo") and page.is_disabled("#reset")
    wrong, right = page.locator("#digits optgroup").all()
    page.select_option("#digits", right.locator("option").nth(3).get_attribute("value"))
    assert f"It reads {page.input_value('#label')}," in page.inner_text("#answer")
    page.select_option("#digits", wrong.locator("option").first.get_attribute("value"))
    assert f"It reads {page.input_value('#label')}," not in page.inner_text("#answer")

    def shown_loss():
        return float(page.inner_text("#loss").replace("−", "-"))

    loss = shown_loss()
    page.select_option("#label", str((int(page.input_value("#label")) + 1) % 10))
    assert shown_loss() != loss
    page.select_option("#digits", wrong.locator("option").first.get_attribute("value"))
    page.select_option("#digits", wrong.locator("option").nth(1).get_attribute("value"))
    page.select_option("#digits", wrong.locator("option").first.get_attribute("value"))
    for show, count in [("dy", 11), ("w", 4), ("dw", 4), ("change", 4), ("y", 12)]:
        page.check(f"input[value={show}]")
        assert page.locator("#layers .picture:visible").count() == count
        assert page.locator("#layers .note").all_inner_texts().count("This layer has no weights.") in (0, 7)
    page.select_option("#optimizer", "SGD")
    assert page.input_value("#rate") == "0.01" and "npcnn/optimizers/sgd.py" in page.text_content("#optimizer-source")
    for _ in range(3):
        page.click("#step")
    after = shown_loss()
    assert after < loss and page.is_visible("#losses")
    assert re.search(r"Loss before the step \S+, after it \S+\.", page.inner_text("#learned"))
    page.click("#undo")
    assert after < shown_loss() < loss
    page.click("#reset")
    assert shown_loss() == loss and page.is_disabled("#reset") and page.is_disabled("#undo")
    page.select_option("#optimizer", "Adam")
    page.select_option("#rate", "0.0001")
    page.click("#step")
    first_step = arrays_in(page, "[network.steps[0].w]")
    page.click("#step")
    page.click("#undo")
    page.click("#undo")
    assert shown_loss() == loss and page.is_disabled("#reset")
    page.click("#step")  # with what Adam remembered before it: nothing
    assert np.array_equal(arrays_in(page, "[network.steps[0].w]"), first_step)
    page.select_option("#optimizer", "SGD")
    page.click("#undo")
    assert page.input_value("#optimizer") == "Adam"
    for details in page.locator("details").all():
        if details.is_visible():
            details.locator("summary").click()
            assert re.search(r"npcnn/\S+\.py:\d+", details.inner_text())


def test_after_a_step_what_was_learned_is_shown(first_file, open_page):
    page = open_page(first_file)
    page.check("input[value=change]")
    assert page.evaluate("largestMagnitude(content(1).values)") == 0
    page.click("#step")
    assert 0.0005 < page.evaluate("largestMagnitude(content(1).values)") <= 0.00101  # Adam's first step: about lr
    page.mouse.move(*cell_of(page, 1, 0, 1, 1))
    assert re.search(
        r"w\[1, 1, 0, 0\] = \S+; when the page was opened \S+, so it changed by", page.inner_text("#cell-text")
    )


def test_weights_that_a_large_learning_rate_has_blown_up_are_said_to_be_so_and_reset_brings_them_back(
    first_file, open_page
):
    page = open_page(first_file)
    answer = page.inner_text("#answer")
    page.select_option("#optimizer", "SGD")
    page.evaluate("document.getElementById('rate').append(new Option(1e30))")
    page.select_option("#rate", "1e+30")
    for _ in range(3):
        page.click("#step")
    assert page.inner_text("#answer") == "The weights have become too large; undo or reset"
    page.click("#reset")
    assert page.inner_text("#answer") == answer


def test_the_page_works_with_the_keyboard_alone(first_file, open_page):
    page = open_page(first_file)

    def tab_to(selector):
        for _ in range(80):
            page.keyboard.press("Tab")
            if page.evaluate("selector => document.activeElement.matches(selector)", selector):
                assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
                return
        raise AssertionError(f"Tab never reaches {selector}")

    tab_to("#paper")
    tab_to("#clear")
    page.keyboard.press("Enter")
    page.keyboard.press("Shift+Tab")
    for key, times in [("ArrowUp", 8), (" ", 1), ("ArrowDown", 16), (" ", 1)]:
        for _ in range(times):
            page.keyboard.press(key)
    wait_until(page, "document.getElementById('answer').textContent.startsWith('It reads 1')")
    tab_to("#step")
    page.keyboard.press("Space")
    assert "after it" in page.inner_text("#learned")
    tab_to("input[name=show]")
    page.keyboard.press("ArrowRight")
    assert page.is_checked("input[value=dy]")
    tab_to(".picture canvas")
    assert page.inner_text("#cell-text").startswith("dx[0, 0, 0] = ")
    for key in ["ArrowDown", "ArrowRight", "ArrowRight", "ArrowLeft", "ArrowUp", "ArrowUp", "ArrowDown"]:
        page.keyboard.press(key)
    assert page.inner_text("#cell-text").startswith("dx[1, 1, 0] = ")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")  # over the equations, to the next picture
    if not page.evaluate("document.activeElement.matches('.picture canvas')"):
        tab_to(".picture canvas")
    page.keyboard.press("PageDown")
    assert "[0, 0, 1]" in page.inner_text("#cell-text")
    page.keyboard.press("Escape")
    assert page.inner_text("#cell-text") == "" and page.is_visible("#cell-hint")
    assert page.is_visible("#pictures-help")


def test_everything_that_can_be_used_has_a_name(first_file, open_page):
    page = open_page(first_file)
    unnamed = page.evaluate("""() => [...document.querySelectorAll("button, select, input, canvas, summary")]
      .filter((each) => each.checkVisibility() && !each.closest("#cell-pictures"))
      .filter((each) => !(each.ariaLabel || each.labels?.[0]?.textContent.trim() || each.textContent.trim()))
      .map((each) => each.outerHTML)""")
    assert unnamed == []
    assert page.locator("html[lang=en]").count() == 1 and page.locator("h1").count() == 1
    live = page.locator("[role=status], [aria-live], output").evaluate_all("list => list.map((each) => each.id)")
    assert live == ["pen-text", "answer", "loss", "learned", "cell-text"]
    assert page.get_attribute("#loss", "aria-live") == "off"  # the answer and the step are said, not every number


def test_every_layer_is_under_the_heading_of_the_layers_and_every_canvas_says_how_it_is_used(first_file, open_page):
    page = open_page(first_file)
    headings = page.locator("h1, h2, h3").evaluate_all("list => list.map((each) => [each.tagName, each.textContent])")
    first = next(k for k, (tag, _) in enumerate(headings) if tag == "H3")
    assert headings[first - 1] == ["H2", "The layers"]
    sources = page.locator(".layer .source").all_inner_texts()
    place = r"npcnn/\w+/\w+\.py:\d+"  # one line each; the equations, for every stride and padding, are folded away
    assert all(re.fullmatch(f"y: {place}\ndx(, dw, db|, joined with the loss)?: {place}", text) for text in sources[1:])
    helps = page.locator("canvas[role=application]").evaluate_all(
        "list => list.map((each) => element(each.getAttribute('aria-describedby')).textContent)"
    )
    assert len(helps) == 13 and all("arrow keys" in " ".join(text.split()) for text in helps)
    page.locator(".picture canvas").first.focus()
    assert page.is_visible("#pictures-help")  # as the picture's cell is explained, too


def test_the_picture_of_the_losses_says_its_numbers(first_file, open_page):
    page = open_page(first_file)
    losses = [page.inner_text("#loss")]
    for _ in range(2):
        page.click("#step")
        losses.append(page.inner_text("#loss"))
    assert page.get_attribute("#losses", "aria-label") == f"Loss before each step, and now: {', '.join(losses)}"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 768, 1440])
def test_the_page_fits_its_window(width, scheme, first_file, open_page, tmp_path):
    options = {"color_scheme": scheme, "reduced_motion": "reduce"}
    page = open_page(first_file, viewport={"width": width, "height": 900}, **options)
    page.evaluate("select(4, { tile: 3, row: 5, column: 5 })")
    page.screenshot(path=tmp_path / f"{width}_{scheme}.png")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    light = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert light == (scheme == "light")
    assert page.evaluate("getComputedStyle(document.querySelector('.bar')).transitionDuration") == "0s"
    page.check("input[value=w]")
    page.evaluate("document.querySelectorAll('details').forEach((each) => (each.open = true))")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_script_that_photographs_the_page_has_made_its_picture_in_the_readme(browser, tmp_path):
    make_model(layers.Conv2D(2, 3), layers.Flatten()).save(tmp_path / "model.keras")
    command = [sys.executable, str(ROOT / "docs/draw_page.py"), "model.keras", "--data", "sample"]
    subprocess.run([*command, "--output", "new.png"], check=True, cwd=tmp_path, timeout=300)
    committed = ROOT / "docs/pictures/page.png"
    assert committed.stat().st_size < 300_000 and "docs/pictures/page.png" in (ROOT / "README.md").read_text("utf-8")
    for picture in (committed, tmp_path / "new.png"):
        assert picture.read_bytes()[16:24] == (1440).to_bytes(4) + (960).to_bytes(4)  # width and height in a PNG


def test_the_pictures_follow_when_light_turns_dark_and_when_the_window_is_resized(first_file, open_page):
    page = open_page(first_file)
    light = page.evaluate("sections[0].canvas.toDataURL()")
    page.emulate_media(color_scheme="dark")
    wait_until(page, "light => sections[0].canvas.toDataURL() !== light", light)
    wide = page.evaluate("sections[1].layout.inRow")
    page.set_viewport_size({"width": 360, "height": 800})
    wait_until(page, "wide => sections[1].layout.inRow < wide", wide)
