"""Rows beside their reconstructions."""

import numpy as np

from .drawing import axes_for, first_rows, in_deviations, picture_for
from .opening import all_opened, rebuilt_by


class ReconstructionDisplay:
    """Rows beside what estimators make of them: images, curves, or columns of a table.

    What a denoiser, an inpainter or a colorizer makes of rows is shown in the same way, with what
    they should have become as ``target``.

    Use `from_estimator` to make one.

    Parameters
    ----------
    X : array-like of shape (n_rows, n_features)
        The rows that are shown.
    reconstructions : dict from str to array-like
        What each estimator makes of them, by its name, in the same units.
    target : array-like, default=None
        What the rows should become.
    like : array-like, default=None
        Rows whose means and standard deviations a table is drawn in; None is X.
    kind : {"auto", "image", "series", "table"}, default="auto"
        How rows are drawn.
    image_shape : tuple of int, default=None
        Height and width of flat rows that are images.

    Attributes
    ----------
    ax_ : Axes
        Where it is drawn.
    figure_ : Figure
        The figure of `ax_`.

    See Also
    --------
    FeatureErrorDisplay : The error by column, over many rows.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.decomposition import PCA
    >>> from skae import Autoencoder
    >>> from skae.inspection import ReconstructionDisplay
    >>> X = load_digits().data[::4]
    >>> models = [PCA(8).fit(X), Autoencoder(8, random_state=0).fit(X)]
    >>> display = ReconstructionDisplay.from_estimator(models, X, image_shape=(8, 8))
    >>> {name: rows.shape for name, rows in display.reconstructions.items()}
    {'PCA': (8, 64), 'Autoencoder': (8, 64)}
    """

    def __init__(
        self, *, X, reconstructions, target=None, like=None, kind="auto", image_shape=None
    ):
        self.X = X
        self.like = like
        self.reconstructions = reconstructions
        self.target = target
        self.kind = kind
        self.image_shape = image_shape

    @classmethod
    def from_estimator(
        cls,
        estimators,
        X,
        *,
        target=None,
        n_rows=8,
        kind="auto",
        image_shape=None,
        names=None,
        ax=None,
        **given,
    ):
        """Draw the first rows of X and their reconstructions.

        Parameters
        ----------
        estimators : estimator, or list of estimators
            Fitted, with ``reconstruct``, or ``transform`` and ``inverse_transform`` (PCA).
        X : array-like of shape (n_samples, n_features)
            The rows.
        target : array-like, default=None
            What the rows should become, drawn as a line of its own.
        n_rows : int, default=8
            Rows to show.
        kind : {"auto", "image", "series", "table"}, default="auto"
            How to draw them. "auto": arrays of shape (n, height, width) or with channels as images,
            sequences and rows of more than 50 columns as curves, and frames and other arrays
            column by column.
        image_shape : tuple of int, default=None
            Height and width (and channels) of flat rows that are images.
        names : list of str, default=None
            What to call the estimators; None is the names of their classes.
        ax : Axes, default=None
            Where to draw; None makes a figure.
        **given
            What ``reconstruct`` needs beside the rows (a condition, a mask).

        Returns
        -------
        display : ReconstructionDisplay

        Raises
        ------
        ValueError
            If an estimator rebuilds no rows, or the rows cannot be drawn in this way.
        """
        if not (isinstance(n_rows, int | np.integer) and n_rows >= 1):
            raise ValueError(f"n_rows must be an integer of at least 1, got {n_rows!r}.")
        found = all_opened(estimators, (), "reconstruction", names)
        for one in found.values():
            check_rebuilds(one.estimator)
        first = first_rows(X, n_rows)
        target = None if target is None else first_rows(target, n_rows)
        rows, rebuilt = rebuilt_by(found, first, target, given)
        if target is not None:
            rows = first
        like = X if rows is first else next(iter(found.values())).rows(X)
        picture_for(rows, kind, image_shape)
        return cls(
            X=rows,
            reconstructions=rebuilt,
            target=target,
            like=like,
            kind=kind,
            image_shape=image_shape,
        ).plot(ax=ax)

    def plot(self, ax=None, *, cmap="gray_r"):
        """Draw the rows.

        Parameters
        ----------
        ax : Axes, default=None
            Where to draw; None makes a figure.
        cmap : str or Colormap, default="gray_r"
            Of images of one channel.

        Returns
        -------
        self : object
        """
        picture = picture_for(self.X, self.kind, self.image_shape)
        versions = {"rows": self.X, **self.reconstructions}
        if self.target is not None:
            versions["target"] = self.target
        n_rows, width = len(self.X), 1
        if picture.kind == "table":
            width = len(picture.names(self.X))
        size = picture.size(len(versions), n_rows * width)
        self.figure_, (self.ax_,) = axes_for(ax, size=size)
        getattr(self, f"_{picture.kind}")(picture, versions, cmap)
        return self

    def _image(self, picture, versions, cmap):
        images = [picture.rows(rows) for rows in versions.values()]
        if len({image.ndim for image in images}) > 1:  # gray that becomes colored
            images = [i if i.ndim == 4 else np.repeat(i[..., None], 3, axis=-1) for i in images]
        picture.draw(self.ax_, images, list(versions), cmap=cmap)

    def _series(self, picture, versions, cmap):
        curves = {name: picture.rows(rows) for name, rows in versions.items()}
        longest = [max(len(row) for row in rows) for rows in zip(*curves.values(), strict=True)]
        starts = picture.blocks(longest)
        for i, (name, rows) in enumerate(curves.items()):
            style = {"color": "0.4", "lw": 1} if name == "rows" else {"color": f"C{i - 1}"}
            for j, (start, row) in enumerate(zip(starts, rows, strict=True)):
                lines = self.ax_.plot(start + np.arange(len(row)), row, **style)
                if j == 0:
                    lines[0].set_label(name)
        middles = [start + (n - 1) / 2 for start, n in zip(starts, longest, strict=True)]
        self.ax_.set_xticks(middles, [f"row {j}" for j in range(len(middles))])
        self.ax_.set_ylabel("value")
        self.ax_.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)

    def _table(self, picture, versions, cmap):
        names = picture.names(self.X)
        like = picture.rows(self.X if self.like is None else self.like, self.X)
        n_rows, n_columns = picture.rows(self.X).shape
        width = 0.8 / len(versions)
        base = np.arange(n_rows * n_columns).reshape(n_rows, n_columns) + np.arange(n_rows)[:, None]
        for i, (name, rows) in enumerate(versions.items()):
            heights = in_deviations(picture.rows(rows, self.X), like)
            color = "0.6" if name == "rows" else f"C{i - 1}"
            self.ax_.bar(
                (base + i * width).ravel(), heights.ravel(), width, label=name, color=color
            )
        self.ax_.axhline(0, color="black", lw=0.8)
        self.ax_.set_xticks((base + 0.4 - width / 2).ravel(), names * n_rows, rotation=90)
        self.ax_.set_ylabel("standard deviations\nfrom the mean")
        self.ax_.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)


def check_rebuilds(estimator):
    """Whether an estimator can rebuild rows."""
    if not hasattr(estimator, "reconstruct") and not hasattr(estimator, "inverse_transform"):
        raise ValueError(
            f"{type(estimator).__name__} has no reconstruction to show: it has neither reconstruct "
            "nor inverse_transform."
        )
