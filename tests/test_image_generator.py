"""`ImageDataGenerator`: the same draws give the images of Keras' own, and its batches are what fit wants."""

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import npcnn as keras
from npcnn.preprocessing.image import ImageDataGenerator


@pytest.fixture
def images(rng):
    """Ten random images (10, 7, 7, 2)."""
    return rng.random((10, 7, 7, 2), np.float32)


class Highest:
    """Random numbers that are always the highest, or the last, there is."""

    def uniform(self, low, high, size):
        return np.full(size, high)

    def choice(self, items, size):
        return np.full(size, np.arange(items)[-1] if isinstance(items, int) else items[-1])


# ------------------------------------------------------------------ one image


@pytest.mark.parametrize(("fill_mode", "cval"), [("nearest", 0.0), ("constant", 0.5)])
def test_for_the_same_draws_an_image_is_that_of_keras(images, fill_mode, cval):
    pytest.importorskip("scipy", reason="compares with real Keras, which needs SciPy for it")
    module = pytest.importorskip("keras.src.legacy.preprocessing.image", reason="compares with real Keras")
    one, both = {}, {}
    for ours, theirs in [
        ({"rotation_range": 20}, {"theta": 20}),
        ({"shear_range": 15.0}, {"shear": 15}),
        # What Keras calls a shift across moves an image down, against its documentation, and the other way round.
        ({"width_shift_range": 0.2}, {"tx": 0.2 * 7}),
        ({"height_shift_range": [-1, 2]}, {"ty": 2}),
        ({"zoom_range": [0.9, 1.2]}, {"zx": 1.2, "zy": 1.2}),
        ({"horizontal_flip": True}, {"flip_horizontal": True}),
        ({"vertical_flip": True}, {"flip_vertical": True}),
    ]:
        both |= ours
        one |= theirs
        for arguments, parameters in ((ours, theirs), (both, one)):
            made = ImageDataGenerator(**arguments, fill_mode=fill_mode, cval=cval).variants(images, Highest())
            judge = module.ImageDataGenerator(fill_mode=fill_mode, cval=cval)
            expected = np.stack([judge.apply_transform(image, parameters) for image in images])
            # Keras' "constant" begins at the last pixel's middle, ours falls off to it within a pixel.
            inside = slice(None) if fill_mode == "nearest" else expected != np.float32(cval)
            assert_allclose(made[inside], expected[inside], atol=2e-5, err_msg=str(arguments))


def test_a_shift_across_moves_columns_and_one_down_moves_rows(images):
    across, down = (
        ImageDataGenerator(**{name: [2]}, fill_mode="constant").variants(images, Highest())
        for name in ("width_shift_range", "height_shift_range")
    )
    assert_array_equal(across[:, :, :5], images[:, :, 2:])
    assert_array_equal(down[:, :5], images[:, 2:])
    assert not across[:, :, 5:].any() and not down[:, 5:].any()


@pytest.mark.parametrize(
    ("limit", "drawn"),
    [(0.3, (-3, 3)), (1.5, (-1.5, 1.5)), (3, {-2, -1, 0, 1, 2}), ([1, 4], {-4, -1, 1, 4}), (np.float32(0.5), (-5, 5))],
)
def test_a_shift_is_a_share_of_the_size_or_pixels_or_one_of_a_list(limit, drawn, rng):
    from npcnn.preprocessing.image import shifts

    found = shifts(limit, 10, 2000, rng)
    if isinstance(drawn, set):
        assert set(found) == drawn
    else:
        low, high = drawn
        assert low <= found.min() < 0.95 * low and 0.95 * high < found.max() <= high


def test_zooms_of_both_axes_and_flips_are_drawn_apart_and_for_each_image(images, rng):
    generator = ImageDataGenerator(horizontal_flip=True, vertical_flip=True)
    many = generator.variants(np.repeat(images[:1], 200, axis=0), rng)
    image = images[0]
    kinds = [image, image[::-1], image[:, ::-1], image[::-1, ::-1]]
    counts = [sum(np.array_equal(made, kind) for made in many) for kind in kinds]
    assert sum(counts) == 200 and min(counts) > 30
    ramps = np.stack(np.meshgrid(np.arange(7.0), np.arange(7.0), indexing="ij"), axis=-1)
    made = ImageDataGenerator(zoom_range=0.5).variants(np.repeat(ramps[None], 200, axis=0), rng)
    zooms = made[:, 4, 4] - made[:, 3, 3]  # how far, in the old image, the next pixel down and across is
    assert 0.5 <= zooms.min() < 0.55 and 1.45 < zooms.max() <= 1.5
    assert abs(np.corrcoef(zooms.T)[0, 1]) < 0.3


