"""Frames of pandas and polars, and arrays, as frames of pandas; and back."""

import numpy as np

from .given import untensored

POLARS_TYPES_WITH = {
    "Datetime": ("time_unit", "time_zone"),
    "Duration": ("time_unit",),
    "Decimal": ("precision", "scale"),
    "Enum": ("categories",),
}


def is_frame(X):
    """Whether X is a frame of pandas or polars that is computed already."""
    return hasattr(X, "columns") and hasattr(X, "dtypes") and not hasattr(X, "collect")


def library_of(X):
    """One of "pandas", "polars" and, for arrays, "numpy"."""
    if not is_frame(X):
        return "numpy"
    return "pandas" if hasattr(X, "iloc") else "polars"


def is_plain(X):
    """Whether all columns are numbers or booleans as scikit-learn can read them."""
    if library_of(X) == "polars":
        return all(dtype.is_numeric() or str(dtype) in ("Boolean", "Null") for dtype in X.dtypes)
    from pandas.api.types import infer_dtype, is_numeric_dtype

    numbers = ("integer", "floating", "mixed-integer-float", "boolean", "decimal", "empty")
    return all(
        is_numeric_dtype(dtype)
        or (dtype.kind == "O" and infer_dtype(X.iloc[:, j], skipna=True) in numbers)
        for j, dtype in enumerate(X.dtypes)
    )


def as_frame(X):
    """X as a frame of pandas; its columns hold what they held."""
    import pandas as pd

    library = library_of(X)
    if library == "pandas":
        return X
    if library == "polars":
        return pd.DataFrame({name: as_series(X[name]) for name in X.columns})
    return pd.DataFrame(X if isinstance(X, np.ma.MaskedArray) else np.asarray(untensored(X)))


def as_series(column):
    """A column of polars as a Series of pandas."""
    import pandas as pd

    dtype = column.dtype
    if dtype.is_integer() and column.null_count():
        return pd.Series(pd.array(column.to_list(), dtype=str(dtype)))
    if str(dtype) == "Boolean":
        return pd.Series(column.to_list(), dtype="boolean")
    if dtype.is_float() or dtype.is_integer() or str(dtype).startswith(("Datetime", "Duration")):
        return pd.Series(column.to_numpy())
    return pd.Series(column.to_list(), dtype=object)


def frame_of(series, names, library, dtypes=None, index=None):
    """A frame of a library, or an array, of Series of pandas.

    ``dtypes`` are those of polars, as `spelled`, that the columns once had.
    """
    import pandas as pd

    if library == "polars":
        import polars as pl

        dtypes = dtypes or [None] * len(names)
        parts = zip(names, series, dtypes, strict=True)
        return pl.DataFrame([as_polars(name, one, dtype) for name, one, dtype in parts])
    frame = pd.DataFrame(dict(enumerate(series)))
    frame.columns = names
    if index is not None and len(index) == len(frame):
        frame.index = index
    if library == "numpy":
        return frame.to_numpy()
    return frame


def as_polars(name, series, dtype=None):
    """A Series of pandas as a column of polars."""
    import polars as pl

    if series.dtype.kind in "mM" and getattr(series.dtype, "tz", None) is None:
        column = pl.Series(name, series.to_numpy())
    else:
        missing = series.isna()
        values = [None if gone else v for gone, v in zip(missing, series.tolist(), strict=True)]
        column = pl.Series(name, values, strict=False)
        if series.dtype == object and all(missing):
            column = column.cast(pl.String) if dtype is None else column
    if dtype is None:
        return column
    kind, settings = (
        dtype[0],
        dict(zip(POLARS_TYPES_WITH.get(dtype[0], ()), dtype[1:], strict=True)),
    )
    zone = settings.pop("time_zone", None)
    if kind == "Enum":
        settings["categories"] = list(settings["categories"])
    made = getattr(pl, kind)
    column = column.cast(made(**settings) if settings else made)
    if zone is None:
        return column
    return column.dt.replace_time_zone("UTC").dt.convert_time_zone(zone)


def spelled(dtype):
    """A dtype of polars as its name and its settings, which files can hold."""
    name = type(dtype).__name__
    name = dtype.__name__ if name == "DataTypeClass" else name
    settings = [getattr(dtype, part) for part in POLARS_TYPES_WITH.get(name, ())]
    return name, *(tuple(s.to_list()) if hasattr(s, "to_list") else s for s in settings)
