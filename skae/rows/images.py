"""Images and signals: rows with one or two spatial axes, and channels."""

import math

import numpy as np

from ..nn.convolutional import Fold
from .given import FLOATS, check_integer
from .table import Axes

# Of "auto": as many channels at most, where they come last.
MOST_CHANNELS_LAST = 4


class Images(Axes):
    """Rows that are images or signals, of given axes or flat.

    Attributes
    ----------
    fold : Fold
        How a flat row is an image.
    """

    parameters = ("image_shape", "channel_order", "n_spatial_axes")

    def learn(self, X, owner=None, dtype=FLOATS):
        rows = super().learn(X, owner, dtype)
        given = self.image_shape
        if given is not None:
            given = tuple(np.atleast_1d(np.asarray(given, dtype=object)).tolist())
            for n in given:
                check_integer(n, "image_shape")
        if self.of_X is not None:
            if self.shape is None and self.n_numbers == self.of_X.n_numbers:
                self.fold = self.of_X.fold
                return rows
            given = None  # which is said of X
        if self.shape is not None and given is not None and self.shape != given:
            raise ValueError(f"X has rows of shape {self.shape}, but image_shape is {given}.")
        self.fold = self._as_fold(self.shape or given)
        return rows

    @property
    def channels(self):
        """Those of the image, if it has several."""
        if self.fold.channels == 1:
            return None
        places = np.arange(self.n_numbers)
        if self.fold.channels_last:
            return places % self.fold.channels
        return places // math.prod(self.fold.size)

    def _as_fold(self, shape):
        """How flat rows are images of this shape."""
        axes, n_numbers = self.n_spatial_axes, self.n_numbers
        if shape is None:
            side = math.isqrt(n_numbers)
            square = axes == 2 and side * side == n_numbers
            shape = (side, side) if square else (n_numbers,)
            axes = len(shape)
        if math.prod(shape) != n_numbers:
            raise ValueError(
                f"image_shape={shape} has {math.prod(shape)} numbers, but {self.name} has "
                f"{n_numbers} columns."
            )
        if len(shape) == axes:
            return Fold(1, (1, *shape)[-2:])
        if len(shape) != axes + 1:
            raise ValueError(
                f"Rows of shape {shape} are no images: n_spatial_axes={axes} allows for "
                f"{axes} axes, or {axes + 1} with channels."
            )
        last = self.channel_order == "last"
        if self.channel_order == "auto":
            last = shape[-1] <= MOST_CHANNELS_LAST and shape[-1] < shape[0]
        channels, size = (shape[-1], shape[:-1]) if last else (shape[0], shape[1:])
        return Fold(channels, (1, *size)[-2:], last)
