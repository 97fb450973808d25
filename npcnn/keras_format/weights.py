"""The numbers of a .keras file, in its member model.weights.h5, or of a .weights.h5 file: HDF5, as Keras lays it out.

    layers/conv2d/vars/0        kernel of the first Conv2D layer
    layers/conv2d/vars/1        its bias; then what a layer keeps in its `state`
    layers/conv2d_1/vars/0      kernel of the second: layers are counted by class, whatever their names are
    layers/batch_normalization/vars/0, 1, 2, 3    gamma, beta, moving_mean, moving_variance
    layers/sequential/layers/dense/vars/0    kernel of a layer in a model within the model
    optimizer/vars/0            how many steps were taken, an integer
    optimizer/vars/1            learning rate, float32; left out if it comes from a schedule
    optimizer/vars/2, 3, ...    what the optimizer remembers, parameter by parameter, without those that are frozen;
                                for Adam m and v of the first, m and v of the second, ...; Nadam's mu is last

`hdf5.py` reads what may come from a stranger.
"""

import io
import math
from collections.abc import Iterator, Sequence
from typing import Any

import h5py
import numpy as np

from npcnn.errors import FileFormatError
from npcnn.initializers import Zeros
from npcnn.keras_format.config import Lacks
from npcnn.keras_format.hdf5 import Reader
from npcnn.layers import Conv2D, Layer
from npcnn.ownership import claim

# HDF5 takes a few KB a layer beside the arrays. Adam with all its options keeps five arrays for each of the model's.
OVERHEAD, COPIES = 64 << 10, 6
MOST_NUMBERS = 64 << 20  # in a forward pass of one image: 256 MB in float32; VGG-16 takes a third, on im2col 0.8
MOST_UNKNOWN = 1000  # groups of a file that are no layer of the model; each must be opened to see if it has weights
# What some optimizers remember is a mean of squares: Adam and RMSprop, Adadelta (both), Adagrad.
SQUARES = {"velocity", "accumulated_grad", "accumulated_delta_var", "accumulator"}
Pairs = list[tuple[np.ndarray, np.ndarray]]  # an array of the model, and one from a file to take its place


def write_weights(model: Any, include_optimizer: bool = True) -> bytes:
    """Return the weights of a model, and its optimizer's state if it has one, as an HDF5 file."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        _write_group(file, "vars", model.name)
        for path, layer in _paths(model.layers):
            _write_group(file, path, layer.name, *layer.variables.values())
        if model.optimizer and include_optimizer:
            _write_group(file, "optimizer/vars", model.optimizer.name, *optimizer_arrays(model).values())
    return buffer.getvalue()


def optimizer_arrays(model: Any) -> dict[str, Any]:
    """Return the state of a model's optimizer, in Keras' order, under Keras' names."""
    optimizer = model.optimizer
    arrays: dict[str, Any] = {"iteration": np.int64(optimizer.iterations)}
    if not optimizer.is_scheduled:
        arrays["learning_rate"] = np.float32(optimizer.learning_rate)
    for name, key in optimizer.slots_in_order(model.trainable_params):
        p = model.params[key]
        slot = optimizer.slots.get(name, {}).get(key, np.full_like(p, optimizer.slot_start))  # before the first step
        if (slot.shape, slot.dtype) != (p.shape, p.dtype):
            raise ValueError(f"the optimizer has {name} of another model's {key}; compile with a new optimizer")
        arrays[f"{key.replace('/', '_')}_{name}"] = slot
    return arrays | {name: np.dtype(model.dtype).type(value) for name, value in optimizer.numbers.items()}


