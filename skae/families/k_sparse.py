"""The k-sparse autoencoder: the k largest entries of a code are kept."""

import math
from numbers import Integral, Real
from typing import Any

import torch
from torch import nn

from .._sklearn import Interval, StrOptions
from ..base.architecture import start_rows
from ..base.autoencoder import BaseAutoencoder
from ..base.sparse_codes import SparseCodesMixin
from ..engine.objectives import Extended, observed_mean
from ..nn.autoencoder import find
from ..nn.mlp import MLP
from ..nn.top_k import SELECTIONS, Shift, TopKEncoderDecoder, UnitLinear, top_k

# The annealed k starts at this many times its target.
FIRST_K = 4
# A unit is expected to be kept once in code_size / k rows; after so many times that, it is dead.
DEAD_AFTER = 100
# The geometric median is learned on so many rows at most.
MEDIAN_ROWS = 10_000
MEDIAN_STEPS = 50


class AuxKObjective(Extended):
    """``objective + aux_weight * mean (residual - residual_hat)^2``, rebuilt by dead units alone.

    A unit that is never among the largest has no gradient and stays dead. Here the ``aux_k``
    largest of the dead units model what the others left over (Gao et al., 2024).
    """

    def __init__(self, objective, aux_weight, aux_k, dead_after):
        super().__init__(objective)
        self.aux_weight = aux_weight
        self.aux_k = aux_k
        self.dead_after = dead_after

    def term(self, output, batch, module):
        if not (module.training and self.aux_weight):
            return None
        dead = module.idle > self.dead_after
        if dead.device.type == "cpu" and not dead.any():  # elsewhere asking is what takes time
            return None
        # Of units that live nothing is left, though for want of dead ones they are the largest.
        activations = output.activations.masked_fill(~dead, -torch.inf)
        code = top_k(activations, min(self.aux_k, len(dead))).masked_fill(~dead, 0.0)
        nothing = module.decoder(torch.zeros_like(code[:1]))
        residual = (batch.target - output.reconstruction).detach()
        rest = (residual - (module.decoder(code) - nothing)).square()
        return self.aux_weight * dead.any() * batch.mean(observed_mean(rest, batch.observed))


