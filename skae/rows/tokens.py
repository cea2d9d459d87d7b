"""Sequences of tokens: characters, symbols or whole numbers."""

from numbers import Integral

import numpy as np
import torch

from ..nn.recurrent import Steps, first_end
from .given import FLOATS
from .table import Table


class Tokens(Table):
    """Rows of tokens: as lists, as arrays of integers with -1 after the end, or as strings.

    Inside they are their numbers in the vocabulary, one more for the end, and NaN after it.
    """

    parameters = ("vocabulary",)
    fills = False
    columns_may_be_empty = True
    steps = None

    @classmethod
    def takes(cls, X, *, vocabulary=None, **parameters):
        return vocabulary is not None

    @property
    def symbols(self):
        """The symbols of the vocabulary, or None if they are numbers."""
        if isinstance(self.vocabulary, Integral):
            return None
        try:
            return list(self.vocabulary)
        except TypeError as error:
            raise TypeError(
                f"vocabulary must be a number, a string or a list of symbols, got "
                f"{self.vocabulary!r}."
            ) from error

    @property
    def n_tokens(self):
        """How many there are, without the end."""
        return self.vocabulary if self.symbols is None else len(self.symbols)

    def learn(self, X, owner=None, dtype=FLOATS):
        rows = super().learn(self._as_numbers(X, owner), owner, dtype)
        self.names = None
        self.steps = Steps(self.n_numbers, 1)
        self.varies = bool(np.any(self.lengths(rows) < self.steps.n))
        return rows

    def rows(self, X, owner=None, dtype=FLOATS):
        return super().rows(self._as_numbers(X, owner), owner, dtype)

    def units(self, rows, weight=None):
        return np.zeros(self.n_numbers), 1.0

    def lengths(self, rows):
        """Tokens of each row: (n,)."""
        return first_end(torch.from_numpy(rows), self.n_tokens).numpy()

    def ended(self, rows, lengths):
        """Rows say themselves where they end."""
        return rows

    def shaped(self, rows):
        rows, symbols = rows.astype(int), self.symbols
        lengths = self.lengths(rows)
        if symbols is None:
            return np.where(np.arange(rows.shape[1]) < lengths[:, None], rows, -1)
        shaped = np.empty(len(rows), dtype=object)
        for i, (row, n) in enumerate(zip(rows, lengths, strict=True)):
            tokens = [symbols[token] for token in row[:n]]
            shaped[i] = "".join(tokens) if isinstance(self.vocabulary, str) else tokens
        return shaped

    def restore(self, rows, like=None, adapter=None):
        return self.shaped(rows)

    def one_row(self, X):
        if isinstance(X, str):
            return [X], True
        if getattr(X, "ndim", 1) > 1:
            return X, False
        if self.symbols is None:
            one = np.ndim(X[0]) == 0
        else:
            one = not isinstance(self.vocabulary, str) and X[0] in self.symbols
        return ([X] if one else X), one

    def _as_numbers(self, X, owner):
        """Tokens as numbers, the end of a row as one more, and NaN after it."""
        X = getattr(X, "to_numpy", lambda: X)()
        if (
            isinstance(X, str)
            or not hasattr(X, "__len__")
            or not hasattr(X, "__getitem__")
            or len(X) == 0
        ):
            raise ValueError(f"X must be a list or an array of sequences of tokens, got {X!r}.")
        symbols = self.symbols
        index = None if symbols is None else {symbol: i for i, symbol in enumerate(symbols)}
        rows = [self._as_row(row, i, index) for i, row in enumerate(X)]
        longest = max(map(len, rows))
        n_steps = longest if self.steps is None else self.steps.n
        if longest > n_steps:
            raise ValueError(
                f"X has sequences of {longest} tokens, but {type(owner).__name__} was fitted to at "
                f"most {n_steps}: cut them, or fit anew."
            )
        numbers = np.full((len(rows), n_steps), np.nan, dtype=np.float32)
        for row, tokens in zip(numbers, rows, strict=True):
            row[: len(tokens)] = tokens
            row[len(tokens) : len(tokens) + 1] = self.n_tokens
        return numbers

    def _as_row(self, row, i, index):
        """One row of tokens as numbers, without what pads it."""
        if index is None:
            try:
                numbers = np.asarray(row, dtype=float).ravel()
            except (TypeError, ValueError) as error:
                raise ValueError(
                    f"Row {i} of X is no sequence of integers, which vocabulary={self.vocabulary} "
                    f"asks for: {row!r}."
                ) from error
            outside = np.isnan(numbers) | (numbers == -1)
        else:
            if not hasattr(row, "__iter__"):
                raise ValueError(f"Row {i} of X is no sequence of tokens: {row!r}.")
            row = list(row)
            numbers = np.array([place(index, token) for token in row], dtype=float)
            outside = np.array([token is None or token == "" for token in row], dtype=bool)
        n = len(numbers) - int(np.argmin(outside[::-1])) if not outside.all() else 0
        if n == 0:
            raise ValueError(f"Row {i} of X has length 0: leave such rows out.")
        numbers = numbers[:n]
        known = (numbers >= 0) & (numbers < self.n_tokens) & (numbers == np.round(numbers))
        if not known.all():
            t = int(np.argmin(known))
            allowed = f"0 to {self.n_tokens - 1}" if index is None else repr(self.vocabulary)
            token = f"{numbers[t]:g}" if index is None else repr(row[t])
            raise ValueError(
                f"Row {i} of X has the token {token} at step {t}, which is not in the vocabulary: "
                f"{allowed}."
            )
        return numbers


def place(index, token):
    """The number of a token, or NaN."""
    try:
        return index.get(token, np.nan)
    except TypeError:  # what cannot be hashed is no token
        return np.nan
