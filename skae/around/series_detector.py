"""Outliers in one long series, by its windows."""

from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.decomposition import PCA
from sklearn.utils import check_random_state, gen_batches
from sklearn.utils.validation import check_is_fitted

from .._errors import unchanged_on_failure
from .._sklearn import HasMethods, Interval, StrOptions, fit_context
from ..base.autoencoder import BaseAutoencoder, dense_format_for
from ..base.naming import NamesMixin
from ..base.saving import SavingMixin
from ..base.scores import ScoreOutlierMixin
from ..engine.seeds import draw_seed
from ..families.autoencoder import Autoencoder
from ..rows.series import as_channels
from ..rows.table import Axes, Table
from ..rows.units import center_and_scale
from ..windows import fill_gaps, find_period, fold_scores, sliding_windows, windows_at
from .neighbors import FLOOR, LocalDistances, in_units_of_distances
from .prototypes import listed_prototypes, seeded_clone

# Share of the variance of windows that a code has; all of it would rebuild outliers as well.
SHARE = 0.9
# Points of a window where a series has no period, and the fewest; windows that a series must have.
NO_PERIOD, SHORTEST_WINDOW, FEWEST_WINDOWS = 125, 4, 3
# Windows to train on overlap by 7 eighths: more of them say nothing new.
STARTS_IN_A_WINDOW = 8
# "auto" calls outlying what Tukey called far out: so many interquartile ranges above the upper
# quartile, of the logarithms of the scores.
FAR_OUT = 3.0
# Windows are scored so many numbers at a time.
CHUNK = 2**22


