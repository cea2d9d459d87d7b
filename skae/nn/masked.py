"""Transformers over the patches of rows, of which the encoder sees only some."""

import math
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

from .autoencoder import EVALUATION_SEED, EncoderDecoder
from .randomness import rand
from .tracing import is_traced

MLP_RATIO = 4
# Passes of a score at most: each pass hides other patches.
MOST_PASSES = 16
# Of a patch that is normed, the smallest variance.
SMALLEST_VARIANCE = 1e-6


class ImagePatches(nn.Module):
    """Cuts flat rows that are images into patches, and puts these together again."""

    def __init__(self, fold, size):
        super().__init__()
        self.fold = fold
        self.size = [min(size, n) for n in fold.size]
        self.grid = [n // k for n, k in zip(fold.size, self.size, strict=True)]
        self.n_patches = math.prod(self.grid)
        self.n_numbers = fold.channels * math.prod(self.size)

    def split(self, x):
        """Flat rows as patches: (n, patches, numbers)."""
        (rows, columns), (height, width) = self.grid, self.size
        images = self.fold(x).unflatten(3, (columns, width)).unflatten(2, (rows, height))
        return images.permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2)

    def join(self, patches):
        """Patches as flat rows."""
        images = patches.unflatten(2, (-1, *self.size)).unflatten(1, self.grid)
        images = images.permute(0, 3, 1, 4, 2, 5).flatten(4).flatten(2, 3)
        return self.fold.inverse(images)

    def embedding(self, width):
        """From patches to tokens."""
        return PatchEmbedding(self.n_numbers, sine_positions(self.grid, width))

    def head(self, width):
        """From tokens to patches."""
        return nn.Linear(width, self.n_numbers)

    def positions(self, width):
        """Of the patches, for the decoder."""
        return sine_positions(self.grid, width)


class TablePatches(nn.Module):
    """Each column of a table is a patch of one number, with an embedding of its own."""

    def __init__(self, n_features):
        super().__init__()
        self.n_patches = n_features
        self.n_numbers = 1

    def split(self, x):
        """Flat rows as patches: (n, patches, 1)."""
        return x[:, :, None]

    def join(self, patches):
        """Patches as flat rows."""
        return patches.squeeze(2)

    def embedding(self, width):
        """From numbers to tokens."""
        return ColumnEmbedding(self.n_patches, width)

    def head(self, width):
        """From tokens to numbers."""
        return ColumnHead(self.n_patches, width)

    def positions(self, width):
        """Of the columns, for the decoder: learned, as their order says nothing."""
        return nn.Parameter(0.02 * torch.randn(self.n_patches, width))


class PatchEmbedding(nn.Module):
    """``W patch + b + position``."""

    def __init__(self, n_numbers, positions):
        super().__init__()
        self.linear = nn.Linear(n_numbers, positions.shape[1])
        self.register_buffer("positions", positions)

    def forward(self, patches):
        return self.linear(patches) + self.positions


class ColumnEmbedding(nn.Module):
    """``x_j w_j + b_j`` for each column j."""

    def __init__(self, n_columns, width):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_columns, width) / math.sqrt(width))
        self.bias = nn.Parameter(torch.randn(n_columns, width) / math.sqrt(width))

    def forward(self, patches):
        return torch.addcmul(self.bias, patches, self.weight)


class ColumnHead(nn.Module):
    """``w_j . token_j + b_j`` for each column j."""

    def __init__(self, n_columns, width):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_columns, width) / width)
        self.bias = nn.Parameter(torch.zeros(n_columns))

    def forward(self, tokens):
        return ((tokens * self.weight).sum(-1) + self.bias)[..., None]


def sine_positions(grid, width):
    """Sines and cosines of the two places in the grid, in a quarter of the width each."""
    quarter = max(1, width // 4)
    # From a period of four places to one of four grids: small grids need them all apart.
    frequency = math.pi / 2 * max(grid) ** (-torch.arange(quarter) / quarter)
    places = torch.cartesian_prod(*(torch.arange(n, dtype=torch.float32) for n in grid))
    angles = (places[:, :, None] * frequency).flatten(1)
    waves = torch.cat([angles.sin(), angles.cos()], dim=1)
    return F.pad(waves, (0, max(0, width - waves.shape[1])))[:, :width]


class Block(nn.Module):
    """Attention and a perceptron, each beside the identity (Dosovitskiy et al., 2021)."""

    def __init__(self, width, n_heads):
        super().__init__()
        self.n_heads = n_heads
        self.first_norm, self.second_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention, self.projection = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.perceptron = nn.Sequential(
            nn.Linear(width, MLP_RATIO * width), nn.GELU(), nn.Linear(MLP_RATIO * width, width)
        )

    def forward(self, tokens, attended):
        parts = self.attention(self.first_norm(tokens)).unflatten(2, (3, self.n_heads, -1))
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=attended)
        tokens = tokens + self.projection(mixed.transpose(1, 2).flatten(2))
        return tokens + self.perceptron(self.second_norm(tokens))