def test_without_ranges_images_are_as_they_were_and_seeds_give_the_same(images):
    assert_array_equal(ImageDataGenerator().random_transform(images[0]), images[0])
    generator = ImageDataGenerator(rotation_range=30, dtype="float64")
    first, second, other = (generator.random_transform(images[0], seed) for seed in (1, 1, None))
    assert_array_equal(first, second)
    assert (first != other).any() and first.dtype == np.float64


# ------------------------------------------------------------------ values


def test_values_are_scaled_as_keras_documents_it(images):
    images *= 255
    one = images[:1]
    axes = (1, 2, 3)
    for arguments, expected in {
        ("rescale",): one * 2,
        ("samplewise_center",): one - one.mean(axes),
        ("samplewise_std_normalization",): (one - one.mean(axes)) / one.std(axes),
        ("featurewise_center",): one - images.mean((0, 1, 2)),
        ("featurewise_std_normalization",): (one - images.mean((0, 1, 2))) / images.std((0, 1, 2)),
    }.items():
        generator = ImageDataGenerator(**dict.fromkeys(arguments, 2 if arguments == ("rescale",) else True))
        generator.fit(images)
        assert_allclose(generator.flow(images, shuffle=False)[0][:1], expected, rtol=1e-4, atol=1e-4)
    generator = ImageDataGenerator(rescale=0.5, featurewise_center=True, preprocessing_function=lambda image: image + 2)
    generator.fit(images)
    assert_allclose(generator.standardize(one.copy()), (one + 2 - images.mean((0, 1, 2))) / 2, rtol=1e-4, atol=1e-4)


def test_what_fit_was_not_called_for_warns_and_variants_count_where_asked(images):
    with pytest.warns(UserWarning, match="featurewise_center: .* call generator.fit"):
        ImageDataGenerator(featurewise_center=True).standardize(images.copy())
    generator = ImageDataGenerator(featurewise_center=True, width_shift_range=[7], fill_mode="constant", cval=3)
    generator.fit(images, augment=True, rounds=2, seed=0)
    assert_array_equal(generator.mean, [3, 3])


def test_integers_become_floats_and_floats_are_changed_in_place():
    whole = np.full((1, 2, 2, 1), 100, np.uint8)
    generator = ImageDataGenerator(rescale=1 / 100)
    assert generator.flow(whole)[0].dtype == np.float32
    assert generator.standardize(whole).max() == 1 and whole.max() == 100
    floats = whole.astype(float)
    generator.standardize(floats)
    assert_array_equal(floats, np.ones_like(floats))


# ------------------------------------------------------------------ batches


def test_a_pass_has_every_example_once_with_its_label_and_weight(images):
    y, w = np.arange(10), np.arange(10) / 10
    flow = ImageDataGenerator().flow(images, y, batch_size=4, sample_weight=w, seed=0)
    assert len(flow) == 3 and flow.n == 10
    orders = []
    for _ in range(2):  # a loop over it has no end
        for x, labels, weights in itertools.islice(flow, 3):
            assert_array_equal(x, images[labels])
            assert_array_equal(weights, w[labels])
            orders.extend(labels)
    assert sorted(orders[:10]) == sorted(orders[10:]) == list(range(10)) and orders[:10] != orders[10:]
    still = ImageDataGenerator().flow(images, batch_size=4, shuffle=False)
    assert_array_equal(np.concatenate([still[i] for i in range(3)]), images)
    assert_array_equal(next(still), images[:4])
    assert_array_equal(still.next(), images[4:8])
    still.reset()
    assert_array_equal(next(still), images[:4])
    with pytest.raises(IndexError, match="there are 3 batches, so no batch 3"):
        still[3]


