"""p-values of outliers by rows that are known to be normal (split conformal)."""

from numbers import Real

import numpy as np
from scipy.stats import false_discovery_control
from sklearn.exceptions import NotFittedError


class ConformalMixin:
    """`calibrate`, `p_value` and a `predict` with a bound on false alarms, over `score_samples`."""

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
        if not (correction is None or str(correction) == "benjamini-hochberg"):
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
