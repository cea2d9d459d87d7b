"""The denoising autoencoder: its corruptions, and what Vincent et al. say of it."""

import numpy as np
import pytest
import torch
from helpers import SHORT, assert_equal_states, reconstruct, states
from numpy.testing import assert_array_equal
from sklearn.datasets import load_wine
from sklearn.decomposition import PCA
from torch import nn

from skae import (
    Autoencoder,
    ContractiveAutoencoder,
    DenoisingAutoencoder,
    KSparseAutoencoder,
    SparseAutoencoder,
)
from skae.nn.autoencoder import find
from skae.nn.layers import NOISES, MaskingNoise, Noise, SaltAndPepperNoise, SwapNoise
from skae.rows.given import Given
from skae.streams import Blocks

ROWS = torch.randn(5000, 4, generator=torch.Generator().manual_seed(0)) + torch.arange(4.0)


def corrupted(noise, x=ROWS):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        noise.learn(x)
        return noise.train()(x)


# -- the corruptions ----------------------------------------------------------------------------


def test_gaussian_noise_has_the_standard_deviation_asked_for():
    added = corrupted(NOISES["gaussian"](0.5)) - ROWS
    assert added.std().item() == pytest.approx(0.5, rel=0.05)
    assert abs(added.mean().item()) < 0.02


@pytest.mark.parametrize("name", ["masking", "salt_and_pepper", "swap"])
@pytest.mark.parametrize("level", [0.1, 0.5, 1.0])
def test_the_other_noises_change_the_share_of_entries_asked_for(name, level):
    changed = (corrupted(NOISES[name](level)) != ROWS).float().mean().item()
    assert changed == pytest.approx(level, abs=0.02)


def test_masking_puts_the_center():
    noisy = corrupted(MaskingNoise(0.3))
    assert (noisy[noisy != ROWS] == 0).all()


def test_salt_and_pepper_puts_the_extremes_of_the_column_in_equal_shares():
    noisy = corrupted(SaltAndPepperNoise(0.4))
    low, high = noisy == ROWS.amin(0), noisy == ROWS.amax(0)
    assert ((noisy == ROWS) | low | high).all()
    assert low.float().mean().item() == pytest.approx(0.2, abs=0.02)
    assert high.float().mean().item() == pytest.approx(0.2, abs=0.02)


def test_swap_puts_values_of_the_same_column():
    noisy = corrupted(SwapNoise(0.5))
    for j in range(ROWS.shape[1]):
        assert torch.isin(noisy[:, j], ROWS[:, j]).all()


@pytest.mark.parametrize("name", NOISES)
def test_noise_acts_in_training_only_and_at_level_0_draws_no_random_number(name):
    noise = NOISES[name](0.5).eval()
    assert noise(ROWS) is ROWS
    state = torch.get_rng_state()
    assert NOISES[name](0.0).train()(ROWS) is ROWS
    assert torch.equal(torch.get_rng_state(), state)


# -- the estimator ------------------------------------------------------------------------------


@pytest.mark.parametrize("early_stopping", [True, False])
@pytest.mark.parametrize("noise", NOISES)
def test_no_noise_is_the_plain_autoencoder_bit_for_bit(noise, early_stopping, X):
    settings = {**SHORT, "early_stopping": early_stopping}
    with pytest.warns() if early_stopping else pytest.warns(UserWarning, match="max_epochs"):
        plain = Autoencoder(**settings).fit(X)
        denoising = DenoisingAutoencoder(**settings, noise=noise, noise_level=0).fit(X)
    assert_array_equal(denoising.transform(X), plain.transform(X))
    assert_array_equal(reconstruct(denoising, X), reconstruct(plain, X))
    assert denoising.offset_ == plain.offset_


