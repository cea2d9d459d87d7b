"""Rows of more than one axis: images and sequences, as users have them."""

import numpy as np

FLAT = 2


class ShapedRowsMixin:
    """Takes arrays of any number of axes, or flat rows, and gives rows back as they came.

    Inside all rows are flat; a family's modules fold them at their mouth. The estimator says by
    `_fold` what the axes of a row are.
    """

    _takes_sparse = False
    _takes_groups = False

    def _check_rows(self, X, reset=False):
        shape = shape_of_rows(X)
        if reset:
            self._row_shape = shape
        elif shape is not None and getattr(self, "_row_shape", shape) not in (shape, None):
            raise ValueError(
                f"X has rows of shape {shape}, but {type(self).__name__} was fitted to rows of "
                f"shape {self._row_shape}."
            )
        X = super()._check_rows(flat(X), reset)
        if reset:
            self._fold(shape, X.shape[1])
        return X

    def _check_target(self, target, X, reset=False):
        if reset:
            self._target_shape = shape_of_rows(target)
        return super()._check_target(flat(target), X, reset)

    def _fills(self, X):
        if self.fill == "gaussian":
            raise ValueError(
                f"fill='gaussian' is for the columns of a table: {type(self).__name__} takes a "
                "missing entry for the mean of its place, so set fill='auto'."
            )
        return False

    def _shaped(self, rows):
        shape = self._target_shape if self._paired else self._row_shape
        return rows if shape is None else rows.reshape(len(rows), *shape)


def shape_of_rows(X):
    """The axes of a row, if there is more than one."""
    return tuple(X.shape[1:]) if getattr(X, "ndim", 0) > FLAT else None


def flat(X):
    """Rows of one axis; bytes become float32, which is half of what scikit-learn makes of them."""
    if getattr(X, "dtype", None) == np.uint8:
        X = np.asarray(X).astype(np.float32)
    return X if shape_of_rows(X) is None else np.asarray(X).reshape(len(X), -1)
