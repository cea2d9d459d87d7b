"""Scores, calibration and explanations around any autoencoder."""

import numpy as np
import pandas as pd
import pytest
from discovery import quick
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import binom
from sklearn.datasets import load_wine, make_blobs
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.exceptions import NotFittedError
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils import check_random_state

from skae import (
    Autoencoder,
    AutoencoderOutlierDetector,
    ConvolutionalAutoencoder,
    KSparseAutoencoder,
    SequenceAutoencoder,
    VariationalAutoencoder,
    load,
)
from skae.around.conformal import n_clear_outliers
from skae.around.isolation import Isolation
from skae.around.neighbors import LocalDistances
from skae.around.scores import joined_at_random

pytestmark = pytest.mark.filterwarnings("ignore:max_epochs=")
METHODS = ["neighbors", "error", "masked"]


def detector(inner=None, **parameters):
    """One that trains briefly."""
    inner = quick(Autoencoder) if inner is None else inner
    return AutoencoderOutlierDetector(inner, **{"random_state": 0, **parameters})


@pytest.fixture(scope="module")
def wine():
    """Two cultivars as normal rows, half of them to train on, and the third."""
    X, y = load_wine(return_X_y=True, as_frame=True)
    normal = X[y < 2]
    return normal[::2], normal[1::2], X[y == 2]


# -- the score ----------------------------------------------------------------------------------


def test_distances_on_the_scale_of_the_neighbors(X):
    local, k = LocalDistances(X, 4), 4
    far = np.linalg.norm(X[:, None] - X, axis=2)
    np.fill_diagonal(far, np.inf)
    index = np.argsort(far, axis=1)[:, :k]
    typical = np.take_along_axis(far, index, axis=1).mean(axis=1)
    logs = np.log(typical + local.floor)
    expected = logs - 0.5 * logs[index].mean(axis=1)
    near = local.find(X)
    assert_array_equal(np.sort(near.index), np.sort(index))
    assert_array_equal(near.own, np.arange(len(X)))
    assert_allclose(local.log_ratio(near), expected - expected.mean())


def test_a_training_row_is_not_its_own_neighbor(X):
    scores = detector(contamination=0.1).fit(X).score_samples(X)
    fewer = detector(contamination=0.1).fit(X)
    nudged = fewer.score_samples(X + 1e-4)  # no longer the same rows: they find themselves
    assert np.median(nudged) > np.median(scores)


@pytest.mark.parametrize("method", METHODS)
def test_a_typical_row_scores_about_minus_one(method, X):
    scores = detector(method=method).fit(X).score_samples(X)
    assert -1.3 < np.median(scores) < -0.7
    assert (scores < 0).all()


@pytest.mark.parametrize("method", METHODS)
def test_another_class_is_found(method, wine):
    train, test, other = wine
    rows, labels = pd.concat([test, other]), np.r_[np.ones(len(test)), np.zeros(len(other))]
    model = AutoencoderOutlierDetector(method=method, random_state=0).fit(train)
    assert roc_auc_score(labels, model.score_samples(rows)) > (0.8 if method == "error" else 0.9)


def test_error_is_the_squared_residual_of_standardised_columns(X):
    inner = Autoencoder(2, max_epochs=0)
    model = AutoencoderOutlierDetector(inner, method="error", random_state=0).fit(X)
    Z = (X - X.mean(0)) / X.std(0)
    errors = ((Z - model.estimators_[0].reconstruct(Z)) ** 2).mean(1)
    floor = 0.1 * errors.mean()
    expected = (errors + floor) / np.exp(np.log(errors + floor).mean())
    assert_allclose(-model.score_samples(X), expected)


def test_columns_of_other_units_do_not_matter(X):
    first = detector().fit(X).score_samples(X)
    units = np.array([1, 10, 100, 1e3, 1e-3, 5])
    assert_allclose(detector().fit(units * X).score_samples(units * X), first, rtol=1e-4)
    raw = detector(standardize=False).fit(units * X).score_samples(units * X)
    assert np.abs(raw - first).max() > 0.1


