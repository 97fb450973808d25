"""A picture of one digit, prepared as MNIST was, so that a network trained on MNIST knows what it sees.

MNIST's black and white scans were scaled to fit a 20 x 20 box, keeping their aspect ratio; anti-aliasing gave them
grey levels; then they were placed in 28 x 28 with their centre of mass at the centre, which is pixel (14, 14):
Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-Based Learning Applied to Document Recognition",
Proceedings of the IEEE 86(11), 1998, section III-A. In a photograph, the ink is first told from the paper.
"""

import contextlib
import os
import struct
import threading
import warnings
from collections.abc import Iterator

import numpy as np
from PIL import ExifTags, Image, ImageOps, JpegImagePlugin, PngImagePlugin, TiffImagePlugin
from skimage import filters, measure

from npcnn.errors import FileFormatError

FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM")
SMALLEST, LARGEST = 8, 256  # pixels a side: what can hold a digit, and what a larger picture is shrunk to
MOST_BYTES = 80 * 10**6  # that decoding a file may take: 20 million pixels of most formats
MOST_TEXT = 1 << 20  # characters of text beside a PNG's pixels, of which Pillow keeps 64 million, up to 4 bytes each
LARGE = 4 * LARGEST  # from here on, pixels are first averaged in whole squares, which is faster and takes less memory
BAND = 64  # rows of the shrunk picture that are made at once


def prepare_digit(image: str | os.PathLike[str] | Image.Image | np.ndarray) -> np.ndarray:
    """Find the digit in a picture and return it as MNIST would show it: white on black, uint8, (28, 28).

    A file may claim more pixels than it has bytes. So one that takes more than MOST_BYTES to decode is refused before
    it is decoded: above 20 megapixels, 5 in WebP, and 10 to 16 in TIFF. A JPEG is decoded at an eighth of its size
    if need be, so that photographs of up to 89 megapixels are read, where Pillow draws the line. All in all, a file
    takes no more than 100 MB, the text in a PNG included, which may have MOST_TEXT characters.

    Args:
        image: a file, a Pillow image, or an array: (H, W) of numbers from 0 for black, or (H, W, 1),
            (H, W, 3) or (H, W, 4) of uint8. The digit may be darker or lighter than its background.

    Raises:
        FileNotFoundError: there is no such file.
        FileFormatError: the file is no picture, or no digit is found in it.
        ValueError: no digit is found in the Pillow image or the array, or the array is no picture.
        TypeError: image is none of these.
    """
    if isinstance(image, str | os.PathLike):
        with open(image, "rb") as f, _strict_pillow():
            try:
                picture = Image.open(f, formats=FORMATS)
                _check_size(picture)
                return prepare_digit(picture)
            except Image.UnidentifiedImageError:
                raise FileFormatError(f"{os.fspath(image)}: not a picture ({', '.join(FORMATS)})") from None
            except Exception as error:  # decoders meet damage with exceptions of every kind
                raise FileFormatError(f"{os.fspath(image)}: {str(error)[:1000] or type(error).__name__}") from None
    ink = Image.fromarray(np.uint8(np.rint(255 * _ink(_grey(image)))))
    ink = ink.crop(ink.getbbox())
    scale = 20 / max(ink.size)
    size = [max(1, round(scale * length)) for length in ink.size]
    digit = np.asarray(ink.resize(size, Image.Resampling.BOX if scale < 1 else Image.Resampling.BICUBIC))
    top, left = np.clip(np.rint(14 - measure.centroid(digit)), 0, np.subtract(28, digit.shape)).astype(int)
    prepared = np.zeros((28, 28), np.uint8)
    prepared[top : top + len(digit), left : left + len(digit.T)] = np.rint(digit * (255 / digit.max()))
    return prepared


_ONE_AT_A_TIME = threading.Lock()


@contextlib.contextmanager
def _strict_pillow() -> Iterator[None]:
    """Lower what Pillow accepts: a small file can claim to hold a huge picture, of which it may only warn, or text.

    Its limits are those of the whole process, so threads wait for each other.
    """
    with _ONE_AT_A_TIME, warnings.catch_warnings(action="error", category=Image.DecompressionBombWarning):
        before, PngImagePlugin.MAX_TEXT_MEMORY = PngImagePlugin.MAX_TEXT_MEMORY, MOST_TEXT
        try:
            yield
        finally:
            PngImagePlugin.MAX_TEXT_MEMORY = before


