"""The losses against their formulas, and what missing entries do to them: nothing."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from skae.engine.batches import Batch
from skae.engine.objectives import LOSSES, Objective, observed_mean
from skae.nn.autoencoder import EncoderDecoder, Output, Units


@pytest.fixture
def units():
    center = torch.tensor([0.5, -1.0, 2.0, 0.0], dtype=torch.float64)
    return Units(center, torch.tensor(3.0, dtype=torch.float64))


@pytest.fixture
def module(units):
    """Its reconstruction is what it is given."""
    return EncoderDecoder(torch.nn.Identity(), torch.nn.Identity(), units)


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


FORMULAS = {
    "squared_error": lambda e: e**2,
    "absolute_error": np.abs,
    "huber": lambda e: np.where(abs(e) < 1, e**2 / 2, abs(e) - 0.5),
}


@pytest.mark.parametrize("loss", FORMULAS)
def test_losses_of_a_difference(loss, units):
    x, x_hat = 2 * draw(5, 4), 2 * draw(5, 4, seed=1)
    values = LOSSES[loss][0](Output(None, x_hat), x, units)
    assert (abs(x - x_hat) > 1).any()  # both sides of the huber loss are seen
    assert (abs(x - x_hat) < 1).any()
    assert_allclose(values, FORMULAS[loss]((x - x_hat).numpy()))


def test_binary_cross_entropy(units):
    x = torch.rand(5, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    logits = draw(5, 4)
    p = torch.sigmoid(logits)
    expected = -x * torch.log(p) - (1 - x) * torch.log(1 - p)
    values = LOSSES["binary_cross_entropy"][0](Output(None, None, logits), units(x), units)
    assert_allclose(values, expected)


def test_binary_cross_entropy_is_finite_at_the_ends(units):
    x = torch.tensor([[0.0, 1.0, 0.0, 1.0]], dtype=torch.float64)
    logits = torch.tensor([[500.0, 500.0, -500.0, -500.0]], dtype=torch.float64)
    values = LOSSES["binary_cross_entropy"][0](Output(None, None, logits), units(x), units)
    assert_allclose(values, [[500.0, 0.0, 0.0, 500.0]], atol=1e-10)


def test_every_loss_is_tested_here():
    assert LOSSES.keys() == {*FORMULAS, "binary_cross_entropy"}


# -- from entries to rows to a number -----------------------------------------------------------


@pytest.mark.parametrize("shape", [(5, 4), (5, 2, 3)])
def test_observed_mean(shape):
    values = draw(*shape)
    assert_allclose(observed_mean(values), values.flatten(1).mean(1))
    observed = draw(*shape, seed=1) > 0
    observed[:, 0] = True
    observed[3] = False
    means = observed_mean(values, observed)
    for i in (0, 1, 2, 4):
        assert_allclose(means[i], values[i][observed[i]].mean())
    assert means[3] == 0


def test_observed_mean_of_what_is_not_a_number():
    """What stands at a missing entry does not matter, be it NaN or infinite."""
    values = torch.tensor([[1.0, torch.nan, 3.0], [torch.inf, 2.0, 4.0]])
    observed = torch.tensor([[True, False, True], [False, True, True]])
    assert observed_mean(values, observed).tolist() == [2.0, 3.0]


def test_the_objective_is_the_mean_error_and_the_penalty(module):
    class Penalized(Objective):
        def penalty(self, output, batch, module):
            return 10 * output.code.abs().sum()

    x, output = draw(5, 4), Output(draw(5, 2), draw(5, 4, seed=1))
    batch = Batch.of(x)
    error = ((x - output.reconstruction) ** 2).mean(dim=1)
    assert_allclose(Objective().error(output, batch, module), error)
    assert_allclose(Objective()(output, batch, module), error.mean())
    expected = error.mean() + 10 * output.code.abs().sum()
    assert_allclose(Penalized()(output, batch, module), expected)


def test_the_batch_size_does_not_change_what_is_minimized(module):
    x, x_hat = draw(8, 4), draw(8, 4, seed=1)
    objective = Objective()
    whole = objective(Output(None, x_hat), Batch.of(x), module)
    halves = [
        objective(Output(None, x_hat[i]), Batch.of(x[i]), module) for i in (slice(4), slice(4, 8))
    ]
    assert_allclose(sum(halves) / 2, whole)


@pytest.mark.parametrize("loss", FORMULAS)
def test_errors_of_one_scale_have_its_unit(loss, module):
    x, x_hat = draw(5, 4), draw(5, 4, seed=1)
    objective = Objective(loss)
    errors = objective.row_error(Output(None, x_hat), Batch.of(x), module)
    assert_allclose(errors, FORMULAS[loss]((x - x_hat).numpy()).mean(axis=1))
    assert objective.unit(3.0) == 3.0 ** (1 if loss == "absolute_error" else 2)
    assert objective.unit(np.array([3.0, 2.0])) == 1


# -- missing entries ----------------------------------------------------------------------------


@pytest.mark.parametrize("loss", LOSSES)
def test_the_gradient_at_missing_entries_is_exactly_zero(loss, module, units):
    if loss == "binary_cross_entropy":
        module.output_activation = "sigmoid"
    raw = torch.rand(6, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    missing = draw(6, 4) > 0.5
    missing[1] = True
    assert 0 < missing.sum() < missing.numel()
    batch = Batch.of(units(raw).masked_fill(missing, torch.nan))

    x_hat = draw(6, 4, seed=2).requires_grad_()
    Objective(loss)(module(x_hat), batch, module).backward()
    assert torch.isfinite(x_hat.grad).all()
    assert (x_hat.grad[missing] == 0).all()
    assert (x_hat.grad[~missing] != 0).all()


def test_a_row_with_nothing_observed_adds_nothing(module):
    x, x_hat = draw(4, 4), draw(4, 4, seed=1)
    x[2] = torch.nan
    errors = Objective().error(Output(None, x_hat), Batch.of(x), module)
    assert errors[2] == 0
    assert (errors[[0, 1, 3]] > 0).all()
