"""Write the values of each epoch to a table."""

import csv
import os
from typing import TextIO

from npcnn.checks import check_flag, check_path
from npcnn.hooks import Callback


class CSVLogger(Callback):
    """Write the values of each epoch to a table in a file, a line an epoch.

    Args:
        filename: the file.
        separator: what stands between two values.
        append: whether to go on behind what is in the file, rather than to replace it.
    """

    def __init__(self, filename: str | os.PathLike, separator: str = ",", append: bool = False) -> None:
        if not isinstance(separator, str) or len(separator) != 1:
            raise ValueError(f"CSVLogger: separator must be one character, got {separator!r}")
        self.filename, self.separator = check_path("CSVLogger: filename", filename), separator
        self.append = check_flag("CSVLogger: append", append)
        self.file: TextIO | None = None
        self.names: list[str] | None = None

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Open the file."""
        self.has_header = self.append and self.filename.exists() and self.filename.stat().st_size > 0
        self.on_train_end()
        self.file, self.names = open(self.filename, "a" if self.append else "w", newline=""), None

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Write a line; in front of the first, one with the names."""
        logs, writer = logs or {}, csv.writer(self.file, delimiter=self.separator)
        if self.names is None:
            self.names = sorted(logs)
            if not any(name.startswith("val_") for name in logs):  # validation may come with a later epoch
                self.names += [f"val_{name}" for name in self.names]
            if not self.has_header:
                writer.writerow(["epoch", *self.names])
        writer.writerow([epoch, *(logs.get(name, "NA") for name in self.names)])
        self.file.flush()

    def on_train_end(self, logs: dict | None = None) -> None:
        """Close the file."""
        if self.file:
            self.file.close()
