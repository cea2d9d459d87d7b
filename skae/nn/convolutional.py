"""Convolutional encoders and decoders of flat rows that are images or signals."""

from itertools import pairwise
from math import prod
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

from .layers import ACTIVATIONS
from .mlp import MLP

# What is added to the squares of the pixels that a linear map stands on, in units of their mean.
RIDGE = 1e-6
TIES = 10.0  # rows
AT_ONCE = 2**20  # numbers of pictures whose neighborhoods are held


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


class RowBeside(nn.Module):
    """The outputs of ``path``, and the row itself after them."""

    def __init__(self, path):
        super().__init__()
        self.path = path

    def forward(self, x):
        return torch.cat([self.path(x), x], dim=1)


def stretched(pictures, size):
    """Pictures of another size, if it is another."""
    if tuple(pictures.shape[2:]) == size:
        return pictures
    return F.interpolate(pictures, size=size, mode="bilinear")


class LinearPicture(nn.Module):
    """A picture of another: at each place by a linear map of its own, and then by a convolution.

    The first knows what is the same in all rows, as a mark is, and the second what is around. A
    picture of another size is stretched before.
    """

    def __init__(self, given, taken, kernel_size):
        super().__init__()
        self.given, self.taken = given, taken
        shape = taken.channels, given.channels + 1, *taken.size
        self.places = nn.Parameter(torch.zeros(shape))  # weights, and a bias
        self.around = convolution(taken.channels, taken.channels, kernel_size, taken.size)

    def stretched(self, rows):
        """Flat rows as pictures of the size that is wanted."""
        return stretched(self.given(rows), tuple(self.taken.size))

    def forward(self, pictures):
        return self.around(self._at_places(pictures))

    def _at_places(self, pictures):
        weight, bias = self.places[:, :-1], self.places[:, -1]
        return (pictures[:, None] * weight).sum(2) + bias

    @torch.no_grad()
    def learn(self, rows, target, observed=None):
        """Both maps by least squares between flat rows, over what is known of the target.

        The map of a place is drawn to that of all places as by so many rows as `TIES` says.
        """
        known = torch.ones_like(target) if observed is None else observed.to(target.dtype)
        x, target, known = self.given(rows), self.taken(target), self.taken(known)
        x, target, known = (part.cpu().double() for part in (x, target, known))
        x = stretched(x, tuple(self.taken.size))
        for j, (t, w) in enumerate(zip(target.unbind(1), known.unbind(1), strict=True)):
            grams, moments = normal_equations(x, t, w, lambda part: part.flatten(2), "p")
            shared = solved(grams.sum(0), moments.sum(0))
            ties = TIES * torch.eye(len(shared), dtype=grams.dtype)
            places = torch.linalg.solve(grams + ties, moments + TIES * shared)
            self.places[j] = places.T.reshape(self.places[j].shape).to(self.places)
        placed, how = self._at_places(x.to(self.places)).double(), self.around
        for j, (t, w) in enumerate(zip(target.unbind(1), known.unbind(1), strict=True)):
            around = solved(
                *normal_equations(
                    placed, t, w, lambda part: F.unfold(part, how.kernel_size, 1, how.padding), ""
                )
            )
            how.weight[j] = around[:-1].reshape(how.weight[j].shape).to(how.weight)
            how.bias[j] = around[-1]


def normal_equations(pictures, target, weight, inputs_of, by_place):
    """Of least squares from the inputs at each place, and 1, to a channel: "p" for each place."""
    grams = moments = 0
    n_at_once = max(1, AT_ONCE // pictures[0].numel())
    for x, t, w in zip(*(a.split(n_at_once) for a in (pictures, target, weight)), strict=True):
        inputs = F.pad(inputs_of(x), (0, 0, 0, 1), value=1.0)
        t, w = t.flatten(1), w.flatten(1)
        weighed = inputs * w[:, None]
        grams = grams + torch.einsum(f"nqp,nrp->{by_place}qr", weighed, inputs)
        moments = moments + torch.einsum(f"nqp,np->{by_place}q", weighed, t)
    return grams, moments


def solved(gram, moments):
    """The solution of normal equations, which may be singular."""
    ridge = RIDGE * gram.diagonal().mean().clamp(min=1.0)
    return torch.linalg.solve(gram + ridge * torch.eye(len(gram), dtype=gram.dtype), moments)


class ConvolutionalDecoder(Precise):
    """The mirror image: a perceptron to the smallest maps, and layers that double their size.

    Parameters
    ----------
    folds : pair of Fold
        How rows of X are pictures, and those that are made.
    n_beside : int
        So many numbers of X itself stand in a code after the maps. The best linear map of them is
        added to what the net gives, which sees them too and is silent at the start.
    """

    def __init__(
        self, folds, channels, kernel_size, hidden, n_inputs, n_outputs, n_beside, settings
    ):
        super().__init__(settings["precision"])
        given, self.fold = folds
        sizes = sizes_of(self.fold.size, len(channels))[::-1]
        widths = [*channels[::-1], n_outputs // prod(self.fold.size)]
        self.shortcut, n_inputs = None, n_inputs - n_beside
        if n_beside:
            self.shortcut = LinearPicture(given, self.fold, kernel_size)
            widths[-1] = channels[0]
        self.perceptron = None
        self.smallest = tuple(sizes[0])
        self.coded = widths[0], *self.smallest
        if hidden is None:  # the maps are as small as those of X
            small = sizes_of(given.size, len(channels))[-1]
            widths[0] = n_inputs // prod(small)
            self.coded = widths[0], *small
        else:
            ends = [n_inputs, *hidden, widths[0] * prod(sizes[0])]
            self.perceptron = nn.Sequential(
                MLP(ends, settings["activation"], settings["dropout"]),
                ACTIVATIONS[settings["activation"]](),
            )
        layers, self.multiplications = [], 0
        for (given, taken), (small, large) in zip(pairwise(widths), pairwise(sizes), strict=True):
            layers += upsampling(given, taken, kernel_size, small, large, settings["upsampling"])
            at = large if settings["upsampling"] == "resize" else small
            self.multiplications += layers[-1].weight.numel() * (prod(at) - 1)
            layers += [ACTIVATIONS[settings["activation"]]()]
        if self.shortcut is None:
            layers.pop()
        self.maps = nn.Sequential(*layers).to(memory_format=torch.channels_last)
        if self.shortcut is not None:
            self.joint = convolution(
                widths[-1] + folds[0].channels, self.fold.channels, kernel_size, self.fold.size
            ).to(memory_format=torch.channels_last)
            self.multiplications += self.joint.weight.numel() * (prod(self.fold.size) - 1)
            nn.init.zeros_(self.joint.weight)
            nn.init.zeros_(self.joint.bias)

    @property
    def last(self):
        """The layer that gives the outputs."""
        return self.maps[-1] if self.shortcut is None else self.joint

    def run(self, code):
        pictures = None
        if self.shortcut is not None:
            code, rows = code.tensor_split([prod(self.coded)], dim=1)
            pictures = self.shortcut.stretched(rows)
        if self.perceptron is not None:
            code = self.perceptron(code)
        maps = stretched(code.unflatten(1, self.coded), self.smallest)
        maps = self.maps(maps.contiguous(memory_format=torch.channels_last))
        if pictures is not None:
            maps = self.joint(torch.cat([maps, pictures], dim=1)) + self.shortcut(pictures)
        return self.fold.inverse(maps)