def build(layers: Sequence[Layer], size: int, name: str, rung: str | None = None, alone: bool = True) -> None:
    """Build the layers behind the first, an Input: each once the `size` bytes of `name` are known to hold its weights.

    Where the weights stand `alone` in it, it cannot be much larger than they are. Nor may the model, on that rung of
    the ladder, need more than MOST_NUMBERS for one image.
    """
    needed, kept, largest = 0, 0, 0
    for layer, shape in _walk(layers[1:], layers[0].output_shape):
        for key, wanted in {**layer.parameter_shapes(shape), **layer.state_shapes(shape)}.items():
            needed += math.prod(wanted) * np.dtype(layer.dtype).itemsize
            if needed > size:
                raise layer.error(f"with {key} of shape {wanted} {name} needs more than its {size:,} bytes")
        initializers = {name: value for name, value in vars(layer).items() if name.endswith("_initializer")}
        vars(layer).update(dict.fromkeys(initializers, Zeros()))  # why draw what the file's weights will replace?
        layer.build(shape)
        vars(layer).update(initializers)
        kept += math.prod(layer.output_shape) + _padded(layer)
        largest = max(largest, _patches(layer) if rung == "im2col" else 0)
        if (numbers := kept + largest) > MOST_NUMBERS:
            raise layer.error(
                f"up to here, one image takes {numbers:,} numbers, and a file may ask for {MOST_NUMBERS:,}"
            )
    limit = most_bytes(needed, layers)
    if size <= needed or (alone and size >= limit):
        raise FileFormatError(f"{name} has {size:,} bytes; needs more than {needed:,}, below {limit:,}")


def _padded(layer: Any) -> int:
    """Return how many numbers an image has once a convolution or a pool has put zeros around it."""
    if not any(map(any, pads := getattr(layer, "pads", ()))):
        return 0
    (H, W, C), (rows, columns) = layer.input_shape, map(sum, pads)
    return (H + rows) * (W + columns) * C


def _patches(layer: Any) -> int:
    """Return how many numbers the patches of one image have, which a convolution on "im2col" lays out."""
    if not isinstance(layer, Conv2D):
        return 0
    (OH, OW, _), (_, _, C) = layer.output_shape, layer.input_shape
    return OH * OW * math.prod(layer.kernel_size) * C