@pytest.mark.parametrize("noise", ["gaussian", "masking", "swap"])
def test_it_denoises_better_than_the_best_pca(noise, digits):
    train, test = digits[:1200], digits[1200:]
    rng = np.random.default_rng(0)
    if noise == "gaussian":
        level, noisy = 0.5, test + 0.5 * np.sqrt(train.var(0).mean()) * rng.normal(size=test.shape)
    elif noise == "masking":
        level = 0.25
        noisy = np.where(rng.random(test.shape) < level, train.mean(0), test)
    else:
        level = 0.25
        others = train[rng.integers(len(train), size=test.shape), np.arange(64)]
        noisy = np.where(rng.random(test.shape) < level, others, test)
    best = min(
        ((reconstruct(PCA(k).fit(train), noisy) - test) ** 2).mean() for k in range(5, 64, 3)
    )
    autoencoder = DenoisingAutoencoder(
        64, noise=noise, noise_level=level, max_epochs=15, early_stopping=False, random_state=0
    )
    with pytest.warns(UserWarning, match="max_epochs"):
        denoised = autoencoder.fit(train).denoise(noisy)
    assert ((denoised - test) ** 2).mean() < 0.8 * best


def test_held_out_rows_are_judged_by_their_corrupted_copies(X):
    ae = DenoisingAutoencoder(5, hidden_layer_sizes=(), noise_level=1.0, random_state=0).fit(X)
    # PCA with 5 of 6 columns loses nearly nothing of clean rows, and lets the noise through
    assert ae.validation_loss_curve_[0] > 0.3
    assert ae.n_iter_ > 0


@pytest.mark.parametrize("which", ["alpha", "beta"])
def test_emphasis_weighs_the_two_kinds_of_entries(which, X):
    settings = {**SHORT, "noise": "masking", "noise_level": 0.5}
    emphasis = (1.0, 0.0) if which == "alpha" else (0.0, 1.0)
    with pytest.warns(UserWarning, match="max_epochs"):
        ae = DenoisingAutoencoder(**settings, emphasis=emphasis).fit(X)
    net, rows = ae.net_, ae._as_rows(Given(X))
    net.module_.train()
    output = net.module_(rows.x)
    mask = find(net.module_.encoder, Noise).corrupted
    assert 0.3 < mask.float().mean() < 0.7
    squares = (output.reconstruction - rows.target) ** 2
    kept = mask if which == "alpha" else ~mask
    expected = (squares * kept).mean()
    assert net.criterion_(output, rows, net.module_).item() == pytest.approx(
        expected.item(), rel=1e-5
    )


def test_equal_emphasis_is_none(X):
    settings = {**SHORT, "noise": "masking", "noise_level": 0.3}
    with pytest.warns(UserWarning, match="max_epochs"):
        one, other = (
            DenoisingAutoencoder(**settings, emphasis=e).fit(X) for e in (None, (1.0, 1.0))
        )
    assert_equal_states(states(one.net_), states(other.net_))


def double(x):
    return 2 * x


class AddOne(nn.Module):
    def forward(self, x):
        return x + 1


@pytest.mark.parametrize("noise", [double, AddOne(), AddOne])
@pytest.mark.filterwarnings("ignore:max_epochs")
def test_a_noise_of_ones_own(noise, X):
    ae = DenoisingAutoencoder(**SHORT, noise=noise).fit(X)
    layer = find(ae.net_.module_.encoder, Noise)
    if isinstance(noise, type):
        noise = noise()
    assert torch.equal(layer.train()(ROWS), noise(ROWS))
    layer.eval()
    assert not np.array_equal(ae.transform(X), Autoencoder(**SHORT).fit(X).transform(X))


