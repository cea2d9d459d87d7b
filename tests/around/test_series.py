"""Outliers of one series, whose rows are points that follow each other."""

import numpy as np
import pandas as pd
import pytest
from discovery import SERIES, over, quick
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.model_selection import TimeSeriesSplit, cross_validate
from sklearn.utils import estimator_checks

from skae import Autoencoder, ConvolutionalAutoencoder, SequenceAutoencoder, SeriesOutlierDetector

# The nets are small and train for few epochs, which is cut short and says so.
pytestmark = pytest.mark.filterwarnings("ignore:max_epochs=")
# Those of scikit-learn's that cut no rows out of X and join none to it. All of them can be run:
# `parametrize_with_checks` itself leaves out every check where rows are no samples.
CHECKS = """
check_complex_data check_estimator_cloneable
check_estimator_repr check_estimator_tags_renamed check_estimators_dtypes
check_estimators_fit_returns_self check_estimators_overwrite_params check_estimators_pickle
check_estimators_unfitted check_get_params_invariance check_mixin_order
check_no_attributes_set_in_init check_outlier_contamination check_param_validation
check_parameters_default_constructible check_positive_only_tag_during_fit check_pipeline_consistency
check_readonly_memmap_input check_set_params check_valid_tag_types
"""
PERIOD, N = 40, 1200
EVENT = slice(600, 640)
SMALL = Autoencoder(
    4, hidden_layer_sizes=(16,), max_epochs=5, early_stopping=False, refit=False, random_state=0
)


def wave(n=N, seed=0, n_channels=1):
    rng = np.random.default_rng(seed)
    t = np.arange(n)[:, None] / PERIOD + np.arange(n_channels) / 3
    X = np.sin(2 * np.pi * t) + 0.5 * np.sin(4 * np.pi * t) + 0.1 * rng.normal(size=t.shape)
    return X if n_channels > 1 else X[:, 0]


def with_event(kind):
    X, rng = wave(), np.random.default_rng(1)
    if kind == "spike":
        X[EVENT.start : EVENT.start + 2] += 3
    elif kind == "level":
        X[EVENT] += 1.5
    elif kind == "period":
        X[EVENT] = np.sin(2 * np.pi * np.arange(40) / 17)
    elif kind == "noise":
        X[EVENT] += 0.7 * rng.normal(size=40)
    else:
        X[EVENT] = 0.1 * rng.normal(size=40)
    return X


def detector(autoencoder=SMALL, **params):
    return SeriesOutlierDetector(autoencoder, **{"random_state": 0, **params})


@over(SERIES)
@pytest.mark.parametrize("check", CHECKS.split())
def test_checks_of_scikit_learn(cls, check):
    getattr(estimator_checks, check)(cls.__name__, quick(cls))


@pytest.mark.parametrize("kind", ["spike", "level", "period", "noise", "missing"])
def test_what_is_unusual_is_found(kind):
    X = with_event(kind)
    fitted = detector().fit(X)
    outlying = np.flatnonzero(fitted.predict(X) == -1)
    assert len(outlying)
    assert np.all((outlying > EVENT.start - PERIOD) & (outlying < EVENT.stop + PERIOD))
    new = wave(seed=2)
    assert np.mean(fitted.predict(new) == -1) < 0.02


def test_the_default_is_pca_beside_a_net():
    fitted = SeriesOutlierDetector(random_state=0).fit(with_event("level"))
    assert [type(one) for one in fitted.estimators_] == [PCA, Autoencoder]
    assert np.argmin(fitted.score_samples(with_event("level"))) in range(560, 680)