def test_a_seed_gives_the_same_batches_and_two_flows_of_a_generator_differ(images):
    generator = ImageDataGenerator(rotation_range=30)
    same = [next(generator.flow(images, seed=4)) for _ in range(2)]
    assert_array_equal(*same)
    assert (next(generator.flow(images, shuffle=False)) != next(generator.flow(images, shuffle=False))).any()


def test_the_head_is_for_validation_as_in_keras(images):
    generator, y = ImageDataGenerator(validation_split=0.3), np.arange(10)
    for subset, expected in {"training": y[3:], "validation": y[:3], None: y}.items():
        x, labels = generator.flow(images, y, shuffle=False, subset=subset)[0]
        assert_array_equal(labels, expected)
        assert_array_equal(x, images[expected])


def test_a_model_trains_on_it_for_as_many_steps_as_it_is_told(images):
    generator = ImageDataGenerator(rotation_range=10, width_shift_range=0.1)
    y, losses = np.arange(10) % 2, []
    for _ in range(2):
        model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(2, activation="softmax")])
        model.compile("sgd", "sparse_categorical_crossentropy")
        flow = generator.flow(images, y, batch_size=3, seed=1)
        valid = generator.flow(images, y, seed=2)
        losses.append(model.fit(flow, steps_per_epoch=10 // 3, epochs=3, validation_data=valid, verbose=0).history)
        assert model.optimizer.iterations == 9
        model.fit(flow, epochs=2, verbose=0)
        model.fit(flow, steps_per_epoch=len(images) / 3, verbose=0)
        assert model.optimizer.iterations == 9 + 2 * 4 + 4
    assert losses[0] == losses[1] and len(losses[0]["val_loss"]) == 3
    assert model.predict(ImageDataGenerator().flow(images, batch_size=3, shuffle=False), verbose=0).shape == (10, 2)


# ------------------------------------------------------------------ what it refuses

GENERATOR = "ImageDataGenerator"


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        ("{}(zca_whitening=True)", ValueError, "no zca_whitening=True; a preprocessing_function may"),
        ("{}(brightness_range=[0.5, 1])", ValueError, "no brightness_range="),
        ("{}(channel_shift_range=20.0)", ValueError, "no channel_shift_range=20.0"),
        ("{}(fill_mode='wrap')", ValueError, "fill_mode must be 'nearest' or 'constant', got 'wrap'"),
        ("{}(zoom_range=[1, 2, 3])", ValueError, "zoom_range must be a number or a pair of them, got"),
        ("{}(data_format='channels_first')", ValueError, "no data_format='channels_first'; .* use 'channels_last'"),
        ("{}(interpolation_order=3)", ValueError, "no interpolation_order=3; .* use 1"),
        ("{}(validation_split=1)", ValueError, "validation_split must be a number from 0 to below 1, got 1"),
        ("{}().flow_from_directory('train')", AttributeError, "read the images into an array"),
        ("{}().apply_transform(X, {})", AttributeError, "random_transform"),
        ("{}().flow(X[0])", ValueError, r"flow: x must have shape \(N, H, W, C\), got .*; x\[..., None\]"),
        ("{}().fit(X[0, 0])", ValueError, r"fit: x must have shape \(N, H, W, C\), got \(4, 1\)$"),
        ("{}().flow(X, [1, 2])", ValueError, "flow: y must have 3 rows, as x has, got 2"),
        ("{}().flow(X, sample_weight=[1])", ValueError, "flow: sample_weight must have 3 rows"),
        ("{}().flow(X, subset='test')", ValueError, "subset must be 'training' or 'validation', got 'test'"),
        ("{}().flow(X, save_to_dir='here')", ValueError, "flow: npcnn has no save_to_dir='here'"),
        ("{}().flow(X, batch_size=0)", ValueError, "flow: batch_size must be an integer of at least 1"),
    ],
)
def test_what_it_has_not_is_refused_with_what_would_do(call, error, words):
    with pytest.raises(error, match=words):
        eval(call.replace("{}(", f"{GENERATOR}("), {GENERATOR: ImageDataGenerator, "X": np.zeros((3, 4, 4, 1))})
