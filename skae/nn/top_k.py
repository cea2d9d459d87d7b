"""Codes of which the largest entries are kept, and the module around them."""

from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

from .autoencoder import EncoderDecoder
from .shares import number_of_all, rows_of_all, sum_of_all

# Of the largest entries of a batch the running threshold forgets this share at each step.
FORGETTING = 0.05


class TopKOutput(NamedTuple):
    """An `Output`, and the activations before the largest were chosen."""

    code: torch.Tensor
    reconstruction: torch.Tensor
    logits: torch.Tensor | None
    activations: torch.Tensor


def top_k(activations, k):
    """The k largest entries of each row; 0 elsewhere. Ties do not make them more."""
    values, index = activations.topk(k, dim=-1, sorted=False)
    return torch.zeros_like(activations).scatter_(-1, index, values)


class TopK(nn.Module):
    """Keeps k entries of each row; in `encode`, ``k_encode``."""

    def __init__(self, k, k_encode):
        super().__init__()
        self.k = k
        self.k_encode = k_encode

    def forward(self, activations, k):
        return top_k(activations, k)

    def encode(self, activations):
        return top_k(activations, self.k_encode)


class BatchTopK(TopK):
    """Keeps the ``k * n`` largest entries of a batch of n rows (Bussmann et al., 2024).

    The smallest that was kept, averaged over the steps, is the threshold of inference, where a
    row's code must not depend on the rows that come with it.
    """

    def __init__(self, k, k_encode):
        super().__init__(k, k_encode)
        self.register_buffer("thresholds", torch.full((2,), torch.nan))

    def forward(self, activations, k):
        if not self.training:
            return activations.where(activations > self.thresholds[0], 0.0)
        rows = rows_of_all(activations.detach())
        numbers = [len(rows) * n for n in (k, self.k, self.k_encode)]
        largest = rows.flatten().topk(max(numbers)).values
        kept, *thresholds = (largest[n - 1] for n in numbers)
        thresholds = torch.stack(thresholds)
        first = self.thresholds.isnan()
        self.thresholds.copy_(thresholds.where(first, self.thresholds.lerp(thresholds, FORGETTING)))
        return activations.where(activations >= kept, 0.0)

    def encode(self, activations):
        return activations.where(activations > self.thresholds[1], 0.0)


SELECTIONS = {"topk": TopK, "batchtopk": BatchTopK}


class Shift(nn.Module):
    """``x + sign * bias``: the same bias is subtracted before encoding and added after decoding."""

    def __init__(self, bias, sign):
        super().__init__()
        self.bias = bias
        self.sign = sign

    def forward(self, x):
        return torch.add(x, self.bias, alpha=self.sign)


class UnitLinear(nn.Module):
    """``linear`` with the rows (dim 1) or columns (dim 0) of its weight scaled to length one."""

    def __init__(self, linear, dim):
        super().__init__()
        self.linear = linear
        self.dim = dim
        self.in_features, self.out_features = linear.in_features, linear.out_features

    @property
    def weight(self):
        return F.normalize(self.linear.weight, dim=self.dim)

    def forward(self, x):
        return F.linear(x, self.weight, self.linear.bias)


class TopKEncoderDecoder(EncoderDecoder):
    """An `EncoderDecoder` that keeps the largest entries of its codes.

    ``idle`` counts the rows since a unit was last kept.
    """

    def __init__(self, selection, schedule, code_size, *parts):
        super().__init__(*parts)
        self.selection = selection
        self.schedule = schedule
        self.settled = schedule.settled
        self.register_buffer("idle", torch.zeros(code_size, dtype=torch.int64))

    def forward(self, x):
        activations = self.encoder(x)
        code = self.selection(activations, self._k())
        if self.training:
            with torch.no_grad():
                used = sum_of_all((code != 0).any(0).long())
                self.idle.add_(number_of_all(len(x))).mul_(used == 0)
        x, logits, _ = self._reconstruct(code)
        return TopKOutput(code, x, logits, activations)

    def _k(self):
        return self.schedule(self.progress) if self.training else self.selection.k

    def encode(self, x):
        return self.selection.encode(super().encode(x))

    def reconstruct(self, x):
        return self.decode(self.selection(super().encode(x), self.selection.k))
