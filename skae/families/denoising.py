"""The denoising autoencoder."""

from numbers import Real
from typing import Any

import torch
from torch import nn

from .._sklearn import Interval, StrOptions
from ..base.architecture import start_rows
from ..base.autoencoder import BaseAutoencoder
from ..base.ordered import OrderedMixin
from ..engine.batches import SparseRows
from ..engine.objectives import Extended
from ..engine.seeds import redirecting
from ..nn.autoencoder import find
from ..nn.layers import NOISES, CustomNoise, Noise

LARGEST = 1e30  # level of noise: float32 can hold its draws


class EmphaticObjective(Extended):
    """``alpha`` times the loss of corrupted entries plus ``beta`` times that of the others."""

    stacks = True

    def __init__(self, objective, alpha, beta):
        super().__init__(objective)
        self.alpha = alpha
        self.beta = beta

    def entries(self, output, batch, module):
        values = super().entries(output, batch, module)
        corrupted = find(module.encoder, Noise).corrupted
        if corrupted is None:  # not in training: held-out rows were corrupted before
            corrupted = batch.x != batch.target
            if module.target_units is not module.units or not corrupted.any():
                return values
        return values * (self.beta + (self.alpha - self.beta) * corrupted.view_as(values))


class DenoisingAutoencoder(OrderedMixin, BaseAutoencoder):
    r"""Learns to rebuild rows from corrupted copies of them.

    Minimizes the mean over rows, and over corruptions :math:`\tilde x \sim q(\tilde x | x)` that
    are drawn anew in every step, of

    .. math:: \lVert x - d(e(\tilde x)) \rVert^2 .

    Rows are corrupted while training only: codes and scores are those of the rows as they
    come. What can be rebuilt from a corrupted row is what its columns say about each other, so
    the codes carry the structure of the table and not its noise, and may be as many as there are
    columns. The number of epochs is chosen on held-out rows that are corrupted once.

    Parameters
    ----------
    code_size : int, float or None, default=None
        Numbers in a code, as in :class:`Autoencoder`. To denoise, more of them do better.
    noise : str, callable or torch.nn.Module, default="gaussian"
        How an entry is corrupted. "gaussian" adds noise to all of them. The others change a share
        of them: "masking" to their column's mean (as a missing entry), "salt_and_pepper" to
        their column's smallest or largest value, "swap" to the value of another row of the batch,
        which suits tables. A callable or ``torch.nn.Module`` maps a tensor of standardized rows to
        its corrupted copy; what it draws by torch's functions comes from the generators of the
        fit. It is not trained.
    noise_level : float, default=0.5
        Of "gaussian": its standard deviation, in units of ``scale_`` (the root of the mean variance
        of the columns). Of the others: the share of entries, in [0, 1]. 0 is
        :class:`Autoencoder`, bit for bit. A noise of your own has its own level.
    emphasis : pair of float, default=None
        Weights of the loss of corrupted entries and of the others,
        :math:`\alpha \sum_{j \in C} (x_j - \hat x_j)^2 + \beta \sum_{j \notin C} (x_j - \hat
        x_j)^2` (Vincent et al., 2010). None is (1, 1). "gaussian" corrupts all entries.
    **other_parameters
        Those of :class:`Autoencoder`, with the same defaults. ``max_epochs="auto"`` is three times
        as many steps.

    Attributes
    ----------
    net_ : skorch.NeuralNet
        The trained net.
    validation_loss_curve_ : list of float or None
        Error of the held-out rows, rebuilt from their corrupted copies, by epoch.
    **other_attributes
        Those of :class:`Autoencoder`.

    Raises
    ------
    ValueError
        If ``noise_level`` is negative or a share above 1, ``emphasis`` is not two weights, and as
        :class:`Autoencoder` does.

    See Also
    --------
    Autoencoder : The same without noise.

    Notes
    -----
    Where pairs of noisy and clean rows are at hand, no noise need be made up:
    ``Autoencoder().fit(noisy, target=clean)``. The two go together.

    References
    ----------
    Vincent, Larochelle, Bengio, Manzagol: Extracting and composing robust features with denoising
    autoencoders. ICML 2008.

    Vincent, Larochelle, Lajoie, Bengio, Manzagol: Stacked denoising autoencoders: learning useful
    representations in a deep network with a local denoising criterion. JMLR 11, 2010.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.model_selection import train_test_split
    >>> from skae import DenoisingAutoencoder
    >>> train, test = train_test_split(load_digits().data, random_state=0)
    >>> noisy = test + 2 * np.random.default_rng(0).normal(size=test.shape)
    >>> autoencoder = DenoisingAutoencoder(code_size=32, random_state=0).fit(train)
    >>> denoised = autoencoder.denoise(noisy)
    >>> print(f"{np.mean((denoised - test) ** 2):.2f} {np.mean((noisy - test) ** 2):.2f}")
    1.71 3.97
    """

    noise: Any = "gaussian"
    noise_level: float = 0.5
    emphasis: Any = None

    _parameter_constraints = {
        "noise": [StrOptions(set(NOISES)), callable],
        "noise_level": [Interval(Real, 0, LARGEST, closed="left")],
        "emphasis": [tuple, list, None],
    }

    def denoise(self, X):
        """The rows of X without their noise: `reconstruct` under its proper name.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Noisy rows; NaN marks entries to be filled.

        Returns
        -------
        X_hat : ndarray of shape (n_samples, `n_outputs_`), or a frame
        """
        return self.reconstruct(X)

    def _check_parameters(self):
        super()._check_parameters()
        if self.noise != "gaussian" and isinstance(self.noise, str) and self.noise_level > 1:
            raise ValueError(
                f"noise_level is the share of entries that noise={self.noise!r} changes, in "
                f"[0, 1], but is {self.noise_level}."
            )
        if self.emphasis is not None and self.ordered:
            raise ValueError(
                "emphasis weighs entries, and ordered=True rows by how much of their code is told: "
                "set one of them back."
            )
        if self.emphasis is not None and not (
            len(self.emphasis) == 2
            and all(isinstance(weight, Real) and weight >= 0 for weight in self.emphasis)
            and sum(self.emphasis) > 0
        ):
            raise ValueError(
                "emphasis must be two weights of at least 0, not both 0: of the corrupted entries "
                f"and of the others; got {self.emphasis}."
            )

    def _learn_units(self, given):
        super()._learn_units(given)
        if self.emphasis is not None and self._n_outputs != self._n_inputs:
            raise ValueError(
                f"emphasis weighs the entries of X in the loss, but target has {self._n_outputs} "
                f"columns and X has {self._n_inputs}: set emphasis=None."
            )

    def _takes_long(self):
        # The gradient is that of a draw, and new noise in every step keeps the net from learning
        # its rows by heart.
        return super()._takes_long() or not isinstance(self.noise, str) or self.noise_level > 0

    def _make_noise(self):
        if isinstance(self.noise, str):
            noise = NOISES[self.noise](self.noise_level)
        else:
            noise = CustomNoise(self.noise() if isinstance(self.noise, type) else self.noise)
        noise.groups = self._format.groups
        return noise

    def _make_encoder(self, n_outputs):
        return nn.Sequential(self._make_noise(), super()._make_encoder(n_outputs))

    def _make_objective(self):
        objective = super()._make_objective()
        return objective if self.emphasis is None else EmphaticObjective(objective, *self.emphasis)

    def _start(self, module, rows):
        find(module.encoder, Noise).learn(rows.x)
        return super()._start(module, rows)

    @torch.no_grad()
    def _hold_out(self, rows):
        """Held-out rows corrupted once: what is watched is how well noise is removed."""
        noise = self._make_noise().to(rows.x.device)
        if isinstance(rows.x, SparseRows):  # noise leaves no row sparse
            rows = start_rows(rows)
        noise.learn(rows.x)
        with redirecting(noise)():
            noisy = noise.train()(rows.x)
        return rows.replace(x=noisy)