@pytest.mark.parametrize("given", [np.asarray, Blocks])
@pytest.mark.filterwarnings("ignore:max_epochs")
def test_a_noise_of_ones_own_draws_from_the_fit(given, X):
    """While it trains, and when it corrupts the rows that are held out."""
    state = torch.get_rng_state()
    settings = {**SHORT, "early_stopping": True, "noise": lambda x: x + torch.randn_like(x)}
    first, again = (DenoisingAutoencoder(**settings).fit(given(X)) for _ in range(2))
    assert first.validation_loss_curve_ == again.validation_loss_curve_
    assert_array_equal(first.transform(X), again.transform(X))
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ("params", "match"),
    [
        ({"noise_level": -0.1}, "noise_level"),
        ({"noise": "masking", "noise_level": 1.1}, r"share of entries.*\[0, 1\].*1.1"),
        ({"noise": "hiss"}, "'noise' parameter"),
        ({"noise": lambda x: x[:, :1]}, "same shape"),
        ({"noise": lambda x: None}, "same shape"),
        ({"emphasis": (1.0,)}, "emphasis must be two weights"),
        ({"emphasis": (-1.0, 1.0)}, "emphasis must be two weights"),
        ({"emphasis": (0, 0)}, "not both 0"),
    ],
)
def test_bad_parameters(params, match, X):
    with pytest.raises((ValueError, TypeError), match=match):
        DenoisingAutoencoder(**{**SHORT, **params}).fit(X)


def test_emphasis_needs_a_target_as_wide_as_x(X):
    ae = DenoisingAutoencoder(**SHORT, emphasis=(1, 0.5))
    with pytest.raises(ValueError, match="target has 2 columns and X has 6"):
        ae.fit(X, target=X[:, :2])


class SparseDenoisingAutoencoder(SparseAutoencoder, DenoisingAutoencoder):
    """Both."""


class DenoisingSparseAutoencoder(DenoisingAutoencoder, SparseAutoencoder):
    """Both, the other way round."""


class AllAutoencoder(
    KSparseAutoencoder, ContractiveAutoencoder, SparseAutoencoder, DenoisingAutoencoder
):
    """What a user may try."""


@pytest.mark.parametrize("cls", [SparseDenoisingAutoencoder, DenoisingSparseAutoencoder])
def test_families_cross_by_inheritance(cls):
    X = load_wine().data
    X = (X - X.mean(0)) / X.std(0)
    defaults = cls().get_params()
    assert defaults["hidden_layer_sizes"] == ()
    assert defaults["shortcut"] is None
    assert defaults["code_activation"] == "auto"
    ae = cls(26, noise="swap", noise_level=0.2, emphasis=(1.0, 0.5), random_state=0).fit(X)
    assert find(ae.net_.module_.encoder, SwapNoise) is not None
    assert 0 < ae.l0_ < 26
    assert ((reconstruct(ae, X) - X) ** 2).mean() < 0.5
    # both have their part in what is minimized
    module, rows = ae.net_.module_.train(), ae._as_rows(Given(X))
    output = module(rows.x)
    mask = find(module.encoder, Noise).corrupted
    squares = (output.reconstruction - rows.target) ** 2
    expected = (squares * torch.where(mask, 1.0, 0.5)).mean() + 0.01 * output.code.sum(1).mean()
    loss = ae.net_.criterion_(output, rows, module)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    for bad in ({"sparsity": -1}, {"noise_level": -1}):
        with pytest.raises(ValueError, match=next(iter(bad))):
            cls(26, **bad).fit(X)


@pytest.mark.filterwarnings("ignore:max_epochs")
def test_all_of_them_cross(X):
    ae = AllAutoencoder(12, k=3, max_epochs=3, early_stopping=False, random_state=0).fit(X)
    kinds, objective = [], ae.net_.criterion_
    while hasattr(objective, "objective"):
        kinds.append(type(objective).__name__)
        objective = objective.objective
    assert kinds == ["AuxKObjective", "ContractiveObjective", "L1Objective"]
    assert ((ae.transform(X) != 0).sum(axis=1) <= 3).all()


def test_held_out_rows_are_weighed_as_in_training(digits):
    """With no weight on the clean entries the error of all entries rises from the start."""
    ae = DenoisingAutoencoder(
        64, noise="masking", noise_level=0.25, emphasis=(1.0, 0.0), random_state=0
    ).fit(digits[:900])
    assert ae.n_iter_ > 10
    scores = ae.score_samples(digits[900:])
    squares = (ae.reconstruct(digits[900:]) - digits[900:]) ** 2
    assert np.allclose(-scores, squares.sum(axis=1))
