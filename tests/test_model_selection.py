"""`reconstruction_r2` and `smallest_within`; and Pipelines that skrub makes."""

import numpy as np
import pandas as pd
import pytest
import skrub
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import (
    Autoencoder,
    AutoencoderClassifier,
    AutoencoderOutlierDetector,
    VariationalAutoencoder,
)
from skae.model_selection import reconstruction_r2, smallest_within

SHORT = {"hidden_layer_sizes": (8,), "max_epochs": 3, "early_stopping": False, "random_state": 0}
pytestmark = pytest.mark.filterwarnings("ignore:max_epochs=")


@pytest.fixture(scope="module")
def iris():
    X = load_iris().data
    return X[np.random.default_rng(0).permutation(len(X))]


class Nothing(TransformerMixin, BaseEstimator):
    """Its reconstruction is the mean of the rows it is asked about."""

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return np.zeros((len(X), 1))

    def inverse_transform(self, Z):
        return np.broadcast_to(self.mean, (len(Z), len(self.mean)))


# -- reconstruction_r2 --------------------------------------------------------------------------


@pytest.mark.parametrize("n_components", [1, 2, 4])
def test_r2_is_scikit_learns_weighted_by_variance(n_components, iris):
    train, test = iris[:100], iris[100:]
    pca = PCA(n_components).fit(train)
    X_hat = pca.inverse_transform(pca.transform(test))
    expected = r2_score(test, X_hat, multioutput="variance_weighted")
    assert reconstruction_r2(pca, test) == pytest.approx(expected, rel=1e-12)


def test_r2_of_pca_on_its_own_rows_is_the_explained_variance(iris):
    pca = PCA(2).fit(iris)
    explained = pca.explained_variance_ratio_.sum()
    assert reconstruction_r2(pca, iris) == pytest.approx(explained, rel=1e-12)


def test_r2_ends(iris):
    assert reconstruction_r2(PCA(4).fit(iris), iris) == pytest.approx(1)
    nothing = Nothing()
    nothing.mean = iris.mean(axis=0)
    assert reconstruction_r2(nothing, iris) == pytest.approx(0)
    constant = np.ones((5, 4))
    nothing.mean = np.ones(4)
    assert reconstruction_r2(nothing, constant) == 1
    nothing.mean = np.zeros(4)
    assert reconstruction_r2(nothing, constant) == 0


def test_r2_is_over_the_observed_entries(X, X_missing):
    ae = Autoencoder(2, **SHORT).fit(X_missing)
    X_hat = ae.inverse_transform(ae.transform(X_missing))
    known = ~np.isnan(X_missing)
    mean = np.broadcast_to(np.nanmean(X_missing, axis=0), X_missing.shape)
    residual = ((X_missing - X_hat)[known] ** 2).sum()
    total = ((X_missing - mean)[known] ** 2).sum()
    assert reconstruction_r2(ae, X_missing) == pytest.approx(1 - residual / total, rel=1e-12)


def test_r2_of_a_pipeline_and_of_frames(iris):
    pipeline = make_pipeline(StandardScaler(), Autoencoder(2, **SHORT))
    expected = reconstruction_r2(pipeline.fit(iris), iris)
    assert 0.5 < expected < 1
    frame = pd.DataFrame(iris, columns=list("abcd"))
    pipeline.set_output(transform="pandas").fit(frame)
    assert reconstruction_r2(pipeline, frame) == pytest.approx(expected, rel=1e-6)


def test_r2_is_a_scorer(iris):
    scores = cross_val_score(PCA(2), iris, scoring=reconstruction_r2, cv=3)
    assert scores.shape == (3,)
    assert (scores > 0.9).all()
    labeled = cross_val_score(PCA(2), iris, iris[:, 0], scoring=reconstruction_r2, cv=3)
    assert np.array_equal(scores, labeled)


# -- smallest_within ----------------------------------------------------------------------------


def results(sizes, means, stds=None, prefix="", score="score", n_splits=4):
    """What a search would hand over."""
    stds = np.zeros(len(means)) if stds is None else np.asarray(stds)
    return {
        f"param_{prefix}code_size": np.ma.MaskedArray(sizes, dtype=object),
        f"mean_test_{score}": np.asarray(means, dtype=float),
        f"std_test_{score}": stds,
        **{f"split{i}_test_{score}": np.asarray(means, dtype=float) for i in range(n_splits)},
    }


@pytest.mark.parametrize(
    ("tolerance", "chosen"), [(0, 3), (0.005, 3), (0.02, 2), (0.1, 1), (1, 0), (1.0, 0)]
)
def test_the_smallest_code_within_a_tolerance(tolerance, chosen):
    search = results([1, 2, 4, 8], [0.5, 0.9, 0.95, 0.96])
    assert smallest_within(tolerance)(search) == chosen


def test_a_tolerance_includes_its_end():
    assert smallest_within(0.25)(results([1, 2], [0.5, 0.75])) == 0


@pytest.mark.parametrize(("std", "chosen"), [(0.0, 2), (0.03, 1), (0.5, 0)])
def test_one_standard_error_is_that_of_the_best(std, chosen):
    """std / sqrt(4) below 0.96: 0.96, 0.945, 0.71."""
    search = results([1, 2, 4], [0.8, 0.95, 0.96], stds=[9.0, 9.0, std])
    assert smallest_within()(search) == chosen
    assert smallest_within("one_se")(search) == chosen


