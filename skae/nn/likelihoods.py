"""What a decoder says of a row: a distribution of `torch.distributions`, entry by entry."""

import math

import torch
from torch import nn
from torch.distributions import (
    Bernoulli,
    Laplace,
    NegativeBinomial,
    Normal,
    Poisson,
    StudentT,
)
from torch.nn import functional as F

# Scales are kept between these shares of the scale that they start at: a constant column would
# have infinite density, and columns that almost are would decide of all rows.
SCALES = 1e-2, 1e4
# The degrees of freedom stay above, so that there is a variance.
FEWEST_DEGREES = 2.0
LOG_2 = math.log(2)


class Likelihood(nn.Module):
    """``p(x | z)``, the entries of x being independent given z.

    `forward` makes the distribution of the decoder's output: one number for each column, its
    location, and where the dispersion is predicted a second one. Densities are of standardized
    rows, `log_unit` brings them to the units of X; probabilities are of rows in units of X.

    Parameters
    ----------
    dispersion : {"shared", "feature", "predicted"}
        Whether the second parameter is one learned number, one for each column, or a further
        output of the decoder.
    """

    has_dispersion = True

    def __init__(self, n_outputs, dispersion="feature"):
        super().__init__()
        self.n_outputs = n_outputs
        self.n_parameters = n_outputs
        if self.has_dispersion:
            if dispersion == "predicted":
                self.n_parameters = 2 * n_outputs
            shape = () if dispersion == "shared" else (n_outputs,)
            self.log_dispersion = nn.Parameter(torch.zeros(shape))

    def forward(self, output, units):
        location = output[..., : self.n_outputs]
        if not self.has_dispersion:
            return self.distribution(location, units)
        log_dispersion = self.log_dispersion
        if output.shape[-1] > self.n_outputs:
            log_dispersion = log_dispersion + output[..., self.n_outputs :]
        return self.distribution(location, units, log_dispersion)

    def start_at(self, scale):
        """Start at a standard deviation of the entries, in standardized units."""

    def log_prob(self, distribution, x, units):
        """Each entry's log density or probability, x being standardized."""
        return distribution.log_prob(x)

    def log_unit(self, units):
        """What an entry's log density is more in units of X than in standardized units."""
        return -torch.log(units.scale).to(self.log_dispersion.dtype)

    def mean(self, distribution, units):
        """The mean row, in units of X."""
        return units.inverse(distribution.mean)

    def draw(self, distribution, units):
        """A random row, in units of X."""
        return units.inverse(distribution.sample())


class Continuous(Likelihood):
    """A location and a scale."""

    def __init__(self, n_outputs, dispersion="feature"):
        super().__init__(n_outputs, dispersion)
        self.register_buffer("log_start", torch.zeros(()))

    def distribution(self, location, units, log_scale):
        smallest, largest = map(math.log, SCALES)
        scale = log_scale.clamp(self.log_start + smallest, self.log_start + largest).exp()
        return self.family(location, scale, validate_args=False)

    @torch.no_grad()
    def start_at(self, scale):
        self.log_start.fill_(math.log(scale * self.scale_of_deviation))
        self.log_dispersion.fill_(self.log_start)


class GaussianLikelihood(Continuous):
    """``N(location, scale^2)``."""

    family = Normal
    scale_of_deviation = 1.0


class LaplaceLikelihood(Continuous):
    """``exp(-|x - location| / scale) / (2 scale)``."""

    family = Laplace
    scale_of_deviation = math.sqrt(0.5)


class StudentTLikelihood(Continuous):
    """Student's t: Gaussian in the middle, with heavy tails whose weight is learned by column."""

    scale_of_deviation = 0.7

    def __init__(self, n_outputs, dispersion="feature"):
        super().__init__(n_outputs, dispersion)
        self.log_degrees = nn.Parameter(torch.full((n_outputs,), math.log(3.0)))

    def family(self, location, scale, validate_args):
        degrees = FEWEST_DEGREES + self.log_degrees.exp()
        return StudentT(degrees, location, scale, validate_args=validate_args)


