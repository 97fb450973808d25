"""The pictures show what they were given, need no screen, and refuse what cannot be drawn."""

import subprocess
import sys
import types

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image

from npcnn import Sequential, layers, plots
from npcnn.callbacks import Histograms
from npcnn.gradient_check import check_layer, check_model

HISTORY = {
    "loss": [0.15, 0.05, 0.03],
    "accuracy": [0.954, 0.985, 0.991],
    "val_loss": [0.05, 0.04, 0.045],
    "val_accuracy": [0.984, 0.988, 0.9906],
}


def texts(axes):
    return [text.get_text() for text in axes.texts]


def assert_is_a_png_of(figure, path):
    size = figure.get_size_inches() * 150  # dots an inch
    with Image.open(path) as picture:
        picture.load()
        assert picture.format == "PNG" and np.abs(picture.size - size).max() < 1
        assert len(np.unique(np.asarray(picture.convert("L")))) > 10


def test_the_curves_are_the_history_that_fit_returns_and_the_final_values_stand_at_their_ends(tmp_path):
    figure = plots.accuracy_curves(types.SimpleNamespace(history=HISTORY), tmp_path / "curves.png")
    assert [axes.get_title() for axes in figure.axes] == ["Accuracy", "Loss"]
    for axes, name in zip(figure.axes, ("accuracy", "loss"), strict=True):
        drawn = {line.get_label(): line for line in axes.lines}
        assert drawn["training"].get_ydata().tolist() == HISTORY[name]
        assert drawn["validation"].get_ydata().tolist() == HISTORY[f"val_{name}"]
        assert drawn["training"].get_xdata().tolist() == [1, 2, 3]
        assert drawn["training"].get_color() != drawn["validation"].get_color()
    assert set(texts(figure.axes[0])) == {"training 99.10%", "validation 99.06%"}
    assert set(texts(figure.axes[1])) == {"training 0.0300", "validation 0.0450"}
    for text in figure.axes[0].texts:
        assert text.xy == (3, HISTORY["accuracy" if "training" in text.get_text() else "val_accuracy"][-1])
    assert_is_a_png_of(figure, tmp_path / "curves.png")


@pytest.mark.parametrize("epochs", [1, 2, 3, 10, 100])
def test_epochs_are_counted_in_whole_numbers_from_one(epochs):
    figure = plots.accuracy_curves({"loss": list(np.linspace(1, 0, epochs))})
    figure.draw_without_rendering()
    ticks = figure.axes[0].get_xticks()
    assert len(ticks) and (ticks == np.round(ticks)).all()


def test_the_labels_at_the_ends_never_cover_each_other():
    for last in (0.9, 0.9001, 0.95):
        figure = plots.accuracy_curves({"loss": [1, 0.9], "val_loss": [1, last]})
        figure.draw_without_rendering()
        one, other = (text.get_window_extent() for text in figure.axes[0].texts)
        assert max(one.y0, other.y0) > min(one.y1, other.y1) - 1  # a pixel
        assert all(figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1 for box in (one, other))


@pytest.mark.parametrize(
    "names, titles, lines",
    [
        (["loss", "accuracy"], ["Accuracy", "Loss"], 1),
        (["loss", "val_loss"], ["Loss"], 2),
        (["accuracy", "val_accuracy"], ["Accuracy"], 2),
    ],
)
def test_what_the_history_lacks_is_not_drawn(names, titles, lines):
    figure = plots.accuracy_curves({name: HISTORY[name] for name in names})
    assert [axes.get_title() for axes in figure.axes] == titles
    assert all(len(axes.lines) == lines == len(axes.texts) for axes in figure.axes)


@pytest.mark.parametrize(
    "history", [{}, {"loss": []}, {"val_loss": [1.0]}, {"loss": [1.0, 0.5], "accuracy": [0.5]}, {"rate": [1.0]}]
)
def test_a_history_that_cannot_be_drawn_is_refused(history):
    with pytest.raises(ValueError, match="history must have 'accuracy' or 'loss'"):
        plots.accuracy_curves(history)


