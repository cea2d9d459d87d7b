"""Weights of rows: whole numbers are copies of a row, others are what it counts for."""

import math

import numpy as np

from .._sklearn import check_sample_weight
from ..engine.batches import SparseRows
from .given import CHUNK, entries_of, slices, untensored

# Whole numbers are copies as long as they do not make more than so many times the rows.
MOST_COPIES = 10
# What a missing entry is taken for, which is none of those of a table.
MISSING = 3.14159265358979
# Numbers of rows that differ by less, as a share of the largest, may be of equal rows.
ROUNDING = 1e-12


def weighed(arrays, sample_weight=None):
    """Which rows to take, in which order, and what each counts for.

    Rows that differ in nothing but their order are the same to a fit with weights: whole numbers
    are so many copies of a row, and copies and their number must lead to the same net. So rows
    with copies, and rows with weights, are put in an order that follows from what they hold.

    Parameters
    ----------
    arrays : list of arrays or SparseRows
        What there is of each row.
    sample_weight : array-like of shape (n_samples,), default=None
        At least 0. Rows with a weight of 0 are left out.

    Returns
    -------
    index : ndarray of int, or None
        The rows to take; None are all as they are.
    weight : ndarray of mean 1, or None
        None is 1 for each.
    """
    numbers = numbers_of(arrays)
    if sample_weight is None:
        order = np.argsort(numbers, kind="stable")
        gaps = np.diff(numbers[order])
        close = np.flatnonzero(gaps <= ROUNDING * np.max(np.abs(numbers), initial=0.0))
        # Of millions of rows some are as close by chance.
        for run in np.split(close, np.flatnonzero(np.diff(close) > 1) + 1):
            if len(run) and are_copies(arrays, order[run[0] : run[-1] + 2]):
                return order, None
        return None, None
    weight = check_sample_weights(sample_weight, numbers)
    kept = np.flatnonzero(weight)
    kept = kept[np.argsort(numbers[kept], kind="stable")]
    weight = weight[kept]
    if np.all(weight == np.floor(weight)) and weight.sum() <= MOST_COPIES * len(kept):
        return np.repeat(kept, weight.astype(int)), None
    weight = weight / weight.mean()
    return kept, None if np.allclose(weight, 1.0, rtol=0, atol=ROUNDING) else weight


def check_sample_weights(sample_weight, rows, dtype=np.float64):
    """Weights of rows, at least 0, or an error that names them."""
    try:
        sample_weight = untensored(sample_weight, "sample_weight")
        weight = check_sample_weight(sample_weight, rows, dtype=dtype, ensure_non_negative=True)
        with np.errstate(over="ignore"):
            if not np.isfinite(weight.sum()):
                raise ValueError(
                    f"the sum of the weights is too large for {weight.dtype}: divide them by a "
                    "constant, it does not matter."
                )
        return weight
    except (TypeError, ValueError, OverflowError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        text = str(error)
        raise kind(text if "sample_weight" in text else f"sample_weight: {text}") from error


def numbers_of(arrays):
    """A number of each row that follows from what the row holds: its length along a direction."""
    rng, total = np.random.default_rng(0), 0.0
    for rows in arrays:
        direction = rng.normal(size=rows.shape[1])
        # In units of the largest entry: neither the unit of X nor that of a target matters.
        entries = entries_of(rows)
        size = max((largest_of(entries[part]) for part in slices(entries)), default=0.0) or 1.0
        with np.errstate(over="ignore", invalid="ignore"):
            total = total + np.concatenate(
                [projected(rows[part], direction, size) for part in slices(rows)]
            )
    return np.nan_to_num(total)


def are_copies(arrays, index):
    """Whether there are two that are equal among the rows of these numbers.

    So many that it would take memory to compare them are not close by chance, and count as copies:
    the empty rows of a sparse matrix, and all rows beside one that is larger by far.
    """
    if len(index) * sum(math.prod(rows.shape[1:]) for rows in arrays) > CHUNK:
        return True
    parts = [rows[index] for rows in arrays]
    parts = [part.matrix.toarray() if isinstance(part, SparseRows) else part for part in parts]
    joined = np.nan_to_num(np.hstack([part.reshape(len(index), -1) for part in parts]), nan=MISSING)
    return len(np.unique(joined, axis=0)) < len(index)


def largest_of(entries):
    """The largest magnitude of those that are finite."""
    entries = np.abs(entries)
    return float(np.max(entries, initial=0.0, where=np.isfinite(entries)))


def projected(rows, direction, size):
    if isinstance(rows, SparseRows):
        matrix = rows.matrix.astype(float)
        matrix.data = np.nan_to_num(matrix.data / size, nan=MISSING)
        return matrix @ direction
    return np.nan_to_num(rows.astype(float) / size, nan=MISSING) @ direction
