"""The linear recommender: each item by the others, in closed form (EASE).

With the Gram matrix ``G`` of the choices and ``P = (G + ridge I)^-1``, the weights
``B = I - P / diag(P)`` are those of least squared error whose diagonal is zero.
"""

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
import torch

from ..engine.batches import SparseRows
from ..engine.epochs import held_out
from .recommender import HIDDEN_SHARE

# Ridges to choose from, as multiples of the mean square of a choice: so many users more.
RIDGES = 25, 50, 100, 200, 400, 800
N_FOLDS = 3
# Items that the ridge is chosen for, held-out users of a fold, and items that the path has at
# most: the popular ones. Its time grows with their third power.
ITEMS_TO_CHOOSE_BY, USERS_TO_CHOOSE_BY, MOST_ITEMS = 1000, 500, 5000
LIST_LENGTH = 100
# Beside another model the path may follow the choices more closely: what it errs in averages out.
RIDGE_BESIDE = 0.5
# Shares of the path among the two, to choose from; and where nothing tells.
WEIGHTS, WEIGHT = (0.0, 0.25, 0.5, 0.75, 1.0), 0.5


def as_matrix(rows):
    """Choices as a CSR array."""
    return rows.matrix if isinstance(rows, SparseRows) else sp.csr_array(rows)


def popular(X, n):
    """Numbers of the items chosen most, in the order of columns."""
    chosen = np.asarray((X > 0).sum(axis=0)).ravel()
    return np.sort(np.argsort(-chosen, kind="stable")[:n])


def gram(X):
    """``X^T X`` of sparse rows."""
    return (X.T @ X).toarray().astype(float)


def precision(gram, ridge):
    """``P``, of which the weights follow."""
    return inverse(gram + ridge * np.eye(len(gram)))


def inverse(matrix):
    """That of a symmetric positive definite matrix."""
    triangle, failed = torch.linalg.cholesky_ex(torch.from_numpy(matrix))
    if failed:
        raise ValueError("ease_ridge is too small for these choices: raise it.")
    return torch.cholesky_inverse(triangle).numpy()


def scores(x, precision):
    """``x B``: how much the items that a user has chosen speak for each other item."""
    return x - x @ precision / precision.diagonal()


def standardized(scores):
    """Scores of each user of mean 0 and variance 1; 0 if they are all the same."""
    away = scores - scores.mean(1, keepdim=True)
    spread = away.square().mean(1, keepdim=True).sqrt()
    return torch.where(spread > 0, away / spread, 0.0)


def mixed(one, other, weight):
    """Two scores of each user in one, ``weight`` of it the other's."""
    return (1 - weight) * standardized(one) + weight * standardized(other)


def hide(X, rng):
    """Two parts of the choices of users: those shown, and those looked for."""
    X = X.tocoo()
    is_hidden = rng.random(X.nnz) < HIDDEN_SHARE
    return (
        sp.csr_array((X.data[part], (X.row[part], X.col[part])), shape=X.shape)
        for part in (~is_hidden, is_hidden)
    )


def ndcg(scores, shown, hidden):
    """NDCG of a list of recommendations, the mean over users of whom something is hidden."""
    shown, hidden = (torch.from_numpy(part.toarray() > 0) for part in (shown, hidden))
    some = hidden.any(1)
    scores, hidden = scores.masked_fill(shown, -torch.inf)[some], hidden[some]
    best = scores.topk(min(LIST_LENGTH, scores.shape[1])).indices
    discount = 1 / torch.arange(2, best.shape[1] + 2, dtype=torch.float64).log2()
    at_best = discount.cumsum(0)[hidden.sum(1).clamp(max=len(discount)) - 1]
    if not some.any():
        return 0.0
    return (hidden.gather(1, best).double() @ discount / at_best).mean().item()


def choose_ridge(X, seed):
    """The ridge by which held-out users are recommended to best, in units of X squared."""
    unit = float(np.mean(X.data**2, dtype=float))
    X = X[:, popular(X, ITEMS_TO_CHOOSE_BY)]
    n_folds = min(N_FOLDS, X.shape[0])
    if n_folds < 2:
        return RIDGES[-1] * unit
    rng = np.random.default_rng(seed)
    found = np.zeros(len(RIDGES))
    for train, held in held_out(X.shape[0], None, n_folds, seed):
        shown, hidden = hide(X[held[:USERS_TO_CHOOSE_BY]], rng)
        products = gram(X[train])
        for i, ridge in enumerate(RIDGES):
            found[i] += ndcg(
                torch.from_numpy(scores(shown.toarray(), precision(products, ridge * unit))),
                shown,
                hidden,
            )
    return RIDGES[int(np.argmax(found))] * unit


class Ease(NamedTuple):
    """The path of the items chosen most: what is kept of it."""

    items: np.ndarray  # their numbers
    precision: np.ndarray  # their P
    ridge: float

    @classmethod
    def of(cls, X, ridge):
        """Fitted to choices."""
        items = popular(X, MOST_ITEMS)
        return cls(items, precision(gram(X[:, items]), ridge).astype(np.float32), ridge)

    def after(self, X):
        """Fitted to these choices as well."""
        before = inverse(self.precision.astype(float))
        return self._replace(precision=inverse(before + gram(X[:, self.items])).astype(np.float32))

    def __call__(self, x):
        """Scores of users, given as a tensor in units of X; 0 for items beyond the path."""
        items, precision = (torch.from_numpy(part).to(x.device) for part in self[:2])
        return torch.zeros_like(x).index_copy(1, items, scores(x[:, items], precision.to(x)))
