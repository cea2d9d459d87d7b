"""Minibatches of tensors that already lie on the device: no per-row Python, no collation."""

import math
import warnings
from itertools import pairwise, repeat
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
import torch

from ..nn.randomness import generator
from ..nn.shares import mean_of_all, part_of_mean
from ..nn.tracing import is_traced

# Rows are gathered for this many bytes of batches at once: one gather serves many steps, and
# shuffling a large X does not double it.
GATHER_BYTES = 2**26


class SparseRows:
    """Rows of a CSR matrix of scipy, which become dense a few at a time, where they are needed.

    They stand where an array (in `Given`) or a tensor (in `Batch`) does, and rows are taken of
    them in the same ways.

    Parameters
    ----------
    matrix : sparse array of shape (n_samples, n_features)
        CSR, each entry stored once.
    absent : float or ndarray of shape (n_features,)
        What an entry that is not stored stands for; NaN if it is not known.
    device : torch.device
        Where dense rows are made.
    """

    def __init__(self, matrix, absent=0.0, device="cpu"):
        self.matrix = matrix
        self.absent = absent
        self.device = torch.device(device)

    @property
    def shape(self):
        return self.matrix.shape

    @property
    def dtype(self):
        return self.matrix.dtype

    @property
    def entries(self):
        """The stored entries, and one for all others."""
        return np.append(self.matrix.data, self.absent)

    @property
    def observed(self):
        """Row, column and value of the stored entries that are known, as three arrays."""
        columns, values = self.matrix.indices, self.matrix.data
        rows = np.repeat(np.arange(len(self)), np.diff(self.matrix.indptr))
        known = ~np.isnan(values)
        return rows[known], columns[known], values[known]

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, index):
        if isinstance(index, torch.Tensor):
            index = index.cpu().numpy()
        return SparseRows(self.matrix[index], self.absent, self.device)

    def numel(self):
        return math.prod(self.shape)

    def tensor_split(self, n):
        return [self[part[0] : part[-1] + 1] for part in np.array_split(np.arange(len(self)), n)]

    def to(self, device):
        return SparseRows(self.matrix, self.absent, device)

    def map(self, function):
        """The rows of ``function(entries, their columns)``."""
        matrix, columns = self.matrix, np.arange(self.shape[1])
        values = function(matrix.data, matrix.indices)
        matrix = sp.csr_array((values, matrix.indices, matrix.indptr), shape=self.shape)
        absent = np.full(len(columns), self.absent, dtype=self.dtype)
        return SparseRows(matrix, function(absent, columns), self.device)

    def where(self, chosen):
        """The rows with those stored entries only that are chosen."""
        matrix = self.matrix
        ends = np.append(0, np.cumsum(chosen))[matrix.indptr]
        parts = matrix.data[chosen], matrix.indices[chosen], ends
        return SparseRows(sp.csr_array(parts, shape=self.shape), self.absent, self.device)

    def amin(self, axis=0):
        return self._extremes(np.fmin, np.inf)

    def amax(self, axis=0):
        return self._extremes(np.fmax, -np.inf)

    def _extremes(self, function, worst):
        """The extreme entry of each column."""
        full = np.bincount(self.matrix.indices, minlength=self.shape[1]) == len(self)
        extremes = np.where(full, worst, self.absent).astype(self.dtype)
        function.at(extremes, self.matrix.indices, self.matrix.data)
        return torch.from_numpy(extremes).to(self.device)

    def dense(self):
        """A tensor of all of them."""
        matrix, (n, width) = self.matrix, self.shape
        values = as_tensor(matrix.data).to(self.device)
        absent = torch.as_tensor(self.absent, dtype=values.dtype, device=self.device)
        place = np.repeat(np.arange(0, n * width, width), np.diff(matrix.indptr)) + matrix.indices
        x = absent.expand(n, width).clone()
        x.view(-1)[torch.from_numpy(place).to(self.device)] = values
        return x


def dense(rows):
    """A tensor of rows, be they sparse or not."""
    return rows.dense() if isinstance(rows, SparseRows) else rows


def as_users_have_it(rows):
    """An array, or a sparse array of scipy."""
    return rows.matrix if isinstance(rows, SparseRows) else rows


