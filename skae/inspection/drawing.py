"""How rows are drawn: images, curves or columns of a table, all of them in one Axes."""

import numpy as np

KINDS = ("auto", "image", "series", "table")
# Of a table without names: more columns are drawn as a curve. Of an array of three axes: the last
# one is of channels if it is no longer.
MOST_COLUMNS, MOST_CHANNELS = 50, 4


def pyplot():
    """matplotlib.pyplot, or an error that says how to come by it."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            'Displays need matplotlib, which is not installed: pip install "skae[plot]".'
        ) from error
    return plt


def axes_for(ax, n=1, size=(6.4, 4.8)):
    """So many Axes in a line: those that the user gave, or those of a new figure."""
    plt = pyplot()
    if ax is None:
        figure, axes = plt.subplots(
            1, n, figsize=(n * size[0], size[1]), layout="constrained", squeeze=False
        )
        return figure, axes[0]
    axes = np.atleast_1d(np.asarray(ax, dtype=object)).ravel()
    if len(axes) != n:
        raise ValueError(f"ax must be {n} Axes, one for each picture, but is {len(axes)}.")
    return axes[0].figure, axes


def first_rows(X, n):
    """The first rows of any container."""
    if hasattr(X, "iloc"):
        return X.iloc[:n]
    return X[:n]


def is_ragged(X):
    """Whether rows are sequences of different lengths."""
    return isinstance(X, list | tuple) and len({np.shape(x)[:1] for x in X}) > 1


def dense(X):
    """Sparse matrices as arrays, anything else as it is."""
    return X.toarray() if hasattr(X, "toarray") else X


def columns_of(X):
    """The columns of a table by their names, numbers as floats with NaN, others as objects."""
    X = dense(X)
    if hasattr(X, "columns"):
        return {str(name): as_column(X[name]) for name in X.columns}
    X = np.asarray(X)
    if X.ndim == 1:
        raise ValueError("X must be rows, of at least two axes, but is one-dimensional.")
    X = X.reshape(len(X), -1)
    return {f"x{j}": as_column(X[:, j]) for j in range(X.shape[1])}


def as_column(column):
    """One column as an array of floats, or of objects if these are no numbers."""
    try:
        return np.asarray(column, dtype=float)
    except (TypeError, ValueError):
        column = np.array(column, dtype=object)  # a copy: it may be a view of the frame
        missing = np.array([x is None or not np.isscalar(x) or x != x for x in column])
        try:
            return np.array(np.where(missing, np.nan, column), dtype=float)
        except (TypeError, ValueError):
            column[missing] = None
            return column


class Images:
    """Rows as images, in a mosaic."""

    kind = "image"

    def __init__(self, shape=None):
        self.shape = shape

    def rows(self, X):
        """Rows as arrays of (n, height, width) or (n, height, width, 3)."""
        images = np.asarray(dense(X), dtype=float)
        if self.shape is not None:
            if np.prod(self.shape) != np.prod(images.shape[1:]):
                raise ValueError(
                    f"image_shape={self.shape} has {np.prod(self.shape)} numbers, but a row has "
                    f"{np.prod(images.shape[1:])}."
                )
            images = images.reshape(len(images), *self.shape)
        if images.ndim == 4 and images.shape[1] in (1, 3) and images.shape[-1] not in (1, 3):
            images = np.moveaxis(images, 1, -1)
        if images.ndim == 4 and images.shape[-1] == 1:
            images = images[..., 0]
        if images.ndim not in (3, 4) or (images.ndim == 4 and images.shape[-1] != 3):
            raise ValueError(
                f"Rows of shape {images.shape[1:]} are no images of one or three channels: set "
                "image_shape=(height, width), or kind='series' or 'table'."
            )
        return images

    def mosaic(self, lines):
        """Lines of equally many images, with a margin of one pixel, NaN."""
        padded = [
            np.pad(
                line, [(0, 0), (0, 1), (0, 1)] + [(0, 0)] * (line.ndim - 3), constant_values=np.nan
            )
            for line in lines
        ]
        return np.concatenate([np.concatenate(list(line), axis=1) for line in padded])[:-1, :-1]

    def draw(self, ax, lines, names, columns=None, limits=None, cmap="gray_r"):
        """One line of images for each name."""
        lines = [np.asarray(line) for line in lines]
        height, width = lines[0].shape[1:3]
        low, high = limits or (np.nanmin(lines[0]), np.nanmax(lines[0]))
        mosaic = self.mosaic(lines)
        if mosaic.ndim == 3:
            mosaic = np.clip((mosaic - low) / max(high - low, np.finfo(float).tiny), 0, 1)
            mosaic = np.nan_to_num(mosaic, nan=1.0)
        image = ax.imshow(mosaic, cmap=cmap, vmin=low, vmax=high, interpolation="nearest")
        ax.set_yticks([(height - 1) / 2 + i * (height + 1) for i in range(len(names))], names)
        if columns is None:
            ax.set_xticks([])
        else:
            places = [(width - 1) / 2 + i * (width + 1) for i in range(len(columns))]
            ax.set_xticks(places, columns)
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
        return image

    def size(self, n_lines, n_columns):
        """Inches of a figure for so many images."""
        return min(12, 1.6 + 0.85 * n_columns), min(12, 0.6 + 0.85 * n_lines)


class Series:
    """Rows as curves, side by side along one axis of time."""

    kind = "series"

    def rows(self, X):
        """A list of arrays of (steps, channels)."""
        try:
            rows = [np.asarray(row, dtype=float) for row in dense(X)]
        except (TypeError, ValueError) as error:
            raise ValueError("Rows of texts or tokens cannot be drawn as curves.") from error
        return [row.reshape(len(row), -1) for row in rows]

    def blocks(self, lengths):
        """Where each row begins on the common axis, so that none touch."""
        gap = max(1, max(lengths) // 12)
        return np.concatenate([[0], np.cumsum([n + gap for n in lengths])[:-1]])

    def size(self, n_lines, n_columns):
        """Inches of a figure for so many rows."""
        return min(14, 2 + 2 * n_columns), 3.2


class Table:
    """Rows as numbers by column, in standard deviations of it."""

    kind = "table"

    def names(self, X):
        """The columns that are numbers."""
        names = [name for name, column in columns_of(X).items() if column.dtype.kind == "f"]
        if not names:
            raise ValueError("X has no column of numbers, so there is nothing to draw.")
        return names

    def rows(self, X, like=None):
        """(n, columns) of those columns of X that are numbers in ``like``."""
        columns = list(columns_of(X).values())
        kept = [c.dtype.kind == "f" for c in columns_of(X if like is None else like).values()]
        kept = [column for column, keep in zip(columns, kept, strict=True) if keep]
        return np.stack(kept, axis=1).astype(float)

    def size(self, n_lines, n_columns):
        """Inches of a figure for so many bars."""
        return min(16, 3 + 0.12 * n_lines * n_columns), 4.2


def picture_for(X, kind="auto", image_shape=None):
    """How to draw rows like those of X."""
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {list(KINDS)}, got {kind!r}.")
    if image_shape is not None:
        if kind not in ("auto", "image"):
            raise ValueError(f"image_shape cannot be combined with kind={kind!r}.")
        return Images(tuple(image_shape))
    if kind == "auto":
        kind = kind_of(X)
    return {"image": Images, "series": Series, "table": Table}[kind]()


def kind_of(X):
    """What rows look like."""
    if hasattr(X, "columns"):
        return "table"
    if is_ragged(X):
        return "series"
    shape = np.shape(dense(X))
    if len(shape) < 2:
        raise ValueError(f"X must be rows, of at least two axes, but its shape is {shape}.")
    if len(shape) == 2:
        return "table" if shape[1] <= MOST_COLUMNS else "series"
    return "series" if len(shape) == 3 and shape[2] <= MOST_CHANNELS else "image"


def in_deviations(rows, like):
    """Rows in standard deviations of each column of ``like``, from its mean."""
    spread = np.nanstd(like, axis=0)
    return (rows - np.nanmean(like, axis=0)) / np.where(spread > 0, spread, 1)
