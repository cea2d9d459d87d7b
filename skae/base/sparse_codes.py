"""What estimators with sparse codes share: sparse output, and who is active how often."""

import numpy as np
import scipy.sparse as sp

from ..rows.given import check_finite


class SparseCodesMixin:
    """`transform` that can give scipy sparse codes, and the activity of the units of the code.

    The estimator has a parameter ``sparse_output`` and says by `_is_active` what is active.
    """

    _asks_of_codes = True

    def transform(self, X):
        """Codes of the rows of X, in X's precision.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The rows; missing entries are taken as ``fill`` says.

        Returns
        -------
        X_new : {ndarray, sparse matrix} of shape (n_samples, `code_size_`)
            A CSR matrix if ``sparse_output=True``.
        """
        if not self.sparse_output:
            return super().transform(X)
        X = self._check_rows(X)
        parts = [check_finite(codes, "The codes", X) for codes in self._codes(X)]
        return sp.vstack([sp.csr_matrix(codes) for codes in parts], format="csr")

    def _codes(self, X):
        """Codes of valid rows, slice by slice."""
        return self.net_.map_slices(lambda module, x: module.encode(x), X)

    def _is_active(self, codes):
        return codes != 0

    def _keep(self, given, *args, **kwargs):
        super()._keep(given, *args, **kwargs)
        total, active = np.zeros(self.code_size_), np.zeros(self.code_size_)
        for codes in self._codes(given.by_weight().X):
            total += codes.sum(axis=0)
            active += self._is_active(codes).sum(axis=0)
        self.mean_activation_ = total / len(given.X)
        self.feature_density_ = active / len(given.X)
        self.dead_fraction_ = float(np.mean(active == 0))
        self.l0_ = float(self.feature_density_.sum())
