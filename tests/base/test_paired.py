"""Paired training: rows of X become rows of a target."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from discovery import DECODING, over, quick
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.linear_model import Ridge, RidgeCV
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import Autoencoder, RatingAutoencoder

pytestmark = pytest.mark.filterwarnings("ignore:max_epochs=")
SHORT = {"hidden_layer_sizes": (8,), "max_epochs": 3, "early_stopping": False, "random_state": 0}


# Ratings are all that is known of a user: they are their own target.
PAIRED = [cls for cls in DECODING if cls is not RatingAutoencoder]


def untied(cls, **params):
    """Quick, and able to rebuild something of another width than X."""
    known = cls().get_params()
    return quick(cls, **{k: v for k, v in {"tied_weights": False, **params}.items() if k in known})


@pytest.fixture(scope="module")
def target(X):
    """Four columns that depend on the six of X, in other units."""
    rng = np.random.default_rng(2)
    T = 50 + 20 * np.tanh(X @ rng.normal(size=(6, 4)))
    T.flags.writeable = False
    return T


@pytest.fixture(scope="module")
def curved():
    """400 rows of five columns, and what a linear model cannot make of them."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 5))
    return X, np.c_[X[:, 0] * X[:, 1], np.abs(X[:, 2]), X[:, 3], X[:, 4] ** 2]


def squared_error(a, b):
    return ((a - b) ** 2).sum()


# -- over all families --------------------------------------------------------------------------


@over(PAIRED)
def test_every_family_that_decodes_learns_a_target(cls, X, target):
    ae = untied(cls, code_size=4, max_epochs=30).fit(X[:60], target=target[:60])
    rebuilt = ae.reconstruct(X[60:])
    assert rebuilt.shape == (20, 4)
    assert ae.n_outputs_ == 4
    assert squared_error(rebuilt, target[60:]) < 0.9 * squared_error(
        target[:60].mean(0), target[60:]
    )
    assert_allclose(ae.target_center_, target[:60].mean(0), rtol=1e-6)


@over([cls for cls in PAIRED if not hasattr(cls, "elbo")])
def test_scores_are_minus_the_error_to_the_target(cls, X, target):
    ae = untied(cls).fit(X, target=target)
    expected = -((ae.reconstruct(X) - target) ** 2).sum(axis=1)
    assert_allclose(ae.score_samples(X, target=target), expected, rtol=1e-5)
    assert ae.score(X, target=target) == pytest.approx(expected.mean(), rel=1e-5)
    assert np.isfinite(ae.offset_)


@over(PAIRED)
def test_a_target_that_is_x_is_no_target(cls, X):
    plain, paired = quick(cls).fit(X), quick(cls).fit(X, target=X)
    assert paired.score(X, target=X) == pytest.approx(plain.score(X), rel=0.1)


@over(PAIRED)
def test_labels_are_no_target(cls, X, target):
    assert quick(cls).fit(X, np.arange(len(X)) % 2).n_outputs_ == 6
    labels = np.arange(len(X)) % 2
    one, other = untied(cls).fit(X, labels, target=target), untied(cls).fit(X, target=target)
    assert_array_equal(one.transform(X), other.transform(X))


# -- the start ----------------------------------------------------------------------------------


def test_training_starts_at_the_regression_on_the_target(curved):
    X, target = curved
    ae = Autoencoder(5, max_epochs=0, random_state=0).fit(X, target=target)
    ridge = RidgeCV(np.logspace(-4, 3, 15) * len(X)).fit(X, target)
    spread = np.linalg.norm(ridge.predict(X) - target.mean(0))
    assert np.linalg.norm(ae.reconstruct(X) - ridge.predict(X)) < 1e-3 * spread


def test_a_narrow_code_starts_at_the_directions_that_matter_for_the_target():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 8)) * [10, 10, 10, 10, 1, 1, 1, 1]
    target = X[:, [6]] @ rng.normal(size=(1, 5))  # PCA's first axes know nothing of it
    ae = Autoencoder(1, max_epochs=0, random_state=0).fit(X, target=target)
    assert squared_error(ae.reconstruct(X), target) < 1e-2 * squared_error(target.mean(0), target)
    through_pca = PCA(1).fit_transform(X)
    predicted = Ridge().fit(through_pca, target).predict(through_pca)
    assert squared_error(predicted, target) > 0.9 * squared_error(target.mean(0), target)


def test_it_learns_what_a_linear_model_cannot(curved):
    X, target = curved
    train, test = slice(300), slice(300, None)
    ae = Autoencoder(8, random_state=0).fit(X[train], target=target[train])
    linear = RidgeCV().fit(X[train], target[train])
    error = squared_error(ae.reconstruct(X[test]), target[test])
    assert error < 0.5 * squared_error(linear.predict(X[test]), target[test])
    # and chose its epochs by the target
    assert ae.best_loss_ < 0.5 * ae.validation_loss_curve_[0]


# -- missing entries ----------------------------------------------------------------------------


def test_missing_entries_of_the_target_are_left_out(X, target):
    holes = np.random.default_rng(0).random(target.shape) < 0.2
    fits = []
    for filler in (np.nan, 1e6):
        gaps = np.where(holes, filler, target)
        fits.append(untied(Autoencoder, max_epochs=20).fit(X, target=gaps))
    assert squared_error(fits[0].reconstruct(X), target) < 0.3 * squared_error(
        target.mean(0), target
    )
    assert squared_error(fits[1].reconstruct(X), target) > squared_error(target.mean(0), target)
    gaps = np.where(holes, np.nan, target)
    squares = (fits[0].reconstruct(X) - gaps) ** 2
    assert_allclose(
        fits[0].score_samples(X, target=gaps), -4 * np.nanmean(squares, axis=1), rtol=1e-5
    )


