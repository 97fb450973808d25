"""An optimizer belongs to one model, and a layer to one training at a time; in turns, models may share layers."""

import copy
import dataclasses
import gc
import os
import threading

import numpy as np
import pytest

from npcnn import Sequential, layers, load_model, optimizers, ownership
from npcnn.callbacks import LambdaCallback

X = np.random.default_rng(0).random((20, 4), dtype=np.float32)
Y = np.arange(20) % 3
SPARSE = "sparse_categorical_crossentropy"


def compiled(*stack, optimizer="sgd", name=None):
    model = Sequential([layers.Input((4,)), *stack, layers.Dense(3, activation="softmax")], name=name)
    model.compile(optimizer, SPARSE)
    return model


def fit(model, **options):
    model.fit(X, Y, verbose=0, **options)
    return model.get_weights()


@pytest.mark.parametrize("kind", [optimizers.SGD, optimizers.Adam])
def test_an_optimizer_that_was_given_to_two_models_trains_the_first_and_refuses_the_second(kind):
    optimizer = kind()
    first, second = compiled(optimizer=optimizer, name="first"), compiled(optimizer=optimizer, name="second")
    fit(first)
    before = second.get_weights()
    said = f"this {kind.__name__} has trained another model, 'first'; make a new one for 'second'"
    for call in (lambda: fit(second), lambda: second.train_on_batch(X, Y)):
        with pytest.raises(ValueError, match=said):
            call()
    assert optimizer.iterations == 1
    assert all(np.array_equal(w, same) for w, same in zip(before, second.get_weights(), strict=True))
    first.compile(optimizer, SPARSE)  # its own
    fit(first)
    second.compile(kind(), SPARSE)
    fit(second)


def test_an_optimizer_that_has_trained_nothing_may_go_to_another_model():
    optimizer = optimizers.Adam()
    compiled(optimizer=optimizer)
    fit(compiled(optimizer=optimizer))


def test_a_model_that_is_only_evaluated_may_be_compiled_with_the_optimizer_of_another(path):
    optimizer = optimizers.Adam()
    model = compiled(optimizer=optimizer)
    fit(model)
    model.save_weights(path.with_suffix(".weights.h5"))
    same = compiled(optimizer=optimizer)
    same.load_weights(path.with_suffix(".weights.h5"))
    assert same.evaluate(X, Y, verbose=0) == model.evaluate(X, Y, verbose=0)
    fit(model)  # it is still the first one's
    assert optimizer.iterations == 2
    with pytest.raises(ValueError, match="has trained another model"):
        fit(same)


def test_a_copied_and_a_loaded_model_have_optimizers_of_their_own(path):
    model = compiled(optimizer="adam")
    fit(model)
    model.save(path)
    copied, loaded = copy.deepcopy(model), load_model(path)
    for w, same, again in zip(fit(model), fit(copied), fit(loaded), strict=True):
        np.testing.assert_array_equal(w, same)
        np.testing.assert_array_equal(w, again)
    with pytest.raises(ValueError, match="has trained another model"):  # what a file says it remembers counts, too
        fit(compiled(optimizer=load_model(path).optimizer))


def test_models_that_share_layers_see_each_others_training_and_each_takes_right_steps():
    shared = layers.Dense(5, activation="relu")
    model, twin = compiled(shared, optimizer="adam"), compiled(layers.Dense(5, activation="relu"), optimizer="adam")
    features = Sequential(model.layers[:1])
    other = compiled(*features.layers, optimizer="adam")
    for w, same in zip(fit(model), fit(twin), strict=True):
        np.testing.assert_array_equal(w, same)  # that others have its layer changes nothing
    y, _ = shared.forward(X)
    np.testing.assert_array_equal(features.predict(X, verbose=0), y)
    fit(other)
    assert not np.array_equal(features.predict(X, verbose=0), y)
    assert other.optimizer.iterations == model.optimizer.iterations == 1


def from_another_thread(call):
    """Return the error that a call raises in another thread, or None."""
    errors = []

    def work():
        try:
            call()
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    return errors[0] if errors else None