TRUE = np.array([0, 0, 0, 0, 1, 1, 2, 2, 2, 2])
TAKEN_FOR = np.array([0, 0, 1, 1, 1, 1, 2, 2, 2, 0])  # two 0s in four for a 1, one 2 in four for a 0


def test_each_cell_has_its_count_and_an_empty_one_nothing(tmp_path):
    figure = plots.confusion_matrix(TRUE, TAKEN_FOR, tmp_path / "confusion.png")
    (axes,) = figure.axes
    cells = {(round(text.get_position()[1]), round(text.get_position()[0])): text.get_text() for text in axes.texts}
    assert cells == {(0, 0): "2", (0, 1): "2", (1, 1): "2", (2, 0): "1", (2, 2): "3"}
    assert axes.get_title() == "7 of 10 right, 70.00%"
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted", "true")
    assert axes.get_ylim()[0] > axes.get_ylim()[1], "class 0 is the first row"
    assert_is_a_png_of(figure, tmp_path / "confusion.png")


def test_a_mistake_is_the_darker_the_larger_its_share_of_its_row_and_the_diagonal_is_pale():
    (axes,) = plots.confusion_matrix(TRUE, TAKEN_FOR).axes
    depth = 1 - np.asarray(axes.collections[0].get_array()).reshape(3, 3, 3).min(axis=2)  # 0 is white
    orange, blue = (1 - min(to_rgb(colour)) for colour in (plots.ORANGE, plots.BLUE))
    expected = np.diag([0.15 * blue] * 3)
    expected[0, 1], expected[2, 0] = 0.8 * orange, 0.4 * orange  # shares 1/2 and 1/4
    assert np.allclose(depth, expected)


def test_classes_are_called_by_their_names_also_those_that_never_occur():
    (axes,) = plots.confusion_matrix(TRUE, TAKEN_FOR, class_names=["cat", "dog", "cow", "elk"]).axes
    for labels in (axes.get_xticklabels(), axes.get_yticklabels()):
        assert [label.get_text() for label in labels] == ["cat", "dog", "cow", "elk"]
    (axes,) = plots.confusion_matrix([0, 1, 1], [0, 1, 1]).axes
    assert axes.get_title() == "3 of 3 right, 100.00%"


@pytest.mark.parametrize(
    ("y_true", "y_pred", "names", "message"),
    [
        ([0, 1], [0], None, "one length, got 2 and 1"),
        ([], [], None, "y_true must be class numbers"),
        ([0, -1], [0, 1], None, "y_true must be class numbers"),
        ([0, 1], [0.2, 0.8], None, "y_pred must be class numbers"),
        ([0, 1], [[0, 1], [1, 0]], None, "y_pred must be class numbers"),
        ([0, 1], [0, 2], ["cat", "dog"], "class_names has 2 names, but the classes go up to 2"),
    ],
)
def test_classes_that_cannot_be_drawn_are_refused(y_true, y_pred, names, message):
    with pytest.raises(ValueError, match=message):
        plots.confusion_matrix(np.array(y_true), np.array(y_pred), class_names=names)


def answers(*pairs, classes=4):
    """Probabilities (N, classes) whose largest is, for each (class, certainty), as given."""
    rows = np.empty((len(pairs), classes))
    for row, (answer, certainty) in zip(rows, pairs, strict=True):
        row[:] = (1 - certainty) / (classes - 1)
        row[answer] = certainty
    return rows


IMAGES = np.arange(5 * 6 * 6).reshape(5, 6, 6).astype(np.uint8)
LABELS = np.array([3, 1, 2, 0, 1])
PROBABILITIES = answers((3, 0.4), (2, 0.6), (2, 0.99), (1, 0.98), (3, 0.7))


def test_the_wrong_answers_come_most_certain_first(tmp_path):
    figure = plots.mistakes(IMAGES, LABELS, PROBABILITIES, tmp_path / "mistakes.png")
    shown = [axes for axes in figure.axes if axes.images]
    assert [axes.get_title() for axes in shown] == ["true 0 → 1 (98.0%)", "true 1 → 3 (70.0%)", "true 1 → 2 (60.0%)"]
    for axes, n in zip(shown, (3, 4, 1), strict=True):
        assert np.array_equal(axes.images[0].get_array(), IMAGES[n])
    assert figure.get_suptitle() == "3 wrong of 5; the 3 the model was most certain of"
    assert_is_a_png_of(figure, tmp_path / "mistakes.png")


