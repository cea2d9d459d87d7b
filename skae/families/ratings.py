"""The autoencoder of ratings: most entries are unknown, and these are what is asked for."""

from numbers import Real
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted
from torch import nn

from .._sklearn import Interval, StrOptions
from ..base.architecture import as_units
from ..base.autoencoder import BaseAutoencoder
from ..base.parameters import first
from ..base.recommender import RecommenderMixin
from ..engine.batches import SparseRows
from ..engine.net import AutoencoderNet
from ..engine.objectives import Extended, observed_mean
from ..nn.autoencoder import BiasedEncoderDecoder
from ..nn.fold_in import FoldIn
from ..nn.layers import Dropout
from ..nn.shares import number_of_all, sum_of_all
from ..rows.given import Given
from ..rows.reading import as_sparse_rows
from ..rows.table import Ratings
from ..rows.units import ROUNDINGS, check_largest

# The bias of a user or an item is the mean of its ratings and of so many that are as expected.
SHRINKAGE = 5.0
# Rounds in which the biases of users and items are fitted to what the others leave.
N_ROUNDS = 10
# What training on the transposed X has learned for users too.
OF_ITEMS = (
    "code_size_",
    "scale_",
    "target_scale_",
    "n_iter_",
    "best_loss_",
    "loss_curve_",
    "validation_loss_curve_",
    "device_",
)


class RatingObjective(Extended):
    """The mean over the ratings of a batch, not over its rows: each rating counts the same."""

    def average(self, entries, observed):
        if observed is None:
            return entries.mean(-1)
        n_rows, n_ratings = number_of_all(len(entries)), sum_of_all(observed.sum())
        return entries.where(observed, 0.0).sum(-1) * n_rows / n_ratings.clamp(min=1)

    def row_error(self, output, batch, module):
        return observed_mean(self.entries(output, batch, module), batch.observed)


