"""How well each column is rebuilt."""

import numpy as np

from .drawing import axes_for, columns_of, picture_for
from .opening import all_opened, rebuilt_by
from .reconstructions import check_rebuilds


class FeatureErrorDisplay:
    r"""How well each column is rebuilt: its own R2, of one estimator or of several.

    With :math:`x` a column of numbers over the rows, :math:`\bar x` its mean,

    .. math:: R^2 = 1 - \frac{\sum (x - \hat x)^2}{\sum (x - \bar x)^2} .

    A column of categories has the share of wrong entries in the place of both sums, the second that
    of its commonest category. 1 is perfect, 0 no better than a constant. Missing entries are left
    out; a constant column has none (NaN).

    Use `from_estimator` to make one.

    Parameters
    ----------
    r2 : dict from str to ndarray of shape (n_features,)
        R2 of each column, by the name of the estimator.
    feature_names : list of str
        The columns.
    image_shape : tuple of int, default=None
        The shape of a row that is an image.

    Attributes
    ----------
    axes_ : ndarray of Axes
        One; or one for each estimator, of images.
    ax_ : Axes
        The first of them.
    figure_ : Figure
        Their figure.

    See Also
    --------
    ReconstructionDisplay : Single rows beside what they become.
    skae.model_selection.reconstruction_r2 : Of all columns together.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from sklearn.decomposition import PCA
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skae import Autoencoder
    >>> from skae.inspection import FeatureErrorDisplay
    >>> X = load_wine(as_frame=True).data
    >>> pca = make_pipeline(StandardScaler(), PCA(2)).fit(X)
    >>> ours = make_pipeline(StandardScaler(), Autoencoder(2, random_state=0)).fit(X)
    >>> display = FeatureErrorDisplay.from_estimator([pca, ours], X)
    >>> print(f"{display.feature_names[0]}: {display.r2['PCA'][0]:.2f}")
    alcohol: 0.68
    """

    def __init__(self, *, r2, feature_names, image_shape=None):
        self.r2 = r2
        self.feature_names = feature_names
        self.image_shape = image_shape

    @classmethod
    def from_estimator(
        cls, estimators, X, *, target=None, image_shape=None, names=None, ax=None, **given
    ):
        """Rebuild rows, and draw the R2 of each column.

        Parameters
        ----------
        estimators : estimator, or list of estimators
            Fitted, with ``reconstruct``, or ``transform`` and ``inverse_transform`` (PCA).
        X : array-like of shape (n_samples, n_features)
            The rows, best some that were not trained on.
        target : array-like of shape (n_samples, n_outputs), default=None
            What the rows should become.
        image_shape : tuple of int, default=None
            Height and width of flat rows that are images: R2 is drawn pixel by pixel.
        names : list of str, default=None
            What to call the estimators; None is the names of their classes.
        ax : Axes or array of Axes, default=None
            Where to draw; None makes a figure.
        **given
            What ``reconstruct`` needs beside the rows (a condition).

        Returns
        -------
        display : FeatureErrorDisplay

        Raises
        ------
        ValueError
            If an estimator rebuilds no rows.
        """
        found = all_opened(estimators, (), "reconstruction", names)
        for one in found.values():
            check_rebuilds(one.estimator)
        X, rebuilt = rebuilt_by(found, X, target, given)
        if image_shape is None and picture_for(X).kind == "image":
            image_shape = np.shape(X)[1:]
        columns = columns_of(X)
        if image_shape is not None and np.prod(image_shape) != len(columns):
            raise ValueError(
                f"image_shape={tuple(image_shape)} has {np.prod(image_shape)} numbers, but a row "
                f"has {len(columns)}."
            )
        r2 = {name: r2_by_column(columns, columns_of(rows)) for name, rows in rebuilt.items()}
        return cls(r2=r2, feature_names=list(columns), image_shape=image_shape).plot(ax=ax)

    def plot(self, ax=None, *, max_features=30):
        """Draw R2 by column, the column that the first estimator rebuilds best at the top.

        Parameters
        ----------
        ax : Axes or array of Axes, default=None
            Where to draw; None makes a figure.
        max_features : int, default=30
            Of more columns, so many are shown: those that the first estimator rebuilds worst.

        Returns
        -------
        self : object
        """
        if self.image_shape is not None:
            self._plot_maps(ax)
            return self
        first = next(iter(self.r2.values()))
        order = np.argsort(np.nan_to_num(first, nan=np.inf), kind="stable")[:max_features]
        self.figure_, self.axes_ = axes_for(ax, size=(6.4, 1.2 + 0.26 * len(order)))
        self.ax_ = ax = self.axes_[0]
        places, height = np.arange(len(order)), 0.8 / len(self.r2)
        for i, (name, r2) in enumerate(self.r2.items()):
            ax.barh(places + (len(self.r2) / 2 - i - 0.5) * height, r2[order], height, label=name)
        ax.set_yticks(places, [self.feature_names[j] for j in order])
        ax.axvline(0, color="black", lw=0.8)
        ax.set(xlabel="R2 of the column", xlim=(min(0, ax.get_xlim()[0]), 1))
        if len(self.r2) > 1:
            ax.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
        return self

    def _plot_maps(self, ax):
        self.figure_, self.axes_ = axes_for(ax, len(self.r2), size=(4, 3.4))
        self.ax_ = self.axes_[0]
        for axes, (name, r2) in zip(self.axes_, self.r2.items(), strict=True):
            pixels = r2.reshape(self.image_shape)
            while pixels.ndim > 2:  # channels, with which axes of length at most 4 end
                pixels = pixels.mean(axis=-1 if pixels.shape[-1] <= 4 else 0)
            image = axes.imshow(pixels, vmin=0, vmax=1, cmap="viridis")
            axes.set(title=name, xticks=[], yticks=[])
        self.figure_.colorbar(image, ax=list(self.axes_), label="R2 of the pixel")


def r2_by_column(columns, rebuilt):
    """R2 of each column: see `FeatureErrorDisplay`."""
    if len(columns) != len(rebuilt):
        raise ValueError(
            f"Rows have {len(columns)} columns but {len(rebuilt)} when rebuilt: give target= if "
            "they become something else."
        )
    pairs = zip(columns.values(), rebuilt.values(), strict=True)
    return np.array([r2_of(x, x_hat) for x, x_hat in pairs])


def r2_of(x, x_hat):
    """R2 of one column."""
    if x.dtype.kind == "f":
        known = ~np.isnan(x)
        x, x_hat = x[known], np.asarray(x_hat, dtype=float)[known]
        error = ((x - x_hat) ** 2).sum()
        total = ((x - x.mean()) ** 2).sum() if len(x) else 0.0
    else:
        known = np.array([value is not None for value in x])
        x, x_hat = x[known].astype(str), np.asarray(x_hat, dtype=object)[known].astype(str)
        error = (x != x_hat).sum()
        total = len(x) - np.unique(x, return_counts=True)[1].max(initial=0)
    return 1 - error / total if total > 0 else np.nan
