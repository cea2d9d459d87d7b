"""Ordered codes: the first numbers are a code as well, and as many are kept as are worth it."""

import numpy as np
import pytest
import torch
from discovery import quick
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split

import skae
from skae import Autoencoder, AutoencoderClassifier, ConvolutionalAutoencoder, DenoisingAutoencoder
from skae.nn.ordered import Prefix
from skae.streams import Blocks

pytestmark = pytest.mark.filterwarnings("ignore:max_epochs=")
FAMILIES = pytest.mark.parametrize("cls", [Autoencoder, DenoisingAutoencoder])


def error(autoencoder, X, k):
    """The mean squared error of rows rebuilt of the first k numbers of their codes."""
    codes = autoencoder.transform(X)[:, :k]
    return np.mean((X - autoencoder.inverse_transform(codes)) ** 2)


def pca_error(pca, X, k):
    codes = pca.transform(X)
    codes[:, k:] = 0
    return np.mean((X - pca.inverse_transform(codes)) ** 2)


def test_a_decoder_can_tell_what_is_left_out_from_zero():
    prefix = Prefix(3).eval()
    code = torch.tensor([[2.0, 0.0, 3.0]])
    assert prefix(code).tolist() == [[2, 1, 0, 1, 3, 1]]
    assert prefix(code[:, :1]).tolist() == [[2, 1, 0, 0, 0, 0]]


def test_all_lengths_are_drawn_and_marked():
    prefix = Prefix(6).train()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        told = prefix(torch.ones(4000, 6))
    counts = torch.bincount(prefix.n_told, minlength=7)
    assert counts[0] == 0
    assert counts[1:].min() > 200
    assert_array_equal(Prefix.lengths(told), prefix.n_told)
    assert_array_equal(told[:, ::2], told[:, 1::2])  # of ones


def test_codes_of_one_number_do_not_shape_the_encoder():
    prefix = Prefix(4).train()
    code = torch.ones(2000, 4, requires_grad=True)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        prefix(code).sum().backward()
    one = prefix.n_told == 1
    assert one.any()
    assert (code.grad[one] == 0).all()
    assert (code.grad[~one, 1] == 1).all()


def test_rows_are_weighed_against_the_error_of_their_length():
    prefix = Prefix(2)
    prefix.learn(torch.tensor([0.5, 0.1]))
    prefix.n_told = torch.tensor([1, 2])
    weights = prefix.weights(torch.tensor([0.5, 0.1]), 1.0)
    assert_allclose(weights[1] / weights[0], 5, rtol=1e-5)
    assert_allclose(prefix.weights(torch.tensor([0.5, 0.1]), 0.0), 1)


@FAMILIES
def test_epoch_0_is_pca_at_every_length(cls, X):
    autoencoder = cls(4, ordered=True, max_epochs=0).fit(X)
    pca = PCA(4).fit(X)
    for k in range(1, 5):
        assert error(autoencoder, X, k) == pytest.approx(pca_error(pca, X, k), rel=1e-4)
    ratios = autoencoder.explained_variance_ratio_
    assert_allclose(ratios, pca.explained_variance_ratio_, atol=1e-5)


@pytest.fixture(scope="module")
def trained(digits):
    train, test = train_test_split(digits, random_state=0)
    return Autoencoder(16, ordered=True, random_state=0).fit(train), PCA(16).fit(train), train, test


def test_each_length_rebuilds_new_rows_better_than_pca(trained):
    autoencoder, pca, _, test = trained
    ratios = [error(autoencoder, test, k) / pca_error(pca, test, k) for k in (1, 2, 4, 8, 16)]
    assert max(ratios) < 1
    assert max(ratios[1:]) < 0.8


def test_the_ratios_add_up_to_what_is_rebuilt(trained):
    autoencoder, _, train, _ = trained
    explained = np.cumsum(autoencoder.explained_variance_ratio_)
    total = np.mean((train - train.mean(axis=0)) ** 2)
    for k in (1, 4, 16):
        # Of a part of the rows.
        assert explained[k - 1] == pytest.approx(1 - error(autoencoder, train, k) / total, abs=0.01)
    assert (autoencoder.explained_variance_ratio_[1:4] > 0.05).all()


def test_auto_keeps_the_first_numbers_of_the_same_net():
    rng = np.random.default_rng(0)
    X = np.sin(2 * rng.uniform(size=(300, 2)) @ rng.normal(size=(2, 20)))
    settings = {"ordered": True, "random_state": 0, "max_epochs": 20}
    few, all_ = Autoencoder("auto", **settings).fit(X), Autoencoder(10, **settings).fit(X)
    k = few.code_size_
    assert 2 <= k < 10
    assert few.transform(X).shape == (300, k)
    assert_allclose(few.transform(X), all_.transform(X)[:, :k], atol=1e-5)
    assert_allclose(few.reconstruct(X), all_.inverse_transform(all_.transform(X)[:, :k]), atol=1e-5)
    assert_allclose(few.explained_variance_ratio_, all_.explained_variance_ratio_[:k], atol=1e-5)
    assert few.sample(3, random_state=0).shape == (3, 20)
    # Held-out rows say how many: as many as explain no more than a hundredth less than all.
    left = 1 - np.cumsum(all_.explained_variance_ratio_)
    assert left[k - 1] - left[-1] < 0.02
    assert len(few.loss_curve_) == few.n_iter_ == all_.n_iter_ > 0


