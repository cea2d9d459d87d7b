"""Finds the public estimators, so that a new family is tested because it exists."""

import inspect
import pkgutil
from importlib import import_module

from sklearn.base import BaseEstimator

import skae
from skae._base import BaseAutoencoder

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
    classes = {getattr(module, name) for module, name in names}
    estimators = [c for c in classes if inspect.isclass(c) and issubclass(c, BaseEstimator)]
    return sorted(estimators, key=lambda c: c.__name__)


ESTIMATORS = public_estimators()
AUTOENCODERS = [c for c in ESTIMATORS if issubclass(c, BaseAutoencoder)]
# Those that make rows of codes by default.
DECODING = [c for c in AUTOENCODERS if hasattr(c(), "inverse_transform")]


def having(*methods):
    """The public estimators that have all of these methods by default."""
    return [c for c in ESTIMATORS if all(hasattr(c(), method) for method in methods)]


def quick(cls, **params):
    """An instance that trains briefly, as far as its class has the parameters for it."""
    known = inspect.signature(cls).parameters
    unused = getattr(cls, "_unused", ())
    settings = {k: value for k, value in QUICK.items() if k in known and k not in unused}
    if "autoencoder" in known:  # it is that which trains
        inner = {k: params.pop(k) for k in [*params] if k not in known}
        settings["autoencoder"] = quick(skae.DenoisingAutoencoder, noise="masking", **inner)
    return cls(**{**settings, **params})