class KSparseAutoencoder(SparseCodesMixin, BaseAutoencoder):
    r"""Learns codes of which the k largest entries are kept and the others are zero.

    Minimizes the mean over rows of

    .. math:: \lVert x - \hat x \rVert^2, \qquad \hat x = W^\top \mathrm{top}_k(W (x - b) + c) + b,

    where :math:`\mathrm{top}_k` keeps the k largest entries. `transform` keeps the
    :math:`\alpha k` largest.

    Parameters
    ----------
    code_size : int, float or None, default=None
        Units of the code. None is twice the number of columns.
    k : int or "auto", default="auto"
        Entries that are kept. "auto" is a sixteenth of the code.
    alpha : float, default=1.0
        `transform` keeps ``alpha * k`` entries, rounded; the paper has 3 for classification.
        Training, `reconstruct` and the scores keep k.
    k_schedule : {"linear", "constant"}, default="linear"
        "linear" starts training with 4 k entries and comes down to k in its first half, so that
        fewer units are left behind.
    selection : {"topk", "batchtopk"}, default="topk"
        "topk" keeps exactly k entries of each row. "batchtopk" trains with the k n largest of
        a batch of n rows, so that hard rows may use more; the smallest that was kept becomes a
        threshold, and a row's code does not depend on its neighbors in the call.
    unit_norm : bool, default=False
        Whether each unit's direction, its column of the decoder, has length one.
    pre_bias : {"geometric_median", "median", "mean"}, default="geometric_median"
        Where :math:`b` starts.
    aux_weight : float, default=1/32
        Weight of the auxiliary loss, in which dead units rebuild what the others left over: without
        a gradient they would stay dead. 0 leaves it out.
    aux_k : int or "auto", default="auto"
        Dead units that take part for a row. "auto" is half the number of columns.
    dead_after : int or "auto", default="auto"
        A unit that was not kept in so many training rows is dead. "auto" is ``100 * code_size / k``
        rows, of which the average unit is kept in a hundred.
    sparse_output : bool, default=False
        Whether `transform` gives a CSR matrix.
    hidden_layer_sizes : tuple of int, default=()
        Units of the hidden layers; the paper has none.
    tied_weights : bool, default=True
        Whether the decoder's weights are the encoder's, transposed.
    shortcut : {"linear", None}, default=None
        As in :class:`Autoencoder`.
    **other_parameters
        Those of :class:`Autoencoder`, with the same defaults.

    Attributes
    ----------
    k_ : int
        Entries that are kept.
    mean_activation_ : ndarray of shape (`code_size_`,)
        Of each unit, over the training rows.
    feature_density_ : ndarray of shape (`code_size_`,)
        Share of the training rows in whose code each unit is kept.
    dead_fraction_ : float
        Share of the units that are kept in no training row.
    l0_ : float
        Mean number of entries of a training row's code that are not zero.
    **other_attributes
        Those of :class:`Autoencoder`.

    Raises
    ------
    ValueError
        If k is below 1 or above the code size, ``alpha`` below 1, and as :class:`Autoencoder` does.

    See Also
    --------
    SparseAutoencoder : Sparsity by a penalty.

    References
    ----------
    Makhzani & Frey: k-sparse autoencoders. ICLR 2014. arXiv:1312.5663.

    Gao, Dupré la Tour, Tillman, Goh, Troll, Radford, Sutskever, Leike, Wu: Scaling and evaluating
    sparse autoencoders. arXiv:2406.04093, 2024.

    Bussmann, Leask, Nanda: BatchTopK sparse autoencoders. arXiv:2412.06410, 2024.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import KSparseAutoencoder
    >>> X = load_digits().data
    >>> autoencoder = KSparseAutoencoder(code_size=128, k=8, random_state=0).fit(X)
    >>> autoencoder.l0_
    8.0
    """

    k: Any = "auto"
    alpha: float = 1.0
    k_schedule: str = "linear"
    selection: str = "topk"
    unit_norm: bool = False
    pre_bias: str = "geometric_median"
    aux_weight: float = 1 / 32
    aux_k: Any = "auto"
    dead_after: Any = "auto"
    sparse_output: bool = False
    hidden_layer_sizes: Any = ()
    tied_weights: bool = True
    shortcut: str | None = None

    _parameter_constraints = {
        "k": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "alpha": [Interval(Real, 1, None, closed="left")],
        "k_schedule": [StrOptions({"linear", "constant"})],
        "selection": [StrOptions(set(SELECTIONS))],
        "unit_norm": ["boolean"],
        "pre_bias": [StrOptions({"geometric_median", "median", "mean"})],
        "aux_weight": [Interval(Real, 0, None, closed="left")],
        "aux_k": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "dead_after": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "sparse_output": ["boolean"],
    }

    _module_class = TopKEncoderDecoder

    def _default_code_size(self, n_features):
        return 2 * n_features

    def _check_parameters(self):
        super()._check_parameters()
        if self.unit_norm and (self.shortcut is not None or self.encoder or self.decoder):
            raise ValueError(
                "unit_norm=True scales the built-in layers: it cannot be combined with a "
                "shortcut, or an encoder= or decoder= of your own."
            )

    def _learn_units(self, given):
        super()._learn_units(given)
        self.k_ = max(1, self.code_size_ // 16) if self.k == "auto" else self.k
        if self.k_ > self.code_size_:
            raise ValueError(
                f"k={self.k} entries cannot be kept of codes of {self.code_size_} numbers: lower k "
                "or raise code_size."
            )

    def _make_encoder(self, n_outputs):
        encoder = super()._make_encoder(n_outputs)
        if self.unit_norm and self.tied_weights:
            mlp = find(encoder, MLP)
            mlp[-1] = UnitLinear(mlp[-1], dim=1)
        bias = nn.Parameter(torch.zeros(self._n_inputs))
        return nn.Sequential(Shift(bias, -1), encoder)

    def _make_decoder(self, encoder):
        decoder = super()._make_decoder(encoder)
        if self.unit_norm and not self.tied_weights:
            mlp = find(decoder, MLP)
            mlp[0] = UnitLinear(mlp[0], dim=0)
        if self._paired:
            return decoder
        return nn.Sequential(decoder, Shift(find(encoder, Shift).bias, +1))

    def _join(self, *parts):
        k_encode = min(round(self.alpha * self.k_), self.code_size_)
        selection = SELECTIONS[self.selection](self.k_, k_encode)
        first = self.k_ if self.k_schedule == "constant" else FIRST_K * self.k_
        schedule = Annealed(min(first, self.code_size_), self.k_)
        return self._module_class(selection, schedule, self.code_size_, *parts)

    def _make_objective(self):
        aux_k = self.aux_k if self.aux_k != "auto" else math.ceil(self._n_inputs / 2)
        dead_after = self.dead_after
        if dead_after == "auto":
            dead_after = DEAD_AFTER * self.code_size_ // self.k_
        return AuxKObjective(super()._make_objective(), self.aux_weight, aux_k, dead_after)

    def _start(self, module, rows):
        if self.pre_bias != "mean":
            x = start_rows(rows).x
            x = x[:: max(1, len(x) // MEDIAN_ROWS)]
            center = x.median(0).values if self.pre_bias == "median" else geometric_median(x)
            find(module.encoder, Shift).bias.data.copy_(center)
        return super()._start(module, rows)


class Annealed:
    """k by the share of training that is done: falls to its target in the first half."""

    def __init__(self, first, last):
        self.first = first
        self.last = last
        self.settled = 0.5 if first > last else 0.0

    def __call__(self, progress):
        if progress >= self.settled:
            return self.last
        return round(self.last + (self.first - self.last) * (1 - progress / self.settled))


def geometric_median(x):
    """The point with the smallest mean distance to the rows (Weiszfeld, 1937)."""
    center = x.mean(0)
    for _ in range(MEDIAN_STEPS):
        weights = 1 / (x - center).norm(dim=1).clamp(min=1e-6)
        center = weights @ x / weights.sum()
    return center