def test_no_more_than_count_are_shown_and_a_channel_axis_does_not_matter():
    figure = plots.mistakes(IMAGES[..., None], LABELS, PROBABILITIES, count=2)
    assert [axes.get_title() for axes in figure.axes] == ["true 0 → 1 (98.0%)", "true 1 → 3 (70.0%)"]
    assert figure.get_suptitle() == "3 wrong of 5; the 2 the model was most certain of"


def test_without_mistakes_the_least_certain_answers_are_shown_and_the_title_says_so():
    figure = plots.mistakes(IMAGES, PROBABILITIES.argmax(axis=1), PROBABILITIES, count=2)
    assert [axes.get_title() for axes in figure.axes] == ["true 3 (40.0%)", "true 2 (60.0%)"]
    assert figure.get_suptitle() == "None wrong of 5; the 2 the model was least certain of"


def test_panels_that_are_left_over_stay_empty():
    figure = plots.mistakes(np.zeros((7, 6, 6)), np.zeros(7, int), answers(*[(1, 0.9)] * 7))
    assert len(figure.axes) == 10 and sum(bool(axes.images) for axes in figure.axes) == 7
    assert not any(axes.axison for axes in figure.axes)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"images": IMAGES[:4]}, r"must be \(N, H, W\), \(N,\) and \(N, K\), got \(4, 6, 6\)"),
        ({"y_true": LABELS[:4]}, r"got \(5, 6, 6\), \(4,\) and \(5, 4\)"),
        ({"probabilities": PROBABILITIES[0]}, r"must be \(N, H, W\)"),
        ({"images": IMAGES.reshape(5, 36)}, r"must be \(N, H, W\)"),
        ({"images": np.zeros((5, 6, 6, 3))}, r"must be \(N, H, W\)"),
        ({"y_true": LABELS + 1}, "y_true goes up to 4, probabilities has 4 classes"),
        ({"y_true": LABELS - 1}, "y_true must be class numbers from 0"),
        ({"images": IMAGES[:0], "y_true": LABELS[:0], "probabilities": PROBABILITIES[:0]}, "N at least 1"),
        ({"count": 0}, "count must be an integer of at least 1, got 0"),
    ],
)
def test_mistakes_that_cannot_be_drawn_are_refused(changed, message):
    arguments = {"images": IMAGES, "y_true": LABELS, "probabilities": PROBABILITIES} | changed
    with pytest.raises(ValueError, match=message):
        plots.mistakes(**arguments)


def test_a_digit_is_shown_as_given_as_the_network_saw_it_and_with_its_probabilities(tmp_path):
    original = Image.new("L", (30, 20), 200)
    original.putpixel((3, 4), 10)
    original.save(tmp_path / "given.png")
    prepared = np.arange(28 * 28).reshape(28, 28) % 256
    probabilities = answers((7, 0.91), classes=10)[0]
    for given in (tmp_path / "given.png", original, np.asarray(original)):
        figure = plots.digit(given, prepared, probabilities, tmp_path / "seen.png")
        picture, seen, bars = figure.axes
        drawn = np.asarray(picture.images[0].get_array())
        drawn = drawn if drawn.ndim == 2 else drawn[..., 0]
        assert np.array_equal(drawn, np.asarray(original))
        assert np.array_equal(seen.images[0].get_array(), prepared)
        assert seen.get_title() == "what the network saw, 28 x 28"
        assert [bar.get_width() for bar in bars.patches] == probabilities.tolist()
        assert texts(bars)[7] == "91.0%" and texts(bars)[0] == "1.0%"
        assert bars.get_title() == "7, 91.0% certain"
        assert bars.patches[7].get_facecolor() not in [bar.get_facecolor() for bar in bars.patches[:7]]
        assert_is_a_png_of(figure, tmp_path / "seen.png")