def test_more_estimators_are_averaged(X):
    model = detector(n_estimators=3, contamination=0.1).fit(X)
    assert len(model.estimators_) == 3
    seeds = {e.random_state for e in model.estimators_}
    assert len(seeds) == 3
    sizes = detector([quick(Autoencoder, code_size=n) for n in (1, 3)]).fit(X)
    assert [e.code_size_ for e in sizes.estimators_] == [1, 3]
    one, other = (quick(Autoencoder, random_state=e.random_state) for e in model.estimators_[:2])
    assert not np.array_equal(one.fit(X).transform(X), other.fit(X).transform(X))


def test_trimmed_outliers_do_not_teach_the_autoencoder(digits):
    """Noisy rows among the clean ones turn the components towards themselves."""
    clean, new = digits[:400], digits[500:900]
    noisy = digits[400:440] + 8 * np.random.default_rng(0).normal(size=(40, 64))
    inner = Autoencoder(20, max_epochs=0)

    def error(rows, trim):
        model = detector(inner, method="error", standardize=False, trim=trim).fit(rows)
        return ((new - model.estimators_[0].reconstruct(new)) ** 2).sum(axis=1).mean()

    best, worst = error(clean, 0.0), error(np.vstack([clean, noisy]), 0.0)
    assert worst > 1.2 * best
    assert error(np.vstack([clean, noisy]), 0.15) < 1.1 * best


@pytest.mark.parametrize("method", METHODS)
def test_no_score_is_missing(method, X):
    constant = np.c_[X, np.ones(len(X))]
    duplicates = np.repeat(constant[:8], 10, axis=0)
    new = constant.copy()
    new[:, -1] += np.arange(len(X))  # varies only now
    for train in (constant, duplicates, np.ones((20, 3)), X[:2]):
        model = detector(method=method).fit(train)
        tested = new if train.shape[1] == new.shape[1] else train
        assert np.isfinite(model.score_samples(tested)).all()
    late = detector(method=method).fit(constant).score_samples(new)
    assert late[-1] < late[0]


@pytest.mark.parametrize("method", METHODS)
def test_missing_entries(method, X, X_missing):
    model = detector(method=method).fit(X_missing)
    scores = model.score_samples(X_missing)
    assert np.isfinite(scores).all()
    complete = ~np.isnan(X_missing).any(axis=1)
    assert_allclose(scores[complete], model.score_samples(X_missing[complete]), rtol=1e-7)
    far = X_missing.copy()
    far[:, 0] = np.where(np.isnan(far[:, 0]), np.nan, far[:, 0] + 20)
    assert np.mean(model.score_samples(far) < scores) > 0.8


def test_a_score_does_not_depend_on_the_company_even_among_ties():
    rows = np.random.default_rng(0).integers(0, 3, size=(300, 4)).astype(float)
    model = detector(n_neighbors=5).fit(rows)
    new = rows[:40] + 0.5
    together = model.score_samples(new)
    assert_allclose([model.score_samples(row[None])[0] for row in new], together, rtol=1e-9)
    assert_allclose(model.score_samples(new[::-1])[::-1], together, rtol=1e-9)


def test_few_reference_rows_do(X):
    model = detector(max_reference=30).fit(X)
    assert len(model._scores.among_rows.rows) == 30
    assert np.isfinite(model.score_samples(X)).all()


def test_one_row_is_too_few(X):
    with pytest.raises(ValueError, match="needs at least 2"):
        detector().fit(X[:1])


@pytest.mark.parametrize("inner", [KSparseAutoencoder(3, k=2), VariationalAutoencoder(2)])
def test_other_families_inside(inner, X):
    inner.set_params(max_epochs=2, random_state=0)
    if isinstance(inner, KSparseAutoencoder):
        inner.set_params(sparse_output=True)
    assert np.isfinite(detector(inner).fit(X).score_samples(X)).all()


