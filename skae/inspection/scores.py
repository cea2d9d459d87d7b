"""How normal rows are."""

import numpy as np

from .drawing import axes_for
from .opening import all_opened


class ScoreDisplay:
    """The distribution of outlier scores, the threshold, and the rows of calibration.

    Use `from_estimator` to make one.

    Parameters
    ----------
    scores : dict from str to ndarray of shape (n_samples,)
        `score_samples` by the name of the estimator; higher is more normal.
    thresholds : dict from str to float or None
        Below it, rows are outliers to ``predict``.
    calibration : dict from str to ndarray or None
        Scores of the rows that a detector was calibrated with.
    y : ndarray of shape (n_samples,), default=None
        Labels of the rows.

    Attributes
    ----------
    axes_ : ndarray of Axes
        One for each estimator.
    ax_ : Axes
        The first of them.
    figure_ : Figure
        Their figure.

    See Also
    --------
    ExplanationDisplay : What makes one row unusual.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from skae import AutoencoderOutlierDetector
    >>> from skae.inspection import ScoreDisplay
    >>> X, y = load_wine(return_X_y=True)
    >>> detector = AutoencoderOutlierDetector(random_state=0).fit(X[y < 2])
    >>> display = ScoreDisplay.from_estimator(detector, X, y=y == 2)
    >>> below = display.scores["AutoencoderOutlierDetector"] < detector.offset_
    >>> print(f"{below[y == 2].mean():.1f} of the others are below the threshold")
    0.7 of the others are below the threshold
    """

    def __init__(self, *, scores, thresholds, calibration, y=None):
        self.scores = scores
        self.thresholds = thresholds
        self.calibration = calibration
        self.y = y

    @classmethod
    def from_estimator(cls, estimators, X, *, y=None, names=None, ax=None, **given):
        """Score rows, and draw the distribution.

        Parameters
        ----------
        estimators : estimator, or list of estimators
            Fitted, with ``score_samples``: a detector, an autoencoder, scikit-learn's.
        X : array-like of shape (n_samples, n_features)
            Rows.
        y : array-like of shape (n_samples,), default=None
            Labels, such as which rows are known to be outliers: each has a histogram.
        names : list of str, default=None
            What to call the estimators; None is the names of their classes.
        ax : Axes or array of Axes, default=None
            Where to draw, one for each estimator; None makes a figure.
        **given
            What ``score_samples`` needs beside the rows (a target, a condition).

        Returns
        -------
        display : ScoreDisplay

        Raises
        ------
        ValueError
            If an estimator gives no scores, or ``y`` is not one label for each row.
        """
        found = all_opened(estimators, ("score_samples",), "scores", names)
        scores, thresholds, calibration = {}, {}, {}
        for name, one in found.items():
            scores[name] = np.asarray(one.ask("score_samples", one.rows(X), given), dtype=float)
            offset = getattr(one.estimator, "offset_", None)
            thresholds[name] = None if offset is None else float(offset)
            calibration[name] = getattr(one.estimator, "calibration_scores_", None)
        if y is not None:
            y = np.asarray(y)
            n_rows = len(next(iter(scores.values())))
            if y.shape != (n_rows,):
                raise ValueError(
                    f"y must be one label for each of {n_rows} rows, but has shape {y.shape}."
                )
        return cls(scores=scores, thresholds=thresholds, calibration=calibration, y=y).plot(ax=ax)

    def plot(self, ax=None, *, bins=40):
        """Draw the histograms.

        Parameters
        ----------
        ax : Axes or array of Axes, default=None
            Where to draw, one for each estimator; None makes a figure.
        bins : int, default=40
            Of the histogram.

        Returns
        -------
        self : object
        """
        self.figure_, self.axes_ = axes_for(ax, len(self.scores), size=(5.6, 4))
        self.ax_ = self.axes_[0]
        for axes, name in zip(self.axes_, self.scores, strict=True):
            self._histogram(axes, name, bins)
            if len(self.scores) > 1:
                axes.set_title(name)
        return self

    def _histogram(self, ax, name, bins):
        scores, threshold = self.scores[name], self.thresholds[name]
        calibration = self.calibration[name]
        every = scores if calibration is None else np.concatenate([scores, calibration])
        # of skewed scores the lowest hundredth shares one bin, so that the others can be seen
        low, high = np.quantile(every, 0.01), every.max()
        if threshold is not None:
            low = min(low, threshold - 0.1 * (high - threshold))
        edges = np.linspace(low, high if high > low else low + 1, bins + 1)
        labels = [None] if self.y is None else np.unique(self.y)
        for label in labels:
            of_it = scores if label is None else scores[self.y == label]
            text = "rows" if label is None else str(label)
            ax.hist(np.clip(of_it, low, None), edges, alpha=0.6, density=True, label=text)
        if calibration is not None:
            ax.hist(
                np.clip(calibration, low, None),
                edges,
                histtype="step",
                color="black",
                density=True,
                label="calibration",
            )
        if threshold is not None:
            share = np.mean(scores < threshold)
            label = f"threshold, {share:.1%} below"
            ax.axvline(threshold, color="C3", ls="--", label=label)
        ax.set(xlabel="score, higher is more normal", ylabel="density")
        ax.legend(title=None if self.y is None else "y")
