"""What recommenders share: rows are users, columns are items, most of which a user has not met."""

import numpy as np
import torch

from ..engine.batches import SparseRows
from ..nn.randomness import rand
from ..rows.given import check_integer

# Of the entries of held-out users: by these they are judged, the others are shown.
HIDDEN_SHARE = 0.2
ON_CPU = torch.empty(0)


class RecommenderMixin:
    """`recommend` over any estimator that rebuilds rows.

    An entry is met if it is stored in a sparse X and stands for more than those that are not: if
    it is known, where its format has NaN for those, and else if it is not zero.
    """

    def recommend(self, X, n_items=10, *, exclude_seen=True):
        """The items that the users of X are expected to like best.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_users, n_features)
            What the users are known to like: those of `fit` or others.
        n_items : int, default=10
            Items for each user.
        exclude_seen : bool, default=True
            Whether to leave out the items that X has an entry for.

        Returns
        -------
        indices : ndarray of shape (n_users, n_items)
            Columns of X, the best first; -1 where a user has fewer items left.
        scores : ndarray of shape (n_users, n_items)
            As `reconstruct` gives them, or what the class says instead; -inf where there is no
            item. A user without any entry gets the items in the order of ``center_``: the popular
            ones.

        Raises
        ------
        ValueError
            If ``n_items`` is no integer between 1 and the number of columns, ``exclude_seen`` is
            neither True nor False, and as `transform`.
        """
        given = self._inputs(X)
        width = given.X.shape[1]
        check_integer(n_items, "n_items, of the columns of X,", high=width)
        if not isinstance(exclude_seen, bool | np.bool_):
            raise ValueError(f"exclude_seen must be True or False, got {exclude_seen!r}.")

        def best(module, x, *beside):
            scores = self._preferences(module, x, *beside)
            if exclude_seen:
                scores = scores.masked_fill(self._is_seen(x), -torch.inf)
            scores, indices = scores.topk(n_items)
            return torch.cat([indices.to(scores), scores], dim=1)

        indices, scores = np.split(self.net_.map_batches(best, *given.inputs), 2, axis=1)
        return np.where(np.isinf(scores), -1, indices).astype(int), scores

    def _is_seen(self, x):
        return ~x.isnan() if np.isnan(self._format.absent) else x > 0

    def _preferences(self, module, x, *beside):
        """How much each user likes each item, in units of X: (n_users, n_features)."""
        known = self._is_seen(x).any(dim=1, keepdim=True)
        return torch.where(known, module.reconstruct(x, *beside), module.units.of(x)[0])

    def _hold_out(self, rows):
        """Held-out users are shown some of their entries, and judged by the others."""
        if isinstance(rows.x, SparseRows):
            hidden = rand((rows.x.matrix.nnz,), ON_CPU).numpy() < HIDDEN_SHARE
            shown, rest = (rows.x.where(chosen) for chosen in (~hidden, hidden))
            return rows.replace(x=shown, target=rest, observed=None)
        unknown = np.isnan(self._format.absent)
        # In standardized units; the margin is for rounding.
        nothing = torch.as_tensor(-self.center_ / self.scale_).to(rows.x)
        hidden = rows.x > nothing + 1e-4
        if unknown:
            hidden = torch.ones_like(hidden) if rows.observed is None else rows.observed.clone()
        # As many numbers are drawn as for sparse rows, and in the same order.
        hidden[hidden.clone()] = rand((int(hidden.sum()),), ON_CPU).to(rows.x.device) < HIDDEN_SHARE
        if unknown:
            shown = rows.x.masked_fill(hidden, 0.0)
            return rows.replace(x=shown, target=rows.x, observed=hidden)
        shown = torch.where(hidden, nothing, rows.x)
        rest = torch.where(hidden, rows.x, nothing)
        return rows.replace(x=shown, target=rest, observed=None)
