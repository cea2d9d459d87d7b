"""The variational autoencoder of choices: what users took, of items that most have never seen."""

from numbers import Real
from typing import Any

import numpy as np
from torch import nn

from .._sklearn import Interval, StrOptions
from ..base.architecture import as_units
from ..base.parameters import first
from ..base.recommender import RecommenderMixin
from ..engine.variational_objective import VariationalObjective
from ..nn.layers import Dropout, UnitLength
from ..nn.likelihoods import SoftmaxLikelihood
from ..rows.given import entries_of
from ..rows.table import SparseTable
from .variational import VariationalAutoencoder


class ChoiceObjective(VariationalObjective):
    """That of :class:`VariationalAutoencoder`; as most of a row is zeros, its nats are few."""

    def margin(self, loss, tol):
        return tol * loss


class MultinomialVariationalAutoencoder(RecommenderMixin, VariationalAutoencoder):
    r"""Recommends items by those that a user has chosen (Mult-VAE).

    A user's row of X counts what he has chosen: clicks, purchases, or 1 for each item that he
    liked. Maximizes

    .. math:: \mathbb E_{q(z|x)} \sum_j x_j \log p_j(z) - \beta \, \mathrm{KL}(q(z|x) \,\|\, p(z)),
       \qquad p_j(z) \propto \bar x_j \exp d_j(z),

    where the encoder is given the row divided by its length, with half of its entries hidden,
    :math:`\bar x_j` is the mean of an item, and :math:`\beta` grows from 0 to a cap. All
    probabilities of a row sum to 1, so that items compete for them, as they do for a place in
    a list of recommendations. Users that were not trained on are recommended to by their rows.

    X may be a scipy sparse matrix, which is made dense a batch of rows at a time. What is not
    stored is 0: not chosen.

    Parameters
    ----------
    code_size : int, default=200
        As in :class:`Autoencoder`.
    hidden_layer_sizes : tuple of int, default=(600,)
        As in :class:`Autoencoder`.
    activation : str, default="tanh"
        As in :class:`Autoencoder`.
    beta : float, default=0.2
        The cap of the weight of the divergence.
    kl_warmup : float, default=0.5
        Share of training in which it is reached.
    input_dropout : float, default=0.5
        Share of a row's entries that are hidden from the encoder in a step of training.
    early_stopping : bool, default=False
        Whether to choose the number of epochs by the choices of held-out users, of which a fifth
        are hidden. Else it is that of ``max_epochs``.
    **other_parameters
        Those of :class:`VariationalAutoencoder`, with the same defaults. The ``likelihood`` is
        "multinomial", and there is no ``shortcut``.

    Attributes
    ----------
    center_ : ndarray of shape (n_features,)
        Mean of each column: how popular an item is.
    validation_loss_curve_ : list of float or None
        Minus the bound on the log probability of choices that were hidden from the net, a fifth of
        those of held-out users, in nats for each column, by epoch.
    **other_attributes
        Those of :class:`VariationalAutoencoder`.

    Raises
    ------
    ValueError
        If X has negative or missing entries or no others than zeros, and as
        :class:`VariationalAutoencoder` does.

    See Also
    --------
    RatingAutoencoder : For how users liked items.

    Notes
    -----
    ``score_samples`` is a bound on the log probability of a row with all constants, those of the
    number of orders of its choices too; where X is not of whole numbers, by the gamma function.

    References
    ----------
    Liang, Krishnan, Hoffman, Jebara: Variational autoencoders for collaborative filtering. WWW
    2018. arXiv:1802.05814.

    Examples
    --------
    >>> import numpy as np
    >>> import scipy.sparse as sp
    >>> from skae import MultinomialVariationalAutoencoder
    >>> rng = np.random.default_rng(0)
    >>> groups = np.repeat([0, 1], 200)
    >>> likes = groups[:, None] == np.repeat([0, 1], 20)
    >>> X = sp.csr_array((rng.random(likes.shape) < np.where(likes, 0.4, 0.02)).astype(float))
    >>> model = MultinomialVariationalAutoencoder(8, hidden_layer_sizes=(32,), random_state=0)
    >>> items, scores = model.fit(X).recommend(X, n_items=3)
    >>> bool(np.mean((items < 20) == (groups[:, None] == 0)) > 0.9)
    True
    """

    code_size: Any = first(default=200)
    hidden_layer_sizes: Any = (600,)
    activation: str = "tanh"
    shortcut: str | None = None
    fill: str = "mean"
    likelihood: str = "multinomial"
    beta: float = 0.2
    kl_warmup: float = 0.5
    input_dropout: float = 0.5
    early_stopping: bool = False

    _parameter_constraints = {
        "likelihood": [StrOptions({"multinomial"})],
        "input_dropout": [Interval(Real, 0, 1, closed="left")],
    }

    _objective = ChoiceObjective
    _formats = (SparseTable,)  # columns are items, and not of several kinds
    _unused = {
        **VariationalAutoencoder._unused,
        "shortcut": "its encoder sees rows of length 1, to which PCA of X does not apply",
    }

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = False
        tags.input_tags.positive_only = True
        tags.estimator_type = None  # checks of outlier detectors take negative numbers
        return tags

    def _check_rows(self, X, reset=False):
        X = super()._check_rows(X, reset)
        self._check_choices(X, "X")
        return X

    def _check_support(self, given, training=True):
        if given.target is not None:
            self._check_choices(given.target, "target")

    def _check_choices(self, rows, name):
        smallest = np.min(entries_of(rows))
        if np.isnan(smallest):
            raise ValueError(
                f"{name} contains NaN: what a user has not chosen is 0. For ratings, of which some "
                "are unknown, take RatingAutoencoder."
            )
        if smallest < 0:
            raise ValueError(
                f"Negative values in data passed to {type(self).__name__}: {name} counts choices, "
                f"but has {smallest:g}."
            )

    def _make_encoder(self, n_outputs):
        unit_length = UnitLength(as_units(self.center_, self.scale_))
        encoder = super()._make_encoder(n_outputs)
        return nn.Sequential(unit_length, Dropout(self.input_dropout), encoder)

    def _make_likelihood(self):
        return SoftmaxLikelihood(self._n_outputs)
