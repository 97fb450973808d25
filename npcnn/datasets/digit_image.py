"""A picture of one digit, prepared as MNIST was, so that a network trained on MNIST knows what it sees.

MNIST began as black and white scans. Each digit was scaled, keeping its aspect ratio, to fit a 20 x 20 box;
anti-aliasing gave it grey levels; then it was placed in 28 x 28 with its centre of mass at the centre:
Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-Based Learning Applied to Document Recognition",
Proceedings of the IEEE 86(11), 1998, section III-A.

A photograph is no such scan. So first the ink is told from the paper, in whatever light and whichever of the
two is the darker, and dirt is wiped off.
"""

from __future__ import annotations

import os
import warnings
from typing import TYPE_CHECKING

import numpy as np

from npcnn.errors import FileFormatError

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM")
SMALLEST, LARGEST = 8, 256  # pixels a side: what can hold a digit, and what a larger picture is shrunk to
FAINTEST = 0.1  # ink at least this dark, where 1 is full ink, outlines the digit
DIRT = 0.05  # a piece of ink smaller than this share of the largest piece is dirt


def prepare_digit(image: str | os.PathLike[str] | Picture | np.ndarray) -> np.ndarray:
    """Find the digit in a picture and return it as MNIST would show it: white on black, uint8, (28, 28).

    Args:
        image: a file, a Pillow image, or an array: (H, W) of numbers from 0 for black, or (H, W, 1),
            (H, W, 3) or (H, W, 4) of uint8. The digit may be darker or lighter than its background.

    Raises:
        FileNotFoundError: there is no such file.
        FileFormatError: the file is no picture, or no digit is found in it.
        ValueError: no digit is found in the Pillow image or the array, or the array is no picture.
        TypeError: image is none of these.
    """
    try:
        ink = _without_dirt(_ink(_grey(_picture(image))))
    except ValueError as error:
        if isinstance(image, str | os.PathLike):
            raise FileFormatError(f"{os.fspath(image)}: {error}") from None
        raise
    return _centred(_scaled(ink))


def _picture(image: str | os.PathLike[str] | Picture | np.ndarray) -> Picture:
    from PIL import Image, ImageOps

    if isinstance(image, str | os.PathLike):
        return _read(image)
    if isinstance(image, Image.Image):
        return ImageOps.exif_transpose(image)
    if not isinstance(image, np.ndarray):
        raise TypeError(f"image is a {type(image).__name__}; give a path, a Pillow image or a NumPy array")
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[:, :, 0]
    if image.size and image.ndim == 2 and image.dtype.kind in "buif":
        return Image.fromarray(image.astype(np.float32))
    if image.size and image.ndim == 3 and image.shape[2] in (3, 4) and image.dtype == np.uint8:
        return Image.fromarray(image)
    raise ValueError(
        f"an array of shape {image.shape} and type {image.dtype} is no picture; "
        "give (H, W) of numbers, or (H, W, 1), (H, W, 3) or (H, W, 4) of uint8"
    )


def _read(path: str | os.PathLike[str]) -> Picture:
    from PIL import Image, ImageOps

    with open(path, "rb") as file, warnings.catch_warnings():
        # A small file can claim to hold a huge picture. Pillow warns of it; nothing so large is wanted here.
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            return ImageOps.exif_transpose(Image.open(file, formats=FORMATS))
        except Image.UnidentifiedImageError:
            raise ValueError(f"not a picture of a known format ({', '.join(FORMATS)})") from None
        except Exception as error:  # decoders meet damage with exceptions of every kind
            raise ValueError(f"the picture cannot be decoded: {error}") from None


def _grey(picture: Picture) -> np.ndarray:
    """Brightness, (H, W) float64, at most LARGEST pixels a side."""
    from PIL import Image

    if min(picture.size) < max(SMALLEST, max(picture.size) * SMALLEST / LARGEST):
        raise ValueError(f"{picture.width} x {picture.height} pixels are too few or too narrow for a digit")
    if picture.mode[0] in "IF":  # 16 or 32 bits a pixel, which convert("L") would clip at 255
        values = np.asarray(picture, np.float32)
        if not (np.isfinite(values).all() and values.min() >= 0):
            raise ValueError("the picture contains NaN, infinite or negative values")
        picture = Image.fromarray(values)
    else:
        picture = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
    picture.thumbnail((LARGEST, LARGEST), Image.Resampling.HAMMING)
    if picture.mode == "RGBA":
        picture = _on_paper(picture)
    return np.asarray(picture if picture.mode == "F" else picture.convert("L"), np.float64)


def _on_paper(picture: Picture) -> Picture:
    """Lay a picture with transparent parts on white paper, or on black if what is opaque is light."""
    from PIL import Image

    grey, alpha = (np.asarray(band, np.float64) for band in picture.convert("LA").split())
    light = (grey * alpha).sum() > 127.5 * alpha.sum()
    paper = Image.new("RGBA", picture.size, "black" if light else "white")
    return Image.alpha_composite(paper, picture)