def _walk(layers: Sequence[Any], shape: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every layer that is yet to be built, also those of models within the model, and the shape of its input."""
    for layer in layers:
        if inner := getattr(layer, "layers", None):
            yield from _walk(inner, shape)
            layer.build(shape)  # its layers are built by now; it learns its own shapes
        else:
            yield layer, shape
        shape = layer.output_shape


def most_bytes(needed: int, layers: Sequence[Layer]) -> int:
    """Return what a file may have that holds `needed` bytes of weights and the optimizer's state."""
    return COPIES * needed + OVERHEAD * (1 + len(layers))


def read_layers(file: Reader, layers: Sequence[Layer], *cast: Any) -> Pairs:
    """Return every array of the layers with what the HDF5 file has for it, of that array's type or one in `cast`."""
    pairs: Pairs = []
    known = dict(_paths(layers))
    for path, layer in known.items():
        if ours := list(layer.variables.values()):
            wanted = [(array.shape, array.dtype, *cast) for array in ours]
            pairs += zip(ours, read_group(file, path, layer, wanted), strict=True)
    unknown = 0
    for group in {path.removesuffix("/vars").rpartition("/")[0] for path in known}:
        for name in file.names(group):
            place = f"{group}/{name}/vars"
            if place not in known and not any(path.startswith(f"{group}/{name}/") for path in known):
                unknown += 1
                if unknown > MOST_UNKNOWN:
                    what = f"more than {MOST_UNKNOWN:,} groups that are no layer of the model"
                    raise FileFormatError(f"{group} has {what}")
                if "vars" in file.names(f"{group}/{name}") and file.names(place):
                    raise FileFormatError(f"{place} has the weights of a layer that the model has not")
    return pairs


def read_optimizer(file: Reader, model: Any, lacks: Lacks) -> list[Any]:
    """Return what the HDF5 file has of `optimizer_arrays`; nothing if there is no optimizer, or it fits another one."""
    if not model.optimizer or "optimizer" not in file:
        return []
    wanted, first = optimizer_shapes(model), 1 if model.optimizer.is_scheduled else 2
    count = len(file.names("optimizer/vars"))
    if count > first and count != len(wanted):
        whose = "another optimizer's, or from before layers were frozen or thawed"
        lacks.harmless.append(
            f"optimizer/vars holds {count} arrays, not {len(wanted)}: {whose}; the optimizer stays as it is"
        )
        return []
    arrays = read_group(file, "optimizer/vars", model.optimizer.name, wanted, first)  # so many: not yet trained
    check_optimizer("optimizer/vars", model, arrays)
    return arrays


def optimizer_shapes(model: Any) -> list[tuple]:
    """Return shape and possible types of every one of `optimizer_arrays`."""
    slots = [model.params[key] for _, key in model.optimizer.slots_in_order(model.trainable_params)]
    rate: list[tuple] = [] if model.optimizer.is_scheduled else [((), np.float64, np.float32)]
    numbers = [((), model.dtype) for _ in model.optimizer.numbers]
    return [((), np.int64, np.int32), *rate, *((p.shape, p.dtype) for p in slots), *numbers]


def check_optimizer(path: str, model: Any, arrays: Sequence[Any]) -> None:
    """Refuse a count of steps, a learning rate and squares that cannot be."""
    first = 1 if model.optimizer.is_scheduled else 2
    iterations, learning_rate = arrays[0], 1 if model.optimizer.is_scheduled else arrays[1]
    if not 0 <= iterations < 1 << 53 or learning_rate < 0:
        raise FileFormatError(f"{path} claims {iterations} steps with learning rate {learning_rate}")
    for (name, key), array in zip(model.optimizer.slots_in_order(model.trainable_params), arrays[first:], strict=False):
        if name in SQUARES and (array < 0).any():
            raise FileFormatError(f"{path} has a negative number in {key}'s {name}, which is a mean of squares")


def restore(model: Any, pairs: Pairs, arrays: Sequence[Any]) -> None:
    """Put what was read into the layers, and into the optimizer."""
    for ours, value in pairs:
        ours[...] = value
    if arrays:
        optimizer, (iterations, *remembered) = model.optimizer, arrays
        claim(optimizer, model)
        optimizer.iterations = int(iterations)
        if not optimizer.is_scheduled:
            learning_rate = float(remembered.pop(0))
            if np.float32(optimizer.learning_rate) != np.float32(learning_rate):  # else the config has more digits
                optimizer.learning_rate = learning_rate
        for (name, key), array in zip(optimizer.slots_in_order(model.trainable_params), remembered, strict=False):
            optimizer.slots.setdefault(name, {})[key] = array


def _paths(layers: Sequence[Layer], within: str = "") -> Iterator[tuple[str, Layer]]:
    """Yield the place of every layer's arrays, and the layer."""
    seen: dict[str, int] = {}
    for layer in layers:
        kind = layer.default_name
        count = seen[kind] = seen.get(kind, -1) + 1
        place = f"{within}layers/{kind}_{count}" if count else f"{within}layers/{kind}"
        if inner := getattr(layer, "layers", None):
            yield from _paths(inner, f"{place}/")
        else:
            yield f"{place}/vars", layer


def _write_group(file: h5py.File, path: str, name: str, *arrays: Any) -> None:
    group = file.create_group(path)
    group.attrs["name"] = name
    for i, array in enumerate(arrays):
        check_finite(name, array)
        group[str(i)] = array


def check_finite(owner: str, array: Any) -> None:
    """Refuse to write what `read_array` would not read."""
    if not np.isfinite(array).all():
        raise ValueError(f"{owner!r} holds NaN or infinity, so the model is not saved")


def read_group(file: Reader, path: str, owner: Any, wanted: Sequence[tuple], *fewer: int) -> list[np.ndarray]:
    """Return the arrays of a group; `wanted` has the shape of each, and the types it may have."""
    count = len(file.names(path))
    if count not in (len(wanted), *fewer):
        raise FileFormatError(f"{path} must hold {len(wanted)} arrays for {owner}, holds {count}")
    return [file.array(f"{path}/{i}", *each) for i, each in enumerate(wanted[:count])]
