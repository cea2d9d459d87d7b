"""The vector-quantized autoencoder: codes of vectors from a learned codebook."""

from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
from sklearn.cluster import MiniBatchKMeans
from sklearn.utils.validation import check_array, check_is_fitted

from .._sklearn import Interval, StrOptions
from ..base.architecture import start_rows
from ..base.autoencoder import BaseAutoencoder
from ..engine.objectives import Extended
from ..nn.vector_quantizer import VectorQuantizedEncoderDecoder, VectorQuantizer

# Rows whose codes the codebook starts from.
START_ROWS = 4096
# Of the vectors, if nothing is said: the first that divides the code.
LARGEST_SIZES = (4, 3, 2, 1)


class CommitmentObjective(Extended):
    """``objective + commitment * |z - nearest vector|^2``, mean over the numbers of the code."""

    def __init__(self, objective, commitment):
        super().__init__(objective)
        self.commitment = commitment

    def term(self, output, batch, module):
        distances = (output.continuous - output.code.detach()).square()
        return self.commitment * batch.mean(distances).mean()


class VectorQuantizedAutoencoder(BaseAutoencoder):
    r"""Learns codes that consist of vectors from a codebook: rows in a few whole numbers.

    Minimizes the mean over rows of

    .. math:: \frac{\lVert x - d(q(z)) \rVert^2}{p s^2} +
        \beta \, \frac{\lVert z - q(z) \rVert^2}{m}, \qquad z = e(x),

    for :math:`p` columns, codes of :math:`m` numbers, :math:`s` = ``scale_`` and :math:`\beta` =
    ``commitment``. :math:`q` replaces each piece of ``embedding_size`` numbers by the nearest
    vector of the codebook; the gradient passes it as if it were the identity. The vectors are
    running means of the pieces that choose them. It starts at PCA, quantized by k-means.

    Parameters
    ----------
    code_size : int, float or None, default=None
        Numbers in a code, a multiple of ``embedding_size``. A float or None, as in
        :class:`Autoencoder`, is rounded up to one.
    codebook_size : int, default=256
        Vectors in the codebook. A code has ``code_size / embedding_size * log2(codebook_size)``
        bits.
    embedding_size : int or "auto", default="auto"
        Numbers in a vector. "auto" is the largest number up to 4 that divides ``code_size``.
    commitment : float, default=0.25
        Weight of the distance between codes and their vectors.
    decay : float, default=0.95
        Share of the running means that is kept at each step.
    output : {"vectors", "indices", "bytes"}, default="vectors"
        What `transform` gives and `inverse_transform` takes: the vectors of a code one after the
        other, or their numbers in the codebook, as int64 or in the smallest unsigned type: a byte
        for each up to a ``codebook_size`` of 256, two up to 65 536.
    **other_parameters
        Those of :class:`Autoencoder`, with the same defaults.

    Attributes
    ----------
    codebook_ : ndarray of shape (codebook_size, `embedding_size_`)
        The vectors.
    embedding_size_ : int
        Numbers in a vector.
    perplexity_ : float
        How many vectors the training rows use, as the exponential of the entropy of their choice:
        1 if they all choose the same, ``codebook_size`` if they choose all equally often.
    **other_attributes
        Those of :class:`Autoencoder`.

    Raises
    ------
    ValueError
        If ``code_size`` is no multiple of ``embedding_size``, if `inverse_transform` is given
        numbers of no vector, and as :class:`Autoencoder` does.

    See Also
    --------
    VariationalAutoencoder : Continuous codes with a prior.
    sklearn.cluster.KMeans : One vector for the whole row.

    References
    ----------
    van den Oord, Vinyals, Kavukcuoglu: Neural discrete representation learning. NIPS 2017.
    arXiv:1711.00937.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import VectorQuantizedAutoencoder
    >>> X = load_digits().data
    >>> autoencoder = VectorQuantizedAutoencoder(code_size=16, output="indices", random_state=0)
    >>> Z = autoencoder.fit_transform(X)
    >>> Z.shape
    (1797, 4)
    >>> autoencoder.inverse_transform(Z).shape
    (1797, 64)
    """

    codebook_size: int = 256
    embedding_size: Any = "auto"
    commitment: float = 0.25
    decay: float = 0.95
    output: str = "vectors"

    _objective_parameters = ("commitment",)

    _needs_copies = "the codebook is a running mean over rows"

    _parameter_constraints = {
        "codebook_size": [Interval(Integral, 1, None, closed="left")],
        "embedding_size": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "commitment": [Interval(Real, 0, None, closed="left")],
        "decay": [Interval(Real, 0, 1, closed="left")],
        "output": [StrOptions({"vectors", "indices", "bytes"})],
    }

    _module_class = VectorQuantizedEncoderDecoder
    _asks_of_codes = True

    def transform(self, X):
        """Codes of the rows of X: vectors of the codebook, or their numbers.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows; missing entries are taken as ``fill`` says.

        Returns
        -------
        X_new : ndarray of shape (n_samples, `code_size_`), or of integers, of shape \
                (n_samples, `code_size_` / `embedding_size_`)
        """
        if self.output == "vectors":
            return super().transform(X)
        return self._numbered(self._indices(self._inputs(X)))

    def _numbered(self, indices):
        """Numbers of vectors in the type that ``output`` asks for."""
        if self.output == "indices":
            return indices
        return indices.astype(np.min_scalar_type(self.codebook_size - 1))

    def inverse_transform(self, X):
        """The rows that codes stand for.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_numbers)
            Codes, as `transform` gives them.

        Returns
        -------
        X_original : ndarray of shape (n_samples, `n_outputs_`), or a frame
            As :meth:`Autoencoder.inverse_transform` gives it.
        """
        if self.output != "vectors":
            X = self._look_up(X)
        return super().inverse_transform(X)

    def _look_up(self, indices):
        """The vectors of valid numbers, one after the other."""
        check_is_fitted(self)
        indices = check_array(indices)
        n, largest = self.code_size_ // self.embedding_size_, self.codebook_size - 1
        if indices.shape[1] != n or np.any(
            (indices < 0) | (indices > largest) | (indices != np.round(indices))
        ):
            raise ValueError(
                f"X must be {n} integers from 0 to {largest} a row, the numbers of vectors of "
                f"codebook_ that transform gives; found shape {indices.shape}, values from "
                f"{indices.min():g} to {indices.max():g}."
            )
        return self.codebook_[indices.astype(int)].reshape(len(indices), -1)

    def _indices(self, given):
        return self.net_.map_batches(lambda module, x: module.encode_indices(x), given.X)

    @property
    def _n_features_out(self):
        pieces = self.embedding_size_ if self.output != "vectors" else 1
        return self.code_size_ // pieces

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        if self.output != "vectors":
            tags.transformer_tags.preserves_dtype = []
        return tags

    def _learn_units(self, given):
        super()._learn_units(given)
        size = self.embedding_size
        if size == "auto":
            whole = isinstance(self.code_size, Integral)
            size = next(n for n in LARGEST_SIZES if not whole or self.code_size % n == 0)
        self.embedding_size_ = size
        if isinstance(self.code_size, Integral) and self.code_size % size:
            raise ValueError(
                f"code_size={self.code_size} is no multiple of embedding_size={size}: a code "
                "consists of whole vectors."
            )
        self.code_size_ = -(-self.code_size_ // size) * size

    def _join(self, *parts):
        quantizer = VectorQuantizer(self.codebook_size, self.embedding_size_, self.decay)
        return self._module_class(quantizer, *parts)

    def _make_objective(self):
        return CommitmentObjective(super()._make_objective(), self.commitment)

    def _start(self, module, rows):
        module = super()._start(module, rows)
        with torch.no_grad():
            x = start_rows(rows).x.cpu()
            x = x[:: -(-len(x) // START_ROWS)]
            pieces = module.quantizer.pieces(module.encoder(x)).flatten(0, 1)
        distinct = pieces.unique(dim=0)
        n = min(self.codebook_size, len(distinct))
        centers = distinct
        if n < len(distinct):
            means = MiniBatchKMeans(n, n_init=1, random_state=self._seed).fit(pieces.numpy())
            centers = torch.from_numpy(means.cluster_centers_)
        # More vectors than pieces: the rest are the same once more, and move when there is use.
        module.quantizer.start_at(centers[torch.arange(self.codebook_size) % n])
        return module

    def _keep(self, given, *args, **kwargs):
        super()._keep(given, *args, **kwargs)
        self.codebook_ = self.net_.module_.quantizer.codebook.cpu().numpy().copy()
        counts = np.bincount(self._indices(given).ravel(), minlength=self.codebook_size)
        shares = counts[counts > 0] / counts.sum()
        self.perplexity_ = float(np.exp(-(shares * np.log(shares)).sum()))

    def _draw_codes(self, n_samples, random_state):
        """Drawn from a density of vectors, and then moved to the nearest ones."""
        codes = super()._draw_codes(n_samples, random_state)
        codes = self.net_.map_batches(
            lambda module, z: module.quantizer.look_up(module.quantizer.indices(z)), codes
        )
        if self.output == "vectors":
            return codes
        indices = self.net_.map_batches(lambda module, z: module.quantizer.indices(z), codes)
        return self._numbered(indices)
