"""The variational autoencoder of choices: what users took, of items that most have never seen."""

from numbers import Real
from typing import Any

import numpy as np
import torch
from torch import nn

from .._sklearn import Interval, StrOptions
from ..base.architecture import as_units
from ..base.ease import (
    RIDGE_BESIDE,
    WEIGHT,
    WEIGHTS,
    Ease,
    as_matrix,
    choose_ridge,
    hide,
    mixed,
    ndcg,
)
from ..base.parameters import first
from ..base.recommender import RecommenderMixin
from ..engine.batches import SparseRows
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
    ease_weight : "auto" or float, default="auto"
        Share of EASE in the scores of `recommend`, from 0, the net alone, to 1. EASE is the linear
        model of each item by all others, learned in closed form from the same users. "auto" is
        0.5; with ``early_stopping=True`` the share by which held-out users are recommended to
        best. Not used with a ``target``. ``ease_weight=1, max_epochs=0`` is EASE alone, in seconds.
    ease_ridge : "auto" or float, default="auto"
        Its ridge, in units of X squared. "auto" is chosen by held-out users.
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
    ease_weight_ : float
        The share of EASE; 0 without it, where the others are None.
    ease_items_ : ndarray of shape (n_ease_items,)
        The items that EASE takes part in: the 5 000 chosen most.
    ease_precision_ : ndarray of shape (n_ease_items, n_ease_items)
        The inverse of their Gram matrix with the ridge, of which EASE's weights follow.
    ease_ridge_ : float
        The ridge, in units of `scale_` squared.
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

    `recommend` takes the mean of two scores, each standardized within a user: the probabilities of
    the net, and EASE's :math:`x B` with :math:`B = I - P / \mathrm{diag}(P)`,
    :math:`P = (X^\top X + \lambda I)^{-1}`. They err differently: the mean is better than both.
    `partial_fit` adds its users to EASE. All other methods are the net's.

    References
    ----------
    Liang, Krishnan, Hoffman, Jebara: Variational autoencoders for collaborative filtering. WWW
    2018. arXiv:1802.05814.

    Steck: Embarrassingly shallow autoencoders for sparse data. WWW 2019. arXiv:1905.03375.

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
    >>> print(f"{np.mean((items < 20) == (groups[:, None] == 0)):.2f}")
    1.00
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
    ease_weight: Any = "auto"
    ease_ridge: Any = "auto"
    early_stopping: bool = False

    _streams = False  # EASE is of all choices
    _parameter_constraints = {
        "likelihood": [StrOptions({"multinomial"})],
        "input_dropout": [Interval(Real, 0, 1, closed="left")],
        "ease_weight": [StrOptions({"auto"}), Interval(Real, 0, 1, closed="both")],
        "ease_ridge": [StrOptions({"auto"}), Interval(Real, 0, None, closed="neither")],
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

    # -- EASE -------------------------------------------------------------------------------------

    def _fit(self, given, net=None):
        self._held_out_weight = WEIGHT
        super()._fit(given, net)
        return self._keep_ease(self._make_ease(given))

    def _partial_fit(self, given, net=None):
        super()._partial_fit(given, net)
        if net is None:
            self._held_out_weight = WEIGHT
            return self._keep_ease(self._make_ease(given))
        return self._keep_ease(self._ease and self._ease.after(self._choices(given)))

    @property
    def _ease(self):
        """EASE, or None if there is none, as in files of before it."""
        if getattr(self, "ease_items_", None) is None:
            return None
        return Ease(self.ease_items_, self.ease_precision_, self.ease_ridge_)

    def _choices(self, given):
        """The rows in units of ``scale_``, as a matrix: their squares are far from overflow."""
        return as_matrix(given.by_weight().X) / self.scale_

    def _make_ease(self, given):
        if given.target is not None or self.ease_weight == 0:
            return None
        X, ridge = self._choices(given), self.ease_ridge
        if ridge == "auto":
            beside = 1.0 if self.ease_weight == 1 else RIDGE_BESIDE
            return Ease.of(X, beside * choose_ridge(X, self._seed))
        return Ease.of(X, float(ridge) / self.scale_**2)

    def _keep_ease(self, path):
        weight = self._held_out_weight if self.ease_weight == "auto" else self.ease_weight
        self.ease_weight_ = float(weight) if path else 0.0
        self.ease_items_, self.ease_precision_, self.ease_ridge_ = path or (None, None, None)
        return self

    def _choose_epochs(self, given, *args):
        """Choose the share of EASE as well, by the same held-out users."""
        choice = super()._choose_epochs(given, *args)
        if self.ease_weight == "auto" and given.target is None:
            found = [
                self._tried(net, self._make_ease(given.take(kept)), given.take(held).by_weight())
                for net, (kept, held) in zip(choice.nets, self._splits(len(given.X)), strict=True)
            ]
            self._held_out_weight = WEIGHTS[int(np.mean(found, axis=0).argmax())]
        return choice

    def _tried(self, net, path, given):
        """How good the recommendations of each weight are, to users that are new to both."""
        shown, hidden = hide(as_matrix(given.X), np.random.default_rng(self._seed))
        x = SparseRows(shown) if isinstance(given.X, SparseRows) else shown.toarray()
        of_net = net.map_batches(super()._preferences, *given._replace(X=x).inputs)
        of_net, of_path = torch.from_numpy(of_net), path(torch.from_numpy(shown.toarray()))
        return [ndcg(mixed(of_net, of_path, weight), shown, hidden) for weight in WEIGHTS]

    def _preferences(self, module, x, *beside):
        liked = super()._preferences(module, x, *beside)
        path = self._ease
        return mixed(liked, path(x), self.ease_weight_) if path else liked
