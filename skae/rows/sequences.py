"""Sequences of numbers, of one length or several: flat and padded with NaN inside."""

import numpy as np

from ..nn.recurrent import Steps
from .given import FLOATS, untensored
from .table import Axes


class Sequences(Axes):
    """Arrays of shape (n, t) or (n, t, d), or lists of sequences of different lengths.

    Attributes
    ----------
    steps : Steps
        How a flat row is a sequence.
    varies : bool
        Whether some of the rows of `fit` ended before the others.
    """

    parameters = ("n_channels",)
    columns_may_be_empty = True  # after the end of all rows
    steps = None

    def learn(self, X, owner=None, dtype=FLOATS):
        rows = super().learn(self._padded(X, owner), owner, dtype)
        self.steps = self._as_steps()
        self.varies = bool(np.any(self.lengths(rows) < self.steps.n))
        return rows

    def rows(self, X, owner=None, dtype=FLOATS):
        return super().rows(self._padded(X, owner), owner, dtype)

    def lengths(self, rows):
        """Steps of each row up to the last with an observed entry: (n,)."""
        return steps_of(rows.reshape(len(rows), *self.steps))

    def ended(self, rows, lengths):
        """Rows with NaN after the end of each; ``lengths`` are of shape (n, 1), or None."""
        if lengths is None:
            return rows
        after = np.arange(self.steps.n) >= lengths
        rows[np.repeat(after, self.steps.size, axis=1)] = np.nan
        return rows

    @property
    def channels(self):
        """The numbers of a step, if there are several."""
        return None if self.steps.size == 1 else np.arange(self.n_numbers) % self.steps.size

    def one_row(self, X):
        if getattr(X, "ndim", 1) > 1:
            one = self.shape is not None and X.ndim == 2 and X.shape[1] != self.n_numbers
        else:
            one = (
                hasattr(X, "__getitem__")
                and getattr(X, "ndim", 1)
                and len(X) > 0
                and np.ndim(X[0]) == 0
            )
        return (np.asarray(X)[None] if one else X), one

    def _as_steps(self):
        """How flat rows are sequences."""
        if self.shape is None:
            d = self.n_channels or 1
            if self.n_numbers % d:
                raise ValueError(
                    f"n_channels={d} numbers at each step do not divide the {self.n_numbers} "
                    f"columns of {self.name}."
                )
            return Steps(self.n_numbers // d, d)
        if len(self.shape) != 2:
            raise ValueError(
                f"Rows of shape {self.shape} are no sequences: {self.name} must have shape (n, t) "
                "or (n, t, d)."
            )
        if self.name == "X" and self.n_channels not in (None, self.shape[1]):
            raise ValueError(
                f"X has {self.shape[1]} numbers at each step, but n_channels is {self.n_channels}."
            )
        return Steps(*self.shape)

    def _padded(self, X, owner):
        """X as an array of as many steps, if it is a list of sequences or has three axes."""
        if getattr(X, "ndim", 0) == 1 and hasattr(X, "to_numpy"):  # a column of sequences
            X = X.to_numpy()
        # After sequences of several lengths, a list of those of one length has ends too.
        ends = self.steps is not None and self.varies and isinstance(X, list) and len(X) > 0
        if is_ragged(X) or (ends and all(hasattr(row, "__len__") for row in X)):
            X = padded(as_sequences(X, self.name))
        elif getattr(X, "ndim", 0) != 3:
            return X
        if not isinstance(X, np.ndarray):
            X = np.asarray(X)
        if X.dtype.kind not in "fiub" or self.steps is None:
            return X
        n_steps = self.steps.n
        if X.shape[1] > n_steps and not np.isnan(X[:, n_steps:]).all():
            raise ValueError(
                f"{self.name} has sequences of {X.shape[1]} steps, but {type(owner).__name__} was "
                f"fitted to at most {n_steps}: cut them, or fit anew."
            )
        return X if X.shape[1] == n_steps else padded(X[:, :n_steps], n_steps)


def is_ragged(X):
    """Whether X is a list of sequences that numpy cannot take for a table."""
    if isinstance(X, np.ndarray):
        if X.dtype != object or X.ndim != 1:
            return False
    elif not isinstance(X, list | tuple):
        return False
    if len(X) == 0 or any(isinstance(row, str) or not hasattr(row, "__len__") for row in X):
        return False
    return len({len(row) for row in X}) > 1 or all(getattr(row, "ndim", 0) > 0 for row in X)


def as_sequences(X, name):
    """Sequences as arrays of floats with the same number of channels."""
    rows = []
    for i, row in enumerate(X):
        try:
            row = np.asarray(untensored(row, f"Row {i} of {name}"))
            row = row if row.dtype.kind in "fiub" else row.astype(float)
        except (TypeError, ValueError, OverflowError) as error:
            raise ValueError(f"Row {i} of {name} has something other than numbers.") from error
        if row.size == 0:
            raise ValueError(f"Row {i} of {name} has length 0: leave such rows out.")
        if row.ndim > 2:
            raise ValueError(
                f"Row {i} of {name} has shape {row.shape}: sequences have shape (t,) or (t, d)."
            )
        if rows and row.shape[1:] != rows[0].shape[1:]:
            raise ValueError(
                f"Row {i} of {name} has shape {row.shape}, but row 0 has {rows[0].shape}: all must "
                "have as many numbers at each step."
            )
        rows.append(row)
    return rows


def padded(rows, n_steps=None):
    """Arrays of different lengths as one, with NaN after the end of each."""
    n_steps = n_steps or max(map(len, rows))
    dtype = np.result_type(np.float32, *{row.dtype for row in rows})
    X = np.full((len(rows), n_steps, *rows[0].shape[1:]), np.nan, dtype=dtype)
    for padded_row, row in zip(X, rows, strict=True):
        padded_row[: len(row)] = row
    return X


def steps_of(X):
    """Steps of each row up to the last with an observed entry: (n,), of X of shape (n, t, d)."""
    observed = ~np.isnan(X).all(axis=2)
    return np.where(observed.any(axis=1), X.shape[1] - observed[:, ::-1].argmax(axis=1), 0)
