"""model.weights.h5, the numbers of a .keras file: an HDF5 file, laid out as Keras lays it out.

    layers/conv2d/vars/0        kernel of the first Conv2D layer
    layers/conv2d/vars/1        its bias
    layers/conv2d_1/vars/0      kernel of the second: layers are counted by class, whatever their names are
    optimizer/vars/0            how many steps were taken, an integer
    optimizer/vars/1            learning rate, float32
    optimizer/vars/2, 3, ...    what the optimizer remembers, parameter by parameter; for Adam m and v of the first,
                                m and v of the second, ...

HDF5 can do far more than hold arrays, and a file from a stranger may: refer to other files, claim a shape of terabytes,
compute one dataset from others. So each array must be there itself, uncompressed, with the shape and type expected.
"""

import io
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from npcnn.errors import FileFormatError
from npcnn.layers import Layer
from npcnn.optimizers import SGD, Adam, Optimizer


def write_weights(model: Any) -> bytes:
    """Return the weights of a model, and its optimizer's state if it has one, as an HDF5 file.

    Raises:
        ValueError: the file could not be read again: there is NaN or infinity, or the state is another model's.
    """
    import h5py

    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        _new_vars(file, "vars", model.name)
        for path, layer in layer_paths(model.layers):
            _new_vars(file, path, layer.name, *layer.params.values())
        if model.optimizer:
            steps, learning_rate = np.int64(model.optimizer.iterations), np.float32(model.optimizer.learning_rate)
            slots = optimizer_slots(model.optimizer, model.params)
            _new_vars(file, "optimizer/vars", model.optimizer.name, steps, learning_rate, *slots)
    return buffer.getvalue()


def read_weights(data: bytes, model: Any) -> None:
    """Replace every array in the layers' `params` by the one of the HDF5 file `data`.

    Raises:
        FileFormatError: an array is missing, or is not what the model needs.
    """
    with _open(data) as file:
        for path, layer in layer_paths(model.layers):
            if layer.params and (count := _count(file, path)) != len(layer.params):
                raise FileFormatError(f"{path} must hold {len(layer.params)} arrays for {layer}, holds {count}")
            for i, (key, p) in enumerate(layer.params.items()):
                layer.params[key] = _read_array(file, f"{path}/{i}", p.shape, p.dtype)


def read_optimizer(data: bytes, model: Any) -> None:
    """Give the model's optimizer the state it has in the HDF5 file `data`, if there is one.

    Raises:
        FileFormatError: it is not the state of such an optimizer for such a model.
    """
    optimizer, params = model.optimizer, model.params
    with _open(data) as file:
        if file.get("optimizer", getlink=True) is None:
            return
        count = _count(file, "optimizer/vars")
        names = slot_names(optimizer)
        wanted = 2 + len(names) * len(params)
        if count not in (0, 2, wanted):  # 2: compiled, but not trained
            raise FileFormatError(f"optimizer/vars must hold {wanted} arrays for {optimizer.name}, holds {count}")
        if count == 0:
            return
        iterations = _read_array(file, "optimizer/vars/0", (), np.int64, np.int32)
        learning_rate = _read_array(file, "optimizer/vars/1", (), np.float32)
        if iterations < 0 or learning_rate <= 0:
            claim = f"{iterations} steps with learning rate {learning_rate}"
            raise FileFormatError(f"optimizer/vars claims {claim}, must be 0 or more, above 0")
        optimizer.iterations = int(iterations)
        if np.float32(optimizer.learning_rate) != learning_rate:  # if they agree, the config has more digits
            optimizer.learning_rate = float(learning_rate)
        if count > 2:
            paths = (f"optimizer/vars/{i}" for i in range(2, wanted))
            for key, p in params.items():
                for name in names:
                    array = _read_array(file, next(paths), p.shape, p.dtype)
                    optimizer.slots.setdefault(name, {})[key] = array


def layer_paths(layers: Sequence[Layer]) -> Iterator[tuple[str, Layer]]:
    """Yield the place of every layer's arrays, and the layer."""
    seen: dict[str, int] = {}
    for layer in layers:
        kind = layer.default_name
        count = seen[kind] = seen.get(kind, -1) + 1
        yield f"layers/{kind}_{count}/vars" if count else f"layers/{kind}/vars", layer


def slot_names(optimizer: Optimizer) -> tuple[str, ...]:
    """Return what the optimizer remembers of every parameter, in Keras' order."""
    if isinstance(optimizer, Adam):
        return "momentum", "velocity"
    return ("momentum",) if isinstance(optimizer, SGD) and optimizer.momentum else ()


def optimizer_slots(optimizer: Optimizer, params: dict[str, np.ndarray]) -> list[np.ndarray]:
    """Return all that the optimizer remembers, in Keras' order; before the first step, zeros."""
    slots = []
    for key, p in params.items():
        for name in slot_names(optimizer):
            slot = optimizer.slots.get(name, {}).get(key, np.zeros_like(p))
            if (slot.shape, slot.dtype) != (p.shape, p.dtype):
                raise ValueError(f"the optimizer's {name} of {key} is another model's; compile with a new optimizer")
            slots.append(slot)
    return slots


def _new_vars(file: Any, path: str, name: str, *arrays: Any) -> None:
    group = file.create_group(path)
    group.attrs["name"] = name
    for i, array in enumerate(arrays):
        if not np.isfinite(array).all():
            raise ValueError(f"{name!r} holds NaN or infinity, so the model is not saved")
        group[str(i)] = array


def _open(data: bytes) -> Any:
    import h5py

    return h5py.File(io.BytesIO(data), "r")


def _find(file: Any, path: str) -> Any:
    """Follow a path step by step, along links that stay in the file."""
    import h5py

    found = file
    for name in path.split("/"):
        link = found.get(name, getlink=True) if isinstance(found, h5py.Group) else None
        if not isinstance(link, h5py.HardLink):
            fault = f"a {type(link).__name__}" if link else "missing"
            raise FileFormatError(f"{path} is {fault} in model.weights.h5")
        found = found[name]
    return found


def _count(file: Any, path: str) -> int:
    import h5py

    group = _find(file, path)
    if not isinstance(group, h5py.Group):
        raise FileFormatError(f"{path} must be a group of arrays, is a {type(group).__name__}")
    return len(group)


def _read_array(file: Any, path: str, shape: tuple[int, ...], *dtypes: Any) -> np.ndarray:
    """Return the array at `path`, which must have that shape, one of the types, finite numbers, and its bytes here."""
    import h5py

    dataset = _find(file, path)
    if not isinstance(dataset, h5py.Dataset):
        raise FileFormatError(f"{path} must be an array, is a {type(dataset).__name__}")
    if dataset.shape != shape or dataset.dtype not in dtypes:
        wanted = f"{np.dtype(dtypes[0])} of shape {shape}"
        raise FileFormatError(f"{path} must be {wanted}, is {dataset.dtype} of shape {dataset.shape}")
    # Only what lies in this file in one piece has an offset: not what is chunked, compressed, virtual or never written.
    size, start = math.prod(shape) * dataset.dtype.itemsize, dataset.id.get_offset()
    if start is None or start + size > file.id.get_filesize():
        raise FileFormatError(f"{path} must be {size:,} plain bytes in this file: not chunked, compressed or elsewhere")
    array = dataset[()]
    if not np.isfinite(array).all():
        raise FileFormatError(f"{path} holds NaN or infinity")
    return array
