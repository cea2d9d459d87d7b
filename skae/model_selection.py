"""Choosing a code size: a scorer, and a rule for the smallest code that is good enough.

A search over ``code_size`` by the reconstruction error alone always picks the largest code. What
helps is a score downstream of the codes, through a Pipeline, or the smallest code within a
tolerance of the best, which is here.
"""

import numpy as np

__all__ = ["reconstruction_r2", "smallest_within"]


def reconstruction_r2(estimator, X, y=None):
    """Share of the variance of held-out rows that survives the code: a scorer.

    ``1 - sum (x - x_hat)^2 / sum (x - mean)^2``, both sums over the observed entries of X, the mean
    being each column's over X. 1 is perfect, 0 no better than the column means.

    Parameters
    ----------
    estimator : object
        Anything fitted with ``transform`` and ``inverse_transform``: an autoencoder, PCA, or a
        Pipeline of those.
    X : array-like of shape (n_samples, n_features)
        Rows that were not trained on.
    y : None
        Ignored.

    Returns
    -------
    r2 : float

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.decomposition import PCA
    >>> from skae.model_selection import reconstruction_r2
    >>> X = load_iris().data
    >>> round(reconstruction_r2(PCA(2).fit(X), X), 3)
    0.978
    """
    X_hat = np.asarray(estimator.inverse_transform(estimator.transform(X)), dtype=float)
    X = np.asarray(X, dtype=float)
    residual = np.nansum((X - X_hat) ** 2)
    total = np.nansum((X - np.nanmean(X, axis=0)) ** 2)
    if total == 0:
        return 1.0 if residual == 0 else 0.0
    return float(1 - residual / total)


def smallest_within(tolerance="one_se", *, parameter="code_size", score="score"):
    """The smallest code that scores nearly as well as the best: for ``GridSearchCV(refit=...)``.

    Parameters
    ----------
    tolerance : float or "one_se", default="one_se"
        How far below the best mean test score a candidate may lie: so much of the score, or one
        standard error of the best candidate's mean over the splits (Breiman et al., 1984).
    parameter : str, default="code_size"
        The searched parameter to keep small, without the prefixes of a Pipeline. Candidates that
        tie in it are ranked by their score.
    score : str, default="score"
        Name of the metric, for a search over several.

    Returns
    -------
    refit : callable
        From ``cv_results_`` to the index of the chosen candidate.

    References
    ----------
    Breiman, Friedman, Olshen, Stone: Classification and Regression Trees. 1984.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.decomposition import PCA
    >>> from sklearn.model_selection import GridSearchCV
    >>> from skae.model_selection import reconstruction_r2, smallest_within
    >>> search = GridSearchCV(
    ...     PCA(),
    ...     {"n_components": [1, 2, 3, 4]},
    ...     scoring=reconstruction_r2,
    ...     refit=smallest_within(0.05, parameter="n_components"),
    ... )
    >>> X = load_iris(as_frame=True).data.sample(frac=1, random_state=0)
    >>> search.fit(X).best_params_
    {'n_components': 2}
    """
    if tolerance != "one_se" and not (isinstance(tolerance, int | float) and tolerance >= 0):
        raise ValueError(f"tolerance must be a number >= 0 or 'one_se', got {tolerance!r}.")

    def refit(cv_results):
        searched = [name.removeprefix("param_") for name in cv_results if name[:6] == "param_"]
        names = [name for name in searched if name.split("__")[-1] == parameter]
        if len(names) != 1:
            raise ValueError(
                f"smallest_within needs one searched parameter named {parameter!r}; the "
                f"search is over {searched}."
            )
        sizes = np.asarray(cv_results["param_" + names[0]].tolist(), dtype=float)
        means = np.asarray(cv_results[f"mean_test_{score}"])
        best = int(np.nanargmax(means))
        allowed = tolerance
        if tolerance == "one_se":
            n_splits = sum(
                name.startswith("split") and name.endswith(f"_test_{score}") for name in cv_results
            )
            allowed = cv_results[f"std_test_{score}"][best] / np.sqrt(n_splits)
        good = np.flatnonzero(means >= means[best] - allowed)
        return int(min(good, key=lambda i: (sizes[i], -means[i])))

    return refit
