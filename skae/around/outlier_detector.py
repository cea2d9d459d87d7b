"""Outliers by neighbors among codes, residuals and rows, around any autoencoder."""

import warnings
from numbers import Integral, Real

import numpy as np
import scipy.sparse as sp
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from .._errors import unchanged_on_failure
from .._sklearn import HasMethods, Interval, StrOptions, fit_context
from ..base.autoencoder import BaseAutoencoder, dense_format_for
from ..base.lazily import LazyMixin
from ..base.naming import NamesMixin
from ..base.saving import SavingMixin
from ..base.scores import ScoreOutlierMixin
from ..engine.seeds import draw_seed
from ..families.autoencoder import Autoencoder
from ..families.denoising import DenoisingAutoencoder
from ..rows.format import Formatted
from ..rows.given import Given, check_integer
from ..rows.table import Axes
from ..rows.units import center_and_scale
from .conformal import ConformalMixin
from .neighbors import in_units_of_distances
from .prototypes import copies_to_go_on, listed_prototypes, seeded_clone
from .scores import (
    ErrorScores,
    IsolationNeighborScores,
    NeighborScores,
    View,
    hidings,
    joined_at_random,
)

# The methods, by name.
SCORES = {"neighbors": NeighborScores, "error": ErrorScores, "masked": ErrorScores}
# Rows held out for the threshold: a share, or more of few rows, for a tenth of a few is any number.
HELD_OUT, HELD_OUT_OF_FEW, ENOUGH_HELD_OUT = 0.1, 0.25, 50
FEWEST_ROWS_TO_HOLD_OUT = 40
# All of them are kept: more would fill the memory before one is told so.
MOST_ESTIMATORS = 10_000
# Fits on the rows that the fit before rebuilt best.
TRIM_ROUNDS = 3


