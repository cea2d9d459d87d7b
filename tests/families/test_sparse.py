"""The sparse autoencoder: its two penalties, and the codes that they give."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from helpers import SHORT
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import entropy
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from skae import KSparseAutoencoder, SparseAutoencoder
from skae.engine.batches import Batch
from skae.engine.objectives import Objective
from skae.families.sparse import KLObjective
from skae.model_selection import reconstruction_r2
from skae.nn.autoencoder import Output

ZEROS_GIVEN = [SparseAutoencoder, KSparseAutoencoder]


@pytest.fixture(scope="module")
def split(digits):
    return digits[:1300], digits[1300:]


def train_and_test_codes(split, **params):
    train, test = split
    ae = SparseAutoencoder(128, random_state=0, **params).fit(train)
    return ae, ae.transform(test), reconstruction_r2(ae, test)


def test_kl_brings_every_live_unit_to_rho(split):
    ae, codes, r2 = train_and_test_codes(split, penalty="kl", sparsity=0.1)
    live = (codes > 0.1).any(axis=0)
    assert live.mean() > 0.9
    assert np.abs(codes[:, live].mean(axis=0) - 0.05).mean() < 0.02
    assert r2 > 0.8
    assert codes.min() > 0
    assert codes.max() < 1


def test_kl_with_another_rho_and_tanh(split):
    _, codes, r2 = train_and_test_codes(
        split, penalty="kl", sparsity=0.1, rho=0.2, code_activation="tanh"
    )
    assert np.abs((codes.mean(axis=0) + 1) / 2 - 0.2).mean() < 0.03
    assert r2 > 0.8


def test_more_sparsity_gives_more_zeros_and_less_fidelity(split):
    shares, r2s = [], []
    for sparsity in (0, 1e-3, 1e-2, 5e-2):
        _, codes, r2 = train_and_test_codes(split, sparsity=sparsity)
        shares.append((codes == 0).mean())
        r2s.append(r2)
    assert (np.diff(shares) > 0.02).all()
    assert (np.diff(r2s)[1:] < 0).all()
    assert shares[-1] > 0.8


# -- the estimate of rho_hat --------------------------------------------------------------------


class Module(torch.nn.Module):
    """As much of a module as a penalty looks at."""

    progress = 1.0


def kl_of(codes, n_batches, rho=0.05):
    """The mean penalty over the batches of one pass, after another; and its mean gradient."""
    objective = KLObjective(Objective(), 1.0, rho, 0.0, codes.shape[1])
    module, penalties, gradients = Module().train(), [], []
    for batch in 2 * list(codes.tensor_split(n_batches)):
        offset = torch.zeros(codes.shape[1], requires_grad=True)
        penalty = objective.penalty(Output(batch + offset, None), Batch.of(batch), module)
        penalty.backward()
        penalties.append(penalty.item())
        gradients.append(offset.grad)
    half = len(penalties) // 2
    return np.mean(penalties[half:]), torch.stack(gradients[half:]).mean(0)


def test_the_batch_size_does_not_change_what_kl_minimizes():
    # activations that are rarely on: a batch of 8 says nearly nothing of their mean
    generator = torch.Generator().manual_seed(0)
    codes = (torch.rand(8192, 32, generator=generator) < 0.05).float() * 0.98 + 0.01
    whole, slope = kl_of(codes, 8)
    for n_batches in (64, 1024):
        penalty, gradient = kl_of(codes, n_batches)
        assert penalty == pytest.approx(whole, abs=0.05)
        assert_allclose(gradient, slope, atol=0.15)
    means = codes.tensor_split(1024)[0].mean(0)
    by_the_batch = sum(entropy([0.05, 0.95], [m, 1 - m]) for m in means.tolist())
    assert by_the_batch > whole + 0.5  # what a batch of 8 alone would have been punished for


def test_kl_is_the_divergence():
    codes = torch.tensor([[0.2, 0.5], [0.4, 0.7]])
    objective = KLObjective(Objective(), 2.0, 0.1, 0.0, codes.shape[1])
    value = objective.penalty(Output(codes, None), Batch.of(codes), Module().eval()).item()
    expected = sum(entropy([0.1, 0.9], [m, 1 - m]) for m in (0.3, 0.6))
    assert value == pytest.approx(2 * expected, rel=1e-5)


# -- sparse output, and who is active -----------------------------------------------------------


@pytest.mark.parametrize("cls", ZEROS_GIVEN)
@pytest.mark.filterwarnings("ignore:max_epochs")
def test_sparse_output_is_the_same_codes(cls, split):
    train, test = split
    dense = cls(96, max_epochs=5, early_stopping=False, random_state=0).fit(train)
    codes = dense.transform(test)
    sparse = dense.set_params(sparse_output=True).transform(test)
    assert sp.issparse(sparse)
    assert sparse.format == "csr"
    assert sparse.dtype == test.dtype
    assert sparse.nnz == (codes != 0).sum()
    assert_array_equal(sparse.toarray(), codes)
    assert_array_equal(dense.inverse_transform(sparse), dense.inverse_transform(codes))


@pytest.mark.parametrize("cls", ZEROS_GIVEN)
def test_sparse_codes_go_through_a_pipeline(cls, digits):
    labels = digits[:, 20] > np.median(digits[:, 20])
    pipeline = make_pipeline(
        cls(96, sparse_output=True, random_state=0), LogisticRegression(max_iter=500)
    )
    assert pipeline.fit(digits[:600], labels[:600]).score(digits[600:], labels[600:]) > 0.8


@pytest.mark.filterwarnings("ignore:max_epochs")
@pytest.mark.parametrize("cls", ZEROS_GIVEN)
def test_activity_of_the_units(cls, X):
    ae = cls(**{**SHORT, "code_size": 12, "hidden_layer_sizes": ()}).fit(X)
    codes = ae.transform(X)
    assert_allclose(ae.mean_activation_, codes.mean(axis=0))
    assert_allclose(ae.feature_density_, (codes != 0).mean(axis=0))
    assert ae.dead_fraction_ == (codes == 0).all(axis=0).mean()
    assert ae.l0_ == pytest.approx((codes != 0).sum(axis=1).mean())


def test_the_default_code_is_overcomplete(X):
    assert SparseAutoencoder(random_state=0).fit(X).code_size_ == 12


@pytest.mark.parametrize(
    ("params", "match"),
    [
        ({"sparsity": -1e-3}, "sparsity"),
        ({"rho": 0.0}, "rho"),
        ({"rho": 1.0}, "rho"),
        ({"penalty": "l2"}, "penalty"),
        ({"penalty": "kl", "code_activation": "relu"}, "sigmoid.*tanh.*'relu'"),
        ({"penalty": "kl", "sparse_output": True}, "needs codes with zeros.*'sigmoid' does not"),
        ({"code_activation": "identity", "sparse_output": True}, "'identity' does not"),
    ],
)
def test_bad_parameters(params, match, X):
    with pytest.raises(ValueError, match=match):
        SparseAutoencoder(**{**SHORT, **params}).fit(X)
