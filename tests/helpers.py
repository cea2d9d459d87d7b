"""What the tests of `Autoencoder` share."""

import numpy as np
import torch

SMALL = {"code_size": 2, "hidden_layer_sizes": (8,), "random_state": 0}
SHORT = {**SMALL, "max_epochs": 3, "early_stopping": False}
# Starts far from PCA and learns a little in every epoch, whatever the defaults are.
LEARNS = {"shortcut": None, "lr": 0.01, "lr_schedule": "constant"}


def reconstruct(estimator, X):
    return estimator.inverse_transform(estimator.transform(X))


def error(estimator, X):
    return ((X - reconstruct(estimator, X)) ** 2).sum()


def assert_close_to_pca(estimator, pca, X, rtol):
    """The difference of the reconstructions, relative to the spread of PCA's."""
    expected = reconstruct(pca, X)
    difference = np.linalg.norm(reconstruct(estimator, X) - expected)
    assert difference <= rtol * np.linalg.norm(expected - expected.mean(axis=0))


def states(net):
    return {name: tensor.clone() for name, tensor in net.module_.state_dict().items()}


def assert_equal_states(one, other):
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)