def test_holes_in_x_are_filled_by_learning_them(digits):
    rng = np.random.default_rng(0)
    holes = np.where(rng.random(digits.shape) < 0.3, np.nan, digits)
    train, test = slice(1000), slice(1000, 1797)
    ae = Autoencoder(32, random_state=0, max_epochs=20, early_stopping=False)
    filled = ae.fit(holes[train], target=digits[train]).reconstruct(holes[test])
    missing = np.isnan(holes[test])
    means = np.broadcast_to(digits[train].mean(0), filled.shape)
    error = squared_error(filled[missing], digits[test][missing])
    assert error < 0.5 * squared_error(means[missing], digits[test][missing])


# -- frames, copies, continuing -----------------------------------------------------------------


def test_frames_come_back_with_the_columns_of_the_target(X, target):
    X = pd.DataFrame(X, columns=list("abcdef"))
    target = pd.DataFrame(target, columns=["red", "green", "blue", "alpha"])
    ae = Autoencoder(**SHORT).set_output(transform="pandas").fit(X, target=target)
    assert list(ae.reconstruct(X).columns) == list(target.columns)
    codes = ae.transform(X)
    assert list(ae.inverse_transform(codes).columns) == list(target.columns)
    assert len(ae.score_samples(X, target=target)) == len(X)
    again = ae.fit(X)
    assert list(again.reconstruct(X).columns) == list("abcdef")


def test_warm_start_and_partial_fit_go_on_with_the_target(X, target):
    ae = Autoencoder(**SHORT, warm_start=True).fit(X, target=target)
    before = ae.score(X, target=target)
    ae.fit(X, target=target)
    assert ae.score(X, target=target) > before
    streamed = Autoencoder(**SHORT)
    for _ in range(3):
        streamed.partial_fit(X, target=target)
    assert streamed.n_iter_ == 3
    with pytest.raises(ValueError, match="fitted with a target"):
        streamed.partial_fit(X)


def test_one_target_one_fit(X, target):
    one, other = (Autoencoder(**SHORT).fit(X, target=target) for _ in range(2))
    assert_array_equal(one.reconstruct(X), other.reconstruct(X))


# -- metadata routing ---------------------------------------------------------------------------


def test_the_target_goes_through_pipelines_and_searches(X, target):
    with sklearn.config_context(enable_metadata_routing=True):
        ae = Autoencoder(**SHORT).set_fit_request(target=True).set_score_request(target=True)
        pipeline = make_pipeline(StandardScaler(), ae)
        pipeline.fit(X, target=target)
        assert pipeline[-1].n_outputs_ == 4
        scores = cross_val_score(clone(pipeline), X, params={"target": target}, cv=3)
        assert (scores < 0).all()
        grid = {"autoencoder__code_size": [1, 3]}
        search = GridSearchCV(clone(pipeline), grid, cv=3).fit(X, target=target)
        assert search.best_params_ == {"autoencoder__code_size": 3}
        assert search.best_estimator_[-1].n_outputs_ == 4


# -- refusals -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bad", "match"),
    [
        (lambda t: t[:-1], "target has 79 rows, but X has 80"),
        (lambda t: t[:, 0], "1D array|Expected 2D"),
        (lambda t: np.where(np.arange(4) == 1, np.nan, t), r"target has no observed entry.*\[1\]"),
        (lambda t: np.where(np.arange(4) == 1, np.inf, t), "target contains infinity"),
        (lambda t: t.astype(str)[:, :1] + "x", "could not convert|string"),
        (lambda t: t * 1e300, "values of target are too large"),
    ],
)
def test_bad_targets(bad, match, X, target):
    ae = Autoencoder(**SHORT)
    with pytest.raises(ValueError, match=match):
        ae.fit(X, target=bad(target))
    assert not hasattr(ae, "net_")


def test_bad_columns_of_a_target_are_named(X, target):
    frame = pd.DataFrame(target, columns=["red", "green", "blue", "alpha"])
    frame["blue"] = np.nan
    with pytest.raises(ValueError, match="blue"):
        Autoencoder(**SHORT).fit(X, target=frame)


def test_what_was_fitted_must_be_scored_alike(X, target):
    paired, plain = Autoencoder(**SHORT).fit(X, target=target), Autoencoder(**SHORT).fit(X)
    for method in ("score_samples", "score", "decision_function", "predict"):
        with pytest.raises(ValueError, match="was fitted with a target"):
            getattr(paired, method)(X)
    with pytest.raises(ValueError, match="was fitted without a target"):
        plain.score_samples(X, target=target)
    with pytest.raises(ValueError, match="target has 3 columns.*n_outputs_=4"):
        paired.score_samples(X, target=target[:, :3])


def test_tied_weights_cannot_give_other_columns(X, target):
    with pytest.raises(ValueError, match="tied_weights=True.*6 columns.*4.*tied_weights=False"):
        Autoencoder(**SHORT, tied_weights=True).fit(X, target=target)
    assert Autoencoder(**SHORT, tied_weights=True).fit(X, target=X[::-1]).n_outputs_ == 6


def test_bits_are_asked_of_the_target_not_of_x(X):
    bits = (X > 0).astype(float)
    ae = Autoencoder(**SHORT, loss="binary_cross_entropy")
    probabilities = ae.fit(X, target=bits).reconstruct(X)
    assert ((probabilities >= 0) & (probabilities <= 1)).all()
    with pytest.raises(ValueError, match=r"needs target in \[0, 1\], but target spans"):
        ae.fit(bits, target=X)
