"""The module that every family trains: an encoder, a decoder and the units of the data."""

from typing import NamedTuple

import torch
from torch import nn

from .layers import Shortcut

# Each has slope one where its argument is the usual value of X, so that a net that starts at
# PCA's reconstruction still starts near it behind the activation.
OUTPUT_ACTIVATIONS = {
    "identity": None,
    "relu": torch.relu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
}


def find(module, kind):
    """The first submodule of a kind, or None: wrappers such as noise do not hide it."""
    return next((m for m in module.modules() if isinstance(m, kind)), None)


class Output(NamedTuple):
    """What a forward pass gives; all in standardised units but ``logits``."""

    code: torch.Tensor
    reconstruction: torch.Tensor
    logits: torch.Tensor | None = None  # the argument of the output activation, in units of X


class Units(nn.Module):
    """``(x - center) / scale``: a centre for each column, one scale for all of them.

    One scale leaves the squared error what it was, up to a factor: errors are then fractions of
    the variance of X, and neither the unit nor the origin of X matters to the training.
    """

    def __init__(self, center, scale):
        super().__init__()
        self.register_buffer("center", center)
        self.register_buffer("scale", scale)

    def forward(self, x):
        return (x - self.center).div_(self.scale)

    def inverse(self, x):
        return torch.addcmul(self.center, x, self.scale)


class EncoderDecoder(nn.Module):
    """``decoder(encoder(x))`` on standardised rows; `encode` and `decode` speak the units of X."""

    def __init__(self, encoder, decoder, units, output_activation="identity"):
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.units = units
        self.output_activation = output_activation

    def forward(self, x):
        code = self.encoder(x)
        x, logits, _ = self._reconstruct(code)
        return Output(code, x, logits)

    def _reconstruct(self, code):
        x = self.decoder(code)
        if self.output_activation == "identity":
            return x, None, None
        logits = self.units.inverse(x)
        if self.output_activation == "sigmoid":
            logits = 4 * logits - 2
        activated = OUTPUT_ACTIVATIONS[self.output_activation](logits)
        return self.units(activated), logits, activated

    @torch.no_grad()
    def start_at(self, center, axes):
        """Start at the projection on the orthonormal rows of ``axes`` through ``center``.

        Only the shortcuts are written; their gates are zero, so that this is the whole net. Codes
        beyond the number of axes start at zero.
        """
        encoder, decoder = (find(half, Shortcut).shortcut for half in (self.encoder, self.decoder))
        n = len(axes)
        encoder.weight.zero_()[:n].copy_(axes)
        encoder.bias.zero_()[:n].copy_(-axes @ center)
        decoder.weight.zero_()[:, :n].copy_(axes.T)
        decoder.bias.copy_(center)

    def encode(self, x):
        """Codes of rows in units of X; a missing entry counts as its column's centre."""
        return self.encoder(self.units(x).nan_to_num_(nan=0.0))

    def decode(self, code):
        """Rows in units of X."""
        x, _, activated = self._reconstruct(code)
        return self.units.inverse(x) if activated is None else activated
