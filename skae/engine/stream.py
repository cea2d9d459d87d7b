"""Rows that do not fit into memory, as training takes them: a part at a time, well mixed."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from .batches import Batch
from .devices import set_threads


def ahead(iterator):
    """The same, of which a thread makes the next while the last is used."""
    end = object()
    with ThreadPoolExecutor(1, initializer=set_threads, initargs=(1,)) as reader:
        coming = reader.submit(next, iterator, end)
        while (item := coming.result()) is not end:
            coming = reader.submit(next, iterator, end)
            yield item


def joined(batches):
    """Batches of rows as one."""
    first = batches[0]
    if len(batches) == 1:
        return first
    if any((batch.observed is None) != (first.observed is None) for batch in batches):
        batches = [
            batch
            if batch.observed is not None
            else batch.replace(observed=torch.ones_like(batch.target, dtype=torch.bool))
            for batch in batches
        ]
    parts = zip(*batches, strict=True)
    x, target, *rest = (None if part[0] is None else torch.cat(part) for part in parts)
    return Batch(x, x if first.target is first.x else target, *rest)


class Stream:
    """Parts of equal size of rows that are read a block at a time, pass after pass.

    In each pass blocks come in an order of its own, as far as the source has one; the rows of a
    part are shuffled by who trains on it. The same seed gives the same parts, from whichever on.

    Parameters
    ----------
    blocks : callable
        ``blocks(rng)`` gives an iterator of the batches of one pass.
    n_rows : int
        Rows of a part.
    seed : int
        Of the orders.
    """

    def __init__(self, blocks, n_rows, seed):
        self.blocks = blocks
        self.n_rows = n_rows
        self.seed = seed
        self._at, self._parts = 0, None

    def __len__(self):
        return self.n_rows

    def part(self, number):
        """The rows of a part, counted from the first pass on."""
        if self._parts is None or number < self._at:
            self._at, self._parts = 0, self._all()
        while True:
            part = next(self._parts)
            self._at += 1
            if self._at > number:
                return part

    def _all(self):
        kept, n_kept, n_pass = [], 0, 0
        while True:
            n_read = 0
            for batch in self.blocks(np.random.default_rng([self.seed, n_pass])):
                kept.append(batch)
                n_kept, n_read = n_kept + len(batch), n_read + len(batch)
                while n_kept >= self.n_rows:
                    rows = joined(kept)
                    yield rows.take(torch.arange(self.n_rows))
                    n_kept -= self.n_rows
                    kept = [rows.take(torch.arange(self.n_rows, len(rows)))] if n_kept else []
            if not n_read:
                raise ValueError(
                    f"The source has no rows in pass {n_pass + 1}: it must give them anew."
                )
            n_pass += 1
