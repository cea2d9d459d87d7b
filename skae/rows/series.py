"""One series, whose rows are points that follow each other."""

import numpy as np
import scipy.sparse as sp

from .._errors import listed
from .frames import as_frame, is_frame
from .given import untensored
from .table import Table


def as_channels(X, name="X"):
    """A series of one axis as one channel; all else as it is."""
    if hasattr(X, "to_frame"):  # a Series of pandas or polars, whose name is the channel's
        X = X.to_frame()
    if is_frame(X):
        kinds = as_frame(X[:0])  # without rows, which need not be converted to know
        times = kinds.select_dtypes(["datetime", "datetimetz", "timedelta"]).columns.tolist()
        if times:
            raise ValueError(
                f"Column(s) {listed(times)} of {name} are times and no channels: make them the "
                "index, or drop them. Points are taken to follow each other at equal times."
            )
    if hasattr(X, "columns") or sp.issparse(X):
        return X
    X = untensored(X, name)
    return np.asarray(X)[:, None] if np.ndim(X) == 1 else X


def read_series(series, name="series"):
    """A series as an array of floats of one axis or, with channels, two; NaN where it has gaps."""
    points = Table(name=name).learn(as_channels(series, name), dtype=np.float64)
    return points if np.ndim(series) > 1 else points[:, 0]
