"""What comes in: rows, units, device, seed; and the promise that a failed fit changes nothing."""

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from .._errors import warn
from .._sklearn import container_adapter, names_of_columns
from ..engine.batches import SparseRows


class Given(NamedTuple):
    """What `fit` and `score_samples` are given, as arrays that are known to be valid."""

    X: np.ndarray | SparseRows
    target: np.ndarray | None = None  # None: X
    condition: np.ndarray | None = None

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


FLOATS = (np.float64, np.float32)


def check_rows(estimator, X, reset=False):
    """X as a contiguous float32 or float64 array, or sparse rows; NaN for missing entries.

    Raises
    ------
    ValueError
        For anything that is not a finite or missing number, naming the columns, and in `fit` for
        a column without a single observed entry.
    """
    if not reset:
        check_is_fitted(estimator)
    if getattr(X, "ndim", 2) > 2:
        raise ValueError(
            f"Found array with dim {X.ndim}, of shape {tuple(X.shape)}. {type(estimator).__name__} "
            "expects <= 2 dimensions, (n_samples, n_features): give "
            "X.reshape(len(X), -1)."
        )
    sparse = "csr" if estimator._takes_sparse else False
    try:
        array = validate_data(
            estimator,
            X,
            dtype=FLOATS,
            accept_sparse=sparse,
            ensure_all_finite="allow-nan",
            reset=reset,
        )
    except (TypeError, ValueError) as error:
        if sp.issparse(X) and not sparse:
            raise TypeError(
                f"Sparse X of type {type(X).__name__} was passed to {type(estimator).__name__}, "
                "which takes dense rows only: give X.toarray(), or reduce it first with "
                "TruncatedSVD."
            ) from error
        columns = _columns_at_fault(X)
        if not columns:
            raise
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"{error}\nColumn(s) at fault: {columns}.") from error
    if sp.issparse(array):
        array = as_sparse_rows(array, estimator._absent)
        missing = np.isnan(array.matrix.data)
        if missing.any() and not np.isnan(estimator._absent):
            places = array.matrix.tocoo()
            n_missing = [
                np.bincount(place[missing], minlength=n)
                for place, n in zip((places.row, places.col), array.shape, strict=True)
            ]
            empty = [n == other for n, other in zip(n_missing, array.shape[::-1], strict=True)]
            _check_missing(estimator, *empty, reset)
        return array
    array = np.ascontiguousarray(array)
    missing = np.isnan(array)
    if missing.any():
        _check_missing(estimator, missing.all(axis=1), missing.all(axis=0), reset)
    return array


def as_sparse_rows(matrix, absent=0.0):
    """The rows of a CSR matrix, which is not written to; an entry stored twice is their sum."""
    array = sp.csr_array(matrix, copy=not matrix.has_canonical_format)
    array.sum_duplicates()
    return SparseRows(array, absent)


def _check_missing(estimator, empty_rows, empty_columns, reset):
    empty = np.flatnonzero(empty_columns)
    if reset and len(empty) and not getattr(estimator, "_columns_may_be_empty", False):
        names = getattr(estimator, "feature_names_in_", np.arange(len(empty_columns)))[empty]
        raise ValueError(
            f"X has no observed entry in column(s) {names.tolist()}, so nothing can be learned of "
            "them: drop them, or fill them with a constant."
        )
    rows = np.flatnonzero(empty_rows)
    if len(rows):
        warn(
            f"{len(rows)} row(s) of X have no observed entry (the first is row {rows[0]}): they "
            "are taken for the training mean and get the highest score.",
            UserWarning,
        )


def _columns_at_fault(X):
    """The columns that hold something other than finite or missing numbers."""
    if isinstance(X, np.ndarray) and X.ndim == 2:
        columns = enumerate(X.T)
    elif hasattr(X, "columns"):
        columns = ((name, X[name]) for name in X.columns)
    elif sp.issparse(X):
        X = X.tocoo()
        return np.unique(X.col[np.isinf(X.data)]).tolist()
    else:
        return []

    def at_fault(column):
        if np.asarray(column).dtype.kind in "cmM":
            return True
        try:
            return np.isinf(np.asarray(column, dtype=float)).any()
        except (TypeError, ValueError):
            return True

    return [name for name, column in columns if at_fault(column)]


