"""Columns of mixed kinds."""

import numpy as np


def find_categories(categorical_features, X):
    """Which columns are categories."""
    n_columns = X.shape[1] if hasattr(X, "shape") and len(X.shape) == 2 else 0
    found = np.zeros(n_columns, dtype=bool)
    if categorical_features is None:
        return found
    if isinstance(categorical_features, str):
        if hasattr(X, "columns"):
            found[:] = [not is_number(X[name]) for name in X.columns]
        return found
    given = np.asarray(categorical_features)
    if given.dtype.kind == "b" and given.shape == found.shape:
        return given
    if given.dtype.kind in "UOT" and hasattr(X, "columns"):
        unknown = sorted(set(given.tolist()) - set(X.columns))
        if unknown:
            raise ValueError(f"categorical_features names {unknown}, which X does not have.")
        return np.isin(np.array(X.columns, dtype=object), given)
    if given.dtype.kind in "iu" and np.all((given >= 0) & (given < n_columns)):
        found[given] = True
        return found
    if len(given) == 0:
        return found
    raise ValueError(
        f"categorical_features must be a mask of {n_columns} bools, numbers of columns below "
        f"{n_columns}, or names of the columns of a frame, got {categorical_features!r}."
    )


def is_number(column):
    """Whether a column of a frame holds numbers, or what becomes numbers."""
    if hasattr(column.dtype, "is_numeric"):  # polars
        return column.dtype.is_numeric() or str(column.dtype) in ("Boolean", "Null")
    from pandas.api.types import is_numeric_dtype

    return is_numeric_dtype(column.dtype)


def framed(X, columns, indicators, names):
    """A frame like X, of other columns; those that are categories keep their kind."""
    added = [] if indicators is None else list(indicators.T)
    series = dict(zip(names, [*columns.values(), *added], strict=True))
    dtypes = list(X.dtypes)
    kinds = {
        name: dtypes[j]
        for name, (j, column) in zip(names, columns.items(), strict=False)
        if column.dtype == object
    }
    if not hasattr(X, "index"):
        import polars

        return polars.DataFrame(
            {n: polars.Series(s, dtype=kinds.get(n)) for n, s in series.items()}
        )
    from pandas import CategoricalDtype, DataFrame, unique

    for name, kind in kinds.items():
        if isinstance(kind, CategoricalDtype):
            values = [value for value in unique(series[name]) if value is not None]
            new = [value for value in values if value not in kind.categories and value == value]
            kinds[name] = CategoricalDtype([*kind.categories, *new], kind.ordered)
    return DataFrame(series, index=X.index).astype(kinds)
