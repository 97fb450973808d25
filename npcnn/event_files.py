"""The files that TensorBoard shows curves from.

A file is a row of records: the length of the data (8 bytes), its checksum, the data, its checksum. The data is a
message in the form of Protocol Buffers: fields, each with its number and type in one byte in front.
(https://github.com/tensorflow/tensorboard, tensorboard/compat/proto/event.proto and summary.proto.)
"""

import struct
import time
from pathlib import Path
from typing import BinaryIO


def open_events(folder: Path) -> BinaryIO:
    """Return a new file in a folder, which is made if need be, with the record that all begin with."""
    folder.mkdir(parents=True, exist_ok=True)
    file = open(folder / f"events.out.tfevents.{time.time_ns()}.npcnn", "xb")
    write_record(file, _time() + _bytes(3, b"brain.Event:2"))
    return file


def write_values(file: BinaryIO, step: int, values: dict[str, float]) -> None:
    """Write numbers under their names, as they are at that step."""
    each = [_bytes(1, _bytes(1, name.encode()) + b"\x15" + struct.pack("<f", x)) for name, x in values.items()]
    write_record(file, _time() + b"\x10" + varint(step) + _bytes(5, b"".join(each)))
    file.flush()


def write_record(file: BinaryIO, data: bytes) -> None:
    """Write data with its length and the two checksums."""
    length = struct.pack("<Q", len(data))
    file.write(length + struct.pack("<I", masked_crc(length)) + data + struct.pack("<I", masked_crc(data)))


def crc32c(data: bytes) -> int:
    """Return the checksum CRC-32C of data: https://www.rfc-editor.org/rfc/rfc3720#appendix-B.4."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def masked_crc(data: bytes) -> int:
    """Return the checksum in the form that stands in the file: turned by 15 bits, and a constant added."""
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def varint(number: int) -> bytes:
    """Return a whole number in groups of 7 bits, the lowest first; the 8th says that another follows."""
    groups = [number >> shift & 0x7F for shift in range(0, max(number.bit_length(), 1), 7)]
    return bytes([group | 0x80 for group in groups[:-1]] + groups[-1:])


def _bytes(field: int, value: bytes) -> bytes:
    return bytes([field << 3 | 2]) + varint(len(value)) + value


def _time() -> bytes:
    return b"\x09" + struct.pack("<d", time.time())
