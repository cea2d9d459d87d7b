"""Arrays, frames and sparse matrices of numbers as arrays of floats, or an error that says why."""

import numpy as np
import scipy.sparse as sp
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from .._errors import listed
from ..engine.batches import SparseRows
from .blocks import is_source
from .given import FLOATS, untensored

DATES = "mM"


def read_numbers(X, owner=None, *, name="X", dtype=FLOATS, sparse=False, absent=0.0, reset=False):
    """X as a contiguous array of floats, or `SparseRows`; NaN for missing entries.

    Parameters
    ----------
    X : array-like or sparse matrix of shape (n_samples, n_features)
    owner : estimator, default=None
        Whose name is in errors, and whose ``n_features_in_`` and ``feature_names_in_`` its X is
        held against, or sets with ``reset``.
    name : str, default="X"
        What the user calls it.
    dtype : dtype or tuple of them
        What it may be; the first is what others become.
    sparse : bool, default=False
        Whether it may be a sparse matrix, of which entries that are not stored are ``absent``.

    Raises
    ------
    ValueError
        For anything that is not a finite or missing number, naming the columns.
    TypeError
        For kinds of X that are refused as a whole.
    """
    X = plain(X, name)
    if getattr(X, "ndim", 2) > 2:
        raise ValueError(
            f"Found array with dim {X.ndim}, of shape {tuple(X.shape)}. {type(owner).__name__} "
            f"expects <= 2 dimensions, (n_samples, n_features): give "
            f"{name}.reshape(len({name}), -1)."
        )
    settings = {
        "dtype": dtype,
        "accept_sparse": "csr" if sparse else False,
        "ensure_all_finite": "allow-nan",
    }
    try:
        if owner is None or name != "X":
            array = check_array(X, input_name=name, **settings)
        else:
            array = validate_data(owner, X, reset=reset, **settings)
    except (TypeError, ValueError, OverflowError) as error:
        if sp.issparse(X) and not sparse:
            raise TypeError(
                f"Sparse {name} of type {type(X).__name__} was passed to {type(owner).__name__}, "
                f"which takes dense rows only: give {name}.toarray(), or reduce it first with "
                "TruncatedSVD."
            ) from error
        columns = columns_at_fault(X)
        kind = TypeError if isinstance(error, TypeError) else ValueError
        if columns:
            raise kind(f"{error}\nColumn(s) at fault: {listed(columns)}.") from error
        if isinstance(error, OverflowError):
            raise ValueError(f"{name} has numbers that no float can hold: {error}.") from error
        raise kind(f"{error}\n{name} must be a table of numbers.") from error
    if sp.issparse(array):
        return as_sparse_rows(array, absent)
    return np.ascontiguousarray(array)


def check_codes(estimator, codes):
    """Codes as an array of floats; their number must be the one learned in `fit`."""
    check_is_fitted(estimator)
    try:
        codes = check_array(plain(codes), dtype=FLOATS, accept_sparse="csr", input_name="X")
    except (TypeError, ValueError, OverflowError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"{error}\nX must be a table of codes, as transform gives them.") from error
    codes = np.ascontiguousarray(codes.toarray() if sp.issparse(codes) else codes)
    size, shorter = estimator.code_size_, getattr(estimator, "ordered", False)
    if codes.shape[1] > size or (codes.shape[1] < size and not shorter):
        raise ValueError(
            f"X has {codes.shape[1]} features, but {type(estimator).__name__} was fitted with "
            f"code_size_={size}: inverse_transform takes what transform gives"
            f"{', or the first numbers of it' if shorter else ''}."
        )
    return codes


def plain(X, name="X"):
    """X as scikit-learn can read it, or an error that says what to give in its place."""
    if isinstance(X, np.ma.MaskedArray):  # masked is missing
        kept = X.dtype if X.dtype in FLOATS else np.float64
        return X.astype(kept).filled(np.nan)
    if isinstance(X, np.ndarray) and X.dtype.kind in DATES:
        raise ValueError(
            f"{name} is an array of {X.dtype}, of which skae does not know the unit that is meant: "
            "give a frame, in which columns of dates and durations are taken for numbers, or "
            f"{name}.astype(float)."
        )
    if is_source(X) and not isinstance(X, str):
        raise TypeError(
            f"{name} is a {type(X).__name__}, which is read a block at a time by `fit` of most "
            "families and by `transform_blocks`; all else takes rows that are in memory: give an "
            f"array or a frame, such as {name}.collect() of a LazyFrame."
        )
    X = untensored(X, name)
    if sp.issparse(X):
        return as_csr(X, name)
    check_has_columns(X, name)
    return X


def check_has_columns(X, name="X"):
    """Whether a frame has any; of arrays scikit-learn asks it."""
    if hasattr(X, "columns") and len(X.columns) == 0:
        raise ValueError(
            f"Found array with 0 feature(s) (shape={tuple(X.shape)}) while a minimum of 1 is "
            f"required: {name} is a frame without columns."
        )


def as_csr(X, name="X"):
    """A sparse matrix as CSR, its indices within its shape."""
    if X.format == "bsr":  # blocks are filled up with zeros, which nobody stored
        X = X.tocsr(copy=True)
        X.eliminate_zeros()
    elif X.format in ("csr", "csc"):
        try:
            X.check_format(full_check=True)
        except ValueError as error:
            raise ValueError(
                f"{name} is no valid sparse matrix of shape {X.shape}: {error}."
            ) from error
    return X


def as_sparse_rows(matrix, absent=0.0):
    """The rows of a CSR matrix, which is not written to; an entry stored twice is their sum."""
    array = sp.csr_array(matrix, copy=not matrix.has_canonical_format)
    array.sum_duplicates()
    return SparseRows(array, absent)


def columns_at_fault(X):
    """The columns that hold something other than finite or missing numbers."""
    if isinstance(X, np.ndarray) and X.ndim == 2:
        columns = enumerate(X.T)
    elif hasattr(X, "iloc") and hasattr(X, "columns"):
        columns = ((name, X.iloc[:, j]) for j, name in enumerate(X.columns))
    elif hasattr(X, "columns"):
        columns = ((name, X[name]) for name in X.columns)
    elif sp.issparse(X):
        X = X.tocoo()
        return np.unique(X.col[~np.isfinite(X.data) & ~np.isnan(X.data)]).tolist()
    else:
        return []

    def at_fault(column):
        if np.asarray(column).dtype.kind in "cmM":
            return True
        try:
            return np.isinf(np.asarray(column, dtype=float)).any()
        except (TypeError, ValueError, OverflowError):
            return True

    return [name for name, column in columns if at_fault(column)]


def empty_places(rows):
    """Which rows and which columns have no observed entry, as two masks."""
    if not isinstance(rows, SparseRows):
        missing = np.isnan(rows)
        if not missing.any():
            return np.zeros(len(rows), dtype=bool), np.zeros(rows.shape[1], dtype=bool)
        return missing.all(axis=1), missing.all(axis=0)
    if np.isnan(rows.absent):  # most are empty, and need not be told of
        return np.zeros(len(rows), dtype=bool), np.zeros(rows.shape[1], dtype=bool)
    places = rows.matrix.tocoo()
    missing = np.isnan(rows.matrix.data)
    n_missing = (
        np.bincount(place[missing], minlength=n)
        for place, n in zip((places.row, places.col), rows.shape, strict=True)
    )
    return tuple(n == other for n, other in zip(n_missing, rows.shape[::-1], strict=True))
