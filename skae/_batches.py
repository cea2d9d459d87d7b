"""Minibatches of tensors that already lie on the device: no per-row Python, no collation."""

import warnings
from itertools import pairwise, repeat
from typing import NamedTuple

import torch

# Rows are gathered for this many bytes of batches at once: one gather serves many steps, and
# shuffling a large X does not double it.
GATHER_BYTES = 2**26


class Batch(NamedTuple):
    """Rows in standardised units, what they are to be rebuilt as, and where that is known."""

    x: torch.Tensor
    target: torch.Tensor
    observed: torch.Tensor | None = None  # None: everywhere
    condition: torch.Tensor | None = None  # what is known of the rows beside them

    @classmethod
    def of(cls, x, target=None, condition=None):
        """Rows ``x`` that are to be rebuilt as ``target``, or as themselves; NaN is not known."""
        x, observed = filled(x)
        if target is None:
            return cls(x, x, observed, condition)
        return cls(x, *filled(target), condition)

    @property
    def inputs(self):
        """What a module is given."""
        return (self.x,) if self.condition is None else (self.x, self.condition)

    def __len__(self):
        return len(self.x)

    def take(self, index):
        """The rows of the given numbers."""
        index = torch.as_tensor(index, device=self.x.device)
        return self.map(lambda tensor: tensor[index])

    def map(self, function):
        """The batch of ``function`` of each tensor; a shared tensor is mapped once."""
        x = function(self.x)
        target = x if self.target is self.x else function(self.target)
        rest = self.observed, self.condition
        return Batch(x, target, *(None if tensor is None else function(tensor) for tensor in rest))


def filled(x):
    """``x`` with 0 for NaN, and where it was known; None if everywhere."""
    # A sum is NaN if a summand is (or if it overflows): a tenth of the time of a mask.
    if not x.sum().isnan():
        return x, None
    missing = x.isnan()
    return x.masked_fill(missing, 0.0), ~missing


class Batches:
    """Cuts ``rows`` into ``n_batches`` of nearly equal size, in random order if ``shuffle``.

    Equal sizes rather than a small last batch: no step follows the gradient of a single row.
    The order is drawn from torch's global generator, which `fit` seeds and restores.
    """

    def __init__(self, rows, n_batches, shuffle):
        self.rows = rows
        self.n_batches = min(n_batches, len(rows))
        self.shuffle = shuffle

    def __len__(self):
        return self.n_batches

    def __iter__(self):
        n_rows, n = len(self.rows), self.n_batches
        cuts = [i * n_rows // n for i in range(n + 1)]
        per_gather = max(1, GATHER_BYTES * n // max(1, self.rows.x.nbytes))
        order = torch.randperm(n_rows).to(self.rows.x.device) if self.shuffle else None
        for first in range(0, n, per_gather):
            piece = cuts[first : first + per_gather + 1]
            sizes = [stop - start for start, stop in pairwise(piece)]

            def cut(tensor, rows=slice(piece[0], piece[-1]), sizes=sizes):
                gathered = tensor[rows] if order is None else tensor.index_select(0, order[rows])
                return gathered.split(sizes)

            yield from map(Batch, *(part or repeat(None) for part in self.rows.map(cut)))


def as_tensor(array):
    """The array's memory as a tensor; torch's warning about read-only memory says nothing here."""
    if array.flags.writeable:
        return torch.from_numpy(array)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return torch.from_numpy(array)