# -- thresholds ---------------------------------------------------------------------------------


def test_auto_calls_a_tenth_of_new_rows_outliers():
    rows = make_blobs(2000, 6, centers=4, random_state=0)[0]
    model = AutoencoderOutlierDetector(random_state=0).fit(rows[:1000])
    assert 0.05 < np.mean(model.predict(rows[1000:]) == -1) < 0.16


def test_contamination_is_the_share_of_the_training_rows(X):
    model = detector(contamination=0.25).fit(X)
    assert np.mean(model.predict(X) == -1) == pytest.approx(0.25, abs=0.01)
    assert_array_equal(model.decision_function(X), model.score_samples(X) - model.offset_)


@pytest.mark.parametrize("alpha", [0.05, 0.2])
def test_false_alarms_are_as_rare_as_promised(alpha):
    """Over draws of the calibration rows, alarms among new rows are within binomial error."""
    rng = np.random.default_rng(0)
    model = detector().fit(rng.normal(size=(200, 4)) ** 3)
    alarms, n_rounds, n_new = 0, 60, 50
    for _ in range(n_rounds):
        model.calibrate(rng.normal(size=(99, 4)) ** 3)
        alarms += np.sum(model.predict(rng.normal(size=(n_new, 4)) ** 3, alpha=alpha) == -1)
    n = n_rounds * n_new
    # Rows of a round share their calibration, which widens the error as if there were fewer.
    widened = 1 + n_new * 1.0 / 100
    spread = 3.5 * np.sqrt(widened * alpha * (1 - alpha) / n)
    assert abs(alarms / n - alpha) < spread
    assert binom.cdf(alarms, n, alpha) > 1e-9


def test_p_values(wine):
    train, test, other = wine
    model = detector().fit(train)
    with pytest.raises(NotFittedError, match="calibrate"):
        model.p_value(test)
    with pytest.raises(NotFittedError, match="calibrate"):
        model.predict(test, alpha=0.1)
    model.calibrate(test)
    p_values = model.p_value(other)
    assert ((p_values > 0) & (p_values <= 1)).all()
    assert p_values.min() >= 1 / (len(test) + 1)
    assert_array_equal(np.argsort(p_values, kind="stable"),
                       np.argsort(np.searchsorted(model.calibration_scores_,
                                                  model.score_samples(other), side="right"),
                                  kind="stable"))  # fmt: skip
    by_count = [
        (1 + np.sum(model.calibration_scores_ <= s)) / (1 + len(test))
        for s in model.score_samples(other)
    ]
    assert_allclose(p_values, by_count)
    assert not hasattr(model.fit(train), "calibration_scores_")


NORMAL_DISTANCES = {
    "chi": lambda rng, n: np.sqrt(rng.chisquare(4, n)),
    "of many columns": lambda rng, n: np.sqrt(rng.chisquare(50, n)),
    "heavy tails": lambda rng, n: np.abs(rng.standard_t(3, (n, 4))).sum(1),
    "log-normal": lambda rng, n: np.exp(rng.normal(size=n)),
    "two kinds": lambda rng, n: rng.gamma(1, 1, n) * np.where(rng.random(n) < 0.2, 4, 1),
}


