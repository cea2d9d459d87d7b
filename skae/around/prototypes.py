"""The estimators that a user hands to one that stands around them."""

import copy
import math

import numpy as np
from sklearn.base import clone


def listed_prototypes(given):
    """One estimator or several, as a list.

    Raises
    ------
    ValueError
        If the list is empty.
    TypeError
        If it holds what is no estimator.
    """
    given = given if isinstance(given, list | tuple) else [given]
    if not given:
        raise ValueError("autoencoder is an empty list: give one autoencoder or more, or None.")
    for prototype in given:
        if not hasattr(prototype, "fit") or isinstance(prototype, type):
            raise TypeError(f"autoencoder holds {prototype!r}, which is no estimator.")
    return given


def seeded_clone(prototype, rng):
    """A clone with a seed of its own, if its class has one."""
    estimator = clone(prototype)
    if "random_state" in estimator.get_params():
        estimator.set_params(random_state=int(rng.randint(np.iinfo(np.int32).max)))
    return estimator


def copies_to_go_on(fitted):
    """Copies of fitted estimators, whose `partial_fit` may fail without harm.

    Raises
    ------
    TypeError
        If one has no `partial_fit`.
    """
    for estimator in fitted:
        if not hasattr(estimator, "partial_fit"):
            raise TypeError(f"autoencoder holds {estimator!r}, which has no partial_fit.")
    return copy.deepcopy(fitted)


def held_out_ratio(autoencoder, X):
    """How many times larger errors are on rows that a fit has not seen than on X, which it has.

    The root of the ratio of the losses, both as early stopping judges rows; 1 if there was none.
    Also what is learned before the first step, such as a covariance, knows the rows it is of.
    """
    if not autoencoder.validation_loss_curve_:
        return 1.0
    held = autoencoder.validation_loss_curve_[autoencoder.n_iter_]
    seen = autoencoder._loss_as_held_out(X)
    return math.sqrt(max(1.0, held / seen)) if seen > 0 else 1.0