def test_a_photograph_is_shown_upright_and_a_16_bit_one_with_all_its_greys(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # taken with the camera turned
    Image.new("RGB", (30, 20)).save(tmp_path / "turned.png", exif=exif)
    greys = np.arange(600, dtype=np.uint16).reshape(20, 30) * 100
    Image.fromarray(greys).save(tmp_path / "deep.png")
    turned, deep = (
        np.asarray(plots.digit(tmp_path / name, np.zeros((28, 28)), np.eye(10)[3]).axes[0].images[0].get_array())
        for name in ("turned.png", "deep.png")
    )
    assert turned.shape[:2] == (30, 20)
    assert np.array_equal(deep, greys)


def test_saving_leaves_only_the_picture_and_the_old_one_whole_if_it_fails(tmp_path, monkeypatch):
    path = tmp_path / "curves.png"
    plots.accuracy_curves(HISTORY, str(path))
    assert list(tmp_path.iterdir()) == [path]
    old = path.read_bytes()

    def fails(self, file, **options):
        with open(file, "wb") as unfinished:
            unfinished.write(b"half a pict")
        raise OSError("the disk is full")

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", fails)
    with pytest.raises(OSError, match="the disk is full"):
        plots.accuracy_curves(HISTORY, path)
    assert path.read_bytes() == old


def test_drawing_needs_no_pyplot_and_so_no_screen(tmp_path):
    code = "import sys; from npcnn import plots; plots.accuracy_curves({'loss': [1]}, sys.argv[1])"
    code += "; assert 'matplotlib.pyplot' not in sys.modules"
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "curves.png")], check=True, timeout=60)


# ------------------------------------------------------------------ the inside of a model


@pytest.fixture
def model(make_model, make_images):
    """A small model in 64 bits, trained a little, so that it is neither sure of everything nor of nothing."""
    model = make_model(dtype="float64", kernels="im2col")
    model.fit(*make_images(60), epochs=2, verbose=0)
    return model


@pytest.fixture
def image(make_images):
    return make_images(1, seed=5)[0][0]


def drawn(axes):
    return np.ma.filled(np.ma.asarray(axes.images[0].get_array(), float), np.nan)


def test_filters_are_drawn_by_channel_and_filter_around_zero(tmp_path, rng):
    stack = [layers.Input((9, 8, 1)), layers.Conv2D(20, (3, 2)), layers.MaxPool2D(2), layers.Conv2D(5, 2)]
    model = Sequential(stack)
    stack[3].params["kernel"][1, 0, 7, 2] = 2  # no negative weight is as large
    figure = plots.filters(model, tmp_path / "filters.png")
    first, second = (panel for panel in figure.axes if panel.images)
    w = stack[1].params["kernel"]
    assert drawn(first).shape == (2 * 3, 16 * 2), "one channel: rows of 16"
    assert np.array_equal(drawn(first)[3:, 2:4], w[:, :, 0, 17]), "the second in the second row is filter 17"
    assert np.isnan(drawn(first)[3:, 4 * 2 :]).all(), "and no filter follows the twentieth"
    w = stack[3].params["kernel"]
    assert drawn(second).shape == (20 * 2, 5 * 2)
    for c, f in np.ndindex(20, 5):
        assert np.array_equal(drawn(second)[2 * c : 2 * c + 2, 2 * f : 2 * f + 2], w[:, :, c, f])
    low, high = second.images[0].get_clim()
    assert -low == high == w.max() == 2
    assert_is_a_png_of(figure, tmp_path / "filters.png")
    few = next(panel for panel in plots.filters(stack[3], count=4).axes if panel.images)
    assert np.array_equal(drawn(few), drawn(second)[: 4 * 2, : 4 * 2])


def test_the_feature_maps_of_every_layer_are_its_outputs(model, image, tmp_path):
    figure = plots.feature_maps(model, image, path=tmp_path / "maps.png")
    panels = [axes for axes in figure.axes if axes.images]
    assert len(panels) == 1 + len(model.layers)
    assert np.array_equal(drawn(panels[0]), image[..., 0])
    y = image[None].astype("float64")
    for axes, layer in zip(panels[1:], model.layers, strict=True):
        y = layer(y)
        assert axes.get_title(loc="left").startswith(layer.name)
        maps = np.split(drawn(axes), y.shape[-1], axis=1) if y.ndim == 4 else drawn(axes)[0]
        assert np.array_equal(maps, np.moveaxis(y[0], -1, 0))
    assert np.allclose(drawn(panels[-1])[0], model.predict(image[None], verbose=0)[0], rtol=1e-12)
    assert_is_a_png_of(figure, tmp_path / "maps.png")


