"""The contractive autoencoder."""

from numbers import Integral, Real
from typing import Any

import torch

from .._sklearn import Interval, StrOptions
from ..base.autoencoder import BaseAutoencoder
from ..engine.objectives import Extended
from ..nn.jacobian import squared_jacobian_norm

# contraction="auto": what PCA pays at any code size, as a share of the variance. Its axes have a
# squared norm of one each.
COST_OF_PCA = 0.05
# n_projections="auto": one random direction is enough where codes are large, for a step averages
# over many rows; where they are small, all of them cost little more.
EXACT_UP_TO = 4


class ContractiveObjective(Extended):
    """``objective + contraction * mean over rows of ||J||_F^2``."""

    def __init__(self, objective, contraction, n_projections):
        super().__init__(objective)
        self.contraction = contraction
        self.n_projections = n_projections

    def term(self, output, batch, module):
        generator = None
        if not module.training:  # held-out rows are watched along the same directions every time
            generator = torch.Generator(batch.x.device).manual_seed(0)
        norms = squared_jacobian_norm(module.encoder, batch.x, self.n_projections, generator)
        return self.contraction * batch.mean(norms)


class ContractiveAutoencoder(BaseAutoencoder):
    r"""Learns codes that hardly move when a row moves.

    Minimizes the mean over rows of

    .. math:: \frac{\lVert x - d(e(x)) \rVert^2}{p s^2}
       + \lambda s^2 \lVert J_e(x) \rVert_F^2, \qquad
       J_e(x) = \frac{\partial e(x)}{\partial x},

    for :math:`p` columns, :math:`s` = ``scale_`` and :math:`\lambda` = ``contraction``. The first
    term is the fraction of the variance unexplained, the second the squared length of the code's
    derivatives by standardized rows; neither depends on the unit of X.

    The penalty asks the code to forget every direction, the error to keep those along which rows
    differ from each other. What remains is the manifold that the rows lie on: the code follows it,
    and hardly answers to a step away from it, such as noise.

    Parameters
    ----------
    contraction : float or "auto", default="auto"
        Weight of the penalty. 0 is :class:`Autoencoder`, bit for bit. The penalty is a sum over the
        code, the error a mean over the columns, so that larger codes need a smaller weight: "auto"
        is 0.05 / ``code_size_``, with which PCA would pay 0.05 (its squared norm is the code size).
    n_projections : int, "auto" or None, default="auto"
        Random directions in code space along which a step takes the penalty where it has no closed
        form: an unbiased estimate, whose cost goes with their number. None takes it exactly, along
        each number of the code; "auto" does so for codes of up to 4 numbers, and else draws 1.
        An encoder of one layer has a closed form, which is always taken.
    **other_parameters
        Those of :class:`Autoencoder`, with the same defaults.

    Attributes
    ----------
    loss_curve_, validation_loss_curve_, best_loss_
        As those of :class:`Autoencoder`, with the penalty.
    **other_attributes
        Those of :class:`Autoencoder`.

    Raises
    ------
    ValueError
        If ``contraction`` is negative or ``n_projections`` smaller than 1; and as
        :class:`Autoencoder` does.

    See Also
    --------
    DenoisingAutoencoder : Robust reconstructions rather than robust codes.

    Notes
    -----
    The paper's own model is one layer with a large code: ``hidden_layer_sizes=()``,
    ``code_activation="sigmoid"``, ``shortcut=None`` and ``tied_weights=True``.

    A code that is halved while the decoder's weights are doubled has half the Jacobian and the same
    information. Compare Jacobians between codes relative to the spread of the code, and put a
    ``StandardScaler`` behind `transform` where the scale of the columns matters.

    References
    ----------
    Rifai, Vincent, Muller, Glorot & Bengio: Contractive auto-encoders: explicit invariance during
    feature extraction. ICML 2011.

    Hutchinson: A stochastic estimator of the trace of the influence matrix for Laplacian smoothing
    splines. Communications in Statistics - Simulation and Computation 19, 1990.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.model_selection import train_test_split
    >>> from skae import ContractiveAutoencoder
    >>> from skae.model_selection import reconstruction_r2
    >>> train, test = train_test_split(load_digits().data, random_state=0)
    >>> plain, contractive = (
    ...     ContractiveAutoencoder(
    ...         code_size=8, hidden_layer_sizes=(64,), contraction=c, random_state=0
    ...     ).fit(train)
    ...     for c in (0, "auto")
    ... )
    >>> print(f"{contractive.jacobian_norm(test).mean():.2f} "
    ...       f"{plain.jacobian_norm(test).mean():.2f}")
    0.28 1.18
    >>> print(f"{reconstruction_r2(contractive, test):.2f}")
    0.81
    """

    contraction: Any = "auto"
    n_projections: Any = "auto"

    _asks_of_codes = True
    _objective_parameters = ("contraction", "n_projections")

    _parameter_constraints = {
        "contraction": [Interval(Real, 0, None, closed="left"), StrOptions({"auto"})],
        "n_projections": [
            Interval(Integral, 1, None, closed="left"),
            StrOptions({"auto"}),
            None,
        ],
    }

    def jacobian_norm(self, X):
        r"""How far the code of each row moves with the row: :math:`\lVert J_e(x) \rVert_F`.

        Exact, whatever ``n_projections`` is.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The rows; missing entries are taken as ``fill`` says.

        Returns
        -------
        norms : ndarray of shape (n_samples,)
            In units of the code per unit of X. Noise of standard deviation :math:`\sigma` in every
            entry, if small, moves a code by :math:`\sigma` times its norm (root mean square).
        """
        X = self._check_rows(X)
        return self.net_.map_batches(jacobian_norm, X)

    def _make_objective(self):
        objective = super()._make_objective()
        contraction, n_projections = self.contraction, self.n_projections
        if contraction == 0:
            return objective
        if contraction == "auto":
            contraction = COST_OF_PCA / self.code_size_
        if n_projections == "auto":
            n_projections = None if self.code_size_ <= EXACT_UP_TO else 1
        return ContractiveObjective(objective, contraction, n_projections)


def jacobian_norm(module, x):
    """The norm at rows in units of X, with respect to them."""
    x = module.units(x).nan_to_num_(nan=0.0)
    scale = module.units.of(x)[1]
    largest = scale.max()  # its square could be no number of x's precision
    weights = largest / scale
    return squared_jacobian_norm(module.encoder, x, weights=weights).sqrt() / largest
