"""What the numbers of a code stand for."""

import numpy as np

from .drawing import axes_for, first_rows, in_deviations, picture_for
from .opening import opened


class TraversalDisplay:
    """One row, as one number of its code after the other is changed: what they stand for.

    Use `from_estimator` to make one.

    Parameters
    ----------
    rows : list of array-like of shape (n_values, n_features)
        For each unit the rows on the way.
    units : ndarray of shape (n_units,)
        Which numbers of the code are changed.
    values : ndarray of shape (n_units, n_values)
        What they are set to.
    like : array-like of shape (n_samples, n_features)
        Rows of the same kind, whose means and deviations a table is drawn in.
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
    FilterDisplay : The dictionary of a linear decoder.
    CodeDisplay : Where rows lie among the codes.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import Autoencoder
    >>> from skae.inspection import TraversalDisplay
    >>> X = load_digits().data[::4]
    >>> autoencoder = Autoencoder(4, random_state=0).fit(X)
    >>> display = TraversalDisplay.from_estimator(autoencoder, X, image_shape=(8, 8))
    >>> display.units, display.values.shape
    (array([0, 1, 2, 3]), (4, 7))
    """

    def __init__(self, *, rows, units, values, like, kind="auto", image_shape=None):
        self.rows = rows
        self.units = units
        self.values = values
        self.like = like
        self.kind = kind
        self.image_shape = image_shape

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        *,
        row=0,
        units=None,
        n_units=5,
        n_values=7,
        kind="auto",
        image_shape=None,
        ax=None,
        **given,
    ):
        """Change numbers in the code of one row of X, and draw what becomes of it.

        Parameters
        ----------
        estimator : estimator
            Fitted, with ``transform`` and ``inverse_transform``.
        X : array-like of shape (n_samples, n_features)
            Rows. Each unit is set to values between the twentieth part and the last but one of
            what it is in them.
        row : int, default=0
            Which of them is changed.
        units : array-like of int, default=None
            Which numbers of the code; None is those that vary most.
        n_units : int, default=5
            How many of those.
        n_values : int, default=7
            Values of each.
        kind : {"auto", "image", "series", "table"}, default="auto"
            How to draw rows, as in `ReconstructionDisplay`.
        image_shape : tuple of int, default=None
            Height and width (and channels) of flat rows that are images.
        ax : Axes, default=None
            Where to draw; None makes a figure.
        **given
            What ``transform`` and ``traverse`` need beside the rows (a condition).

        Returns
        -------
        display : TraversalDisplay

        Raises
        ------
        ValueError
            If codes cannot be made rows, or a unit or the row is not there.
        """
        one = opened(estimator, ("transform", "inverse_transform"), "traversal")
        codes = one.codes(X, given)
        if codes.dtype.kind not in "f":
            raise ValueError(
                f"The codes of {one.name} are no numbers that could be changed by degrees."
            )
        if not -len(codes) <= row < len(codes):
            raise ValueError(f"row={row!r} is not among the {len(codes)} rows of X.")
        if units is None:
            units = np.sort(np.argsort(-codes.std(axis=0), kind="stable")[:n_units])
        units = np.atleast_1d(np.asarray(units, dtype=int))
        if not ((units >= 0) & (units < codes.shape[1])).all():
            raise ValueError(f"units must be from 0 to {codes.shape[1] - 1}, got {units.tolist()}.")
        low, high = np.quantile(codes[:, units], [0.05, 0.95], axis=0)
        values = np.linspace(low, high, n_values, axis=1)
        rows = []
        for unit, goal in zip(units, values, strict=True):
            changed = np.repeat(codes[[row]], n_values, axis=0)
            changed[:, unit] = goal
            made = one.ask("inverse_transform", changed, given)
            rows.append(one.restored(made) if one.restores else made)
        like = X if one.restores else one.rows(X)
        if kind == "auto" and image_shape is None:
            kind = picture_for(like).kind
        return cls(
            rows=rows, units=units, values=values, like=like, kind=kind, image_shape=image_shape
        ).plot(ax=ax)

    def plot(self, ax=None, *, cmap="gray_r"):
        """Draw the rows, a line or a block for each unit.

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
        picture = picture_for(self.like, self.kind, self.image_shape)
        n_units, n_values = self.values.shape
        if picture.kind == "image":
            size = picture.size(n_units, n_values)
        else:
            size = min(14, 2 + 2.2 * n_units), 4.2
        self.figure_, (self.ax_,) = axes_for(ax, size=size)
        getattr(self, f"_{picture.kind}")(picture, cmap)
        return self

    @property
    def _labels(self):
        return [f"code {unit}" for unit in self.units]

    def _image(self, picture, cmap):
        like = picture.rows(first_rows(self.like, 200))
        limits = float(np.nanmin(like)), float(np.nanmax(like))
        lines = [picture.rows(rows) for rows in self.rows]
        columns = ["low", *[""] * (self.values.shape[1] - 2), "high"]
        picture.draw(self.ax_, lines, self._labels, columns, limits=limits, cmap=cmap)

    def _series(self, picture, cmap):
        import matplotlib

        curves = [picture.rows(rows) for rows in self.rows]
        lengths = [max(len(row) for row in rows) for rows in curves]
        starts, n_values = picture.blocks(lengths), self.values.shape[1]
        shades = matplotlib.colormaps["viridis"](np.linspace(0, 0.9, n_values))
        for i, (start, rows) in enumerate(zip(starts, curves, strict=True)):
            for j, (row, shade) in enumerate(zip(rows, shades, strict=True)):
                label = {0: "low", n_values - 1: "high"}.get(j) if i == 0 else None
                lines = self.ax_.plot(start + np.arange(len(row)), row, color=shade)
                if label:
                    lines[0].set_label(label)
        middles = [start + (n - 1) / 2 for start, n in zip(starts, lengths, strict=True)]
        self.ax_.set_xticks(middles, self._labels)
        self.ax_.set_ylabel("value")
        self.ax_.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)

    def _table(self, picture, cmap):
        like, names = picture.rows(self.like), picture.names(self.like)
        tables = [in_deviations(picture.rows(rows, self.like), like).T for rows in self.rows]
        n_values = self.values.shape[1]
        gap = np.full((len(names), 1), np.nan)
        parts = [part for table in tables for part in (table, gap)][:-1]
        heat = np.hstack(parts)
        most = np.nanmax(np.abs(heat))
        image = self.ax_.imshow(heat, cmap="RdBu_r", vmin=-most, vmax=most, aspect="auto")
        places = (n_values - 1) / 2 + (n_values + 1) * np.arange(len(tables))
        self.ax_.set_xticks(places, [f"{label}\nlow to high" for label in self._labels])
        self.ax_.set_yticks(range(len(names)), names)
        self.figure_.colorbar(image, ax=self.ax_, label="standard deviations from the mean")
