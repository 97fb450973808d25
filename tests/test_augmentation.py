"""Random variants of images: exact where the map is exact, in range and of the promised size where it is random."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from npcnn.augmentation import augment, bumps, elastic_fields, random_matrices, warp

STILL = dict(rotation=0, scale=0, shear=0, shift=0, elastic=0)


@pytest.fixture(params=["uint8", "float32", "float64"])
def images(request, rng):
    """Three random images (3, 6, 6, 2)."""
    return rng.integers(0, 256, (3, 6, 6, 2)).astype(request.param)


def warped(images, matrix=((1, 0), (0, 1)), shift=(0, 0), field=0.0):
    """All images under the same map."""
    N, H, W, _ = images.shape
    matrices, shifts = np.tile(np.float64(matrix), (N, 1, 1)), np.tile(np.float64(shift), (N, 1))
    return warp(images, matrices, shifts, np.broadcast_to(np.float32(field), (N, 2, H, W)).copy())


# ------------------------------------------------------------------ warp: exact cases


def test_the_map_that_moves_nothing_returns_the_images_bit_for_bit(images):
    for same in (warped(images), augment(images, seed=0, **STILL)):
        assert same.dtype == images.dtype
        assert_array_equal(same, images)


def test_a_shift_by_whole_pixels_moves_every_pixel_and_fills_up_with_0(images):
    expected = np.zeros_like(images)
    expected[:, :-1, 2:] = images[:, 1:, :-2]
    assert_array_equal(warped(images, shift=(1, -2)), expected)


def test_a_rotation_by_90_degrees_is_that_of_numpy(images):
    assert_array_equal(warped(images, [[0, 1], [-1, 0]]), np.rot90(images, axes=(1, 2)))


def test_an_odd_number_of_pixels_turns_around_the_one_in_the_middle(rng):
    images = rng.random((3, 5, 5, 2))
    assert_array_equal(warped(images, [[0, 1], [-1, 0]]), np.rot90(images, axes=(1, 2)))


def test_two_unequal_axes_each_turn_around_their_own_middle(rng):
    images = rng.random((3, 6, 6, 2))
    assert_array_equal(warped(images[:, :3], [[-1, 0], [0, -1]]), images[:, 2::-1, ::-1])


def test_a_negative_scale_across_mirrors_left_to_right(images):
    assert_array_equal(warped(images, [[1, 0], [0, -1]]), images[:, :, ::-1])


def test_a_field_moves_each_pixel_on_its_own(images):
    field = np.zeros((2, 6, 6))
    field[:, 3, 4] = -2, 1
    expected = images.copy()
    expected[:, 3, 4] = images[:, 1, 5]
    assert_array_equal(warped(images, field=field), expected)


@pytest.mark.parametrize(
    ("row", "column", "value"),
    [
        (0.5, 0.25, 92.5),  # 1/2 (3/4 0 + 1/4 100) + 1/2 (3/4 200 + 1/4 40) = 12.5 + 80
        (0.5, 0.75, 77.5),  # 1/2 (1/4 0 + 3/4 100) + 1/2 (1/4 200 + 3/4 40) = 37.5 + 40
        (0.25, 0.5, 67.5),  # 3/4 (0 + 100) / 2 + 1/4 (200 + 40) / 2
    ],
)
@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
def test_between_pixels_the_value_is_bilinear_worked_out_by_hand(row, column, value, dtype):
    image = np.array([[0, 100], [200, 40]], dtype)[None, :, :, None]
    assert warped(image, shift=(row, column))[0, 0, 0, 0] == (np.rint(value) if dtype == "uint8" else value)


@pytest.mark.parametrize(
    ("shift", "expected"),
    [
        (0.25, [7, 3]),  # 3/4 8 + 1/4 4,   3/4 4
        (-0.25, [6, 5]),  # 3/4 8,   1/4 8 + 3/4 4
        (1.5, [2, 0]),
        (-1.5, [0, 4]),
        (2, [0, 0]),
        (-2, [0, 0]),
        (1e9, [0, 0]),
        (-1e9, [0, 0]),
    ],
)
def test_beyond_the_edge_an_image_fades_to_0_within_a_pixel(shift, expected):
    pixels = np.array([8.0, 4.0])
    assert_array_equal(warped(pixels.reshape(1, 2, 1, 1), shift=(shift, 0)).ravel(), expected)
    assert_array_equal(warped(pixels.reshape(1, 1, 2, 1), shift=(0, shift)).ravel(), expected)


# ------------------------------------------------------------------ what is drawn at random


def test_every_matrix_is_a_rotation_a_shear_and_a_scale_within_their_limits(rng):
    A = random_matrices(2000, rng, rotation=8, scale=0.08, shear=0.1, flip=False)
    # A = R [[1, 0], [shear, 1]] diag(down, across) = R [[down, 0], [shear down, across]]
    across = np.linalg.norm(A[:, :, 1], axis=1)
    down = np.linalg.det(A) / across
    angle = np.degrees(np.arctan2(-A[:, 0, 1], A[:, 1, 1]))
    shear = np.sum(A[:, :, 0] * A[:, :, 1], axis=1) / down / across
    for values, middle, limit in [(angle, 0, 8), (down, 1, 0.08), (across, 1, 0.08), (shear, 0, 0.1)]:
        assert_allclose([values.min(), values.max()], [middle - limit, middle + limit], atol=limit / 50)
        assert abs(values - middle).max() <= limit * (1 + 1e-9)
        assert_allclose(values.mean(), middle, atol=limit / 15)
    assert abs(np.corrcoef([angle, down, across, shear]) - np.eye(4)).max() < 0.1


def test_shifts_reach_their_limit_along_both_axes_and_not_beyond():
    image = np.zeros((500, 9, 9, 1), np.float32)
    image[:, 4, 4] = 1
    shifted = augment(image, seed=0, **STILL | {"shift": 1.5})
    for weights in shifted.sum(axis=2)[..., 0], shifted.sum(axis=1)[..., 0]:
        places = weights @ np.arange(9) - 4  # bilinear interpolation keeps the centre of mass
        assert_allclose([places.min(), places.max()], [-1.5, 1.5], atol=0.02)
        assert abs(places).max() <= 1.5 + 1e-5


@pytest.mark.parametrize("smoothness", [2, 4.0, 7.3])
def test_an_elastic_field_has_the_given_size_in_pixels_at_every_pixel(smoothness, rng):
    down, across = bumps(28, smoothness), bumps(20, smoothness)
    u = 0.7 * rng.standard_normal((4000, 2, down.shape[1], across.shape[1]), np.float32)
    d = elastic_fields(u, down, across)
    assert d.shape == (4000, 2, 28, 20)
    assert_allclose(d.std(axis=0), 0.7, rtol=0.07)
    assert_allclose(d.mean(axis=0), 0, atol=0.06)
    assert abs(np.mean(d[:, 0] * d[:, 1], axis=0)).max() < 0.06  # down and across are independent


@pytest.mark.parametrize("smoothness", [2, 4.0, 7.3])
def test_an_elastic_field_varies_like_noise_blurred_with_a_gaussian(smoothness):
    G = bumps(60, smoothness)
    distance = np.subtract.outer(np.arange(60), np.arange(60))
    blurred = np.exp(-(distance**2) / (4 * smoothness**2))  # how noise after the blur goes with itself, at a distance
    inside = np.s_[20:40]
    assert_allclose((G @ G.T)[inside, inside], blurred[inside, inside], atol=0.03)


def test_an_elastic_field_bends_the_images_by_its_size():
    ramp = np.broadcast_to(np.arange(20.0)[:, None, None], (100, 20, 20, 1))
    places = augment(ramp, seed=0, **STILL | {"elastic": 0.5}) - ramp
    assert_allclose(places[:, 5:-5, 5:-5].std(), 0.5, rtol=0.1)


def test_flips_mirror_about_half_of_the_images_and_change_nothing_else(rng):
    images = rng.integers(0, 256, (200, 4, 5, 1), np.uint8)
    found = []
    for seed in (0, 1):
        flipped = augment(images, seed, flip=True, **STILL)
        mirrored = (flipped == images[:, :, ::-1]).all(axis=(1, 2, 3))
        assert (mirrored ^ (flipped == images).all(axis=(1, 2, 3))).all()
        found.append(mirrored)
    assert 70 < found[0].sum() < 130 and 70 < (found[0] == found[1]).sum() < 130


# ------------------------------------------------------------------ augment as a whole


@pytest.fixture
def many(rng):
    """More images than one thread takes at a time."""
    return rng.integers(0, 256, (600, 5, 4, 1), np.uint8)


def test_one_seed_gives_one_set_of_images_on_any_number_of_threads(many):
    before = many.copy()
    one, three, again = (augment(many, seed=7, threads=threads) for threads in (1, 3, None))
    assert_array_equal(one, three)
    assert_array_equal(one, again)
    assert_array_equal(many, before)
    assert (augment(many, seed=8) != one).any(axis=(1, 2, 3)).mean() > 0.99
    assert (augment(many) != augment(many)).any()


@pytest.mark.parametrize(
    "change", [{"rotation": 8}, {"scale": 0.2}, {"shear": 0.2}, {"shift": 1}, {"elastic": 1}], ids=str
)
def test_each_image_is_changed_in_its_own_way(change, many):
    many[:] = many[0]
    assert len(np.unique(augment(many.astype(float), seed=0, **STILL | change), axis=0)) == 600


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
def test_values_stay_between_0_and_the_brightest(dtype, many):
    many[:300] = 255
    images = many if dtype == "uint8" else many.astype(dtype) / np.dtype(dtype).type(255)
    found = augment(images, seed=0)
    assert found.dtype == dtype and found.shape == images.shape
    assert 0 <= found.min() < found.max() <= images.max() and found[:300].mean() > images.max() / 2


def test_uint8_and_float_images_change_alike(many):
    assert_allclose(augment(many, seed=0), augment(many.astype("float64"), seed=0), atol=0.5001)


def test_the_channels_of_an_image_move_together(many):
    coloured = augment(np.repeat(many, 3, axis=3), seed=0)
    assert_array_equal(coloured, np.repeat(augment(many, seed=0), 3, axis=3))


@pytest.mark.parametrize("size", [(1, 1), (1, 6), (6, 1)])
def test_images_of_one_row_or_column_can_be_changed_too(size):
    assert augment(np.ones((2, *size, 1)), seed=0).shape == (2, *size, 1)


def test_no_images_give_no_images():
    assert augment(np.empty((0, 28, 28, 1), np.uint8), seed=0).shape == (0, 28, 28, 1)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"images": np.zeros((2, 5, 5))}, ValueError, r"images must have shape \(N, H, W, C\), got \(2, 5, 5\)"),
        ({"images": np.zeros((2, 5, 5, 1), int)}, TypeError, "uint8, float32 or float64, got int64"),
        ({"images": [["a"]]}, TypeError, "images"),
        ({"rotation": -1}, ValueError, "augment: rotation .* got -1"),
        ({"shear": "0.1"}, ValueError, "augment: shear .* got '0.1'"),
        ({"shift": np.nan}, ValueError, "augment: shift .* got nan"),
        ({"elastic": np.inf}, ValueError, "augment: elastic .* got inf"),
        ({"scale": 1}, ValueError, "augment: scale .* got 1"),
        ({"smoothness": 0}, ValueError, "augment: smoothness .* got 0"),
        ({"flip": "left"}, ValueError, "augment: flip .* got 'left'"),
        ({"seed": -1}, ValueError, "augment: seed .* got -1"),
        ({"threads": 0}, ValueError, "augment: threads .* got 0"),
    ],
)
def test_a_wrong_argument_is_named(arguments, error, words):
    with pytest.raises(error, match=words):
        augment(**{"images": np.zeros((2, 5, 5, 1)), "seed": 0} | arguments)
