"""What the units of a code look for, or put in."""

import numpy as np

from .drawing import axes_for, picture_for
from .opening import names_after, opened

WHICH = ("auto", "decoder", "encoder")
# How far a decoder may be from linear, as a share of its answer, to be shown as a dictionary.
LINEAR = 1e-3


class FilterDisplay:
    """The dictionary of a linear decoder, or the weights of the first layer, as pictures.

    Use `from_estimator` to make one.

    Parameters
    ----------
    filters : ndarray of shape (n_filters, ...)
        What is drawn, each in the shape of a row (of convolutions, of a kernel).
    units : ndarray of shape (n_filters,)
        The numbers of the units that they are of.
    which : {"decoder", "encoder"}
        Whose they are.
    kind : {"image", "series", "table"}, default="image"
        How they are drawn.
    feature_names : list of str, default=None
        The columns of a table.

    Attributes
    ----------
    ax_ : Axes
        Where it is drawn.
    figure_ : Figure
        The figure of `ax_`.

    See Also
    --------
    TraversalDisplay : What the numbers of any code stand for.

    Notes
    -----
    The dictionary is what one step of a unit adds to a row, in units of X:
    ``inverse_transform(e_j) - inverse_transform(0)``.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import SparseAutoencoder
    >>> from skae.inspection import FilterDisplay
    >>> X = load_digits().data[::4]
    >>> autoencoder = SparseAutoencoder(32, random_state=0).fit(X)
    >>> display = FilterDisplay.from_estimator(autoencoder, image_shape=(8, 8))
    >>> display.which, display.filters.shape
    ('decoder', (32, 8, 8))
    """

    def __init__(self, *, filters, units, which, kind="image", feature_names=None):
        self.filters = filters
        self.units = units
        self.which = which
        self.kind = kind
        self.feature_names = feature_names

    @classmethod
    def from_estimator(
        cls, estimator, *, which="auto", n_filters=64, kind="auto", image_shape=None, ax=None
    ):
        """Draw the filters of a fitted estimator, those of the units that are most in use first.

        Parameters
        ----------
        estimator : estimator
            Fitted: an autoencoder, PCA, or a Pipeline.
        which : {"auto", "decoder", "encoder"}, default="auto"
            "decoder": what each unit of the code adds to a row, which only says something of a
            linear decoder. "encoder": the weights of the first layer. "auto": the first if the
            decoder is linear, else the second.
        n_filters : int, default=64
            How many to draw, at most.
        kind : {"auto", "image", "series", "table"}, default="auto"
            How to draw them, as in `ReconstructionDisplay`.
        image_shape : tuple of int, default=None
            Height and width (and channels) of flat rows that are images.
        ax : Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        display : FilterDisplay

        Raises
        ------
        ValueError
            If the decoder is asked for and is not linear, or there is no first layer of weights.
        """
        if which not in WHICH:
            raise ValueError(f"which must be one of {list(WHICH)}, got {which!r}.")
        one = opened(estimator, (), "filters")
        filters = None
        if which != "encoder":
            filters, why = dictionary(one)
            if filters is None and which == "decoder":
                raise ValueError(f"The decoder of {one.name} {why}: set which='encoder'.")
        which = "encoder" if filters is None else "decoder"
        if filters is None:
            filters = first_weights(one)
        units = order_of(one, filters, which)[:n_filters]
        filters = filters[units]
        if image_shape is not None and filters[0].size == np.prod(image_shape):
            filters = filters.reshape(len(filters), *image_shape)
        kind = picture_for(filters, kind).kind
        names = getattr(one.estimator, "feature_names_in_", None)
        if kind == "table" and (names is None or len(names) != filters[0].size):
            names = [f"x{j}" for j in range(filters[0].size)]
            names = names if one.before is None else names_after(one.before, names)
        return cls(
            filters=filters,
            units=units,
            which=which,
            kind=kind,
            feature_names=None if names is None else [str(name) for name in names],
        ).plot(ax=ax)

    def plot(self, ax=None, *, cmap="RdBu_r", n_columns=None):
        """Draw the filters, each on a scale of its own, zero being white.

        Parameters
        ----------
        ax : Axes, default=None
            Where to draw; None makes a figure.
        cmap : str or Colormap, default="RdBu_r"
            Of the weights.
        n_columns : int, default=None
            Images in a line; None makes a square.

        Returns
        -------
        self : object
        """
        largest = np.abs(self.filters).reshape(len(self.filters), -1).max(axis=1)
        scaled = self.filters / np.where(largest > 0, largest, 1).reshape(
            -1, *[1] * (self.filters.ndim - 1)
        )
        picture = picture_for(self.filters, self.kind)
        if self.kind == "image":
            self._image(picture, picture.rows(scaled), ax, cmap, n_columns)
        elif self.kind == "series":
            self._series(picture, picture.rows(scaled), ax)
        else:
            self._table(scaled.reshape(len(scaled), -1), ax, cmap)
        of = "of the decoder" if self.which == "decoder" else "of the first layer"
        self.ax_.set_title(f"{len(self.filters)} filters {of}")
        return self

    def _image(self, picture, images, ax, cmap, n_columns):
        n_columns = n_columns or int(np.ceil(np.sqrt(len(images))))
        n_lines = -(-len(images) // n_columns)
        empty = np.full((n_lines * n_columns - len(images), *images.shape[1:]), np.nan)
        lines = np.split(np.concatenate([images, empty]), n_lines)
        size = min(10, 0.8 + 0.6 * n_columns), min(10, 0.8 + 0.6 * n_lines)
        self.figure_, (self.ax_,) = axes_for(ax, size=size)
        firsts = [str(unit) for unit in self.units[::n_columns]]
        picture.draw(self.ax_, lines, firsts, limits=(-1, 1), cmap=cmap)
        self.ax_.set_ylabel("first unit of the line")

    def _series(self, picture, curves, ax):
        curves = curves[:12]
        lengths = [len(curve) for curve in curves]
        starts = picture.blocks(lengths)
        self.figure_, (self.ax_,) = axes_for(ax, size=picture.size(1, len(curves) / 2))
        for start, curve in zip(starts, curves, strict=True):
            self.ax_.plot(start + np.arange(len(curve)), curve, color="C0")
        self.ax_.axhline(0, color="0.7", lw=0.8)
        middles = [start + (n - 1) / 2 for start, n in zip(starts, lengths, strict=True)]
        self.ax_.set_xticks(middles, [str(unit) for unit in self.units[: len(curves)]])
        self.ax_.set(xlabel="unit", ylabel="weight, of the largest")

    def _table(self, table, ax, cmap):
        size = min(14, 3 + 0.3 * len(table)), min(12, 1.5 + 0.25 * table.shape[1])
        self.figure_, (self.ax_,) = axes_for(ax, size=size)
        image = self.ax_.imshow(table.T, cmap=cmap, vmin=-1, vmax=1, aspect="auto")
        self.ax_.set_xticks(range(len(table)), [str(unit) for unit in self.units])
        self.ax_.set_yticks(range(table.shape[1]), self.feature_names)
        self.ax_.set_xlabel("unit")
        self.figure_.colorbar(image, ax=self.ax_, label="weight, of the largest")


def dictionary(one):
    """What each unit of the code adds to a row; or None, and why not."""
    estimator = one.estimator
    if not hasattr(estimator, "inverse_transform") or one.size is None:
        return None, "makes no rows of codes"
    eye = np.eye(one.size)
    codes = np.concatenate([np.zeros((1, one.size)), eye, -2 * eye])
    try:
        rows = np.asarray(estimator.inverse_transform(codes), dtype=float)
    except (TypeError, ValueError) as error:
        return None, f"cannot be asked for single units ({error})"
    added, twice = np.split(rows[1:] - rows[0], 2)
    size = np.abs(added).max()
    if not size > 0 or np.abs(twice + 2 * added).max() > LINEAR * size:
        return None, "is not linear, so that its units add nothing of their own to rows"
    return added, None


def first_weights(one):
    """The weights of the first layer of the encoder, one filter for each of its units."""
    encoder = getattr(
        getattr(getattr(one.estimator, "net_", None), "module_", None), "encoder", None
    )
    if encoder is None:
        raise ValueError(
            f"{one.name} has no filters to show: it has no encoder net_.module_.encoder."
        )
    weights = [w for n, w in encoder.named_parameters() if n.endswith("weight") and w.ndim >= 2]
    hidden = [w for w in weights if w.shape[0] != one.size] or weights
    if not hidden:
        raise ValueError(f"{one.name} has no filters to show: its encoder has no layer of weights.")
    weight = hidden[0].detach().cpu().numpy()
    if weight.ndim > 2:  # kernels of convolutions: channels last, and their mean if there are many
        weight = np.moveaxis(weight, 1, -1)
        if weight.shape[-1] not in (1, 3):
            weight = weight.mean(axis=-1, keepdims=True)
    return weight


def order_of(one, filters, which):
    """The units, those first that are most in use, as far as the estimator knows it."""
    density = getattr(one.estimator, "feature_density_", None)
    if which == "decoder" and density is not None:
        return np.argsort(-np.asarray(density), kind="stable")
    return np.arange(len(filters))
