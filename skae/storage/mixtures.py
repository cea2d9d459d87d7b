"""Mixtures of Gaussians in files: what scikit-learn keeps beside covariances follows from them."""

import numpy as np
from scipy.linalg import LinAlgError, cholesky, solve_triangular
from sklearn.mixture import BayesianGaussianMixture, GaussianMixture

MIXTURES = (BayesianGaussianMixture, GaussianMixture)
DERIVED = ("precisions_cholesky_", "precisions_")
FORMS = ("full", "diag")  # of covariances; a mixture of another is kept whole


def without_derived(state):
    """What a file holds of the state of a mixture."""
    if state["covariance_type"] not in FORMS or "covariances_" not in state:
        return state
    return {name: value for name, value in state.items() if name not in DERIVED}


def complete(mixture):
    """Give a mixture what follows from its covariances, to the bit as its `fit` did."""
    if not hasattr(mixture, "covariances_") or hasattr(mixture, DERIVED[0]):
        return
    covariances = np.asarray(mixture.covariances_)
    if mixture.covariance_type == "diag":
        roots = 1 / np.sqrt(covariances)
        mixture.precisions_cholesky_, mixture.precisions_ = roots, roots**2
        return
    unit = np.eye(covariances.shape[-1], dtype=covariances.dtype)
    try:
        lower = [cholesky(covariance, lower=True) for covariance in covariances]
    except LinAlgError as error:
        raise ValueError("a mixture of Gaussians has covariances that are none") from error
    roots = np.array([solve_triangular(root, unit, lower=True).T for root in lower])
    mixture.precisions_cholesky_ = roots
    mixture.precisions_ = np.array([root @ root.T for root in roots])
