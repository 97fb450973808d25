"""The zip archive that a .keras file is, its members as bytes and as JSON, and how a file is written whole or not."""

import contextlib
import io
import json
import math
import os
import platform
import re
import reprlib
import secrets
import stat
import time
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

from npcnn.errors import FileFormatError

try:
    import fcntl
except ImportError:  # on Windows
    fcntl = None  # type: ignore[assignment]

JSON_LIMIT = 4 << 20  # bytes: thousands of layers, tens of thousands of epochs
JSON_PARTS = 100_000  # lists and dictionaries; a byte of JSON is up to 230 bytes in memory where it begins one
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 100
short = _SHORT.repr  # for error messages: a stranger's value may be as long as the file
# What the name of a file begins with that this computer is writing.
UNFINISHED = f".npcnn-{re.sub('[^A-Za-z0-9]', '-', platform.node())[:50]}-"
METHODS = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED
# Neither Keras nor npcnn deflates. Trained weights hardly shrink, but deflate can make 1,032 bytes of one.
ALLOWANCE, RATIO = 16 << 20, 20


def to_archive(members: dict[str, bytes]) -> bytes:
    """Return a zip file with these members."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members.items():
            info = zipfile.ZipInfo(name)  # without the time: equal models make equal files
            info.external_attr = 0o644 << 16
            archive.writestr(info, data)
    return buffer.getvalue()


def write_file(path: Path, data: bytes) -> None:
    """Write a file beside `path` and move it there once it is safe on disk; leave nothing behind on failure.

    A file that is replaced keeps its permissions, and its owner and group where the system allows; while it is written,
    only its owner can read it. A process that is killed cannot tidy up; what it left in this folder is removed here.
    """
    path = Path(os.path.realpath(path))  # of a symbolic link, the file behind it
    if path.exists() and not path.is_file():
        raise ValueError(f"{path} is no file but a device or a pipe, and is left alone")
    remove_unfinished(path.parent)
    temporary, file = _new_file(path.parent)
    try:
        with file:
            if path.exists():
                temporary.chmod(0o600)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            if path.exists():
                _take_over(temporary, path.stat())
            if fcntl is None:
                file.close()  # on Windows, what is open cannot be moved
            os.replace(temporary, path)
    except OSError as error:
        raise OSError(error.errno, f"cannot be saved: {error.strerror}", str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)  # it is there only after a failure, or Ctrl-C
    if os.name == "posix":  # elsewhere a folder cannot be opened
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _take_over(path: Path, old: os.stat_result) -> None:
    """Give a file the group, the owner and the permissions of the one that it replaces."""
    if fcntl:
        for owner, group in ((-1, old.st_gid), (old.st_uid, -1)):
            with contextlib.suppress(OSError):  # only root may give a file away
                os.chown(path, owner, group)
    path.chmod(stat.S_IMODE(old.st_mode))


def _new_file(folder: Path) -> tuple[Path, BinaryIO]:
    """Return a new file, and its path: locked until it is closed, or its process ends, in whatever way."""
    while True:
        path = folder / f"{UNFINISHED}{secrets.token_hex(8)}.tmp"
        file = open(path, "xb")
        if fcntl:
            with contextlib.suppress(OSError):  # a file system without locks; there, `remove_unfinished` removes none
                fcntl.flock(file, fcntl.LOCK_EX)
        if path.exists():
            return path, file
        file.close()  # before it was locked, another save took it for one of a killed save


def remove_unfinished(folder: Path) -> None:
    """Remove the files of saves that were killed, and none that is being written by another process or thread.

    A lock tells the two apart, on Windows that an open file cannot be removed. Where another computer writes to the
    folder, its locks may not be seen here; so what it has written to within the last minute stays as well.
    """
    for path in folder.glob(".npcnn-*.tmp"):
        with contextlib.suppress(OSError):  # it is locked, or gone by now
            if not path.name.startswith(UNFINISHED) and time.time() - path.stat().st_mtime < 60:
                continue
            if fcntl is None:
                path.unlink()  # Windows refuses that of an open file
            else:
                with open(path, "r+b") as file:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    path.unlink()


def to_json(value: Any) -> bytes:
    """Return value in JSON, of a length that `read_json` accepts."""
    data = json.dumps(value, allow_nan=False).encode()
    if len(data) > JSON_LIMIT:
        raise ValueError(f"save: layers or history take {len(data):,} bytes, more than the limit of {JSON_LIMIT:,}")
    return data


def find(archive: zipfile.ZipFile, name: str) -> zipfile.ZipInfo:
    """Return what the archive says of the one member of that name; its `file_size` is one that it may have."""
    found = [info for info in archive.infolist() if info.filename == name]
    if len(found) != 1:
        raise FileFormatError(f"{name} must occur once, occurs {len(found)} times")
    info, length = found[0], os.fstat(archive.fp.fileno()).st_size
    if info.compress_type not in METHODS:
        raise FileFormatError(f"{name} is compressed by method {info.compress_type}, must be stored or deflated")
    most = packed = min(info.compress_size, length)
    if info.compress_type == zipfile.ZIP_DEFLATED:
        most = ALLOWANCE + RATIO * packed
    if info.file_size > most:
        raise FileFormatError(f"{name} claims {info.file_size:,} bytes; the {packed:,} in the file may hold {most:,}")
    return info


def read_member(archive: zipfile.ZipFile, name: str) -> bytes:
    """Return what a member holds, never more than it claims, checked against its CRC-32."""
    info = find(archive, name)
    with archive.open(info) as file:
        return file.read(info.file_size)


def read_json(archive: zipfile.ZipFile, name: str) -> Any:
    """Return what a member says in JSON: see `parse_json`."""
    if (size := find(archive, name).file_size) > JSON_LIMIT:
        raise FileFormatError(f"{name} claims {size:,} bytes, may have {JSON_LIMIT:,}")
    try:
        text = read_member(archive, name).decode()
    except UnicodeDecodeError as error:
        raise FileFormatError(f"{name} is not UTF-8: {error}") from None
    return parse_json(name, text)


def parse_json(name: str, text: str) -> Any:
    """Return what a text says in strict JSON: a key stands once, and a number is neither NaN nor beyond 64 bits.

    It takes 12 times the text's size in memory at most, and 23 MB for lists and dictionaries.
    """

    def number(text: str) -> float:
        whole = text.lstrip("-").isdigit()
        if not math.isfinite(float(text)) or (whole and len(text) > 18):
            raise FileFormatError(f"{name} holds the number {text[:100]}")
        return int(text) if whole else float(text)

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) < len(pairs):
            raise FileFormatError(f"{name} holds an object with the same key twice")
        return dict(pairs)

    if len(text) > JSON_LIMIT:
        raise FileFormatError(f"{name} has {len(text):,} characters, may have {JSON_LIMIT:,}")
    if (parts := text.count("[") + text.count("{")) > JSON_PARTS:
        raise FileFormatError(f"{name} has {parts:,} lists and dictionaries, may have {JSON_PARTS:,}")
    try:
        return json.loads(text, object_pairs_hook=unique, parse_int=number, parse_float=number, parse_constant=number)
    except RecursionError:
        raise FileFormatError(f"{name} has lists or dictionaries within each other too deep to follow") from None
    except json.JSONDecodeError as error:
        raise FileFormatError(f"{name} is not JSON: {error}") from None
