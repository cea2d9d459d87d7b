"""How good codes of each size are."""

from typing import NamedTuple

import numpy as np
from sklearn.utils.validation import check_is_fitted

from ..model_selection import reconstruction_r2, smallest_within
from .drawing import axes_for
from .opening import all_opened

SIZES = ("code_size", "n_components")
TOLERANCE = 0.01
MOST_TICKS = 10


class SizeCurve(NamedTuple):
    """Scores by code size, ascending."""

    sizes: np.ndarray
    scores: np.ndarray
    errors: np.ndarray | None  # standard errors of the scores
    chosen: int  # the smallest size within the tolerance of the best


class Encoded(NamedTuple):
    """An estimator, and the codes that rows have by it, or the first numbers of them."""

    estimator: object
    codes: object

    def transform(self, X):
        """The codes."""
        return self.codes

    def inverse_transform(self, codes):
        """What these stand for."""
        return self.estimator.inverse_transform(codes)


class CodeSizeDisplay:
    """Scores by the size of the code, and the smallest size that is nearly as good as the best.

    Use `from_estimator` to make one.

    Parameters
    ----------
    curves : dict from str to SizeCurve
        By name: ``sizes``, ``scores``, ``errors`` (their standard errors, or None), and ``chosen``.
    score_name : str
        What the scores are.

    Attributes
    ----------
    ax_ : Axes
        Where it is drawn.
    figure_ : Figure
        The figure of `ax_`.

    See Also
    --------
    skae.model_selection.smallest_within : The rule, for a search that refits by it.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.decomposition import PCA
    >>> from skae.inspection import CodeSizeDisplay
    >>> X = load_digits().data
    >>> models = [PCA(size).fit(X[::2]) for size in (2, 8, 16, 32, 64)]
    >>> display = CodeSizeDisplay.from_estimator(models, X[1::2], tolerance=0.05)
    >>> display.curves["PCA"].scores.round(2), display.curves["PCA"].chosen
    (array([0.28, 0.66, 0.84, 0.96, 1.  ]), 32)
    """

    def __init__(self, *, curves, score_name):
        self.curves = curves
        self.score_name = score_name

    @classmethod
    def from_estimator(
        cls, estimators, X=None, *, tolerance=None, score="score", names=None, ax=None
    ):
        """Draw scores by code size, of a search or of estimators fitted with several sizes.

        Parameters
        ----------
        estimators : search, or list of searches or estimators
            A fitted search over ``code_size`` (of PCA ``n_components``), or several; or fitted
            estimators of several sizes, which are grouped by their class; one with ``ordered=True``
            has all sizes.
        X : array-like of shape (n_samples, n_features), default=None
            Held-out rows, for estimators: their score is `reconstruction_r2`. Searches have theirs.
        tolerance : float or "one_se", default=None
            How far below the best score is near enough; "one_se" is one standard error of the best
            (of searches only). None is that for searches, and 0.01 for estimators.
        score : str, default="score"
            Name of the metric, of a search over several.
        names : list of str, default=None
            What to call searches; None is the class of what they search.
        ax : Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        display : CodeSizeDisplay

        Raises
        ------
        ValueError
            If no code size was searched, or there are no rows to judge estimators by.
        """
        given = estimators if isinstance(estimators, list | tuple) else [estimators]
        searched = [hasattr(estimator, "cv_results_") for estimator in given]
        if given and all(searched):
            curves, score_name = curves_of_searches(given, tolerance, score, names), "score"
        elif any(searched):
            raise ValueError("Give searches, or fitted estimators, but not both in one list.")
        else:
            curves = curves_of_estimators(given, X, tolerance, names)
            score_name = "share of the variance rebuilt (R2)"
        return cls(curves=curves, score_name=score_name).plot(ax=ax)

    def plot(self, ax=None):
        """Draw the scores.

        Parameters
        ----------
        ax : Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        self : object
        """
        self.figure_, (self.ax_,) = axes_for(ax)
        ax = self.ax_
        for i, (name, curve) in enumerate(self.curves.items()):
            color = f"C{i % 10}"
            ax.errorbar(
                curve.sizes,
                curve.scores,
                curve.errors,
                color=color,
                marker=".",
                capsize=3,
                label=name,
            )
            chosen = curve.scores[list(curve.sizes).index(curve.chosen)]
            label = f"{name}: smallest near the best, {curve.chosen}"
            ax.plot(curve.chosen, chosen, "o", ms=10, mfc="none", color=color, label=label)
        sizes = sorted({int(size) for curve in self.curves.values() for size in curve.sizes})
        if sizes[0] > 0 and sizes[-1] >= 8 * sizes[0]:
            ax.set_xscale("log", base=2)
        if len(sizes) > MOST_TICKS:  # the powers of two have room
            sizes = [size for size in sizes if size & (size - 1) == 0]
        ax.set_xticks(sizes, [str(size) for size in sizes])
        ax.minorticks_off()
        ax.set(xlabel="code size", ylabel=self.score_name)
        ax.legend()
        return self


