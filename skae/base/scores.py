"""scikit-learn's outlier methods over any `score_samples`."""

import numpy as np
from sklearn.base import OutlierMixin

from ..rows.weights import check_sample_weights

# The share of held-out rows that contamination="auto" lets `predict` call outliers.
AUTO_SHARE = 0.1
# As many training rows do for that share, where none were held out.
ENOUGH_ROWS = 1000


class ScoreOutlierMixin(OutlierMixin):
    """`decision_function` and `predict` from `score_samples`, higher being more normal.

    The estimator has a parameter ``contamination``, a method ``_score_samples`` that does not
    validate, and calls `_learn_offset` at the end of `fit`.
    """

    def _learn_offset(self, given, held_out_scores=None):
        """The threshold for outliers.

        A number for ``contamination`` is the share of the training rows below it, as everywhere
        in scikit-learn. But rows that were trained on are rebuilt better than new ones, so that
        more of those would fall below it: "auto" is a tenth of the rows held out, if any were.
        """
        share, scores = self.contamination, held_out_scores
        if share == "auto":
            share, step = AUTO_SHARE, max(1, len(given.X) // ENOUGH_ROWS)
        else:
            scores, step = None, 1
        if scores is None:
            scores = self._score_samples(given.by_weight().take(slice(None, None, step)))
        self.offset_ = float(np.percentile(scores, 100 * share))

    def decision_function(self, X, **given):
        """``score_samples(X) - offset_``: negative for outliers.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The rows.
        **given
            What `score_samples` must be given beside them (a target, a condition).

        Returns
        -------
        decision : ndarray of shape (n_samples,)
        """
        return self.score_samples(X, **given) - self.offset_

    def predict(self, X, **given):
        """+1 for inliers, -1 for outliers.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The rows.
        **given
            As in `decision_function`.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
        """
        return np.where(self.decision_function(X, **given) < 0, -1, 1)


def weighted_mean(scores, sample_weight=None):
    """The score of rows from those of each."""
    if sample_weight is not None:
        sample_weight = check_sample_weights(sample_weight, scores, scores.dtype)
        if not sample_weight.sum() > 0:
            raise ValueError("sample_weight has no weight above 0, so there is no mean.")
    return float(np.average(scores, weights=sample_weight))
