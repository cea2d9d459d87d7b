"""How training went."""

import math
from typing import NamedTuple

import numpy as np

from .drawing import axes_for
from .opening import all_opened, lacking

# Attributes of estimators that hold fitted autoencoders.
INSIDE = ("estimators_", "autoencoder_")


class LossCurve(NamedTuple):
    """The losses of one training, by epoch."""

    training: np.ndarray  # after epochs 1, 2, ...
    held_out: np.ndarray | None  # after epochs 0, 1, ...
    n_iter: int  # the epochs that were chosen
    start: float | None  # held-out loss of epoch 0, where that is PCA's solution


class LossCurveDisplay:
    """Loss by epoch, of the rows trained on and of those held out.

    Marks the chosen epoch, and the loss at the start where this is PCA's solution: what training
    has won lies below this line. The losses are those that were minimized: for the squared error
    the share of the variance that is not rebuilt.

    Use `from_estimator` to make one.

    Parameters
    ----------
    curves : dict from str to LossCurve
        The losses by the name of the estimator: ``training`` (of epochs 1 and on), ``held_out`` (of
        epochs 0 and on, or None), ``n_iter``, and ``start``, the held-out loss of PCA's solution
        (None where training did not start there).

    Attributes
    ----------
    ax_ : Axes
        Where it is drawn.
    figure_ : Figure
        The figure of `ax_`.
    lines_ : dict from str to list of Line2D
        The curves by name.

    See Also
    --------
    CodeSizeDisplay : The error by the size of the code.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import Autoencoder
    >>> from skae.inspection import LossCurveDisplay
    >>> autoencoder = Autoencoder(8, random_state=0).fit(load_digits().data[::4])
    >>> display = LossCurveDisplay.from_estimator(autoencoder)
    >>> curve = display.curves["Autoencoder"]
    >>> print(f"PCA {curve.start:.2f}, chosen epoch {curve.held_out[curve.n_iter]:.2f}")
    PCA 0.34, chosen epoch 0.2...
    """

    def __init__(self, *, curves):
        self.curves = curves

    @classmethod
    def from_estimator(cls, estimators, *, names=None, ax=None):
        """Draw the curves of one fitted estimator, or of several.

        Parameters
        ----------
        estimators : estimator, or list of estimators
            Fitted. Of a detector all its autoencoders are shown, of an imputer or a compressor the
            one inside.
        names : list of str, default=None
            What to call them; None is the names of their classes.
        ax : Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        display : LossCurveDisplay

        Raises
        ------
        ValueError
            If an estimator was not trained by epochs, or for none.
        """
        found = {}
        for name, one in all_opened(estimators, (), "loss curve", names).items():
            inside = trained_inside(one.estimator)
            if len(inside) == 1:
                found[name] = curve_of(inside[0])
            else:
                found.update({f"{name}, {i}": curve_of(e) for i, e in enumerate(inside, start=1)})
        return cls(curves=found).plot(ax=ax)

    def plot(self, ax=None):
        """Draw the curves.

        Parameters
        ----------
        ax : Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        self : object
        """
        self.figure_, (self.ax_,) = axes_for(ax)
        ax, self.lines_ = self.ax_, {}
        several = len(self.curves) > 1
        for i, (name, curve) in enumerate(self.curves.items()):
            color, prefix = f"C{i % 10}", f"{name}: " if several else ""
            epochs = np.arange(1, len(curve.training) + 1)
            lines = ax.plot(epochs, curve.training, color=color, alpha=0.5, ls=":")
            lines[0].set_label(f"{prefix}training")
            if curve.held_out is not None:
                lines += ax.plot(curve.held_out, color=color, label=f"{prefix}held out")
                chosen = curve.held_out[curve.n_iter]
                label = f"{prefix}chosen epoch, {curve.n_iter}"
                ax.plot(curve.n_iter, chosen, "o", color=color, label=label)
            if curve.start is not None:
                ax.axhline(curve.start, color=color, ls="--", lw=1, label=f"{prefix}start, at PCA")
            self.lines_[name] = lines
        positive = [v for curve in self.curves.values() for v in losses(curve)]
        if positive and min(positive) > 0:
            ax.set_yscale("log")
        ax.set(xlabel="epoch", ylabel="loss")
        ax.legend()
        return self


def losses(curve):
    """All numbers of a curve that are drawn."""
    held_out = () if curve.held_out is None else curve.held_out
    return [v for v in (*curve.training, *held_out) if math.isfinite(v)]


def trained_inside(estimator):
    """The estimator itself if it has been trained by epochs, or those that it holds."""
    if not hasattr(estimator, "loss_curve_"):
        for name in INSIDE:
            if hasattr(estimator, name):
                inside = getattr(estimator, name)
                return list(inside) if isinstance(inside, list | tuple) else [inside]
    return [estimator]


def curve_of(estimator):
    """The losses that an estimator remembers."""
    name = type(estimator).__name__
    lacks = lacking(estimator, ("loss_curve_",))
    if lacks:
        raise ValueError(f"{name} has no loss curve to show: {lacks}.")
    training = np.asarray(estimator.loss_curve_, dtype=float)
    held_out = getattr(estimator, "validation_loss_curve_", None)
    if not len(training) and held_out is None:
        raise ValueError(
            f"{name} has no loss curve to show: it was not trained (max_epochs=0 is its start)."
        )
    held_out = None if held_out is None else np.asarray(held_out, dtype=float)
    start = float(held_out[0]) if held_out is not None and starts_at_pca(estimator) else None
    return LossCurve(training, held_out, int(getattr(estimator, "n_iter_", len(training))), start)


def starts_at_pca(estimator):
    """Whether the net of epoch 0 is PCA's solution."""
    parameters = estimator.get_params(deep=False)
    return parameters.get("shortcut") == "pca" and not parameters.get("warm_start")
