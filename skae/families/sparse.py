"""The sparse autoencoder: L1 and Kullback-Leibler penalties on the code."""

import math
from numbers import Real
from typing import Any

import torch
from torch import nn

from .._sklearn import Interval, StrOptions
from ..base.autoencoder import BaseAutoencoder
from ..base.sparse_codes import SparseCodesMixin
from ..engine.objectives import Extended
from ..nn.layers import ACTIVATIONS
from ..nn.shares import number_of_all

# Rows that the running mean of the activations looks back on: the batch size does not matter.
MEMORY = 1024
# The weight of the penalty grows during this share of training.
WARMUP = 0.25
# The smallest activation where it is bounded, for which the divergence is defined.
LOWEST = {"sigmoid": 0.0, "tanh": -1.0}
# Bounded activations are never quite zero; above this share of their range they count as active.
ACTIVE = 0.1


def warmed_up(sparsity, module):
    """The weight of the penalty: in full after the first part of training.

    From the start it would silence the units before the decoder has learned what they are for.
    """
    return sparsity * min(1.0, module.progress / WARMUP) if module.training else sparsity


class L1Objective(Extended):
    """``objective + sparsity * mean over rows of |code|_1``."""

    def __init__(self, objective, sparsity):
        super().__init__(objective)
        self.sparsity = sparsity

    def term(self, output, batch, module):
        return warmed_up(self.sparsity, module) * batch.mean(output.code.abs().sum(1))


class KLObjective(Extended):
    """``objective + sparsity * sum_j KL(rho || rho_hat_j)``, ``rho_hat`` the mean activations.

    The mean over a batch is a noisy estimate, and the divergence is convex: small batches would be
    punished for their noise. So the divergence is taken at the running mean, while its
    gradient flows through the batch.
    """

    def __init__(self, objective, sparsity, rho, low, code_size):
        super().__init__(objective)
        self.sparsity = sparsity
        self.rho = rho
        self.low = low
        self.register_buffer("running", torch.full((code_size,), torch.nan))

    def term(self, output, batch, module):
        mean = batch.mean_of_all((output.code - self.low) / (1 - self.low))
        if module.training:
            n_rows = number_of_all(len(batch))
            mean = mean + (self.remember(mean.detach(), n_rows) - mean.detach())
        mean = mean.clamp(1e-6, 1 - 1e-6)
        rho = self.rho
        divergence = rho * torch.log(rho / mean) + (1 - rho) * torch.log((1 - rho) / (1 - mean))
        return warmed_up(self.sparsity, module) * divergence.sum()

    def remember(self, mean, n_rows):
        """The running mean, after it has seen the mean of so many rows."""
        later = self.running.lerp(mean, -math.expm1(-n_rows / MEMORY))
        self.running = torch.where(self.running.isnan(), mean, later)
        return self.running


