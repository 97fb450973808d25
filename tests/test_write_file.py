"""How files are written: whole or not at all, and what a save that was killed leaves is removed by the next."""

import errno
import os
import subprocess
import sys
import threading
import time

import pytest

from npcnn.keras_format import archive
from npcnn.keras_format.archive import remove_unfinished, write_file

WRITES = """
import sys
from pathlib import Path
from npcnn.keras_format.archive import _new_file
path, file = _new_file(Path(sys.argv[1]))
file.write(b"half of it")
file.flush()
print(path.name, flush=True)
sys.stdin.read()
"""


def age(path):
    """Let the last write to the file be more than a minute ago."""
    os.utime(path, times=(time.time() - 100,) * 2)


@pytest.fixture
def writer(tmp_path):
    """Another process that is writing a file in the folder, and the file."""
    streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", WRITES, str(tmp_path)], text=True, **streams) as process:
        yield process, tmp_path / process.stdout.readline().strip()
        process.kill()


def test_what_a_killed_save_left_is_removed_by_the_next_and_not_what_another_process_is_writing(writer, tmp_path):
    process, unfinished = writer
    write_file(tmp_path / "model.keras", b"one")
    assert unfinished.read_bytes() == b"half of it"
    process.kill()
    process.wait()
    assert unfinished.exists()  # nobody could tidy up
    write_file(tmp_path / "model.keras", b"two")
    assert os.listdir(tmp_path) == ["model.keras"] and (tmp_path / "model.keras").read_bytes() == b"two"


def test_threads_that_save_to_one_folder_at_once_leave_each_others_files_alone(tmp_path):
    def save(i):
        for count in range(30):
            write_file(tmp_path / f"{i % 3}.keras", bytes([i]) * (1000 + count))

    failed, before = [], threading.excepthook
    threading.excepthook = failed.append
    try:
        threads = [threading.Thread(target=save, args=(i,)) for i in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        threading.excepthook = before
    assert not failed
    assert sorted(os.listdir(tmp_path)) == ["0.keras", "1.keras", "2.keras"]
    assert all(len(set(path.read_bytes())) == 1 for path in tmp_path.iterdir())


def test_a_new_file_that_is_removed_before_it_is_locked_is_made_again(tmp_path, monkeypatch):
    fcntl = pytest.importorskip("fcntl", reason="Windows has no such locks")
    flock, waits = fcntl.flock, []

    def late(file, how):
        if how == fcntl.LOCK_EX and not waits:
            waits.append(file)
            remove_unfinished(tmp_path)
            assert not os.listdir(tmp_path)
        flock(file, how)

    monkeypatch.setattr(fcntl, "flock", late)
    write_file(tmp_path / "model.keras", b"one")
    assert waits and os.listdir(tmp_path) == ["model.keras"]


def test_where_a_file_system_has_no_locks_files_are_written_and_nothing_is_removed(tmp_path, monkeypatch):
    fcntl = pytest.importorskip("fcntl", reason="Windows has no such locks")

    def none(file, how):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", none)
    (tmp_path / ".npcnn-0123456789abcdef.tmp").touch()
    age(tmp_path / ".npcnn-0123456789abcdef.tmp")
    write_file(tmp_path / "model.keras", b"one")
    assert sorted(os.listdir(tmp_path)) == [".npcnn-0123456789abcdef.tmp", "model.keras"]


@pytest.mark.parametrize("locks", [archive.fcntl, None], ids=["with locks unseen", "without, as on Windows"])
def test_of_another_computer_only_what_was_last_written_to_a_minute_ago_is_removed(tmp_path, monkeypatch, locks):
    monkeypatch.setattr(archive, "fcntl", locks)
    old, new = (tmp_path / f".npcnn-{digit * 16}.tmp" for digit in "01")
    old.touch()
    new.touch()
    age(old)
    write_file(tmp_path / "model.keras", b"one")
    assert sorted(os.listdir(tmp_path)) == [new.name, "model.keras"]


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such permissions")
def test_a_private_file_is_private_while_it_is_written_and_permissions_stay(tmp_path, monkeypatch):
    path, seen, fsync = tmp_path / "model.keras", [], os.fsync
    monkeypatch.setattr(os, "fsync", lambda file: seen.append(os.fstat(file).st_mode & 0o777) or fsync(file))
    for mode in (0o600, 0o640, 0o444):
        path.touch()
        path.chmod(mode)
        write_file(path, b"one")
        during, _ = seen[-2:]  # the second is the folder's
        assert during == 0o600 and path.stat().st_mode & 0o777 == mode
        path.unlink()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root may give a file away")
def test_a_file_that_root_replaces_stays_its_owners(tmp_path):
    path = tmp_path / "model.keras"
    path.touch()
    os.chown(path, 1234, 2345)
    write_file(path, b"one")
    assert (path.stat().st_uid, path.stat().st_gid) == (1234, 2345)


def test_where_a_file_cannot_be_given_away_it_is_written_all_the_same(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError

    monkeypatch.setattr(os, "chown", refuse, raising=False)
    (tmp_path / "model.keras").touch()
    write_file(tmp_path / "model.keras", b"one")
    assert (tmp_path / "model.keras").read_bytes() == b"one"


def test_files_and_folders_of_others_stay(tmp_path):
    names = [".0123456789abcdef.tmp", ".npcnn-1", "npcnn-2.tmp"]
    for name in names:
        (tmp_path / name).touch()
    (tmp_path / ".npcnn-folder.tmp").mkdir()
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / ".npcnn-3.tmp")  # opened to read, it would wait for ever
        names.append(".npcnn-3.tmp")
    for name in [*names, ".npcnn-folder.tmp"]:
        age(tmp_path / name)
    write_file(tmp_path / "model.keras", b"one")
    assert sorted(os.listdir(tmp_path)) == sorted([*names, ".npcnn-folder.tmp", "model.keras"])
