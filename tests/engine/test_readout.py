"""A column that a net rebuilds worse than the best linear map of its codes is left to that map."""

import numpy as np
import pytest
import torch
from helpers import SMALL
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.datasets import load_wine
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split

import skae.base.training
from skae import Autoencoder, DenoisingAutoencoder, SparseAutoencoder
from skae.engine.batches import Batch
from skae.engine.readout import (
    can_leave,
    columns_to_leave,
    leave,
    leave_columns,
    linear_map,
    through,
)

SETTINGS = {**SMALL, "early_stopping": False, "max_epochs": 5}

pytestmark = pytest.mark.filterwarnings("ignore:max_epochs=")


def gains_in_r2(X, code_size):
    """By column of held-out rows: R2 less that of PCA."""
    train, test = train_test_split(X, random_state=0)
    errors = []
    for model in (PCA(code_size), Autoencoder(code_size, random_state=0)):
        model.fit(train)
        errors.append(((test - model.inverse_transform(model.transform(test))) ** 2).sum(axis=0))
    return (errors[0] - errors[1]) / ((test - test.mean(axis=0)) ** 2).sum(axis=0)


@pytest.mark.parametrize("step", [10, 100, 1000])
def test_columns_of_any_size_are_rebuilt_about_as_well_as_by_pca(step, monkeypatch):
    X = load_wine().data
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    X = X * np.array([1.0, step, step**2])[np.arange(13) % 3]
    assert gains_in_r2(X, 4).min() > -0.03
    monkeypatch.setattr(skae.base.training, "leave_columns", lambda *parts: None)
    if step > 10:
        assert gains_in_r2(X, 4).min() < -0.4


@pytest.fixture
def fitted(X):
    estimator = Autoencoder(**SETTINGS).fit(X)
    return estimator, estimator.net_.module_, estimator._as_rows(estimator._check_given(X))


@pytest.mark.parametrize("gaps", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_map_is_that_of_least_squares(gaps, weighted, fitted):
    _, module, rows = fitted
    rng = np.random.default_rng(0)
    if gaps:
        observed = torch.from_numpy(rng.random(rows.x.shape) < 0.8)
        rows = Batch(rows.x, rows.target, observed)
    weight = np.ones(len(rows))
    if weighted:
        weight = rng.uniform(0.5, 2, len(rows))
        rows = rows.replace(weight=torch.from_numpy(weight))
    maps, biases = linear_map(module, rows)
    codes = np.column_stack([through(module, rows)[0], np.ones(len(rows))])
    for j in range(rows.target.shape[1]):
        w = np.sqrt(weight * (observed[:, j].numpy() if gaps else 1.0))
        expected = np.linalg.lstsq(codes * w[:, None], rows.target[:, j].numpy() * w, rcond=None)[0]
        assert_allclose([*maps[j], biases[j]], expected, atol=1e-5)


def test_columns_that_are_left_are_linear_in_the_code_and_others_stay(fitted, X):
    estimator, module, rows = fitted
    before = estimator.reconstruct(X)
    columns = torch.tensor([True, False, False, True, False, False])
    leave(module, columns, linear_map(module, rows))
    after = estimator.reconstruct(X)
    assert_allclose(after[:, ~columns], before[:, ~columns])
    codes = np.column_stack([estimator.transform(X), np.ones(len(X))])
    linear = codes @ np.linalg.lstsq(codes, X, rcond=None)[0]
    assert_allclose(after[:, columns], linear[:, columns], atol=1e-4)
    assert np.abs(before[:, columns] - linear[:, columns]).max() > 1e-3


def test_a_large_column_is_left_only_where_the_gain_is_sure(fitted):
    estimator, module, rows = fitted
    nets, maps = [estimator.net_], [linear_map(module, rows)]
    assert not columns_to_leave(nets, maps, [rows]).any()
    with torch.no_grad():
        module.decoder.path.last.bias[1] += 10.0
    maps = [linear_map(module, rows)]
    assert columns_to_leave(nets, maps, [rows]).tolist() == [
        False,
        True,
        *[False] * 4,
    ]


@pytest.mark.parametrize(
    "estimator",
    [
        *(
            Autoencoder(**SETTINGS, **params)
            for params in (
                {"tied_weights": True},
                {"shortcut": None},
                {"loss": "huber"},
                {"output_activation": "tanh"},
            )
        ),
        Autoencoder(**{**SETTINGS, "hidden_layer_sizes": ()}),
        DenoisingAutoencoder(**SETTINGS),
        SparseAutoencoder(**SETTINGS),
    ],
    ids=str,
)
def test_where_no_column_can_be_left(estimator, X):
    estimator = clone(estimator).fit(X)
    rows = estimator._as_rows(estimator._check_given(X))
    assert not can_leave(estimator.net_, rows)
    assert leave_columns([estimator.net_], [rows], [rows]) is None
