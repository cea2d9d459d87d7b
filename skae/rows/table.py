"""Tables of numbers, dense or sparse, and arrays of any axes, which are flat inside."""

import math

import numpy as np

from .._sklearn import names_of_columns
from .format import RowFormat
from .given import FLOATS, untensored
from .reading import read_numbers

FLAT = 2


class Table(RowFormat):
    """Rows of numbers, in an array or a frame."""

    def learn(self, X, owner=None, dtype=FLOATS):
        self.names = names_of_columns(X)
        rows = self._read(X, owner, dtype, reset=True)
        self.n_features = self.n_numbers = rows.shape[1]
        return rows

    def rows(self, X, owner=None, dtype=FLOATS):
        return self._read(X, owner, dtype)

    def _read(self, X, owner, dtype, reset=False):
        rows = read_numbers(
            X,
            owner,
            name=self.name,
            dtype=dtype,
            sparse=self.sparse and self.name == "X",
            absent=self.absent,
            reset=reset,
        )
        if not reset and rows.shape[1] != self.n_features:  # of a target; scikit-learn knows X's
            raise ValueError(
                f"{self.name} has {rows.shape[1]} columns, but {type(owner).__name__} was fitted "
                f"with n_outputs_={self.n_features}."
            )
        self.check_observed(rows, reset)
        return rows


class SparseTable(Table):
    """Rows of numbers, which may also be those of a scipy sparse matrix."""

    sparse = True


class Ratings(SparseTable):
    """Rows of users and columns of items, most of whose entries are unknown."""

    absent = np.nan
    columns_may_be_empty = True


class Axes(Table):
    """Rows of any number of axes, or flat ones; they come back with the axes they had in `fit`."""

    fills = False  # neighbors in an image are no columns of a table

    def learn(self, X, owner=None, dtype=FLOATS):
        X = as_array(X, self.name)
        self.shape = shape_of_rows(X)
        return super().learn(flat(X), owner, dtype)

    def rows(self, X, owner=None, dtype=FLOATS):
        X = as_array(X, self.name)
        shape = shape_of_rows(X)
        if shape is not None and shape != (self.shape or shape):
            raise ValueError(
                f"{self.name} has rows of shape {shape}, but {type(owner).__name__} was fitted to "
                f"rows of shape {self.shape}."
            )
        return super().rows(flat(X), owner, dtype)

    def restore(self, rows, like=None, adapter=None):
        return super().restore(rows, like, None if self.shape else adapter)


def as_array(X, name="X"):
    """A list of arrays of one shape as an array; all else as it is."""
    if not (isinstance(X, list | tuple) and len(X) and getattr(X[0], "ndim", 0) > 0):
        return X
    shapes = {np.shape(row) for row in X}
    if len(shapes) > 1:
        raise ValueError(
            f"{name} is a list of arrays of different shapes, {sorted(shapes)[:3]}: all rows must "
            "have the same one."
        )
    return np.stack([np.asarray(untensored(row, name)) for row in X])


def shape_of_rows(X):
    """The axes of a row, if there is more than one."""
    return tuple(X.shape[1:]) if getattr(X, "ndim", 0) > FLAT else None


def flat(X):
    """Rows of one axis; bytes become float32, which is half of what scikit-learn makes of them."""
    X = untensored(X)
    if getattr(X, "dtype", None) == np.uint8 and not hasattr(X, "columns"):
        X = np.asarray(X).astype(np.float32)
    shape = shape_of_rows(X)
    if shape is None:
        return X
    X = X if isinstance(X, np.ndarray) else np.asarray(X)  # a masked array keeps its mask
    return X.reshape(len(X), math.prod(shape))