def curves_of_searches(searches, tolerance, score, names):
    """The curve of each search, by name."""
    curves = {}
    if names is None:
        names = [model_of(search.estimator) for search in searches]
        if len(set(names)) < len(names):
            names = [f"{name} ({i})" for i, name in enumerate(names, start=1)]
    for name, search in zip(names, searches, strict=True):
        results = search.cv_results_
        if f"mean_test_{score}" not in results:
            raise ValueError(f"score={score!r} is no metric of the search over {name}.")
        searched = [
            n
            for n in results
            if n.startswith("param_") and n.split("__")[-1].removeprefix("param_") in SIZES
        ]
        if len(searched) != 1:
            raise ValueError(
                f"The search over {name} has no code sizes to show: it must be over one parameter "
                f"named {' or '.join(SIZES)}, and is over "
                f"{[n.removeprefix('param_') for n in results if n.startswith('param_')]}."
            )
        parameter = searched[0].split("__")[-1].removeprefix("param_")
        rule = smallest_within(
            "one_se" if tolerance is None else tolerance, parameter=parameter, score=score
        )
        chosen = results[searched[0]][rule(results)]
        sizes = np.asarray(results[searched[0]].tolist())
        means, spreads = results[f"mean_test_{score}"], results[f"std_test_{score}"]
        errors = np.asarray(spreads) / np.sqrt(search.n_splits_)
        best = [np.flatnonzero(sizes == s)[np.argmax(means[sizes == s])] for s in np.unique(sizes)]
        curves[name] = SizeCurve(sizes[best], means[best], errors[best], chosen)
    return curves


def model_of(estimator):
    """The class of what has the code size: of a Pipeline the step that has it."""
    steps = estimator.named_steps.values() if hasattr(estimator, "named_steps") else [estimator]
    sized = [s for s in steps if hasattr(s, "get_params") and {*SIZES} & {*s.get_params()}]
    return type((sized or [estimator])[0]).__name__


def curves_of_estimators(estimators, X, tolerance, names):
    """A curve for each class of estimators, by its name."""
    for estimator in estimators:
        check_is_fitted(estimator)
    if X is None:
        raise ValueError(
            "X must be given: fitted estimators are judged by how they rebuild its rows."
        )
    if tolerance == "one_se":
        raise ValueError("tolerance='one_se' is of searches: give estimators a number.")
    if names is not None:
        raise ValueError("names are of searches: estimators are called by their classes.")
    needs = ("transform", "inverse_transform")
    points = {}
    for (_, one), estimator in zip(
        all_opened(list(estimators), needs, "reconstruction").items(), estimators, strict=True
    ):
        if one.size is None:
            raise ValueError(f"{one.name} says no code size, neither code_size_ nor n_components_.")
        judged, rows = (estimator, X) if one.restores else (one.estimator, one.rows(X))
        codes = {one.size: judged.transform(rows)}
        if getattr(one.estimator, "ordered", False):
            whole = np.asarray(codes[one.size])
            codes |= {size: whole[:, :size] for size in range(1, one.size)}
        points.setdefault(one.name, []).extend(
            (size, reconstruction_r2(Encoded(judged, z), rows)) for size, z in codes.items()
        )
    tolerance = TOLERANCE if tolerance is None else tolerance
    curves = {}
    for name, found in points.items():
        sizes, scores = (np.array(values) for values in zip(*sorted(found), strict=True))
        results = {"param_code_size": sizes, "mean_test_score": scores}
        chosen = sizes[smallest_within(tolerance)(results)]
        curves[name] = SizeCurve(sizes, scores, None, int(chosen))
    return curves