class Batch(NamedTuple):
    """Rows in standardized units, what they are to be rebuilt as, and where that is known.

    Sparse rows are such until `dense`, which says of them where they are known.
    """

    x: torch.Tensor | SparseRows
    target: torch.Tensor | SparseRows
    observed: torch.Tensor | None = None  # None: everywhere
    condition: torch.Tensor | None = None  # what is known of the rows beside them
    weight: torch.Tensor | None = None  # what each row counts for, one on average; None: one

    @classmethod
    def of(cls, x, target=None, condition=None, weight=None):
        """Rows ``x`` that are to be rebuilt as ``target``, or as themselves; NaN is not known."""
        x, observed = filled(x)
        if target is None:
            return cls(x, x, observed, condition, weight)
        return cls(x, *filled(target), condition, weight)

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

    def dense(self):
        """The same in tensors."""
        if not isinstance(self.x, SparseRows):
            return self
        if self.target is self.x:
            return Batch.of(self.x.dense(), None, *self[3:])
        if isinstance(self.target, SparseRows):
            return Batch.of(self.x.dense(), self.target.dense(), *self[3:])
        return self.replace(x=filled(self.x.dense())[0])

    def replace(self, **tensors):
        """The batch with other tensors; `_replace` takes the number of rows for that of fields."""
        return Batch(**{**self._asdict(), **tensors})

    def mean(self, values):
        """The mean over rows of what each has, ``values`` of shape (n, ...), as a part of a loss.

        Where the loss is a function of the mean, it takes `mean_of_all`.
        """
        return part_of_mean(self._mean(values))

    def mean_of_all(self, values):
        """The mean over rows, to go on with: over those of the other processes as well."""
        return mean_of_all(self._mean(values))

    def _mean(self, values):
        if self.weight is None:
            return values.mean(0)
        return torch.tensordot(self.weight.to(values.dtype), values, dims=1) / len(values)

    def thinned(self, n_rows):
        """Rows at even distances, at most so many."""
        return self.take(torch.arange(0, len(self), -(-len(self) // n_rows)))

    def by_weight(self, n_rows=0):
        """Rows without weights, each in proportion to its own: so many, or as many as there are."""
        if self.weight is None:
            return self
        index = resampled(self.weight.cpu().numpy(), max(n_rows, len(self)))
        return self.take(index).replace(weight=None)

    def weighed_among(self, total):
        """The rows with weights in units of ``total``."""
        return self if self.weight is None else self.replace(weight=self.weight / total)

    def map(self, function):
        """The batch of ``function`` of each tensor; a shared tensor is mapped once."""
        x = function(self.x)
        target = x if self.target is self.x else function(self.target)
        rest = self.observed, self.condition, self.weight
        return Batch(x, target, *(None if tensor is None else function(tensor) for tensor in rest))


def filled(x):
    """``x`` with 0 for NaN, and where it was known; None if everywhere."""
    if isinstance(x, SparseRows):  # told when they are dense
        return x, None
    # A sum is NaN if a summand is (or if it overflows): a tenth of the time of a mask. A graph has
    # no branch on the rows.
    if not is_traced() and not x.sum().isnan():
        return x, None
    missing = x.isnan()
    return x.masked_fill(missing, 0.0), ~missing


class Batches:
    """Cuts ``rows`` into ``n_batches`` of nearly equal size, in random order if ``shuffle``.

    Equal sizes rather than a small last batch: no step follows the gradient of a single row.
    The order is drawn from the fit's generator of the CPU, whatever the device.
    """

    def __init__(self, rows, n_batches, shuffle):
        self.rows = rows
        self.n_batches = min(n_batches, len(rows))
        self.shuffle = shuffle

    def __len__(self):
        return self.n_batches

    def _order(self):
        made_by = generator(torch.device("cpu"))
        return torch.randperm(len(self.rows), generator=made_by).to(self.rows.x.device)

    def __iter__(self):
        n_rows, n = len(self.rows), self.n_batches
        cuts = [i * n_rows // n for i in range(n + 1)]
        order = self._order() if self.shuffle else None
        if isinstance(self.rows.x, SparseRows):
            order = torch.arange(n_rows) if order is None else order
            yield from (self.rows.take(order[start:stop]).dense() for start, stop in pairwise(cuts))
            return
        per_gather = max(1, GATHER_BYTES * n // max(1, self.rows.x.nbytes))
        for first in range(0, n, per_gather):
            piece = cuts[first : first + per_gather + 1]
            sizes = [stop - start for start, stop in pairwise(piece)]

            def cut(tensor, rows=slice(piece[0], piece[-1]), sizes=sizes):
                gathered = tensor[rows] if order is None else tensor.index_select(0, order[rows])
                return gathered.split(sizes)

            yield from map(Batch, *(part or repeat(None) for part in self.rows.map(cut)))


def as_tensor(array):
    """The array's memory as a tensor; torch's warning about read-only memory says nothing here."""
    if isinstance(array, SparseRows):
        return array
    if array.flags.writeable:
        return torch.from_numpy(array)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return torch.from_numpy(array)


def resampled(weight, n):
    """Numbers of n rows, each as often as its weight says, as nearly as may be."""
    ends = np.cumsum(weight)
    return np.searchsorted(ends, (np.arange(n) + 0.5) * ends[-1] / n, side="right")
