"""Keras' `ImageDataGenerator`: batches of images that are turned, shifted, slanted, zoomed and mirrored at random.

    generator = ImageDataGenerator(rotation_range=10, zoom_range=0.1)
    model.fit(generator.flow(x, y, batch_size=32), epochs=3)

It is here for programs that use it; `npcnn.augmentation.augment` bends images, too, and works on all the cores.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from npcnn import defaults
from npcnn.augmentation import of_each, warp
from npcnn.checks import as_array, check_count, check_dtype, check_fraction, check_seed
from npcnn.keras_arguments import check_neutral, find_attribute
from npcnn.utils import PyDataset

NOT_FITTED = "the generator has seen no images to take means of; call generator.fit(x_train) first"


@dataclass(eq=False)
class ImageDataGenerator:
    """Random variants of images, and their values brought to a common scale.

    Pixel q = (row, column) of the new image shows what the old one has at m + A (q - m) + R t, where

        A = R(rotation) [[cos(shear), 0], [-sin(shear), 1]] diag(zoom_down, zoom_across) diag(flip_down, flip_across)

    with m the middle of the image and t the shift; all are drawn anew for each image, evenly from their ranges.

    Args:
        featurewise_center, featurewise_std_normalization: subtract the mean, and divide by the standard deviation, that
            each channel has in the images given to `fit`.
        samplewise_center, samplewise_std_normalization: the same with those of each image itself.
        rotation_range: the largest angle, in degrees, either way.
        width_shift_range, height_shift_range: how far an image moves at most across and down: below 1 a share of its
            size, else pixels. For an integer k it is one of the whole numbers below k, for a list one of its items.
        shear_range: the largest slant, in degrees, either way.
        zoom_range: (lowest, highest) zoom of each axis, or z for (1 - z, 1 + z); above 1 shows things smaller.
        fill_mode, cval: beyond the edges is the "nearest" pixel, or, with "constant", cval.
        horizontal_flip, vertical_flip: whether every second image, at random, is mirrored left to right, upside down.
        rescale: a factor for all values, or None.
        preprocessing_function: what is done to each image, (H, W, C) -> (H, W, C), before values are scaled.
        validation_split: the share of examples, taken from the head, that subset="validation" means in `flow`.
        dtype: "float32" if None.
        zca_whitening, zca_epsilon, brightness_range, channel_shift_range, data_format, interpolation_order: Keras has
            them, npcnn has only their defaults.

    Raises:
        ValueError: an argument is out of range, or asks for what npcnn has not.
    """

    featurewise_center: bool = False
    samplewise_center: bool = False
    featurewise_std_normalization: bool = False
    samplewise_std_normalization: bool = False
    zca_whitening: bool = False
    zca_epsilon: float = 1e-6
    rotation_range: float = 0
    width_shift_range: Any = 0.0
    height_shift_range: Any = 0.0
    brightness_range: Any = None
    shear_range: float = 0.0
    zoom_range: Any = 0.0
    channel_shift_range: float = 0.0
    fill_mode: str = "nearest"
    cval: float = 0.0
    horizontal_flip: bool = False
    vertical_flip: bool = False
    rescale: float | None = None
    preprocessing_function: Callable | None = None
    data_format: str | None = None
    validation_split: float = 0.0
    interpolation_order: int = 1
    dtype: Any = None

    if not TYPE_CHECKING:
        __getattr__ = find_attribute  # says what to use instead of other methods of Keras'

    def __post_init__(self) -> None:
        kind = type(self).__name__
        check_neutral(kind, {name: getattr(self, name) for name in ("data_format", "interpolation_order")})
        for name in ("zca_whitening", "brightness_range", "channel_shift_range"):
            if value := getattr(self, name):
                raise ValueError(f"{kind}: npcnn has no {name}={value!r}; a preprocessing_function may do it")
        if self.fill_mode not in ("nearest", "constant"):
            raise ValueError(f"{kind}: fill_mode must be 'nearest' or 'constant', got {self.fill_mode!r}")
        if np.ndim(self.zoom_range) == 0:
            self.zoom_range = 1 - self.zoom_range, 1 + self.zoom_range
        if len(self.zoom_range) != 2:
            raise ValueError(f"{kind}: zoom_range must be a number or a pair of them, got {self.zoom_range!r}")
        self.validation_split = check_fraction(f"{kind}: validation_split", self.validation_split)
        self.dtype = check_dtype(f"{kind}: dtype", self.dtype or defaults.floatx)
        self.samplewise_center |= self.samplewise_std_normalization
        self.featurewise_center |= self.featurewise_std_normalization
        self.mean = self.std = None
        self.rng = check_seed("seed", defaults.seed)

    def flow(
        self,
        x: Any,
        y: Any = None,
        batch_size: int = 32,
        shuffle: bool = True,
        sample_weight: Any = None,
        seed: int | None = None,
        save_to_dir: None = None,
        save_prefix: str = "",
        save_format: str = "png",
        ignore_class_split: bool = False,
        subset: str | None = None,
    ) -> "NumpyArrayIterator":
        """Return batches of variants of x, for `fit`, `evaluate` or `predict`; a loop over them has no end.

        Args:
            x, y, sample_weight: images (N, H, W, C), their labels and weights; a batch has what is given here.
            batch_size: examples a batch; the last of a pass may be smaller.
            shuffle: whether each pass takes the examples in a new order.
            seed: of all that is drawn; None goes on from the generator's numbers, which start as a model's do.
            subset: "training" or "validation", a part as `validation_split` says; None takes all.
            save_to_dir, save_prefix, save_format: npcnn writes no files: None.
            ignore_class_split: accepted because Keras has it.
        """
        check_neutral("flow", {"save_to_dir": save_to_dir})
        if subset not in (None, "training", "validation"):
            raise ValueError(f"flow: subset must be 'training' or 'validation', got {subset!r}")
        x = self._images("flow", x)
        at = int(len(x) * self.validation_split)
        part = {None: slice(None), "training": slice(at, None), "validation": slice(at)}[subset]
        arrays = {"y": y, "sample_weight": sample_weight}
        for name, array in arrays.items():
            if array is not None and len(array) != len(x):
                raise ValueError(f"flow: {name} must have {len(x)} rows, as x has, got {len(array)}")
            arrays[name] = None if array is None else as_array(f"flow: {name}", array)[part]
        rng = self.rng if seed is None else check_seed("flow: seed", seed)
        return NumpyArrayIterator(self, x[part], arrays["y"], arrays["sample_weight"], batch_size, shuffle, rng)

    def fit(self, x: Any, augment: bool = False, rounds: int = 1, seed: int | None = None) -> None:
        """Note mean and standard deviation of each channel of x, or, with `augment`, of `rounds` variants of each."""
        x, rng = self._images("fit", x) * (self.rescale or 1), self.rng if seed is None else check_seed("seed", seed)
        if augment:
            x = np.concatenate([self.variants(x, rng) for _ in range(rounds)])
        if self.featurewise_center:
            self.mean = x.mean(axis=(0, 1, 2))
        if self.featurewise_std_normalization:
            self.std = x.std(axis=(0, 1, 2))

    def standardize(self, x: np.ndarray) -> np.ndarray:
        """Return images (..., H, W, C) with their values scaled; an array of floats is itself changed, as in Keras."""
        x = x if x.dtype.kind == "f" else x.astype(self.dtype)
        axes = (-3, -2, -1)
        if self.preprocessing_function:
            x = np.stack([self.preprocessing_function(image) for image in x.reshape(-1, *x.shape[-3:])]).reshape(
                x.shape
            )
        if self.rescale:
            x *= self.rescale
        if self.samplewise_center:
            x -= x.mean(axis=axes, keepdims=True)
        if self.samplewise_std_normalization:
            x /= x.std(axis=axes, keepdims=True) + 1e-6
        if self.featurewise_center and self.mean is None:
            warnings.warn(f"featurewise_center: {NOT_FITTED}", stacklevel=2)
        if self.mean is not None:
            x -= self.mean
        if self.std is not None:
            x /= self.std + 1e-6
        return x

    def random_transform(self, x: np.ndarray, seed: int | None = None) -> np.ndarray:
        """Return a variant of one image (H, W, C); its values are not scaled."""
        rng = self.rng if seed is None else check_seed("random_transform: seed", seed)
        return self.variants(np.asarray(x, self.dtype)[None], rng)[0]

    def variants(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return a variant of each image of x (N, H, W, C), with numbers from `rng`."""
        N, H, W, _ = x.shape
        rotation = np.radians(rng.uniform(-1, 1, N) * self.rotation_range)
        shear = np.radians(rng.uniform(-1, 1, N) * self.shear_range)
        t = np.stack([shifts(self.height_shift_range, H, N, rng), shifts(self.width_shift_range, W, N, rng)], axis=-1)
        low, high = self.zoom_range
        zoom = rng.uniform(low, high, (2, N))
        flip = [rng.choice([1, -1 if mirror else 1], N) for mirror in (self.vertical_flip, self.horizontal_flip)]
        zero, one, cos, sin = np.zeros(N), np.ones(N), np.cos(rotation), np.sin(rotation)
        rotated = [[cos, sin], [-sin, cos]]
        sheared = [[np.cos(shear), zero], [-np.sin(shear), one]]
        scaled = [[zoom[0] * flip[0], zero], [zero, zoom[1] * flip[1]]]
        beyond = {"mode": "edge"} if self.fill_mode == "nearest" else {"constant_values": self.cval}
        R = of_each(rotated)
        A, field = R @ of_each(sheared) @ of_each(scaled), np.zeros((N, 2, H, W), np.float32)
        return warp(x, A, (R @ t[..., None])[..., 0], field, **beyond)

    def _images(self, method: str, x: Any) -> np.ndarray:
        x = as_array(f"{method}: x", x).astype(self.dtype, copy=False)
        if x.ndim != 4:
            hint = "; x[..., None] has the channel axis" if x.ndim == 3 else ""
            raise ValueError(f"{method}: x must have shape (N, H, W, C), got {x.shape}{hint}")
        return x


