"""`prepare_digit` finds a digit in any picture and returns it as MNIST would show it."""

import io
import json
import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image, ImageDraw, PngImagePlugin

from npcnn.digit_image import prepare_digit
from npcnn.errors import FileFormatError


def seven(size=(120, 160), corner=(40, 30), height=90, width=9, ink=20, paper=235, dirt=()):
    """A picture of a 7 of straight strokes, as tall as `height`, at `corner`; sizes are (width, height)."""
    picture = Image.new("L", size, paper)
    (x, y), h = corner, height
    draw = ImageDraw.Draw(picture)
    draw.line([(x, y), (x + 0.6 * h, y), (x + 0.2 * h, y + h)], fill=ink, width=width, joint="curve")
    for x, y in dirt:
        draw.rectangle([x, y, x + 2, y + 2], fill=0)
    return picture


PIXELS = np.asarray(seven())


@pytest.fixture(scope="module")
def expected():
    return prepare_digit(seven())


@pytest.fixture(scope="module")
def mnist_images(digits):
    """A hundred images of MNIST (100, 28, 28), uint8."""
    return np.round(255 * digits[0][0][:100, :, :, 0]).astype(np.uint8)


def difference(a, b):
    """Mean absolute difference of two digits, of 255, at the best shift by a pixel: centring may tie."""
    shifted = [np.roll(a, (i, j), (0, 1)).astype(float) for i in (-1, 0, 1) for j in (-1, 0, 1)]
    return min(np.abs(a - b).mean() for a in shifted)


def bounding_box(image):
    rows, columns = np.flatnonzero(image.any(axis=1)), np.flatnonzero(image.any(axis=0))
    return image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


# As MNIST was prepared


@pytest.mark.parametrize("width", [4, 9, 20])
def test_the_result_is_white_on_black_28_by_28_uint8_whatever_the_stroke(width):
    digit = prepare_digit(seven(width=width))
    assert digit.shape == (28, 28) and digit.dtype == np.uint8 and len(bounding_box(digit)) == 20
    assert digit.max() == 255 and np.median(digit) == 0


@pytest.mark.parametrize(
    ("strokes", "scaled"),
    [
        ([np.s_[50:130, 90:130]], (20, 10)),
        ([np.s_[50:70, 90:170]], (5, 20)),
        ([np.s_[50:80, 90:120]], (20, 20)),
        ([np.s_[50:149, 90:92]], (20, 1)),  # not 20 x 0
        ([np.s_[20:80, 30:38], np.s_[20:45, 60:68]], (20, 13)),  # two strokes that do not touch, 38 x 60 together
        ([np.s_[10:30, 10:110], np.s_[10:110, 10:12]], (20, 20)),  # too far from its centre of mass to centre that
    ],
)
def test_the_bounding_box_of_all_strokes_is_scaled_to_20_pixels_and_keeps_its_aspect_ratio(strokes, scaled):
    picture = np.full((200, 200), 255, np.uint8)
    for stroke in strokes:
        picture[stroke] = 0
    digit = bounding_box(prepare_digit(picture))
    assert digit.shape == scaled and (digit == 255).all() == (len(strokes) == 1)


def test_edges_are_anti_aliased_by_averaging():
    picture = np.zeros((200, 200), np.uint8)
    picture[50:150, 50:150] = 255  # five pixels for one of the 20 x 20 box
    picture[50:150, 98:108] = 0  # a gap: in column 9 of 20 three of five are left, in column 11 two
    row = bounding_box(prepare_digit(picture))[10]
    assert (row[[0, 7, 14, 19]] == 255).all() and row[10] == 0
    np.testing.assert_allclose(row[[9, 11]] / 255, [3 / 5, 2 / 5], rtol=0, atol=0.01)


def test_a_digit_of_a_few_pixels_is_enlarged_without_steps():
    digit = prepare_digit(np.pad(1 - np.eye(7), 3, constant_values=1))
    assert len(bounding_box(digit)) == 20 and len(np.unique(digit)) > 10


def test_an_image_of_mnist_comes_back_as_it_is_with_its_centre_of_mass_on_pixel_14_14(mnist_images):
    came_back = [prepare_digit(np.pad(image, ((0, 9), (5, 0)))) for image in mnist_images]
    apart = [difference(digit, image) for digit, image in zip(came_back, mnist_images, strict=True)]
    assert np.median(apart) < 1 and np.max(apart) < 5
    for digit in came_back:  # a shift by whole pixels leaves up to half a pixel, in MNIST itself too
        assert np.allclose([np.average(axis, weights=digit) for axis in np.indices((28, 28))], 14, rtol=0, atol=0.51)


# Any light, any paper


def on_a_page(image, smooth):
    large = np.asarray(Image.fromarray(255 - image).resize((140, 140), smooth))
    return np.pad(large, ((5, 60), (40, 0)), constant_values=255)


