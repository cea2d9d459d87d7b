"""Long series as windows, and scores of windows as scores of points."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

__all__ = ["fold_scores", "sliding_windows"]

FOLDS = {"mean": np.add, "max": np.maximum, "min": np.minimum}


def sliding_windows(series, length, step=1):
    """Cut a series into windows that overlap.

    Window i holds the points ``i * step, ..., i * step + length - 1``. Where these would not reach
    the end, a last window holds the last ``length`` points.

    Parameters
    ----------
    series : array-like of shape (n_points,) or (n_points, n_channels)
        The series.
    length : int
        Points of a window.
    step : int, default=1
        Points from one window's start to the next one's.

    Returns
    -------
    windows : ndarray of shape (n_windows, length) or (n_windows, length, n_channels)
        Rows for an estimator.

    Raises
    ------
    ValueError
        If the series is shorter than a window, or has more than two axes.

    Examples
    --------
    >>> from skae.windows import sliding_windows
    >>> sliding_windows([0, 1, 2, 3, 4, 5], length=3, step=2)
    array([[0, 1, 2],
           [2, 3, 4],
           [3, 4, 5]])
    """
    series = np.asarray(series)
    if series.ndim not in (1, 2):
        raise ValueError(
            "series must be of shape (n_points,) or (n_points, n_channels), but has shape "
            f"{series.shape}."
        )
    starts = starts_of(len(series), length, step)
    windows = sliding_window_view(series, length, axis=0)[starts]
    return np.ascontiguousarray(np.moveaxis(windows, -1, 1))


def fold_scores(scores, n_points, length, step=1, reduce="mean"):
    """Scores of the points of a series from those of its windows.

    Parameters
    ----------
    scores : array-like of shape (n_windows,) or (n_windows, length)
        A score for each window, or for each point of each window (such as ``score_map`` gives).
    n_points : int
        Points of the series.
    length, step : int
        As given to `sliding_windows`.
    reduce : {"mean", "min", "max"}, default="mean"
        What a point is given of the windows that it lies in. With scores of which higher is more
        normal, "min" is the most unusual window's.

    Returns
    -------
    points : ndarray of shape (n_points,)
        NaN where ``step`` is larger than ``length`` and a point lies in no window.

    Raises
    ------
    ValueError
        If there is not one score, or ``length`` scores, for each window.

    Examples
    --------
    >>> from skae.windows import fold_scores
    >>> fold_scores([-1.0, -3.0], n_points=4, length=3)
    array([-1., -2., -2., -3.])
    """
    if reduce not in FOLDS:
        raise ValueError(f"reduce must be one of {sorted(FOLDS)}, got {reduce!r}.")
    scores = np.asarray(scores, dtype=float)
    starts = starts_of(n_points, length, step)
    if scores.shape not in ((len(starts),), (len(starts), length)):
        raise ValueError(
            f"A series of {n_points} points has {len(starts)} windows of length {length} at step "
            f"{step}, but scores have shape {scores.shape}."
        )
    index = starts[:, None] + np.arange(length)
    first = {"mean": 0.0, "max": -np.inf, "min": np.inf}[reduce]
    points, times = np.full(n_points, first), np.bincount(index.ravel(), minlength=n_points)
    spread = np.broadcast_to(scores.reshape(len(starts), -1), index.shape)
    FOLDS[reduce].at(points, index, spread)
    if reduce == "mean":
        points /= np.maximum(times, 1)
    return np.where(times > 0, points, np.nan)


def starts_of(n_points, length, step):
    """Where windows begin."""
    for name, value in {"length": length, "step": step}.items():
        if not (isinstance(value, int | np.integer) and value >= 1):
            raise ValueError(f"{name} must be an integer of at least 1, got {value!r}.")
    if n_points < length:
        raise ValueError(
            f"A series of {n_points} points is shorter than length={length}: choose shorter "
            "windows."
        )
    starts = np.arange(0, n_points - length + 1, step)
    last = n_points - length
    return starts if starts[-1] == last else np.append(starts, last)
