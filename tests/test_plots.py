"""The pictures show what they were given, need no screen, and refuse what cannot be drawn."""

import subprocess
import sys
import types

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image

from npcnn import plots

HISTORY = {
    "loss": [0.15, 0.05, 0.03],
    "accuracy": [0.954, 0.985, 0.991],
    "val_loss": [0.05, 0.04, 0.045],
    "val_accuracy": [0.984, 0.988, 0.9906],
}


def texts(axes):
    return [text.get_text() for text in axes.texts]


def assert_is_a_png_of(figure, path):
    width, height = np.round(figure.get_size_inches() * 150).astype(int)  # 150 dots an inch
    with Image.open(path) as picture:
        picture.load()
        assert picture.format == "PNG" and picture.size == (width, height)
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
        ({"count": 0}, "count must be at least 1, got 0"),
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
