"""scikit-learn's outlier methods over any `score_samples`."""

import numpy as np
from sklearn.base import OutlierMixin


class ScoreOutlierMixin(OutlierMixin):
    """`decision_function` and `predict` from `score_samples`, higher being more normal.

    The estimator has a parameter ``contamination``, a method ``_score_samples`` that does not
    validate, and calls `_learn_offset` at the end of `fit`.
    """

    def _learn_offset(self, X):
        """The threshold below which the share ``contamination`` of the training scores lies."""
        self.offset_ = float(np.percentile(self._score_samples(X), 100 * self.contamination))

    def decision_function(self, X):
        """``score_samples(X) - offset_``: negative for outliers.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows.

        Returns
        -------
        decision : ndarray of shape (n_samples,)
        """
        return self.score_samples(X) - self.offset_

    def predict(self, X):
        """+1 for inliers, -1 for outliers.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
        """
        return np.where(self.decision_function(X) < 0, -1, 1)
