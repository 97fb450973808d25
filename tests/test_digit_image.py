"""`prepare_digit` finds a digit in any picture and returns it as MNIST would show it."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageDraw

from npcnn.datasets.digit_image import prepare_digit
from npcnn.errors import FileFormatError


def seven(size=(120, 160), corner=(40, 30), height=90, width=9, ink=20, paper=235):
    """A picture of a 7 of straight strokes, as tall as `height`, at `corner`; sizes are (width, height)."""
    picture = Image.new("L", size, paper)
    (x, y), h = corner, height
    stroke = [(x, y), (x + 0.6 * h, y), (x + 0.2 * h, y + h)]
    ImageDraw.Draw(picture).line(stroke, fill=ink, width=width, joint="curve")
    return picture


def difference(a, b):
    """Mean absolute difference of two digits, of 255, at the best shift by a pixel: centring may tie."""
    shifted = [np.roll(a, (i, j), (0, 1)).astype(float) for i in (-1, 0, 1) for j in (-1, 0, 1)]
    return min(np.abs(a - b).mean() for a in shifted)


@pytest.fixture(scope="module")
def expected():
    return prepare_digit(seven())


def centre_of_mass(digit):
    rows, columns = np.indices(digit.shape)
    return (digit * rows).sum() / digit.sum(), (digit * columns).sum() / digit.sum()


# As MNIST was prepared


def test_the_result_is_white_on_black_28_by_28_uint8(expected):
    assert expected.shape == (28, 28) and expected.dtype == np.uint8
    assert expected.max() == 255 and np.median(expected) == 0


@pytest.mark.parametrize(("box", "shape"), [((40, 80), (20, 10)), ((80, 20), (5, 20)), ((30, 30), (20, 20))])
def test_the_bounding_box_is_scaled_to_20_pixels_and_keeps_its_aspect_ratio(box, shape):
    picture = np.full((200, 200), 255, np.uint8)
    picture[50 : 50 + box[1], 90 : 90 + box[0]] = 0
    digit = prepare_digit(picture)
    rows, columns = np.flatnonzero(digit.any(axis=1)), np.flatnonzero(digit.any(axis=0))
    assert (rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1) == shape
    assert (digit[digit > 0] == 255).all()


@pytest.fixture(scope="module")
def mnist_images(digits):
    """A hundred images of MNIST (100, 28, 28), uint8."""
    (x, _), _ = digits
    return np.round(255 * x[:100, :, :, 0]).astype(np.uint8)


def test_the_centre_of_mass_falls_on_pixel_14_14_as_in_mnist(mnist_images):
    # A shift by whole pixels leaves up to half a pixel, in MNIST itself too.
    for image in mnist_images:
        moved = np.pad(image, ((0, 9), (5, 0)))
        assert np.allclose(centre_of_mass(prepare_digit(moved)), (14, 14), rtol=0, atol=0.51)


def test_a_digit_far_from_its_centre_of_mass_is_not_cut_off():
    picture = np.full((120, 120), 255, np.uint8)
    picture[10:30, 10:110] = 0  # all its mass is at the top,
    picture[10:110, 10:12] = 0  # and its leg, were that centred, would leave the picture
    digit = prepare_digit(picture)
    assert len(np.flatnonzero(digit.any(axis=1))) == 20
    assert digit[-1].any()


def test_edges_are_anti_aliased_by_averaging():
    picture = np.zeros((200, 200), np.uint8)
    picture[50:150, 50:150] = 255  # five pixels for one of the 20 x 20 box
    picture[50:150, 98:108] = 0  # a gap: in column 9 of 20 three of five are left, in column 11 two
    row = prepare_digit(picture)[14]
    row = row[np.flatnonzero(row)[0] :][:20]
    assert (row[[0, 7, 14, 19]] == 255).all() and row[10] == 0
    assert np.allclose(row[[9, 11]] / 255, [3 / 5, 2 / 5], rtol=0, atol=0.01)


def test_an_image_of_mnist_comes_back_as_it_is(mnist_images):
    apart = [difference(prepare_digit(image), image) for image in mnist_images]
    assert np.median(apart) < 1
    assert np.max(apart) < 5


# A smooth enlargement blurs the outline: a digit half a pixel larger all around comes back that much smaller.
@pytest.mark.parametrize(("smooth", "tolerance"), [(Image.Resampling.NEAREST, 1), (Image.Resampling.BICUBIC, 8)])
def test_an_enlarged_padded_and_inverted_image_of_mnist_comes_back(smooth, tolerance, mnist_images):
    apart = []
    for image in mnist_images[:20]:
        large = np.asarray(Image.fromarray(255 - image).resize((140, 140), smooth))
        padded = np.pad(large, ((5, 60), (40, 0)), constant_values=255)
        apart.append(difference(prepare_digit(padded), image))
    assert np.mean(apart) < tolerance


def test_a_digit_of_a_few_pixels_is_enlarged_without_steps():
    digit = prepare_digit(np.pad(1 - np.eye(7), 3, constant_values=1))
    assert digit.any(axis=1).sum() == 20
    assert len(np.unique(digit)) > 10


# Any light, any paper


def test_light_on_dark_gives_the_same_as_dark_on_light(expected):
    assert np.array_equal(prepare_digit(255 - np.asarray(seven())), expected)


def test_size_and_place_do_not_matter(expected):
    assert difference(prepare_digit(seven((900, 700), (500, 30), height=540, width=54)), expected) < 2
    assert difference(prepare_digit(seven((60, 60), (10, 10), height=45, width=5)), expected) < 4


def test_a_small_digit_in_a_large_photograph_is_found(expected):
    photograph = seven((1600, 1200), (1100, 800), height=240, width=24)
    assert difference(prepare_digit(photograph), expected) < 4


@pytest.mark.parametrize("width", [4, 20])
def test_thin_and_thick_strokes_fill_the_same_box_at_full_brightness(width):
    digit = prepare_digit(seven(width=width))
    assert digit.any(axis=1).sum() == 20 and digit.max() == 255


def lit(picture, light):
    """The picture under a light (H, W) that falls on it, with a camera's noise and JPEG's."""
    rng = np.random.default_rng(0)
    seen = np.asarray(picture, float) * light + 4 * rng.standard_normal(light.shape)
    return np.clip(seen, 0, 255).astype(np.uint8)


def lights(shape):
    y, x = np.meshgrid(np.linspace(-1, 1, shape[0]), np.linspace(-1, 1, shape[1]), indexing="ij")
    return {
        "from the left": 0.55 - 0.45 * x,  # from full light to a tenth
        "from a corner": 0.55 - 0.22 * (x + y),
        "a vignette": 1 - 0.4 * (x * x + y * y),
    }


@pytest.mark.parametrize("name", ["from the left", "from a corner", "a vignette"])
def test_uneven_light_and_noise_leave_the_paper_black_and_the_digit_whole(name, expected, tmp_path):
    light = lights((160, 120))[name]
    path = tmp_path / "photograph.jpg"
    Image.fromarray(lit(seven(), light)).save(path, quality=70)
    digit = prepare_digit(path)
    assert difference(digit, expected) < 1.5
    assert np.median(digit) == 0


def test_strong_noise_leaves_the_digit_legible(mnist_images):
    rng = np.random.default_rng(0)
    apart = []
    for image in mnist_images[:20]:
        page = 200 - 0.5 * np.pad(np.kron(image, np.ones((4, 4))), 20)
        apart.append(difference(prepare_digit(np.maximum(page + 14 * rng.standard_normal(page.shape), 0)), image))
    assert np.mean(apart) < 7  # of 255


def test_faint_ink_is_brought_to_full_brightness(expected):
    assert difference(prepare_digit(seven(ink=150, paper=200)), expected) < 1


def test_a_few_specks_of_dirt_change_nothing(expected):
    picture = seven()
    draw = ImageDraw.Draw(picture)
    for x, y in [(5, 5), (110, 150), (100, 20), (10, 120)]:
        draw.rectangle([x, y, x + 2, y + 2], fill=0)
    assert np.array_equal(prepare_digit(picture), expected)


def test_a_digit_of_two_strokes_that_do_not_touch_keeps_both():
    picture = np.full((100, 100), 255, np.uint8)
    picture[20:80, 30:38] = 0
    picture[20:45, 60:68] = 0
    digit = prepare_digit(picture)
    columns = np.flatnonzero((digit > 127).any(axis=0))
    assert np.ptp(columns) + 1 == 13  # 38 of 60 pixels, of 20
    assert (np.diff(columns) > 1).sum() == 1  # one gap


def test_a_digit_cropped_to_its_very_edges_is_still_told_from_its_paper(mnist_images):
    apart = []
    for image in mnist_images[:20]:
        rows, columns = np.flatnonzero(image.any(axis=1)), np.flatnonzero(image.any(axis=0))
        tight = image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        apart.append(difference(prepare_digit(np.kron(tight, np.ones((4, 4)))), image))
    assert np.mean(apart) < 2


# Any kind of picture


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA", "P", "CMYK", "YCbCr", "I", "F"])
def test_every_mode_of_pillow_gives_the_same(mode, expected):
    assert np.array_equal(prepare_digit(seven().convert(mode)), expected)


@pytest.mark.parametrize("name", ["7.png", "7.bmp", "7.gif", "7.tif", "7.ppm"])
def test_every_lossless_format_gives_the_same(name, expected, tmp_path):
    seven().save(tmp_path / name)
    assert np.array_equal(prepare_digit(tmp_path / name), expected)
    assert np.array_equal(prepare_digit(str(tmp_path / name)), expected)


def test_sixteen_bits_a_pixel_give_the_same_as_eight(expected, tmp_path):
    path = tmp_path / "7.png"
    Image.fromarray(np.asarray(seven()).astype(np.uint16) * 257).save(path)
    assert Image.open(path).mode.startswith("I")
    assert np.array_equal(prepare_digit(path), expected)


@pytest.mark.parametrize("hidden", [0, 255])
@pytest.mark.parametrize("ink", [0, 255])
def test_on_a_transparent_background_only_what_is_opaque_counts(ink, hidden, tmp_path, expected):
    is_ink = np.asarray(seven()) < 128
    pixels = np.full((*is_ink.shape, 4), hidden, np.uint8)
    pixels[..., 3] = 0
    pixels[is_ink] = [ink, ink, ink, 255]
    path = tmp_path / "7.png"
    Image.fromarray(pixels).save(path)
    assert np.array_equal(prepare_digit(path), expected)


@pytest.mark.parametrize(
    ("orientation", "as_stored"),
    [(3, Image.Transpose.ROTATE_180), (6, Image.Transpose.ROTATE_90), (8, Image.Transpose.ROTATE_270)],
)
def test_a_photograph_taken_with_the_camera_turned_is_turned_back(orientation, as_stored, tmp_path, expected):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "7.png"
    seven().transpose(as_stored).save(path, exif=exif)
    assert np.array_equal(prepare_digit(path), expected)
    with Image.open(path) as picture:
        assert np.array_equal(prepare_digit(picture), expected)


def test_arrays_of_floats_booleans_and_colours_are_pictures_too(expected):
    pixels = np.asarray(seven())
    for array in (pixels / 255, pixels[..., None], np.dstack([pixels] * 3), pixels < 128):
        assert np.array_equal(prepare_digit(array), expected)


def test_the_picture_given_is_not_changed():
    picture, pixels = seven(), np.array(seven())
    prepare_digit(picture)
    prepare_digit(pixels)
    assert np.array_equal(np.asarray(picture), np.asarray(seven()))
    assert np.array_equal(pixels, np.asarray(seven()))


# One clear error


def png_that_claims(width, height):
    """A PNG of a few bytes whose header claims a size."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = zlib.compress(bytes(20))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a picture"),
        (b"two plus five", "not a picture"),
        (png_that_claims(30_000, 30_000), "decompression bomb"),
        (png_that_claims(10_000, 10_000), "decompression bomb"),  # here Pillow would only warn
        (png_that_claims(100, 100), "cannot be decoded"),
        (png_that_claims(1, 1), "1 x 1 pixels"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_error_that_names_it(content, message, tmp_path):
    path = tmp_path / "seven.png"
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match=rf"seven\.png: .*{message}"):
        prepare_digit(path)