def test_auto_without_held_out_rows_and_without_a_refit(X):
    for settings in ({"early_stopping": False}, {"refit": False}):
        autoencoder = quick(Autoencoder, code_size="auto", ordered=True, **settings).fit(X)
        assert autoencoder.code_size_ <= 3
        assert autoencoder.transform(X).shape == (80, autoencoder.code_size_)


def test_rows_that_do_not_differ():
    autoencoder = quick(Autoencoder, code_size="auto", ordered=True).fit(np.ones((20, 4)))
    assert autoencoder.code_size_ == 1
    assert_array_equal(autoencoder.explained_variance_ratio_, [0])


def test_the_generators_of_the_process_are_left_alone(X):
    before = torch.get_rng_state()
    quick(Autoencoder, code_size="auto", ordered=True).fit(X)
    assert_array_equal(torch.get_rng_state(), before)


def test_auto_goes_on_with_what_it_kept(X):
    autoencoder = quick(Autoencoder, code_size="auto", ordered=True, warm_start=True).fit(X)
    size = autoencoder.code_size_
    assert autoencoder.fit(X).code_size_ <= size


@FAMILIES
@pytest.mark.parametrize(
    "params",
    [
        {"hidden_layer_sizes": ()},
        {"shortcut": "linear"},
        {"shortcut": None},
        {"loss": "absolute_error"},
        {"code_size": 1},
    ],
    ids=str,
)
def test_with_other_parameters(cls, params, X_missing):
    autoencoder = quick(cls, ordered=True, **params).fit(X_missing)
    codes = autoencoder.transform(X_missing)
    assert np.isfinite(autoencoder.inverse_transform(codes[:, :1])).all()
    assert np.isfinite(autoencoder.score_samples(X_missing)).all()
    assert len(autoencoder.explained_variance_ratio_) == codes.shape[1]


def test_frames_targets_weights_and_blocks(X):
    import pandas as pd

    frame = load_iris(as_frame=True).frame.astype({"target": str})
    autoencoder = quick(Autoencoder, ordered=True).set_output(transform="pandas").fit(frame)
    back = autoencoder.inverse_transform(autoencoder.transform(frame).iloc[:, :2])
    pd.testing.assert_index_equal(back.columns, frame.columns)
    weights = np.linspace(0.1, 2, len(X))
    paired = quick(Autoencoder, ordered=True).fit(X, target=X[:, :2], sample_weight=weights)
    assert paired.inverse_transform(paired.transform(X)[:, :2]).shape == (80, 2)
    streamed = quick(Autoencoder, ordered=True).fit(Blocks([X[:40], X[40:]]))
    assert len(streamed.explained_variance_ratio_) == 3


@FAMILIES
def test_saved_and_cloned(cls, X, tmp_path):
    autoencoder = quick(cls, code_size="auto", ordered=True).fit(X)
    autoencoder.save(tmp_path / "model.skae")
    loaded = skae.load(tmp_path / "model.skae")
    codes = autoencoder.transform(X)
    assert_array_equal(loaded.transform(X), codes)
    assert_array_equal(
        loaded.inverse_transform(codes[:, :1]), autoencoder.inverse_transform(codes[:, :1])
    )
    assert_array_equal(loaded.explained_variance_ratio_, autoencoder.explained_variance_ratio_)
    assert_array_equal(clone(autoencoder).fit(X).transform(X), codes)


def test_labels_train_it_on(X):
    y = (X[:, 0] > 0).astype(int)
    inside = quick(Autoencoder, ordered=True)
    classifier = AutoencoderClassifier(inside, max_epochs=1, random_state=0).fit(X, y)
    codes = classifier.encoder_.transform(X)
    assert classifier.encoder_.inverse_transform(codes[:, :2]).shape == X.shape


def test_shorter_codes_are_for_ordered_ones_and_longer_ones_for_none(X):
    plain, ordered = quick(Autoencoder).fit(X), quick(Autoencoder, ordered=True).fit(X)
    with pytest.raises(ValueError, match="takes what transform gives.$"):
        plain.inverse_transform(plain.transform(X)[:, :2])
    with pytest.raises(ValueError, match="or the first numbers of it"):
        ordered.inverse_transform(np.zeros((2, 4)))


@pytest.mark.parametrize(
    ("params", "match"),
    [
        ({"code_size": "auto"}, "set ordered=True"),
        ({"code_size": "all", "ordered": True}, "'code_size' parameter"),
        ({"ordered": True, "tied_weights": True}, "set tied_weights=False"),
        ({"ordered": "yes"}, "'ordered' parameter"),
        (
            {"code_size": "auto", "ordered": True, "decoder": torch.nn.Linear},
            "encoder= or decoder= of your own",
        ),
    ],
)
def test_what_does_not_go_together(params, match, X):
    with pytest.raises(ValueError, match=match):
        Autoencoder(**params).fit(X)


def test_other_families_and_methods_say_so(X):
    with pytest.raises(ValueError, match="emphasis"):
        DenoisingAutoencoder(2, ordered=True, emphasis=(1, 0)).fit(X)
    with pytest.raises(ValueError, match="for partial_fit"):
        Autoencoder("auto", ordered=True).partial_fit(X)
    with pytest.raises(TypeError, match="ordered"):
        ConvolutionalAutoencoder(ordered=True)
