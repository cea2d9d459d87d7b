"""Columns as whole numbers on a grid, so that none is farther off than it may be."""

import numpy as np

from ..rows.frames import as_frame, frame_of, is_frame, library_of, spelled
from ..rows.given import untensored
from .prediction import FARTHEST

MOST_PLACES = 6
# Of entries that are off a grid, the share from which on the column is kept byte for byte.
MOST_OFF = 0.02


class Grid:
    """The grid of one column: ``numbers / 10**places``, or ``numbers * step``; or none.

    ``bound`` is how far an entry may be off; 0: not by a bit.
    """

    def __init__(self, column, bound):
        self.bound, self.places, self.step = float(bound), 0, 1.0
        whole = column.dtype.kind in "biu"
        if column.dtype.kind == "b" or (whole and bound < 0.5):
            self.bound = 0.0
        elif whole:
            self.step = 2.0 * np.floor(bound) + 1
        elif bound > 0:
            self.step = 2 * self.bound * (1 - 1e-9)
        else:
            self.places = decimals(column[np.isfinite(column)])
            self.step = None if self.places is None else 10.0**-self.places

    def numbers(self, column):
        scaled = column.astype(np.float64)
        scaled = scaled / self.step if self.bound > 0 else scaled * 10.0**self.places
        return np.rint(np.nan_to_num(scaled).clip(-FARTHEST, FARTHEST)).astype(np.int64)

    def values(self, numbers):
        if self.bound > 0:
            return numbers * self.step
        return numbers / 10.0**self.places

    def column(self, numbers, dtype):
        """Entries as they are given back."""
        return in_dtype(self.values(numbers), dtype)

    def off(self, column, numbers):
        """Which entries would come back farther off than the bound."""
        back = self.column(numbers, column.dtype)
        missing = np.isnan(column) if column.dtype.kind == "f" else np.zeros(len(column), bool)
        if self.bound == 0:
            return ~missing & ((back != column) | (np.signbit(back) != np.signbit(column)))
        error = np.abs(back.astype(np.longdouble) - column.astype(np.longdouble))
        return ~missing & ~(error <= self.bound)


def decimals(column):
    """How many decimals the entries of a column have; None, if more than a few."""
    if not len(column):
        return 0
    for places in range(MOST_PLACES + 1):
        scaled = column.astype(np.float64) * 10.0**places
        if np.abs(scaled).max() >= FARTHEST:
            break
        back = (np.rint(scaled) / 10.0**places).astype(column.dtype)
        if np.mean(back != column) < MOST_OFF:
            return places
    return None


class Container:
    """What X was: an array or a frame, with which columns."""

    def __init__(self, X):
        self.library = library_of(X)
        self.shape, self.names, self.dtypes = None, None, None
        if is_frame(X):
            frame = as_frame(X)
            self.names = list(frame.columns)
            spell = X.dtypes if self.library == "polars" else frame.dtypes
            self.dtypes = [spelled(t) if self.library == "polars" else str(t) for t in spell]
            self.columns = [entries(frame.iloc[:, j], name) for j, name in enumerate(self.names)]
            self.own = [str(t) for t in frame.dtypes]
            return
        array = np.asarray(untensored(X))
        if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
            array = array.astype(np.float64)
        array = array.astype(array.dtype.newbyteorder("="), copy=False)
        self.shape = array.shape[1:]
        flat = array.reshape(len(array), -1)
        self.columns = [np.ascontiguousarray(flat[:, j]) for j in range(flat.shape[1])]

    def header(self):
        """All but the entries, as plain values."""
        carried = [column.dtype.str for column in self.columns]
        own = self.own if self.names is not None else None
        return {
            "library": self.library,
            "names": self.names,
            "dtypes": self.dtypes,
            "own": own,
            "shape": self.shape,
            "carried": carried if len({*carried}) > 1 else carried[0],
        }


def entries(column, name):
    """The entries of a pandas Series as an array of numbers; NaN where one is missing."""
    from pandas.api.types import is_numeric_dtype

    if not is_numeric_dtype(column.dtype):
        raise ValueError(
            f"Column {name!r} of X is of dtype {column.dtype}: AutoencoderCompressor is not "
            "available for it. Encode texts and categories first, as by OrdinalEncoder."
        )
    if isinstance(column.dtype, np.dtype):
        return column.to_numpy()
    if column.isna().any() or column.dtype.kind == "f":
        return column.to_numpy(np.float64, na_value=np.nan)
    return column.to_numpy(column.dtype.numpy_dtype)


def dtypes_of(header, n_columns):
    carried = header["carried"]
    return [carried] * n_columns if isinstance(carried, str) else carried


def in_dtype(column, dtype):
    """Numbers as a column of a dtype: rounded where that is of whole numbers."""
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            return column.astype(dtype)
    if dtype.kind == "b":
        return column > 0.5
    limits = np.iinfo(dtype)
    low, high = max(limits.min, -(2**62)), min(limits.max, 2**62)
    return np.rint(column).clip(low, high).astype(dtype)


def restored(header, columns):
    """X, of its columns."""
    if header["names"] is None:
        n = len(columns[0])
        return np.stack(columns, axis=1).reshape(n, *header["shape"])
    import pandas as pd

    series = []
    for column, dtype in zip(columns, header["own"], strict=True):
        one = pd.Series(column)
        nullable = dtype[:1].isupper() or dtype == "boolean"
        if nullable and one.dtype.kind == "f" and not dtype.startswith("Float"):
            one = pd.Series(pd.array([None if np.isnan(v) else int(v) for v in column], "Int64"))
        series.append(one.astype(dtype))
    dtypes = header["dtypes"] if header["library"] == "polars" else None
    return frame_of(series, header["names"], header["library"], dtypes, None)
