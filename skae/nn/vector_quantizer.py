"""Codes made of vectors from a codebook, and the module around them."""

from typing import NamedTuple

import torch
from torch import nn

from .autoencoder import EncoderDecoder
from .randomness import generator
from .shares import number_of_all, rows_of_all, sum_of_all
from .tracing import is_traced

# A vector that is chosen less often than this share of the average moves to where there are codes.
RARE = 0.03
# Of the usage that is added to each vector, so that one that is never chosen stays finite.
SMOOTHING = 1e-5


class QuantizedOutput(NamedTuple):
    """An `Output`, and the code before it was quantized."""

    code: torch.Tensor
    reconstruction: torch.Tensor
    logits: torch.Tensor | None
    continuous: torch.Tensor


class VectorQuantizer(nn.Module):
    """Replaces each piece of a code by the nearest vector of the codebook.

    The vectors are running means of the pieces that choose them (van den Oord et al., 2017,
    appendix), and the gradient passes as if nothing were replaced.
    """

    def __init__(self, codebook_size, embedding_size, decay):
        super().__init__()
        self.decay = decay
        self.register_buffer("codebook", torch.zeros(codebook_size, embedding_size))
        self.register_buffer("usage", torch.ones(codebook_size))
        self.register_buffer("sums", torch.zeros(codebook_size, embedding_size))

    @torch.no_grad()
    def start_at(self, codebook):
        """Start at the given vectors, each as if it had been chosen once a batch."""
        self.codebook.copy_(codebook)
        self.sums.copy_(codebook)
        self.usage.fill_(1.0)

    def indices(self, code):
        """Numbers of the nearest vectors: (n, pieces)."""
        pieces, codebook = self.pieces(code), self.codebook
        if is_traced():  # half the squared distance, less the piece's own part
            codebook = codebook.double()
            return (codebook.square().sum(1) / 2 - pieces.double() @ codebook.T).argmin(-1)
        return torch.cdist(pieces, codebook).argmin(-1)

    def pieces(self, code):
        """A code cut into vectors of the codebook's size."""
        return code.unflatten(-1, (-1, self.codebook.shape[1]))

    def look_up(self, indices):
        """The code of these vectors."""
        return self.codebook[indices].flatten(-2)

    def forward(self, code):
        indices = self.indices(code.detach())
        if self.training:
            self.remember(self.pieces(code.detach()).flatten(0, 1), indices.flatten())
        return code + (self.look_up(indices) - code).detach()

    @torch.no_grad()
    def remember(self, pieces, indices):
        """Move the vectors towards the pieces that chose them."""
        share, n = 1 - self.decay, number_of_all(len(pieces))
        ones = pieces.new_ones(len(pieces))
        counts = sum_of_all(torch.zeros_like(self.usage).index_add_(0, indices, ones))
        self.usage.lerp_(counts, share)
        sums = sum_of_all(torch.zeros_like(self.sums).index_add_(0, indices, pieces))
        self.sums.lerp_(sums, share)
        self.codebook.copy_(self.sums / (self.usage + SMOOTHING)[:, None])
        rare = self.usage < RARE * n / len(self.codebook)
        # All are drawn and few are used: to ask the device how many are rare would wait for it.
        of = {"generator": generator(pieces.device), "device": pieces.device}
        chosen = rows_of_all(pieces)[torch.randint(n, rare.shape, **of)]
        average = max(1.0, n / len(self.codebook))
        self.codebook.copy_(chosen.where(rare[:, None], self.codebook))
        self.sums.copy_((chosen * average).where(rare[:, None], self.sums))
        self.usage.masked_fill_(rare, average)


class VectorQuantizedEncoderDecoder(EncoderDecoder):
    """An `EncoderDecoder` whose codes consist of vectors of a codebook."""

    def __init__(self, quantizer, *parts):
        super().__init__(*parts)
        self.quantizer = quantizer

    def forward(self, x):
        continuous = self.encoder(x)
        code = self.quantizer(continuous)
        x, logits, _ = self._reconstruct(code)
        return QuantizedOutput(code, x, logits, continuous)

    def encode(self, x):
        return self.quantizer.look_up(self.encode_indices(x))

    def encode_indices(self, x):
        """Numbers of the vectors of rows in units of X."""
        return self.quantizer.indices(super().encode(x))
