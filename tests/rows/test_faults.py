"""Faults of what users handed in, each by its kind: an answer, or an error that names it."""

from contextlib import suppress

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from discovery import AUTOENCODERS, ESTIMATORS, over, quick
from numpy.testing import assert_allclose
from sklearn.decomposition import PCA
from skorch.callbacks import GradientNormClipping

from skae import (
    Autoencoder,
    AutoencoderClassifier,
    AutoencoderCompressor,
    AutoencoderImputer,
    AutoencoderOutlierDetector,
    ConvolutionalAutoencoder,
    DenoisingAutoencoder,
    MaskedAutoencoder,
    RatingAutoencoder,
    SequenceAutoencoder,
    VariationalAutoencoder,
    VectorQuantizedAutoencoder,
)
from skae._errors import NotFiniteError

pytestmark = pytest.mark.filterwarnings("ignore:max_epochs=")


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("amount", lambda ae, X: ae.edit(X, [1, 0, 0], "a")),
        ("amount", lambda ae, X: ae.edit(X, [1, 0, 0], None)),
        ("direction", lambda ae, X: ae.edit(X, [1, None, 0])),
        ("values", lambda ae, X: ae.traverse(X[0], 0, [np.inf])),
        ("unit", lambda ae, X: ae.traverse(X[0], True, [1.0])),
        ("n_samples", lambda ae, X: ae.sample(10**12)),
        ("random_state", lambda ae, X: ae.sample(random_state="a")),
        ("sample_weight", lambda ae, X: ae.score(X, sample_weight=np.full(len(X), np.nan))),
        ("sample_weight", lambda ae, X: ae.score(X, sample_weight=["a"] * len(X))),
        ("codes", lambda ae, X: ae.inverse_transform([["a", "b", "c"]])),
    ],
)
def test_arguments_that_are_no_numbers(name, call, fitted, X):
    with pytest.raises(ValueError, match=name):
        call(fitted(Autoencoder), X)


@pytest.mark.parametrize(
    ("cls", "name", "value"),
    [
        (Autoencoder, "hidden_layer_sizes", True),
        (Autoencoder, "code_size", True),
        (SequenceAutoencoder, "horizon", True),
        (Autoencoder, "code_size", 10**9),
        (Autoencoder, "hidden_layer_sizes", (10**9,)),
        (MaskedAutoencoder, "depth", 10**9),
        (MaskedAutoencoder, "decoder_depth", 10**9),
        (SequenceAutoencoder, "n_layers", 10**9),
        (VectorQuantizedAutoencoder, "codebook_size", 10**12),
        (AutoencoderOutlierDetector, "n_estimators", 10**9),
        (Autoencoder, "device", "meta"),
        (Autoencoder, "lr_schedule", lambda progress: None),
    ],
)
def test_booleans_for_numbers_and_what_no_memory_holds(cls, name, value, X):
    estimator = quick(cls).set_params(**{name: value})
    with pytest.raises(ValueError, match=name):
        estimator.fit(X)


def test_callbacks_in_a_tuple_and_what_are_none(X):
    quick(Autoencoder, callbacks=(GradientNormClipping(1.0),)).fit(X)
    with pytest.raises(TypeError, match="callbacks must be callbacks of skorch"):
        quick(Autoencoder, callbacks=[4]).fit(X)


def test_rows_to_become_given_as_y(X):
    with pytest.warns(UserWarning, match="give them as target="):
        quick(DenoisingAutoencoder).fit(X, X.copy())


# A millionth of the size of others, a column may lose some: that rows are judged column by column
# is not done yet. It was tens before.
@pytest.mark.parametrize(("size", "lost"), [(1.0, 0.02), (100.0, 0.02), (1000.0, 0.5)])
def test_small_columns_beside_large_ones(size, lost):
    """Raw columns of sizes 1 : s : s^2 are rebuilt about as well as by PCA, the smallest too."""
    rng = np.random.default_rng(0)
    X = np.tanh(rng.normal(size=(400, 3)) @ rng.normal(size=(3, 9)))
    X = (X + 0.05 * rng.normal(size=X.shape)) * np.repeat([1.0, size, size**2], 3)
    train, test = X[:300], X[300:]

    def r2(model):
        errors = ((test - model.inverse_transform(model.transform(test))) ** 2).mean(axis=0)
        return (1 - errors / test.var(axis=0))[:3].min()

    ae = Autoencoder(3, hidden_layer_sizes=(32,), random_state=0).fit(train)
    assert r2(ae) >= r2(PCA(3).fit(train)) - lost


def test_heads_that_no_memory_holds(X):
    with pytest.raises(ValueError, match="head_layer_sizes"):
        quick(AutoencoderClassifier, head_layer_sizes=(10**9,)).fit(X, np.arange(len(X)) % 2)


def test_a_vocabulary_that_is_none():
    with pytest.raises(TypeError, match="vocabulary must be"):
        quick(SequenceAutoencoder, vocabulary=list).fit(["ab", "ba"] * 10)


def test_users_and_items_of_different_lengths():
    ratings = np.random.default_rng(0).integers(0, 6, (30, 12))
    model = quick(RatingAutoencoder).fit(ratings)
    with pytest.raises(ValueError, match="users and items must be of one shape"):
        model.predict_ratings([1, 2, 3], [1, 2])
    assert model.predict_ratings([1, 2, 3], 2).shape == (3,)


@pytest.mark.parametrize("weight", [1e308, np.inf, np.nan, -1.0, "a"])
@over([Autoencoder, AutoencoderClassifier])
def test_weights_that_do_not_add_up(cls, weight, X):
    labels = np.arange(len(X)) % 2
    with pytest.raises(ValueError, match="sample_weight"):
        quick(cls).fit(X, labels, sample_weight=[weight] * len(X))


