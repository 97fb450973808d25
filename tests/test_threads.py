"""Threads: BLAS is held to one of them for as long as anybody works. And Ctrl-C: only Python's own is taken."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from npcnn.threads import Blas, Interrupt, Workers, _blas_libraries


def blas_threads():
    return [library.get_num_threads() for library in _blas_libraries()]


def test_blas_is_put_back_when_the_last_of_two_models_is_done():
    before = blas_threads()
    first, second = Workers(1), Workers(1)
    first.__enter__()
    second.__enter__()
    first.__exit__()
    assert set(blas_threads()) == {1}
    second.__exit__()
    assert blas_threads() == before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing can be forked here")
def test_a_child_that_is_forked_while_a_model_works_has_all_of_blas_and_may_work_itself():
    code = """if True:
        import os, sys
        import numpy as np
        from npcnn.threads import Workers, _blas_libraries
        def blas_threads(): return [library.get_num_threads() for library in _blas_libraries()]
        for library in _blas_libraries(): library.set_num_threads(2)
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


def test_blas_that_is_loaded_once_is_looked_for_once():
    assert _blas_libraries() is _blas_libraries()
    blas = Blas()
    blas.hold()
    blas.release()


def test_every_item_is_worked_on_once_and_the_results_are_in_order():
    for threads in (1, 2, 5):
        with Workers(threads) as workers:
            assert workers.map(lambda i: i * i, range(50)) == [i * i for i in range(50)]
            assert workers.map(lambda i: i, []) == []


def test_an_error_in_a_thread_reaches_the_caller():
    def fail(i):
        if i == 7:
            raise ArithmeticError("seven")

    with pytest.raises(ArithmeticError, match="seven"), Workers(3) as workers:
        workers.map(fail, range(20))


# ------------------------------------------------------------------ Ctrl-C


@pytest.fixture
def handler():
    """A function that installs a handler for Ctrl-C; the old one is put back in the end."""
    before = signal.getsignal(signal.SIGINT)
    yield lambda new: signal.signal(signal.SIGINT, new)
    signal.signal(signal.SIGINT, before)


def test_pythons_own_handler_is_replaced_by_a_flag_and_put_back(handler):
    handler(signal.default_int_handler)
    with Interrupt() as interrupt:
        assert not interrupt.raised
        os.kill(os.getpid(), signal.SIGINT)
        assert interrupt.raised
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_job_that_ignores_ctrl_c_goes_on_ignoring_it(handler, make_model, make_images):
    handler(signal.SIG_IGN)  # as a shell does for what a script starts in the background

    class CtrlC:
        name = "ctrl_c"

        def __call__(self, y_true, y_pred):
            os.kill(os.getpid(), signal.SIGINT)
            return 0.0

    model = make_model()
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=[CtrlC()])
    history = model.fit(*make_images(20), epochs=2, verbose=0)
    assert history.epoch == [0, 1] and not history.interrupted


def test_a_handler_of_the_users_own_is_called_and_stays(handler):
    calls = []

    def mine(number, frame):
        calls.append(number)

    handler(mine)
    with Interrupt() as interrupt:
        os.kill(os.getpid(), signal.SIGINT)
    assert calls == [signal.SIGINT] and not interrupt.raised
    assert signal.getsignal(signal.SIGINT) is mine


def test_a_handler_that_was_not_set_from_python_is_left_alone(monkeypatch):
    monkeypatch.setattr(signal, "getsignal", lambda number: None)  # what Python then says
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    monkeypatch.setattr(signal, "signal", None)  # any call would fail
    with Interrupt() as interrupt:
        assert not interrupt.raised
    monkeypatch.undo()
    signal.signal(signal.SIGINT, before)


def test_a_loop_of_fits_learns_of_ctrl_c_by_the_history(handler, make_model, make_images):
    handler(signal.default_int_handler)

    class CtrlC:
        name = "ctrl_c"

        def __call__(self, y_true, y_pred):
            os.kill(os.getpid(), signal.SIGINT)
            return 0.0

    fits = []
    for _ in range(3):
        model = make_model(threads=1)
        model.compile("sgd", "sparse_categorical_crossentropy", metrics=[CtrlC()])
        fits.append(model.fit(*make_images(4), batch_size=1, verbose=0))
        if fits[-1].interrupted:
            break
    assert len(fits) == 1 and np.isfinite(model.get_weights()[0]).all()
