"""`fit` on rows that do not fit into memory, and answers for them a block at a time."""

import math

import numpy as np
import scipy.sparse as sp
from sklearn.utils.validation import check_is_fitted

from .._sklearn import n_samples_of, safe_indexing
from ..engine.batches import as_users_have_it
from ..engine.stream import Stream, ahead
from ..nn.randomness import Draws, drawing
from ..rows.blocks import Blocks, is_source
from ..rows.frames import is_frame, library_of
from .training import losses_of

# What is held of the rows at a time, in float32: those that the format, the units and the start are
# learned of, and those of one part of the training.
SAMPLE_BYTES, PART_BYTES = 2**26, 2**26
MOST_HELD_OUT = 2**14  # rows
WHOLE = ("target", "condition", "sample_weight")


class StreamingMixin:
    """Training on `Blocks`.

    A first pass counts the rows and draws a sample: of it the format, the units, the start and the
    held-out rows are. Then the net is trained part by part, and kept as it was where it rebuilt the
    held-out rows best, the start included.
    """

    _streams = True  # whether a family can be trained so

    def _fit_blocks(self, source, beside):
        """What `fit` does, with rows that are read again in each pass."""
        given = [word for word in WHOLE if beside.get(word) is not None]
        if given:
            name = type(self).__name__
            raise ValueError(f"{given[0]} cannot be given with blocks: {name} streams X alone.")
        blocks, net, ranks = Blocks(source), self._net_to_go_on_with(), self._ranks
        # Without a seed, a checkpoint gives one, of the sample: which must then be the same again.
        unseeded = self.random_state is None and self.checkpoint is not None
        seed = self._seed = 0 if unseeded else self._draw_seed()
        sample, n_rows, n_blocks = draw_sample(blocks, seed)
        if n_blocks < ranks.n:
            raise ValueError(
                f"X has {n_blocks} block(s), fewer than the {ranks.n} processes of accelerator, "
                "each of which reads its own: write Blocks(X, block_size=...) of a smaller size."
            )
        n_held = min(MOST_HELD_OUT, math.ceil(self.validation_fraction * len(sample)))
        n_held = n_held if self.early_stopping and len(sample) >= 2 * n_held else 0
        given = self._read(sample.rows, net)
        held, kept = given.take(np.arange(n_held)), given.take(np.arange(n_held, len(sample)))
        last = sample.last_key(n_held)

        def batches(rng):
            for place, block in ahead(blocks.numbered(rng, (ranks.rank, ranks.n))):
                block = trained_on(block, keys_of(seed, place, block), last)
                if n_samples_of(block):
                    read = self._check_given(block, training=True)
                    self._check_support(read, training=True)
                    yield self._as_rows(read).dense()

        return self._fit_stream(kept, held if n_held else None, batches, n_rows - n_held, net)

    def _fit_stream(self, kept, held, batches, n_rows, net):
        """Train part by part: an epoch of `train` is a part of a pass."""
        start = self._as_rows(kept)
        width = 4 * math.prod(start.x.shape[1:])
        n_part = int(np.clip(PART_BYTES // width, 1, n_rows))
        n_batches = math.ceil(n_part / self._batch_size(len(start)))
        n_passes = self.max_epochs
        if n_passes == "auto":
            n_passes = self._n_epochs(n_rows, n_rows / n_part * n_batches)
        n_parts = n_passes * n_rows // n_part
        # scikit-learn's monitors score the sample.
        data = {"X": as_users_have_it(kept.X), "y": as_users_have_it(kept.rebuilt)}
        context = self._init_callback_context(max_subtasks=1)
        context.call_on_fit_task_begin(estimator=self, **data)
        with drawing(Draws(self._seed)):
            net = self._make_net(start, n_parts, net, self.callbacks, n_batches)
            held_rows = None if held is None else [self._hold_out(self._as_rows(held))]
            stream = Stream(batches, max(1, n_part // self._ranks.n), self._seed)
            patience = math.ceil(self.n_iter_no_change * n_rows / n_part)  # passes
            run = self._train(
                [net], [stream], held_rows, n_parts, patience, "fit blocks", data, context
            )
        self._note_interruption(run)
        n_iter = len(run.losses) if held is None else run.best_epoch
        scores = None if held is None else self._score_samples(held, net)
        self._keep(kept, net, n_iter, scores)
        self.loss_curve_ = losses_of(net)[:n_iter]
        self.validation_loss_curve_ = run.losses if held else None
        self.best_loss_ = run.losses[n_iter] if held else min(self.loss_curve_, default=None)
        context.call_on_fit_task_end(estimator=self, **data)
        return self

    def transform_blocks(self, X):
        """Codes of rows that are read a block at a time; all of them are never in memory.

        Parameters
        ----------
        X : Blocks, or what :class:`skae.streams.Blocks` takes
            The rows.

        Returns
        -------
        X_new : Blocks
            Codes; each block is encoded when it is gone through. ``write_npy`` and
            ``write_parquet`` put them into files. For another method, write
            ``Blocks(source).map(estimator.score_samples)``.
        """
        check_is_fitted(self)
        return Blocks(X).map(self.transform)


class Sample:
    """Rows drawn from blocks, in the order of their keys."""

    def __init__(self, rows, keys):
        self.rows, self.keys = rows, keys

    def __len__(self):
        return len(self.keys)

    def last_key(self, n):
        """Rows of smaller keys, or of this one, are the first n."""
        return self.keys[n - 1] if n else -np.inf


def draw_sample(blocks, seed):
    """As many rows as `SAMPLE_BYTES` hold, each as likely, and all rows and blocks in numbers."""
    parts, keys, limit, n_rows, n_blocks = [], [], np.inf, 0, 0
    for place, block in blocks.numbered():
        n_blocks += 1
        if is_source(block) or not (is_frame(block) or hasattr(block, "shape")):
            raise TypeError(f"X must give blocks of rows, but gave {type(block).__name__}.")
        n_rows += n_samples_of(block)
        of_block = keys_of(seed, place, block)
        chosen = np.flatnonzero(of_block <= limit)
        if not len(chosen):
            continue
        parts.append(safe_indexing(block, chosen))
        keys.append(of_block[chosen])
        n_most = max(1, SAMPLE_BYTES // (4 * max(1, math.prod(np.shape(block)[1:]))))
        n_kept = sum(map(len, keys))
        if n_kept > 2 * n_most:
            limit, parts, keys = pruned(parts, keys, n_most)
    if not n_rows:
        raise ValueError("X has no rows: a minimum of 1 is required.")
    _, (rows,), (keys,) = pruned(parts, keys, n_most)
    return Sample(rows, keys), n_rows, n_blocks


def pruned(parts, keys, n):
    """The rows of the smallest keys, in their order, and the largest of these."""
    keys = np.concatenate(keys)
    order = np.argsort(keys, kind="stable")[:n]
    return keys[order[-1]], [safe_indexing(concatenated(parts), order)], [keys[order]]


def keys_of(seed, place, block):
    """A random number for each row of a block, the same in each pass."""
    return np.random.default_rng([seed, 1, *place]).random(n_samples_of(block))


def trained_on(block, keys, last_held_out):
    """The rows of a block that are not held out."""
    keep = keys > last_held_out
    return block if keep.all() else safe_indexing(block, np.flatnonzero(keep))


def concatenated(parts):
    """Blocks of one kind as one."""
    if len(parts) == 1:
        return parts[0]
    if library_of(parts[0]) == "pandas":
        import pandas as pd

        return pd.concat(parts, ignore_index=True)
    if library_of(parts[0]) == "polars":
        import polars as pl

        return pl.concat(parts)
    if sp.issparse(parts[0]):
        return sp.vstack(parts).tocsr()
    return np.concatenate(parts)