def test_a_truncated_file_is_named(tmp_path):
    path = tmp_path / "seven.png"
    seven().save(path)
    path.write_bytes(path.read_bytes()[:150])
    with pytest.raises(FileFormatError, match=r"seven\.png: the picture cannot be decoded"):
        prepare_digit(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"seven\.png"):
        prepare_digit(tmp_path / "seven.png")


def blanks():
    rng = np.random.default_rng(0)
    slope = np.tile(np.linspace(120, 220, 80), (80, 1))
    return {
        "white": np.full((80, 80), 255.0),
        "black": np.zeros((80, 80)),
        "a slope of light": slope,
        "grainy": np.clip(200 + 6 * rng.standard_normal((80, 80)), 0, 255),
        "a grainy slope of light": np.clip(slope + 6 * rng.standard_normal((80, 80)), 0, 255),
    }


@pytest.mark.parametrize("name", list(blanks()))
def test_a_blank_picture_has_no_digit_and_a_blank_file_is_named(name, tmp_path):
    picture = blanks()[name].astype(np.uint8)
    with pytest.raises(ValueError, match="^no digit"):
        prepare_digit(picture)
    Image.fromarray(picture).save(tmp_path / "blank.png")
    with pytest.raises(FileFormatError, match=r"blank\.png: no digit"):
        prepare_digit(tmp_path / "blank.png")


