"""Sparse X: the same as dense, and never made dense as a whole."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from discovery import ALL_ESTIMATORS, labels_for, quick
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.decomposition import PCA
from sklearn.utils import get_tags

from skae import (
    Autoencoder,
    DenoisingAutoencoder,
    KSparseAutoencoder,
    StackedAutoencoder,
    VariationalAutoencoder,
)
from skae.base import architecture
from skae.engine import batches
from skae.engine.batches import Batch, Batches, SparseRows, dense
from skae.rows.units import center_and_scale

pytestmark = pytest.mark.filterwarnings("ignore:max_epochs=", "ignore:Posterior collapse")
TAKE_SPARSE = [cls for cls in ALL_ESTIMATORS if get_tags(cls()).input_tags.sparse]
REFUSE_SPARSE = [cls for cls in ALL_ESTIMATORS if not get_tags(cls()).input_tags.sparse]
# Of those, what is not stored is unknown, and no zero.
OF_ZEROS = [cls for cls in TAKE_SPARSE if not np.isnan(cls._formats[-1].absent)]
CONTAINERS = [sp.csr_array, sp.csr_matrix, sp.csc_array, sp.csc_matrix, sp.coo_array, sp.coo_matrix]
METHODS = ["transform", "reconstruct", "score_samples", "decision_function"]


def over(classes):
    return pytest.mark.parametrize("cls", classes, ids=lambda cls: cls.__name__)


@pytest.fixture(scope="module")
def counts():
    """60 rows of 12 columns, three of ten entries other than zero."""
    rng = np.random.default_rng(0)
    X = rng.poisson(3.0, size=(60, 12)) * (rng.random((60, 12)) < 0.3)
    X[:, 0] = 1  # a column without zeros
    return X.astype(float)


def assert_same(estimator, other, X, X_other):
    for name in METHODS:
        expected, found = getattr(estimator, name)(X), getattr(other, name)(X_other)
        assert found.dtype == expected.dtype
        assert_allclose(found, expected, rtol=1e-5, atol=1e-6, err_msg=name)


@over(OF_ZEROS)
@pytest.mark.parametrize("early_stopping", [True, False])
def test_sparse_equals_dense(cls, early_stopping, counts):
    settings = {"early_stopping": early_stopping}
    from_dense = quick(cls, **settings).fit(counts)
    from_sparse = quick(cls, **settings).fit(sp.csr_array(counts))
    assert_same(from_dense, from_sparse, counts, sp.csr_array(counts))
    from_dense.partial_fit(counts)
    from_sparse.partial_fit(sp.csr_array(counts))
    assert_same(from_dense, from_sparse, counts, counts)


@pytest.mark.parametrize(
    "estimator",
    [
        quick(DenoisingAutoencoder, noise="salt_and_pepper", noise_level=0.2),
        quick(DenoisingAutoencoder, noise="swap", noise_level=0.2, early_stopping=True),
        quick(KSparseAutoencoder, pre_bias="geometric_median"),
        quick(VariationalAutoencoder, likelihood="multinomial"),
        quick(VariationalAutoencoder, likelihood="poisson"),
        quick(Autoencoder, loss="binary_cross_entropy"),
        quick(StackedAutoencoder, layer=DenoisingAutoencoder(max_epochs=2)),
    ],
    ids=repr,
)
def test_variants_equal_dense(estimator, counts):
    X = counts / counts.max() if estimator.loss == "binary_cross_entropy" else counts
    from_dense = estimator.fit(X)
    from_sparse = quick(type(estimator)).set_params(**estimator.get_params(deep=False))
    assert_same(from_dense, from_sparse.fit(sp.csr_array(X)), X, sp.csr_array(X))


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_container_and_dtype(container, dtype, counts):
    X = counts.astype(dtype)
    from_dense = quick(Autoencoder).fit(X)
    assert_same(from_dense, quick(Autoencoder).fit(container(X)), X, container(X))


def test_whole_numbers_are_taken_as_floats(counts):
    X = sp.csr_array(counts.astype(np.int32))
    assert_same(quick(Autoencoder).fit(counts), quick(Autoencoder).fit(X), counts, X)


def test_an_entry_stored_twice_is_the_sum_and_x_is_left_as_it_was(counts):
    X = sp.csr_array(counts)
    twice = sp.csr_array((np.repeat(X.data / 2, 2), np.repeat(X.indices, 2), 2 * X.indptr), X.shape)
    before = twice.data.copy()
    found = quick(Autoencoder).fit(twice).transform(twice)
    assert_allclose(found, quick(Autoencoder).fit(counts).transform(counts), rtol=1e-5, atol=1e-6)
    assert_array_equal(twice.data, before)
    assert len(twice.indices) == len(before)


def test_a_condition_goes_with_sparse_rows(counts):
    condition = np.arange(len(counts)) % 3
    models = [quick(VariationalAutoencoder) for _ in range(2)]
    for model, X in zip(models, (counts, sp.csr_array(counts)), strict=True):
        model.fit(X, condition=condition)
    codes = models[1].transform(sp.csr_array(counts), condition)
    assert_allclose(codes, models[0].transform(counts, condition), rtol=1e-5, atol=1e-6)


def test_a_dense_target_goes_with_sparse_rows(counts):
    target = counts[:, :4] + 1
    models = [quick(Autoencoder) for _ in range(2)]
    for model, X in zip(models, (counts, sp.csr_array(counts)), strict=True):
        model.fit(X, target=target)
    scores = models[1].score_samples(sp.csr_array(counts), target=target)
    assert_allclose(scores, models[0].score_samples(counts, target=target), rtol=1e-5)


def test_stored_nan_is_missing(counts):
    X = np.where(np.random.default_rng(1).random(counts.shape) < 0.1, np.nan, counts)
    sparse = sp.csr_array(X)
    assert np.isnan(sparse.data).any()
    assert_same(quick(Autoencoder).fit(X), quick(Autoencoder).fit(sparse), X, sparse)


@over(REFUSE_SPARSE)
@pytest.mark.parametrize("container", [sp.csr_array, sp.csc_matrix, sp.coo_array])
def test_the_others_refuse(cls, container, counts):
    for method in {"fit", "partial_fit"} & {*dir(cls)}:
        with pytest.raises(TypeError, match=r"Sparse .*toarray"):
            getattr(quick(cls), method)(container(counts), labels_for(cls, counts))


def test_infinity_is_refused_and_its_column_named(counts):
    X = sp.csr_array(counts)
    X.data[X.indices == 3] = np.inf
    with pytest.raises(ValueError, match=r"infinity(.|\n)*Column\(s\) at fault: \[3\]"):
        quick(Autoencoder).fit(X)
    X.data[:] = 1.0
    X.data[X.indices == 0] = np.nan
    with pytest.raises(ValueError, match=r"no observed entry in column\(s\) \[0\]"):
        quick(Autoencoder).fit(X)


def test_a_matrix_that_does_not_fit_into_memory():
    """30 000 x 400 000 in float32 would be 45 GiB."""
    X = sp.random_array((30_000, 400_000), density=1e-7, rng=np.random.default_rng(0)).tocsr()
    settings = {"hidden_layer_sizes": (), "max_epochs": 1, "batch_size": 16, "random_state": 0}
    model = Autoencoder(2, **settings, early_stopping=False, shortcut="linear")
    model.fit(X[:48])
    assert model.transform(X[:3]).shape == (3, 2)
    assert center_and_scale(SparseRows(X))[0].shape == (400_000,)


def test_nothing_but_batches_becomes_dense(monkeypatch, counts):
    X = sp.csr_array(np.tile(counts, (20, 1)))
    shapes = []
    make = SparseRows.dense

    def watched(self):
        shapes.append(self.shape)
        return make(self)

    monkeypatch.setattr(SparseRows, "dense", watched)
    monkeypatch.setattr(architecture, "START_ENTRIES", 64 * X.shape[1])
    monkeypatch.setattr("skae.engine.net.INFERENCE_ELEMENTS", 64 * X.shape[1])
    for cls in OF_ZEROS:
        model = quick(cls, early_stopping=True, max_epochs=1, batch_size=50).fit(X)
        model.transform(X)
        model.score_samples(X)
    assert max(n for n, _ in shapes) <= 150  # the batches of the layers of a stack


def test_pca_of_large_sparse_rows_is_that_of_dense_ones(monkeypatch, counts):
    start = quick(Autoencoder, max_epochs=0, hidden_layer_sizes=())
    monkeypatch.setattr(architecture, "START_ENTRIES", 10)
    rebuilt = start.fit(sp.csr_array(counts)).reconstruct(counts)
    pca = PCA(3).fit(counts)
    expected = pca.inverse_transform(pca.transform(counts))
    assert_allclose(rebuilt, expected, atol=1e-4)
    with pytest.raises(ValueError, match="code_size=0.9.*sparse"):
        Autoencoder(0.9).fit(sp.csr_array(counts))


# -- SparseRows ---------------------------------------------------------------------------------


@pytest.mark.parametrize("absent", [0.0, 2.0, np.nan, np.arange(12.0)])
def test_dense_rows(absent, counts):
    rows = SparseRows(sp.csr_array(counts), absent)
    expected = np.where(counts == 0, absent, counts)
    for index in (slice(None), slice(3, 9, 2), np.array([5, 5, 0]), torch.tensor([1, 2])):
        place = index.numpy() if isinstance(index, torch.Tensor) else index
        assert_array_equal(rows[index].dense(), expected[place])
    parts = rows.tensor_split(7)
    assert_array_equal(torch.cat([part.dense() for part in parts]), expected)
    if not np.isnan(absent).any():
        assert_array_equal(rows.amin(0), expected.min(axis=0))
        assert_array_equal(rows.amax(0), expected.max(axis=0))
    assert_array_equal(
        dense(rows.map(lambda x, columns: 2 * x + columns)), 2 * expected + np.arange(12)
    )


def test_parts_of_the_stored_entries(counts):
    rows = SparseRows(sp.csr_array(counts))
    chosen = np.random.default_rng(0).random(rows.matrix.nnz) < 0.5
    one, other = rows.where(chosen), rows.where(~chosen)
    assert one.matrix.nnz == chosen.sum()
    assert_array_equal(one.dense() + other.dense(), counts)


@pytest.mark.parametrize("unknown", [False, True])
def test_center_and_scale(unknown, counts):
    array = np.where(counts == 0, np.nan, counts) if unknown else counts
    center, scale = center_and_scale(array)
    found = center_and_scale(SparseRows(sp.csr_array(counts), np.nan if unknown else 0.0))
    assert_allclose(found[0], center, rtol=1e-6)
    assert found[1] == pytest.approx(scale, rel=1e-6)


@pytest.mark.parametrize("shuffle", [True, False])
def test_batches_of_sparse_rows_are_those_of_dense_rows(shuffle, counts):
    arrays = torch.from_numpy(counts), SparseRows(sp.csr_array(counts))
    epochs = []
    for rows in arrays:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            epochs.append(list(Batches(Batch.of(rows), 7, shuffle)))
    for one, other in zip(*epochs, strict=True):
        assert torch.equal(one.x, other.x)
        assert other.target is other.x
        assert other.observed is None
    assert batches.filled(arrays[1])[1] is None
