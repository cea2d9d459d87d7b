"""Transformers that rebuild the patches they do not see."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_digits

from skae import DenoisingAutoencoder, MaskedAutoencoder
from skae.nn.convolutional import Fold
from skae.nn.masked import ImagePatches, sine_positions
from skae.rows.given import Given

pytestmark = pytest.mark.filterwarnings("ignore:max_epochs=")
QUICK = {
    "code_size": 8,
    "patch_size": 2,
    "depth": 1,
    "max_epochs": 2,
    "early_stopping": False,
    "random_state": 0,
}


@pytest.fixture(scope="module")
def images():
    """Digits as 8 x 8 images, in random order."""
    images = load_digits().images[np.random.default_rng(0).permutation(1797)][:400]
    images.flags.writeable = False
    return images


@pytest.fixture(scope="module")
def trained(images):
    return MaskedAutoencoder(
        32, patch_size=2, depth=2, early_stopping=False, max_epochs=60, n_iter_no_change=60,
        mask_ratio=0.5, lr=0.005, random_state=0,
    ).fit(images[:300])  # fmt: skip


@pytest.fixture(scope="module")
def table(X):
    return MaskedAutoencoder(**{**QUICK, "mask_ratio": 0.5}).fit(X)


@pytest.mark.parametrize("fold", [Fold(1, (4, 6)), Fold(3, (4, 6)), Fold(3, (4, 6), True)])
def test_patches_are_pieces_of_the_image(fold):
    x = torch.arange(2 * fold.channels * 24.0).view(2, -1)
    patches = ImagePatches(fold, 2)
    assert patches.n_patches == 6
    cut = patches.split(x)
    assert_array_equal(patches.join(cut), x)
    # The second patch of the first row of patches, channels first.
    assert_array_equal(cut[1, 1], fold(x)[1, :, :2, 2:4].flatten())


def test_positions_tell_all_patches_apart():
    positions = sine_positions((7, 7), 16)
    distances = torch.cdist(positions, positions) + 10 * torch.eye(49)
    assert distances.min() > 0.1


@pytest.mark.parametrize(("mask_ratio", "n_seen"), [(0.75, 4), (0.5, 8), (0.99, 1), (0.01, 15)])
def test_the_encoder_sees_only_the_visible_patches(mask_ratio, n_seen, images):
    ae = MaskedAutoencoder(mask_ratio=mask_ratio, **QUICK)
    ae.fit(images[:20])
    module, x = ae.net_.module_.train(), ae._as_rows(Given(images[:20].reshape(20, -1))).x
    counts = []
    hook = module.encoder.transformer.register_forward_hook(
        lambda m, given, out: counts.append(given[0].shape[1])
    )
    output = module(x)
    hook.remove()
    assert counts == [n_seen]
    assert_array_equal(output.hidden.sum(1), [(16 - n_seen) * 4] * 20)
    # What is hidden does not reach the encoder; what is seen does.
    module.eval()
    first = module(x)
    changed = module(torch.where(first.hidden, x + 5, x))
    assert_array_equal(changed.code.detach(), first.code.detach())
    changed = module(torch.where(first.hidden, x, x + 5))
    assert not torch.equal(changed.code, first.code)


def test_the_loss_is_that_of_hidden_entries_alone(images):
    X = images[:50].reshape(50, -1).copy()
    X[::5, 20] = np.nan
    ae = MaskedAutoencoder(image_shape=(8, 8), **QUICK).fit(X)
    given = ae._check_given(X)
    net, batch = ae.net_, ae._as_rows(given)
    module = net.module_.eval()
    with torch.no_grad():
        output = module(*batch.inputs)
        loss = net.criterion_(output, batch, module)
        counted = output.hidden & batch.observed
        squares = (output.reconstruction - batch.x) ** 2
        rows = (squares * counted).sum(1) / counted.sum(1)
    assert_allclose(loss, rows.mean(), rtol=1e-5)
    # A patch with a missing entry is never seen.
    assert output.hidden[::5, 20].all()


def test_it_learns_to_rebuild_what_it_does_not_see(trained, images):
    test, train = images[300:], images[:300]
    error = ((trained.reconstruct(test) - test) ** 2).sum()
    assert error < 0.85 * ((test - train.mean(0)) ** 2).sum()
    assert_allclose(-trained.score_samples(test).sum(), error, rtol=0.3)
    hidden = np.zeros(test.shape, dtype=bool)
    hidden[:, 2:4, 2:6] = True
    filled = trained.reconstruct(test, mask=hidden)
    assert_array_equal(filled[~hidden], test[~hidden])
    of_mean = np.broadcast_to(train.mean(0), test.shape)
    assert ((filled - test)[hidden] ** 2).mean() < 0.9 * ((of_mean - test)[hidden] ** 2).mean()
    # Filling does not look at what it fills.
    other = np.where(hidden, -100.0, test)
    assert_allclose(trained.reconstruct(other, mask=hidden)[hidden], filled[hidden], atol=1e-5)
    holes = np.where(hidden, np.nan, test)
    assert_allclose(trained.reconstruct(holes, mask=np.isnan(holes)), filled, atol=1e-5)


def test_scores_hide_every_patch_at_its_turn(trained, images):
    module = trained.net_.module_
    times = np.zeros(16)
    for seen in module.masks(0):
        assert len(seen) == 8
        hidden = np.ones(16)
        hidden[seen] = 0
        times += hidden
    assert_array_equal(times, times[0])
    assert_array_equal(trained.score_samples(images), trained.score_samples(images))
    odd = images[:50].copy()
    odd[:, 3, 3] += 40
    assert np.all(trained.score_samples(odd) < trained.score_samples(images[:50]))


@pytest.mark.parametrize("mask_ratio", [0.2, 0.5, 0.75, 0.9])
def test_masks_hide_all_patches(mask_ratio, images):
    ae = MaskedAutoencoder(mask_ratio=mask_ratio, **QUICK).fit(images[:20])
    hidden = np.zeros(16)
    for seen in ae.net_.module_.masks(0):
        assert len(seen) == ae.net_.module_.n_seen
        hidden += ~np.isin(np.arange(16), seen)
    assert hidden.min() >= 1
    assert hidden.max() - hidden.min() <= 1


def test_a_code_is_the_mean_of_the_tokens(images):
    mean = MaskedAutoencoder(**QUICK).fit(images)
    tokens = MaskedAutoencoder(pooling="tokens", **QUICK).fit(images)
    codes = tokens.transform(images)
    assert codes.shape == (400, 16 * 8)
    assert_allclose(codes.reshape(400, 16, 8).mean(1), mean.transform(images), atol=1e-5)
    assert tokens.inverse_transform(codes).shape == images.shape
    assert tokens.sample(2, random_state=0).shape == (2, 8, 8)
    for call in (
        lambda: mean.inverse_transform(codes[:, :8]),
        lambda: mean.sample(2),
        lambda: mean.interpolate(images[0], images[1]),
    ):
        with pytest.raises(AttributeError) as caught:
            call()
        assert "pooling='tokens'" in str(caught.value) + str(caught.value.__cause__)
    assert not hasattr(mean, "inverse_transform")


def test_missing_patches_are_not_in_the_code(images):
    ae = MaskedAutoencoder(**QUICK).fit(images)
    holes = images[:20].copy()
    holes[:, :2, :2] = np.nan
    other = holes.copy()
    other[:, 0, 0] = 7.0  # one observed entry does not make a patch
    assert_allclose(ae.transform(holes), ae.transform(other), atol=1e-6)
    assert not np.allclose(ae.transform(holes), ae.transform(images[:20]))
    some = images.copy()
    some[::3, :2, :2] = np.nan
    fitted = MaskedAutoencoder(**QUICK).fit(some)
    assert np.isfinite(fitted.score_samples(some)).all()


def test_a_row_of_which_nothing_is_known(table, X):
    rows = X[:3].copy()
    rows[0] = np.nan
    with pytest.warns(UserWarning, match="no observed entry"):
        assert np.isfinite(table.transform(rows)).all()
    with pytest.warns(UserWarning, match="no observed entry"):
        assert np.isfinite(table.reconstruct(rows, mask=np.isnan(rows))).all()


def test_columns_of_a_table_are_tokens(table, X):
    assert table.n_patches_ == 6
    ae = MaskedAutoencoder(
        16, mask_ratio=0.5, depth=2, early_stopping=False, max_epochs=80, n_iter_no_change=80,
        random_state=0,
    ).fit(X)  # fmt: skip
    hidden = np.random.default_rng(0).random(X.shape) < 0.2
    filled = ae.reconstruct(X, mask=hidden)
    of_mean = np.broadcast_to(X.mean(0), X.shape)
    assert ((filled - X)[hidden] ** 2).mean() < 0.7 * ((of_mean - X)[hidden] ** 2).mean()


def test_normed_patches(images):
    ae = MaskedAutoencoder(norm_patch_loss=True, **QUICK).fit(images)
    goal = ae.net_.module_.goal(torch.from_numpy(images.reshape(400, -1)).float())
    patches = ae.net_.module_.patches.split(goal)
    assert_allclose(patches.mean(-1), 0, atol=1e-5)
    spread = patches.std(-1, unbiased=False)
    assert_allclose(spread[spread > 0.01], 1, atol=1e-2)
    assert np.isfinite(ae.score_samples(images)).all()
    with pytest.raises(AttributeError) as caught:
        ae.reconstruct(images)
    assert "norm_patch_loss" in str(caught.value.__cause__)


def test_it_does_not_cross_with_wrapped_encoders(X):
    class Denoising(DenoisingAutoencoder, MaskedAutoencoder):
        pass

    with pytest.raises(TypeError, match="wraps its encoder"):
        Denoising(**QUICK).fit(X)
    with pytest.raises(ValueError, match="norm_patch_loss=True takes away"):
        MaskedAutoencoder(norm_patch_loss=True, **QUICK).fit(X)


def test_signals_and_colors():
    rng = np.random.default_rng(0)
    signals = rng.normal(size=(30, 2, 12))
    ae = MaskedAutoencoder(n_spatial_axes=1, **QUICK).fit(signals)
    assert ae.n_patches_ == 6
    assert ae.reconstruct(signals).shape == signals.shape
    colored = rng.normal(size=(30, 6, 8, 3))
    ae = MaskedAutoencoder(**QUICK).fit(colored)
    assert ae.n_patches_ == 12
    assert ae.reconstruct(colored).shape == colored.shape


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"patch_size": 3}, "patch_size=3 does not divide the image's 8 x 8"),
        ({"patch_size": 8}, "one patch only"),
        ({"mask_ratio": 1.0}, "'mask_ratio'"),
        ({"mask_ratio": 0.0}, "'mask_ratio'"),
        ({"n_heads": 3}, "n_heads=3 does not divide code_size=8"),
        ({"hidden_layer_sizes": (3,)}, "hidden_layer_sizes.* is not for MaskedAutoencoder"),
        ({"shortcut": "pca"}, "shortcut='pca' is not for MaskedAutoencoder"),
        ({"loss": "huber"}, "loss='huber' is not for"),
        ({"code_size": 0.5}, "'code_size'"),
    ],
)
def test_bad_parameters(params, message, images):
    with pytest.raises(ValueError, match=message):
        MaskedAutoencoder(**{**QUICK, **params}).fit(images[:20])


def test_bad_input(images):
    ae = MaskedAutoencoder(**QUICK).fit(images[:20])
    with pytest.raises(ValueError, match="mask must be of bools"):
        ae.reconstruct(images[:20], mask=np.zeros((20, 8, 8)))
    with pytest.raises(ValueError, match="mask must be of bools"):
        ae.reconstruct(images[:20], mask=np.zeros((20, 64), dtype=bool))
    with pytest.raises(ValueError, match="takes no target"):
        ae.fit(images[:20], target=images[:20])
    with pytest.raises(ValueError, match="one patch only"):
        MaskedAutoencoder(**QUICK).fit(np.zeros((20, 1)))
