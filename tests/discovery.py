"""Finds the public estimators, so that a new family is tested because it exists."""

import inspect
import pkgutil
from importlib import import_module

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.utils import get_tags

import skae
from skae.base.autoencoder import BaseAutoencoder

# What keeps a test short where the training is not its subject, and yet trains every time: early
# stopping may choose the start.
QUICK = {
    "code_size": 3,
    "hidden_layer_sizes": (8,),
    "codebook_size": 16,
    "max_epochs": 3,
    "early_stopping": False,
    "random_state": 0,
}


def public_estimators():
    """The estimators that skae and its public modules name in ``__all__``."""
    modules = [skae]
    for found in pkgutil.iter_modules(skae.__path__, "skae."):
        if not found.name.removeprefix("skae.").startswith("_"):
            modules.append(import_module(found.name))
    names = [(module, name) for module in modules for name in getattr(module, "__all__", ())]
    named = [getattr(module, name) for module, name in names]
    estimators = {c for c in named if inspect.isclass(c) and issubclass(c, BaseEstimator)}
    return sorted(estimators, key=lambda c: c.__name__)


ALL_ESTIMATORS = public_estimators()
# Those whose rows are points of one series, of which none stands for itself.
SERIES = [c for c in ALL_ESTIMATORS if not get_tags(c()).input_tags.two_d_array]
OF_ROWS = [c for c in ALL_ESTIMATORS if c not in SERIES]
# Those that take any numbers. The others, of choices that cannot be negative, have tests of their
# own beside scikit-learn's checks.
ESTIMATORS = [c for c in ALL_ESTIMATORS if not get_tags(c()).input_tags.positive_only]
# Those that learn from labels have tests of their own in around/test_labels.py.
SUPERVISED = [c for c in ESTIMATORS if get_tags(c()).target_tags.required]
ESTIMATORS = [c for c in ESTIMATORS if c not in SUPERVISED]
AUTOENCODERS = [c for c in ESTIMATORS if issubclass(c, BaseAutoencoder)]
# Those that make rows of codes by default.
DECODING = [c for c in AUTOENCODERS if hasattr(c(), "inverse_transform")]


def having(*methods):
    """The public estimators of any numbers that have all of these methods by default."""
    return [c for c in ESTIMATORS if all(hasattr(c(), method) for method in methods)]


def over(estimators):
    """Run a test over these classes."""
    return pytest.mark.parametrize("cls", estimators, ids=lambda cls: cls.__name__)


def labels_for(cls, X):
    """Two classes, and rows without one; None for an estimator that takes no labels."""
    if not get_tags(cls()).target_tags.required:
        return None
    first = np.nan_to_num(np.asarray(X))[:, 0]
    y = (first.argsort().argsort() >= len(first) // 2).astype(float)
    y[::3] = np.nan
    return y


def quick(cls, **params):
    """An instance that trains briefly, as far as its class has the parameters for it."""
    known = inspect.signature(cls).parameters
    if "autoencoder" in known:  # stands around one, which has the parameters of training
        own = {name: params.pop(name) for name in [*params] if name in known}
        trains = {name: QUICK[name] for name in ("max_epochs", "early_stopping") if name in known}
        inside = quick(skae.Autoencoder, **params)
        return cls(**{"autoencoder": inside, "random_state": 0, **trains, **own})
    unused = getattr(cls, "_unused", ())
    settings = {k: value for k, value in QUICK.items() if k in known and k not in unused}
    return cls(**{**settings, **params})
