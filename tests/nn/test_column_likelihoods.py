"""Likelihoods of columns of several kinds: densities that are such, and draws of them."""

import math

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from scipy.stats import norm

from skae.nn.autoencoder import Units
from skae.nn.column_likelihoods import (
    CategoricalLikelihood,
    ColumnLikelihood,
    HistogramLikelihood,
)
from skae.nn.layers import GroupSoftmax
from skae.nn.likelihoods import GaussianLikelihood, PoissonLikelihood
from skae.rows.histogram import histogram

CENTER, SCALE = 7.0, 3.0


@pytest.fixture(scope="module")
def values():
    """Half the rows at 4.99, the others normal."""
    rng = np.random.default_rng(0)
    return np.where(rng.random(4000) < 0.5, 4.99, rng.normal(CENTER, SCALE, size=4000))


def units(center, scale):
    return Units(*(torch.tensor(t, dtype=torch.float64) for t in (center, scale)))


def of_histogram(values, deviation=1.0):
    likelihood = HistogramLikelihood([histogram(values)], [CENTER], [SCALE])
    likelihood.start_at(deviation)
    return likelihood, units([CENTER], [SCALE])


def output(likelihood, location, n=1):
    decoded = torch.zeros(n, likelihood.n_parameters)
    decoded[:, 0] = location
    return decoded


def normal(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("location", [0.0, 1.0, -2.0])
def test_the_density_and_the_frequent_value_add_up_to_one(values, location):
    likelihood, of = of_histogram(values, 0.7)
    distribution = likelihood(output(likelihood, location), of)

    def density(x):
        x = torch.tensor(np.atleast_2d(x).T, dtype=torch.float32)
        fit = likelihood.log_prob(distribution, of(x), of) + likelihood.log_unit(of)
        return fit.exp().detach().numpy()[:, 0]

    grid = np.linspace(values.min(), values.max(), 200_001)
    grid = grid[np.abs(grid - 4.99) > 0.005]
    assert_allclose(np.trapezoid(density(grid), grid) + density(4.99), 1, atol=0.02)


def test_it_is_normal_where_the_column_is():
    x = norm.ppf((np.arange(4000) + 0.5) / 4000) * SCALE + CENTER
    likelihood, of = of_histogram(x, 0.5)
    distribution = likelihood(output(likelihood, 0.8, 20_000), of)
    torch.manual_seed(0)
    drawn = likelihood.draw(distribution, of).detach().numpy()
    assert_allclose(drawn.mean(), CENTER + 0.8 * SCALE, atol=0.1)
    assert_allclose(drawn.std(), 0.5 * SCALE, rtol=0.1)
    assert_allclose(likelihood.mean(distribution, of)[0, 0].item(), drawn.mean(), atol=0.05)


def test_draws_have_the_frequencies_of_the_column(values):
    likelihood, of = of_histogram(values)
    torch.manual_seed(0)
    distribution = likelihood(output(likelihood, 0.0, 20_000), of)
    drawn = likelihood.draw(distribution, of).detach().numpy()[:, 0]
    assert abs(np.mean(np.abs(drawn - 4.99) < 1e-5) - np.mean(values == 4.99)) < 0.02
    shares = np.linspace(0, 1, 21)
    assert np.abs(np.quantile(drawn, shares) - np.quantile(values, shares))[1:-1].max() < 0.3


def test_what_lies_far_outside_is_unlikely(values):
    likelihood, of = of_histogram(values)
    distribution = likelihood(output(likelihood, 0.0), of)
    x = torch.tensor([[values.max()], [values.max() + 10.0], [values.max() + 100.0]]).float()
    fit = likelihood.log_prob(distribution, of(x), of)[:, 0]
    assert fit[0] > fit[1] + 1
    assert fit[1] > fit[2] + 10


def test_a_category_has_the_probability_of_its_value():
    group = slice(0, 3)
    of = units([0.5, 0.3, 0.2], [0.7, 0.7, 0.7])
    likelihood = CategoricalLikelihood([group], 3)
    location = GroupSoftmax(of, [group])(normal(5, 3))
    distribution = likelihood(location, of)
    one_hot = torch.eye(3)[torch.tensor([0, 1, 2, 0, 1])]
    fit = likelihood.log_prob(distribution, of(one_hot.clone()), of).sum(1)
    mean = likelihood.mean(distribution, of)
    assert_allclose(mean.sum(1), 1, rtol=1e-5)
    assert_allclose(fit.exp(), (mean * one_hot).sum(1), rtol=1e-4)
    torch.manual_seed(0)
    drawn = likelihood.draw(likelihood(location[:1].expand(5000, -1), of), of)
    assert set(drawn.unique().tolist()) == {0.0, 1.0}
    assert_allclose(drawn.mean(0), mean[0], atol=0.03)


def test_each_column_has_the_likelihood_of_its_part():
    rng = np.random.default_rng(0)
    x = torch.tensor(np.c_[rng.poisson(4, 50), rng.normal(9, 2, 50), rng.poisson(2, 50)]).float()
    of = units([4.0, 9.0, 2.0], [2.0, 2.0, 1.4])
    gaussian, poisson = GaussianLikelihood(1, "predicted"), PoissonLikelihood(2)
    both = ColumnLikelihood([(np.array([0, 2]), poisson), (np.array([1]), gaussian)])
    both.start_at(0.5)
    assert (both.n_outputs, both.n_parameters) == (3, 4)
    decoded = normal(50, 4) / 5
    fit = both.log_prob(both(decoded, of), of(x), of) + both.log_unit(of)
    counts, numbers = units([4.0, 2.0], [2.0, 1.4]), units([9.0], [2.0])
    expected = poisson.log_prob(poisson(decoded[:, [0, 2]], counts), counts(x[:, [0, 2]]), counts)
    assert_allclose(fit[:, [0, 2]].detach(), expected.detach(), rtol=1e-5)
    expected = gaussian.log_prob(gaussian(decoded[:, [1, 3]], numbers), numbers(x[:, [1]]), numbers)
    assert_allclose(fit[:, [1]].detach(), expected.detach() - math.log(2), rtol=1e-5)
    mean = both.mean(both(decoded, of), of)
    assert_allclose(mean[:, 1].detach(), 9 + 2 * decoded[:, 1], rtol=1e-5)
    torch.manual_seed(0)
    drawn = both.draw(both(decoded, of), of)
    assert torch.all(drawn[:, [0, 2]] == drawn[:, [0, 2]].round())