def test_a_wholly_transparent_picture_has_no_digit():
    with pytest.raises(ValueError, match="no digit"):
        prepare_digit(Image.new("RGBA", (40, 40), (0, 0, 0, 0)))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -1.0])
def test_nan_infinite_and_negative_pixels_are_refused(bad, tmp_path):
    pixels = np.asarray(seven(), np.float32).copy()
    pixels[80, 60] = bad
    with pytest.raises(ValueError, match="NaN, infinite or negative"):
        prepare_digit(pixels)
    Image.fromarray(pixels).save(tmp_path / "seven.tif")
    with pytest.raises(FileFormatError, match=r"seven\.tif: .*NaN, infinite or negative"):
        prepare_digit(tmp_path / "seven.tif")


@pytest.mark.parametrize("size", [(0, 0), (1, 1), (7, 50), (5000, 20)])
def test_a_picture_too_small_or_too_narrow_is_refused_with_its_size(size):
    with pytest.raises(ValueError, match=f"{size[0]} x {size[1]} pixels"):
        prepare_digit(Image.new("L", size))


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((0, 9), np.uint8),
        np.zeros(784),
        np.zeros((3, 28, 28), np.uint8),
        np.zeros((9, 9, 3)),
        np.ones((9, 9), complex),
    ],
)
def test_an_array_that_is_no_picture_is_refused_with_its_shape_and_type(array):
    with pytest.raises(ValueError) as error:
        prepare_digit(array)
    assert str(array.shape) in str(error.value) and str(array.dtype) in str(error.value)


@pytest.mark.parametrize("image", [None, 7, [[0, 255]], b"seven.png"])
def test_anything_else_is_a_type_error(image):
    with pytest.raises(TypeError, match="path, a Pillow image or a NumPy array"):
        prepare_digit(image)
