"""The contractive autoencoder: its penalty against autograd, and what the penalty does."""

import numpy as np
import pytest
import torch
from helpers import SHORT, assert_equal_states, error
from numpy.testing import assert_allclose, assert_array_equal
from torch import nn
from torch.autograd.functional import jacobian

from skae import Autoencoder, ContractiveAutoencoder, DenoisingAutoencoder
from skae.engine.batches import Batch
from skae.nn import jacobian as room
from skae.nn.jacobian import pulled_back_norm, squared_jacobian_norm
from skae.nn.layers import ACTIVATIONS, GaussianNoise, Shortcut, TiedLinear
from skae.nn.mlp import MLP

pytestmark = pytest.mark.filterwarnings("ignore:max_epochs=")

# The model of the paper; enough steps for the digits.
ONE_LAYER = {"hidden_layer_sizes": (), "code_activation": "sigmoid", "shortcut": None, "lr": 0.02}
MODES = [torch.enable_grad, torch.no_grad, torch.inference_mode]


def draw(*shape, seed=0, dtype=torch.float32):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@pytest.fixture(autouse=True)
def _weights_of_one_seed():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def by_autograd(encoder, x):
    """The squared norm from the whole Jacobian."""
    encoder.eval()
    J = jacobian(lambda x: encoder(x).sum(0), x, create_graph=True)
    return J.square().sum((0, 2))


def deep_encoder(n_inputs=6, code_size=5):
    return nn.Sequential(
        Shortcut(MLP([n_inputs, 16, 12, code_size], dropout=0.5), nn.Linear(n_inputs, code_size)),
        nn.Tanh(),
    )


def gradients(values, encoder):
    return torch.autograd.grad(values.mean(), list(encoder.parameters()), allow_unused=True)


def assert_same_gradients(encoder, x):
    ours = gradients(squared_jacobian_norm(encoder, x), encoder)
    for one, other in zip(ours, gradients(by_autograd(encoder, x), encoder), strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            assert_allclose(one, other, rtol=1e-4, atol=1e-6)


# -- the closed form ----------------------------------------------------------------------------


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "relu", "silu", "identity"])
def test_the_closed_form_is_the_autograd_jacobian(activation, monkeypatch):
    monkeypatch.delattr(room, "pulled_back_norm")  # so that nothing else is taken for it
    encoder = nn.Sequential(MLP([6, 9]), ACTIVATIONS[activation]())
    x = draw(20, 6)
    assert_allclose(
        squared_jacobian_norm(encoder, x).detach(), by_autograd(encoder, x).detach(), rtol=1e-5
    )
    assert_same_gradients(encoder, x)


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.Sequential(nn.Sequential(GaussianNoise(0.5), nn.Dropout(0.5)), nn.Linear(6, 9)),
        lambda: nn.Sequential(Shortcut(None, nn.Linear(6, 9)), nn.Sigmoid()),
        lambda: nn.Sequential(TiedLinear(nn.Linear(9, 6)), nn.Tanh()),
    ],
    ids=["behind noise", "shortcut alone", "tied"],
)
def test_one_layer_is_known_in_any_wrapping(make, monkeypatch):
    monkeypatch.delattr(room, "pulled_back_norm")
    encoder, x = make(), draw(20, 6)
    norms = squared_jacobian_norm(encoder.train(), x).detach()
    assert_allclose(norms, by_autograd(encoder, x).detach(), rtol=1e-5)


# -- any encoder --------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_deep_encoder_exactly(mode, dtype):
    encoder, x = deep_encoder().to(dtype), draw(20, 6, dtype=dtype)
    expected = by_autograd(encoder, x).detach()
    with mode():
        norms = squared_jacobian_norm(encoder.train(), x + 0)
        assert norms.requires_grad == (mode is torch.enable_grad)
    assert norms.dtype == dtype
    assert_allclose(norms.detach().clone(), expected, rtol=1e-5)
    assert encoder.training  # dropout is silent in the penalty only


def test_the_gradient_of_a_deep_encoder():
    assert_same_gradients(deep_encoder(), draw(20, 6))


