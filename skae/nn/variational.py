"""The encoder-decoder of which both halves are distributions, and its bounds on log p(x)."""

import math
from functools import partial
from typing import NamedTuple

import torch
from torch import nn
from torch.distributions import Distribution, Normal
from torch.nn import functional as F

from .autoencoder import EncoderDecoder
from .randomness import rand, randn
from .tracing import is_traced

# A variance is at most so much smaller than the prior's: exp would underflow.
LARGEST_LOG_ODDS = 20.0
# The signal of a component is at least this share of its variance at the start.
SMALLEST_SIGNAL = 1e-3
# Elements of x that are rebuilt at once where many draws are made.
DRAWN_ELEMENTS = 2**20
# Draws by which a posterior is fitted to the observed entries, and in how many rounds.
N_TO_ADAPT = 300
N_ADAPTATIONS = 3


class VariationalOutput(NamedTuple):
    """What a forward pass gives: ``p(x | z)`` at codes drawn from ``q(z | x)``.

    With several draws, ``noise`` and ``distribution`` have a first axis for them; ``code`` is the
    first one.
    """

    code: torch.Tensor
    posterior: Distribution
    noise: torch.Tensor
    distribution: Distribution
    binarized: torch.Tensor | None = None  # the rows that were drawn, if they are to be rebuilt


class VariationalEncoderDecoder(EncoderDecoder):
    """``z ~ N(mean(x), std(x)^2)``, the posterior by the encoder; ``x ~ likelihood(decoder(z))``.

    In training, ``n_draws`` codes of a row are drawn at random; in evaluation they are the same at
    every call. `encode` gives the posterior's mean, `decode` the likelihood's.
    """

    def __init__(self, likelihood, code_size, *parts, n_draws=1, binarize=False):
        super().__init__(*parts)
        self.likelihood = likelihood
        self.n_draws = n_draws
        self.binarize = binarize
        # What the encoder gives is relative to it: the start sets it without touching a layer.
        self.log_odds = nn.Parameter(torch.zeros(code_size))

    def forward(self, x, condition=None):
        binarized = None
        if self.binarize:
            uniform = self.random(rand, x.shape, x)
            binarized = x = self.units((uniform < self.units.inverse(x)).to(x.dtype))
        posterior = self.posterior(x, condition)
        draws = () if self.n_draws == 1 else (self.n_draws,)
        draw = partial(randn, axis=len(draws))
        noise = self.random(draw, (*draws, *posterior.mean.shape), x)
        code = posterior.mean + posterior.stddev * noise
        distribution = self.distribution(code, condition)
        first = code[0] if draws else code
        return VariationalOutput(first, posterior, noise, distribution, binarized)

    def posterior(self, x, condition=None):
        """``q(z | x)`` of standardized rows."""
        mean, log_odds = self.encoder(joined(x, condition)).chunk(2, dim=-1)
        # Below the prior's variance, as that of probabilistic PCA is: an unbounded one explodes.
        log_variance = F.logsigmoid((log_odds + self.log_odds).clamp(-LARGEST_LOG_ODDS))
        return Normal(mean, torch.exp(0.5 * log_variance), validate_args=False)

    def distribution(self, code, condition=None):
        """``p(x | z)``, of codes with any number of axes before the last."""
        flat = code.flatten(0, -2)
        if condition is not None:
            flat = joined(flat, condition.expand(*code.shape[:-1], -1).flatten(0, -2))
        output = self.decoder(flat).unflatten(0, code.shape[:-1])
        return self.likelihood(output, self.target_units)

    @torch.no_grad()
    def start_at(self, maps):
        """Start at probabilistic PCA (Tipping & Bishop, 1999), of which all is known.

        ``W = U (L - s^2)^(1/2)``, and the posterior of a row is normal with the mean
        ``L^-1 W' (x - center)`` and the variances ``s^2 / L``.
        """
        (encoder, bias), (decoder, center), variances, noise = maps[:4]
        noise = max(noise, 1e-12)
        variances = variances.clamp(min=noise * (1 + SMALLEST_SIGNAL))
        signal = (variances - noise).sqrt()
        gain = signal / variances
        maps = maps._replace(
            encoder=(encoder * gain[:, None], bias * gain), decoder=(decoder * signal, center)
        )
        super().start_at(maps)
        self.log_odds[: len(variances)] = torch.logit(noise / variances)
        self.likelihood.start_at(math.sqrt(noise))

    def encode(self, x, condition=None):
        """The posterior's mean of rows in units of X; a missing entry counts as the center."""
        return self.encode_distribution(x, condition).mean

    def encode_distribution(self, x, condition=None):
        """The posterior of rows in units of X."""
        return self.posterior(self.units(x).nan_to_num_(nan=0.0), condition)

    def decode(self, code, condition=None):
        """The likelihood's mean, in units of the target."""
        return self.likelihood.mean(self.distribution(code, condition), self.target_units)

    def draw(self, code, condition=None):
        """A random row of the likelihood, in units of the target."""
        return self.likelihood.draw(self.distribution(code, condition), self.target_units)


def joined(x, condition):
    """The numbers of both, if there is a condition."""
    return x if condition is None else torch.cat([x, condition], dim=-1)


def log_likelihood(module, distribution, batch):
    """``log p(x | z)`` of each row, over its observed entries, in units of X: (..., n).

    What is missing has a density of 1 in standardized units, so that the unit of X says nothing of
    which rows are likelier.
    """
    units = module.target_units
    entries = module.likelihood.log_prob(distribution, batch.target, units)
    if batch.observed is not None:
        entries = entries.where(batch.observed, 0.0)
    return (entries + module.likelihood.log_unit(units)).sum(-1)


