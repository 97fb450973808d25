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

import h5py
import numpy as np

from npcnn.errors import FileFormatError
from npcnn.initializers import zeros
from npcnn.layers import Layer
from npcnn.optimizers import Optimizer

# HDF5 takes a few KB a layer beside the arrays. Adam with all its options keeps five arrays for each of the model's.
OVERHEAD, COPIES = 64 << 10, 6


def write_weights(model: Any) -> bytes:
    """Return the weights of a model, and its optimizer's state if it has one, as an HDF5 file."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        _write_arrays(file, "vars", model.name)
        for path, layer in _paths(model.layers):
            _write_arrays(file, path, layer.name, *layer.params.values())
        if optimizer := model.optimizer:
            arrays: list[Any] = [np.int64(optimizer.iterations), np.float32(optimizer.learning_rate)]
            for name, key in _slots(optimizer, model.params):
                p = model.params[key]
                slot = optimizer.slots.get(name, {}).get(key, np.zeros_like(p))  # before the first step, zeros
                if (slot.shape, slot.dtype) != (p.shape, p.dtype):
                    raise ValueError(f"the optimizer has {name} of another model's {key}; compile with a new optimizer")
                arrays.append(slot)
            _write_arrays(file, "optimizer/vars", optimizer.name, *arrays)
    return buffer.getvalue()


def build(layers: Sequence[Layer], size: int) -> None:
    """Build the layers behind the first, an Input: each once a file of `size` bytes is known to hold its weights."""
    needed, shape = 0, layers[0].output_shape
    for layer in layers[1:]:
        for key, wanted in layer.parameter_shapes(shape).items():
            needed += math.prod(wanted) * np.dtype(layer.dtype).itemsize
            if needed > size:
                raise layer.error(f"with {key} of shape {wanted} model.weights.h5 needs more than its {size:,} bytes")
        initializers = {name: value for name, value in vars(layer).items() if name.endswith("_initializer")}
        vars(layer).update(dict.fromkeys(initializers, zeros))  # why draw what the file's weights will replace?
        layer.build(shape)
        vars(layer).update(initializers)
        shape = layer.output_shape
    limit = COPIES * needed + OVERHEAD * len(layers)
    if not needed < size < limit:
        raise FileFormatError(f"model.weights.h5 has {size:,} bytes; needs more than {needed:,}, below {limit:,}")


def read_weights(data: bytes, model: Any) -> None:
    """Replace the layers' `params`, and the optimizer's state, by what the HDF5 file `data` holds."""
    with h5py.File(io.BytesIO(data), "r") as file:
        for path, layer in _paths(model.layers):
            if layer.params:
                arrays = _read_arrays(file, path, layer, [(p.shape, p.dtype) for p in layer.params.values()])
                layer.params = dict(zip(layer.params, arrays, strict=True))
        if model.optimizer and file.get("optimizer", getlink=True):
            _read_optimizer(file, model.optimizer, model.params)


def _read_optimizer(file: h5py.File, optimizer: Optimizer, params: dict[str, np.ndarray]) -> None:
    slots = _slots(optimizer, params)
    wanted = [((), np.int64, np.int32), ((), np.float32), *((params[key].shape, params[key].dtype) for _, key in slots)]
    arrays = _read_arrays(file, "optimizer/vars", optimizer.name, wanted, 2)  # 2: compiled, but not trained
    iterations, learning_rate, *remembered = arrays
    if not 0 <= iterations < 1 << 53 or learning_rate <= 0:
        raise FileFormatError(f"optimizer/vars claims {iterations} steps with learning rate {learning_rate}")
    optimizer.iterations = int(iterations)
    if np.float32(optimizer.learning_rate) != learning_rate:  # if they agree, the config has more digits
        optimizer.learning_rate = float(learning_rate)
    for (name, key), array in zip(slots, remembered, strict=False):
        optimizer.slots.setdefault(name, {})[key] = array


def _paths(layers: Sequence[Layer]) -> Iterator[tuple[str, Layer]]:
    """Yield the place of every layer's arrays, and the layer."""
    seen: dict[str, int] = {}
    for layer in layers:
        kind = layer.default_name
        count = seen[kind] = seen.get(kind, -1) + 1
        yield f"layers/{kind}_{count}/vars" if count else f"layers/{kind}/vars", layer


def _slots(optimizer: Optimizer, params: dict[str, np.ndarray]) -> list[tuple[str, str]]:
    """Return the names of what the optimizer remembers, each with a parameter's key, in Keras' order."""
    return [(name, key) for key in params for name in optimizer.slot_names]


def _write_arrays(file: h5py.File, path: str, name: str, *arrays: Any) -> None:
    group = file.create_group(path)
    group.attrs["name"] = name
    for i, array in enumerate(arrays):
        if not np.isfinite(array).all():
            raise ValueError(f"{name!r} holds NaN or infinity, so the model is not saved")
        group[str(i)] = array


def _read_arrays(file: h5py.File, path: str, owner: Any, wanted: Sequence[tuple], *fewer: int) -> list[np.ndarray]:
    """Return the arrays of a group; `wanted` has the shape of each, and the types it may have."""
    count = len(_find(file, path, h5py.Group, "a group of arrays"))
    if count not in (len(wanted), *fewer):
        raise FileFormatError(f"{path} must hold {len(wanted)} arrays for {owner}, holds {count}")
    return [_read_array(file, f"{path}/{i}", *each) for i, each in enumerate(wanted[:count])]


def _read_array(file: h5py.File, path: str, shape: tuple[int, ...], *dtypes: Any) -> np.ndarray:
    """Return the array at `path`, which must have that shape, one of the types, finite numbers, and its bytes here."""
    dataset = _find(file, path, h5py.Dataset, "an array")
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


def _find(file: h5py.File, path: str, kind: type, what: str) -> Any:
    """Return the group or dataset at `path`, having followed only links that stay in the file."""
    found = file
    for name in path.split("/"):
        link = found.get(name, getlink=True) if isinstance(found, h5py.Group) else None
        if not isinstance(link, h5py.HardLink):
            fault = f"a {type(link).__name__}" if link else "missing"
            raise FileFormatError(f"{path} is {fault} in model.weights.h5")
        found = found[name]
    if not isinstance(found, kind):
        raise FileFormatError(f"{path} must be {what}, is a {type(found).__name__}")
    return found