class RatingAutoencoder(RecommenderMixin, BaseAutoencoder):
    r"""Predicts ratings that are not known from those that are (AutoRec), and recommends items.

    Minimizes, over the observed ratings :math:`r_{ui}` only,

    .. math:: \sum_{(u, i) \in \Omega} (r_{ui} - \hat r_{ui})^2, \qquad
       \hat r_{ui} = \mu + b_i + b_u + d(e(r_u))_i,

    where :math:`e(r_u)` is a layer of sigmoid units that sees the ratings of a user, those unknown
    at the item's center, :math:`d` is linear, and the biases :math:`b` of items and users are
    shrunk means. So a user needs no training to be recommended something: his ratings suffice.

    In a scipy sparse X, a stored entry is an observed rating (a stored zero is a rating of 0), and
    what is not stored is unknown. A dense X has NaN for unknown ratings, and its zeros are ratings
    of 0. X is never made dense but for a batch of rows.

    Parameters
    ----------
    code_size : int, default=500
        Units of the layer; with ``biases``, the last number of a code is the user's bias.
    based_on : {"users", "items"}, default="users"
        Whose ratings the net sees. "items": it is trained on the columns of X, an item being
        described by the users who rated it; the last layer then has a vector for each user. A
        user's own vector is found by ridge regression of his ratings on the codes of the items,
        so that `recommend` and all other methods take new users here too; `predict_ratings`
        without X uses the net's own vectors.
    biases : bool, default=True
        Whether to take away the biases of users and items first. Without them it is the mean
        rating that is.
    input_dropout : float, default=0.0
        Share of the ratings that are hidden from the net in a step of training.
    keep_training_rows : bool, default=True
        Whether the ratings of `fit` are part of the fitted estimator, of its pickles and of the
        files of `save`, so that `predict_ratings` needs no X for its users.
    dropout : float, default=0.05
        Share of the units that are silent in a step of training, of all layers.
    weight_decay : float, default=0.001
        Added to the loss as :math:`\lVert W \rVert^2 / 2`, as `optimizer="adam"` does.
    early_stopping : bool, default=False
        Whether to choose the number of epochs by the ratings of held-out users, of which a fifth
        are hidden. Else it is that of ``max_epochs``.
    **other_parameters
        Those of :class:`Autoencoder`, with the defaults ``hidden_layer_sizes=()``,
        ``code_activation="sigmoid"``, ``optimizer="adam"``. There is no ``shortcut``, and there
        are no ``tied_weights``.

    Attributes
    ----------
    center_ : ndarray of shape (n_features,)
        :math:`\mu + b_i`: what is expected of an item.
    rating_range_ : tuple of float
        The smallest and the largest rating of `fit`.
    items_ : RatingAutoencoder
        With ``based_on="items"``, the same model of the transposed X, whose ``net_`` was trained.
    validation_loss_curve_ : list of float or None
        Mean squared error of ratings that were hidden from the net, a fifth of those of held-out
        users, in units of ``scale_``, by epoch.
    **other_attributes
        Those of :class:`Autoencoder`.

    Raises
    ------
    ValueError
        If X has no rating, and as :class:`Autoencoder` does.

    See Also
    --------
    MultinomialVariationalAutoencoder : For what users have chosen, rather than how they liked it.

    References
    ----------
    Sedhain, Menon, Sanner, Xie: AutoRec: autoencoders meet collaborative filtering. WWW 2015.

    Koren, Bell, Volinsky: Matrix factorization techniques for recommender systems. Computer 42,
    2009.

    Examples
    --------
    >>> import numpy as np
    >>> import scipy.sparse as sp
    >>> from skae import RatingAutoencoder
    >>> rng = np.random.default_rng(0)
    >>> taste = np.sign(rng.normal(size=(300, 2)) @ rng.normal(size=(2, 40)))
    >>> X = sp.csr_array(np.where(rng.random(taste.shape) < 0.4, 3 + taste, 0))
    >>> model = RatingAutoencoder(random_state=0).fit(X)
    >>> unknown = X.toarray() == 0
    >>> print(f"{np.mean((model.reconstruct(X) - 3 - taste)[unknown] ** 2):.2f}")
    0.34
    >>> items, scores = model.recommend(X[:2], n_items=3)
    >>> items.shape
    (2, 3)
    >>> model.predict_ratings([0, 0, 1], [5, 6, 5]).shape
    (3,)
    """

    code_size: Any = first(default=500)
    hidden_layer_sizes: Any = ()
    code_activation: str = "sigmoid"
    shortcut: str | None = None
    fill: str = "mean"
    dropout: float = 0.05
    optimizer: Any = "adam"
    weight_decay: float = 1e-3
    based_on: str = "users"
    biases: bool = True
    input_dropout: float = 0.0
    keep_training_rows: bool = True
    early_stopping: bool = False

    _streams = False  # biases are of all ratings
    _parameter_constraints = {
        "based_on": [StrOptions({"users", "items"})],
        "biases": ["boolean"],
        "input_dropout": [Interval(Real, 0, 1, closed="left")],
        "keep_training_rows": ["boolean"],
    }

    _formats = (Ratings,)
    _own_target = "predicts the ratings of X"
    _unused = {
        "shortcut": "unknown ratings are no zeros, so there is no linear path to start with",
        "tied_weights": "its code has a number, the bias, that its encoder does not give",
    }

    _keeps_order = True  # users are told by their row, and ratings are of single users

    def fit(self, X, y=None, *, target=None):
        """Learn to predict the ratings of users that are not known.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_users, n_features)
            Ratings; NaN, or what is not stored in a sparse X, is not known.
        y : None
            Ignored.
        target : None
            Not available.

        Returns
        -------
        self : object
        """
        return super().fit(X, y, target=target)

    def partial_fit(self, X, y=None, *, target=None):
        """Train for one pass over X; what `fit` learns before it trains is of the first call.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_users, n_features)
            Ratings of users, of this call.
        y : None
            Ignored.
        target : None
            Not available.

        Returns
        -------
        self : object
        """
        return super().partial_fit(X, y, target=target)

    def predict_ratings(self, users, items, X=None):
        """Expected ratings of single items by single users.

        Parameters
        ----------
        users, items : int or array-like of int
            Rows and columns; the shorter is repeated, as numpy broadcasts.
        X : {array-like, sparse matrix} of shape (n_users, n_features), default=None
            The rows that ``users`` counts. None are those of `fit`.

        Returns
        -------
        ratings : ndarray
            Of the shape of both, within ``rating_range_``.

        Raises
        ------
        ValueError
            If there is no such row or column; without X, if the ratings were not kept.
        """
        check_is_fitted(self)
        if X is None and self.based_on == "items":
            return self.items_.predict_ratings(items, users)
        if X is None and self._ratings is None:
            raise ValueError(
                "The ratings of fit were not kept, as keep_training_rows=False asks: give the rows "
                "that users counts, X=."
            )
        rows = self._ratings if X is None else self._check_rows(X)
        users, items = (
            as_numbers(users, "users", len(rows)),
            as_numbers(items, "items", rows.shape[1]),
        )
        try:
            users, items = np.broadcast_arrays(users, items)
        except ValueError:
            raise ValueError(
                f"users and items must be of one shape, or one of them a single number: they have "
                f"the shapes {users.shape} and {items.shape}."
            ) from None
        shape, users, items = users.shape, users.ravel(), items.ravel()
        asked, users = np.unique(users, return_inverse=True)
        order, start = np.argsort(users, kind="stable"), 0
        users = users[order]
        asked = rows[asked]
        given = Given(asked, None, self._condition(asked))
        ratings = np.empty(len(users), dtype=rows.dtype)
        for part in self.net_.map_slices(self._preferences, *given.inputs):
            here = slice(*np.searchsorted(users, (start, start + len(part))))
            ratings[order[here]] = part[users[here] - start, items[order[here]]]
            start += len(part)
        return ratings.clip(*self.rating_range_).reshape(shape)

    # -- what the base asks for -------------------------------------------------------------------

    def _fit_given(self, X, **given):
        if self.based_on == "items":
            return self._fit_items(X, given["target"])
        return super()._fit_given(X, **given)

    def _partial_fit_given(self, X, **given):
        if self.based_on == "items":
            raise ValueError(
                "based_on='items' is trained on columns, of which each call has all: use fit, or "
                "based_on='users'."
            )
        return super()._partial_fit_given(X, **given)

    def _check_parameters(self):
        super()._check_parameters()
        if self.biases and self.code_size == 1:
            raise ValueError(
                "code_size must be at least 2 with biases=True: the last number of a code is the "
                "user's bias."
            )
        linear = len(self._hidden_layer_sizes()) == 0 and self.decoder is None
        if self.based_on == "items" and not linear:
            raise ValueError(
                "based_on='items' finds a user's vector by linear regression: leave "
                "hidden_layer_sizes=() and decoder=None."
            )

    def _default_code_size(self, n_features):
        return max(2, super()._default_code_size(n_features))

    def _condition(self, rows, reset=False):
        """The bias of each user."""
        if reset:  # a failed fit gives them back
            self._learn_biases(rows)
        return row_biases(rows, self._expected).astype(rows.dtype) if self.biases else None

    def _learn_biases(self, X):
        """What is expected of each item, the range of ratings, and the scale of what is left."""
        users, items, ratings = observed(X)
        if len(ratings) == 0:
            raise ValueError("X has no rating: in a sparse X, ratings are the entries stored.")
        check_largest(X)
        self.rating_range_ = float(ratings.min()), float(ratings.max())
        mean, of_users, of_items = ratings.mean(dtype=float), np.zeros(len(X)), np.zeros(X.shape[1])
        for _ in range(N_ROUNDS * self.biases):
            of_items = shrunken(ratings - mean - of_users[users], items, len(of_items))
            of_users = shrunken(ratings - mean - of_items[items], users, len(of_users))
        self._expected = mean + of_items
        left = ratings - self._expected[items] - of_users[users]
        self._left = float(np.sqrt(np.mean(left**2)))
        if not self._left > ROUNDINGS * np.finfo(X.dtype).eps * abs(mean):  # all are the same
            self._left = abs(float(mean)) or 1.0

    def _learn_units(self, given):
        super()._learn_units(given)
        self.center_ = self.target_center_ = self._expected
        self.scale_ = self.target_scale_ = self._left

    def _make_encoder(self, n_outputs):
        encoder = super()._make_encoder(n_outputs - self.biases)
        return nn.Sequential(Dropout(self.input_dropout), encoder, Dropout(self.dropout))

    def _join(self, *parts):
        return BiasedEncoderDecoder(*parts) if self.biases else super()._join(*parts)

    def _make_objective(self):
        return RatingObjective(super()._make_objective())

    def _decode(self, codes, condition=None, n_copies=1):
        return super()._decode(codes)  # which have the bias already

    def _hold_out(self, rows):
        held = super()._hold_out(rows)
        if not self.biases:
            return held
        shown = held.x
        if not isinstance(shown, SparseRows):
            unknown = held.observed if rows.observed is None else held.observed | ~rows.observed
            shown = shown.masked_fill(unknown, torch.nan).cpu().numpy()
        biases = row_biases(shown, np.zeros(shown.shape[1])) * self.scale_
        return held.replace(condition=torch.as_tensor(biases).to(rows.condition))

    def _keep(self, given, *args, **kwargs):
        super()._keep(given, *args, **kwargs)
        self._ratings = None
        if not self.keep_training_rows or self.based_on == "items":  # then items_ has them
            return
        self._ratings = given.X
        if not isinstance(given.X, SparseRows):
            users, items, ratings = observed(given.X)
            matrix = sp.coo_array((ratings, (users, items)), shape=given.X.shape)
            self._ratings = as_sparse_rows(matrix.tocsr(), self._format.absent)

    # -- based on items ---------------------------------------------------------------------------

    def _fit_items(self, X, target=None):
        """Fit the same to the columns of X, and let its codes of items tell of users."""
        given = self._check_given(X, target, reset=True)
        users, items, ratings = observed(given.X)
        matrix = sp.coo_array((ratings, (items, users)), shape=given.X.shape[::-1]).tocsr()
        self.items_ = clone(self).set_params(based_on="users", warm_start=False).fit(matrix)
        self._seed = self.items_._seed
        self._learn_units(given)
        vars(self).update({name: getattr(self.items_, name) for name in OF_ITEMS})
        scale, decoder = self.scale_, self.items_.net_.module_.decoder.last
        vectors, constants = (
            scale * t.detach().cpu().numpy().astype(float) for t in (decoder.weight, decoder.bias)
        )
        codes = self.items_.transform(matrix)
        n = codes.shape[1] - self.biases  # the last number of a code is the item's bias,
        vectors[:, n:] /= scale  # which is in units of X
        self._expected = self._expected + codes @ vectors.mean(axis=0) + constants.mean()
        self.center_ = self.target_center_ = self._expected
        ridge = scale**2 * self.best_loss_ / vectors[:, :n].var(axis=0).mean()
        self._ridge = float(ridge)
        module = self._fold_in(torch.from_numpy(codes[:, :n]).float())
        net = AutoencoderNet(module, self._make_objective(), device=self.device_)
        given = given._replace(condition=self._condition(given.X))
        self._keep(given, net.initialize(), self.n_iter_)
        return self

    def _fold_in(self, codes):
        return FoldIn(codes, as_units(self.center_, self.scale_, self.device), self._ridge)

    def _make_module(self):
        if self.based_on == "users":
            return super()._make_module()
        return self._fold_in(torch.zeros(self.n_features_in_, self.code_size_ - self.biases))


def observed(X):
    """Row, column and value of the ratings of X, as three arrays."""
    if isinstance(X, SparseRows):
        return X.observed
    rows, columns = np.nonzero(~np.isnan(X))
    return rows, columns, X[rows, columns]


def shrunken(left, groups, n_groups):
    """The mean of each group, and of `SHRINKAGE` zeros."""
    total = np.bincount(groups, left, n_groups)
    return total / (SHRINKAGE + np.bincount(groups, minlength=n_groups))


def row_biases(X, expected):
    """By how much the ratings of each row are above what is expected of the columns: (n, 1)."""
    rows, columns, ratings = observed(X)
    return shrunken(ratings - expected[columns], rows, len(X))[:, None]


def as_numbers(numbers, name, n):
    """Integers from 0 to n - 1."""
    numbers = np.asarray(numbers)
    if numbers.dtype.kind not in "iu":
        raise ValueError(f"{name} must be integers, got an array of {numbers.dtype}.")
    if numbers.size and (numbers.min() < 0 or numbers.max() >= n):
        raise ValueError(
            f"{name} must be from 0 to {n - 1}, but span [{numbers.min()}, {numbers.max()}]."
        )
    return numbers