class AutoencoderOutlierDetector(
    LazyMixin, NamesMixin, SavingMixin, ConformalMixin, ScoreOutlierMixin, BaseEstimator
):
    r"""Detects outliers by what an autoencoder learned of the rows, and by their neighbors.

    With :math:`d(x)` the mean distance of a row from its k nearest among the training rows, and
    :math:`N(x)` those,

    .. math:: g(x) = \log d(x) - \tfrac{1}{2k} \sum_{i \in N(x)} \log d(x_i),
        \qquad \text{score}(x) = -\exp \tfrac12 \left( g_{[z, |r|]}(x) + g_x(x) \right),

    in which :math:`g_x` is taken among the rows, and :math:`g_{[z, |r|]}` among their codes
    :math:`z` beside the absolute values of their residuals :math:`r = x - \hat x`, both in units
    of the standardized columns; each :math:`g` less its mean over the training rows. A score of -1
    is a typical row's; a row that lies twice as far has -2.

    Parameters
    ----------
    autoencoder : estimator or list of estimators, default=None
        The autoencoder, which is cloned; several of them are averaged. None is
        ``Autoencoder(hidden_layer_sizes=(64,), refit=False)``, and with ``method="masked"``
        ``DenoisingAutoencoder(noise="masking", refit=False)``.
    method : {"neighbors", "error", "masked"}, default="neighbors"
        "neighbors" is the score above; if outliers among the training rows are declared (a number
        above 0 for ``contamination``, or ``trim`` above 0), its mean with an isolation forest's,
        each robustly scaled in its logarithm. "error" is minus the squared error of the
        reconstruction, "masked" that of entries rebuilt while they, and half of the row, were
        hidden from the autoencoder; both in units of the training rows' typical error.
    n_neighbors : int, default=20
        The number k of neighbors. Fewer do as well where no outliers are among the training rows,
        and much worse where there are.
    n_estimators : int, default=1
        Fits of each autoencoder, with seeds of their own; at most 10 000. Logarithms of their
        scores are averaged.
    standardize : bool or "auto", default="auto"
        Whether columns are divided by their standard deviations; "auto": if rows are flat. Set
        False for columns of one unit: pixels, spectra.
    max_reference : int, default=10_000
        Training rows among which neighbors are looked for, at most; drawn at random.
    trim : float, default=0.0
        Share of the training rows left out as outliers among them. The autoencoder is fitted
        three times, each time without the rows that the fit before rebuilt worst, so that a row
        may come back. The neighbors are always looked for among all.
    contamination : float or "auto", default="auto"
        The share of training rows that `predict` calls outliers. "auto" calls a tenth of new
        normal rows outliers: a tenth of the training rows (of fewer than 500, up to a quarter) is
        held out from the autoencoders, and ``offset_`` is the lowest tenth of their scores. With
        fewer than 40 rows it is that of all scores.
    random_state : int, RandomState instance or None, default=None
        Seed of the autoencoders, the rows held out, and the reference rows.

    Attributes
    ----------
    estimators_ : list of estimators
        The fitted autoencoders.
    offset_ : float
        `decision_function` is ``score_samples - offset_``.
    n_samples_seen_ : int
        Rows of `fit`, and of the calls of `partial_fit` since.
    calibration_scores_ : ndarray of shape (n_calibration,)
        Scores of the rows given to `calibrate`, ascending.
    n_features_in_, feature_names_in_
        Of the rows of `fit`.

    Raises
    ------
    ValueError
        If there are fewer than two rows, or a parameter is out of its range.
    NotFittedError
        From `p_value`, and `predict` with ``alpha``, before `calibrate`.

    See Also
    --------
    Autoencoder : Its own `score_samples` is the error in units of X, which the noisiest columns
        decide.
    sklearn.neighbors.LocalOutlierFactor : Neighbors without an autoencoder.

    Notes
    -----
    Missing entries are filled with their reconstruction, and have no part in errors.

    ``method="neighbors"`` is made of training rows: up to ``max_reference`` of them, standardized,
    and as each autoencoder rebuilds them, are part of the fitted detector, of its pickles and of
    the files of `save`. The other methods keep none.

    A row that is one of the training rows is not its own neighbor, nor is a new row that equals
    one.

    References
    ----------
    Bouman, Heskes: Autoencoders for anomaly detection are unreliable. 2025. arXiv:2501.13864.

    Breunig, Kriegel, Ng, Sander: LOF: identifying density-based local outliers. SIGMOD 2000.

    Laxhammar, Falkman: Conformal prediction for distribution-independent anomaly detection in
    streaming vessel data. StreamKDD 2010.

    Benjamini, Hochberg: Controlling the false discovery rate. JRSS B 57, 1995.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_wine
    >>> from skae import AutoencoderOutlierDetector
    >>> X, y = load_wine(return_X_y=True, as_frame=True)
    >>> normal, other = X[y < 2], X[y == 2]
    >>> detector = AutoencoderOutlierDetector(random_state=0).fit(normal[::2])
    >>> print(f"{np.mean(detector.predict(other) == -1):.2f}")
    1.00
    >>> detector = detector.calibrate(normal[1::2])
    >>> print(f"{detector.p_value(other).max():.2f}")
    0.23
    >>> detector.top_features(other[:1], k=2)["share"].round(1).shape
    (2,)
    """

    _parameter_constraints = {
        "autoencoder": [HasMethods(["fit", "transform"]), list, tuple, None],
        "method": [StrOptions(set(SCORES))],
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "n_estimators": [Interval(Integral, 1, MOST_ESTIMATORS, closed="both")],
        "standardize": ["boolean", StrOptions({"auto"})],
        "max_reference": [Interval(Integral, 2, None, closed="left")],
        "trim": [Interval(Real, 0, 1, closed="left")],
        "contamination": [StrOptions({"auto"}), Interval(Real, 0, 0.5, closed="right")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        autoencoder=None,
        *,
        method="neighbors",
        n_neighbors=20,
        n_estimators=1,
        standardize: bool | str = "auto",
        max_reference=10_000,
        trim=0.0,
        contamination: float | str = "auto",
        random_state=None,
    ):
        self.autoencoder = autoencoder
        self.method = method
        self.n_neighbors = n_neighbors
        self.n_estimators = n_estimators
        self.standardize = standardize
        self.max_reference = max_reference
        self.trim = trim
        self.contamination = contamination
        self.random_state = random_state

    @unchanged_on_failure
    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None):
        """Learn what rows are like.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            The rows, most of them normal; NaN marks a missing entry.
        y : None
            Ignored.

        Returns
        -------
        self : object
        """
        self._format = self._make_format(X)
        rows = self._format.learn(X, self)
        n = len(rows)
        if n < 2:
            raise ValueError(
                f"Found array with n_samples = {n}: {type(self).__name__} compares rows with each "
                "other, and needs at least 2."
            )
        vars(self).pop("calibration_scores_", None)
        self.n_samples_seen_ = n
        rng = check_random_state(draw_seed(self.random_state))
        order = rng.permutation(n)
        self._learn_units(rows)
        rows = self._in_units(rows)
        n_held = 0
        if self.contamination == "auto" and n >= FEWEST_ROWS_TO_HOLD_OUT:
            n_held = int(max(HELD_OUT * n, min(ENOUGH_HELD_OUT, HELD_OUT_OF_FEW * n)))
        self.estimators_ = self._fit_estimators(rows[np.sort(order[n_held:])], rng)
        reference = np.sort(order[-self.max_reference :])
        self._scores = self._make_scores(self._view(rows[reference]), rng)
        given = Given(rows)
        held_out = self._score_samples(given.take(order[:n_held])) if n_held else None
        self._learn_offset(given, held_out)
        return self

    @unchanged_on_failure
    @fit_context(prefer_skip_nested_validation=False)
    def partial_fit(self, X, y=None):
        """Go on with more rows. The first call is `fit`.

        A later one scores its rows while they are new, for the threshold; then each autoencoder
        trains for a pass over them, and they join those among which neighbors are looked for, of
        which ``max_reference`` are kept at random. Units stay as they were, and so does what `trim`
        left out; `calibrate` is to be called anew.

        Parameters
        ----------
        X : array-like of the shape of the rows of `fit`
            The rows of this call.
        y : None
            Ignored.

        Returns
        -------
        self : object
        """
        if not hasattr(self, "estimators_"):
            return self.fit(X)
        rows = self._standardized(X)
        held_out = (
            self._score_samples(Given(rows)) if len(rows) >= FEWEST_ROWS_TO_HOLD_OUT else None
        )
        rng = check_random_state((draw_seed(self.random_state) + self.n_samples_seen_) % 2**32)
        self.estimators_ = copies_to_go_on(self.estimators_)
        for estimator in self.estimators_:
            estimator.partial_fit(self._handed(estimator, rows))
        known = rows[:0] if self._scores.rows is None else self._scores.rows
        reference = joined_at_random(known, self.n_samples_seen_, rows, self.max_reference, rng)
        self.n_samples_seen_ += len(rows)
        vars(self).pop("calibration_scores_", None)
        self._scores = self._make_scores(self._view(reference), rng)
        if held_out is not None or self.contamination != "auto":
            self._learn_offset(Given(reference), held_out)
        return self

    def score_samples(self, X):
        """How normal each row is; higher is more normal.

        Parameters
        ----------
        X : array-like of the shape of the rows of `fit`
            The rows.

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            Below 0, in X's precision. -1 is typical.
        """
        check_is_fitted(self)
        rows = self._format.rows(X, self)
        return self._score_samples(Given(self._in_units(rows))).astype(rows.dtype)

    def explain(self, X):
        """What makes rows unusual, entry by entry.

        Parameters
        ----------
        X : array-like of the shape of the rows of `fit`
            The rows.

        Returns
        -------
        explanation : DataFrame
            A row for each entry of X, indexed by the sample (the index of X if it has one) and the
            column's name (or the entry's place in the row), with columns ``value``; ``expected``,
            as the autoencoder rebuilds it; ``residual``, value less expected, in units of X; and
            ``share`` of the score: the shares of a sample add up to ``-score_samples``. For
            ``method="neighbors"`` also ``nearest``, the mean of the nearest training rows.
        """
        import pandas as pd

        rows = self._standardized(X)
        view = self._view(rows)
        judged, format = self._scores.judge(view), self._format
        residuals = np.where(format.indicators, np.nan, (rows - view.expected) * self._scale)
        columns = {
            "value": self._entries(rows),
            "expected": self._entries(view.expected),
            "residual": format.by_column(residuals),
        }
        if judged.nearest is not None:
            columns["nearest"] = self._entries(judged.nearest)
        columns["share"] = format.by_column(judged.shares)
        samples = X.index if hasattr(X, "index") and hasattr(X, "columns") else range(len(rows))
        axes = [range(n) for n in format.shape or (format.n_features,)]
        names = [f"axis_{i}" for i in range(1, len(axes) + 1)]
        if format.shape is None:
            axes = [getattr(self, "feature_names_in_", axes[0])]
            names = ["feature"]
        index = pd.MultiIndex.from_product([samples, *axes], names=["sample", *names])
        return pd.DataFrame({name: array.ravel() for name, array in columns.items()}, index=index)

    def _entries(self, rows):
        """Standardized rows as users' entries: (n, n_features)."""
        rows = self._center + rows * self._scale
        if not self._format.groups:
            return rows
        return np.asarray(self._format.restore(rows), dtype=object)

    def top_features(self, X, k=3):
        """The k entries of each row with the largest shares of its score.

        Parameters
        ----------
        X : array-like of the shape of the rows of `fit`
            The rows.
        k : int, default=3
            Entries of each row.

        Returns
        -------
        explanation : DataFrame
            Rows of what `explain` gives, for each sample the largest ``share`` first.
        """
        check_integer(k, "k")
        explanation = self.explain(X)
        shares = explanation["share"].to_numpy().reshape(-1, self.n_features_in_)
        order = np.argsort(-shares, axis=1, kind="stable")[:, :k]
        first = self.n_features_in_ * np.arange(len(shares))[:, None]
        return explanation.iloc[(order + first).ravel()]

    def score_map(self, X):
        """Shares of the score in the shape of X: a picture for images, a curve for sequences.

        Parameters
        ----------
        X : array-like of the shape of the rows of `fit`
            The rows.

        Returns
        -------
        shares : ndarray of the shape of X
            Those of a row add up to ``-score_samples``.
        """
        rows = self._standardized(X)
        shares = self._format.by_column(self._scores.judge(self._view(rows)).shares)
        return shares.reshape(X.shape) if hasattr(X, "shape") else self._format.shaped(shares)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    # -- rows and autoencoders --------------------------------------------------------------------

    def _prototypes(self):
        given = self.autoencoder
        if given is None:
            masking = DenoisingAutoencoder(noise="masking", refit=False)
            small = Autoencoder(hidden_layer_sizes=(64,), refit=False)
            given = masking if self.method == "masked" else small
        return listed_prototypes(given)

    def _make_format(self, X):
        """That of the autoencoder, but for tables: they are dense, and may have any axes."""
        prototype = self._prototypes()[0]
        of_skae = isinstance(prototype, BaseAutoencoder)
        return dense_format_for(prototype, X) if of_skae else Axes()

    def _learn_units(self, rows):
        """Center and scale of standardized rows; codes and residuals stand in one metric."""
        format = self._format
        if self.standardize is True:
            channels = np.arange(format.n_numbers)
            self._center, self._scale = center_and_scale(rows, channels)
        elif self.standardize is False:
            self._center, self._scale = center_and_scale(rows)
        elif type(format) is Axes:  # a table, whose columns differ in their units
            self._center, self._scale = center_and_scale(rows, np.arange(format.n_numbers))
        else:
            self._center, self._scale = format.units(rows)
        self._mean = np.where(format.indicators, self._center, 0.0)
        self._center = np.where(format.indicators, 0.0, self._center)

    def _standardized(self, X):
        """Flat rows in the units of all distances and errors, in float64."""
        check_is_fitted(self)
        return self._in_units(self._format.rows(X, self))

    def _in_units(self, rows):
        return in_units_of_distances(rows, self._center, self._scale, self._format.names)

    def _fit_estimators(self, rows, rng):
        fitted = []
        for prototype in self._prototypes():
            for _ in range(self.n_estimators):
                fitted.append(self._fit_trimmed(seeded_clone(prototype, rng), rows))
        return fitted

    def _fit_trimmed(self, estimator, rows):
        """The estimator fitted without the share ``trim`` of the rows that it rebuilds worst."""
        estimator.fit(self._handed(estimator, rows))
        n_kept = max(1, len(rows) - int(self.trim * len(rows)))
        if n_kept < len(rows):
            for _ in range(TRIM_ROUNDS - 1):
                errors = np.nansum((rows - self._rebuilt(estimator, rows)) ** 2, axis=1)
                kept = np.sort(np.argsort(errors, kind="stable")[:n_kept])
                estimator.fit(self._handed(estimator, rows[kept]))
        return estimator

    def _handed(self, estimator, rows):
        """Rows as an estimator takes them."""
        if isinstance(estimator, BaseAutoencoder):
            return Formatted(rows, self._format)
        return self._format.shaped(rows)

    def _rebuilt(self, estimator, rows):
        rebuilt = estimator.reconstruct(self._handed(estimator, rows))
        return np.asarray(rebuilt).reshape(rows.shape)

    def _rebuilt_where_hidden(self, estimator, rows):
        """Each entry as rebuilt while it was hidden with half of its row, mean over the times."""
        total, masks = np.zeros_like(rows), hidings(rows.shape[1])
        with warnings.catch_warnings():  # of rows that have no entry left
            warnings.simplefilter("ignore", UserWarning)
            for columns in masks:
                seen = np.where(columns, np.nan, rows)
                total[:, columns] += self._rebuilt(estimator, seen)[:, columns]
        return total / (len(masks) // 2)

    def _codes(self, estimator, rows):
        codes = estimator.transform(self._handed(estimator, rows))
        codes = codes.toarray() if sp.issparse(codes) else np.asarray(codes)
        return codes.reshape(len(rows), -1)

    def _view(self, rows):
        """The rows as each estimator sees them, their missing entries filled."""
        how = self._rebuilt_where_hidden if self.method == "masked" else self._rebuilt
        rebuilt = [how(estimator, rows) for estimator in self.estimators_]
        # What is padding to a sequence is not rebuilt.
        rebuilt = [np.where(np.isnan(r), self._mean, r) for r in rebuilt]
        expected = np.mean(rebuilt, axis=0)
        missing = np.isnan(rows)
        residuals = [np.where(missing, 0, rows - rows_hat) for rows_hat in rebuilt]
        codes = []
        if SCORES[self.method].needs_codes:
            codes = [self._codes(estimator, rows) for estimator in self.estimators_]
        filled = np.where(missing, expected, rows)
        return View(filled, codes, rebuilt, residuals, ~missing, expected)

    def _make_scores(self, reference, rng):
        if self.method != "neighbors":
            return SCORES[self.method](reference)
        if self.trim == 0 and self.contamination in ("auto", 0):
            return NeighborScores(reference, self.n_neighbors)
        seed = rng.randint(np.iinfo(np.int32).max)
        return IsolationNeighborScores(reference, self.n_neighbors, seed)

    def _score_samples(self, given):
        return self._scores.scores(self._view(given.X))
