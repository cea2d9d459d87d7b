"""What makes a row unusual."""

import numpy as np

from .drawing import axes_for, picture_for
from .opening import names_after, opened


class ExplanationDisplay:
    """The shares that the entries of one row have in its outlier score.

    The columns of a table are bars, with what was found and what was expected; an image is a map of
    the shares over the pixels; a series is its curve and the expected one, on a ground that is
    colored by the shares.

    Use `from_estimator` to make one.

    Parameters
    ----------
    explanation : DataFrame
        What the detector's ``explain`` says of the row: ``value``, ``expected``, ``share``.
    score : float
        The row's `score_samples`; the shares add up to its opposite.
    shape : tuple of int
        The shape of the row.
    kind : {"image", "series", "table"}, default="table"
        How it is drawn.

    Attributes
    ----------
    ax_ : Axes
        Where it is drawn.
    figure_ : Figure
        The figure of `ax_`.

    See Also
    --------
    ScoreDisplay : The scores of many rows.
    skae.AutoencoderOutlierDetector.explain : The numbers.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from skae import AutoencoderOutlierDetector
    >>> from skae.inspection import ExplanationDisplay
    >>> X = load_wine(as_frame=True).data
    >>> detector = AutoencoderOutlierDetector(random_state=0).fit(X)
    >>> odd = X.iloc[[0]].assign(ash=9.0)
    >>> display = ExplanationDisplay.from_estimator(detector, odd)
    >>> display.ax_.get_yticklabels()[-1].get_text()
    'ash: 9, expected 5...'
    """

    def __init__(self, *, explanation, score, shape, kind="table"):
        self.explanation = explanation
        self.score = score
        self.shape = shape
        self.kind = kind

    @classmethod
    def from_estimator(cls, detector, X, *, row=0, kind="auto", image_shape=None, ax=None):
        """Draw what the detector says of one row of X.

        Parameters
        ----------
        detector : AutoencoderOutlierDetector
            Fitted, or a Pipeline that ends in one.
        X : array-like of the shape of the rows of `fit`
            Rows.
        row : int, default=0
            Which of them is explained.
        kind : {"auto", "image", "series", "table"}, default="auto"
            How to draw it, as in `ReconstructionDisplay`.
        image_shape : tuple of int, default=None
            Height and width (and channels) of flat rows that are images.
        ax : Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        display : ExplanationDisplay

        Raises
        ------
        ValueError
            If the estimator has no ``explain``, or the row is not there.
        """
        one = opened(detector, ("explain", "score_samples"), "explanation")
        rows = one.rows(X)
        n_rows = rows.shape[0] if hasattr(rows, "shape") else len(rows)
        if not (isinstance(row, int | np.integer) and -n_rows <= row < n_rows):
            raise ValueError(f"row={row!r} is not among the {n_rows} rows of X.")
        picture = picture_for(rows, kind, image_shape)
        row = int(row) % n_rows
        only = rows.iloc[row : row + 1] if hasattr(rows, "iloc") else rows[row : row + 1]
        explanation = one.estimator.explain(only)
        explanation.index = explanation.index.droplevel("sample")
        if one.before is not None and not hasattr(rows, "columns"):
            explanation.index = names_after(one.before, explanation.index)
        shape = tuple(image_shape) if image_shape is not None else np.shape(rows)[1:]
        score = float(one.estimator.score_samples(only)[0])
        return cls(explanation=explanation, score=score, shape=shape, kind=picture.kind).plot(ax=ax)

    def plot(self, ax=None, *, n_features=10):
        """Draw the shares.

        Parameters
        ----------
        ax : Axes, default=None
            Where to draw; None makes a figure.
        n_features : int, default=10
            Columns of a table, those with the largest shares.

        Returns
        -------
        self : object
        """
        getattr(self, f"_{self.kind}")(ax, n_features)
        self.ax_.set_title(f"score {self.score:.2f}")
        return self

    def _table(self, ax, n_features):
        shown = self.explanation.sort_values("share", ascending=False, kind="stable")
        shown = shown.iloc[:n_features][::-1]
        self.figure_, (self.ax_,) = axes_for(ax, size=(7, 1.2 + 0.35 * len(shown)))
        self.ax_.barh(range(len(shown)), shown["share"], color="C3")
        labels = [
            f"{name}: {said(row.value)}, expected {said(row.expected)}"
            for name, row in zip(shown.index, shown.itertuples(), strict=True)
        ]
        self.ax_.set_yticks(range(len(shown)), labels)
        self.ax_.set_xlabel("share of the score")

    def _numbers(self, name):
        return self.explanation[name].to_numpy(dtype=float).reshape(self.shape)

    def _image(self, ax, n_features):
        shares, image = self._numbers("share"), self._numbers("value")
        if image.ndim == 3:
            axis = -1 if image.shape[-1] <= 4 else 0
            shares, image = shares.sum(axis=axis), image.mean(axis=axis)
        self.figure_, (self.ax_,) = axes_for(ax, size=(4.6, 3.8))
        self.ax_.imshow(image, cmap="gray_r", alpha=0.6)
        strength = np.clip(shares / max(shares.max(), np.finfo(float).tiny), 0, 1)
        drawn = self.ax_.imshow(shares, cmap="Reds", alpha=0.85 * strength, vmin=0)
        drawn.set_clim(0, shares.max())
        self.ax_.set(xticks=[], yticks=[])
        self.figure_.colorbar(drawn, ax=self.ax_, label="share of the score")

    def _series(self, ax, n_features):
        n_steps = self.shape[0] if self.shape else len(self.explanation)
        value, expected, share = (
            self.explanation[name].to_numpy(dtype=float).reshape(n_steps, -1)
            for name in ("value", "expected", "share")
        )
        self.figure_, (self.ax_,) = axes_for(ax, size=(8, 3.4))
        by_step = share.sum(axis=1)
        drawn = self.ax_.imshow(
            by_step[None],
            cmap="Reds",
            aspect="auto",
            vmin=0,
            extent=(-0.5, n_steps - 0.5, 0, 1),
            transform=self.ax_.get_xaxis_transform(),
            alpha=0.6,
        )
        for j in range(value.shape[1]):
            name = f"channel {j}, " if value.shape[1] > 1 else ""
            self.ax_.plot(value[:, j], color=f"C{j}", label=f"{name}value")
            self.ax_.plot(expected[:, j], color=f"C{j}", ls="--", label=f"{name}expected")
        numbers = np.concatenate([value, expected])
        low, high = np.nanmin(numbers), np.nanmax(numbers)
        margin = 0.05 * (high - low) or 1.0
        self.ax_.set(xlim=(-0.5, n_steps - 0.5), ylim=(low - margin, high + margin))
        self.ax_.set(xlabel="time step", ylabel="value")
        self.ax_.legend(loc="best")
        self.figure_.colorbar(drawn, ax=self.ax_, label="share of the score")


def said(value):
    """A value as it is written in the picture."""
    try:
        return f"{float(value):.3g}"
    except (TypeError, ValueError):
        return str(value)
