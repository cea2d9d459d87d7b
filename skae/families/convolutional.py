"""The convolutional autoencoder: images and signals."""

import math
from numbers import Integral
from typing import Any

from .._sklearn import Interval, StrOptions
from ..base.architecture import start_rows
from ..base.images import ImageAutoencoder
from ..base.parameters import first
from ..nn.autoencoder import find
from ..nn.convolutional import (
    ConvolutionalDecoder,
    ConvolutionalEncoder,
    LinearPicture,
    RowBeside,
    sizes_of,
)


class ConvolutionalAutoencoder(ImageAutoencoder):
    r"""Learns codes of images or signals by convolutions.

    Minimizes the mean over rows of

    .. math:: \frac{\lVert x - d(e(x)) \rVert^2}{p s^2}

    for images of :math:`p` numbers and :math:`s` = ``scale_``. The encoder :math:`e` consists of
    convolutions that each halve the height and the width (rounded up), and of a dense layer; the
    decoder :math:`d` mirrors it, and restores every size exactly. Beside both stands a linear path
    that starts at PCA.

    Parameters
    ----------
    code_size : int, float or None, default=32
        Numbers in the code. None keeps the smallest feature maps as the code, with no dense layer
        and no linear path: a code that has places. With a target, the row itself stands in it
        after the maps, and training starts at the best linear map from the pixels around each
        place to those of the target.
    channels : tuple of int, default=(32, 64)
        Maps of each convolution of the encoder.
    kernel_size : int, default=3
        Height and width of each kernel, odd.
    upsampling : {"transposed", "resize"}, default="transposed"
        How the decoder doubles a size: by a transposed convolution, or by repeating pixels before a
        convolution, which leaves no checkerboard (Odena et al., 2016).
    image_shape : tuple of int, default=None
        The axes of a row, (height, width), or with channels (channels, height, width) or (height,
        width, channels); for signals (length,) or with channels. Needed if rows are flat, and
        otherwise that of X. Flat rows without it are squares, or signals if they cannot be.
    channel_order : {"auto", "first", "last"}, default="auto"
        Where the channels are, if there are any. "auto": last, if there are at most 4 of them and
        fewer than on the first axis, and else first.
    n_spatial_axes : {1, 2}, default=2
        1: rows are signals, of shape (length,) or with channels.
    precision : {"float32", "bf16"}, default="float32"
        Of the convolutions; the weights are float32 either way. "bf16" is for GPUs.
    hidden_layer_sizes : tuple of int, default=()
        Dense layers between the smallest maps and the code.
    **other_parameters
        Those of :class:`Autoencoder`, with the same defaults; ``tied_weights`` must be False.

    Attributes
    ----------
    image_shape_ : tuple of int
        Channels, height and width of a row (a signal has height 1).
    **other_attributes
        Those of :class:`Autoencoder`.

    Raises
    ------
    ValueError
        If rows have another shape than in `fit`, if ``image_shape`` does not hold as many numbers
        as a row, if ``kernel_size`` is even, and as :class:`Autoencoder` does.

    See Also
    --------
    Autoencoder : For tables.

    Notes
    -----
    Arrays of shape (n, height, width), (n, channels, height, width) or (n, height, width, channels)
    are taken as they are, bytes too, and `inverse_transform` gives them back in that shape.

    References
    ----------
    Masci, Meier, Cireşan, Schmidhuber: Stacked convolutional auto-encoders for hierarchical feature
    extraction. ICANN 2011.

    Odena, Dumoulin, Olah: Deconvolution and checkerboard artifacts. Distill, 2016.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import ConvolutionalAutoencoder
    >>> images = load_digits().images[:200]
    >>> images.shape
    (200, 8, 8)
    >>> autoencoder = ConvolutionalAutoencoder(8, channels=(8, 16), early_stopping=False)
    >>> codes = autoencoder.set_params(random_state=0).fit_transform(images)
    >>> codes.shape, autoencoder.inverse_transform(codes).shape
    ((200, 8), (200, 8, 8))
    """

    code_size: Any = first(default=32)
    channels: Any = (32, 64)
    kernel_size: int = 3
    upsampling: str = "transposed"
    precision: str = "float32"
    hidden_layer_sizes: Any = ()

    _parameter_constraints = {
        "channels": ["array-like", Interval(Integral, 1, None, closed="left")],
        "kernel_size": [Interval(Integral, 1, None, closed="left")],
        "upsampling": [StrOptions({"transposed", "resize"})],
        "precision": [StrOptions({"float32", "bf16"})],
    }

    _unused = {"tied_weights": "it is for dense layers, and these are convolutions"}

    def _check_parameters(self):
        super()._check_parameters()
        if not (
            self._channels() and all(isinstance(n, Integral) and n > 0 for n in self._channels())
        ):
            raise ValueError(f"channels must be integers of at least 1, got {self.channels}.")
        if self.kernel_size % 2 == 0:
            raise ValueError(
                f"kernel_size must be odd, so that a kernel has a middle, got {self.kernel_size}."
            )

    def _channels(self):
        return [self.channels] if isinstance(self.channels, Integral) else list(self.channels)

    def _smallest(self):
        """Numbers in one of the encoder's last maps."""
        return math.prod(sizes_of(self._format.fold.size, len(self._channels()))[-1])

    def _default_code_size(self, n_features):
        return self._channels()[-1] * self._smallest() + self._n_beside()

    def _n_beside(self):
        """Numbers of X itself that stand in a code after the maps.

        Where the code has places and pictures become others, most of these is there already.
        """
        beside = self.code_size is None and self._paired and not self._asks_of_codes
        return self._n_inputs if beside else 0

    def _starts_linear(self):
        return super()._starts_linear() or self._n_beside() > 0

    def _shortcut(self):
        return None if self.code_size is None else super()._shortcut()

    def _is_linear(self, sizes):
        return False

    def _settings(self):
        names = "activation", "dropout", "upsampling", "precision"
        return {name: getattr(self, name) for name in names}

    def _encoder_path(self, sizes):
        hidden = None if self.code_size is None else sizes[1:-1]
        if hidden is None and self._n_conditions:
            raise ValueError(
                "A condition has no place in feature maps, which code_size=None keeps as the code: "
                "set code_size to a number."
            )
        return ConvolutionalEncoder(
            self._format.fold,
            self._channels(),
            self.kernel_size,
            hidden,
            sizes[-1] - self._n_beside(),
            self._n_conditions,
            self._settings(),
        )

    def _make_encoder(self, n_outputs):
        encoder = super()._make_encoder(n_outputs)
        return RowBeside(encoder) if self._n_beside() else encoder

    def _decoder_path(self, sizes, encoder):
        hidden = None if self.code_size is None else sizes[1:-1]
        return ConvolutionalDecoder(
            (self._format.fold, self._target_format.fold),
            self._channels(),
            self.kernel_size,
            hidden,
            sizes[0],
            sizes[-1],
            self._n_beside(),
            self._settings(),
        )

    def _start(self, module, rows):
        module = super()._start(module, rows)
        if self._n_beside():
            some = start_rows(rows)
            pictures = find(module.decoder, LinearPicture)
            pictures.learn(some.x.flatten(1), some.target.flatten(1), some.observed)
        return module