def test_the_layers_of_a_model_within_the_model_are_drawn_too(image):
    inner = Sequential([layers.Conv2D(3, 3, activation="relu"), layers.Conv2D(2, 3)], name="inner")
    model = Sequential([layers.Input((8, 8, 1)), inner, layers.Flatten(), layers.Dense(2)])
    titles = [axes.get_title(loc="left") for axes in plots.feature_maps(model, image).axes if axes.images]
    assert [title.split()[0] for title in titles] == ["input", "inner/conv2d", "inner/conv2d_1", "flatten", "dense"]
    assert sum(bool(axes.images) for axes in plots.filters(model).axes) == 2


@pytest.mark.parametrize("label", [None, 0, 2])
def test_saliency_is_the_slope_of_the_score_before_the_softmax(model, image, label):
    *front, last = model.layers
    scores = Sequential([layers.Input((8, 8, 1)), *front, layers.Dense(3)], dtype="float64", kernels="im2col")
    scores.layers[-1].set_weights(last.get_weights())
    k = int(model.predict(image[None], verbose=0)[0].argmax()) if label is None else label
    axes = plots.saliency(model, image, label).axes[1]
    assert axes.get_title(loc="left") == f"gradient of the score of class {k}"
    for i, j in [(0, 0), (2, 5), (4, 4), (7, 1)]:
        step = np.zeros((1, 8, 8, 1))
        step[0, i, j] = 1e-6
        above, below = scores.predict(np.concatenate([image + step, image - step]), verbose=0)[:, k]
        assert np.isclose(drawn(axes)[i, j], (above - below) / 2e-6, rtol=1e-6, atol=1e-9)
    assert np.abs(drawn(axes)).max() > 1e-3


def test_of_several_channels_saliency_draws_the_largest_gradient_with_its_sign(rng):
    model = Sequential([layers.Input((2, 3, 3)), layers.Flatten(), layers.Dense(2)], dtype="float64")
    w = model.params["dense/kernel"].reshape(2, 3, 3, 2)
    heat = drawn(plots.saliency(model, rng.random((2, 3, 3)), 1).axes[1])
    for i, j in np.ndindex(2, 3):
        assert heat[i, j] == max(w[i, j, :, 1], key=abs)


def test_occlusion_is_what_the_model_answers_to_covered_images(model, image, tmp_path):
    figure = plots.occlusion(model, image, 1, tmp_path / "occlusion.png", size=3)
    picture, hidden, heat = figure.axes[:3]
    grey = (image.min() + image.max()) / 2
    worst = np.unravel_index(drawn(heat).argmin(), (8, 8))
    for i, j in [(0, 0), (3, 4), (7, 5), worst]:
        covered = image.copy()
        covered[max(i - 1, 0) : i + 2, max(j - 1, 0) : j + 2] = grey
        probability = model.predict(covered[None], verbose=0)[0, 1]
        assert np.isclose(drawn(heat)[i, j], probability, rtol=1e-6)
    assert np.allclose(drawn(hidden), covered[..., 0]), "the worst place is shown covered"
    assert hidden.get_title(loc="left").endswith(f"{probability:.1%}")
    assert np.array_equal(drawn(picture), image[..., 0])
    norm = heat.images[0].norm
    expected = 0.5 + np.log([1, 9, 99]) / (2 * np.log(9999))
    assert np.allclose(norm(np.array([0.5, 0.9, 0.99])), expected), "colours are even in the logit"
    assert norm(0.0) == 0 and norm(1.0) == 1
    assert_is_a_png_of(figure, tmp_path / "occlusion.png")


def bars(axes):
    """The heights of the bars of every histogram in a panel, from the top down, and their edges."""
    found = [patch.get_data() for patch in axes.patches]
    return [(values - baseline, edges) for values, edges, baseline in found]


