"""What training minimizes: ``mean over rows of error + penalty``."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from ..nn.layers import column_mask, log_probability
from ..nn.shares import part_of_mean


def squared_error(output, target, units):
    """``(x - x_hat)^2``: in standardized units, the fraction of the variance unexplained."""
    return F.mse_loss(output.reconstruction, target, reduction="none")


def absolute_error(output, target, units):
    """``|x - x_hat|``."""
    return F.l1_loss(output.reconstruction, target, reduction="none")


def huber(output, target, units):
    """``e^2 / 2`` for errors below one scale of X, ``|e| - 1/2`` above."""
    return F.huber_loss(output.reconstruction, target, reduction="none")


def binary_cross_entropy(output, target, units):
    """``-x log p - (1 - x) log(1 - p)`` in nats, x in [0, 1]."""
    target = units.inverse(target).clamp_(0, 1)  # rounding may have left [0, 1]
    return F.binary_cross_entropy_with_logits(output.logits, target, reduction="none")


# The loss of one entry, and the power of the scale of X that brings it back to the units of X.
LOSSES = {
    "squared_error": (squared_error, 2),
    "absolute_error": (absolute_error, 1),
    "huber": (huber, 2),
    "binary_cross_entropy": (binary_cross_entropy, 0),
}


def observed_mean(values, observed=None):
    """Mean over each row's observed entries; 0 for a row with none."""
    values = values.flatten(1)
    if observed is None:
        return values.mean(1)
    observed = observed.flatten(1)
    return values.where(observed, 0.0).sum(1) / observed.sum(1).clamp_(min=1)


class Objective(nn.Module):
    """``mean over rows of error(row) + penalty``; a family writes an `Extended`."""

    stacks = True  # rows of several nets, one below the other, have the mean of their losses

    def __init__(self, loss="squared_error"):
        super().__init__()
        self.loss = loss

    def forward(self, output, batch, module):
        if batch.observed is None and batch.weight is None:  # one mean does for two
            error = part_of_mean(self.entries(output, batch, module).mean())
        else:
            error = batch.mean(self.average(self.entries(output, batch, module), batch.observed))
        penalty = self.penalty(output, batch, module)
        return error if penalty is None else error + penalty

    def entries(self, output, batch, module):
        """The loss of each entry, in standardized units."""
        return LOSSES[self.loss][0](output, batch.target, module.target_units)

    def error(self, output, batch, module):
        """Each row's loss, the mean over its observed entries, in standardized units: (n,)."""
        return self.average(self.entries(output, batch, module), batch.observed)

    def average(self, entries, observed):
        """The loss of rows from that of their entries."""
        return observed_mean(entries, observed)

    def row_error(self, output, batch, module):
        """The same as scores take it, where the average of training depends on the batch."""
        return self.error(output, batch, module)

    def unit(self, scale):
        """What an error of 1 is in units of the target; 1 where its columns differ in theirs."""
        return scale ** LOSSES[self.loss][1] if np.ndim(scale) == 0 else 1.0

    def penalty(self, output, batch, module):
        """What a family adds to the mean error; nothing here."""

    def margin(self, loss, tol):
        """By how much a loss must fall below this one to count as lower."""
        return tol * loss


class Extended(Objective):
    """An objective that adds to another, so that those of crossed families add up."""

    def __init__(self, objective):
        super().__init__(objective.loss)
        self.objective = objective

    def entries(self, output, batch, module):
        return self.objective.entries(output, batch, module)

    def average(self, entries, observed):
        return self.objective.average(entries, observed)

    def margin(self, loss, tol):
        return self.objective.margin(loss, tol)

    def penalty(self, output, batch, module):
        terms = self.objective.penalty(output, batch, module), self.term(output, batch, module)
        given = [term for term in terms if term is not None]
        return sum(given) if given else None

    def term(self, output, batch, module):
        """What this one adds to the penalty; nothing here."""


class CategoricalObjective(Extended):
    """``-sum_k x_k log p_k`` of the groups of columns that indicate one category, in nats.

    All other columns have the loss that it extends.
    """

    stacks = True

    def __init__(self, objective, groups, n_columns):
        super().__init__(objective)
        self.register_buffer("is_category", column_mask(groups, n_columns))

    def entries(self, output, batch, module):
        units = module.target_units
        surprise = -units.inverse(batch.target) * log_probability(output.reconstruction, units)
        return torch.where(self.is_category, surprise, super().entries(output, batch, module))
