"""Images and signals by convolutions, and rows of more than one axis."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from skae import (
    ConvolutionalAutoencoder,
    DenoisingAutoencoder,
    SparseAutoencoder,
    VariationalAutoencoder,
)
from skae.nn.autoencoder import find
from skae.nn.convolutional import Fold, LinearPicture

pytestmark = pytest.mark.filterwarnings(
    "ignore:max_epochs=", "ignore:Posterior collapse:UserWarning"
)
QUICK = {
    "code_size": 4,
    "channels": (4, 6),
    "max_epochs": 2,
    "early_stopping": False,
    "random_state": 0,
}
SHAPES = {
    (7, 5): {},
    (3, 7, 6): {},
    (8, 9, 3): {},
    (1, 6, 6): {},
    (11,): {"n_spatial_axes": 1},
    (2, 13): {"n_spatial_axes": 1},
    (13, 2): {"n_spatial_axes": 1},
}


@pytest.fixture(scope="module")
def images():
    """Digits as 8 x 8 images, in random order."""
    images = load_digits().images[np.random.default_rng(0).permutation(1797)]
    images.flags.writeable = False
    return images


def rows_of(shape, n=20):
    return np.random.default_rng(0).normal(size=(n, *shape))


@pytest.mark.parametrize("upsampling", ["transposed", "resize"])
@pytest.mark.parametrize("shortcut", ["pca", None])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_any_shape_comes_back(shape, shortcut, upsampling):
    X = rows_of(shape)
    settings = {**QUICK, **SHAPES[shape], "shortcut": shortcut, "upsampling": upsampling}
    for code_size in (4, None):
        ae = ConvolutionalAutoencoder(**{**settings, "code_size": code_size}).fit(X)
        codes = ae.transform(X)
        assert codes.shape == (20, ae.code_size_)
        for rows in (ae.inverse_transform(codes), ae.reconstruct(X)):
            assert rows.shape == X.shape
        if len(shape) > 1:
            # The same numbers, flat: the shape is said once.
            flat = X.reshape(20, -1)
            again = ConvolutionalAutoencoder(
                **{**settings, "code_size": code_size, "image_shape": shape}
            ).fit(flat)
            assert_allclose(again.transform(flat), codes, atol=1e-6)
            assert again.inverse_transform(codes).shape == flat.shape
            assert_allclose(ae.transform(flat), codes, atol=1e-6)


def test_where_the_channels_are_does_not_matter():
    X = rows_of((9, 8, 3))
    last = ConvolutionalAutoencoder(**QUICK).fit(X)
    first = ConvolutionalAutoencoder(**QUICK).fit(np.moveaxis(X, -1, 1))
    assert last.image_shape_ == first.image_shape_ == (3, 9, 8)
    x = torch.from_numpy(X.reshape(20, -1))
    fold = last._format.fold
    assert_array_equal(fold(x), np.moveaxis(X, -1, 1))
    assert_array_equal(fold.inverse(fold(x)), x)
    # With means and dispersions, all means come first.
    both = torch.cat([fold(x), 2 * fold(x)], dim=1)
    assert_array_equal(fold.inverse(both), torch.cat([x, 2 * x], dim=1))
    forced = ConvolutionalAutoencoder(channel_order="first", **QUICK).fit(X)
    assert forced.image_shape_ == (9, 8, 3)


def test_it_starts_at_pca(images):
    ae = ConvolutionalAutoencoder(8, max_epochs=0, random_state=0).fit(images)
    pca = PCA(8).fit(images.reshape(1797, -1))
    expected = pca.inverse_transform(pca.transform(images.reshape(1797, -1)))
    assert_allclose(ae.reconstruct(images).reshape(1797, -1), expected, atol=1e-3)


def test_it_beats_pca_on_images_it_has_not_seen(images):
    train, test = images[:1200], images[1200:]
    ae = ConvolutionalAutoencoder(8, random_state=0).fit(train)
    pca = PCA(8).fit(train.reshape(1200, -1))
    flat = test.reshape(597, -1)
    of_pca = ((flat - pca.inverse_transform(pca.transform(flat))) ** 2).sum()
    assert ((test - ae.reconstruct(test)) ** 2).sum() < 0.7 * of_pca


@pytest.mark.parametrize("upsampling", ["transposed", "resize"])
def test_without_pca_it_learns_as_well(images, upsampling):
    ae = ConvolutionalAutoencoder(
        16, shortcut=None, upsampling=upsampling, early_stopping=False, max_epochs=30,
        n_iter_no_change=30, random_state=0,
    ).fit(images[:600])  # fmt: skip
    error = ((images[600:] - ae.reconstruct(images[600:])) ** 2).sum()
    assert error < 0.5 * ((images[600:] - images[:600].mean(0)) ** 2).sum()


def test_the_maps_themselves_can_be_the_code(images):
    ae = ConvolutionalAutoencoder(**{**QUICK, "code_size": None}).fit(images)
    assert ae.code_size_ == 6 * 2 * 2
    # A code with places: a change at one corner does not reach the opposite one.
    changed = images[:1].copy()
    changed[0, 0, 0] += 10
    moved = (ae.transform(changed) - ae.transform(images[:1])).reshape(6, 2, 2)
    assert np.abs(moved[:, 0, 0]).max() > 1e-3
    assert_allclose(moved[:, 1, 1], 0, atol=1e-6)


def test_bytes_are_taken_as_they_are(images):
    gray = (images * 15).astype(np.uint8)
    ae = ConvolutionalAutoencoder(**QUICK).fit(gray)
    as_floats = ConvolutionalAutoencoder(**QUICK).fit(gray.astype(np.float32))
    assert_array_equal(ae.transform(gray), as_floats.transform(gray.astype(np.float32)))
    assert ae.transform(gray).dtype == np.float32
    assert ae.reconstruct(gray).shape == gray.shape


def test_missing_pixels_are_filled(images):
    holes = images[:300].copy()
    holes[::3, 3:5, 3:5] = np.nan
    ae = ConvolutionalAutoencoder(**QUICK).fit(holes)
    assert np.isfinite(ae.reconstruct(holes)).all()
    assert np.isfinite(ae.score_samples(holes)).all()


def test_images_become_images_of_another_shape(images):
    small = images[:, ::2, ::2]
    ae = ConvolutionalAutoencoder(**QUICK).fit(images, target=small)
    assert ae.reconstruct(images).shape == small.shape
    flat = images[:100].reshape(100, -1)
    ae = ConvolutionalAutoencoder(**QUICK, image_shape=(8, 8)).fit(flat, target=2 * flat)
    assert ae._target_format.fold == ae._format.fold
    colored = np.stack([images, 16 - images, images / 2], axis=-1)
    ae = ConvolutionalAutoencoder(**{**QUICK, "max_epochs": 20, "code_size": 16})
    ae.fit(images, target=colored)
    assert ae.reconstruct(images).shape == colored.shape
    assert ae.score(images, target=colored) > -((colored - colored.mean(0)) ** 2).sum() / 1797 / 2


def test_in_a_pipeline(images):
    y = load_digits().target[np.random.default_rng(0).permutation(1797)]
    ae = ConvolutionalAutoencoder(**{**QUICK, "code_size": 16, "max_epochs": 5})
    pipeline = make_pipeline(ae, LogisticRegression(max_iter=1000))
    assert pipeline.fit(images[:900], y[:900]).score(images[900:], y[900:]) > 0.8


class DenoisingCAE(DenoisingAutoencoder, ConvolutionalAutoencoder):
    pass


class SparseCAE(SparseAutoencoder, ConvolutionalAutoencoder):
    pass


class ConvolutionalVAE(VariationalAutoencoder, ConvolutionalAutoencoder):
    pass


@pytest.mark.parametrize("cls", [DenoisingCAE, SparseCAE, ConvolutionalVAE])
@pytest.mark.parametrize("code_size", [4, None])
def test_it_crosses_with_other_families(cls, code_size, images):
    ae = cls(**{**QUICK, "code_size": code_size}).fit(images[:200])
    assert ae.reconstruct(images[:10]).shape == (10, 8, 8)
    assert np.isfinite(ae.score_samples(images[:10])).all()
    assert ae.sample(3, random_state=0).shape == (3, 8, 8)
    assert ae.interpolate(images[0], images[1], 4).shape == (4, 8, 8)
    assert ae.edit(images[0], np.zeros(ae.code_size_)).shape == (8, 8)


def test_a_convolutional_vae_takes_conditions_and_predicts_dispersions(images):
    y = np.arange(200) % 3
    ae = ConvolutionalVAE(dispersion="predicted", categorical_condition=True, **QUICK)
    ae.fit(images[:200], condition=y)
    assert ae.sample(2, condition=1).shape == (2, 8, 8)
    with pytest.raises(ValueError, match="A condition has no place in feature maps"):
        ae.set_params(code_size=None).fit(images[:200], condition=y)
    start = ConvolutionalVAE(**{**QUICK, "max_epochs": 0}).fit(images)
    flat = images.reshape(1797, -1)
    assert_allclose(start.score(images), PCA(4).fit(flat).score(flat), atol=0.05)


def test_half_precision_is_near(images):
    ae = ConvolutionalAutoencoder(precision="bf16", **QUICK).fit(images[:200])
    codes = ae.transform(images[:200].astype(np.float32))
    ae.net_.module_.apply(lambda module: setattr(module, "precision", "float32"))
    exact = ae.transform(images[:200].astype(np.float32))
    assert codes.dtype == np.float32
    assert not np.array_equal(codes, exact)
    assert_allclose(codes, exact, atol=0.05 * np.abs(exact).max())


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"kernel_size": 4}, "kernel_size must be odd"),
        ({"channels": ()}, "channels must be integers"),
        ({"channels": (4, 0)}, "channels must be integers"),
        ({"tied_weights": True}, "tied_weights=True is not for ConvolutionalAutoencoder"),
        ({"image_shape": (8, 9)}, r"rows of shape \(8, 8\), but image_shape is \(8, 9\)"),
        ({"n_spatial_axes": 3}, "'n_spatial_axes'"),
        ({"precision": "half"}, "'precision'"),
        ({"upsampling": "nearest"}, "'upsampling'"),
    ],
)
def test_bad_parameters(params, message, images):
    with pytest.raises(ValueError, match=message):
        ConvolutionalAutoencoder(**{**QUICK, **params}).fit(images[:20])


def test_bad_shapes(images):
    flat = images[:50].reshape(50, -1)
    with pytest.raises(ValueError, match=r"image_shape=\(8, 9\) has 72 numbers, but X has 64"):
        ConvolutionalAutoencoder(image_shape=(8, 9), **QUICK).fit(flat)
    with pytest.raises(ValueError, match=r"Rows of shape \(2, 2, 2, 8\) are no images"):
        ConvolutionalAutoencoder(**QUICK).fit(flat.reshape(50, 2, 2, 2, 8))
    ae = ConvolutionalAutoencoder(**QUICK).fit(images[:50])
    with pytest.raises(ValueError, match=r"rows of shape \(4, 16\), but .*shape \(8, 8\)"):
        ae.transform(flat.reshape(50, 4, 16))
    with pytest.raises(ValueError, match="63 features"):
        ae.transform(flat[:, :63])


def test_flat_rows_are_squares_or_signals():
    square = ConvolutionalAutoencoder(**QUICK).fit(rows_of((16,)))
    assert square.image_shape_ == (1, 4, 4)
    signal = ConvolutionalAutoencoder(**QUICK).fit(rows_of((15,)))
    assert signal.image_shape_ == (1, 1, 15)
    assert Fold(1, (1, 15))(torch.zeros(2, 15)).shape == (2, 1, 1, 15)


# -- pictures from pictures ---------------------------------------------------------------------


def pairs(images):
    """Pictures, and three channels that a 3 x 3 neighborhood of them says."""
    around = np.roll(images, 1, axis=2) / 2 + images / 2
    around[:, :, 0] = images[:, :, 0] / 2  # beyond the border is nothing
    return np.stack([images, 16 - images, around], axis=-1)


@pytest.mark.parametrize("channel_order", ["auto", "last"])
def test_with_places_it_starts_at_the_best_linear_map_of_neighborhoods(channel_order, images):
    target = pairs(images)
    settings = {"channels": (4,), "max_epochs": 0, "channel_order": channel_order}
    ae = ConvolutionalAutoencoder(None, **settings).fit(
        images[:300, ..., None], target=target[:300]
    )
    made = ae.reconstruct(images[300:, ..., None])
    # The corner of a centered picture is not nothing: the border alone is not exact.
    assert_allclose(made[..., :2], target[300:, ..., :2], atol=1e-3)
    assert_allclose(made[:, :, 1:, 2], target[300:, :, 1:, 2], atol=0.5)
    error = ((made - target[300:]) ** 2).mean()
    assert error < 1e-3 * target.var()
    codes = ae.transform(images[300:, ..., None])
    assert codes.shape == (1497, ae.code_size_) == (1497, 4 * 16 + 64)
    assert_array_equal(ae.inverse_transform(codes), made)


def test_what_is_missing_of_the_target_is_left_out_of_the_map(images):
    target, rng = pairs(images), np.random.default_rng(0)
    holes = np.where(rng.random(target.shape) < 0.3, np.nan, target)
    ae = ConvolutionalAutoencoder(None, channels=(4,), max_epochs=0).fit(images, target=holes)
    # As if it was nothing, all would be 30 % nearer to the mean.
    assert_allclose(ae.reconstruct(images)[..., :2], target[..., :2], atol=0.3)


@pytest.mark.parametrize("shape", [(16, 16), (5, 7)], ids=str)
def test_pictures_of_another_size(shape, images):
    rng = np.random.default_rng(0)
    rows, columns = (rng.integers(8, size=n) for n in shape)
    target = images[:, np.sort(rows)][:, :, np.sort(columns)]
    ae = ConvolutionalAutoencoder(**{**QUICK, "code_size": None})
    ae.fit(images[:100], target=target[:100])
    assert ae.reconstruct(images[:3]).shape == (3, *shape)
    error = ((ae.reconstruct(images) - target) ** 2).mean()
    assert error < 0.8 * target.var(axis=0).mean()


def test_signals_from_signals():
    X = np.cumsum(np.random.default_rng(0).normal(size=(200, 2, 20)), axis=2)
    settings = {"channels": (4,), "max_epochs": 0, "n_spatial_axes": 1}
    ae = ConvolutionalAutoencoder(None, **settings).fit(X, target=X[:, :1] - 2 * X[:, 1:])
    assert_allclose(ae.reconstruct(X), X[:, :1] - 2 * X[:, 1:], atol=1e-3)


def test_the_net_is_never_worse_than_the_map_it_starts_at(images):
    """A hole is filled by the net; what a linear map says already, it does not spoil."""
    holed, target = images.copy(), images
    for image, row in zip(holed, np.random.default_rng(0).integers(8, size=1797), strict=True):
        image[row] = np.nan
    settings = {"channels": (16,), "random_state": 0}
    start, trained = (
        ConvolutionalAutoencoder(None, max_epochs=n, **settings).fit(
            holed[:500], target=target[:500]
        )
        for n in (0, 30)
    )
    errors = [((ae.reconstruct(holed[500:]) - target[500:]) ** 2).mean() for ae in (start, trained)]
    assert errors[1] < 0.97 * errors[0]


def test_codes_of_which_more_is_asked_hold_no_row(images):
    settings = {**QUICK, "code_size": None}
    for cls, holds in ((DenoisingCAE, True), (SparseCAE, False), (ConvolutionalVAE, False)):
        ae = cls(**settings).fit(images[:50], target=images[:50] * 2)
        assert (find(ae.net_.module_, LinearPicture) is not None) == holds
        assert ae.reconstruct(images[:3]).shape == (3, 8, 8)