def test_histograms_are_those_of_the_weights_and_of_the_gradients_of_a_step(make_model, make_images, tmp_path):
    from npcnn.optimizers import SGD

    x, y = make_images(30)
    model = make_model(SGD(1.0), dtype="float64", kernels="im2col")
    before = {key: w.copy() for key, w in model.params.items()}
    histograms = Histograms(x, y)
    model.fit(x, y, batch_size=30, epochs=1, verbose=0, callbacks=[histograms])
    assert histograms.epochs == [0, 1]

    key = "conv2d/kernel"
    gradient = np.abs(before[key] - model.params[key])  # with a rate of 1, what the one step took away
    counts, edges = histograms.gradients[key][0]
    assert counts.sum() == gradient.size == 36 and len(counts) == 6
    assert np.allclose(edges[[0, -1]], [gradient.min(), gradient.max()])
    assert np.allclose(edges[1:] / edges[:-1], edges[1] / edges[0]), "even on a logarithmic axis"
    inside = [
        ((gradient >= low) & (gradient <= high)).sum() for low, high in zip(edges[1:-2], edges[2:-1], strict=True)
    ]
    assert inside == counts[1:-1].tolist()
    for key, w in model.params.items():
        for mine, theirs in zip(histograms.weights[key][1], np.histogram(w, int(np.sqrt(w.size))), strict=True):
            assert np.allclose(mine, theirs)

    for draw, found in (plots.weight_histograms, histograms.weights), (plots.gradient_histograms, histograms.gradients):
        figure = draw(histograms, tmp_path / "histograms.png")
        assert len(figure.axes) == len(found) == 4
        for axes, (key, each) in zip(figure.axes, found.items(), strict=True):
            assert axes.get_title() == f"{key} ({model.params[key].size:,})"
            assert [label.get_text() for label in axes.get_yticklabels()] == ["0", "1"]
            for (heights, places), (counts, edges) in zip(bars(axes), each, strict=True):
                assert np.array_equal(places, edges)
                assert np.allclose(heights, 0.9 * counts / counts.max())
        assert_is_a_png_of(figure, tmp_path / "histograms.png")


def test_biases_that_all_begin_at_zero_are_one_bar_there_and_gradients_that_are_zero_are_counted(make_images):
    x, y = make_images(30)
    stack = [
        layers.Input((8, 8, 1)),
        layers.Flatten(),
        layers.Dense(4, "relu", bias_initializer="zeros"),
        layers.Dense(3),
    ]
    model = Sequential([*stack[:-1], layers.Dense(3, "softmax")])
    model.layers[1].params["kernel"][:, 1] = -1  # this unit is off for every image, so nothing of it is learned
    model.compile("sgd", "sparse_categorical_crossentropy")
    histograms = Histograms(x, y)
    model.fit(x, y, epochs=1, verbose=0, callbacks=histograms)
    counts, edges = histograms.weights["dense/bias"][0]
    assert counts.tolist() == [4] and edges.tolist() == [0, 0]
    assert [counts.sum() for counts, _ in histograms.gradients["dense/kernel"]] == [3 * 64, 3 * 64]
    figure = plots.gradient_histograms(histograms)
    assert texts(figure.axes[0]) == ["25% zero", "25% zero"]


def test_recording_histograms_changes_nothing_of_a_training(make_images):
    x, y = make_images(40)
    weights = []
    for callbacks in ([], [Histograms(x, y)]):
        stack = [layers.Input((8, 8, 1)), layers.Conv2D(3, 3), layers.BatchNormalization(), layers.Dropout(0.3)]
        stack += [layers.Flatten(), layers.Dropout(0.3, seed=1), layers.Dense(3, "softmax")]
        model = Sequential(stack)
        model.compile("adam", "sparse_categorical_crossentropy")
        model.fit(x, y, 16, epochs=2, verbose=0, callbacks=callbacks)
        weights.append(model.get_weights())
    assert all(np.array_equal(a, b) for a, b in zip(*weights, strict=True))


