"""The unit of X matters to nothing: no label, no order of scores, no code."""

import numpy as np
import pytest
from discovery import AUTOENCODERS, ESTIMATORS, over, quick
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

from skae import (
    Autoencoder,
    AutoencoderImputer,
    AutoencoderOutlierDetector,
    ConvolutionalAutoencoder,
    MaskedAutoencoder,
    RatingAutoencoder,
    SequenceAutoencoder,
)

FACTORS = [1e-30, 1e-9, 1 / 255, 255.0, 1e9]
# Of the spread of what is compared.
CLOSE = 1e-5
# Those that have a unit of X for each channel, and how they are told of signals.
WITH_CHANNELS = {
    ConvolutionalAutoencoder: {"n_spatial_axes": 1, "channels": (4,)},
    MaskedAutoencoder: {"n_spatial_axes": 1, "patch_size": 2},
    SequenceAutoencoder: {},
}
CHANNELS = np.array([1e-9, 1.0, 255.0])

pytestmark = pytest.mark.filterwarnings("ignore:max_epochs=")


@pytest.fixture(scope="module")
def signals():
    """40 rows of 8 steps of 3 channels, which differ in phase and have some noise."""
    rng = np.random.default_rng(0)
    phase = 6 * rng.random((40, 1, 1)) + np.arange(3)
    return np.sin(phase + np.arange(8)[:, None]) + 0.1 * rng.normal(size=(40, 8, 3))


def assert_same_order(scores, others):
    """Sorted by the one, the other ascends, but for ties."""
    others = np.asarray(others, dtype=float)[np.argsort(scores)]
    assert np.ptp(others) > 0
    assert np.diff(others).min() >= -CLOSE * np.ptp(others)


def assert_same_labels(estimator, X, other, X_other):
    """The same labels, but for rows that lie on the threshold."""
    decision = estimator.decision_function(X)
    clear = np.abs(decision) > CLOSE * np.ptp(decision)
    assert clear.mean() > 0.9
    assert_array_equal(estimator.predict(X)[clear], other.predict(X_other)[clear])


def dense(codes):
    return codes.toarray() if hasattr(codes, "toarray") else np.asarray(codes, dtype=float)


def assert_close(one, other):
    one, other = dense(one), dense(other)
    assert_allclose(other, one, atol=CLOSE * np.ptp(one), rtol=CLOSE)


def codes_of(estimator, X, factor):
    """Codes, in the unit of the first X."""
    codes = dense(estimator.transform(X))
    if isinstance(estimator, RatingAutoencoder):
        codes[:, -1] /= factor  # the bias of a user is one of his ratings
    return codes / factor if isinstance(estimator, AutoencoderImputer) else codes


def assert_same(estimator, X, other, factor, scored=True):
    """All that two estimators say of the same rows in two units."""
    X_other = (factor * X).astype(X.dtype)
    if scored and hasattr(estimator, "score_samples"):
        assert_same_order(estimator.score_samples(X), other.score_samples(X_other))
        assert_same_labels(estimator, X, other, X_other)
    if hasattr(estimator, "transform"):
        assert_close(codes_of(estimator, X, 1.0), codes_of(other, X_other, factor))
    if hasattr(estimator, "inverse_transform"):
        codes, others = estimator.transform(X), other.transform(X_other)
        assert_close(estimator.inverse_transform(codes), other.inverse_transform(others) / factor)


@pytest.mark.parametrize("factor", FACTORS)
@over(ESTIMATORS)
def test_a_factor_of_x(cls, factor, X, fitted):
    """All but those of choices: twice as many of these say more, and are no other unit."""
    assert_same(fitted(cls), X, quick(cls).fit(factor * X), factor)


@over(ESTIMATORS)
def test_a_factor_of_x_in_float32(cls, X):
    X, factor = X.astype(np.float32), 2.0**-100
    assert_same(quick(cls).fit(X), X, quick(cls).fit(np.float32(factor) * X), factor)


@over(AUTOENCODERS)
def test_a_factor_of_missing_entries_and_of_a_target(cls, X, X_missing):
    X, X_missing, factor = X[:40], X_missing[:40], 1e-9
    assert_same(quick(cls).fit(X_missing), X_missing, quick(cls).fit(factor * X_missing), factor)
    if quick(cls)._own_target is None:
        one, other = (quick(cls).fit(X, target=k * X[:, ::-1]) for k in (1, factor))
        assert_close(one.transform(X), other.transform(X))
        assert_close(one.reconstruct(X), other.reconstruct(X) / factor)


UNITS = pytest.mark.parametrize("factor", [255.0, CHANNELS], ids=["of all", "of channels"])


@UNITS
@over(WITH_CHANNELS)
def test_channels(cls, factor, signals):
    """Errors of a row in several units have no one unit: their order is that of the larger."""
    one, other = (quick(cls, **WITH_CHANNELS[cls]).fit(k * signals) for k in (1, factor))
    assert_same(one, signals, other, factor, scored=np.ndim(factor) == 0)


@UNITS
@pytest.mark.parametrize("method", ["neighbors", "error", "masked"])
@over([Autoencoder, *WITH_CHANNELS])
def test_detectors_of_channels(cls, method, factor, signals):
    inner = quick(cls, **WITH_CHANNELS.get(cls, {}))
    detector = AutoencoderOutlierDetector(inner, method=method, random_state=0)
    one, other = (clone(detector).fit(k * signals) for k in (1, factor))
    assert_same(one, signals, other, factor)
