"""Units: the center and the scale of each column, and what is too large or too small for them."""

import numpy as np
from sklearn.preprocessing import StandardScaler

from ..engine.batches import SparseRows
from .given import entries_of, slices

# Rows are trained on in float32, of which smaller scales would be no normal numbers.
SMALLEST_SCALE = 1e-35
# A column varies if its standard deviation is more than so many roundings of its own size.
ROUNDINGS = 10


def center_and_scale(rows, channels=None, name="X", weight=None):
    """Each column's mean, and the scale that it is divided by, over observed entries.

    Parameters
    ----------
    rows : array or SparseRows of shape (n_samples, n_numbers)
    channels : ndarray of int of shape (n_numbers,), default=None
        The channel of each number. Each channel has a scale of its own, the root of the mean
        variance of its columns. None: all are one channel.
    name : str, default="X"
        What the user calls the rows.
    weight : ndarray of shape (n_samples,), default=None
        What each row counts for; None: all the same.

    Returns
    -------
    center : ndarray of shape (n_numbers,)
    scale : float, or ndarray of shape (n_numbers,) with channels
    """
    with np.errstate(invalid="ignore"):  # 0 / 0 of a column without observed entries
        center, variance = moments(rows, weight)
    known = ~np.isnan(center)
    center = np.nan_to_num(center)
    check_largest(rows, name)
    of = np.zeros(len(center), dtype=int) if channels is None else channels
    n_channels = of.max() + 1
    n_columns = np.bincount(of[known], minlength=n_channels)
    total = np.bincount(of[known], variance[known], n_channels)
    scale = np.sqrt(total / np.maximum(1, n_columns))
    size = np.zeros(n_channels)
    np.maximum.at(size, of, np.abs(center))
    # Judged by its own size, and not by an absolute number: X may be in any unit.
    varies = scale > ROUNDINGS * np.finfo(rows.dtype).eps * size
    if np.any(varies & (scale < SMALLEST_SCALE)):
        raise ValueError(
            f"The values of {name} are too small for float32 (their scale is "
            f"{scale[varies].min():g}): multiply {name} by a constant."
        )
    typical = np.sqrt(np.mean(scale[varies] ** 2)) if varies.any() else 1.0
    scale = np.where(varies, scale, np.where(size > 0, size, typical))
    return center, float(scale[0]) if channels is None else scale[of]


def in_units(rows, center, scale):
    """``(rows - center) / scale`` of an array, in its precision."""
    rows = rows - center.astype(rows.dtype)
    rows /= np.asarray(scale, dtype=rows.dtype)
    return rows


def check_largest(rows, name="X"):
    """Whether rows can be standardized in float32, and their errors squared."""
    entries = entries_of(rows)
    largest = max(np.nanmax(entries, initial=0.0), -np.nanmin(entries, initial=0.0))
    limit = np.sqrt(np.finfo(rows.dtype).max) / rows.shape[1]
    if not largest < min(np.finfo(np.float32).max, limit):
        raise ValueError(
            f"The values of {name} are too large for {rows.dtype} (largest magnitude "
            f"{largest:g}): divide {name} by a constant."
        )


def off_center(center, scale):
    """Centers moved by next to nothing: a mean can be an entry, but what is next to it is none."""
    return center + np.maximum(1e-6 * scale, 2 * np.finfo(np.float32).eps * np.abs(center))


def moments(X, weight=None):
    """The mean and the variance of each column, over its observed entries."""
    if not isinstance(X, SparseRows):
        scaler = StandardScaler()
        for part in slices(X):
            scaler.partial_fit(X[part], sample_weight=None if weight is None else weight[part])
        return scaler.mean_, scaler.var_
    (n, width), absent = X.shape, X.absent
    rows, columns, values = X.observed
    weight = np.ones(n) if weight is None else weight
    by_entry = np.repeat(weight, np.diff(X.matrix.indptr))
    n_absent = weight.sum() - np.bincount(X.matrix.indices, by_entry, width)
    weight = weight[rows]
    stored = np.bincount(columns, weight, width)
    if np.isnan(absent):
        n_absent, absent = 0, 0.0
    mean = (np.bincount(columns, weight * values, width) + n_absent * absent) / (stored + n_absent)
    squares = np.bincount(columns, weight * (values - mean[columns]) ** 2, width)
    squares = squares + n_absent * (absent - mean) ** 2
    return mean, squares / (stored + n_absent)