def test_of_a_long_training_the_first_the_last_and_some_epochs_between_are_drawn(make_model, make_images):
    x, y = make_images(20)
    histograms = Histograms(x, y)
    make_model().fit(x, y, epochs=30, verbose=0, callbacks=histograms)
    labels = [label.get_text() for label in plots.weight_histograms(histograms).axes[0].get_yticklabels()]
    assert len(labels) == 9 and labels[0] == "0" and labels[-1] == "30"
    make_model().fit(x, y, epochs=1, verbose=0, callbacks=histograms)
    assert histograms.epochs == [0, 1] and len(histograms.weights["dense/bias"]) == 2, "the next training begins anew"


class DoubledBias(layers.Dense):
    """Its backward pass has a mistake: of the bias of unit 1."""

    def backward(self, dy, cache):
        dx, grads = super().backward(dy, cache)
        grads["bias"][1] *= 2
        return dx, grads


def test_a_gradient_check_is_drawn_entry_by_entry_with_a_cross_where_it_is_wrong(rng, tmp_path):
    result = check_layer(DoubledBias(3, dtype="float64"), rng.standard_normal((4, 5)), "complex", entries=12)
    figure = plots.gradient_check(result, tmp_path / "check.png")
    x, kernel, bias = (axes for axes in figure.axes if axes.images)
    assert drawn(x).shape == (4, 5) and drawn(kernel).shape == (5, 3) and drawn(bias).shape == (1, 3)
    assert np.isfinite(drawn(x)).sum() == np.isfinite(drawn(kernel)).sum() == 12, "the others were not measured"
    assert "12 of 20 entries measured" in x.get_title(loc="left")
    assert np.isclose(drawn(bias)[0, 1], np.log10(result.rows[2].error)) and (drawn(bias)[0, [0, 2]] < -12).all()
    assert [len(axes.lines[0].get_xdata()) for axes in (x, kernel, bias)] == [0, 0, 1]
    assert bias.lines[0].get_xydata().tolist() == [[1, 0]]
    norm = bias.images[0].norm
    assert norm(np.log10(result.tolerance)) == 0.5, "white is the tolerance"
    assert_is_a_png_of(figure, tmp_path / "check.png")


def test_a_gradient_check_shows_images_and_kernels_as_tiles_and_kinks_as_not_measured(rng):
    x = rng.standard_normal((2, 4, 5, 3))
    figure = plots.gradient_check(result := check_layer(layers.Conv2D(2, (3, 2), dtype="float64"), x, "exact"))
    panels = [axes for axes in figure.axes if axes.images]
    assert drawn(panels[0]).shape == (2 * 4, 3 * 5) and drawn(panels[1]).shape == (3 * 3, 2 * 2)
    for where, _, error, *_ in result.rows[0].slopes:
        if where is not None:
            n, i, j, c = where
            assert np.isclose(drawn(panels[0])[4 * n + i, 5 * c + j], np.log10(max(error, 1e-17)))
    for where, _, error, *_ in result.rows[1].slopes:
        kh, kw, c, f = where
        assert np.isclose(drawn(panels[1])[3 * c + kh, 2 * f + kw], np.log10(max(error, 1e-17)))
    x = np.array([[1.0, 0.0, -1.0]])
    (axes, _) = plots.gradient_check(check_layer(layers.ReLU(), x)).axes
    assert np.isnan(drawn(axes)).tolist() == [[False, True, False]], "x = 0 is a kink"