def estimates(encoder, x, n_projections, n_draws):
    """Repeated draws, (n_draws, n); a hundred at a time share their groups, not their signs."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        parts = [
            pulled_back_norm(encoder, x.repeat(100, 1), n_projections, generator)
            for _ in range(n_draws // 100)
        ]
    return torch.cat(parts).view(-1, len(x))


@pytest.mark.parametrize("n_projections", [1, 2, 4])
def test_the_estimator_is_unbiased(n_projections):
    encoder, x = deep_encoder(code_size=8).eval(), draw(5, 6)
    exact = by_autograd(encoder, x).detach()
    drawn = estimates(encoder, x, n_projections, n_draws=20_000)
    assert (abs(drawn[0] - exact) > 0.01 * exact).any()
    bias, noise = drawn.mean(0) - exact, drawn.std(0)
    # What a hundred draws share leaves them uncorrelated: given the groups there is no bias.
    assert (abs(bias) < 4 * noise / len(drawn) ** 0.5).all()


def test_groups_leave_less_noise_than_repetition():
    """``p`` groups of ``k`` numbers: (k - p) / (k - 1) of the variance of ``p`` repetitions."""
    encoder, x = deep_encoder(code_size=8).eval(), draw(5, 6)
    variances = {p: estimates(encoder, x, p, n_draws=40_000).var(0) for p in (1, 4)}
    assert_allclose(variances[4] / (variances[1] / 4), 4 / 7, rtol=0.15)
    exact = by_autograd(encoder, x).detach()
    assert_allclose(estimates(encoder, x, 8, n_draws=100)[0], exact, rtol=1e-5)


# -- the objective ------------------------------------------------------------------------------


def loss_of(estimator, X):
    net = estimator.net_
    batch = Batch.of(net.module_.units(torch.tensor(X, dtype=torch.float32)))
    with torch.no_grad():
        return net.criterion_(net.module_.eval()(batch.x), batch, net.module_).item()


@pytest.mark.parametrize("params", [{}, ONE_LAYER], ids=["deep", "one layer"])
def test_the_loss_is_the_error_and_the_squared_norm(params, X):
    estimator = ContractiveAutoencoder(**{**SHORT, **params}, contraction=0.1).fit(X)
    norms = estimator.scale_ * estimator.jacobian_norm(X)
    unexplained = error(estimator, X) / ((X - X.mean(axis=0)) ** 2).sum()
    assert loss_of(estimator, X) == pytest.approx(unexplained + 0.1 * np.mean(norms**2), rel=1e-4)


@pytest.mark.parametrize("code_size", [2, 5])
def test_auto_takes_the_same_from_pca_at_any_code_size(code_size, X):
    start = ContractiveAutoencoder(code_size, max_epochs=0, n_projections=None, random_state=0)
    start.fit(X)
    unexplained = error(start, X) / ((X - X.mean(axis=0)) ** 2).sum()
    assert loss_of(start, X) - unexplained == pytest.approx(0.05, rel=1e-3)


def test_held_out_rows_are_judged_with_the_penalty_and_without_chance(X):
    estimator = ContractiveAutoencoder(6, contraction=1.0, max_epochs=1, random_state=0)
    estimator.fit(X)
    assert loss_of(estimator, X) == loss_of(estimator, X)
    # Six numbers for six columns: PCA has no error, and a squared norm of six.
    assert estimator.validation_loss_curve_[0] == pytest.approx(6, rel=0.2)


def test_a_step_draws_anew(X):
    estimator = ContractiveAutoencoder(6, contraction=1.0, max_epochs=0, random_state=0).fit(X)
    module = estimator.net_.module_.train()
    module.encoder.path[-1].weight.data.normal_()  # PCA's directions are orthogonal: no noise
    batch = Batch.of(draw(10, 6))
    penalties = [estimator.net_.criterion_.penalty(None, batch, module) for _ in range(2)]
    assert penalties[0] != penalties[1]


@pytest.mark.parametrize("params", [{}, {**ONE_LAYER, "tied_weights": True}, {"dropout": 0.2}])
def test_without_contraction_it_is_the_plain_autoencoder_to_the_bit(params, X):
    # A code of six numbers would draw its directions, and so shift the draws of the batches.
    settings = {**SHORT, "code_size": 6, **params, "early_stopping": True}
    ours = ContractiveAutoencoder(**settings, contraction=0).fit(X)
    plain = Autoencoder(**settings).fit(X)
    assert_equal_states(ours.net_.module_.state_dict(), plain.net_.module_.state_dict())
    assert_array_equal(ours.score_samples(X), plain.score_samples(X))
    assert ours.validation_loss_curve_ == plain.validation_loss_curve_


# -- what it does -------------------------------------------------------------------------------


def moved(estimator, X):
    """How far noise moves the codes: as they are, and relative to their spread."""
    noise = 0.2 * X.std() * np.random.default_rng(0).normal(size=X.shape)
    codes = estimator.transform(X)
    moved = np.linalg.norm(estimator.transform(X + noise) - codes, axis=1).mean()
    return np.array([moved, moved / np.sqrt(codes.var(axis=0).sum())])


@pytest.mark.parametrize(
    ("params", "contraction"),
    [
        ({"code_size": 8, "hidden_layer_sizes": (64,), "max_epochs": 60}, "auto"),
        ({"code_size": 64, **ONE_LAYER, "max_epochs": 120}, 0.005),
    ],
    ids=["deep", "one layer"],
)
def test_codes_move_less_at_little_cost(params, contraction, digits):
    train, test = digits[:1200], digits[1200:]
    plain, contractive = (
        ContractiveAutoencoder(**params, contraction=c, early_stopping=False, random_state=0).fit(
            train
        )
        for c in (0, contraction)
    )
    assert contractive.jacobian_norm(test).mean() < 0.55 * plain.jacobian_norm(test).mean()
    assert error(contractive, test) < 1.1 * error(plain, test)
    absolute, relative = moved(contractive, test) / moved(plain, test)
    assert absolute < 0.55
    assert relative < 0.8


def test_the_norm_is_that_of_the_codes_by_the_rows(X):
    """Central differences of `transform`, in units of X."""
    estimator = ContractiveAutoencoder(**SHORT).fit(X)
    rows, step = X[:5], 1e-5
    columns = [
        (estimator.transform(rows + step * e) - estimator.transform(rows - step * e)) / (2 * step)
        for e in np.eye(6)
    ]
    expected = np.sqrt(np.sum(np.square(columns), axis=(0, 2)))
    norms = estimator.jacobian_norm(rows)
    assert norms.shape == (5,)
    assert_allclose(norms, expected, rtol=1e-6)
    assert_allclose(estimator.jacobian_norm(rows.astype(np.float32)), expected, rtol=1e-4)


def test_the_norm_goes_against_the_unit_of_x(X):
    norms, by_thousand = (
        ContractiveAutoencoder(**SHORT).fit(unit * X).jacobian_norm(unit * X) for unit in (1, 1000)
    )
    assert_allclose(1000 * by_thousand, norms, rtol=1e-3)


def test_the_norm_where_entries_are_missing(X, X_missing):
    estimator = ContractiveAutoencoder(**SHORT).fit(X)
    filled = np.where(np.isnan(X_missing), estimator.center_, X_missing)
    norms = estimator.jacobian_norm(X_missing)
    assert_allclose(norms, estimator.jacobian_norm(filled), rtol=1e-6)


def test_it_crosses_with_another_family(X):
    class Both(ContractiveAutoencoder, DenoisingAutoencoder):
        """Noise in, and codes that do not answer to it."""

    both = Both(**SHORT, noise_level=0.3, emphasis=(2.0, 1.0), contraction=0.1).fit(X)
    assert isinstance(both.net_.module_.encoder[0], GaussianNoise)
    module, objective = both.net_.module_.train(), both.net_.criterion_
    batch = Batch.of(draw(10, 6))
    # All entries are corrupted and count twice; the penalty is that of the clean row.
    penalty = 0.1 * by_autograd(module.encoder, batch.x).mean()
    module.train()
    output = module(batch.x)
    expected = 2 * (output.reconstruction - batch.x).square().mean() + penalty
    assert objective(output, batch, module).item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize(
    "params",
    [
        {"contraction": -0.1},
        {"contraction": "much"},
        {"n_projections": 0},
        {"n_projections": 1.5},
        {"n_projections": "all"},
    ],
)
def test_parameters_out_of_range(params, X):
    with pytest.raises(ValueError, match=f"'{next(iter(params))}' parameter"):
        ContractiveAutoencoder(**SHORT).set_params(**params).fit(X)
