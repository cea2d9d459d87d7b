"""The masked autoencoder: a transformer that rebuilds the patches it does not see."""

import math
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
from sklearn.utils.metaestimators import available_if

from .._sklearn import Interval, StrOptions
from ..base.images import ImageAutoencoder
from ..base.lazily import lazily
from ..base.parameters import MOST_LAYERS, first
from ..engine.net import as_batch
from ..engine.objectives import Extended, observed_mean
from ..nn.masked import ImagePatches, MaskedEncoderDecoder, PatchDecoder, PatchEncoder, TablePatches
from ..rows.given import check_finite, in_precision

# Of batches of so many rows or more. How wide a row is does not matter: tokens are narrow.
LR, ENOUGH_ROWS = 0.003, 128
MOST_HEADS = 4
# A narrower decoder could not tell the places of the patches apart.
NARROWEST_DECODER = 32
OF_PERCEPTRONS = (
    "hidden_layer_sizes",
    "activation",
    "code_activation",
    "output_activation",
    "tied_weights",
    "dropout",
    "shortcut",
    "encoder",
    "decoder",
)


class MaskedObjective(Extended):
    """The mean loss of the entries that were hidden, and are observed."""

    def entries(self, output, batch, module):
        goal = batch.replace(target=module.goal(batch.target))
        losses = super().entries(output, goal, module)
        counted, n = output.hidden, losses.shape[1]
        if batch.observed is not None:
            counted, n = counted & batch.observed, batch.observed.sum(1, keepdim=True)
        return losses.where(counted, 0.0) * (n / counted.sum(1, keepdim=True).clamp(min=1))


def rebuilds(estimator):
    """Whether rows can be made of codes."""
    if estimator.pooling == "tokens" and not estimator.norm_patch_loss:
        return True
    reason = "norm_patch_loss=True learns patches up to their mean and spread only"
    if estimator.pooling != "tokens":
        reason = "pooling='mean' leaves no places in the code: set pooling='tokens'"
    raise AttributeError(f"{type(estimator).__name__} cannot make rows of codes, as {reason}.")


def in_units(estimator):
    """Whether rows are rebuilt in their units."""
    if estimator.norm_patch_loss:
        raise AttributeError("With norm_patch_loss=True patches have no mean and spread.")
    return True