def wrong_calls():
    dense = Sequential([layers.Input((4,)), layers.Dense(3)])
    maps = Sequential([layers.Input((8, 8, 1)), layers.Conv2D(2, 3)])
    whole = Sequential([layers.Input((8, 8, 1)), layers.Flatten(), layers.Dense(3)])
    broken = Sequential([layers.Input((8, 8, 1)), layers.Conv2D(2, 3), layers.Flatten(), layers.Dense(3)])
    broken.layers[2].params["bias"][0] = np.nan
    lost = Sequential([layers.Input((8, 8, 1)), layers.Conv2D(2, 3), layers.Conv2D(2, 3)])
    lost.layers[1].params["kernel"][0] = np.inf
    yield plots.filters, [lost], ValueError, "filters: the weights of layer 'conv2d_1' are not all finite"
    image, unbuilt = np.zeros((8, 8, 1)), Sequential([layers.Flatten()])
    yield plots.filters, ["model.keras"], TypeError, "filters: takes a model or a Conv2D, got 'model.keras'"
    yield plots.filters, [dense], ValueError, "filters: Sequential 'sequential' has no Conv2D"
    yield plots.filters, [layers.Conv2D(2, 3)], ValueError, "filters: Conv2D has no weights yet; build it first"
    yield plots.filters, [maps, None, 0], ValueError, "filters: count must be an integer of at least 1, got 0"
    yield plots.feature_maps, [maps, image, None, 0], ValueError, "feature_maps: count must be"
    yield plots.weight_histograms, [HISTORY], TypeError, "weight_histograms: takes the npcnn.callbacks.Histograms"
    yield plots.gradient_histograms, [Histograms([], [])], ValueError, "gradient_histograms: nothing is recorded yet"
    yield plots.gradient_check, [0.1], TypeError, "gradient_check: takes what check_layer"
    yield plots.occlusion, [whole, image, 0, None, 0], ValueError, "occlusion: size must be"
    for draw in (plots.feature_maps, plots.saliency, plots.occlusion):
        name = draw.__name__
        yield draw, [layers.Flatten(), image], TypeError, f"{name}: model must be a model, got <Flatten>"
        yield draw, [unbuilt, image], ValueError, f"{name}: model must be built for images .* is None"
        yield draw, [dense, image], ValueError, rf"{name}: model must be built for images .* is \(4,\)"
        yield draw, [whole, image[:5]], ValueError, rf"{name}: image must be one image .*, got shape \(5, 8, 1\)"
        yield draw, [whole, np.stack([image] * 2)], ValueError, f"{name}: image must be one image"
        yield draw, [whole, image + np.nan], ValueError, f"{name}: image must be finite numbers"
        yield draw, [whole, image.astype(str)], ValueError, f"{name}: image must be finite numbers"
        yield draw, [whole, [[1, 2], [3]]], ValueError, f"{name}: image must have one shape"
        yield draw, [broken, image], ValueError, f"{name}: the weights of layer 'dense' are not all finite"
    for draw in (plots.saliency, plots.occlusion):
        name = draw.__name__
        yield draw, [maps, image], ValueError, f"{name}: model must return a number for each class"
        yield draw, [whole, image, 3], ValueError, f"{name}: label must be a class from 0 to 2, got 3"
        yield draw, [whole, image, -1], ValueError, f"{name}: label must be"


@pytest.mark.parametrize("draw, arguments, error, message", list(wrong_calls()))
def test_what_cannot_be_drawn_of_a_model_is_refused(draw, arguments, error, message):
    with pytest.raises(error, match=message):
        draw(*arguments)


def test_a_check_that_cannot_say_where_is_not_drawn(model, make_images):
    with pytest.raises(ValueError, match="gradient_check: the method 'adjoint' cannot say where"):
        plots.gradient_check(check_model(model, *make_images(3)))


@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 1), (1, 8, 8, 1)])
def test_an_image_may_come_with_a_batch_axis_and_without_its_channel(model, image, shape):
    whole = drawn(plots.saliency(model, image, 0).axes[1])
    assert np.array_equal(drawn(plots.saliency(model, image.reshape(shape), 0).axes[1]), whole)


def test_gradients_of_a_model_that_is_frozen_are_not_drawn_and_the_error_says_why(make_model, make_images):
    model, (x, y) = make_model(), make_images(20)
    model.trainable = False
    histograms = Histograms(x, y)
    model.fit(x, y, verbose=0, callbacks=[histograms])
    plots.weight_histograms(histograms)
    with pytest.raises(ValueError, match="gradient_histograms: the model has no weights that are trained"):
        plots.gradient_histograms(histograms)


def test_histograms_of_examples_that_do_not_fit_are_refused_before_training(make_model, make_images):
    x, y = make_images(20)
    with pytest.raises(ValueError, match="Histograms: y must have one label for each of the 5 examples"):
        make_model().fit(x, y, verbose=0, callbacks=Histograms(x[:5], y))
    with pytest.raises(ValueError, match="Histograms: bins must be"):
        Histograms(x, y, bins=0)