def _check_size(picture: Image.Image) -> None:
    """Refuse a picture that takes too much memory to decode; let a JPEG be decoded at a fraction of its size.

    Bytes a pixel, in Pillow's decoders: 4, whatever the format's own; in a TIFF, whose strip may be the whole picture,
    the format's own too; in a WebP, four pictures. A JPEG that comes in several scans is first kept as coefficients
    of 2 bytes, at its full size.
    """
    (width, height), full = picture.size, picture.width * picture.height
    picture.draft("L", (LARGE, LARGE))
    needed = 4 * picture.width * picture.height
    if picture.format == "WEBP":
        needed *= 4
    elif isinstance(picture, TiffImagePlugin.TiffImageFile):
        needed += full * sum(picture.tag_v2.get(TiffImagePlugin.BITSPERSAMPLE, (1,))) // 8
    elif isinstance(picture, JpegImagePlugin.JpegImageFile):
        n, end = picture.layers, picture.fp.tell()  # the components, and the end of the header of the first scan
        picture.fp.seek(end - 2 * n - 8)
        if picture.info.get("progressive") or picture.fp.read(5) != struct.pack(">HHB", 0xFFDA, 2 * n + 6, n):
            _, across, down, _ = zip(*picture.layer, strict=True)  # how often a component is sampled
            needed += 2 * full * int(np.dot(across, down)) // max(1, max(across) * max(down))
        picture.fp.seek(end)
    if needed > MOST_BYTES:
        raise ValueError(
            f"{width} x {height} pixels take {needed / 1e6:,.0f} MB to decode from {picture.format}, and may take "
            f"{MOST_BYTES / 1e6:.0f}; make it smaller, or a plain JPEG"
        )


def _shrunk(image: Image.Image) -> Image.Image:
    """The picture turned upright, brightness and opacity, at most LARGEST pixels a side.

    Where there are many pixels for one of these, they are averaged band by band: another picture of the full size
    might be too large.
    """
    deep = image.mode[0] in "IF"  # 16 or 32 bits a pixel, which convert would clip at 255
    shrink = max(1, max(image.size) // LARGE)
    image.load()  # which may turn it, in a TIFF
    width, height = image.size
    small = Image.new("F" if deep else "LA", (-(-width // shrink), -(-height // shrink)))
    for top in range(0, small.height, BAND):
        band = image.crop((0, top * shrink, width, min((top + BAND) * shrink, height)))
        band = Image.fromarray(np.asarray(band, np.float32)) if deep else band.convert("LA")
        small.paste(band.reduce(shrink), (0, top))
    small.getexif()[ExifTags.Base.Orientation] = image.getexif().get(ExifTags.Base.Orientation, 1)
    small = ImageOps.exif_transpose(small)
    small.thumbnail((LARGEST, LARGEST), Image.Resampling.HAMMING)
    return small


def _grey(image: Image.Image | np.ndarray) -> np.ndarray:
    """The brightness (H, W) of a picture turned upright; transparent parts become paper, white or black."""
    if isinstance(image, np.ndarray):
        numbers = image.dtype.kind in "buif" and image.ndim > 1 and image.shape[2:] in ((), (1,))
        if not numbers and not (image.dtype == np.uint8 and image.shape[2:] in ((3,), (4,))):
            raise ValueError(f"array {image.shape} of {image.dtype}; give (H, W) numbers or (H, W, 1, 3 or 4) uint8")
        image = Image.fromarray(image.reshape(image.shape[:2]).astype(np.float32) if numbers else image)
    if not isinstance(image, Image.Image):
        raise TypeError(f"image is a {type(image).__name__}; give a path, a Pillow image or a NumPy array")
    if min(image.size) < max(SMALLEST, max(image.size) * SMALLEST / LARGEST):
        raise ValueError(f"{image.width} x {image.height} pixels are too few or too narrow for a digit")
    image = _shrunk(image)
    pixels = np.asarray(image, np.float64)
    grey, opaque = (pixels, 1.0) if image.mode == "F" else (pixels[..., 0], pixels[..., 1] / 255)
    paper = 0 if np.sum((grey - 127.5) * opaque) > 0 else 255
    return grey * opaque + paper * (1 - opaque)


def _ink(grey: np.ndarray) -> np.ndarray:
    """The share of ink on each pixel, from 0 to 1, without dirt: pieces of less than a twentieth of the largest."""
    if not 0 <= grey.min() < grey.max() < np.inf:
        raise ValueError(f"no digit: brightness {grey.min():g} to {grey.max():g} is flat, NaN, infinite or negative")
    y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in grey.shape), indexing="ij")
    terms = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1)
    border = np.maximum(abs(x), abs(y)) == 1
    lightest, light = grey.max(), grey[border].mean()
    for _ in range(5):  # tell ink from paper by the light on the paper, then fit the light to what seems to be paper
        smooth = filters.gaussian(light - grey, 1)
        is_ink = smooth > filters.threshold_otsu(smooth)
        if is_ink[border].mean() > 0.5:  # the ink is light: mirrored at the lightest, it is dark
            grey, light, is_ink = 2 * lightest - grey, 2 * lightest - light, ~is_ink
        contrast = (light - grey) / np.maximum(light, 0.01 * lightest)  # the share of the light that ink swallows
        contrast -= np.median(contrast[~is_ink])
        paper = np.abs(contrast) <= 7.4 * np.median(np.abs(contrast[~is_ink]))  # five standard deviations of noise
        light = terms @ np.linalg.lstsq(terms[paper], grey[paper])[0]
    full, noise = np.percentile(contrast[is_ink], 90), contrast[paper].std()
    if full <= max(0.05, 3 * noise):
        raise ValueError("no digit that stands out from the background")
    ink = np.clip((contrast - 2 * noise) / (full - 2 * noise), 0, 1)
    pieces = measure.label(ink > 0.1)
    weight = np.bincount(pieces.ravel(), ink.ravel())[1:]
    return ink * np.isin(pieces, 1 + np.flatnonzero(weight >= 0.05 * weight.max()))