def divergence(posterior):
    """``KL(q(z | x) || N(0, 1))`` of each row and unit: (n, code size)."""
    mean, std = posterior.mean, posterior.stddev
    return 0.5 * (mean.square() + std.square() - 1) - std.log()


def log_ratio(posterior, noise):
    """``log q(z | x) - log p(z)`` at ``z = mean + std * noise``: (..., n)."""
    code = posterior.mean + posterior.stddev * noise
    return (0.5 * (code.square() - noise.square()) - posterior.stddev.log()).sum(-1)


def draws(module, batch, posterior, noise):
    """`log_likelihood`, noise and ``p(x | z)``, in chunks that bound the memory.

    All rows share the noise: a row's result does not depend on its company.
    """
    at_once = len(noise)  # in a graph, which does not know how many rows will come
    if not is_traced():
        at_once = max(1, DRAWN_ELEMENTS // max(1, batch.target.numel()))
    for part in noise.split(at_once):
        part = part[:, None]
        code = posterior.mean + posterior.stddev * part
        distribution = module.distribution(code, batch.condition)
        yield log_likelihood(module, distribution, batch), part, distribution


def importance_weighted_bound(module, batch, noise):
    """``log mean_k p(x, z_k) / q(z_k | x)`` of each row (Burda et al., 2016): (n,)."""
    posterior = module.posterior(batch.x, batch.condition)
    weights = [
        fit - log_ratio(posterior, part) for fit, part, _ in draws(module, batch, posterior, noise)
    ]
    return torch.cat(weights).logsumexp(0) - math.log(len(noise))


def adapted_posterior(module, batch, noise):
    """``q(z | x)``, moved and widened to where the draws that matter lie (Oh & Berger, 1992).

    The encoder takes what is missing for known, so that its posterior is too narrow, and may lie
    beside that of the observed entries.
    """
    posterior = module.posterior(batch.x, batch.condition)
    narrowest = posterior.stddev
    for part in noise.chunk(N_ADAPTATIONS):
        made = [
            (fit - log_ratio(posterior, piece), posterior.mean + posterior.stddev * piece)
            for fit, piece, _ in draws(module, batch, posterior, part)
        ]
        weights, code = map(torch.cat, zip(*made, strict=True))
        weights = weights.softmax(0)[:, :, None]
        mean = (weights * code).sum(0)
        variance = (weights * (code - mean).square()).sum(0)
        posterior = Normal(mean, torch.maximum(variance.sqrt(), narrowest), validate_args=False)
    return posterior


def importance_weighted_mean(module, batch, noise):
    """``sum_k w_k E[x | z_k]`` of each row, in units of the target (Mattei & Frellsen, 2019).

    ``w_k`` is the share of a draw in the bound on the observed entries: (n, n_outputs).
    """
    posterior = adapted_posterior(module, batch, noise[:N_TO_ADAPT])
    largest = torch.full_like(posterior.mean[:, 0], -math.inf)
    total = rows = 0.0
    for fit, part, distribution in draws(module, batch, posterior, noise):
        weights = fit - log_ratio(posterior, part)
        before, largest = largest, torch.maximum(largest, weights.amax(0))
        weights, kept = torch.exp(weights - largest), torch.exp(before - largest)
        mean = module.likelihood.mean(distribution, module.target_units)
        rows = rows * kept[:, None] + torch.einsum("kn,knj->nj", weights, mean)
        total = total * kept + weights.sum(0)
    return rows / total[:, None]


def importance_resampled(module, batch, n_samples, n_draws):
    """Random rows given the observed entries: (n, n_draws, n_outputs), in units of the target.

    Of ``n_samples`` codes of the posterior, ``n_draws`` are drawn by their importance (Rubin,
    1987), and a row from the likelihood of each. Every row has codes of its own.
    """
    noise = randn((N_TO_ADAPT, module.log_odds.numel()), batch.x)
    posterior = adapted_posterior(module, batch, noise)
    shape = (n_draws, *posterior.mean.shape)
    best, chosen = posterior.mean.new_full(shape[:2], -math.inf), posterior.mean.new_zeros(shape)
    at_once = max(1, DRAWN_ELEMENTS // max(1, batch.target.numel()))
    for n in [at_once] * (n_samples // at_once) + [n_samples % at_once] * (n_samples % at_once > 0):
        noise = randn((n, *shape[1:]), posterior.mean)
        code = posterior.mean + posterior.stddev * noise
        weights = log_likelihood(module, module.distribution(code, batch.condition), batch)
        weights = weights - log_ratio(posterior, noise)
        # The largest of the weights with Gumbel noise is a draw by their exponentials.
        uniform = rand((n_draws, *weights.shape), code)
        keys, index = (weights - torch.log(-torch.log(uniform))).max(1)
        codes = code[index, torch.arange(code.shape[1], device=code.device)]
        chosen = torch.where((keys > best)[:, :, None], codes, chosen)
        best = torch.maximum(keys, best)
    return module.draw(chosen, batch.condition).transpose(0, 1)


def evidence_lower_bound(module, batch, noise):
    """``E log p(x | z)`` and the divergence, whose difference is the bound: (n, 2)."""
    posterior = module.posterior(batch.x, batch.condition)
    fits = torch.cat([fit for fit, *_ in draws(module, batch, posterior, noise)]).mean(0)
    return torch.stack([fits, divergence(posterior).sum(-1)], dim=-1)