def in_noise(image, deviation):
    page = 200 - 0.5 * np.pad(np.kron(image, np.ones((4, 4))), 20)
    return np.maximum(page + deviation * np.random.default_rng(0).standard_normal(page.shape), 0)


PICTURES_OF_MNIST = {  # and how far, of 255, the digit that comes back may be from the one in the picture
    "enlarged": (lambda image: on_a_page(image, Image.Resampling.NEAREST), 1),
    # This enlargement blurs the outline: a digit half a pixel larger all around comes back that much smaller.
    "smoothly enlarged": (lambda image: on_a_page(image, Image.Resampling.BICUBIC), 8),
    "in strong noise": (lambda image: in_noise(image, 14), 7),
    "in very strong noise": (lambda image: in_noise(image, 25), 14),
    "cropped to its very edges": (lambda image: np.kron(bounding_box(image), np.ones((4, 4))), 2),
}


@pytest.mark.parametrize(("picture_of", "tolerance"), PICTURES_OF_MNIST.values(), ids=PICTURES_OF_MNIST)
def test_a_digit_of_mnist_comes_back_from_a_picture_of_it(picture_of, tolerance, mnist_images):
    assert np.mean([difference(prepare_digit(picture_of(image)), image) for image in mnist_images[:20]]) < tolerance


def in_file(picture, format, **options):
    picture.save(file := io.BytesIO(), format, **options)
    return file


def photograph(light=1, grain=4, picture=PIXELS):
    """The picture in a light (H, W) that falls on it, with a camera's grain and JPEG's."""
    seen = np.asarray(picture) * light + grain * np.random.default_rng(0).standard_normal(np.shape(picture))
    return Image.open(in_file(Image.fromarray(np.clip(seen, 0, 255).astype(np.uint8)), "JPEG", quality=70))


y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in PIXELS.shape), indexing="ij")
OTHER_SEVENS = {
    "large, off the middle": (seven((900, 700), (500, 30), height=540, width=54), 2),
    "small": (seven((60, 60), (10, 10), height=45, width=5), 4),
    "in the corner of a large photograph": (seven((1600, 1200), (1100, 800), height=240, width=24), 4),
    "in the grain of a dark room": (
        photograph(grain=120, picture=seven((1440, 1920), (480, 360), height=1080, width=108)),
        3,
    ),
    "faint": (seven(ink=150, paper=200), 1),
    "light from the left": (photograph(0.55 - 0.45 * x), 1.5),  # from full light to a tenth
    "light from a corner": (photograph(0.55 - 0.22 * (x + y)), 1.5),
    "light that fades to nothing": (photograph(0.5 - 0.5 * x), 4),
    "a vignette": (photograph(1 - 0.4 * (x * x + y * y)), 1.5),
}


@pytest.mark.parametrize(("picture", "tolerance"), OTHER_SEVENS.values(), ids=OTHER_SEVENS)
def test_size_place_faint_ink_and_uneven_light_do_not_matter(picture, tolerance, expected):
    digit = prepare_digit(picture)
    assert difference(digit, expected) < tolerance and np.median(digit) == 0


# Any kind of picture

IS_INK = PIXELS[..., None] < 128
TRANSPARENT = {  # opaque ink on transparent pixels that hide another brightness
    f"{ink}_on_hidden_{hidden}": np.where(IS_INK, [ink] * 3 + [255], [hidden] * 3 + [0]).astype(np.uint8)
    for ink in [0, 255]
    for hidden in [0, 255]
}
THE_SAME = {
    "light on dark": 255 - PIXELS,
    "a few specks of dirt": seven(dirt=[(5, 5), (110, 150), (100, 20), (10, 120)]),
    "floats": PIXELS / 255,
    "tiny floats": PIXELS * 1e-30,
    "integers": PIXELS.astype(np.int64),
    "booleans": PIXELS < 128,
    "one channel": PIXELS[..., None],
    "three channels": np.dstack([PIXELS] * 3),
    **TRANSPARENT,
    **{mode: seven().convert(mode) for mode in ["L", "RGB", "RGBA", "LA", "P", "CMYK", "YCbCr", "I", "F"]},
}


@pytest.mark.parametrize("picture", THE_SAME.values(), ids=THE_SAME)
def test_every_kind_of_picture_gives_the_same_and_stays_as_it_is(picture, expected):
    before = np.array(picture)
    assert np.array_equal(prepare_digit(picture), expected)
    assert np.array_equal(np.asarray(picture), before)