class Transformer(nn.Module):
    """Blocks, and a norm at the end."""

    def __init__(self, width, n_heads, depth):
        super().__init__()
        self.blocks = nn.ModuleList([Block(width, n_heads) for _ in range(depth)])
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens, known=None):
        """``known`` says which tokens there are: (n, tokens); None: all."""
        attended = None if known is None else known[:, None, None]
        for block in self.blocks:
            tokens = block(tokens, attended)
        return self.norm(tokens)


class PatchEncoder(nn.Module):
    """Tokens of those patches that are seen."""

    def __init__(self, patches, width, n_heads, depth):
        super().__init__()
        self.patches = patches
        self.embedding = patches.embedding(width)
        self.transformer = Transformer(width, n_heads, depth)
        # Layers serve every token.
        n_weights = sum(p.numel() for p in self.transformer.parameters())
        self.multiplications = (patches.n_patches - 1) * n_weights

    def forward(self, x, seen=None, known=None):
        tokens = self.embedding(self.patches.split(x))
        if seen is not None:
            tokens = gathered(tokens, seen)
            known = None if known is None else known.gather(1, seen)
        return self.transformer(tokens, known)


class PatchDecoder(nn.Module):
    """Patches from the tokens of those that were seen; a learned token stands for each other."""

    def __init__(self, patches, given, width, n_heads, depth):
        super().__init__()
        self.patches = patches
        self.linear = nn.Linear(given, width)
        self.hidden = nn.Parameter(0.02 * torch.randn(width))
        positions = patches.positions(width)
        if isinstance(positions, nn.Parameter):
            self.positions = positions
        else:
            self.register_buffer("positions", positions)
        self.transformer = Transformer(width, n_heads, depth)
        self.head = patches.head(width)

    def forward(self, tokens, seen=None, known=None):
        tokens = self.linear(tokens)
        if seen is not None:
            index = seen[:, :, None].expand(-1, -1, tokens.shape[2])
            hidden = self.hidden.expand(tokens.shape[0], self.patches.n_patches, -1)
            if known is not None:  # a patch that is missing was not seen
                tokens = tokens.where(known.gather(1, seen)[:, :, None], self.hidden)
            tokens = hidden.scatter(1, index, tokens)
        elif known is not None:
            tokens = tokens.where(known[:, :, None], self.hidden)
        return self.patches.join(self.head(self.transformer(tokens + self.positions)))


def gathered(tokens, index):
    """The tokens of these numbers, row by row."""
    return tokens.gather(1, index[:, :, None].expand(-1, -1, tokens.shape[2]))


class MaskedOutput(NamedTuple):
    """An `Output`, and which entries were hidden."""

    code: torch.Tensor
    reconstruction: torch.Tensor
    hidden: torch.Tensor
    logits: torch.Tensor | None = None


