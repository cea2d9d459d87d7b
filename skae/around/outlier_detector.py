"""Outliers by neighbors among codes, residuals and rows, around any autoencoder."""

import warnings
from numbers import Integral, Real
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from scipy.stats import false_discovery_control
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import NotFittedError
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state

from .._errors import unchanged_on_failure
from .._sklearn import HasMethods, Interval, StrOptions, fit_context
from ..base.saving import SavingMixin
from ..base.scores import ScoreOutlierMixin
from ..engine.seeds import draw_seed
from ..families.autoencoder import Autoencoder
from ..families.denoising import DenoisingAutoencoder
from ..rows.shapes import flat, shape_of_rows
from ..rows.validation import Given, check_rows
from .neighbors import FLOOR, LocalDistances, mean_squares

# Rows held out for the threshold: a share, or more of few rows, for a tenth of a few is any number.
HELD_OUT, HELD_OUT_OF_FEW, ENOUGH_HELD_OUT = 0.1, 0.25, 50
FEWEST_ROWS_TO_HOLD_OUT = 40
# How often each entry is hidden.
N_HIDINGS = 4
# Fits on the rows that the fit before rebuilt best.
TRIM_ROUNDS = 3


class AutoencoderOutlierDetector(SavingMixin, ScoreOutlierMixin, BaseEstimator):
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
        "neighbors" is the score above. "error" is minus the squared error of the reconstruction,
        "masked" that of entries rebuilt while they, and half of the row, were hidden from the
        autoencoder; both in units of the training rows' typical error.
    n_neighbors : int, default=20
        The number k of neighbors. Fewer do as well where no outliers are among the training rows,
        and much worse where there are.
    n_estimators : int, default=1
        Fits of each autoencoder, with seeds of their own. Logarithms of their scores are averaged.
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
    >>> bool(np.mean(detector.predict(other) == -1) > 0.8)
    True
    >>> detector = detector.calibrate(normal[1::2])
    >>> bool(detector.p_value(other).max() < 0.3)
    True
    >>> detector.top_features(other[:1], k=2)["share"].round(1).shape
    (2,)
    """

    _takes_sparse, _absent = False, 0.0

    _parameter_constraints = {
        "autoencoder": [HasMethods(["fit", "transform"]), list, tuple, None],
        "method": [StrOptions({"neighbors", "error", "masked"})],
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "n_estimators": [Interval(Integral, 1, None, closed="left")],
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
        standardize="auto",
        max_reference=10_000,
        trim=0.0,
        contamination="auto",
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
        rows = self._check(X, reset=True)
        n = len(rows)
        if n < 2:
            raise ValueError(
                f"Found array with n_samples = {n}: {type(self).__name__} compares rows with each "
                "other, and needs at least 2."
            )
        vars(self).pop("calibration_scores_", None)
        rng = check_random_state(draw_seed(self.random_state))
        order = rng.permutation(n)
        scales = self.standardize if self.standardize != "auto" else self._row_shape is None
        self._scaler = StandardScaler(with_mean=scales, with_std=scales)
        self._scaler.fit(rows.astype(np.float64))
        rows = self._standardized(rows)
        self._mean = np.nanmean(rows, axis=0)
        n_held = 0
        if self.contamination == "auto" and n >= FEWEST_ROWS_TO_HOLD_OUT:
            n_held = int(max(HELD_OUT * n, min(ENOUGH_HELD_OUT, HELD_OUT_OF_FEW * n)))
        self.estimators_ = self._fit_estimators(rows[np.sort(order[n_held:])], rng)
        reference = np.sort(order[-self.max_reference :])
        self._learn_reference(rows[reference])
        given = Given(rows)
        held_out = self._score_samples(given.take(order[:n_held])) if n_held else None
        self._learn_offset(given, held_out)
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
        rows = self._check(X)
        return self._score_samples(Given(self._standardized(rows))).astype(rows.dtype)

    def predict(self, X, *, alpha=None, correction=None):
        """+1 for inliers, -1 for outliers.

        Parameters
        ----------
        X : array-like of the shape of the rows of `fit`
            The rows.
        alpha : float in (0, 1), default=None
            The share of normal rows that may be called outliers: those with a `p_value` of at most
            alpha are. If None, those below ``offset_``.
        correction : {"benjamini-hochberg"} or None, default=None
            With "benjamini-hochberg", alpha is the expected share of normal rows among those
            called outliers: for many rows at once. The only case in which a row's label depends
            on the others.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
        """
        if correction not in (None, "benjamini-hochberg"):
            raise ValueError(
                f"correction must be None or 'benjamini-hochberg', got {correction!r}."
            )
        if alpha is None:
            if correction is not None:
                raise ValueError(f"correction={correction!r} needs alpha, such as alpha=0.1.")
            return super().predict(X)
        if not (isinstance(alpha, Real) and 0 < alpha < 1):
            raise ValueError(f"alpha must lie in (0, 1), got {alpha!r}.")
        p_values = self.p_value(X)
        if correction is not None:
            p_values = false_discovery_control(p_values)
        return np.where(p_values <= alpha, -1, 1)

    def calibrate(self, X):
        """Score normal rows that `fit` has not seen, for `p_value`.

        Parameters
        ----------
        X : array-like of the shape of the rows of `fit`
            Normal rows. With n of them no p-value is below 1 / (n + 1).

        Returns
        -------
        self : object
        """
        self.calibration_scores_ = np.sort(self.score_samples(X))
        return self

    def p_value(self, X):
        r"""The share of normal rows that are as unusual as each row (split conformal).

        .. math:: p(x) = \frac{1 + |\{i : s(x_i) \le s(x)\}|}{n + 1}

        over the n scores of `calibrate`. If a normal row is exchangeable with those,
        :math:`P(p \le \alpha) \le \alpha` for every alpha, whatever the distribution.

        Parameters
        ----------
        X : array-like of the shape of the rows of `fit`
            The rows.

        Returns
        -------
        p : ndarray of shape (n_samples,)
            In (0, 1].
        """
        scores = self.score_samples(X)
        if not hasattr(self, "calibration_scores_"):
            raise NotFittedError(
                f"{type(self).__name__} has not seen the scores of normal rows: call "
                "calibrate(X_normal) with rows that fit has not seen."
            )
        as_unusual = np.searchsorted(self.calibration_scores_, scores, side="right")
        return (1 + as_unusual) / (1 + len(self.calibration_scores_))

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

        rows = self._standardized(self._check(X))
        shares, expected, nearest = self._shares(rows)
        frame = {
            "value": self._scaler.inverse_transform(rows),
            "expected": self._scaler.inverse_transform(expected),
        }
        frame["residual"] = frame["value"] - frame["expected"]
        if nearest is not None:
            frame["nearest"] = self._scaler.inverse_transform(nearest)
        frame["share"] = shares
        samples = X.index if hasattr(X, "index") and hasattr(X, "columns") else range(len(rows))
        shape = self._row_shape or (rows.shape[1],)
        axes = [range(n) for n in shape]
        names = [f"axis_{i}" for i in range(1, len(axes) + 1)]
        if self._row_shape is None:
            axes = [getattr(self, "feature_names_in_", axes[0])]
            names = ["feature"]
        index = pd.MultiIndex.from_product([samples, *axes], names=["sample", *names])
        return pd.DataFrame({name: array.ravel() for name, array in frame.items()}, index=index)

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
        if not (isinstance(k, Integral) and k >= 1):
            raise ValueError(f"k must be an integer of at least 1, got {k!r}.")
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
        rows = self._standardized(self._check(X))
        return self._shares(rows)[0].reshape(np.shape(X))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    # -- rows and autoencoders --------------------------------------------------------------------

    def _check(self, X, reset=False):
        """Flat rows."""
        shape = shape_of_rows(X)
        if reset:
            self._row_shape = shape
        elif shape is not None and shape != getattr(self, "_row_shape", shape):
            raise ValueError(
                f"X has rows of shape {shape}, but {type(self).__name__} was fitted to rows of "
                f"shape {self._row_shape or (self.n_features_in_,)}."
            )
        return check_rows(self, flat(X), reset=reset)

    def _standardized(self, rows):
        """Rows in the units of all distances and errors, in float64."""
        return self._scaler.transform(rows.astype(np.float64))

    def _shaped(self, rows):
        """Flat rows as the autoencoders take them."""
        return rows if self._row_shape is None else rows.reshape(len(rows), *self._row_shape)

    def _fit_estimators(self, rows, rng):
        given = self.autoencoder
        if given is None:
            masking = DenoisingAutoencoder(noise="masking", refit=False)
            small = Autoencoder(hidden_layer_sizes=(64,), refit=False)
            given = masking if self.method == "masked" else small
        given = given if isinstance(given, list | tuple) else [given]
        fitted = []
        for prototype in given:
            for _ in range(self.n_estimators):
                estimator = clone(prototype)
                if "random_state" in estimator.get_params():
                    estimator.set_params(random_state=int(rng.randint(np.iinfo(np.int32).max)))
                fitted.append(self._fit_trimmed(estimator, rows))
        return fitted

    def _fit_trimmed(self, estimator, rows):
        """The estimator fitted without the share ``trim`` of the rows that it rebuilds worst."""
        estimator.fit(self._shaped(rows))
        n_kept = max(1, len(rows) - int(self.trim * len(rows)))
        if n_kept < len(rows):
            for _ in range(TRIM_ROUNDS - 1):
                errors = np.nansum((rows - self._rebuilt(estimator, rows)) ** 2, axis=1)
                kept = np.sort(np.argsort(errors, kind="stable")[:n_kept])
                estimator.fit(self._shaped(rows[kept]))
        return estimator

    def _rebuilt(self, estimator, rows):
        return np.asarray(estimator.reconstruct(self._shaped(rows))).reshape(rows.shape)

    def _rebuilt_where_hidden(self, estimator, rows):
        """Each entry as rebuilt while it was hidden with half of its row, mean over the times."""
        rng, n_columns = np.random.default_rng(0), rows.shape[1]
        total = np.zeros_like(rows)
        with warnings.catch_warnings():  # of rows that have no entry left
            warnings.simplefilter("ignore", UserWarning)
            for _ in range(N_HIDINGS):
                hidden = np.isin(np.arange(n_columns), rng.permutation(n_columns)[::2])
                for columns in (hidden, ~hidden):
                    seen = np.where(columns, np.nan, rows)
                    total[:, columns] += self._rebuilt(estimator, seen)[:, columns]
        return total / N_HIDINGS

    # -- the score: minus the exponential of a mean of logarithms ---------------------------------

    def _view(self, rows):
        """The rows as each estimator sees them, their missing entries filled."""
        how = self._rebuilt_where_hidden if self.method == "masked" else self._rebuilt
        rebuilt = [how(estimator, rows) for estimator in self.estimators_]
        # What is padding to a sequence is not rebuilt.
        rebuilt = [np.where(np.isnan(r), self._mean, r) for r in rebuilt]
        expected = np.mean(rebuilt, axis=0)
        missing = np.isnan(rows)
        residuals = [np.where(missing, 0, rows - rows_hat) for rows_hat in rebuilt]
        return View(np.where(missing, expected, rows), rebuilt, residuals, ~missing, expected)

    def _beside(self, rows, view):
        """Codes beside the sizes of residuals, for each estimator."""
        for estimator, residual in zip(self.estimators_, view.residuals, strict=True):
            codes = estimator.transform(self._shaped(rows))
            codes = codes.toarray() if sp.issparse(codes) else np.asarray(codes)
            yield np.hstack([codes.reshape(len(rows), -1), np.abs(residual)])

    def _learn_reference(self, rows):
        """What scores are compared with."""
        view = self._view(rows)
        vars(self).pop("_reference", None)
        if self.method == "neighbors":
            self._reference = Reference(view.filled, view.rebuilt)
            k = self.n_neighbors
            self._among_rows = LocalDistances(view.filled, k)
            own = np.arange(len(rows))
            self._among_codes = [LocalDistances(z, k, own) for z in self._beside(rows, view)]
        else:
            errors = view.errors()
            self._floor = FLOOR * errors.mean(axis=1, keepdims=True)
            self._floor[self._floor == 0] = 1.0
            self._typical = np.log(errors + self._floor).mean(axis=1, keepdims=True)

    def _compared(self, rows, view):
        """Scores; neighbors of the rows; codes beside residuals, and the neighbors of these.

        Where neighbors do not count, there are none.
        """
        if self.method != "neighbors":
            logs = np.log(view.errors() + self._floor) - self._typical
            return -np.exp(logs.mean(axis=0)), None, []
        near = self._among_rows.find(view.filled)
        pairs = zip(self._among_codes, self._beside(rows, view), strict=True)
        beside = [(z, local.find(z, near.own)) for local, z in pairs]
        pairs = zip(self._among_codes, beside, strict=True)
        among_codes = np.mean([local.log_ratio(around) for local, (_, around) in pairs], axis=0)
        return -np.exp((self._among_rows.log_ratio(near) + among_codes) / 2), near, beside

    def _score_samples(self, given):
        return self._compared(given.X, self._view(given.X))[0]

    def _shares(self, rows):
        """Shares of the score, rows as rebuilt, and the mean of the neighbors if they count."""
        view = self._view(rows)
        scores, near, beside = self._compared(rows, view)
        if near is None:
            shares = np.mean([normalized(r**2) for r in view.residuals], axis=0)
            return -scores[:, None] * shares, view.expected, None
        shares = normalized(mean_squares(view.filled, self._reference.filled, near)) / 2
        n_columns = rows.shape[1]
        for i, (z, around) in enumerate(beside):
            squares = mean_squares(z, self._among_codes[i].rows, around)
            # A code has no columns: its part goes to those in which what is rebuilt differs.
            decoded = mean_squares(view.rebuilt[i], self._reference.rebuilt[i], around)
            of_code = squares[:, :-n_columns].sum(axis=1, keepdims=True)
            squares = squares[:, -n_columns:] + of_code * normalized(decoded)
            shares += normalized(squares) / (2 * len(self.estimators_))
        nearest = self._reference.filled[near.index].mean(axis=1)
        return -scores[:, None] * shares, view.expected, nearest


class Reference(NamedTuple):
    """The training rows that others are compared with."""

    filled: np.ndarray
    rebuilt: list  # by each estimator


class View(NamedTuple):
    """Rows as estimators see them."""

    filled: np.ndarray  # (n, columns)
    rebuilt: list  # by each estimator
    residuals: list  # 0 where an entry is missing
    observed: np.ndarray
    expected: np.ndarray  # the mean of ``rebuilt``

    def errors(self):
        """Mean squared residual over the observed entries: (estimators, n)."""
        n_observed = np.maximum(1, self.observed.sum(axis=1))
        return np.stack([(r**2).sum(axis=1) / n_observed for r in self.residuals])


def normalized(shares):
    """Shares that add up to 1, all equal where all are 0."""
    total = shares.sum(axis=1, keepdims=True)
    return np.where(total > 0, shares / np.where(total > 0, total, 1), 1 / shares.shape[1])