@pytest.mark.parametrize("distance", NORMAL_DISTANCES.values(), ids=NORMAL_DISTANCES)
@pytest.mark.parametrize(("factor", "share"), [(1e4, 0.1), (3, 0.1), (1.5, 0.1), (1, 0.0)])
def test_outliers_among_the_calibration_rows(factor, share, distance):
    """However far out they are, and if there are none: false alarms stay within alpha, and where
    they are clear they no longer hide others of their kind.
    """
    rng, alpha, n, n_rounds = np.random.default_rng(0), 0.05, 200, 300
    alarms, found = [], np.zeros(2)
    for _ in range(n_rounds):
        outlying = rng.random(n) < share
        scores = np.sort(-distance(rng, n) * np.where(outlying, factor, 1))
        kept = scores[n_clear_outliers(scores, 0.2) :]
        normal, other = -distance(rng, 50), -factor * distance(rng, 50)

        def share_of(rows, among):
            p_values = (1 + np.searchsorted(among, rows, side="right")) / (1 + len(among))
            return np.mean(p_values <= alpha)

        alarms.append(share_of(normal, kept))
        found += share_of(other, scores), share_of(other, kept)
    assert np.mean(alarms) < alpha + 3 * np.std(alarms) / np.sqrt(n_rounds)
    if factor == 1e4:
        assert found[1] / n_rounds > 0.9
        assert found[0] / n_rounds < 0.6


def test_calibrating_on_dirty_rows():
    rng = np.random.default_rng(0)
    model = detector().fit(rng.normal(size=(200, 4)))
    dirty = np.vstack([rng.normal(size=(180, 4)), 30 + rng.normal(size=(20, 4))])
    other = 30 + rng.normal(size=(50, 4))
    assert np.mean(model.calibrate(dirty).predict(other, alpha=0.05) == -1) < 0.6
    model.calibrate(dirty, contamination=0.15)
    assert len(model.calibration_scores_) == 180
    assert model.predict(other, alpha=0.05).max() == -1
    assert len(model.calibrate(np.ones((30, 4)), contamination=0.4).calibration_scores_) == 30
    for wrong in (0.5, -0.1, "auto", np.nan):
        with pytest.raises(ValueError, match="contamination must lie in"):
            model.calibrate(dirty, contamination=wrong)


def test_the_rate_of_false_discoveries_is_held():
    rng = np.random.default_rng(0)
    model = detector().fit(rng.normal(size=(200, 4)))
    shares = []
    for _ in range(20):
        model.calibrate(rng.normal(size=(400, 4)))
        rows = np.vstack([rng.normal(size=(180, 4)), 6 + rng.normal(size=(20, 4))])
        found = model.predict(rows, alpha=0.1, correction="benjamini-hochberg") == -1
        assert found[180:].sum() >= 15
        shares.append(found[:180].sum() / max(1, found.sum()))
    assert np.mean(shares) < 0.1 + 3 * np.std(shares) / np.sqrt(len(shares))
    plain = model.predict(rows, alpha=0.1) == -1
    assert plain[:180].sum() > found[:180].sum()


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"alpha": 1.5}, "alpha must lie in"),
        ({"alpha": 0.1, "correction": "bonferroni"}, "benjamini-hochberg"),
        ({"correction": "benjamini-hochberg"}, "needs alpha"),
    ],
)
def test_refused_ways_to_predict(given, match, X):
    with pytest.raises(ValueError, match=match):
        detector().fit(X).predict(X, **given)


# -- explanations -------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_shares_add_up_to_the_score(method, wine):
    train, _, other = wine
    model = detector(method=method, n_estimators=2).fit(train)
    explanation = model.explain(other)
    assert explanation.index.names == ["sample", "feature"]
    assert_array_equal(explanation.index.unique("sample"), other.index)
    assert_array_equal(explanation.index.unique("feature"), train.columns)
    assert_allclose(explanation["value"].to_numpy(), other.to_numpy().ravel())
    residual = explanation["value"] - explanation["expected"]
    assert_allclose(explanation["residual"], residual)
    assert (explanation["share"] >= 0).all()
    totals = explanation["share"].groupby("sample", sort=False).sum()
    assert_allclose(totals, -model.score_samples(other), rtol=1e-9)
    assert ("nearest" in explanation) == (method == "neighbors")


