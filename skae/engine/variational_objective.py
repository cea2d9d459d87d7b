"""The objective of variational autoencoders: minus a bound on the log likelihood of rows."""

import math

import torch

from ..nn.randomness import randn
from ..nn.shares import rows_of_all
from ..nn.variational import divergence, log_ratio
from .objectives import Extended

# Kernels of the discrepancy, in units of the squared distance between draws from the prior.
WIDTHS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


class VariationalObjective(Extended):
    """``-log p(x | z) + beta * KL(q(z | x) || p(z))``, mean over rows, in nats for each entry.

    With several draws, each is weighed by its importance, held fixed, which is the gradient of the
    importance-weighted bound; the value is the bound as well.
    """

    def __init__(self, objective, beta, kl_warmup, free_bits, divergence):
        super().__init__(objective)
        self.beta = beta
        self.kl_warmup = kl_warmup
        self.free_bits = free_bits
        self.divergence = divergence

    def draws(self, output, batch, module):
        """Minus the log likelihood of each entry, for each draw: (draws, n, n_features)."""
        target = batch.target if output.binarized is None else output.binarized
        return -module.likelihood.log_prob(output.distribution, target, module.target_units)

    def weights(self, entries, output, batch):
        """The importance of each draw, of sum one: (draws, n)."""
        weights = -self.total(entries.detach(), batch.observed)
        return (weights - log_ratio(output.posterior, output.noise).detach()).softmax(0)

    def entries(self, output, batch, module):
        entries = self.draws(output, batch, module)
        if entries.dim() == batch.target.dim():
            return entries
        return (self.weights(entries, output, batch)[..., None] * entries).sum(0)

    def average(self, entries, observed):
        return self.total(entries, observed) / entries.shape[-1]

    def total(self, entries, observed):
        """The sum over a row's observed entries: what is not observed says nothing of log p."""
        return (entries if observed is None else entries.where(observed, 0.0)).sum(-1)

    def error(self, output, batch, module):
        """Minus the bound of each row, in nats for each entry: (n,)."""
        fit = super().error(output, batch, module)
        return fit + self.kl(output, batch, module) / batch.target[0].numel()

    def kl(self, output, batch, module):
        """How much the posterior of each row says, in nats: (n,)."""
        if output.noise.dim() == output.posterior.mean.dim():
            return divergence(output.posterior).sum(-1)
        weights = self.weights(self.draws(output, batch, module), output, batch)
        entropy = torch.special.entr(weights).sum(0)
        ratio = (weights * log_ratio(output.posterior, output.noise)).sum(0)
        return ratio + math.log(len(weights)) - entropy

    def term(self, output, batch, module):
        beta = self.beta
        if module.training and module.progress < self.kl_warmup:
            beta *= module.progress / self.kl_warmup
        if self.divergence == "mmd":
            prior = module.random(randn, output.code.shape, output.code)
            return beta * discrepancy(rows_of_all(output.code), rows_of_all(prior))
        if self.free_bits:
            kl = batch.mean_of_all(divergence(output.posterior)).clamp(min=self.free_bits).sum()
        else:
            kl = batch.mean(self.kl(output, batch, module))
        return beta * kl / batch.target[0].numel()

    def margin(self, loss, tol):
        """As nats have no zero: what the share ``tol`` of the variance is worth to a Gaussian."""
        return tol / 2


def discrepancy(a, b):
    """The squared maximum mean discrepancy of two samples, unbiased (Tolstikhin et al., 2018)."""
    n, size = a.shape
    rows = torch.cat([a, b])
    distances = torch.cdist(rows, rows).square() / (2 * size)
    kernel = sum(width / (width + distances) for width in WIDTHS) / len(WIDTHS)
    kernel = kernel * (1 - torch.eye(2 * n, dtype=kernel.dtype, device=kernel.device))
    within = (kernel[:n, :n].sum() + kernel[n:, n:].sum()) / max(1, n * (n - 1))
    return within - 2 * kernel[:n, n:].mean()
