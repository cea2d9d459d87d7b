"""Long series as windows, scores of windows as scores of points, and the period of a series."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.signal import find_peaks

__all__ = ["fill_gaps", "find_period", "fold_scores", "sliding_windows"]

# A channel varies if its numbers differ by more than this share of the largest.
ROUNDING = 1e-14
# Shorter periods are taken for noise. Multiples of a period are peaks too, and may be higher by
# chance: the shortest that is nearly as high is the period.
SHORTEST_PERIOD, NEARLY = 4, 0.8
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
    series = as_series(series)
    return windows_at(series, length, starts_of(len(series), length, step))


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


def fill_gaps(series):
    """Fill missing points on a straight line between those around them.

    Parameters
    ----------
    series : array-like of shape (n_points,) or (n_points, n_channels)
        The series; NaN marks a missing point.

    Returns
    -------
    filled : ndarray of the shape of the series
        Before the first point that is known it has that one, after the last one the last; a channel
        without any has 0.

    Examples
    --------
    >>> import numpy as np
    >>> from skae.windows import fill_gaps
    >>> fill_gaps([0.0, np.nan, np.nan, 3.0, np.nan])
    array([0., 1., 2., 3., 3.])
    """
    filled = np.array(series, dtype=np.result_type(np.asarray(series), np.float32))
    at = np.arange(len(filled))
    for channel in filled.reshape(len(filled), -1).T:
        known = np.flatnonzero(~np.isnan(channel))
        if len(known) < len(channel):
            channel[:] = np.interp(at, known, channel[known]) if len(known) else 0.0
    return filled


def find_period(series, longest=400):
    r"""The period of a series, by its autocorrelation.

    .. math:: \rho(l) = \frac{1}{(n - l) \sigma^2} \sum_t (x_t - \mu) (x_{t + l} - \mu)

    has peaks at the period and its multiples; the period is the shortest lag of a peak that is at
    least 0.8 of the highest. Of several channels, the mean of their autocorrelations.

    Parameters
    ----------
    series : array-like of shape (n_points,) or (n_points, n_channels)
        The series, without missing points.
    longest : int, default=400
        Longest period looked for, in points; a third of the series at most.

    Returns
    -------
    period : int or None
        In points, from 4 on. None if there is no peak above 0.

    Raises
    ------
    ValueError
        If the series has more than two axes, or values that are not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from skae.windows import find_period
    >>> find_period(np.sin(2 * np.pi * np.arange(300) / 24))
    24
    """
    series = as_series(series, dtype=float)
    if not (len(series) and np.isfinite(series).all()):
        raise ValueError("series is empty, or has values that are not finite: fill them first.")
    series = series.reshape(len(series), -1)
    largest = np.abs(series).max(axis=0, initial=0)
    varies = np.ptp(series / np.where(largest > 0, largest, 1), axis=0) > ROUNDING
    series = series[:, varies] / largest[varies]
    series -= series.mean(axis=0)
    most = min(longest, len(series) // 3)
    if not series.size or most < SHORTEST_PERIOD:
        return None
    lags = np.arange(most + 2)  # a peak is told by what lies on both sides
    series /= series.std(axis=0)
    spectrum = np.abs(np.fft.rfft(series, 2 * len(series), axis=0)) ** 2
    products = np.fft.irfft(spectrum, axis=0)[lags].mean(axis=1)
    correlation = products / (len(series) - lags)
    peaks = find_peaks(correlation, height=0)[0]
    peaks = peaks[peaks >= SHORTEST_PERIOD]
    if not len(peaks):
        return None
    heights = correlation[peaks]
    return int(peaks[np.argmax(heights >= NEARLY * heights.max())])


def as_series(series, dtype=None):
    """A series as an array of one axis or, with channels, two."""
    series = np.asarray(series, dtype=dtype)
    if series.ndim not in (1, 2):
        raise ValueError(
            "series must be of shape (n_points,) or (n_points, n_channels), but has shape "
            f"{series.shape}."
        )
    return series


def windows_at(series, length, starts):
    """The windows of a series that begin at some points, and no others in memory."""
    windows = sliding_window_view(series, length, axis=0)[starts]
    return np.ascontiguousarray(np.moveaxis(windows, -1, 1))


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