def turned(orientation, back):
    """The 7 as a camera stores it that was turned, and its note that it was."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return seven().transpose(back), {"exif": exif}


FILES = {
    **{f"7.{kind}": (seven(), {}) for kind in ["png", "bmp", "gif", "tif", "ppm"]},
    "7.webp": (seven(), {"lossless": True}),
    "16_bits.png": (Image.fromarray(PIXELS.astype(np.uint16) * 257), {}),
    "turned_by_180.png": turned(3, Image.Transpose.ROTATE_180),
    "turned_by_270.png": turned(6, Image.Transpose.ROTATE_90),
    "turned_by_90.png": turned(8, Image.Transpose.ROTATE_270),
    **{f"{name}.png": (Image.fromarray(pixels), {}) for name, pixels in TRANSPARENT.items()},
}


@pytest.mark.parametrize("name", FILES)
def test_every_lossless_file_gives_the_same_upright_and_without_what_is_transparent(name, expected, tmp_path):
    picture, options = FILES[name]
    picture.save(tmp_path / name, **options)
    with Image.open(tmp_path / name) as opened:
        for given in (tmp_path / name, str(tmp_path / name), opened):
            assert np.array_equal(prepare_digit(given), expected)


# One clear error


def ppm_that_claims(width, height):
    """A PPM file of a few bytes whose header claims a size."""
    return f"P5 {width} {height} 255 ".encode() + bytes(20)


SLOPE = np.tile(np.linspace(120, 220, 80), (80, 1))
GRAIN = 6 * np.random.default_rng(0).standard_normal((80, 80))
NO_DIGIT = {
    "hardly a shadow": (np.array(seven(ink=230)), "no digit"),
    "white": (np.full((80, 80), 255, np.uint8), "no digit"),
    "black": (np.zeros((80, 80), np.uint8), "no digit"),
    "a slope of light": (SLOPE.astype(np.uint8), "no digit"),
    "grainy": ((200 + GRAIN).astype(np.uint8), "no digit"),
    "a grainy slope of light": ((SLOPE + GRAIN).astype(np.uint8), "no digit"),
    "wholly transparent": (np.zeros((40, 40, 4), np.uint8), "no digit"),
    **{str(bad): (np.where(np.eye(9), np.float32(bad), 1), "no digit: .* NaN, infin") for bad in (np.nan, np.inf, -1)},
    **{f"{W} x {H}": (np.zeros((H, W), np.uint8), f"{W} x {H} pixels") for W, H in [(1, 1), (7, 50), (5000, 20)]},
}
BAD_FILES = {
    "empty": (b"", "not a picture"),
    "text": (b"two plus five", "not a picture"),
    "a format of the 1980s": (in_file(seven(), "PCX").getvalue(), "not a picture"),
    "a bomb": (ppm_that_claims(30_000, 30_000), ".* decompression bomb"),
    "a small bomb": (ppm_that_claims(10_000, 10_000), ".* decompression bomb"),  # here Pillow would only warn
    "a bomb below Pillow's limit": (ppm_that_claims(9_000, 9_000), "9000 x 9000 pixels take 324 MB to decode"),
    "no bomb": (ppm_that_claims(4_400, 4_400), ".* truncated"),  # so those above are refused before they are decoded
    "one pixel": (ppm_that_claims(1, 1), "1 x 1 pixels"),
    "cut off": (in_file(seven(), "PNG").getvalue()[:150], ".* truncated"),
    **{
        name: (in_file(Image.fromarray(pixels), "TIFF").getvalue(), error) for name, (pixels, error) in NO_DIGIT.items()
    },
}


@pytest.mark.parametrize(("pixels", "message"), NO_DIGIT.values(), ids=NO_DIGIT)
def test_a_picture_without_a_digit_is_refused(pixels, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        prepare_digit(pixels)


@pytest.mark.parametrize(("content", "message"), BAD_FILES.values(), ids=BAD_FILES)
def test_a_file_that_is_missing_or_cannot_be_used_is_one_error_that_names_it(content, message, tmp_path):
    path = tmp_path / "seven.png"
    with pytest.raises(FileNotFoundError, match=r"seven\.png"):
        prepare_digit(path)
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match=rf"seven\.png: {message}"):
        prepare_digit(path)


MEASURE = """
import json, pathlib, resource, sys
from npcnn.digit_image import prepare_digit

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)

folder = pathlib.Path(sys.argv[1])
for path in 2 * [*folder.glob("good*")]:
    prepare_digit(path)
before = peak()
for i in range(len([*folder.glob("bad*")])):
    try:
        prepare_digit(folder / f"bad {i}")
        said = "nothing"
    except ValueError as error:
        said = str(error)
    print(json.dumps([said, peak() - before]))