class MaskedAutoencoder(ImageAutoencoder):
    r"""Learns codes by rebuilding the patches of rows that it does not see.

    Minimizes the mean over rows of

    .. math:: \frac{1}{|M| s^2} \sum_{j \in M} (x_j - d(e(x_{\bar M}))_j)^2,

    :math:`M` being the entries of randomly chosen patches, most of the row, which are hidden from
    the encoder :math:`e`, and :math:`s` = ``scale_``. The encoder is a transformer over those
    patches that are seen; the decoder :math:`d`, a lighter one, has a learned token in the place of
    each hidden patch. A patch is a piece of an image or a signal, or one column of a table.

    Parameters
    ----------
    code_size : int or None, default=64
        Width of the encoder's tokens. None is 64.
    patch_size : int, default=4
        Height and width of the patches of images, length of those of signals. It must divide the
        image's.
    mask_ratio : float, default=0.75
        Share of the patches that is hidden in training, in (0, 1).
    depth : int, default=4
        Blocks of the encoder.
    n_heads : int or "auto", default="auto"
        Heads of attention; "auto" is the largest number up to 4 that divides ``code_size``.
    decoder_depth : int, default=2
        Blocks of the decoder.
    decoder_width : int or "auto", default="auto"
        Width of the decoder's tokens; "auto" is ``code_size``, and at least 32.
    norm_patch_loss : bool, default=False
        Whether patches are rebuilt with their own mean taken away and divided by their spread.
    pooling : {"mean", "tokens"}, default="mean"
        A code is the mean of the tokens, or all tokens one after the other, from which
        `inverse_transform` makes rows.
    tokens : {"auto", "patches", "columns"}, default="auto"
        Whether a token is a patch of an image or signal, or a column of a table. "auto": "columns"
        for flat rows without ``image_shape``.
    image_shape, channel_order, n_spatial_axes
        As in :class:`ConvolutionalAutoencoder`.
    **other_parameters
        Those of :class:`Autoencoder` that say how to train, with the same defaults.

    Attributes
    ----------
    image_shape_ : tuple of int
        Channels, height and width of a row.
    n_patches_ : int
        Patches in a row.
    **other_attributes
        Those of :class:`Autoencoder`.

    Raises
    ------
    ValueError
        If ``patch_size`` does not divide the image, if there are not two patches or more, if a
        parameter of dense layers is set, and as :class:`Autoencoder` does.
    AttributeError
        From `inverse_transform` with ``pooling="mean"``.

    See Also
    --------
    DenoisingAutoencoder : With ``noise="masking"``, the dense counterpart.

    Notes
    -----
    A patch with a missing entry is a hidden patch, in training and afterwards.

    References
    ----------
    He, Chen, Xie, Li, Dollár, Girshick: Masked autoencoders are scalable vision learners. CVPR
    2022. arXiv:2111.06377.

    Du, Melis, Wang: ReMasker: imputing tabular data with masked autoencoding. ICLR 2024.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_digits
    >>> from skae import MaskedAutoencoder
    >>> images = load_digits().images[:100]
    >>> autoencoder = MaskedAutoencoder(16, patch_size=2, depth=1, early_stopping=False)
    >>> autoencoder = autoencoder.set_params(random_state=0).fit(images)
    >>> autoencoder.transform(images).shape
    (100, 16)
    >>> hidden = np.zeros(images.shape, dtype=bool)
    >>> hidden[:, :, 4:] = True
    >>> filled = autoencoder.reconstruct(images, mask=hidden)
    >>> bool((filled == images)[~hidden].all())
    True
    """

    code_size: Any = first(default=64)
    patch_size: int = 4
    mask_ratio: float = 0.75
    depth: int = 4
    n_heads: Any = "auto"
    decoder_depth: int = 2
    decoder_width: Any = "auto"
    norm_patch_loss: bool = False
    pooling: str = "mean"
    tokens: str = "auto"
    shortcut: str | None = None

    _parameter_constraints = {
        "code_size": [Interval(Integral, 1, None, closed="left"), None],
        "patch_size": [Interval(Integral, 1, None, closed="left")],
        "mask_ratio": [Interval(Real, 0, 1, closed="neither")],
        "depth": [Interval(Integral, 1, MOST_LAYERS, closed="both")],
        "n_heads": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "decoder_depth": [Interval(Integral, 1, MOST_LAYERS, closed="both")],
        "decoder_width": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "norm_patch_loss": ["boolean"],
        "pooling": [StrOptions({"mean", "tokens"})],
        "tokens": [StrOptions({"auto", "patches", "columns"})],
    }

    _module_class = MaskedEncoderDecoder

    _unused = dict.fromkeys(OF_PERCEPTRONS, "it is for perceptrons, not for transformers")
    _unused["loss"] = "it rebuilds by the squared error"
    _own_target = "rebuilds what it hides of X"

    @available_if(rebuilds)
    @lazily
    def inverse_transform(self, X):
        """The rows that codes stand for; only with ``pooling="tokens"``.

        Parameters
        ----------
        X : array-like of shape (n_samples, `code_size_`)
            Codes, as `transform` gives them.

        Returns
        -------
        X_original : ndarray of the shape of the rows of `fit`
        """
        return super().inverse_transform(X)

    @available_if(in_units)
    @lazily
    def reconstruct(self, X, mask=None):
        """The rows of X, each patch rebuilt from patches beside it, or only what is masked.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            The rows.
        mask : array-like of bool, of the shape of X, default=None
            The entries to fill: their patches are hidden together, and they are rebuilt from all
            others; the others stay as they are. Missing entries are hidden in any case;
            ``mask=np.isnan(X)`` fills them. If None, each patch is hidden at its turn, as in
            `score_samples`.

        Returns
        -------
        X_hat : ndarray of the shape of X, or a frame
        """
        given = self._inputs(X)
        if mask is None:
            rows = self.net_.map_batches(turn_by_turn, *given.inputs)
            return self._restored(check_finite(rows, "What is rebuilt", given.X), X)
        mask = np.asarray(mask)
        if mask.shape != np.shape(X) or mask.dtype != bool:
            raise ValueError(
                f"mask must be of bools, one for each entry of X, {np.shape(X)}; it has shape "
                f"{mask.shape} and dtype {mask.dtype}."
            )
        mask = mask.reshape(given.X.shape)
        known = self._known(np.where(mask, np.nan, given.X))
        if known is None:
            known = np.ones((len(mask), self.n_patches_), dtype=given.X.dtype)
        rows = self.net_.map_batches(lambda module, *rows: module.fill(*rows), given.X, known)
        check_finite(rows, "What is rebuilt", given.X)
        return self._restored(np.where(mask, rows, given.X), X)

    def score_samples(self, X, *, target=None):
        """Minus each row's error where it was hidden; higher is more normal.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            The rows. Missing entries are left out, as in :class:`Autoencoder`.
        target : None
            Not for this family.

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            Minus the squared error of each entry, mean over a few masks that hide every patch
            equally often, as nearly as can be, summed over the entries. In squared units of X, or
            with ``norm_patch_loss`` in the patches' own variances.
        """
        return super().score_samples(X, target=target)

    def _score_samples(self, given, net=None):
        def errors(module, x, target, known):
            batch = as_batch(module, x, None, known)
            return observed_mean(module.hidden_once(batch.x, batch.condition)[1], batch.observed)

        net = net or self.net_
        unit = 1.0 if self.norm_patch_loss else net.criterion_.unit(self.scale_)
        scores = -unit * self._n_inputs * net.map_batches(errors, *given.rows).astype(float)
        return in_precision(check_finite(scores, "The scores", given.X), given.X.dtype)

    def _condition(self, rows, reset=False):
        return self._known(rows)

    def _impute(self, given, n_draws=0, seed=0):
        return None if n_draws else np.asarray(self.reconstruct(given.X, np.isnan(given.X)))

    def _known(self, X):
        """Which patches have no missing entry; None if all: (n_samples, `n_patches_`)."""
        missing = np.isnan(X)
        if not missing.any():
            return None
        known = self._patches().split(torch.from_numpy(~missing)).all(-1)
        return known.numpy().astype(X.dtype)

    def _learn_format(self):
        super()._learn_format()
        self._columns = self.tokens == "columns" or (
            self.tokens == "auto" and self._format.shape is None and self.image_shape is None
        )
        if self._columns and self.norm_patch_loss:
            raise ValueError(
                "norm_patch_loss=True takes away a patch's mean, which is all that a column of a "
                "table has: set norm_patch_loss=False, or image_shape."
            )
        sizes = [n for n in self._format.fold.size if n > 1]
        if not self._columns and any(n % self.patch_size for n in sizes):
            raise ValueError(
                f"patch_size={self.patch_size} does not divide the image's "
                f"{' x '.join(map(str, sizes))}: choose a divisor of both, or pad the images."
            )
        self.n_patches_ = self._patches().n_patches
        if self.n_patches_ < 2:
            raise ValueError(
                f"{type(self).__name__} rebuilds patches from others, but rows have one patch only "
                f"(n_features = {self._n_inputs}): lower patch_size, or take another autoencoder."
            )

    def _patches(self):
        if self._columns:
            return TablePatches(self._n_inputs)
        return ImagePatches(self._format.fold, self.patch_size)

    def _check_parameters(self):
        super()._check_parameters()
        if self.n_heads != "auto" and self._width() % self.n_heads:
            raise ValueError(
                f"n_heads={self.n_heads} does not divide code_size={self._width()}: a head has an "
                "equal part of a token."
            )

    def _learn_units(self, given):
        super()._learn_units(given)
        self.code_size_ = self._width() * (self.n_patches_ if self.pooling == "tokens" else 1)

    def _width(self):
        return self.code_size or 64

    def _heads(self, width):
        if self.n_heads != "auto" and width % self.n_heads == 0:
            return self.n_heads
        return next(n for n in range(MOST_HEADS, 0, -1) if width % n == 0)

    def _make_encoder(self, n_outputs):
        width = self._width()
        return PatchEncoder(self._patches(), width, self._heads(width), self.depth)

    def _make_decoder(self, encoder):
        if not isinstance(encoder, PatchEncoder):
            raise TypeError(
                f"{type(self).__name__} crosses MaskedAutoencoder with a family that wraps its "
                "encoder, but only the encoder itself knows which patches are seen."
            )
        width = self.decoder_width
        if width == "auto":
            width = max(NARROWEST_DECODER, self._width())
        heads = self._heads(width)
        return PatchDecoder(encoder.patches, self._width(), width, heads, self.decoder_depth)

    def _join(self, *parts):
        return self._module_class(self.mask_ratio, self.pooling, self.norm_patch_loss, *parts)

    def _make_objective(self):
        return MaskedObjective(super()._make_objective())

    def _lr(self, rows):
        if self.lr != "auto":
            return self.lr
        return LR * math.sqrt(min(1, self._batch_size(len(rows)) / ENOUGH_ROWS))

    def _decode(self, codes, condition=None, n_copies=1):
        rebuilds(self)
        return super()._decode(codes)


def turn_by_turn(module, x, known=None, masks=None):
    """Rows in units of X, each patch rebuilt where it was hidden."""
    rows, _ = module.hidden_once(as_batch(module, x).x, known, masks)
    return module.units.inverse(rows)