def _ink(grey: np.ndarray) -> np.ndarray:
    """How much ink there is on each pixel, from 0 to 1."""
    if grey.min() == grey.max():
        raise ValueError("no digit, only one brightness all over")
    H, W = grey.shape
    y, x = np.meshgrid(np.linspace(-1, 1, H), np.linspace(-1, 1, W), indexing="ij")
    terms = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1)
    in_even_light, in_uneven_light = _told_from_paper(grey, terms[..., :1]), _told_from_paper(grey, terms)
    contrast, full, grain = max(in_even_light, in_uneven_light, key=lambda told: told[1] / (told[2] + 1e-6))
    if full <= max(0.05, 5 * grain):
        raise ValueError("no digit that stands out from the background")
    return np.clip((contrast - 2 * grain) / (full - 2 * grain), 0, 1)


def _told_from_paper(grey: np.ndarray, terms: np.ndarray) -> tuple[np.ndarray, float, float]:
    """Each pixel's contrast with the paper, the contrast of full ink, and the grain of the paper.

    The light that the paper reflects is a weighted sum of `terms` (H, W, number of terms), fitted first to
    the border of the picture, and then, three times, to what the fit before took for paper.
    """
    border = np.ones(grey.shape, bool)
    border[1:-1, 1:-1] = False
    paper = border
    for _ in range(4):
        light = terms @ np.linalg.lstsq(terms[paper], grey[paper])[0]
        contrast = light - grey
        is_ink = contrast > _otsu_threshold(contrast)
        ink_is_dark = is_ink[border].mean() <= 0.5
        if not ink_is_dark:
            is_ink, contrast = ~is_ink, -contrast
        soft_edges = np.abs(contrast) > 3 * _grain(contrast[~is_ink])
        paper = ~is_ink & ~soft_edges
    # Dark ink swallows a share of the light. Light ink cannot be measured so: black paper reflects no light.
    whole = np.maximum(light, 0.01 * grey.max()) if ink_is_dark else grey.max()
    contrast /= whole
    return contrast, float(np.percentile(contrast[is_ink], 90)), _grain(contrast[~is_ink])


def _grain(contrast: np.ndarray) -> float:
    """The standard deviation of the paper's noise, from the median, which a little ink does not disturb."""
    return 1.4826 * float(np.median(np.abs(contrast)))


def _otsu_threshold(values: np.ndarray) -> float:
    """The threshold that makes two classes with the least variance within them.

    N. Otsu, "A Threshold Selection Method from Gray-Level Histograms", IEEE Trans. SMC 9(1), 1979.
    """
    count, edges = np.histogram(values, bins=256)
    centre = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(count)[:-1]
    above = values.size - below
    sum_below = np.cumsum(count * centre)[:-1]
    sum_above = (count * centre).sum() - sum_below
    between = below * above * (sum_below / below - sum_above / above) ** 2
    return float(edges[1 + np.argmax(between)])


def _without_dirt(ink: np.ndarray) -> np.ndarray:
    """Wipe off every connected piece of ink that is small beside the largest."""
    outline = ink > FAINTEST
    # Each pixel starts with a label of its own and takes the largest label around it until no label changes.
    label = np.where(outline, np.arange(1, ink.size + 1).reshape(ink.shape), 0)
    while True:
        before = label
        label = np.pad(label, 1)
        label = np.maximum(np.maximum(label[:-2], label[1:-1]), label[2:])
        label = np.maximum(np.maximum(label[:, :-2], label[:, 1:-1]), label[:, 2:]) * outline
        label = np.append(0, label)[label]  # the label of the pixel that the label came from: fewer rounds
        if np.array_equal(label, before):
            break
    weight = np.bincount(label.ravel(), ink.ravel())
    weight[0] = 0
    return ink * (weight >= DIRT * weight.max())[label]


def _scaled(ink: np.ndarray) -> np.ndarray:
    """The digit's bounding box, scaled to 20 pixels on its longer side, its darkest pixel 1."""
    from PIL import Image

    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    cropped = Image.fromarray(ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].astype(np.float32))
    scale = 20 / max(cropped.size)
    width, height = (max(1, round(scale * length)) for length in cropped.size)
    anti_aliasing = Image.Resampling.BOX if scale < 1 else Image.Resampling.BICUBIC
    digit = np.asarray(cropped.resize((width, height), anti_aliasing))
    return np.clip(digit / digit.max(), 0, 1)


def _centred(digit: np.ndarray) -> np.ndarray:
    """The digit in 28 x 28, its centre of mass on pixel (14, 14), as in MNIST, if that leaves it whole."""
    image = np.zeros((28, 28), np.uint8)
    H, W = digit.shape
    top = 14 - digit.sum(axis=1) @ np.arange(H) / digit.sum()
    left = 14 - digit.sum(axis=0) @ np.arange(W) / digit.sum()
    top, left = np.clip(round(top), 0, 28 - H), np.clip(round(left), 0, 28 - W)
    image[top : top + H, left : left + W] = np.round(255 * digit)
    return image
