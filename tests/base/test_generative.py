"""New rows, and rows changed in their codes, of every family."""

import pickle

import numpy as np
import pytest
from discovery import DECODING, over, quick
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KernelDensity

from skae import Autoencoder, DenoisingAutoencoder, KSparseAutoencoder, StackedAutoencoder
from skae.base.generation import spherical

pytestmark = pytest.mark.filterwarnings(
    "ignore:max_epochs=", "ignore:Posterior collapse:UserWarning"
)


@pytest.fixture(scope="module")
def linear(X):
    """An autoencoder that is PCA: what it does can be said in advance."""
    return Autoencoder(2, max_epochs=0, random_state=0).fit(X)


@over(DECODING)
def test_every_family_draws_rows_like_those_it_has_seen(cls, X):
    ae = quick(cls, max_epochs=30).fit(X)
    rows = ae.sample(300, random_state=0)
    assert rows.shape == (300, 6)
    assert np.isfinite(rows).all()
    assert_array_equal(rows, ae.sample(300, random_state=0))
    assert not np.array_equal(rows, ae.sample(300, random_state=1))
    rebuilt = ae.inverse_transform(ae.transform(X))
    assert_allclose(rows.mean(0), rebuilt.mean(0), atol=0.5 * X.std())
    assert 0.3 * rebuilt.std() < rows.std() < 1.5 * rebuilt.std()


@over(DECODING)
def test_every_family_interpolates_and_edits(cls, X):
    ae = quick(cls).fit(X)
    steps = ae.interpolate(X[0], X[1], 5)
    assert steps.shape == (5, 6)
    ends = ae.inverse_transform(ae.transform(X[:2]))
    if not hasattr(ae, "k_") and not hasattr(ae, "codebook_"):
        assert_allclose(steps[[0, -1]], ends, atol=1e-5)
    direction = ae.attribute_direction(X, X[:, 0] > 0)
    assert direction.shape == (ae.code_size_,)
    assert ae.edit(X, direction, 0.5).shape == X.shape
    assert ae.traverse(X[0], 0, [-1, 0, 1]).shape == (3, 6)


def test_samples_of_digits_are_digits():
    X, y = load_digits(return_X_y=True)
    ae = Autoencoder(8, random_state=0).fit(X)
    samples = ae.sample(500, random_state=0)
    # As confident a classifier as of the digits rebuilt, and all classes in their share.
    classifier = LogisticRegression(max_iter=2000).fit(ae.reconstruct(X), y)
    confidence = classifier.predict_proba(samples).max(axis=1).mean()
    assert confidence > 0.8
    assert np.bincount(classifier.predict(samples), minlength=10).min() > 10


def test_the_density_is_learned_when_it_is_asked_for(X):
    ae = quick(Autoencoder).fit(X)
    assert ae._code_density is None
    density = ae.code_density_
    assert ae.code_density_ is density
    copied = pickle.loads(pickle.dumps(ae))
    assert_array_equal(copied.sample(5, random_state=0), ae.sample(5, random_state=0))
    assert ae.fit(X + 10).sample(50, random_state=0).mean() > 8


def test_a_density_of_your_own(X):
    ae = quick(Autoencoder, code_density=KernelDensity(bandwidth=0.01)).fit(X)
    rows = ae.sample(50, random_state=0)
    assert_array_equal(rows, ae.sample(50, random_state=0))
    near = np.linalg.norm(ae.transform(rows)[:, None] - ae.transform(X), axis=2).min(axis=1)
    assert np.median(near) < 0.2
    assert clone(ae).code_density.bandwidth == 0.01


def test_sampled_codes_stay_within_the_training_codes(X):
    ae = quick(KSparseAutoencoder, code_size=12).fit(X)
    codes = ae._draw_codes(200, 0)
    assert np.all(codes >= ae.transform(X).min(0) - 1e-6)
    assert np.all(codes <= ae.transform(X).max(0) + 1e-6)


def test_long_codes_and_few_rows(X):
    wide = np.random.default_rng(0).normal(size=(30, 200))
    assert quick(DenoisingAutoencoder, code_size=150).fit(wide).sample(3).shape == (3, 200)
    assert quick(Autoencoder).fit(X[:1]).sample(3).shape == (3, 6)


def test_frames_come_back_as_frames(X):
    ae = quick(Autoencoder).set_output(transform="pandas").fit(X)
    assert list(ae.sample(3).columns) == [f"x{i}" for i in range(6)]


