"""`sample_weight`: copies of a row to the bit, and shares of the mean in every loss."""

import tracemalloc

import numpy as np
import pytest
from discovery import over, quick
from helpers import SHORT, SMALL, assert_close_to_pca, assert_equal_states, states
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.decomposition import PCA

from skae import (
    Autoencoder,
    ContractiveAutoencoder,
    DenoisingAutoencoder,
    RatingAutoencoder,
    SparseAutoencoder,
    StackedAutoencoder,
    VariationalAutoencoder,
    VectorQuantizedAutoencoder,
)
from skae.engine.batches import SparseRows
from skae.rows.weights import weighed

pytestmark = pytest.mark.filterwarnings("ignore:max_epochs=")


@pytest.fixture(scope="module")
def copies(X):
    """How often each row is there, some of them not at all."""
    return np.random.default_rng(0).integers(0, 4, len(X))


def assert_same_fit(one, other, X):
    assert_equal_states(states(one.net_), states(other.net_))
    assert one.loss_curve_ == other.loss_curve_
    assert one.validation_loss_curve_ == other.validation_loss_curve_
    assert one.offset_ == other.offset_
    assert_array_equal(one.transform(X), other.transform(X))


@over([Autoencoder, DenoisingAutoencoder])
def test_whole_numbers_are_copies(cls, X, copies):
    """To the bit, while the epochs are chosen too, and whatever the order of the rows.

    scikit-learn's check of it runs over all estimators, in test_common.py.
    """
    X, copies = X[:30], copies[:30]
    settings = {"early_stopping": True, "max_epochs": 2}
    with np.errstate(all="ignore"):
        repeated = quick(cls, **settings).fit(X.repeat(copies, axis=0))
        order = np.random.default_rng(1).permutation(len(X))
        weighted = quick(cls, **settings).fit(X[order], sample_weight=copies[order])
    assert_same_fit(weighted, repeated, X)


@pytest.mark.parametrize("kind", ["missing", "sparse", "target", "condition", "partial_fit"])
def test_what_belongs_to_a_row_is_copied_with_it(kind, X, X_missing, copies):
    make, given, method = Autoencoder, {}, "fit"
    if kind == "missing":
        X = X_missing
    elif kind == "sparse":
        X = np.where(np.abs(X) < 0.3, 0, X)
    elif kind == "target":
        given = {"target": X[:, ::-1] ** 2}
    elif kind == "condition":
        make, given = VariationalAutoencoder, {"condition": [f"{x > 0}" for x in X[:, 0]]}
    elif kind == "partial_fit":
        method = kind
    many = {n: np.asarray(v).repeat(copies, axis=0) for n, v in given.items()}
    as_given = sparse.csr_array if kind == "sparse" else np.asarray
    repeated, weighted = make(**SHORT), make(**SHORT)
    getattr(repeated, method)(as_given(X.repeat(copies, axis=0)), **many)
    getattr(weighted, method)(as_given(X), **given, sample_weight=copies)
    assert_equal_states(states(weighted.net_), states(repeated.net_))


FULL_BATCH = {**SHORT, "max_epochs": 4, "batch_size": 10**6, "lr": 1e-3, "shortcut": None}


@pytest.mark.parametrize(
    "estimator",
    [
        Autoencoder(loss="squared_error"),
        Autoencoder(loss="absolute_error"),
        Autoencoder(loss="huber"),
        SparseAutoencoder(penalty="l1", sparsity=0.5),
        SparseAutoencoder(penalty="kl", sparsity=0.5),
        ContractiveAutoencoder(contraction=0.5),
    ],
    ids=lambda estimator: f"{estimator}"[:60],
)
def test_steps_on_all_rows_follow_the_weighted_mean(estimator, X, copies):
    """Shares of 1/2 are no copies, but what a step goes down is the same function."""
    X, copies = X[copies > 0], copies[copies > 0]
    estimator.set_params(**FULL_BATCH)
    repeated = estimator.fit(X, sample_weight=copies)
    shares = type(estimator)(**estimator.get_params()).fit(X, sample_weight=copies / 2)
    assert_allclose(shares.center_, repeated.center_, rtol=1e-9)
    assert shares.scale_ == pytest.approx(repeated.scale_, rel=1e-9)
    assert_allclose(shares.loss_curve_, repeated.loss_curve_, rtol=1e-5)
    assert_allclose(shares.transform(X), repeated.transform(X), atol=1e-4)
    flat = type(estimator)(**estimator.get_params()).fit(X)
    assert not np.allclose(flat.transform(X), repeated.transform(X), atol=1e-3)


