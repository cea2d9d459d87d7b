"""Convolutional encoders and decoders of flat rows that are images or signals."""

from itertools import pairwise
from math import prod
from typing import NamedTuple

import torch
from torch import nn

from .layers import ACTIVATIONS
from .mlp import MLP


class Fold(NamedTuple):
    """How a flat row is an image: its channels, height and width, and their order."""

    channels: int
    size: tuple  # height and width
    channels_last: bool = False

    def __call__(self, x):
        """Flat rows as images, channels first."""
        if self.channels_last:
            return x.unflatten(1, (*self.size, -1)).movedim(-1, 1)
        return x.unflatten(1, (-1, *self.size))

    def inverse(self, images):
        """Images as flat rows. Further parameters of the entries come one after the other."""
        if not self.channels_last:
            return images.flatten(1)
        images = images.unflatten(1, (-1, self.channels)).movedim(2, -1)
        return images.flatten(1)


def sizes_of(size, n_layers):
    """The sizes of the maps from the image on: each layer halves them, and rounds up."""
    sizes = [tuple(size)]
    for _ in range(n_layers):
        sizes.append(tuple(-(-n // 2) for n in sizes[-1]))
    return sizes


def convolution(given, taken, kernel_size, size, stride=1):
    """A convolution that keeps the size, but for the stride; flat images stay flat."""
    kernel = [kernel_size if n > 1 else 1 for n in size]
    padding = [k // 2 for k in kernel]
    return nn.Conv2d(given, taken, kernel, [stride if n > 1 else 1 for n in size], padding)


def upsampling(given, taken, kernel_size, small, large, how):
    """Layers from maps of one size to maps of another, exactly."""
    if how == "resize":
        return [nn.Upsample(large, mode="nearest"), convolution(given, taken, kernel_size, large)]
    kernel = [kernel_size if n > 1 else 1 for n in large]
    stride = [2 if n > 1 else 1 for n in large]
    padding = [k // 2 for k in kernel]
    missing = [
        n - ((m - 1) * s - 2 * p + k)
        for n, m, s, p, k in zip(large, small, stride, padding, kernel, strict=True)
    ]
    return [nn.ConvTranspose2d(given, taken, kernel, stride, padding, missing)]


class Precise(nn.Module):
    """A module in bfloat16 where ``precision`` says so; its outputs are in x's precision."""

    def __init__(self, precision):
        super().__init__()
        self.precision = precision

    def forward(self, x):
        if self.precision == "float32" or x.dtype == torch.float64:
            return self.run(x)
        with torch.autocast(x.device.type, torch.bfloat16):
            return self.run(x).to(x.dtype)


class ConvolutionalEncoder(Precise):
    """Strided convolutions, and a perceptron from the last maps to the outputs.

    Without ``hidden`` sizes (None) the maps themselves are the outputs. What a row has beyond the
    image goes to the perceptron.
    """

    def __init__(self, fold, channels, kernel_size, hidden, n_outputs, n_beside, settings):
        super().__init__(settings["precision"])
        self.fold = fold
        self.n_beside = n_beside
        sizes = sizes_of(fold.size, len(channels))
        widths = [fold.channels, *channels]
        if hidden is None:
            widths[-1] = n_outputs // prod(sizes[-1])
        layers, self.multiplications = [], 0
        for (given, taken), (large, small) in zip(pairwise(widths), pairwise(sizes), strict=True):
            layers += [convolution(given, taken, kernel_size, large, stride=2)]
            self.multiplications += layers[-1].weight.numel() * (prod(small) - 1)
            layers += [ACTIVATIONS[settings["activation"]]()]
        if hidden is None:
            layers.pop()
        self.maps = nn.Sequential(*layers).to(memory_format=torch.channels_last)
        self.perceptron = None
        if hidden is not None:
            flat = widths[-1] * prod(sizes[-1]) + n_beside
            sizes = [flat, *hidden, n_outputs]
            self.perceptron = MLP(sizes, settings["activation"], settings["dropout"])

    @property
    def last(self):
        """The layer that gives the outputs."""
        return self.maps[-1] if self.perceptron is None else self.perceptron.last

    def run(self, x):
        beside = x[:, x.shape[1] - self.n_beside :]
        images = self.fold(x[:, : x.shape[1] - self.n_beside])
        maps = self.maps(images.contiguous(memory_format=torch.channels_last)).flatten(1)
        if self.perceptron is None:
            return maps
        return self.perceptron(torch.cat([maps, beside], dim=1) if self.n_beside else maps)


class ConvolutionalDecoder(Precise):
    """The mirror image: a perceptron to the smallest maps, and layers that double their size."""

    def __init__(self, fold, channels, kernel_size, hidden, n_inputs, n_outputs, settings):
        super().__init__(settings["precision"])
        self.fold = fold
        sizes = sizes_of(fold.size, len(channels))[::-1]
        widths = [*channels[::-1], n_outputs // prod(fold.size)]
        self.perceptron = None
        if hidden is None:
            widths[0] = n_inputs // prod(sizes[0])
        else:
            ends = [n_inputs, *hidden, widths[0] * prod(sizes[0])]
            self.perceptron = nn.Sequential(
                MLP(ends, settings["activation"], settings["dropout"]),
                ACTIVATIONS[settings["activation"]](),
            )
        self.smallest = widths[0], *sizes[0]
        layers, self.multiplications = [], 0
        for (given, taken), (small, large) in zip(pairwise(widths), pairwise(sizes), strict=True):
            layers += upsampling(given, taken, kernel_size, small, large, settings["upsampling"])
            at = large if settings["upsampling"] == "resize" else small
            self.multiplications += layers[-1].weight.numel() * (prod(at) - 1)
            layers += [ACTIVATIONS[settings["activation"]]()]
        self.maps = nn.Sequential(*layers[:-1]).to(memory_format=torch.channels_last)

    @property
    def last(self):
        """The layer that gives the outputs."""
        return self.maps[-1]

    def run(self, code):
        if self.perceptron is not None:
            code = self.perceptron(code)
        maps = code.unflatten(1, self.smallest).contiguous(memory_format=torch.channels_last)
        return self.fold.inverse(self.maps(maps))
