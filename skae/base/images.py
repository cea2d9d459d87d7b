"""What families of images and signals share: how a row is an image."""

import math
from numbers import Integral
from typing import Any

from .._sklearn import Interval, StrOptions
from ..nn.convolutional import Fold
from ..rows.shapes import ShapedRowsMixin
from .autoencoder import BaseAutoencoder


class ImageAutoencoder(ShapedRowsMixin, BaseAutoencoder):
    """An autoencoder whose modules fold flat rows to images.

    After `_check_rows`, ``_image_fold`` is how the rows of X are images; `_target_fold` is how
    those of the target are.
    """

    image_shape: Any = None
    channel_order: str = "auto"
    n_spatial_axes: int = 2

    _parameter_constraints = {
        "image_shape": ["array-like", None],
        "channel_order": [StrOptions({"auto", "first", "last"})],
        "n_spatial_axes": [Interval(Integral, 1, 2, closed="both")],
    }

    def _fold(self, shape, n_features):
        given = None if self.image_shape is None else tuple(self.image_shape)
        if shape is not None and given is not None and shape != given:
            raise ValueError(f"X has rows of shape {shape}, but image_shape is {given}.")
        self._image_fold = self._as_fold(shape or given, n_features)
        self.image_shape_ = self._image_fold.channels, *self._image_fold.size

    def _as_fold(self, shape, n_features):
        """How flat rows are images of this shape."""
        axes = self.n_spatial_axes
        if shape is None:
            side = math.isqrt(n_features)
            square = axes == 2 and side * side == n_features
            shape = (side, side) if square else (n_features,)
            axes = len(shape)
        if math.prod(shape) != n_features:
            raise ValueError(
                f"image_shape={shape} has {math.prod(shape)} numbers, but X has {n_features} "
                "columns."
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
            last = shape[-1] <= 4 and shape[-1] < shape[0]
        channels, size = (shape[-1], shape[:-1]) if last else (shape[0], shape[1:])
        return Fold(channels, (1, *size)[-2:], last)

    def _target_fold(self):
        flat_as_rows = self._target_shape is None and self.n_outputs_ == self.n_features_in_
        if not self._paired or flat_as_rows:
            return self._image_fold
        return self._as_fold(self._target_shape, self.n_outputs_)
