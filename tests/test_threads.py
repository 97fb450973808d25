"""Threads: BLAS is held to one of them for as long as anybody works. And Ctrl-C: only Python's own is taken."""

import contextlib
import gc
import itertools
import os
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue

import numpy as np
import pytest
from numpy.testing import assert_equal
from threadpoolctl import threadpool_limits

from npcnn import History, optimizers
from npcnn import threads as npcnn_threads
from npcnn.threads import BLAS, Workers, delay_interrupt, flag_interrupt, loaded_blas, share


def blas_threads():
    return [library.get_num_threads() for library in loaded_blas()]


def metric(function):
    """A metric that calls this function, without arguments, and is 0."""

    def call(y_true, y_pred):
        function()
        return 0.0

    call.name = "metric"
    return call


with_blas = pytest.mark.skipif(not blas_threads(), reason="NumPy's BLAS is none whose threads can be set")


@with_blas
def test_blas_is_put_back_when_the_last_of_two_models_is_done():
    with threadpool_limits(2, user_api="blas"):
        with BLAS:
            with BLAS:
                assert set(blas_threads()) == {1}
            assert set(blas_threads()) == {1}
        assert set(blas_threads()) == {2}


@with_blas
@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing can be forked here")
def test_a_child_that_is_forked_while_a_model_works_has_all_of_blas_and_may_work_itself():
    code = """if True:
        import os, sys
        import numpy as np
        from npcnn.threads import Workers, loaded_blas
        def blas_threads(): return [library.get_num_threads() for library in loaded_blas()]
        for library in loaded_blas(): library.set_num_threads(2)
        with Workers(1):
            if child := os.fork():
                sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
            seen = [blas_threads()]
            with Workers(1):
                seen.append(blas_threads())
            seen.append(blas_threads())
            print([set(threads) for threads in seen], flush=True)
            os._exit(0)
    """
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (run.stdout, run.returncode) == ("[{2}, {1}, {2}]\n", 0), run.stderr


@with_blas
@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing can be forked here")
def test_a_child_that_is_forked_while_threads_share_work_goes_on_without_them():
    code = """if True:
        import os, sys
        from npcnn.threads import Workers, loaded_blas, share, thread_count
        for library in loaded_blas(): library.set_num_threads(2)
        with Workers(2) as workers:
            share(abs, range(-9, 0))
            if child := os.fork():
                sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
            seen = [thread_count(), share(abs, range(-3, 0))]
        with Workers(2):
            seen += [thread_count(), share(abs, range(-3, 0)), {library.get_num_threads() for library in loaded_blas()}]
        seen.append({library.get_num_threads() for library in loaded_blas()})
        print(seen, flush=True)
        os._exit(0)
    """
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (run.stdout, run.returncode) == ("[1, [3, 2, 1], 2, [3, 2, 1], {1}, {2}]\n", 0), run.stderr


def test_blas_that_is_loaded_once_is_looked_for_once():
    assert loaded_blas() is loaded_blas()


def test_every_item_is_worked_on_once_and_the_results_are_in_order():
    for threads in (1, 2, 5):
        with Workers(threads):
            assert share(lambda i: i * i, range(50)) == [i * i for i in range(50)]
            assert share(lambda i: i, []) == []
    assert share(lambda i: i * i, range(3)) == [0, 1, 4]  # with no workers, by this thread


@pytest.mark.parametrize("error", [ArithmeticError, IndexError, KeyboardInterrupt])
@pytest.mark.parametrize("item", [3, 97])  # the caller begins with the first, the others with the last
def test_an_error_or_ctrl_c_reaches_the_caller_and_what_is_left_is_not_begun(error, item):
    begun = []

    def work(i):
        begun.append(i)
        time.sleep(0.01)
        if i == item:
            raise error("here")

    with pytest.raises(error, match="here"), Workers(3):
        share(work, range(100))
    assert len(begun) < 20


def test_ctrl_c_while_work_is_handed_out_stops_those_who_have_begun():
    class Interrupted(SimpleQueue):
        def put(self, job):
            super().put(job)
            if job:
                raise KeyboardInterrupt

    begun = []
    with pytest.raises(KeyboardInterrupt), Workers(3) as workers:
        workers._jobs = Interrupted()
        share(lambda i: begun.append(i) or time.sleep(0.01), range(100))
    assert len(begun) < 20


def test_ctrl_c_is_not_lost_when_the_others_have_just_done_everything(monkeypatch):
    class Numbers(deque):
        def __bool__(self):
            if threading.current_thread() is not threading.main_thread():
                return len(self) > 0
            while len(self):
                time.sleep(0.01)
            time.sleep(0.05)
            raise KeyboardInterrupt

    monkeypatch.setattr(npcnn_threads, "deque", Numbers)
    with pytest.raises(KeyboardInterrupt), Workers(2):
        share(lambda i: i, range(9))