class SeriesOutlierDetector(NamesMixin, SavingMixin, ScoreOutlierMixin, BaseEstimator):
    r"""Detects unusual stretches of a time series, by its windows.

    With :math:`d(w)` the mean distance of a window from its k nearest among the windows of `fit`,
    and :math:`r(w) = \|w - \hat w\|` the length of what autoencoders leave of it (their geometric
    mean), each in units of its median over the windows of `fit`, a point has

    .. math:: \text{score}(t) = -\exp \frac{1}{|W_t|} \sum_{w \in W_t}
        \log \max \left( d(w),\, r(w) \right),

    in which :math:`W_t` are the windows that it lies in. A score of -1 is a typical point's; one
    of -2 lies in windows that are twice as far from the others, or are rebuilt twice as badly.

    Parameters
    ----------
    autoencoder : estimator or list of estimators, default=None
        What rebuilds windows: autoencoders, or others that have ``transform`` and
        ``inverse_transform``; they are cloned. Images and sequences are given windows of shape
        (length, n_channels), the others flat ones. None is PCA beside
        ``Autoencoder(code_size=0.9, hidden_layer_sizes=(64,), refit=False)``, each with the
        code size that has 90 % of the variance.
    window : int or "auto", default="auto"
        Points of a window. "auto" is the period of the series by its autocorrelation
        (:func:`skae.windows.find_period`), or 125 if it has none.
    n_neighbors : int, default=5
        The number k of neighbors.
    max_reference : int, default=2000
        Windows of `fit` among which neighbors are looked for, at most, evenly spaced.
    contamination : float or "auto", default="auto"
        The share of the points of `fit` that `predict` calls outliers. "auto" calls those
        outliers whose score, in its logarithm, lies more than three times the distance of the
        quartiles beyond the upper one, which may be none.
    random_state : int, RandomState instance or None, default=None
        Seed of the autoencoders.

    Attributes
    ----------
    window_ : int
        Points of a window.
    estimators_ : list of estimators
        The fitted autoencoders.
    offset_ : float
        `decision_function` is ``score_samples - offset_``.
    n_features_in_, feature_names_in_
        Of the channels of `fit`.

    Raises
    ------
    ValueError
        If the series is shorter than three windows in `fit` or than one later, has a channel
        without a number, or a parameter is out of its range.
    NotFittedError
        From all methods but `fit`, before it.

    See Also
    --------
    AutoencoderOutlierDetector : Outliers among rows that are independent of each other.
    skae.windows : Windows of a series, for other estimators.
    SequenceAutoencoder : Codes and forecasts of sequences.

    Notes
    -----
    X is one series, and its rows are points that follow each other at equal times: what is to be
    compared with each other must not be cut into pieces or shuffled, so that `cross_val_score`
    wants a :class:`sklearn.model_selection.TimeSeriesSplit`.

    Channels are standardized. Missing points are filled on a straight line between their neighbors.

    Up to ``max_reference`` standardized windows are part of the fitted detector, of its pickles
    and of the files of `save`.

    References
    ----------
    Liu, Paparrizos: The elephant in the room: towards a reliable time-series anomaly detection
    benchmark. NeurIPS 2024.

    Paparrizos et al.: TSB-UAD: an end-to-end benchmark suite for univariate time-series anomaly
    detection. VLDB 2022.

    Examples
    --------
    >>> import numpy as np
    >>> from skae import SeriesOutlierDetector
    >>> rng = np.random.default_rng(0)
    >>> series = np.sin(2 * np.pi * np.arange(2000) / 50) + 0.1 * rng.normal(size=2000)
    >>> series[1200:1240] = 0.1 * rng.normal(size=40)  # a cycle is missing
    >>> detector = SeriesOutlierDetector(random_state=0).fit(series)
    >>> detector.window_
    50
    >>> outlying = np.flatnonzero(detector.predict(series) == -1)
    >>> print(outlying.min(), outlying.max())
    1173 1275
    """

    _parameter_constraints = {
        "autoencoder": [HasMethods(["fit", "transform", "inverse_transform"]), list, tuple, None],
        "window": [Interval(Integral, 2, None, closed="left"), StrOptions({"auto"})],
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "max_reference": [Interval(Integral, 2, None, closed="left")],
        "contamination": [StrOptions({"auto"}), Interval(Real, 0, 0.5, closed="right")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        autoencoder=None,
        *,
        window: int | str = "auto",
        n_neighbors=5,
        max_reference=2000,
        contamination: float | str = "auto",
        random_state=None,
    ):
        self.autoencoder = autoencoder
        self.window = window
        self.n_neighbors = n_neighbors
        self.max_reference = max_reference
        self.contamination = contamination
        self.random_state = random_state

    @unchanged_on_failure
    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None):
        """Learn what stretches of a series are like.

        Parameters
        ----------
        X : array-like of shape (n_points,) or (n_points, n_channels)
            The series, most of it normal; NaN marks a missing point.
        y : None
            Ignored.

        Returns
        -------
        self : object
        """
        self._format = Table(rows_may_be_empty=True)
        points = self._format.learn(as_channels(X), self)
        self.window_ = self._choose_window(points)
        self._center, self._scale = center_and_scale(points, np.arange(points.shape[1]))
        series = self._in_units(points)
        rng = check_random_state(draw_seed(self.random_state))
        n_windows = len(series) - self.window_ + 1
        to_train = np.arange(0, n_windows, max(1, self.window_ // STARTS_IN_A_WINDOW))
        to_train = windows_at(series, self.window_, to_train)
        self.estimators_ = [
            seeded_clone(prototype, rng).fit(handed(prototype, to_train))
            for prototype in self._prototypes()
        ]
        reference = np.linspace(0, n_windows - 1, min(n_windows, self.max_reference)).astype(int)
        reference = windows_at(series, self.window_, reference)
        self._neighbors = LocalDistances(flat(reference), self.n_neighbors)
        lengths = self._lengths(series)
        self._floor = FLOOR * lengths.mean(axis=1, keepdims=True)
        self._floor[self._floor == 0] = 1.0
        self._typical = np.median(np.log(lengths + self._floor), axis=1, keepdims=True)
        self.offset_ = self._threshold(self._folded(lengths, len(series)))
        return self

    def score_samples(self, X):
        """How normal each point is; higher is more normal.

        Parameters
        ----------
        X : array-like of shape (n_points,) or (n_points, n_channels)
            A series, of at least ``window_`` points.

        Returns
        -------
        scores : ndarray of shape (n_points,)
            Below 0, in X's precision. -1 is typical.
        """
        points = self._points(X)
        series = self._in_units(points)
        return self._folded(self._lengths(series), len(series)).astype(points.dtype)

    def reconstruct(self, X):
        """The series as the autoencoders expect it.

        Parameters
        ----------
        X : array-like of shape (n_points,) or (n_points, n_channels)
            A series, of at least ``window_`` points.

        Returns
        -------
        expected : ndarray of the shape of X
            In units of X: the mean over the windows that a point lies in, and over the
            autoencoders.
        """
        points = self._points(X)
        series = self._in_units(points)
        total, times = np.zeros_like(series), np.zeros((len(series), 1))
        for first, windows in self._chunks(series):
            index = first + np.arange(len(windows))[:, None] + np.arange(self.window_)
            np.add.at(total, index, np.mean(self._rebuilt(windows), axis=0))
            np.add.at(times, index, 1)
        expected = self._center + self._scale * (total / times)
        return expected.astype(points.dtype).reshape(np.shape(X))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        # Its rows are no samples that stand for themselves: a point is judged by those around it.
        tags.input_tags.two_d_array = False
        tags.input_tags.one_d_array = True
        return tags

    # -- the series and its windows ---------------------------------------------------------------

    def _prototypes(self):
        if self.autoencoder is not None:
            return listed_prototypes(self.autoencoder)
        return [PCA(SHARE), Autoencoder(SHARE, hidden_layer_sizes=(64,), refit=False)]

    def _choose_window(self, points):
        n, length = len(points), self.window
        if length == "auto":
            length = find_period(fill_gaps(points)) or NO_PERIOD
            length = max(SHORTEST_WINDOW, min(length, n // FEWEST_WINDOWS))
        if n < FEWEST_WINDOWS * length:
            raise ValueError(
                f"X has n_samples = {n} points, fewer than {FEWEST_WINDOWS} windows of {length}: "
                "give a longer series, or a smaller window."
            )
        return int(length)

    def _points(self, X):
        check_is_fitted(self)
        points = self._format.rows(as_channels(X), self)
        if len(points) < self.window_:
            raise ValueError(
                f"X has {len(points)} points, and {type(self).__name__} needs at least one window "
                f"of {self.window_}."
            )
        return points

    def _in_units(self, points):
        """Channels without gaps in the units of all distances, in float64."""
        names = self._format.names
        return fill_gaps(in_units_of_distances(points, self._center, self._scale, names))

    def _chunks(self, series):
        """The windows at every point, so many at a time, each part with the number of its first."""
        n, size = len(series) - self.window_ + 1, self.window_ * series.shape[1]
        for part in gen_batches(n, max(1, CHUNK // size)):
            yield (
                part.start,
                sliding_windows(series[part.start : part.stop + self.window_ - 1], self.window_),
            )

    # -- scores -----------------------------------------------------------------------------------

    def _rebuilt(self, windows):
        """Windows as each of the autoencoders rebuilds them."""
        return [rebuilt(estimator, windows) for estimator in self.estimators_]

    def _lengths(self, series):
        """Of each window: its distance from its neighbors, and what each autoencoder leaves of it.

        An array of shape (1 + n_estimators, n_windows).
        """
        parts = []
        for _, windows in self._chunks(series):
            near = self._neighbors.find(flat(windows)).distances.mean(axis=1)
            left = [np.linalg.norm(flat(windows - r), axis=1) for r in self._rebuilt(windows)]
            parts.append([near, *left])
        return np.concatenate(parts, axis=1)

    def _folded(self, lengths, n_points):
        """Scores of points."""
        near, *left = np.log(lengths + self._floor) - self._typical
        unusual = np.maximum(near, np.mean(left, axis=0))
        return -np.exp(fold_scores(unusual, n_points, self.window_))

    def _threshold(self, scores):
        """Below which points are outliers, from the scores of those of `fit`."""
        if self.contamination != "auto":
            return float(np.percentile(scores, 100 * self.contamination))
        low, high = np.percentile(np.log(-scores), (25, 75))
        return float(-np.exp(high + FAR_OUT * (high - low)))


def flat(windows):
    return windows.reshape(len(windows), -1)


def handed(estimator, windows):
    """Windows as an estimator takes them: with their channels, if it is one for rows with axes."""
    of_skae = isinstance(estimator, BaseAutoencoder) and windows.shape[2] > 1
    if of_skae and type(dense_format_for(estimator, windows)) is not Axes:
        return windows
    return flat(windows)


def rebuilt(estimator, windows):
    """What an estimator makes of windows, in their shape."""
    rows = handed(estimator, windows)
    if hasattr(estimator, "reconstruct"):
        answer = estimator.reconstruct(rows)
    else:
        answer = estimator.inverse_transform(estimator.transform(rows))
    return np.asarray(answer).reshape(windows.shape)
