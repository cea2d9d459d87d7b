"""Codes as points in the plane."""

from itertools import combinations
from typing import NamedTuple

import numpy as np
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.utils.multiclass import type_of_target

from .drawing import axes_for
from .opening import all_opened

METHODS = ("auto", "pca", "tsne", "pairs")
MOST_CLASSES = 20
PAIRED_UNITS = 3
PERPLEXITY = 30


class Points(NamedTuple):
    """Points of the plane, and what its axes are."""

    x: np.ndarray
    y: np.ndarray
    labels: tuple


class CodeDisplay:
    """Codes as points in the plane: a map of the rows, for looking at clusters and outliers.

    Codes of two numbers are drawn as they are. Longer ones by their two principal components, by
    t-SNE, or as pairs of the units that vary most.

    Use `from_estimator` to make one.

    Parameters
    ----------
    codes : dict from str to ndarray of shape (n_samples, code_size)
        The codes by the name of the estimator.
    points : dict from str to list of Points
        What is drawn: for each name one picture, or one for each pair of units.
    color : ndarray of shape (n_samples,), default=None
        A label or a number for each row.

    Attributes
    ----------
    axes_ : ndarray of Axes
        One for each picture.
    ax_ : Axes
        The first of them.
    figure_ : Figure
        Their figure.

    See Also
    --------
    TraversalDisplay : What the numbers of a code stand for.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import Autoencoder
    >>> from skae.inspection import CodeDisplay
    >>> X, y = load_digits(return_X_y=True)
    >>> autoencoder = Autoencoder(2, random_state=0).fit(X[::4])
    >>> display = CodeDisplay.from_estimator(autoencoder, X, color=y)
    >>> display.codes["Autoencoder"].shape, display.ax_.get_xlabel()
    ((1797, 2), 'code 0')
    """

    def __init__(self, *, codes, points, color=None):
        self.codes = codes
        self.points = points
        self.color = color

    @classmethod
    def from_estimator(
        cls,
        estimators,
        X,
        *,
        color=None,
        method="auto",
        random_state=0,
        names=None,
        ax=None,
        **given,
    ):
        """Draw the codes of one fitted estimator, or of several.

        Parameters
        ----------
        estimators : estimator, or list of estimators
            Fitted, with ``transform``: an autoencoder, PCA, a Pipeline.
        X : array-like of shape (n_samples, n_features)
            The rows.
        color : array-like of shape (n_samples,), default=None
            What to color them by: labels, or numbers.
        method : {"auto", "pca", "tsne", "pairs"}, default="auto"
            How codes of more than two numbers are drawn. "auto" and "pca": by their two principal
            components. "tsne": by t-SNE, which keeps neighbors and no distances. "pairs": the three
            units that vary most against each other.
        random_state : int, RandomState instance or None, default=0
            Of t-SNE.
        names : list of str, default=None
            What to call the estimators; None is the names of their classes.
        ax : Axes or array of Axes, default=None
            Where to draw, one for each picture; None makes a figure.
        **given
            What ``transform`` needs beside the rows (a condition).

        Returns
        -------
        display : CodeDisplay

        Raises
        ------
        ValueError
            If an estimator gives no codes, or ``color`` is not one value for each row.
        """
        if method not in METHODS:
            raise ValueError(f"method must be one of {list(METHODS)}, got {method!r}.")
        found = all_opened(estimators, ("transform",), "codes", names)
        codes = {name: one.codes(X, given) for name, one in found.items()}
        if color is not None:
            color = np.asarray(color)
            n_rows = len(next(iter(codes.values())))
            if color.shape != (n_rows,):
                raise ValueError(
                    f"color must be one value for each of {n_rows} rows, but has shape "
                    f"{color.shape}."
                )
        points = {name: points_of(code, method, random_state) for name, code in codes.items()}
        return cls(codes=codes, points=points, color=color).plot(ax=ax)

    def plot(self, ax=None, *, size=8, alpha=0.8):
        """Draw the points.

        Parameters
        ----------
        ax : Axes or array of Axes, default=None
            Where to draw, one for each picture; None makes a figure.
        size : float, default=8
            Of a point.
        alpha : float, default=0.8
            Opacity of a point.

        Returns
        -------
        self : object
        """
        pictures = [(name, p) for name, points in self.points.items() for p in points]
        self.figure_, self.axes_ = axes_for(ax, len(pictures), size=(5, 4.4))
        self.ax_ = self.axes_[0]
        marks = {"s": size, "alpha": alpha, "linewidths": 0}
        for axes, (name, points) in zip(self.axes_, pictures, strict=True):
            self._scatter(axes, points, marks)
            axes.set(xlabel=points.labels[0], ylabel=points.labels[1])
            if len(self.points) > 1:
                axes.set_title(name)
        return self

    def _scatter(self, ax, points, marks):
        if self.color is None:
            ax.scatter(points.x, points.y, **marks)
        elif are_labels(self.color):
            classes = np.unique(self.color)
            shades = colors_for(len(classes))
            for label, shade in zip(classes, shades, strict=True):
                of_it = self.color == label
                ax.scatter(
                    points.x[of_it], points.y[of_it], color=[shade], label=str(label), **marks
                )
            ax.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, markerscale=2)
        else:
            value = np.asarray(self.color, dtype=float)
            drawn = ax.scatter(points.x, points.y, c=value, cmap="viridis", **marks)
            self.figure_.colorbar(drawn, ax=ax)


def are_labels(color):
    """Whether colors are classes rather than amounts."""
    if color.dtype.kind not in "fiu":
        n = len(np.unique(color))
        if n > MOST_CLASSES:
            raise ValueError(f"color has {n} labels, more than can be told apart: {MOST_CLASSES}.")
        return True
    return type_of_target(color) != "continuous" and len(np.unique(color)) <= MOST_CLASSES


def colors_for(n):
    """So many colors that can be told apart."""
    import matplotlib

    return [matplotlib.colormaps["tab10" if n <= 10 else "tab20"](i) for i in range(n)]


def points_of(codes, method, random_state):
    """How codes are put into the plane."""
    if codes.dtype.kind not in "fiub":
        raise ValueError("The codes are no numbers, so that there are no points to show.")
    n_rows, size = codes.shape
    if size == 1:
        share = np.argsort(np.argsort(codes[:, 0], kind="stable")) / max(1, n_rows - 1)
        return [Points(codes[:, 0], share, ("code 0", "share of rows below"))]
    if size == 2:
        return [Points(*codes.T, ("code 0", "code 1"))]
    if method == "pairs":
        units = np.sort(np.argsort(-codes.var(axis=0), kind="stable")[:PAIRED_UNITS])
        pairs = combinations(units, 2)
        return [Points(codes[:, i], codes[:, j], (f"code {i}", f"code {j}")) for i, j in pairs]
    if method == "tsne":
        perplexity = min(PERPLEXITY, (n_rows - 1) / 3)
        plane = TSNE(perplexity=perplexity, random_state=random_state).fit_transform(codes)
        return [Points(*plane.T, ("t-SNE 0 of the codes", "t-SNE 1 of the codes"))]
    pca = PCA(2).fit(codes)
    shares = [
        f"component {i} of the codes, {s:.0%}" for i, s in enumerate(pca.explained_variance_ratio_)
    ]
    return [Points(*pca.transform(codes).T, tuple(shares))]
