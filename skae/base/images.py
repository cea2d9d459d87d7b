"""What families of images and signals share: their parameters, and the format of their rows."""

from numbers import Integral
from typing import Any

from .._sklearn import Interval, StrOptions
from ..rows.images import Images
from .autoencoder import BaseAutoencoder


class ImageAutoencoder(BaseAutoencoder):
    """An autoencoder whose modules fold flat rows to images, as its format says."""

    image_shape: Any = None
    channel_order: str = "auto"
    n_spatial_axes: int = 2

    _parameter_constraints = {
        "image_shape": ["array-like", None],
        "channel_order": [StrOptions({"auto", "first", "last"})],
        "n_spatial_axes": [Interval(Integral, 1, 2, closed="both")],
    }

    _formats = (Images,)

    def _learn_format(self):
        super()._learn_format()
        fold = self._format.fold
        self.image_shape_ = fold.channels, *fold.size