@pytest.mark.parametrize("method", METHODS)
def test_the_column_at_fault_has_the_largest_share(method, digits):
    train, strange = digits[:500], digits[500:530].copy()
    strange[:, 20] = 60
    inner = Autoencoder(16, max_epochs=0)
    model = detector(inner, method=method, standardize=False).fit(train)
    top = model.top_features(strange, k=2)
    assert len(top) == 60
    assert np.mean(top.index.get_level_values("feature")[::2] == 20) > 0.9
    assert (np.diff(top["share"].to_numpy().reshape(30, 2)) <= 0).all()
    assert (top["residual"][::2] > 0).mean() > 0.9


def test_missing_entries_have_no_share_of_an_error(X_missing):
    model = detector(method="error").fit(X_missing)
    explanation = model.explain(X_missing)
    missing = explanation["value"].isna()
    assert (explanation["share"][missing] == 0).all()
    assert explanation["expected"].notna().all()


def test_maps_of_images(digits):
    images = digits[:300].reshape(-1, 8, 8)
    inner = ConvolutionalAutoencoder(8, max_epochs=2, random_state=0)
    model = detector(inner).fit(images)
    strange = images[:5].copy()
    strange[:, 0, 0] = 16
    shares = model.score_map(strange)
    assert shares.shape == (5, 8, 8)
    assert_allclose(shares.sum(axis=(1, 2)), -model.score_samples(strange))
    assert (shares.reshape(5, -1).argmax(axis=1) == 0).sum() >= 4
    assert model.explain(strange).index.names == ["sample", "axis_1", "axis_2"]
    with pytest.raises(ValueError, match="fitted to rows of shape"):
        model.score_samples(images[:, :4])


def test_sequences_with_padding():
    rng = np.random.default_rng(0)
    rows = np.sin(np.arange(12)[:, None] / 2 + rng.uniform(0, 6, size=(60, 1, 1)))
    rows = np.broadcast_to(rows, (60, 12, 2)).copy()
    rows[::3, 8:] = np.nan
    model = detector(SequenceAutoencoder(4, max_epochs=2, random_state=0)).fit(rows)
    assert np.isfinite(model.score_samples(rows)).all()
    assert model.score_map(rows[:3]).sum(axis=2).shape == (3, 12)


def test_k_must_be_a_number(X):
    with pytest.raises(ValueError, match="k must be an integer"):
        detector().fit(X).top_features(X, k=0)


# -- among scikit-learn's tools -----------------------------------------------------------------


def test_in_a_pipeline_under_a_search(wine):
    train, test, other = wine
    rows = pd.concat([train, test, other])
    labels = np.r_[np.ones(len(train) + len(test)), -np.ones(len(other))]
    pipeline = make_pipeline(MinMaxScaler(), detector())
    search = GridSearchCV(
        pipeline,
        {"autoencoderoutlierdetector__n_neighbors": [3, 10],
         "autoencoderoutlierdetector__autoencoder__code_size": [2]},
        scoring="roc_auc", cv=StratifiedKFold(2),
    ).fit(rows, labels)  # fmt: skip
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.predict(other).shape == (len(other),)


def test_a_failed_fit_changes_nothing(X):
    model = detector().fit(X)
    before = model.score_samples(X)
    bad = X.copy()
    bad[0, 0] = np.inf
    with pytest.raises(ValueError, match="infinity"):
        model.fit(bad)
    assert_array_equal(model.score_samples(X), before)


def test_an_isolation_forest_in_arrays_scores_as_the_forest(X):
    forest, isolation = IsolationForest(random_state=3).fit(X), Isolation(X, 3)
    np.testing.assert_allclose(-np.exp(isolation.log_scores(X)), forest.score_samples(X))


def test_a_file_holds_the_detector_of_declared_outliers(X, tmp_path):
    model = detector(contamination=0.1).fit(X)
    model.save(tmp_path / "declared.skae")
    loaded = load(tmp_path / "declared.skae")
    np.testing.assert_array_equal(loaded.score_samples(X), model.score_samples(X))
    far = np.vstack([X[:5], 1e60 * X[:1]])
    shares = model.explain(far)["share"].to_numpy().reshape(6, -1)
    np.testing.assert_allclose(shares.sum(axis=1), -model.score_samples(far))