def test_interpolation_is_linear_in_the_code(linear, X):
    pca = PCA(2).fit(X)
    codes = np.linspace(*pca.transform(X[:2]), 7)
    assert_allclose(linear.interpolate(X[0], X[1], 7), pca.inverse_transform(codes), atol=1e-5)
    many = linear.interpolate(X[:3], X[3:6], 7)
    assert many.shape == (3, 7, 6)
    assert_allclose(many[1], linear.interpolate(X[1], X[4], 7), atol=1e-6)


def test_spherical_interpolation_keeps_the_length():
    a, b = np.array([[3.0, 0.0]]), np.array([[0.0, 3.0]])
    steps = np.linspace(0, 1, 5)[:, None]
    path = spherical(a[:, None], b[:, None], steps)[0]
    assert_allclose(np.linalg.norm(path, axis=1), 3)
    assert_allclose(path[[0, 2, -1]], [[3, 0], [3 / np.sqrt(2)] * 2, [0, 3]], atol=1e-12)
    assert_allclose(spherical(a[:, None], 2 * a[:, None], steps)[0][2], [4.5, 0])


@pytest.mark.parametrize("method", ["mean", "linear"])
def test_an_attribute_can_be_added_and_taken_away(method):
    X, y = load_digits(return_X_y=True)
    two = np.isin(y, (0, 1))
    X, y = X[two], y[two]
    ae = Autoencoder(8, max_epochs=20, random_state=0, n_iter_no_change=50).fit(X)
    classifier = LogisticRegression(max_iter=2000).fit(X, y)
    direction = ae.attribute_direction(X, np.where(y == 1, "one", "nought"), method="mean")
    noughts, ones = (ae.transform(X[y == k]) for k in (0, 1))
    assert_allclose(direction, ones.mean(0) - noughts.mean(0), rtol=1e-4)
    direction = ae.attribute_direction(X, y, method=method)
    assert classifier.predict(ae.edit(X[y == 0], direction, 1.5)).mean() > 0.9
    assert classifier.predict(ae.edit(X[y == 1], direction, -1.5)).mean() < 0.1
    assert_allclose(ae.edit(X[0], direction), ae.edit(X[:1], direction)[0], atol=1e-5)


def test_the_direction_of_a_number_raises_it_by_one(linear, X):
    codes = linear.transform(X)
    y = 3 * codes[:, 0] - codes[:, 1]
    direction = linear.attribute_direction(X, y, method="linear")
    assert 3 * direction[0] - direction[1] == pytest.approx(1, rel=1e-5)


def test_traversals_change_one_number(linear, X):
    values = [-2.0, 0.0, 2.0]
    rows = linear.traverse(X[3], 1, values)
    codes = linear.transform(rows)
    assert_allclose(codes[:, 1], values, atol=1e-5)
    assert_allclose(codes[:, 0], linear.transform(X[3:4])[0, 0], atol=1e-5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda ae, X: ae.sample(0), "n_samples"),
        (lambda ae, X: ae.interpolate(X[0], X[1], 1), "n_steps"),
        (lambda ae, X: ae.interpolate(X[0], X[1], path="curved"), "path must be one of"),
        (lambda ae, X: ae.interpolate(X[:2], X[:3]), "have 2 and 3"),
        (lambda ae, X: ae.interpolate(X[0][:3], X[1]), "3 features"),
        (lambda ae, X: ae.attribute_direction(X, np.arange(80) % 3), "two classes.*has 3"),
        (lambda ae, X: ae.attribute_direction(X, np.zeros(80)), "two classes.*has 1"),
        (lambda ae, X: ae.attribute_direction(X, np.arange(80) % 2, method="x"), "method must be"),
        (lambda ae, X: ae.attribute_direction(X, np.zeros(79)), "inconsistent numbers"),
        (lambda ae, X: ae.edit(X, np.zeros(5)), "direction must be of shape"),
        (lambda ae, X: ae.traverse(X[0], 2, [0]), "unit must be .* at most 1"),
    ],
)
def test_bad_input(linear, X, call, message):
    with pytest.raises(ValueError, match=message):
        call(linear, X)


def test_before_fit(X):
    with pytest.raises(NotFittedError):
        Autoencoder().sample()
    first = quick(Autoencoder).fit(X)
    with pytest.raises(NotFittedError):
        StackedAutoencoder.from_layers([first]).sample()