class MaskedEncoderDecoder(EncoderDecoder):
    """Rebuilds rows from the patches that are seen.

    ``known`` says which patches are there at all, (n, patches): those with a missing entry are
    never seen. In training those seen are drawn at random; in evaluation they are the same at
    every call.
    """

    def __init__(self, mask_ratio, pooling, normed, *parts):
        super().__init__(*parts)
        self.mask_ratio = mask_ratio
        self.pooling = pooling
        self.normed = normed

    @property
    def patches(self):
        """How rows are cut."""
        return self.encoder.patches

    @property
    def n_seen(self):
        """Patches that the encoder sees in training."""
        n = self.patches.n_patches
        return min(n - 1, max(1, math.floor(n * (1 - self.mask_ratio) + 1e-9)))

    def goal(self, x):
        """What standardized rows are to be rebuilt as: themselves, or with their patches normed."""
        if not self.normed:
            return x
        patches = self.patches.split(x)
        variance = patches.var(-1, keepdim=True, unbiased=False)
        patches = patches - patches.mean(-1, keepdim=True)
        return self.patches.join(patches / (variance + SMALLEST_VARIANCE).sqrt())

    def forward(self, x, known=None):
        order = self.random(rand, (x.shape[0], self.patches.n_patches), x)
        if known is not None:  # missing ones last
            order = order + ~known.bool()
        return self.seeing(x, order.argsort(1)[:, : self.n_seen], known)

    def seeing(self, x, seen, known=None):
        """The rows rebuilt from the patches of these numbers."""
        known = None if known is None else known.bool()
        if known is not None:
            known = known | first_if_none(known.gather(1, seen), seen, known.shape[1])
        tokens = self.encoder(x, seen, known)
        hidden = x.new_ones((x.shape[0], self.patches.n_patches), dtype=torch.bool)
        hidden = hidden.scatter(1, seen, False)
        return MaskedOutput(
            tokens.mean(1), self.decoder(tokens, seen, known), self.of_entries(hidden)
        )

    def of_entries(self, of_patches):
        """What holds of patches, for each of their entries: (n, entries)."""
        return self.patches.join(of_patches[:, :, None].expand(-1, -1, self.patches.n_numbers))

    def encode(self, x, known=None):
        known = None if known is None else known.bool()
        if known is not None:  # of a row of which nothing is known, the center
            known = known | ~known.any(1, keepdim=True)
        tokens = self.encoder(self.units(x).nan_to_num_(nan=0.0), None, known)
        if self.pooling == "tokens":
            return tokens.flatten(1)
        if known is None:
            return tokens.mean(1)
        weights = known.to(tokens.dtype)
        return (weights[:, None] @ tokens).squeeze(1) / weights.sum(1, keepdim=True)

    def decode(self, code):
        tokens = code.unflatten(1, (self.patches.n_patches, -1))
        return self.target_units.inverse(self.decoder(tokens))

    def fill(self, x, known):
        """Rows in units of X, their unknown patches rebuilt from all that are known."""
        known = known.bool()
        known_or_all = known | ~known.any(1, keepdim=True)
        x = self.units(x).nan_to_num_(nan=0.0)
        tokens = self.encoder(x, None, known_or_all)
        return self.target_units.inverse(self.decoder(tokens, None, known_or_all))

    def masks(self, seed):
        """Sets of patches to see, by turns, so that each patch is hidden equally often or so."""
        n, n_seen = self.patches.n_patches, self.n_seen
        order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
        n_passes = min(MOST_PASSES, max(2, math.ceil(n / min(n_seen, n - n_seen))))
        turns = torch.stack([order.roll(-(i * n) // n_passes) for i in range(n_passes)])
        # The fewer of the seen and the hidden ones take turns.
        return turns[:, :n_seen] if n_seen <= n - n_seen else turns[:, n - n_seen :]

    def hidden_once(self, x, known=None, masks=None):
        """Each entry as rebuilt where it was hidden, mean over the masks, and its squared error.

        Standardized rows in, two tensors of their shape out. The `masks` are those of evaluation,
        if none are given.
        """
        masks = self.masks(EVALUATION_SEED) if masks is None else masks
        goal = self.goal(x)
        total, squares, times = torch.zeros_like(x), torch.zeros_like(x), torch.zeros_like(x)
        # One mask after the other takes less memory, and all at once makes a smaller graph.
        for part in masks.to(x.device).split(len(masks) if is_traced() else 1):
            seen = part[:, None].expand(-1, x.shape[0], -1).flatten(0, 1)
            several = len(part), 1
            output = self.seeing(
                x.repeat(several), seen, None if known is None else known.repeat(several)
            )
            rebuilt = output.reconstruction.unflatten(0, (len(part), -1))
            hidden = output.hidden.to(x.dtype).unflatten(0, (len(part), -1))
            total += (hidden * rebuilt).sum(0)
            squares += (hidden * (rebuilt - goal) ** 2).sum(0)
            times += hidden.sum(0)
        times.clamp_(min=1)
        return total / times, squares / times


def first_if_none(known, seen, n):
    """The first of the seen patches, for rows of which none is known: attention needs a token."""
    none = ~known.any(1, keepdim=True)
    first = known.new_zeros((known.shape[0], n))
    return first.scatter(1, seen[:, :1], True) & none
