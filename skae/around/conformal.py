"""p-values of outliers by rows that are known to be normal (split conformal)."""

from numbers import Real

import numpy as np
from scipy.stats import false_discovery_control
from sklearn.exceptions import NotFittedError

# Normal rows that are expected to be left out as outliers, and the least rows that say how far out
# normal ones lie.
EXPECTED_LEFT_OUT, FEWEST_IN_TAIL = 0.5, 10


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

    def calibrate(self, X, *, contamination=0.0):
        r"""Score normal rows that `fit` has not seen, for `p_value`.

        Outliers among these rows make p-values larger: no false alarm more, but outliers are
        missed. With ``contamination=c``, those that are clear are left out: of the lowest ``c n``
        scores, those beyond

        .. math:: u_0 + \hat\sigma \log\frac{n_0}{1/2}, \qquad u = \log(-s),

        where normal rows are expected to have half a row. Beyond :math:`u_0`, which is exceeded by
        the :math:`c n` and as many others (or a fifth, or 10), there are :math:`n_0` rows, and
        :math:`\hat\sigma` is the maximum-likelihood scale of an exponential tail of which the
        :math:`c n` highest are not seen. The bound on false alarms holds on as long as the
        logarithms of normal rows' scores have no heavier tail.

        Parameters
        ----------
        X : array-like of the shape of the rows of `fit`
            Normal rows. With n of them no p-value is below 1 / (n + 1).
        contamination : float in [0, 0.5), default=0.0
            The share of X that may be outliers, at most. Give rather more than there are.

        Returns
        -------
        self : object
        """
        if not (isinstance(contamination, Real) and 0 <= contamination < 0.5):
            raise ValueError(f"contamination must lie in [0, 0.5), got {contamination!r}.")
        scores = np.sort(self.score_samples(X))
        self.calibration_scores_ = scores[n_clear_outliers(scores, contamination) :]
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


def n_clear_outliers(scores, contamination):
    """How many of the lowest scores are farther out than normal ones are expected to be.

    Scores ascend, and are minus a distance of some kind.
    """
    n = len(scores)
    n_hidden = int(contamination * n)
    out = np.log(np.maximum(-scores[::-1], np.finfo(float).tiny))  # ascending
    n_seen = min(max(n_hidden, FEWEST_IN_TAIL, n // 5), n - n_hidden)
    if n_hidden == 0 or n_seen < FEWEST_IN_TAIL:
        return 0
    tail = out[n - n_hidden - n_seen :]
    excess = tail[:n_seen] - tail[0]
    scale = (excess.sum() + n_hidden * excess[-1]) / (n_seen - 1)
    if scale == 0:
        return 0
    limit = tail[0] + scale * np.log(len(tail) / EXPECTED_LEFT_OUT)
    return min(n_hidden, int((tail > limit).sum()))