class SparseAutoencoder(SparseCodesMixin, BaseAutoencoder):
    r"""Learns codes in which few units are active at a time.

    Minimizes the mean over rows of

    .. math:: \frac{\lVert x - d(z) \rVert^2}{p s^2} + \lambda \sum_j |z_j|, \qquad z = e(x),

    with ``penalty="l1"``, or with ``penalty="kl"``

    .. math:: \frac{\lVert x - d(z) \rVert^2}{p s^2} + \lambda \sum_j \mathrm{KL}(\rho \,\|\,
        \hat\rho_j), \quad \mathrm{KL}(\rho \,\|\, \hat\rho) = \rho \log \frac{\rho}{\hat\rho} +
        (1 - \rho) \log \frac{1 - \rho}{1 - \hat\rho}, \quad \hat\rho_j = \mathbb E z_j ,

    for :math:`p` columns, :math:`s` = ``scale_`` and :math:`\lambda` = ``sparsity``: the first
    term is the fraction of the variance unexplained, whatever the unit of X. The code may be
    larger than the rows; each row uses a part of it.

    Parameters
    ----------
    code_size : int, float or None, default=None
        Units of the code. None is twice the number of columns.
    penalty : {"l1", "kl"}, default="l1"
        "l1" gives codes with exact zeros; "kl" (in nats) brings the mean activation of every unit
        to ``rho``.
    sparsity : float, default=0.01
        Weight of the penalty.
    rho : float, default=0.05
        Mean activation that "kl" aims at, in (0, 1). The mean is taken over about the last
        thousand rows, so that the batch size does not change what is minimized.
    sparse_output : bool, default=False
        Whether `transform` gives a CSR matrix ("l1" only).
    code_activation : str, default="auto"
        "auto" is "relu" for "l1" and "sigmoid" for "kl", which needs "sigmoid" or "tanh" (there,
        :math:`(z + 1) / 2` is what has a mean of rho).
    hidden_layer_sizes : tuple of int, default=()
        Units of the hidden layers. ``()`` makes the decoder's columns a dictionary.
    shortcut : {"pca", "linear", None}, default=None
        As in :class:`Autoencoder`; PCA is no good start for such codes.
    **other_parameters
        Those of :class:`Autoencoder`, with the same defaults.

    Attributes
    ----------
    mean_activation_ : ndarray of shape (`code_size_`,)
        Of each unit, over the training rows.
    feature_density_ : ndarray of shape (`code_size_`,)
        Share of the training rows in which each unit is active: not zero ("l1"), or above a tenth
        of its range ("kl").
    dead_fraction_ : float
        Share of the units that no training row activates.
    l0_ : float
        Mean number of active units of a training row.
    **other_attributes
        Those of :class:`Autoencoder`.

    Raises
    ------
    ValueError
        If ``sparsity`` is negative, ``rho`` not in (0, 1), the code's activation unbounded for
        "kl", or ``sparse_output`` asked of codes without zeros; and as :class:`Autoencoder` does.

    See Also
    --------
    KSparseAutoencoder : An exact number of active units.
    sklearn.decomposition.MiniBatchDictionaryLearning : Codes found by optimization, row by row.

    References
    ----------
    Olshausen & Field: Emergence of simple-cell receptive field properties by learning a sparse code
    for natural images. Nature 381, 1996.

    Ng: Sparse autoencoder. CS294A lecture notes, Stanford, 2011.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import SparseAutoencoder
    >>> X = load_digits().data
    >>> autoencoder = SparseAutoencoder(code_size=128, sparse_output=True, random_state=0).fit(X)
    >>> Z = autoencoder.transform(X)
    >>> print(f"{Z.nnz / (Z.shape[0] * Z.shape[1]):.2f}")
    0.30
    """

    penalty: str = "l1"
    sparsity: float = 0.01
    rho: float = 0.05
    sparse_output: bool = False
    code_activation: str = "auto"
    shortcut: str | None = None
    hidden_layer_sizes: Any = ()

    _objective_parameters = ("sparsity", "rho")

    _parameter_constraints = {
        "code_activation": [StrOptions({"auto", *ACTIVATIONS})],
        "penalty": [StrOptions({"l1", "kl"})],
        "sparsity": [Interval(Real, 0, None, closed="left")],
        "rho": [Interval(Real, 0, 1, closed="neither")],
        "sparse_output": ["boolean"],
    }

    def _check_parameters(self):
        super()._check_parameters()
        if self.penalty == "kl" and self._code_activation() not in LOWEST:
            raise ValueError(
                f"penalty='kl' needs activations in an interval: code_activation='sigmoid' or "
                f"'tanh', got {self.code_activation!r}."
            )
        if self.sparse_output and self._code_activation() != "relu":
            raise ValueError(
                "sparse_output=True needs codes with zeros, which code_activation='relu' gives "
                f"('auto' with penalty='l1'), and {self._code_activation()!r} does not."
            )

    def _default_code_size(self, n_features):
        return 2 * n_features

    def _code_activation(self):
        if self.code_activation == "auto":
            return "relu" if self.penalty == "l1" else "sigmoid"
        return self.code_activation

    def _start(self, module, rows):
        if self.penalty == "kl":  # units that start far from rho overshoot it and saturate
            linears = [m for m in module.encoder.modules() if isinstance(m, nn.Linear)]
            nn.init.constant_(linears[-1].bias, math.log(self.rho / (1 - self.rho)))
        return super()._start(module, rows)

    def _make_objective(self):
        objective = super()._make_objective()
        if self.penalty == "l1":
            return L1Objective(objective, self.sparsity)
        low = LOWEST[self._code_activation()]
        return KLObjective(objective, self.sparsity, self.rho, low, self.code_size_)

    def _is_active(self, codes):
        if self.penalty == "l1":
            return codes != 0
        low = LOWEST[self._code_activation()]
        return codes > low + ACTIVE * (1 - low)