def test_the_start_is_pca_of_the_weighted_rows(X, copies):
    weight = copies + 0.5
    ae = Autoencoder(**{**SHORT, "max_epochs": 0}).fit(X, sample_weight=weight)
    pca = PCA(2).fit(X.repeat((2 * weight).astype(int), axis=0))
    assert_allclose(ae.center_, pca.mean_, atol=1e-6)
    assert_close_to_pca(ae, pca, X, rtol=0.01)
    assert_close_to_pca(ae, PCA(2).fit(X), X, rtol=1.0)
    with pytest.raises(AssertionError):
        assert_close_to_pca(ae, PCA(2).fit(X), X, rtol=0.01)


def test_rows_of_little_weight_hardly_count(X):
    """Neither for the net, nor for the number of epochs, nor for what an outlier is."""
    rows = np.vstack([X, 50 * np.random.default_rng(0).normal(size=(20, X.shape[1]))])
    weight = np.where(np.arange(100) < 80, 1.0, 1e-9)
    ae = Autoencoder(**SMALL).fit(rows, sample_weight=weight)
    without = Autoencoder(**SMALL).fit(X)
    assert_allclose(ae.center_, without.center_, atol=1e-6)
    assert ae.best_loss_ == pytest.approx(without.best_loss_, rel=0.3)
    assert ae.offset_ == pytest.approx(without.offset_, rel=0.5)
    assert Autoencoder(**SMALL).fit(rows).best_loss_ > 3 * without.best_loss_


def test_the_unit_of_weights_does_not_matter(X):
    weight = np.random.default_rng(0).uniform(0.1, 2, len(X))
    one, other = (Autoencoder(**SHORT).fit(X, sample_weight=c * weight) for c in (1, 1024))
    assert_same_fit(one, other, X)
    plain, equal = Autoencoder(**SHORT).fit(X), Autoencoder(**SHORT)
    equal.fit(X, sample_weight=np.full(len(X), 0.3))
    assert_allclose(equal.score(X), plain.score(X), rtol=0.2)


def test_weights_reach_the_layers_of_a_stack(X):
    weight = np.random.default_rng(0).uniform(0, 3, len(X))
    layer = {"hidden_layer_sizes": (4,), "max_epochs": 2, "random_state": 0}
    weighted = StackedAutoencoder(2, **layer).fit(X, sample_weight=weight).layers_[0]
    flat = StackedAutoencoder(2, **layer).fit(X).layers_[0]
    assert weighted.loss_curve_ != flat.loss_curve_


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (np.zeros(80), "at least one non-zero"),
        (-np.ones(80), "Negative values .* `sample_weight`"),
        (np.full(80, np.nan), "sample_weight contains NaN"),
        (np.ones(79), "sample_weight.shape"),
        (["a"] * 80, "could not convert"),
    ],
)
def test_bad_weights_are_named(weight, message, X):
    ae = Autoencoder(**SHORT)
    with pytest.raises(ValueError, match=message):
        ae.fit(X, sample_weight=weight)
    assert not hasattr(ae, "net_")


@pytest.mark.parametrize(
    "estimator", [VectorQuantizedAutoencoder(), VariationalAutoencoder(divergence="mmd")], ids=str
)
def test_what_takes_copies_only_says_so(estimator, X):
    estimator.set_params(max_epochs=1)
    with pytest.raises(ValueError, match="sample_weight of .* must be whole numbers"):
        estimator.fit(X, sample_weight=np.linspace(0.5, 1, len(X)))
    estimator.fit(X, sample_weight=np.arange(len(X)) % 2)


def test_ratings_take_none(X):
    with pytest.raises(TypeError, match="sample_weight"):
        RatingAutoencoder().fit(X, sample_weight=np.ones(len(X)))


def test_noise_and_weights_go_together(X, copies):
    ae = DenoisingAutoencoder(**SMALL, max_epochs=3).fit(X, sample_weight=copies + 0.5)
    assert np.isfinite(ae.validation_loss_curve_).all()


def test_rows_that_are_close_by_chance_are_no_copies(monkeypatch):
    """Millions of rows have numbers as close as those of copies; here every row has."""
    rows = np.random.default_rng(0).normal(size=(50, 3))
    rows[4, 1] = np.nan
    monkeypatch.setattr("skae.rows.weights.ROUNDING", 1.0)
    assert weighed([rows], None) == (None, None)
    rows[30] = rows[4]
    order, _ = weighed([rows], None)
    assert sorted(order) == list(range(50))
    targets = np.arange(50.0)[:, None]
    assert weighed([rows, targets], None) == (None, None)
    matrix = SparseRows(sparse.csr_array(np.nan_to_num(rows)))
    assert len(weighed([matrix], None)[0]) == 50


def test_empty_rows_of_a_wide_sparse_matrix_are_never_dense():
    rows = SparseRows(sparse.csr_array((3000, 200_000)))
    tracemalloc.start()
    try:
        order, _ = weighed([rows], None)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(order) == 3000
    assert peak < 2**26  # as dense rows they would take 4.8 GB