class Discrete(Likelihood):
    """A probability of rows in units of X."""

    def log_prob(self, distribution, x, units):
        return distribution.log_prob(self.in_units(x, units))

    def in_units(self, x, units):
        """Standardized rows as counts."""
        return units.inverse(x).round()

    def log_unit(self, units):
        return 0.0

    def mean(self, distribution, units):
        return distribution.mean

    def draw(self, distribution, units):
        return distribution.sample()


class BernoulliLikelihood(Discrete):
    """1 with the probability ``p``, whose logit has slope one at one half; x is in [0, 1]."""

    has_dispersion = False

    def distribution(self, location, units):
        return Bernoulli(logits=4 * units.inverse(location) - 2, validate_args=False)

    def in_units(self, x, units):
        return units.inverse(x).clamp(0, 1)  # rounding may have left it


def positive(location, units):
    """A rate that is the column's mean, and has slope one, where the location is that mean."""
    mean = units.of(location)[0].clamp(min=1e-4)
    relative = (units.inverse(location) - mean) / mean
    return mean * F.softplus(2 * LOG_2 * relative) / LOG_2 + 1e-8


class PoissonLikelihood(Discrete):
    """Counts with the mean ``rate``."""

    has_dispersion = False

    def distribution(self, location, units):
        return Poisson(positive(location, units), validate_args=False)


class NegativeBinomialLikelihood(Discrete):
    """Counts with the mean ``rate`` and the variance ``rate + dispersion * rate^2``."""

    def distribution(self, location, units, log_dispersion):
        log_dispersion = log_dispersion.clamp(-12, 12)
        logits = positive(location, units).log() + log_dispersion
        return NegativeBinomial((-log_dispersion).exp(), logits=logits, validate_args=False)


class Shares:
    """Probabilities that sum to one; torch's `Multinomial` would look for NaN in every step."""

    def __init__(self, logits):
        self.logits = logits - logits.logsumexp(-1, keepdim=True)

    @property
    def probs(self):
        return self.logits.exp()


class MultinomialLikelihood(Discrete):
    """As many events as the row has, each falling on a column by itself.

    A row's log probability is spread over its entries: ``x_j log p_j``, and an equal share of the
    logarithm of the number of orders.
    """

    has_dispersion = False

    def __init__(self, n_outputs, dispersion="feature"):
        super().__init__(n_outputs, dispersion)
        self.register_buffer("total", torch.ones(()))

    def distribution(self, location, units):
        return Shares(positive(location, units).log())

    def log_prob(self, distribution, x, units):
        counts = self.in_units(x, units)
        orders = torch.lgamma(counts.sum(-1, keepdim=True) + 1) / counts.shape[-1]
        return counts * distribution.logits + orders - torch.lgamma(counts + 1)

    def mean(self, distribution, units):
        """Of a row with as many events as the training rows have on average."""
        return self.total * distribution.probs

    def draw(self, distribution, units):
        probabilities = distribution.probs
        flat = probabilities.reshape(-1, probabilities.shape[-1])
        events = int(self.total.round())
        index = flat.multinomial(events, replacement=True)
        counts = torch.zeros_like(flat).scatter_add_(-1, index, flat.new_ones(index.shape))
        return counts.view_as(probabilities)


class SoftmaxLikelihood(MultinomialLikelihood):
    """The multinomial of which the logits are linear in the decoder's output, from popularity on.

    ``p_j ~ mean_j exp(location_j)``. Amounts need not be whole numbers.
    """

    def distribution(self, location, units):
        popularity = units.of(location)[0].clamp(min=1e-8).log()
        return Shares(popularity + location)

    def in_units(self, x, units):
        return units.inverse(x).clamp(min=0)  # rounding may have left it


LIKELIHOODS = {
    "gaussian": GaussianLikelihood,
    "laplace": LaplaceLikelihood,
    "student_t": StudentTLikelihood,
    "bernoulli": BernoulliLikelihood,
    "poisson": PoissonLikelihood,
    "negative_binomial": NegativeBinomialLikelihood,
    "multinomial": MultinomialLikelihood,
}
