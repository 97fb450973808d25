"""A name for programs that ask for TensorBoard's files."""

import os
import warnings
from typing import Any

from npcnn.hooks import Callback


class TensorBoard(Callback):
    """Do nothing but say so: npcnn writes no files for TensorBoard. With this name, programs that ask for them run.

    `CSVLogger` keeps the same numbers, `npcnn.plots.accuracy_curves` draws them.

    Args:
        log_dir, other: accepted because Keras has them.
    """

    def __init__(self, log_dir: str | os.PathLike = "logs", *other: Any, **more: Any) -> None:
        instead = "CSVLogger keeps the same numbers, npcnn.plots.accuracy_curves draws them"
        warnings.warn(f"TensorBoard: npcnn writes nothing to {log_dir}; {instead}", stacklevel=2)