"""


def what_is_said_and_how_many_mb_were_taken(folder):
    """Prepare the pictures "bad 0", "bad 1" and so on in a new process, which knows the formats of the good ones."""
    command = [sys.executable, "-c", MEASURE, str(folder)]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return [json.loads(line) for line in lines]


LOSSLESS, STRIP = {"lossless": True}, {"compression": "tiff_deflate", "tiffinfo": {278: 10**6}}
LARGE_ONES = [  # the largest of its kind that is read, and one that is not
    *[("PNG", mode, 4_400, {}, "no digit") for mode in ("1", "I;16", "RGBA")],
    *[("PNG", mode, 9_400, {}, "MB to decode from PNG, and may take 80; make it smaller") for mode in ("1", "I;16")],
    ("GIF", "P", 4_400, {}, "no digit"),
    ("WEBP", "RGBA", 2_200, LOSSLESS, "no digit"),
    ("WEBP", "RGBA", 2_400, LOSSLESS, "MB to decode"),
    ("TIFF", "RGBA", 3_100, STRIP, "no digit"),
    ("TIFF", "RGBA", 3_300, STRIP, "MB to decode"),
    ("JPEG", "RGB", 7_200, {}, "no digit"),
    ("JPEG", "RGB", 3_300, {"progressive": True, "subsampling": 0}, "no digit"),
    ("JPEG", "RGB", 4_032, {"progressive": True}, "no digit"),
    ("JPEG", "RGB", 7_200, {"progressive": True}, "MB to decode from JPEG"),
]


@pytest.mark.skipif(sys.platform == "win32", reason="the module resource is missing")
def test_small_files_of_huge_pictures_take_less_than_100_mb(tmp_path):
    for i, (format, mode, side, options, _) in enumerate(LARGE_ONES):
        seven().save(tmp_path / f"good {i}", format)
        Image.new(mode, (side, side)).save(tmp_path / f"bad {i}", format, **options)
    for picture, (said, most) in zip(LARGE_ONES, what_is_said_and_how_many_mb_were_taken(tmp_path), strict=True):
        assert re.search(picture[-1], said) and most < 100, (picture, said, most)


@pytest.mark.skipif(sys.platform == "win32", reason="the module resource is missing")
def test_the_text_in_a_png_takes_less_than_100_mb_too(tmp_path):
    """A thousandth of it packed; one character beyond 16 bits makes all of a text take 4 bytes each."""
    cases = [(63, 60, "Too much memory used in text chunks"), (1, 4_400, "no digit")]
    seven().save(tmp_path / "good", "PNG")
    for i, (number, side, _) in enumerate(cases):
        bad, text = tmp_path / f"bad {i}", PngImagePlugin.PngInfo()
        for k in range(number):
            text.add_itxt(f"text {k}", "a" * 1_000_000 + "\N{GRINNING FACE}", zip=True)
        Image.new("L", (side, side)).save(bad, "PNG", pnginfo=text)
        assert bad.stat().st_size < 100_000
    for (_, _, words), (said, most) in zip(cases, what_is_said_and_how_many_mb_were_taken(tmp_path), strict=True):
        assert re.search(words, said) and most < 100, (words, said, most)


def test_pillows_own_limit_on_text_is_as_before_afterwards(tmp_path):
    before = PngImagePlugin.MAX_TEXT_MEMORY
    seven().save(tmp_path / "7.png")
    prepare_digit(tmp_path / "7.png")
    with pytest.raises(FileNotFoundError):
        prepare_digit(tmp_path / "8.png")
    (tmp_path / "8.png").write_bytes(b"")
    with pytest.raises(FileFormatError):
        prepare_digit(tmp_path / "8.png")
    assert PngImagePlugin.MAX_TEXT_MEMORY == before


@pytest.mark.parametrize("size", [(4_032, 3_024), (8_160, 6_120)], ids=["12 megapixels", "50 megapixels"])
def test_a_telephones_photograph_is_read(size, expected, tmp_path):
    seven((120, 90), (30, 20), height=50, width=5).resize(size).convert("RGB").save(tmp_path / "7.jpg")
    assert difference(prepare_digit(tmp_path / "7.jpg"), expected) < 4


ARRAYS = [np.zeros(784), np.zeros((3, 28, 28), np.uint8), np.zeros((9, 9, 3)), np.ones((9, 9), complex)]
WRONG = [
    (Image.new("L", (0, 0)), ValueError, "0 x 0 pixels"),
    (np.zeros((0, 9), np.uint8), ValueError, "9 x 0 pixels"),
    *[(array, ValueError, re.escape(f"array {array.shape} of {array.dtype}; give (H, W)")) for array in ARRAYS],
    *[(image, TypeError, "path, a Pillow image or a NumPy array") for image in [None, 7, [[0, 255]], b"seven.png"]],
]


@pytest.mark.parametrize(("image", "error", "message"), WRONG)
def test_anything_else_is_refused_with_what_it_is(image, error, message):
    with pytest.raises(error, match=message):
        prepare_digit(image)