@pytest.mark.parametrize("size", [1e20, 1e60, 1e300])
@over([c for c in AUTOENCODERS if c is not ConvolutionalAutoencoder])
def test_rows_that_no_arithmetic_reaches(cls, size, X, fitted):
    """Finite answers, or an error."""
    model = fitted(cls)
    for method in ("transform", "reconstruct", "score_samples"):
        with suppress(NotFiniteError):
            answer = getattr(model, method)(X * size)
            assert np.isfinite(np.asarray(answer, dtype=float)).all()


def test_hidden_entries_of_rows_that_no_arithmetic_reaches(X, fitted):
    mask = np.arange(X.size).reshape(X.shape) % 2 == 0
    with pytest.raises(ValueError, match="would not be finite"):
        fitted(MaskedAutoencoder).reconstruct(X * 1e300, mask=mask)


@pytest.mark.parametrize("kind", ["gradients", "half", "brain"])
@over(ESTIMATORS)
def test_tensors_of_torch_are_arrays(cls, kind, X):
    make = {
        "gradients": lambda a: torch.tensor(a, dtype=torch.float32, requires_grad=True),
        "half": lambda a: torch.tensor(a).half(),
        "brain": lambda a: torch.tensor(a).bfloat16().requires_grad_(),
    }[kind]
    shape = (len(X), 2, 3) if cls is ConvolutionalAutoencoder else X.shape
    rows = X.reshape(shape)
    if cls is AutoencoderImputer:
        rows = np.where(np.arange(rows.size).reshape(rows.shape) % 7 == 3, np.nan, rows)
    tensor = make(rows)
    fitted = quick(cls).fit(tensor)
    same = quick(cls).fit(tensor.detach().float().numpy())
    method = "compress" if cls is AutoencoderCompressor else "score_samples"
    method = method if hasattr(fitted, method) else "transform"
    answers = [getattr(fitted, method)(tensor)]
    answers.append(getattr(same, method)(tensor.detach().float().numpy()))
    if cls is AutoencoderCompressor:
        assert len(answers[0]) == len(answers[1])
    else:
        assert_allclose(*answers, rtol=1e-5)


def test_tensors_beside_rows(X):
    rows = torch.tensor(X, requires_grad=True)
    model = quick(VariationalAutoencoder).fit(rows, condition=rows[:, 0])
    assert_allclose(
        model.transform(rows, condition=rows[:, 0]), model.transform(X, condition=X[:, 0])
    )
    weighed = quick(Autoencoder).fit(X, sample_weight=torch.ones(len(X), requires_grad=True))
    same = quick(Autoencoder).fit(X, sample_weight=np.ones(len(X)))
    assert_allclose(weighed.transform(X), same.transform(X))
    paired = quick(Autoencoder).fit(X, target=rows)
    assert_allclose(paired.transform(X), quick(Autoencoder).fit(X, target=X).transform(X))
    of_codes = torch.tensor(paired.transform(X), requires_grad=True)
    assert_allclose(paired.inverse_transform(of_codes), paired.reconstruct(X), rtol=1e-5)
    steps = [torch.rand(3 + i % 2, requires_grad=True) for i in range(20)]
    quick(SequenceAutoencoder).fit(steps)


@pytest.mark.parametrize("given", [torch.tensor(3), {"a": 1}, np.array(2), 5.0])
def test_categories_that_are_no_list_of_columns_are_named(given, X):
    with pytest.raises((ValueError, TypeError), match="categorical_features"):
        quick(Autoencoder, categorical_features=given).fit(X)


def test_labels_that_are_missing_and_values_that_are_none(X):
    fitted = quick(Autoencoder).fit(X)
    for missing in (np.nan, None, pd.NA):
        y = np.array([0, 1, missing] * 26 + [0, 1], dtype=object)
        with pytest.raises(ValueError, match="y holds missing values"):
            fitted.attribute_direction(X, y)
    with pytest.raises(ValueError, match="values must be one number or more"):
        fitted.traverse(X[:1], 0, [])


def test_numbers_beyond_those_of_the_machine():
    X = np.where(np.arange(60.0).reshape(20, 3) % 7 == 0, np.nan, np.arange(60.0).reshape(20, 3))
    imputer = AutoencoderImputer(quick(Autoencoder), missing_values=2**100)
    assert not np.isnan(imputer.fit_transform(X)).any()
    with pytest.raises(ValueError, match="noise_level"):
        quick(DenoisingAutoencoder, noise_level=1e300).fit(np.nan_to_num(X))


def test_a_view_of_memory_is_a_source(X, tmp_path):
    fitted = quick(Autoencoder).fit(X)
    X = np.array(X)
    codes = np.concatenate(list(fitted.transform_blocks(memoryview(X))))
    assert_allclose(codes, fitted.transform(X))
    with pytest.raises(ValueError, match="source names the folder .* no .parquet"):
        list(fitted.transform_blocks(tmp_path))


def test_a_sparse_condition_and_what_is_neither_true_nor_false(X):
    with pytest.raises(TypeError, match="condition is sparse"):
        quick(VariationalAutoencoder).fit(X, condition=sp.csr_array(X > 0))
    likes = (X > 0).astype(float)
    recommender = quick(RatingAutoencoder).fit(likes)
    for odd in (np.array([True, False]), "yes", []):
        with pytest.raises(ValueError, match="exclude_seen must be True or False"):
            recommender.recommend(likes, n_items=1, exclude_seen=odd)
