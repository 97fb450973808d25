"""The files for TensorBoard: by hand, and read by TensorFlow where it is installed."""

import io
import os
import struct

import numpy as np
import pytest

from npcnn import Sequential, callbacks, event_files, layers


def test_the_checksum_is_that_of_the_standard():
    assert event_files.crc32c(b"123456789") == 0xE3069283


@pytest.mark.parametrize(("number", "data"), [(0, b"\0"), (127, b"\x7f"), (128, b"\x80\1"), (300, b"\xac\2")])
def test_numbers_stand_in_groups_of_seven_bits(number, data):
    assert event_files.varint(number) == data


def test_a_record_is_a_length_and_data_with_a_checksum_each():
    file = io.BytesIO()
    event_files.write_record(file, b"abc")
    data = file.getvalue()
    assert data[:8] == struct.pack("<Q", 3) and data[12:15] == b"abc" and len(data) == 19
    assert data[8:12] == struct.pack("<I", event_files.masked_crc(data[:8]))


def fit(folder, **arguments):
    x, y = np.random.default_rng(0).random((20, 4), np.float32), np.arange(20) % 3
    model = Sequential([layers.Input((4,)), layers.Dense(3, "softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    board = callbacks.TensorBoard(folder, **arguments)
    return model.fit(x, y, batch_size=5, epochs=3, validation_split=0.25, callbacks=[board], verbose=0).history


def test_tensorflow_reads_the_values_of_every_epoch(tmp_path):
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    tensorflow = pytest.importorskip("tensorflow", reason="TensorFlow reads the files, and is not installed")
    history = fit(tmp_path, update_freq=2)
    for folder, prefix in (("train", ""), ("validation", "val_")):
        (path,) = (tmp_path / folder).iterdir()
        read = {}
        for event in tensorflow.compat.v1.train.summary_iterator(str(path)):
            read |= {
                value.tag: read.get(value.tag, {}) | {event.step: value.simple_value} for value in event.summary.value
            }
        for name in ("loss", "accuracy"):
            assert read[f"epoch_{name}"] == pytest.approx(dict(enumerate(history[prefix + name])), rel=1e-6)
        if folder == "train":
            assert read["epoch_learning_rate"] == pytest.approx({0: 0.01, 1: 0.01, 2: 0.01})
            assert list(read["batch_loss"]) == [2, 4, 6, 8]


def test_what_is_not_written_is_said(tmp_path):
    with pytest.warns(UserWarning, match="TensorBoard: npcnn writes curves only; histogram_freq is ignored"):
        callbacks.TensorBoard(tmp_path, histogram_freq=1)
    with pytest.raises(ValueError, match="TensorBoard: update_freq must be an integer"):
        callbacks.TensorBoard(tmp_path, update_freq="never")
    assert not list(tmp_path.iterdir())