def shifts(limit: Any, size: int, N: int, rng: np.random.Generator) -> np.ndarray:
    """Return N shifts along an axis, in pixels, as `width_shift_range` and `height_shift_range` are told."""
    if not np.any(limit):
        return np.zeros(N)
    evenly = isinstance(limit, (float, np.floating))
    drawn = rng.uniform(-limit, limit, N) if evenly else rng.choice(limit, N) * rng.choice([-1, 1], N)
    return drawn * (size if np.max(limit) < 1 else 1)


@dataclass(eq=False)
class NumpyArrayIterator(PyDataset):
    """What `ImageDataGenerator.flow` returns: `len(flow)` batches a pass, `flow[i]` one, `next(flow)` the next."""

    generator: ImageDataGenerator
    x: np.ndarray
    y: np.ndarray | None
    sample_weight: np.ndarray | None
    batch_size: int
    shuffle: bool
    rng: np.random.Generator

    def __post_init__(self) -> None:
        super().__init__()
        check_count("flow: batch_size", self.batch_size)
        self.n, self.batch_index = len(self.x), 0
        self.on_epoch_end()

    def __len__(self) -> int:
        return -(-self.n // self.batch_size)

    def __getitem__(self, index: int) -> Any:
        if not 0 <= index < len(self):
            raise IndexError(f"there are {len(self)} batches, so no batch {index}")
        rows = self.order[index * self.batch_size : (index + 1) * self.batch_size]
        x = self.generator.standardize(self.generator.variants(self.x[rows], self.rng))
        others = [array[rows] for array in (self.y, self.sample_weight) if array is not None]
        return (x, *others) if self.y is not None else x

    def on_epoch_end(self) -> None:
        """Put the examples in a new order."""
        self.order = self.rng.permutation(self.n) if self.shuffle else np.arange(self.n)

    @property
    def random_state(self) -> Any:
        """What the batches of a pass depend on; `BackupAndRestore` keeps it."""
        return {"rng": self.rng.bit_generator.state, "order": self.order}

    @random_state.setter
    def random_state(self, state: Any) -> None:
        self.rng.bit_generator.state, self.order = state["rng"], state["order"]

    def __iter__(self) -> "NumpyArrayIterator":
        return self

    def __next__(self) -> Any:
        batch = self[self.batch_index]
        self.batch_index = (self.batch_index + 1) % len(self)
        if self.batch_index == 0:
            self.on_epoch_end()
        return batch

    next = __next__  # its name in older versions

    def reset(self) -> None:
        """Let `next` begin with the first batch."""
        self.batch_index = 0
