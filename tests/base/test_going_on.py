"""`warm_start` and `partial_fit`: what may change is obeyed, and what shaped the net is refused."""

import pickle

import numpy as np
import pytest
import torch
from helpers import SHORT
from torch import nn

from skae import (
    Autoencoder,
    ContractiveAutoencoder,
    DenoisingAutoencoder,
    KSparseAutoencoder,
    SequenceAutoencoder,
    SparseAutoencoder,
    VariationalAutoencoder,
)

pytestmark = pytest.mark.filterwarnings("ignore:max_epochs=")

SHAPES = [
    (Autoencoder, {"hidden_layer_sizes": (9,)}),
    (Autoencoder, {"activation": "relu"}),
    (Autoencoder, {"dropout": 0.5}),
    (Autoencoder, {"shortcut": None}),
    (Autoencoder, {"code_size": 0.9}),
    (Autoencoder, {"code_size": 3}),
    (Autoencoder, {"code_size": None}),
    (Autoencoder, {"tied_weights": True}),
    (Autoencoder, {"encoder": nn.Linear}),
    (Autoencoder, {"loss": "huber"}),
    (Autoencoder, {"output_activation": "tanh"}),
    (DenoisingAutoencoder, {"noise": "masking"}),
    (KSparseAutoencoder, {"k": 1}),
    (VariationalAutoencoder, {"likelihood": "bernoulli"}),
    (SequenceAutoencoder, {"cell": "lstm"}),
    (SequenceAutoencoder, {"hidden_size": 7}),
]


def rows_for(cls, X):
    return X.reshape(len(X), 3, -1) if cls is SequenceAutoencoder else X


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize(("cls", "change"), SHAPES, ids=str)
def test_what_shaped_the_net_is_refused(cls, change, method, X):
    X = rows_for(cls, X)
    estimator = cls(**SHORT, warm_start=True).fit(X)
    codes = estimator.transform(X)
    estimator.set_params(**change)
    with pytest.raises(ValueError, match=f"^{next(iter(change))}="):
        getattr(estimator, method)(X)
    np.testing.assert_array_equal(estimator.transform(X), codes)
    again = pickle.loads(pickle.dumps(estimator))
    with pytest.raises(ValueError, match=f"^{next(iter(change))}="):
        getattr(again, method)(X)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_the_same_said_otherwise_goes_on(method, X):
    ae = Autoencoder(**SHORT, warm_start=True).fit(X)
    ae.set_params(hidden_layer_sizes=[8], code_size=np.int64(2))
    getattr(ae, method)(X)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_the_optimizer_is_obeyed(method, X):
    ae = Autoencoder(**SHORT, warm_start=True).fit(X)
    ae.set_params(optimizer="sgd", lr=1e-5, optimizer_params={"momentum": 0.5})
    getattr(ae, method)(X)
    assert type(ae.net_.optimizer_) is torch.optim.SGD
    assert ae.net_.lr == 1e-5
    assert all(group["momentum"] == 0.5 for group in ae.net_.optimizer_.param_groups)


def test_partial_fit_keeps_its_optimizer_where_nothing_changed(X):
    ae = Autoencoder(**SHORT).partial_fit(X)
    steps = [int(state["step"]) for state in ae.net_.optimizer_.state.values()]
    ae.partial_fit(X)
    after = [int(state["step"]) for state in ae.net_.optimizer_.state.values()]
    assert after == [2 * n for n in steps]


@pytest.mark.parametrize(
    ("cls", "change"),
    [
        (SparseAutoencoder, {"sparsity": 7.0}),
        (ContractiveAutoencoder, {"contraction": 7.0}),
        (VariationalAutoencoder, {"beta": 7.0}),
    ],
)
def test_the_weight_of_a_penalty_is_obeyed_by_partial_fit(cls, change, X):
    estimator = cls(**SHORT).partial_fit(X)
    estimator.set_params(**change).partial_fit(X)
    (name, value) = next(iter(change.items()))
    assert getattr(estimator.net_.criterion_, name) == value


def test_many_calls_of_partial_fit_stay_small(X):
    ae = Autoencoder(**{**SHORT, "hidden_layer_sizes": ()})
    sizes = []
    for i in range(400):
        ae.partial_fit(X[:20])
        if i % 100 == 99:
            sizes.append(len(pickle.dumps(ae)))
    assert ae.n_iter_ == 400
    assert len(ae.net_.history) == len(ae.loss_curve_) <= 201
    assert sizes[-1] - sizes[-2] < 100