def test_a_score_is_the_larger_of_two_ratios():
    """Written out for PCA: distances from neighbors and lengths of residuals, beside typical."""
    X = wave(300)
    fitted = detector(PCA(2), window=30, n_neighbors=2, max_reference=1000).fit(X)
    series = (X - X.mean()) / X.std()
    windows = np.lib.stride_tricks.sliding_window_view(series, 30)
    apart = np.linalg.norm(windows[:, None] - windows, axis=2)
    near = np.sort(apart, axis=1)[:, 1:3].mean(axis=1)
    pca = PCA(2).fit(windows[:: 30 // 8])
    left = np.linalg.norm(windows - pca.inverse_transform(pca.transform(windows)), axis=1)
    logs = []
    for length in (near, left):
        log = np.log(length + 0.1 * length.mean())
        logs.append(log - np.median(log))
    unusual = np.maximum(*logs)
    expected = [-np.exp(unusual[max(0, i - 29) : i + 1].mean()) for i in range(300)]
    assert_allclose(fitted.score_samples(X), expected, rtol=1e-6)
    assert -1.5 < np.median(expected) < -0.9


def test_channels_of_other_units_say_the_same():
    X = wave(n_channels=3)
    first = detector().fit(X)
    units = np.array([1e-6, 1.0, 1e6])
    second = detector().fit(X * units)
    assert first.window_ == second.window_ == PERIOD
    assert_allclose(second.score_samples(X * units), first.score_samples(X), rtol=1e-5)


def test_an_event_in_one_channel_is_found():
    X = wave(n_channels=3)
    X[EVENT, 1] += 2
    scores = detector().fit(X).score_samples(X)
    assert np.argmin(scores) in range(EVENT.start - PERIOD, EVENT.stop + PERIOD)


@pytest.mark.parametrize(
    "autoencoder",
    [
        [PCA(3), SMALL],
        SequenceAutoencoder(3, hidden_size=8, max_epochs=1),
        ConvolutionalAutoencoder(3, channels=(4,), n_spatial_axes=1, max_epochs=1),
    ],
    ids=["list", "sequence", "convolutional"],
)
def test_other_autoencoders(autoencoder):
    X = wave(400, n_channels=2)
    fitted = detector(autoencoder, window=20).fit(X)
    assert fitted.score_samples(X).shape == (400,)
    shapes = {getattr(one, "n_steps_", None) for one in fitted.estimators_}
    if isinstance(autoencoder, SequenceAutoencoder):
        assert shapes == {20}  # it is told of the channels


@pytest.mark.parametrize("make", [list, pd.Series, lambda x: pd.Series(x).astype("Float64")])
def test_containers_of_one_channel(make):
    X = wave(400)
    fitted = detector(window=20).fit(X)
    assert_array_equal(detector(window=20).fit(make(X)).score_samples(make(X)),
                       fitted.score_samples(X))  # fmt: skip


def test_series_of_polars():
    pl = pytest.importorskip("polars")
    X = pl.Series("load", wave(400))
    fitted = detector(window=20).fit(X)
    assert fitted.feature_names_in_.tolist() == ["load"]
    assert fitted.score_samples(X).shape == (400,)


def test_names_of_channels():
    X = pd.DataFrame(wave(400, n_channels=2), columns=["load", "heat"])
    fitted = detector(window=20).fit(X)
    assert fitted.feature_names_in_.tolist() == ["load", "heat"]
    with pytest.raises(ValueError, match="feature names"):
        fitted.score_samples(X[["heat", "load"]])
    with pytest.raises(ValueError, match="heat"):
        detector(window=20).fit(X.assign(heat="warm"))


def test_times_are_no_channel():
    pl = pytest.importorskip("polars")
    times = pd.date_range("2026", periods=400, freq="h")
    for zone in (None, "Europe/Rome"):
        X = pd.DataFrame({"at": times.tz_localize(zone), "load": wave(400)})
        polars = pl.DataFrame({"at": times.to_list(), "load": wave(400)})
        for given in (X, polars, X["at"], X.assign(at=X["at"] - X["at"][0])):
            with pytest.raises(ValueError, match=r"\['at'\] of X are times.*index"):
                detector(window=20).fit(given)
        fitted = detector(window=20).fit(X.set_index("at"))
        assert fitted.feature_names_in_.tolist() == ["load"]


def test_gaps_are_filled_on_a_line():
    X = wave(400)
    gaps = X.copy()
    gaps[[0, 7, 8, 100, 399]] = np.nan
    straight = pd.Series(gaps).interpolate(limit_direction="both").to_numpy()
    fitted = detector(window=20).fit(X)
    assert_allclose(fitted.score_samples(gaps), fitted.score_samples(straight), rtol=1e-9)
    empty = np.full(400, np.nan)
    assert np.isfinite(fitted.score_samples(empty)).all()
    with pytest.raises(ValueError, match="no observed|without|missing"):
        detector(window=20).fit(empty)


def test_what_is_expected_of_a_series():
    X = with_event("missing")
    expected = detector().fit(wave()).reconstruct(X)
    assert expected.shape == X.shape
    usual = np.r_[0 : EVENT.start - PERIOD, EVENT.stop + PERIOD : N]
    assert np.mean((X - expected)[usual] ** 2) < 0.1 * X[usual].var()
    columns = detector(window=20).fit(wave(400, n_channels=2)).reconstruct(wave(400, n_channels=2))
    assert columns.shape == (400, 2)


def test_contamination_is_a_share_of_the_points():
    X = wave()
    fitted = detector(contamination=0.05).fit(X)
    assert_allclose(np.mean(fitted.predict(X) == -1), 0.05, atol=1 / N)
    assert_array_equal(detector(contamination=0.05).fit_predict(X), fitted.predict(X))


def test_the_parts_that_are_scored_at_once_do_not_matter(monkeypatch):
    X = wave(400)
    fitted = detector(window=20).fit(X)
    scores, expected = fitted.score_samples(X), fitted.reconstruct(X)
    monkeypatch.setattr("skae.around.series_detector.CHUNK", 1000)
    assert_allclose(fitted.score_samples(X), scores, rtol=1e-6)
    assert_allclose(fitted.reconstruct(X), expected, rtol=1e-5)


def test_a_series_without_a_period_and_a_constant_one():
    noise = np.random.default_rng(0).normal(size=1000)
    assert detector().fit(noise.cumsum()).window_ > 3
    constant = detector().fit(np.ones(1000))
    assert constant.window_ == 125
    assert (constant.predict(np.ones(1000)) == 1).all()
    assert constant.predict(np.r_[np.ones(500), np.full(500, 2.0)]).min() == -1


@pytest.mark.parametrize(
    ("params", "X", "match"),
    [
        ({}, wave(11), "n_samples = 11 points.*longer"),
        ({"window": 200}, wave(599), "3 windows of 200"),
        ({"window": 1}, wave(), "'window' parameter"),
        ({"window": "month"}, wave(), "'window' parameter"),
        ({"autoencoder": []}, wave(), "empty list"),
        ({"autoencoder": [PCA]}, wave(), "no estimator"),
        ({}, wave().reshape(-1, 20, 2), "dim"),
        ({}, np.where(np.arange(N) == 5, np.inf, wave()), "infinity|inf"),
        ({}, "a text", "X|array"),
    ],
)
def test_refused(params, X, match):
    with pytest.raises((ValueError, TypeError), match=match):
        detector(**params).fit(X)


def test_less_than_a_window_is_refused():
    fitted = detector().fit(wave())
    with pytest.raises(ValueError, match=f"39 points.*window of {PERIOD}"):
        fitted.score_samples(wave(39))
    assert fitted.score_samples(wave(40)).shape == (40,)


def test_in_time_order_under_cross_validation():
    X, y = with_event("level"), np.ones(N)
    y[EVENT] = -1

    def separated(estimator, X, y):
        return float(np.mean(estimator.predict(X) == y))

    found = cross_validate(detector(), X[:, None], y, cv=TimeSeriesSplit(2), scoring=separated)
    assert (found["test_score"] > 0.8).all()
    assert clone(detector()).get_params()["window"] == "auto"