def test_outliers_that_lie_together_are_found_where_they_are_declared():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((300, 6))
    X[:30] = 4 + 0.1 * rng.standard_normal((30, 6))  # each has 29 others beside it
    declared = -detector(contamination=0.1).fit(X).score_samples(X)
    clean = -detector().fit(X).score_samples(X)
    outlier = np.arange(300) < 30
    assert roc_auc_score(outlier, declared) > roc_auc_score(outlier, clean) + 0.02


# -- going on -------------------------------------------------------------------------------------


def two_clouds(n=300):
    rng = np.random.default_rng(0)
    first, second = (rng.normal(size=(n, 2)) @ rng.normal(size=(2, 5)) for _ in range(2))
    return first, second + [8, -8, 8, -8, 8]


@pytest.mark.parametrize("method", ["neighbors", "error", "masked"])
def test_what_is_new_becomes_normal(method):
    first, second = two_clouds()
    fitted = detector(method=method).fit(first)
    new = second[200:]
    before = np.mean(fitted.predict(new) == -1)
    for part in (second[:100], second[100:200]):
        fitted.partial_fit(part)
    assert fitted.n_samples_seen_ == 500
    assert before > 0.9
    assert np.mean(fitted.predict(new) == -1) < 0.5


def test_the_first_call_is_fit_and_later_ones_have_bits_of_their_own():
    first, second = two_clouds()
    made = [detector() for _ in range(3)]
    fitted, one, same = made[0].fit(first), made[1].partial_fit(first), made[2].partial_fit(first)
    assert_array_equal(one.score_samples(second), fitted.score_samples(second))
    scores = [d.partial_fit(second[:150]).score_samples(second) for d in (one, same)]
    assert_array_equal(*scores)


def test_reference_rows_are_a_sample_of_all():
    for n_seen, n_new in ((1000, 500), (60, 100), (30, 20)):
        known = np.zeros((min(n_seen, 100), 1))
        shares = []
        for seed in range(300):
            rows = joined_at_random(
                known, n_seen, np.ones((n_new, 1)), 100, check_random_state(seed)
            )
            shares.append(rows.mean())
            assert len(rows) == min(100, n_seen + n_new)
        assert_allclose(np.mean(shares), n_new / (n_seen + n_new), atol=0.02)


def test_going_on_with_wrong_rows_changes_nothing():
    first, second = two_clouds()
    fitted = detector().fit(first)
    before = fitted.score_samples(second)
    with pytest.raises(ValueError, match="4 features"):
        fitted.partial_fit(second[:, :4])
    with pytest.raises(ValueError, match="infinity"):
        fitted.partial_fit(np.full_like(second, np.inf))
    assert_array_equal(fitted.score_samples(second), before)
    assert fitted.n_samples_seen_ == 300


class Centered(PCA):
    """An estimator of another's, without `partial_fit`."""

    def reconstruct(self, X):
        return self.inverse_transform(self.transform(X))


def test_going_on_is_for_estimators_that_can(X):
    fitted = detector(Centered(2)).fit(X)
    with pytest.raises(TypeError, match="Centered.*which has no partial_fit"):
        fitted.partial_fit(X)


def test_a_threshold_of_few_new_rows_stays():
    first, second = two_clouds()
    fitted = detector().fit(first)
    offset = fitted.offset_
    assert fitted.partial_fit(second[:20]).offset_ == offset
    share = detector(contamination=0.2).fit(first)
    share.partial_fit(second[:20])
    seen = np.concatenate([first, second[:20]])
    assert_allclose(np.mean(share.predict(seen) == -1), 0.2, atol=0.01)
