"""Training on real digits until the model clearly learns. This is no gradient test: wrong gradients often learn too."""

import pytest

from npcnn.kernels import RUNGS
from npcnn.optimizers import SGD, Adam

# Index by index, in Python, a real digit takes about a second; the definition learns on a tiny model below.
FAST_RUNGS = [rung for rung in RUNGS if rung != "loops"]


@pytest.mark.parametrize("rung", FAST_RUNGS)
def test_eight_epochs_of_400_digits_are_enough_for_three_in_four_new_ones(mnist_model, digits, rung):
    (x, y), (xt, yt) = digits
    model = mnist_model((8, 16), 32, kernels=rung)
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    before = model.evaluate(xt, yt, verbose=0)
    history = model.fit(x, y, epochs=8, batch_size=16, validation_data=(xt, yt), verbose=0).history
    loss, accuracy = model.evaluate(xt, yt, verbose=0)
    assert before[1] < 0.3  # chance is 0.1
    assert accuracy > 0.75
    assert history["loss"][-1] < history["loss"][0] / 3
    assert [history["val_loss"][-1], history["val_accuracy"][-1]] == pytest.approx([loss, accuracy], rel=1e-5)


def test_momentum_learns_as_well(mnist_model, digits):
    (x, y), (xt, yt) = digits
    model = mnist_model((8, 16), 32)
    model.compile(SGD(0.05, momentum=0.9, nesterov=True), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, epochs=6, batch_size=16, verbose=0)
    assert model.evaluate(xt, yt, verbose=0)[1] > 0.75


@pytest.mark.parametrize("rung", RUNGS)
def test_a_tiny_model_learns_which_rows_are_bright(make_model, make_images, rung):
    model = make_model(Adam(0.01), kernels=rung)
    x, y = make_images(32)
    history = model.fit(x, y, epochs=4, batch_size=8, verbose=0).history
    assert history["loss"][-1] < 0.75 * history["loss"][0]
    assert history["loss"] == sorted(history["loss"], reverse=True)