def test_the_order_of_the_candidates_does_not_matter():
    assert smallest_within(0.1)(results([8, 1, 4, 2], [0.96, 0.5, 0.95, 0.9])) == 3


def test_ties_in_size_go_to_the_better_score():
    assert smallest_within(0.1)(results([2, 2, 4, 2], [0.90, 0.92, 0.93, 0.91])) == 1


def test_scores_may_be_negative_and_some_undefined():
    assert smallest_within(2.0)(results([1, 2, 4, 8], [np.nan, -6.0, -5.0, -4.5])) == 1


def test_shares_of_variance_are_sizes_too():
    assert smallest_within(0.1)(results([0.5, 0.9, 0.99], [0.5, 0.95, 0.96])) == 1


@pytest.mark.parametrize("tolerance", [-0.1, "two_se", None, [0.1]])
def test_tolerances_that_make_no_sense(tolerance):
    with pytest.raises(ValueError, match="tolerance must be a number >= 0 or 'one_se'"):
        smallest_within(tolerance)


def test_a_search_without_the_parameter_is_refused():
    search = {
        "param_pca__n_components": np.ma.MaskedArray([1, 2], dtype=object),
        "mean_test_score": np.array([0.1, 0.2]),
    }
    with pytest.raises(ValueError, match=r"'code_size'.*\['pca__n_components'\]"):
        smallest_within(0.1)(search)


def test_a_search_with_two_such_parameters_is_refused():
    search = {**results([1, 2], [0.1, 0.2], prefix="a__"), **results([1, 2], [0, 0], prefix="b__")}
    with pytest.raises(
        ValueError, match=r"one searched parameter .*'a__code_size', 'b__code_size'"
    ):
        smallest_within(0.1)(search)


def test_a_parameter_whose_name_only_ends_alike_is_another():
    search = {
        **results([4, 2], [0.9, 0.9]),
        "param_autoencoder__min_code_size": np.ma.MaskedArray([1, 1], dtype=object),
    }
    assert smallest_within(0.1)(search) == 1


def test_a_metric_that_was_not_searched_for_is_named():
    with pytest.raises((KeyError, ValueError), match="r2"):
        smallest_within(0.1, score="r2")(results([1, 2], [0.1, 0.2]))


def test_in_a_search_over_a_pipeline_by_two_metrics(iris):
    sizes = [1, 2, 3, 4]
    search = GridSearchCV(
        make_pipeline(StandardScaler(), Autoencoder(**SHORT)),
        {"autoencoder__code_size": sizes, "autoencoder__hidden_layer_sizes": [(8,)]},
        scoring={"r2": reconstruction_r2, "score": lambda pipeline, X, y=None: pipeline.score(X)},
        refit=smallest_within(0.06, score="r2"),
        cv=2,
    ).fit(iris)
    means = search.cv_results_["mean_test_r2"]
    assert means[0] < means[1] < means[-1]
    chosen = search.best_params_["autoencoder__code_size"]
    assert chosen == min(k for k, m in zip(sizes, means, strict=True) if m >= means.max() - 0.06)
    assert 1 < chosen < 4
    assert search.best_estimator_[-1].code_size_ == chosen


def test_in_a_search_by_one_standard_error(iris):
    search = GridSearchCV(
        PCA(),
        {"n_components": [1, 2, 3, 4]},
        scoring=reconstruction_r2,
        refit=smallest_within(parameter="n_components"),
        cv=3,
    ).fit(iris)
    assert search.best_params_["n_components"] == 4  # its error is zero, and so is its error bar


# -- skrub's Pipelines --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def passengers():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "age": rng.normal(30, 14, 60),
            "sex": rng.choice(["female", "male"], 60),
            "boarded": pd.Timestamp("1912-04-10") + pd.to_timedelta(rng.integers(0, 99, 60), "h"),
        }
    )
    return frame.mask(rng.random(frame.shape) < 0.1)


def test_after_the_table_vectorizer_of_skrub(passengers):
    pipeline = make_pipeline(skrub.TableVectorizer(), Autoencoder(2, **SHORT)).fit(passengers)
    assert pipeline.transform(passengers).shape == (60, 2)
    assert np.isfinite(pipeline.score_samples(passengers)).all()


@pytest.mark.filterwarnings("ignore:Posterior collapse")
@pytest.mark.parametrize(
    "estimator",
    [
        Autoencoder(2, **SHORT),
        VariationalAutoencoder(2, **SHORT),
        AutoencoderOutlierDetector(Autoencoder(2, **SHORT)),
        AutoencoderClassifier(Autoencoder(2, **SHORT), max_epochs=1),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_the_tabular_pipeline_of_skrub(estimator, passengers):
    y = passengers["age"].fillna(0) > 30
    pipeline = skrub.tabular_pipeline(estimator).fit(passengers, y)
    answer = pipeline.predict if hasattr(pipeline[-1], "predict") else pipeline.transform
    assert len(answer(passengers)) == 60