def test_where_no_thread_can_be_started_that_is_what_is_said(monkeypatch):
    def start(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    with pytest.raises(RuntimeError, match="can't start new thread"), Workers(2):
        share(lambda i: i, range(9))


def test_workers_may_be_used_again():
    workers, barrier = Workers(2), threading.Barrier(2, timeout=60)
    for _ in range(2):
        with workers:
            share(lambda i: barrier.wait(), range(2))  # goes on when two threads are here


@pytest.mark.parametrize("fails", [False, True])
def test_what_was_worked_on_is_not_kept(fails):
    class Big:
        pass

    barrier = threading.Barrier(2, timeout=60)

    def work(thing):
        barrier.wait()
        if fails and threading.current_thread() is not threading.main_thread():
            raise ArithmeticError
        return Big()

    gc.disable()
    try:
        with Workers(2):
            things = [Big(), Big()]
            kept = [weakref.ref(thing) for thing in things]
            with contextlib.suppress(ArithmeticError):
                kept += map(weakref.ref, share(work, things))
            del things
            deadline = time.monotonic() + 60
            while any(ref() for ref in kept) and time.monotonic() < deadline:
                time.sleep(0.01)  # the other thread may be about to let go
            assert not any(ref() for ref in kept)
    finally:
        gc.enable()


@pytest.mark.parametrize("rung", ["im2col", "fused"])
def test_each_of_eight_threads_takes_its_part_of_a_batch_of_64(make_model, make_images, monkeypatch, rung):
    barrier, do, met = threading.Barrier(8, timeout=60), Workers.map, []

    def meet_and_do(self, function, items):
        def work(item):
            met.append(barrier.wait())  # goes on when eight threads are here; with fewer, never
            return function(item)

        return do(self, work if len(items) == 8 else function, items)

    monkeypatch.setattr(Workers, "map", meet_and_do)
    make_model(threads=8, kernels=rung).fit(*make_images(64), batch_size=64, verbose=0)
    # Forward and backward: a convolution and a pool, or the one layer that they are on "fused".
    assert len(met) == {"im2col": 4 * 8, "fused": 2 * 8}[rung]


def test_what_a_thread_shares_while_it_works_on_a_share_it_does_itself():
    def inner(i):
        return threading.get_ident()

    def outer(i):
        return {threading.get_ident(), *share(inner, range(5))}

    with Workers(3):
        assert all(len(threads) == 1 for threads in share(outer, range(20)))


def test_a_single_item_leaves_the_threads_to_whatever_it_shares_itself():
    with Workers(2) as workers:
        share(lambda i: share(lambda j: j, range(2)), [0])
        assert len(workers.started) == 1


def test_workers_within_workers_leave_the_outer_ones_in_charge():
    with Workers(2) as outer:
        with Workers(1):
            assert share(lambda i: i, range(3)) == [0, 1, 2]
        share(lambda i: i, range(3))
        assert len(outer.started) == 1


@with_blas
def test_blas_is_held_to_one_thread_during_work_and_put_back_afterwards(make_model, make_images):
    x, y = make_images(20)
    seen = []
    model = make_model("sgd", [metric(lambda: seen.extend(blas_threads()))])
    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        model.fit(x, y, verbose=0)
        model.evaluate(x, y, verbose=0)
        model.predict(x)
        assert blas_threads() == before
    assert set(seen) == {1}


def test_after_an_error_blas_is_put_back_too_and_the_weights_are_as_they_were(make_model, make_images):
    model = make_model("sgd", [metric(lambda: 1 / 0)])
    weights = model.get_weights()
    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        with pytest.raises(ZeroDivisionError):
            model.fit(*make_images(20), verbose=0)
        assert blas_threads() == before
    assert_equal(model.get_weights(), weights)


# ------------------------------------------------------------------ Ctrl-C


def ctrl_c(*calls):
    """A metric that presses Ctrl-C at these of its calls, the first of which is 1; each step calls it once."""
    number = itertools.count(1)
    return metric(lambda: next(number) in calls and signal.raise_signal(signal.SIGINT))


@pytest.fixture(autouse=True)
def handler():
    """During a test, the handler of Ctrl-C is Python's, however pytest was started."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_pythons_own_handler_is_replaced_by_a_flag_and_put_back():
    with flag_interrupt(History()) as history:
        assert not history.interrupted
        signal.raise_signal(signal.SIGINT)
        assert history.interrupted
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_job_that_ignores_ctrl_c_goes_on_ignoring_it(make_model, make_images):
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a shell does for what a script starts in the background
    history = make_model("sgd", [ctrl_c(1, 2, 3, 4)]).fit(*make_images(20), epochs=2, verbose=0)
    assert history.epoch == [0, 1] and not history.interrupted


def test_a_handler_of_the_users_own_is_called_and_stays():
    calls = []
    mine = lambda number, frame: calls.append(number)  # noqa: E731
    signal.signal(signal.SIGINT, mine)
    with flag_interrupt(History()) as history:
        signal.raise_signal(signal.SIGINT)
    assert calls == [signal.SIGINT] and not history.interrupted
    assert signal.getsignal(signal.SIGINT) is mine


def test_a_handler_that_was_not_set_from_python_is_left_alone():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(signal, "getsignal", lambda number: None)  # what Python then says
        patch.setattr(signal, "signal", None)  # any call would fail
        with flag_interrupt(History()):
            pass


def test_ctrl_c_stops_after_the_step_at_hand_and_keeps_what_was_learned(make_model, make_images, capsys):
    x, y = make_images(40)
    model, reference = make_model("sgd", [ctrl_c(5 + 3)], threads=1), make_model("sgd", threads=1)
    history = model.fit(x, y, batch_size=8, epochs=10, shuffle=False, verbose=2)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    # Five steps an epoch: the second epoch was left after its third step.
    assert history.epoch == [0]
    assert {len(values) for values in history.history.values()} == {1}
    assert "Stopped in epoch 2 after 3 of 5 batches" in capsys.readouterr().out
    reference.fit(x, y, batch_size=8, shuffle=False, verbose=0)
    reference.fit(x[:24], y[:24], batch_size=8, shuffle=False, verbose=0)
    assert_equal(model.get_weights(), reference.get_weights())


@pytest.mark.parametrize("threads", [1, 2])
def test_after_ctrl_c_the_model_trains_on_and_predicts(make_model, make_images, threads):
    x, y = make_images(40)
    model = make_model("sgd", [ctrl_c(2)], threads=threads)
    assert model.fit(x, y, batch_size=8, epochs=3, verbose=0).interrupted
    assert np.isfinite(model.predict(x)).all()
    assert model.fit(x, y, batch_size=8, epochs=2, verbose=0).epoch == [0, 1]


def test_ctrl_c_in_the_last_step_of_an_epoch_leaves_that_epoch_finished(make_model, make_images):
    x, y = make_images(40)
    model = make_model("sgd", [ctrl_c(5)], threads=1)
    history = model.fit(x, y, batch_size=8, epochs=3, validation_data=(x, y), verbose=0)
    assert history.epoch == [0]
    assert len(history.history["val_loss"]) == 1


def test_a_second_ctrl_c_stops_at_once(make_model, make_images):
    twice = metric(lambda: [signal.raise_signal(signal.SIGINT) for _ in range(2)])  # in the first step
    model = make_model("sgd", [twice], threads=1)
    with pytest.raises(KeyboardInterrupt):
        model.fit(*make_images(40), batch_size=8, verbose=0)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_fit_works_in_a_thread_which_gets_no_ctrl_c(make_model, make_images):
    with ThreadPoolExecutor(1) as pool:
        history = pool.submit(make_model().fit, *make_images(20), verbose=0).result()
    assert history.epoch == [0]


@pytest.mark.parametrize("method", ["fit", "train_on_batch"])
def test_ctrl_c_within_an_update_waits_until_every_weight_has_made_its_step(make_model, make_images, method):
    class Impatient(optimizers.Adam):
        """Gets Ctrl-C twice when the first parameter has moved, and the second has not."""

        def update_one(self, w, g, *remembered):
            super().update_one(w, g, *remembered)
            if w.ndim == 4:
                signal.raise_signal(signal.SIGINT)
                signal.raise_signal(signal.SIGINT)

    x, y = make_images(8)
    model, reference = make_model(Impatient(), threads=1), make_model("adam", threads=1)
    with pytest.raises(KeyboardInterrupt):
        getattr(model, method)(x, y)
    getattr(reference, method)(x, y)
    assert_equal(model.get_weights(), reference.get_weights())
    assert model.optimizer.iterations == 1
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_delayed_ctrl_c_goes_to_the_handler_that_was_there_once_for_each():
    calls = []
    mine = lambda number, frame: calls.append(number)  # noqa: E731
    signal.signal(signal.SIGINT, mine)
    with delay_interrupt():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        assert not calls
    assert calls == [signal.SIGINT] * 2 and signal.getsignal(signal.SIGINT) is mine
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with delay_interrupt():
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
