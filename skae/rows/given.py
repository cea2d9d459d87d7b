"""What the methods of an estimator are given, as arrays that are known to be valid."""

import math
from numbers import Integral, Real
from typing import NamedTuple

import numpy as np
from sklearn.utils import gen_batches
from sklearn.utils.validation import check_array

from .._errors import NotFiniteError, listed, warn
from ..engine.batches import SparseRows, resampled

FLOATS = (np.float64, np.float32)
# What lies outside [0, 1] by no more is there by rounding.
ROUNDING = 1e-6
# Entries that are read at once.
CHUNK = 2**22


class Given(NamedTuple):
    """What `fit` and `score_samples` are given."""

    X: np.ndarray | SparseRows
    target: np.ndarray | None = None  # None: X
    condition: np.ndarray | None = None  # what is known of the rows beside them
    weight: np.ndarray | None = None  # what each row counts for, one on average; None: one

    @property
    def rows(self):
        """What a loss is taken of."""
        return self.X, self.target, self.condition

    @property
    def rebuilt(self):
        """What the rows are to become."""
        return self.X if self.target is None else self.target

    @property
    def rebuilt_name(self):
        """What the user calls them."""
        return "X" if self.target is None else "target"

    @property
    def inputs(self):
        """What a module's encoder is given."""
        return (self.X,) if self.condition is None else (self.X, self.condition)

    def take(self, index):
        """The rows of the given numbers."""
        return Given(*(None if array is None else array[index] for array in self))

    def thinned(self, n_rows):
        """Rows at even distances, at most so many."""
        return self.take(slice(None, None, -(-len(self.X) // n_rows)))

    def by_weight(self):
        """As many rows without weights, each in proportion to its own."""
        if self.weight is None:
            return self
        return self.take(resampled(self.weight, len(self.X)))._replace(weight=None)


def entries_of(rows):
    """All entries of rows; of sparse ones those stored, and one for the rest."""
    return rows.entries if isinstance(rows, SparseRows) else rows


def check_unit_interval(given, parameter, value, instead, training=True):
    """Whether what is to be rebuilt lies in [0, 1], which a value of a parameter asks for.

    Rounding is tolerated: scalers give 1.0000000000000002. New rows may lie outside by as much as
    the interval is long, and are taken for its nearest end: a scaler gives such rows. What lies
    further away is in another unit.
    """
    name, entries = given.rebuilt_name, entries_of(given.rebuilt)
    low, high = np.nanmin(entries, initial=np.inf), np.nanmax(entries, initial=-np.inf)
    margin = ROUNDING if training else 1.0
    if low < -margin or high > 1 + margin:
        raise ValueError(
            f"{parameter}={value!r} needs {name} in [0, 1], but {name} spans [{low:g}, {high:g}]: "
            f"scale it (MinMaxScaler(clip=True)) or use {parameter}={instead!r}."
        )


def check_number(value, name):
    """A finite number."""
    number = np.nan
    if isinstance(value, Real) and not isinstance(value, bool | np.bool_):
        number = float(value) if abs(value) <= np.finfo(float).max else np.inf
    if not np.isfinite(number):
        raise ValueError(f"{name} must be a finite number, got {value!r}.")
    return number


def untensored(X, name="X"):
    """A tensor of torch as an array, also one that requires gradients; all else as it is."""
    if not (hasattr(X, "detach") and hasattr(X, "cpu")):
        return X
    try:
        X = X.detach().cpu()
        return (X.float() if X.dtype.itemsize == 2 and X.is_floating_point() else X).numpy()
    except (TypeError, RuntimeError) as error:
        raise TypeError(
            f"{name} is a tensor of torch that numpy cannot read: {error}. Give a dense tensor of "
            "numbers that lies in memory."
        ) from error


def check_numbers(values, name, n=None):
    """A one-dimensional array of finite numbers, so many of them."""
    try:
        values = np.asarray(untensored(values, name))
        numbers = values.astype(float) if values.dtype.kind in "iufO" else None
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:
        raise ValueError(f"{name} must be numbers: {error}.") from error
    if numbers is None or numbers.ndim != 1 or not np.isfinite(numbers).all():
        raise ValueError(f"{name} must be finite numbers in one dimension, got {values!r}.")
    if n is None and len(numbers) == 0:
        raise ValueError(f"{name} must be one number or more, but is empty.")
    if n is not None and len(numbers) != n:
        raise ValueError(f"{name} must be of shape ({n},), but is of shape {numbers.shape}.")
    return numbers


def check_integer(value, name, low=1, high=None):
    """An integer of at least ``low``, and at most ``high``."""
    whole = isinstance(value, Integral) and not isinstance(value, bool | np.bool_)
    if not (whole and value >= low and (high is None or value <= high)):
        most = "" if high is None else f" and at most {high}"
        raise ValueError(f"{name} must be an integer of at least {low}{most}, got {value!r}.")
    return int(value)


def warn_of_targets(y, X, target=None):
    """Elsewhere a second table of rows is what the first is to become; here y is ignored."""
    shape = getattr(y, "shape", ())
    if target is None and len(shape) == 2 and shape == getattr(X, "shape", None) and shape[1] > 1:
        warn(
            f"y is ignored, but it has the shape of X, {tuple(shape)}: to rebuild its rows from "
            "those of X, give them as target=.",
            UserWarning,
        )


def in_precision(scores, dtype):
    """Scores in X's precision, or in float64 where that cannot hold them."""
    with np.errstate(over="ignore", under="ignore"):
        narrow = scores.astype(dtype)
    held = np.isfinite(narrow) & (np.abs(narrow) >= np.finfo(dtype).tiny)
    return narrow if np.all(held | (scores == 0)) else scores


def slices(rows):
    """Of rows, in order, so many entries each that a copy of a part takes little memory."""
    return gen_batches(len(rows), max(1, CHUNK // max(1, math.prod(rows.shape[1:]))))


def check_finite(rows, what, found, names=None):
    """``rows`` if they are finite; else an error that names the columns of what was ``found``.

    Numbers that are finite in what a user gives may be too large for the arithmetic of a net.
    """
    if all(np.isfinite(rows[part]).all() for part in slices(rows)):
        return rows
    largest = np.max(np.abs(np.nan_to_num(entries_of(found))))
    where = ""
    if rows.ndim == 2:
        columns = np.flatnonzero(~np.isfinite(rows).all(axis=0))
        columns = columns.tolist() if names is None else [names[j] for j in columns]
        where = f" in column(s) {listed(columns)}"
    raise NotFiniteError(
        f"{what} would not be finite{where}: entries as large as {largest:g}, beside those of fit, "
        f"are too large for {rows.dtype}. Check them, or leave such rows out."
    )


def check_counts(given, likelihood):
    """Whether what is to be rebuilt can be drawn from a distribution of counts."""
    name, entries = given.rebuilt_name, entries_of(given.rebuilt)
    observed = entries[~np.isnan(entries)]
    if np.any(observed < 0) or np.any(observed != np.round(observed)):
        raise ValueError(
            f"likelihood={likelihood!r} needs {name} to be counts, integers of at least 0, but "
            f"found {observed[(observed < 0) | (observed != np.round(observed))][0]:g}: use "
            "likelihood='gaussian' for other numbers."
        )
    if likelihood == "multinomial" and len(observed) < entries.size:
        raise ValueError(
            f"likelihood='multinomial' needs all counts of a row, but {name} has missing entries: "
            "fill them, or use likelihood='poisson'."
        )


def as_columns(condition, categorical):
    """A condition in two dimensions."""
    if not hasattr(condition, "columns"):
        condition = np.asarray(condition)
        condition = condition.reshape(-1, 1) if condition.ndim < 2 else condition
    return check_array(condition, dtype=None if categorical else "numeric", input_name="condition")
