"""What is known of rows beside them, a condition, as numbers."""

import numpy as np
import scipy.sparse as sp
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils.validation import check_array

from .frames import as_frame, is_frame
from .given import untensored

# Whole numbers are classes if there are no more of them, each standing for two rows or more.
MOST_CLASSES = 20


class Condition:
    """Conditions as numbers: quantities standardized, classes as indicators.

    Parameters
    ----------
    condition : array-like of shape (n_samples,) or (n_samples, n_conditions)
        That of `fit`.
    categorical : bool or "auto"
        Whether it is classes. "auto", column by column: strings, booleans and categories are, and
        whole numbers of which there are at most 20, half as many as rows or fewer.
    """

    def __init__(self, condition, categorical="auto"):
        columns = as_columns(condition)
        self.names = list(columns.columns)
        if categorical == "auto":
            self.is_class = [is_class(columns[name]) for name in columns]
        else:
            self.is_class = [bool(categorical)] * len(self.names)
        self.encoders = []
        for column, is_one in zip(self._checked(columns), self.is_class, strict=True):
            encoder = OneHotEncoder(sparse_output=False) if is_one else StandardScaler()
            self.encoders.append(encoder.fit(column))

    def __call__(self, condition, n_rows, dtype, owner):
        """As numbers, of shape (n_rows, n_numbers); one condition is for all rows."""
        columns = as_columns(condition)
        if len(columns) == 1 < n_rows:
            columns = columns.loc[columns.index.repeat(n_rows)]
        if len(columns) != n_rows:
            raise ValueError(
                f"condition has {len(columns)} rows, but there are {n_rows} rows to go with it: "
                "give one for each, or one for all."
            )
        if columns.shape[1] != len(self.encoders):
            raise ValueError(
                f"condition has {columns.shape[1]} columns, but {type(owner).__name__} was fitted "
                f"with {len(self.encoders)}."
            )
        try:
            parts = [
                encoder.transform(column)
                for encoder, column in zip(self.encoders, self._checked(columns), strict=True)
            ]
        except ValueError as error:
            raise ValueError(f"condition has values that `fit` has not seen: {error}") from error
        return np.hstack(parts).astype(dtype)

    def ordered(self, values):
        """One condition, a dict of its columns, as a frame of one row."""
        import pandas as pd

        if set(values) != set(self.names):
            raise ValueError(
                f"condition must have the columns {self.names}, as in fit, got {sorted(values)}."
            )
        return pd.DataFrame({name: [values[name]] for name in self.names})

    def _checked(self, columns):
        """Each column as an array of shape (n, 1)."""
        for j, is_one in enumerate(self.is_class):
            column = columns.iloc[:, [j]].to_numpy()
            if is_one:
                column = column.astype(object) if column.dtype.kind in "OUTb" else column
            yield check_array(column, dtype=None if is_one else "numeric", input_name="condition")


def as_columns(condition):
    """A condition as a frame."""
    import pandas as pd

    if not hasattr(condition, "iloc") and hasattr(condition, "to_frame"):
        condition = condition.to_frame()  # a column of polars
    if is_frame(condition):
        return as_frame(condition).reset_index(drop=True)
    if isinstance(condition, pd.Series):
        return condition.reset_index(drop=True).to_frame()
    if sp.issparse(condition):
        raise TypeError("condition is sparse: use condition.toarray().")
    array = np.asarray(untensored(condition, "condition"))
    if array.ndim > 2:
        raise ValueError(f"condition must have one or two dimensions, but has shape {array.shape}.")
    return pd.DataFrame(array.reshape(-1, 1) if array.ndim < 2 else array)


def is_class(column):
    """Whether a column of a condition holds classes."""
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    if column.dtype == object:
        column = column.infer_objects()  # numbers that stand in an array of objects
    if not is_numeric_dtype(column) or is_bool_dtype(column):
        return True
    values = column.dropna().unique()
    whole = np.all(values == np.round(values.astype(float)))
    return bool(whole and 2 <= len(values) <= min(MOST_CLASSES, len(column) // 2))
