"""Codes of which the first numbers are codes as well."""

import torch
from torch import nn
from torch.nn import functional as F

from .randomness import rand
from .shares import sum_of_all

# Shares of the rows of a step that are told so many numbers as are drawn uniformly, and all; of the
# others the logarithm is uniform. Chosen on MNIST and satellite.
UNIFORM, WHOLE = 0.3, 0.15
FORGETTING = 0.01  # of a running error, for each row of its length
SMALLEST_ERROR = 1e-6


class Prefix(nn.Module):
    """The first numbers of a code, each beside a mark that it is told: ``(z_1, 1, z_2, 1, 0, 0)``.

    Without the marks a decoder could not tell a number that is left out from one that is zero.
    While training, how many are told is drawn for each row; else they are those that are given.
    """

    def __init__(self, code_size):
        super().__init__()
        self.code_size = code_size
        self.n_told = None  # of each row of a step
        # The error of rows of which so many numbers are told: at the start, and by now.
        self.register_buffer("first", torch.ones(code_size))
        self.register_buffer("running", torch.ones(code_size))

    def forward(self, code):
        n_told = code.shape[-1]
        if self.training:
            self.n_told = self.draw(code)
            n_told = self.n_told.unsqueeze(-1)
            if self.code_size > 1:
                # The best code of one number winds through the rows, and longer codes cannot be
                # had from it: the decoder makes what it can of a first number that is for these.
                code = torch.where(n_told > 1, code, code.detach())
        code = F.pad(code, (0, self.code_size - code.shape[-1]))
        told = torch.arange(self.code_size, device=code.device) < n_told
        told = told.to(code).expand(code.shape)
        return torch.stack([code * told, told], dim=-1).flatten(-2)

    def draw(self, code):
        """How many numbers of each row are told."""
        how, u = rand((2, *code.shape[:-1]), code, axis=1)
        u = torch.where(how < UNIFORM, u * self.code_size + 1, (self.code_size + 1.0) ** u)
        return u.long().clamp(max=self.code_size).where(how < 1 - WHOLE, self.code_size)

    @staticmethod
    def lengths(told):
        """How many numbers are told, of what `forward` gives."""
        return told[..., 1::2].sum(-1).long()

    @torch.no_grad()
    def learn(self, errors):
        """The errors by length at the start."""
        self.first.copy_(errors).clamp_(min=SMALLEST_ERROR)
        self.running.copy_(self.first)

    @torch.no_grad()
    def weights(self, errors, power):
        """Weights of the rows of a step, from the errors so far of rows of their lengths."""
        place = self.n_told.flatten() - 1
        nothing = torch.zeros_like(self.running)
        numbers = sum_of_all(nothing.index_add(0, place, torch.ones_like(errors)))
        totals = sum_of_all(nothing.index_add(0, place, errors.detach()))
        self.running.lerp_(totals / numbers.clamp(min=1), 1 - (1 - FORGETTING) ** numbers)
        weights = self.running.clamp(min=SMALLEST_ERROR) ** -power
        return (weights / weights.mean())[place]


class Fading(nn.Module):
    """A decoder's nonlinear path, the less is left to be explained of a length the smaller.

    Beside a shortcut, that is: steps for the short codes, of which it makes much, would else shake
    what it makes of long ones.
    """

    def __init__(self, path, code_size):
        super().__init__()
        self.path = path
        self.register_buffer("factors", torch.ones(code_size))

    def forward(self, told):
        return self.path(told) * self.factors[Prefix.lengths(told) - 1].unsqueeze(-1)

    @torch.no_grad()
    def learn(self, errors):
        """The errors by length at the start."""
        self.factors.copy_(errors / errors[0].clamp(min=SMALLEST_ERROR))