def check_target(estimator, target, X, reset=False):
    """The target of paired training as an array in the precision of X; None if there is none.

    Raises
    ------
    ValueError
        For a target with other rows or columns than it should have, with infinite values, or, in
        `fit`, with a column without a single observed entry; if there is one and should be none,
        or the other way round.
    """
    if not reset:
        if estimator._paired and target is None:
            raise ValueError(
                f"{type(estimator).__name__} was fitted with a target, so rows of X are judged by "
                "what they should become: give target=."
            )
        if target is not None and not estimator._paired:
            raise ValueError(
                f"{type(estimator).__name__} was fitted without a target, to rebuild X: leave "
                "target= out, or fit anew with a target."
            )
    names = None if target is None else names_of_columns(target)
    if reset:
        estimator._paired, estimator._target_names = target is not None, names
    if target is None:
        return None
    target = check_array(
        target, dtype=X.dtype, ensure_all_finite="allow-nan", input_name="target", order="C"
    )
    if len(target) != len(X):
        raise ValueError(f"target has {len(target)} rows, but X has {len(X)}: give one for each.")
    if not reset and target.shape[1] != estimator.n_outputs_:
        raise ValueError(
            f"target has {target.shape[1]} columns, but {type(estimator).__name__} was fitted with "
            f"n_outputs_={estimator.n_outputs_}."
        )
    empty = np.flatnonzero(np.isnan(target).all(axis=0))
    if reset and len(empty):
        empty = empty if names is None else names[empty]
        raise ValueError(
            f"target has no observed entry in column(s) {empty.tolist()}, so nothing can be "
            "learned of them: drop them."
        )
    return target


def check_unit_interval(given, parameter, value, instead):
    """Whether what is to be rebuilt lies in [0, 1], which a value of a parameter asks for."""
    name, entries = given.rebuilt_name, entries_of(given.rebuilt)
    low, high = np.nanmin(entries, initial=np.inf), np.nanmax(entries, initial=-np.inf)
    if low < 0 or high > 1:
        raise ValueError(
            f"{parameter}={value!r} needs {name} in [0, 1], but {name} spans [{low:g}, {high:g}]: "
            f"scale it (MinMaxScaler(clip=True)) or use {parameter}={instead!r}."
        )


def check_codes(estimator, codes):
    """Codes as an array of floats; their number must be the one learned in `fit`."""
    check_is_fitted(estimator)
    codes = check_array(codes, dtype=FLOATS, accept_sparse="csr")
    codes = np.ascontiguousarray(codes.toarray() if sp.issparse(codes) else codes)
    if codes.shape[1] != estimator.code_size_:
        raise ValueError(
            f"X has {codes.shape[1]} features, but {type(estimator).__name__} was fitted with "
            f"code_size_={estimator.code_size_}: inverse_transform takes what transform gives."
        )
    return codes


def entries_of(rows):
    """All entries of rows; of sparse ones those stored, and one for the rest."""
    return rows.entries if isinstance(rows, SparseRows) else rows


def center_and_scale(X, name="X"):
    """The mean of each column and the root of the mean column variance, over observed entries."""
    with np.errstate(invalid="ignore"):  # 0 / 0 of a column without observed entries
        mean, var = moments(X)
    scale = np.sqrt(var[~np.isnan(mean)].mean())
    # The module holds center and scale in float32, and errors are squared in X's precision.
    entries = entries_of(X)
    largest = max(float(np.nanmax(entries)), -float(np.nanmin(entries)))
    limit = float(min(np.finfo(np.float32).max, np.sqrt(np.finfo(X.dtype).max) / X.shape[1]))
    if not (np.isfinite(scale) and largest < limit):
        raise ValueError(
            f"The values of {name} are too large for {X.dtype} (largest magnitude {largest:g}): "
            f"divide {name} by a constant."
        )
    # The module holds them in float32: what training and inference subtract must be the same.
    center = np.nan_to_num(mean).astype(np.float32).astype(float)
    scale = float(np.float32(scale))
    constant = scale <= np.finfo(X.dtype).eps * np.abs(center).max()
    return center, 1.0 if constant else scale


def beside(center, scale):
    """Centers moved by next to nothing: a mean can be an entry, but what is beside it is none."""
    step = np.maximum(2 * np.spacing(np.abs(center).astype(np.float32)), 1e-6 * scale)
    return (center + step).astype(np.float32).astype(float)


def moments(X):
    """The mean and the variance of each column, over its observed entries."""
    if not isinstance(X, SparseRows):
        scaler = StandardScaler().fit(X)
        return scaler.mean_, scaler.var_
    (n, width), absent = X.shape, X.absent
    _, columns, values = X.observed
    stored = np.bincount(columns, minlength=width)
    n_absent = n - np.bincount(X.matrix.indices, minlength=width)
    if np.isnan(absent):
        n_absent, absent = 0, 0.0
    mean = (np.bincount(columns, values, width) + n_absent * absent) / (stored + n_absent)
    squares = np.bincount(columns, (values - mean[columns]) ** 2, width)
    squares += n_absent * (absent - mean) ** 2
    return mean, squares / (stored + n_absent)


def restore_container(estimator, X, codes):
    """X with the columns of `fit`, in a frame if ``set_output`` asks `transform` for frames."""
    adapter = container_adapter("transform", estimator)
    if adapter is None:
        return X
    names = getattr(estimator, "feature_names_in_", None)
    if estimator._paired:
        names = estimator._target_names
    if names is None:
        names = np.array([f"x{i}" for i in range(X.shape[1])], dtype=object)
    return adapter.create_container(X, codes, columns=names)