def test_a_second_thread_that_trains_a_model_in_training_is_refused_and_the_first_goes_on():
    model, alone = (compiled(layers.Dense(5), optimizer="adam") for _ in range(2))
    errors = []
    intrude = LambdaCallback(
        on_train_batch_begin=lambda batch, logs: errors.extend(
            from_another_thread(call) for call in (lambda: fit(model), lambda: model.train_on_batch(X, Y))
        )
    )
    model.fit(X, Y, verbose=0, callbacks=intrude)
    assert [type(error) for error in errors] == [RuntimeError] * 2
    said = "Sequential 'sequential' is being trained by another thread; wait for it before you train 'sequential'"
    assert [str(error) for error in errors] == [f"fit: {said}", f"train_on_batch: {said}"]
    for w, same in zip(model.get_weights(), fit(alone), strict=True):
        np.testing.assert_array_equal(w, same)
    assert from_another_thread(lambda: fit(model)) is None  # afterwards, any thread may


def test_two_models_that_share_a_layer_are_not_trained_at_once_and_both_are_named():
    inner = Sequential([layers.Dense(5, name="shared")])
    first, second = compiled(inner, name="first"), compiled(inner.layers[0], name="second")
    errors, outputs = [], []

    def intrude(batch, logs):
        errors.append(from_another_thread(lambda: fit(second)))
        outputs.append(second.predict(X, verbose=0))  # to predict is no harm

    first.fit(X, Y, verbose=0, callbacks=LambdaCallback(on_train_batch_begin=intrude))
    said = "fit: Dense 'shared' is being trained by another thread, in the model 'first'; wait for it"
    assert str(errors[0]) == f"{said} before you train 'second'"
    assert outputs[0].shape == (20, 3)
    assert from_another_thread(lambda: fit(second)) is None


def test_a_callback_may_train_the_model_that_calls_it_and_an_error_gives_the_layers_back():
    model = compiled()
    fit(model, callbacks=LambdaCallback(on_epoch_end=lambda epoch, logs: model.train_on_batch(X, Y)))
    assert model.optimizer.iterations == 2
    with pytest.raises(ZeroDivisionError):
        fit(model, callbacks=LambdaCallback(on_epoch_end=lambda epoch, logs: 1 / 0))
    assert from_another_thread(lambda: fit(model)) is None


def test_an_optimizer_without_a_hash_trains_its_model_and_refuses_another():
    @dataclasses.dataclass(eq=True)
    class Own(optimizers.SGD):
        rate: float = 0.1

        def __post_init__(self):
            super().__init__(self.rate)

    with pytest.raises(TypeError, match="unhashable"):
        hash(Own())
    optimizer = Own()
    first, second = compiled(optimizer=optimizer, name="first"), compiled(optimizer=optimizer, name="second")
    fit(first)
    with pytest.raises(ValueError, match="this Own has trained another model, 'first'"):
        fit(second)


def test_of_an_optimizer_that_is_gone_nothing_is_kept():
    model = compiled()
    fit(model)
    before, number = len(ownership._OWNERS), id(model.optimizer)
    assert number in ownership._OWNERS
    del model
    gc.collect()
    assert number not in ownership._OWNERS and len(ownership._OWNERS) < before


def test_a_refused_fit_leaves_the_optimizer_free_and_one_that_ends_in_an_error_does_not():
    optimizer = optimizers.SGD()
    first, second = compiled(optimizer=optimizer), compiled(optimizer=optimizer)
    with pytest.raises(ValueError, match="labels"):
        first.fit(X, Y[:3], verbose=0)
    with pytest.raises(ZeroDivisionError):
        fit(second, callbacks=LambdaCallback(on_epoch_end=lambda epoch, logs: 1 / 0))
    with pytest.raises(ValueError, match="has trained another model"):
        fit(first)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_forked_in_a_callback_ends_its_training_too():
    def fork_and_wait(epoch, logs):
        if child := os.fork():
            codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))

    codes, parent, model = [], os.getpid(), compiled(layers.Dense(5))
    try:
        fit(model, callbacks=LambdaCallback(on_epoch_end=fork_and_wait))
    except BaseException:
        if os.getpid() == parent:
            raise
        os._exit(1)
    if os.getpid() != parent:
        os._exit(0)
    assert codes == [0]
